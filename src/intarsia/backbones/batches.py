"""What an inpainter does whatever paints: check the request, draw from seeds, and paint in batches that fit the memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor

from intarsia.backbones.memory import Memory, free_memory
from intarsia.backbones.memory_needs import denoiser_bytes, width_of
from intarsia.backbones.protocols import OnStep

Painted = TypeVar("Painted")

# Latent cells of one batch on a CPU: four pictures of 512 px, or 64 of the pocket's 64 px. More gains no speed.
CPU_CELLS = 16_384


def checked_size(
    picture: Tensor, masks: Tensor, prompts: Sequence[str], seeds: Sequence[int], stride: int
) -> tuple[int, int]:
    """Height and width of what is painted; see `Inpainter.inpaint` for what is asserted."""
    count, _, height, width = masks.shape
    assert len(prompts) == len(seeds) == count, "one prompt and one seed a mask"
    assert len(picture) in (1, count), f"{len(picture)} pictures for {count} masks"
    assert height % stride == 0 and width % stride == 0, f"sides must be multiples of {stride}"
    return height, width


def seeded(seeds: Sequence[int]) -> list[torch.Generator]:
    """Generators at their beginnings, on the CPU: the same noise on every device."""
    return [torch.Generator("cpu").manual_seed(seed) for seed in seeds]


def fitting_batch(memory: Memory, cells: int, denoiser: Any) -> int:
    """Candidates of so many latent cells each that are painted at once."""
    free = free_memory(memory.device)
    if free is None:
        return max(1, CPU_CELLS // cells)
    return max(1, free // (cells * denoiser_bytes(width_of(denoiser.config), denoiser.dtype)))


def in_batches(
    paint: Callable[[slice, OnStep | None], Painted], count: int, size: int, on_step: OnStep | None, memory: Memory
) -> list[Painted]:
    """Paint candidates in batches, of half as many where the accelerator's memory is short.

    Args:
        paint: paints those of a slice, and tells of its steps.
        count: of candidates.
        size: most candidates of a batch.
        on_step: told of the steps of all batches.

    Raises:
        ModelError: memory is short even for one picture.
    """
    painted: list[Painted] = []
    start, size = 0, min(size, count)  # halving a batch that is larger than all would try the same again

    def batch() -> Painted:
        report = on_step and batch_progress(on_step, len(painted), len(painted) + -(-(count - start) // size))
        return paint(slice(start, start + size), report)

    def smaller() -> str | None:
        nonlocal size
        if size == 1:
            return None
        size //= 2
        return f"with {size} pictures a batch"

    while start < count:
        painted.append(memory.attempt(batch, fewer=smaller, alone=False))
        start += size
    return painted


def batch_progress(on_step: OnStep, finished: int, batches: int) -> OnStep:
    """Turn the steps of one batch into steps of the whole call, of which `finished` batches are done."""
    return lambda done, steps: on_step(finished * steps + done, batches * steps)
