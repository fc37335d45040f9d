"""intarsia remove: take objects out of a picture."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from intarsia.cli.first_look import look_at
from intarsia.cli.load_models import loader
from intarsia.cli.options import CommandResult, OutputOptions
from intarsia.cli.progress import progress_bar
from intarsia.records.remove import RemoveRecord
from intarsia.tasks.options import Machine


@dataclass(frozen=True, kw_only=True)
class RemoveFlags(RemoveRecord):
    """A removal's record in the form of flags; checked only when it becomes a record, for a plain message."""

    photo: tyro.conf.Positional[str]

    def __post_init__(self) -> None:
        """Nothing yet: see `record`."""

    def record(self) -> RemoveRecord:
        """Raises: RecordError: a setting is out of range."""
        return RemoveRecord(**{f.name: getattr(self, f.name) for f in dataclasses.fields(RemoveRecord)})


@dataclass(frozen=True, kw_only=True)
class Remove:
    """Take objects out of a picture: the gap is filled from what is around it, on any CPU, with nothing to download."""

    record: Annotated[RemoveFlags, tyro.conf.arg(name="")]
    out: Path = Path("out")
    """Folder to write to."""
    name: str = ""
    """Name of the files, for several edits of one picture in a folder; by default the picture's."""
    overwrite: bool = False
    """Replace files of the same names."""
    no_metadata: bool = False
    """Leave the record out of the picture; it is still written beside it."""
    machine: tyro.conf.OmitArgPrefixes[Machine] = Machine()
    output: tyro.conf.OmitArgPrefixes[OutputOptions] = OutputOptions()


def remove_command(command: Remove) -> CommandResult:
    record = command.record.record()
    look_at(record.photo, record)

    from intarsia.cli.result_lines import remove_lines
    from intarsia.tasks.remove import run_remove
    from intarsia.tasks.scene import load_segmenter

    with progress_bar(command.output) as on_progress:
        done = run_remove(
            record,
            command.out,
            loader(command.machine),
            lambda source: load_segmenter(source, command.machine.device),
            name=command.name,
            metadata=not command.no_metadata,
            overwrite=command.overwrite,
            on_progress=on_progress,
        )
    return done.saved.summary, remove_lines(done)
