"""Places in a picture: value types in pixels, always (x, y), with x to the right and y down.

A coordinate names a position on the plane, not a pixel: the pixel in column 3 spans x from 3 to 4
and its centre is at 3.5. Networks answer on grids, in (row, column): those turn into (x, y) in
`Grid` and nowhere else.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from intarsia.errors import RegionError

LONGEST_TO_SHORTEST = 4
"""By default the working size's long side is at most this many times the asked short side."""

ROUNDING = 1e-6
"""Pixels by which an edge may pass a whole pixel and still count as lying on it."""


@dataclass(frozen=True, slots=True)
class Size:
    """Width and height of a picture in whole pixels, both at least 1."""

    width: int
    height: int

    def __post_init__(self) -> None:
        assert self.width >= 1 and self.height >= 1, f"a size of {self.width} x {self.height} pixels"

    def __str__(self) -> str:
        return f"{self.width} x {self.height}"

    @property
    def short(self) -> int:
        return min(self.width, self.height)

    @property
    def long(self) -> int:
        return max(self.width, self.height)

    @property
    def area(self) -> int:
        return self.width * self.height


@dataclass(frozen=True, slots=True)
class Point:
    """A position in pixels from the picture's top left corner."""

    x: float
    y: float

    def scaled(self, from_: Size, to: Size) -> Point:
        """The same place after the picture was resized from one size to another."""
        return Point(self.x * to.width / from_.width, self.y * to.height / from_.height)


@dataclass(frozen=True, slots=True)
class Box:
    """An upright rectangle in pixels, left and top edge included, right and bottom edge not.

    It may reach over the picture's borders and may be empty (zero width or height).

    Raises:
        RegionError: an edge is not a finite number, or the edges are in the wrong order.
    """

    x0: float
    y0: float
    x1: float
    y1: float

    def __post_init__(self) -> None:
        if not all(math.isfinite(edge) for edge in self.as_tuple()):
            raise RegionError(f"The box {self} has an edge that is not a finite number: give x0,y0,x1,y1 in pixels.")
        if self.x1 < self.x0 or self.y1 < self.y0:
            raise RegionError(
                f"The box {self} ends before it begins: give the left, top, right and bottom edge in this order."
            )

    def __str__(self) -> str:
        return ",".join(f"{edge:g}" for edge in self.as_tuple())

    @classmethod
    def around(cls, center: Point, width: float, height: float) -> Box:
        """The box of this width and height, in pixels, about a point."""
        return cls(center.x - width / 2, center.y - height / 2, center.x + width / 2, center.y + height / 2)

    @classmethod
    def hull(cls, boxes: Sequence[Box]) -> Box:
        """The smallest box that holds all of some, of which there must be one."""
        return cls(
            min(b.x0 for b in boxes), min(b.y0 for b in boxes), max(b.x1 for b in boxes), max(b.y1 for b in boxes)
        )

    @property
    def width(self) -> float:
        return self.x1 - self.x0

    @property
    def height(self) -> float:
        return self.y1 - self.y0

    @property
    def area(self) -> float:
        return self.width * self.height

    @property
    def center(self) -> Point:
        return Point((self.x0 + self.x1) / 2, (self.y0 + self.y1) / 2)

    def as_tuple(self) -> tuple[float, float, float, float]:
        """(x0, y0, x1, y1), as records keep a box."""
        return self.x0, self.y0, self.x1, self.y1

    def intersection(self, other: Box) -> float:
        """Area that both boxes cover, in square pixels."""
        width = min(self.x1, other.x1) - max(self.x0, other.x0)
        height = min(self.y1, other.y1) - max(self.y0, other.y0)
        return max(width, 0.0) * max(height, 0.0)

    def iou(self, other: Box) -> float:
        """Shared area over joint area, in [0, 1]; 0 where both are empty."""
        shared = self.intersection(other)
        joint = self.area + other.area - shared
        return shared / joint if joint > 0 else 0.0

    def contains(self, point: Point) -> bool:
        return self.x0 <= point.x < self.x1 and self.y0 <= point.y < self.y1

    def clipped(self, size: Size) -> Box:
        """The part inside the picture; empty, on the border, where nothing is inside."""
        return Box(
            min(max(self.x0, 0), size.width),
            min(max(self.y0, 0), size.height),
            min(max(self.x1, 0), size.width),
            min(max(self.y1, 0), size.height),
        )

    def scaled(self, from_: Size, to: Size) -> Box:
        """The same place after the picture was resized from one size to another."""
        x, y = to.width / from_.width, to.height / from_.height
        return Box(self.x0 * x, self.y0 * y, self.x1 * x, self.y1 * y)

    def expanded(self, pixels: float) -> Box:
        """Each edge moved outward by so many pixels; a negative number shrinks, at most to the centre."""
        x, y = max(pixels, -self.width / 2), max(pixels, -self.height / 2)
        center = self.center
        # Both edges from one centre: rounding can then not put them in the wrong order.
        return Box.around(center, max(self.width + 2 * x, 0.0), max(self.height + 2 * y, 0.0))

    def slices(self) -> tuple[slice, slice]:
        """The rows and columns of a box of whole pixels inside the image, to index arrays with."""
        return slice(int(self.y0), int(self.y1)), slice(int(self.x0), int(self.x1))

    def rounded(self) -> Box:
        """The smallest box of whole pixels that covers this one, but for a millionth of a pixel at each edge."""
        # Scaling there and back turns 64 into 64.00000000000001, which must not cost a column.
        return Box(
            math.floor(self.x0 + ROUNDING),
            math.floor(self.y0 + ROUNDING),
            math.ceil(self.x1 - ROUNDING),
            math.ceil(self.y1 - ROUNDING),
        )


