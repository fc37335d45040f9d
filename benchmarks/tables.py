"""Tables of figures, printed whole."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

WIDEST = 10_000  # characters; no table is wider


def print_whole(table: Table) -> None:
    """Print a table as wide as its figures need.

    Rich cuts cells to the terminal's width, and to 80 characters where there is no terminal: in a log, figures would
    end in an ellipsis. A terminal that is too narrow folds the lines instead.
    """
    console = Console()
    needed = console.measure(table, options=console.options.update(max_width=WIDEST)).maximum
    Console(width=max(console.width, needed)).print(table)
