"""Infill by copying: a hole is filled with pieces of its surroundings, at any size of the image.

The pieces are found on a reduced image (see `shift_map`), their offsets are made exact from level to level, and
what is copied are the image's own pixels at full size, joined in the gradient domain (see `poisson`): nothing is
enlarged, so nothing is blurred.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import cv2
import numpy as np
import numpy.typing as npt
from scipy import ndimage

from intarsia.imaging.features import Features
from intarsia.imaging.infill import membrane_fill
from intarsia.imaging.masks import Mask, bounds_of
from intarsia.imaging.photo import Bytes, Picture, levels_to_bytes
from intarsia.imaging.poisson import SCREEN, CopyBlend
from intarsia.imaging.shift_map import Offset, ShiftMap, find_shift_map, leading_to
from intarsia.imaging.slices import Part, grown, shape_of, within
from intarsia.progress import span, tick

MOST_PIXELS = 7000
"""Pixels of a hole that offsets are searched for; larger holes are searched on a smaller image."""

MOST_SIDE = 420
"""Longest side of the image that is searched, in pixels."""

MOST_SEARCHED = 4 * MOST_PIXELS
"""Pixels of a hole that are searched for at most, where the smaller images do not show enough to be copied; a larger
hole is then filled smoothly, since time grows with its pixels."""

SCARCE = 0.1
"""Known pixels for one of a hole below which nothing is searched for on a reduced image."""

LARGE_PHOTO = 4_000_000
"""Pixels from which on searches for holes that lie apart share what is searched for."""

SEARCHES = 2
"""So many of them are made in full: of more, each on a smaller image."""

CONTEXT = 1.2
"""How far around a hole its pieces are looked for, as a multiple of its longer side."""

LEAST_CONTEXT = 48
"""The same in pixels, at least."""

ROUNDS = 24
"""Rounds of conjugate gradients at each finer size."""

LARGE = 60_000
"""Pixels of a hole from which on its copies are joined near their seams alone."""

NEAR_SEAM = 12
"""How far that is, in pixels: half the rounds, in which an error at a seam has gone no farther."""

MOST_FREE = 0.7
"""Share of a hole's pixels that lie near seams from which on all are solved for."""

Integers = npt.NDArray[np.signedinteger[Any]]

Level = TypeVar("Level", np.uint8, np.float32)

Guide = Callable[[Picture, Mask, Mask], Picture]
"""From an image (H, W, 3), its hole and what may be copied, to the image filled."""


def fill_by_copying(
    image: npt.NDArray[Level],
    hole: Mask,
    source: Mask,
    known: Mask,
    *,
    seed: int = 0,
    guide: Guide | None = None,
    effort: float = 1.0,
) -> npt.NDArray[Level]:
    """Fill a hole with pieces of the image around it.

    Args:
        image: (H, W, 3) in levels, whole ones or not.
        hole: (H, W) what is filled.
        source: (H, W) what may be copied; none of it in the hole.
        known: (H, W) what the fill joins on to; beside other pixels, such as another object, it ends freely.
        seed: of the search.
        guide: a soft fill of a small image, which the copies are to follow: another method's.
        effort: share of the usual pixels that are searched for, above 0; less is quicker, for a preview.

    Returns:
        (H, W, 3) of the image's kind; outside the hole as it was. A part of it for which too little is known to
        be copied is filled smoothly.
    """
    filled = image.copy()
    groups = separate(hole)
    if image.shape[0] * image.shape[1] >= LARGE_PHOTO:
        effort *= min(1.0, SEARCHES / max(len(groups), 1))
    for number, (part, inside) in enumerate(groups):
        context = context_of(part, inside, source)
        here = np.zeros(shape_of(context), np.bool_)
        here[within(part, context)] = inside
        rng = np.random.default_rng(seed)
        # A photo is large, and little of it is looked at: only what is becomes floating.
        level = _Level(picture=image[context], hole=here, source=source[context], known=known[context])
        with span(number / len(groups), (number + 1) / len(groups)):
            made = _filled(level, rng, guide, effort)
        filled[part][inside] = levels_to_bytes(made) if image.dtype == np.uint8 else made
    return filled


