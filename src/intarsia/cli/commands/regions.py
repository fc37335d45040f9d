"""intarsia regions fit: fit a region network over many pictures."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import tyro

from intarsia.cli.load_models import loader
from intarsia.cli.options import CommandResult, OutputOptions
from intarsia.cli.progress import progress_bar
from intarsia.errors import IntarsiaError, OutputError
from intarsia.records.edit import FitSettings
from intarsia.tasks.options import Machine

if TYPE_CHECKING:
    from intarsia.distributed import World


@dataclass(frozen=True, kw_only=True)
class Regions:
    """Fit a region network over many pictures once; intarsia edit --regions FILE then uses it."""

    action: tyro.conf.Positional[Literal["fit"]]
    """fit."""
    jobs: tyro.conf.Positional[Path]
    """JSON: a list of records, or {"picture.png": ["source words", "prompt"]}."""
    out: Path = Path("regions.safetensors")
    """File to write."""
    start: Path | None = None
    """Go on from this network."""
    models: str = "auto"
    """Checkpoints, as for intarsia edit."""
    seed: int = 0
    """Seed of the first weights and of the order of the pictures."""
    fit: FitSettings = FitSettings()
    overwrite: bool = False
    """Replace the file."""
    machine: tyro.conf.OmitArgPrefixes[Machine] = Machine()
    output: tyro.conf.OmitArgPrefixes[OutputOptions] = OutputOptions()


def regions_command(command: Regions) -> CommandResult:
    from intarsia.distributed import world

    here = world()
    with only_main_speaks(here, command.output):
        return fit_regions(command, here)


def fit_regions(command: Regions, world: World) -> CommandResult:
    from intarsia.batch.edit_jobs import read_edits
    from intarsia.distributed import in_step
    from intarsia.files import check_absent
    from intarsia.imaging.read import read_photo
    from intarsia.regions.network import RegionNetwork
    from intarsia.results.staging import check_folder

    with in_step(world):
        jobs = read_edits(command.jobs)
        if command.out.suffix != ".safetensors":
            raise OutputError(f"{command.out} must end in .safetensors, the format of region networks: rename it.")
        check_folder(command.out.parent)
        check_absent(command.out, command.overwrite)
        if command.start is not None:
            RegionNetwork.load(command.start)
        for job in jobs:
            read_photo(job.photo)
        machine = dataclasses.replace(command.machine, device=world.device(command.machine.device))
        backbones = loader(machine)(command.models)
    from intarsia.regions.train import fit

    with progress_bar(command.output) if world.is_main else contextlib.nullcontext() as on_progress:
        fitted = fit(
            jobs,
            backbones,
            command.fit,
            command.out,
            start=command.start,
            seed=command.seed,
            overwrite=command.overwrite,
            world=world,
            on_progress=on_progress,
        )
    summary = {
        "file": str(command.out),
        "pictures": len(jobs),
        "first_loss": fitted.first_loss,
        "last_loss": fitted.last_loss,
        "best_loss": fitted.best_loss,
        "evaluations": fitted.evaluations,
    }
    lines = [
        f"{command.out}  fitted on {len(jobs)} pictures, {fitted.evaluations} denoiser evaluations",
        f"  expected loss {fitted.first_loss:.4f} -> {fitted.last_loss:.4f} (always the best box: {fitted.best_loss:.4f})",
    ]
    return summary, lines


@contextlib.contextmanager
def only_main_speaks(world: World, output: OutputOptions) -> Iterator[None]:
    """Of several processes the main one prints; the others end with the same exit code, in silence."""
    if world.is_main:
        yield
        return
    from intarsia.distributed import from_main

    logging.getLogger("intarsia").setLevel(logging.ERROR)
    try:
        yield
    except Exception as problem:
        if output.debug:
            raise
        # The launcher ends everybody once one has gone: wait until the main process has said why.
        with contextlib.suppress(Exception):
            from_main(world, None)
        raise SystemExit(2 if isinstance(problem, IntarsiaError) else 1) from None
    raise SystemExit(0)
