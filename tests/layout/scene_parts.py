"""Parts of scenes."""

from __future__ import annotations

import numpy as np

from intarsia.imaging.photo import Photo
from intarsia.imaging.read import photo_from_image


def photo(width: int = 48, height: int = 32) -> Photo:
    return photo_from_image(np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8))
