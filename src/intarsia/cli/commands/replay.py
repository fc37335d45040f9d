"""intarsia replay: make a recorded edit again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import tyro

from intarsia.cli.load_models import loader
from intarsia.cli.options import CommandResult, OutputOptions
from intarsia.cli.progress import progress_bar
from intarsia.records.edit import EditRecord
from intarsia.tasks.options import Files, Machine


@dataclass(frozen=True, kw_only=True)
class Replay:
    """Make a recorded edit again, by words or by layout, and say whether the same pixels came out."""

    result: tyro.conf.Positional[Path]
    """NAME.json or NAME.png that intarsia edit or arrange wrote."""
    photo: Path | None = None
    """The photo, if it is no longer where the record says."""
    out: Path = Path("replayed")
    """Folder to write to."""
    files: tyro.conf.OmitArgPrefixes[Files] = Files()
    machine: tyro.conf.OmitArgPrefixes[Machine] = Machine()
    talk: tyro.conf.OmitArgPrefixes[OutputOptions] = OutputOptions()


def replay_command(command: Replay) -> CommandResult:
    import torch

    from intarsia.results.document import pixel_digest
    from intarsia.results.replay import read_replay

    replay = read_replay(command.result, command.photo)
    if replay.threads is not None:
        torch.set_num_threads(replay.threads)
    if isinstance(replay.record, EditRecord):
        from intarsia.tasks.edit import run_edit

        with progress_bar(command.talk) as on_progress:
            summary, lines, result = run_edit(
                replay.record,
                command.out,
                command.files,
                loader(command.machine),
                lead=replay.index,
                on_progress=on_progress,
            )
        made = result.candidates[replay.index].photo
    else:
        from intarsia.tasks.arrange import run_arrange
        from intarsia.tasks.scene import load_segmenter

        with progress_bar(command.talk) as on_progress:
            summary, lines, arranged = run_arrange(
                replay.record,
                command.out,
                loader(command.machine),
                lambda source: load_segmenter(source, command.machine.device),
                lead=replay.index,
                metadata=not command.files.no_metadata,
                overwrite=command.files.overwrite,
                on_progress=on_progress,
            )
        made = arranged.pictures[replay.index].photo
    assert made is not None
    same = pixel_digest(made) == replay.output_sha256
    verdict = (
        "The same pixels came out."
        if same
        else "Other pixels came out than were recorded: compare 'versions' in both JSON files, and the device."
    )
    return {**summary, "same_pixels": same}, [*lines, verdict]
