"""Tasks: from a record to files, for the command line, a batch and the web pages alike."""