def separate(hole: Mask) -> list[tuple[Part, Mask]]:
    """The connected parts of a hole, those that lie close together as one: where each is, and what it is there."""
    whole = bounds_of(hole)
    if whole is None:
        return []
    labels, count = ndimage.label(hole[whole], structure=np.ones((3, 3)))
    boxes = [
        [side.start + start.start, side.stop + start.start]
        for found in ndimage.find_objects(labels)
        for side, start in zip(found, whole, strict=True)
    ]
    groups, group_of = _merged(np.array(boxes).reshape(count, 2, 2))
    owner = np.concatenate([[-1], group_of])
    parts = []
    for number, box in enumerate(groups):
        part = slice(int(box[0, 0]), int(box[0, 1])), slice(int(box[1, 0]), int(box[1, 1]))
        parts.append((part, owner[labels[within(part, whole)]] == number))
    return parts


def _merged(boxes: Integers) -> tuple[Integers, Integers]:
    """Boxes that lie close together as one.

    Args:
        boxes: (n, 2, 2) first and last row and column of each, the last ones not included.

    Returns:
        (g, 2, 2) the boxes that are left; (n,) which of them each has become a part of.
    """
    groups, group_of, merged = boxes.copy(), np.arange(len(boxes)), True
    while merged:
        merged = False
        a = 0
        while a < len(groups):
            last = len(groups)
            while last > a + 1:
                own, others = groups[a], groups[a + 1 : last]
                gap = (np.maximum(own[:, 0], others[..., 0]) - np.minimum(own[:, 1], others[..., 1])).max(1)
                size = np.maximum(np.ptp(own, axis=1).max(), np.ptp(others, axis=2).max(1))
                close = np.flatnonzero(gap <= size / 2)
                if not len(close):
                    break
                b = a + 1 + int(close[-1])
                groups[a] = np.stack(
                    [np.minimum(own[:, 0], groups[b][:, 0]), np.maximum(own[:, 1], groups[b][:, 1])], 1
                )
                group_of[group_of == b] = a
                group_of[group_of > b] -= 1
                groups = np.delete(groups, b, 0)
                merged, last = True, b
            a += 1
    return groups, group_of


def context_of(part: Part, inside: Mask, source: Mask) -> Part:
    """The rows and columns in which pieces for a part of a hole are looked for: wider where little is known."""
    longer = max(side.stop - side.start for side in part)
    margin = max(round(CONTEXT * longer), LEAST_CONTEXT)
    while True:
        context = tuple(
            slice(max(side.start - margin, 0), min(side.stop + margin, length))
            for side, length in zip(part, source.shape, strict=True)
        )
        enough = source[context].sum() >= 2 * inside.sum()
        if enough or all(side == slice(0, length) for side, length in zip(context, source.shape, strict=True)):
            return context[0], context[1]
        margin *= 2


@dataclass(frozen=True, kw_only=True, eq=False)
class _Level:
    """An image with a hole at one of the sizes that are worked at; see `fill_by_copying`."""

    picture: Picture | Bytes
    hole: Mask
    source: Mask
    known: Mask


