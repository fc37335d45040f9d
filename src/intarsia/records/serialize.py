"""Records as JSON values and back, every type checked."""

from __future__ import annotations

import contextlib
import dataclasses
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
        raise RecordError(
            f"{where} has the setting {unknown[0]!r}, which this version does not know. "
            "It was perhaps written by a newer Intarsia: upgrade, or remove that line."
        )
    read: dict[str, Any] = {}
    for name, value in values.items():
        default = fields[name].default
        if dataclasses.is_dataclass(default):
            if not isinstance(value, dict):
                raise RecordError(
                    f"{where} gives {name!r} as {value!r}, but a group of settings in braces is expected."
                )
            read[name] = from_json(type(default), value, where)
        elif isinstance(value, list):
            read[name] = tuple(value)
        else:
            read[name] = value
        check_type(name, str(fields[name].type), read[name], where)
        read[name] = in_floats(str(fields[name].type), read[name])
    missing = [n for n, f in fields.items() if f.default is dataclasses.MISSING and n not in values]
    if missing:
        raise RecordError(f"{where} lacks the setting {missing[0]!r}, which has no default.")
    return kind(**read)


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
        raise RecordError(f"{where} gives {name!r} as {value!r}, but {wanted} is expected.")
