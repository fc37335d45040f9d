"""Alpha mattes: how far an object covers each pixel at its border, and its own colours there.

A mask says what is surely the object and what surely is not; the pixels between are solved for, so that within each
small window alpha follows the colours of the image. How wide that border is, the mask's own resolution says.

Source: Levin et al. 2008, "A closed-form solution to natural image matting"; brought to full size as in He & Sun
2015, "Fast guided filter"; the colours, Forte 2021, "Approximate fast foreground colour estimation".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from scipy import ndimage, sparse
from scipy.sparse.linalg import splu

from intarsia.imaging.guided import GuidedFilter
from intarsia.imaging.masks import Blend, Mask, bounds_of, depth_inside
from intarsia.imaging.photo import Bytes, Picture
from intarsia.imaging.slices import Part, beyond, grown, within
from intarsia.progress import tick

Floats = npt.NDArray[np.float32]
Places = npt.NDArray[np.intp]

EDGE = 0.006
"""How far inside an exact mask's border a pixel may be mixed, as a share of the image's short side; outside, twice."""

GRAIN_INSIDE, GRAIN_OUTSIDE = 0.6, 0.75
"""The same of a coarse mask to either side, in its own blocks."""

DOUBTFUL = 1.75
"""How far inside a coarse mask colours of the ground are doubted, in its own blocks."""

GROUND_LIKE = 1.5
"""Logarithm of the odds from which a colour is the ground's rather than the object's."""

PULL, GRAIN_PULL = 0.1, 3e-3
"""How strongly alpha is held at an exact mask, and at a coarse one."""

SMOOTH, GRAIN_SMOOTH = 1e-5, 1e-6
"""Squared levels of 0 to 1 below which colours in a window count as equal, for either."""

MOST_UNKNOWN = 40_000
"""Pixels that are solved for; of longer borders, at a reduced size."""

SURE = 0.02
"""Alpha nearer than this to 0 or 1 counts as such."""

AT_ONCE = 1 << 16
"""Pixels that are brought to full size at once."""

TILE = 1024
"""Side of the squares in which an object's own colours are found, in pixels."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Matte:
    """An object's coverage and its own colours, in one part of an image.

    Attributes:
        part: the rows and columns outside which alpha is 0.
        alpha: (h, w) in [0, 1].
        colour: (h, w, 3) the object's own, in levels; where alpha is 0 of no meaning.
    """

    part: Part
    alpha: Blend
    colour: Picture


def matte_of(
    image: Bytes,
    mask: Mask,
    others: Mask,
    *,
    edge: float | None = None,
    grain: float = 1.0,
    effort: float = 1.0,
) -> Matte:
    """The alpha matte of an object.

    Args:
        image: (H, W, 3).
        mask: (H, W) the object, not empty; its resolution may be lower than the image's.
        others: (H, W) other objects, whose pixels are not this one's.
        edge: how far inside an exact mask's border pixels may be mixed, in pixels; outside, twice as far.
        grain: side of the mask's own pixels, in those of the image; blocks that it is made of are seen besides.
        effort: share of the usual pixels that are solved for at most, above 0.
    """
    edge = max(1.0, EDGE * min(mask.shape) if edge is None else edge)
    grain = max(grain, grain_of(mask))
    if grain > edge:
        inside, outside = GRAIN_INSIDE * grain, GRAIN_OUTSIDE * grain
        pull, smooth, blur = GRAIN_PULL, GRAIN_SMOOTH, 0.375 * grain
    else:
        inside, outside = edge, 2 * edge
        pull, smooth, blur = PULL, SMOOTH, 0.0
    part = bounds_of(mask, int(outside) + 4)
    assert part is not None, "an empty mask has no matte"
    own, levels = mask[part], image[part]
    tick(0.0)
    sure = depth_inside(own, int(inside) + 2) > inside
    # What two coarse masks share a border of may belong to either.
    theirs = others[part] & ~own
    never = (depth_inside(~own, int(outside) + 2) > outside) | (
        depth_inside(theirs, int(inside) + 2) > (inside if grain > edge else 0)
    )
    wanted = own.astype(np.float32)
    if blur:
        wanted = np.asarray(cv2.GaussianBlur(wanted, (0, 0), blur, borderType=cv2.BORDER_REPLICATE), np.float32)
        # Coarse masks are often drawn too wide: what has the ground's colours near their border is not sure.
        foreign = like_ground(levels, own, grain) & (depth_inside(own, int(DOUBTFUL * grain) + 2) <= DOUBTFUL * grain)
        sure &= ~foreign
        wanted[foreign] = 0
    if not sure.any():  # thin throughout: its middle is taken for sure
        depth = depth_inside(own, int(inside) + 2)
        sure = depth >= 0.7 * depth.max()
    tick(0.2)
    factor = 1
    unknown = int((~(sure | never)).sum())
    while unknown / factor**2 > effort * MOST_UNKNOWN:
        factor += 1
    if factor == 1:
        alpha = closed_form(
            (levels / np.float32(255)).astype(np.float32), sure, never, wanted, pull=pull, smooth=smooth
        )
    else:
        alpha = _at_reduced_size(levels, sure, never, wanted, factor, pull=pull, smooth=smooth)
    tick(0.6)
    alpha = np.where(alpha < SURE, 0, np.where(alpha > 1 - SURE, 1, alpha)).astype(np.float32)
    return Matte(part=part, alpha=alpha, colour=own_colours(levels, alpha, edge))


