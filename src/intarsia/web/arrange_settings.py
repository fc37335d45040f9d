"""The settings of edit by layout that have a control on the page: their controls, and the record with their values."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr

from intarsia.errors import RecordError
from intarsia.records.arrange import ArrangeRecord
from intarsia.web.field_labels import field_help, label

ADVANCED = (
    "background",
    "prompt",
    "negative_prompt",
    "seed",
    "seeds",
    "steps",
    "guidance",
    "feather",
    "size",
    "compose.strength",
    "compose.shadows",
    "compose.border",
    "compose.plates",
    "guide.start",
    "guide.scale",
    "learn.token_steps",
    "learn.weight_steps",
)
"""The record's settings that have a control of their own."""


@dataclass(frozen=True, kw_only=True)
class ShownSetting:
    """A setting of the record: its dotted name, help, default and annotation."""

    name: str
    help: str
    default: Any
    kind: str

    @property
    def title(self) -> str:
        """Its label: learn.token_steps is Learn token steps."""
        return label(self.name.replace(".", " "))


def setting_of(name: str) -> ShownSetting:
    group, _, last = name.rpartition(".")
    fields = {f.name: f for f in dataclasses.fields(ArrangeRecord)}
    owner: Any = type(fields[group].default) if group else ArrangeRecord
    field = next(f for f in dataclasses.fields(owner) if f.name == last)
    return ShownSetting(name=name, help=field_help(owner)[last], default=field.default, kind=str(field.type))


def with_settings(record: ArrangeRecord, values: Mapping[str, Any]) -> ArrangeRecord:
    """The record with settings by their dotted names; a value of None or an empty field keeps the default.

    Raises:
        RecordError: one is out of range, or not a number where one is needed.
    """
    groups: dict[str, dict[str, Any]] = {}
    for name, value in values.items():
        if name in ADVANCED:
            value = as_kind(setting_of(name), value)
        if value is not None:
            group, _, last = name.rpartition(".")
            groups.setdefault(group, {})[last] = value
    plain = groups.pop("", {})
    grouped = {name: dataclasses.replace(getattr(record, name), **fields) for name, fields in groups.items()}
    return dataclasses.replace(record, **plain, **grouped)


def as_kind(setting: ShownSetting, value: Any) -> Any:
    """The value of a control as the record keeps it; None where the control is empty.

    Raises:
        RecordError: a text field for a whole number holds something else.
    """
    if setting.kind == "float" and type(value) is int:
        return float(value)  # browsers know one kind of numbers, but a record says 3.0
    if setting.default is not None:
        return value
    text = "" if value is None else str(value).strip()
    if not text:
        return None
    if not (text.isascii() and text.isdigit()):
        raise RecordError(f"{setting.title} is {text!r}, but must be a whole number: correct it, or empty it.")
    return int(text)


def control(setting: ShownSetting) -> Any:
    """The component of a setting."""
    common: dict[str, Any] = {"label": setting.title, "info": setting.help, "value": setting.default}
    if setting.kind == "bool":
        return gr.Checkbox(**common)
    if setting.kind == "str":
        return gr.Textbox(**common, max_lines=3, max_length=2000)
    if setting.default is None:
        # An empty field of numbers would show 0, and send it.
        return gr.Textbox(**common, max_lines=1, max_length=20, placeholder="by default")
    return gr.Number(**common, precision=0 if setting.kind.startswith("int") else None)
