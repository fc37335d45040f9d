"""ComfyUI's tensors and Intarsia's photos and masks.

An IMAGE is (B, H, W, C) float32 in [0, 1], of 3 channels or 4 (transparency); a MASK (B, H, W) or (H, W) in [0, 1],
where 1 is repainted. Photos have 8 bits: what changes is rounded to them, while what does not keeps the value that it
came with, whether that was of 8 bits or not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from intarsia.errors import EmptyMaskError, PictureError, RecordError, RegionError, Remedy, Setting, one_of
from intarsia.imaging.geometry import Size
from intarsia.imaging.masks import Blend, Mask, fits
from intarsia.imaging.photo import Photo, levels_to_bytes


def pictures_of(image: Tensor, what: str = "image") -> list[Tensor]:
    """The pictures of an IMAGE, each (H, W, C) float32 on the CPU.

    Args:
        what: the input's name, for the message.

    Raises:
        PictureError: it is no IMAGE of 3 or 4 channels, or has values that are not numbers.
    """
    if image.ndim != 4 or image.shape[-1] not in (3, 4) or not image.numel():
        raise PictureError(
            f'"{what}" has the shape {tuple(image.shape)}, but an IMAGE has (pictures, height, width, 3 or 4 channels): '
            "convert it first."
        )
    pictures = list(image.detach().to("cpu", torch.float32))
    if not all(bool(torch.isfinite(picture).all()) for picture in pictures):
        raise PictureError(
            f'"{what}" has values that are not numbers, as half precision has where it overflows: make it with full '
            "precision."
        )
    return pictures


def photo_of(picture: Tensor) -> Photo:
    """An (H, W, C) picture as a photo, rounded to 8 bits."""
    levels = levels_to_bytes(picture.numpy() * 255)
    pixels = np.ascontiguousarray(levels[..., :3])
    return Photo(pixels=pixels, alpha=np.ascontiguousarray(levels[..., 3]) if levels.shape[-1] == 4 else None)


def picture_of(edited: Photo, blend: Blend, before: Tensor) -> Tensor:
    """An edited photo as a picture.

    Args:
        blend: (H, W) where it is 0, the picture from before is kept bit for bit.
        before: (H, W, C).

    Returns:
        (H, W, C) float32 in [0, 1], but for what was not before.
    """
    layers = [edited.pixels] if edited.alpha is None else [edited.pixels, edited.alpha[..., None]]
    # The same division as by ComfyUI's own loader, so that its own saver finds the same levels again.
    after = torch.from_numpy(np.concatenate(layers, -1).astype(np.float32) / 255.0)
    return torch.where(torch.from_numpy(blend == 0)[..., None], before, after)


def alike(rows: Sequence[Any], count: int, what: str) -> list[Any]:
    """One of a batch for each of `count` pictures; a single one is for all of them.

    Args:
        what: the input's name, for the message.

    Raises:
        RecordError: there are as many neither as pictures nor as one.
    """
    if len(rows) not in (1, count):
        raise RecordError(
            f'"{what}" has {len(rows)} of a batch for {count} pictures: give one for all, or one for each.'
        )
    return list(rows) * (count if len(rows) == 1 else 1)


def levels_of(mask: Tensor | None, count: int) -> list[Blend | None]:
    """The masks of a MASK for so many pictures, each (h, w) float32 in [0, 1]; None for what is 0 everywhere.

    An empty mask is what ComfyUI's loader gives with a picture without one, at a size of its own.

    Raises:
        RegionError: it is no MASK.
    """
    if mask is None:
        return [None] * count
    shape = tuple(mask.shape)
    if mask.ndim == 4 and 1 in (shape[1], shape[-1]):  # with channels, as some nodes give it
        mask = mask.squeeze(1 if shape[1] == 1 else -1)
    if mask.ndim == 2:
        mask = mask[None]
    if mask.ndim != 3 or not mask.numel():
        raise RegionError(f'"mask" has the shape {shape}, but a MASK has (masks, height, width): convert it first.')
    rows = [np.nan_to_num(row.numpy()).clip(0, 1) for row in mask.detach().to("cpu", torch.float32)]
    return [row if row.any() else None for row in alike(rows, count, "mask")]


def at_size(levels: Blend, size: Size) -> Blend:
    """A mask (h, w) at a picture's size, by nearest neighbours.

    Raises:
        RegionError: it is of another shape.
    """
    shape = Size(levels.shape[1], levels.shape[0])
    if shape == size:
        return levels
    if not fits(shape, size):
        raise RegionError(
            f"The mask has {shape} pixels, but the picture has {size}, another shape: draw it over the whole picture."
        )
    resized = Image.fromarray(levels).resize((size.width, size.height), Image.Resampling.NEAREST)
    return np.array(resized, dtype=np.float32)


def mask_of(levels: Blend | None, size: Size) -> Mask | None:
    """A mask (h, w) as (H, W) bool at a picture's size, True from one half up; None for none.

    Raises:
        RegionError: it is of another shape.
        EmptyMaskError: nothing of it is one half.
    """
    if levels is None:
        return None
    mask: Mask = at_size(levels, size) >= 0.5
    if not mask.any():
        raise EmptyMaskError(
            f"The mask is nowhere above {levels.max():.2f}, but counts from 0.5 up",
            Remedy("draw it stronger"),
            Remedy("leave out ", Setting("mask")),
        )
    return mask


def check_one_region(levels: Sequence[Blend | None], box: str) -> None:
    """Raise `RecordError` where a picture has both a mask and a box."""
    if box.strip() and any(row is not None for row in levels):
        raise RecordError("Both a box and a mask were given", one_of("box", "mask"))
