"""Learned looks: attached and detached without trace, saved and loaded, put into prompts word by word, learned."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

from intarsia.backbones.protocols import Backbones
from intarsia.diffusion.ddim import add_noise, masked_noise_loss
from intarsia.errors import (
    Cancelled,
    EmptyMaskError,
    LayoutError,
    MissingExtraError,
    ModelError,
    OutputError,
    RecordError,
)
from intarsia.imaging.photo import Photo
from intarsia.imaging.read import read_photo
from intarsia.imaging.write import write_photo
from intarsia.layout import checkpoint
from intarsia.layout import prior as prior_module
from intarsia.layout import train as learning
from intarsia.layout.cache import MemoryCache
from intarsia.layout.concepts import Concepts, tokens_added
from intarsia.layout.layout import Layout, Placement
from intarsia.layout.prior import prior
from intarsia.layout.prompts import named_by_tokens, prompt_for, sentence, token_positions
from intarsia.layout.regenerate import regenerate
from intarsia.layout.scene import Scene, SceneObject
from intarsia.layout.tracking import open_tracker
from intarsia.layout.train import SAMPLES, Sample, learn, shows
from intarsia.layout.train_objective import emphasis, spread_timesteps
from intarsia.progress import Progress
from intarsia.records.arrange import ArrangeRecord, GuideSettings, LearnSettings
from tests.paths import SCENES

SIDE = 32


def scene_of(*names: str, side: int = SIDE) -> Scene:
    """Squares of one colour each, side by side."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(90, 110, (side, side, 3)).astype(np.uint8)
    objects = []
    for k, name in enumerate(names):
        mask = np.zeros((side, side), dtype=np.bool_)
        x = 2 + k * (side // max(len(names), 1))
        mask[4 : 4 + side // 3, x : x + side // 4] = True
        pixels[mask] = (40 + 90 * k, 200 - 60 * k, 60)
        objects.append(SceneObject(name=name, words=name.rstrip(" 0123456789"), mask=mask))
    return Scene(photo=Photo(pixels=pixels), objects=tuple(objects))


def rendered(name: str) -> Scene:
    """One of the scenes that stand beside the tests."""
    listed = json.loads((SCENES / "scenes.json").read_text())
    (about,) = [entry for entry in listed if entry["image"] == f"{name}.png"]
    colours = np.asarray(Image.open(SCENES / f"{name}.mask.png").convert("RGB"))
    objects = tuple(
        SceneObject(name=o["name"], words=o["name"], mask=(colours == o["colour"]).all(2)) for o in about["objects"]
    )
    return Scene(photo=read_photo(SCENES / f"{name}.png"), objects=objects)


def record_of(**changes: Any) -> ArrangeRecord:
    few = LearnSettings(token_steps=3, weight_steps=2, batch=2)
    return dataclasses.replace(ArrangeRecord(photo="", learn=few, steps=6), **changes)


@pytest.fixture(scope="module")
def learned(tiny_backbones: Backbones) -> Concepts:
    return learn(scene_of("cat", "dog"), record_of(), tiny_backbones, seed=0)


@pytest.fixture
def untouched(tiny_backbones: Backbones) -> Iterator[None]:
    """Whatever happens in a test, the models are afterwards what they were."""
    diffusion = tiny_backbones.diffusion
    tokenizer, length, embedding = (
        diffusion.tokenizer,
        len(diffusion.tokenizer),
        diffusion.text_encoder.get_input_embeddings(),
    )
    weights = {n: p.clone() for net in (diffusion.unet, diffusion.text_encoder) for n, p in net.state_dict().items()}
    processors = dict(diffusion.unet.attn_processors)
    hooks = count_hooks(diffusion.unet)
    answer = look(tiny_backbones)
    yield
    assert diffusion.tokenizer is tokenizer and len(tokenizer) == length
    assert diffusion.text_encoder.get_input_embeddings() is embedding
    after = {n: p for net in (diffusion.unet, diffusion.text_encoder) for n, p in net.state_dict().items()}
    assert list(after) == list(weights)
    assert all(torch.equal(after[name], weight) for name, weight in weights.items())
    assert not any(p.requires_grad for net in (diffusion.unet, diffusion.text_encoder) for p in net.parameters())
    assert diffusion.unet.attn_processors == processors
    assert count_hooks(diffusion.unet) == hooks and not diffusion.unet.is_gradient_checkpointing
    assert torch.equal(look(tiny_backbones), answer)


def count_hooks(network: Any) -> int:
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in network.modules())


def look(backbones: Backbones) -> Tensor:
    diffusion = backbones.diffusion
    noisy = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        return diffusion.predict(noisy, 500, diffusion.encode_text(["a cat"])).noise


# Attaching


def test_concepts_leave_no_trace(tiny_backbones: Backbones, learned: Concepts, untouched: None) -> None:
    before = look(tiny_backbones)
    with learned.attached(tiny_backbones.diffusion) as phrases:
        assert list(phrases) == ["cat", "dog"]
        assert len(tiny_backbones.diffusion.tokenizer) > 190
        assert not torch.equal(look(tiny_backbones), before)
    with pytest.raises(RuntimeError, match="stop"), learned.attached(tiny_backbones.diffusion):
        raise RuntimeError("stop")


def test_old_words_read_the_same_while_tokens_are_added(tiny_backbones: Backbones, untouched: None) -> None:
    diffusion = tiny_backbones.diffusion
    before = diffusion.encode_text(["a cat"])
    with tokens_added(diffusion, torch.randn(2, tiny_width(tiny_backbones))):
        assert torch.equal(diffusion.encode_text(["a cat"]), before)


def tiny_width(backbones: Backbones) -> int:
    return int(backbones.diffusion.text_encoder.get_input_embeddings().weight.shape[1])


def test_a_token_with_a_words_embedding_reads_as_that_word(pocket: Backbones) -> None:
    diffusion = pocket.diffusion
    (cat,) = diffusion.tokenizer("cat", add_special_tokens=False).input_ids
    embedding = diffusion.text_encoder.get_input_embeddings().weight[cat][None]
    wanted = diffusion.encode_text(["a cat on the grass"])
    with tokens_added(diffusion, embedding) as (token,):
        assert torch.allclose(diffusion.encode_text([f"a {token} on the grass"]), wanted, atol=1e-6)


def test_text_is_differentiable_in_the_tokens_alone(tiny_backbones: Backbones, untouched: None) -> None:
    diffusion = tiny_backbones.diffusion
    embeddings = torch.randn(2, tiny_width(tiny_backbones), requires_grad=True)
    with tokens_added(diffusion, embeddings) as (first, _):
        diffusion.encode_text([f"a {first}"]).square().sum().backward()
    assert embeddings.grad is not None
    assert bool((embeddings.grad[0] != 0).any()) and not bool((embeddings.grad[1] != 0).any())


def test_tokens_never_collide_even_with_those_of_other_concepts(
    tiny_backbones: Backbones, learned: Concepts, untouched: None
) -> None:
    diffusion = tiny_backbones.diffusion
    with learned.attached(diffusion) as outer, learned.attached(diffusion) as inner:
        assert len({*outer.values(), *inner.values()}) == 4
        ids = diffusion.tokenizer(" ".join([*outer.values(), *inner.values()]), add_special_tokens=False).input_ids
        assert len(set(ids)) == 4


def test_two_objects_of_one_class_get_two_tokens(tiny_backbones: Backbones, untouched: None) -> None:
    concepts = learn(scene_of("dog 1", "dog 2"), record_of(), tiny_backbones, seed=0)
    assert concepts.names == ("dog 1", "dog 2") and concepts.words == ("dog", "dog")
    with concepts.attached(tiny_backbones.diffusion) as phrases:
        assert len(set(phrases.values())) == 2
    assert not torch.equal(concepts.embeddings[0], concepts.embeddings[1])


# Files


def same(first: Concepts, second: Concepts) -> bool:
    return (
        (first.names, first.words, first.model, dict(first.versions))
        == (second.names, second.words, second.model, dict(second.versions))
        and torch.equal(first.embeddings, second.embeddings)
        and sorted(first.updates) == sorted(second.updates)
        and all(torch.equal(first.updates[name], second.updates[name]) for name in first.updates)
    )


def test_concepts_come_back_from_their_file_and_it_is_not_replaced_unasked(learned: Concepts, tmp_path: Path) -> None:
    file = tmp_path / "new" / "concepts.safetensors"
    learned.save(file)
    assert same(Concepts.load(file), learned)
    with pytest.raises(OutputError, match="exists already"):
        learned.save(file)
    learned.save(file, overwrite=True)
    assert [f.name for f in file.parent.iterdir()] == ["concepts.safetensors"]


def test_wrong_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"do not exist.*intarsia learn"):
        Concepts.load(tmp_path / "none.safetensors")
    (tmp_path / "junk.safetensors").write_bytes(b"junk")
    with pytest.raises(ModelError, match="no readable safetensors file"):
        Concepts.load(tmp_path / "junk.safetensors")
    save_file({"x": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(ModelError, match="something else than learned objects"):
        Concepts.load(tmp_path / "other.safetensors")


def test_concepts_of_another_model_are_refused(
    pocket: Backbones, tiny_backbones: Backbones, learned: Concepts, untouched: None
) -> None:
    with (
        pytest.raises(ModelError, match=r"16 wide .* but those of .* are 160 wide"),
        learned.attached(pocket.diffusion),
    ):
        pass
    elsewhere = dataclasses.replace(learned, updates={"blocks.7.attn2.to_k.down": torch.zeros(4, 16)})
    with pytest.raises(ModelError, match=r"layer blocks\.7\.attn2\.to_k"), elsewhere.attached(tiny_backbones.diffusion):
        pass
    layer = next(iter(learned.updates))
    wider = dataclasses.replace(learned, updates={layer: torch.zeros(4, 17)})
    with pytest.raises(ModelError, match="in this size"), wider.attached(tiny_backbones.diffusion):
        pass


def test_the_published_codes_file_is_read_and_its_weights_are_used_as_they_are(
    tiny_backbones: Backbones, untouched: None, tmp_path: Path
) -> None:
    diffusion = tiny_backbones.diffusion
    layers = {n: m for n, m in diffusion.unet.named_modules() if n.endswith(("attn2.to_k", "attn2.to_v"))}
    weights = {f"{name}.weight": torch.randn_like(layer.weight) for name, layer in layers.items()}
    tokens = {"<new1>": torch.randn(16), "<new2>": torch.randn(16)}
    file = tmp_path / "delta.bin"
    torch.save({"unet": weights, "modifier_token": tokens}, file)
    concepts = Concepts.load(file)
    assert concepts.names == ("new1", "new2")
    assert torch.equal(concepts.embeddings, torch.stack(list(tokens.values())))
    with concepts.attached(diffusion):
        attached = look(tiny_backbones)
    originals = {name: layer.weight.data for name, layer in layers.items()}
    try:
        for name, layer in layers.items():
            layer.weight.data = weights[f"{name}.weight"]
        written = look(tiny_backbones)
    finally:
        for name, layer in layers.items():
            layer.weight.data = originals[name]
    assert torch.allclose(attached, written, atol=1e-6)
    assert concepts.for_scene(scene_of("cat", "dog")).names == ("cat", "dog")


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("evil"),))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"unet": {}, "modifier_token": {"<a>": Evil()}}, "nothing else is ever loaded"),
        ({"state_dict": {}}, "lacks the parts"),
        ({"unet": {}, "modifier_token": {"<a>": torch.zeros(4), "<b>": torch.zeros(5)}}, "lacks the parts"),
        ([1, 2], "lacks the parts"),
    ],
)
def test_other_pickles_are_refused_and_nothing_in_them_runs(
    content: Any, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save(content, tmp_path / "delta.bin")
    with pytest.raises(ModelError, match=reason):
        Concepts.load(tmp_path / "delta.bin")
    assert not (tmp_path / "evil").exists()


def test_concepts_are_matched_to_a_scene_by_name(learned: Concepts) -> None:
    turned = learned.for_scene(scene_of("dog", "cat"))
    assert turned.names == ("dog", "cat") and torch.equal(turned.embeddings, learned.embeddings.flip(0))
    with pytest.raises(LayoutError, match="the scene's 'bird' is not among them"):
        learned.for_scene(scene_of("cat", "bird"))


# Prompts


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
    meter = tiny_backbones.diffusion.meter
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


def test_tokens_are_found_in_a_prompt_and_too_long_a_prompt_is_an_error(pocket: Backbones) -> None:
    diffusion = pocket.diffusion
    with tokens_added(diffusion, torch.zeros(2, 160)) as (first, second):
        assert token_positions(diffusion.tokenizer, f"a {first} and a {second}", [first, second], 32) == [2, 5]
        with pytest.raises(LayoutError, match="longer than the 32 tokens"):
            token_positions(diffusion.tokenizer, "very " * 40 + first, [first], 32)


# Learning


def test_learning_leaves_the_models_as_they_were_even_when_cancelled(
    tiny_backbones: Backbones, untouched: None
) -> None:
    told: list[Progress] = []

    def stop_in_the_second_stage(progress: Progress) -> None:
        told.append(progress)
        if progress.done == 4:
            raise Cancelled("stop")

    settings = LearnSettings(token_steps=3, weight_steps=2, batch=2, checkpointing=True)
    with pytest.raises(Cancelled):
        learn(
            scene_of("cat", "dog"),
            record_of(learn=settings),
            tiny_backbones,
            seed=0,
            on_progress=stop_in_the_second_stage,
        )
    assert [(p.stage, p.done, p.total) for p in told][2:] == [
        ("learning tokens", 3, 5),
        ("learning keys and values", 4, 5),
    ]


def test_learning_is_the_same_each_time_and_with_checkpointing(tiny_backbones: Backbones, learned: Concepts) -> None:
    again = learn(scene_of("cat", "dog"), record_of(), tiny_backbones, seed=0)
    assert same(again, learned)
    other = learn(scene_of("cat", "dog"), record_of(), tiny_backbones, seed=1)
    assert not torch.equal(other.embeddings, learned.embeddings)
    settings = dataclasses.replace(record_of().learn, checkpointing=True)
    lean = learn(scene_of("cat", "dog"), record_of(learn=settings), tiny_backbones, seed=0)
    assert torch.allclose(lean.embeddings, learned.embeddings, atol=1e-5)


def test_pictures_on_the_way_show_what_is_learned_and_change_nothing_of_it(
    tiny_backbones: Backbones, learned: Concepts, untouched: None
) -> None:
    shown: list[Sample] = []
    again = learn(scene_of("cat", "dog"), record_of(), tiny_backbones, seed=0, on_sample=shown.append)
    assert same(again, learned)
    assert [(sample.done, sample.total) for sample in shown] == [(2, 5), (3, 5), (4, 5), (5, 5)]
    assert len({sample.photo.pixels.tobytes() for sample in shown}) == len(shown)


@pytest.mark.parametrize("total", [1, 3, 4, 9, 250])
def test_pictures_on_the_way_are_few_and_the_last_is_at_the_end(total: int) -> None:
    due = [done for done in range(1, total + 1) if shows(done, total)]
    assert len(due) == min(SAMPLES, total) and due[-1] == total


LONG = LearnSettings(token_steps=7, weight_steps=5, batch=1, accumulate=2)


@pytest.fixture(scope="module")
def undisturbed(tiny_backbones: Backbones) -> Concepts:
    return learn(scene_of("cat", "dog"), record_of(learn=LONG), tiny_backbones, seed=3)


def stopped_at(step: int) -> Any:
    """What is told of the progress, and stops after an update."""

    def stop(progress: Progress) -> None:
        if progress.done == step:
            raise Cancelled("stop")

    return stop


# The tokens take 7 updates: within them, at their end, at the beginning, in and at the end of keys and values.
@pytest.mark.parametrize(("stop_at", "saved_every"), [(1, 1), (4, 2), (5, 2), (7, 1), (7, 2), (8, 1), (9, 2), (12, 1)])
def test_learning_goes_on_from_a_checkpoint_as_if_nothing_had_happened(
    tiny_backbones: Backbones,
    undisturbed: Concepts,
    tmp_path: Path,
    stop_at: int,
    saved_every: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(checkpoint, "SAVED_EVERY", saved_every)
    scene, file, told = scene_of("cat", "dog"), tmp_path / "learning.safetensors", list[Progress]()
    with pytest.raises(Cancelled):
        learn(scene, record_of(learn=LONG), tiny_backbones, seed=3, checkpoint=file, on_progress=stopped_at(stop_at))
    resumed = learn(
        scene, record_of(learn=LONG), tiny_backbones, seed=3, checkpoint=file, resume=True, on_progress=told.append
    )
    assert [p.done for p in told] == list(range(stop_at - stop_at % saved_every + 1, 13))
    assert same(resumed, undisturbed)


@pytest.mark.parametrize("stop_at", [1, 2, 3, 4, 6])
def test_the_published_schedule_goes_on_as_well(
    tiny_backbones: Backbones, tmp_path: Path, stop_at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "SAVED_EVERY", 1)
    monkeypatch.setattr(learning, "PAPER", dataclasses.replace(learning.PAPER, token_steps=2, weight_steps=3))
    write_photo(scene_of("cat").photo, tmp_path / "cat-0001.png")
    settings = dataclasses.replace(LONG, prior=str(tmp_path))
    scene, record = scene_of("cat", "dog"), record_of(preset="paper", learn=settings)
    file = tmp_path / "learning.safetensors"
    straight = learn(scene, record, tiny_backbones, seed=3)
    with pytest.raises(Cancelled):
        learn(scene, record, tiny_backbones, seed=3, checkpoint=file, on_progress=stopped_at(stop_at))
    # Twice interrupted is no different from once.
    if stop_at < 6:
        with pytest.raises(Cancelled):
            learn(
                scene, record, tiny_backbones, seed=3, checkpoint=file, resume=True, on_progress=stopped_at(stop_at + 1)
            )
    assert same(learn(scene, record, tiny_backbones, seed=3, checkpoint=file, resume=True), straight)


def test_a_checkpoint_is_not_replaced_unasked_nor_taken_for_another_lesson(
    tiny_backbones: Backbones, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "SAVED_EVERY", 1)
    scene, file = scene_of("cat", "dog"), tmp_path / "learning.safetensors"
    with pytest.raises(Cancelled):
        learn(scene, record_of(), tiny_backbones, seed=3, checkpoint=file, on_progress=stopped_at(1))
    with pytest.raises(OutputError, match="exists already"):
        learn(scene, record_of(), tiny_backbones, seed=3, checkpoint=file)
    with pytest.raises(RecordError, match="another scene, model, seed"):
        learn(scene, record_of(), tiny_backbones, seed=4, checkpoint=file, resume=True)
    file.write_bytes(b"junk")
    with pytest.raises(ModelError, match="cannot be read"):
        learn(scene, record_of(), tiny_backbones, seed=3, checkpoint=file, resume=True)


def test_resuming_without_a_checkpoint_begins(tiny_backbones: Backbones, learned: Concepts, tmp_path: Path) -> None:
    file = tmp_path / "learning.safetensors"
    begun = learn(scene_of("cat", "dog"), record_of(), tiny_backbones, seed=0, checkpoint=file, resume=True)
    assert same(begun, learned) and file.exists()


def test_tokens_learn_from_their_own_pixels_alone(tiny_backbones: Backbones) -> None:
    """Without the attention loss, what lies outside all masks has no say in the tokens."""
    plain = LearnSettings(token_steps=1, weight_steps=0, batch=2, attention_weight=0.0, token_rate=0.1)
    scene = scene_of("cat", "dog")
    tokens = learn(scene, record_of(learn=plain), tiny_backbones, seed=0).embeddings
    initial = learn(
        scene, record_of(learn=dataclasses.replace(plain, token_steps=0)), tiny_backbones, seed=0
    ).embeddings
    assert bool((tokens != initial).any(1).all())


def test_what_was_learned_explains_each_object_better_than_its_word(pocket: Backbones) -> None:
    diffusion, scene = pocket.diffusion, rendered("0002")
    data = learning.training_data_of(scene, record_of(), diffusion)
    noise = torch.randn(3, 4, 16, 16, generator=torch.Generator().manual_seed(9))
    timesteps = torch.tensor([300, 500, 700])
    alpha = diffusion.alphas_cumprod[timesteps]
    noisy = add_noise(data.clean.expand(3, -1, -1, -1), noise, alpha.reshape(-1, 1, 1, 1))

    def errors(token_steps: int, weight_steps: int) -> list[float]:
        settings = LearnSettings(token_steps=token_steps, weight_steps=weight_steps)
        concepts = learn(scene, record_of(learn=settings), pocket, seed=0)
        with torch.no_grad(), concepts.attached(diffusion) as phrases:
            text = diffusion.encode_text([prompt_for("", scene, phrases)] * 3)
            seen = diffusion.predict(noisy, timesteps, text).noise
        shares = [masked_noise_loss(seen, noise, cells.expand(3, -1, -1, -1)) for cells in data.cells]
        return [float((emphasis(alpha) * share).mean()) for share in shares]

    assert np.less(errors(8, 10), errors(0, 0)).all()


def test_the_published_schedule_learns_one_token_after_the_other_and_full_weights(
    tiny_backbones: Backbones, monkeypatch: pytest.MonkeyPatch, untouched: None
) -> None:
    scene, meter = scene_of("cat", "dog"), tiny_backbones.diffusion.meter
    short = dataclasses.replace(learning.PAPER, token_steps=2, weight_steps=3)
    monkeypatch.setattr(learning, "PAPER", short)
    told: list[Progress] = []
    before = meter.backward
    concepts = learn(scene, record_of(preset="paper"), tiny_backbones, seed=0, on_progress=told.append)
    assert [p.stage for p in told][::2] == [
        "learning token of cat",
        "learning token of dog",
        "learning keys and values",
        "learning keys and values",
    ]
    assert meter.backward - before == 2 * 2 * 4 + 3 * 2
    assert all(name.endswith(".weight") for name in concepts.updates)


def test_the_default_costs_at_most_a_quarter_of_the_published_learning() -> None:
    ours, things = LearnSettings(), 3
    cost = (ours.token_steps + 2 * ours.weight_steps) * ours.batch * ours.accumulate
    published = learning.PAPER.token_steps * learning.PAPER.batch * things + learning.PAPER.weight_steps * 4
    assert published == 1400 and 4 * cost <= published


def test_scenes_that_cannot_be_learned_are_named(tiny_backbones: Backbones, untouched: None) -> None:
    with pytest.raises(LayoutError, match="has no objects"):
        learn(Scene(photo=scene_of().photo, objects=()), record_of(), tiny_backbones, seed=0)
    photo = Photo(pixels=np.zeros((256, 256, 3), np.uint8))
    dot = np.zeros((256, 256), dtype=np.bool_)
    dot[100, 100:103] = True
    tiny_thing = SceneObject(name="pot", words="pot", mask=dot)
    with pytest.raises(EmptyMaskError, match="'pot' covers 3 pixels"):
        learn(Scene(photo=photo, objects=(tiny_thing,)), record_of(), tiny_backbones, seed=0)


def test_names_that_the_tokenizer_does_not_know_are_learned_from_their_letters(pocket: Backbones) -> None:
    settings = LearnSettings(token_steps=1, weight_steps=0, batch=1)
    concepts = learn(scene_of("Waschbär", "日本", side=64), record_of(learn=settings), pocket, seed=0)
    assert concepts.embeddings.isfinite().all()


def test_prior_pictures_are_painted_saved_and_read(tiny_backbones: Backbones, tmp_path: Path, untouched: None) -> None:
    pictures = list(prior("cat", 3, tiny_backbones, seed=5, steps=2, batch=2))
    assert [p.size.width for p in pictures] == [32, 32, 32]
    (alone,) = prior("cat", 1, tiny_backbones, seed=7, steps=2)
    off = np.abs(alone.pixels.astype(int) - pictures[2].pixels.astype(int)).max()
    assert off <= 1  # one seed a picture, whatever the batch
    (tmp_path / "potted plant").mkdir()
    write_photo(pictures[0], tmp_path / "potted plant" / "0001.png")
    write_photo(pictures[1], tmp_path / "cat-0002.png")
    found = prior_module.read_prior(tmp_path, tiny_backbones.diffusion)
    assert sorted(words for words, _ in found) == ["cat", "potted plant"]
    settings = LearnSettings(token_steps=0, weight_steps=2, batch=1, prior=str(tmp_path))
    meter = tiny_backbones.diffusion.meter
    before = meter.backward
    with_prior = learn(scene_of("cat"), record_of(learn=settings), tiny_backbones, seed=0)
    assert meter.backward - before == 2 * (1 + 1)
    without = learn(scene_of("cat"), record_of(learn=dataclasses.replace(settings, prior=None)), tiny_backbones, seed=0)
    assert not same(with_prior, without)
    with pytest.raises(RecordError, match="holds no pictures"):
        prior_module.read_prior(tmp_path / "nothing", tiny_backbones.diffusion)


def test_timesteps_are_spread_and_noisy_ones_count_more() -> None:
    drawn = spread_timesteps(4, 1000, torch.Generator().manual_seed(0))
    assert sorted(int(t) // 250 for t in drawn) == [0, 1, 2, 3]
    assert emphasis(torch.tensor([1.0, 0.5, 0.01, 0.0])).tolist() == pytest.approx([1, 2, 5, 5])


def test_a_tracker_that_is_not_installed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from accelerate import tracking  # type: ignore[import-untyped]

    monkeypatch.setattr(tracking, "is_wandb_available", lambda: False)
    with pytest.raises(MissingExtraError, match="pip install"):
        open_tracker("wandb", tmp_path)


# Painting anew


def shifted(scene: Scene, name: str, right: int) -> Layout:
    placements = []
    for thing in scene.objects:
        move = right if thing.name == name else 0
        mask = np.roll(thing.mask, move, axis=1)
        placements.append(Placement(name=thing.name, matrix=(1.0, 0.0, float(move), 0.0, 1.0, 0.0), mask=mask))
    return Layout(placements=tuple(placements))


@pytest.mark.parametrize("preset", ["default", "paper"])
def test_objects_are_painted_anew_and_the_rest_is_kept_bit_for_bit(
    tiny_backbones: Backbones, learned: Concepts, untouched: None, preset: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from intarsia.layout import regenerate as regenerating

    monkeypatch.setattr(regenerating, "PAPER_STEPS", 6)
    monkeypatch.setattr(regenerating, "PAPER", dataclasses.replace(regenerating.PAPER, refine_most=2))
    scene = scene_of("cat", "dog")
    record = record_of(preset=preset, guide=GuideSettings(refine_at=(0,), refine_to=(0.4,), refine_most=1))
    layout, told = shifted(scene, "cat", 3), list[Progress]()
    made, concepts = regenerate(
        scene,
        layout,
        record,
        tiny_backbones,
        seeds=(0, 1),
        concepts=learned,
        cache=MemoryCache(),
        on_progress=told.append,
    )
    assert len(made) == 2 and concepts.names == learned.names
    for one in made:
        kept = one.blend == 0
        assert kept.any() and (one.blend > 0)[scene.objects[0].mask].all()
        assert np.array_equal(one.photo.pixels[kept], scene.photo.pixels[kept])
        assert not np.array_equal(one.photo.pixels, scene.photo.pixels)
    assert not np.array_equal(made[0].photo.pixels, made[1].photo.pixels)
    assert {p.stage for p in told} - {"painting what lies behind"} == {"inverting the picture", "painting"}
    assert all(0 <= p.done <= p.total for p in told)


def test_objects_that_stay_keep_their_pixels_even_where_another_goes_behind_them(
    tiny_backbones: Backbones, learned: Concepts
) -> None:
    scene = scene_of("cat", "dog")
    behind = shifted(scene, "cat", 14)
    assert (behind.placements[0].mask & behind.placements[1].mask).any()
    (one,), _ = regenerate(
        scene, behind, record_of(), tiny_backbones, seeds=(0,), concepts=learned, cache=MemoryCache()
    )
    dog = scene.objects[1].mask
    assert np.array_equal(one.photo.pixels[dog], scene.photo.pixels[dog]) and not one.blend[dog].any()
    before = Layout(placements=behind.placements[::-1])
    (one,), _ = regenerate(
        scene, before, record_of(), tiny_backbones, seeds=(0,), concepts=learned, cache=MemoryCache()
    )
    covered = dog & behind.placements[0].mask
    assert (one.blend[covered] > 0).all() and not one.blend[dog & ~covered].any()


def test_an_object_hidden_by_another_is_not_asked_for(tiny_backbones: Backbones, learned: Concepts) -> None:
    scene = scene_of("cat", "dog")
    everything = np.ones_like(scene.objects[0].mask)
    cat, dog = shifted(scene, "dog", -14).placements
    layout = Layout(placements=(dataclasses.replace(cat), dataclasses.replace(dog, mask=everything)))
    assert [name for name, mask in layout.visible_masks().items() if mask.any()] == ["dog"]
    (one,), _ = regenerate(
        scene, layout, record_of(), tiny_backbones, seeds=(0,), concepts=learned, cache=MemoryCache()
    )
    assert (one.blend > 0).all()


def test_seeds_paint_the_same_alone_and_in_a_batch(tiny_backbones: Backbones, learned: Concepts) -> None:
    scene = scene_of("cat", "dog")
    layout, cache = shifted(scene, "dog", -3), MemoryCache()
    record = record_of()
    both, _ = regenerate(scene, layout, record, tiny_backbones, seeds=(4, 5), concepts=learned, cache=cache)
    (alone,), _ = regenerate(scene, layout, record, tiny_backbones, seeds=(5,), concepts=learned, cache=cache)
    off = np.abs(both[1].photo.pixels.astype(int) - alone.photo.pixels.astype(int))
    assert off.max() <= 1


def test_an_unchanged_layout_gives_the_photo_itself(tiny_backbones: Backbones, learned: Concepts) -> None:
    scene, meter = scene_of("cat", "dog"), tiny_backbones.diffusion.meter
    before = meter.evaluations
    (one,), _ = regenerate(
        scene,
        shifted(scene, "cat", 0),
        record_of(),
        tiny_backbones,
        seeds=(0,),
        concepts=learned,
        cache=MemoryCache(),
    )
    assert np.array_equal(one.photo.pixels, scene.photo.pixels) and not one.blend.any()
    assert meter.evaluations == before


def test_objects_may_be_removed_all_of_them_too(tiny_backbones: Backbones, learned: Concepts) -> None:
    scene = scene_of("cat", "dog")
    layout = Layout(placements=(), removed=("cat", "dog"))
    (one,), _ = regenerate(
        scene, layout, record_of(), tiny_backbones, seeds=(0,), concepts=learned, cache=MemoryCache()
    )
    assert (one.blend > 0)[scene.objects[0].mask | scene.objects[1].mask].all()


def test_the_next_edit_pays_for_sampling_only(tiny_backbones: Backbones, untouched: None) -> None:
    scene, cache, meter = scene_of("cat", "dog"), MemoryCache(), tiny_backbones.diffusion.meter
    told: list[Progress] = []

    def edit(right: int) -> int:
        told.clear()
        before = meter.evaluations
        regenerate(
            scene,
            shifted(scene, "cat", right),
            record_of(),
            tiny_backbones,
            seeds=(0,),
            concepts=None,
            cache=cache,
            on_progress=told.append,
        )
        return meter.evaluations - before

    first = edit(2)
    assert {"learning tokens", "inverting the picture", "painting what lies behind"} <= {p.stage for p in told}
    following = edit(4)
    assert {p.stage for p in told} == {"painting"} and following < first


def test_painting_can_be_cancelled(tiny_backbones: Backbones, learned: Concepts, untouched: None) -> None:
    def stop(progress: Progress) -> None:
        if progress.stage == "painting" and progress.done == 2:
            raise Cancelled("stop")

    scene = scene_of("cat", "dog")
    with pytest.raises(Cancelled):
        regenerate(
            scene,
            shifted(scene, "cat", 3),
            record_of(),
            tiny_backbones,
            seeds=(0,),
            concepts=learned,
            cache=MemoryCache(),
            on_progress=stop,
        )