def like_ground(levels: Bytes, own: Mask, grain: float) -> Mask:
    """(H, W) whether a pixel's colour is common around a coarse mask, and rare deep inside it.

    Args:
        own: (H, W) the mask.
        grain: side of its blocks, in pixels.
    """
    depth, away = depth_inside(own, int(3 * grain) + 2), depth_inside(~own, int(4 * grain) + 2)
    deep, around = depth > min(2 * grain, 0.7 * float(depth.max())), (away > grain) & (away <= 4 * grain)
    if deep.sum() < 50 or around.sum() < 50:
        return np.zeros_like(own)
    lab = cv2.cvtColor(levels, cv2.COLOR_RGB2LAB)
    bins = (lab[..., 0] // 16).astype(np.intp) * 1024 + (lab[..., 1] // 8).astype(np.intp) * 32 + lab[..., 2] // 8
    odds = [
        ndimage.gaussian_filter(np.bincount(bins[where], minlength=16 * 1024).reshape(16, 32, 32) / where.sum(), 1)
        for where in (around, deep)
    ]
    ratio = np.log(odds[0] + 1e-5) - np.log(odds[1] + 1e-5)
    likely: Mask = ratio.ravel()[bins] > GROUND_LIKE
    return likely


def grain_of(mask: Mask) -> int:
    """Side of the blocks that a mask is made of, in pixels: 1 for one that was drawn at the image's own size."""
    part = bounds_of(mask)
    if part is None:
        return 1
    gaps = []
    for axis in (0, 1):
        steps = mask[part] if axis else mask[part].T
        places = np.flatnonzero((steps[:, 1:] != steps[:, :-1]).any(0))
        if len(places) < 4:  # a box has hardly any: its sides say nothing of a resolution
            return 1
        gaps.append(int(np.diff(places).min()))
    return min(gaps)


def closed_form(image: Picture, sure: Mask, never: Mask, wanted: Floats, *, pull: float, smooth: float) -> Blend:
    """Alpha that follows the colours of an image in each window of 3 x 3 pixels.

    Args:
        image: (H, W, 3) in [0, 1].
        sure, never: (H, W) where alpha is 1, and where it is 0.
        wanted: (H, W) what it is held near elsewhere.
        pull: how strongly.
        smooth: squared levels below which colours count as equal.
    """
    height, width = sure.shape
    unknown = ~(sure | never)
    if not unknown.any():
        return sure.astype(np.float32)
    centres = ndimage.maximum_filter(unknown.view(np.uint8), 3, mode="constant").view(np.bool_)
    centres[[0, -1]] = False
    centres[:, [0, -1]] = False
    rows, columns = np.nonzero(centres)
    reach = np.arange(-1, 2)
    window = (rows[:, None, None] + reach[:, None]) * width + columns[:, None, None] + reach
    window = window.reshape(len(rows), 9)
    colours = image.reshape(-1, 3)[window].astype(np.float64)
    spread = colours - colours.mean(1, keepdims=True)
    tick(0.25)
    inverse = np.linalg.inv(spread.transpose(0, 2, 1) @ spread / 9 + smooth / 9 * np.eye(3))
    weights = np.eye(9) - (1 + spread @ inverse @ spread.transpose(0, 2, 1)) / 9
    tick(0.3)
    laplacian = sparse.csr_array(
        (weights.ravel(), (np.repeat(window, 9, 1).ravel(), np.tile(window, (1, 9)).ravel())),
        shape=(height * width, height * width),
    )
    free, held = np.flatnonzero(unknown), np.flatnonzero(~unknown)
    rows_of_free = laplacian[free]
    matrix = rows_of_free[:, free] + pull * sparse.eye_array(len(free))
    right = pull * wanted.ravel()[free] - rows_of_free[:, held] @ sure.ravel()[held].astype(np.float64)
    tick(0.35)
    factors = splu(matrix.tocsc(), permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True})
    alpha = sure.astype(np.float32).ravel()
    alpha[free] = factors.solve(right)
    solved: Blend = alpha.reshape(sure.shape).clip(0, 1)
    return solved


