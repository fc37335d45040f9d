"""How sure it is that what is found by words is there."""

from __future__ import annotations

import dataclasses
import json
import logging
import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from intarsia.backbones import POCKET
from intarsia.backbones.caching import CachedSegmenter
from intarsia.backbones.clipseg import ClipSegSegmenter
from intarsia.backbones.confidence import (
    FEATURES,
    SURE_FROM,
    Answers,
    Calibration,
    calibration_of,
    judge,
    known_noun,
    read_calibration,
    surest,
)
from intarsia.backbones.grounding import SURE_SCORE, GroundedSegmenter
from intarsia.backbones.protocols import Backbones
from intarsia.backbones.segmenters import RefinedSegmenter
from intarsia.errors import LayoutError
from intarsia.imaging.geometry import Point
from intarsia.imaging.masks import bounding_box
from intarsia.imaging.photo import Photo
from intarsia.imaging.read import photo_from_image, read_photo
from intarsia.layout.detect import detect_words
from intarsia.layout.detect_at_point import detect_at_point
from intarsia.layout.doubts import doubt_notes, kept_notes, refuse_unsure, with_chance
from intarsia.layout.scene import Scene, SceneObject
from intarsia.layout.scene_files import read_scene, read_scene_folder
from intarsia.records.arrange import ArrangeRecord
from intarsia.results.write_scene import write_scene
from tests.paths import PACKAGE_SCENES, SCENES


def scene(name: str) -> Photo:
    return read_photo((SCENES if name[0].isdigit() else PACKAGE_SCENES) / f"{name}.png")


def twins() -> Photo:
    """Two birds and two cars: a scene, and its mirror image beside it."""
    pixels = scene("bird-and-car").pixels
    return photo_from_image(np.concatenate([pixels, pixels[:, ::-1]], axis=1))


def tiny() -> Photo:
    """A scene in the corner of a plain picture with sides more than twice as long."""
    small = np.asarray(Image.fromarray(scene("bird-and-car").pixels).resize((28, 28), Image.Resampling.LANCZOS))
    return photo_from_image(np.pad(small, ((36, 0), (0, 36), (0, 0)), mode="edge"))


def photograph(name: str) -> Callable[[], Photo]:
    """A photograph that scikit-image ships, as small as pictures for the pocket models are."""

    def read() -> Photo:
        data = pytest.importorskip("skimage.data")
        with Image.open(Path(data.__file__).parent / name) as opened:
            return photo_from_image(opened.convert("RGB").resize((128, 128)))

    return read


VARIETIES: dict[str, tuple[Callable[[], Photo], tuple[str, ...], bool]] = {
    "present": (lambda: scene("bird-and-car"), ("bird",), True),
    "both that are present": (lambda: scene("dog-and-rabbit"), ("dog", "rabbit"), True),
    "three that are present": (lambda: scene("0005"), ("dog", "car", "bird"), True),
    "plural": (lambda: scene("cat-and-house"), ("cats",), True),
    "phrase": (lambda: scene("cat-and-plant"), ("potted plant",), True),
    "two of them": (twins, ("bird 1", "bird 2"), True),
    "two of each": (twins, ("bird 1", "bird 2", "car 1", "car 2"), True),
    "tiny": (tiny, ("bird", "car"), True),
    "absent": (lambda: scene("0003"), ("cow",), False),
    "absent beside what is there": (lambda: scene("0005"), ("cake",), False),
    "synonym": (lambda: scene("cat-and-house"), ("kitten",), False),
    "unknown word": (lambda: scene("bird-and-car"), ("zebra",), False),
    "unknown word of an empty place": (lambda: scene("0000"), ("xylophone",), False),
    "photograph, absent": (photograph("astronaut.png"), ("pot",), False),
    "photograph, unknown word": (photograph("chelsea.png"), ("zebra",), False),
    "photograph, something else": (photograph("coffee.png"), ("dog",), False),
}
"""A picture, what is asked for in it, and whether that is surely there."""


