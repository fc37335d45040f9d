"""Write a photo with its profile, EXIF, resolution and transparency; whole or not at all."""

from __future__ import annotations

import dataclasses
import io
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from intarsia.errors import OutputError, PictureError, Remedy, Setting
from intarsia.files import check_absent, write_bytes_atomically
from intarsia.imaging.attach import attach
from intarsia.imaging.avif import write_avif
from intarsia.imaging.compression import LOSES_BLOCKS, compression
from intarsia.imaging.jpeg_blocks import blocks_are_kept, with_original_blocks
from intarsia.imaging.masks import Mask, dilate
from intarsia.imaging.metadata import TRAINED, TURNS_BACK
from intarsia.imaging.photo import Photo
from intarsia.imaging.read import MAX_PIXELS, read_photo
from intarsia.notes import note
from intarsia.progress import tick

WRITERS: dict[str, tuple[str, dict[str, Any]]] = {
    ".png": ("PNG", {}),
    ".jpg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".jpeg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".webp": ("WEBP", {"lossless": True, "exact": True}),
    # Written without Pillow and without compression, around the EXIF block as it is.
    ".tif": ("TIFF", {}),
    ".tiff": ("TIFF", {}),
    ".avif": ("AVIF", {"quality": 90, "subsampling": "4:4:4"}),
}

BESIDE = 16
"""Pixels beside a changed one that share a block of a JPEG's colours with it."""

LARGE = 4_000_000
"""Pixels from which on PNG is packed quickly."""

QUICK_PNG = {"compress_level": 1, "compress_type": 3}
"""Runs of equal bytes alone (zlib's RLE), which is as good on photographs: 12 megapixels take as much room as by default,
in 0.7 s instead of 3; drawings take a fifth more."""

LONGEST_SIDE = {"JPEG": 65_500, "WEBP": 16_383, "AVIF": 65_535}
"""Pixels that these formats allow on a side."""


def write_photo(
    photo: Photo,
    path: str | Path,
    *,
    text: Mapping[str, str] | None = None,
    source: str = TRAINED,
    original: Path | None = None,
    quality: int | None = None,
    overwrite: bool = False,
) -> Path:
    """Write a photo with its profile, EXIF, resolution and transparency; whole or not at all.

    PNG, TIFF and WebP are lossless; JPEG and AVIF are not (JPEG by default quality 95, full colour resolution). Of an
    `original` that is one, a JPEG keeps the tables, the orientation, and every block that shows the same pixels as before, see
    `jpeg_blocks`. All else that the photo's file carried goes along; what
    the format cannot hold is named in a note.

    Args:
        path: the name's ending chooses the format: .png, .jpg, .jpeg, .webp, .tif, .tiff or .avif.
        text: what to say about the picture, by key: as text chunks of a PNG; of the others only
            "intarsia" (the record), in XMP. None leaves it and the XMP mark of an edited picture out.
        source: how the picture came about, for that mark: `metadata.TRAINED` or `EDITED`.
        original: a lossy file of this format is compressed like this one, if it is of the same: see `compression`.
        quality: of a JPEG or AVIF, or of a WebP that is then lossy, 1 to 100; goes before `original`.
        overwrite: replace an existing file.

    Raises:
        OutputError: the format is not known or cannot hold the picture, the file exists, or the folder
            or disk refuses.
    """
    path = Path(path)
    ending = path.suffix.lower()
    if ending not in WRITERS:
        raise OutputError(
            f"{path} ends in {ending or 'nothing'!r}, which names no format to write: use .png, .jpg, .webp, .tif or .avif."
        )
    kind, options = WRITERS[ending]
    if kind == "JPEG" and is_opaque(photo):
        photo = dataclasses.replace(photo, alpha=None)
    if kind == "JPEG" and photo.alpha is not None:
        raise OutputError(f"{path} cannot hold the photo's transparency, as JPEG has none: write .png or .webp.")
    if max(photo.size.width, photo.size.height) > LONGEST_SIDE.get(kind, MAX_PIXELS):
        raise OutputError(f"{path} cannot hold {photo.size} pixels, {LONGEST_SIDE[kind]:,} a side at most: write .png.")
    check_absent(path, overwrite)
    chosen = compression(kind, original, quality)
    options = ({} if "qtables" in chosen else options) | chosen
    if kind == "PNG" and photo.size.area >= LARGE:
        options |= QUICK_PNG
    file = TickingFile()
    try:
        stored = as_stored(photo, options, original) if original is not None and "qtables" in chosen else None
        if stored is None and "qtables" in chosen and blocks_are_kept():
            note(LOSES_BLOCKS)
        if stored is not None:
            content = attach(stored.content, photo, kind, text, source, stored.orientation)
        elif kind == "AVIF":
            write_avif(photo, file, options, text, source)
            content = file.getvalue()
        else:
            if kind != "TIFF":
                photo.as_image().save(file, kind, **options)
            content = attach(file.getvalue(), photo, kind, text, source)
    except (OSError, ValueError, RuntimeError, struct.error) as problem:
        raise OutputError(
            f"{path} cannot be encoded as {kind} ({problem})",
            Remedy("write .png"),
            Remedy("leave the record out with ", Setting("no_metadata", True)),
        ) from problem
    return write_bytes_atomically(path, content, overwrite)


class Stored(NamedTuple):
    """A JPEG without metadata, and the orientation of its pixels by EXIF."""

    content: bytes
    orientation: int


def as_stored(photo: Photo, options: Mapping[str, Any], original: Path) -> Stored | None:
    """A JPEG with the original's own blocks where nothing changed; None where they do not fit.

    Its pixels lie as the original's do, turned or not: turned upright, the blocks would fall elsewhere.

    Args:
        photo: upright.
        options: Pillow's, with the original's tables.
    """
    try:
        before = read_photo(original)
    except PictureError:  # it was there when it was edited
        return None
    if before.size != photo.size:
        return None
    image = photo.as_image()
    if before.mode == "L" and (photo.pixels == photo.pixels[..., :1]).all():
        image = Image.fromarray(photo.pixels[..., 0])
    kept = Image.fromarray((before.pixels == photo.pixels).all(-1))
    if before.orientation in TURNS_BACK:
        image, kept = (layer.transpose(TURNS_BACK[before.orientation]) for layer in (image, kept))
    file, same = TickingFile(), np.asarray(kept)
    image.save(file, "JPEG", **options)
    content = with_original_blocks(file.getvalue(), original, same)
    if content is None or not shows(content, image, ~dilate(~same, BESIDE)):
        return None
    return Stored(content, before.orientation)


def shows(encoded: bytes, image: Image.Image, where: Mask) -> bool:
    """Whether a JPEG, decoded, is an image in a mask: not so if its numbers were converted by a profile when it was read."""
    with Image.open(io.BytesIO(encoded), formats=("JPEG",)) as decoded:
        there = np.asarray(decoded.convert(image.mode)) == np.asarray(image)
        return bool((there if there.ndim == 2 else there.all(-1))[where].all())


def is_opaque(photo: Photo) -> bool:
    """Whether nothing shines through a photo."""
    return photo.alpha is None or bool((photo.alpha == 255).all())


class TickingFile(io.BytesIO):
    """A file in memory that ticks while a picture is packed into it."""

    def write(self, content: Any, /) -> int:
        tick(0.0)
        return super().write(content)
