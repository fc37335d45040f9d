"""Write a photo with its profile, EXIF, resolution and transparency; whole or not at all."""

from __future__ import annotations

import dataclasses
import io
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from intarsia.errors import OutputError, Remedy, Setting
from intarsia.files import check_absent, write_bytes_atomically
from intarsia.imaging.attach import attach
from intarsia.imaging.compression import compression
from intarsia.imaging.metadata import TRAINED
from intarsia.imaging.photo import Photo
from intarsia.imaging.read import MAX_PIXELS
from intarsia.progress import tick

WRITERS: dict[str, tuple[str, dict[str, Any]]] = {
    ".png": ("PNG", {}),
    ".jpg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".jpeg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".webp": ("WEBP", {"lossless": True, "exact": True}),
    # Written without Pillow and without compression, around the EXIF block as it is.
    ".tif": ("TIFF", {}),
    ".tiff": ("TIFF", {}),
}

LARGE = 4_000_000
"""Pixels from which on PNG is packed quickly."""

QUICK_PNG = {"compress_level": 1, "compress_type": 3}
"""Runs of equal bytes alone (zlib's RLE), which is as good on photographs: 12 megapixels take as much room as by default,
in 0.7 s instead of 3; drawings take a fifth more."""

LONGEST_SIDE = {"JPEG": 65_500, "WEBP": 16_383}
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

    PNG, TIFF and WebP are lossless; JPEG is not (by default quality 95, full colour resolution), so that pixels
    outside an edit differ slightly from the original's there. All else that the photo's file carried goes along; what
    the format cannot hold is named in a note.

    Args:
        path: the name's ending chooses the format: .png, .jpg, .jpeg, .webp, .tif or .tiff.
        text: what to say about the picture, by key: as text chunks of a PNG; of the others only
            "intarsia" (the record), in XMP. None leaves it and the XMP mark of an edited picture out.
        source: how the picture came about, for that mark: `metadata.TRAINED` or `EDITED`.
        original: a lossy file of this format is compressed like this one, if it is of the same: see `compression`.
        quality: of a JPEG, or of a WebP that is then lossy, 1 to 100; goes before `original`.
        overwrite: replace an existing file.

    Raises:
        OutputError: the format is not known or cannot hold the picture, the file exists, or the folder
            or disk refuses.
    """
    path = Path(path)
    ending = path.suffix.lower()
    if ending not in WRITERS:
        raise OutputError(
            f"{path} ends in {ending or 'nothing'!r}, which names no format to write: use .png, .jpg, .webp or .tif."
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


def is_opaque(photo: Photo) -> bool:
    """Whether nothing shines through a photo."""
    return photo.alpha is None or bool((photo.alpha == 255).all())


class TickingFile(io.BytesIO):
    """A file in memory that ticks while a picture is packed into it."""

    def write(self, content: Any, /) -> int:
        tick(0.0)
        return super().write(content)
