"""Affine maps and warping."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intarsia.imaging.affine import (
    IDENTITY,
    Matrix,
    apply,
    box_to_box,
    compose_maps,
    inverse_map,
    rotation,
    scaling_map,
    translation,
    warp_mask,
    warp_picture,
)
from intarsia.imaging.geometry import Box, Point, Size
from tests.layout.ell_scene import SIZE, ell, iou

maps = st.builds(
    lambda x, y, wide, high, angle: compose_maps(
        compose_maps(scaling_map(Point(x, y), wide, high), rotation(Point(y, x), angle)), translation(x - 20, y)
    ),
    st.floats(-50, 50),
    st.floats(-50, 50),
    st.floats(0.3, 3),
    st.floats(-3, -0.3),
    st.floats(-400, 400),
)


@given(maps, st.floats(-100, 100), st.floats(-100, 100))
def test_a_map_and_its_inverse_lead_back(matrix: Matrix, x: float, y: float) -> None:
    there = apply(matrix, Point(x, y))
    back = apply(inverse_map(matrix), there)
    assert (back.x, back.y) == pytest.approx((x, y), abs=1e-6)
    assert compose_maps(matrix, inverse_map(matrix)) == pytest.approx(IDENTITY, abs=1e-6)


@given(maps, maps, st.floats(-100, 100))
def test_then_does_one_after_the_other(first: Matrix, second: Matrix, x: float) -> None:
    one = apply(second, apply(first, Point(x, 3.0)))
    other = apply(compose_maps(first, second), Point(x, 3.0))
    assert (one.x, one.y) == pytest.approx((other.x, other.y), rel=1e-6, abs=1e-6)


def test_a_turn_is_clockwise_and_quarters_are_exact() -> None:
    assert apply(rotation(Point(5, 5), 90), Point(8, 5)) == Point(5, 8)
    assert compose_maps(rotation(Point(5, 5), 90), rotation(Point(5, 5), 270)) == IDENTITY
    assert apply(rotation(Point(0, 0), 45), Point(1, 0)).y == pytest.approx(math.sqrt(0.5))


@given(st.integers(0, 20), st.integers(0, 20), st.floats(1, 40), st.floats(1, 40))
def test_a_box_goes_to_a_box(x: int, y: int, width: float, height: float) -> None:
    source, target = Box(3, 4, 12, 20), Box(x, y, x + width, y + height)
    matrix = box_to_box(source, target)
    corner = apply(matrix, Point(12, 20))
    assert (corner.x, corner.y) == pytest.approx((target.x1, target.y1))
    assert box_to_box(source, source) == IDENTITY


@given(st.integers(-90, 90), st.integers(-70, 70), st.integers(0, 2**32))
def test_whole_pixels_are_copied_bit_for_bit(right: int, down: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    pixels, mask = rng.integers(0, 256, (60, 80, 3), np.uint8), rng.random((60, 80)) < 0.5
    colour, coverage = warp_picture(pixels, translation(right, down), SIZE, mask)
    ys, xs = np.nonzero(mask)
    inside = (ys + down >= 0) & (ys + down < 60) & (xs + right >= 0) & (xs + right < 80)
    ys, xs = ys[inside], xs[inside]
    assert (colour[ys + down, xs + right] == pixels[ys, xs]).all()
    assert set(np.unique(coverage)) <= {0.0, 1.0} and coverage.sum() == len(ys)
    assert (warp_mask(mask, translation(right, down), SIZE) == (coverage == 1)).all()


def test_mirrors_and_quarter_turns_are_exact() -> None:
    mask = ell(Size(60, 60))
    assert (warp_mask(mask, scaling_map(Point(30, 30), -1, 1), Size(60, 60)) == mask[:, ::-1]).all()
    assert (warp_mask(mask, scaling_map(Point(30, 30), 1, -1), Size(60, 60)) == mask[::-1]).all()
    assert (warp_mask(mask, rotation(Point(30, 30), 90), Size(60, 60)) == np.rot90(mask, -1)).all()
    assert (warp_mask(mask, rotation(Point(30, 30), 180), Size(60, 60)) == mask[::-1, ::-1]).all()


def smooth(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return 128 + 100 * np.sin(x / 17) * np.cos(y / 23)


@pytest.mark.parametrize(
    "matrix",
    [
        translation(3.3, -2.7),
        scaling_map(Point(150, 100), 0.5, 0.5),
        scaling_map(Point(150, 100), 1.7, 1.2),
        scaling_map(Point(150.25, 100), -1, 0.8),
        scaling_map(Point(150, 100), 0.11, 0.13),
        rotation(Point(150, 100), 33),
        compose_maps(scaling_map(Point(150, 100), 0.4, 0.7), rotation(Point(150, 100), -50)),
        compose_maps(scaling_map(Point(150, 100), 0.12, 0.12), rotation(Point(150, 100), 20)),
    ],
)
def test_positions_are_where_the_map_takes_them(matrix: Matrix) -> None:
    ys, xs = np.mgrid[:200, :300] + 0.5

    def shape(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return ((x - 150) / 80) ** 2 + ((y - 100) / 50) ** 2 < 1

    picture = smooth(xs, ys)[..., None].astype(np.float32)
    colour, coverage = warp_picture(picture, matrix, Size(300, 200), shape(xs, ys))
    a, b, c, d, e, f = inverse_map(matrix)
    x, y = a * xs + b * ys + c, d * xs + e * ys + f
    assert iou(coverage >= 0.5, shape(x, y)) > 0.95
    steepness = max(math.hypot(a, d), math.hypot(b, e), 1)
    assert np.abs(colour[..., 0] - smooth(x, y))[coverage > 0.999].max() < 2 * steepness
    assert coverage.min() >= 0 and coverage.max() <= 1


def test_an_edge_holds_the_colours_of_the_object_alone() -> None:
    pixels = np.zeros((60, 80, 3), np.uint8)
    mask = ell()
    pixels[mask] = (200, 30, 90)
    for matrix in (translation(0.5, 0.5), scaling_map(Point(20, 20), 0.6, 0.6), rotation(Point(20, 20), 30)):
        colour, coverage = warp_picture(pixels, matrix, SIZE, mask)
        assert np.abs(colour[coverage > 0.05] - (200, 30, 90)).max() < 1
        assert (colour[coverage == 0] == 0).all()


def test_shrinking_averages() -> None:
    checks = (np.indices((64, 64)).sum(0) % 2 * 255).astype(np.uint8)[..., None]
    for matrix in (
        scaling_map(Point(0, 0), 0.25, 0.25),
        compose_maps(scaling_map(Point(0, 0), 0.25, 0.25), rotation(Point(8, 8), 20)),
    ):
        colour, coverage = warp_picture(checks, matrix, Size(16, 16))
        assert np.abs(colour[coverage > 0.99] - 127.5).max() < 12


@settings(max_examples=30)
@given(maps)
def test_no_map_breaks(matrix: Matrix) -> None:
    mask = warp_mask(ell(), matrix, Size(33, 21))
    assert mask.shape == (21, 33) and mask.dtype == np.bool_
    assert not warp_mask(ell(), scaling_map(Point(0, 0), 1e-7, 1), Size(33, 21)).any()
