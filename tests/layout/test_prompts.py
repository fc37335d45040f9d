"""Prompts: objects named by words, brackets and tokens."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from intarsia.backbones.protocols import Backbones
from intarsia.errors import (
    LayoutError,
)
from intarsia.layout.cache import MemoryCache
from intarsia.layout.concepts import Concepts, tokens_added
from intarsia.layout.prompts import named_by_tokens, prompt_for, sentence, token_positions
from intarsia.layout.regenerate import regenerate
from intarsia.layout.train import learn
from intarsia.records.arrange import ArrangeRecord, GuideSettings
from intarsia.records.choices import LayoutPreset
from tests.layout.concept_scenes import record_of, same, scene_of, shifted


@pytest.mark.parametrize(
    ("prompt", "names", "wanted"),
    [
        ("a teapot beside a pot", ("pot",), "a teapot beside a <0>"),
        ("a pot-house and a Pot.", ("pot",), "a pot-house and a <0>."),
        ("a potted plant and a plant", ("potted plant", "plant"), "a <0> and a <1>"),
        ("a dog chases a dog", ("dog 1", "dog 2"), "a <0> chases a <1>"),
        ("dog 2 chases dog 1", ("dog 1", "dog 2"), "<1> chases <0>"),
        ("dog 1 and another dog", ("dog 1", "dog 2"), "<0> and another <1>"),
        ("the cat sees a cat", ("cat",), "the <0> sees a <0>"),
        ("two dogs", ("dog 1", "dog 2"), "two dogs, a <0>, a <1>"),
        ("a cat", ("cat", "big red car"), "a <0>, a <1>"),
        ("a (cat) + [dog]", ("cat", "dog"), "a (<0>) + [<1>]"),
    ],
)
def test_names_become_tokens_word_by_word(prompt: str, names: tuple[str, ...], wanted: str) -> None:
    phrases = {name: f"<{k}>" for k, name in enumerate(names)}
    assert named_by_tokens(prompt, scene_of(*names), phrases) == wanted


@pytest.mark.parametrize(
    ("phrases", "background", "wanted"),
    [
        (["cat"], "", "a cat"),
        (["cat", "ox", "dog"], "grass", "a cat, an ox and a dog on the grass"),
        (["cat", "dog"], "in the snow", "a cat and a dog in the snow"),
        (["cat"], "a wood table", "a cat on a wood table"),
        ([], "grass", "grass"),
        ([], "", "a photo"),
    ],
)
def test_sentences(phrases: list[str], background: str, wanted: str) -> None:
    assert sentence(phrases, background) == wanted


def test_an_object_that_is_gone_is_not_spoken_of() -> None:
    scene = scene_of("cat", "pot")
    assert prompt_for("a cat and a pot", scene, {"cat": "<0>"}, "grass") == "a <0> on the grass"
    assert prompt_for("a cat and a teapot", scene, {"cat": "<0>"}, "grass") == "a <0> and a teapot"
    assert prompt_for("a cat", scene, {"cat": "<0>", "pot": "<1>"}) == "a <0>, a <1>"


@pytest.mark.parametrize(
    ("prompt", "names", "wanted"),
    [
        ("a photo of <cat> on grass", ("cat", "dog"), "a photo of <0> on grass, a <1>"),
        ("<Cat>, < dog >", ("cat", "dog"), "<0>, <1>"),
        ("<cat> and a dog", ("cat", "dog"), "<0> and a <1>"),
        ("<dog> chases <dog>", ("dog 1", "dog 2"), "<0> chases <1>"),
        ("<dog 2> chases <dog_1>", ("dog 1", "dog 2"), "<1> chases <0>"),
        ("a <potted-plant>", ("potted plant",), "a <0>"),
        ("a cat, 3 < 4", ("cat",), "a <0>, 3 < 4"),
    ],
)
def test_brackets_about_a_name_say_nothing_more(prompt: str, names: tuple[str, ...], wanted: str) -> None:
    assert prompt_for(prompt, scene_of(*names), {name: f"<{k}>" for k, name in enumerate(names)}) == wanted


def test_an_object_that_is_gone_is_not_spoken_of_in_brackets_either() -> None:
    assert prompt_for("a <big_pot> and <cat>", scene_of("cat", "big pot"), {"cat": "<0>"}, "grass") == (
        "a <0> on the grass"
    )


@pytest.mark.parametrize("prompt", ["<cow> on grass", "a <new1> cat", "a <> cat"])
def test_brackets_about_anything_else_are_one_clear_sentence(
    prompt: str, tiny_backbones: Backbones, learned: Concepts
) -> None:
    scene, record = scene_of("cat", "dog"), record_of(prompt=prompt)
    name = prompt[prompt.index("<") : prompt.index(">") + 1]
    meter = tiny_backbones.in_parts.counter
    before = meter.evaluations
    for attempt in (
        lambda: learn(scene, record, tiny_backbones, seed=0),
        lambda: painted_with(learned, record, tiny_backbones),
    ):
        with pytest.raises(LayoutError, match=rf"names {name}, but the scene has <cat>, <dog>: write one") as caught:
            attempt()
        assert "\n" not in str(caught.value)
    assert meter.evaluations == before


@pytest.mark.parametrize("prompt", ["a <new1> cat and <new2>", "a cat and <new2> dog", "a <new1> and <dog>"])
def test_published_tokens_stand_for_their_objects_with_or_without_the_name_after_them(
    prompt: str, tiny_backbones: Backbones, learned: Concepts
) -> None:
    published = dataclasses.replace(learned, names=("new1", "new2"), words=("", ""))
    one = painted_with(published, record_of(prompt=prompt), tiny_backbones)
    assert np.array_equal(one, painted_with(learned, record_of(prompt="a cat and dog"), tiny_backbones))


def painted_with(concepts: Concepts, record: ArrangeRecord, backbones: Backbones) -> np.ndarray:
    """The pixels that regenerate gives with the cat moved."""
    scene = scene_of("cat", "dog")
    quick = dataclasses.replace(record, steps=3, guide=GuideSettings(refine_at=(), refine_to=()))
    layout, cache = shifted(scene, "cat", 3), MemoryCache()
    ((one,), _) = regenerate(scene, layout, quick, backbones, seeds=(0,), concepts=concepts, cache=cache)
    return one.photo.pixels


def test_brackets_change_nothing_of_what_is_learned(tiny_backbones: Backbones) -> None:
    scene = scene_of("cat", "dog")
    with_brackets = learn(scene, record_of(prompt="<cat> and <dog>"), tiny_backbones, seed=0)
    assert same(with_brackets, learn(scene, record_of(prompt="cat and dog"), tiny_backbones, seed=0))


@pytest.mark.parametrize(
    ("prompt", "wanted"),
    [
        ("a {} and a {}", [2, 5]),
        ("a ({}:1.3) and (a {}:0.7)", [2, 5]),
        ("(a {} and:1.5) a {}", [2, 5]),
        ("tree " * 28 + "{} {}", [29, 30]),
        ("tree " * 29 + "{} {}", [30, 32 + 1]),
        ("(tree:1.2) " * 40 + "a ({}:1.3), {}", [32 + 12, 32 + 14]),
    ],
)
def test_tokens_are_found_beside_weights_and_in_a_second_chunk(
    prompt: str, wanted: list[int], pocket: Backbones
) -> None:
    """The state at a token's position is its own: in its chunk all before it are without its embedding, and so is the other."""
    diffusion, embeddings = pocket.in_parts, torch.randn(2, 160, generator=torch.Generator().manual_seed(0))
    with tokens_added(diffusion, embeddings) as tokens, torch.no_grad():
        prompt = prompt.format(*tokens)
        positions = token_positions(diffusion.tokenizer, prompt, tokens, 32)
        states = diffusion.encode_text([prompt])[0]
    assert positions == wanted
    for token, position in enumerate(positions):
        changed = embeddings.clone()
        changed[token] *= -1
        with tokens_added(diffusion, changed), torch.no_grad():
            others = diffusion.encode_text([prompt])[0]
        moved = (others - states).abs().amax(1) > 1e-6
        assert int(moved.nonzero()[0]) == position


