"""What Intarsia can be relied on for, measured: `python -m trust` prints the figures of docs/reliability.md."""
