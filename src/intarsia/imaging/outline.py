"""Outline an object of a photo from a box around it, without a network.

GrabCut learns the colours of what is in the box and of what surrounds it and cuts where they part. It is run from
several starts on a small picture, which vote; once more at a medium size, near the border alone; and a guided filter
then brings the border to the photo's own pixels.

Sources: Rother, Kolmogorov and Blake 2004, GrabCut; He, Sun and Tang 2013, guided image filtering; Lempitsky,
Kohli, Rother and Sharp 2009, image segmentation with a bounding box prior (an object reaches its box's sides).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
import numpy.typing as npt
from scipy import ndimage

from intarsia.errors import RegionError, Remedy
from intarsia.imaging.geometry import Box, Point, Size

if TYPE_CHECKING:
    from intarsia.imaging.masks import Mask
    from intarsia.imaging.photo import Bytes, Floats, Part

MARGIN = 0.3
"""How much of its surroundings is looked at, in widths and heights of the box."""

SMALL, MEDIUM = 180, 400
"""Side of the square whose area the looked-at part has, in pixels, where starts vote and where the border is cut."""

ROUNDS = 3
"""Times that colours are learned and the picture is cut, from each start."""

SPECK = 0.02
"""Parts and holes smaller than this share of the object are noise."""

LEAST = 0.02
"""Share of its box that an object covers at least."""


@dataclass(frozen=True, kw_only=True, eq=False)
class View:
    """The part of a photo about a box, at a size to work at.

    Attributes:
        pixels: (h, w, 3) uint8.
        inside: (h, w) where the object may be.
    """

    pixels: Bytes
    inside: Mask


def outline_box(pixels: Bytes, box: Box, *, taken: Mask | None = None) -> Mask:
    """The object in a box.

    Args:
        pixels: (H, W, 3) uint8 RGB.
        box: around the object, in pixels; it need not be tight, but the object should nearly reach its sides.
        taken: (H, W) what belongs to other objects; none of it becomes this one's.

    Returns:
        (H, W), not empty, within the box. The same input gives the same mask.

    Raises:
        RegionError: the box is empty, lies outside the picture or covers all of it, or nothing in it stands out.
    """
    size = Size(pixels.shape[1], pixels.shape[0])
    edges = checked_box(box, size)
    part = surroundings(edges, size)
    allowed = np.zeros(pixels.shape[:2], np.bool_)
    allowed[edges.slices()] = True
    if taken is not None:
        allowed &= ~taken
    near, allowed = pixels[part], allowed[part]
    small = view_of(near, allowed, SMALL)
    medium = view_of(near, allowed, MEDIUM)
    voted = vote(small)
    coarse = tidy(cut_border(medium, voted) & medium.inside)
    if coarse.sum() < LEAST * medium.inside.sum():
        raise RegionError(
            f"Nothing in the box {box} stands out from its surroundings",
            Remedy("draw a mask of the object"),
            Remedy("take the box itself"),
        )
    mask = np.zeros(pixels.shape[:2], np.bool_)
    mask[part] = enlarge(near, medium, coarse) & allowed
    return mask


def checked_box(box: Box, size: Size) -> Box:
    """The box in whole pixels, without what lies outside the picture.

    Raises:
        RegionError: nothing is left of it, or nothing is left around it.
    """
    inside = box.clipped(size)
    if inside.area == 0:
        why = "is empty" if box.area == 0 else f"lies outside the picture of {size} pixels"
        raise RegionError(f"The box {box} {why}: give x0,y0,x1,y1 in pixels from the top left corner.")
    inside = inside.rounded()
    if inside.area == size.area:
        raise RegionError(
            f"The box {box} covers the whole picture of {size} pixels, so that nothing tells the object from what "
            "surrounds it",
            Remedy("give a smaller box around the object"),
            Remedy("draw a mask of it"),
        )
    return inside


def surroundings(box: Box, size: Size) -> Part:
    """Rows and columns of a box and of what lies around it."""
    x, y = MARGIN * box.width + 4, MARGIN * box.height + 4
    return Box(box.x0 - x, box.y0 - y, box.x1 + x, box.y1 + y).clipped(size).rounded().slices()


def view_of(pixels: Bytes, allowed: Mask, side: int) -> View:
    """A part of a photo at a size of about `side` squared pixels, never enlarged."""
    height, width = allowed.shape
    scale = min(side / (height * width) ** 0.5, 1.0)
    shape = (max(round(width * scale), 1), max(round(height * scale), 1))
    shrunk = cv2.resize(pixels, shape, interpolation=cv2.INTER_AREA)
    inside = cv2.resize(allowed.astype(np.uint8), shape, interpolation=cv2.INTER_NEAREST) > 0
    return View(pixels=np.ascontiguousarray(shrunk), inside=inside)


def vote(view: View) -> Floats:
    """(h, w) share of the starts from which a pixel becomes the object's."""
    colours = cv2.cvtColor(view.pixels, cv2.COLOR_RGB2LAB)
    cuts = [
        grab_cut(picture, np.where(view.inside, np.where(start, cv2.GC_PR_FGD, cv2.GC_PR_BGD), cv2.GC_BGD), ROUNDS)
        for picture in (view.pixels, colours)
        for start in (view.inside, ellipse(view.inside, 0.8))
    ]
    return np.mean(cuts, axis=0, dtype=np.float32)


