"""The scenes of removals and arrangements: what is found or marked, and what a MASK covers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from intarsia.backbones.protocols import Backbones, Segmenter
from intarsia.errors import LayoutError, ModelError, Remedy, Setting
from intarsia.imaging.masks import Mask
from intarsia.imaging.photo import Photo
from intarsia.layout.scene import Scene, SceneObject

MASKED = "mask"
"""Name of the object that a MASK covers."""


def finder(models: Backbones | None, find: Sequence[str]) -> tuple[Segmenter | None, int]:
    """What finds objects by their names, and the short side at which it looks, in pixels.

    Raises:
        ModelError: names are to be found, and there are no models.
    """
    if models is None:
        if find:
            raise ModelError(
                f"The objects {', '.join(find)} are to be found by their names, but no models are connected",
                Remedy("connect ", Setting("models")),
                Remedy("give ", Setting("mask"), ", ", Setting("object"), " instead of ", Setting("find")),
            )
        return None, 512
    # The smallest painters work on less than a segmenter can see.
    return models.segmenter, max(models.painter.native_side, getattr(models.segmenter, "side", 0))


def with_mask(photo: Photo, scene: Scene | None, mask: Mask | None) -> Scene:
    """A scene and what a mask covers besides, as one more object.

    Args:
        scene: None for a photo of which nothing else is known; then there is a mask.

    Raises:
        LayoutError: an object of the scene has the name of the mask's.
    """
    objects = () if scene is None else scene.objects
    if mask is not None:
        if any(thing.name == MASKED for thing in objects):
            raise LayoutError(f"Two objects are called {MASKED!r}: give the one that is no mask another name.")
        rest = mask & ~np.logical_or.reduce([np.zeros_like(mask), *(thing.mask for thing in objects)])
        if rest.any():
            objects = (*objects, SceneObject(name=MASKED, words=MASKED, mask=rest))
    return Scene(photo=photo, objects=objects)
