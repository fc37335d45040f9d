"""Edit by instruction: what an editor without masks changed is found and put back, and all else stays the photo's."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from intarsia.backbones.protocols import Backbones, EvalCounter, OnStep
from intarsia.errors import ModelError
from intarsia.imaging.photo import Bytes, Photo
from intarsia.imaging.read import photo_from_image, read_photo
from intarsia.imaging.tensors import levels_of, levels_to_tensor
from intarsia.records.edit import EditRecord, SearchSettings
from intarsia.regions.edit import EditResult, edit
from intarsia.regions.instruction import instruction_of
from intarsia.regions.intent import read_intent
from tests.fake_editor import Fault, disc, replaced
from tests.paths import ROOT
from tests.tiny_families import shrink_qwen

Load = Callable[[str], Backbones]
FAULT = Fault(right=1.6, down=-1.2, zoom=1.01, gain=(1.06, 1.0, 0.95), offset=(2, 0, -3), gamma=1.05, noise=0.5)


class FakeEditor:
    """Replaces a disc in the middle of what it is given, or does as it is told, and shifts, zooms and tints besides."""

    def __init__(self, like: Any, change: Callable[[Bytes], Bytes] | None = None, fault: Fault = FAULT) -> None:
        self.name, self.counter = "fake editor", EvalCounter()
        self.native_side, self.stride, self.cell, self.dtype = like.native_side, like.stride, like.cell, like.dtype
        self.tokenizer, self.text_limit = like.tokenizer, like.text_limit
        self.change, self.fault = change or middle_replaced, fault
        self.told: list[tuple[str, int, int, float]] = []

    def edits(
        self,
        pictures: Sequence[Tensor],
        instructions: Sequence[str],
        *,
        negative_prompt: str = "",
        seeds: Sequence[int],
        steps: int,
        guidance: float,
        on_step: OnStep | None = None,
    ) -> list[Tensor]:
        self.told += [(words, seed, steps, guidance) for words, seed in zip(instructions, seeds, strict=True)]
        self.counter.evaluations += len(pictures)
        if on_step is not None:
            on_step(1, 1)
        return [levels_to_tensor(self.fault(self.change(levels_of(p))))[0] for p in pictures]


def middle_replaced(picture: Bytes) -> Bytes:
    return replaced(picture, disc(picture.shape, 0.5, 0.5, 0.2))


def anew(picture: Bytes) -> Bytes:
    rows, columns = np.mgrid[: picture.shape[0], : picture.shape[1]]
    pattern = [np.sin(rows / 7 + k) * np.cos(columns / (9 + k)) for k in range(3)]
    return (127 + 100 * np.stack(pattern, -1)).astype(np.uint8)


def with_editor(models: Backbones, editor: FakeEditor) -> Backbones:
    return dataclasses.replace(models, editor=editor)


@pytest.fixture(scope="module")
def coffee() -> Photo:
    data = pytest.importorskip("skimage.data")
    return photo_from_image(Image.fromarray(data.coffee()))


def words(**changes: Any) -> EditRecord:
    usual: dict[str, Any] = {"photo": "photo.png", "source": "cup", "prompt": "a green ball", "steps": 2, "size": 256}
    return EditRecord(**usual | changes)


def checked(result: EditResult, photo: Photo) -> EditResult:
    """A result whose pixels are the photo's where its blend is 0."""
    same = result.blend == 0
    assert (result.photo.pixels[same] == photo.pixels[same]).all()
    return result


def test_in_a_given_box_the_changed_region_is_found(pocket: Backbones, coffee: Photo) -> None:
    editor = FakeEditor(pocket.inpainter)
    record = words(box=(150, 90, 400, 340), keep=2, seed=3)
    result = checked(edit(coffee, record, with_editor(pocket, editor)), coffee)
    inside = np.zeros(result.blend.shape, bool)
    inside[90:340, 150:400] = True
    assert not result.blend[~inside].any()
    rows, columns = np.nonzero(result.blend == 1)
    assert abs(rows.mean() - 200) < 6
    assert abs(columns.mean() - 275) < 6
    # The crop is wider than the box: its whole short side, of which the disc has two fifths.
    assert rows.max() - rows.min() == pytest.approx(0.4 * 400, rel=0.15)
    assert [(told[0][:35], *told[1:]) for told in editor.told] == [
        ("Change the cup to a green ball, and", seed, 2, 5.0) for seed in (3, 4)
    ]
    assert len(result.candidates) == 2
    box = result.candidates[0].box
    assert box.x0 <= columns.min() and box.x1 >= columns.max()
    assert any("told what to change, and not where" in note and "drift" in note for note in result.notes)


def test_a_mask_limits_the_change(pocket: Backbones, coffee: Photo) -> None:
    mask = np.zeros((coffee.size.height, coffee.size.width), bool)
    mask[:, :300] = True
    result = checked(edit(coffee, words(), with_editor(pocket, FakeEditor(pocket.inpainter)), mask=mask), coffee)
    assert (result.blend[~mask] == 0).all()
    assert (result.blend[200, 240:280] == 1).all()


def test_the_search_chooses_the_crop_and_the_edit_says_where(pocket: Backbones) -> None:
    scene = read_photo(ROOT / "tests" / "scenes" / "0000.png")
    photo = photo_from_image(scene.as_image().convert("RGB").resize((384, 384), Image.Resampling.BICUBIC))
    editor = FakeEditor(pocket.inpainter)
    record = words(source="tree", prompt="a green ball", size=192, search=SearchSettings(enough=1))
    result = checked(edit(photo, record, with_editor(pocket, editor)), photo)
    assert 0 < (result.blend > 0).mean() < 0.35
    assert {told[0] for told in editor.told} == {"Change the tree to a green ball, and keep everything else as it is."}
    assert result.cost.evaluations == 0, "the fake counts for itself"
    assert editor.counter.evaluations >= 2, "other noise was tried, since the first was not good enough"
    finished = [c for c in result.candidates if c.photo is not None]
    assert all(
        c.blend is not None and (c.photo.pixels[c.blend == 0] == photo.pixels[c.blend == 0]).all()
        for c in finished
        if c.photo
    )


