"""What is said of the words by which a layout is painted."""

from __future__ import annotations

import copy
import dataclasses

import pytest

from intarsia.backbones.protocols import Backbones
from intarsia.layout.prompt_notes import prompt_notes


@pytest.fixture
def unweighted(pocket: Backbones) -> Backbones:
    """Networks that are used through their pipeline alone, whose text encoder heeds no weights."""
    inpainter = copy.copy(pocket.inpainter)
    inpainter.reads_weights = False  # type: ignore[attr-defined]
    return dataclasses.replace(pocket, inpainter=inpainter, diffusion=None)


def test_ordinary_words_are_told_of_nothing(pocket: Backbones, unweighted: Backbones) -> None:
    for backbones in (pocket, unweighted):
        assert prompt_notes({"prompt": "a cat (brown) on grass", "background": ""}, backbones, (), brackets=False) == ()


def test_words_that_are_cut_are_quoted_where_the_text_encoder_cuts(pocket: Backbones, unweighted: Backbones) -> None:
    long = "a cat " + "with many flowers " * 10 + "in the snow"
    (note,) = prompt_notes({"background": long}, unweighted, (), brackets=True)
    assert "tokens of the background: 'with many" in note or "tokens of the background: 'many" in note or "snow" in note
    assert note.endswith("at its end had no effect. Say it in fewer words.")
    assert prompt_notes({"background": long}, pocket, (), brackets=True) == (), "it is read whole"


def test_weights_and_spellings_of_other_programs(pocket: Backbones, unweighted: Backbones) -> None:
    texts = {"prompt": "a (red:1.3) cat", "negative prompt": "[blurred]"}
    assert [each.partition("]")[0] for each in prompt_notes(texts, pocket, (), brackets=True)] == ["'[blurred"]
    told = prompt_notes(texts, unweighted, (), brackets=True)
    assert told[0] == "The checkpoint's text encoders heed no weights of words: they left the prompt."
    assert told[1] == "'[blurred]' in the negative prompt was read as plain words."
