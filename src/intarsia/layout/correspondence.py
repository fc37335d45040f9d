"""Correspondence of a layout with its source: which cell of the source belongs at each cell."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Tensor

from intarsia.diffusion.attention_control import Correspondence
from intarsia.imaging.affine import IDENTITY, Matrix, inverse_map
from intarsia.imaging.cells import cell_coverage
from intarsia.imaging.crop import Crop
from intarsia.imaging.geometry import Box
from intarsia.imaging.masks import Mask
from intarsia.imaging.slices import shape_of, whole
from intarsia.layout.layout import Layout, visible_ones
from intarsia.layout.scene import Scene

KNOWN = 0.25
"""Share of agreement from which a source's cell counts as the one that belongs at a cell."""


def correspondence(scene: Scene, layout: Layout, rows: int, columns: int, crop: Crop | None = None) -> Correspondence:
    """The source's cell for each cell of a grid: moved with its object, or in the same place for the background.

    Args:
        crop: on whose window the grid lies, in the source and in the layout; by default on the whole photo.
    """
    size = scene.photo.size
    part = whole((size.height, size.width)) if crop is None else crop.part(size)
    visible = list(visible_ones({p.name: p.mask[part] for p in layout.placements}).values())
    masks = {name: mask[part] for name, mask in scene.masks.items()}
    after = [_none_of(visible, shape_of(part)), *visible]
    before = [_none_of(masks.values(), shape_of(part)), *(masks[p.source] for p in layout.placements)]
    labels, source_labels = (
        torch.stack([cell_coverage(mask, rows, columns, crop=crop, at=part).flatten() for mask in each], 1)
        for each in (after, before)
    )
    matrices = [IDENTITY, *(p.matrix for p in layout.placements)]
    window = Box(0, 0, size.width, size.height) if crop is None else crop.window
    index, inside = _source_cells(labels.argmax(1), matrices, window, rows, columns)
    source_labels = source_labels[index]
    known = inside & ((labels * source_labels).sum(1) >= KNOWN)
    return Correspondence(index=index, known=known, labels=labels, source_labels=source_labels)


def _none_of(masks: Iterable[Mask], shape: tuple[int, int]) -> Mask:
    """(h, w) what no mask covers."""
    covered = np.zeros(shape, np.bool_)
    for mask in masks:
        covered |= mask
    return ~covered


def _source_cells(
    owner: Tensor, matrices: Sequence[Matrix], window: Box, rows: int, columns: int
) -> tuple[Tensor, Tensor]:
    """For each cell of a grid, the cell from which the matrix of its owner brings the image here.

    Args:
        owner: (rows * columns,) which of the matrices.
        window: on which the grid lies, in pixels of the photo.

    Returns:
        (rows * columns,) the cells, and whether they lie in the window.
    """
    y, x = torch.meshgrid(
        window.y0 + (torch.arange(rows, dtype=torch.float64) + 0.5) * window.height / rows,
        window.x0 + (torch.arange(columns, dtype=torch.float64) + 0.5) * window.width / columns,
        indexing="ij",
    )
    places = torch.stack([x.flatten(), y.flatten(), torch.ones(rows * columns, dtype=torch.float64)], 1)  # (n, 3)
    inverses = torch.tensor([inverse_map(m) for m in matrices], dtype=torch.float64).reshape(-1, 2, 3)
    origin = torch.einsum("nij,nj->ni", inverses[owner], places)  # (n, 2)
    column = ((origin[:, 0] - window.x0) / window.width * columns).floor().long()
    row = ((origin[:, 1] - window.y0) / window.height * rows).floor().long()
    inside = (column >= 0) & (column < columns) & (row >= 0) & (row < rows)
    return row.clamp(0, rows - 1) * columns + column.clamp(0, columns - 1), inside
