"""The demo's contact sheet: one line an edit."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from intarsia.demo.layouts import Shown
from intarsia.demo.page import BY_HAND, BY_LAYOUT, BY_WORDS, POCKET
from intarsia.demo.photographs import ShownPhotograph
from intarsia.imaging.photo import Photo
from intarsia.records.weighted_prompt import without_weights
from intarsia.regions.edit import EditResult
from intarsia.results.overlay_edit import draw_overlay

KEEP = 3

CELL = 220
GAP = 20
WORDS = 250
PAPER = (252, 252, 250)
INK = (28, 31, 36)
QUIET_INK = (108, 115, 125)
RULE = (226, 228, 224)
COLUMNS = ("before", "where it looked", "best candidates", "after")
LAYOUT_COLUMNS = ("before", "the wish", "after")
LAYOUT_CELL = (4 * CELL + GAP) // 3
"""Three columns take the room of four."""
PHOTOGRAPH_COLUMNS = ("before", "after")
PHOTOGRAPH_CELL = (4 * CELL + 2 * GAP) // 2
"""So do two."""


def words(result: EditResult) -> str:
    record = result.record
    source, prompt = without_weights(record.source), without_weights(record.prompt)
    return f"{source} becomes {prompt}" if source else prompt


def facts(result: EditResult) -> tuple[str, ...]:
    """The few numbers of an edit that are worth a line each."""
    best, cost = result.candidates[result.chosen], result.cost
    return (
        f"box {','.join(f'{edge:.0f}' for edge in best.box.as_tuple())}",
        f"score {best.scores.total:.2f}, best of {len(result.candidates)}",
        f"{len(result.anchors)} anchors, {cost.seconds:.1f} s",
        f"{cost.evaluations:,} denoiser evaluations",
    )


def strip(photo: Photo, result: EditResult) -> Image.Image:
    """One line of the sheet: before, where it looked, candidates, after, words."""
    height = CELL
    line = Image.new("RGB", (sheet_width(), height + GAP), PAPER)
    draw = ImageDraw.Draw(line)
    side = round(CELL * photo.size.short / photo.size.long)
    finalists = [c.photo for c in result.candidates if c.photo is not None][:KEEP]
    cells = (
        fitted(photo.as_image(), CELL),
        fitted(draw_overlay(photo, result, least_side=side, labelled=3, legend=False), CELL),
        candidates_cell(finalists, len(result.candidates) - len(finalists)),
        fitted(result.photo.as_image(), CELL),
    )
    for column, cell in enumerate(cells):
        left = GAP + column * (CELL + GAP)
        line.paste(cell, (left + (CELL - cell.width) // 2, (CELL - cell.height) // 2))
    say(draw, words(result), facts(result))
    return line


def layout_strip(step: Shown) -> Image.Image:
    """One line of the sheet's second half: before, the wish, after, words."""
    panels = [fitted(panel, LAYOUT_CELL) for panel in step.panels]
    line = Image.new("RGB", (sheet_width(), max(panel.height for panel in panels) + GAP), PAPER)
    for column, panel in enumerate(panels):
        line.paste(panel, (GAP + column * (LAYOUT_CELL + GAP) + (LAYOUT_CELL - panel.width) // 2, 0))
    say(ImageDraw.Draw(line), step.title, step.facts)
    return line


def photograph_strip(shown: ShownPhotograph) -> Image.Image:
    """One line of the sheet's first part: before, after, words."""
    panels = [fitted(panel, PHOTOGRAPH_CELL) for panel in shown.panels]
    line = Image.new("RGB", (sheet_width(), max(panel.height for panel in panels) + GAP), PAPER)
    for column, panel in enumerate(panels):
        line.paste(panel, (GAP + column * (PHOTOGRAPH_CELL + GAP) + (PHOTOGRAPH_CELL - panel.width) // 2, 0))
    row = shown.row
    say(ImageDraw.Draw(line), row.title, (row.command, *row.facts, row.credit))
    return line


def say(draw: ImageDraw.ImageDraw, title: str, facts: Sequence[str]) -> None:
    """The words at a line's right end."""
    left, top = GAP + 4 * (CELL + GAP), 30
    for text in wrapped(draw, title, font(22), WORDS):
        draw.text((left, top), text, font=font(22), fill=INK)
        top += 30
    top += 10
    for fact in facts:
        for text in wrapped(draw, fact, font(14), WORDS):
            draw.text((left, top), text, font=font(14), fill=QUIET_INK)
            top += 22


def candidates_cell(finalists: list[Photo], previews: int) -> Image.Image:
    """The finalists small, best first, two in a row, and how many more had only a preview."""
    cell = Image.new("RGB", (CELL, CELL), PAPER)
    draw = ImageDraw.Draw(cell)
    side = (CELL - 8) // 2
    for k, candidate in enumerate(finalists):
        small = fitted(candidate.as_image(), side)
        left, top = (k % 2) * (side + 8), (k // 2) * (side + 8)
        cell.paste(small, (left + (side - small.width) // 2, top + (side - small.height) // 2))
        corner = (left + (side - small.width) // 2 + 3, top + (side - small.height) // 2 + 3)
        draw.rounded_rectangle((*corner, corner[0] + 17, corner[1] + 17), 4, fill=PAPER)
        draw.text((corner[0] + 9, corner[1] + 9), str(k + 1), font=font(13), fill=INK, anchor="mm")
    if previews > 0 and len(finalists) < 4:
        k = len(finalists)
        centre = ((k % 2) * (side + 8) + side // 2, (k // 2) * (side + 8) + side // 2)
        draw.multiline_text(
            centre, f"{previews} more had\na preview only", font=font(13), fill=QUIET_INK, anchor="mm", align="center"
        )
    return cell


def fitted(picture: Image.Image, side: int) -> Image.Image:
    """The picture with its long side as asked, smoothly resized, on the sheet's ground where it is transparent."""
    if picture.mode == "RGBA":
        ground = Image.new("RGBA", picture.size, (*PAPER, 255))
        picture = Image.alpha_composite(ground, picture).convert("RGB")
    scale = side / max(picture.size)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture.resize(size, Image.Resampling.LANCZOS)


def contact_sheet(
    strips: Sequence[Image.Image],
    caption: str,
    arranged: Sequence[Image.Image] = (),
    photographs: Sequence[Image.Image] = (),
    *,
    note: str = "",
) -> Image.Image:
    """All lines, each part under its heading, photographs first.

    Args:
        strips, arranged, photographs: the lines of the parts.
        caption: what it all took.
        note: stands above the rest where there are no photographs.
    """
    parts = []
    if photographs:
        said = f"No model was used. {caption}"
        parts.append(headed(BY_HAND, said, PHOTOGRAPH_COLUMNS, PHOTOGRAPH_CELL, photographs))
    caption = "" if photographs else caption
    parts.append(headed(BY_WORDS, caption, COLUMNS, CELL, strips, said=f"{note} {POCKET}".strip()))
    if arranged:
        parts.append(headed(BY_LAYOUT, "", LAYOUT_COLUMNS, LAYOUT_CELL, arranged, said=POCKET))
    sheet = Image.new("RGB", (sheet_width(), sum(part.height for part in parts)), PAPER)
    top = 0
    for part in parts:
        sheet.paste(part, (0, top))
        top += part.height
    return sheet


def headed(
    title: str, caption: str, columns: Sequence[str], cell: int, strips: Sequence[Image.Image], *, said: str = ""
) -> Image.Image:
    """Lines under a heading, what is said of all of them, and the names of their columns."""
    measure = ImageDraw.Draw(Image.new("RGB", (1, 1)))
    sentences = wrapped(measure, said, font(15), sheet_width() - 2 * GAP)
    below = 68 + 22 * len(sentences)
    top = below + 28
    sheet = Image.new("RGB", (sheet_width(), top + sum(s.height for s in strips) + 8), PAPER)
    draw = ImageDraw.Draw(sheet)
    for number, sentence in enumerate(sentences):
        draw.text((GAP, 66 + 22 * number), sentence, font=font(15), fill=INK)
    draw.text((GAP, 18), title, font=font(24), fill=INK)
    draw.text((sheet_width() - GAP, 26), caption, font=font(14), fill=QUIET_INK, anchor="ra")
    draw.line((GAP, 56, sheet_width() - GAP, 56), fill=RULE, width=1)
    for column, name in enumerate(columns):
        draw.text((GAP + column * (cell + GAP), below), name, font=font(15), fill=QUIET_INK)
    draw.text((GAP + 4 * (CELL + GAP), below), "words and cost", font=font(15), fill=QUIET_INK)
    for line in strips:
        sheet.paste(line, (0, top))
        top += line.height
    return sheet


def sheet_width() -> int:
    return GAP + 4 * (CELL + GAP) + WORDS + GAP


def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def wrapped(
    draw: ImageDraw.ImageDraw, text: str, face: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int
) -> list[str]:
    """The text in lines no wider than asked, broken between words."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and draw.textlength(longer, font=face) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines
