"""The format of a result's picture: what was asked for, and what its file's name then ends in."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from intarsia.errors import OutputError, RecordError, Remedy, Setting
from intarsia.imaging.compression import kind_asked
from intarsia.imaging.metadata import TRAINED
from intarsia.imaging.photo import Photo
from intarsia.imaging.write import WRITERS, is_opaque, write_photo
from intarsia.notes import note
from intarsia.records.choices import OutputFormat
from intarsia.records.inputs import Record


def choose_ending(format: OutputFormat, own: str, photo: Photo, original: Path) -> str:
    """The ending of a picture's name, which chooses its format: .png where the photo's own cannot be written.

    Args:
        own: the original's format, as `Photo.format` names it.
        photo: the picture that is written.
        original: whose ending is kept where it fits.

    Raises:
        OutputError: JPEG is asked for, but the picture is partly transparent.
    """
    kind = kind_asked(format, own)
    if kind == "JPEG" and not is_opaque(photo):
        if format == "keep":
            return ".png"
        raise OutputError(
            f"{original} is partly transparent, and JPEG has no transparency",
            Remedy("write ", Setting("format", "png"), page="choose PNG or WebP"),
        )
    fitting = [ending for ending, (writes, _) in WRITERS.items() if writes == kind]
    if original.suffix.lower() in fitting:
        return original.suffix.lower()
    return fitting[0] if fitting else ".png"


def ending_of(record: Record, photo: Photo) -> str:
    """The ending of the names of a record's pictures, as for `choose_ending`.

    Raises:
        RecordError: a quality is asked for of PNG.
        OutputError: as `choose_ending`.
    """
    if record.quality is not None and record.format == "png":
        raise RecordError(
            "A quality was given, but PNG keeps every pixel",
            Remedy("leave out ", Setting("quality")),
            Remedy("write ", Setting("format", "jpeg"), " or webp"),
        )
    ending = choose_ending(record.format, photo.format, photo, Path(record.photo))
    if record.format == "keep" and WRITERS[ending][0] != kind_asked("keep", photo.format):
        why = "has no transparency" if photo.format == "JPEG" else "is not written here"
        note(f"The picture is a PNG, as the photo's own format, {photo.format}, {why}.")
    return ending


def write_result(
    photo: Photo, file: Path, record: Record, *, text: Mapping[str, str] | None, source: str = TRAINED
) -> Path:
    """Write a result's picture as its record asks for it, in place of one of that name.

    Args:
        file: in a folder of the task's own; `choose_ending` chose its ending.
        text, source: as for `write_photo`.

    Raises:
        OutputError: the file cannot be written.
    """
    return write_photo(
        photo, file, text=text, source=source, original=Path(record.photo), quality=record.quality, overwrite=True
    )
