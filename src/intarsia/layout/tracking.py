"""Trackers: they log the loss of every update."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Protocol, cast

from intarsia.errors import MissingExtraError


class Tracker(Protocol):
    """The part of accelerate's trackers that is used here."""

    def log(self, values: dict[str, Any], step: int | None = None) -> Any: ...


def open_tracker(kind: Literal["tensorboard", "wandb"], folder: Path, name: str = "intarsia") -> Tracker:
    """A tracker of accelerate, for `learn`; close it with its `finish`.

    Raises:
        MissingExtraError: the tracker's package is not installed.
    """
    from accelerate import PartialState, tracking  # type: ignore[import-untyped]

    packages = {"tensorboard": tracking.is_tensorboard_available, "wandb": tracking.is_wandb_available}
    if not packages[kind]():
        raise MissingExtraError(f"The tracker {kind} is not installed. Install it with: pip install 'intarsia[track]'")
    PartialState()  # accelerate's trackers ask it which process they are in
    folder.mkdir(parents=True, exist_ok=True)
    made: Any
    if kind == "tensorboard":
        made = tracking.TensorBoardTracker(name, logging_dir=str(folder))
    else:
        made = tracking.WandBTracker(name, dir=str(folder))
    if hasattr(made, "start"):
        made.start()
    return cast(Tracker, made)
