"""What a record's settings are checked with: whether each is right, and the sentence for when it is not."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from intarsia.errors import Message, RecordError
from intarsia.records.weighted_prompt import LEAST, MOST, out_of_range

Check = tuple[bool, str | Message]
"""Whether a setting is right, and what to say when it is not: a sentence, or a fact with remedies."""

LARGEST = sys.float_info.max
"""What a finite number is at most: a comparison with it refuses NaN and Infinity, which JSON reads, as well."""


def between(name: str, value: float, least: float, most: float) -> Check:
    return least <= value <= most, f"{name} is {value}, but must lie between {least:g} and {most:g}."


def at_least(name: str, value: float, least: float) -> Check:
    finite_too = "" if value < least else " and finite"
    return least <= value <= LARGEST, f"{name} is {value}, but must be at least {least:g}{finite_too}."


def above_zero(name: str, value: float, most: float = LARGEST) -> Check:
    upper = "be a finite number above 0" if most == LARGEST else f"lie above 0 and up to {most:g}"
    return 0 < value <= most, f"{name} is {value}, but must {upper}."


def finite(name: str, value: float) -> Check:
    return abs(value) <= LARGEST, f"{name} is {value}, but must be a finite number."


LONGEST_PROMPT = 2000
"""Characters, some 300 words: a longer text was hardly meant as a prompt."""


def not_too_long(name: str, text: str) -> Check:
    return (
        len(text) <= LONGEST_PROMPT,
        f"{name} has {len(text):,} characters, but at most {LONGEST_PROMPT:,} are taken: shorten it.",
    )


def weights_in_range(name: str, text: str) -> Check:
    wrong = out_of_range(text)
    return (
        not wrong,
        f"{name} {wrong}, but it must lie between {LEAST:g} and {MOST:g}; a parenthesis that begins no weight is "
        "written with a backslash before it.",
    )


def run_checks(checks: Iterable[Check]) -> None:
    """Raise `RecordError` with the sentence of the first check that fails."""
    for good, message in checks:
        if not good:
            raise RecordError(*([message] if isinstance(message, str) else message))