def test_objects_are_found_among_weighted_words() -> None:
    scene = scene_of("cat", "pot")
    phrases = {"cat": "<0>", "pot": "<1>"}
    assert prompt_for("a (black cat:1.3) and a (pot:0.5)", scene, phrases) == "a (black <0>:1.3) and a (<1>:0.5)"
    assert prompt_for("a (<cat>:1.3), (<pot>:1.1)", scene, phrases) == "a (<0>:1.3), (<1>:1.1)"
    assert prompt_for("a (cat:1.3) by a (pot:1.2)", scene, {"cat": "<0>"}, "sand") == "a <0> on the sand"


@pytest.mark.slow
@pytest.mark.parametrize("preset", ["default", "paper"])
def test_objects_are_regenerated_by_a_long_prompt_with_weights(
    preset: LayoutPreset, tiny_backbones: Backbones, learned: Concepts
) -> None:
    plain, weighted = (
        painted_with(learned, record_of(prompt=prompt, negative_prompt="ugly", preset=preset), tiny_backbones)
        for prompt in ("a very long tale of a cat and a dog", "a very long tale of a (cat:1.8) and a (dog:0.2)")
    )
    assert not np.array_equal(plain, weighted)


def test_words_are_learned_by_a_long_prompt_with_weights(tiny_backbones: Backbones) -> None:
    prompts = ["a very long tale of a (cat:1.5) and a dog", "a very long tale of a cat and a dog"]
    weighted, plain = (learn(scene_of("cat", "dog"), record_of(prompt=p), tiny_backbones, seed=0) for p in prompts)
    assert weighted.embeddings.isfinite().all() and not same(weighted, plain)
