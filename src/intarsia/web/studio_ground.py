"""The ground that is seen on the canvas where an object is dragged away: filled as a quick view's, soft at its border."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Mapping

import numpy as np

from intarsia.backbones.fills import PatchFill
from intarsia.errors import RegionError
from intarsia.imaging.masks import Mask, dilate, feather
from intarsia.imaging.matting import Layer
from intarsia.imaging.photo import Picture, levels_to_bytes
from intarsia.progress import listening
from intarsia.tasks.arrange_preview import EFFORT

FILL_SECONDS = 1.5
"""Seconds that a ground may take; then the smooth one is shown."""
MOST_FILLED = 0.35
"""Share of the canvas from which on it would surely take longer."""
SOFT = 0.004
"""Width of the soft border, in short sides of the picture."""
FAINTEST = 0.4
"""Least share of the light that is undone where a shadow lies."""
TOUCHED = 1 / 255
"""Coverage from which an object hides what is behind it."""


class TooLongError(Exception):
    """The time for a fill is over."""


def seen_ground(
    picture: Picture, smooth: Picture, layers: Mapping[str, Layer], *, seconds: float = FILL_SECONDS
) -> tuple[Picture, dict[str, Layer]]:
    """The ground without objects and their shadows, and the layers, so that they lie on it as in the picture.

    Args:
        picture: (H, W, 3) in levels.
        smooth: (H, W, 3) the ground that the layers were cut from, filled smoothly; it stays where a better fill takes
            too long.
        layers: of the objects, in the picture's own places.
        seconds: for the fill.
    """
    hidden, light = covered(picture.shape[:2], layers)
    soft = max(2, math.ceil(SOFT * min(picture.shape[:2])))
    hole = dilate(hidden, soft)
    if not hole.any() or hole.mean() > MOST_FILLED:
        return smooth, dict(layers)
    lit = picture / np.maximum(light, FAINTEST)[..., None]
    try:
        filled = within_time(levels_to_bytes(lit), hole, seconds).astype(np.float32)
    except (TooLongError, RegionError):
        return smooth, dict(layers)
    share = np.where(hidden, np.float32(1), feather(hole, soft))[..., None]
    ground: Picture = (share * filled + (1 - share) * lit).astype(np.float32)
    return ground, {name: laid_on(layer, picture, ground) for name, layer in layers.items()}


def within_time(image: np.ndarray, hole: Mask, seconds: float) -> np.ndarray:
    """An image with its hole filled by pieces of it.

    Raises:
        TooLongError: that takes more than so many seconds.
    """
    end = time.monotonic() + seconds

    def check(_share: float) -> None:
        if time.monotonic() > end:
            raise TooLongError

    with listening(check):
        return PatchFill(effort=EFFORT).fill(image, hole, np.zeros_like(hole))


def covered(shape: tuple[int, ...], layers: Mapping[str, Layer]) -> tuple[Mask, np.ndarray]:
    """(H, W) what objects hide, and the share of the light that their shadows leave."""
    hidden, light = np.zeros(shape, np.bool_), np.ones(shape, np.float32)
    for layer in layers.values():
        own = layer.alpha > TOUCHED
        hidden[layer.part] |= own
        light[layer.part] *= np.where(own, 1, layer.transmittance)
    return hidden, light


def laid_on(layer: Layer, picture: Picture, ground: Picture) -> Layer:
    """A layer that gives the picture when it lies on another ground."""
    own = layer.alpha > TOUCHED
    colour = picture[layer.part] - layer.transmittance[..., None] * ground[layer.part]
    return dataclasses.replace(layer, colour=np.where(own[..., None], colour, layer.colour).astype(np.float32))
