"""Write AVIF, by Pillow's encoder, with what the photo's file carried and what is said about the edit."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

from intarsia.imaging.attach import plan, say_lost
from intarsia.imaging.containers import exif
from intarsia.imaging.photo import Photo

ORIENTATION = 274
"""EXIF's tag, which Pillow would take out, with the block written otherwise: upright pictures need none."""


def write_avif(
    photo: Photo, file: io.BytesIO, options: Mapping[str, Any], text: Mapping[str, str] | None, source: str
) -> None:
    """Encode a photo; what AVIF cannot hold of what its file carried is noted.

    Args:
        options: of the encoder.
        text, source: as for `write_photo`.
    """
    made = plan(photo, "AVIF", text, source)
    held: dict[str, Any] = {"icc_profile": photo.icc, "xmp": made.packet or None}
    if made.exif:
        held["exif"] = b"Exif\0\0" + exif.with_entries(made.exif, {}, without=(ORIENTATION,))
    photo.as_image().save(file, "AVIF", **options, **{name: value for name, value in held.items() if value})
    say_lost(made.lost)
