"""Boxes, grids and working sizes: coordinates are (x, y) pixels everywhere."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intarsia.errors import RegionError
from intarsia.imaging.geometry import Box, Grid, Point, Size, working_size

sizes = st.builds(Size, st.integers(1, 5000), st.integers(1, 5000))
edges = st.floats(-1000, 6000, allow_nan=False)
boxes = st.tuples(edges, edges, edges, edges).map(
    lambda e: Box(min(e[0], e[2]), min(e[1], e[3]), max(e[0], e[2]), max(e[1], e[3]))
)


def test_a_point_right_of_the_diagonal_is_in_a_late_column_and_an_early_row() -> None:
    grid = Grid(Size(640, 320), rows=8, columns=16)
    assert grid.center(1, 12) == Point(500, 60)
    assert grid.cell(Point(500, 60)) == (1, 12)
    assert grid.box_to_cells(Box(480, 40, 520, 80)) == (1, 12, 2, 13)


@given(sizes, st.integers(1, 64), st.integers(1, 64), st.data())
def test_a_cell_s_centre_lies_in_that_cell(size: Size, rows: int, columns: int, data: st.DataObject) -> None:
    grid = Grid(size, rows, columns)
    cell = data.draw(st.integers(0, rows - 1)), data.draw(st.integers(0, columns - 1))
    assert grid.cell(grid.center(*cell)) == cell


def test_points_past_the_border_belong_to_the_outermost_cell() -> None:
    grid = Grid(Size(64, 32), rows=4, columns=8)
    assert grid.cell(Point(64, 32)) == (3, 7)
    assert grid.cell(Point(-5, 99)) == (3, 0)


def test_a_box_knows_its_measures() -> None:
    box = Box(10, 20, 40, 30)
    assert (box.width, box.height, box.area, box.center) == (30, 10, 300, Point(25, 25))
    assert Box.around(box.center, box.width, box.height) == box
    assert Box(*box.as_tuple()) == box
    assert str(box) == "10,20,40,30"


def test_a_box_contains_its_left_edge_but_not_its_right() -> None:
    box = Box(0, 0, 10, 10)
    assert box.contains(Point(0, 9.9)) and not box.contains(Point(10, 5)) and not box.contains(Point(5, -0.1))


@pytest.mark.parametrize(
    ("other", "iou"),
    [(Box(0, 0, 10, 10), 1), (Box(10, 0, 20, 10), 0), (Box(5, 0, 15, 10), 1 / 3), (Box(3, 3, 3, 3), 0)],
)
def test_overlap(other: Box, iou: float) -> None:
    assert Box(0, 0, 10, 10).iou(other) == pytest.approx(iou)


@given(boxes, boxes)
def test_overlap_is_symmetric_and_bounded(a: Box, b: Box) -> None:
    assert a.iou(b) == b.iou(a)
    assert 0 <= a.iou(b) <= 1 + 1e-9
    assert a.intersection(b) <= min(a.area, b.area) * (1 + 1e-9)


@given(boxes, sizes)
def test_a_clipped_box_lies_inside(box: Box, size: Size) -> None:
    inside = box.clipped(size)
    assert inside.x0 >= 0 and inside.y0 >= 0 and inside.x1 <= size.width and inside.y1 <= size.height
    assert inside.area == pytest.approx(box.intersection(Box(0, 0, size.width, size.height)))


@given(boxes, sizes, sizes)
def test_scaling_there_and_back_is_identity(box: Box, a: Size, b: Size) -> None:
    assert box.scaled(a, b).scaled(b, a).as_tuple() == pytest.approx(box.as_tuple())


@given(boxes)
def test_a_rounded_box_covers_the_box_and_is_whole(box: Box) -> None:
    whole = box.rounded()
    assert all(edge == int(edge) for edge in whole.as_tuple())
    assert whole.x0 <= box.x0 + 1e-6 and whole.x1 >= box.x1 - 1e-6 and whole.width < box.width + 2


def test_float_noise_costs_no_column() -> None:
    assert Box(0.1 + 0.2 - 0.3 - 1e-9, 0, 64.00000000000001, 8).rounded() == Box(0, 0, 64, 8)


@given(boxes, st.floats(-500, 500))
def test_an_expanded_box_keeps_its_centre(box: Box, pixels: float) -> None:
    grown = box.expanded(pixels)
    assert grown.center.x == pytest.approx(box.center.x, abs=1e-6)
    assert grown.width == pytest.approx(max(box.width + 2 * pixels, 0), abs=1e-6)


@pytest.mark.parametrize("bad", [(5, 0, 4, 1), (0, 5, 1, 4), (math.nan, 0, 1, 1), (0, 0, math.inf, 1)])
def test_impossible_boxes_are_refused(bad: tuple[float, float, float, float]) -> None:
    with pytest.raises(RegionError, match="box"):
        Box(*bad)


@pytest.mark.parametrize(
    ("size", "short", "stride", "expected"),
    [
        (Size(64, 64), 64, 16, Size(64, 64)),
        (Size(640, 480), 512, 8, Size(680, 512)),
        (Size(480, 640), 512, 8, Size(512, 680)),
        (Size(4000, 3000), 500, 64, Size(704, 512)),
        (Size(20, 17), 64, 16, Size(80, 64)),
        (Size(8000, 1000), 64, 8, Size(256, 32)),
        (Size(100, 5000), 64, 16, Size(16, 256)),
    ],
)
def test_working_sizes(size: Size, short: int, stride: int, expected: Size) -> None:
    assert working_size(size, short, stride) == expected


def test_the_long_side_can_be_bounded() -> None:
    assert working_size(Size(1920, 1080), 512, 64, longest=800) == Size(768, 448)


@given(sizes, st.integers(16, 1024), st.sampled_from([1, 8, 16, 64]))
def test_a_working_size_fits_the_stride_the_bound_and_the_shape(size: Size, short: int, stride: int) -> None:
    work = working_size(size, short, stride)
    assert work.width % stride == 0 and work.height % stride == 0
    assert work.long <= 4 * max(round(short / stride + 0.01), 1) * stride + 4 * stride
    # Neither side is farther than half a stride from the shape's, unless one stride is the least.
    if work.short > stride:
        ratio = size.width / size.height
        assert abs(work.width - work.height * ratio) <= stride / 2 * max(1, ratio) + 1e-6
