"""Stable Diffusion in its parts: for methods that run the sampling loop themselves.

What the denoiser was trained to predict is turned into noise and clean latents here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from diffusers import DDIMScheduler, UNet2DConditionModel
from torch import Tensor, nn

from intarsia.backbones.additions import NOTHING, Additions
from intarsia.backbones.caching import ValueCache, content_key
from intarsia.backbones.mapped_weights import give_back_after_use, to_channels_last
from intarsia.backbones.memory import Memory, free_memory
from intarsia.backbones.memory_needs import decoder_bytes
from intarsia.backbones.network_files import load_network
from intarsia.backbones.offload import to_precision
from intarsia.backbones.prompt_chunks import chunk_count, read_prompts
from intarsia.backbones.protocols import EvalCounter
from intarsia.diffusion.ddim import Prediction
from intarsia.errors import ModelError, Remedy, Setting
from intarsia.notes import note

PREDICTIONS = ("epsilon", "v_prediction", "sample")


class StableDiffusion:
    """A `LatentDiffusion` over the parts of a Stable Diffusion 1 or 2 checkpoint.

    A 9-channel (inpainting) denoiser does too: it is told that everything is masked, which is text to image.

    Args:
        unet: a UNet2DConditionModel that reads 4 or 9 channels.
        vae: an AutoencoderKL.
        tokenizer: a CLIPTokenizer.
        text_encoder: a CLIPTextModel.
        scheduler: whose configuration says what the denoiser predicts and how noisy a timestep is.
        name: what the record calls this checkpoint.
        device: where the networks work, which is not where they lie while they are offloaded.
        counter: of the sample-evaluations, whatever asks for them; shared where several denoisers serve one edit.
        memory: of the device, where its networks were taken in; shared likewise.

    Raises:
        ModelError: the denoiser predicts something that is not known here.
    """

    learns = True

    def __init__(
        self,
        *,
        unet: Any,
        vae: Any,
        tokenizer: Any,
        text_encoder: Any,
        scheduler: Any,
        name: str,
        device: str = "cpu",
        counter: EvalCounter | None = None,
        memory: Memory | None = None,
    ) -> None:
        self.unet, self.vae, self.tokenizer, self.text_encoder = unet, vae, tokenizer, text_encoder
        self.name, self.device = name, device
        self.counter = counter or EvalCounter()
        self.memory = memory or Memory(device)
        unet.register_forward_hook(self._count, with_kwargs=True)
        kind: Any = DDIMScheduler
        self.scheduler = kind.from_config(scheduler.config)
        self.prediction: str = scheduler.config.prediction_type
        if self.prediction not in PREDICTIONS:
            raise ModelError(
                f"This checkpoint's denoiser predicts {self.prediction!r}, which is not known here. "
                "Use one that predicts epsilon, v_prediction or sample."
            )
        self.alphas_cumprod: Tensor = self.scheduler.alphas_cumprod
        self.vae_scale_factor: int = 2 ** (len(vae.config.block_out_channels) - 1)
        self.stride: int = self.vae_scale_factor * 2 ** (len(unet.config.block_out_channels) - 1)
        cells = unet.config.sample_size
        self.native_side: int = self.vae_scale_factor * (cells if isinstance(cells, int) else min(cells))
        self._hidden: dict[tuple[int, int], Tensor] = {}
        self._texts, self._images = ValueCache(), ValueCache()

    @property
    def hides_masked(self) -> bool:
        """Whether the denoiser is told of a mask and of the picture without what it covers."""
        return bool(self.unet.config.in_channels != self.vae.config.latent_channels)

    def timesteps(self, steps: int) -> list[int]:
        """The timesteps of a schedule of so many steps, from noise to clean, spaced as the checkpoint wants it."""
        self.scheduler.set_timesteps(steps)
        return [int(t) for t in self.scheduler.timesteps]

    def predict(self, noisy: Tensor, timestep: int | Tensor, text: Tensor) -> Prediction:
        """Noise and clean latents; differentiable in `noisy` and `text`, and counted.

        Args:
            noisy: (B, C, h, w).
            timestep: one for all, or (B,).
            text: (B, L, D) states of the text encoder.
        """
        seen = noisy.to(self.unet.dtype)
        if self.unet.config.in_channels != noisy.shape[1]:
            condition = self._everything_masked(*noisy.shape[-2:])
            seen = torch.cat([seen, condition.expand(len(noisy), -1, -1, -1)], 1)
        text = text.to(self.unet.dtype)
        where = timestep.to(noisy.device) if isinstance(timestep, Tensor) else timestep
        told = self._conditions(noisy, text)
        answer: Tensor = self.memory.attempt(lambda: self.unet(seen, where, **told, return_dict=False)[0]).to(
            noisy.dtype
        )
        if answer.requires_grad:
            answer.register_hook(self._count_backward)  # type: ignore[no-untyped-call]
        return self.read_answer(noisy, answer, timestep)

    def read_answer(self, noisy: Tensor, answer: Tensor, timestep: int | Tensor) -> Prediction:
        """What the denoiser's answer says of the noise and of the clean latents.

        Args:
            noisy: (B, C, h, w), as the denoiser saw them.
            answer: (B, C, h, w), what it was trained to predict.
            timestep: one for all, or (B,).

        Source: Salimans & Ho 2022, arXiv:2202.00512, app. D.
        """
        alpha = self.alphas_cumprod[torch.as_tensor(timestep).cpu().long()].to(noisy.dtype)
        if alpha.dim():  # a single number may stay on the host
            alpha = alpha.to(noisy.device).reshape(-1, 1, 1, 1)
        signal, sigma = alpha.sqrt(), (1 - alpha).sqrt()
        if self.prediction == "v_prediction":
            return Prediction(signal * noisy - sigma * answer, sigma * noisy + signal * answer)
        if self.prediction == "sample":
            return Prediction(answer, (noisy - signal * answer) / sigma)
        return Prediction((noisy - sigma * answer) / signal, answer)

    def clean_latents(self, noisy: Tensor, answer: Tensor, timestep: int | Tensor) -> Tensor:
        """(B, C, h, w) clean latents that the denoiser's answer predicts, float32: half precision is too coarse
        for the division by little signal. See `read_answer`."""
        return self.read_answer(noisy.float(), answer.float(), timestep).clean

    def _conditions(self, noisy: Tensor, text: Tensor) -> dict[str, Any]:
        """What the denoiser is told with latents (B, C, h, w)."""
        return {"encoder_hidden_states": text}

    def encode_text(self, texts: Sequence[str], *, beside: Sequence[str] = ()) -> Tensor:
        """B texts -> (B, K * L, D), differentiable in the token embeddings; see `LatentDiffusion.encode_text`."""
        different = list(dict.fromkeys(texts))
        vocabulary = self.text_encoder.get_input_embeddings()
        if torch.is_grad_enabled() or not isinstance(vocabulary, nn.Embedding):  # words are being learned, or were
            states = self._read(different, beside)
        else:
            key = (tuple(different), tuple(beside), self.text_encoder.dtype)
            states = self._texts.get(key, lambda: self._read_once(different, beside))
        return states[[different.index(text) for text in texts]]

    # What is remembered may serve an evaluation with gradients next.
    @torch.inference_mode(False)
    @torch.no_grad()
    def _read_once(self, texts: list[str], beside: Sequence[str]) -> Tensor:
        return self._read(texts, beside)

    def _read(self, texts: list[str], beside: Sequence[str]) -> Tensor:
        limit = self.text_encoder.config.max_position_embeddings
        chunks = max((chunk_count(self.tokenizer, text, limit) for text in beside), default=1)
        read = read_prompts(self.tokenizer, texts, limit, chunks=chunks)
        tokens = {name: ids.to(self.device) for name, ids in read.tokens.items()}
        if not getattr(self.text_encoder.config, "use_attention_mask", False):
            # Stable Diffusion was trained with its text encoder reading the padding too.
            del tokens["attention_mask"]
        states: Tensor = self.memory.attempt(lambda: self.text_encoder(**tokens)[0])
        return read.joined(states)

    def encode_image(self, pictures: Tensor) -> Tensor:
        """(B, 3, H, W) in [-1, 1] -> (B, C, h, w) scaled latents, the mode of the autoencoder's posterior.

        The mode, because a sample would be a second source of luck beside the seed. What was encoded lately is
        remembered.

        Raises:
            ModelError: the autoencoder returns no finite numbers in float32 either.
        """
        key = (*content_key(pictures), self.vae.use_tiling)
        return self._images.get(key, lambda: self._encode(pictures)).clone()

    @torch.inference_mode(False)
    @torch.no_grad()
    def _encode(self, pictures: Tensor) -> Tensor:
        def encode(part: slice) -> Tensor:
            mode: Tensor = self.vae.encode(pictures[part].to(self.device, self.vae.dtype)).latent_dist.mode()
            return mode

        pixels = pictures.shape[-2] * pictures.shape[-1]
        latents = self._finite(
            lambda: self.memory.in_parts(len(pictures), pixels, "encoder", encode, fewer=lambda: self._tile(pixels))
        )
        if not latents.isfinite().all():
            raise ModelError(
                f"The autoencoder of {self.name} returned numbers that are not finite for this picture: its files are "
                "damaged. Download the checkpoint again."
            )
        return latents * float(self.vae.config.scaling_factor)

    @torch.no_grad()
    def decode_latents(self, latents: Tensor) -> Tensor:
        """(B, C, h, w) scaled latents -> (B, 3, H, W) in [-1, 1], float32 on the CPU.

        Half precision overflows in some autoencoders and gives black pictures: then the autoencoder
        goes on in float32.

        Raises:
            ModelError: the latents themselves are not finite.
        """
        latents = latents / self.vae.config.scaling_factor
        pixels = latents.shape[-2] * latents.shape[-1] * self.vae_scale_factor**2
        free = free_memory(self.memory.device)
        room = free and free // decoder_bytes(self.vae.config.block_out_channels[0], self.vae.dtype)

        def decode(part: slice) -> Tensor:
            decoded: Tensor = self.vae.decode(latents[part].to(self.vae.dtype), return_dict=False)[0]
            return decoded

        def decode_all() -> Tensor:
            return self.memory.in_parts(
                len(latents), pixels, "decoder", decode, room=room, fewer=lambda: self._tile(pixels)
            )

        decoded = self._finite(decode_all) if latents.isfinite().all() else decode_all()
        if not decoded.isfinite().all():
            raise ModelError(
                f"The denoiser of {self.name} returned numbers that are not finite, which would be a black picture. "
                "Half precision is the usual cause",
                Remedy(Setting("dtype", "float32", verb="pass")),
            )
        return decoded.float().clamp(-1, 1).cpu()

    def _finite(self, work: Callable[[], Tensor]) -> Tensor:
        """What the autoencoder makes; where half precision overflows in it, it goes on in float32."""
        made = work()
        if self.vae.dtype != torch.float32 and not made.isfinite().all():
            note(f"The autoencoder overflowed in {str(self.vae.dtype).removeprefix('torch.')} and went on in float32.")
            to_precision(self.vae, torch.float32)
            made = work()
        return made

    def _tile(self, pixels: int) -> str | None:
        """Let the autoencoder work in tiles where that makes its work smaller; says so, or None."""
        if self.vae.use_tiling or pixels <= self.vae.tile_sample_min_size**2:
            return None
        self.vae.enable_tiling()
        return "the autoencoder in tiles"

    def _everything_masked(self, rows: int, columns: int) -> Tensor:
        """(1, 5, rows, columns): a mask of ones over the latents of a picture with everything hidden."""
        if (rows, columns) not in self._hidden:
            sides = (rows * self.vae_scale_factor, columns * self.vae_scale_factor)
            with torch.inference_mode(False):  # what is kept may serve an evaluation with gradients next
                hidden = self.encode_image(torch.zeros(1, 3, *sides))
                self._hidden[rows, columns] = torch.cat([torch.ones_like(hidden[:, :1]), hidden], 1).to(self.unet.dtype)
        return self._hidden[rows, columns]

    def _count(self, _network: Any, positional: tuple[Any, ...], named: dict[str, Any], _answer: Any) -> None:
        sample = positional[0] if positional else named["sample"]
        self.counter.evaluations += len(sample)

    def _count_backward(self, gradient: Tensor) -> None:
        self.counter.backward += len(gradient)


def load_text_to_image(
    inpainting: StableDiffusion, folder: Path, *, dtype: torch.dtype, additions: Additions = NOTHING
) -> StableDiffusion:
    """The text-to-image model of a checkpoint whose inpainting parts are loaded.

    The pocket models have a denoiser for each task; elsewhere the one denoiser serves both.

    Args:
        folder: of the checkpoint, or its one file.
        additions: to the denoiser; the text encoder has them already.
    """
    if not ((folder / "inpainting_unet").is_dir() and (folder / "unet").is_dir()):
        return inpainting
    unet = load_network(UNet2DConditionModel, folder / "unet", dtype=dtype)
    additions.add_to_denoiser(unet)
    to_channels_last(unet)
    if inpainting.memory.device.type == "cpu":
        give_back_after_use(unet)
    inpainting.memory.offloader.admit(unet)
    return StableDiffusion(
        unet=unet,
        vae=inpainting.vae,
        tokenizer=inpainting.tokenizer,
        text_encoder=inpainting.text_encoder,
        scheduler=inpainting.scheduler,
        name=inpainting.name,
        device=inpainting.device,
        counter=inpainting.counter,
        memory=inpainting.memory,
    )
