"""A result for its owner: the lossless picture that the program keeps, in the format of the photo or in another."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from intarsia.errors import RecordError
from intarsia.files import write_bytes_atomically
from intarsia.imaging.metadata import TRAINED, source_in
from intarsia.imaging.read import open_image, open_pieces, read_metadata, read_photo, read_text_chunk
from intarsia.imaging.write import write_photo
from intarsia.records.choices import OutputFormat
from intarsia.results.picture_format import choose_ending


def export_picture(
    picture: str | Path,
    original: str | Path,
    file: str | Path,
    *,
    format: OutputFormat = "keep",
    quality: int | None = None,
    overwrite: bool = True,
) -> Path:
    """Write a result as its owner wants the file: by default as the photo was.

    Its EXIF (upright), profile, resolution, and the XMP mark of an edited picture go along, and so does its record where
    the format can hold it. Kept, a JPEG is compressed by the photo's own tables.

    Args:
        picture: of the result, as edits write it: a PNG.
        original: the photo that it was made of, in whatever format.
        file: to write; its ending is replaced by the format's.
        format: keep is the original's own; PNG where that cannot be written, or cannot hold what is transparent now.
        quality: of a JPEG or WebP, 1 to 100; None for the original's own, else 95 with full colour resolution, and WebP
            without loss.
        overwrite: replace an existing file.

    Returns:
        The file that was written.

    Raises:
        PictureError: the picture or the original cannot be read.
        OutputError: the format cannot hold the picture, e.g. JPEG one that is partly transparent, or the folder or disk
            refuses.
        RecordError: the quality is out of range.
    """
    if quality is not None and not 1 <= quality <= 100:
        raise RecordError(f"quality is {quality}, but must lie between 1 and 100; 85 to 95 is usual.")
    picture, original, file = Path(picture), Path(original), Path(file)
    photo = read_photo(picture)
    with open_image(original) as (_, kind):
        own = kind
    # The result is a PNG, which cannot hold all that other files do.
    exif, carried = read_metadata(original)
    photo = dataclasses.replace(
        photo, exif=exif, carried=dataclasses.replace(carried, colour=photo.carried.colour, meant=photo.carried.meant)
    )
    ending = choose_ending(format, own, photo, original)
    target = file.with_suffix(ending)
    if ending == ".png" and photo.format == "PNG":
        return write_bytes_atomically(target, picture.read_bytes(), overwrite)
    source = mark_of(picture)
    record = read_text_chunk(picture)
    text = None if source is None else {"intarsia": record} if record is not None else {}
    return write_photo(
        photo, target, text=text, source=source or TRAINED, original=original, quality=quality, overwrite=overwrite
    )


def mark_of(picture: Path) -> str | None:
    """How a picture came about, as its XMP mark says; None where it carries none."""
    with open_pieces(picture) as (_, _, pieces):
        return source_in(pieces)