def _filled(level: _Level, rng: np.random.Generator, guide: Guide | None, effort: float) -> Picture:
    """(n, 3) what fills the n pixels of a hole, found on a reduced image and refined up to the full one."""
    levels = [level]
    while levels[-1].hole.sum() > effort * MOST_PIXELS or max(levels[-1].hole.shape) > math.sqrt(effort) * MOST_SIDE:
        tick(0.0)
        levels.append(_halved(levels[-1]))
    found = None
    while found is None:  # on the smallest images every block may touch the hole: then on the next larger one
        small = levels[-1]
        scarce = small.source.sum() < SCARCE * small.hole.sum()
        if len(levels) == 1 or not scarce:
            with span(0.05, 0.6):
                found = _search(small, rng, guide)
        if found is None and (len(levels) == 1 or levels[-2].hole.sum() > MOST_SEARCHED):
            return membrane_fill(level.picture.astype(np.float32), level.known)[level.hole]
        levels = levels if found is not None else levels[:-1]
    screen = SCREEN
    offsets, label = np.array(found.offsets), found.labels[small.hole].astype(np.int32)
    blend = CopyBlend.of(small.picture, small.hole, small.known, offsets[label], screen)
    made = blend.solved().astype(np.float32)
    for size, (coarse, fine) in enumerate(itertools.pairwise(reversed(levels))):
        change = made - _copied(coarse, offsets, label)
        parent = _parents(coarse.hole, fine.hole)
        finer = label[parent]
        left = len(levels) - 1 - size  # each size has four times the pixels of the one before
        with span(0.6 + 0.4 / 4**left, 0.6 + 0.4 / 4 ** (left - 1)):
            tick(0.0)
            offsets, label = _led_inside(_refined(2 * offsets, finer, fine), finer, fine)
            screen /= 4
            with span(0.4, 1.0):
                made = _joined(fine, offsets, label, change, coarse.hole, parent, screen)
    return made


def _search(level: _Level, rng: np.random.Generator, guide: Guide | None) -> ShiftMap | None:
    """The shift map of a small image; None where too little is known to be copied."""
    picture = level.picture.astype(np.float32)
    wanted = guide(picture, level.hole, level.source) if guide else None
    with span(0.3, 1.0):
        return find_shift_map(picture, level.hole, level.source, rng, wanted)


def _copied(level: _Level, offsets: Integers, label: Integers) -> Picture:
    """(n, 3) the plain copies of a hole's pixels."""
    rows, columns = np.nonzero(level.hole)
    right, down = offsets[label].T
    copied: Picture = level.picture[rows + down, columns + right].astype(np.float32)
    return copied


def _joined(
    fine: _Level,
    offsets: Integers,
    label: Integers,
    change: Picture,
    coarse_hole: Mask,
    parent: Integers,
    screen: float,
) -> Picture:
    """(n, 3) copies joined at a finer size, from by how much they were changed at the coarser one.

    Args:
        offsets, label: (K, 2), (n,) where each of the hole's pixels is copied from.
        change: (m, 3) of the coarser hole's pixels.
        coarse_hole: it.
        parent: (n,) which of its pixels each pixel lies in.
        screen: weight of the colours beside the gradients.
    """
    free = _near_seams(fine.hole, label) if len(label) > LARGE else None
    if free is None or len(free) > MOST_FREE * len(label):
        blend = CopyBlend.of(fine.picture, fine.hole, fine.known, offsets[label], screen)
        return blend.improved(blend.copied + change[parent], ROUNDS).astype(np.float32)
    # Away from seams, what is a smooth change at the coarser size is one here: nothing is left to solve.
    made = _copied(fine, offsets, label) + _enlarged(change, coarse_hole, fine.hole)
    if len(free):
        blend = CopyBlend.of(fine.picture, fine.hole, fine.known, offsets[label], screen, free=free, guess=made)
        made[free] = blend.improved(blend.copied + change[parent[free]], ROUNDS)
    return made


