"""Options of every task: where the networks run, and which files are written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Where the networks run."""

    device: str = "auto"
    """auto, cpu, cuda, cuda:N or mps."""
    dtype: str = "auto"
    """Precision of the painting networks: auto, float32, bfloat16 or float16; asked for, it holds on a graphics card for all networks."""
    vram: Literal["auto", "low", "min"] = "auto"
    """How hard to save the memory of a graphics card: low moves networks in and out, min layers; auto as the memory demands."""


@dataclass(frozen=True, kw_only=True)
class Files:
    """What is written, and where."""

    overwrite: bool = False
    """Replace files of the same names."""
    draw_boxes: bool = False
    """Also write NAME.boxes.png: where it looked, the boxes and their scores."""
    no_metadata: bool = False
    """Leave the record out of the pictures; it is still written beside them."""
