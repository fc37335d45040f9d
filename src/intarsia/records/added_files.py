"""Small files that are loaded into a checkpoint, each with a word of its own behind a colon: FILE:0.8, FILE:<word>."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from intarsia.records.checks import Check

ADDED = ("lora", "embedding")
"""Settings of the records that name such files."""

FILES = (".safetensors", ".bin", ".pt", ".pth", ".ckpt")
"""Endings of such files, and of those that are refused for what they are."""

LARGEST_WEIGHT = 100.0


def split_path(text: str) -> tuple[str, str]:
    """A path and what stands behind the last colon, which is not that of a drive or of a folder's name; "" for nothing."""
    path, colon, rest = text.rpartition(":")
    drive = len(path) == 1 and path.isalpha()
    if not colon or drive or "/" in rest or "\\" in rest or rest.lower().endswith(FILES):
        return text, ""
    return path, rest


def join_path(path: str, rest: str) -> str:
    """The inverse of `split_path`."""
    return f"{path}:{rest}" if rest else path


def parse_lora(text: str) -> tuple[str, float]:
    """The path of a LoRA and its weight, 1 where none is given; NaN of one that is no number."""
    path, rest = split_path(text)
    try:
        return path, float(rest) if rest else 1.0
    except ValueError:
        return path, math.nan


def lora_checks(loras: Sequence[str]) -> Iterator[Check]:
    """That each LoRA has a path and a weight in range."""
    for text in loras:
        path, weight = parse_lora(text)
        yield (
            bool(path.strip()) and abs(weight) <= LARGEST_WEIGHT,
            f"The LoRA {text!r} does not read as FILE or FILE:WEIGHT, the weight a number between -{LARGEST_WEIGHT:g} "
            f"and {LARGEST_WEIGHT:g}: give one such as style.safetensors:0.8.",
        )


def embedding_checks(embeddings: Sequence[str]) -> Iterator[Check]:
    """That each textual inversion has a path, and its word is one."""
    for text in embeddings:
        path, word = split_path(text)
        yield (
            bool(path.strip()) and not any(letter.isspace() for letter in word),
            f"The textual inversion {text!r} does not read as FILE or FILE:WORD, the word without spaces: give one such "
            "as toy.safetensors:<cat-toy>.",
        )
