"""The command line: flags become a record or a task's options, a task runs, its result is printed. No editing here."""
