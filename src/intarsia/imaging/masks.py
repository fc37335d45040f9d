"""Masks: where to repaint. White (True, 1) is repainted, black is kept.

They are numpy arrays (H, W) at the photo's size; see `cells` for the models' coarser grids.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

from intarsia.errors import EmptyMaskError, Message, RegionError, Remedy, Setting
from intarsia.imaging.geometry import Box, Point, Size
from intarsia.imaging.mask_levels import read_levels
from intarsia.imaging.metadata import TURNS
from intarsia.imaging.photo import Bytes
from intarsia.imaging.slices import Part, grown
from intarsia.notes import note

Mask: TypeAlias = npt.NDArray[np.bool_]
Blend: TypeAlias = npt.NDArray[np.float32]

SAME_ASPECT = 0.01
"""A mask of another size is fitted to the picture if the aspect ratios differ by no more than this."""


def read_mask(
    path: str | Path,
    size: Size,
    invert: bool = False,
    orientation: int = 1,
    *,
    label: int | None = None,
    choosable: bool = False,
) -> Mask:
    """Read a black and white picture of what to repaint, or one of the other kinds of `mask_levels`.

    The mask is taken as painted over the upright photo. One painted over the pixels as they are stored
    in a photo on its side (the sides exchanged) is turned as the photo was.

    Args:
        size: the upright photo's, in pixels.
        invert: black is repainted instead of white.
        orientation: the EXIF orientation that the photo had (`Photo.orientation`).
        label: of a map of labels, the one that is repainted.
        choosable: whether the setting `mask_label` is for this mask, so that an error may name it.

    Returns:
        (H, W), True = repaint, at the photo's size.

    Raises:
        PictureError: the file is not a readable picture.
        RegionError: it is not clear what it marks, or its shape is not the photo's.
        EmptyMaskError: nothing of it is to be repainted.
    """
    levels = read_levels(path, invert, label, choosable=choosable)
    shape = Size(levels.shape[1], levels.shape[0])
    if orientation >= 5 and not fits(shape, size) and fits(Size(shape.height, shape.width), size):
        levels = np.asarray(Image.fromarray(levels).transpose(TURNS[orientation]))
    elif not fits(shape, size):
        raise RegionError(
            f"The mask {path} has {shape} pixels, but the photo has {size}, another shape: "
            "paint the mask over the whole photo and save it at the photo's size."
        )
    mask: Mask = (levels < 128) if invert else (levels >= 128)
    if mask.shape != (size.height, size.width):
        note(f"The mask {path} has {shape} pixels, and the photo {size}: it is fitted to the photo.")
        resized = Image.fromarray(mask).resize((size.width, size.height), Image.Resampling.NEAREST)
        mask = np.array(resized, dtype=np.bool_)  # a copy, which torch may write to
    if not mask.any():
        raise EmptyMaskError(*_nothing_marked(path, levels, invert))
    return mask


def _nothing_marked(path: str | Path, levels: Bytes, invert: bool) -> Message:
    """What is said of a mask without a pixel to repaint."""
    if invert:
        fact = f"The mask {path} is all white, so that with black for what changes nothing would be repainted"
        switch = Setting("invert_mask", True)
        return (fact, Remedy("paint black what should change"), Remedy("take ", switch, " back to repaint everything"))
    brightest = int(levels.max())
    dark = f" (its brightest level is {brightest} of 255)" if brightest else ""
    return (
        f"The mask {path} is all black{dark}, so that nothing would be repainted",
        Remedy("paint white what should change"),
    )


def fits(shape: Size, size: Size) -> bool:
    """Whether two sizes have the same aspect ratio, to a hundredth."""
    return abs(math.log(shape.width * size.height / (shape.height * size.width))) <= SAME_ASPECT


def box_mask(box: Box, size: Size) -> Mask:
    """A box as a mask (H, W), its edges rounded outward to whole pixels, cut off at the picture's borders.

    Raises:
        RegionError: the box is empty or lies outside the picture.
    """
    inside = box.clipped(size)
    if inside.area == 0:
        why = "is empty" if box.area == 0 else f"lies outside the picture of {size} pixels"
        raise RegionError(f"The box {box} {why}: give x0,y0,x1,y1 in pixels from the top left corner.")
    edges = inside.rounded()
    mask = np.zeros((size.height, size.width), dtype=np.bool_)
    mask[edges.slices()] = True
    return mask


def bounds_of(mask: Mask, margin: int = 0) -> Part | None:
    """The rows and columns that a mask (H, W) is in, and so many more to each side; None where it is nowhere."""
    rows = np.flatnonzero(mask.any(axis=1))
    if not rows.size:
        return None
    top, bottom = int(rows[0]), int(rows[-1]) + 1
    columns = np.flatnonzero(mask[top:bottom].any(axis=0))
    left, right = int(columns[0]), int(columns[-1]) + 1
    return grown((slice(top, bottom), slice(left, right)), margin, mask.shape)


def bounding_box(mask: Mask) -> Box:
    """The smallest box of whole pixels around what a mask (H, W) covers, which must not be nothing."""
    part = bounds_of(mask)
    assert part is not None, "an empty mask has no bounding box"
    rows, columns = part
    return Box(columns.start, rows.start, columns.stop, rows.stop)


def centroid(mask: Mask) -> Point:
    """The mean position of the pixels that a mask (H, W) covers, which must not be none."""
    rows, columns = np.nonzero(mask)
    assert rows.size, "an empty mask has no centroid"
    return Point(float(columns.mean()) + 0.5, float(rows.mean()) + 0.5)


def dilate(mask: Mask, pixels: int) -> Mask:
    """A mask (H, W) grown by so many pixels to all sides and corners."""
    assert pixels >= 0, f"growth by {pixels} pixels"
    part = bounds_of(mask, pixels)
    if part is None or pixels == 0:
        return mask.copy()
    grown = np.zeros_like(mask)
    levels = mask[part].view(np.uint8)
    grown[part] = ndimage.maximum_filter(levels, 2 * pixels + 1, mode="constant").view(np.bool_)
    return grown


def feather(mask: Mask, width: float) -> Blend:
    """The weight of the edited picture: 0 outside the mask, rising to 1 over a soft edge inside it.

    The edge lies inside, so that nothing outside the mask changes. Along the picture's own borders there
    is nothing to blend with and no soft edge. In a mask too thin for the width the rise is steeper, so
    that its innermost pixels are still repainted fully.

    Args:
        mask: (H, W).
        width: of the soft edge, in pixels; 0 for a hard one.

    Returns:
        (H, W) float32 in [0, 1], 0 exactly where the mask is False and nowhere else.
    """
    assert width >= 0, f"a soft edge of {width} pixels"
    blend = np.zeros(mask.shape, dtype=np.float32)
    # One pixel of outside around the mask is enough: whatever lies behind it is farther away.
    part = bounds_of(mask, 1)
    if part is None:
        return blend
    depth = depth_inside(mask[part], math.ceil(width) + 1)
    full = min(float(depth.max()), width + 1)
    blend[part] = np.where(mask[part], np.minimum(depth / full, 1.0), 0.0)
    return blend


def softened(mask: Mask, width: float) -> Blend:
    """(H, W) float32: 1 in a mask, falling to 0 over so many pixels around it."""
    distance = depth_inside(~mask, math.ceil(width) + 1)
    soft: Blend = np.clip(1 - distance / (width + 1), 0, 1).astype(np.float32)
    return soft


def depth_inside(mask: Mask, limit: int) -> Blend:
    """Euclidean distance of each pixel to the nearest one outside the mask, 0 there, cut off at `limit`."""
    depth = np.zeros(mask.shape, dtype=np.float32)
    part = bounds_of(mask, 1)
    if part is None:
        return depth
    if mask[part].all():  # then it fills the picture
        depth.fill(limit)
        return depth
    levels = np.ascontiguousarray(mask[part]).view(np.uint8)
    distance = cv2.distanceTransform(levels, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    np.minimum(distance, np.float32(limit), out=distance)
    # Squares are whole numbers, whose roots are the same on every machine.
    np.sqrt(np.rint(np.square(distance, out=distance), out=distance), out=distance)
    depth[part] = distance
    return depth
