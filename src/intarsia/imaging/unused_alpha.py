"""A fourth channel that says nothing: in formats that do not promise transparency, 0 everywhere means none."""

from __future__ import annotations

from PIL import Image, TiffImagePlugin

EXTRA_SAMPLES = 338
"""The tag of a TIFF that says what its further channels are: 1 and 2 are transparency."""


def fill_unused_alpha(picture: Image.Image, kind: str) -> None:
    """Make a decoded picture opaque where its fourth channel is 0 everywhere and nothing says that it is transparency.

    Programs that write BMP, or TIFF without the tag for it, often leave the channel unset. A PNG, WebP, GIF or AVIF that is
    clear everywhere stays so: there the channel is transparency by definition, and every program shows nothing.

    Args:
        kind: name of its format; empty for a picture made in memory, whose channels are meant.
    """
    if picture.mode in ("RGBA", "LA") and _unsaid(picture, kind) and picture.getchannel("A").getextrema() == (0, 0):
        picture.putalpha(255)


def _unsaid(picture: Image.Image, kind: str) -> bool:
    if isinstance(picture, TiffImagePlugin.TiffImageFile):
        return not {1, 2} & set(picture.tag_v2.get(EXTRA_SAMPLES, ()))
    return kind == "BMP"
