"""Cells of a table, and other values that are texts, as values of settings."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from decimal import Decimal
from functools import cache
from typing import Any

from intarsia.batch.entries import RECORDS, Kind
from intarsia.errors import RecordError
from intarsia.records.choices import CHOICES
from intarsia.records.inputs import PATH_SETTINGS
from intarsia.records.serialize import expected, shortened

YES = frozenset({"true", "yes", "y", "on", "1", "1.0", "wahr", "vrai", "verdadero", "vero", "verdadeiro", "waar"})
NO = frozenset({"false", "no", "n", "off", "0", "0.0", "falsch", "faux", "falso", "onwaar"})
"""What programs write for true and false; spreadsheets in the language of the machine."""

MISSING = frozenset({"", "nan", "<na>", "#n/a", "nat"})
"""What programs write for an empty cell, in every column."""
NO_VALUE = MISSING | {"none", "null", "n/a", "na"}
"""The same in columns whose values are no words."""

PLAIN_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)")
POWER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)e[+-]?\d{1,4}", re.IGNORECASE)
COMMA_NUMBER = re.compile(r"[+-]?\d+,\d+")
THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}")
MOST_DIGITS = 40

QUOTES = (("\u201c", "\u201d"), ("\u201e", "\u201c"), ("\u2018", "\u2019"), ("\u00ab", "\u00bb"), ("\u201d", "\u201d"))
"""Typographic quotation marks."""

LONGEST_LITERAL = 10_000
"""Characters of a list."""


@cache
def setting_types(kind: Kind) -> dict[str, str]:
    """The annotations of a kind's settings by their names, dotted within groups; "" for a group as a whole."""
    return dict(_types(RECORDS[kind], ""))


def _types(record: type, group: str) -> Iterator[tuple[str, str]]:
    for field in fields(record):
        if is_dataclass(field.default):
            yield f"{group}{field.name}", ""
            yield from _types(type(field.default), f"{group}{field.name}.")
        else:
            yield f"{group}{field.name}", str(field.type)


@cache
def all_settings() -> frozenset[str]:
    """The settings of all kinds, dotted within groups."""
    return frozenset(name for kind in RECORDS for name in setting_types(kind))


def kinds_with(setting: str) -> list[str]:
    """The kinds that have a setting."""
    return [kind for kind in RECORDS if setting in setting_types(kind)]


def is_missing(cell: str, wanted: str) -> bool:
    """Whether a cell leaves its setting out.

    Args:
        wanted: the setting's annotation.
    """
    return _bare(cell) in (MISSING if wanted == "str" else NO_VALUE)


def read_cell(setting: str, wanted: str, cell: str, where: str, *, decimal_comma: bool = False) -> Any:
    """The value of a setting that is given as a text.

    Args:
        setting: its name.
        wanted: its annotation.
        where: for messages: "Row 3".
        decimal_comma: whether "1,500" is one and a half for certain, since no comma divides the cells.

    Raises:
        RecordError: the text is no such value.
    """
    base = wanted.split(" |")[0]
    text = _unquoted(cell)
    if base == "str":
        return text.strip() if setting.rpartition(".")[2] in (*PATH_SETTINGS, "prior", "models") else text
    text = text.strip()
    value: Any = None
    if base in CHOICES:
        value = next((choice for choice in CHOICES[base] if choice == text.casefold()), None)
    elif base == "bool":
        value = True if _bare(text) in YES else False if _bare(text) in NO else None
    elif base in ("int", "float"):
        value = _number(text, base, decimal_comma=decimal_comma)
    elif base == "tuple[str, ...]":
        value = _texts(text)
    elif base.startswith("tuple["):
        value = _numbers(text, "int" if base.startswith("tuple[int") else "float")
    else:
        value = _literal(text)  # a group of settings; what it holds is checked with the record
    if value is None:
        said = expected(wanted) if wanted else "a group of settings in braces is expected"
        raise RecordError(f"{where} gives {setting!r} as {shortened(cell)}, but {said}{_hint(text, base)}.")
    return value


def _hint(text: str, base: str) -> str:
    if base == "int" and POWER.fullmatch(text):
        return "; a spreadsheet has cut its digits off: format that column as text"
    if THOUSANDS.fullmatch(text):
        return ", and whether the comma divides thousands is not clear: leave it out, or write a point"
    return ""


def _bare(cell: str) -> str:
    return _unquoted(cell).strip().casefold()


def _unquoted(cell: str) -> str:
    """A cell without typographic quotation marks around the whole of it, which text processors put there."""
    text = cell.strip()
    for begin, end in QUOTES:
        if len(text) > 1 and text[0] == begin and text[-1] == end and not set(text[1:-1]) & {begin, end}:
            return text[1:-1]
    return cell


def _number(text: str, base: str, *, decimal_comma: bool) -> int | float | None:
    text = text.replace("\u2212", "-").replace("\u00a0", "").replace("\u202f", "")
    if COMMA_NUMBER.fullmatch(text) and (decimal_comma or not THOUSANDS.fullmatch(text)):
        text = text.replace(",", ".")
    if len(text) > MOST_DIGITS:
        return None
    if base == "float":
        return float(text) if PLAIN_NUMBER.fullmatch(text) or POWER.fullmatch(text) else None
    if not PLAIN_NUMBER.fullmatch(text):
        return None
    exact = Decimal(text)
    return int(exact) if exact == int(exact) else None


def _numbers(text: str, base: str) -> list[int | float] | None:
    """Numbers with commas, semicolons or spaces between them, in brackets or not."""
    inner = text[1:-1] if text[:1] + text[-1:] in ("[]", "()") else text
    parts = [part for part in re.split(r"\s*[;,]\s*|\s+", inner.strip()) if part]
    numbers = [_number(part, base, decimal_comma=False) for part in parts]
    return None if not numbers or None in numbers else [number for number in numbers if number is not None]


def _texts(text: str) -> list[str] | None:
    """Texts as a list of JSON or Python, or with semicolons between them."""
    if text.startswith(("[", "(")) and text.endswith(("]", ")")):
        value = _literal(text)
        if isinstance(value, list | tuple):
            return list(value) if all(isinstance(part, str) for part in value) else None
    return [part for part in (part.strip() for part in text.split(";")) if part]


def _literal(text: str) -> Any:
    """A value as JSON, or as Python writes it; None for anything else."""
    if len(text) > LONGEST_LITERAL:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return None
