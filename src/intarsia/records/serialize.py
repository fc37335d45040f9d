"""Records as JSON values and back, every type checked."""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import itertools
import json
from typing import Any

from intarsia.errors import RecordError
from intarsia.records.choices import CHOICES


def to_json(record: Any) -> dict[str, Any]:
    """A record as plain JSON values, its kind beside its fields."""
    return {"kind": type(record).__name__, **dataclasses.asdict(record)}


def from_json(kind: type, values: dict[str, Any], where: str = "the record") -> Any:
    """Read a record back; unknown or ill-typed fields are errors that name them.

    Args:
        kind: the record's class.
        values: what `to_json` wrote.
        where: the file it came from, for messages.

    Raises:
        RecordError: a field is missing, unknown or of the wrong type.
    """
    values = {k: v for k, v in values.items() if k != "kind"}
    fields = {f.name: f for f in dataclasses.fields(kind)}
    unknown = sorted(set(values) - set(fields))
    if unknown:
        meant = difflib.get_close_matches(unknown[0], fields, n=1)
        raise RecordError(
            f"{where} has the setting {shortened(unknown[0])}, which this version does not know. "
            + (f"Was {meant[0]!r} meant? Else it" if meant else "It")
            + " was perhaps written by a newer Intarsia: upgrade, or remove that line."
        )
    read: dict[str, Any] = {}
    for name, value in values.items():
        default, wanted = fields[name].default, str(fields[name].type)
        if value is None and default is not dataclasses.MISSING and "None" not in wanted:
            continue  # tables that become JSON give null for an empty cell
        if dataclasses.is_dataclass(default):
            if not isinstance(value, dict):
                raise RecordError(
                    f"{where} gives {name!r} as {shortened(value)}, but a group of settings in braces is expected."
                )
            read[name] = from_json(type(default), value, where)
        elif isinstance(value, list):
            read[name] = tuple(value)
        else:
            read[name] = value
        read[name] = in_whole_numbers(wanted, read[name])
        check_type(name, wanted, read[name], where)
        read[name] = in_floats(wanted, read[name])
    missing = [n for n, f in fields.items() if f.default is dataclasses.MISSING and n not in values]
    if missing:
        raise RecordError(f"{where} lacks the setting {missing[0]!r}, which has no default.")
    return kind(**read)


def in_whole_numbers(wanted: str, value: Any) -> Any:
    """A value whose annotation says int as one: tables that become JSON write 4.0 for 4, and so do other languages."""
    if wanted.startswith("int") and isinstance(value, float) and value.is_integer() and abs(value) < 2**63:
        return int(value)
    if wanted.startswith("tuple[int") and isinstance(value, tuple):
        return tuple(in_whole_numbers("int", number) for number in value)
    return value


def in_floats(wanted: str, value: Any) -> Any:
    """A value whose annotation says float as one: 5 in JSON is the 5.0 of the command line, and records are alike."""
    with contextlib.suppress(OverflowError):  # too large for one, and out of range anyway
        if wanted.startswith("tuple[float") and value is not None:
            return tuple(float(number) for number in value)
        if wanted.startswith("float") and value is not None:
            return float(value)
    return value


def check_type(name: str, wanted: str, value: Any, where: str) -> None:
    """Raise `RecordError` unless the JSON value fits the field's annotation."""
    if value is None and "None" in wanted:
        return
    base = wanted.split(" |")[0].split("[")[0]
    kinds: dict[str, tuple[type, ...]] = {
        "str": (str,),
        "int": (int,),
        "float": (int, float),
        "bool": (bool,),
        "tuple": (tuple,),
    }
    choices = CHOICES.get(base)
    right = (str,) if choices else kinds.get(base)
    wrong = right is not None and (not isinstance(value, right) or (isinstance(value, bool) and bool not in right))
    if choices and value not in choices:
        wrong = True
    if base == "tuple" and isinstance(value, tuple):
        items = {"tuple[str": (str,), "tuple[int": (int,)}.get(wanted.partition(",")[0], (int, float))
        wrong = wrong or not all(type(v) in items for v in value)
    if wrong:
        raise RecordError(f"{where} gives {name!r} as {shortened(value)}, but {expected(wanted)}.")


EXPECTED = {
    "str": ("a text", ""),
    "int": ("a whole number", "30"),
    "float": ("a number", "0.5"),
    "bool": ("true or false", ""),
    "tuple[str": ("a list of texts", '["cat", "dog"]'),
    "tuple[int": ("a list of whole numbers", "[4, 10]"),
    "tuple[float": ("a list of numbers", "[0.5, 1]"),
    "tuple[float, float": ("a list of four numbers", "[10, 20, 300, 400]"),
}
"""What a field's annotation begins with, in words, and an example."""

SHOWN = 80
"""Characters of a value in a message, and at most how many items of a list are looked at for them."""

SHOWN_DEEP = 3
"""Lists within lists in a message."""


def expected(wanted: str) -> str:
    """What a field takes, in words, by its annotation: "a whole number is expected, such as 30"."""
    if choices := CHOICES.get(wanted):
        return f"one of {', '.join(choices)} is expected"
    what, example = next(
        (EXPECTED[begin] for begin in sorted(EXPECTED, key=len, reverse=True) if wanted.startswith(begin)), (wanted, "")
    )
    return f"{what} is expected" + (f", such as {example}" if example else "")


def shortened(value: object) -> str:
    """A value as people write it in a list of jobs or a record, in few characters."""
    text = _written(value, deep=0)
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 3]}..."


def _written(value: object, deep: int) -> str:
    """A value as JSON writes it, but for texts that stand alone, which have the quotes of our sentences."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, str):
        if not deep:
            return repr(value)
        return json.dumps(value, ensure_ascii=not value.isprintable())
    if isinstance(value, list | tuple | dict) and deep == SHOWN_DEEP:
        return "..."
    if isinstance(value, list | tuple):
        return f"[{', '.join(_written(item, deep + 1) for item in value[:SHOWN])}]"
    if isinstance(value, dict):
        few = itertools.islice(value.items(), SHOWN)
        return f"{{{', '.join(f'{_written(k, deep + 1)}: {_written(item, deep + 1)}' for k, item in few)}}}"
    try:
        return repr(value)
    except ValueError:  # a whole number of thousands of digits, which Python refuses to write
        return "a number of thousands of digits"
