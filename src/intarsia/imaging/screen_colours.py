"""A photo in the colours that networks know, sRGB, and back into its own where it was edited."""

from __future__ import annotations

import dataclasses
import io
import logging
from functools import lru_cache

import numpy as np
from PIL import Image, ImageCms

from intarsia.imaging.masks import bounding_box
from intarsia.imaging.photo import Bytes, Floats, Photo

log = logging.getLogger(__name__)

SAME = 2
"""Levels up to which a profile's numbers are taken for sRGB's."""

BAND = 256
"""Rows that are mixed at once."""

Transforms = tuple[ImageCms.ImageCmsTransform, ImageCms.ImageCmsTransform]


def in_srgb(photo: Photo) -> Photo:
    """The photo with its numbers in sRGB; the photo itself where they are so already, or nearly."""
    transforms = _transforms(photo.icc) if photo.icc else None
    if transforms is None:
        return photo
    return dataclasses.replace(photo, pixels=_converted(photo.pixels, transforms[0]), icc=None)


def in_own_colours(photo: Photo, seen: Photo, edited: Photo, blend: Floats) -> Photo:
    """An edit of a photo in sRGB as an edit of the photo itself: what did not change keeps its numbers exactly.

    Args:
        photo: the original, with a profile.
        seen: the same in sRGB.
        edited: the edit of that.
        blend: (H, W) in [0, 1], how much of a pixel is new: the rest keeps colours that sRGB has no numbers for.
    """
    transforms = _transforms(photo.icc) if photo.icc else None
    changed = (edited.pixels != seen.pixels).any(axis=-1)
    if transforms is None or not changed.any():
        return dataclasses.replace(photo, alpha=edited.alpha)
    box = bounding_box(changed)
    pixels = photo.pixels.copy()
    columns = slice(int(box.x0), int(box.x1))
    for top in range(int(box.y0), int(box.y1), BAND):
        part = slice(top, min(top + BAND, int(box.y1))), columns
        fresh, before = (_converted(each.pixels[part], transforms[1]).astype(np.float32) for each in (edited, seen))
        kept = 1 - blend[part].astype(np.float32)[..., None]
        mixed = np.floor(fresh + kept * (photo.pixels[part] - before) + 0.5).clip(0, 255).astype(np.uint8)
        pixels[part] = np.where(changed[part][..., None], mixed, photo.pixels[part])
    return dataclasses.replace(photo, pixels=pixels, alpha=edited.alpha)


@lru_cache(maxsize=8)
def _transforms(icc: bytes) -> Transforms | None:
    """From a profile's numbers to sRGB's and back; None where both are nearly the same, or it cannot be used."""
    srgb = ImageCms.createProfile("sRGB")
    try:
        own = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        relative = ImageCms.Intent.RELATIVE_COLORIMETRIC
        there, back = (
            ImageCms.buildTransform(start, end, "RGB", "RGB", relative) for start, end in ((own, srgb), (srgb, own))
        )
        steps = np.linspace(0, 255, 6).astype(np.uint8)
        grid = np.stack(np.meshgrid(steps, steps, steps), -1).reshape(36, 6, 3)
        shown = _converted(grid, there)
    except (ImageCms.PyCMSError, OSError, ValueError) as problem:
        log.debug("a profile cannot be applied: %s", problem)
        return None
    return None if np.abs(shown.astype(int) - grid).max() <= SAME else (there, back)


def _converted(pixels: Bytes, transform: ImageCms.ImageCmsTransform) -> Bytes:
    """(H, W, 3) levels, converted."""
    shown = ImageCms.applyTransform(Image.fromarray(np.ascontiguousarray(pixels)), transform)
    assert shown is not None
    return np.array(shown)
