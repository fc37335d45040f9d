"""Texts as token ids, cut where a text encoder reads no further, and what was cut."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from torch import Tensor

from intarsia.backbones.embedding_files import expanded

logger = logging.getLogger(__name__)

_warned_of: ContextVar[bool] = ContextVar("whether texts that are cut are warned of", default=True)


@contextmanager
def without_warnings_of_cuts() -> Iterator[None]:
    """Cut texts silently: for work whose result says by `unread_words` what was cut."""
    former = _warned_of.set(False)
    try:
        yield
    finally:
        _warned_of.reset(former)


def unread_words(tokenizer: Any, text: str, limit: int) -> str:
    """The words at the end of a text that a text encoder does not read, or not wholly; empty where it reads all.

    Args:
        limit: tokens that it reads, begin and end included.
    """
    words = text.split()
    if len(tokenizer(expanded(tokenizer, text), verbose=False).input_ids) <= limit:
        return ""
    left = limit - 2
    told = [expanded(tokenizer, word) for word in words]
    for place, ids in enumerate(tokenizer(told, add_special_tokens=False, verbose=False).input_ids):
        left -= len(ids)
        if left < 0:
            return " ".join(words[place:])
    return ""


def tokenize(tokenizer: Any, texts: Sequence[str], limit: int, *, whole: bool = False) -> dict[str, Tensor]:
    """Texts as token ids and attention masks; what is over `limit` is cut, with a warning.

    A word that was added with several vectors gets all of them.

    Args:
        tokenizer: of the checkpoint.
        texts: T texts.
        limit: tokens that the text encoder reads, begin and end included.
        whole: pad to `limit` rather than to the longest text.

    Returns:
        `input_ids` and `attention_mask`, each (T, L) with L <= limit.
    """
    texts = [expanded(tokenizer, text) for text in texts]
    for text, ids in zip(texts, tokenizer(list(texts), verbose=False).input_ids, strict=True):
        if len(ids) > limit and _warned_of.get():
            logger.warning("Only %d of %d tokens are read, the end is ignored, of the text %r.", limit, len(ids), text)
    padding = "max_length" if whole else "longest"
    tokens = tokenizer(list(texts), padding=padding, truncation=True, max_length=limit, return_tensors="pt")
    return {"input_ids": tokens.input_ids, "attention_mask": tokens.attention_mask}
