"""The files that a record names, and what tells their content."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, TypeAlias, TypeVar

from intarsia.records.added_files import ADDED, join_path, split_path
from intarsia.records.arrange import ArrangeRecord
from intarsia.records.edit import EditRecord
from intarsia.records.remove import RemoveRecord

PATH_SETTINGS = ("photo", "mask", "avoid", "protect", "fill_model", "regions", "colours", "layout", "boxes", "concepts")
"""Of all records, the settings that name a file."""

MASK_SETTINGS = ("mask", "avoid", "protect", "masks")
"""Those that name a mask, or several."""

Record: TypeAlias = EditRecord | ArrangeRecord | RemoveRecord
AnyRecord = TypeVar("AnyRecord", bound=Record)


def input_files(record: Record) -> dict[str, str]:
    """The files that a record names, by their settings; a mask of its own is "masks.NAME", the first LoRA "lora.1"."""
    named = {name: getattr(record, name) for name in PATH_SETTINGS if getattr(record, name, None) is not None}
    for pair in getattr(record, "masks", ()):
        name, file = split_mask(pair)
        if name and file:  # others are refused where they are read
            named[f"masks.{name}"] = file
    for setting in ADDED:
        for number, text in enumerate(getattr(record, setting, ()), 1):
            named[f"{setting}.{number}"] = split_path(text)[0]
    return named


def mask_files(record: Record) -> tuple[str, ...]:
    """Those of the files that a record names which are masks."""
    return tuple(file for name, file in input_files(record).items() if name.partition(".")[0] in MASK_SETTINGS)


def split_mask(text: str) -> tuple[str, str]:
    """The name and the file of a mask, "NAME=FILE". The first "=" ends the name: folders are often called seed=1."""
    name, _, file = text.partition("=")
    return name.strip(), file.strip()


def with_files(record: AnyRecord, files: Mapping[str, str]) -> AnyRecord:
    """The record with other paths, by the names that `input_files` gives them."""
    changes: dict[str, Any] = {name: file for name, file in files.items() if "." not in name}
    if masks := getattr(record, "masks", ()):
        places = [(pair, f"masks.{split_mask(pair)[0]}") for pair in masks]
        changes["masks"] = tuple(
            f"{place.removeprefix('masks.')}={files[place]}" if place in files else pair for pair, place in places
        )
    for setting in ADDED:
        former = [split_path(text) for text in getattr(record, setting, ())]
        if former:
            changes[setting] = tuple(
                join_path(files.get(f"{setting}.{number}", path), rest) for number, (path, rest) in enumerate(former, 1)
            )
    return dataclasses.replace(record, **changes)
