"""What an edit leaves exactly as it is: an area that its user protects."""

from __future__ import annotations

import dataclasses

import numpy as np
from PIL import Image

from intarsia.errors import EmptyMaskError, Remedy, Setting
from intarsia.imaging.crop import Crop
from intarsia.imaging.edited_photo import EditedPhoto
from intarsia.imaging.geometry import Size
from intarsia.imaging.masks import Mask, read_mask
from intarsia.imaging.photo import Photo


def read_protected(path: str | None, photo: Photo) -> Mask | None:
    """(H, W) what stays as it is, white in the file; None where none is named.

    Raises:
        RegionError, EmptyMaskError, PictureError: the file cannot be used with this photo.
    """
    if path is None:
        return None
    try:
        return read_mask(path, photo.size, orientation=photo.orientation)
    except EmptyMaskError as problem:
        raise EmptyMaskError(
            f"The mask {path} is all black, so that nothing would be protected",
            Remedy("paint white what is to stay as it is", page="select what is to be kept"),
            Remedy("leave out ", Setting("protect")),
        ) from problem


def on_canvas(mask: Mask, crop: Crop | None, size: Size) -> Mask:
    """(h, w) a mask of a photo on a crop's canvas, or on the whole photo at another size; pixels that it half covers.

    Args:
        mask: (H, W) at the photo's size.
        size: of the canvas.
    """
    levels = mask.astype(np.uint8) * 255
    if crop is not None:
        canvas = dataclasses.replace(crop, size=size)
        inside: Mask = canvas.cut(levels) >= 128
        return inside
    whole = Image.fromarray(levels).resize((size.width, size.height), Image.Resampling.BOX)
    return np.asarray(whole) >= 128


def with_protected(edited: EditedPhoto, photo: Photo, protected: Mask | None) -> EditedPhoto:
    """An edited photo with the original's own pixels and transparency in the protected area, bit for bit."""
    if protected is None or not (protected & (edited.blend > 0)).any():
        return edited
    pixels, alpha = edited.photo.pixels.copy(), edited.photo.alpha
    pixels[protected] = photo.pixels[protected]
    if alpha is not None:
        own = np.full_like(alpha, 255) if photo.alpha is None else photo.alpha
        alpha = np.where(protected, own, alpha)
    return dataclasses.replace(
        edited,
        photo=dataclasses.replace(edited.photo, pixels=pixels, alpha=alpha),
        blend=np.where(protected, np.float32(0), edited.blend),
    )
