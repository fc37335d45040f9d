"""What must hold of a record's texts: words are characters, and paths are what a system takes as a file's name."""

from __future__ import annotations

import dataclasses
import os
import re
import unicodedata
from collections.abc import Iterator
from typing import Any

from intarsia.records.checks import Check

PATHS = (
    "photo",
    "mask",
    "masks",
    "avoid",
    "protect",
    "fill_model",
    "regions",
    "colours",
    "layout",
    "boxes",
    "concepts",
    "models",
    "lora",
    "embedding",
    "prior",
)
"""Of all records, the settings that name a file, or may: the bytes of their names need not be UTF-8."""


NO_WORDS = re.compile("[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\ud800-\udfff]")
"""Halves of characters, and control characters that are no space."""


def text_checks(record: Any) -> Iterator[Check]:
    """That no text of a record, or of its groups of settings, holds what is no text."""
    for field in dataclasses.fields(record):
        value = getattr(record, field.name)
        if dataclasses.is_dataclass(value):
            yield from text_checks(value)
            continue
        for text in value if isinstance(value, tuple) else (value,):
            if isinstance(text, str):
                wrong = wrong_in_path(text) if field.name in PATHS else wrong_in_words(text)
                yield not wrong, f"{field.name} {wrong}"


def wrong_in_words(text: str) -> str:
    """What is wrong with words, as the rest of a sentence; empty where nothing is.

    Line breaks and tabulators are spaces to the models. Other control characters would act on a terminal that shows
    the words.
    """
    found = NO_WORDS.search(text)
    if found is None:
        return ""
    letter, place = found[0], found.start() + 1
    if unicodedata.category(letter) == "Cs":
        return (
            f"holds half a character ({code_point(letter)}, number {place} of it), which comes of an emoji that was "
            "cut in two, or of a text that is not UTF-8: write it again."
        )
    return f"holds the control character {code_point(letter)} (number {place} of it): remove it."


def wrong_in_path(text: str) -> str:
    """What is wrong with a path, as the rest of a sentence; empty where nothing is.

    Python stands in for bytes of a name that are not UTF-8 with halves of characters, which lead back to the file;
    other halves lead nowhere.
    """
    if "\0" in text:
        return f"holds the control character {code_point(chr(0))}, which no file's name can: remove it."
    try:
        os.fsencode(text)
    except UnicodeEncodeError as problem:
        letter = text[problem.start]
        return (
            f"holds {'half a character' if unicodedata.category(letter) == 'Cs' else 'a character'} "
            f"({code_point(letter)}) that no file's name here can hold: write it again."
        )
    return ""


def blank(text: str) -> bool:
    """Whether a text shows nothing: spaces, and characters that only join, hide or turn others."""
    return all(letter.isspace() or unicodedata.category(letter) == "Cf" for letter in text)


def code_point(letter: str) -> str:
    return f"U+{ord(letter):04X}"