@dataclass(frozen=True, slots=True)
class Grid:
    """A network's cells laid over a whole picture: patches, latents, attention maps.

    The only place where (row, column) turns into (x, y) and back.

    Attributes:
        size: the picture, in pixels.
        rows: cells from top to bottom.
        columns: cells from left to right.
    """

    size: Size
    rows: int
    columns: int

    def __post_init__(self) -> None:
        assert self.rows >= 1 and self.columns >= 1, f"a grid of {self.rows} rows and {self.columns} columns"

    @property
    def cell_width(self) -> float:
        """Pixels from one column to the next."""
        return self.size.width / self.columns

    @property
    def cell_height(self) -> float:
        """Pixels from one row to the next."""
        return self.size.height / self.rows

    def center(self, row: int, column: int) -> Point:
        """The middle of a cell, in pixels."""
        return Point((column + 0.5) * self.cell_width, (row + 0.5) * self.cell_height)

    def cell(self, point: Point) -> tuple[int, int]:
        """(row, column) of the cell that a point lies in; past a border, the outermost cell there."""
        row = math.floor(point.y / self.cell_height)
        column = math.floor(point.x / self.cell_width)
        return min(max(row, 0), self.rows - 1), min(max(column, 0), self.columns - 1)

    def box_to_cells(self, box: Box) -> tuple[float, float, float, float]:
        """(row0, column0, row1, column1) of a box in fractions of cells, not clipped to the grid."""
        return (
            box.y0 / self.cell_height,
            box.x0 / self.cell_width,
            box.y1 / self.cell_height,
            box.x1 / self.cell_width,
        )


def working_size(size: Size, short: int, stride: int, longest: int | None = None) -> Size:
    """The size at which models work on a picture: whole, never cropped, aspect ratio kept.

    The short side is the asked one and the long side follows from the aspect ratio, each rounded to
    the nearest multiple of the stride (at least one stride). A panorama whose long side would pass
    `longest` gets exactly `longest` (rounded down to the stride) and a shorter short side instead:
    the aspect ratio is kept and the cost stays bounded. Only where that short side would fall below
    one stride is the picture squeezed, since there is no smaller size that the models accept.

    Args:
        size: the picture, in pixels.
        short: the wanted short side, in pixels.
        stride: both sides become multiples of this, in pixels.
        longest: bound of the long side, in pixels; by default four times the rounded short side.
    """
    assert short >= 1 and stride >= 1, f"short {short}, stride {stride}"
    ratio = size.long / size.short
    short_side = to_stride(short, stride)
    long_side = to_stride(short_side * ratio, stride)
    bound = short_side * LONGEST_TO_SHORTEST if longest is None else max(longest // stride, 1) * stride
    if long_side > bound:
        long_side, short_side = bound, to_stride(bound / ratio, stride)
    wide = size.width >= size.height
    return Size(long_side, short_side) if wide else Size(short_side, long_side)


def to_stride(side: float, stride: int) -> int:
    """The multiple of the stride nearest to a side, halves upward, at least one stride."""
    return max(math.floor(side / stride + 0.5), 1) * stride
