"""The pocket world, the judge, and what the training scripts rely on."""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional

from intarsia.errors import ModelError, RecordError
from intarsia.evaluate import judge as judging
from intarsia.evaluate.judge import UNet, load_judge
from intarsia.imaging.geometry import Box
from tests.emoji_font import needs_font
from tests.paths import SCENES
from training import world


def shipped_scenes() -> tuple[torch.Tensor, list[dict]]:
    """(6, 3, 64, 64) in [-1, 1], and what is known of each."""
    facts = json.loads((SCENES / "scenes.json").read_text())
    pixels = np.stack([np.asarray(Image.open(SCENES / fact["image"])) for fact in facts])
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1, facts


def shipped_labels(facts: list[dict], names: tuple[str, ...]) -> torch.Tensor:
    """(6, 64, 64) long labels of the shipped masks, as the judge numbers them."""
    labels = []
    for fact in facts:
        colours = np.asarray(Image.open(SCENES / fact["image"].replace(".png", ".mask.png")))
        label = np.zeros(colours.shape[:2], np.int64)
        for thing in fact["objects"]:
            label[(colours == thing["colour"]).all(-1)] = 1 + names.index(thing["name"])
        labels.append(label)
    return torch.from_numpy(np.stack(labels))


# The world.


@needs_font
def test_the_same_seed_draws_the_same_scene() -> None:
    first, second = (world.render(np.random.default_rng((5, 1))) for _ in range(2))
    other = world.render(np.random.default_rng((5, 2)))
    assert first.image.tobytes() == second.image.tobytes()
    assert [o.box for o in first.objects] == [o.box for o in second.objects]
    assert first.image.tobytes() != other.image.tobytes()


@needs_font
@pytest.mark.parametrize("size", [(64, 64), (96, 64), (128, 128)])
def test_boxes_just_hold_their_masks_and_objects_share_no_pixel(size: tuple[int, int]) -> None:
    for i in range(20):
        scene = world.render(np.random.default_rng((6, i)), size=size)
        assert scene.image.size == size
        taken = np.zeros((size[1], size[0]), int)
        for thing in scene.objects:
            x0, y0, x1, y1 = thing.box
            ys, xs = np.nonzero(thing.mask)
            assert (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1) == (x0, y0, x1, y1)
            taken += thing.mask
        assert taken.max(initial=0) <= 1


@needs_font
def test_a_caption_names_every_object() -> None:
    for i in range(20):
        scene = world.render(np.random.default_rng((7, i)))
        words = world.scene_caption(scene, random.Random(i))
        assert all(thing.name in words for thing in scene.objects)


@needs_font
def test_asked_names_background_and_places_are_drawn() -> None:
    scene = world.render(np.random.default_rng(8), names=("cat",), kind="snow", places=[(0.75, 0.25, 0.4)])
    box = Box(*scene.objects[0].box)
    assert scene.background == "snow"
    assert box.x0 >= 32
    assert box.y1 <= 32


@needs_font
def test_the_colours_of_a_mask_tell_the_objects_apart() -> None:
    colours = list(world.COLOURS.values())
    assert len(set(colours)) == len(world.NAMES) + 1
    scene = world.render(np.random.default_rng(9), names=("cat", "pot"))
    pixels = np.asarray(world.coloured_mask(scene))
    for thing in scene.objects:
        assert ((pixels == world.COLOURS[thing.name]).all(-1) == thing.mask).all()


@needs_font
def test_the_command_writes_pictures_masks_and_facts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["world", "--seed", "11", "--count", "3", "--out", str(tmp_path / "scenes"), "--size", "96", "64"]
    monkeypatch.setattr(sys, "argv", command)
    world.main()
    assert "3 scenes" in capsys.readouterr().out
    listing = json.loads((tmp_path / "scenes" / "scenes.json").read_text())
    assert len(listing) == 3
    for fact in listing:
        for file in (fact["image"], fact["image"].replace(".png", ".mask.png")):
            with Image.open(tmp_path / "scenes" / file) as picture:
                assert picture.size == (96, 64)
        assert fact["caption"]
        assert fact["background"] in world.BACKGROUNDS
        assert all(thing["name"] in world.NAMES for thing in fact["objects"])
    assert json.loads((tmp_path / "scenes" / "colours.json").read_text())["background"] == [255, 255, 255]


