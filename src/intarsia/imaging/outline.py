"""Outline an object of a photo from a box around it or points on it, without a network.

Guesses on a small picture vote on where the object is (`outline_vote`). Its border is then cut at a medium size
(GrabCut in a band), and brought to the photo's own pixels by a guided filter.

Sources: Rother, Kolmogorov and Blake 2004, GrabCut; He and Sun 2015, fast guided filter.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import cv2
import numpy as np
from scipy import ndimage

from intarsia.errors import RegionError, Remedy
from intarsia.imaging.geometry import Box, Point, Size
from intarsia.imaging.guided import GuidedFilter
from intarsia.imaging.lab import lab_of
from intarsia.imaging.outline_vote import (
    View,
    contrast_along,
    grab_cut,
    outline_of,
    shortest,
    steps_of,
    tidy,
    vote,
)
from intarsia.progress import span, tick

if TYPE_CHECKING:
    from intarsia.imaging.masks import Mask
    from intarsia.imaging.outline_vote import Values
    from intarsia.imaging.photo import Bytes
    from intarsia.imaging.slices import Part

MARGIN = 0.2
"""How much of its surroundings is looked at, in widths and heights of the box."""

SMALL, MEDIUM = 130, 400
"""Side of the square whose area the looked-at part has, in pixels, where guesses vote and where the border is cut."""

BAND = 2
"""How far the border may move when it is cut again, in pixels of the small picture."""

STANDS_OUT = 0.3
"""Contrast along its outline that an object has at least; those of the photographs of the tests have 0.57 or more, and
boxes on sky, walls and water 0.28 or less."""

LEAST = 0.02
"""Share of its box that an object covers at least."""

SIZES = (0.2, 0.4, 0.75)
"""Sides of the boxes that are tried about points, as shares of the picture's short side."""

MISSED, REACHING = 1.0, 0.3
"""What an object loses in plausibility that misses all points, and for each side of the picture beyond the first that
it reaches: then it is rather what lies behind objects."""

ROOM = 0.05
"""Room around what was found when it is looked for again, as a share of its longer side."""

STRIP = 256
"""Rows of a large photo that are worked at once."""


