"""Progress of long work, reported after every step to a callback, which may raise `Cancelled` to stop it; its cost."""

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
    if device.startswith("mps"):
        import torch

        # No peak is kept there; what torch has once taken from the driver it mostly holds.
        return float(torch.mps.driver_allocated_memory() / 2**20)
    unit = 1 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


def format_duration(seconds: float) -> str:
    """A duration as people say it: 40 s, 2 min, 3 h 10 min, 2 days. At least 1 s; `batch/report.js` does the same."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{round(minutes / 1440)} days"
