"""DINO: patches of a picture, and which of them a self-supervised network looks at."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import AutoConfig, AutoModel

from intarsia.backbones.checkpoint_files import short_reason
from intarsia.backbones.memory import Memory
from intarsia.backbones.network_files import load_network
from intarsia.backbones.preprocessing import Preprocessing, read_preprocessing
from intarsia.backbones.protocols import PatchFeatures
from intarsia.errors import ModelError, Remedy

KEY_PROJECTIONS = ("k_proj", "key")
"""What transformers calls the layer that makes a self-attention's keys: of ViT and DINOv3, and of DINOv2."""


def grid_size(height: int, width: int, cells: int) -> tuple[int, int]:
    """Rows and columns of patches for a picture: its aspect ratio, about cells x cells patches.

    The area is held rather than the short side, because attention costs the square of it: a panorama
    costs no more than a square.
    """
    widest = cells * cells
    rows = cells * math.sqrt(min(max(height / width, 1 / widest), widest))
    return round(rows), round(widest / rows)


class DinoPatchEncoder:
    """A `PatchEncoder` over a ViT trained with DINO, with or without register tokens.

    Args:
        model: with eager attention, since the attention itself is wanted.
        preparation: of its checkpoint.
        side: pixels of the square whose area every picture is scaled to.
        memory: of the device on which it works, where the model was taken in; by default the CPU's.
    """

    def __init__(self, model: Any, preparation: Preprocessing, *, side: int, memory: Memory | None = None) -> None:
        self.model = model
        self.memory = memory or Memory()
        self.preparation = preparation
        patch = model.config.patch_size
        self.patch: int = patch if isinstance(patch, int) else patch[0]
        self.cells = max(1, side // self.patch)
        # Tokens before the patches: [CLS], then the registers where the network has them.
        self.leading = 1 + getattr(model.config, "num_register_tokens", 0)

    @torch.no_grad()
    def encode(self, picture: Tensor) -> PatchFeatures:
        """(1, 3, H, W) in [-1, 1] -> features (D, rows, columns) and saliency (rows, columns) that sums to 1."""
        rows, columns = grid_size(picture.shape[-2], picture.shape[-1], self.cells)
        prepared = self.preparation(picture.to(self.memory.device), (rows * self.patch, columns * self.patch))
        prepared = prepared.to(self.model.dtype)
        # The DINOv2 classes always interpolate their positions and take no such argument.
        fitting = {"interpolate_pos_encoding": True} if self.model.config.model_type == "vit" else {}
        output = self.memory.attempt(lambda: self.model(pixel_values=prepared, output_attentions=True, **fitting))
        features = output.last_hidden_state[0, self.leading :].T.reshape(-1, rows, columns)
        saliency = output.attentions[-1][0].float().mean(0)[0, self.leading :].reshape(rows, columns)
        return PatchFeatures(features=features.float().cpu(), saliency=(saliency / saliency.sum()).cpu())

    def encode_keys(self, picture: Tensor) -> Tensor:
        """(1, 3, H, W) in [-1, 1] -> (T, D) keys of the last layer's self-attention, heads joined; [CLS] comes first."""
        projections = [m for name, m in self.model.named_modules() if name.rpartition(".")[2] in KEY_PROJECTIONS]
        caught: list[Tensor] = []
        handle = projections[-1].register_forward_hook(lambda module, inputs, keys: caught.append(keys))
        try:
            self.encode(picture)
        finally:
            handle.remove()
        return caught[-1][0].float().cpu()


def load_patch_encoder(
    folder: Path,
    *,
    device: str = "cpu",
    memory: Memory | None = None,
    side: int | None = None,
    dtype: torch.dtype = torch.float32,
) -> DinoPatchEncoder:
    """Load a DINO checkpoint from a folder.

    Args:
        memory: of the device, where other networks share it.
        side: working size in pixels; by default the size that the network was trained at.
    """
    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)  # nosec B615 # of a folder
    # A kind of network that transformers does not know, or settings that contradict each other: almost any exception.
    except Exception as fault:
        raise ModelError(
            f"{folder / 'config.json'} describes no network that can be read ({short_reason(fault)})",
            Remedy("pass a checkpoint of DINO, DINOv2 or DINOv3"),
            Remedy("download the checkpoint again"),
        ) from fault
    # Self-supervised checkpoints have no pooler; asking for one would draw it at random.
    without: dict[str, Any] = {"add_pooling_layer": False} if config.model_type == "vit" else {}
    model = load_network(AutoModel, folder, dtype=dtype, config=config, attn_implementation="eager", **without)
    memory = memory or Memory(device)
    memory.offloader.admit(model, finest="low")
    return DinoPatchEncoder(model, read_preprocessing(folder), side=side or config.image_size, memory=memory)