def _at_reduced_size(
    levels: Bytes, sure: Mask, never: Mask, wanted: Floats, factor: int, *, pull: float, smooth: float
) -> Blend:
    """Alpha solved on a reduced image, and brought to full size by what it is of the colours there."""
    height, width = sure.shape
    small = (max(width // factor, 1), max(height // factor, 1))

    def reduced(values: npt.NDArray[np.generic]) -> Floats:
        return np.asarray(cv2.resize(values.astype(np.float32), small, interpolation=cv2.INTER_AREA), np.float32)

    image = reduced(levels) / np.float32(255)
    alpha = closed_form(image, reduced(sure) > 0.99, reduced(never) > 0.99, reduced(wanted), pull=pull, smooth=smooth)
    slope, level = GuidedFilter(image, 2, 1e-5).coefficients(alpha)
    tick(0.4)
    full = sure.astype(np.float32)
    unknown = np.nonzero(~(sure | never))
    shares = [
        _between(side, small_side, whole)
        for side, small_side, whole in zip(unknown, alpha.shape, sure.shape, strict=True)
    ]
    layers = np.dstack([slope / np.float32(255), level])
    for first in range(0, len(unknown[0]), AT_ONCE):
        tick(0.4)
        some = slice(first, first + AT_ONCE)
        values = _at(layers, *((low[some], share[some]) for low, share in shares))
        rows, columns = (side[some] for side in unknown)
        full[rows, columns] = ((values[:, :3] * levels[rows, columns]).sum(-1) + values[:, 3]).clip(0, 1)
    return full


def _between(places: Places, small: int, whole: int) -> tuple[Places, Floats]:
    """For n places along a side of so many pixels, the places (n,) below them along a smaller one, and how far (n,)
    they lie from there to the next."""
    there = ((places + 0.5) * (small / whole) - 0.5).clip(0, small - 1)
    low = np.minimum(there.astype(np.intp), max(small - 2, 0))
    return low, (there - low).astype(np.float32)


def _at(layers: Floats, down: tuple[Places, Floats], across: tuple[Places, Floats]) -> Floats:
    """(n, C) layers (h, w, C) between their pixels; see `_between`."""
    (top, low), (left, right) = down, across
    bottom, beside = np.minimum(top + 1, layers.shape[0] - 1), np.minimum(left + 1, layers.shape[1] - 1)
    low, right = low[:, None], right[:, None]
    upper = layers[top, left] * (1 - right) + layers[top, beside] * right
    lower = layers[bottom, left] * (1 - right) + layers[bottom, beside] * right
    between: Floats = upper * (1 - low) + lower * low
    return between


def own_colours(levels: Bytes, alpha: Blend, edge: float) -> Picture:
    """(H, W, 3) an object's own colours, without those of the ground that mix with them at its border.

    Where nothing of the object is, its colours have no meaning, and where it is alone they are the image's.
    """
    own = levels.astype(np.float32)
    mixed = (alpha > 0) & (alpha < 1)
    coarse, fine = (2 * max(round(reach * edge), least) + 1 for reach, least in ((8, 3), (1.5, 1)))
    # The border is thin, and the object may be as large as the photo.
    for part in _tiles(mixed):
        around = grown(part, coarse // 2 + fine // 2 + 1, mixed.shape)
        places, inner = np.nonzero(mixed[part]), within(part, around)
        there = places[0] + inner[0].start, places[1] + inner[1].start
        tile = own[part]
        tick(0.6)
        tile[places] = _unmixed(levels[around].astype(np.float32), alpha[around], coarse, fine, there)
    return own


def _tiles(mask: Mask) -> Iterator[Part]:
    """The tiles of a mask (H, W) that it is in, none much larger than `TILE` to a side."""
    whole = bounds_of(mask)
    if whole is None:
        return
    rows, columns = (range(side.start, side.stop, TILE) for side in whole)
    for top in rows:
        for left in columns:
            tile = slice(top, min(top + TILE, whole[0].stop)), slice(left, min(left + TILE, whole[1].stop))
            if (part := bounds_of(mask[tile])) is not None:
                yield beyond(part, tile)


def _unmixed(levels: Picture, alpha: Blend, coarse: int, fine: int, at: tuple[Places, Places]) -> Picture:
    """(n, 3) an object's own colours at n places, from those that it has on average within squares of two sides."""
    share = alpha[..., None]
    foreign = levels * (1 - share)

    def blurred(values: Floats, side: int, at: tuple[Any, ...] = ()) -> Floats:
        even: Floats = np.asarray(cv2.blur(values, (side, side)), np.float32)[at]
        return even

    def apart(colour: Picture, side: int, at: tuple[Any, ...] = ()) -> Picture:
        covered, own = blurred(alpha, side, at)[..., None], share[at]
        front = blurred(colour * share, side, at) / np.maximum(covered, 1e-4)
        back = blurred(foreign, side, at) / np.maximum(1 - covered, 1e-4)
        rest = levels[at] - own * front - (1 - own) * back
        own_colour: Picture = (front + own * rest).clip(0, 255)
        return own_colour

    return apart(apart(levels, coarse), fine, at)