def test_the_users_own_instruction_is_told_word_for_word(pocket: Backbones, coffee: Photo) -> None:
    editor = FakeEditor(pocket.inpainter)
    record = words(instruction="Give the cup a lid!", box=(150, 90, 400, 340))
    edit(coffee, record, with_editor(pocket, editor))
    assert editor.told[0][0] == "Give the cup a lid!"


def test_a_model_that_changed_nothing_leaves_the_photo(pocket: Backbones, coffee: Photo) -> None:
    editor = FakeEditor(pocket.inpainter, change=lambda picture: picture)
    result = edit(coffee, words(box=(150, 90, 400, 340)), with_editor(pocket, editor))
    assert (result.photo.pixels == coffee.pixels).all()
    assert any("changed nothing that can be seen" in note for note in result.notes)


def test_a_model_that_painted_everything_anew_fills_the_region_and_a_note_says_so(
    pocket: Backbones, coffee: Photo
) -> None:
    editor = FakeEditor(pocket.inpainter, change=anew)
    result = checked(edit(coffee, words(box=(150, 90, 400, 340)), with_editor(pocket, editor)), coffee)
    assert (result.blend[120:310, 180:370] == 1).all()
    assert not result.blend[:, :150].any()
    (note,) = [note for note in result.notes if "painted everything anew" in note]
    assert "all of the region was taken" in note


def test_a_style_changes_the_whole_picture_and_keeps_its_colours(pocket: Backbones, coffee: Photo) -> None:
    warm = Fault(right=1.5, gain=(1.1, 1.0, 0.8))
    editor = FakeEditor(pocket.inpainter, change=lambda picture: picture, fault=warm)
    record = words(source="", prompt="a photo of a table at sunset")
    result = checked(edit(coffee, record, with_editor(pocket, editor)), coffee)
    assert (result.blend == 1).mean() > 0.95
    means = result.photo.pixels.reshape(-1, 3).mean(0) / coffee.pixels.reshape(-1, 3).mean(0)
    assert means[0] > 1.03
    assert means[2] < 0.85
    assert editor.told[0][0] == "Turn the whole picture into a table at sunset."


def test_regions_are_repainted_where_that_is_asked_for_or_nothing_else_can(pocket: Backbones, coffee: Photo) -> None:
    editor = FakeEditor(pocket.inpainter)
    models = with_editor(pocket, editor)
    result = checked(edit(coffee, words(box=(150, 90, 400, 340), painting="mask", size=None), models), coffee)
    assert not editor.told
    assert result.cost.evaluations > 0
    with pytest.raises(ModelError, match="pocket repaints regions, and takes no instructions"):
        edit(coffee, words(painting="instruction"), pocket)
    with pytest.raises(ModelError, match="leave out --instruction"):
        edit(coffee, words(instruction="Go!"), pocket)


@pytest.mark.parametrize("name", ["klein", "kontext", "qwen_edit"])
@pytest.mark.parametrize("given", [True, False])
def test_families_that_take_instructions_run_end_to_end(
    name: str, given: bool, families: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    shrink_qwen(monkeypatch)
    photo = photo_from_image(np.random.default_rng(5).integers(0, 256, (140, 160, 3), np.uint8))
    record = words(
        source="tree", size=64, box=(20, 20, 90, 100) if given else None,
        search=SearchSettings(preview_steps=(1,), survivors=(1,), enough=1),
    )  # fmt: skip
    result = checked(edit(photo, record, families(name)), photo)
    assert result.cost.evaluations >= 2
    assert any("painted everything anew" in note for note in result.notes), "random networks keep nothing"
    if given:
        assert not result.blend[:, 90:].any()


INSTRUCTIONS = [
    ("trees", "a big tree with many flowers in the center",
     "Change the trees to a big tree with many flowers in the center, and keep everything else as it is."),
    ("a cat, the dogs", "foxes", "Change the cat and the dogs to foxes, and keep everything else as it is."),
    ("", "a photo of a red boat", "Add a red boat, and keep everything else as it is."),
    ("tree", "a tree and a dog", "Add a dog, and keep everything else as it is."),
    ("tree", "a dog to the left of the tree", "Add a dog to the left of the tree, and keep everything else as it is."),
    ("background", "in a snowy forest", "Change the background to a snowy forest, and keep everything else as it is."),
    ("a tree", "a (palm:1.3)", "Change the tree to a palm, and keep everything else as it is."),
    ("", "a watercolour painting", "Turn the whole picture into a watercolour painting."),
]  # fmt: skip


@pytest.mark.parametrize(("source", "prompt", "instruction"), INSTRUCTIONS)
def test_an_instruction_is_made_of_the_words(source: str, prompt: str, instruction: str) -> None:
    record = EditRecord(photo="photo.png", source=source, prompt=prompt)
    assert instruction_of(read_intent(source, prompt), record) == instruction


def test_levels_go_there_and_back_bit_for_bit() -> None:
    levels = np.arange(3 * 16 * 16, dtype=np.uint8).reshape(16, 16, 3)
    assert (levels_of(levels_to_tensor(levels)[0]) == levels).all()
    assert levels_of(torch.zeros(3, 4, 6)).shape == (4, 6, 3)
    assert cv2.cvtColor(levels, cv2.COLOR_RGB2GRAY).shape == (16, 16)
