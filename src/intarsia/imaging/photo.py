"""A photo in memory.

A `Photo` is upright and carries what its file came with: profile, EXIF, resolution, transparency, and all else that
an edit does not make false (see `metadata`). It is read by `read`, edited at a working size and pasted back at its own
(see `tensors`), and written by `write`.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image

from intarsia.imaging.geometry import Size
from intarsia.imaging.metadata import NOTHING, Carried
from intarsia.imaging.slices import Part

Bytes: TypeAlias = npt.NDArray[np.uint8]
Floats: TypeAlias = npt.NDArray[np.floating[Any]]

Picture: TypeAlias = npt.NDArray[np.float32]
"""(H, W, 3), in levels of 0 to 255, not rounded."""

EVERYWHERE: Part = (slice(None), slice(None))


@dataclass(frozen=True, kw_only=True, eq=False)
class Photo:
    """A picture, upright, with everything that has to come back with it.

    Attributes:
        pixels: (H, W, 3) uint8 RGB, in the colours of `icc`, read-only.
        alpha: (H, W) uint8, 255 = opaque; None for a picture without transparency.
        icc: the RGB colour profile; None means sRGB.
        exif: the EXIF block, its orientation reset to 1, otherwise byte for byte as it was.
        dpi: resolution in dots per inch, across and down.
        path: the file that it was read from.
        format: "PNG", "JPEG", "WebP", "TIFF" or "BMP"; empty for a picture made in memory.
        mode: Pillow's name of the stored pixels, before they became RGB.
        orientation: the EXIF orientation that was applied, 1 to 8.
        carried: what else the file carries: XMP, IPTC's records, texts, comments.
    """

    pixels: Bytes
    alpha: Bytes | None = None
    icc: bytes | None = None
    exif: bytes | None = None
    dpi: tuple[float, float] | None = None
    path: Path | None = None
    format: str = ""
    mode: str = "RGB"
    orientation: int = 1
    carried: Carried = NOTHING

    def __post_init__(self) -> None:
        for layer in (self.pixels, self.alpha):
            if layer is not None:
                assert layer.dtype == np.uint8 and layer.shape[:2] == self.pixels.shape[:2]
                layer.setflags(write=False)

    @property
    def size(self) -> Size:
        height, width = self.pixels.shape[:2]
        return Size(width, height)

    def as_image(self) -> Image.Image:
        """A Pillow picture for display, RGB or RGBA, without profile and EXIF."""
        if self.alpha is None:
            return Image.fromarray(self.pixels)
        return Image.fromarray(np.dstack([self.pixels, self.alpha]))

    def _repr_png_(self) -> bytes:
        """What a notebook shows."""
        file = io.BytesIO()
        self.as_image().save(file, "PNG")
        return file.getvalue()


def levels_to_bytes(image: Floats) -> Bytes:
    """(H, W, ...) levels, rounded to the nearest and cut off at 0 and 255."""
    rounded: Bytes = np.floor(image + 0.5).clip(0, 255).astype(np.uint8)
    return rounded
