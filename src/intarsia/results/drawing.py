"""What drawings over a photo share: the canvas, outlines and fills of masks, plates with names, and where they go."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from intarsia.imaging.masks import Mask, bounding_box, centroid
from intarsia.imaging.photo import Photo
from intarsia.progress import tick

Colour = tuple[int, int, int]
Rectangle = tuple[float, float, float, float]
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

DARK: Colour = (17, 20, 24)
PAPER: Colour = (252, 252, 250)
LEAST_SIDE = 360
MOST_SIDE = 900
"""Bounds of a drawing's short and long side, pixels."""
FINE = 2
"""Drawn so many times larger than it is shown, for smooth lines."""
LEVELS = (0.31, 0.5, 0.84, 0.933)
"""Of a border softened by two units: one unit outside it, on it, two and three inside."""


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """A picture to draw on, of another size than the photo.

    Attributes:
        scale: pixels of the drawing for one of the photo.
        unit: width of a thin line.
        plates: the places that are taken by names.
    """

    image: Image.Image
    scale: float
    unit: int
    font: Font
    plates: list[Rectangle] = field(default_factory=list)

    @property
    def draw(self) -> ImageDraw.ImageDraw:
        return ImageDraw.Draw(self.image, "RGBA")

    def finished(self) -> Image.Image:
        size = (round(self.image.width / FINE), round(self.image.height / FINE))
        return self.image.resize(size, Image.Resampling.LANCZOS)


def drawing_on(photo: Photo, side: int | None = None, *, quiet: bool = False) -> Drawing:
    """The photo as a drawing's ground.

    Args:
        side: short side of the finished drawing, pixels; by default the photo's, within bounds.
        quiet: draw its colours back, so that what is drawn over it stands out.
    """
    short = side or max(photo.size.short, LEAST_SIDE)
    short = min(short, max(1, round(MOST_SIDE * photo.size.short / photo.size.long)))
    scale = FINE * short / photo.size.short
    size = (max(FINE, round(photo.size.width * scale)), max(FINE, round(photo.size.height * scale)))
    tick(0.6)
    # A large photo is first made smaller by a whole number, which is quick and cannot be seen.
    image = shown(photo).resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
    if quiet:
        pixels = np.asarray(image, np.float32)
        grey = pixels.mean(axis=2, keepdims=True)
        image = Image.fromarray((0.55 * (0.5 * pixels + 0.5 * grey) + 0.45 * 236).astype(np.uint8))
    return Drawing(
        image=image,
        scale=scale,
        unit=max(1, round(FINE * short / 240)),
        font=ImageFont.load_default(FINE * max(12, short / 19)),
    )


def shown(photo: Photo) -> Image.Image:
    """The photo as RGB, on paper where it is transparent."""
    picture = photo.as_image()
    if picture.mode != "RGBA":
        return picture
    return Image.alpha_composite(Image.new("RGBA", picture.size, (*PAPER, 255)), picture).convert("RGB")


def outline(drawing: Drawing, mask: Mask, colour: Colour, *, dashed: bool = False) -> None:
    """A line along an object's border, between two dark ones, so that it shows on any ground."""
    for pixels, soft in around(drawing, mask):
        dark, bright = (soft > LEVELS[0]) & (soft < LEVELS[3]), (soft > LEVELS[1]) & (soft < LEVELS[2])
        if dashed:
            rows, columns = np.ogrid[: soft.shape[0], : soft.shape[1]]
            dashes = (rows + columns) // (6 * drawing.unit) % 2 == 0
            dark, bright = dark & dashes, bright & dashes
        pixels[dark] = DARK
        pixels[bright] = colour


def fill(drawing: Drawing, mask: Mask, colour: Colour, share: float = 0.45) -> None:
    """An object's place in its colour, what is below shining through."""
    for pixels, soft in around(drawing, mask):
        inside = soft >= LEVELS[1]
        pixels[inside] = (pixels[inside] * (1 - share) + np.array(colour) * share).astype(np.uint8)


