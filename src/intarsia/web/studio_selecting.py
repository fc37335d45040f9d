"""Selecting: outlines of what is clicked, framed or named, and the selections that the page sends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from intarsia.errors import EmptyMaskError, LayoutError, PictureError, RecordError, RegionError, Remedy
from intarsia.imaging.geometry import Box, Point, Size
from intarsia.imaging.mask_levels import COLOUR_SHARE, COLOUR_SPREAD
from intarsia.imaging.masks import Mask, bounding_box
from intarsia.imaging.outline import outline_box, outline_points, take_away
from intarsia.imaging.photo import Photo
from intarsia.imaging.read import read_photo
from intarsia.layout import detect
from intarsia.records.edit import EditRecord
from intarsia.tasks.scene import LoadSegmenter, segmenter_and_side
from intarsia.web.arrange_store import parse_names
from intarsia.web.error_messages import message_for
from intarsia.web.mask_uploads import numbers, uploaded_file, write_mask
from intarsia.web.sessions import Session
from intarsia.web.uploads import Facts, file_url

MOST_POINTS = 100
"""Points of one outline."""
MOST_NAMES = 12
"""Names that are looked for at once."""
LONGEST_WORDS = 400
"""Characters of them together."""
FAINT = 16
"""Level from which a pixel of a feathered selection is of it."""
NARROW = 2.0
"""Width in pixels up to which grey along a border is no feather, but what drawing leaves."""


# Outlines


def outline_wish(data: Mapping[str, Any]) -> tuple[list[Point], list[Point], Box | None]:
    """What the page pointed at: points on it, points beside it, and a box around it.

    Raises:
        RecordError: it is neither.
    """
    given = data.get("points") or []
    if not isinstance(given, list) or len(given) > MOST_POINTS:
        raise RecordError("What you pointed at has no place on the photo: reload the page.")
    marks = [numbers(each, 3) for each in given]
    on = [Point(x, y) for x, y, sign in marks if sign > 0]
    off = [Point(x, y) for x, y, sign in marks if sign <= 0]
    box = None if data.get("box") is None else Box(*numbers(data["box"], 4))
    if box is None and not on:
        raise RecordError("Nothing was pointed at: click on what is meant first.")
    return on, off, box


def outline(photo: Photo, on: Sequence[Point], off: Sequence[Point], box: Box | None) -> Mask:
    """(H, W) what was pointed at.

    Raises:
        RegionError: nothing stands out there.
    """
    if box is None:
        return outline_points(photo.pixels, on, off=off)
    mask = outline_box(photo.pixels, box)
    for point in on:
        inside = 0 <= point.x < photo.size.width and 0 <= point.y < photo.size.height
        if inside and not mask[int(point.y), int(point.x)]:
            mask = mask | outline_points(photo.pixels, [point], off=off)
    left = take_away(photo.pixels, mask, list(on) or [box.center], off)
    return left if left.any() else mask


def outline_answer(session: Session, photo: Photo, data: Mapping[str, Any]) -> Facts:
    """The outline of what a page pointed at, as a file."""
    mask = outline(photo, *outline_wish(data))
    return {"kind": "outline", "url": file_url(write_mask(mask, session))}


# Words


def wanted_names(data: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of objects that a page looks for.

    Raises:
        LayoutError: there are none, or too many.
    """
    names = parse_names(str(data.get("words") or "")[:LONGEST_WORDS])
    if not names:
        raise LayoutError("Nothing is named: say what is meant, such as cat.")
    if len(names) > MOST_NAMES:
        raise LayoutError(f"{len(names)} things are named, but {MOST_NAMES} are looked for at once: name fewer.")
    return names


def found_answer(
    session: Session, photo: Photo, names: Sequence[str], models: str, load_segmenter: LoadSegmenter
) -> Facts:
    """What the words show in a photo; those that show nothing are told of where others do.

    Raises:
        LayoutError: none of them shows anything.
    """
    segmenter, side = segmenter_and_side(models, load_segmenter)
    try:
        found = detected(photo, names, segmenter, side)
        missing: list[str] = []
    except LayoutError:
        if len(names) == 1:
            raise
        found, missing = found_one_by_one(photo, names, segmenter, side)
        if not found:
            raise
    return {
        "kind": "found",
        "things": [
            {
                "name": name,
                **sureness,
                "box": [float(edge) for edge in bounding_box(mask).as_tuple()],
                "url": file_url(write_mask(mask, session)),
            }
            for name, mask, sureness in found
        ],
        "missing": missing,
    }


Found = tuple[str, Mask, Facts]
"""Name, mask (H, W), and how sure it is: "confidence" in [0, 1], "sure", and "doubt", the likeliest cause if not."""


def found_one_by_one(photo: Photo, names: Sequence[str], segmenter: Any, side: int) -> tuple[list[Found], list[str]]:
    """What is found of names, each looked for alone; of the others, why not."""
    found: list[Found] = []
    missing = []
    for name in names:
        try:
            found += detected(photo, [name], segmenter, side)
        except LayoutError as problem:
            missing.append(message_for(problem))
    return found, missing


def detected(photo: Photo, names: Sequence[str], segmenter: Any, side: int) -> list[Found]:
    """What a segmenter shows of names."""
    found = []
    for thing in detect.detect_words(photo, names, segmenter, side=side):
        confidence = 1.0 if thing.confidence is None else round(float(thing.confidence), 3)
        found.append((thing.name, thing.mask, {"confidence": confidence, "sure": thing.sure, "doubt": thing.doubt}))
    return found


# Selections


class Selection:
    """A selection that a page sent: the mask, and how wide its soft edge is.

    Attributes:
        mask: (H, W) at the photo's size, not empty.
        feather: width of its soft edge, in pixels; 0 for a hard one.
    """

    def __init__(self, levels: np.ndarray) -> None:
        grey = (levels > FAINT) & (levels < 255 - FAINT)
        border = levels >= 128
        length = max(int((border[1:] != border[:-1]).sum() + (border[:, 1:] != border[:, :-1]).sum()), 1)
        width = float(grey.sum()) / length
        self.feather = width if width > NARROW else 0.0
        self.mask: Mask = levels >= FAINT if self.feather else border

    def share_for(self, size: Size, context: float = EditRecord.context) -> float | None:
        """The soft edge as a share of the short side of what is worked on, as records have it; None for the default."""
        if not self.feather:
            return None
        box = bounding_box(self.mask)
        side = context * max(box.width, box.height)
        return min(self.feather / max(min(side, size.short), 1.0), 0.5)


def read_selection(upload: Any, uploads: Path, size: Size) -> Selection:
    """A selection that the page sent.

    Args:
        upload: path that the page sent, which may be anything.
        uploads: folder of the uploads.
        size: of the photo, in pixels.

    Raises:
        PictureError: it is no upload, or no picture.
        RegionError: it is coloured, of another size than the photo, or nothing is selected.
    """
    file = uploaded_file(upload, uploads)
    try:
        picture = read_photo(file)
    except PictureError as error:
        raise error.replace(str(file), file.name) from error
    if picture.size != size:
        raise RegionError(
            f"The selection has {picture.size} pixels, but the photo has {size}", Remedy("reload the page")
        )
    spread = picture.pixels.max(-1).astype(np.int16) - picture.pixels.min(-1)
    if float((spread > COLOUR_SPREAD).mean()) > COLOUR_SHARE:
        raise RegionError("The selection is coloured", Remedy("reload the page"))
    selection = Selection(picture.pixels[..., 1])
    if not selection.mask.any():
        raise EmptyMaskError("Nothing is selected", Remedy("click on what is meant first"))
    return selection
