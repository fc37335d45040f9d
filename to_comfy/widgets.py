"""Inputs of nodes, as ComfyUI reads them; their help is that of the records."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from intarsia.records.presets import plain
from intarsia.web.field_labels import field_help

Widget = tuple[Any, ...]
"""A type or a list of choices, and options."""

InputTypes = dict[str, dict[str, Widget]]

CATEGORY = "Intarsia"

MODELS = "INTARSIA_MODELS"
"""Type of what the loader gives: `intarsia.backbones.protocols.Backbones`."""

LARGEST_SEED = 2**53 - 1
"""Up to here numbers of a browser are whole; records take more."""

SIDE = {"default": 0, "min": 0, "max": 4096, "step": 8}


def setting(record: type, name: str, kind: str | Sequence[str], help_more: str = "", **options: Any) -> Widget:
    """A setting of a record as an input.

    Args:
        kind: ComfyUI's type, or the choices.
        help_more: what is to be known beside the record's own help.
        options: of ComfyUI; the default is the record's, where that is a plain value.
    """
    own = next(field.default for field in dataclasses.fields(record) if field.name == name)
    said = {} if own is dataclasses.MISSING or own is None or isinstance(own, tuple) else {"default": plain(own)}
    return (
        kind if isinstance(kind, str) else list(kind),
        {**said, "tooltip": " ".join(filter(None, (field_help(record)[name], help_more))), **options},
    )


def socket(kind: str, tooltip: str) -> Widget:
    """An input that another node is connected to."""
    return (kind, {"tooltip": tooltip})


def text(tooltip: str, **options: Any) -> Widget:
    """A text of several lines, empty by default."""
    return ("STRING", {"default": "", "multiline": True, "tooltip": tooltip, **options})
