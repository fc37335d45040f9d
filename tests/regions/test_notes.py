"""What an edit by words says of itself: each note once, and none where nothing is to be said."""

from __future__ import annotations

import copy
import dataclasses
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from intarsia.backbones.caching import with_caches
from intarsia.backbones.protocols import Backbones
from intarsia.backbones.tokens import tokenize, unread_words
from intarsia.errors import TERMINAL
from intarsia.imaging.drawings import is_drawing
from intarsia.imaging.geometry import Box
from intarsia.imaging.photo import Photo
from intarsia.imaging.read import photo_from_image, read_photo
from intarsia.records.edit import EditRecord, FitSettings, ScoreSettings, SearchSettings
from intarsia.regions.edit import edit
from intarsia.regions.notes import (
    BLUR,
    sampler_messages,
    setting_messages,
    small_message,
    source_message,
    toy_world,
    unread_settings,
)
from intarsia.results.document import edit_json, now
from tests.paths import ROOT, SCENES
from tests.regions.test_edit import record, scene

DEMO = sorted((ROOT / "src" / "intarsia" / "demo" / "scenes").glob("*.png"))


def noted(pocket: Backbones, photo: Photo | None = None, **changes: Any) -> tuple[str, ...]:
    changed = {"steps": 1} | changes
    return edit(scene(0)[0] if photo is None else photo, record(**changed), pocket).notes


def without_chunks(backbones: Backbones) -> Backbones:
    """The same networks, whose painter is told to read no more than it does at once."""
    inpainter = copy.copy(backbones.inpainter)
    inpainter.reads_weights = False  # type: ignore[attr-defined]
    return dataclasses.replace(backbones, inpainter=inpainter)


def grainy(width: int = 300, height: int = 200) -> Photo:
    """A picture with the noise of photographs."""
    rng = np.random.default_rng(0)
    slope = np.linspace(40, 200, width)[None, :, None] + rng.normal(0, 4, (height, width, 3))
    return photo_from_image(slope.clip(0, 255).astype(np.uint8))


def enlarged(photo: Photo, times: int) -> Photo:
    size = (photo.size.width * times, photo.size.height * times)
    return photo_from_image(photo.as_image().resize(size, Image.Resampling.BICUBIC))


# None


@pytest.mark.parametrize("source", ["", "tree", "the big trees"])
def test_an_ordinary_edit_of_the_pocket_world_has_no_notes(pocket: Backbones, source: str) -> None:
    assert noted(pocket, source=source) == noted(with_caches(pocket), source=source) == ()


def test_a_box_in_the_picture_has_no_notes(pocket: Backbones) -> None:
    assert noted(pocket, box=(8.0, 16.0, 40.0, 60.0)) == ()


# Source words


def test_source_words_that_name_nothing_in_the_picture(pocket: Backbones) -> None:
    (note,) = noted(pocket, source="ball")
    assert note == (
        "Nothing in the photo looks like 'ball', so that the place was guessed from what stands out: "
        "name it otherwise, or say where with --box."
    )
    few = SearchSettings(anchors=2, proposals=4)
    assert (note,) == noted(pocket, source="ball", preset="exhaustive", search=few)
    assert noted(pocket, source="ball", box=(8.0, 16.0, 40.0, 60.0)) == (), "they had no part in choosing the place"


@pytest.mark.parametrize("caches", [False, True])
def test_source_words_that_the_segmenter_does_not_know(pocket: Backbones, caches: bool) -> None:
    (note,) = noted(with_caches(pocket) if caches else pocket, source="unicorn")
    assert note.startswith("'unicorn' is none of the 12 nouns that the pocket models know (cat, dog, ")


@pytest.mark.parametrize(
    ("source", "nouns", "known"),
    [
        ("two Cats", ("cat",), True),
        ("the animal", ("cat", "car"), True),
        ("cattle", ("cat",), False),
        ("a red car, very big", ("car",), True),
        ("kitten", (), True),
        ("the background", ("cat",), True),
    ],
)
def test_nouns_are_known_in_the_plural_and_by_their_kind(source: str, nouns: tuple[str, ...], known: bool) -> None:
    wish = record(source=source)
    assert (source_message(wish, nouns, found=True, given=False) == ()) is known
    assert bool(source_message(wish, nouns, found=True, given=True)) is not known


# Texts that are cut


def test_what_the_text_encoder_does_not_read_is_quoted_once(
    pocket: Backbones, caplog: pytest.LogCaptureFixture, recwarn: pytest.WarningsRecorder
) -> None:
    prompt = "a big house " + "with many flowers " * 9 + "in the center"
    with caplog.at_level(logging.WARNING):
        (note,) = noted(pocket, prompt=prompt)
    assert note == (
        "All of the prompt was painted, but judged by its first 32 tokens, without 'in the center'. "
        "Say it in fewer words."
    )
    assert noted(pocket, prompt=prompt, box=(8.0, 16.0, 40.0, 60.0)) == (), "nothing was judged"
    with caplog.at_level(logging.WARNING):
        (note,) = noted(without_chunks(pocket), prompt=prompt)
    assert note.startswith("The models read 32 tokens of the prompt: 'in the center' at its end had no effect")
    assert not caplog.messages
    assert not [w for w in recwarn if "sequence length" in str(w.message)]


