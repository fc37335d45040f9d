"""Crops: the window of a photo that the models work on, at their own size, and the way back.

A crop has one scale, both ways alike: a face keeps its proportions whatever the models' stride. Where a window
reaches over the photo's right or lower border, the border's pixels go on.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from intarsia.imaging.geometry import LONGEST_TO_SHORTEST, ROUNDING, Box, Size, to_stride
from intarsia.imaging.photo import Bytes
from intarsia.imaging.slices import Part

CONTEXT = 1.6
"""A window's side, in longer sides of the region that it is drawn around."""

ENLARGED = 2.0
"""A window is enlarged at most so many times for the models."""

ALMOST_ALL = 0.9
"""A window that holds this share of both sides of a photo may as well hold all of it."""


@dataclass(frozen=True, slots=True)
class Crop:
    """A window of a photo, and the canvas on which the models see it.

    Attributes:
        window: in pixels of the photo, beginning inside it.
        size: of the canvas, of the window's aspect ratio; both sides multiples of the models' stride.
    """

    window: Box
    size: Size

    @property
    def scale(self) -> float:
        """Pixels of the canvas for each pixel of the photo."""
        return self.size.width / self.window.width

    def to_canvas(self, box: Box) -> Box:
        """A box of the photo, in pixels of the canvas; it may reach over its borders."""
        x, y, scale = self.window.x0, self.window.y0, self.scale
        return Box((box.x0 - x) * scale, (box.y0 - y) * scale, (box.x1 - x) * scale, (box.y1 - y) * scale)

    def to_photo(self, box: Box) -> Box:
        """A box of the canvas, in pixels of the photo."""
        x, y, scale = self.window.x0, self.window.y0, self.scale
        return Box(x + box.x0 / scale, y + box.y0 / scale, x + box.x1 / scale, y + box.y1 / scale)

    def short_side(self, photo: Size) -> float:
        """Of what the window shows of the photo, in pixels of the photo."""
        shown = self.window.clipped(photo)
        return min(shown.width, shown.height)

    def holds(self, photo: Size) -> bool:
        """Whether the window shows all of the photo."""
        return self.part(photo) == (slice(0, photo.height), slice(0, photo.width))

    def part(self, photo: Size) -> Part:
        """The rows and columns of the photo that the window touches."""
        return self.window.rounded().clipped(photo).slices()

    def piece(self, layer: npt.NDArray[Any], at: Part | None = None) -> npt.NDArray[Any]:
        """(H, W, ...) of the photo -> the whole pixels that the window touches, continued where it reaches over.

        Args:
            at: the part that the window touches, for a layer that holds no more than it.
        """
        if at is None:
            at = self.part(Size(width=layer.shape[1], height=layer.shape[0]))
            layer = layer[at]
        rows, columns = at
        whole = self.window.rounded()
        missing = round(whole.height) - (rows.stop - rows.start), round(whole.width) - (columns.stop - columns.start)
        if not any(missing):
            return layer
        return np.pad(layer, [(0, missing[0]), (0, missing[1])] + [(0, 0)] * (layer.ndim - 2), mode="edge")

    @property
    def inset(self) -> tuple[float, float, float, float]:
        """Left, top, width and height of the window in its `piece`, in pixels of the photo."""
        whole = self.window.rounded()
        x, y = _snapped(self.window.x0 - whole.x0), _snapped(self.window.y0 - whole.y0)
        width, height = _snapped(self.window.width), _snapped(self.window.height)
        return x, y, min(width, whole.width - x), min(height, whole.height - y)

    @property
    def frame(self) -> tuple[float, float, float, float]:
        """The window in its `piece`: its left, top, right and bottom edge, in pixels of the photo."""
        x, y, width, height = self.inset
        return x, y, x + width, y + height

    def cut(self, pixels: Bytes) -> Bytes:
        """(H, W, 3) levels of the photo -> (h, w, 3) of the canvas, antialiased."""
        piece = np.ascontiguousarray(self.piece(pixels))
        return _resized(piece, self.size, self.frame, Image.Resampling.LANCZOS)

    def put(self, canvas: Bytes, photo: Size) -> Bytes:
        """(h, w, 3) levels of the canvas -> (H, W, 3) of the part of the photo that the window touches; bicubic."""
        rows, columns = self.part(photo)
        size = Size(width=columns.stop - columns.start, height=rows.stop - rows.start)
        inside = self.to_canvas(Box(columns.start, rows.start, columns.stop, rows.stop))
        # Pixels that the window cuts lie a little over the canvas's borders.
        over = max(-inside.x0, -inside.y0, inside.x1 - self.size.width, inside.y1 - self.size.height)
        more = math.ceil(over) if over > ROUNDING else 0
        if more:
            canvas = np.pad(canvas, [(more, more)] * 2 + [(0, 0)] * (canvas.ndim - 2), mode="edge")
            inside = Box(inside.x0 + more, inside.y0 + more, inside.x1 + more, inside.y1 + more)
        frame = inside.clipped(Size(canvas.shape[1], canvas.shape[0])).as_tuple()
        return _resized(np.ascontiguousarray(canvas), size, frame, Image.Resampling.BICUBIC)


