"""Images between a photo's pixels and tensors in [-1, 1]."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from intarsia.errors import ModelError, Remedy, Setting
from intarsia.imaging.crop import Crop
from intarsia.imaging.geometry import Box, Size
from intarsia.imaging.photo import EVERYWHERE, Bytes, Floats, Photo, Picture
from intarsia.imaging.slices import Part

BAND = 256
"""Rows that are mixed at once, so that a large photo does not need a float copy of itself."""


def to_tensor(photo: Photo, size: Size) -> Tensor:
    """The whole photo at a working size, antialiased, never cropped.

    Transparency is not applied: a colour under it stays the colour that is stored.

    Returns:
        (1, 3, h, w) float32 in [-1, 1].
    """
    picture = Image.fromarray(photo.pixels)
    if photo.size != size:
        picture = picture.resize((size.width, size.height), Image.Resampling.LANCZOS)
    return levels_to_tensor(np.asarray(picture))


def levels_to_tensor(pixels: Bytes) -> Tensor:
    """(H, W, 3) levels -> (1, 3, H, W) float32 in [-1, 1]."""
    return torch.from_numpy(pixels.astype(np.float32) / 127.5 - 1.0).permute(2, 0, 1).unsqueeze(0).contiguous()


def image_to_tensor(
    image: Picture | Bytes, size: Size, frame: tuple[float, float, float, float] | None = None
) -> Tensor:
    """An image with levels between whole ones, at a working size, antialiased.

    Args:
        image: (H, W, 3) in levels of 0 to 255.
        frame: left, top, right and bottom edge of the part that is wanted; by default all of it.

    Returns:
        (1, 3, h, w) float32 in [-1, 1].
    """
    channels = [
        np.asarray(
            Image.fromarray(image[..., k].astype(np.float32)).resize(
                (size.width, size.height), Image.Resampling.LANCZOS, box=frame
            )
        )
        for k in range(3)
    ]
    return torch.from_numpy(np.stack(channels)).clamp(0, 255)[None] / 127.5 - 1


def image_to_canvas(image: Picture | Bytes, crop: Crop, at: Part | None = None) -> Tensor:
    """What a crop's window shows of an image with levels between whole ones, antialiased.

    Args:
        image: (H, W, 3) in levels of 0 to 255.
        at: the part of the photo that the image holds, see `Crop.piece`; by default all of it.

    Returns:
        (1, 3, h, w) float32 in [-1, 1], the canvas.
    """
    return image_to_tensor(crop.piece(image, at), crop.size, crop.frame)


def change_to_part(change: Tensor, crop: Crop, photo: Size) -> Picture:
    """A difference of two canvases of a crop, in the part of the photo that its window touches; bicubic.

    Args:
        change: (3, h, w), of images in [-1, 1].

    Returns:
        (H, W, 3) in levels, of `Crop.part`.
    """
    rows, columns = crop.part(photo)
    height, width = rows.stop - rows.start, columns.stop - columns.start
    if all(edge.is_integer() for edge in crop.frame):
        left, top, right, bottom = (int(edge) for edge in crop.frame)
        assert left == top == 0, "a window of whole pixels begins where its piece does"
        return change_to_image(change, Size(right, bottom), (slice(0, height), slice(0, width)))
    # Pixels that the window cuts lie a little over the canvas's borders, which go on for them.
    margin = math.ceil(crop.scale) + 1
    inside = crop.to_canvas(Box(columns.start, rows.start, columns.stop, rows.stop))
    frame = Box(inside.x0 + margin, inside.y0 + margin, inside.x1 + margin, inside.y1 + margin).as_tuple()
    levels = [
        Image.fromarray(np.pad(plane, margin, mode="edge")).resize((width, height), Image.Resampling.BICUBIC, box=frame)
        for plane in (change * 127.5).float().numpy()
    ]
    return np.stack([np.asarray(plane) for plane in levels], -1)


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


def levels_of(picture: Tensor) -> Bytes:
    """(3, h, w) in [-1, 1] -> (h, w, 3) levels; see `resize_to_photo`."""
    return resize_to_photo(picture, Size(picture.shape[2], picture.shape[1]))


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
    return _mixed(photo, resize_to_photo(edited, photo.size), EVERYWHERE, blend)


def paste_crop(photo: Photo, crop: Crop, edited: Tensor, blend: Floats) -> Photo:
    """Put an edited canvas into the window of the photo that it shows; see `paste_back`.

    Args:
        edited: (3, h, w) in [-1, 1], the canvas of the crop.
        blend: (H, W) in [0, 1] in the photo's pixels, 0 outside the crop's window.
    """
    fresh = crop.put(resize_to_photo(edited, crop.size), photo.size)
    return _mixed(photo, fresh, crop.part(photo.size), blend)


def _mixed(photo: Photo, fresh: Bytes, part: Part, blend: Floats) -> Photo:
    """A photo mixed, in a part of it, with what is fresh there."""
    size = photo.size
    assert blend.shape == (size.height, size.width), f"a blend of shape {blend.shape} for {size} pixels"
    assert blend.min() >= 0 and blend.max() <= 1, "a blend outside [0, 1]"
    pixels = photo.pixels.copy()
    blend, before, after = blend[part], photo.pixels[part], pixels[part]
    touched = np.flatnonzero(blend.any(axis=1))
    for top in range(touched[0], touched[-1] + 1, BAND) if touched.size else ():
        rows = slice(top, min(top + BAND, touched[-1] + 1))
        share = blend[rows, :, None].astype(np.float64)
        mixed = before[rows] * (1.0 - share) + fresh[rows] * share
        after[rows] = np.floor(mixed + 0.5).astype(np.uint8)
    return dataclasses.replace(photo, pixels=pixels)
