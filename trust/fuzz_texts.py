"""Mutators of JSON and CSV: leaves of other types, depth, doubles, dialects of spreadsheets, and encodings."""

from __future__ import annotations

import csv
import io
import json
import random
from collections.abc import Iterator
from typing import Any

from trust.fuzz_bytes import mutated

LEAVES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    1,
    -1,
    2**31,
    2**63,
    -(2**63),
    10**400,
    0.5,
    1e308,
    float("nan"),
    float("inf"),
    "",
    " ",
    "0",
    "nan",
    "words",
    "../../etc/passwd",
    "/",
    ".",
    "a\0b",
    "\ud800",
    "e\u0301\u202e\u2028",
    "n" * 5000,
    "=1+1",
    [],
    {},
    [[]],
    [None],
    [1, 2, 3],
    ["a", 1],
    {"": None},
    {"kind": "EditRecord"},
    ["photo.png"] * 300,
)
"""What may stand in the place of a value."""


class Raw(str):
    """Text that goes into JSON as it is."""


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths to all values in a JSON value."""
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in inner:
        yield from places(part, (*path, key))


def with_value(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """A JSON value with a part of it replaced."""
    if not path:
        return new
    copied = dict(value) if isinstance(value, dict) else list(value)
    copied[path[0]] = with_value(value[path[0]], path[1:], new)
    return copied


def at(value: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        value = value[key]
    return value


def leaf_replaced(value: Any, rng: random.Random) -> Any:
    return with_value(value, rng.choice([*places(value)]), rng.choice(LEAVES))


def number_replaced(value: Any, rng: random.Random) -> Any:
    """A leaf becomes another of its own type, an extreme one, which checks of types let through."""
    leaves = [path for path in places(value) if path and not isinstance(at(value, path), dict | list)]
    if not leaves:
        return leaf_replaced(value, rng)
    path = rng.choice(leaves)
    kind = type(at(value, path))
    alike = [leaf for leaf in LEAVES if type(leaf) is kind or {type(leaf), kind} <= {int, float}]
    return with_value(value, path, rng.choice(alike or LEAVES))


def key_changed(value: Any, rng: random.Random) -> Any:
    """A name is dropped, renamed, or one too many."""
    objects = [path for path in places(value) if isinstance(at(value, path), dict) and at(value, path)]
    if not objects:
        return leaf_replaced(value, rng)
    path = rng.choice(objects)
    inner = dict(at(value, path))
    key = rng.choice([*inner])
    how = rng.choice(("drop", "rename", "add"))
    if how == "drop":
        del inner[key]
    elif how == "rename":
        inner = {
            (rng.choice(("", key.upper(), f"{key} ", "a.b", "\ud800")) if k == key else k): v for k, v in inner.items()
        }
    else:
        inner[rng.choice(("", "colour", "__class__", "kind", "name", "a.b.c", "\0"))] = rng.choice(LEAVES)
    return with_value(value, path, inner)


def as_text(value: Any) -> str:
    return json.dumps(value, indent=1)


def doubled_key(text: str, rng: random.Random) -> str:
    """A name that stands twice, which parsers take silently."""
    lines = text.split("\n")
    named = [number for number, line in enumerate(lines) if '": ' in line]
    if named:
        number = rng.choice(named)
        lines.insert(number, lines[number].rstrip(",") + ",")
    return "\n".join(lines)


def deep(text: str, rng: random.Random) -> str:
    depth = rng.choice((100, 900, 1100, 100_000))
    opening, closing = rng.choice((("[", "]"), ('{"a":', "}")))
    return opening * depth + rng.choice((text, "1", "")) + closing * rng.choice((depth, depth, 0))


def grammar_broken(text: str, rng: random.Random) -> str:
    old, new = rng.choice(
        (
            ('"', "'"),
            (",", ",,"),
            ("\n", " // words\n"),
            (":", "="),
            ("}", ",}"),
            ("]", ",]"),
            ("1", "NaN"),
            ("1", "01"),
            ("1", "1" * 5000),
            ("{", "{{"),
        )
    )
    return text.replace(old, new, rng.choice((1, 1, -1)))


def encoded(text: str, rng: random.Random) -> bytes:
    """In an encoding that some program writes."""
    coding = rng.choice(("utf-8",) * 12 + ("utf-8-sig", "utf-16", "utf-16-be", "utf-32", "cp1252", "latin-1"))
    return text.encode(coding, "surrogatepass" if coding.startswith("utf") else "replace")


def json_changed(value: Any, rng: random.Random) -> tuple[bytes, str]:
    """The bytes of a JSON value, changed, and how."""
    how = rng.choice(("leaf",) * 4 + ("number",) * 4 + ("key",) * 2 + ("double", "deep", "grammar", "bytes", "alone"))
    if how in ("leaf", "number", "key"):
        change = {"leaf": leaf_replaced, "number": number_replaced, "key": key_changed}[how]
        for _ in range(rng.choice((1, 1, 1, 2, 5))):
            value = change(value, rng)
        return encoded(as_text(value), rng), f"json: {how}"
    if how == "alone":
        return encoded(as_text(rng.choice(LEAVES)), rng), "json: another value"
    if how == "bytes":
        data, inner = mutated(as_text(value).encode(), rng)
        return data, f"json: {inner}"
    change_text = {"double": doubled_key, "deep": deep, "grammar": grammar_broken}[how]
    return encoded(change_text(as_text(value), rng), rng), f"json: {how}"


CELLS = (
    "",
    " ",
    "TRUE",
    "FALSE",
    "4.0",
    "1,5",
    "1e5",
    "nan",
    "-1",
    "None",
    "a;b",
    '"',
    "a\u2028b",
    "a\nb",
    "a\0b",
    "=1+1",
    "x" * 140_000,
    "[1, 2]",
    '{"a": 1}',
    "10,10,40,40",
    "[10,10,40,40]",
    "\ud800",
    "9" * 400,
)
"""What stands in the cells of people's spreadsheets."""


