"""Stable Diffusion XL in its parts, for layouts that are composed: its denoiser is told more than the states of a text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from intarsia.backbones.memory import Memory
from intarsia.backbones.offload import to_precision
from intarsia.backbones.sdxl_prompts import encode_prompts, reads_itself
from intarsia.backbones.stable_diffusion import PREDICTIONS, StableDiffusion
from intarsia.records.weighted_prompt import without_weights

SIZE_NUMBERS = 6
"""Numbers of size that the denoiser is told: of the original, of the crop's corner and of the picture, (y, x) each."""


class StableDiffusionXL(StableDiffusion):
    """A `LatentDiffusion` over the parts of a Stable Diffusion XL.

    A text's pooled embedding lies in one more row below its states, so that both go through guidance and batches together.
    The denoiser is told that a picture was neither enlarged nor cropped.

    Args:
        pipeline: a StableDiffusionXLInpaintPipeline, of which `used_in_parts` is true.
        name: what the record calls this checkpoint.
        memory: of the device, where the networks were taken in.
    """

    learns = False  # two text encoders would have to learn a word

    def __init__(self, pipeline: Any, *, name: str, memory: Memory) -> None:
        super().__init__(
            unet=pipeline.unet,
            vae=pipeline.vae,
            tokenizer=pipeline.tokenizer,
            text_encoder=pipeline.text_encoder,
            scheduler=pipeline.scheduler,
            name=name,
            device=str(memory.device),
            memory=memory,
        )
        self.pipeline = pipeline
        self.pooled: int = pipeline.text_encoder_2.config.projection_dim

    def _read(self, texts: list[str], beside: Sequence[str]) -> Tensor:
        """B texts -> (B, K * L + 1, D): the states of both text encoders side by side, and the pooled embedding, filled up by 0.

        Nothing is told of an empty text where the checkpoint was trained so.
        """

        def encode() -> tuple[Tensor, Tensor]:
            if not reads_itself(self.pipeline, [*texts, *beside]):
                return encode_prompts(self.pipeline, texts, beside=beside)
            states, _, pooled, _ = self.pipeline.encode_prompt(
                prompt=[without_weights(text) for text in texts],
                device=self.device,
                num_images_per_prompt=1,
                do_classifier_free_guidance=False,
            )
            return states, pooled

        states, pooled = self.memory.attempt(encode)
        told = torch.cat([states, F.pad(pooled, (0, states.shape[-1] - self.pooled))[:, None].to(states)], 1)
        if self.pipeline.config.force_zeros_for_empty_prompt:
            silent = torch.tensor([not text for text in texts], device=told.device)
            told = torch.where(silent[:, None, None], torch.zeros_like(told), told)
        return told

    def encode_image(self, pictures: Tensor) -> Tensor:
        """(B, 3, H, W) in [-1, 1] -> (B, C, h, w) scaled latents, the mode of the autoencoder's posterior."""
        with self._whole_autoencoder():
            return super().encode_image(pictures)

    def decode_latents(self, latents: Tensor) -> Tensor:
        """(B, C, h, w) scaled latents -> (B, 3, H, W) in [-1, 1], float32 on the CPU."""
        with self._whole_autoencoder():
            return super().decode_latents(latents)

    @contextmanager
    def _whole_autoencoder(self) -> Iterator[None]:
        """Within it, an autoencoder that overflows in float16 works in float32."""
        before = self.vae.dtype
        overflows = before == torch.float16 and self.vae.config.force_upcast
        if overflows:
            to_precision(self.vae, torch.float32)
        try:
            yield
        finally:
            if overflows:
                to_precision(self.vae, before)

    def _conditions(self, noisy: Tensor, text: Tensor) -> dict[str, Any]:
        height, width = (side * self.vae_scale_factor for side in noisy.shape[-2:])
        sizes = torch.tensor([[height, width, 0, 0, height, width]], dtype=text.dtype).to(text.device)
        return {
            "encoder_hidden_states": text[:, :-1],
            "added_cond_kwargs": {
                "text_embeds": text[:, -1, : self.pooled],
                "time_ids": sizes.expand(len(noisy), -1),
            },
        }


def in_parts(pipeline: Any, *, name: str, memory: Memory) -> StableDiffusionXL | None:
    """A pipeline's checkpoint in its parts; None where `used_in_parts` is false."""
    return StableDiffusionXL(pipeline, name=name, memory=memory) if used_in_parts(pipeline) else None


def used_in_parts(pipeline: Any) -> bool:
    """Whether the parts of a pipeline are those of a Stable Diffusion XL whose loop is known here.

    Refiners, which are told an aesthetic score, and checkpoints with another schedule or normalised latents are not.
    """
    if type(pipeline).__name__ != "StableDiffusionXLInpaintPipeline" or pipeline.text_encoder is None:
        return False
    unet, schedule = pipeline.unet.config, pipeline.scheduler.config
    told = SIZE_NUMBERS * unet.addition_time_embed_dim + pipeline.text_encoder_2.config.projection_dim
    return bool(
        unet.projection_class_embeddings_input_dim == told
        and unet.time_cond_proj_dim is None
        and unet.in_channels in (4, 9)
        and getattr(pipeline.vae.config, "latents_mean", None) is None
        and "beta_schedule" in schedule
        and schedule.get("prediction_type") in PREDICTIONS
    )
