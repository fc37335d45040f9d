"""Random LoRAs of the layouts that are in use, as peft and diffusers make them, and the same as kohya's scripts do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict
from safetensors.torch import load_file, save_file
from torch import Tensor

ATTENTION = ("to_q", "to_k", "to_v", "to_out.0")
READS = ("q_proj", "v_proj")
CONVOLUTIONS = ("conv1", "conv_shortcut")
RANK, ALPHA = 3, 2


def save_diffusers_lora(
    folder: Path,
    pipeline: Any,
    *,
    seed: int = 0,
    targets: Sequence[str] = (*ATTENTION, *CONVOLUTIONS),
    text: bool = True,
) -> Path:
    """A LoRA of a pipeline's denoiser and text encoders in diffusers' layout; the pipeline keeps it, switched on.

    Args:
        text: whether text encoders have one too.
    """
    torch.manual_seed(seed)
    denoiser = "unet" if getattr(pipeline, "unet", None) is not None else "transformer"
    parts: dict[str, Any] = {denoiser: getattr(pipeline, denoiser)}
    if text:
        parts |= {n: p for n in ("text_encoder", "text_encoder_2") if (p := getattr(pipeline, n, None)) is not None}
    saved: dict[str, Any] = {}
    for name, network in parts.items():
        chosen = list(READS if name.startswith("text") else targets)
        network.add_adapter(LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules=chosen))
        for key, parameter in network.named_parameters():
            if "lora_" in key:
                parameter.data = torch.randn(parameter.shape) * 0.2
        saved[f"{name}_lora_layers"] = get_peft_model_state_dict(network)
        saved[f"{name}_lora_adapter_metadata"] = network.peft_config["default"].to_dict()
    type(pipeline).save_lora_weights(folder, **saved)
    return folder / "pytorch_lora_weights.safetensors"


def as_kohya(source: Path, target: Path, *, names: Any = lambda layer: layer) -> Path:
    """A LoRA of diffusers' layout in kohya's: underscores, prefixes and an alpha for each layer.

    Args:
        names: gives other names to the denoiser's layers.
    """
    written: dict[str, Tensor] = {}
    for key, tensor in load_file(source).items():
        part, _, rest = key.partition(".")
        layer, _, kind = rest.rpartition(".lora_")
        if not layer:  # a text encoder's, as diffusers names it
            layer, _, kind = rest.rpartition(".lora_linear_layer.")
        role = {"A.weight": "down", "B.weight": "up"}.get(kind, kind.removesuffix(".weight"))
        prefix = {"unet": "lora_unet", "text_encoder": "lora_te", "text_encoder_2": "lora_te2"}[part]
        if "lora_te2" in prefix or any(name.startswith("text_encoder_2.") for name in load_file(source)):
            prefix = {"lora_te": "lora_te1"}.get(prefix, prefix)
        if part == "unet":
            layer = names(layer)
        elif not layer.startswith("text_model."):
            layer = f"text_model.{layer}"
        flat = f"{prefix}_{layer.replace('.', '_')}"
        written[f"{flat}.lora_{role}.weight"] = tensor
        written[f"{flat}.alpha"] = torch.tensor(float(ALPHA))
    target.parent.mkdir(parents=True, exist_ok=True)
    save_file(written, target)
    return target
