"""Flags that several commands share; light, since help imports it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from intarsia.errors import IntarsiaError

Answer = tuple[dict[str, Any], list[str]]
"""What a command has to say: for machines, and for people."""


class FlagError(IntarsiaError):
    """A flag's text cannot be read. No ValueError: tyro would catch that and print it its own way."""


@dataclass(frozen=True, kw_only=True)
class Talk:
    """What is printed."""

    json: bool = False
    """Print one JSON object to stdout and everything else to stderr."""
    quiet: bool = False
    """No progress bar and no notes; errors are still printed."""
    debug: bool = False
    """Show the traceback of an error."""


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Where the networks run."""

    device: str = "auto"
    """auto, cpu, cuda, cuda:N or mps."""
    dtype: str = "auto"
    """Precision of the painting networks: auto, float32, bfloat16 or float16."""
    vram: Literal["auto", "low", "min"] = "auto"
    """How hard to save the memory of a graphics card."""


@dataclass(frozen=True, kw_only=True)
class Files:
    """What is written, and where."""

    overwrite: bool = False
    """Replace files of the same names."""
    draw_boxes: bool = False
    """Also write NAME.boxes.png: where it looked, the boxes and their scores."""
    no_metadata: bool = False
    """Leave the record out of the pictures; it is still written beside them."""
