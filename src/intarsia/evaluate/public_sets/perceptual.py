"""LPIPS, where its package and its weights are on this machine.

The package `lpips` (the extra `lpips`) ships its own small weights, but fetches SqueezeNet's from PyTorch's server when
they are not in torch's cache; nothing is fetched here, so that the figure is left out then.
Source: Zhang et al., "The Unreasonable Effectiveness of Deep Features", CVPR 2018, arXiv:1801.03924; the variant
"squeeze" is the one of PIE-Bench.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

import torch

from intarsia.evaluate.public_sets.metrics import only
from intarsia.imaging.masks import Mask
from intarsia.imaging.photo import Bytes

Distance = Callable[[Bytes, Bytes, Mask | None], float]
"""Of two pictures that are blacked out outside a region."""


def load_lpips() -> tuple[Distance | None, str]:
    """LPIPS and no note; or None and why it is left out, in a sentence."""
    try:
        lpips: Any = importlib.import_module("lpips")
        models: Any = importlib.import_module("torchvision.models")
    except ImportError:
        return None, "LPIPS is left out, since its package is not installed: pip install 'intarsia[lpips]' adds it."
    address = models.SqueezeNet1_1_Weights.IMAGENET1K_V1.url
    weights = Path(torch.hub.get_dir()) / "checkpoints" / PurePosixPath(address).name
    if not weights.is_file():
        return None, f"LPIPS is left out, since the weights of SqueezeNet are not at {weights}: put {address} there."
    network = lpips.LPIPS(net="squeeze", verbose=False).eval()

    @torch.no_grad()
    def distance(before: Bytes, after: Bytes, region: Mask | None) -> float:
        first, second = (
            torch.from_numpy(only(pixels, region) * 2 - 1).float().permute(2, 0, 1)[None] for pixels in (before, after)
        )
        return float(network(first, second))

    return distance, ""
