"""Where the networks of a pipeline lie: on its device, or moved there in turns."""

from __future__ import annotations

import inspect
from types import SimpleNamespace
from typing import Any

import diffusers
from torch import nn

from intarsia.backbones.checkpoint_files import UNUSED
from intarsia.backbones.mapped_weights import give_back_after_use, to_channels_last
from intarsia.backbones.memory import Memory


def placed(pipeline: Any, memory: Memory) -> int | None:
    """Let the memory of a device take in the networks of a pipeline that was just loaded.

    Where they take turns, pictures are decoded one by one; where layers do, in tiles besides.

    Returns:
        How many candidates it paints at once at most; None for as many as fit the memory.
    """
    denoiser = getattr(pipeline, "unet", None) or pipeline.transformer
    for network in (denoiser, pipeline.vae):
        if isinstance(network, diffusers.AutoencoderKL | diffusers.UNet2DConditionModel):
            to_channels_last(network)
    networks = [part for part in pipeline.components.values() if isinstance(part, nn.Module)]
    if memory.device.type == "cpu":
        give_back_after_use(*(network for network in networks if network is not pipeline.vae))
    for network in networks:
        if is_packed(network):
            if network.device != memory.device:
                network.to(memory.device)
        else:
            memory.offloader.admit(network)
        if memory.device.type != "cpu":
            # Pipelines of diffusers ask this where their tensors belong, wherever the weights lie.
            network._hf_hook = SimpleNamespace(execution_device=memory.device)  # type: ignore[assignment]
    if memory.offloader.level == "auto":
        return None
    pipeline.vae.enable_slicing()
    if memory.offloader.level == "min":
        pipeline.vae.enable_tiling()
    return 1


def over_its_parts(kind: Any, pipeline: Any) -> Any:
    """A pipeline of another class that shares the networks and settings of one, as far as it takes them."""
    given = {**pipeline.config, **pipeline.components}
    wanted = [name for name in inspect.signature(kind.__init__).parameters if name in given and name not in UNUSED]
    return kind(**{name: given[name] for name in wanted})


def is_packed(network: Any) -> bool:
    """Whether a library has quantised the weights whose tensors are not to be moved one by one: bitsandbytes, torchao.

    Those of a .gguf are plain tensors of bytes.
    """
    quantizer = getattr(network, "hf_quantizer", None)
    return quantizer is not None and quantizer.quantization_config.quant_method != "gguf"
