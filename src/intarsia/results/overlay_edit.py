"""The search of an edit by words, drawn over the photo: relevance map, anchors, boxes and their scores."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from intarsia.imaging.geometry import Box, Point
from intarsia.imaging.photo import Photo
from intarsia.records.weighted_prompt import without_weights
from intarsia.regions.edit import Candidate, EditResult
from intarsia.results.drawing import DARK, Colour, Font, Rectangle, free_place

CHOSEN: Colour = (0, 230, 118)
FINALIST: Colour = (255, 255, 255)
PREVIEW: Colour = (190, 196, 204)
ANCHOR: Colour = (41, 182, 246)
TINT: Colour = (255, 112, 0)
FAINT = 120
"""Opacity, of 255, of the boxes that only had a preview."""
LEAST_SIDE = 512
MOST_SIDE = 1600
LABELLED = 8
"""Boxes that carry their rank and score; more would cover the picture."""


@dataclass(frozen=True, kw_only=True)
class Canvas:
    """A picture to draw on, enlarged from the photo.

    Attributes:
        scale: pixels of the canvas for one of the photo.
        unit: width of a thin line.
    """

    image: Image.Image
    draw: ImageDraw.ImageDraw
    font: Font
    scale: float
    unit: int

    def place(self, box: Box) -> Rectangle:
        """A box of the photo on the canvas, its lines inside the picture."""
        last = (self.image.width - 1, self.image.height - 1) * 2
        edges = (edge * self.scale for edge in box.as_tuple())
        x0, y0, x1, y1 = (min(max(edge, 0), most) for edge, most in zip(edges, last, strict=True))
        return x0, y0, x1, y1


def draw_overlay(
    photo: Photo, result: EditResult, *, least_side: int = LEAST_SIDE, labelled: int = LABELLED, legend: bool = True
) -> Image.Image:
    """Draw the search: the map, its anchors, the boxes.

    Args:
        photo: the picture before the edit.
        result: of the search.
        least_side: short side of the drawing, pixels; a larger photo keeps its size up to `MOST_SIDE`.
        labelled: how many of the best boxes carry rank and score.
        legend: whether a strip below says what the marks mean.

    Returns:
        RGB, the photo's aspect ratio, with the strip below.
    """
    canvas = tinted(photo, heat_of(result), least_side)
    chosen = result.candidates[result.chosen]
    ranked = list(enumerate(result.candidates, 1))
    for _, candidate in reversed(ranked):
        if candidate is not chosen:
            outline(canvas, candidate)
    for anchor in result.anchors:
        dot(canvas, anchor)
    frame(canvas, canvas.place(chosen.box), CHOSEN, 3 * canvas.unit)
    plates: list[Rectangle] = []
    for rank, candidate in sorted(ranked[:labelled], key=lambda item: item[1] is not chosen):
        label(canvas, candidate, f"{rank}  {candidate.scores.total:.2f}", plates, chosen=candidate is chosen)
    return with_legend(canvas, result) if legend else canvas.image


def heat_of(result: EditResult) -> np.ndarray:
    """(rows, columns) in [0, 1]: where the source words are likely, else what stands out."""
    heat = np.asarray(result.saliency if result.relevance is None else result.relevance, np.float32)
    heat = heat - heat.min()
    return np.asarray(heat / max(float(heat.max()), 1e-12))


def tinted(photo: Photo, heat: np.ndarray, least_side: int) -> Canvas:
    """The photo, enlarged and muted, tinted where the map is high."""
    scale = max(1.0, least_side / photo.size.short)
    scale = min(scale, max(MOST_SIDE, least_side) / photo.size.long)
    width, height = max(1, round(photo.size.width * scale)), max(1, round(photo.size.height * scale))
    picture = Image.fromarray(photo.pixels).resize((width, height), Image.Resampling.LANCZOS)
    glow = Image.fromarray((heat * 255).astype(np.uint8)).resize((width, height), Image.Resampling.BICUBIC)
    pixels = np.asarray(picture, np.float32)
    grey = pixels.mean(axis=2, keepdims=True)
    share = np.asarray(glow, np.float32)[..., None] / 255 * 0.5
    quiet = (0.6 * pixels + 0.4 * grey) * 0.86
    mixed = quiet * (1 - share) + np.array(TINT, np.float32) * share
    image = Image.fromarray(mixed.clip(0, 255).astype(np.uint8))
    short = min(width, height)
    return Canvas(
        image=image,
        draw=ImageDraw.Draw(image, "RGBA"),
        font=ImageFont.load_default(max(11, short / 34)),
        scale=scale,
        unit=max(1, round(short / 400)),
    )


def outline(canvas: Canvas, candidate: Candidate) -> None:
    """A finalist's box in full; one that only had a preview as a faint line, since there are many."""
    place = canvas.place(candidate.box)
    if candidate.photo is None:
        canvas.draw.rectangle(place, outline=(*PREVIEW, FAINT), width=canvas.unit)
    else:
        frame(canvas, place, FINALIST, 2 * canvas.unit)


