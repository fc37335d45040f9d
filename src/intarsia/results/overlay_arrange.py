"""A scene and a layout drawn over the picture: the objects, the layout asked for, the result."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from intarsia.imaging.affine import Matrix
from intarsia.imaging.masks import Mask
from intarsia.imaging.photo import Photo
from intarsia.layout.colour_map import distinct_colours, read_colours
from intarsia.layout.doubts import unsure_of, with_chance
from intarsia.layout.edit import CLOSE
from intarsia.layout.layout import Layout
from intarsia.layout.scene import Scene, SceneObject
from intarsia.results.drawing import (
    DARK,
    PAPER,
    Colour,
    Drawing,
    bounds,
    drawing_on,
    fill,
    middle,
    outline,
    plate,
)

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

INK: Colour = (28, 31, 36)
MOVED = "moved"
"""The note that an arrow says as well."""
COPY = "copy"
NO_COPIES: Mapping[str, str] = {}
CROSS: Colour = (255, 45, 60)
CAPTIONS = ("before", "the wish", "after")
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


def draw_scene(
    photo: Photo,
    masks: Masks,
    colours: Mapping[str, Colour],
    found: Sequence[SceneObject] = (),
    side: int | None = None,
) -> Image.Image:
    """The photo with its objects' outlines and names.

    Args:
        masks: (H, W) at the photo's size, by name.
        found: objects on which it is written how sure they are; those that are not have a dashed outline.
        side: short side of the drawing, pixels.
    """
    drawing = drawing_on(photo, side)
    said = {thing.name: with_chance(thing) for thing in found}
    unsure = {thing.name for thing in unsure_of(found)}
    for name, mask in masks.items():
        outline(drawing, mask, colours[name], dashed=name in unsure)
    for name, mask in masks.items():
        plate(drawing, mask, said.get(name, name), colours[name], others(masks, name))
    return drawing.finished()


def draw_wish(
    photo: Photo,
    before: Masks,
    after: Masks,
    colours: Mapping[str, Colour],
    notes: Mapping[str, str],
    side: int | None = None,
    copies: Mapping[str, str] = NO_COPIES,
) -> Image.Image:
    """The layout asked for: sources dashed, targets filled, arrows from source to target.

    Args:
        photo: the picture as it is.
        before: what each object covers now, by name.
        after: what each is to cover, back to front; an object that is missing here is removed.
        notes: what happens to an object, in a word or two; objects not named stay as they are.
        side: short side of the drawing, pixels.
        copies: names of copies, each with that of its object, whose colour it has.
    """
    drawing = drawing_on(photo, side, quiet=True)
    colours = {**colours, **{name: colours[source] for name, source in copies.items()}}
    starts = {**before, **{name: before[source] for name, source in copies.items()}}
    for name, mask in before.items():
        if name in notes:
            outline(drawing, mask, colours[name], dashed=True)
    for name, mask in after.items():
        if name in notes:
            fill(drawing, mask, colours[name])
        outline(drawing, mask, colours[name])
    for name in (n for n in before if n not in after):
        cross(drawing, before[name])
    for name in (n for n in after if n in starts and n in notes):
        arrow(drawing, middle(starts[name]), middle(after[name]), colours[name])
    for name in sorted(starts, key=lambda n: n not in notes):
        said = f"{name}: {notes[name]}" if notes.get(name, MOVED) != MOVED else name
        plate(drawing, after.get(name, starts[name]), said, colours[name], others({**before, **after}, name))
    return drawing.finished()


def layout_sheet(scene: Scene, layout: Layout, result: Photo, colours: Mapping[str, Colour]) -> Image.Image:
    """Source layout, target layout and result, side by side; below each other where the picture is very wide."""
    copies = {p.name: p.copy_of for p in layout.placements if p.copy_of is not None}
    wished = layout.visible_masks()
    panels = (
        draw_scene(scene.photo, scene.masks, colours, scene.objects),
        draw_wish(scene.photo, scene.masks, wished, colours, notes_on(layout), copies=copies),
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
        if p.copy_of is None and ((said := change(p.matrix)) or p.fit < 1)
    }
    for copy in (p for p in layout.placements if p.copy_of is not None):
        said = change(copy.matrix)
        notes[copy.name] = COPY if said in ("", MOVED) else f"{COPY}, {said}"
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
    """Two strokes over an object that is removed."""
    x0, y0, x1, y1 = bounds(drawing, mask)
    x, y, reach = (x0 + x1) / 2, (y0 + y1) / 2, 0.32 * min(x1 - x0, y1 - y0)
    strokes = ((x - reach, y - reach, x + reach, y + reach), (x - reach, y + reach, x + reach, y - reach))
    for width, ink in ((7 * drawing.unit, DARK), (5 * drawing.unit, CROSS)):
        for stroke in strokes:
            drawing.draw.line(stroke, fill=ink, width=width)


def others(masks: Masks, name: str) -> Mask | None:
    """What all objects but one cover."""
    rest = [mask for other, mask in masks.items() if other != name]
    return np.any(rest, axis=0) if rest else None
