"""Objects of small images cut out by the ground that lies behind them.

Where an edge is a pixel wide, a window says little of how its colours mix; but with the ground known, each pixel of
`image = alpha * own + (1 - alpha) * shade * ground` is solved for by itself. Laid on the very ground that it was cut
from, such a layer gives the image back.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

from intarsia.imaging.infill import Floats, crop_around, membrane_fill
from intarsia.imaging.masks import Mask, depth_inside, dilate
from intarsia.imaging.matting import Layer
from intarsia.imaging.photo import Bytes, Picture

Places = npt.NDArray[np.intp]

ALIKE = 14.0
"""Levels, of three channels together, below which two colours are too alike to measure a mixture of them."""

LEAST_INSIDE = 0.75
"""Least share of a pixel inside its mask that an object covers, whatever the colours seem to say."""

MOST_OUTSIDE = 0.5
"""Most share of a pixel outside of it."""

DARKEST = 0.4
"""Least share of the ground's light that is believed to be a shadow; darker is something else."""


def cut_from_ground(
    picture: Picture | Bytes, mask: Mask, ground: Picture, others: Mask, *, edge: float, reach: int
) -> Layer:
    """Cut an object out of a picture whose ground is known.

    Args:
        picture: (H, W, 3) in levels.
        mask: (H, W) the object.
        ground: (H, W, 3) what would be there without it.
        others: (H, W) other objects, whose pixels say nothing of this one's shadow.
        edge: how far to either side of the mask's border object and ground are mixed, in pixels.
        reach: how far its shadow goes, in pixels; 0 leaves the shadow behind.
    """
    rim = math.ceil(edge)
    part = crop_around(mask, max(reach, rim) + 2)
    picture_ = picture[part].astype(np.float32, copy=False)
    mask_, ground_, others_ = mask[part], ground[part], others[part]
    inner = depth_inside(mask_, rim + 1)
    outer = depth_inside(~mask_, max(reach, rim) + 1)
    core = inner > edge
    rim_ = (mask_ | (outer <= edge)) & ~core & ~(others_ & ~mask_)
    shade = shadow_transmittance(
        picture_, ground_, (outer > edge) & (outer <= reach) & ~dilate(others_, 1), outer, reach
    )

    # At the edge: picture = alpha * own + (1 - alpha) * shade * ground, solved for alpha.
    rows, columns = np.nonzero(rim_)
    at = (rows, columns)
    inside, below = mask_[at], shade[at][:, None] * ground_[at]
    span = interior_colour(picture_, inner, at, rim + 1) - below
    length = (span**2).sum(-1)
    mixed = ((picture_[at] - below) * span).sum(-1) / np.maximum(length, 1e-6)
    # Where object and ground look alike, their mixture cannot be told: the mask decides, here and everywhere else.
    mixed = np.where(length < ALIKE**2, inside, mixed)
    alpha = core.astype(np.float64)
    alpha[at] = np.clip(mixed, np.where(inside, LEAST_INSIDE, 0.0), np.where(inside, 1.0, MOST_OUTSIDE))
    transmittance = ((1 - alpha) * shade).astype(np.float32)
    colour = np.where((core | rim_)[..., None], picture_ - transmittance[..., None] * ground_, np.float32(0))
    return Layer(part=part, colour=colour, transmittance=transmittance, alpha=alpha.astype(np.float32))


def interior_colour(picture: Picture, depth: Floats, at: tuple[Places, Places], radius: int) -> Picture:
    """The object's own colours at its edge: of the nearest pixels, of those near by, that lie deepest inside.

    Args:
        picture, depth: (H, W, 3), (H, W).
        at: the rows and the columns of n pixels.

    Returns:
        (n, 3)
    """
    wide = np.pad(depth, radius)
    step = wide.shape[1]
    depths, here = wide.ravel(), (at[0] + radius) * step + at[1] + radius
    best, found = depth[at], here.copy()
    for down in range(-radius, radius + 1):
        for right in range(-radius, radius + 1):
            there = here + (down * step + right)
            deep = depths[there]
            merit = deep - 0.01 * math.hypot(down, right)
            better = (deep > 0) & (merit > best)
            np.copyto(best, merit, where=better)
            np.copyto(found, there, where=better)
    own: Picture = picture[found // step - radius, found % step - radius]
    return own


def shadow_transmittance(picture: Picture, ground: Picture, valid: Mask, outer: Floats, reach: int) -> Floats:
    """(H, W) share of the ground's light that is left around an object: smooth, 1 from `reach` pixels on.

    Args:
        valid: (H, W) where nothing but the shadow lies on the ground.
        outer: (H, W) distance to the object, in pixels.
    """
    if reach < 1 or not valid.any():
        return np.ones(valid.shape, np.float32)
    light = (picture.sum(-1) + 1) / (ground.sum(-1) + 1)
    # Lighter than the ground is no shadow, and much darker is an object that was not named.
    light = np.where(light < DARKEST, 1.0, light).clip(DARKEST, 1).astype(np.float32)
    share = membrane_fill(box_mean(light, valid, 1)[..., None], valid)[..., 0]
    # Seen as far as it can be, but without an edge where it is cut off.
    fade = (2 * outer / (reach + 1) - 1).clip(0, 1) ** 2
    left: Floats = np.where(outer <= reach, share + (1 - share) * fade, 1.0).astype(np.float32)
    return left


def box_mean(values: Floats, valid: Mask, radius: int) -> Floats:
    """(H, W) mean over the valid pixels of a square around each pixel; 0 where there are none."""
    side = 2 * radius + 1
    weights = valid.astype(np.float32)
    total, weight = (
        cv2.blur(plane, (side, side), borderType=cv2.BORDER_CONSTANT)
        for plane in ((values * weights).astype(np.float32), weights)
    )
    mean: Floats = (total / np.maximum(weight, 1e-6)).astype(np.float32)
    return mean
