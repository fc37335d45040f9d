"""intarsia replay: make a recorded edit again."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import tyro

from intarsia.cli.load_models import loader
from intarsia.cli.options import CommandResult, OutputOptions
from intarsia.cli.progress import progress_bar
from intarsia.records.arrange import ArrangeRecord
from intarsia.records.edit import EditRecord
from intarsia.records.remove import RemoveRecord
from intarsia.tasks.options import Files, Machine

if TYPE_CHECKING:
    from intarsia.imaging.photo import Photo

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Replay:
    """Make a recorded edit again, of any kind, and say whether the same pixels came out."""

    result: tyro.conf.Positional[Path]
    """NAME.json or NAME.png that intarsia edit, arrange or remove wrote."""
    photo: Path | None = None
    """The photo, if it is no longer where the record says."""
    out: Path = Path("replayed")
    """Folder to write to."""
    files: tyro.conf.OmitArgPrefixes[Files] = Files()
    machine: tyro.conf.OmitArgPrefixes[Machine] = Machine()
    output: tyro.conf.OmitArgPrefixes[OutputOptions] = OutputOptions()


def replay_command(command: Replay) -> CommandResult:
    from intarsia.results.document import pixel_digest
    from intarsia.results.replay import read_replay

    replay = read_replay(command.result, command.photo)
    if replay.threads is not None:
        import torch

        torch.set_num_threads(replay.threads)
    if isinstance(replay.record, EditRecord):
        (summary, lines), photo = _edit_again(command, replay.record, replay.index)
    elif isinstance(replay.record, RemoveRecord):
        (summary, lines), photo = _remove_again(command, replay.record)
    else:
        (summary, lines), photo = _arrange_again(command, replay.record, replay.index)
    same = pixel_digest(photo) == replay.output_sha256
    verdict = (
        "The same pixels came out."
        if same
        else "Other pixels came out than were recorded: compare 'versions' in both JSON files, and the device."
    )
    return {**summary, "same_pixels": same}, [*lines, verdict]


def _edit_again(command: Replay, record: EditRecord, index: int) -> tuple[CommandResult, Photo]:
    from intarsia.cli.result_lines import edit_lines
    from intarsia.tasks.edit import run_edit

    load = loader(command.machine)
    with progress_bar(command.output) as on_progress:
        done = run_edit(
            record, command.out, command.files, load, lead=index, on_progress=on_progress, on_note=logger.warning
        )
    return (done.saved.summary, edit_lines(done)), done.photo


def _arrange_again(command: Replay, record: ArrangeRecord, index: int) -> tuple[CommandResult, Photo]:
    from intarsia.cli.result_lines import arrange_lines
    from intarsia.tasks.arrange import run_arrange
    from intarsia.tasks.scene import load_segmenter

    with progress_bar(command.output) as on_progress:
        done = run_arrange(
            record,
            command.out,
            loader(command.machine),
            lambda source: load_segmenter(source, command.machine.device),
            lead=index,
            metadata=not command.files.no_metadata,
            overwrite=command.files.overwrite,
            on_progress=on_progress,
        )
    return (done.saved.summary, arrange_lines(done)), done.photo


def _remove_again(command: Replay, record: RemoveRecord) -> tuple[CommandResult, Photo]:
    from intarsia.cli.result_lines import remove_lines
    from intarsia.tasks.remove import run_remove
    from intarsia.tasks.scene import load_segmenter

    with progress_bar(command.output) as on_progress:
        done = run_remove(
            record,
            command.out,
            loader(command.machine),
            lambda source: load_segmenter(source, command.machine.device),
            metadata=not command.files.no_metadata,
            overwrite=command.files.overwrite,
            on_progress=on_progress,
        )
    return (done.saved.summary, remove_lines(done)), done.photo
