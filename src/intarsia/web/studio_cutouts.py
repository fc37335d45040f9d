"""Cut-outs: the objects of a scene as pictures with soft edges, and the ground below them, as the canvas shows them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from PIL import Image

from intarsia.imaging.geometry import Size
from intarsia.imaging.infill import halve, membrane_fill
from intarsia.imaging.known_ground import cut_from_ground
from intarsia.imaging.masks import Mask, bounds_of, dilate
from intarsia.imaging.matting import Layer
from intarsia.imaging.photo import Picture
from intarsia.imaging.slices import beyond
from intarsia.layout.scene import Scene
from intarsia.records.arrange import ComposeSettings
from intarsia.web.studio_ground import seen_ground

MAX_CANVAS_SIDE = 1280
"""Longer side of the picture on the canvas, in pixels: finer than most windows show it."""

MIN_VISIBLE_ALPHA = 1 / 255
"""Coverage from which a pixel is visible."""


def canvas_layers(scene: Scene) -> tuple[Size, Picture, dict[str, Layer]]:
    """The size at which the canvas shows a scene, its ground, and its objects by name."""
    size = scene.photo.size
    share = min(1.0, MAX_CANVAS_SIDE / size.long)
    small = Size(max(1, round(size.width * share)), max(1, round(size.height * share)))
    picture = resize_image(scene.photo.as_image().convert("RGB"), small, Image.Resampling.LANCZOS).astype(np.float32)
    masks = {name: mask_at_size(mask, small) for name, mask in scene.masks.items()}
    return small, *seen_ground(picture, *split_layers(picture, masks))


def split_layers(picture: Picture, masks: Mapping[str, Mask]) -> tuple[Picture, dict[str, Layer]]:
    """The ground without the objects, and each object with its soft edge and its shadow; together the picture again.

    The ground is filled smoothly, from which objects are cut best; what is seen of it is filled by `seen_ground`.
    """
    short = min(picture.shape[:2])
    settings = ComposeSettings()
    reach = round(settings.border * short)
    everything = np.zeros(picture.shape[:2], np.bool_)
    for mask in masks.values():
        everything |= mask
    ground = fill_ground(picture, ~dilate(everything, reach))
    edge = max(1.5, settings.edge * short)
    layers = {
        name: cut_from_ground(picture, mask, ground, everything & ~mask, edge=edge, reach=reach)
        for name, mask in masks.items()
    }
    return ground, layers


def fill_ground(picture: Picture, known: Mask) -> Picture:
    """The unknown filled by `membrane_fill`; in a large picture at half its size, since the fill is smooth anyway."""
    if max(known.shape) <= MAX_CANVAS_SIDE // 2:
        return membrane_fill(picture, known)
    height, width = known.shape
    coarse = membrane_fill(*halve(picture, known)).repeat(2, 0).repeat(2, 1)[:height, :width]
    filled: Picture = np.where(known[..., None], picture, coarse)
    return filled


def cutout(layer: Layer, shown: Size, size: Size) -> tuple[Image.Image, list[float]]:
    """A layer of an image of a size as a cropped picture with transparency, and its box in pixels of the photo."""
    visible = bounds_of(1 - layer.transmittance > MIN_VISIBLE_ALPHA)
    layer = layer.seen_in((slice(0, 1), slice(0, 1)) if visible is None else beyond(visible, layer.part))
    alpha = 1 - layer.transmittance
    colour = np.where(
        (alpha > MIN_VISIBLE_ALPHA)[..., None], layer.colour / np.maximum(alpha, MIN_VISIBLE_ALPHA)[..., None], 0
    )
    pixels = np.dstack([to_uint8(colour), to_uint8(255 * alpha)])
    wide, high = size.width / shown.width, size.height / shown.height
    rows, columns = layer.part
    around = [columns.start * wide, rows.start * high, columns.stop * wide, rows.stop * high]
    return Image.fromarray(pixels), [float(edge) for edge in around]


def to_uint8(values: np.ndarray) -> np.ndarray:
    return np.floor(values + 0.5).clip(0, 255).astype(np.uint8)


def mask_at_size(mask: Mask, size: Size) -> Mask:
    """A mask at the canvas's size; an object that is too small for it keeps a pixel."""
    shares = resize_image(Image.fromarray(mask.astype(np.uint8) * 255), size, Image.Resampling.BOX)
    smaller: Mask = shares >= 128
    return smaller if smaller.any() else shares == shares.max()


def resize_image(image: Image.Image, size: Size, how: Image.Resampling) -> np.ndarray:
    wanted = (size.width, size.height)
    # A large photo is first made smaller by a whole number, which is quick and cannot be seen on the canvas.
    return np.asarray(image if image.size == wanted else image.resize(wanted, how, reducing_gap=1.5))
