"""Transparency of what an edit has painted: where a picture was clear, the paint can be made to show.

Over what shows already an edit is mixed as anywhere. Where nothing showed there is nothing to mix with: the colours hidden
there are left out, and opacity rises as the edit does. Along the region's border, beside what is opaque, it stays opaque.
"""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np

from intarsia.imaging.masks import Blend, bounds_of
from intarsia.imaging.photo import Photo, levels_to_bytes

LEAST_SHARE = 1 / 64
"""Share of an edit below which its colours cannot be told from what it was mixed with."""


def shown_share(photo: Photo, blend: Blend) -> float:
    """How much of an edit shows through a photo's transparency: 0 for nothing, 1 for all of it, or where nothing was changed.

    Args:
        blend: (H, W) in [0, 1], how far each pixel is the edit's.
    """
    whole = float(blend.sum())
    if photo.alpha is None or whole == 0:
        return 1.0
    return float((blend * (photo.alpha / np.float32(255))).sum()) / whole


def with_painted_alpha(photo: Photo, edited: Photo, blend: Blend) -> Photo:
    """An edited photo that shows what was painted, also where the photo is clear; elsewhere bit for bit as it is.

    Args:
        photo: the original, with transparency.
        edited: mixed from the original's colours, hidden ones too, and the paint.
        blend: (H, W) in [0, 1], how far each pixel is the paint's.
    """
    region = bounds_of(blend > 0, 1)
    if photo.alpha is None or edited.alpha is None or region is None:
        return edited
    share, inside = blend[region], blend[region] > 0
    own = photo.alpha[region].astype(np.float32) / 255
    before = photo.pixels[region].astype(np.float32)
    rows, columns = _nearest_outside(inside)
    beside = own[rows, columns] if rows.size else np.zeros_like(own)
    shown = np.maximum(own, beside)  # how much of what is not paint shows
    near = before[rows, columns] if rows.size else before
    visible = before + ((1 - own / np.maximum(shown, 1e-6))[..., None]) * (near - before)
    paint = before + (edited.pixels[region] - before) / np.maximum(share, LEAST_SHARE)[..., None]
    rest = (1 - share) * shown
    opacity = share + rest
    mixed = (rest[..., None] * visible + share[..., None] * paint) / np.maximum(opacity, 1e-6)[..., None]
    change = inside & (own < 1)
    pixels, alpha = edited.pixels.copy(), photo.alpha.copy()
    pixels[region][change] = levels_to_bytes(mixed[change])
    alpha[region][change] = levels_to_bytes(255 * np.maximum(own, opacity)[change])
    return dataclasses.replace(edited, pixels=pixels, alpha=alpha)


def _nearest_outside(inside: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each pixel (h, w), row and column of the nearest one outside a region; empty where the region is everything."""
    if inside.all():
        return np.zeros((0, 0), np.intp), np.zeros((0, 0), np.intp)
    _, labels = cv2.distanceTransformWithLabels(
        inside.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    places = np.flatnonzero(~inside)
    places_of = np.zeros(int(labels.max()) + 1, np.intp)
    places_of[labels.ravel()[places]] = places
    rows, columns = np.divmod(places_of[labels], inside.shape[1])
    return rows, columns
