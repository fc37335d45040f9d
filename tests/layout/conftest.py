"""Fixtures of learned concepts and of a scene."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from intarsia.backbones.protocols import Backbones
from intarsia.layout.concepts import Concepts
from intarsia.layout.train import learn
from tests.layout.concept_scenes import count_hooks, look, record_of, scene_of


@pytest.fixture(scope="module")
def learned(tiny_backbones: Backbones) -> Concepts:
    return learn(scene_of("cat", "dog"), record_of(), tiny_backbones, seed=0)


@pytest.fixture
def untouched(tiny_backbones: Backbones) -> Iterator[None]:
    """Whatever happens in a test, the models are afterwards what they were."""
    diffusion = tiny_backbones.in_parts
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
