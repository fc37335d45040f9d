"""Which network scores pictures against texts, by its configuration."""

from __future__ import annotations

from pathlib import Path

import torch

from intarsia.backbones.clip import ClipScorer, load_scorer
from intarsia.backbones.memory import Memory
from intarsia.backbones.siglip import load_siglip
from intarsia.backbones.wrong_kinds import settings_of
from intarsia.errors import ModelError, Remedy


def load_any_scorer(
    folder: Path, *, device: str = "cpu", memory: Memory | None = None, dtype: torch.dtype = torch.float32
) -> ClipScorer:
    """Load a CLIP, SigLIP or SigLIP 2 checkpoint from a folder; by default in float32.

    Args:
        memory: of the device, where other networks share it.

    Raises:
        ModelError: it is a SigLIP 2 of another layout, or damaged.
    """
    kind = (settings_of(folder / "config.json") or {}).get("model_type")
    if kind == "siglip2":
        raise ModelError(
            f"{folder} is a SigLIP 2 that reads pictures of every shape (NaFlex), which is not used",
            Remedy("take one of a fixed size, e.g. google/siglip2-base-patch16-224"),
        )
    return (load_siglip if kind == "siglip" else load_scorer)(folder, device=device, memory=memory, dtype=dtype)
