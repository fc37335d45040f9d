"""Mask files as they are stored: levels of any depth, places of a palette, colours, and how far they are opaque."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image
from PIL.ExifTags import Base

from intarsia.errors import PictureError, RegionError
from intarsia.imaging.metadata import TURNS
from intarsia.imaging.photo import Bytes
from intarsia.imaging.read import PLAIN_MODES, open_image
from intarsia.imaging.unused_alpha import fill_unused_alpha

LOSSY = frozenset({"JPEG", "WebP", "AVIF", "HEIC"})
"""Formats that may have changed levels a little."""

WHITES = (255, 1023, 4095, 16383)
"""Levels that are white in 8, 10, 12 and 14 bits, where nothing is brighter; else 16 bits are meant."""

MOST = 65535

GREY_MODES = frozenset({"1", "L", "LA", "La"})
"""Pillow's names of pixels of 8 bits without colours."""

PALETTE_MODES = frozenset({"P", "PA"})


@dataclass(frozen=True, kw_only=True, eq=False)
class StoredMask:
    """A mask's pixels, upright, as its file has them; a colour profile is not applied.

    Attributes:
        levels: (H, W) uint8, brightness.
        colours: (H, W, 3) uint8; None where there are none, as in grey.
        labels: (H, W) uint8 or uint16, the file's own numbers: places of the palette, or levels at the file's depth; None of
            pixels in colour.
        paletted: whether labels are places of a palette.
        alpha: (H, W) uint8; None where all is opaque.
        exact: whether the file has its pixels just as they were drawn.
    """

    levels: Bytes
    colours: Bytes | None
    labels: npt.NDArray[np.unsignedinteger] | None
    paletted: bool
    alpha: Bytes | None
    exact: bool


def read_stored(path: str | Path) -> StoredMask:
    """Read a mask file of any depth.

    Raises:
        PictureError: the file is not a readable picture.
        RegionError: its levels have no meaning as a mask, such as numbers below 0.
    """
    with open_image(path, any_depth=True) as (opened, kind):
        opened.load()  # a TIFF is turned by this, and forgets its orientation
        fill_unused_alpha(opened, kind)
        left = opened.getexif().get(Base.Orientation, 1)
        picture = opened.transpose(TURNS[left]) if left in TURNS else opened.copy()
    exact = kind not in LOSSY
    if picture.mode[0] in "IF":
        labels = whole_levels(np.asarray(picture), path)
        return StoredMask(
            levels=brightness(labels), colours=None, labels=labels, paletted=False, alpha=None, exact=exact
        )
    if picture.mode not in PLAIN_MODES:
        raise PictureError(f"The mask {path} has pixels of the kind {picture.mode}: save it in plain black and white.")
    return eight_bits(picture, exact=exact)


def eight_bits(picture: Image.Image, *, exact: bool) -> StoredMask:
    """A decoded picture of 8 bits a channel as a mask."""
    paletted = picture.mode in PALETTE_MODES
    if picture.mode == "P":
        labels = np.array(picture)
    elif picture.mode == "PA":
        labels = np.array(picture.getchannel("P"))
    else:
        labels = None
    if picture.mode in ("La", "RGBa"):  # premultiplied: Pillow converts it only to its plain twin
        picture = picture.convert("LA" if picture.mode == "La" else "RGBA")
    alpha = np.array(picture.convert("RGBA").getchannel("A")) if picture.has_transparency_data else None
    if alpha is not None and bool((alpha == 255).all()):
        alpha = None
    if picture.mode in GREY_MODES:
        levels = np.array(picture.convert("LA").getchannel("L"))
        return StoredMask(levels=levels, colours=None, labels=levels, paletted=False, alpha=alpha, exact=exact)
    rgb = picture.convert("RGBA").convert("RGB") if picture.has_transparency_data else picture.convert("RGB")
    levels, colours = np.array(rgb.convert("L")), np.array(rgb)
    if bool((colours[..., 0] == colours[..., 1]).all() and (colours[..., 1] == colours[..., 2]).all()):
        own = labels if labels is not None and not paletted else levels
        return StoredMask(levels=levels, colours=None, labels=own, paletted=False, alpha=alpha, exact=exact)
    return StoredMask(levels=levels, colours=colours, labels=labels, paletted=paletted, alpha=alpha, exact=exact)


def whole_levels(values: npt.NDArray[np.number], path: str | Path) -> npt.NDArray[np.unsignedinteger]:
    """Levels of 16 or 32 bits, or floating-point ones from 0 to 1 or to 255, as whole numbers from 0 to 65535.

    Raises:
        RegionError: they are others, so that it is not clear what is white.
    """
    low, high = float(values.min()), float(values.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        raise RegionError(
            f"The mask {path} holds values that are not finite numbers: save it in black and white, white where to repaint."
        )
    if low >= 0 and np.issubdtype(values.dtype, np.floating):
        if high <= 1:
            return np.round(values * 255).astype(np.uint8)
        if high <= 255:
            return np.round(values).astype(np.uint8)
    elif low >= 0 and high <= MOST:
        return values.astype(np.uint8 if high <= 255 else np.uint16)
    elif low >= 0 and bool(((values == 0) | (values == values.max())).all()):
        return np.where(values > 0, np.uint8(255), np.uint8(0))
    raise RegionError(
        f"The mask {path} has levels from {low:g} to {high:g}, which does not say what is white: save it in black and "
        "white, white where to repaint."
    )


def brightness(labels: npt.NDArray[np.unsignedinteger]) -> Bytes:
    """Levels of any depth as levels of 8 bits; what is white follows from the brightest."""
    highest = int(labels.max())
    if highest <= 255:
        return labels.astype(np.uint8)
    white = highest if highest in WHITES else MOST
    return np.round(labels.astype(np.float32) * np.float32(255 / white)).astype(np.uint8)
