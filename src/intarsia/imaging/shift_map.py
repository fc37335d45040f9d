"""Shift maps: each pixel of a hole is copied from the known image at one of a few offsets.

Large pieces of the image are copied as they are, so that their texture stays sharp; seams run where the copies
agree. The offsets are those at which the image repeats itself, and those at which its parts continue the rim of
the hole; which pixel takes which is a labelling of least seams, found by graph cuts.

Source: He & Sun 2012, "Statistics of patch offsets for image completion"; Pritch et al. 2009, "Shift-map image
editing"; the labelling, Boykov et al. 2001, "Fast approximate energy minimization via graph cuts".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from scipy import fft, ndimage, sparse
from scipy.sparse.csgraph import breadth_first_order, maximum_flow
from scipy.spatial import KDTree

from intarsia.imaging.features import features_of
from intarsia.imaging.masks import Mask, bounds_of
from intarsia.imaging.photo import Picture
from intarsia.imaging.slices import Part, overlap, shape_of, whole, within
from intarsia.progress import span, tick

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]

Offset = tuple[int, int]
"""By how many pixels to the right and down of a pixel its copy is taken."""

PATCH = 7
"""Side of the patches that are looked up elsewhere in the image, in pixels."""

COMPONENTS = 8
"""Principal components that a patch is compared by."""

REPETITIONS = 40
"""Most offsets at which the image repeats itself."""

GUIDED = 40
"""Most offsets that a guide adds."""

GUIDANCE = 0.5
"""Weight of a guide's colours beside seams."""

SECTORS = 12
"""Parts of the rim that are matched each on its own, besides the whole of it."""

QUERIES = 6000
"""Most patches that are looked up."""

AT_ONCE = 4096
"""Patches that are collected at once, so that they stay in the processor's cache."""

NEAR = 1 / 15
"""Offsets shorter than this share of the longer side only say that an image is smooth."""

COVERING = 60
"""Most offsets that are added so that every pixel has one."""

LEAST_COVER = 0.05
"""Share of the hole that an offset must be able to fill."""

LEAP = 2.0
"""What a change of offsets costs of itself, in levels; the rest is how much the copies differ there."""

FOREIGN = 60.0
"""Levels that a rim pixel counts as different where an offset leads to nothing known."""

SWEEPS = 2
"""Times that offsets are tried for every pixel: first all of them, then those that are in use."""

UNITS = 16
"""Steps of a level in the whole numbers that flows are computed in."""

