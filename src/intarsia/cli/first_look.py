"""A first look at the pictures of a command, before all that takes seconds to import."""

from __future__ import annotations

from pathlib import Path

from intarsia.records.inputs import Record, mask_files


def look_at(photo: str | Path, record: Record) -> None:
    """Read the heads of a photo and of its masks, so that who misspelt a name is told at once.

    Args:
        photo: the record's; of a scene folder, the photo in it.

    Raises:
        PictureError: there is none, or none that can be read.
    """
    from intarsia.imaging.read import open_image

    with open_image(photo):
        pass
    for mask in mask_files(record):
        with open_image(mask, any_depth=True):
            pass
