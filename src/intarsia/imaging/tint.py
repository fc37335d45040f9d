"""The painter's tint: by how much it painted the same ground in another colour, and the picture without it."""

from __future__ import annotations

import torch
from torch import Tensor

from intarsia.imaging.masks import Mask, depth_inside

BAND = 2
"""Width of the region's rim in which the ground is compared, in pixels of the canvas."""

MOST = 24 / 127.5
"""A larger change of colour is no tint but something else that was painted; in [-1, 1]."""

SPREAD = 8 / 127.5
"""Pixels of the rim whose change is this near to the usual one show the same ground; in [-1, 1]."""

ENOUGH = 0.2
"""Share of the rim that must show it."""


def without_tint(original: Tensor, painted: Tensor, region: Mask) -> Tensor:
    """A painted canvas, its region shifted in colour so that its rim meets the original.

    Where enough of a region's rim shows the ground that was there before, a little bluer say, the painter has
    painted all of the region a little bluer. Where it does not, nothing is changed.

    Args:
        original, painted: (3, h, w) in [-1, 1].
        region: (h, w) where it was painted.
    """
    depth = depth_inside(region, BAND + 1)
    rim = torch.from_numpy(region & (depth <= BAND))
    if not bool(rim.any()):
        return painted
    change = (original.cpu().float() - painted.cpu().float())[:, rim]
    near = (change.abs() < MOST).all(0)
    if float(near.float().mean()) < ENOUGH:
        return painted
    tint = change[:, near].median(dim=1).values
    if float(((change - tint[:, None]).abs() < SPREAD).all(0).float().mean()) < ENOUGH:
        return painted
    shifted = painted.clone()
    shifted[:, torch.from_numpy(region)] += tint[:, None].to(shifted)
    return shifted.clamp(-1, 1)