def around(drawing: Drawing, mask: Mask) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The part of a drawing that a mask is in, to be changed in place; nothing where it is nowhere.

    Yields:
        (h, w, 3) pixels, and (h, w) in [0, 1]: 0.5 on the mask's border, higher inside; its steps are rounded off.
    """
    tick(0.7)
    if not mask.any():
        return
    x0, y0, x1, y1 = bounds(drawing, mask)
    margin, (width, height) = 6 * drawing.unit, drawing.image.size
    part = (
        max(math.floor(x0) - margin, 0),
        max(math.floor(y0) - margin, 0),
        min(math.ceil(x1) + margin, width),
        min(math.ceil(y1) + margin, height),
    )
    size = (part[2] - part[0], part[3] - part[1])
    shape = Image.fromarray(mask.astype(np.uint8) * 255)
    right, bottom = min(part[2] / drawing.scale, shape.width), min(part[3] / drawing.scale, shape.height)
    source = (part[0] / drawing.scale, part[1] / drawing.scale, right, bottom)
    grey = shape.resize(size, Image.Resampling.BILINEAR, box=source)
    soft = np.asarray(grey.filter(ImageFilter.GaussianBlur(2 * drawing.unit)), np.float32) / 255
    pixels = np.array(drawing.image.crop(part))
    yield pixels, soft
    drawing.image.paste(Image.fromarray(pixels), part[:2])


def middle(mask: Mask) -> tuple[float, float]:
    """(x, y) of the middle of what a mask covers, in its pixels; of the whole picture where it covers nothing."""
    if not mask.any():
        return mask.shape[1] / 2, mask.shape[0] / 2
    place = centroid(mask)
    return place.x, place.y


def bounds(drawing: Drawing, mask: Mask) -> Rectangle:
    """The box around what a mask covers, on the drawing; the middle of the picture where it covers nothing."""
    if not mask.any():
        x, y = drawing.image.width / 2, drawing.image.height / 2
        return x, y, x, y
    x0, y0, x1, y1 = (edge * drawing.scale for edge in bounding_box(mask).as_tuple())
    return x0, y0, x1, y1


def plate(drawing: Drawing, mask: Mask, text: str, colour: Colour, avoid: Mask | None) -> None:
    """A name on its object's colour, above the object, else where there is room and no other object is."""
    pad, draw = 2 * drawing.unit, drawing.draw
    most = drawing.image.width - 4 * pad
    while draw.textlength(text, font=drawing.font) > most and len(text) > 2:
        text = text[:-2] + "…"
    left, _, right, _ = draw.textbbox((0, 0), text, font=drawing.font)
    _, top, _, bottom = draw.textbbox((0, 0), "Agjx", font=drawing.font)
    width, height = right - left + 2 * pad, bottom - top + 2 * pad
    x, y = plate_corner(drawing, mask, (width, height), avoid)
    place = (x, y, x + width, y + height)
    drawing.plates.append(place)
    draw.rounded_rectangle(place, radius=pad, fill=colour, outline=DARK, width=max(1, drawing.unit // 2))
    ink = DARK if 0.3 * colour[0] + 0.59 * colour[1] + 0.11 * colour[2] > 100 else PAPER
    draw.text((x + pad - left, y + pad - top), text, font=drawing.font, fill=ink)


def plate_corner(drawing: Drawing, mask: Mask, size: tuple[float, float], avoid: Mask | None) -> tuple[float, float]:
    """Upper left corner of a plate: over the object, under it, on its middle, or at a corner that is free."""
    (width, height), (across, down) = size, drawing.image.size
    x0, y0, x1, y1 = box = bounds(drawing, mask)
    gap = 2 * drawing.unit
    column, row = (place * drawing.scale for place in middle(mask))
    above, on, below = (
        ((x0 + x1 - width) / 2, y0 - height - gap),
        (column - width / 2, (row + y1) / 2 - height / 2),  # below its middle, where an arrow may end
        ((x0 + x1 - width) / 2, y1 + gap),
    )
    for x, y in (above, below, on):
        left = min(max(x, 0), across - 1 - width)
        place = (left, y, left + width, y + height)
        clear = all(
            place[0] >= t[2] or t[0] >= place[2] or place[1] >= t[3] or t[1] >= place[3] for t in drawing.plates
        )
        if clear and y >= 0 and place[3] < down and not covers(drawing, place, avoid):
            return left, y
    return free_place(box, size, drawing.plates, drawing.image.size)


def covers(drawing: Drawing, place: Rectangle, mask: Mask | None) -> bool:
    """Whether a rectangle of the drawing lies on what a mask covers, for more than a corner."""
    if mask is None:
        return False
    x0, y0, x1, y1 = (round(edge / drawing.scale) for edge in place)
    part = mask[max(y0, 0) : y1, max(x0, 0) : x1]
    return bool(part.size and part.mean() > 0.25)


def free_place(
    box: Rectangle, size: tuple[float, float], taken: Iterable[Rectangle], picture: tuple[int, int]
) -> tuple[float, float]:
    """Upper left corner for a plate: a corner of the box, inside or outside, else the next gap below."""
    (x0, y0, x1, y1), (width, height), taken = box, size, list(taken)
    corners = (
        (x0, y0 - height),
        (x1 - width, y0 - height),
        (x0, y1),
        (x1 - width, y1),
        (x0, y0),
        (x1 - width, y0),
        (x0, y1 - height),
        (x1 - width, y1 - height),
    )
    below = ((x0, y0 + k * height) for k in range(1, math.ceil(picture[1] / height)))
    places = [
        (min(max(x, 0), picture[0] - 1 - width), min(max(y, 0), picture[1] - 1 - height))
        for x, y in itertools.chain(corners, below)
    ]
    for x, y in places:
        plate = (x, y, x + width, y + height)
        if not any(plate[0] < t[2] and t[0] < plate[2] and plate[1] < t[3] and t[1] < plate[3] for t in taken):
            return x, y
    return places[0]
