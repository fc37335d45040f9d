"""Fit the region network that ships with the pocket models: replace one object by another, on many scenes.

    python -m training.regions --scenes 150

Its scenes have a seed of their own.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.progress import Progress as Bar

from intarsia.backbones import load_backbones
from intarsia.progress import Progress
from intarsia.records.edit import EditRecord, FitSettings
from intarsia.regions.edit import POCKET_NETWORK
from intarsia.regions.train import fit
from training import data, world

SEED = 6006


def draw_job(folder: Path, number: int) -> EditRecord:
    """A scene of its own seed, written to `folder`, and the edit asked of it."""
    rng = np.random.default_rng((SEED, number))
    scene = world.render(rng)
    while not scene.objects:
        scene = world.render(rng)
    file = folder / f"{number:04d}.png"
    scene.image.save(file)
    source = scene.objects[int(rng.integers(len(scene.objects)))].name
    others = [n for n in world.NAMES if n not in {o.name for o in scene.objects}]
    prompt = world.with_article(str(rng.choice(others)))
    return EditRecord(photo=str(file), source=source, prompt=prompt, models="pocket", seed=int(rng.integers(2**31)))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--scenes", type=int, default=150)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    folder = data.RUNS / "regions"
    folder.mkdir(parents=True, exist_ok=True)
    jobs = [draw_job(folder, i) for i in range(options.scenes)]
    with Bar(console=Console(stderr=True)) as bar:
        task = bar.add_task("", total=None)

        def show(progress: Progress) -> None:
            bar.update(task, description=progress.stage, completed=progress.done, total=progress.total)

        fitted = fit(jobs, load_backbones("pocket"), FitSettings(), POCKET_NETWORK, overwrite=True, on_progress=show)
    print(
        f"region network: expected loss {fitted.first_loss:.4f} -> {fitted.last_loss:.4f} on {len(jobs)} scenes "
        f"(always the best box: {fitted.best_loss:.4f}), {fitted.evaluations} denoiser evaluations"
    )


if __name__ == "__main__":
    main()
