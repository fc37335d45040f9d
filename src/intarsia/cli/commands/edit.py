"""intarsia edit: edit a picture by words."""

from __future__ import annotations

import dataclasses
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from tyro.constructors import PrimitiveConstructorSpec

from intarsia.cli.first_look import look_at
from intarsia.cli.load_models import loader
from intarsia.cli.options import CommandResult, OutputOptions
from intarsia.cli.progress import progress_bar
from intarsia.errors import UsageError
from intarsia.records.edit import EditRecord
from intarsia.tasks.options import Files, Machine

logger = logging.getLogger(__name__)

BoxEdges = tuple[float, float, float, float]


def read_box(words: list[str]) -> BoxEdges | None:
    """x0,y0,x1,y1 as four numbers."""
    try:
        x0, y0, x1, y1 = (float(edge) for edge in words[0].split(","))
    except ValueError:
        raise UsageError(
            f"The box {words[0]!r} is not four numbers with commas between them: "
            "give --box x0,y0,x1,y1 in pixels, e.g. --box 10,20,110,90."
        ) from None
    return x0, y0, x1, y1


BOX_FLAG = PrimitiveConstructorSpec(
    nargs=1,
    metavar="X0,Y0,X1,Y1",
    instance_from_str=read_box,
    is_instance=lambda value: value is None or isinstance(value, tuple),
    str_from_instance=lambda value: ["none" if value is None else ",".join(f"{edge:g}" for edge in value)],
)


@dataclass(frozen=True, kw_only=True)
class EditFlags(EditRecord):
    """An edit's record in the form of flags; checked only when it becomes a record, for a plain message."""

    photo: tyro.conf.Positional[str]
    box: Annotated[BoxEdges | None, BOX_FLAG] = None

    def __post_init__(self) -> None:
        """Nothing yet: see `record`."""

    def record(self) -> EditRecord:
        """Raises: RecordError: a setting is out of range."""
        return EditRecord(**{f.name: getattr(self, f.name) for f in dataclasses.fields(EditRecord)})


@dataclass(frozen=True, kw_only=True)
class Edit:
    """Edit a picture by words: find where, repaint there, rank, write the best."""

    record: Annotated[EditFlags, tyro.conf.arg(name="")]
    out: Path = Path("out")
    """Folder to write to."""
    name: str = ""
    """Name of the files, for several edits of one picture in a folder; by default the picture's."""
    files: tyro.conf.OmitArgPrefixes[Files] = Files()
    machine: tyro.conf.OmitArgPrefixes[Machine] = Machine()
    output: tyro.conf.OmitArgPrefixes[OutputOptions] = OutputOptions()


def edit_command(command: Edit) -> CommandResult:
    record = command.record.record()
    look_at(record.photo, record)

    from intarsia.cli.result_lines import edit_lines
    from intarsia.tasks.edit import run_edit

    with progress_bar(command.output) as on_progress:
        done = run_edit(
            record,
            command.out,
            command.files,
            loader(command.machine),
            name=command.name,
            on_progress=on_progress,
            on_note=logger.warning,
        )
    return done.saved.summary, edit_lines(done)
