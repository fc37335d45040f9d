"""What the catalogue says of a checkpoint."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Part = Literal["inpainter", "painter", "scorer", "patches", "segmenter"]
Ability = Literal["edit", "arrange", "compose", "learn", "scorer", "encoder", "segmenter"]
"""What a checkpoint is used for here: editing by words; moving objects as they were cut out; moving them by sampling
that is guided by the layout; learning objects' looks; scoring pictures against texts; describing pictures patch by
patch; finding objects."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One checkpoint of the catalogue.

    Attributes:
        repository: on the hub; None for what ships with the package.
        revision: the commit that is fetched; None for the newest, where none could be looked up.
        mirrors: other repositories of the same files, the first to be tried first.
        licence: its name, as the repository states it.
        purpose: what it is for, in a few words.
        part: inpainter (trained to repaint), painter (text to image; repaints by blending), or a helper.
        abilities: what it is used for here.
        weights: files of weights that are fetched in full precision, and their bytes; configurations and tokenizers,
            some megabytes, come with them.
        half_weights: what is fetched instead for a GPU; empty where that is the same.
        estimated: whether the bytes are those of the same networks elsewhere, or computed from their parameters, as
            the repository's own could not be looked up.
        memory_gb: what it takes while working, about, in half precision for the denoisers.
        native_side: short side of the pictures that it works on best, pixels.
        beside: catalogue names of what it does not work without.
        settings: that its makers advise, where they are far from the usual ones.
        checked: when the entry was compared with what is public, as an ISO date.
        source: what it was compared with.
    """

    repository: str | None
    revision: str | None = None
    mirrors: tuple[str, ...] = ()
    licence: str
    purpose: str
    part: Part
    abilities: tuple[Ability, ...]
    weights: Mapping[str, int] = field(default_factory=dict)
    half_weights: Mapping[str, int] = field(default_factory=dict)
    estimated: bool = False
    memory_gb: float
    native_side: int
    beside: tuple[str, ...] = ()
    settings: Mapping[str, object] = field(default_factory=dict)
    checked: str = ""
    source: str = ""

    @property
    def paints(self) -> bool:
        """Whether it is a checkpoint, and not one of the networks beside it."""
        return self.part in ("inpainter", "painter")

    @property
    def download_gb(self) -> float:
        """Size of the weights that are fetched in full precision, about."""
        return sum(self.weights.values()) / 1e9

    @property
    def half_gb(self) -> float:
        """Size of the weights that are fetched for a GPU, about."""
        return sum((self.half_weights or self.weights).values()) / 1e9

    def as_dict(self) -> dict[str, Any]:
        """Its fields, and the sizes that follow from them."""
        return {
            **dataclasses.asdict(self),
            "download_gb": round(self.download_gb, 2),
            "half_gb": round(self.half_gb, 2),
        }
