"""The settings that are one of a few words."""

from __future__ import annotations

from typing import Literal, get_args

Preset = Literal["default", "paper", "released", "exhaustive"]
LayoutPreset = Literal["default", "paper"]
Mode = Literal["auto", "compose", "regenerate"]
Fill = Literal["auto", "patch", "diffusion", "membrane", "lama", "migan"]
OutputFormat = Literal["png", "keep", "jpeg"]


CHOICES: dict[str, tuple[str, ...]] = {
    "Preset": get_args(Preset),
    "LayoutPreset": get_args(LayoutPreset),
    "Mode": get_args(Mode),
    "Fill": get_args(Fill),
    "OutputFormat": get_args(OutputFormat),
}
