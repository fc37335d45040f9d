"""Masks between black and white: how far each latent cell may change.

A cell is held at the original, noised as the step demands, and set free the later the darker its mask is.

Source: Levin & Fried 2023, "Differential diffusion", arXiv:2306.00950, alg. 1.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

ROUNDING = 1e-3
"""Steps by which a value may miss its step: 0.7 of 10 steps is 7 in any precision."""


def told_masks(masks: Tensor) -> Tensor:
    """What an inpainting denoiser is told is hidden: where a mask is at least half as white as anywhere.

    It was trained on binary masks; told of the whole of a soft edge, it paints something else there and is
    then held at the original too late.

    Args:
        masks: (B, 1, H, W) in [0, 1].

    Returns:
        (B, 1, H, W) of 0 and 1.
    """
    most = masks.amax((1, 2, 3), keepdim=True)
    return ((masks > 0) & (masks >= most / 2)).to(masks)


def cell_freedom(masks: Tensor, rows: int, columns: int) -> Tensor:
    """In which share of the steps each latent cell changes.

    A binary mask leaves all to the denoiser, which is told of it, or to its pipeline, which blends: 1 everywhere.

    Args:
        masks: (B, 1, H, W) in [0, 1].

    Returns:
        (B, 1, rows, columns) in [0, 1], float32; a cell has the value of the pixel that diffusers takes for it.
    """
    cells = F.interpolate(masks.float(), (rows, columns))
    soft = ((cells > 0) & (cells < 1)).flatten(1).any(1)
    return torch.where(soft[:, None, None, None], cells, 1.0)


def held_cells(freedom: Tensor, index: int, count: int) -> Tensor:
    """Where latents are still the original's after step `index` of `count`.

    A cell of value v takes part in the last floor(v count) steps: one of 1 in all, one below 1 / count in none.

    Args:
        freedom: (B, 1, h, w) in [0, 1].

    Returns:
        (B, 1, h, w) bool.
    """
    return freedom * count < count - index - ROUNDING
