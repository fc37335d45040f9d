"""The networks that --models names, on the machine that the flags name."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from intarsia.tasks.options import Machine

if TYPE_CHECKING:
    from intarsia.backbones.protocols import Backbones


def loader(machine: Machine) -> Callable[[str], Backbones]:
    """Loads a checkpoint by its name onto the machine, as tasks ask for it."""
    return lambda models: load(models, machine)


def load(models: str, machine: Machine) -> Backbones:
    from intarsia.backbones import load_backbones

    return load_backbones(models, device=machine.device, dtype=machine.dtype, vram=machine.vram)
