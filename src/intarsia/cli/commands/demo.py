"""intarsia demo: edit photographs, and the scenes that ship with the package."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import tyro

from intarsia.cli.load_models import loader
from intarsia.cli.options import CommandResult, OutputOptions
from intarsia.cli.progress import progress_bar
from intarsia.tasks.options import Machine


@dataclass(frozen=True, kw_only=True)
class Demo:
    """Edit photographs and the scenes that ship with the package, and write demo.png and index.html."""

    out: Path = Path("demo-out")
    """Folder to write to."""
    overwrite: bool = False
    """Replace the demo that is there."""
    models: str = "pocket"
    """Checkpoints to show; the scenes are made for pocket."""
    machine: tyro.conf.OmitArgPrefixes[Machine] = Machine()
    output: tyro.conf.OmitArgPrefixes[OutputOptions] = OutputOptions()


def demo_command(command: Demo) -> CommandResult:
    from intarsia.demo.run import plan_demo, run_demo

    plan = plan_demo(command.out, overwrite=command.overwrite, models=command.models)
    with progress_bar(command.output) as on_progress:
        made = run_demo(plan, lambda: loader(command.machine)(command.models), on_progress=on_progress)
    summary = {
        "sheet": str(made.sheet),
        "page": str(made.page),
        "edits": made.edits,
        "seconds": round(made.seconds, 1),
        "evaluations": made.evaluations,
        **({"note": made.note} if made.note else {}),
    }
    lines = [
        f"{made.edits} pictures edited in {made.seconds:.0f} s, {made.evaluations} denoiser evaluations.",
        f"Contact sheet: {made.sheet}",
        f"Page: {made.page}",
        *([made.note] if made.note else []),
    ]
    return summary, lines
