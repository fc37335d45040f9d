"""A scene with a few more pixels at its right and lower border, so that the models see it whole and not stretched."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from intarsia.imaging.crop import whole_crop
from intarsia.imaging.geometry import ROUNDING, Size
from intarsia.layout.layout import Layout
from intarsia.layout.scene import Scene


def padded_size(photo: Size, side: int, stride: int) -> Size:
    """The smallest size that holds a photo and has, to a pixel, the aspect ratio of a size that the models accept.

    Args:
        side: short side that the models work at, in pixels.
        stride: both sides of theirs are multiples of it.
    """
    window = whole_crop(photo, side, stride).window
    # Rounded down, so that a padded photo needs no more padding.
    return Size(math.floor(window.width + ROUNDING), math.floor(window.height + ROUNDING))


def padded_scene(scene: Scene, size: Size) -> Scene:
    """The pixels and masks at the border go on; the very scene where it has that size."""
    if scene.photo.size == size:
        return scene
    photo = scene.photo
    alpha = None if photo.alpha is None else padded(photo.alpha, size)
    return Scene(
        photo=replace(photo, pixels=padded(photo.pixels, size), alpha=alpha),
        objects=tuple(replace(obj, mask=padded(obj.mask, size)) for obj in scene.objects),
    )


def padded_layout(layout: Layout, size: Size) -> Layout:
    """A layout of the padded scene."""
    placements = tuple(replace(p, mask=padded(p.mask, size)) for p in layout.placements)
    return replace(layout, placements=placements)


def padded(layer: npt.NDArray[Any], size: Size) -> npt.NDArray[Any]:
    """(H, W, ...) continued by its own border to the right and below."""
    height, width = layer.shape[:2]
    if (width, height) == (size.width, size.height):
        return layer
    more = [(0, size.height - height), (0, size.width - width)] + [(0, 0)] * (layer.ndim - 2)
    return np.pad(layer, more, mode="edge")
