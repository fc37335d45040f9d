"""Pools of rendered scenes: pictures in one array, what is known of them beside it.

A pool is drawn once by two processes and kept in `training/runs/`, which git ignores.
"""

from __future__ import annotations

import json
import random
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from training import world

RUNS = Path(__file__).parent / "runs"
SIDE = 64  # pixels of the pocket models' pictures
# Seeds of the splits. Whatever is measured uses another seed than these.
SPLITS = {"train": 1001, "judge": 2002, "held_out": 3003}
CHUNK = 1000


@dataclass(frozen=True, kw_only=True)
class Pool:
    """Scenes of one split.

    Attributes:
        pictures: (N, 64, 64, 3) uint8.
        labels: (N, 64, 64) uint8, 0 for background, else 1 + index of the object in `facts`.
        facts: background, names and boxes of each scene.
    """

    pictures: np.ndarray
    labels: np.ndarray
    facts: list[dict[str, Any]]

    def __len__(self) -> int:
        return len(self.facts)

    def caption(self, index: int, rng: random.Random) -> str:
        fact = self.facts[index]
        return world.caption(fact["names"], fact["boxes"], fact["background"], rng, (SIDE, SIDE))

    def batch(self, index: np.ndarray) -> Tensor:
        """(B, 3, 64, 64) float pictures in [-1, 1]."""
        return as_tensor(self.pictures[index])


def as_tensor(pictures: np.ndarray) -> Tensor:
    """(B, H, W, 3) uint8 -> (B, 3, H, W) float in [-1, 1], channels last in memory."""
    floats = torch.from_numpy(np.ascontiguousarray(pictures)).permute(0, 3, 1, 2).float() / 127.5 - 1
    return floats.contiguous(memory_format=torch.channels_last)


def draw_chunk(job: tuple[int, int]) -> tuple[np.ndarray, np.ndarray, list[dict[str, Any]]]:
    seed, chunk = job
    pictures = np.empty((CHUNK, SIDE, SIDE, 3), np.uint8)
    labels = np.zeros((CHUNK, SIDE, SIDE), np.uint8)
    facts = []
    for i in range(CHUNK):
        scene = world.render(np.random.default_rng((seed, chunk, i)), size=(SIDE, SIDE))
        pictures[i] = np.asarray(scene.image)
        for number, thing in enumerate(scene.objects, 1):
            labels[i][thing.mask] = number
        facts.append(
            {
                "background": scene.background,
                "names": [o.name for o in scene.objects],
                "boxes": [o.box for o in scene.objects],
            }
        )
    return pictures, labels, facts


def pool(split: str, count: int) -> Pool:
    """Load `count` scenes of a split, drawing them first if this machine has not yet."""
    folder = RUNS / "pools" / f"{split}-{count}"
    if not (folder / "facts.json").exists():
        folder.mkdir(parents=True, exist_ok=True)
        jobs = [(SPLITS[split], c) for c in range(-(-count // CHUNK))]
        with ProcessPoolExecutor(2) as workers:
            chunks = list(workers.map(draw_chunk, jobs))
        np.save(folder / "pictures.npy", np.concatenate([c[0] for c in chunks])[:count])
        np.save(folder / "labels.npy", np.concatenate([c[1] for c in chunks])[:count])
        facts = [fact for c in chunks for fact in c[2]][:count]
        (folder / "facts.json").write_text(json.dumps(facts))
    return Pool(
        pictures=np.load(folder / "pictures.npy", mmap_mode="r"),
        labels=np.load(folder / "labels.npy", mmap_mode="r"),
        facts=json.loads((folder / "facts.json").read_text()),
    )