def outline_box(pixels: Bytes, box: Box, *, taken: Mask | None = None) -> Mask:
    """The object in a box.

    Args:
        pixels: (H, W, 3) uint8 RGB.
        box: around the object, in pixels. The object should nearly reach each of its sides, and is cut off at them.
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
    mask = np.zeros(pixels.shape[:2], np.bool_)
    mask[part] = outline_part(pixels[part], allowed[part])
    if mask.sum() < max(LEAST * allowed.sum(), 1):
        raise RegionError(
            f"Nothing in the box {box} stands out from its surroundings",
            Remedy("draw the box closer around the object"),
            Remedy("paint a mask of it"),
            Remedy("take the whole box as the mask"),
        )
    return mask


def outline_part(pixels: Bytes, allowed: Mask) -> Mask:
    """(H, W) the object of a part of a photo, within where it may be; empty where none is found."""
    small = view_of(pixels, allowed, SMALL)
    if small.inside.all() or not small.inside.any():
        return np.zeros_like(allowed)
    found = vote(small)
    if found.contrast < STANDS_OUT:
        return np.zeros_like(allowed)
    scale = math.sqrt(allowed.size / found.mask.size)
    return refine_part(pixels, found.mask, allowed, BAND * scale)


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
            Remedy("draw a smaller box around the object"),
            Remedy("paint a mask of it"),
        )
    return inside


def surroundings(box: Box, size: Size) -> Part:
    """Rows and columns of a box and of what lies around it."""
    x, y = MARGIN * box.width + 4, MARGIN * box.height + 4
    return Box(box.x0 - x, box.y0 - y, box.x1 + x, box.y1 + y).clipped(size).rounded().slices()


def view_of(pixels: Bytes, allowed: Mask, side: int) -> View:
    """A part of a photo at a size of about `side` squared pixels, never enlarged."""
    height, width = allowed.shape
    scale = min(side / math.sqrt(height * width), 1.0)
    shape = (max(round(width * scale), 1), max(round(height * scale), 1))
    shrunk = cv2.resize(pixels, shape, interpolation=cv2.INTER_AREA)
    inside = cv2.resize(allowed.astype(np.uint8), shape, interpolation=cv2.INTER_NEAREST) > 0
    return View(pixels=np.ascontiguousarray(shrunk), inside=inside, sure=np.zeros_like(inside))


def refine_part(pixels: Bytes, mask: Mask, allowed: Mask, band: float) -> Mask:
    """(H, W) a mask at the size of a part of a photo, its border moved to where colours change.

    Args:
        mask: at any size of the part's shape.
        allowed: (H, W) where the object may be.
        band: how far the border may move, in pixels of the part.
    """
    medium = view_of(pixels, allowed, MEDIUM)
    height, width = medium.inside.shape
    share = cv2.resize(mask.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    reach = max(round(band * width / allowed.shape[1]), 1)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    ours = (share >= 0.5).astype(np.uint8)
    labels = np.where(ours > 0, cv2.GC_PR_FGD, cv2.GC_PR_BGD)
    labels[cv2.erode(ours, kernel, borderType=cv2.BORDER_REPLICATE) > 0] = cv2.GC_FGD
    labels[(cv2.dilate(ours, kernel) == 0) | ~medium.inside] = cv2.GC_BGD
    found = tidy(grab_cut(medium.pixels, labels, 1) & medium.inside)
    return enlarge(pixels, medium, found) & allowed


def enlarge(pixels: Bytes, view: View, mask: Mask) -> Mask:
    """(H, W) a mask of a view at the photo's own pixels; near its border, the photo's colours decide."""
    height, width = pixels.shape[:2]
    if mask.shape == (height, width):
        return mask
    values = mask.astype(np.float32)
    slope, offset = GuidedFilter(view.pixels.astype(np.float32) / 255, 2, 1e-4).coefficients(values)
    near = cv2.blur(values, (5, 5))
    undecided = ((near > 0.01) & (near < 0.99)).astype(np.float32)
    layers = np.dstack([slope / 255, offset, values, undecided])
    result = np.zeros((height, width), np.bool_)
    scale = mask.shape[0] / height
    for top in range(0, height, STRIP):
        tick(0.9)
        rows = slice(top, min(top + STRIP, height))
        across, down = np.meshgrid(
            (np.arange(width, dtype=np.float32) + 0.5) * (mask.shape[1] / width) - 0.5,
            (np.arange(rows.start, rows.stop, dtype=np.float32) + 0.5) * scale - 0.5,
        )
        fine = [
            cv2.remap(layer, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            for layer in np.moveaxis(layers, 2, 0)
        ]
        exact = sum(fine[k] * pixels[rows, :, k] for k in range(3)) + fine[3]
        result[rows] = np.where(fine[5] > 0, exact, fine[4]) >= 0.5
    return result


def outline_points(
    pixels: Bytes, points: Sequence[Point], *, off: Sequence[Point] = (), taken: Mask | None = None
) -> Mask:
    """The object that all of the points lie on.

    The picture does not say how large the thing is that is meant (an eye, a cat), so boxes of several sizes are
    tried, and the one whose object stands out best is taken. More points make the choice sure.

    Args:
        pixels: (H, W, 3) uint8 RGB.
        points: on the object, in pixels.
        off: beside it, in pixels: what is more like these than like the points is taken away.
        taken: (H, W) what belongs to other objects; none of it becomes this one's.

    Returns:
        (H, W), not empty, with all of the points. The same input gives the same mask.

    Raises:
        RegionError: a point lies outside the picture or on another object, or nothing stands out around them.
    """
    size = Size(pixels.shape[1], pixels.shape[0])
    free = np.ones(pixels.shape[:2], np.bool_) if taken is None else ~taken
    for point in points:
        if not Box(0, 0, size.width, size.height).contains(point):
            raise RegionError(
                f"The point {point.x:g},{point.y:g} lies outside the picture of {size} pixels",
                Remedy("give x,y in pixels from the top left corner"),
            )
        if not free[int(point.y), int(point.x)]:
            raise RegionError(
                f"The point {point.x:g},{point.y:g} lies on another object",
                Remedy("give one on what is not yet an object's"),
            )
    with span(0.0, 0.6):
        tried = trials(pixels, boxes_about(pixels, points), points, free, off)
    with span(0.6, 0.9):
        tried += trials(pixels, [one.found for one in tried[:2]], points, free, off)
    if not tried:
        raise RegionError(
            f"Nothing stands out around the point{'s' if len(points) > 1 else ''} "
            + " ".join(f"{point.x:g},{point.y:g}" for point in points),
            Remedy("draw a box around the object"),
            Remedy("paint a mask of it"),
        )
    best = max(tried, key=lambda one: one.score)
    mask = np.zeros_like(free)
    scale = math.sqrt(mask[best.part].size / best.mask.size)
    mask[best.part] = refine_part(pixels[best.part], best.mask, free[best.part], BAND * scale)
    return keep_touched(take_away(pixels, mask, points, off), points, free)


def take_away(pixels: Bytes, mask: Mask, points: Sequence[Point], off: Sequence[Point]) -> Mask:
    """(H, W) a mask without what is nearer to some points than to others, by ways that cross few edges.

    Args:
        pixels: (H, W, 3) uint8 RGB.
        points: what stays of the mask lies near these.
        off: what goes lies near these, in pixels; where there are none, or none in the picture, all of it stays.
    """
    size = Size(pixels.shape[1], pixels.shape[0])
    off = [point for point in off if Box(0, 0, size.width, size.height).contains(point)]
    if not off or not mask.any():
        return mask
    # What lies far from the object decides nothing; a point there is brought to the border of what is looked at.
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    part = surroundings(Box(columns[0], rows[0], columns[-1] + 1, rows[-1] + 1), size)
    top, left = part[0].start, part[1].start
    seen = view_of(pixels[part], mask[part], MEDIUM)
    height, width = seen.inside.shape
    down, across = height / (part[0].stop - top), width / (part[1].stop - left)

    def length_from(given: Sequence[Point]) -> Values:
        spots = [
            Point(min(max((p.x - left) * across, 0), width - 1), min(max((p.y - top) * down, 0), height - 1))
            for p in given
        ]
        return shortest(*steps, near_points(spots, seen.inside.shape))

    steps = steps_of(lab_of(seen.pixels))
    theirs = enlarge(pixels[part], seen, length_from(off) < length_from(points))
    kept = mask.copy()
    kept[part] &= ~theirs
    return kept


@dataclass(frozen=True, kw_only=True, eq=False)
class Trial:
    """An object that was found on points.

    Attributes:
        part: the rows and columns of the photo that were looked at.
        mask: (h, w) the object there, small.
        found: the box around it in the photo, with some room.
        score: how plausible it is.
    """

    part: Part
    mask: Mask
    found: Box
    score: float


def trials(
    pixels: Bytes, boxes: Sequence[Box], points: Sequence[Point], free: Mask, off: Sequence[Point] = ()
) -> list[Trial]:
    """What is found in each of some boxes, the most plausible first."""
    found = []
    for number, box in enumerate(boxes):
        with span(number / len(boxes), (number + 1) / len(boxes)):
            found.append(trial(pixels, box, points, free, off))
    return sorted((one for one in found if one is not None), key=lambda one: -one.score)


def trial(pixels: Bytes, box: Box, points: Sequence[Point], free: Mask, off: Sequence[Point] = ()) -> Trial | None:
    """Look for the object of points in a box, and of none that are `off` it; None where there is none."""
    size = Size(pixels.shape[1], pixels.shape[0])
    inner = box.clipped(size).rounded()
    part = surroundings(inner, size)
    allowed = np.zeros_like(free)
    allowed[inner.slices()] = free[inner.slices()]
    small = view_of(pixels[part], allowed[part], SMALL)
    if small.inside.all() or not small.inside.any():
        return None
    rows, columns = part
    down, across = (
        small.inside.shape[0] / (rows.stop - rows.start),
        small.inside.shape[1] / (columns.stop - columns.start),
    )
    spots = [Point((point.x - columns.start) * across, (point.y - rows.start) * down) for point in points]
    sure = near_points(spots, small.inside.shape) & small.inside
    voted = vote(replace(small, sure=sure))
    mask, score = voted.mask, voted.score
    missed = sum(not mask[int(spot.y), int(spot.x)] for spot in spots) / len(spots)
    beside = [Point((point.x - columns.start) * across, (point.y - rows.start) * down) for point in off]
    height, width = mask.shape
    wrong = sum(0 <= p.x < width and 0 <= p.y < height and bool(mask[int(p.y), int(p.x)]) for p in beside)
    missed += wrong / max(len(beside), 1)
    score -= MISSED * missed + REACHING * max(sides_reached(mask, part, size) - 1, 0)
    mask = keep_touched(mask | sure, spots, small.inside)
    if voted.contrast < STANDS_OUT or mask.sum() < LEAST * small.inside.sum():
        return None
    top, left = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    found = Box(left[0] / across, top[0] / down, (left[-1] + 1) / across, (top[-1] + 1) / down)
    found = Box(*(edge + start for edge, start in zip(found.as_tuple(), (columns.start, rows.start) * 2, strict=True)))
    room = ROOM * max(found.width, found.height)
    return Trial(part=part, mask=mask, found=found.expanded(room), score=score)


def sides_reached(mask: Mask, part: Part, size: Size) -> int:
    """How many of the picture's sides a mask of a part of it reaches."""
    rows, columns = part
    return sum(
        (
            bool(rows.start == 0 and mask[0].any()),
            bool(rows.stop == size.height and mask[-1].any()),
            bool(columns.start == 0 and mask[:, 0].any()),
            bool(columns.stop == size.width and mask[:, -1].any()),
        )
    )


