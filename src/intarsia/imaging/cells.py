"""Masks on the cells of the models' coarser grids, as tensors."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from intarsia.errors import EmptyMaskError
from intarsia.imaging.crop import Crop
from intarsia.imaging.masks import Mask
from intarsia.imaging.slices import Part

TRACE = 1e-4
"""Share of a cell up to which a mask counts as rounding: where the grid does not divide the image."""

LEAST_COVERAGE = 0.05
"""An object vanishes where not one cell is covered to this share."""


def cell_coverage(
    mask: Mask, rows: int, columns: int, *, pooled: bool = False, crop: Crop | None = None, at: Part | None = None
) -> Tensor:
    """Share of each cell of a coarser (or finer) grid that a mask covers, by exact area.

    Args:
        mask: (H, W).
        pooled: take the mean over all pixels that a cell touches instead, whole ones. It is the same, but for
            rounding, where the grid divides the image. Of the whole image alone.
        crop: of the image, on whose window the grid lies; by default on the whole image.
        at: the part of the image that the mask holds, see `Crop.piece`; by default all of it.

    Returns:
        (rows, columns) in [0, 1] but for rounding; of exact areas, the mean over the image stays what it was.
    """
    if crop is not None:
        piece = torch.from_numpy(crop.piece(mask, at).astype(np.float32))
        x, y, width, height = crop.inset
        return (
            _overlap_matrix(rows, len(piece), y, height) @ piece @ _overlap_matrix(columns, piece.shape[1], x, width).T
        )
    if pooled:
        return F.interpolate(torch.from_numpy(mask).float()[None, None], (rows, columns), mode="area")[0, 0]
    return _mean_over_cells(torch.from_numpy(mask.astype(np.float32)), rows, columns)


def touched_cells(
    mask: Mask, rows: int, columns: int, *, least: float = 0.0, crop: Crop | None = None, at: Part | None = None
) -> Tensor:
    """(rows, columns) of 1 in each cell that a mask (H, W) touches, else 0.

    Args:
        least: share of the cell that it must cover more than; by default any of its pixels is enough.
        crop, at: see `cell_coverage`.
    """
    if least > 0 or crop is not None:
        return (cell_coverage(mask, rows, columns, crop=crop, at=at) > least).float()
    return F.adaptive_max_pool2d(torch.from_numpy(mask).float()[None, None], (rows, columns))[0, 0]


def shrink_to_cells(mask: Tensor, rows: int, columns: int) -> Tensor:
    """Coverage of cells, see `cell_coverage`, of masks none of which may vanish.

    Args:
        mask: (B, 1, H, W) in [0, 1].

    Returns:
        (B, 1, rows, columns) in [0, 1].

    Raises:
        EmptyMaskError: a mask of the batch covers no cell to a twentieth.
    """
    height, width = mask.shape[-2:]
    values = mask.float()
    cells = _mean_over_cells(values, rows, columns)
    for index, most in enumerate(cells.flatten(1).amax(dim=1).tolist()):
        if most < LEAST_COVERAGE:
            which = f" {index + 1} of {len(cells)}" if len(cells) > 1 else ""
            raise EmptyMaskError(
                f"The mask{which} covers {int((values[index] > 0).sum()):,} of {width} x {height} pixels, of which "
                f"nothing is left on the models' {columns} x {rows} cells: give a larger region."
            )
    return cells.clamp(0, 1)


def _mean_over_cells(values: Tensor, rows: int, columns: int) -> Tensor:
    """(..., H, W) -> (..., rows, columns), weighted by the area that each pixel has in a cell."""
    height, width = values.shape[-2:]
    down, across = (_overlap_matrix(*sides).to(values.device) for sides in ((rows, height), (columns, width)))
    return down @ values @ across.T


def _overlap_matrix(cells: int, pixels: int, start: float = 0.0, length: float | None = None) -> Tensor:
    """(cells, pixels) share of each cell that each pixel of the same line takes; rows add up to 1.

    Args:
        start: in pixels, where the first cell begins.
        length: of all cells, in pixels; by default of the whole line.
    """
    length = pixels if length is None else length
    edges = start + torch.arange(cells + 1, dtype=torch.float64) * (length / cells)
    places = torch.arange(pixels, dtype=torch.float64)
    right = torch.minimum(edges[1:, None], places + 1)
    left = torch.maximum(edges[:-1, None], places)
    return ((right - left).clamp(min=0) * (cells / length)).float()
