"""Affine maps of positions, and warping of pixels and masks by them.

A map acts on positions, not on pixels: the pixel in column 3 spans x from 3 to 4 and its middle is at 3.5.
Maps that take pixels onto pixels (whole-pixel moves, mirrors, quarter turns) copy them bit for bit.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from PIL import Image

from intarsia.imaging.geometry import Box, Point, Size
from intarsia.imaging.masks import Mask, bounding_box
from intarsia.imaging.photo import Bytes
from intarsia.imaging.slices import Part

Matrix = tuple[float, float, float, float, float, float]
"""(a, b, c, d, e, f): a source position (x, y) goes to (a x + b y + c, d x + e y + f), in pixels of the photo."""

Channels = npt.NDArray[np.float32]

IDENTITY: Matrix = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)

EXACT = 1e-6
"""Pixels by which a map may miss whole pixels and still count as taking pixels onto pixels."""

MARGIN = 3
"""Pixels that a bicubic kernel reaches beyond a border, and one more."""

LEAST_SIDE = 0.01
"""Pixels below which nothing of a shrunk side can be seen."""

LEAST_ALPHA = 1 / 512
"""Coverage below which there is no colour to speak of."""


def compose_maps(first: Matrix, second: Matrix) -> Matrix:
    """The map that does the first, and the second with what comes out."""
    a, b, c, d, e, f = first
    g, h, i, j, k, m = second
    return g * a + h * d, g * b + h * e, g * c + h * f + i, j * a + k * d, j * b + k * e, j * c + k * f + m


def inverse_map(matrix: Matrix) -> Matrix:
    """The way back; the map must not be flat."""
    a, b, c, d, e, f = matrix
    area = a * e - b * d
    assert area != 0, f"a map that makes everything flat: {matrix}"
    a, b, d, e = e / area, -b / area, -d / area, a / area
    return a, b, -(a * c + b * f), d, e, -(d * c + e * f)


def apply(matrix: Matrix, point: Point) -> Point:
    a, b, c, d, e, f = matrix
    return Point(a * point.x + b * point.y + c, d * point.x + e * point.y + f)


def translation(x: float, y: float) -> Matrix:
    return 1.0, 0.0, x, 0.0, 1.0, y


def about_point(center: Point, a: float, b: float, d: float, e: float) -> Matrix:
    """A linear map that leaves a point where it is."""
    return a, b, center.x - a * center.x - b * center.y, d, e, center.y - d * center.x - e * center.y


def scaling_map(center: Point, wide: float, high: float) -> Matrix:
    return about_point(center, wide, 0.0, 0.0, high)


def rotation(center: Point, degrees: float) -> Matrix:
    """Clockwise as seen, since y goes down; quarter turns are exact."""
    quarters = degrees / 90
    if quarters == round(quarters):
        cos, sin = ((1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0))[round(quarters) % 4]
    else:
        cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return about_point(center, cos, -sin, sin, cos)


def box_to_box(source: Box, target: Box) -> Matrix:
    """The upright map between two boxes; equal boxes give `IDENTITY` itself."""
    wide, high = target.width / source.width, target.height / source.height
    return wide, 0.0, target.x0 - wide * source.x0, 0.0, high, target.y0 - high * source.y0


def map_box(box: Box, matrix: Matrix) -> Box:
    """The upright box around a box that was taken through a map."""
    corners = [apply(matrix, Point(x, y)) for x in (box.x0, box.x1) for y in (box.y0, box.y1)]
    xs, ys = [p.x for p in corners], [p.y for p in corners]
    return Box(min(xs), min(ys), max(xs), max(ys))


def warp_mask(mask: Mask, matrix: Matrix, size: Size) -> Mask:
    """Take a mask through a map.

    Args:
        mask: (H, W).
        matrix: from its positions to those of the result.
        size: of the result, in pixels.

    Returns:
        (h, w), True where at least half of a pixel is covered; empty where all of it left the frame.
    """
    warped: Mask = warp_channels(mask[..., None].astype(np.float32), matrix, size)[..., 0] >= 0.5
    return warped


def warp_picture(
    pixels: Bytes | Channels, matrix: Matrix, size: Size, mask: Mask | None = None
) -> tuple[Channels, Channels]:
    """Take what a mask cuts out of a picture through a map, with soft edges that hold its own colours alone.

    Args:
        pixels: (H, W, C) in levels of 0 to 255.
        matrix: from the picture's positions to those of the result.
        size: of the result, in pixels.
        mask: (H, W) what is taken along; by default all of it.

    Returns:
        (h, w, C) float32 levels, 0 where nothing came; (h, w) float32 coverage in [0, 1]. Where the map
        takes pixels onto pixels, the levels are the picture's own and the coverage is 0 or 1.
    """
    alpha = np.ones(pixels.shape[:2], np.float32) if mask is None else mask.astype(np.float32)
    layers = np.concatenate([pixels.astype(np.float32) * alpha[..., None], alpha[..., None]], axis=-1)
    warped = warp_channels(layers, matrix, size)
    alpha = warped[..., -1]
    colour = np.where(
        (alpha > LEAST_ALPHA)[..., None], warped[..., :-1] / np.maximum(alpha, LEAST_ALPHA)[..., None], 0.0
    )
    covered = np.where(alpha > LEAST_ALPHA, alpha, 0.0)
    return colour.clip(0, 255).astype(np.float32), covered.clip(0, 1).astype(np.float32)


def warp_channels(channels: Channels, matrix: Matrix, size: Size) -> Channels:
    """Take channels through a map: bicubic, and averaged where they shrink; 0 where nothing came.

    Args:
        channels: (H, W, C).
        matrix: from their positions to those of the result.
        size: of the result, in pixels.

    Returns:
        (h, w, C); bicubic kernels may overshoot a little.
    """
    warped = np.zeros((size.height, size.width, channels.shape[2]), np.float32)
    found = warped_part(channels, matrix, size)
    if found is not None:
        part, values = found
        warped[part] = values
    return warped


def warped_part(
    channels: Channels, matrix: Matrix, size: Size, *, at: Part = (slice(0, None), slice(0, None))
) -> tuple[Part, Channels] | None:
    """As `warp_channels`, but only the part of the result that something may have come to.

    Args:
        at: the rows and columns that the channels have in their picture.

    Returns:
        Rows and columns of the result, and the channels there; None where nothing came.
    """
    full: Mask = np.logical_or.reduce([channels[..., k] != 0 for k in range(channels.shape[2])])
    if not full.any():
        return None
    # Only what is there is worked on, with a rim of nothing around it: objects are small in large photos.
    box = bounding_box(full)
    content = channels[box.slices()]
    matrix = compose_maps(translation(at[1].start + box.x0, at[0].start + box.y0), matrix)
    place = map_box(Box(0, 0, box.width, box.height), matrix).expanded(MARGIN).clipped(size).rounded()
    wide, high = math.hypot(matrix[0], matrix[3]), math.hypot(matrix[1], matrix[4])
    if place.area == 0 or min(wide * box.width, high * box.height) < LEAST_SIDE:
        return None
    content, matrix = reduce_by(content, matrix, max(int(0.25 / wide), 1), max(int(0.25 / high), 1))
    part = place.slices()
    matrix = compose_maps(matrix, translation(-place.x0, -place.y0))
    there = Size(int(place.width), int(place.height))
    if maps_pixels_to_pixels(matrix):
        return part, gather(content, matrix, there)
    if matrix[1] == 0 and matrix[3] == 0:
        return part, stretch(content, matrix, there)
    return part, resample(content, matrix, there)


def maps_pixels_to_pixels(matrix: Matrix) -> bool:
    """Whether the map takes whole pixels onto whole pixels."""
    a, b, c, d, e, f = matrix
    upright = abs(a) == 1 and abs(e) == 1 and b == d == 0
    lying = abs(b) == 1 and abs(d) == 1 and a == e == 0
    return (upright or lying) and all(abs(v - round(v)) <= EXACT for v in (c, f))


def gather(channels: Channels, matrix: Matrix, size: Size) -> Channels:
    """Each pixel from the one that the map takes there."""
    a, b, c, d, e, f = inverse_map(matrix)
    ys, xs = np.arange(size.height)[:, None] + 0.5, np.arange(size.width)[None] + 0.5
    columns = np.floor(a * xs + b * ys + round(c)).astype(np.int64)
    rows = np.floor(d * xs + e * ys + round(f)).astype(np.int64)
    height, width = channels.shape[:2]
    inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    taken = channels[rows.clip(0, height - 1), columns.clip(0, width - 1)]
    return np.where(inside[..., None], taken, np.float32(0))


def reduce_by(channels: Channels, matrix: Matrix, across: int, down: int) -> tuple[Channels, Matrix]:
    """The means of blocks of so many pixels, and the map that takes them where it took the pixels."""
    if across == down == 1:
        return channels, matrix
    height, width, count = channels.shape
    padded = np.pad(channels, ((0, -height % down), (0, -width % across), (0, 0)))
    blocks = padded.reshape(padded.shape[0] // down, down, padded.shape[1] // across, across, count)
    return blocks.mean(axis=(1, 3)), compose_maps(scaling_map(Point(0, 0), across, down), matrix)


def stretch(channels: Channels, matrix: Matrix, size: Size) -> Channels:
    """An upright map, in one resampling that also averages where it shrinks."""
    a, _, c, _, e, f = matrix
    height, width = channels.shape[:2]
    if a < 0:
        channels, a, c = channels[:, ::-1], -a, a * width + c
    if e < 0:
        channels, e, f = channels[::-1], -e, e * height + f
    # Pillow resizes a box of the source, which must lie in it: a rim of nothing makes room.
    box = Box(-c / a, -f / e, (size.width - c) / a, (size.height - f) / e)
    rim = [
        max(math.ceil(reach), 0) + math.ceil(MARGIN / scale) + 1
        for reach, scale in ((-box.y0, e), (box.y1 - height, e), (-box.x0, a), (box.x1 - width, a))
    ]
    padded = np.pad(channels, ((rim[0], rim[1]), (rim[2], rim[3]), (0, 0)))
    edges = (box.x0 + rim[2], box.y0 + rim[0], box.x1 + rim[2], box.y1 + rim[0])
    return np.stack(
        [
            np.asarray(to_plane(padded[..., k]).resize((size.width, size.height), Image.Resampling.BICUBIC, box=edges))
            for k in range(channels.shape[2])
        ],
        axis=-1,
    )


def resample(channels: Channels, matrix: Matrix, size: Size) -> Channels:
    """Any map: averaged along the source's axes where it shrinks, then bicubic."""
    a, b, _, d, e, _ = matrix
    rim = math.ceil(MARGIN / min(1.0, math.hypot(a, d), math.hypot(b, e)))
    padded = np.pad(channels, ((rim, rim), (rim, rim), (0, 0)))
    height, width = padded.shape[:2]
    less = Size(
        max(round(width * min(1.0, math.hypot(a, d))), 1),
        max(round(height * min(1.0, math.hypot(b, e))), 1),
    )
    # From the reduced source with its rim, through the plain source, to the result; Pillow asks for the way back.
    enlarge = (width / less.width, 0.0, -float(rim), 0.0, height / less.height, -float(rim))
    back = inverse_map(compose_maps(enlarge, matrix))
    layers = []
    for k in range(channels.shape[2]):
        layer = to_plane(padded[..., k])
        if layer.size != (less.width, less.height):
            layer = layer.resize((less.width, less.height), Image.Resampling.BICUBIC)
        moved = layer.transform(
            (size.width, size.height), Image.Transform.AFFINE, back, resample=Image.Resampling.BICUBIC
        )
        layers.append(np.asarray(moved))
    return np.stack(layers, axis=-1)


def to_plane(channel: Channels) -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(channel, dtype=np.float32))
