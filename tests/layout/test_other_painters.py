"""Layouts with checkpoints that are not used in their parts: what they do, and what they refuse in one sentence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from torch import Tensor

from intarsia.backbones.protocols import Backbones
from intarsia.errors import ModelError
from intarsia.imaging.affine import warp_mask
from intarsia.imaging.read import photo_from_image
from intarsia.layout.background import DiffusionFill
from intarsia.layout.edit import arrange
from intarsia.layout.layout import Layout, Placement
from intarsia.layout.prior import prior
from intarsia.layout.remove import remove
from intarsia.layout.scene import Scene, SceneObject
from intarsia.layout.train import learn
from intarsia.records.arrange import ArrangeRecord, ComposeSettings
from intarsia.records.remove import RemoveRecord

Load = Callable[[str], Backbones]
COMPOSE = ComposeSettings(plates=2, plate_steps=4, plate_strength=0.5)
RECORD = ArrangeRecord(photo="photo.png", compose=COMPOSE, size=32, background="grass", negative_prompt="rain")


@pytest.fixture
def scene() -> Scene:
    """A bright square on a dim ground."""
    pixels = np.random.default_rng(1).integers(60, 90, (32, 48, 3), np.uint8)
    mask = np.zeros((32, 48), np.bool_)
    mask[10:20, 6:16] = True
    pixels[mask] += 120
    return Scene(photo=photo_from_image(pixels), objects=(SceneObject(name="box", words="a box", mask=mask),))


@pytest.fixture
def moved(scene: Scene) -> Layout:
    matrix = (1.0, 0.0, 22.0, 0.0, 1.0, 0.0)
    mask = warp_mask(scene.masks["box"], matrix, scene.photo.size)
    return Layout(placements=(Placement(name="box", matrix=matrix, mask=mask),))


def test_what_lies_behind_is_painted_by_the_inpainter_told_the_background(
    families: Load, scene: Scene, moved: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    models, asked = families("z_image"), []
    inpaint = models.inpainter.inpaint

    def watched(picture: Tensor, masks: Tensor, prompts: Sequence[str], **settings: Any) -> Tensor:
        asked.append((list(prompts), settings["negative_prompt"], list(settings["seeds"]), settings["strength"]))
        return inpaint(picture, masks, prompts, **settings)

    monkeypatch.setattr(models.inpainter, "inpaint", watched)
    result = arrange(scene, moved, replace(RECORD, fill="diffusion"), models)
    assert asked == [(["grass", "grass"], "a box, rain", [0, 1], 0.5)]
    assert result.cost.evaluations == 2 * 2 * 2, "two pictures, two steps, guided"
    untouched = result.blend == 0
    assert untouched.any()
    assert np.array_equal(result.photo.pixels[untouched], scene.photo.pixels[untouched])
    assert not np.array_equal(result.photo.pixels, scene.photo.pixels)


def test_without_a_painted_background_nothing_is_asked_of_it(families: Load, scene: Scene, moved: Layout) -> None:
    models = families("flux")
    result = arrange(scene, moved, ArrangeRecord(photo="photo.png", fill="patch", size=32), models)
    assert result.cost.evaluations == 0
    assert result.record.models == models.name


def test_a_gap_is_painted_by_the_inpainter(families: Load, scene: Scene) -> None:
    models = families("flux")
    before = models.inpainter.counter.evaluations
    record = RemoveRecord(photo="photo.png", object=("box=6,10,16,20",), fill="diffusion", prompt="grass", size=32)
    result = remove(scene, record, DiffusionFill(["a box"], RECORD, models))
    assert models.inpainter.counter.evaluations - before == 2 * 2
    gap = result.blend > 0
    assert np.array_equal(result.photo.pixels[~gap], scene.photo.pixels[~gap])
    assert not np.array_equal(result.photo.pixels[gap], scene.photo.pixels[gap])


@pytest.mark.parametrize("name", ["sd3", "sdxl"])
def test_painting_objects_again_is_refused_in_one_sentence(
    name: str, families: Load, scene: Scene, moved: Layout
) -> None:
    models = families(name)
    with pytest.raises(ModelError, match=r"guided by a layout.*--mode compose.*--models sd15"):
        arrange(scene, moved, ArrangeRecord(photo="photo.png", mode="regenerate"), models)
    with pytest.raises(ModelError, match=r"cannot learn objects' looks.*: pass --models sd15"):
        learn(scene, RECORD, models, seed=0)
    if name == "sd3":
        with pytest.raises(ModelError, match="cannot be guided step by step"):
            list(prior("cat", 1, models, seed=0))