def ellipse(inside: Mask, share: float) -> Mask:
    """(h, w) the ellipse in the box around a mask, shrunk to a share of its sides."""
    rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
    y, x = np.ogrid[: inside.shape[0], : inside.shape[1]]
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    down = (y + 0.5 - (top + bottom) / 2) / ((bottom - top) / 2)
    across = (x + 0.5 - (left + right) / 2) / ((right - left) / 2)
    round_one: Mask = inside & (down**2 + across**2 <= share**2)
    return round_one


def grab_cut(pixels: Bytes, start: npt.NDArray[np.integer], rounds: int) -> Mask:
    """(h, w) GrabCut from labels; where it cannot learn either colours, what was labelled an object."""
    labels = start.astype(np.uint8)
    ours = (labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)
    if ours.all() or not ours.any():
        return ours
    cv2.setRNGSeed(0)  # colours are clustered from random centres
    cv2.grabCut(pixels, labels, None, np.zeros((1, 65)), np.zeros((1, 65)), rounds, cv2.GC_INIT_WITH_MASK)
    cut: Mask = (labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)
    return cut


def cut_border(view: View, voted: Floats) -> Mask:
    """(h, w) one more cut at a larger size, in which only what lies near the border, or is disputed, may change."""
    height, width = view.inside.shape
    share = cv2.resize(voted, (width, height), interpolation=cv2.INTER_LINEAR)
    ours = share >= 0.5
    reach = max(round(width / voted.shape[1] * 2), 2)
    kernel = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
    sure = cv2.erode((share > 0.99).astype(np.uint8), kernel) > 0
    never = (cv2.dilate((share > 0.01).astype(np.uint8), kernel) == 0) | ~view.inside
    labels = np.where(ours, cv2.GC_PR_FGD, cv2.GC_PR_BGD)
    labels[sure], labels[never] = cv2.GC_FGD, cv2.GC_BGD
    return grab_cut(view.pixels, labels, 1)


def tidy(mask: Mask) -> Mask:
    """A mask without small islands and small holes."""
    labels, count = ndimage.label(mask)
    if not count:
        return mask
    areas = np.bincount(labels.ravel())
    areas[0] = 0
    least = SPECK * areas.sum()
    kept: Mask = (areas >= least)[labels]
    holes, _ = ndimage.label(~kept)
    sizes = np.bincount(holes.ravel())
    small = sizes < least
    small[0] = False
    edge = np.unique(np.concatenate([holes[0], holes[-1], holes[:, 0], holes[:, -1]]))
    small[edge] = False
    whole: Mask = kept | small[holes]
    return whole


def enlarge(pixels: Bytes, view: View, coarse: Mask) -> Mask:
    """(H, W) a mask of a view at the photo's own pixels, its border where the photo's colours change."""
    height, width = pixels.shape[:2]
    share = cv2.resize(coarse.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(share >= 0.5)


def outline_points(pixels: Bytes, points: Sequence[Point], *, taken: Mask | None = None) -> Mask:
    """The object that all of the points lie on.

    Args:
        pixels: (H, W, 3) uint8 RGB.
        points: on the object, in pixels.
        taken: (H, W) what belongs to other objects; none of it becomes this one's.

    Returns:
        (H, W), not empty. The same input gives the same mask.

    Raises:
        RegionError: a point lies outside the picture or on another object, or nothing stands out around them.
    """
    raise NotImplementedError("outlines from points")
