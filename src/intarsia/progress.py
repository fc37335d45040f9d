"""Progress and cost of long work: listeners are told after every step, and may raise `Cancelled` to stop it."""

from __future__ import annotations

import resource
import sys
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a piece of long work is: `done` of `total` steps of a named stage."""

    stage: str
    done: int
    total: int


OnProgress = Callable[[Progress], None]


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What an edit took.

    Attributes:
        evaluations: denoiser sample-evaluations, the same on every machine.
        seconds: wall clock.
        peak_memory_mb: of the process (of the GPU where one is used), MiB.
        backward: sample-evaluations of the denoiser through which a gradient was taken.
    """

    evaluations: int
    seconds: float
    peak_memory_mb: float
    backward: int = 0


def peak_memory_mb(device: str) -> float:
    """Most memory that was held at once, MiB."""
    if device.startswith("cuda"):
        import torch

        return float(torch.cuda.max_memory_allocated(device) / 2**20)
    unit = 1 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20
