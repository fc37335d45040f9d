"""A watermark: a translucent text, again and again, on what an edit changed, and nowhere else."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from intarsia.imaging.masks import Blend, Mask, bounds_of
from intarsia.imaging.photo import Photo, levels_to_bytes
from intarsia.imaging.slices import Part

TOY = "toy preview"
"""What stands on photographs that models painted which know none."""

SHARE = 0.42
"""Width of the text, in widths of the part that it stands on: twice in a row."""

LEAST, SEEN, MOST = 13, 1 / 28, 0.25
"""Height of its letters: at least, while the text fits, in pixels and in short sides of the photo, which may be shown small;
and at most in heights of the part."""

FITS = 0.94
"""Width of the text at most, in widths of the part."""

LEADING = 2.1
"""From one row to the next, in heights of the letters."""

LIGHT, DARK = 0.72, 0.5
"""How far the letters cover what lies under them, and how far their dark outline does: readable on light and on dark."""

GRID = 24
"""Cells along the shorter side of the photo; what lies in neighbouring ones is one part."""

Coverage = npt.NDArray[np.float32]


def watermarked(photo: Photo, blend: Blend, text: str) -> Photo:
    """A photo with a text on what an edit changed; every pixel where the blend is 0 stays as it is.

    Args:
        photo: the edited one.
        blend: (H, W) in [0, 1], how far each pixel is the edit's; in its soft edge the text fades, too.
        text: nothing draws nothing.
    """
    text = " ".join(text.split())
    if not text or not (blend > 0).any():
        return photo
    pixels = photo.pixels.copy()
    for part in parts_of(blend > 0):
        height, width = (edge.stop - edge.start for edge in part)
        letters, outlines = text_over(text, width, height, least=max(LEAST, SEEN * photo.size.short))
        share = np.minimum(2 * blend[part], 1)[..., None]
        levels = pixels[part].astype(np.float32)
        levels -= DARK * share * outlines[..., None] * levels
        levels += LIGHT * share * letters[..., None] * (255 - levels)
        pixels[part] = np.where(share > 0, levels_to_bytes(levels), pixels[part])
    return dataclasses.replace(photo, pixels=pixels)


def parts_of(mask: Mask) -> list[Part]:
    """The rows and columns of each connected part of a mask (H, W), seen so coarsely that specks belong to the next one."""
    height, width = mask.shape
    cell = max(1, min(height, width) // GRID)
    padded = np.pad(mask, [(0, -height % cell), (0, -width % cell)])
    coarse = padded.reshape(padded.shape[0] // cell, cell, -1, cell).any((1, 3))
    numbered, _ = ndimage.label(coarse, np.ones((3, 3)))
    parts = []
    for number, found in enumerate(ndimage.find_objects(numbered), 1):
        top, left = found[0].start * cell, found[1].start * cell
        own = (numbered[found] == number).repeat(cell, 0).repeat(cell, 1)
        area = mask[top : top + own.shape[0], left : left + own.shape[1]]
        inside = bounds_of(area & own[: area.shape[0], : area.shape[1]])
        assert inside is not None, "a cell of the mask holds some of it"
        rows, columns = inside
        parts.append((slice(top + rows.start, top + rows.stop), slice(left + columns.start, left + columns.stop)))
    return parts


def text_over(text: str, width: int, height: int, *, least: float = LEAST) -> tuple[Coverage, Coverage]:
    """A text in rows over an area, every other row shifted by half: one of them stands in the middle.

    Args:
        width, height: of the area, in pixels.
        least: height of the letters, in pixels, while the text fits.

    Returns:
        (height, width) coverage in [0, 1] of the letters, and of their outlines with them.
    """
    size = letter_size(text, width, height, least)
    font = ImageFont.load_default(size)
    stroke = max(1, round(size / 9))
    across = font.getlength(text)
    step, leading = across + 1.2 * size, LEADING * size
    letters, outlines = (Image.new("L", (width, height)) for _ in range(2))
    draws = (ImageDraw.Draw(letters), 0), (ImageDraw.Draw(outlines), stroke)
    rows, columns = int(height / leading / 2) + 1, int(width / step / 2) + 2
    for row in range(-rows, rows + 1):
        for column in range(-columns, columns + 1):
            place = (width / 2 + (column + row % 2 / 2) * step, height / 2 + row * leading)
            for draw, wide in draws:
                draw.text(place, text, fill=255, font=font, anchor="mm", stroke_width=wide)
    first, second = (np.asarray(image, np.float32) / np.float32(255) for image in (letters, outlines))
    return first, second


def letter_size(text: str, width: int, height: int, least: float) -> float:
    """Size of the font, in pixels, for a text over an area."""
    wide = ImageFont.load_default(100).getlength(text) / 100  # of one that is a pixel high
    size = max(min(SHARE * width / wide, MOST * height), least)
    return max(min(size, FITS * width / wide, 0.8 * height), 4)
