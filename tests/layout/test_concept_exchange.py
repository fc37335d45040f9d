"""Learned looks in the formats of diffusers: its own networks answer with them as ours do, and they come back the same."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from intarsia.backbones import load_backbones
from intarsia.backbones.placement import quiet_loading
from intarsia.backbones.protocols import Backbones
from intarsia.errors import ModelError, OutputError
from intarsia.layout.concept_exchange import LORA_FILE, exchange_files, labels_of, read_concepts, write_exchange
from intarsia.layout.concepts import Concepts
from intarsia.layout.train import learn
from tests.backbones.test_lora import sd_pipeline
from tests.layout.concept_scenes import record_of, same, scene_of

TOKENS = ("<cat>", "<dog>", "<addition-1>")


@pytest.fixture(scope="module", params=["low-rank", "whole", "additions"])
def concepts(request: pytest.FixtureRequest, tiny_backbones: Backbones) -> Concepts:
    changes: dict[str, Any] = {"preset": "paper"} if request.param == "whole" else {}
    record = record_of(**changes)
    if request.param == "additions":
        record = dataclasses.replace(record, learn=dataclasses.replace(record.learn, additions=1))
    if request.param == "whole":  # the published schedule takes long, and changes weights as any other does
        made = learn(scene_of("cat", "dog"), record_of(), tiny_backbones, seed=0)
        layers = dict(tiny_backbones.in_parts.unet.named_modules())
        names = {name.rpartition(".")[0] for name in made.updates}
        torch.manual_seed(4)
        whole = {
            f"{n}.weight": w + 0.3 * torch.randn_like(w) for n in names if (w := layers[n].weight.detach()) is not None
        }
        return dataclasses.replace(made, updates=whole)
    return learn(scene_of("cat", "dog"), record, tiny_backbones, seed=0)


def enlarged(concepts: Concepts) -> Concepts:
    """With updates that a test can see; few steps of learning change little."""
    torch.manual_seed(5)
    return dataclasses.replace(
        concepts,
        updates={n: torch.randn_like(u) * 0.5 if n.endswith(".up") else u for n, u in concepts.updates.items()},
    )


def answer(unet: Any, states: Tensor) -> Tensor:
    noisy = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        found: Tensor = unet(noisy, 500, encoder_hidden_states=states, return_dict=False)[0]
    return found


def ours(concepts: Concepts, models: Backbones) -> Tensor:
    """The denoiser's answer to a sentence of all tokens."""
    diffusion = models.in_parts
    with concepts.attached(diffusion) as phrases, torch.no_grad():
        states = diffusion.encode_text([" ".join([*phrases.values(), *phrases.additions])])
        return answer(diffusion.unet, states)


def test_diffusers_answers_with_the_exported_files_as_we_do(
    concepts: Concepts, tiny_backbones: Backbones, tiny_models: Path, tmp_path: Path
) -> None:
    concepts = enlarged(concepts)
    files = write_exchange(concepts, tiny_backbones.in_parts, tmp_path / "x")
    pipeline = sd_pipeline(tiny_models, "unet")
    with quiet_loading():
        pipeline.load_lora_weights(tmp_path / "x", weight_name=LORA_FILE)
        pipeline.load_textual_inversion([str(file) for file in files if file.name != LORA_FILE])
    text = " ".join(TOKENS[: len(concepts.tokens)])
    tokens = pipeline.tokenizer(text, padding="max_length", max_length=16, return_tensors="pt")
    with torch.no_grad():
        theirs = answer(pipeline.unet, pipeline.text_encoder(tokens.input_ids)[0])
    expected = ours(concepts, tiny_backbones)
    assert torch.allclose(theirs, expected, atol=1e-4)
    assert not torch.allclose(
        answer(tiny_backbones.in_parts.unet, tiny_backbones.in_parts.encode_text(["cat dog"])), expected, atol=1e-2
    )


def test_our_own_flags_read_them_as_well(
    concepts: Concepts, tiny_backbones: Backbones, tiny_models: Path, tmp_path: Path
) -> None:
    concepts = enlarged(concepts)
    write_exchange(concepts, tiny_backbones.in_parts, tmp_path / "x")
    models = load_backbones(str(tiny_models), lora=[str(tmp_path / "x")], embedding=[str(tmp_path / "x")], device="cpu")
    states = models.in_parts.encode_text([" ".join(TOKENS[: len(concepts.tokens)])])
    assert torch.allclose(answer(models.in_parts.unet, states), ours(concepts, tiny_backbones), atol=1e-4)


