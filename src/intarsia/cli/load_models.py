"""The networks that --models names, on the machine that the flags name."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from intarsia.tasks.options import Machine

if TYPE_CHECKING:
    from intarsia.backbones.protocols import Backbones


def loader(machine: Machine) -> Callable[..., Backbones]:
    """Loads a checkpoint by its name onto the machine, with what is added to it by keyword, as tasks ask for it."""
    return lambda models, **added: load(models, machine, **added)


def load(models: str, machine: Machine, **added: Any) -> Backbones:
    from intarsia.backbones import load_backbones

    return load_backbones(models, device=machine.device, dtype=machine.dtype, vram=machine.vram, **added)
