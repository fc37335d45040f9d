"""The web pages: the same records and commands as on the command line, behind handles and buttons."""