def test_each_text_that_is_cut_is_named(pocket: Backbones) -> None:
    long = "tree " * 60
    settings: dict[str, Any] = {"source": long, "prompt": long, "negative_prompt": long}
    first, second = noted(pocket, **settings)
    assert "text of what is there" in first and "judged by its first 32 tokens" in second
    first, second, third = noted(without_chunks(pocket), **settings)
    assert "text of what is there" in first and "the prompt" in second and "the negative prompt" in third
    assert all(note.count("tree") == 12 and "and 18 more words" in note for note in (first, second, third))


def test_unread_words_are_those_behind_the_last_whole_one(pocket: Backbones, tiny_backbones: Backbones) -> None:
    tokenizer = tiny_backbones.in_parts.tokenizer  # a token a letter
    assert unread_words(tokenizer, "four four four", 16) == ""
    assert unread_words(tokenizer, "four four fours extra", 16) == "extra"
    assert unread_words(tokenizer, "four four fourteen extra", 16) == "fourteen extra"
    assert unread_words(tokenizer, "  ", 16) == ""
    for count in (29, 30, 31, 40):
        text = " ".join(["tree"] * count)
        unread = unread_words(pocket.in_parts.tokenizer, text, 32).split()
        assert len(unread) == max(0, count - 30)
        read = tokenize(pocket.in_parts.tokenizer, [text], 32)["input_ids"]
        whole = tokenize(pocket.in_parts.tokenizer, [" ".join(["tree"] * (count - len(unread)))], 32)["input_ids"]
        assert read.tolist() == whole.tolist()


def test_weights_that_nobody_heeds(pocket: Backbones) -> None:
    assert noted(pocket, source="tree", prompt="a (house:1.3)") == ()
    (note,) = noted(pocket, source="(tree:1.3)", prompt="a house")
    assert note == "Weights in the text of what is there have no effect: it is not painted."
    unread: list[dict[str, Any]] = [{"prompt": "a (house:1.3)"}, {"prompt": "a house", "negative_prompt": "(a:0.5)"}]
    for changes in unread:
        (note,) = noted(without_chunks(pocket), source="tree", **changes)
        assert note == "The checkpoint's text encoders heed no weights of words: they were left out of the prompt."


def test_a_consistency_sampler_asked_for_much(pocket: Backbones) -> None:
    box = (8.0, 16.0, 40.0, 60.0)
    assert noted(pocket, box=box, sampler="lcm", steps=6, guidance=1.5) == ()
    assert noted(pocket, box=box, sampler="ddim", steps=13, guidance=5.0) == ()
    for steps, guidance in ((6, 5.0), (13, 1.5)):
        (note,) = noted(pocket, box=box, sampler="lcm", steps=steps, guidance=guidance)
        assert f"it had {steps} steps and a guidance of {guidance:g}. Give --steps 6 and --guidance 1.5, or" in note


def test_karras_noise_levels_of_a_checkpoint_of_zero_terminal_signal(
    pocket: Backbones, families: Callable[[str], Backbones]
) -> None:
    wish = record(sampler="dpmpp-2m-karras", steps=30)
    (said,) = sampler_messages(wish, pocket.inpainter, given=False)
    assert "fewer than 18, as previews had, give broken pictures. Pass --sampler unipc." in TERMINAL.sentence(said)
    assert sampler_messages(wish, pocket.inpainter, given=True) == []
    assert len(sampler_messages(dataclasses.replace(wish, steps=17), pocket.inpainter, given=True)) == 1
    assert sampler_messages(dataclasses.replace(wish, sampler="unipc"), pocket.inpainter, given=False) == []
    assert sampler_messages(wish, families("sdxl").inpainter, given=False) == []


# Settings and places that were not as asked


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"box": (-5.0, 10.0, 30.0, 80.0)}, "-5,10,30,80 reaches beyond the picture, which is 64 x 64: 0,10,30,64 was"),
        ({"box": (5.0, 10.0, 10.0, 40.0)}, "only 7 x 40 pixels at the size at which the models work"),
        ({"guidance": 1.0, "negative_prompt": "ugly"}, "Without guidance the negative prompt is not read: raise --gui"),
        ({"box": (5.0, 10.0, 40.0, 40.0), "preset": "exhaustive"}, "The preset 'exhaustive' had nothing to choose"),
        ({"size": 70}, "The models worked at 64 instead of 70 pixels"),
    ],
)
def test_what_was_done_otherwise_than_asked_is_said_once(pocket: Backbones, changes: dict[str, Any], said: str) -> None:
    (note,) = noted(pocket, **changes)
    assert said in note


