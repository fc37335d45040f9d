"""Detection by words, and parts of masks."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from intarsia.backbones.protocols import Backbones, KnowsNouns
from intarsia.errors import LayoutError
from intarsia.imaging.masks import Mask
from intarsia.imaging.parts import components, tidy_mask
from intarsia.imaging.photo import Photo
from intarsia.imaging.read import photo_from_image, read_photo
from intarsia.layout.detect import find_masks, split_touching
from intarsia.layout.scene_files import find_objects, read_scene
from intarsia.records.arrange import ArrangeRecord
from tests.layout.scene_parts import photo
from tests.paths import SCENES


class Spots:
    """A segmenter that is sure of the pixels that it was told of."""

    def __init__(self, shapes: dict[str, Mask], peak: float = 0.8) -> None:
        self.shapes, self.peak = shapes, peak
        self.asked: list[list[str]] = []

    def predict_masks(self, picture: Tensor, texts: Sequence[str]) -> Tensor:
        self.asked.append(list(texts))
        empty = np.zeros(tuple(picture.shape[-2:]), bool)
        return torch.stack([torch.from_numpy(self.shapes.get(t, empty)).float() * self.peak for t in texts])


def coloured_spots(shapes: dict[tuple[int, int, int], Mask]) -> Photo:
    pixels = np.full((64, 64, 3), 120, np.uint8)
    for colour, shape in shapes.items():
        pixels[shape] = colour
    return photo_from_image(pixels)


def box(rows: slice, columns: slice) -> Mask:
    mask = np.zeros((64, 64), np.bool_)
    mask[rows, columns] = True
    return mask


class FewWords(Spots):
    """One that knows two nouns."""

    nouns = ("dog", "cat")


def enlarged(picture: Photo, times: int) -> Photo:
    return photo_from_image(picture.pixels.repeat(times, 0).repeat(times, 1))


def test_on_a_photograph_a_small_segmenter_says_that_it_knows_few_nouns(caplog: pytest.LogCaptureFixture) -> None:
    dog = box(slice(5, 30), slice(3, 28))
    drawing = coloured_spots({(200, 0, 0): dog})
    segmenter = FewWords({"dog": dog})
    with pytest.raises(LayoutError, match=r"'kitten': the pocket models know 2 nouns .* .dog, cat.*--object 'kitten="):
        find_masks(enlarged(drawing, 3), ["dog", "kitten"], segmenter, side=64)
    assert not segmenter.asked, "it is said before the picture is looked at"
    with pytest.raises(LayoutError, match="'kitten' was not found in the picture"):
        find_masks(drawing, ["kitten"], segmenter, side=64)
    assert not caplog.messages
    assert find_masks(enlarged(drawing, 3), ["dog 1"], segmenter, side=64)["dog 1"].any()
    assert "their own small world" in caplog.text
    caplog.clear()
    assert find_masks(enlarged(drawing, 3), ["dog"], Spots({"dog": dog}), side=64)["dog"].any()
    assert not caplog.messages


def test_the_pocket_models_know_twelve_nouns(pocket: Backbones) -> None:
    assert isinstance(pocket.segmenter, KnowsNouns)
    assert len(pocket.segmenter.nouns) == 12 and "dog" in pocket.segmenter.nouns


def test_two_objects_of_one_class_are_told_apart_from_left_to_right() -> None:
    left, right, cat = (
        box(slice(5, 20), slice(3, 18)),
        box(slice(30, 50), slice(40, 60)),
        box(slice(40, 60), slice(5, 20)),
    )
    picture = coloured_spots({(200, 0, 0): left | right, (0, 0, 200): cat})
    segmenter = Spots({"dog": left | right, "cat": cat})
    scene = find_objects(picture, ["dog 2", "cat", "dog 1"], segmenter, side=64)
    assert segmenter.asked == [["dog", "cat"]]
    assert scene.names == ("dog 2", "cat", "dog 1")
    for found, true in zip(scene.objects, (right, cat, left), strict=True):
        assert (found.mask & true).sum() / (found.mask | true).sum() > 0.9
    with pytest.raises(LayoutError, match="3 objects were named 'dog', but the picture shows fewer"):
        find_objects(picture, ["dog 1", "dog 2", "dog 3"], segmenter, side=64)


def test_colour_finds_the_limb_that_the_segmenter_misses() -> None:
    body, legs = (
        box(slice(10, 34), slice(20, 44)),
        box(slice(34, 44), slice(24, 28)) | box(slice(34, 44), slice(36, 40)),
    )
    picture = coloured_spots({(200, 60, 0): body | legs})
    sharp = torch.from_numpy(box(slice(12, 34), slice(21, 43))).float()[None, None]
    blurred = torch.nn.functional.avg_pool2d(sharp, 15, 1, 7)[0, 0].numpy()

    class Blurred:
        def predict_masks(self, picture: Tensor, texts: Sequence[str]) -> Tensor:
            return torch.from_numpy(0.7 * blurred)[None]

    found = find_masks(picture, ["cow"], Blurred(), side=64)["cow"]
    coarse = blurred >= 0.5 * blurred.max()
    assert (coarse & legs).sum() < 0.3 * legs.sum()
    assert (found & legs).sum() > 0.6 * legs.sum()
    assert (found & ~(body | legs)).sum() < 0.03 * body.sum()


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["unicorn"], r"'unicorn' was not found in the picture \(its probability is at most 0.00, and 0.25"),
        (["dog", "dog"], "'dog' is named 2 times: number them, 'dog 1' 'dog 2'"),
        (["dog", " "], "name of an object is empty"),
        (["background"], "lies behind all objects"),
    ],
)
def test_what_cannot_be_found_is_named(names: list[str], message: str) -> None:
    shape = box(slice(10, 30), slice(10, 30))
    with pytest.raises(LayoutError, match=message):
        find_objects(coloured_spots({(200, 0, 0): shape}), names, Spots({"dog": shape}), side=64)


def test_finding_needs_a_segmenter() -> None:
    with pytest.raises(LayoutError, match="no segmenter was given"):
        read_scene(ArrangeRecord(photo="p", find=("dog",)), photo())


def scenes_of_two() -> list[tuple[Photo, list[str], list[Mask]]]:
    key = json.loads((SCENES / "colours.json").read_text())
    read = []
    for fact in json.loads((SCENES / "scenes.json").read_text()):
        names = [o["name"] for o in fact["objects"]]
        coloured = read_photo(SCENES / fact["image"].replace(".png", ".mask.png")).pixels
        masks = [(coloured == key[name]).all(-1) for name in names]
        if names:
            read.append((read_photo(SCENES / fact["image"]), names, masks))
    return read


def test_the_pocket_segmenter_finds_the_objects_of_scenes(pocket: Backbones) -> None:
    overlaps = []
    for picture, names, masks in scenes_of_two():
        scene = read_scene(ArrangeRecord(photo="p", find=tuple(names)), picture, pocket.segmenter, native_side=64)
        assert scene.names == tuple(names)
        overlaps += [(o.mask & m).sum() / (o.mask | m).sum() for o, m in zip(scene.objects, masks, strict=True)]
    assert np.mean(overlaps) > 0.65


def flooded(mask: Mask) -> np.ndarray:
    """The parts of a mask by filling, slowly."""
    labels = np.zeros(mask.shape, int)
    for row, column in zip(*np.nonzero(mask), strict=True):
        if labels[row, column]:
            continue
        number, queue = labels.max() + 1, [(row, column)]
        while queue:
            r, c = queue.pop()
            if 0 <= r < mask.shape[0] and 0 <= c < mask.shape[1] and mask[r, c] and not labels[r, c]:
                labels[r, c] = number
                queue += [(r + 1, c), (r - 1, c), (r, c + 1), (r, c - 1)]
    return labels


@settings(max_examples=60)
@given(st.integers(0, 2**32), st.floats(0, 1), st.integers(1, 12), st.integers(1, 12))
def test_parts_are_those_of_filling(seed: int, share: float, height: int, width: int) -> None:
    mask: Mask = np.random.default_rng(seed).random((height, width)) < share
    labels, areas = components(mask)
    expected = flooded(mask)
    assert (labels > 0).tolist() == mask.tolist()
    pairs = set(zip(labels[mask].tolist(), expected[mask].tolist(), strict=True))
    assert len(pairs) == expected.max() == len(areas)
    assert [(labels == 1 + k).sum() for k in range(len(areas))] == areas.tolist()


def test_specks_and_small_holes_go_and_large_ones_stay() -> None:
    mask = box(slice(10, 40), slice(10, 40))
    mask[0, 0], mask[20, 20] = True, False
    mask[30:38, 12:38] = False
    clean = tidy_mask(mask)
    assert not clean[0, 0] and clean[20, 20] and not clean[34, 20]


def test_touching_objects_are_cut_where_they_are_narrow() -> None:
    rows, columns = np.mgrid[:64, :64]
    left: Mask = (rows - 30) ** 2 + (columns - 20) ** 2 < 144
    right: Mask = (rows - 30) ** 2 + (columns - 42) ** 2 < 144
    parts = split_touching(left | right, np.ones((64, 64), np.float32), ["dog 1", "dog 2"])
    for part, true in zip(parts, (left, right), strict=True):
        assert (part & true).sum() / (part | true).sum() > 0.9
