"""The ground under dragged objects: as textured as what is around, and exact where nothing lay."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("gradio")
from intarsia.imaging.matting import Layer
from intarsia.imaging.photo import Picture
from intarsia.web.studio_cutouts import split_layers
from intarsia.web.studio_ground import seen_ground

SIDE, DISC = 240, slice(90, 150)


@pytest.fixture
def cut() -> tuple[Picture, Picture, dict[str, Layer]]:
    """A red block on stripes and grain, the smooth ground, and the block cut from it."""
    grain = np.random.default_rng(0).normal(0, 12, (SIDE, SIDE, 1))
    stripes = 30 * np.sin(np.arange(SIDE) / 4)[:, None, None]
    picture = (120 + grain + stripes).clip(0, 255).repeat(3, 2).astype(np.float32)
    picture[DISC, DISC] = (220, 30, 30)
    mask = np.zeros((SIDE, SIDE), np.bool_)
    mask[DISC, DISC] = True
    return picture, *split_layers(picture, {"block": mask})


def test_the_ground_is_filled_with_what_is_around(cut: tuple[Picture, Picture, dict[str, Layer]]) -> None:
    picture, smooth, layers = cut
    ground, laid = seen_ground(picture, smooth, layers, seconds=60)
    inside = slice(100, 140)
    around = picture[20:60, 100:140, 0]
    assert ground[inside, inside, 0].std() > 0.6 * around.std() > 2 * smooth[inside, inside, 0].std()
    assert abs(ground[inside, inside] - ground[inside, inside].mean(-1, keepdims=True)).max() < 40  # nothing red
    assert abs(ground[:60] - picture[:60]).max() < 1e-3
    # Where it was, the block gives the picture again, beside a soft border.
    layer, shown = laid["block"], ground.copy()
    shown[layer.part] = layer.colour + layer.transmittance[..., None] * ground[layer.part]
    own = np.zeros((SIDE, SIDE), np.bool_)
    own[layer.part] = layer.alpha > 0.01
    assert abs(shown - picture)[own].max() < 1e-2


def test_the_smooth_ground_stays_where_another_takes_too_long(cut: tuple[Picture, Picture, dict[str, Layer]]) -> None:
    picture, smooth, layers = cut
    ground, laid = seen_ground(picture, smooth, layers, seconds=0)
    assert ground is smooth and laid == layers
