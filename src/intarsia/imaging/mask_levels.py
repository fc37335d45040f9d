"""What a mask file marks, as people mean it: black and white, soft brushes, layers, zeros and ones, maps of labels.

Where two readings are likely, the mask is refused in a sentence that names both.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from scipy import ndimage

from intarsia.errors import EmptyMaskError, RegionError, Remedy, Setting
from intarsia.imaging.mask_files import MOST, WHITES, StoredMask, read_stored
from intarsia.imaging.photo import Bytes
from intarsia.notes import note

GREY = (32, 223)
"""Levels between these are neither black nor white."""

GREY_SHARE = 0.1
"""Of a mask's pixels, so many may be grey, but not more than are painted: any brush leaves some."""

SOFT_BLACK, SOFT_ROUGHNESS, SOFT_STROKES = 0.2, 3.0, 40
"""Of a soft brush: share of the picture that it leaves black at least, mean levels by which grey pixels differ from those
around them at most, and strokes at most; a photograph has other greys."""

COLOUR_SPREAD = 48
"""Levels between the channels of a pixel above which it counts as coloured; JPEG leaves fewer."""

COLOUR_SHARE = 0.01
"""Of a mask's pixels, so many may be coloured, or lie hidden and white under what is clear."""

MOST_LABELS = 64
"""Labels that a map of them has at most, for a palette or levels of grey to count as one."""

FLAT_SHARE = 0.75
"""Share of neighbours that have the same label in such a map."""

FEW_LABELS = 8
"""So few greys are hardly a picture's; of more, neighbours must differ even less."""

DEEP = 257
"""What one level of 8 bits is in 16."""

VOID = 255
"""The label that borders have in many such maps, which is no object's."""

VOID_WIDTH = 1 / 32
"""Widest void border, as a share of the picture's short side."""

PHOTO_COLOURS = 500
"""Colours, of 15 bits, from which a picture in colour is taken for a photograph."""

BLACK_AND_WHITE = "save it in black and white, white where to repaint."
"""What can always be done."""

Labels = npt.NDArray[np.unsignedinteger]


def read_levels(path: str | Path, invert: bool, label: int | None = None, *, choosable: bool = False) -> Bytes:
    """How far each pixel of a mask file is white (H, W), upright; from 128 on it counts as white.

    Args:
        invert: black is what is marked.
        label: this one of its labels is white, all else is black.
        choosable: whether the setting `mask_label` is for this mask.

    Raises:
        PictureError: the file is not a readable picture.
        RegionError: it is not clear what it marks.
        EmptyMaskError: all of it is transparent, or it has no such label.
    """
    stored = read_stored(path)
    if label is not None:
        return _one_label(path, stored, label)
    if stored.labels is not None and stored.exact and (stored.paletted or stored.alpha is None):
        chosen = _labelled(path, stored, stored.labels, choosable)
        if chosen is not None:
            return chosen
    coloured = 0.0 if stored.colours is None else _colourful_share(stored.colours, stored.alpha)
    if stored.colours is not None and coloured > COLOUR_SHARE:
        raise RegionError(_colour_message(path, stored.colours, coloured))
    levels = stored.levels if stored.alpha is None else _layer(path, stored, stored.alpha)
    _check_grey(path, stored, levels, invert)
    return levels


# Labels


def _one_label(path: str | Path, stored: StoredMask, label: int) -> Bytes:
    if stored.labels is None:
        raise RegionError(
            f"The mask {path} is in colour and has no numbers, so that label {label} cannot be chosen: save its labels "
            "as levels of grey or with a palette, or save it in black and white."
        )
    marked = stored.labels == label
    if not marked.any():
        present = _present(stored.labels)
        told = f"its labels are {listed(present)}" if len(present) <= MOST_LABELS else "it is no map of labels"
        raise EmptyMaskError(f"The mask {path} has no label {label}; {told}: name one that it has.")
    return np.where(marked, np.uint8(255), np.uint8(0))


