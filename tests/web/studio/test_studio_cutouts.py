"""Cut-outs on the canvas: with their ground they are the picture again, each at its place."""

from __future__ import annotations

import numpy as np
import pytest

from tests.web.arrange.yard_scene import NAMES, YARD

pytest.importorskip("gradio", reason="the web pages are an extra")
from intarsia.imaging.geometry import Size
from intarsia.imaging.masks import bounding_box
from intarsia.imaging.photo import Photo
from intarsia.layout.scene import Scene, SceneObject
from intarsia.layout.scene_files import read_scene_folder
from intarsia.web.studio_cutouts import (
    MAX_CANVAS_SIDE,
    canvas_layers,
    cutout,
    fill_ground,
    mask_at_size,
    split_layers,
)


@pytest.fixture(scope="module")
def yard() -> Scene:
    return read_scene_folder(YARD)


def test_ground_and_cut_outs_are_the_picture_again(yard: Scene) -> None:
    picture = yard.photo.pixels.astype(np.float32)
    ground, layers = split_layers(picture, {o.name: o.mask for o in yard.objects})
    again = ground
    for layer in layers.values():
        again = layer.over(again)
    for thing in yard.objects:
        assert np.abs(again - picture)[thing.mask].mean() < 0.5
        assert np.abs(ground - picture)[thing.mask].mean() > 20


def test_cut_outs_are_at_their_places(yard: Scene) -> None:
    small, _, layers = canvas_layers(yard)
    assert tuple(layers) == NAMES and small == yard.photo.size
    image, (x0, y0, x1, y1) = cutout(layers["dog"], small, yard.photo.size)
    assert image.mode == "RGBA" and image.size == (x1 - x0, y1 - y0)
    middle = bounding_box(yard.masks["dog"]).center
    column, row = int(middle.x), int(middle.y)
    pixel = image.getpixel((column - int(x0), row - int(y0)))
    assert isinstance(pixel, tuple)
    assert pixel[3] == 255
    assert pixel[:3] == pytest.approx(list(map(int, yard.photo.pixels[row, column])), abs=1)


def test_a_large_photo_is_shown_smaller_and_measured_in_its_own_pixels() -> None:
    mask = np.zeros((1000, 1600), np.bool_)
    mask[400:800, 600:1200] = True
    pixels = np.full((1000, 1600, 3), 200, np.uint8)
    pixels[mask] = (200, 20, 20)
    scene = Scene(photo=Photo(pixels=pixels), objects=(SceneObject(name="box", words="box", mask=mask),))
    small, ground, layers = canvas_layers(scene)
    assert max(ground.shape) == MAX_CANVAS_SIDE == small.width
    _, around = cutout(layers["box"], small, scene.photo.size)
    assert around == pytest.approx([600, 400, 1200, 800], abs=8)


def test_a_speck_does_not_vanish_from_the_canvas() -> None:
    mask = np.zeros((100, 100), np.bool_)
    mask[50, 50] = True
    assert mask_at_size(mask, Size(10, 10)).any()


def test_a_large_ground_is_filled_as_smoothly_and_leaves_what_is_known() -> None:
    rows, columns = np.mgrid[:700, :901].astype(np.float32)
    picture = np.dstack([rows / 4, columns / 4, rows / 8 + columns / 8])
    known = np.ones(picture.shape[:2], np.bool_)
    known[200:500, 300:651] = False
    filled = fill_ground(np.where(known[..., None], picture, 0).astype(np.float32), known)
    assert np.array_equal(filled[known], picture[known])
    # A slope is a membrane of its own.
    assert np.abs(filled - picture).max() < 2
