"""Transparency of a rearranged photo: it goes where the objects go."""

from __future__ import annotations

import numpy as np

from intarsia.imaging.affine import warp_channels
from intarsia.imaging.infill import membrane_fill
from intarsia.imaging.masks import Blend, Mask, feather
from intarsia.imaging.photo import Bytes, levels_to_bytes
from intarsia.layout.layout import Layout, Placement
from intarsia.layout.scene import Scene
from intarsia.layout.stack import Change

SAME_SHAPE = 0.9
"""IoU from which an object counts as taken to its place by its map alone."""


def is_clear_somewhere(scene: Scene) -> bool:
    """Whether anything shines through a scene's photo."""
    alpha = scene.photo.alpha
    return alpha is not None and not bool((alpha == 255).all())


def moved_transparency(
    scene: Scene, layout: Layout, change: Change, blend: Blend, *, reshaped: bool = False
) -> Bytes | None:
    """The photo's transparency, moved with its objects; the vacated region is as clear as what is around it.

    Args:
        blend: (H, W), above 0 in what changes.
        reshaped: objects were painted in the shape that the layout has for them, rather than moved as they are.
    """
    photo = scene.photo
    if photo.alpha is None or not is_clear_somewhere(scene):
        return photo.alpha
    source = photo.alpha.astype(np.float32)[..., None]
    composite = np.where(change.vacated[..., None], membrane_fill(source, ~change.objects), source)
    for placement in layout.placements:
        mask = scene.masks[placement.source]
        packed = np.concatenate([source * mask[..., None], mask[..., None].astype(np.float32)], -1)
        own, coverage = np.split(warp_channels(packed, placement.matrix, photo.size), 2, -1)
        if reshaped and placement.fit < SAME_SHAPE:
            own, coverage = _in_shape(placement, own, coverage, usual=float(source[mask].mean()))
        composite = own + (1 - coverage) * composite
    return np.where(blend > 0, levels_to_bytes(composite[..., 0]), photo.alpha)


def _in_shape(
    placement: Placement, own: np.ndarray, coverage: np.ndarray, *, usual: float
) -> tuple[np.ndarray, np.ndarray]:
    """An object's alpha, times its coverage, and the coverage, both (H, W, 1), in the shape that the layout has for it.

    Args:
        own, coverage: as its map takes them there.
        usual: its mean alpha, for what the map does not reach.
    """
    shape: Mask = placement.mask
    soft = feather(shape, 1.0)[..., None]
    level = np.where(coverage > 0.5, own / np.maximum(coverage, 1e-6), np.float32(usual))
    return level * soft, soft
