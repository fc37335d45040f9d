"""The shadow that an object casts around itself, measured: where the ground beside it is darker than farther out."""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt
from scipy import ndimage

from intarsia.imaging.infill import membrane_fill
from intarsia.imaging.masks import Mask, bounds_of, depth_inside
from intarsia.imaging.photo import Bytes

Floats = npt.NDArray[np.float32]

SIDE = 512
"""Short side for which widths are given, in pixels."""

GAP = 2.0
"""Pixels beside an object that say nothing, since some of it may be left in them."""

DARKEST, LIGHTEST = 0.4, 0.93
"""Shares of the ground's light between which it counts as shaded: darker is another object, lighter is noise."""

GREY = 0.12
"""How much the shares of red, green and blue may differ from each other in a shadow, in logarithms."""

FADED = 0.35
"""Share of a shadow's outer limit at which it may still be dark: otherwise it is something that goes on beyond."""

CLEARLY = 0.8
"""By how many deviations of the light farther out a shadow must be darker."""

SMOOTH = 3.0
"""Deviation of the Gaussian over which light is compared, in pixels of `SIDE`."""

WORK_SIDE = 512
"""Short side at which light is compared; it has no fine details."""


def measure_shadow(image: Bytes, covered: Mask, others: Mask, reach: int, short: int | None = None) -> Floats:
    """(H, W) share of the ground's light that an object's shadow leaves: smooth, and 1 wherever there is none.

    A shadow lies beside the object's lower part, is darker than the ground farther out, but of the same colour, and ends
    within reach. What is not clearly all of that counts as no shadow.

    Args:
        image: (H, W, 3).
        covered: (H, W) the object with its soft border, not empty.
        others: (H, W) other objects, which say nothing of it.
        reach: how far a shadow goes at most, in pixels.
        short: short side of the photo, in pixels, of which these arrays are a part: at least twice the reach around
            the object is looked at; by default they are all of it.
    """
    short = min(covered.shape) if short is None else short
    light = np.ones(covered.shape, np.float32)
    part = bounds_of(covered, 2 * reach)
    if part is None or reach < 2:
        return light
    height, width = covered[part].shape
    factor = max(1.0, short / WORK_SIDE)
    small = max(round(width / factor), 8), max(round(height / factor), 8)
    unit = short / factor / SIDE
    reach_ = reach / factor

    def reduced(values: npt.NDArray[np.generic]) -> Floats:
        return np.asarray(cv2.resize(values.astype(np.float32), small, interpolation=cv2.INTER_AREA), np.float32)

    image_, object_, others_ = reduced(image[part]), reduced(covered[part]) > 0, reduced(others[part]) > 0
    away = depth_inside(~object_, math.ceil(2 * reach_) + 2)
    ground = ~others_ & (away > max(GAP * unit, 1.5))
    beyond = ground & (away > reach_)
    if beyond.sum() < 20:
        return light
    logs = np.log(image_ + 8)
    sigma = max(SMOOTH * unit, 1.0)
    weight = cv2.GaussianBlur(ground.astype(np.float32), (0, 0), sigma)[..., None]
    seen = cv2.GaussianBlur(logs * ground[..., None], (0, 0), sigma) / np.maximum(weight, 1e-4)
    expected = membrane_fill(seen.astype(np.float32), beyond)
    share = seen - expected
    grey = share.mean(-1)
    alike = share.max(-1) - share.min(-1) <= GREY + 0.25 * np.abs(grey)
    # On a busy ground darkness says nothing: it must stand out from how the light varies farther out.
    varies = float(seen.mean(-1)[beyond].std())
    limit = min(math.log(LIGHTEST), -CLEARLY * varies)
    shaded = ground & alike & (away <= reach_) & (grey < limit) & (grey > math.log(DARKEST))
    labels, count = ndimage.label(shaded)
    dark = np.zeros_like(shaded)
    middle = float(np.nonzero(object_)[0].mean())
    beside, outer = away <= max(GAP * unit, 1.5) + 2, away > reach_ - 1.5
    for k in range(1, count + 1):
        own = labels == k
        contact = own & beside
        touching = contact.sum()
        # Things stand on their shadows: what is dark beside their upper part is something behind them.
        if touching < 4 * unit or np.nonzero(contact)[0].mean() < middle:
            continue
        if (own & outer).sum() <= FADED * touching:
            dark |= own
    if not dark.any():
        return light
    # It begins under the object itself, and ends without an edge.
    known = ground | beyond
    values = np.where(dark, np.exp(grey), 1).astype(np.float32)
    values = membrane_fill(values[..., None], known)[..., 0]
    values = np.asarray(cv2.GaussianBlur(values, (0, 0), max(sigma / 2, 0.6)), np.float32)
    near = cv2.dilate(dark.astype(np.uint8), np.ones((3, 3))).astype(np.bool_)
    between = (object_ | (away <= max(GAP * unit, 1.5))) & ~near
    near |= between & (ndimage.distance_transform_edt(~dark) <= 3 * max(GAP * unit, 1.5))
    values = np.where(near, values.clip(DARKEST, 1), 1)
    full = cv2.resize(values.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    light[part] = np.where(full > 0.99, 1, full)
    return light
