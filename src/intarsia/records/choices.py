"""The settings that are one of a few words."""

from __future__ import annotations

from typing import Literal, get_args

Preset = Literal["default", "paper", "released", "released-exact", "exhaustive"]
Scheduler = Literal["solver", "own"]
Sampler = Literal["checkpoint", "dpmpp-2m-karras", "euler-a", "unipc", "ddim", "lcm"]
Painting = Literal["auto", "mask", "instruction"]
RateSchedule = Literal["constant", "cosine"]
Structure = Literal["mean", "published"]
LayoutPreset = Literal["default", "paper"]
Mode = Literal["auto", "compose", "regenerate"]
Fill = Literal["auto", "patch", "diffusion", "membrane", "lama", "migan"]
OutputFormat = Literal["png", "keep", "jpeg", "webp", "avif"]
Alpha = Literal["auto", "keep", "paint"]
Unsure = Literal["refuse", "keep"]


CHOICES: dict[str, tuple[str, ...]] = {
    "Preset": get_args(Preset),
    "Scheduler": get_args(Scheduler),
    "Sampler": get_args(Sampler),
    "Painting": get_args(Painting),
    "RateSchedule": get_args(RateSchedule),
    "Structure": get_args(Structure),
    "LayoutPreset": get_args(LayoutPreset),
    "Mode": get_args(Mode),
    "Fill": get_args(Fill),
    "OutputFormat": get_args(OutputFormat),
    "Alpha": get_args(Alpha),
    "Unsure": get_args(Unsure),
}
