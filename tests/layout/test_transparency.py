"""Transparency goes where the objects go, whether they are moved as they are or painted again."""

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest

from intarsia.backbones.protocols import Backbones
from intarsia.imaging.affine import IDENTITY, warp_mask
from intarsia.imaging.masks import dilate
from intarsia.layout.cache import MemoryCache
from intarsia.layout.compose import compose
from intarsia.layout.concepts import Concepts
from intarsia.layout.emptied import repainted_transparency
from intarsia.layout.layout import Layout, Placement
from intarsia.layout.layout_files import read_layout
from intarsia.layout.regenerate import changed_region, regenerate
from intarsia.layout.scene import Scene
from intarsia.records.arrange import ArrangeRecord
from tests.layout.concept_scenes import record_of, scene_of, shifted


def clear_scene(*names: str) -> Scene:
    """Objects on nothing: opaque where they are alone."""
    scene = scene_of(*names)
    everything = np.any([thing.mask for thing in scene.objects], axis=0)
    alpha = np.where(everything, 255, 0).astype(np.uint8)
    return dataclasses.replace(scene, photo=dataclasses.replace(scene.photo, alpha=alpha))


MOVES = {
    "moved": {"move": ("cat=6,3",)},
    "scaled": {"scale": ("cat=0.6",)},
    "turned": {"rotate": ("cat=30",), "move": ("cat=4,0",)},
    "mirrored": {"flip": ("cat",), "move": ("cat=5,0",)},
    "copied": {"copy": ("cat=12,4",)},
    "removed": {"remove": ("cat",)},
}


def by_moving(scene: Scene, layout: Layout, record: ArrangeRecord) -> np.ndarray | None:
    return compose(scene, layout, record, None, seed=0, cache=MemoryCache()).photo.alpha


def by_painting(scene: Scene, layout: Layout, record: ArrangeRecord) -> np.ndarray | None:
    blend = changed_region(scene, layout, record.compose.border).astype(np.float32)
    return repainted_transparency(scene, layout, record, blend)


@pytest.mark.parametrize("way", [by_moving, by_painting])
@pytest.mark.parametrize("kind", MOVES)
def test_an_object_is_opaque_where_it_now_is_and_clear_where_it_was(
    kind: str, way: Callable[[Scene, Layout, ArrangeRecord], np.ndarray | None]
) -> None:
    scene = clear_scene("cat", "dog")
    record = record_of(**MOVES[kind])
    layout = read_layout(record, scene)
    alpha = way(scene, layout, record)
    assert alpha is not None
    there = np.zeros(alpha.shape, np.bool_)
    for placement in layout.placements:
        mask = scene.masks[placement.source]
        there |= warp_mask(mask, placement.matrix, scene.photo.size) if placement.matrix != IDENTITY else mask
    inside = there & np.roll(there, 1, 0) & np.roll(there, -1, 0) & np.roll(there, 1, 1) & np.roll(there, -1, 1)
    assert (alpha[inside] >= 250).mean() > 0.97
    assert (alpha[~dilate(there, 2)] == 0).all()
    assert (alpha[scene.masks["dog"] & (there & ~scene.masks["cat"])] >= 250).all()


def test_an_object_of_another_shape_is_opaque_in_that_shape() -> None:
    scene = clear_scene("cat")
    drawn = np.zeros(scene.masks["cat"].shape, np.bool_)
    drawn[2:10, 20:30] = True
    layout = Layout(placements=(Placement(name="cat", matrix=(1, 0, 3, 0, 1, 3), mask=drawn, fit=0.2),))
    alpha = by_painting(scene, layout, record_of())
    assert alpha is not None and (alpha[4:8, 22:28] == 255).all() and (alpha[~drawn] == 0).all()


def test_painting_again_takes_the_transparency_along(tiny_backbones: Backbones, learned: Concepts) -> None:
    scene = clear_scene("cat", "dog")
    layout = shifted(scene, "cat", 6)
    made, _ = regenerate(scene, layout, record_of(), tiny_backbones, seeds=(0,), concepts=learned, cache=MemoryCache())
    alpha, before = made[0].photo.alpha, scene.photo.alpha
    assert alpha is not None and before is not None
    moved = next(p for p in layout.placements if p.name == "cat").mask
    assert (alpha[moved] == 255).all() and (alpha[scene.masks["cat"] & ~moved] == 0).all()
    kept = made[0].blend == 0
    assert np.array_equal(alpha[kept], before[kept])