def frame(canvas: Canvas, place: Rectangle, colour: Colour, width: int) -> None:
    """A rectangle between two dark lines, so that it shows on any ground."""
    x0, y0, x1, y1 = place
    grown = (x0 - canvas.unit, y0 - canvas.unit, x1 + canvas.unit, y1 + canvas.unit)
    canvas.draw.rectangle(grown, outline=DARK, width=width + 2 * canvas.unit)
    canvas.draw.rectangle(place, outline=colour, width=width)


def dot(canvas: Canvas, point: Point) -> None:
    mark(canvas.draw, point.x * canvas.scale, point.y * canvas.scale, 4 * canvas.unit, canvas.unit)


def mark(draw: ImageDraw.ImageDraw, x: float, y: float, radius: float, line: int) -> None:
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=ANCHOR, outline=DARK, width=line)


def label(canvas: Canvas, candidate: Candidate, text: str, plates: list[Rectangle], *, chosen: bool) -> None:
    """Write rank and score on a plate at a corner of the box where no other plate is."""
    pad = 2 * canvas.unit
    left, top, right, bottom = canvas.draw.textbbox((0, 0), text, font=canvas.font)
    width, height = right - left + 2 * pad, bottom - top + 2 * pad
    x, y = free_place(canvas.place(candidate.box), (width, height), plates, canvas.image.size)
    plate = (x, y, x + width, y + height)
    plates.append(plate)
    ground = CHOSEN if chosen else FINALIST if candidate.photo is not None else PREVIEW
    canvas.draw.rounded_rectangle(plate, radius=pad, fill=ground, outline=DARK, width=canvas.unit)
    canvas.draw.text((x + pad - left, y + pad - top), text, font=canvas.font, fill=DARK)


def with_legend(canvas: Canvas, result: EditResult) -> Image.Image:
    """The canvas with a strip below that says what the marks mean."""
    heat = f"likely: {without_weights(result.record.source)}" if result.relevance is not None else "stands out"
    entries: list[tuple[Colour, str]] = [(CHOSEN, "chosen")]
    others = [c for k, c in enumerate(result.candidates) if k != result.chosen]
    if any(c.photo is not None for c in others):
        entries.append((FINALIST, "painted to the end"))
    if any(c.photo is None for c in others):
        entries.append((PREVIEW, "preview only"))
    if result.anchors:
        entries.append((ANCHOR, "anchor"))
    entries.append((TINT, heat if len(heat) <= 28 else heat[:27] + "…"))
    size, gap = canvas.font.getbbox("Ag")[3], 6 * canvas.unit
    places, x, y = [], float(gap), float(gap)
    for _, text in entries:
        width = size + gap + canvas.font.getlength(text) + 2 * gap
        if x + width > canvas.image.width and x > gap:
            x, y = float(gap), y + size + gap
        places.append((x, y))
        x += width
    sheet = Image.new("RGB", (canvas.image.width, canvas.image.height + round(y + size + gap)), DARK)
    sheet.paste(canvas.image)
    draw = ImageDraw.Draw(sheet)
    for (colour, text), (left, top) in zip(entries, places, strict=True):
        top += canvas.image.height
        if colour == ANCHOR:
            mark(draw, left + size / 2, top + size / 2, size / 3, canvas.unit)
        elif colour == TINT:
            draw.rectangle((left, top, left + size, top + size), fill=colour)
        else:
            draw.rectangle((left, top, left + size, top + size), outline=colour, width=3 * canvas.unit)
        draw.text((left + size + gap, top), text, font=canvas.font, fill=(236, 239, 241))
    return sheet
