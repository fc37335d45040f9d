"""Prompts as CLIP text encoders read them: of any length, in chunks, and with weights of words.

A text encoder of Stable Diffusion reads 77 tokens, begin and end included. Longer prompts are read 75 tokens at a time,
each chunk with its own begin and end, and the chunks' states stand one after another; the denoiser attends to all of
them. A prompt that fits into one chunk and has no weights is read as ever.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor

from intarsia.backbones.batches import batch_progress
from intarsia.backbones.embedding_files import expanded
from intarsia.backbones.protocols import OnStep
from intarsia.backbones.tokens import tokenize
from intarsia.records.weighted_prompt import parse_weights

Painted = TypeVar("Painted")


@dataclass(frozen=True, kw_only=True)
class ReadPrompts:
    """What a text encoder is given for P prompts, and how its answer is put together.

    Attributes:
        tokens: `input_ids` and `attention_mask`, each (R, L): the K chunks of the first prompt, of the second and so
            on; where words are weighted, the empty prompt comes last.
        chunks: K, of each prompt.
        weights: (P, K * L) of tokens; None where all are 1.
    """

    tokens: dict[str, Tensor]
    chunks: int
    weights: Tensor | None

    def joined(self, states: Tensor) -> Tensor:
        """(R, L, D) states of the text encoder -> (P, K * L, D), the weights heeded; differentiable.

        A token of weight w goes w times the way from the state of the empty prompt at its place to its own. The
        other usual form, states times weights and all of them scaled to their former mean, divides by that mean,
        which is close to 0 in the larger encoder of Stable Diffusion XL: signs flip, and words without a weight
        change as well.

        Source: the first form is ComfyUI's; the fault of the other is told in pull request 14874 of
        AUTOMATIC1111/stable-diffusion-webui.
        """
        if self.weights is None:
            return states.reshape(-1, self.chunks * states.shape[1], states.shape[2])
        own, empty = states[:-1], states[-1]
        weights = self.weights.to(states).reshape(*own.shape[:2], 1)
        weighted = torch.where(weights == 1, own, empty + weights * (own - empty))
        return weighted.reshape(-1, self.chunks * own.shape[1], own.shape[2])

    def pooled(self, embeddings: Tensor) -> Tensor:
        """(R, E) pooled embeddings -> (P, E), of each prompt's first chunk."""
        rows = embeddings if self.weights is None else embeddings[:-1]
        return rows[:: self.chunks]


def read_prompts(tokenizer: Any, prompts: Sequence[str], limit: int, *, chunks: int = 1) -> ReadPrompts:
    """Prompts in as many chunks as the longest needs.

    Args:
        prompts: P prompts, whose words may be weighted; see `parse_weights`.
        limit: tokens that the text encoder reads at once, begin and end included.
        chunks: of a prompt, at least.
    """
    read = [weighted_tokens(tokenizer, prompt) for prompt in prompts]
    chunks = max(chunks, *(chunks_of(ids, limit) for ids, _ in read))
    weighted = any(weight != 1 for _, weights in read for weight in weights)
    if chunks == 1 and not weighted:
        words = [parse_weights(prompt).text for prompt in prompts]
        return ReadPrompts(tokens=tokenize(tokenizer, words, limit, whole=True), chunks=1, weights=None)
    rows = [row for ids, _ in read for row in in_chunks(tokenizer, ids, limit, chunks)]
    rows += in_chunks(tokenizer, [], limit, 1) if weighted else []
    room, weights = limit - 2, torch.ones(len(read), chunks, limit)
    for prompt, (_, given) in enumerate(read):
        for place, weight in enumerate(given):
            weights[prompt, place // room, 1 + place % room] = weight
    return ReadPrompts(
        tokens={
            "input_ids": torch.tensor([ids for ids, _ in rows]),
            "attention_mask": torch.tensor([[1] * read + [0] * (limit - read) for _, read in rows]),
        },
        chunks=chunks,
        weights=weights.flatten(1) if weighted else None,
    )


def prompt_ids(tokenizer: Any, prompt: str, limit: int) -> list[int]:
    """A prompt's token ids at the positions that `ReadPrompts.joined` gives their states: chunk after chunk."""
    ids, _ = weighted_tokens(tokenizer, prompt)
    return [i for row, _ in in_chunks(tokenizer, ids, limit, chunks_of(ids, limit)) for i in row]


def alike_in_chunks(tokenizer: Any, prompts: Sequence[str], unwanted: str, limit: int) -> list[list[int]]:
    """Indices of prompts in groups that are painted in one batch, where the number of chunks must be the same.

    A chunk more, though empty, changes an image: it must not depend on the batch around it.

    Args:
        unwanted: the negative prompt, which is as long as each of them then.
    """
    beside = chunk_count(tokenizer, unwanted, limit)
    lengths = {p: max(beside, chunk_count(tokenizer, p, limit)) for p in dict.fromkeys(prompts)}
    return [[i for i, p in enumerate(prompts) if lengths[p] == k] for k in sorted(set(lengths.values()))]


def in_groups(
    groups: Sequence[Sequence[int]],
    paint: Callable[[Sequence[int], OnStep | None], Sequence[Painted]],
    on_step: OnStep | None,
) -> list[Painted]:
    """Paint candidates group by group, and give what was painted in their order.

    Args:
        groups: indices of candidates, each in one group.
        paint: paints those of a group, and tells of its steps.
        on_step: told of the steps of all groups.
    """
    painted: dict[int, Painted] = {}
    for number, group in enumerate(groups):
        report = on_step and batch_progress(on_step, number, len(groups))
        painted.update(zip(group, paint(group, report), strict=True))
    return [painted[index] for index in sorted(painted)]


def weighted_tokens(tokenizer: Any, prompt: str) -> tuple[list[int], list[float]]:
    """The token ids of a prompt, without begin and end, and the weight of each; a word of several vectors has as many."""
    read: list[tuple[int, float]] = []
    for words, weight in parse_weights(prompt).parts:
        ids = tokenizer(expanded(tokenizer, words), add_special_tokens=False, verbose=False).input_ids
        read += [(i, weight) for i in ids]
    return [i for i, _ in read], [weight for _, weight in read]


def chunks_of(ids: Sequence[int], limit: int) -> int:
    """How many chunks a prompt of these token ids has; an empty one has one."""
    return max(1, -(-len(ids) // (limit - 2)))


def chunk_count(tokenizer: Any, prompt: str, limit: int) -> int:
    """How many chunks a prompt has; see `chunks_of`."""
    return chunks_of(weighted_tokens(tokenizer, prompt)[0], limit)


def in_chunks(tokenizer: Any, ids: Sequence[int], limit: int, chunks: int) -> list[tuple[list[int], int]]:
    """Rows of `limit` token ids, each with the number of those that are not padding."""
    room = limit - 2
    rows = []
    for start in range(0, chunks * room, room):
        row = [tokenizer.bos_token_id, *ids[start : start + room], tokenizer.eos_token_id]
        rows.append((row + [tokenizer.pad_token_id] * (limit - len(row)), len(row)))
    return rows
