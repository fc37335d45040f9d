"""A new ground under the things of a photo: they are cut out with their soft borders and shadows, and laid over it.

Where a mask kept them in place instead, a rim of the old ground as wide as the models' cells would stay around each.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage
from torch import Tensor

from intarsia.imaging.crop import Crop
from intarsia.imaging.masks import Blend, Mask
from intarsia.imaging.matting import WHOLE, cut
from intarsia.imaging.parts import tidy_mask
from intarsia.imaging.photo import Photo
from intarsia.imaging.settling import settle_masks
from intarsia.imaging.slices import Part, overlap, shape_of, whole, within
from intarsia.imaging.tensors import paste_crop
from intarsia.regions.sight import Thing

FINE = 320
"""Longer side of the image on which the outline of a thing is settled, in pixels."""

SHADOW = 0.06
"""How far a shadow goes at most, in short sides of the photo."""

AROUND = 0.5
"""What is looked at around a thing to cut it out, in its longer sides."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Outline:
    """What belongs to a thing.

    Attributes:
        part: rows and columns of the photo outside which nothing does.
        mask: (h, w) of that part, at the photo's own size.
        grain: side of the pixels that it is made of, in those of the photo.
    """

    part: Part
    mask: Mask
    grain: float

    def on(self, window: Part) -> Mask:
        """(h, w) the mask in other rows and columns."""
        found = np.zeros(shape_of(window), np.bool_)
        shared = overlap(self.part, window)
        found[within(shared, window)] = self.mask[within(shared, self.part)]
        return found


def over_new_ground(photo: Photo, crop: Crop, ground: Tensor, things: Sequence[Thing]) -> tuple[Photo, Blend]:
    """Put a new ground into a photo, under its things.

    Args:
        crop: the part of the photo that gets it.
        ground: (3, h, w) in [-1, 1], the canvas of the crop.
        things: all that stays.

    Returns:
        The photo, and (H, W) in [0, 1] how far each pixel is the ground's: 0 where it is the photo's bit for bit.
    """
    size = photo.size
    blend = np.zeros((size.height, size.width), np.float32)
    blend[crop.part(size)] = 1
    pixels = paste_crop(photo, crop, ground, blend).pixels.copy()
    outlines = [outline_of(thing, [o for o in things if o is not thing], photo) for thing in things]
    reach = round(SHADOW * size.short)
    for thing, outline in zip(things, outlines, strict=True):
        around = AROUND * max(thing.box.width, thing.box.height) + 2 * reach
        part = thing.box.expanded(around).clipped(size).rounded().slices()
        own = outline.on(part)
        if not own.any():
            continue
        everything = np.any([o.on(part) for o in outlines], axis=0)
        layer = cut(photo.pixels[part], own, everything, grain=outline.grain, reach=reach)
        laid = np.floor(layer.over(pixels[part].astype(np.float32)).clip(0, 255) + 0.5).astype(np.uint8)
        alpha = layer.seen_in(whole(own.shape)).alpha
        covered = alpha >= WHOLE
        pixels[part] = np.where(covered[..., None], photo.pixels[part], laid)
        blend[part] = np.where(covered, 0, np.minimum(blend[part], 1 - alpha))
    kept = blend == 0  # also where the shadow of another thing fell on one
    pixels[kept] = photo.pixels[kept]
    return dataclasses.replace(photo, pixels=pixels), blend


def outline_of(thing: Thing, others: Sequence[Thing], photo: Photo) -> Outline:
    """What belongs to a thing, as far as its close-up shows: where the segmenter sees it, and where its colours go on.

    Args:
        others: whose pixels are not its own.
    """
    size, part = photo.size, thing.crop.part(photo.size)
    piece = np.ascontiguousarray(photo.pixels[part])
    grain = max(max(piece.shape[:2]) / FINE, 1.0)
    height, width = (max(round(length / grain), 1) for length in piece.shape[:2])

    def fine(canvas: npt.NDArray[np.generic]) -> npt.NDArray[np.float32]:
        levels = thing.crop.put((canvas * 255).astype(np.uint8), size)
        return np.asarray(cv2.resize(levels, (width, height), interpolation=cv2.INTER_AREA), np.float32) / np.float32(
            255
        )

    own, seen = fine(thing.mask), fine(thing.seen)
    theirs = fine(np.any([o.on(thing.crop) for o in others], axis=0) & ~thing.mask) if others else np.zeros_like(own)
    each = [values for values in (seen * (1 - theirs), seen * theirs) if values.max() > 0]
    heat = torch.from_numpy(np.stack(each))
    levels = cv2.resize(piece, (width, height), interpolation=cv2.INTER_AREA)
    image = torch.from_numpy(levels).permute(2, 0, 1).float() / 255
    odds = settle_masks(image, heat / heat.amax((1, 2), keepdim=True))[0].numpy()
    numbered, _ = ndimage.label(tidy_mask(odds >= 0.5), np.ones((3, 3)))
    joined = np.unique(numbered[own >= 0.5])
    settled = np.isin(numbered, joined[joined > 0])
    if not settled.any():
        settled = own >= 0.5
    larger = cv2.resize(settled.astype(np.float32), piece.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    return Outline(part=part, mask=larger >= 0.5, grain=grain)