def test_they_come_back_as_they_were(concepts: Concepts, tiny_backbones: Backbones, tmp_path: Path) -> None:
    write_exchange(concepts, tiny_backbones.in_parts, tmp_path / "x")
    again = read_concepts(tmp_path / "x")
    whole = any(name.endswith(".weight") for name in concepts.updates)
    assert torch.equal(again.additions, concepts.additions)
    if whole:
        assert again.names == concepts.names and torch.equal(again.embeddings, concepts.embeddings)
        for name, weight in concepts.updates.items():
            layer = name.removesuffix(".weight")
            change = again.updates[f"{layer}.up"] @ again.updates[f"{layer}.down"]
            before = tiny_backbones.in_parts.unet.get_submodule(layer).weight
            assert torch.allclose(before + change, weight, atol=1e-5)
    else:
        assert same(again, concepts)
    assert torch.allclose(ours(again, tiny_backbones), ours(concepts, tiny_backbones), atol=1e-4)


def test_the_rank_is_that_of_the_change(learned: Concepts, tiny_backbones: Backbones, tmp_path: Path) -> None:
    layers = dict(tiny_backbones.in_parts.unet.named_modules())
    names = [name.removesuffix(".up") for name in learned.updates if name.endswith(".up")]
    torch.manual_seed(6)
    low = {n: torch.randn(layers[n].weight.shape[0], 2) @ torch.randn(2, layers[n].weight.shape[1]) for n in names}
    whole = {f"{n}.weight": layers[n].weight.detach() + change for n, change in low.items()}
    write_exchange(dataclasses.replace(learned, updates=whole), tiny_backbones.in_parts, tmp_path)
    ranks = {t.shape[0] for n, t in load_file(tmp_path / LORA_FILE).items() if ".lora_A." in n}
    assert ranks == {2}, "not that of the rounding, nor of the weights themselves"
    with safe_open(str(tmp_path / LORA_FILE), framework="pt") as file:
        assert json.loads(file.metadata()["intarsia"])["names"] == ["cat", "dog"]


def test_files_are_named_after_objects_and_never_replaced_unasked(
    learned: Concepts, tiny_backbones: Backbones, tmp_path: Path
) -> None:
    assert exchange_files(labels_of(["cat"], 0)) == ["learned_embeds.safetensors"]
    assert labels_of(["Dog", "dog", "fig tree", "!"], 1) == ["dog", "dog-2", "fig-tree", "object", "addition-1"]
    assert exchange_files(["dog", "dog-2"])[1] == "learned_embeds-dog-2.safetensors"
    write_exchange(learned, tiny_backbones.in_parts, tmp_path)
    with pytest.raises(OutputError, match="exists already"):
        write_exchange(learned, tiny_backbones.in_parts, tmp_path)
    write_exchange(learned, tiny_backbones.in_parts, tmp_path, overwrite=True)


def test_those_of_other_programs_are_read(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    save_file({"<toy>": torch.ones(1, 16)}, tmp_path / "learned_embeds.safetensors")
    layer = "down_blocks.1.attentions.0.transformer_blocks.0"
    down, up = torch.ones(2, 16), torch.ones(16, 2)
    tensors = {
        f"unet.{layer}.{name}.lora.{side}.weight": factor.clone()
        for name in ("attn2.to_k", "attn1.to_k")
        for side, factor in (("down", down), ("up", up))
    }
    save_file(tensors | {f"unet.{layer}.attn2.to_k.alpha": torch.tensor(1.0)}, tmp_path / LORA_FILE)
    concepts = read_concepts(tmp_path)
    assert concepts.names == ("toy",) and concepts.words == ("",)
    assert set(concepts.updates) == {f"{layer}.attn2.to_k.down", f"{layer}.attn2.to_k.up"}
    assert torch.equal(concepts.updates[f"{layer}.attn2.to_k.up"], up / 2)
    assert "1 layers that are not keys or values are left out" in caplog.text


def test_folders_that_hold_none_are_refused(learned: Concepts, tiny_backbones: Backbones, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"a folder without learned_embeds\.safetensors"):
        read_concepts(tmp_path)
    write_exchange(learned, tiny_backbones.in_parts, tmp_path)
    (tmp_path / "learned_embeds-dog.safetensors").unlink()
    with pytest.raises(ModelError, match="lacks the file of <dog>"):
        read_concepts(tmp_path)
    save_file({"<dog>": torch.ones(2, 16)}, tmp_path / "learned_embeds-dog.safetensors")
    with pytest.raises(ModelError, match="has 2 vectors, but an object has one token"):
        read_concepts(tmp_path)