def _labelled(path: str | Path, stored: StoredMask, labels: Labels, choosable: bool) -> Bytes | None:
    """The mask of the only label of a map of labels; None for a mask in black and white.

    Raises:
        RegionError: it has several.
    """
    present = _present(labels)
    if len(present) > MOST_LABELS or not _is_map(stored, labels, present):
        return None
    void = VOID in present and len(present) > 2 and _is_void(labels)
    objects = [label for label in present if label != 0 and not (void and label == VOID)]
    if len(objects) == 1 and len(present) > 1:
        label = objects[0]
        rest = "0, and 255 at borders" if void else "0"
        what = "lies in place" if stored.paletted else "has the level"
        if label == 1 and not stored.paletted:
            fact = f"The mask {path} is nearly black to the eye, as its brightest level is 1: 1 is taken for white."
        else:
            fact = f"The mask {path} is taken for a map of labels: what {what} {label} is marked, the rest is {rest}."
        note(fact)
        return np.where(labels == label, np.uint8(255), np.uint8(0))
    if len(objects) == 1:
        raise RegionError(
            f"The mask {path} has the level {objects[0]} everywhere, which is nearly black in a picture, and everything "
            f"in a map of labels: {BLACK_AND_WHITE}"
        )
    raise RegionError(
        f"The mask {path} is a map of the labels {listed(present)}, which does not say which of them is meant",
        *((Remedy("choose one with ", Setting("mask_label", objects[0]), page=()),) if choosable else ()),
        Remedy("save it in black and white, white where to repaint"),
    )


def _is_map(stored: StoredMask, labels: Labels, present: Sequence[int]) -> bool:
    """Whether labels are a map's, not the levels of a picture in black, white and grey."""
    highest = present[-1]
    if highest == 0:
        return False
    if stored.paletted:
        return _flat_share(labels) >= FLAT_SHARE
    if highest > 255:
        if len(present) > 2 and highest > GREY[0] * DEEP:
            return _is_flat_greys(labels, present, DEEP)
        return highest not in (*WHITES, MOST) and (len(present) == 2 or _flat_share(labels) >= FLAT_SHARE)
    dark = [label for label in present if label <= GREY[0]]
    if highest <= GREY[0]:
        return len(present) <= 2 or _flat_share(labels) >= FLAT_SHARE
    if present[-1] == VOID and len(dark) >= 2 and dark[0] == 0 and len(dark) == len(present) - 1:
        return _is_void(labels)
    return _is_flat_greys(labels, present, 1)


def _is_flat_greys(labels: Labels, present: Sequence[int], unit: int) -> bool:
    """Whether several flat greys are labels: a brush's edge, or a picture's greys, have more levels in smaller parts."""
    greys = [label for label in present if GREY[0] * unit < label < GREY[1] * unit]
    if len(present) < 3 or not greys:
        return False
    grey = float(np.isin(labels, greys).mean())
    painted = float((labels >= GREY[1] * unit).mean())
    enough = FLAT_SHARE if len(present) <= FEW_LABELS else (1 + FLAT_SHARE) / 2
    return (grey > GREY_SHARE or grey > painted) and _flat_share(labels) >= enough


def _is_void(labels: Labels) -> bool:
    """Whether 255 is a thin border and not an area, beside labels that cover more."""
    void = (labels == VOID).astype(np.uint8)
    width = max(3, round(VOID_WIDTH * min(labels.shape))) | 1
    core = cv2.erode(void, np.ones((width, width), np.uint8), borderType=cv2.BORDER_REPLICATE)
    return not core.any() and int(void.sum()) <= int(((labels > 0) & (labels != VOID)).sum())


def _flat_share(labels: Labels) -> float:
    """Share of neighbours that have the same label."""
    same = (labels[1:] == labels[:-1]).mean() + (labels[:, 1:] == labels[:, :-1]).mean()
    return float(same) / 2


def _present(labels: Labels) -> list[int]:
    """The labels that there are, from the lowest up."""
    return [int(label) for label in np.flatnonzero(np.bincount(labels.ravel()))]


def listed(labels: Sequence[int]) -> str:
    """ "0, 1 and 15"; of more than a dozen, the first ten and how many there are."""
    if len(labels) > 12:
        return f"{', '.join(map(str, labels[:10]))} and {len(labels) - 10} more"
    return " and ".join(filter(None, (", ".join(map(str, labels[:-1])), str(labels[-1]))))


# Layers


