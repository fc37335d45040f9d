"""A click finds the object that is seen there: its name out of a list, and its own pixels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from intarsia.backbones.protocols import Backbones, MaskProposals
from intarsia.backbones.resolve import resolve
from intarsia.errors import LayoutError
from intarsia.imaging.geometry import Box, Point
from intarsia.imaging.masks import bounding_box
from intarsia.imaging.photo import Photo
from intarsia.imaging.read import photo_from_image, read_photo
from intarsia.layout.detect import LEAST_PEAK, iou
from intarsia.layout.detect_at_point import EVERYDAY, component_at, detect_at_point, names_for
from intarsia.layout.scene_files import read_scene
from intarsia.records.arrange import ArrangeRecord
from tests.paths import PACKAGE_SCENES

YARD = PACKAGE_SCENES / "yard.scene"
WIDTH, HEIGHT = 96, 64
SQUARES = {"red": (8, 12, 32, 36), "green": (60, 20, 84, 44)}
"""Columns and rows of two squares of one kind on white ground."""


class Squares:
    """Knows one kind of thing: whatever is coloured is a dog, more or less."""

    side = HEIGHT

    def __init__(self, sure: float = 0.9) -> None:
        self.sure, self.asked = sure, list[str]()

    def predict_masks(self, picture: Tensor, texts: Sequence[str]) -> Tensor:
        self.asked = list(texts)
        coloured = (picture[0].amax(0) - picture[0].amin(0) > 0.5).float()
        return torch.stack([coloured * (self.sure if text == "dog" else 0.1) for text in texts])


class OutlinedSquares(Squares):
    """The same, and it says exactly where the left half of a thing is."""

    def refine_masks(self, picture: Tensor, boxes: Sequence[Box], points: Sequence[Point]) -> MaskProposals:
        masks = torch.zeros(len(boxes), 1, *picture.shape[-2:], dtype=torch.bool)
        for place, box in enumerate(boxes):
            masks[place, 0, int(box.y0) : int(box.y1), int(box.x0) : int(box.x1) - 6] = True
        return MaskProposals(masks=masks, scores=torch.ones(len(boxes), 1))


def two_squares() -> Photo:
    pixels = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    for place, (x0, y0, x1, y1) in enumerate(SQUARES.values()):
        pixels[y0:y1, x0:x1] = (220, 20, 20) if place == 0 else (20, 160, 20)
    return photo_from_image(Image.fromarray(pixels))


PHOTO = two_squares()


def square(name: str) -> np.ndarray:
    mask = np.zeros((HEIGHT, WIDTH), np.bool_)
    x0, y0, x1, y1 = SQUARES[name]
    mask[y0:y1, x0:x1] = True
    return mask


@pytest.mark.parametrize("name", SQUARES)
def test_of_two_of_a_kind_the_one_that_was_clicked_is_found(name: str) -> None:
    x0, y0, x1, y1 = SQUARES[name]
    seen = detect_at_point(PHOTO, Point((x0 + x1) / 2, (y0 + y1) / 2), ["cat", "dog 2"], Squares(), side=HEIGHT)
    found, mask = seen.name, seen.mask
    assert found == "dog 2"
    assert iou(mask, square(name)) > 0.95


def test_models_are_asked_for_words_without_numbers_and_once_each() -> None:
    knows = Squares()
    detect_at_point(PHOTO, Point(20, 20), ["dog 1", "dog 2", "potted_plant"], knows, side=HEIGHT)
    assert knows.asked == ["dog", "potted plant"]


def test_ground_is_no_object_and_the_message_says_what_to_do() -> None:
    with pytest.raises(
        LayoutError, match=r"Nothing that can be told by itself is seen there .*: name the object instead"
    ):
        detect_at_point(PHOTO, Point(46, 30), ["cat", "dog"], Squares(), side=HEIGHT)
    with pytest.raises(LayoutError, match="Nothing that can be told"):
        detect_at_point(PHOTO, Point(20, 20), ["cat", "dog"], Squares(LEAST_PEAK - 0.01), side=HEIGHT)


@pytest.mark.parametrize("point", [Point(-1, 5), Point(WIDTH, 5), Point(5, HEIGHT + 0.1)])
def test_points_outside_are_refused(point: Point) -> None:
    with pytest.raises(LayoutError, match="outside the picture of 96 x 64 pixels"):
        detect_at_point(PHOTO, point, ["dog"], Squares(), side=HEIGHT)


def test_what_is_another_objects_stays_its() -> None:
    taken = np.zeros((HEIGHT, WIDTH), np.bool_)
    taken[:, :20] = True
    mask = detect_at_point(PHOTO, Point(28, 20), ["dog"], Squares(), side=HEIGHT, taken=taken).mask
    assert mask.any() and not (mask & taken).any()
    with pytest.raises(LayoutError, match="found already"):
        detect_at_point(PHOTO, Point(10, 20), ["dog"], Squares(), side=HEIGHT, taken=taken)


def test_an_outline_that_leaves_nothing_to_the_object_is_refused() -> None:
    taken = np.zeros((HEIGHT, WIDTH), np.bool_)
    taken[:, :29] = True
    with pytest.raises(LayoutError, match="belongs to objects that are found already"):
        detect_at_point(PHOTO, Point(30.5, 24), ["dog"], OutlinedSquares(), side=HEIGHT, taken=taken)


def test_a_network_for_outlines_has_the_last_word() -> None:
    rough = detect_at_point(PHOTO, Point(20, 24), ["dog"], Squares(), side=HEIGHT).mask
    exact = detect_at_point(PHOTO, Point(20, 24), ["dog"], OutlinedSquares(), side=HEIGHT).mask
    assert bounding_box(exact).x1 == bounding_box(rough).x1 - 6


def test_a_point_may_just_miss_a_part_but_no_more() -> None:
    region = square("red") | square("green")
    _, y0, x1, _ = SQUARES["red"]
    near = component_at(region, Point(x1 + 1.5, y0 + 5), 2.5)
    assert near is not None and np.array_equal(near, square("red"))
    assert component_at(region, Point(x1 + 8, y0 + 5), 2.5) is None
    assert component_at(np.zeros_like(region), Point(3, 3), 50) is None


def test_pocket_tells_the_objects_of_a_scene_apart(pocket: Backbones) -> None:
    photo = read_photo(YARD / "photo.png")
    scene = read_scene(ArrangeRecord(photo=str(YARD)), photo)
    names = names_for(resolve("pocket"))
    assert set(scene.names) <= set(names) and len(names) == 12
    for thing in scene.objects:
        middle = bounding_box(thing.mask).center
        seen = detect_at_point(photo, middle, names, pocket.segmenter, side=64)
        name, mask = seen.name, seen.mask
        assert (name, iou(mask, thing.mask) > 0.6) == (thing.name, True)


def test_a_checkpoint_without_a_list_is_asked_about_everyday_things(tiny_models: Path) -> None:
    assert names_for(resolve(str(tiny_models))) == EVERYDAY
    assert len(set(EVERYDAY)) == len(EVERYDAY) > 80
