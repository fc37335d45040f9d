"""A smooth infill: a region of an image as a membrane that is held by its rim."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from intarsia.imaging.masks import Mask, bounds_of
from intarsia.imaging.slices import Part
from intarsia.progress import span, tick

Floats = npt.NDArray[np.float32]

SWEEPS = 24
"""Relaxations of a membrane on each level."""


def crop_around(mask: Mask, margin: int) -> tuple[slice, slice]:
    """The rows and columns of a mask that is not empty, and so many more to each side."""
    part = bounds_of(mask, margin)
    assert part is not None, "an empty mask lies nowhere"
    return part


def membrane_fill(picture: Floats, known: Mask) -> Floats:
    """What is unknown, as smooth as a membrane that is held by what is known.

    Laplace's equation, solved from coarse to fine.

    Args:
        picture: (H, W, C).
        known: (H, W).
    """
    if known.all() or max(known.shape) == 1:
        return picture.astype(np.float32)
    with span(0.0, 0.25):
        rough = membrane_fill(*halve(picture, known)) if known.any() else np.zeros_like(picture[::2, ::2])
    filled, free = picture.astype(np.float32), ~known
    part = crop_around(free, 1)
    free = free[part]
    for channel in range(picture.shape[2]):
        plane, large = filled[(*part, channel)], twice(rough[..., channel], part)
        count = picture.shape[2]
        with span(0.25 + 0.75 * channel / count, 0.25 + 0.75 * (channel + 1) / count):
            filled[(*part, channel)] = relaxed(np.where(free, large, plane), free)
    return filled


def twice(plane: Floats, part: Part) -> Floats:
    """A part of (H, W) at twice its size."""
    rows, columns = (side.start // 2 for side in part)
    ends = ((side.stop + 1) // 2 for side in part)
    large = plane[rows : next(ends), columns : next(ends)].repeat(2, 0).repeat(2, 1)
    top, left = (side.start % 2 for side in part)
    height, width = (side.stop - side.start for side in part)
    return large[top : top + height, left : left + width]


def relaxed(plane: Floats, free: Mask) -> Floats:
    """(H, W) after sweeps that put the mean of its four neighbours at each free pixel."""
    wide = np.pad(plane, 1)
    inside, mean = wide[1:-1, 1:-1], np.empty_like(plane)
    for sweep in range(SWEEPS):
        tick(sweep / SWEEPS)
        wide[0], wide[-1] = wide[1], wide[-2]
        wide[:, 0], wide[:, -1] = wide[:, 1], wide[:, -2]
        np.add(wide[:-2, 1:-1], wide[2:, 1:-1], out=mean)
        mean += wide[1:-1, :-2]
        mean += wide[1:-1, 2:]
        mean *= 0.25
        np.copyto(inside, mean, where=free)
    return inside


def halve(picture: Floats, known: Mask) -> tuple[Floats, Mask]:
    """At half the size, each pixel the mean of those that are known of its four."""
    odd = [(0, side % 2) for side in known.shape]
    have = np.pad(known, odd)
    count = of_four(have.astype(np.float32))
    weight = np.maximum(count, 1)
    small = np.empty((*count.shape, picture.shape[2]), np.float32)
    for channel in range(picture.shape[2]):
        plane = np.where(have, np.pad(picture[..., channel], odd), 0)
        small[..., channel] = of_four(plane) / weight
    return small, count > 0


def of_four(plane: Floats) -> Floats:
    """The sums of a plane's (H, W) pixels, four and four."""
    sums: Floats = plane[0::2, 0::2] + plane[1::2, 0::2]
    sums += plane[0::2, 1::2]
    sums += plane[1::2, 1::2]
    return sums
