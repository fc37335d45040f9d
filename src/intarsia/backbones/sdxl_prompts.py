"""Prompts as Stable Diffusion XL is told them: the states of two text encoders side by side, and a pooled embedding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from intarsia.backbones.prompt_chunks import chunk_count, read_prompts
from intarsia.records.weighted_prompt import parse_weights


def encoders_of(pipeline: Any) -> list[tuple[Any, Any]]:
    """Tokenizers and text encoders, in order; refiners have the second alone."""
    pairs = ((pipeline.tokenizer, pipeline.text_encoder), (pipeline.tokenizer_2, pipeline.text_encoder_2))
    return [(tokenizer, encoder) for tokenizer, encoder in pairs if encoder is not None]


def reads_itself(pipeline: Any, prompts: Sequence[str]) -> bool:
    """Whether the pipeline reads these prompts as they are meant: in one chunk each, and none weighted."""
    return all(
        chunk_count(tokenizer, prompt, tokenizer.model_max_length) == 1 and not parse_weights(prompt).spans
        for prompt in prompts
        for tokenizer, _ in encoders_of(pipeline)
    )


def encode_prompts(pipeline: Any, prompts: Sequence[str], *, beside: Sequence[str] = ()) -> tuple[Tensor, Tensor]:
    """Prompts of any length and with weights.

    Args:
        pipeline: of the family of Stable Diffusion XL.
        prompts: P prompts.
        beside: others that must come out as long.

    Returns:
        (P, K * L, D) states and (P, E) pooled embeddings, as the pipeline's `encode_prompt` has them.
    """
    chunks = max(
        chunk_count(tokenizer, prompt, tokenizer.model_max_length)
        for tokenizer, _ in encoders_of(pipeline)
        for prompt in (*prompts, *beside)
    )
    states, pooled = [], None
    for tokenizer, encoder in encoders_of(pipeline):
        read = read_prompts(tokenizer, prompts, tokenizer.model_max_length, chunks=chunks)
        told = encoder(read.tokens["input_ids"].to(pipeline._execution_device), output_hidden_states=True)
        if pooled is None and told[0].ndim == 2:
            pooled = read.pooled(told[0])
        states.append(read.joined(told.hidden_states[-2]))
    assert pooled is not None, "an encoder that pools"
    return torch.cat(states, -1), pooled


@torch.no_grad()
def prompt_arguments(pipeline: Any, prompts: Sequence[str], unwanted: str | None) -> dict[str, Any]:
    """Arguments by which a pipeline of Stable Diffusion XL is told prompts that it would cut, or whose words are weighted.

    Args:
        unwanted: the negative prompt; None where there is none.
    """
    states, pooled = encode_prompts(pipeline, prompts, beside=[unwanted or ""])
    if unwanted is None and pipeline.config.force_zeros_for_empty_prompt:
        without, without_pooled = torch.zeros_like(states), torch.zeros_like(pooled)
    else:
        without, without_pooled = encode_prompts(pipeline, [unwanted or ""] * len(prompts), beside=prompts)
    return {
        "prompt_embeds": states,
        "pooled_prompt_embeds": pooled,
        "negative_prompt_embeds": without,
        "negative_pooled_prompt_embeds": without_pooled,
    }
