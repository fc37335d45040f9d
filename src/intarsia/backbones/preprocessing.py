"""How a network wants its pictures: size, mean and deviation, read from the checkpoint's own files.

The processors of transformers start from PIL pictures and cut the gradient; the same arithmetic on
tensors does neither.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from intarsia.backbones.text_files import read_json
from intarsia.errors import ModelError


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """What a checkpoint's processor file says.

    Attributes:
        mean: of each channel, for pictures in [0, 1].
        deviation: of each channel, for pictures in [0, 1].
        side: pixels of the square that the network reads, None where the file leaves it open.
    """

    mean: tuple[float, float, float]
    deviation: tuple[float, float, float]
    side: int | None

    def __call__(self, pictures: Tensor, size: tuple[int, int]) -> Tensor:
        """Resize and normalise; differentiable.

        Args:
            pictures: (B, 3, H, W) in [-1, 1].
            size: (height, width) in pixels.

        Returns:
            (B, 3, height, width) as the network expects it.
        """
        if pictures.shape[-2:] != size:
            pictures = functional.interpolate(pictures, size=size, mode="bicubic", antialias=True, align_corners=False)
            pictures = pictures.clamp(-1, 1)
        mean = torch.tensor(self.mean, device=pictures.device, dtype=pictures.dtype).view(1, 3, 1, 1)
        deviation = torch.tensor(self.deviation, device=pictures.device, dtype=pictures.dtype).view(1, 3, 1, 1)
        return ((pictures + 1) / 2 - mean) / deviation


def read_preprocessing(folder: Path) -> Preprocessing:
    """Read `preprocessor_config.json`, or the `processor_config.json` that newer checkpoints carry.

    Raises:
        ModelError: neither file is there, or it does not say how pictures are normalised.
    """
    for name in ("preprocessor_config.json", "processor_config.json"):
        if (folder / name).is_file():
            settings = read_json(folder / name)
            settings = settings.get("image_processor", settings)
            break
    else:
        raise ModelError(f"{folder} has no preprocessor_config.json: download the whole checkpoint again.")
    try:
        return _preprocessing(settings, folder / name)
    except (TypeError, ValueError, AttributeError) as fault:
        raise ModelError(
            f"{folder / name} does not say how pictures are normalised ({fault}): download the checkpoint again."
        ) from fault


def _preprocessing(settings: Any, file: Path) -> Preprocessing:
    if "image_mean" not in settings or "image_std" not in settings:
        raise ModelError(f"{file} does not give image_mean and image_std: download the checkpoint again.")
    size = settings.get("size")
    if isinstance(size, dict):
        size = size.get("height", size.get("shortest_edge"))
    red, green, blue = map(float, settings["image_mean"])
    red_deviation, green_deviation, blue_deviation = map(float, settings["image_std"])
    return Preprocessing(
        mean=(red, green, blue),
        deviation=(red_deviation, green_deviation, blue_deviation),
        side=size if isinstance(size, int) else None,
    )
