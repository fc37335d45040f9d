"""intarsia prior: paint pictures of a class with the model itself."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import tyro

from intarsia.cli.load_models import loader
from intarsia.cli.options import CommandResult, OutputOptions, counted, note_lines
from intarsia.cli.progress import progress_bar
from intarsia.errors import UsageError
from intarsia.tasks.options import Machine


@dataclass(frozen=True, kw_only=True)
class Prior:
    """Paint pictures of a class with the model itself, for intarsia learn --learn.prior DIR."""

    words: tyro.conf.Positional[str]
    """What they show, e.g. cat."""
    count: int = 200
    """How many."""
    out: Path = Path("prior")
    """Folder to write to; pictures of several classes may lie in one."""
    models: str = "auto"
    """Checkpoints, as for intarsia edit."""
    seed: int = 0
    """Seed of the first picture's noise; the next ones follow upward."""
    steps: int = 30
    """Denoising steps of each."""
    guidance: float = 5.0
    """Classifier-free guidance scale; 1 turns it off."""
    overwrite: bool = False
    """Replace files of the same names."""
    machine: tyro.conf.OmitArgPrefixes[Machine] = Machine()
    output: tyro.conf.OmitArgPrefixes[OutputOptions] = OutputOptions()


def prior_command(command: Prior) -> CommandResult:
    from intarsia.tasks.prior import run_prior

    words = command.words.strip()
    for good, message in (
        (words, "The words are empty: say what the pictures should show, e.g. intarsia prior cat."),
        (1 <= command.count <= 10_000, f"count is {command.count}, but must lie between 1 and 10,000."),
        (1 <= command.steps <= 1000, f"steps is {command.steps}, but must lie between 1 and 1000; 30 to 50 is usual."),
        (
            math.isfinite(command.guidance) and 1 <= command.guidance <= 100,
            f"guidance is {command.guidance}, but must lie between 1 (off) and 100; 5 to 8 is usual.",
        ),
        (0 <= command.seed < 2**62, f"seed is {command.seed}, but must be a whole number from 0 to 2^62 - 1."),
    ):
        if not good:
            raise UsageError(message)
    with progress_bar(command.output) as on_progress:
        painted = run_prior(
            words,
            command.count,
            command.out,
            loader(command.machine),
            models=command.models,
            seed=command.seed,
            steps=command.steps,
            guidance=command.guidance,
            overwrite=command.overwrite,
            on_progress=on_progress,
        )
    before = f" ({painted.before} of them were there already)" if painted.before else ""
    lines = [
        f"{counted(len(painted.files), 'picture')} of {words!r} in {command.out}{before}, {painted.models}",
        f"  use them: intarsia learn SCENE --learn.prior {command.out}",
    ]
    summary = {"folder": str(command.out), "words": words, "files": [str(file) for file in painted.files]}
    count = len(painted.files) - painted.before
    return {**summary, "painted": count, "models": painted.models, "notes": list(painted.notes)}, [
        *lines,
        *note_lines(painted.notes),
    ]
