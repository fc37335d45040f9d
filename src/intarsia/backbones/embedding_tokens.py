"""Teaching words to the tokenizers and text encoders of a checkpoint that was just loaded.

A word of several vectors is several tokens: the word itself, and word_1, word_2, ... as diffusers calls them; a prompt
that says the word gets all of them.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import torch
from safetensors.torch import load_file
from tokenizers import AddedToken
from torch import Tensor

from intarsia.backbones.embedding_files import ENCODERS, Embedding
from intarsia.errors import ModelError, Remedy, Setting

logger = logging.getLogger(__name__)

WRONG_END = 2
"""The end token that configurations of CLIP name by mistake: networks then look for the largest id instead, which is
no longer that of the end once there are more tokens."""


@torch.no_grad()
def add_words(pipeline: Any, embeddings: Sequence[Embedding], *, model: str) -> None:
    """Add words to the tokenizers and text encoders of a pipeline of diffusers.

    Args:
        model: the checkpoint's name, for messages.

    Raises:
        ModelError: a word is known already, its vectors are of another width, or a text encoder has none of them.
    """
    tables: dict[str, list[Tensor]] = {name: [] for name in ENCODERS if getattr(pipeline, name, None) is not None}
    tokenizers = {name: getattr(pipeline, name.replace("text_encoder", "tokenizer")) for name in tables}
    assert len({id(tokenizer) for tokenizer in tokenizers.values()}) == len(tokenizers), "each has one of its own"
    for embedding in embeddings:
        tensors = load_file(embedding.file)
        for name, table in tables.items():
            if name not in embedding.tensors:
                raise lacks_encoder(embedding, model)
            vectors = tensors[embedding.tensors[name]].float().reshape(-1, embedding.widths[name])
            _check_width(embedding, name, getattr(pipeline, name), model)
            _add_tokens(tokenizers[name], embedding, len(vectors))
            table.extend(vectors)
    for name, table in tables.items():
        _append_rows(getattr(pipeline, name), tokenizers[name], torch.stack(table))


def lacks_encoder(embedding: Embedding, model: str) -> ModelError:
    """The error for a textual inversion without vectors for one of a checkpoint's text encoders."""
    return ModelError(
        f"{embedding.file} has vectors for one text encoder alone, but {model} has two",
        Remedy("pass a textual inversion that was made for it"),
    )


def _check_width(embedding: Embedding, name: str, encoder: Any, model: str) -> None:
    width = encoder.get_input_embeddings().weight.shape[1]
    if embedding.widths[name] != width:
        raise ModelError(
            f"The vectors of {embedding.file} are {embedding.widths[name]} wide, but those of {model} {width}: it was "
            "made for another kind of checkpoint",
            Remedy("pass the one that it was made for with ", Setting("models")),
        )


def _add_tokens(tokenizer: Any, embedding: Embedding, count: int) -> None:
    """One token for each vector of a word.

    Raises:
        ModelError: a token is known already.
    """
    tokens = [embedding.word, *(f"{embedding.word}_{number}" for number in range(1, count))]
    known = tokenizer.get_vocab()
    # The vocabulary marks words that end in a token; one that is in it as a whole would be read as before.
    taken = [token for token in tokens if token in known or f"{token.lower()}</w>" in known]
    if taken:
        raise ModelError(
            f"The word {taken[0]!r} of {embedding.file} is one that the checkpoint knows already",
            Remedy("give it another one: ", Setting("embedding", f"{embedding.file}:<{embedding.word.strip('<>')}>")),
        )
    tokenizer.add_tokens([AddedToken(token, single_word=True, normalized=True) for token in tokens])


def _append_rows(encoder: Any, tokenizer: Any, vectors: Tensor) -> None:
    """Put the vectors of the tokens that were added last into a text encoder's table, which grows where it must.

    A table may be longer than its vocabulary; its last rows are then none of a token's.
    """
    total = len(tokenizer)
    table = encoder.get_input_embeddings()
    rows = torch.cat([table.weight[: total - len(vectors)], vectors.to(table.weight), table.weight[total:]])
    table.weight = torch.nn.Parameter(rows, requires_grad=False)
    table.num_embeddings = len(rows)
    encoder.config.vocab_size = len(rows)
    for module in encoder.modules():
        if getattr(module, "eos_token_id", None) == WRONG_END:
            module.eos_token_id = tokenizer.eos_token_id
