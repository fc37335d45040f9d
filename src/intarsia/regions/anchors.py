"""Anchor points: where a region may be centred."""

from __future__ import annotations

import torch
from torch import Tensor

from intarsia.imaging.geometry import Grid, Point

# Anchors nearer to each other than this fraction of the grid's short side count as one.
SUPPRESSION = 0.14


def choose_anchors(strength: Tensor, grid: Grid, count: int, *, suppression: float = SUPPRESSION) -> tuple[Point, ...]:
    """The strongest cells, each at a distance from the others.

    The published method takes the top K saliency patches as they are, which are mostly neighbours;
    suppression makes K anchors K different places.

    Args:
        strength: (rows, columns), larger is better.
        grid: the grid of `strength` on the picture.
        count: how many anchors at most.
        suppression: least distance between two anchors, as a fraction of the grid's short side; 0 keeps neighbours.

    Returns:
        At least one and at most `count` points, (x, y) in the grid's pixels, strongest first.
    """
    rows, columns = strength.shape
    left = strength.detach().float().cpu().clone()
    floor = 0.02 * float(left.max())
    radius = suppression * min(rows, columns)
    ys = torch.arange(rows)[:, None]
    xs = torch.arange(columns)[None, :]
    found: list[Point] = []
    while len(found) < count:
        row, column = divmod(int(left.argmax()), columns)
        if found and (left[row, column] == -torch.inf or (suppression > 0 and left[row, column] < floor)):
            break
        found.append(grid.center(row, column))
        near = (ys - row) ** 2 + (xs - column) ** 2 <= radius**2
        left[near] = -torch.inf
    return tuple(found)
