"""intarsia learn: learn the looks of a scene's objects once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from intarsia.cli.arrange_flags import SceneFlags
from intarsia.cli.first_look import look_at
from intarsia.cli.load_models import loader
from intarsia.cli.options import CommandResult, OutputOptions, note_lines
from intarsia.cli.progress import progress_bar
from intarsia.errors import Cancelled
from intarsia.records.scene_folder import photo_of
from intarsia.tasks.options import Machine


@dataclass(frozen=True, kw_only=True)
class Learn:
    """Learn the looks of a scene's objects once; intarsia arrange --concepts FILE paints with them."""

    record: Annotated[SceneFlags, tyro.conf.arg(name="")]
    out: Path = Path("concepts.safetensors")
    """File to write."""
    overwrite: bool = False
    """Replace the file."""
    export: bool = False
    """Also write the folder NAME.diffusers: the same for other programs, as a LoRA and textual inversions."""
    resume: bool = False
    """Go on where an interrupted run stopped."""
    tracker: Literal["none", "tensorboard", "wandb"] = "none"
    """Where the losses are logged besides."""
    machine: tyro.conf.OmitArgPrefixes[Machine] = Machine()
    output: tyro.conf.OmitArgPrefixes[OutputOptions] = OutputOptions()


def learn_command(command: Learn) -> CommandResult:
    record = command.record.record()
    look_at(photo_of(record), record)

    from intarsia.tasks.learn import run_learn, tracking
    from intarsia.tasks.scene import load_segmenter

    checkpoint = command.out.with_suffix(".partial")
    with tracking(command.tracker, command.out) as tracker, progress_bar(command.output) as on_progress:
        try:
            done = run_learn(
                record,
                command.out,
                loader(command.machine),
                lambda source: load_segmenter(source, command.machine.device),
                overwrite=command.overwrite,
                export=command.export,
                checkpoint=checkpoint,
                resume=command.resume,
                tracker=tracker,
                on_progress=on_progress,
            )
        except (KeyboardInterrupt, Cancelled):
            if checkpoint.is_file():
                raise Cancelled(
                    f"stopped; what was learned so far is in {checkpoint}: the same command with --resume goes on."
                ) from None
            raise
    names = list(done.concepts.names)
    summary = {
        "file": str(done.file),
        "names": names,
        "evaluations": done.cost.evaluations,
        "megabytes": round(done.file.stat().st_size / 2**20, 2),
        "exported": [str(file) for file in done.exported],
        "models": done.models,
        "notes": list(done.notes),
    }
    lines = [
        f"{done.file}  the looks of {', '.join(names)}, {summary['megabytes']} MB, "
        f"{done.cost.evaluations} denoiser evaluations, {done.models}",
        f"  use it: intarsia arrange {command.record.photo} ... --mode regenerate --concepts {done.file}",
    ]
    if done.exported:
        lines.append(
            f"  for other programs: {done.exported[0].parent}, a LoRA and textual inversions as diffusers reads them"
        )
    return summary, [*lines, *note_lines(done.notes)]
