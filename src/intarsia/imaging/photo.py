"""A photo in memory, and images between its pixels and tensors in [-1, 1].

A `Photo` is upright and carries what its file came with: profile, EXIF, resolution and transparency. It is
read by `read`, edited at a working size, pasted back at its own size here, and written by `write`. An XMP
packet of the original is not kept, since it describes the picture before the edit.
"""

from __future__ import annotations

import dataclasses
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from intarsia.errors import ModelError, Remedy, Setting
from intarsia.imaging.geometry import Size

Bytes: TypeAlias = npt.NDArray[np.uint8]
Floats: TypeAlias = npt.NDArray[np.floating[Any]]

Picture: TypeAlias = npt.NDArray[np.float32]
"""(H, W, 3), in levels of 0 to 255, not rounded."""

Part: TypeAlias = tuple[slice, slice]
"""Rows and columns of an image."""

EVERYWHERE: Part = (slice(None), slice(None))

BAND = 256
"""Rows that are mixed at once, so that a large photo does not need a float copy of itself."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Photo:
    """A picture, upright, with everything that has to come back with it.

    Attributes:
        pixels: (H, W, 3) uint8 RGB, in the colours of `icc`, read-only.
        alpha: (H, W) uint8, 255 = opaque; None for a picture without transparency.
        icc: the RGB colour profile; None means sRGB.
        exif: the EXIF block, its orientation reset to 1.
        dpi: resolution in dots per inch, across and down.
        path: the file that it was read from.
        format: "PNG", "JPEG", "WebP", "TIFF" or "BMP"; empty for a picture made in memory.
        mode: Pillow's name of the stored pixels, before they became RGB.
        orientation: the EXIF orientation that was applied, 1 to 8.
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


def to_tensor(photo: Photo, size: Size) -> Tensor:
    """The whole photo at a working size, antialiased, never cropped.

    Transparency is not applied: a colour under it stays the colour that is stored.

    Returns:
        (1, 3, h, w) float32 in [-1, 1].
    """
    picture = Image.fromarray(photo.pixels)
    if photo.size != size:
        picture = picture.resize((size.width, size.height), Image.Resampling.LANCZOS)
    pixels = np.asarray(picture, dtype=np.float32) / 127.5 - 1.0
    return torch.from_numpy(pixels).permute(2, 0, 1).unsqueeze(0).contiguous()


def image_to_tensor(image: Picture | Bytes, size: Size) -> Tensor:
    """An image with levels between whole ones, at a working size, antialiased and never cropped.

    Args:
        image: (H, W, 3) in levels of 0 to 255.

    Returns:
        (1, 3, h, w) float32 in [-1, 1].
    """
    channels = [
        np.asarray(
            Image.fromarray(image[..., k].astype(np.float32)).resize(
                (size.width, size.height), Image.Resampling.LANCZOS
            )
        )
        for k in range(3)
    ]
    return torch.from_numpy(np.stack(channels)).clamp(0, 255)[None] / 127.5 - 1


def change_to_image(change: Tensor, size: Size, part: Part = EVERYWHERE) -> Picture:
    """A difference of two images at a photo's size, or a part of it; bicubic where the sizes differ.

    Args:
        change: (3, h, w), of images in [-1, 1].
        part: the rows and columns that are wanted.

    Returns:
        (H, W, 3) in levels.
    """
    if change.shape[-2:] != (size.height, size.width):
        change = F.interpolate(change[None].float(), (size.height, size.width), mode="bicubic", align_corners=False)[0]
    levels: Picture = (change[(slice(None), *part)] * 127.5).permute(1, 2, 0).contiguous().numpy()
    return levels


def levels_to_bytes(image: Floats) -> Bytes:
    """(H, W, ...) levels, rounded to the nearest and cut off at 0 and 255."""
    rounded: Bytes = np.floor(image + 0.5).clip(0, 255).astype(np.uint8)
    return rounded


def resize_to_photo(tensor: Tensor, size: Size) -> Bytes:
    """An edited picture at a photo's size; bicubic where the sizes differ.

    Args:
        tensor: (3, h, w) in [-1, 1]; what lies outside is cut off.

    Returns:
        (H, W, 3) uint8.

    Raises:
        ModelError: the picture holds values that are not numbers.
    """
    assert tensor.ndim == 3 and tensor.shape[0] == 3, f"a picture of shape {tuple(tensor.shape)}"
    values = tensor.detach().to("cpu", torch.float32)
    if not torch.isfinite(values).all():
        raise ModelError(
            "The models answered with values that are not numbers, as half precision does when it overflows",
            Remedy(Setting("dtype", "float32", verb="pass")),
        )
    levels = ((values.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    pixels: Bytes = levels.permute(1, 2, 0).contiguous().numpy()
    height, width = pixels.shape[:2]
    if (width, height) == (size.width, size.height):
        return pixels
    resized = Image.fromarray(pixels).resize((size.width, size.height), Image.Resampling.BICUBIC)
    return np.array(resized)


def paste_back(photo: Photo, edited: Tensor, blend: Floats) -> Photo:
    """Put an edited picture into the photo, at the photo's own size.

    Args:
        photo: the original.
        edited: (3, h, w) in [-1, 1], the whole picture at any size of the same aspect ratio.
        blend: (H, W) in [0, 1] in the photo's pixels: 0 keeps the photo's bytes exactly, 1 takes the
            edited picture, between them both are mixed in proportion and rounded to the nearest level.

    Returns:
        The photo with new pixels; transparency and metadata are the original's.
    """
    size = photo.size
    assert blend.shape == (size.height, size.width), f"a blend of shape {blend.shape} for {size} pixels"
    assert blend.min() >= 0 and blend.max() <= 1, "a blend outside [0, 1]"
    fresh = resize_to_photo(edited, size)
    pixels = photo.pixels.copy()
    touched = np.flatnonzero(blend.any(axis=1))
    for top in range(touched[0], touched[-1] + 1, BAND) if touched.size else ():
        rows = slice(top, min(top + BAND, touched[-1] + 1))
        share = blend[rows, :, None].astype(np.float64)
        mixed = photo.pixels[rows] * (1.0 - share) + fresh[rows] * share
        pixels[rows] = np.floor(mixed + 0.5).astype(np.uint8)
    return dataclasses.replace(photo, pixels=pixels)