def near_points(points: Sequence[Point], shape: tuple[int, ...]) -> Mask:
    """(h, w) what lies on points, or next to them."""
    near = np.zeros(shape, np.uint8)
    for point in points:
        cv2.circle(near, (int(point.x), int(point.y)), 2, 1, -1)
    return near > 0


def keep_touched(mask: Mask, points: Sequence[Point], allowed: Mask) -> Mask:
    """(h, w) the parts of a mask that points lie on, or next to; the points themselves where there are none."""
    near = near_points(points, mask.shape) & allowed
    labels, count = ndimage.label(mask)
    touched = np.zeros(count + 1, np.bool_)
    touched[np.unique(labels[near & mask])] = True
    touched[0] = False
    kept: Mask = touched[labels]
    return kept if kept.any() else near


def boxes_about(pixels: Bytes, points: Sequence[Point]) -> list[Box]:
    """Boxes in which the object of points may lie: of several sizes about them, and about what they are like."""
    size = Size(pixels.shape[1], pixels.shape[0])
    x, y = [point.x for point in points], [point.y for point in points]
    hull = Box(min(x), min(y), max(x), max(y))
    boxes = [hull.expanded(share * size.short / 2) for share in SIZES]
    small = view_of(pixels, np.ones(pixels.shape[:2], np.bool_), SMALL)
    height, width = small.inside.shape
    shrunk = Size(width, height)
    lab = lab_of(small.pixels)
    sources = near_points([point.scaled(size, shrunk) for point in points], small.inside.shape)
    length = shortest(*steps_of(lab), sources)
    contrasts: list[tuple[float, Box]] = []
    for share in np.linspace(0.02, 0.7, 18):
        grown = length <= np.quantile(length, share)
        outline, _ = outline_of(grown, small)
        rows, columns = np.flatnonzero(grown.any(1)), np.flatnonzero(grown.any(0))
        box = Box(columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
        contrasts.append((float(contrast_along(grown, lab)[outline].mean()), box))
    best = sorted(contrasts, key=lambda one: -one[0])[:2]
    grown = [box.scaled(shrunk, size).expanded(ROOM * size.short) for _, box in best]
    whole = Box(0, 0, size.width, size.height)
    return [box for box in boxes + grown if box.clipped(size).rounded() != whole]
