"""What an inpainter does whatever paints: check the request, draw from seeds, and paint in batches that fit the memory."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
from torch import Tensor

from intarsia.backbones.protocols import OnStep
from intarsia.errors import ModelError, Remedy, Setting

logger = logging.getLogger(__name__)

Painted = TypeVar("Painted")

# Latent cells of one batch on a CPU: four pictures of 512 px, or 64 of the pocket's 64 px. More gains no speed.
CPU_CELLS = 16_384
# Bytes that the denoiser needs a latent cell on an accelerator, guidance included: about 1 GB for 512 px.
BYTES_PER_CELL = 256 * 1024


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


def fitting_batch(device: torch.device, cells: int) -> int:
    """Candidates of so many latent cells each that are painted at once."""
    if device.type != "cuda":
        return max(1, CPU_CELLS // cells)
    free, _ = torch.cuda.mem_get_info(device)
    return max(1, int(free // (cells * BYTES_PER_CELL)))


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
    start, size = 0, min(size, count)  # halving a batch that is larger than all would try the same again
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