def _snapped(length: float) -> float:
    """A length without the rounding of a scaling there and back."""
    return float(round(length)) if abs(length - round(length)) <= ROUNDING else length


def _resized(pixels: Bytes, size: Size, frame: tuple[float, float, float, float], how: Image.Resampling) -> Bytes:
    """A frame (x0, y0, x1, y1) of an image at another size."""
    if frame == (0, 0, size.width, size.height):
        return pixels[: size.height, : size.width]
    return np.asarray(Image.fromarray(pixels).resize((size.width, size.height), how, box=frame))


def whole_crop(photo: Size, side: int, stride: int) -> Crop:
    """The whole photo, its short side scaled to the models' (as `working_size` does), padded to their stride.

    Args:
        photo: size of the photo, in pixels.
        side: short side of the canvas, in pixels.
        stride: both sides of the canvas become multiples of it.
    """
    return _crop_along(Box(0, 0, photo.width, photo.height), photo, side, stride)


def crop_around(
    region: Box, photo: Size, side: int, stride: int, *, context: float = CONTEXT, enlarged: float = ENLARGED
) -> Crop:
    """The window around a region: a square with context, or as much of one as the photo holds.

    Args:
        region: in pixels of the photo.
        photo: size of the photo, in pixels.
        side: short side of the canvas, in pixels: what the models were trained at.
        stride: both sides of the canvas become multiples of it.
        context: the window's side, in longer sides of the region, at least 1.
        enlarged: the window is enlarged at most so many times.

    Returns:
        A crop that holds the region as far as the photo does. It is the whole photo's where it would be almost that.
    """
    touched = region.rounded()
    wanted = max(context * max(region.width, region.height), touched.width, touched.height, side / enlarged, 1.0)
    if min(wanted / photo.width, wanted / photo.height) >= ALMOST_ALL:
        return whole_crop(photo, side, stride)
    width, height = (min(math.ceil(wanted), length) for length in (photo.width, photo.height))
    x = _placed(region.center.x, width, photo.width)
    y = _placed(region.center.y, height, photo.height)
    return _crop_along(Box(x, y, x + width, y + height), photo, side, stride)


def _placed(center: float, length: int, whole: int) -> int:
    """Where a piece of a line begins that is centred as well as the line allows."""
    return round(min(max(center - length / 2, 0), whole - length))


def _crop_along(window: Box, photo: Size, side: int, stride: int) -> Crop:
    """A crop of this window: its longer side lengthened to what the stride allows, into the photo if there is room."""
    short, long = sorted((window.width, window.height))
    short_side = to_stride(side, stride)
    scale = short_side / short
    most = LONGEST_TO_SHORTEST * short_side
    if long * scale > most:  # a panorama: a shorter short side instead, and padding along it
        scale = most / long
        short_side = max(math.ceil(short * scale / stride - 1e-9), 1) * stride
    long_side = max(math.ceil(long * scale / stride - 1e-9), 1) * stride
    wide = window.width >= window.height
    size = Size(long_side, short_side) if wide else Size(short_side, long_side)
    width, height = size.width / scale, size.height / scale
    x = max(min(window.x0, photo.width - width), 0.0)
    y = max(min(window.y0, photo.height - height), 0.0)
    return Crop(Box(x, y, x + width, y + height), size)
