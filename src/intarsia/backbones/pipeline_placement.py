"""Where the networks of a pipeline lie: on its device, or moved there in turns."""

from __future__ import annotations

from typing import Any, Literal

import diffusers

from intarsia.backbones.mapped_weights import give_back_after_use, to_channels_last

Vram = Literal["auto", "low", "min"]


def placed(pipeline: Any, device: str, vram: Vram) -> int | None:
    """Move a pipeline, just loaded, to its device, or arrange that its parts visit the accelerator in turns.

    Args:
        vram: auto keeps everything there; low moves whole networks in and out; min moves layers, and
            decodes in tiles. On a CPU all three are the same.

    Returns:
        How many candidates it paints at once at most; None for as many as fit the memory.
    """
    denoiser = getattr(pipeline, "unet", None) or pipeline.transformer
    for network in (denoiser, pipeline.vae):
        if isinstance(network, diffusers.AutoencoderKL | diffusers.UNet2DConditionModel):
            to_channels_last(network)
    if device == "cpu":
        encoders = (getattr(pipeline, f"text_encoder{number}", None) for number in ("", "_2", "_3"))
        give_back_after_use(denoiser, *(encoder for encoder in encoders if encoder is not None))
    if device == "cpu" or vram == "auto":
        pipeline.to(device)
        return None
    pipeline.vae.enable_slicing()
    if vram == "low":
        pipeline.enable_model_cpu_offload(device=device)
    else:
        pipeline.vae.enable_tiling()
        pipeline.enable_sequential_cpu_offload(device=device)
    return 1
