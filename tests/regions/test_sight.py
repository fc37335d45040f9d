"""What is found in a photo, small things in large photos too, and that edits reach no further than they are asked to."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from intarsia.backbones.protocols import Backbones
from intarsia.imaging.crop import whole_crop
from intarsia.imaging.geometry import Box, Size
from intarsia.imaging.masks import box_mask
from intarsia.imaging.photo import Photo
from intarsia.imaging.read import photo_from_image
from intarsia.imaging.tensors import resize_to_photo, to_tensor
from intarsia.regions.edit import edit
from intarsia.regions.sight import Sight
from tests.regions.test_edit import record, scene, untouched_equal


@functools.cache
def small_scene_in_large(number: int, corner: tuple[int, int] = (120, 150), side: int = 256) -> Photo:
    """A scene's picture of 64 px in a plain larger one: its things have a tenth or so of the side."""
    inner = scene(number)[0].as_image().convert("RGB")
    border = tuple(int(v) for v in np.median(np.asarray(inner).reshape(-1, 3), 0))
    whole = Image.new("RGB", (side, side), border)
    whole.paste(inner, corner)
    return photo_from_image(whole)


LOOKED_AT: dict[bytes, Sight] = {}
"""Of the photos of these tests: looking at one costs a second or two."""


def seen(photo: Photo, backbones: Backbones) -> Sight:
    key = photo.pixels.tobytes()
    if key not in LOOKED_AT:
        LOOKED_AT[key] = Sight(photo=photo, backbones=backbones, side=64, stride=8)
    return LOOKED_AT[key]


def moved(box: tuple[float, ...], corner: tuple[int, int]) -> Box:
    x, y = corner
    return Box(box[0] + x, box[1] + y, box[2] + x, box[3] + y)


# finding


@pytest.mark.parametrize("number", range(6))
def test_a_named_thing_is_found_where_it_is(pocket: Backbones, number: int) -> None:
    photo, fact = scene(number)
    sight = seen(photo, pocket)
    for thing in fact["objects"]:
        found = sight.find(sight.known(f"a {thing['name']}", thing["name"]))
        assert found and found[0].box.iou(Box(*thing["box"])) >= 0.5, thing
        assert found[0].box.clipped(photo.size) == found[0].box


@pytest.mark.parametrize("number", range(3))
def test_a_thing_of_a_tenth_of_the_photo_is_found_as_closely(pocket: Backbones, number: int) -> None:
    _, fact = scene(number)
    sight = seen(small_scene_in_large(number), pocket)
    for thing in fact["objects"]:
        found = sight.find(sight.known(f"a {thing['name']}", thing["name"]))
        assert found and found[0].box.iou(moved(thing["box"], (120, 150))) >= 0.5, thing


@pytest.mark.parametrize("number", range(6))
def test_things_of_any_kind_are_those_that_are_there(pocket: Backbones, number: int) -> None:
    photo, fact = scene(number)
    boxes = [Box(*thing["box"]) for thing in fact["objects"]]
    things = seen(photo, pocket).things()
    assert all(max(t.box.iou(b) for t in things) >= 0.4 for b in boxes)
    assert len(things) == len(boxes)


def test_what_the_segmenter_has_no_word_for_is_not_found(pocket: Backbones) -> None:
    sight = seen(scene(0)[0], pocket)
    assert sight.known("a unicorn", "unicorn") == () and sight.find(()) == []
    assert "a cat" in sight.known("an animal", "animal")


def test_a_thing_lies_alike_on_every_canvas(pocket: Backbones) -> None:
    photo = small_scene_in_large(0)
    sight = seen(photo, pocket)
    for thing in sight.things():
        assert np.array_equal(thing.on(thing.crop), thing.mask)
        ys, xs = np.nonzero(thing.on(whole_crop(photo.size, 256, 8)))
        assert Box(xs.min(), ys.min(), xs.max() + 1, ys.max() + 1).iou(thing.box) > 0.8


# resolution and parity


def test_with_the_whole_picture_as_context_a_box_is_painted_as_without_crops(pocket: Backbones) -> None:
    photo, _ = scene(0)
    box, size = Box(8, 16, 40, 60), Size(64, 64)
    wish = record(box=box.as_tuple(), context=1000.0, feather=0.0)
    hole = box_mask(box, size)
    painted = pocket.inpainter.inpaint(
        to_tensor(photo, size), torch.from_numpy(hole)[None, None].float(), [wish.prompt],
        negative_prompt="", seeds=[wish.seed], steps=wish.steps, guidance=wish.guidance,
    )[0]  # fmt: skip
    expected = np.where(hole[..., None], resize_to_photo(painted, size), photo.pixels)
    assert np.array_equal(edit(photo, wish, pocket).photo.pixels, expected)


def sharpness(pixels: np.ndarray, box: Box) -> float:
    """Mean square of the differences of neighbouring pixels in a box."""
    rows, columns = box.rounded().slices()
    levels = pixels[rows, columns].astype(float).mean(-1)
    return float(np.square(np.diff(levels, axis=0)).mean() + np.square(np.diff(levels, axis=1)).mean())


def test_a_small_thing_of_a_large_picture_is_painted_as_sharply_as_its_crop(pocket: Backbones) -> None:
    photo, (_, fact) = small_scene_in_large(0), scene(0)
    box = moved(fact["objects"][0]["box"], (120, 150))
    wish = record(box=box.as_tuple(), steps=10)
    crops, whole = (edit(photo, dataclasses.replace(wish, context=c), pocket) for c in (1.6, 1000.0))
    inside = box.expanded(-0.1 * box.width)
    assert untouched_equal(photo, crops) and untouched_equal(photo, whole)
    assert sharpness(crops.photo.pixels, inside) > 3 * sharpness(whole.photo.pixels, inside)
    assert sharpness(crops.photo.pixels, inside) > 0.4 * sharpness(photo.pixels, inside)


edges = st.floats(0, 1)


@given(st.tuples(edges, edges), st.tuples(edges, edges), st.sampled_from([(64, 64), (150, 97), (31, 240)]))
@settings(max_examples=8)
def test_outside_a_box_every_pixel_stays(
    pocket: Backbones, x: tuple[float, float], y: tuple[float, float], shape: tuple[int, int]
) -> None:
    photo = photo_from_image(scene(1)[0].as_image().resize(shape, Image.Resampling.BICUBIC))
    width, height = shape
    room = width / 3, height / 3  # as large as that, so that there is something to paint
    x0, y0 = min(x) * (width - room[0]), min(y) * (height - room[1])
    box = Box(x0, y0, max(max(x) * width, x0 + room[0]), max(max(y) * height, y0 + room[1]))
    result = edit(photo, record(box=box.as_tuple(), steps=1), pocket)
    outside = ~box_mask(box.rounded(), photo.size)
    assert (result.photo.pixels[outside] == photo.pixels[outside]).all()
    kept = result.blend == 0
    assert (result.photo.pixels[kept] == photo.pixels[kept]).all() and not result.blend[outside].any()