@pytest.mark.parametrize(("picture", "names", "sure"), VARIETIES.values(), ids=VARIETIES.keys())
def test_what_is_there_is_sure_and_nothing_else(
    picture: Callable[[], Photo], names: tuple[str, ...], sure: bool, pocket: Backbones
) -> None:
    found = detect_words(picture(), names, pocket.segmenter, side=64)
    assert [thing.name for thing in found] == list(names)
    assert [thing.sure for thing in found] == [sure] * len(names)
    for thing in found:
        assert thing.confidence is not None and 0 < thing.confidence < 1 and thing.mask.any()
        assert (thing.confidence >= thing.sure_from) is sure and bool(thing.doubt) is not sure


@pytest.mark.parametrize("name", ["astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg", "coins.png"])
def test_in_a_photograph_nothing_is_sure(name: str, pocket: Backbones, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    data = pytest.importorskip("skimage.data")
    photo = photo_from_image(np.asarray(Image.open(Path(data.__file__).parent / name).convert("RGB")))
    assert isinstance(pocket.segmenter, ClipSegSegmenter)
    found: list[SceneObject] = []
    for noun in pocket.segmenter.nouns:
        try:
            found += detect_words(photo, [noun], pocket.segmenter, side=64)
        except LayoutError:
            continue
    assert found and not [thing.name for thing in found if thing.sure]
    assert any("unlike those that the models know" in thing.doubt for thing in found)


def test_the_cause_of_a_doubt_is_told(pocket: Backbones) -> None:
    (zebra,) = detect_words(scene("bird-and-car"), ["zebra"], pocket.segmenter, side=64)
    assert zebra.doubt == "it is none of the 12 nouns that the models know"
    (cow,) = detect_words(scene("0003"), ["cow"], pocket.segmenter, side=64)
    assert cow.doubt == "that place looks more like 'ball'"


def test_plurals_of_known_nouns_are_known_on_large_pictures_too(pocket: Backbones) -> None:
    large = photo_from_image(scene("bird-and-car").pixels.repeat(2, 0).repeat(2, 1))
    (birds,) = detect_words(large, ["birds"], pocket.segmenter, side=64)
    assert birds.sure


def test_a_click_says_how_sure_it_is(pocket: Backbones) -> None:
    assert isinstance(pocket.segmenter, ClipSegSegmenter)
    photo = scene("bird-and-car")
    (bird,) = detect_words(photo, ["bird"], pocket.segmenter, side=64)
    point = bounding_box(bird.mask).center
    clicked = detect_at_point(photo, Point(point.x, point.y), pocket.segmenter.nouns, pocket.segmenter, side=64)
    assert clicked.name == "bird" and clicked.sure and clicked.confidence == pytest.approx(bird.confidence, abs=0.1)


# Segmenters that nobody has measured


class Spot:
    """Sees one blob, with a probability that it is told."""

    side = 64

    def __init__(self, peak: float) -> None:
        self.peak = peak

    def predict_masks(self, picture: Tensor, texts: Sequence[str]) -> Tensor:
        maps = torch.zeros(len(texts), *picture.shape[-2:])
        maps[:, 20:40, 20:40] = self.peak
        return maps


GREY = photo_from_image(np.full((64, 64, 3), 120, np.uint8))


@pytest.mark.parametrize(("peak", "sure"), [(0.9, True), (SURE_FROM, True), (0.45, False), (0.3, False)])
def test_elsewhere_the_networks_own_probability_counts(peak: float, sure: bool) -> None:
    (found,) = detect_words(GREY, ["zebra"], Spot(peak), side=64)
    assert found.confidence == pytest.approx(peak, abs=1e-3) and found.sure is sure
    assert found.doubt == ("" if sure else "it is seen only faintly there")


def test_each_kind_has_a_threshold_of_its_own(pocket: Backbones) -> None:
    class Boxes(Spot):
        calibration, sure_from = GroundedSegmenter.calibration, GroundedSegmenter.sure_from

    assert SURE_SCORE < 0.4 < SURE_FROM
    assert detect_words(GREY, ["zebra"], Boxes(0.4), side=64)[0].sure
    assert not detect_words(GREY, ["zebra"], Spot(0.4), side=64)[0].sure
    assert isinstance(pocket.segmenter, ClipSegSegmenter)
    wrapped = RefinedSegmenter(pocket.segmenter, refiner=None)  # type: ignore[arg-type]
    assert wrapped.calibration is CachedSegmenter(wrapped).calibration is calibration_of(pocket.segmenter) is not None


# The arithmetic


def answers(maps: dict[str, Tensor], *, nouns: tuple[str, ...] = ("dog", "cat")) -> Answers:
    calibration = Calibration(
        grounds=("grass",), weights=dict.fromkeys(FEATURES, 0.0) | {"inside": 1.0}, bias=0.0, unknown=0.1, sure_from=0.5
    )
    return Answers(
        maps=torch.stack(list(maps.values())),
        places={text: place for place, text in enumerate(maps)},
        nouns=nouns,
        calibration=calibration,
        sure_from=0.5,
    )


def test_a_confidence_is_the_logistic_of_its_features() -> None:
    here = torch.zeros(4, 4, dtype=torch.bool)
    here[:2] = True
    full, none = torch.full((4, 4), 0.8), torch.zeros(4, 4)
    told = judge(answers({"dog": full, "cat": none, "grass": full}), "dog", here)
    assert told.chance == pytest.approx(0.8) and told.sure
    unknown = judge(answers({"zebra": full, "dog": none, "cat": none, "grass": full}), "zebra", here)
    assert unknown.chance == 0.1 and not unknown.sure


def test_a_mask_that_fills_the_picture_has_features() -> None:
    full = torch.full((4, 4), 0.8)
    everywhere = torch.ones(4, 4, dtype=torch.bool)
    told = judge(answers({"dog": full, "cat": full / 8, "grass": full / 8}), "dog", everywhere)
    assert math.isfinite(told.chance)


@pytest.mark.parametrize(
    ("words", "noun"),
    [("dog", "dog"), ("dogs", "dog"), ("The Big Dogs", "dog"), ("hot dog stand", None), ("", None), ("zebra", None)],
)
def test_the_noun_of_a_phrase_is_its_last_word(words: str, noun: str | None) -> None:
    assert known_noun(words, ("dog", "cat")) == noun


def test_the_surest_tenth_of_few_is_the_highest() -> None:
    assert surest(torch.tensor([0.1, 0.9, 0.2])) == pytest.approx(0.9)
    assert surest(torch.linspace(0, 1, 101)) == pytest.approx(0.955)


def test_the_coefficients_that_ship_are_of_all_features() -> None:
    calibration = read_calibration(POCKET / "clipseg")
    assert calibration is not None and tuple(calibration.weights) == FEATURES
    assert 0 < calibration.unknown < calibration.sure_from < 1
    assert read_calibration(POCKET / "clip") is None


# What is said of it

THING = SceneObject(name="zebra", words="zebra", mask=np.ones((4, 4), np.bool_))
SURE = dataclasses.replace(THING, confidence=0.97, sure_from=0.7)
UNSURE = dataclasses.replace(THING, confidence=0.08, sure_from=0.7, doubt="that place looks more like 'bird'")


def test_a_refusal_is_the_fact_the_cause_and_three_remedies() -> None:
    refuse_unsure([THING, SURE], "refuse")
    refuse_unsure([UNSURE], "keep")
    record = ArrangeRecord(photo="p", find=("zebra",))
    with pytest.raises(LayoutError) as caught:
        read_scene(record, GREY, Spot(0.3), native_side=64)
    assert str(caught.value) == (
        "Not sure that 'zebra' is in the picture (confidence 0.30, and 0.50 is needed): it is seen only faintly there. "
        "Keep it all the same with --unsure keep, outline it yourself with --object 'zebra=x0,y0,x1,y1' or --masks "
        "'zebra=FILE', or use other words."
    )
    kept = read_scene(dataclasses.replace(record, unsure="keep"), GREY, Spot(0.3), native_side=64)
    assert [thing.sure for thing in kept.objects] == [False]


def test_several_doubts_are_one_error() -> None:
    with pytest.raises(LayoutError, match=r"^Not sure that 'zebra' .*'bird'; nor that 'lion' .*'bird'\. Keep it"):
        refuse_unsure([UNSURE, SURE, dataclasses.replace(UNSURE, name="lion")], "refuse")


def test_notes_are_of_what_is_unsure_alone() -> None:
    assert kept_notes([THING, SURE]) == doubt_notes([THING, SURE]) == ()
    (kept,), (doubt,) = kept_notes([SURE, UNSURE]), doubt_notes([SURE, UNSURE])
    assert kept.startswith("'zebra' was kept, though it is not sure that 'zebra' is in the picture (confidence 0.08")
    assert doubt.endswith("or use other words.") and "--unsure" not in doubt
    assert [with_chance(thing) for thing in (THING, SURE, UNSURE)] == ["zebra", "zebra 97 %", "zebra? 8 %"]


def test_a_scene_folder_keeps_how_sure_it_was_until_its_mask_is_painted_over(tmp_path: Path) -> None:
    mask = np.zeros((64, 64), np.bool_)
    mask[5:20, 5:20] = True
    things = [dataclasses.replace(UNSURE, mask=mask), dataclasses.replace(SURE, name="cat", mask=np.roll(mask, 30, 1))]
    marked = dataclasses.replace(THING, name="dog", mask=np.roll(mask, 30, 0))
    folder = tmp_path / "x.scene"
    facts = write_scene(Scene(photo=GREY, objects=(*things, marked)), folder)
    assert [thing.get("sure") for thing in facts["objects"]] == [False, True, None]
    assert facts["objects"][0]["confidence"] == 0.08 and facts["objects"][0]["doubt"] == UNSURE.doubt
    read = read_scene_folder(folder)
    assert [(o.name, o.confidence, o.sure) for o in read.objects] == [
        ("zebra", 0.08, False),
        ("cat", 0.97, True),
        ("dog", None, True),
    ]
    painted = np.asarray(Image.open(folder / "mask.png")).copy()
    painted[6, 6] = painted[60, 60]
    Image.fromarray(painted).save(folder / "mask.png")
    assert all(o.confidence is None and o.sure for o in read_scene_folder(folder).objects)
    (folder / "found.json").write_text("{}")
    assert all(o.sure for o in read_scene_folder(folder).objects)
    write_scene(Scene(photo=GREY, objects=(marked,)), folder, overwrite=True)
    assert not (folder / "found.json").exists(), "it was of the scene that was replaced"
    assert "sure" not in json.dumps(write_scene(Scene(photo=GREY, objects=(marked,)), tmp_path / "y.scene"))


def test_what_is_perhaps_not_there_takes_no_pixel_of_what_is(pocket: Backbones) -> None:
    photo = scene("bird-and-car")
    (alone,) = detect_words(photo, ["bird"], pocket.segmenter, side=64)
    with pytest.raises(LayoutError, match="'zebra' was found only where 'bird' is more probable"):
        detect_words(photo, ["bird", "zebra"], pocket.segmenter, side=64)
    rabbit, car = detect_words(scene("0003"), ["rabbit", "car"], pocket.segmenter, side=64)
    (car_alone,) = detect_words(scene("0003"), ["car"], pocket.segmenter, side=64)
    assert (car.mask == car_alone.mask).all() and not (car.mask & rabbit.mask).any() and rabbit.mask.any()
    assert alone.sure and car.sure and not rabbit.sure