def _layer(path: str | Path, stored: StoredMask, alpha: Bytes) -> Bytes:
    """A layer's brightness x opacity (H, W): what it shows on black."""
    clear, levels = alpha == 0, stored.levels
    if clear.all():
        raise EmptyMaskError(
            f"The mask {path} is transparent everywhere, so that nothing is marked",
            Remedy("paint white what should change"),
        )
    if clear.any() and levels.min() >= GREY[1]:
        raise RegionError(
            f"The mask {path} is white throughout and partly transparent, which could mean that the white is to be repainted "
            "or that the rest is: save it in plain black and white, white where to repaint."
        )
    if float((levels[clear] > GREY[0]).sum()) > COLOUR_SHARE * clear.sum():
        raise RegionError(
            f"The mask {path} is partly transparent, and not black under that, so that its shape could be in its "
            "brightness or in its transparency: save it in plain black and white, white where to repaint."
        )
    seen = levels[~clear]
    if seen.max() <= GREY[0]:
        raise RegionError(
            f"The mask {path} is black on a transparent layer, which could mean that the black is to be repainted or that "
            "the rest is: save it in plain black and white, white where to repaint."
        )
    shown = np.round(levels.astype(np.float32) * alpha / np.float32(255)).astype(np.uint8)
    brightest = int(shown.max())
    if seen.min() >= GREY[1] and brightest < GREY[1]:  # white everywhere, with a brush that lets something through
        note(f"The mask {path} is painted at {brightest / 255:.0%} opacity, which is taken for white.")
        return np.round(shown.astype(np.float32) * np.float32(255 / brightest)).astype(np.uint8)
    return shown


# Greys and colours


def _check_grey(path: str | Path, stored: StoredMask, levels: Bytes, invert: bool) -> None:
    """Raise `RegionError` where black and white cannot be told apart."""
    painted = 255 - levels if invert else levels
    counts = np.bincount(painted.ravel(), minlength=256)
    grey = counts[GREY[0] + 1 : GREY[1]].sum() / levels.size
    white = counts[GREY[1] :].sum() / levels.size
    if grey <= GREY_SHARE and grey <= white:
        return
    if stored.alpha is not None and stored.levels[stored.alpha > 0].min() >= GREY[1]:
        return  # a white brush on a clear layer, however soft
    if counts[: GREY[0] + 1].sum() >= SOFT_BLACK * levels.size and is_soft(painted):
        return
    if len(np.flatnonzero(counts)) > MOST_LABELS and _roughness(levels) > SOFT_ROUGHNESS:
        raise RegionError(
            f"The mask {path} looks like a photograph, grey in {grey:.0%} of its pixels, which does not say what to "
            "repaint: give the mask of it, in black and white, white where to repaint."
        )
    raise RegionError(
        f"The mask {path} is grey in {grey:.0%} of its pixels, which does not say what to repaint: "
        "raise its contrast to black and white, white where to repaint."
    )


def is_soft(painted: Bytes) -> bool:
    """Whether greys (H, W) are the soft edges of white strokes: they change smoothly, and most of the strokes reach white."""
    if _roughness(painted) > SOFT_ROUGHNESS:
        return False
    strokes, count = ndimage.label(painted >= 128)
    if not 0 < count <= SOFT_STROKES:
        return False
    brightest, areas = ndimage.maximum(painted, strokes, range(count + 1)), np.bincount(strokes.ravel())
    reaching = areas[1:][np.asarray(brightest)[1:] >= GREY[1]]
    return bool(reaching.sum() >= areas[1:].sum() / 2)


def _roughness(levels: Bytes) -> float:
    """Mean levels by which grey pixels differ from the mean of those around them; 0 where none are grey."""
    grey = (levels > GREY[0]) & (levels < GREY[1])
    if not grey.any():
        return 0.0
    values = levels.astype(np.float32)
    return float(np.abs(values - cv2.blur(values, (3, 3)))[grey].mean())


def _colourful_share(pixels: Bytes, alpha: Bytes | None) -> float:
    """Share of the pixels (H, W, 3) that are clearly coloured, where they are not clear."""
    red, green, blue = (pixels[..., channel] for channel in range(3))
    most, least = np.maximum(np.maximum(red, green), blue), np.minimum(np.minimum(red, green), blue)
    coloured = most - least > COLOUR_SPREAD
    return float((coloured if alpha is None else coloured & (alpha > 0)).mean())


def _colour_message(path: str | Path, colours: Bytes, coloured: float) -> str:
    """The sentence about a mask in colour."""
    packed = (colours >> 3).astype(np.uint16)
    shades = np.unique(packed[..., 0] << 10 | packed[..., 1] << 5 | packed[..., 2])
    if len(shades) >= PHOTO_COLOURS:
        return (
            f"The mask {path} looks like a photograph, in colour in {coloured:.0%} of its pixels: give the mask of it, in "
            "black and white, white where to repaint."
        )
    return (
        f"The mask {path} is in colour ({coloured:.0%} of its pixels), which does not say what to repaint: "
        f"{BLACK_AND_WHITE}"
    )