def test_a_missing_font_is_answered_with_the_package_that_brings_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(world, "FONT_FILES", (tmp_path / "nowhere.ttf",))
    monkeypatch.setattr(sys, "argv", ["world", "--seed", "1", "--count", "2", "--out", str(tmp_path)])
    world.font.cache_clear()
    world.glyph.cache_clear()
    try:
        with pytest.raises(SystemExit, match="fonts-noto-color-emoji"):
            world.main()
    finally:
        world.font.cache_clear()


# The judge.


def test_the_judge_finds_what_the_shipped_scenes_show() -> None:
    pictures, facts = shipped_scenes()
    judge = load_judge()
    for name in judge.names:
        truth = [name in [thing["name"] for thing in fact["objects"]] for fact in facts]
        assert judge.present(pictures, name, [None] * len(facts)).tolist() == truth


def test_the_judge_marks_the_pixels_of_the_objects() -> None:
    pictures, facts = shipped_scenes()
    judge = load_judge()
    agreement = (judge.segment(pictures) == shipped_labels(facts, judge.names)).float().mean()
    assert agreement > 0.97


@pytest.mark.parametrize("size", [(128, 128), (96, 160), (50, 64)])
def test_the_judge_looks_at_any_size(size: tuple[int, int]) -> None:
    pictures, facts = shipped_scenes()
    name = facts[0]["objects"][0]["name"]
    larger = functional.interpolate(pictures[:1], size=size, mode="bilinear")
    assert load_judge().segment(larger).shape == (1, *size)
    if size[0] == size[1]:
        assert load_judge().present(larger, name, [None]).item()


def test_an_object_counts_in_its_box_and_not_beside_it() -> None:
    pictures, facts = shipped_scenes()
    judge = load_judge()
    for picture, fact in zip(pictures, facts, strict=True):
        for thing in fact["objects"]:
            box = Box(*thing["box"])
            x = 0 if box.center.x > 32 else 44
            beside = Box(x, box.y0, x + 20, box.y1)
            assert judge.present(picture[None], thing["name"], [box]).item()
            if beside.intersection(box) == 0:
                assert not judge.present(picture[None], thing["name"], [beside]).item()


def test_a_box_outside_the_picture_holds_nothing() -> None:
    pictures, facts = shipped_scenes()
    name = facts[0]["objects"][0]["name"]
    assert not load_judge().present(pictures[:1], name, [Box(70, 70, 90, 90)]).item()
    assert not load_judge().present(pictures[:1], name, [Box(-30, -30, -5, -5)]).item()


def test_blobs_noise_and_blanks_are_no_objects() -> None:
    pictures, _ = shipped_scenes()
    small = functional.interpolate(pictures, size=(6, 6), mode="area")
    blobs = functional.interpolate(small, size=(64, 64), mode="bicubic")
    noise = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1)).clamp(-1, 1)
    ruins = torch.cat([blobs, noise, torch.zeros(1, 3, 64, 64), torch.ones(1, 3, 64, 64)])
    for name in load_judge().names:
        assert not load_judge().present(ruins, name, [None] * len(ruins)).any()


def test_an_unknown_name_is_an_error_that_lists_the_known_ones() -> None:
    with pytest.raises(RecordError, match=r"'unicorn'.*cat"):
        load_judge().present(torch.zeros(1, 3, 64, 64), "unicorn", [None])


def test_missing_weights_are_answered_with_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging, "WEIGHTS", tmp_path / "judge.safetensors")
    with pytest.raises(ModelError, match=r"training\.judge"):
        load_judge.__wrapped__()


def test_the_judge_knows_the_world_and_is_small() -> None:
    assert load_judge().names == world.NAMES
    assert judging.WEIGHTS.stat().st_size < 2_000_000
    assert UNet(3)(torch.zeros(1, 3, 64, 72)).shape == (1, 3, 64, 72)
