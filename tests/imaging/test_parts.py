"""What is worked out in a part of a picture, or by a library, is what the plain definition says of the whole."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intarsia.imaging.affine import Matrix, warp_channels
from intarsia.imaging.geometry import Point, Size
from intarsia.imaging.infill import SWEEPS, crop_around, halve, membrane_fill
from intarsia.imaging.known_ground import cut_from_ground, interior_colour
from intarsia.imaging.matting import warp
from intarsia.imaging.parts import components, tidy_mask
from intarsia.imaging.slices import beyond, grown, hull, is_empty, overlap, shape_of, whole, within
from intarsia.layout.cache import default_cache
from intarsia.layout.detect_at_point import component_at

seeds = st.integers(0, 2**32 - 1)
masks = st.tuples(st.integers(1, 24), st.integers(1, 24), seeds).map(
    lambda t: np.random.default_rng(t[2]).random((t[0], t[1])) < np.random.default_rng(t[2] + 1).random()
)


def flooded(mask: np.ndarray) -> np.ndarray:
    """Numbers of the connected parts in the order of their first pixels, pixel by pixel."""
    labels, count = np.zeros(mask.shape, np.int32), 0
    for start in map(tuple, np.argwhere(mask)):
        if labels[start]:
            continue
        count += 1
        left = [start]
        while left:
            row, column = left.pop()
            if 0 <= row < mask.shape[0] and 0 <= column < mask.shape[1] and mask[row, column] > labels[row, column]:
                labels[row, column] = count
                left += [(row + 1, column), (row - 1, column), (row, column + 1), (row, column - 1)]
    return labels


@given(masks)
def test_parts_are_numbered_by_their_first_pixels(mask: np.ndarray) -> None:
    labels, areas = components(mask)
    assert labels.dtype == np.int32 and np.array_equal(labels, flooded(mask))
    assert areas.tolist() == [int((labels == number + 1).sum()) for number in range(labels.max())]


@given(masks)
def test_tidy_takes_small_parts_and_fills_small_holes_inside(mask: np.ndarray) -> None:
    labels, areas = components(mask)
    least = 0.1 * areas.max(initial=0)
    expected = np.isin(labels, 1 + np.flatnonzero(areas >= least)) & mask
    holes, sizes = components(~expected)
    for number in range(1, len(sizes) + 1):
        hole = holes == number
        on_border = hole[0].any() or hole[-1].any() or hole[:, 0].any() or hole[:, -1].any()
        if sizes[number - 1] < least and not on_border:
            expected |= hole
    assert np.array_equal(tidy_mask(mask), expected)


@given(masks, st.floats(0, 0.999), st.floats(0, 0.999), st.floats(0, 6))
def test_the_part_at_a_point_is_the_nearest_within_reach(mask: np.ndarray, x: float, y: float, reach: float) -> None:
    point = Point(x * mask.shape[1], y * mask.shape[0])
    part, places = component_at(mask, point, reach), np.argwhere(mask)
    away = np.hypot(places[:, 0] + 0.5 - point.y, places[:, 1] + 0.5 - point.x)
    if not mask[int(point.y), int(point.x)] and (not len(away) or away.min() > max(reach, 0.5**0.5)):
        assert part is None
        return
    labels = flooded(mask)
    assert part is not None and np.array_equal(part, labels == labels[tuple(places[away.argmin()])])


def plain_fill(picture: np.ndarray, known: np.ndarray) -> np.ndarray:
    """The membrane from coarse to fine, all channels at once."""
    if known.all() or max(known.shape) == 1:
        return picture
    rough = plain_fill(*halve(picture, known)) if known.any() else np.zeros_like(picture[::2, ::2])
    height, width = known.shape
    now = np.where(known[..., None], picture, rough.repeat(2, 0).repeat(2, 1)[:height, :width])
    for _ in range(SWEEPS):
        wide = np.pad(now, ((1, 1), (1, 1), (0, 0)), mode="edge")
        mean = (wide[:-2, 1:-1] + wide[2:, 1:-1] + wide[1:-1, :-2] + wide[1:-1, 2:]) / 4
        now = np.where(known[..., None], now, mean)
    return now


@given(masks, seeds)
def test_a_smooth_fill_is_the_membrane_bit_for_bit(known: np.ndarray, seed: int) -> None:
    picture = np.random.default_rng(seed).uniform(0, 255, (*known.shape, 3)).astype(np.float32)
    assert np.array_equal(membrane_fill(picture, known), plain_fill(picture, known))


@given(masks, seeds)
def test_half_the_size_holds_the_means_of_what_is_known(known: np.ndarray, seed: int) -> None:
    picture = np.random.default_rng(seed).integers(0, 256, (*known.shape, 3)).astype(np.float32)
    small, seen = halve(picture, known)
    for row, column in np.ndindex(seen.shape):
        four = (slice(2 * row, 2 * row + 2), slice(2 * column, 2 * column + 2))
        assert seen[row, column] == known[four].any()
        if seen[row, column]:
            assert np.allclose(small[row, column], picture[four][known[four]].mean(0), rtol=1e-6)


@given(masks, seeds, st.integers(1, 3))
def test_an_edge_takes_the_colour_that_lies_deepest_near_by(mask: np.ndarray, seed: int, radius: int) -> None:
    rng = np.random.default_rng(seed)
    picture = rng.uniform(0, 255, (*mask.shape, 3)).astype(np.float32)
    depth = rng.integers(0, 4, mask.shape).astype(np.float32)
    rows, columns = np.nonzero(mask)
    for row, column, own in zip(
        rows.tolist(), columns.tolist(), interior_colour(picture, depth, (rows, columns), radius), strict=True
    ):
        near = [
            (y, x)
            for y in range(max(row - radius, 0), min(row + radius + 1, mask.shape[0]))
            for x in range(max(column - radius, 0), min(column + radius + 1, mask.shape[1]))
            if depth[y, x] > 0
        ]
        merits = {p: depth[p] - 0.01 * np.hypot(p[0] - row, p[1] - column) for p in near}
        most = max([*merits.values(), depth[row, column]])
        good = [picture[p] for p, merit in merits.items() if merit >= most - 1e-5] or [picture[row, column]]
        assert any(np.array_equal(own, colour) for colour in good)


@given(masks, seeds, st.sampled_from([(1, 0, 3, 0, 1, -2), (1.2, 0, 0.3, 0, 0.9, 2.2), (0.8, -0.3, 4, 0.3, 0.8, 1.5)]))
def test_nothing_of_a_layer_lies_outside_its_part(mask: np.ndarray, seed: int, matrix: Matrix) -> None:
    if not mask.any():
        return
    rng = np.random.default_rng(seed)
    picture, ground = (rng.integers(0, 256, (*mask.shape, 3)).astype(np.float32) for _ in range(2))
    layer = cut_from_ground(picture, mask, ground, np.zeros_like(mask), edge=1.5, reach=2)
    size = Size(mask.shape[1], mask.shape[0])
    spread = layer.seen_in(whole(mask.shape))
    moved = warp(layer, matrix, size).seen_in(whole(mask.shape))
    packed = np.concatenate([spread.colour, 1 - spread.transmittance[..., None], spread.alpha[..., None]], -1)
    assert np.array_equal(moved.colour, warp_channels(packed, matrix, size)[..., :3])
    outside = np.ones_like(mask)
    outside[layer.part] = False
    assert not spread.colour[outside].any() and not spread.alpha[outside].any()
    assert (spread.transmittance[outside] == 1).all()
    near = crop_around(mask, 0)
    assert np.array_equal(layer.over(ground)[near], layer.over(ground[near], near))
    again = layer.seen_in(near).seen_in(whole(mask.shape))
    assert np.array_equal(again.alpha[near], spread.alpha[near]) and np.array_equal(
        again.colour[near], spread.colour[near]
    )


sides = st.tuples(st.integers(0, 9), st.integers(0, 9)).map(lambda t: slice(min(t), max(t)))
parts = st.tuples(sides, sides)


def marked(part: tuple[slice, slice]) -> np.ndarray:
    mask = np.zeros((9, 9), np.bool_)
    mask[part] = True
    return mask


@given(parts, parts, st.integers(0, 4))
def test_parts_share_what_their_pixels_share(first: tuple[slice, slice], second: tuple[slice, slice], by: int) -> None:
    shared = overlap(first, second)
    assert np.array_equal(marked(shared), marked(first) & marked(second))
    assert is_empty(shared) == (not marked(shared).any())
    around = hull([first, second])
    assert is_empty(around) or (marked(first) | marked(second) <= marked(around)).all()
    image = np.arange(81).reshape(9, 9)
    assert np.array_equal(image[around][within(shared, around)], image[shared])
    assert is_empty(shared) or beyond(within(shared, around), around) == shared
    wide = grown(first, by, (9, 9))
    assert marked(wide).sum() <= (shape_of(first)[0] + 2 * by) * (shape_of(first)[1] + 2 * by)
    assert is_empty(first) or (marked(first) <= marked(wide)).all()


def test_the_cache_lies_where_it_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTARSIA_CACHE", str(tmp_path / "own"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache().folder == tmp_path / "own"
    monkeypatch.setenv("INTARSIA_CACHE", "")
    if sys.platform == "linux":
        assert default_cache().folder == tmp_path / "intarsia"
        monkeypatch.setenv("XDG_CACHE_HOME", "")
        assert default_cache().folder == Path.home() / ".cache" / "intarsia"
