"""How far long work is: told after every step to whoever listens, who may raise `Cancelled` to stop it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a piece of long work is: `done` of `total` steps of a named stage."""

    stage: str
    done: int
    total: int


OnProgress = Callable[[Progress], None]
