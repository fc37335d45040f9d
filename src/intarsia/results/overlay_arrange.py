"""A scene and a layout drawn over the picture: what is there, where it shall go, what came out."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from intarsia.imaging.affine import Matrix
from intarsia.imaging.masks import Mask, bounds_of
from intarsia.imaging.photo import Photo
from intarsia.layout.colour_map import distinct_colours, read_colours
from intarsia.layout.edit import CLOSE
from intarsia.layout.layout import Layout
from intarsia.layout.layout_files import visible
from intarsia.layout.scene import Scene
from intarsia.results.overlay_edit import DARK, Colour, Font, Rectangle, free_place

Masks = Mapping[str, Mask]

PALETTE: tuple[Colour, ...] = (
    (255, 196, 0),
    (0, 164, 255),
    (255, 64, 96),
    (46, 204, 113),
    (186, 85, 255),
    (255, 128, 24),
    (0, 230, 215),
    (255, 120, 210),
)
"""Colours that show on photographs and cannot be taken for each other."""

PAPER: Colour = (252, 252, 250)
INK: Colour = (28, 31, 36)
MOVED = "moved"
"""The note that an arrow says as well."""
CROSS: Colour = (255, 45, 60)
CAPTIONS = ("before", "the wish", "after")
LEAST_SIDE = 360
MOST_SIDE = 900
FINE = 2
"""Drawn so many times larger than it is shown, for smooth lines."""
LEVELS = (0.31, 0.5, 0.84, 0.933)
"""Of a border softened by two units: one unit outside it, on it, two and three inside."""
SMALL_MOVE = 0.03
"""Of the short side; a shorter way gets no arrow."""


def colours_of(names: Sequence[str], key: str | None = None) -> dict[str, Colour]:
    """A colour for each object, the same in drawings and in a scene's map.

    Args:
        names: of the scene's objects.
        key: the file that gives them colours already.
    """
    given = read_colours(key) if key is not None else {}
    if all(name in given for name in names) and names:
        return {name: given[name] for name in names}
    if len(names) > len(PALETTE):
        many = distinct_colours(names)
        return {name: many[name] for name in names}
    return dict(zip(names, PALETTE, strict=False))


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
    image = shown(photo).resize(size, Image.Resampling.LANCZOS)
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


def draw_scene(photo: Photo, masks: Masks, colours: Mapping[str, Colour], side: int | None = None) -> Image.Image:
    """The photo with its objects' outlines and names.

    Args:
        masks: (H, W) at the photo's size, by name.
        side: short side of the drawing, pixels.
    """
    drawing = drawing_on(photo, side)
    for name, mask in masks.items():
        outline(drawing, mask, colours[name])
    for name, mask in masks.items():
        plate(drawing, mask, name, colours[name], others(masks, name))
    return drawing.finished()


def draw_wish(
    photo: Photo,
    before: Masks,
    after: Masks,
    colours: Mapping[str, Colour],
    notes: Mapping[str, str],
    side: int | None = None,
) -> Image.Image:
    """What shall happen: where objects are (dashed), where they shall be (filled), arrows from there to here.

    Args:
        photo: the picture as it is.
        before: what each object covers now, by name.
        after: what each shall cover, back to front; who is missing is removed.
        notes: what happens to an object, in a word or two; who is not named stays as it is.
        side: short side of the drawing, pixels.
    """
    drawing = drawing_on(photo, side, quiet=True)
    for name, mask in before.items():
        if name in notes:
            outline(drawing, mask, colours[name], dashed=True)
    for name, mask in after.items():
        if name in notes:
            fill(drawing, mask, colours[name])
        outline(drawing, mask, colours[name])
    for name in (n for n in before if n not in after):
        cross(drawing, before[name])
    for name in (n for n in after if n in before and n in notes):
        arrow(drawing, middle(before[name]), middle(after[name]), colours[name])
    for name in sorted(before, key=lambda n: n not in notes):
        said = f"{name}: {notes[name]}" if notes.get(name, MOVED) != MOVED else name
        plate(drawing, after.get(name, before[name]), said, colours[name], others({**before, **after}, name))
    return drawing.finished()


def layout_sheet(scene: Scene, layout: Layout, result: Photo, colours: Mapping[str, Colour]) -> Image.Image:
    """Source layout, target layout and result, side by side; below each other where the picture is very wide."""
    before = {thing.name: thing.mask for thing in scene.objects}
    panels = (
        draw_scene(scene.photo, before, colours),
        draw_wish(scene.photo, before, visible(layout), colours, notes_on(layout)),
        drawing_on(result).finished(),
    )
    return captioned(panels, CAPTIONS)


def captioned(panels: Sequence[Image.Image], captions: Sequence[str]) -> Image.Image:
    """Panels of one size with a word over each."""
    width, height = panels[0].size
    gap, head = 16, 34
    stacked = width > 2 * height
    across, down = (1, len(panels)) if stacked else (len(panels), 1)
    size = (across * (width + gap) + gap, down * (height + head) + gap)
    sheet = Image.new("RGB", size, PAPER)
    draw = ImageDraw.Draw(sheet)
    for k, (panel, caption) in enumerate(zip(panels, captions, strict=True)):
        left, top = (gap, k * (height + head)) if stacked else (gap + k * (width + gap), 0)
        draw.text((left, top + head / 2 + 1), caption, font=ImageFont.load_default(18), fill=INK, anchor="lm")
        sheet.paste(panel, (left, top + head))
    return sheet


def notes_on(layout: Layout) -> dict[str, str]:
    """What happens to each object in a word or two; those that stay as they are do not appear."""
    notes = {
        p.name: "new shape" if p.fit < CLOSE else said or "reshaped"
        for p in layout.placements
        if (said := change(p.matrix)) or p.fit < 1
    }
    return {**notes, **dict.fromkeys(layout.removed, "removed")}


def notes_between(former: Layout, layout: Layout) -> dict[str, str]:
    """What happens to each object from one layout to the next, in a word or two."""
    was = {p.name: p.matrix for p in former.placements}
    notes = {p.name: change(onward(was[p.name], p.matrix)) for p in layout.placements if p.name in was}
    gone = [name for name in layout.removed if name in was]
    return {**{name: note for name, note in notes.items() if note}, **dict.fromkeys(gone, "removed")}


def onward(first: Matrix, second: Matrix) -> Matrix:
    """The map that goes from where `first` takes an object to where `second` does."""
    whole = [np.array([m[:3], m[3:], (0, 0, 1)]) for m in (first, second)]
    step = whole[1] @ np.linalg.inv(whole[0])
    a, b, c, d, e, f = (round(float(v), 6) for v in step[:2].reshape(-1))
    return a, b, c, d, e, f


def change(matrix: Matrix) -> str:
    """What an affine map does to an object, in a word or two; nothing for the identity."""
    a, b, _, d, e, _ = matrix
    mirrored = a * e - b * d < 0
    if mirrored:
        a, d = -a, -d
    wide, high = math.hypot(a, d), math.hypot(b, e)
    angle = math.degrees(math.atan2(d, a))
    said = []
    if abs(math.log(max(wide, 1e-6) / max(high, 1e-6))) > 0.05:
        said.append(f"{wide:.2g}x wide, {high:.2g}x high")
    elif abs(wide - 1) > 0.02:
        said.append(f"{(wide * high) ** 0.5:.2g}x")
    if abs(angle) > 2:
        said.append(f"turned {angle:.0f}°")
    if mirrored:
        said.append("mirrored")
    moves = matrix != (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
    return ", ".join(said) or (MOVED if moves else "")


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
    rows, columns = np.nonzero(mask)
    if not rows.size:
        return mask.shape[1] / 2, mask.shape[0] / 2
    return float(columns.mean()) + 0.5, float(rows.mean()) + 0.5


def arrow(drawing: Drawing, start: tuple[float, float], end: tuple[float, float], colour: Colour) -> None:
    """An arrow between two places of the photo, if they are far enough apart to need one."""
    (x0, y0), (x1, y1) = ((x * drawing.scale, y * drawing.scale) for x, y in (start, end))
    length = math.hypot(x1 - x0, y1 - y0)
    if length < SMALL_MOVE * min(drawing.image.size):
        return
    u, draw = drawing.unit, drawing.draw
    along, head = ((x1 - x0) / length, (y1 - y0) / length), min(11 * u, 0.6 * length)

    def point(back: float, aside: float) -> tuple[float, float]:
        return x1 - back * along[0] - aside * along[1], y1 - back * along[1] + aside * along[0]

    for grow, ink in ((u, DARK), (0, colour)):
        draw.line((x0, y0, *point(head * 0.8, 0)), fill=ink, width=3 * u + 2 * grow)
        draw.ellipse((x0 - 3 * u - grow, y0 - 3 * u - grow, x0 + 3 * u + grow, y0 + 3 * u + grow), fill=ink)
        wings = head * 0.55 + 1.6 * grow
        draw.polygon([point(-2.2 * grow, 0), point(head + grow, wings), point(head + grow, -wings)], fill=ink)


def cross(drawing: Drawing, mask: Mask) -> None:
    """Two strokes over an object that goes."""
    x0, y0, x1, y1 = bounds(drawing, mask)
    x, y, reach = (x0 + x1) / 2, (y0 + y1) / 2, 0.32 * min(x1 - x0, y1 - y0)
    strokes = ((x - reach, y - reach, x + reach, y + reach), (x - reach, y + reach, x + reach, y - reach))
    for width, ink in ((7 * drawing.unit, DARK), (5 * drawing.unit, CROSS)):
        for stroke in strokes:
            drawing.draw.line(stroke, fill=ink, width=width)


def bounds(drawing: Drawing, mask: Mask) -> Rectangle:
    """The box around what a mask covers, on the drawing; the middle of the picture where it covers nothing."""
    part = bounds_of(mask)
    if part is None:
        x, y = drawing.image.width / 2, drawing.image.height / 2
        return x, y, x, y
    rows, columns = part
    edges = (columns.start, rows.start, columns.stop, rows.stop)
    x0, y0, x1, y1 = (float(edge) * drawing.scale for edge in edges)
    return x0, y0, x1, y1


def others(masks: Masks, name: str) -> Mask | None:
    """What all objects but one cover."""
    rest = [mask for other, mask in masks.items() if other != name]
    return np.any(rest, axis=0) if rest else None


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
