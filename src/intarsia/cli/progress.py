"""Progress bars on the terminal, one a stage."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

from intarsia.cli.options import OutputOptions
from intarsia.progress import OnProgress, Progress


@contextlib.contextmanager
def progress_bar(output: OutputOptions) -> Iterator[OnProgress | None]:
    """A bar on stderr for each stage, on a terminal; None elsewhere."""
    if output.quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, TaskID, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        TimeElapsedColumn(),
    )
    tasks: dict[str, TaskID] = {}
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:

        def show(progress: Progress) -> None:
            if progress.stage not in tasks:
                tasks[progress.stage] = bars.add_task(progress.stage, total=progress.total)
            bars.update(tasks[progress.stage], completed=progress.done, total=progress.total)

        yield show
