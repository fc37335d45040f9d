"""One file a command: its flags and its function."""
