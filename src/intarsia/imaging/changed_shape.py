"""The shape that an edit really changed, within the region that was repainted.

A repainted box holds more than the new object and the place of the old one: in its corners the background was
painted again, nearly as it was. There the photo's own pixels are kept.

Source: Couairon et al. 2023, "DiffEdit", arXiv:2210.11427, sec. 3.2, finds a mask by what two predictions differ in;
here two pictures are compared, after the edit.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from scipy import ndimage

from intarsia.imaging.lab import lab_of
from intarsia.imaging.masks import Blend, Mask, bounds_of, softened
from intarsia.imaging.photo import Bytes, Floats

TINT = 15.0
"""Difference in Lab up to which a pixel may be background in another tint."""

SAME = 6.0
"""Difference in Lab from the tint up to which a pixel counts as unchanged while the tint is measured."""

INVISIBLE = 3.0
"""Tint in Lab up to which a region with nothing else new in it is not an edit."""

DOUBT = (4.0, 9.0)
"""Least and most of the smoothed difference in Lab from which a pixel next to a changed one is changed too."""

SURE = 12.0
"""Smoothed difference in Lab, at the least, that makes a pixel changed by itself."""

THIN = 30.0
"""Difference in Lab of a single pixel that makes it changed: a line that smoothing would lose."""

GAP, RIM, EDGE = 2.0, 2.0, 3.0
"""Widths, in pixels of the working size, of gaps that are closed, of what is added around, of the soft edge."""

MOST = 0.85
"""Share of the region from which all of it counts as changed."""


def changed_blend(original: Bytes, painted: Bytes, region: Floats, *, grain: float = 1.0) -> Blend:
    """The part of a region's blend where a painted picture really differs from the original.

    What differs by a tint alone, or by what an autoencoder blurs, is left out; the background may be tinted as a
    whole. Nothing is left out where most of the region is new, nor where the tint is all that is new.

    Args:
        original: (H, W, 3) levels.
        painted: (H, W, 3) levels, as painted in the region.
        region: (H, W) in [0, 1], 1 = take the painted picture.
        grain: pixels for each of the size at which the picture was painted; at least 1.

    Returns:
        (H, W) float32 in [0, 1], nowhere above `region`; all 0 where nothing visible is new.
    """
    assert original.shape == painted.shape == (*region.shape, 3), "pictures and region of different sizes"
    assert grain >= 1, f"a grain of {grain} pixels"
    blend = region.astype(np.float32)
    part = bounds_of(region > 0, math.ceil(4 * grain))
    if part is None:
        return blend
    inside = region[part] > 0
    difference = lab_of(painted[part]) - lab_of(original[part])
    tint = tint_of(difference[inside])
    difference -= tint
    shape = changed_pixels(difference, inside, grain)
    if not shape.any():
        return blend if float(np.linalg.norm(tint)) > INVISIBLE else np.zeros_like(blend)
    if int(shape.sum()) > MOST * int(inside.sum()):
        return blend
    sharpened = np.zeros_like(blend)
    sharpened[part] = np.minimum(blend[part], softened(shape, EDGE * grain))
    return sharpened


def tint_of(differences: Floats) -> Floats:
    """(N, 3) differences in Lab -> (3,) by which the unchanged ones differ; 0 where there are too few of them."""
    tint = np.zeros(3, np.float32)
    near = differences[np.linalg.norm(differences, axis=1) < TINT]
    for _ in range(4):
        if len(near) < max(12, 0.02 * len(differences)):
            return np.zeros(3, np.float32)
        tint = np.median(near, axis=0).astype(np.float32)
        near = differences[np.linalg.norm(differences - tint, axis=1) < SAME]
    return tint


def changed_pixels(difference: Floats, inside: Mask, grain: float) -> Mask:
    """Where the pictures differ, with what is enclosed, and a rim around.

    Args:
        difference: (h, w, 3) in Lab, less the tint.
        inside: (h, w) the region.
    """
    single = np.linalg.norm(difference, axis=2)
    smooth = np.linalg.norm(cv2.GaussianBlur(difference, (0, 0), grain), axis=2)
    unchanged = smooth[inside & (single < SAME)]
    doubt = DOUBT[0]
    if unchanged.size:
        middle = float(np.median(unchanged))
        doubt = float(np.clip(middle + 4.5 * np.median(np.abs(unchanged - middle)), *DOUBT))
    candidates = ((smooth > doubt) | (single > THIN)) & inside
    labels, count = ndimage.label(candidates, np.ones((3, 3)))
    sure = np.unique(labels[candidates & ((smooth > max(SURE, 1.5 * doubt)) | (single > THIN))])
    chosen = np.zeros(count + 1, dtype=np.bool_)
    chosen[sure] = True
    chosen[0] = False
    shape: Mask = chosen[labels]
    if not shape.any():
        return shape
    closed = distance_to(~(distance_to(shape) <= GAP * grain)) > GAP * grain
    filled: Mask = ndimage.binary_fill_holes(closed | shape)
    grown: Mask = (distance_to(filled) <= RIM * grain) & inside
    return grown


def distance_to(shape: Mask) -> Floats:
    """(h, w) pixels to the nearest one of a shape; far off where there is none."""
    if not shape.any():
        return np.full(shape.shape, np.inf, np.float32)
    return np.asarray(cv2.distanceTransform((~shape).view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE), np.float32)
