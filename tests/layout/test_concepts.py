"""Concepts: how they are attached to a model, and their files."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from intarsia.backbones.protocols import Backbones
from intarsia.errors import (
    LayoutError,
    ModelError,
    OutputError,
)
from intarsia.layout.concepts import Concepts, tokens_added, weights_updated
from intarsia.layout.train import learn
from tests.layout.concept_scenes import look, record_of, same, scene_of


def test_concepts_leave_no_trace(tiny_backbones: Backbones, learned: Concepts, untouched: None) -> None:
    before = look(tiny_backbones)
    with learned.attached(tiny_backbones.in_parts) as phrases:
        assert list(phrases) == ["cat", "dog"]
        assert len(tiny_backbones.in_parts.tokenizer) > 190
        assert not torch.equal(look(tiny_backbones), before)
    with pytest.raises(RuntimeError, match="stop"), learned.attached(tiny_backbones.in_parts):
        raise RuntimeError("stop")


def test_old_words_read_the_same_while_tokens_are_added(tiny_backbones: Backbones, untouched: None) -> None:
    diffusion = tiny_backbones.in_parts
    before = diffusion.encode_text(["a cat"])
    with tokens_added(diffusion, torch.randn(2, tiny_width(tiny_backbones))):
        assert torch.equal(diffusion.encode_text(["a cat"]), before)


def tiny_width(backbones: Backbones) -> int:
    return int(backbones.in_parts.text_encoder.get_input_embeddings().weight.shape[1])


def test_a_token_with_a_words_embedding_reads_as_that_word(pocket: Backbones) -> None:
    diffusion = pocket.in_parts
    (cat,) = diffusion.tokenizer("cat", add_special_tokens=False).input_ids
    embedding = diffusion.text_encoder.get_input_embeddings().weight[cat][None]
    wanted = diffusion.encode_text(["a cat on the grass"])
    with tokens_added(diffusion, embedding) as (token,):
        assert torch.allclose(diffusion.encode_text([f"a {token} on the grass"]), wanted, atol=1e-6)


def test_text_is_differentiable_in_the_tokens_alone(tiny_backbones: Backbones, untouched: None) -> None:
    diffusion = tiny_backbones.in_parts
    embeddings = torch.randn(2, tiny_width(tiny_backbones), requires_grad=True)
    with tokens_added(diffusion, embeddings) as (first, _):
        diffusion.encode_text([f"a {first}"]).square().sum().backward()
    assert embeddings.grad is not None
    assert bool((embeddings.grad[0] != 0).any()) and not bool((embeddings.grad[1] != 0).any())


def test_tokens_never_collide_even_with_those_of_other_concepts(
    tiny_backbones: Backbones, learned: Concepts, untouched: None
) -> None:
    diffusion = tiny_backbones.in_parts
    with learned.attached(diffusion) as outer, learned.attached(diffusion) as inner:
        assert len({*outer.values(), *inner.values()}) == 4
        ids = diffusion.tokenizer(" ".join([*outer.values(), *inner.values()]), add_special_tokens=False).input_ids
        assert len(set(ids)) == 4


def test_two_objects_of_one_class_get_two_tokens(tiny_backbones: Backbones, untouched: None) -> None:
    concepts = learn(scene_of("dog 1", "dog 2"), record_of(), tiny_backbones, seed=0)
    assert concepts.names == ("dog 1", "dog 2") and concepts.words == ("dog", "dog")
    with concepts.attached(tiny_backbones.in_parts) as phrases:
        assert len(set(phrases.values())) == 2
    assert not torch.equal(concepts.embeddings[0], concepts.embeddings[1])


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
        learned.attached(pocket.in_parts),
    ):
        pass
    elsewhere = dataclasses.replace(learned, updates={"blocks.7.attn2.to_k.down": torch.zeros(4, 16)})
    with pytest.raises(ModelError, match=r"layer blocks\.7\.attn2\.to_k"), elsewhere.attached(tiny_backbones.in_parts):
        pass
    layer = next(iter(learned.updates))
    wider = dataclasses.replace(learned, updates={layer: torch.zeros(4, 17)})
    with pytest.raises(ModelError, match="in this size"), wider.attached(tiny_backbones.in_parts):
        pass


def test_the_published_codes_file_is_read_and_its_weights_are_used_as_they_are(
    tiny_backbones: Backbones, untouched: None, tmp_path: Path
) -> None:
    diffusion = tiny_backbones.in_parts
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


def test_begin_tokens_of_all_chunks_take_no_gradient_through_keys_and_values() -> None:
    layer, states = torch.nn.Linear(3, 2, bias=False), torch.randn(1, 8, 3)
    unet = torch.nn.ModuleDict({"to_k": layer})
    for held, free in ((4, [1, 2, 3, 5, 6, 7]), (8, [1, 2, 3, 4, 5, 6, 7]), (0, list(range(8)))):
        weight = layer.weight.detach().clone().requires_grad_()
        with weights_updated(unet, {"to_k.weight": weight}, hold_begin=held):
            answer = layer(states)
        assert torch.equal(answer, layer(states))
        answer.sum().backward()
        assert weight.grad is not None
        assert torch.allclose(weight.grad, states[0, free].sum(0).expand(2, -1), atol=1e-5)
