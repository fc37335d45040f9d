"""Holes are filled with copies of their surroundings: sharp, joined without seams, and nothing else changes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intarsia.imaging import patch_infill
from intarsia.imaging.features import Features, features_of
from intarsia.imaging.infill import membrane_fill
from intarsia.imaging.patch_infill import fill_by_copying
from intarsia.imaging.photo import levels_to_bytes
from intarsia.imaging.poisson import CopyBlend
from intarsia.imaging.shift_map import _Energy, find_shift_map, label, leading_to, shifted


def disc(side: int, x: float, y: float, radius: float) -> np.ndarray:
    ys, xs = np.mgrid[:side, :side] + 0.5
    return np.hypot(xs - x, ys - y) < radius


def stripes(side: int, noise: float = 1.0) -> np.ndarray:
    ys, xs = np.mgrid[:side, :side].astype(np.float32)
    unit = side / 60
    picture = np.stack([100 + 60 * (ys % (9 * unit) < 3 * unit) + xs / unit / 2] * 3, -1)
    return (picture + np.random.default_rng(1).normal(0, noise, picture.shape)).astype(np.float32)


@pytest.mark.parametrize("side", [60, 200, 500])  # at once, and through one level and two
def test_a_fill_continues_stripes(side: int) -> None:
    picture, hole = stripes(side), disc(side, side / 3, side / 2, 11 * side / 60)
    filled = fill_by_copying(np.where(hole[..., None], 0, picture).astype(np.float32), hole, ~hole, ~hole)
    smooth = membrane_fill(picture, ~hole)
    assert np.abs(filled - picture)[hole].mean() < 4
    assert np.abs(smooth - picture)[hole].mean() > 15
    assert (filled[~hole] == picture[~hole]).all()


def test_a_large_fill_is_as_sharp_as_what_it_was_copied_from() -> None:
    """Grain of one pixel survives the search on a reduced image, since the pixels themselves are copied."""
    side = 600
    picture, hole = stripes(side, noise=12), disc(side, 200, 300, 110)
    filled = fill_by_copying(np.where(hole[..., None], 0, picture).astype(np.float32), hole, ~hole, ~hole)
    inside, outside = (np.diff(filled, axis=1)[mask[:, 1:] & mask[:, :-1]].std() for mask in (hole, ~hole))
    assert inside == pytest.approx(outside, rel=0.12)


def test_what_is_not_a_source_is_not_copied() -> None:
    """A red ball stands beside the hole; only the plain ground may be copied, and the red does not bleed in."""
    side = 120
    picture = np.full((side, side, 3), 90, np.float32) + np.random.default_rng(0).normal(0, 3, (side, side, 3))
    ball, hole = disc(side, 84, 60, 20), disc(side, 45, 60, 16)
    picture[ball] = (230, 20, 20)
    known = ~(hole | ball)
    filled = fill_by_copying(picture.astype(np.float32), hole, known, known)
    assert np.abs(filled[hole] - 90).max() < 25
    assert (filled[ball] == picture[ball].astype(np.float32)).all()


def test_the_same_seed_gives_the_same_fill() -> None:
    picture, hole = stripes(90, noise=9), disc(90, 40, 40, 20)
    first, second = (fill_by_copying(picture, hole, ~hole, ~hole, seed=3) for _ in range(2))
    assert np.array_equal(first, second)


@pytest.mark.parametrize(
    ("height", "width", "rows", "columns"),
    [(64, 64, (0, 20), (0, 20)), (33, 97, (10, 33), (80, 97)), (40, 41, (0, 40), (12, 20)), (9, 9, (3, 6), (3, 6))],
)
def test_holes_at_borders_and_odd_sizes_are_filled(height: int, width: int, rows, columns) -> None:
    rng = np.random.default_rng(0)
    picture = rng.uniform(60, 120, (height, width, 3)).astype(np.float32)
    hole = np.zeros((height, width), np.bool_)
    hole[slice(*rows), slice(*columns)] = True
    filled = fill_by_copying(np.where(hole[..., None], 255, picture).astype(np.float32), hole, ~hole, ~hole)
    assert np.isfinite(filled).all() and filled[hole].mean() < 140
    assert (filled[~hole] == picture[~hole]).all()


def test_where_hardly_anything_can_be_copied_the_fill_is_smooth() -> None:
    picture = np.random.default_rng(0).uniform(0, 255, (40, 40, 3)).astype(np.float32)
    hole = np.ones((40, 40), np.bool_)
    hole[0, :3] = False
    filled = fill_by_copying(picture, hole, ~hole, ~hole)
    assert np.allclose(filled[hole], membrane_fill(picture, ~hole)[hole])


def test_holes_far_apart_are_filled_each_by_its_own_surroundings() -> None:
    side = 400
    picture = np.zeros((side, side, 3), np.float32)
    picture[:, :200], picture[:, 200:] = 60, 180
    left, right = disc(side, 60, 200, 12), disc(side, 340, 200, 12)
    hole = left | right
    filled = fill_by_copying(np.where(hole[..., None], 0, picture).astype(np.float32), hole, ~hole, ~hole)
    assert np.abs(filled[left] - 60).max() < 1 and np.abs(filled[right] - 180).max() < 1


def test_a_guide_says_which_of_two_fills_it_is() -> None:
    """Half of the ground is light, half dark; a hole across the border takes what the guide has there."""
    side = 80
    picture = np.full((side, side, 3), 60, np.float32)
    picture[:, 40:] = 180
    picture += np.random.default_rng(0).normal(0, 2, picture.shape).astype(np.float32)
    hole = disc(side, 40, 40, 15)
    for border in (36, 44):
        wanted = np.where(np.arange(side)[None, :, None] < border, 60, 180).astype(np.float32) + 0 * picture
        filled = fill_by_copying(picture, hole, ~hole, ~hole, guide=lambda *_, wanted=wanted: wanted)
        core = disc(side, 40, 40, 8)
        assert np.abs(filled - wanted)[core].mean() < 25


@settings(max_examples=15)
@given(st.integers(0, 2**32 - 1))
def test_an_expansion_never_costs_more_and_leads_to_what_is_known(seed: int) -> None:
    rng = np.random.default_rng(seed)
    picture = rng.uniform(0, 255, (24, 26, 3)).astype(np.float32)
    hole = np.zeros((24, 26), np.bool_)
    hole[8:15, 9:18] = rng.random((7, 9)) < 0.8
    if not hole.any():
        return
    source = ~hole & (rng.random(hole.shape) < 0.95)
    found = find_shift_map(picture, hole, source, np.random.default_rng(0))
    if found is None:
        return
    rows, columns = np.nonzero(hole)
    right, down = np.array(found.offsets)[found.labels[hole]].T
    assert source[rows + down, columns + right].all()
    energy = _Energy.of(features_of(picture), hole, source, found.offsets, None)
    labels = found.labels[hole]
    before = energy.alone.argmin(0)
    assert energy.total(labels) <= energy.total(before)


def test_a_minimum_cut_finds_the_best_of_all_labellings() -> None:
    """Two offsets, few pixels: one expansion is as good as trying every labelling."""
    rng = np.random.default_rng(4)
    picture = rng.uniform(0, 255, (8, 14, 3)).astype(np.float32)
    hole = np.zeros((8, 14), np.bool_)
    hole[3:5, 5:9] = True
    offsets = [(-5, 0), (5, 1)]
    energy = _Energy.of(features_of(picture), hole, ~hole, offsets, None)
    every = [np.array([(code >> k) & 1 for k in range(8)]) for code in range(256)]
    best = min(energy.total(labels) for labels in every)
    assert energy.total(energy.expanded(np.zeros(8, np.int64), 1)) == best
    assert energy.total(label(features_of(picture), hole, ~hole, offsets).labels[hole]) == best


def test_a_copy_of_the_same_place_is_the_picture_itself() -> None:
    picture = np.random.default_rng(0).uniform(0, 255, (20, 22, 3)).astype(np.float32)
    hole = disc(20, 10, 10, 5)[:, :20]
    hole = np.pad(hole, ((0, 0), (0, 2)))
    blend = CopyBlend.of(picture, hole, ~hole, np.zeros((int(hole.sum()), 2), np.int64))
    assert np.abs(blend.solved() - picture[hole]).max() < 1e-2
    assert np.abs(blend.improved(picture[hole] + 5.0, 200) - picture[hole]).max() < 0.1


def test_shifted_looks_right_and_down() -> None:
    values = np.arange(12).reshape(3, 4)
    assert (shifted(values, (1, 1))[:2, :3] == values[1:, 1:]).all()
    assert (shifted(values, (1, 1))[2] == 0).all() and (shifted(values, (9, 0)) == 0).all()
    assert (shifted(values, (1, -1), (slice(1, 3), slice(2, 4))) == [[3, 0], [7, 0]]).all()


def test_an_offset_leads_where_the_shifted_mask_says() -> None:
    rng = np.random.default_rng(0)
    mask = rng.random((9, 7)) < 0.5
    rows, columns = np.nonzero(rng.random((9, 7)) < 0.6)
    for offset in ((0, 0), (2, -3), (-6, 8), (30, 1)):
        assert np.array_equal(leading_to(mask, rows, columns, offset), shifted(mask, offset)[rows, columns])


@pytest.mark.parametrize("kind", [np.uint8, np.float32])
def test_features_of_some_pixels_are_those_of_all(kind: type) -> None:
    rng = np.random.default_rng(0)
    low, high = (0, 255) if kind is np.uint8 else (-9, 270)
    picture: np.ndarray = rng.uniform(low, high, (20, 22, 3)).astype(kind)
    rows, columns = rng.integers(-3, 24, (2, 50))
    every = features_of(picture.astype(np.float32))
    assert np.array_equal(Features.of(picture).at(rows, columns), every[rows.clip(0, 19), columns.clip(0, 21)])


def test_a_fill_of_whole_levels_is_that_of_the_same_levels_as_numbers() -> None:
    """Large images stay in bytes, which changes nothing."""
    picture, hole = stripes(240, noise=9), disc(240, 90, 110, 60)
    levels = levels_to_bytes(picture)
    ours = fill_by_copying(levels, hole, ~hole, ~hole)
    assert np.array_equal(ours, levels_to_bytes(fill_by_copying(levels.astype(np.float32), hole, ~hole, ~hole)))


def test_what_cannot_get_better_is_left_as_it_is() -> None:
    """A residual of nothing has no direction to go in."""
    picture, hole = np.full((20, 22, 3), 90, np.float32), np.zeros((20, 22), np.bool_)
    hole[4, 5:8] = True
    blend = CopyBlend.of(picture, hole, ~hole, np.full((3, 2), 4))
    assert np.allclose(blend.improved(picture[hole], 200), 90)


@pytest.mark.parametrize("seed", [22, 33, 55])
def test_copies_from_the_last_column_of_an_odd_number_stay_in_the_image(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A block of the reduced image that reaches over the border has one pixel there, not two."""
    monkeypatch.setattr(patch_infill, "MOST_PIXELS", 300)
    monkeypatch.setattr(patch_infill, "MOST_SIDE", 50)
    rng = np.random.default_rng(seed)
    height, width = rng.integers(20, 150, 2)
    picture = rng.uniform(0, 255, (height // 6 + 2, width // 6 + 2, 3)).repeat(6, 0).repeat(6, 1)[:height, :width]
    levels = (picture + rng.normal(0, 5, picture.shape)).clip(0, 255).astype(np.uint8)
    ys, xs = np.mgrid[:height, :width]

    hole, short = np.zeros((height, width), np.bool_), min(height, width)
    for _ in range(rng.integers(1, 4)):
        down, right = rng.integers(height), rng.integers(width)
        hole |= (ys - down) ** 2 + (xs - right) ** 2 < (rng.uniform(0.05, 0.4) * short) ** 2
    other = np.zeros_like(hole)
    if seed % 2:
        down, right = rng.integers(height), rng.integers(width)
        other = ((ys - down) ** 2 + (xs - right) ** 2 < (0.2 * short) ** 2) & ~hole
    source = ~(hole | other)
    filled = fill_by_copying(levels, hole, source, source if seed % 5 else ~hole, seed=seed)
    assert np.array_equal(filled[~hole], levels[~hole])
