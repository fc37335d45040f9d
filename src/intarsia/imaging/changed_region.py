"""The region that an edit changed, where nobody said beforehand which it may change.

The edited picture lies over its source, in its colours. What differs then by more than blur, noise and a fraction of a
pixel is the edit; it is taken as a whole, with what it encloses and a little around it.
"""

from __future__ import annotations

import cv2
import numpy as np
from scipy import ndimage

from intarsia.imaging.changed_shape import distance_to
from intarsia.imaging.lab import lab_of
from intarsia.imaging.masks import Mask
from intarsia.imaging.photo import Bytes, Floats, Picture

DOUBT, SURE = 4.4, 9.0
"""Difference from which a pixel beside a changed one is changed too, and from which it is by itself, in usual differences."""

FEWEST_DOUBT, FEWEST_SURE = 3.0, 7.0
"""The same in Lab, at the least."""

MOST_NOISE = 2.0
"""A usual difference in Lab that is larger is none of noise: all of the picture is changed."""

REGRAIN = 0.8
"""Logarithm of the ratio of two contrasts from which a texture is another one."""

CONTRAST = 4.0
"""Deviation in levels of brightness that is added to both contrasts, so that noise on flat ground is no texture."""

SPECK = 2e-5
"""Share of the picture below which a patch is no edit, where it is no strong one."""

STRONG = 3.0
"""Times the sure difference that make a speck an edit."""

GAP, RIM = 1 / 100, 1 / 170
"""Widths of gaps that are closed, and of what is added around, of the picture's shorter side."""


def changed_region(source: Bytes, edited: Picture, covered: Mask) -> Mask:
    """Where an edited picture shows something else than its source.

    Args:
        source: (H, W, 3) levels.
        edited: (H, W, 3) levels, registered with the source and in its colours; the source's own where nothing
            covers it.
        covered: (H, W) where the edited picture shows anything.

    Returns:
        (H, W), with what is enclosed and a rim around it, within what is covered.
    """
    difference = differences(source, edited.clip(0, 255))
    difference[~covered] = 0
    usual = difference[covered]
    if not usual.size:
        return np.zeros_like(covered)
    noise = min(float(np.median(usual)), MOST_NOISE)
    doubt, sure = max(FEWEST_DOUBT, DOUBT * noise), max(FEWEST_SURE, SURE * noise)
    labels, count = ndimage.label(difference > doubt, np.ones((3, 3)))
    if not count:
        return np.zeros_like(covered)
    numbers = range(1, count + 1)
    peaks, areas = ndimage.maximum(difference, labels, numbers), ndimage.sum_labels(difference > 0, labels, numbers)
    chosen = (peaks > sure) & ((areas > SPECK * covered.size) | (peaks > STRONG * sure))
    shape: Mask = np.concatenate([[False], chosen])[labels]
    if not shape.any():
        return shape
    short = min(shape.shape)
    gap, rim = max(GAP * short, 2.0), max(RIM * short, 1.5)
    closed = distance_to(~(distance_to(shape) <= gap)) > gap
    filled = ndimage.binary_fill_holes(closed | shape)
    region: Mask = (distance_to(filled) <= rim) & covered
    return region


def differences(source: Bytes, edited: Picture) -> Floats:
    """(H, W) how far the pictures differ, in Lab; what one blurs or moves by a pixel of the other is no difference."""
    one, other = lab_of(source), lab_of(edited)
    beyond = np.minimum(outside(one, other), outside(other, one))
    smooth = np.linalg.norm(cv2.GaussianBlur(one, (0, 0), 2.0) - cv2.GaussianBlur(other, (0, 0), 2.0), axis=2)
    here = cv2.GaussianBlur(np.linalg.norm(one - other, axis=2), (0, 0), 1.0)  # what is smooth goes over its borders
    both = np.maximum(cv2.GaussianBlur(beyond, (0, 0), 1.0), np.minimum(smooth, 2 * here))
    first, second = (contrast(picture[..., 0]) for picture in (one, other))
    regrained = np.abs(np.log((first + CONTRAST) / (second + CONTRAST))) / REGRAIN
    return np.asarray(np.maximum(both, FEWEST_DOUBT * regrained), np.float32)


def outside(picture: Floats, other: Floats) -> Floats:
    """(H, W) how far each pixel lies outside the range of the other picture's pixels around it."""
    square = np.ones((3, 3), np.uint8)
    low, high = np.asarray(cv2.erode(other, square)), np.asarray(cv2.dilate(other, square))
    return np.asarray(np.linalg.norm(picture - picture.clip(low, high), axis=2), np.float32)


def contrast(brightness: Floats) -> Floats:
    """(H, W) deviation of each pixel's neighbourhood."""
    mean = cv2.GaussianBlur(brightness, (0, 0), 3.0)
    return np.sqrt(np.asarray(cv2.GaussianBlur((brightness - mean) ** 2, (0, 0), 3.0), np.float32))
