"""One edited photo, as every method of editing returns it."""

from __future__ import annotations

from dataclasses import dataclass

from intarsia.imaging.masks import Blend
from intarsia.imaging.photo import Photo


@dataclass(frozen=True, kw_only=True, eq=False)
class EditedPhoto:
    """A finished edit of a photo.

    Attributes:
        photo: of the input's size, profile and metadata.
        blend: (H, W) in [0, 1]; where it is 0 the pixels equal the input's bit for bit.
        seed: of the noise.
    """

    photo: Photo
    blend: Blend
    seed: int
