"""What a preset sets: the published settings, wherever the user said nothing else.

A setting's default may be marked as unsaid. Whoever gives the setting, even with the default's own value,
gives a plain number or text; a record with a preset replaces what is still marked, and holds what takes effect.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, TypeVar

from intarsia.records.choices import Preset

Value = TypeVar("Value")

TEMPLATE = "a high quality image of {}."
"""The sentence that the released code of Learnable Regions puts every prompt into."""


class Unsaid:
    """Marks a default, which a preset may replace."""


class UnsaidInt(Unsaid, int):
    """A whole number that nobody gave."""


class UnsaidFloat(Unsaid, float):
    """A number that nobody gave."""


class UnsaidText(Unsaid, str):
    """A text that nobody gave."""


MARKED: dict[type, Any] = {int: UnsaidInt, float: UnsaidFloat, str: UnsaidText}


def unsaid(value: Value) -> Value:
    """A default that a preset may replace; it equals the value, and prints as it."""
    marked: Value = MARKED[type(value)](value)
    return marked


def plain(value: Any) -> Any:
    """A value without its mark, for what wants exactly an int, a float or a str."""
    return next((kind(value) for kind, marked in MARKED.items() if type(value) is marked), value)


RELEASED: dict[str, Any] = {
    "steps": 50,
    "guidance": 7.5,
    "scheduler": "own",
    "template": TEMPLATE,
    "search.anchors": 9,
    "search.largest_window": 0.875,
    "fit.rounds": 10,
}
"""The published command of Learnable Regions, as far as its released code heeds it."""

PRESETS: dict[Preset, dict[str, Any]] = {
    "default": {},
    "paper": {**RELEASED, "fit.rate": 5e-3, "fit.schedule": "cosine", "fit.structure": "published"},
    "released": RELEASED,
    "released-exact": RELEASED,
    "exhaustive": {},
}
"""The settings of each preset, by their names; a dot parts a group from its setting."""


def fill_in(record: Any, values: Mapping[str, Any]) -> None:
    """Give a frozen record these values where its own are unsaid.

    Args:
        values: by the settings' names, "steps" or "search.anchors".
    """
    for name, value in values.items():
        group, _, setting = name.rpartition(".")
        holder = getattr(record, group) if group else record
        if not isinstance(getattr(holder, setting), Unsaid):
            continue
        if group:
            object.__setattr__(record, group, dataclasses.replace(holder, **{setting: value}))
        else:
            object.__setattr__(record, setting, value)
