"""intarsia batch: do many jobs, and go on where a run stopped."""

from __future__ import annotations

from intarsia.cli.batch_flags import Batch as Batch
from intarsia.cli.options import CommandResult


def batch_command(command: Batch) -> tuple[CommandResult, int]:
    """The exit code too: some jobs of a batch may fail, which is neither bad input nor all well."""
    from intarsia.cli.batch_run import run_batch

    return run_batch(command)
