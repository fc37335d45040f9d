"""intarsia arrange: edit a picture by layout."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from intarsia.cli.arrange_flags import ArrangeFlags
from intarsia.cli.first_look import look_at
from intarsia.cli.load_models import loader
from intarsia.cli.options import CommandResult, OutputOptions
from intarsia.cli.progress import progress_bar
from intarsia.records.scene_folder import photo_of
from intarsia.tasks.options import Machine


@dataclass(frozen=True, kw_only=True)
class Arrange:
    """Edit a picture by layout: move, scale, turn, mirror, copy, remove its objects, their looks kept."""

    record: Annotated[ArrangeFlags, tyro.conf.arg(name="")]
    out: Path = Path("out")
    """Folder to write to."""
    name: str = ""
    """Name of the files, for several edits of one picture in a folder; by default the picture's."""
    overwrite: bool = False
    """Replace files of the same names."""
    no_metadata: bool = False
    """Leave the record out of the pictures; it is still written beside them."""
    no_cache: bool = False
    """Compute everything again, and keep nothing for the next edit of this picture."""
    machine: tyro.conf.OmitArgPrefixes[Machine] = Machine()
    output: tyro.conf.OmitArgPrefixes[OutputOptions] = OutputOptions()


def arrange_command(command: Arrange) -> CommandResult:
    record = command.record.record()
    look_at(photo_of(record), record)

    from intarsia.cli.result_lines import arrange_lines
    from intarsia.tasks.arrange import run_arrange
    from intarsia.tasks.scene import load_segmenter

    with progress_bar(command.output) as on_progress:
        done = run_arrange(
            record,
            command.out,
            loader(command.machine),
            lambda source: load_segmenter(source, command.machine.device),
            name=command.name,
            metadata=not command.no_metadata,
            overwrite=command.overwrite,
            cached=not command.no_cache,
            on_progress=on_progress,
        )
    return done.saved.summary, arrange_lines(done)
