"""Padding: a photo keeps its proportions where the models accept no size of its aspect ratio."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from intarsia.backbones.protocols import Backbones
from intarsia.imaging.geometry import Size, working_size
from intarsia.layout.cache import MemoryCache
from intarsia.layout.concepts import Concepts
from intarsia.layout.padding import padded, padded_layout, padded_scene, padded_size
from intarsia.layout.regenerate import regenerate
from intarsia.layout.train import training_data_of
from tests.layout.concept_scenes import record_of, scene_of, shifted


@pytest.mark.parametrize(
    ("size", "side", "stride"),
    [((4000, 3000), 512, 64), ((3000, 4000), 512, 64), ((67, 64), 64, 8), ((9000, 1000), 512, 64), ((64, 64), 64, 8)],
)
def test_a_padded_photo_is_seen_by_the_models_as_it_is(size: tuple[int, int], side: int, stride: int) -> None:
    photo = Size(*size)
    wide = padded_size(photo, side, stride)
    assert wide.width >= photo.width and wide.height >= photo.height
    work = working_size(wide, side, stride)
    across, down = work.width / wide.width, work.height / wide.height
    assert across == pytest.approx(down, rel=1.5 / min(wide.width, wide.height))
    assert padded_size(wide, side, stride) == wide


def test_padding_continues_the_border_and_leaves_a_photo_that_fits_alone() -> None:
    scene = scene_of("cat", "dog")
    size = scene.photo.size
    assert padded_scene(scene, size) is scene
    wide = Size(size.width + 5, size.height + 2)
    more = padded_scene(scene, wide)
    assert more.photo.size == wide
    assert np.array_equal(more.photo.pixels[: size.height, : size.width], scene.photo.pixels)
    assert (more.photo.pixels[: size.height, size.width :] == scene.photo.pixels[:, -1:]).all()
    assert all(mask.shape == (wide.height, wide.width) for mask in more.masks.values())
    placed = padded_layout(shifted(scene, "cat", 3), wide)
    assert placed.placements[0].mask.shape == (wide.height, wide.width)
    assert padded(scene.photo.pixels, size) is scene.photo.pixels


def test_a_photo_of_another_aspect_ratio_is_regenerated_without_stretching(
    tiny_backbones: Backbones, learned: Concepts
) -> None:
    scene = scene_of("cat", "dog")
    height, width = scene.photo.pixels.shape[0], scene.photo.pixels.shape[1] - 3
    scene = replace(
        scene,
        photo=replace(scene.photo, pixels=scene.photo.pixels[:, :width].copy()),
        objects=tuple(replace(obj, mask=obj.mask[:, :width].copy()) for obj in scene.objects),
    )
    data = training_data_of(scene, record_of(), tiny_backbones.in_parts)
    seen = data.scene.photo.size
    assert data.size.width / seen.width == pytest.approx(data.size.height / seen.height, rel=0.02)
    assert data.scene.photo.size != scene.photo.size
    (made,), _ = regenerate(
        scene, shifted(scene, "cat", 3), record_of(), tiny_backbones, seeds=(0,), concepts=learned, cache=MemoryCache()
    )
    kept = made.blend == 0
    assert made.photo.pixels.shape == (height, width, 3)
    assert np.array_equal(made.photo.pixels[kept], scene.photo.pixels[kept])
    assert not np.array_equal(made.photo.pixels, scene.photo.pixels)
