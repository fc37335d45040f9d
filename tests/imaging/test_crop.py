"""Crops: windows of a photo at the models' size, of one scale both ways, and back without a shift."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from intarsia.imaging.crop import ALMOST_ALL, Crop, crop_around, whole_crop
from intarsia.imaging.geometry import LONGEST_TO_SHORTEST, Box, Point, Size, working_size

STRIDE, SIDE = 8, 64

photos = st.builds(Size, st.integers(1, 5000), st.integers(1, 5000))
strides = st.sampled_from([8, 16, 64])
contexts = st.sampled_from([1.0, 1.6, 3.0])


@st.composite
def regions(draw: st.DrawFn, photo: Size) -> Box:
    """Boxes in a photo, of any size and with edges between pixels."""
    x0, x1 = sorted(draw(st.tuples(*[st.floats(0, photo.width)] * 2)))
    y0, y1 = sorted(draw(st.tuples(*[st.floats(0, photo.height)] * 2)))
    return Box(x0, y0, x1, y1)


def noise(size: Size) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (size.height, size.width, 3), dtype=np.uint8)


def holds(outer: Box, inner: Box, slack: float = 1e-6) -> bool:
    return (
        outer.x0 <= inner.x0 + slack
        and outer.y0 <= inner.y0 + slack
        and outer.x1 >= inner.x1 - slack
        and outer.y1 >= inner.y1 - slack
    )


def check(crop: Crop, photo: Size, stride: int) -> None:
    """What is true of every crop."""
    window, size = crop.window, crop.size
    assert size.width % stride == size.height % stride == 0 < min(size.width, size.height)
    assert size.width / window.width == pytest.approx(size.height / window.height, rel=1e-9), "one scale both ways"
    assert 0 <= window.x0 < photo.width and 0 <= window.y0 < photo.height
    # It reaches over a border only where the photo is too short for it, and then begins at the other border.
    assert window.x1 <= photo.width + 1e-6 or window.x0 == 0
    assert window.y1 <= photo.height + 1e-6 or window.y0 == 0


@given(photos, strides, contexts, st.data())
def test_a_window_holds_its_region_in_one_scale(photo: Size, stride: int, context: float, data: st.DataObject) -> None:
    region = data.draw(regions(photo))
    crop = crop_around(region, photo, SIDE, stride, context=context)
    check(crop, photo, stride)
    assert holds(crop.window, region)
    canvas = crop.to_canvas(region)
    assert holds(Box(0, 0, crop.size.width, crop.size.height), canvas)


@given(photos, strides, contexts, st.data())
def test_there_and_back_is_the_same_place(photo: Size, stride: int, context: float, data: st.DataObject) -> None:
    crop = crop_around(data.draw(regions(photo)), photo, SIDE, stride, context=context)
    box = data.draw(regions(photo))
    assert crop.to_photo(crop.to_canvas(box)).as_tuple() == pytest.approx(box.as_tuple(), abs=1e-6)


@given(photos, strides)
def test_the_whole_crop_holds_the_photo(photo: Size, stride: int) -> None:
    crop = whole_crop(photo, SIDE, stride)
    check(crop, photo, stride)
    assert (crop.window.x0, crop.window.y0) == (0, 0)
    assert holds(crop.window, Box(0, 0, photo.width, photo.height))
    # No more is padded than the stride asks for, but along the short side of a panorama.
    rest = crop.size.width - photo.width * crop.scale, crop.size.height - photo.height * crop.scale
    assert -1e-6 <= min(rest) < 1e-6 and max(rest) < stride
    assert max(crop.size.width, crop.size.height) <= LONGEST_TO_SHORTEST * max(SIDE, stride)


@given(photos, st.data())
def test_a_window_that_is_almost_the_whole_photo_is_the_whole_photo(photo: Size, data: st.DataObject) -> None:
    region = data.draw(regions(photo))
    wanted = max(1.6 * max(region.width, region.height), SIDE / 2, 1)
    whole = crop_around(region, photo, SIDE, STRIDE) == whole_crop(photo, SIDE, STRIDE)
    assert whole or wanted < ALMOST_ALL * max(photo.width, photo.height)
    assume(max(region.width, region.height) > 1e-3)
    assert crop_around(region, photo, SIDE, STRIDE, context=1e7) == whole_crop(photo, SIDE, STRIDE)


@given(photos, contexts, st.data())
def test_a_window_is_enlarged_no_more_than_is_gained(photo: Size, context: float, data: st.DataObject) -> None:
    assume(min(photo.width, photo.height) >= SIDE / 2)
    crop = crop_around(data.draw(regions(photo)), photo, SIDE, STRIDE, context=context)
    assert crop.scale <= 2 + 1e-9


def test_a_region_at_the_photo_s_corner_keeps_its_window_inside() -> None:
    crop = crop_around(Box(980, 740, 1000, 750), Size(1000, 750), SIDE, STRIDE)
    assert crop.window == Box(968, 718, 1000, 750) and crop.size == Size(64, 64)


@pytest.mark.parametrize(
    ("photo", "size", "window"),
    [
        (Size(64, 64), Size(64, 64), Box(0, 0, 64, 64)),
        (Size(512, 512), Size(64, 64), Box(0, 0, 512, 512)),
        (Size(4000, 3000), Size(88, 64), Box(0, 0, 4125, 3000)),  # 85.33 would be 4 : 3
        (Size(3000, 4000), Size(64, 88), Box(0, 0, 3000, 4125)),
        (Size(8000, 1000), Size(256, 32), Box(0, 0, 8000, 1000)),
        (Size(1000, 7000), Size(40, 256), Box(0, 0, 1093.75, 7000)),
        (Size(1, 500), Size(8, 256), Box(0, 0, 15.625, 500)),
        (Size(1, 1), Size(64, 64), Box(0, 0, 1, 1)),
    ],
)
def test_photos_of_any_shape_keep_their_proportions(photo: Size, size: Size, window: Box) -> None:
    crop = whole_crop(photo, SIDE, STRIDE)
    assert crop.size == size
    assert crop.window.as_tuple() == pytest.approx(window.as_tuple(), rel=1e-9)


def test_a_photo_that_fits_the_stride_is_seen_as_without_crops() -> None:
    for photo in (Size(64, 64), Size(128, 128), Size(192, 128), Size(1024, 512)):
        assert whole_crop(photo, SIDE, STRIDE).size == working_size(photo, SIDE, STRIDE)


# pixels


@pytest.mark.parametrize(
    "crop",
    [
        Crop(Box(0, 0, 100, 80), Size(100, 80)),
        Crop(Box(16, 8, 80, 72), Size(64, 64)),
        Crop(Box(36, 16, 100, 80), Size(64, 64)),
        Crop(Box(60, 40, 124, 104), Size(64, 64)),  # over the right and lower border
        Crop(Box(0, 0, 104, 80), Size(104, 80)),
    ],
)
def test_pixels_come_back_exactly_at_their_own_scale(crop: Crop) -> None:
    photo = Size(100, 80)
    pixels = noise(photo)
    canvas = crop.cut(pixels)
    assert canvas.shape == (crop.size.height, crop.size.width, 3)
    assert np.array_equal(crop.put(canvas, photo), pixels[crop.part(photo)])


def test_the_photo_s_last_pixels_go_on_over_its_border() -> None:
    pixels = noise(Size(20, 20))
    canvas = Crop(Box(12, 12, 28, 28), Size(16, 16)).cut(pixels)
    assert (canvas[:8, 8:] == pixels[12:20, 19:20]).all() and (canvas[8:, 8:] == pixels[19, 19]).all()


@pytest.mark.parametrize(
    "crop",
    [
        Crop(Box(20, 10, 52, 42), Size(64, 64)),  # twice as large
        Crop(Box(0, 0, 100, 100), Size(64, 64)),
        Crop(Box(10.5, 20.25, 90.5, 100.25), Size(64, 64)),
        Crop(Box(0, 0, 137.5, 100), Size(88, 64)),  # continued over the right border
    ],
)
def test_a_bright_spot_does_not_move_and_keeps_its_shape(crop: Crop) -> None:
    ys, xs = np.mgrid[:100, :100] + 0.5
    spot = np.exp(-((xs - 38.3) ** 2 + (ys - 30.7) ** 2) / (2 * 3.0**2))
    pixels = np.repeat((200 * spot)[..., None], 3, 2).round().astype(np.uint8)

    def measures(levels: np.ndarray) -> tuple[float, float, float, float]:
        weight = levels[..., 0].astype(float)
        down, across = np.mgrid[: weight.shape[0], : weight.shape[1]] + 0.5
        x, y = (weight * across).sum() / weight.sum(), (weight * down).sum() / weight.sum()
        wide, high = (weight * (across - x) ** 2).sum(), (weight * (down - y) ** 2).sum()
        return x, y, math.sqrt(wide / weight.sum()), math.sqrt(high / weight.sum())

    canvas = crop.cut(pixels)
    x, y, wide, high = measures(canvas)
    there = crop.to_canvas(Box.around(Point(38.3, 30.7), 0, 0)).center
    assert (x, y) == pytest.approx((there.x, there.y), abs=0.15 * max(crop.scale, 1))
    assert wide == pytest.approx(high, rel=0.03), "a circle stays one"
    photo = Size(100, 100)
    rows, columns = crop.part(photo)
    back = crop.put(canvas, photo)
    assert back.shape[:2] == (rows.stop - rows.start, columns.stop - columns.start)
    x, y, wide, high = measures(back)
    assert (x + columns.start, y + rows.start) == pytest.approx((38.3, 30.7), abs=0.15)
    assert (wide, high) == pytest.approx((3, 3), rel=0.1)


@given(st.integers(1, 300), st.integers(1, 300), st.data())
def test_a_plain_photo_stays_plain(width: int, height: int, data: st.DataObject) -> None:
    photo = Size(width, height)
    crop = crop_around(data.draw(regions(photo)), photo, SIDE, STRIDE)
    canvas = crop.cut(np.full((height, width, 3), 77, np.uint8))
    assert canvas.shape == (crop.size.height, crop.size.width, 3) and (canvas == 77).all()
    back = crop.put(canvas, photo)
    assert back.shape == (*np.zeros((height, width))[crop.part(photo)].shape, 3) and (back == 77).all()


def test_layers_of_any_depth_are_cut_alike() -> None:
    layer = np.arange(400).reshape(20, 20)
    crop = Crop(Box(12, 4, 28, 20), Size(16, 16))
    assert crop.piece(layer).shape == (16, 16)
    assert np.array_equal(crop.piece(np.stack([layer] * 2, -1))[..., 1], crop.piece(layer))
    inside = dataclasses.replace(crop, window=Box(2, 4, 18, 20))
    assert np.array_equal(inside.piece(layer), layer[4:20, 2:18])