def _near_seams(hole: Mask, label: Integers) -> Integers:
    """(m,) which of a hole's pixels lie near its rim, or near where one offset ends and another begins."""
    part = bounds_of(hole)
    assert part is not None, "an empty hole has no seams"
    inside = hole[part]
    owner = np.full((inside.shape[0] + 2, inside.shape[1] + 2), -1, np.int32)
    owner[1:-1, 1:-1][inside] = label
    seam = np.zeros(owner.shape, np.uint8)
    for one, other in ((np.s_[:-1], np.s_[1:]), (np.s_[:, :-1], np.s_[:, 1:])):
        differs = owner[one] != owner[other]
        seam[one] |= differs
        seam[other] |= differs
    near = cv2.dilate(seam, np.ones((2 * NEAR_SEAM + 1, 2 * NEAR_SEAM + 1), np.uint8))
    return np.flatnonzero(near[1:-1, 1:-1][inside])


def _enlarged(change: Picture, coarse: Mask, fine: Mask) -> Picture:
    """(n, 3) of a hole's pixels what is (m, 3) of those of the hole at half the size, smoothly; near its rim of no
    meaning."""
    part = bounds_of(coarse)
    assert part is not None, "an empty hole has nothing to be enlarged"
    small = np.zeros((*shape_of(part), 3), np.float32)
    small[coarse[part]] = change
    large = cv2.resize(small, None, fx=2, fy=2, interpolation=cv2.INTER_LINEAR)
    rows, columns = np.nonzero(fine)
    return np.asarray(large[rows - 2 * part[0].start, columns - 2 * part[1].start])


