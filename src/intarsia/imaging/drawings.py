"""Whether a picture is drawn rather than photographed."""

from __future__ import annotations

import numpy as np
from PIL import Image

from intarsia.imaging.photo import Photo

SIDE = 256
"""Short side in pixels at which a picture is judged, so that a large blurred photograph is not taken for a drawing."""

EQUAL = 0.42
"""Share of neighbouring pixels that are equal, from which a picture is a drawing: scenes of the pocket world have 0.47
and more at any size, photographs in colour 0.26 and less, in grey 0.35."""


def is_drawing(photo: Photo) -> bool:
    """Whether most of a picture is plain areas, as in drawings; in photographs, noise tells neighbours apart."""
    scale = SIDE / photo.size.short
    shape = (max(1, round(photo.size.width * scale)), max(1, round(photo.size.height * scale)))
    small = np.asarray(Image.fromarray(photo.pixels).resize(shape, Image.Resampling.BILINEAR, reducing_gap=3.0))
    across = (small[:, 1:] == small[:, :-1]).all(-1)
    down = (small[1:] == small[:-1]).all(-1)
    return bool(across.sum() + down.sum() >= EQUAL * (across.size + down.size))
