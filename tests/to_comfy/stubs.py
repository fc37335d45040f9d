"""What ComfyUI is to its nodes: what it raises and is asked, its loader and its saver."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from tests.paths import SCENES


class Interrupted(Exception):
    """What ComfyUI raises where its user has cancelled."""


class Host:
    """A ComfyUI that notes what it is asked.

    Attributes:
        bars: (done, total) as each bar of progress was told it.
        unloaded: how often its models were unloaded.
        cancel_after: checks of the button to cancel after which it has been pressed.
    """

    def __init__(self) -> None:
        self.bars: list[list[tuple[float, float]]] = []
        self.unloaded = 0
        self.checks = 0
        self.cancel_after: int | None = None

    def check(self) -> None:
        self.checks += 1
        if self.cancel_after is not None and self.checks > self.cancel_after:
            raise Interrupted

    def unload(self) -> None:
        self.unloaded += 1


def load_image(*files: Path | Image.Image) -> Tensor:
    """What ComfyUI's loader gives: (B, H, W, 3) float32 in [0, 1]."""
    pictures = [f if isinstance(f, Image.Image) else Image.open(f) for f in files]
    return torch.stack([torch.from_numpy(np.array(p.convert("RGB")).astype(np.float32) / 255.0) for p in pictures])


def saved_levels(image: Tensor) -> np.ndarray:
    """(B, H, W, C) uint8 as ComfyUI's saver writes them: cut off, not rounded."""
    return np.stack([np.clip(255.0 * picture.cpu().numpy(), 0, 255).astype(np.uint8) for picture in image])


def scene(number: int = 0) -> Path:
    return SCENES / f"{number:04}.png"


def box_of_ones(height: int, width: int, x0: int, y0: int, x1: int, y1: int) -> Tensor:
    """A MASK (1, height, width) that is 1 in a box."""
    mask = torch.zeros(1, height, width)
    mask[:, y0:y1, x0:x1] = 1
    return mask