def csv_changed(rows: list[list[str]], rng: random.Random) -> tuple[bytes, str]:
    """Rows as a spreadsheet's program, or a person, writes them, with cells changed, and how."""
    rows = [list(row) for row in rows]
    hows = []
    for _ in range(rng.choice((0, 1, 1, 2))):
        row = rng.randrange(len(rows))
        how = rng.choice(("cell", "cell", "ragged", "short", "blank", "index", "unknown column", "double column"))
        hows.append(how)
        if how == "cell" and rows[row]:
            rows[row][rng.randrange(len(rows[row]))] = rng.choice(CELLS)
        elif how == "ragged":
            rows[row].append(rng.choice(CELLS))
        elif how == "short":
            del rows[row][rng.randrange(len(rows[row]) + 1) :]
        elif how == "blank":
            rows.insert(row, rng.choice(([], [""], [""] * len(rows[0]), ["", " "])))
        else:
            name = {"index": "", "unknown column": "notes"}.get(how, rows[0][0] if rows[0] else "photo")
            rows = [[rng.choice(CELLS[:10]) if number else name, *line] for number, line in enumerate(rows)]
    delimiter, quote = rng.choice(",,,,;;\t\t|:"), rng.random() < 0.5
    file = io.StringIO()
    writer = csv.writer(
        file,
        delimiter=delimiter,
        quoting=csv.QUOTE_ALL if quote else csv.QUOTE_MINIMAL,
        lineterminator=rng.choice(("\n", "\r\n", "\r\n", "\r")),
    )
    writer.writerows(rows)
    text = file.getvalue()
    if rng.random() < 0.15:
        text = f"sep={delimiter}\n" + text
    if rng.random() < 0.15:
        text = grammar_broken(text, rng)
        hows.append("grammar")
    data = encoded(text, rng)
    if rng.random() < 0.1:
        data, inner = mutated(data, rng)
        hows.append(inner)
    return data, f"csv: {', '.join(hows) or 'dialect'}"
