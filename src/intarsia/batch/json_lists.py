"""Lists of jobs as JSON: a list of records, the published method's images.json, and JSON Lines."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from intarsia.batch.entries import PICTURE, Entry, named
from intarsia.errors import RecordError
from intarsia.notes import note
from intarsia.records.serialize import shortened

LONGEST_LINE = 1 << 20
"""Characters; a longer line is no job."""

MOST_DIGITS = 40
"""Digits of a whole number: no setting has nearly as many, and Python refuses to write those of thousands."""

SPACE = re.compile(r"\s*")

DEEPEST = 12
"""Levels of braces and brackets within each other: no record has nearly as many."""


def read_json_lines(text: str, name: str) -> Iterator[Entry]:
    """JSON Lines; empty lines and comments are left out. A file that is one list, or one record after another over several
    lines each, is read as such.

    Args:
        name: of the file, for notes.
    """
    # Not splitlines: it also splits at characters that JSON allows in strings.
    lines = re.split(r"\r\n|\n|\r", text)
    first = next((line for line in lines if line.strip()), "")
    if first and not _is_record(first):
        values = _values_one_after_another(text)
        if len(values) == 1 and isinstance(values[0], list | dict):
            yield from read_json(text, name, name)
            return
        if values and all(isinstance(value, dict) for value in values):
            yield from _records(values)
            return
        if not values and first.lstrip().startswith("[") and text.rstrip().endswith("]") and not _is_json(first):
            yield from read_json(text, name, name)  # says what is wrong with the list
            return
    comments = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        if line.lstrip().startswith(("#", "//")):
            comments.append(str(number))
            continue
        yield _json_line(line, f"Line {number}")
    if comments:
        which = f"line {comments[0]} was" if len(comments) == 1 else f"lines {named(comments)} were"
        note(f"Of {name}, {which} left out as {'a comment' if len(comments) == 1 else 'comments'}.")


def _json_line(line: str, where: str) -> Entry:
    if len(line) > LONGEST_LINE:
        return Entry(where=where, problem=f"{where} has {len(line):,} characters, which is no job: check the file.")
    try:
        value = loads(line)
    except (ValueError, RecursionError) as problem:
        return Entry(where=where, problem=f"{where} is not valid JSON ({why_invalid(problem)}): correct it.")
    return _record(value, where)


def read_json(text: str, file: object, name: str) -> Iterator[Entry]:
    """JSON: a list of records, one record, or the published method's form; also JSON Lines under this name.

    Args:
        file: for errors.
        name: of the file, for notes.

    Raises:
        RecordError: it is not JSON, or of another form.
    """
    try:
        values = loads(text)
    except (ValueError, RecursionError) as problem:
        if _is_json_lines(text):
            yield from read_json_lines(text, name)
            return
        raise RecordError(
            f"The list of jobs {file} is not valid JSON ({why_invalid(problem)}): correct that place."
        ) from problem
    if isinstance(values, list):
        yield from _records(values)
    elif isinstance(values, dict):
        inner = list(values.values())
        if len(inner) == 1 and isinstance(inner[0], list) and all(isinstance(each, dict) for each in inner[0]):
            yield from _records(inner[0])  # a list with a name, such as "jobs"
            return
        yield from (_published(values) if _is_published([values]) else [_record(values, "The record")])
    else:
        raise RecordError(f"The list of jobs {file} is neither a list nor an object: give records, or pictures.")


def _is_json_lines(text: str) -> bool:
    """Whether the first of several lines is a record of its own."""
    first, _, rest = text.strip().partition("\n")
    return bool(rest.strip()) and _is_record(first)


def _is_record(line: str) -> bool:
    return _is_json(line) and isinstance(loads(line), dict)


def _is_json(line: str) -> bool:
    try:
        loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def _is_published(values: list[Any]) -> bool:
    """Whether this is the published form, whose names are pictures, and not a record."""
    return len(values) == 1 and not {"photo", "record", "kind", "prompt"} & set(values[0])


def _published(values: dict[str, Any]) -> Iterator[Entry]:
    for photo, words in values.items():
        where = f"{PICTURE}{photo}"
        if isinstance(words, list) and len(words) == 2 and all(isinstance(w, str) for w in words):
            yield Entry(where=where, values={"photo": photo, "source": words[0], "prompt": words[1]})
        else:
            problem = f'{photo!r} is given as {shortened(words)}, but ["source words", "prompt"] is expected.'
            yield Entry(where=where, values={"photo": photo}, problem=problem)


def _records(values: list[Any]) -> Iterator[Entry]:
    for number, value in enumerate(values, 1):
        yield _record(value, f"Entry {number}")


def _record(value: Any, where: str) -> Entry:
    if not isinstance(value, dict):
        problem = f"{where} is no record: each job is settings in braces, with a photo and a prompt."
        return Entry(where=where, problem=problem)
    if _deeper_than(value, DEEPEST):
        return Entry(where=where, problem=f"{where} holds braces or brackets over {DEEPEST} deep, as no record does.")
    return Entry(where=where, values=value)


def _deeper_than(value: Any, levels: int) -> bool:
    """Whether lists and objects lie in each other on more levels than this."""
    if not isinstance(value, dict | list):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_deeper_than(each, levels - 1) for each in inner)


def _values_one_after_another(text: str) -> list[Any]:
    """The JSON values that a text holds; none where it holds anything else."""
    decoder, values, place = json.JSONDecoder(object_pairs_hook=_unique_names, parse_int=_whole_number), [], 0
    try:
        while (place := SPACE.match(text, place).end()) < len(text):  # type: ignore[union-attr]  # it matches nothing, too
            value, place = decoder.raw_decode(text, place)
            values.append(value)
    except (ValueError, RecursionError):
        return []
    return values


def loads(text: str) -> Any:
    """JSON, strictly: no name twice in an object, no endless number.

    Raises:
        ValueError: it is none; `why_invalid` words it.
        RecursionError: it is too deep.
    """
    return json.loads(text, object_pairs_hook=_unique_names, parse_int=_whole_number)


def why_invalid(problem: Exception) -> str:
    """Why a text is no JSON, for people."""
    if isinstance(problem, RecursionError):
        return "too many braces or brackets lie in each other"
    if not isinstance(problem, json.JSONDecodeError):
        return str(problem)
    # From 3.13 on, Python points at a comma too many, and before at the bracket behind it.
    ahead = problem.doc[: problem.pos + 1].rstrip("]} \t\r\n")
    in_string = problem.msg.startswith(("Invalid", "Unterminated"))
    if not in_string and ahead.endswith(",") and problem.doc[len(ahead) :].lstrip().startswith(("}", "]")):
        return f"a comma stands before the closing bracket, {_place(problem.doc, len(ahead) - 1)}"
    place = _place(problem.doc, problem.pos)
    if problem.msg == "Extra data" and problem.doc[problem.pos :].strip() == ",":
        return f"a comma stands at the end, {place}"
    return f"{problem.msg}{'' if problem.msg.endswith(' at') else ','} {place}"


def _place(text: str, index: int) -> str:
    """Where a character stands; without the line, where there is but one."""
    where = json.JSONDecodeError("", text, index)
    return f"line {where.lineno}, column {where.colno}" if "\n" in text.strip() else f"column {where.colno}"


def _unique_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; one name twice would silently drop a setting, or a picture."""
    values = dict(pairs)
    if len(values) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice!r} stands there twice")
    return values


def _whole_number(digits: str) -> int:
    if len(digits) > MOST_DIGITS:
        raise ValueError(f"a number has {len(digits):,} digits")
    return int(digits)
