"""A first look at the picture of a command, before all that takes seconds to import."""

from __future__ import annotations

from pathlib import Path


def look_at(photo: str | Path) -> None:
    """Read the head of a picture, so that who misspelt its name is told at once.

    Raises:
        PictureError: there is none, or none that can be read.
    """
    from intarsia.imaging.read import open_image

    with open_image(photo):
        pass
