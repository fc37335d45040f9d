"""Masks: white is repainted, soft edges stay inside, nothing vanishes unnoticed."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFilter

from intarsia.errors import EmptyMaskError, PictureError, RegionError
from intarsia.imaging.cells import TRACE, cell_coverage, shrink_to_cells, touched_cells
from intarsia.imaging.geometry import Box, Point, Size
from intarsia.imaging.masks import bounding_box, bounds_of, box_mask, centroid, depth_inside, dilate, feather, read_mask
from intarsia.imaging.metadata import TURNS

SIZE = Size(60, 40)


def painted(box: tuple[int, int, int, int] = (40, 5, 54, 14), size: Size = SIZE) -> Image.Image:
    """A white rectangle, edges included, on black."""
    image = Image.new("L", (size.width, size.height))
    ImageDraw.Draw(image).rectangle(box, fill=255)
    return image


def file(tmp_path: Path, image: Image.Image, name: str = "mask.png", **options: Any) -> Path:
    image.save(tmp_path / name, **options)
    return tmp_path / name


masks = st.tuples(st.integers(1, 30), st.integers(1, 30), st.integers(0, 2**32 - 1)).map(
    lambda t: np.random.default_rng(t[2]).random((t[0], t[1])) < np.random.default_rng(t[2] + 1).random()
)


# Reading


@pytest.mark.parametrize("mode", ["1", "L", "RGB", "P", "LA", "RGBA"])
@pytest.mark.parametrize("invert", [False, True])
def test_white_is_repainted(tmp_path: Path, mode: str, invert: bool) -> None:
    mask = read_mask(file(tmp_path, painted().convert(mode)), SIZE, invert=invert)
    expected = np.asarray(painted()) > 0
    assert mask.dtype == np.bool_ and np.array_equal(mask, ~expected if invert else expected)


def test_soft_brushes_and_jpeg_are_read(tmp_path: Path) -> None:
    soft = painted((20, 10, 45, 30)).filter(ImageFilter.GaussianBlur(1))
    mask = read_mask(file(tmp_path, soft, "mask.jpg"), SIZE)
    assert mask.sum() == pytest.approx(26 * 21, rel=0.05)


def test_all_white_is_allowed_and_all_black_is_not(tmp_path: Path) -> None:
    white, black = Image.new("L", (60, 40), 255), Image.new("L", (60, 40), 0)
    assert read_mask(file(tmp_path, white), SIZE).all()
    # Inverted, it would mark everything: that is no remedy.
    with pytest.raises(EmptyMaskError, match=r"all black.*paint white what should change[.]"):
        read_mask(file(tmp_path, black), SIZE)
    with pytest.raises(EmptyMaskError, match=r"all white.*take --invert-mask back to repaint everything"):
        read_mask(file(tmp_path, white), SIZE, invert=True)


def test_another_size_of_the_same_shape_is_fitted(tmp_path: Path) -> None:
    mask = read_mask(file(tmp_path, painted()), Size(120, 80))
    assert np.array_equal(mask, np.repeat(np.repeat(np.asarray(painted()) > 0, 2, axis=0), 2, axis=1))
    assert read_mask(file(tmp_path, painted()), Size(181, 120)).shape == (120, 181)


@pytest.mark.parametrize("size", [Size(40, 60), Size(60, 41), Size(64, 40)])
def test_another_shape_is_refused_by_name(tmp_path: Path, size: Size) -> None:
    with pytest.raises(RegionError, match=f"60 x 40 pixels.*{size}"):
        read_mask(file(tmp_path, painted()), size)


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_a_mask_over_the_stored_pixels_is_turned_with_the_photo(tmp_path: Path, orientation: int) -> None:
    turned = np.asarray(painted().transpose(TURNS[orientation])) > 0
    assert np.array_equal(read_mask(file(tmp_path, painted()), Size(40, 60), orientation=orientation), turned)
    exif = Image.Exif()
    exif[0x112] = orientation
    assert np.array_equal(read_mask(file(tmp_path, painted(), "own.png", exif=exif), Size(40, 60)), turned)
    assert np.array_equal(
        read_mask(file(tmp_path, painted(), "up.png"), SIZE, orientation=orientation), np.asarray(painted()) > 0
    )


def photograph() -> Image.Image:
    return Image.fromarray(np.tile(np.linspace(0, 255, 60).astype(np.uint8), (40, 1)))


def grey_shape() -> Image.Image:
    return painted().point(lambda level: level // 2)


def red_shape() -> Image.Image:
    return Image.merge("RGB", [painted(), Image.new("L", (60, 40)), Image.new("L", (60, 40))])


def shape_in_alpha() -> Image.Image:
    image = Image.new("RGBA", (60, 40), "white")
    image.putalpha(painted())
    return image


@pytest.mark.parametrize(
    ("image", "message"),
    [(photograph(), "grey"), (grey_shape(), "grey"), (red_shape(), "colour"), (shape_in_alpha(), "transparen")],
)
def test_ambiguous_masks_are_refused(tmp_path: Path, image: Image.Image, message: str) -> None:
    with pytest.raises(RegionError, match=f"{message}.*black and white"):
        read_mask(file(tmp_path, image), SIZE)


def test_white_strokes_on_a_transparent_layer_are_clear(tmp_path: Path) -> None:
    image = painted().convert("RGBA")
    image.putalpha(painted())
    assert np.array_equal(read_mask(file(tmp_path, image), SIZE), np.asarray(painted()) > 0)


def test_a_mask_that_is_no_picture_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match=r"none\.png"):
        read_mask(tmp_path / "none.png", SIZE)


# Boxes


def test_a_box_off_the_diagonal_covers_columns_by_x_and_rows_by_y() -> None:
    mask = box_mask(Box(40, 5, 55, 15), SIZE)
    assert np.array_equal(mask, np.asarray(painted()) > 0)


@pytest.mark.parametrize(
    ("box", "pixels"),
    [(Box(0, 0, 60, 40), 2400), (Box(-9, -9, 3, 2), 6), (Box(1.5, 1.5, 1.6, 1.6), 1), (Box(58.5, 0, 99, 1), 2)],
)
def test_boxes_are_rounded_outward_and_cut_at_the_border(box: Box, pixels: int) -> None:
    assert box_mask(box, SIZE).sum() == pixels


@pytest.mark.parametrize(("box", "message"), [(Box(60, 0, 70, 9), "outside.*60 x 40"), (Box(5, 5, 5, 9), "empty")])
def test_boxes_that_cover_nothing_are_refused(box: Box, message: str) -> None:
    with pytest.raises(RegionError, match=message):
        box_mask(box, SIZE)


# Growing and softening


@given(masks, st.integers(0, 8))
def test_growing_takes_every_pixel_near_the_mask(mask: np.ndarray, pixels: int) -> None:
    grown = dilate(mask, pixels)
    expected = np.zeros_like(mask)
    for y, x in np.argwhere(mask):
        expected[max(y - pixels, 0) : y + pixels + 1, max(x - pixels, 0) : x + pixels + 1] = True
    assert np.array_equal(grown, expected)


@given(masks, st.floats(0, 12))
def test_a_soft_edge_lies_inside_and_reaches_one(mask: np.ndarray, width: float) -> None:
    blend = feather(mask, width)
    assert blend.dtype == np.float32 and blend.shape == mask.shape
    assert np.array_equal(blend > 0, mask) and blend.max(initial=0) <= 1
    if mask.any():
        assert blend.max() == 1
    if width == 0:
        assert np.array_equal(blend, mask)


@settings(max_examples=30)
@given(masks, st.integers(0, 12))
def test_a_soft_edge_is_linear_in_the_euclidean_distance(mask: np.ndarray, width: int) -> None:
    outside = np.argwhere(~mask)
    blend = feather(mask, width)
    if not outside.size:
        assert blend.all() and blend.min() == 1
        return
    places = np.indices(mask.shape).reshape(2, -1).T
    depth = np.sqrt(((places[:, None] - outside[None]) ** 2).sum(-1).min(1)).reshape(mask.shape)
    full = min(depth.max(), width + 1)
    assert np.allclose(blend, np.minimum(depth / full, 1) if full else 0, atol=1e-6)


def test_the_picture_s_own_border_is_not_softened() -> None:
    mask = np.zeros((40, 60), dtype=np.bool_)
    mask[:, 30:] = True
    blend = feather(mask, 4)
    assert np.array_equal(blend, np.tile(blend[0], (40, 1))) and blend[0, -1] == 1
    assert np.allclose(blend[0, 29:36], [0, 0.2, 0.4, 0.6, 0.8, 1, 1])


@given(masks, st.integers(1, 12))
def test_depth_is_the_euclidean_distance_cut_off_at_its_limit(mask: np.ndarray, limit: int) -> None:
    outside, depth = np.argwhere(~mask), depth_inside(mask, limit)
    assert depth.dtype == np.float32
    if not outside.size:
        assert (depth == limit).all()
        return
    places = np.indices(mask.shape).reshape(2, -1).T
    squares = ((places[:, None] - outside[None]) ** 2).sum(-1).min(1).reshape(mask.shape)
    assert np.array_equal(depth, np.sqrt(np.minimum(squares, limit**2), dtype=np.float32))


@given(masks, st.integers(0, 5))
def test_bounds_hold_a_mask_and_a_margin(mask: np.ndarray, margin: int) -> None:
    part = bounds_of(mask, margin)
    if part is None:
        assert not mask.any()
        return
    places = np.argwhere(mask)
    for side, length, first, last in zip(part, mask.shape, places.min(0), places.max(0), strict=True):
        assert (side.start, side.stop) == (max(first - margin, 0), min(last + 1 + margin, length))


# Cells


@settings(max_examples=40)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 20), st.integers(1, 20), st.integers(0, 99))
def test_coverage_keeps_the_mean_and_the_range(height: int, width: int, rows: int, columns: int, seed: int) -> None:
    mask = torch.rand(2, 1, height, width, generator=torch.Generator().manual_seed(seed)) * 0.5 + 0.5
    cells = shrink_to_cells(mask, rows, columns)
    assert cells.shape == (2, 1, rows, columns) and cells.min() >= 0 and cells.max() <= 1
    assert torch.allclose(cells.mean((1, 2, 3)), mask.mean((1, 2, 3)), atol=1e-5)


def test_coverage_is_by_area_and_in_place() -> None:
    mask = torch.from_numpy(box_mask(Box(48, 0, 60, 12), Size(64, 32)))[None, None].float()
    cells = shrink_to_cells(mask, 4, 8)
    expected = torch.zeros(4, 8)
    expected[0, 6], expected[0, 7], expected[1, 6], expected[1, 7] = 1, 0.5, 0.5, 0.25
    assert torch.allclose(cells[0, 0], expected)
    assert torch.equal(shrink_to_cells(mask, 32, 64), mask)


def test_an_object_that_vanishes_is_named() -> None:
    mask = torch.zeros(2, 1, 64, 64)
    mask[0, 0, :32] = 1
    mask[1, 0, 9, 9] = 1
    with pytest.raises(EmptyMaskError, match=r"mask 2 of 2 covers 1 of 64 x 64.*8 x 8 cells"):
        shrink_to_cells(mask, 8, 8)
    with pytest.raises(EmptyMaskError, match="The mask covers 0 of"):
        shrink_to_cells(torch.zeros(1, 1, 8, 8), 4, 4)


@settings(max_examples=40)
@given(st.integers(1, 6), st.integers(1, 6), st.integers(1, 9), st.integers(0, 99))
def test_pooled_coverage_is_that_of_exact_areas_where_the_grid_divides_the_image(
    rows: int, columns: int, cell: int, seed: int
) -> None:
    mask = np.random.default_rng(seed).random((rows * cell, columns * cell)) < 0.4
    exact, pooled = (cell_coverage(mask, rows, columns, pooled=pooled) for pooled in (False, True))
    assert exact.shape == (rows, columns) and torch.allclose(exact, pooled, atol=1e-6)
    assert torch.equal(touched_cells(mask, rows, columns), (exact > 0).float())


def test_a_cell_is_touched_by_a_single_pixel_at_its_edge() -> None:
    mask = np.zeros((10, 10), np.bool_)
    mask[4, 9] = True
    touched = touched_cells(mask, 3, 4)  # cells of 3.33 x 2.5 pixels
    assert touched.sum() == 1 and touched[1, 3] == 1
    mask[3, 9] = True  # the upper part of this one lies in the cell above
    assert touched_cells(mask, 3, 4)[:, 3].tolist() == [1, 1, 0]


def test_the_bounding_box_and_the_centroid_of_a_mask() -> None:
    mask = np.zeros((20, 30), np.bool_)
    mask[4:7, 10:20] = True
    assert bounding_box(mask) == Box(10, 4, 20, 7) and centroid(mask) == Point(15, 5.5)
    assert mask[bounding_box(mask).slices()].all() and mask[bounding_box(mask).slices()].size == mask.sum()
    mask[19, 29] = True
    assert bounding_box(mask) == Box(10, 4, 30, 20)


def test_a_trace_of_a_cell_counts_only_where_it_is_asked_for() -> None:
    mask = np.zeros((4000, 4000), np.bool_)
    mask[83, :2] = True  # the border between the first two of 48 rows is at 83 1/3
    assert cell_coverage(mask, 48, 48)[0, 0] < TRACE < cell_coverage(mask, 48, 48)[1, 0]
    assert touched_cells(mask, 48, 48)[:2, 0].tolist() == [1, 1]
    assert touched_cells(mask, 48, 48, least=TRACE)[:2, 0].tolist() == [0, 1]
    assert touched_cells(mask, 48, 48, least=TRACE).sum() == 1
