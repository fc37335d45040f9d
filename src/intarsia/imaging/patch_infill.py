"""Infill by copying: a hole is filled with pieces of its surroundings, at any size of the image.

The pieces are found on a reduced image (see `shift_map`), their offsets are made exact from level to level, and
what is copied are the image's own pixels at full size, joined in the gradient domain (see `poisson`): nothing is
enlarged, so nothing is blurred.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from intarsia.imaging.infill import membrane_fill
from intarsia.imaging.masks import Mask, bounds_of
from intarsia.imaging.photo import Part, Picture, levels_to_bytes
from intarsia.imaging.poisson import SCREEN, CopyBlend
from intarsia.imaging.shift_map import Offset, ShiftMap, features_of, find_shift_map

MOST_PIXELS = 7000
"""Pixels of a hole that offsets are searched for; larger holes are searched on a smaller image."""

MOST_SIDE = 420
"""Longest side of the image that is searched, in pixels."""

CONTEXT = 1.2
"""How far around a hole its pieces are looked for, as a multiple of its longer side."""

LEAST_CONTEXT = 48
"""The same in pixels, at least."""

ROUNDS = 24
"""Rounds of conjugate gradients at each finer size."""

Integers = npt.NDArray[np.int64]

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
) -> npt.NDArray[Level]:
    """Fill a hole with pieces of the image around it.

    Args:
        image: (H, W, 3) in levels, whole ones or not.
        hole: (H, W) what is filled.
        source: (H, W) what may be copied; none of it in the hole.
        known: (H, W) what the fill joins on to; beside other pixels, such as another object, it ends freely.
        seed: of the search.
        guide: a soft fill of a small image, which the copies are to follow: another method's.

    Returns:
        (H, W, 3) of the image's kind; outside the hole as it was. A part of it for which too little is known to
        be copied is filled smoothly.
    """
    filled = image.copy()
    for part, inside in separate(hole):
        context = context_of(part, inside, source)
        here = np.zeros(hole.shape, np.bool_)
        here[part] = inside
        rng = np.random.default_rng(seed)
        # A photo is large, and most of it is not looked at: only what is becomes floating.
        picture = image[context].astype(np.float32)
        made = _filled(picture, here[context], source[context], known[context], rng, guide)[here[context]]
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
    groups = [(np.array(boxes[2 * k : 2 * k + 2]), {k + 1}) for k in range(count)]
    merged = True
    while merged:
        merged = False
        for a in range(len(groups)):
            for b in range(len(groups) - 1, a, -1):
                first, second = groups[a][0], groups[b][0]
                gap = (np.maximum(first[:, 0], second[:, 0]) - np.minimum(first[:, 1], second[:, 1])).max()
                size = max(np.ptp(first, axis=1).max(), np.ptp(second, axis=1).max())
                if gap <= size / 2:
                    joined = np.stack([np.minimum(first, second)[:, 0], np.maximum(first, second)[:, 1]], 1)
                    groups[a] = joined, groups[a][1] | groups[b][1]
                    del groups[b]
                    merged = True
    parts = []
    for box, members in groups:
        part = slice(int(box[0, 0]), int(box[0, 1])), slice(int(box[1, 0]), int(box[1, 1]))
        local = tuple(
            slice(side.start - start.start, side.stop - start.start) for side, start in zip(part, whole, strict=True)
        )
        parts.append((part, np.isin(labels[local], list(members))))
    return parts


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


def _filled(
    picture: Picture, hole: Mask, source: Mask, known: Mask, rng: np.random.Generator, guide: Guide | None
) -> Picture:
    """A picture with its one hole filled, from a reduced image to the full one."""
    levels = [(picture.astype(np.float32), hole, source, known)]
    while levels[-1][1].sum() > MOST_PIXELS or max(levels[-1][1].shape) > MOST_SIDE:
        levels.append(_halved(*levels[-1]))
    found = None
    while found is None:  # on the smallest images every block may touch the hole: then on the next larger one
        small, hole_, source_, known_ = levels[-1]
        found = find_shift_map(small, hole_, source_, rng, guide(small, hole_, source_) if guide else None)
        if found is None and len(levels) == 1:
            return membrane_fill(picture, known)
        levels = levels if found is not None else levels[:-1]
    screen = SCREEN
    offsets = np.array(found.offsets)[found.labels[hole_]]
    blend = CopyBlend.of(small, hole_, known_, offsets, screen)
    change = np.zeros_like(small)
    change[hole_] = blend.solved() - blend.copied
    for picture_, hole_, source_, known_ in reversed(levels[:-1]):
        found = _doubled(found, picture_, hole_, source_)
        shape = hole_.shape
        change = change.repeat(2, 0).repeat(2, 1)[: shape[0], : shape[1]]
        screen /= 4
        offsets = np.array(found.offsets)[found.labels[hole_]]
        blend = CopyBlend.of(picture_, hole_, known_, offsets, screen)
        solved = blend.improved(blend.copied + change[hole_], ROUNDS)
        change = np.zeros_like(picture_)
        change[hole_] = solved - blend.copied
    filled = picture.astype(np.float32)
    filled[hole] = blend.copied + change[hole]
    return filled


def _halved(picture: Picture, hole: Mask, source: Mask, known: Mask) -> tuple[Picture, Mask, Mask, Mask]:
    """All at half the size: a block belongs to the hole if a pixel of it does, and is a source if all of it is."""
    odd = [(0, side % 2) for side in hole.shape]

    def blocks(values: npt.NDArray[Any]) -> list[npt.NDArray[Any]]:
        wide = np.pad(values, odd + [(0, 0)] * (values.ndim - 2), mode="edge")
        return [wide[0::2, 0::2], wide[1::2, 0::2], wide[0::2, 1::2], wide[1::2, 1::2]]

    shown = [b.astype(np.float32) for b in blocks(~hole)]
    weight = np.maximum(sum(shown), 1)
    small = sum(p * w[..., None] for p, w in zip(blocks(picture), shown, strict=True)) / weight[..., None]
    hole_ = np.logical_or.reduce(blocks(hole))
    source_, known_ = (np.logical_and.reduce(blocks(mask)) & ~hole_ for mask in (source, known))
    return small.astype(np.float32), hole_, source_, known_


def _doubled(found: ShiftMap, picture: Picture, hole: Mask, source: Mask) -> ShiftMap:
    """A shift map at twice the size: each offset moved by up to a pixel to where its seams differ least."""
    height, width = hole.shape
    labels = found.labels.repeat(2, 0).repeat(2, 1)[:height, :width]
    offsets = np.array([(2 * right, 2 * down) for right, down in found.offsets])
    features = features_of(picture)
    rows, columns = np.nonzero(hole)
    label = labels[rows, columns]
    # Pairs of neighbours of which one is copied by an offset and the other is known, or copied by another one.
    seam_of: dict[int, list[npt.NDArray[np.int64]]] = {}
    for down, right in ((0, 1), (1, 0), (0, -1), (-1, 0)):
        there_row, there_column = rows + down, columns + right
        inside = (there_row >= 0) & (there_row < height) & (there_column >= 0) & (there_column < width)
        here = np.flatnonzero(inside)
        y, x = there_row[here], there_column[here]
        other = np.where(hole[y, x], labels[y, x], np.where(source[y, x], -1, -2))
        seam = (other != label[here]) & (other != -2)
        here, y, x, other = here[seam], y[seam], x[seam], other[seam]
        for k in np.unique(label[here]):
            mine = label[here] == k
            seam_of.setdefault(int(k), []).append(np.stack([y[mine], x[mine], other[mine]]))
    for k, pieces in seam_of.items():
        y, x, other = np.concatenate(pieces, 1)
        every = max(len(y) // 4000, 1)
        y, x, other = y[::every], x[::every], other[::every]
        step = np.where((other >= 0)[:, None], offsets[np.maximum(other, 0)], 0)
        wanted = _look(features, y + step[:, 1], x + step[:, 0])
        own = labels[rows, columns] == k
        ys, xs = rows[own], columns[own]
        best: tuple[float, Offset] | None = None
        for down in (0, -1, 1):
            for right in (0, -1, 1):
                move = offsets[k] + (right, down)
                fits = _inside(ys + move[1], xs + move[0], source)
                if not fits:
                    continue
                differs = np.sqrt(((_look(features, y + move[1], x + move[0]) - wanted) ** 2).sum(-1)).mean()
                if best is None or differs < best[0] - 1e-6:
                    best = float(differs), (int(move[0]), int(move[1]))
        if best is not None:
            offsets[k] = best[1]
    return ShiftMap(offsets=tuple((int(a), int(b)) for a, b in offsets), labels=labels)


def _look(values: npt.NDArray[np.float32], rows: Integers, columns: Integers) -> npt.NDArray[np.float32]:
    """(n, C) at n places, the nearest ones where they lie outside."""
    height, width = values.shape[:2]
    seen: npt.NDArray[np.float32] = values[rows.clip(0, height - 1), columns.clip(0, width - 1)]
    return seen


def _inside(rows: Integers, columns: Integers, mask: Mask) -> bool:
    """Whether all of n places lie in a mask."""
    height, width = mask.shape
    if rows.min() < 0 or columns.min() < 0 or rows.max() >= height or columns.max() >= width:
        return False
    return bool(mask[rows, columns].all())
