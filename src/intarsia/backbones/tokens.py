"""Texts as token ids, cut where a text encoder reads no further, and what was cut."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from torch import Tensor

from intarsia.backbones.embedding_files import expanded
from intarsia.backbones.protocols import Inpainter, WeighsWords
from intarsia.errors import Remedy
from intarsia.notes import note
from intarsia.records.weighted_prompt import without_weights

SHOWN_WORDS = 12
"""Unread words that are quoted; of more, the first."""

_warned_of: ContextVar[bool] = ContextVar("whether texts that are cut are noted", default=True)


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


def heeds_weights(inpainter: Inpainter) -> bool:
    """Whether it heeds weights of words, and reads prompts of any length."""
    return isinstance(inpainter, WeighsWords) and inpainter.reads_weights


def unread_end(tokenizer: Any, text: str, limit: int) -> str:
    """The words that a text encoder leaves unread at the end of a text, in quotation marks; of many, the first."""
    words = unread_words(tokenizer, without_weights(text), limit).split()
    more = f" and {len(words) - SHOWN_WORDS} more words" if len(words) > SHOWN_WORDS + 1 else ""
    return f"{' '.join(words[:SHOWN_WORDS] if more else words)!r}{more}" if words else ""


def tokenize(tokenizer: Any, texts: Sequence[str], limit: int, *, whole: bool = False) -> dict[str, Tensor]:
    """Texts as token ids and attention masks; what is over `limit` is cut, with a note.

    A word that was added with several vectors gets all of them.

    Args:
        tokenizer: of the checkpoint.
        texts: T texts.
        limit: tokens that the text encoder reads, begin and end included.
        whole: pad to `limit` rather than to the longest text.

    Returns:
        `input_ids` and `attention_mask`, each (T, L) with L <= limit.
    """
    written, texts = texts, [expanded(tokenizer, text) for text in texts]
    for whole_text, ids in zip(written, tokenizer(list(texts), verbose=False).input_ids, strict=True):
        if len(ids) > limit and _warned_of.get():
            note(
                f"Only {limit} of {len(ids)} tokens are read of the text {whole_text!r}: "
                f"{unread_end(tokenizer, whole_text, limit)} at its end had no effect",
                Remedy("say it in fewer words"),
            )
    padding = "max_length" if whole else "longest"
    tokens = tokenizer(list(texts), padding=padding, truncation=True, max_length=limit, return_tensors="pt")
    return {"input_ids": tokens.input_ids, "attention_mask": tokens.attention_mask}