NEVER = 1 << 22
"""Cost of an offset that leads to nothing known."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ShiftMap:
    """Where each pixel of a hole is copied from.

    Attributes:
        offsets: K of them.
        labels: (H, W) index of a pixel's offset; of no meaning outside the hole.
    """

    offsets: tuple[Offset, ...]
    labels: npt.NDArray[np.intp]

    def copied(self, picture: Picture, hole: Mask) -> Picture:
        """The picture (H, W, C) with the hole filled by plain copies."""
        rows, columns = np.nonzero(hole)
        right, down = np.array(self.offsets)[self.labels[rows, columns]].T
        filled = picture.copy()
        filled[rows, columns] = picture[rows + down, columns + right]
        return filled


def find_shift_map(
    picture: Picture, hole: Mask, source: Mask, rng: np.random.Generator, guide: Picture | None = None
) -> ShiftMap | None:
    """The shift map of least seams.

    Time grows with the hole's pixels times the number of offsets: some 9,000 pixels take a second.

    Args:
        picture: (H, W, 3) in levels; what stands in the hole is not looked at.
        hole: (H, W) what is filled, not empty.
        source: (H, W) what may be copied, none of it in the hole.
        rng: chooses which patches are looked up.
        guide: (H, W, 3) a fill whose colours the copies are to follow, however soft it is.

    Returns:
        None where too little is known to be copied.
    """
    if not source.any():
        return None
    found = dict.fromkeys(repetitions(picture, hole, source, rng))
    found.update(dict.fromkeys(rim_offsets(picture, hole, source)))
    if guide is not None:
        found.update(dict.fromkeys(guided_offsets(picture, hole, source, guide, rng)))
    further = covering_offsets(hole, source, list(found), rng)
    if further is None:
        return None
    offsets = [*found, *further]
    with span(0.4, 1.0):
        return label(features_of(picture), hole, source, list(dict.fromkeys(offsets)), guide)


def repetitions(picture: Picture, hole: Mask, source: Mask, rng: np.random.Generator) -> list[Offset]:
    """Offsets at which many patches of the image find their like, the most frequent first."""
    height, width = hole.shape
    whole = ndimage.minimum_filter(source.view(np.uint8), PATCH, mode="constant").view(np.bool_)
    rows, columns = np.nonzero(whole)
    if len(rows) < 4 * PATCH**2:
        return []
    patches = _principal(_patches(picture, rows, columns), rng)
    hole_rows, hole_columns = np.nonzero(hole)
    reach = max(np.ptp(hole_rows), np.ptp(hole_columns)) + 1
    close = np.flatnonzero(ndimage.distance_transform_edt(~hole)[rows, columns] <= reach)
    asked = close if len(close) >= 100 else np.arange(len(rows))
    asked = rng.choice(asked, min(QUERIES, len(asked)), replace=False)
    _, found = KDTree(patches).query(patches[asked], k=min(16, len(patches)))
    down, right = rows[found] - rows[asked, None], columns[found] - columns[asked, None]
    far = np.hypot(down, right) > NEAR * max(height, width)
    some = np.flatnonzero(far.any(1))
    first = far[some].argmax(1)
    down, right = down[some, first], right[some, first]
    # What repeats itself one way does so the other way as well.
    return _frequent(np.concatenate([down, -down]), np.concatenate([right, -right]), hole, source, REPETITIONS)


def guided_offsets(
    picture: Picture, hole: Mask, source: Mask, guide: Picture, rng: np.random.Generator
) -> list[Offset]:
    """Offsets at which many patches of a guide inside the hole find their like in the image."""
    whole = ndimage.minimum_filter(source.view(np.uint8), PATCH, mode="constant").view(np.bool_)
    rows, columns = np.nonzero(whole)
    reach = PATCH // 2
    inner = hole.copy()
    inner[:reach], inner[-reach:], inner[:, :reach], inner[:, -reach:] = False, False, False, False
    asked = np.argwhere(inner)
    if len(rows) < 4 * PATCH**2 or not len(asked):
        return []
    asked = asked[rng.choice(len(asked), min(QUERIES, len(asked)), replace=False)]
    both = np.concatenate([_patches(picture, rows, columns), _patches(guide, asked[:, 0], asked[:, 1])])
    principal = _principal(both, rng)
    _, found = KDTree(principal[: len(rows)]).query(principal[len(rows) :], k=1)
    return _frequent(rows[found] - asked[:, 0], columns[found] - asked[:, 1], hole, source, GUIDED)


def _frequent(down: Integers, right: Integers, hole: Mask, source: Mask, most: int) -> list[Offset]:
    """The most frequent of n offsets, those next to each other counted as one, that can fill a part of the hole."""
    height, width = hole.shape
    votes = np.zeros((2 * height, 2 * width), np.float32)
    np.add.at(votes, (down + height, right + width), 1)
    votes = cv2.GaussianBlur(votes, (0, 0), 1.4)
    peaks = (votes == ndimage.maximum_filter(votes, 9)) & (votes > 0)
    ys, xs = np.nonzero(peaks)
    rows, columns = np.nonzero(hole)
    best = np.argsort(-votes[ys, xs], kind="stable")
    chosen: list[Offset] = []
    for k in best:
        offset = int(xs[k]) - width, int(ys[k]) - height
        if leading_to(source, rows, columns, offset).sum() > LEAST_COVER * len(rows):
            chosen.append(offset)
        if len(chosen) == most:
            break
    return chosen


def _patches(picture: Picture, rows: Integers, columns: Integers) -> Floats:
    """(n, PATCH * PATCH * C) the patches around n pixels."""
    reach = np.arange(-(PATCH // 2), PATCH // 2 + 1)
    width, channels = picture.shape[1:]
    pixels, middles = picture.reshape(-1, channels), rows * width + columns
    around = (reach[:, None] * width + reach).ravel()
    patches = np.empty((len(middles), len(around) * channels), np.float32)
    for first in range(0, len(middles), AT_ONCE):
        some = slice(first, first + AT_ONCE)
        patches[some] = pixels[middles[some, None] + around].reshape(-1, patches.shape[1])
    return patches


def _principal(patches: Floats, rng: np.random.Generator) -> Floats:
    """(n, COMPONENTS) the patches by the directions in which they differ most."""
    patches = patches - patches.mean(0)
    few = patches[rng.choice(len(patches), min(4000, len(patches)), replace=False)]
    _, directions = np.linalg.eigh(few.T @ few)
    principal: Floats = patches @ directions[:, -COMPONENTS:]
    return principal


def rim_offsets(picture: Picture, hole: Mask, source: Mask) -> list[Offset]:
    """Offsets at which known parts of the image are most like the rim of the hole, or like a sector of it."""
    height, width = hole.shape
    rim = ndimage.maximum_filter(hole.view(np.uint8), 9, mode="constant").view(np.bool_) & source & ~hole
    rows, columns = np.nonzero(rim)
    if len(rows) < SECTORS:
        return []
    hole_rows, hole_columns = np.nonzero(hole)
    angles = np.arctan2(rows - hole_rows.mean(), columns - hole_columns.mean())
    sectors = ((angles + np.pi) / (2 * np.pi) * SECTORS).astype(np.intp) % SECTORS
    shape = [fft.next_fast_len(2 * side, real=True) for side in hole.shape]

    def spectrum(values: npt.NDArray[Any]) -> npt.NDArray[np.complexfloating[Any]]:
        # A rim lies in few rows; those of nothing have nothing in their spectrum.
        some = np.flatnonzero(values.any(1))
        across = np.zeros((shape[0], shape[1] // 2 + 1), np.complex64)
        if len(some):
            filled = slice(int(some[0]), int(some[-1]) + 1)
            across[filled] = fft.rfft(values[filled].astype(np.float32), shape[1], axis=1)
        return fft.fft(across, axis=0, overwrite_x=True)

    known = np.where(source[..., None], picture, 0).astype(np.float32)
    there = [spectrum(known[..., k]) for k in range(3)]
    squares, everywhere = spectrum((known**2).sum(-1)), spectrum(source)
    closest = int(max(4, min(height, width) / 20))
    offsets: list[Offset] = []
    for sector in range(-1, SECTORS):
        tick(0.2)
        here = np.zeros_like(rim)
        some = sectors == sector if sector >= 0 else np.ones(len(rows), np.bool_)
        if some.sum() < 6:
            continue
        here[rows[some], columns[some]] = True
        part = spectrum(here).conj()
        count = fft.irfft2(part * everywhere, shape)
        own = spectrum(np.where(here, (known**2).sum(-1), 0)).conj() * everywhere + part * squares
        cross = sum(spectrum(np.where(here, known[..., k], 0)).conj() * there[k] for k in range(3))
        difference = fft.irfft2(own - 2 * cross, shape)
        difference = np.where(count > 0.98 * some.sum(), difference / np.maximum(count, 1), np.inf)
        _forbid(difference, 0, 0, closest)
        for _ in range(2):
            down, right = np.unravel_index(int(difference.argmin()), difference.shape)
            if not np.isfinite(difference[down, right]):
                break
            offsets.append(
                (int(right) - (shape[1] if right >= width else 0), int(down) - (shape[0] if down >= height else 0))
            )
            _forbid(difference, int(down), int(right), 4)
    return offsets


def _forbid(values: Floats, row: int, column: int, reach: int) -> None:
    """Make the values around a place infinite; they go round in circles."""
    near = np.arange(-reach, reach + 1)
    values[np.ix_((row + near) % values.shape[0], (column + near) % values.shape[1])] = np.inf


def covering_offsets(
    hole: Mask, source: Mask, offsets: Sequence[Offset], rng: np.random.Generator
) -> list[Offset] | None:
    """Further offsets, so that for each pixel of the hole one leads to something known; None where that takes many."""
    down, right = np.nonzero(hole)  # of the pixels that none has filled so far

    def missed(offset: Offset) -> tuple[Integers, Integers]:
        left = ~leading_to(source, down, right, offset)
        return down[left], right[left]

    for offset in offsets:
        down, right = missed(offset)
    rows, columns = np.nonzero(source)
    further: list[Offset] = []
    while len(down):
        if len(further) == COVERING:
            return None
        wanted = rng.integers(len(down))
        some = rng.choice(len(rows), min(60, len(rows)), replace=False)
        tried = [(int(columns[k] - right[wanted]), int(rows[k] - down[wanted])) for k in some]
        best = max(tried, key=lambda offset: int(leading_to(source, down, right, offset).sum()))
        down, right = missed(best)
        further.append(best)
    return further


def label(
    features: Floats, hole: Mask, source: Mask, offsets: Sequence[Offset], guide: Picture | None = None
) -> ShiftMap:
    """Give each pixel of the hole an offset, so that seams and rim differ least; by alpha-expansion.

    Args:
        features: (H, W, C).
        offsets: each pixel of the hole has one that leads to the source.
        guide: (H, W, 3) colours that the copies are to follow.
    """
    energy = _Energy.of(features, hole, source, offsets, guide)
    labels = energy.alone.argmin(0)
    least = energy.total(labels)
    for sweep in range(SWEEPS):
        before = least
        used = np.bincount(labels, minlength=len(offsets))
        # What a first try gave nothing to seldom gets something in a second one.
        often = [k for k in np.argsort(-used, kind="stable") if used[k]]
        for number, k in enumerate(often if sweep else range(len(offsets))):
            tick((sweep + number / len(offsets)) / SWEEPS)
            moved = energy.expanded(labels, int(k))
            if not np.array_equal(moved, labels) and (now := energy.total(moved)) < least:
                labels, least = moved, now
        if least == before:
            break
    full = np.zeros(hole.shape, np.intp)
    full[hole] = labels
    return ShiftMap(offsets=tuple(offsets), labels=full)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Energy:
    """What a labelling of a hole's n pixels costs, in whole numbers.

    Attributes:
        alone: (K, n) cost of each offset at a pixel, from the rim beside it.
        values: (K, n, C) what each offset copies there.
        first, second: (m,) the two pixels of each pair of neighbours.
    """

    alone: Integers
    values: Floats
    first: Integers
    second: Integers

    @classmethod
    def of(
        cls, features: Floats, hole: Mask, source: Mask, offsets: Sequence[Offset], guide: Picture | None
    ) -> _Energy:
        rows, columns = np.nonzero(hole)
        part = bounds_of(hole, 2)  # the hole, its rim, and a pixel more, as the cross below reaches
        assert part is not None, "an empty hole needs no offsets"
        inside, near = hole[part], features[part]
        rim = ndimage.maximum_filter(inside.view(np.uint8), 3, mode="constant").view(np.bool_) & source[part] & ~inside
        places = np.nonzero(inside)
        cross = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]], np.float32)
        values = np.empty((len(offsets), len(rows), features.shape[2]), np.float32)
        alone = np.empty((len(offsets), len(rows)), np.int64)
        for k, offset in enumerate(offsets):
            tick(0.0)
            copied, known = shifted(features, offset, part), shifted(source, offset, part)
            differs = np.where(known, np.sqrt(((copied - near) ** 2).sum(-1)), np.float32(FOREIGN)) * rim
            cost = 2 * cv2.filter2D(differs, -1, cross, borderType=cv2.BORDER_CONSTANT)[places]
            values[k] = copied[places]
            if guide is not None:
                wanted = guide[rows, columns] / np.sqrt(np.float32(3))
                cost = cost + GUIDANCE * np.sqrt(((values[k, :, :3] - wanted) ** 2).sum(-1))
            alone[k] = np.where(known[places], cost * UNITS, NEVER)
        number = np.full(hole.shape, -1, np.int64)
        number[rows, columns] = np.arange(len(rows))
        pairs = [
            np.stack([here, there])[:, (here >= 0) & (there >= 0)]
            for here, there in (
                (number[:, :-1].ravel(), number[:, 1:].ravel()),
                (number[:-1].ravel(), number[1:].ravel()),
            )
        ]
        first, second = np.concatenate(pairs, 1)
        return cls(alone=alone, values=values, first=first, second=second)

    def between(self, here: Integers, there: Integers, pairs: Mask | None = None) -> Integers:
        """(m,) cost of pairs of neighbours with these labels: how much both copies differ at both pixels.

        Args:
            pairs: which of all they are; by default all.
        """
        differs = np.full(len(here), LEAP, np.float32)
        for pixel in (self.first, self.second):
            pixel = pixel if pairs is None else pixel[pairs]
            differs += np.sqrt(((self.values[here, pixel] - self.values[there, pixel]) ** 2).sum(-1))
        cost: Integers = (differs * UNITS * (here != there)).astype(np.int64)
        return cost

    def total(self, labels: Integers) -> int:
        seams = self.between(labels[self.first], labels[self.second])
        return int(self.alone[labels, np.arange(len(labels))].sum() + seams.sum())

    def expanded(self, labels: Integers, to: int) -> Integers:
        """The labelling of least cost in which each pixel keeps its label or takes the given one: a minimum cut."""
        count = len(labels)
        here, there = labels[self.first], labels[self.second]
        all_to = np.full(len(here), to)
        second_takes = self.between(here, all_to)
        # Neighbours with the same label cost nothing, and the same whichever of them takes another one.
        both_stay, first_takes, apart = np.zeros_like(second_takes), second_takes.copy(), here != there
        both_stay[apart] = self.between(here[apart], there[apart], apart)
        first_takes[apart] = self.between(all_to[apart], there[apart], apart)
        takes = self.alone[to] - self.alone[labels, np.arange(count)]
        takes += np.bincount(self.first, first_takes - both_stay, count).astype(np.int64)
        takes -= np.bincount(self.second, first_takes, count).astype(np.int64)
        # A pair in which only the second takes the label pays this; it is never below 0, for a metric.
        cut = np.maximum(first_takes + second_takes - both_stay, 0)
        start, end, costs = count, count + 1, takes > 0
        tails = np.concatenate([np.full(costs.sum(), start), np.flatnonzero(~costs), self.first])
        heads = np.concatenate([np.flatnonzero(costs), np.full((~costs).sum(), end), self.second])
        capacity = np.concatenate([takes[costs], -takes[~costs], cut])
        some = capacity > 0
        graph = sparse.csr_array(
            (np.minimum(capacity[some], 1 << 30).astype(np.int32), (tails[some], heads[some])),
            shape=(count + 2, count + 2),
        )
        residual = sparse.csr_array(graph - maximum_flow(graph, start, end, method="dinic").flow)
        residual.eliminate_zeros()
        stay = np.zeros(count + 2, np.bool_)
        stay[breadth_first_order(residual, start, return_predecessors=False)] = True
        return np.where(stay[:count], labels, to)


def shifted(values: npt.NDArray[Any], offset: Offset, part: Part | None = None) -> npt.NDArray[Any]:
    """(h, w, ...) of what lies at an offset from each pixel of a part, by default of all; 0 where that is outside."""
    part = whole(values.shape) if part is None else part
    rows, columns = (
        slice(side.start + by, side.stop + by) for side, by in zip(part, (offset[1], offset[0]), strict=True)
    )
    moved = np.zeros((*shape_of(part), *values.shape[2:]), values.dtype)
    shared = overlap((rows, columns), whole(values.shape))
    moved[within(shared, (rows, columns))] = values[shared]
    return moved


def leading_to(mask: Mask, rows: Integers, columns: Integers, offset: Offset) -> Mask:
    """(n,) whether an offset leads from each of n pixels into a mask (H, W)."""
    height, width = mask.shape
    there_row, there_column = rows + offset[1], columns + offset[0]
    led: Mask = (there_row >= 0) & (there_row < height) & (there_column >= 0) & (there_column < width)
    led[led] = mask[there_row[led], there_column[led]]
    return led