def test_a_mask_of_another_size_is_said_to_be_fitted(pocket: Backbones, tmp_path: Path) -> None:
    mask = np.zeros((64, 64), np.bool_)
    mask[16:48, 16:48] = True
    Image.fromarray(mask).save(tmp_path / "mask.png")
    assert noted(pocket, mask=str(tmp_path / "mask.png")) == ()
    Image.fromarray(mask[::2, ::2]).save(tmp_path / "small.png")
    (note,) = noted(pocket, mask=str(tmp_path / "small.png"))
    assert "small.png has 32 x 32 pixels, and the photo 64 x 64: it is fitted to the photo" in note


def test_two_cells_are_enough_for_something_to_be_painted() -> None:
    assert small_message(Box(0, 0, 16, 16), 8) == ()
    assert "15 x 40 pixels" in TERMINAL.sentence(small_message(Box(0, 0, 15, 40), 8))


# Photographs


def test_the_pocket_models_on_a_photograph(pocket: Backbones) -> None:
    (note,) = noted(pocket, grainy(), source="")
    assert note == (
        f"The pocket models know a toy world of a dozen drawn things, and this looks like a photograph: {BLUR}. "
        "For photographs, run 'intarsia models download sd15' and pass --models sd15."
    )


def test_models_for_photographs_and_small_pictures_are_left_in_peace() -> None:
    assert toy_world("sd15", 512, grainy()) == ()
    assert toy_world("pocket", 64, grainy(160, 160)) == ()
    assert "pictures of 32 pixels" in TERMINAL.sentence(toy_world("/models/mine", 32, grainy()))


@pytest.mark.parametrize("times", [1, 2, 4, 9])
def test_drawn_scenes_are_no_photographs_at_any_size(times: int) -> None:
    scenes = [*DEMO, *sorted(SCENES.glob("000[0-5].png"))]
    assert len(scenes) == 11
    for file in scenes:
        photo = enlarged(read_photo(file), times)
        assert is_drawing(photo) and toy_world("pocket", 64, photo) == ()


def test_photographs_are_no_drawings() -> None:
    data = pytest.importorskip("skimage").data
    for name in ("astronaut", "chelsea", "coffee", "coins", "rocket", "camera", "retina", "brick"):
        photo = photo_from_image(getattr(data, name)())
        assert not is_drawing(photo), name
        assert not is_drawing(enlarged(photo, 2)), name
    assert not is_drawing(grainy(4000, 3000))


# In the record


def test_the_notes_are_in_the_document(pocket: Backbones) -> None:
    photo, _ = scene(0)
    result = edit(photo, record(source="ball", steps=1), pocket)
    assert json.loads(json.dumps(edit_json(result, 0, now())))["notes"] == list(result.notes)
    assert len(result.notes) == 1


@pytest.mark.parametrize("number", range(3))
def test_no_note_doubts_a_ground_that_was_found(pocket: Backbones, number: int) -> None:
    photo, fact = scene(number)
    assert noted(pocket, photo, source=f"the {fact['background']}", prompt="the snow") == ()


@pytest.mark.parametrize(
    ("asked", "unread"),
    [
        ({}, []),
        ({"search": SearchSettings(enough=0.9, preview_steps=(2,), survivors=(1,))}, []),
        ({"search": SearchSettings(proposals=5, anchors=3)}, ["search.anchors", "search.proposals"]),
        ({"search": SearchSettings(proposals=5), "regions": "r.safetensors"}, []),
        ({"score": ScoreSettings(text=1.0)}, ["score.text"]),
        ({"score": ScoreSettings(shown=1.0)}, []),
        ({"fit": FitSettings(rounds=3)}, ["fit.rounds"]),
        ({"preset": "exhaustive", "search": SearchSettings(proposals=5, enough=0.9)}, ["search.enough"]),
        ({"preset": "exhaustive", "score": ScoreSettings(text=1.0, gain=1.0)}, ["score.gain"]),
        ({"preset": "paper", "fit": FitSettings(rounds=3, rate=1e-3, loss_text=2.0, epochs=3)}, ["fit.epochs"]),
        ({"preset": "paper", "search": SearchSettings(anchors=3, survivors=(8, 2))}, ["search.survivors"]),
        ({"preset": "released", "fit": FitSettings(rounds=3, rate=1e-3)}, ["fit.rate"]),
        ({"preset": "released-exact", "score": ScoreSettings(image=1.0)}, ["score.image"]),
    ],
)
def test_settings_that_a_preset_never_reads_are_named(asked: dict[str, Any], unread: list[str]) -> None:
    record = EditRecord(photo="photo.png", prompt="a cat", **asked)
    assert unread_settings(record) == unread
    notes = [str(message[0]) for message in setting_messages(record, 8, given=False)]
    assert any("does not read " + ", ".join(unread) in note for note in notes) == bool(unread)


def test_a_long_photo_is_told_to_be_seen_small(pocket: Backbones) -> None:
    wide = photo_from_image(Image.new("RGB", (330, 64), "white"))
    few = SearchSettings(preview_steps=(1,), survivors=(1,))
    notes = noted(pocket, wide, source="", search=few)
    assert sum("more than 4 times as long as wide" in note for note in notes) == 1
    assert not any("as wide" in note for note in noted(pocket, wide, source="", box=(8.0, 16.0, 40.0, 60.0)))
