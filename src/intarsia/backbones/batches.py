"""Batches of candidates that fit the memory."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

import torch

from intarsia.backbones.protocols import OnStep
from intarsia.errors import ModelError, Remedy, Setting

logger = logging.getLogger(__name__)

Painted = TypeVar("Painted")


def in_batches(
    paint: Callable[[slice, OnStep | None], Painted],
    count: int,
    shape: tuple[int, int],
    size: int,
    on_step: OnStep | None,
) -> list[Painted]:
    """Paint candidates in batches, of half as many where the accelerator's memory is short.

    Args:
        paint: paints those of a slice, and tells of its steps.
        count: of candidates.
        shape: height and width of a picture.
        size: most candidates of a batch.
        on_step: told of the steps of all batches.

    Raises:
        ModelError: memory is short even for one picture.
    """
    painted: list[Painted] = []
    start = 0
    while start < count:
        left = len(painted) + -(-(count - start) // size)
        try:
            chosen = slice(start, start + size)
            painted.append(paint(chosen, on_step and batch_progress(on_step, len(painted), left)))
        except torch.OutOfMemoryError as short:
            if size == 1:
                raise ModelError(
                    f"The device's memory is too short for one picture of {shape[1]} x {shape[0]} pixels.",
                    Remedy(Setting("vram", "low", verb="pass"), " (or min)"),
                    Remedy("a smaller ", Setting("size"), page=("choose a smaller ", Setting("size"))),
                ) from short
            size = max(1, size // 2)
            logger.warning("The device's memory is short: going on with %d pictures a batch.", size)
            torch.cuda.empty_cache()
            continue
        start += size
    return painted


def batch_progress(on_step: OnStep, finished: int, batches: int) -> OnStep:
    """Turn the steps of one batch into steps of the whole call, of which `finished` batches are done."""
    return lambda done, steps: on_step(finished * steps + done, batches * steps)