def _halved(level: _Level) -> _Level:
    """All at half the size: a block belongs to the hole if a pixel of it does, and is a source if all of it is."""
    picture, hole = _even(level.picture), _even(level.hole)
    small = _sums_of_four(picture) / np.float32(4)
    part = bounds_of(hole)
    if part is not None:  # only there some of the four do not count
        blocks = tuple(slice(side.start // 2, -(-side.stop // 2)) for side in part)
        around = tuple(slice(2 * side.start, 2 * side.stop) for side in blocks)
        shown = ~hole[around]
        weight = np.maximum(_sums_of_four(shown), 1)[..., None]
        small[blocks] = _sums_of_four(np.where(shown[..., None], picture[around], picture.dtype.type(0))) / weight
    touched = _any_of_four(hole)
    source = ~_any_of_four(~_even(level.source)) & ~touched
    known = source if level.known is level.source else ~_any_of_four(~_even(level.known)) & ~touched
    return _Level(picture=small.astype(np.float32), hole=touched, source=source, known=known)


def _even(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """(H, W, ...) with the last row and column twice where their number is odd."""
    odd = [(0, side % 2) for side in values.shape[:2]]
    return np.pad(values, odd + [(0, 0)] * (values.ndim - 2), mode="edge") if any(end for _, end in odd) else values


def _sums_of_four(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """(H / 2, W / 2, ...) the sums of each block of four, of whole levels and masks in whole numbers."""
    kind = np.float32 if values.dtype == np.float32 else np.uint16
    sums: npt.NDArray[Any] = np.add(values[0::2, 0::2], values[1::2, 0::2], dtype=kind)
    sums += values[0::2, 1::2]
    sums += values[1::2, 1::2]
    return sums


def _any_of_four(mask: Mask) -> Mask:
    """(H / 2, W / 2) whether any of each block of four is True."""
    rows = mask[0::2] | mask[1::2]
    return np.asarray(rows[:, 0::2] | rows[:, 1::2])


def _parents(coarse: Mask, fine: Mask) -> Integers:
    """(n,) for each pixel of a hole, the number of the one that it lies in at half the size."""
    number = np.zeros(coarse.shape, np.int32)
    number[coarse] = np.arange(np.count_nonzero(coarse), dtype=np.int32)
    rows, columns = np.nonzero(fine)
    parents: Integers = number[rows // 2, columns // 2]
    return parents


def _refined(offsets: Integers, label: Integers, level: _Level) -> Integers:
    """(K, 2) each offset moved by up to a pixel to where its seams differ least.

    Args:
        offsets: (K, 2) right and down, of the level's pixels.
        label: (n,) which of them each of the hole's pixels takes.
    """
    offsets, features = offsets.copy(), Features.of(level.picture)
    rows, columns = np.nonzero(level.hole)
    members = np.split(np.argsort(label, kind="stable"), np.cumsum(np.bincount(label, minlength=len(offsets)))[:-1])
    for k, seam in _seams_of(label, level).items():
        tick(0.2)
        y, x, other = seam[:, :: max(seam.shape[1] // 4000, 1)]
        step = np.where((other >= 0)[:, None], offsets[np.maximum(other, 0)], 0)
        wanted = features.at(y + step[:, 1], x + step[:, 0])
        ys, xs = rows[members[k]], columns[members[k]]
        best: tuple[float, Offset] | None = None
        for down in (0, -1, 1):
            for right in (0, -1, 1):
                move = offsets[k] + (right, down)
                seen = features.at(y + move[1], x + move[0])
                differs = float(np.sqrt(((seen - wanted) ** 2).sum(-1)).mean())
                if (best is None or differs < best[0] - 1e-6) and _inside(ys + move[1], xs + move[0], level.source):
                    best = differs, (int(move[0]), int(move[1]))
        if best is not None:
            offsets[k] = best[1]
    return offsets


def _led_inside(offsets: Integers, label: Integers, level: _Level) -> tuple[Integers, Integers]:
    """Offsets and labels by which every pixel of the hole is copied from a source.

    At half the size a block may reach over the last row or column of an odd number of them: what is copied from its
    outer half is copied from its inner one instead.
    """
    rows, columns = np.nonzero(level.hole)

    def astray(some: Integers) -> Integers:
        right, down = offsets[label[some]].T
        return some[~leading_to(level.source, rows[some] + down, columns[some] + right, (0, 0))]

    left = astray(np.arange(len(rows)))
    if len(left):
        count, label = len(offsets), label.copy()
        offsets = np.concatenate([offsets, offsets - (1, 0), offsets - (0, 1), offsets - (1, 1)])
        for _ in range(3):
            label[left] += count
            left = astray(left)
    return offsets, label


def _seams_of(label: Integers, level: _Level) -> dict[int, Integers]:
    """The pairs of neighbours of which one is copied by an offset and the other is known, or copied by another one.

    Returns:
        By offset (3, m): row and column of the other pixel, and its offset, -1 where it is known.
    """
    part = bounds_of(level.hole)
    assert part is not None, "an empty hole has no seams"
    height, width = shape_of(part)
    # Around the hole as well: -1 where an image's pixel is known, -2 elsewhere.
    ring = grown(part, 1, level.hole.shape)
    owner = np.full((height + 2, width + 2), -2, np.int32)
    top, left = part[0].start - 1, part[1].start - 1
    inner = tuple(slice(side.start - first, side.stop - first) for side, first in zip(ring, (top, left), strict=True))
    owner[inner] = np.where(level.source[ring], -1, -2)
    inside = level.hole[part]
    owner[1:-1, 1:-1][inside] = label
    rows, columns = np.nonzero(inside)
    found: dict[int, list[Integers]] = {}
    for down, right in ((0, 1), (1, 0), (0, -1), (-1, 0)):
        other = owner[1 + down : 1 + down + height, 1 + right : 1 + right + width][inside]
        here = np.flatnonzero((other != label) & (other != -2))
        y, x = rows[here] + (part[0].start + down), columns[here] + (part[1].start + right)
        for k in np.unique(label[here]):
            mine = label[here] == k
            found.setdefault(int(k), []).append(np.stack([y[mine], x[mine], other[here[mine]]]))
    return {k: np.concatenate(pieces, 1) for k, pieces in found.items()}


def _inside(rows: Integers, columns: Integers, mask: Mask) -> bool:
    """Whether all of n places lie in a mask."""
    height, width = mask.shape
    if rows.min() < 0 or columns.min() < 0 or rows.max() >= height or columns.max() >= width:
        return False
    return bool(mask[rows, columns].all())
