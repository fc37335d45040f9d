"""How many pictures a file holds, of which one is to be edited."""

from __future__ import annotations

from PIL import Image, TiffImagePlugin

SUBFILE, REDUCED = 254, 1
"""The tag NewSubfileType of a TIFF, and its bit that says that a page is a smaller copy of another."""


def pages_of(picture: Image.Image) -> int:
    """Pages or frames of an opened file, without a TIFF's previews and thumbnails behind its first page."""
    count = int(getattr(picture, "n_frames", 1))
    if count == 1 or not isinstance(picture, TiffImagePlugin.TiffImageFile):
        return count
    own = 1
    for page in range(1, count):
        picture.seek(page)
        own += not int(picture.tag_v2.get(SUBFILE, 0)) & REDUCED
    picture.seek(0)
    return own
