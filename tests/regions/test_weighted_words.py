"""Weights of words are the painter's alone: whatever else reads the words of an edit sees them without."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor

from intarsia.backbones.protocols import Backbones
from intarsia.backbones.sd_inpainting import StableDiffusionInpainter
from intarsia.cli.result_lines import edit_lines
from intarsia.records.choices import Preset
from intarsia.records.edit import FitSettings, SearchSettings
from intarsia.regions.edit import EditResult, edit
from intarsia.regions.intent import read_intent
from intarsia.results.history import read_history
from intarsia.tasks.edit import run_edit
from intarsia.tasks.options import Files
from tests.regions.test_edit import record, scene


class Read:
    """What the networks of an edit were told, by who reads it."""

    def __init__(self, backbones: Backbones) -> None:
        self.painted: list[str] = []
        self.others: list[str] = []
        read = self

        class Scorer:
            def __getattr__(self, name: str) -> Any:
                return getattr(backbones.scorer, name)

            def embed_texts(self, texts: Sequence[str]) -> Tensor:
                read.others += texts
                return backbones.scorer.embed_texts(texts)

        class WordSegmenter:
            def __getattr__(self, name: str) -> Any:
                return getattr(backbones.segmenter, name)

            def predict_masks(self, picture: Tensor, texts: Sequence[str]) -> Tensor:
                read.others += texts
                return backbones.segmenter.predict_masks(picture, texts)

        class Painter(StableDiffusionInpainter):
            def inpaint(self, picture: Tensor, masks: Tensor, prompts: Sequence[str], **settings: Any) -> Tensor:
                read.painted += prompts
                return super().inpaint(picture, masks, prompts, **settings)

        inner = backbones.inpainter
        assert isinstance(inner, StableDiffusionInpainter)
        painter = object.__new__(Painter)
        vars(painter).update(vars(inner))
        others: dict[str, Any] = {"scorer": Scorer(), "segmenter": WordSegmenter()}
        self.backbones = dataclasses.replace(backbones, inpainter=painter, **others)


@pytest.mark.parametrize("preset", ["default", "exhaustive", "released", "paper"])
def test_the_painter_alone_is_told_of_weights(preset: Preset, pocket: Backbones) -> None:
    search = SearchSettings(preview_steps=(1,), survivors=(1,), anchors=2, proposals=2)
    wish = record(
        source="(tree:1.2)",
        prompt="a (big:1.5) house",
        preset=preset,
        search=search,
        fit=FitSettings(rounds=1),
        steps=1,
    )
    read = Read(pocket)
    edit(scene(0)[0], wish, read.backbones)
    assert read.painted and all("a (big:1.5) house" in text for text in read.painted)
    assert read.others and not any(mark in text for text in read.others for mark in "():")


def test_a_part_of_the_prompt_that_is_painted_alone_keeps_its_weights(pocket: Backbones) -> None:
    read = Read(pocket)
    edit(scene(0)[0], record(source="tree", prompt="a (tree:1.2) and a (red ball:1.4)", steps=1), read.backbones)
    assert set(read.painted) == {"a (red ball:1.4)"}
    assert not any(":" in text for text in read.others)


def test_weights_change_what_is_painted_and_nothing_that_is_chosen(pocket: Backbones) -> None:
    def made(prompt: str) -> EditResult:
        return edit(scene(0)[0], record(prompt=prompt), pocket)

    plain, weighted, same = made("a house"), made("a (house:1.6)"), made("a (house:1)")
    assert (plain.photo.pixels == same.photo.pixels).all() and plain.candidates[0].scores == same.candidates[0].scores
    assert (plain.photo.pixels != weighted.photo.pixels).any()
    assert plain.candidates[0].box == weighted.candidates[0].box


def test_words_are_read_without_weights() -> None:
    assert read_intent("(cat:1.2)", "a (black:1.4) cat") == read_intent("cat", "a black cat")
    assert read_intent("cat", r"a \(black\) cat") == read_intent("cat", "a (black) cat")


def test_results_are_named_by_the_words_alone(pocket: Backbones, tmp_path: Path) -> None:
    wish = record(source="(tree:1.2)", prompt="a (house:1.3)", steps=1)
    done = run_edit(wish, tmp_path / "out.png", Files(), lambda *_, **__: pocket)
    assert "'a house' in place of 'tree'" in edit_lines(done)[0]
    assert [entry.words for entry in read_history(tmp_path)] == ["tree becomes a house"]
    assert done.result.record.prompt == "a (house:1.3)"
