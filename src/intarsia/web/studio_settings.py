"""The settings under the fold "Advanced": how the page shows them, and what it may send of them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from intarsia.backbones.catalog import entry_named
from intarsia.backbones.resolve import resolve
from intarsia.errors import IntarsiaError, RecordError
from intarsia.records.arrange import ArrangeRecord
from intarsia.records.choices import CHOICES
from intarsia.records.edit import EditRecord
from intarsia.records.presets import plain
from intarsia.records.remove import RemoveRecord
from intarsia.web import remove_service
from intarsia.web.field_labels import field_help, label
from intarsia.web.result_store import KEEP
from intarsia.web.sessions import SessionStore
from intarsia.web.uploads import Facts

CHANGE = (
    "negative_prompt",
    "instruction",
    "painting",
    "preset",
    "steps",
    "guidance",
    "sampler",
    "seed",
    "keep",
    "feather",
    "alpha",
    "size",
)
"""Settings of a change, in this order."""
ARRANGE = (
    "mode",
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
"""Settings of an arrangement by their dotted names, in this order."""
INSTRUCTED = ("instruction", "painting")
"""Those for checkpoints that take an instruction."""
TAKE_INSTRUCTIONS = ("klein", "qwen-edit")
"""Checkpoints of the catalogue that take one."""
LONGEST = 2000
"""Characters of a text."""


def all_fields(store: SessionStore) -> dict[str, list[Facts]]:
    """The settings of each verb, for the page to show."""
    instructed = any(takes_instruction(choice) for choice in store.choices)
    change = [name for name in CHANGE if instructed or name not in INSTRUCTED]
    return {
        "change": [record_field(EditRecord, name) for name in change],
        "arrange": [arrange_field(name) for name in ARRANGE],
        "remove": [record_field(RemoveRecord, name) for name in remove_service.SETTINGS],
    }


def takes_instruction(choice: str) -> bool:
    """Whether a checkpoint may edit by an instruction; one that the catalogue does not know may."""
    try:
        name = resolve(choice, quiet=True).name
    except IntarsiaError:
        return False
    return entry_named(name) is None or name.partition("@")[0] in TAKE_INSTRUCTIONS


def record_field(kind: type, name: str) -> Facts:
    """A setting of a record, as the page shows it."""
    facts = setting_facts(kind, name)
    return facts | {"default": KEEP} if name == "keep" else facts


def arrange_field(name: str) -> Facts:
    """A setting of an arrangement by its dotted name, as the page shows it: learn.token_steps is Learn token steps."""
    group, _, last = name.rpartition(".")
    fields = {field.name: field for field in dataclasses.fields(ArrangeRecord)}
    owner = type(fields[group].default) if group else ArrangeRecord
    return setting_facts(owner, last) | {"name": name, "label": label(name.replace(".", " "))}


def setting_facts(kind: type, name: str) -> Facts:
    """What a record's own class says of one of its settings."""
    field = next(each for each in dataclasses.fields(kind) if each.name == name)
    base = str(field.type).partition(" |")[0]
    choices = list(CHOICES[base]) if base in CHOICES else None
    return {
        "name": name,
        "label": label(name),
        "help": field_help(kind)[name],
        "kind": "str" if choices else base,
        "default": plain(field.default),
        "choices": choices,
    }


def checked_settings(settings: Mapping[str, Any], fields: list[Facts]) -> dict[str, Any]:
    """The settings that a page sent for a verb, each of its kind; empty ones are left out.

    Raises:
        RecordError: one has no place on the page, or is of another kind.
    """
    known = {field["name"]: field for field in fields}
    checked = {}
    for name, value in settings.items():
        if name not in known:
            raise RecordError(f"{name[:100]!r} is no setting of this: reload the page.")
        if value is None or (value == "" and known[name]["kind"] != "str"):
            continue
        checked[name] = checked_value(known[name], value)
    return checked


def checked_value(field: Facts, value: Any) -> Any:
    kind, choices = field["kind"], field["choices"]
    number = type(value) in (int, float) and math.isfinite(value)
    if choices and value in choices:
        return value
    if kind == "bool" and isinstance(value, bool):
        return value
    if kind == "str" and not choices and isinstance(value, str) and len(value) <= LONGEST:
        return value
    if kind == "int" and number and value == int(value):
        return int(value)
    if kind == "float" and number:
        return float(value)
    wanted = {
        "bool": "be on or off",
        "str": f"be one of {', '.join(choices)}" if choices else f"be a text of at most {LONGEST} characters",
        "int": "be a whole number",
        "float": "be a number",
    }[kind]
    raise RecordError(f"{field['label']} is {str(value)[:40]!r}, but must {wanted}: correct it.")
