"""How strongly a lossy file is compressed: as the photo's own file was, or by a quality that is asked for."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from PIL import JpegImagePlugin, WebPImagePlugin

from intarsia.errors import PictureError
from intarsia.imaging.jpeg_blocks import blocks_are_kept
from intarsia.imaging.photo import Photo
from intarsia.imaging.read import open_image
from intarsia.records.choices import OutputFormat

log = logging.getLogger(__name__)

KINDS = {"png": "PNG", "jpeg": "JPEG", "webp": "WEBP", "avif": "AVIF"}
"""What the writers call the formats that can be asked for by name."""

FULL_COLOUR = 90
"""JPEG quality from which colours are kept at full resolution."""

GOOD_WEBP = 95
"""Quality that follows a lossy WebP: what it was written with cannot be read from it."""


def compression(kind: str, original: Path | None, quality: int | None) -> dict[str, Any]:
    """Pillow's options for a file of a kind; nothing where the writer's own are right.

    Args:
        kind: "JPEG", "WEBP" or "AVIF"; other kinds are lossless.
        original: file of the photo, of whatever kind; None for one that was made in memory.
        quality: 1 to 100; None to compress as the original was, where it is of the same kind.
    """
    if quality is not None and kind == "JPEG":
        return {"quality": quality, "subsampling": 0 if quality >= FULL_COLOUR else 2}
    if quality is not None and kind == "WEBP":
        return {"lossless": False, "quality": quality}
    if quality is not None and kind == "AVIF":
        return {"quality": quality}
    if original is None or kind not in ("JPEG", "WEBP"):
        return {}
    try:
        with open_image(original) as (picture, _):
            if kind == "JPEG" and isinstance(picture, JpegImagePlugin.JpegImageFile):
                return jpeg_tables(picture)
            lossy = isinstance(picture, WebPImagePlugin.WebPImageFile) and not is_lossless(original)
            return {"lossless": False, "quality": GOOD_WEBP} if kind == "WEBP" and lossy else {}
    except PictureError as problem:  # it was there when it was read
        log.debug("how %s is compressed cannot be read: %s", original, problem)
        return {}


def kind_asked(format: OutputFormat, own: str) -> str:
    """What the writers call the format that is asked for.

    Args:
        own: the photo's format, as `Photo.format` names it, for keep.
    """
    return KINDS.get(format, own.upper())


KEEPS_BLOCKS = "The picture is written as JPEG, as the photo is: "
"""How the note begins that is expected of a JPEG which is compressed by the photo's own tables."""
LOSES_BLOCKS = (
    "The picture is written as JPEG, but the photo's file is of a kind whose blocks cannot be taken over: pixels outside what "
    "was edited change a little, too; as PNG they stay as they were."
)
"""The note in place of that one where it turns out so."""


def lossy_notes(format: OutputFormat, quality: int | None, photo: Photo, where: str) -> tuple[str, ...]:
    """What to know of a picture that is written with loss, a sentence; nothing of others.

    Args:
        photo: the original.
        where: what was changed on purpose, "gap".
    """
    kind = kind_asked(format, photo.format)
    if kind not in ("JPEG", "AVIF") and compression(kind, photo.path, quality).get("lossless", True):
        return ()
    if "qtables" in compression(kind, photo.path, quality) and blocks_are_kept():
        return (
            f"{KEEPS_BLOCKS}pixels up to 16 beside the {where} change a little, all others stay as they were; as PNG those "
            "do, too.",
        )
    name = "WebP with loss" if kind == "WEBP" else kind
    return (
        f"The picture is written as {name}, which changes pixels outside the {where} a little; as PNG they stay as they "
        "were.",
    )


def as_it_turned_out(expected: Iterable[str], said: Iterable[str]) -> tuple[str, ...]:
    """The notes that were expected of a picture, less the one that its writing proved wrong."""
    loses = LOSES_BLOCKS in said
    return tuple(sentence for sentence in expected if not (loses and sentence.startswith(KEEPS_BLOCKS)))


def jpeg_tables(picture: JpegImagePlugin.JpegImageFile) -> dict[str, Any]:
    """The quantisation tables of a JPEG and the resolution of its colours; nothing where another file cannot have them.

    Written with the same tables, blocks that did not change come back nearly as they were, and the file is about as large.
    """
    if picture.mode not in ("RGB", "L"):
        return {}  # tables of inks say nothing of brightness and colour
    by_component = [picture.quantization.get(component[3]) for component in picture.layer]
    tables = [list(table) for table in by_component if table is not None]
    small = all(len(table) == 64 and min(table) >= 1 and max(table) <= 255 for table in tables)
    if not small or len(tables) != len(by_component) or not tables:
        return {}
    if len(tables) == 3 and tables[1] == tables[2]:
        del tables[2]  # shared, as in the original
    sampling = 0 if picture.mode == "L" else JpegImagePlugin.get_sampling(picture)
    return {"qtables": tables, "subsampling": sampling} if sampling in (0, 1, 2) else {}


def is_lossless(file: Path) -> bool:
    """Whether a WebP, not animated, holds its pixels without loss."""
    with file.open("rb") as opened:
        opened.seek(12)
        while len(head := opened.read(8)) == 8:
            if head[:4] in (b"VP8 ", b"VP8L"):
                return head[:4] == b"VP8L"
            length = int.from_bytes(head[4:], "little")
            opened.seek(length + length % 2, 1)
    return False
