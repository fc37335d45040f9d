"""Stable Diffusion 1 and 2, and every checkpoint of their classes (the pocket models are one).

Around the denoising loop stands what a search over regions needs: noise that belongs to the seed and not to the
batch, an exact count of what the denoiser was asked, a stop within one step, and batches that fit the memory.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import diffusers
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL, DPMSolverMultistepScheduler, StableDiffusionInpaintPipeline, UNet2DConditionModel
from torch import Tensor
from transformers import CLIPTextModel, CLIPTokenizer

from intarsia.backbones.additions import NOTHING, Additions
from intarsia.backbones.batches import checked_size, fitting_batch, in_batches
from intarsia.backbones.checkpoint_files import short_reason
from intarsia.backbones.denoiser_files import load_denoiser_file
from intarsia.backbones.denoising import Denoising, begin, join
from intarsia.backbones.memory import FittingDenoiser, Memory
from intarsia.backbones.network_files import load_network, load_tokenizer
from intarsia.backbones.pipeline_placement import placed
from intarsia.backbones.prompt_chunks import alike_in_chunks, in_groups
from intarsia.backbones.protocols import InpaintingStage, OnStep
from intarsia.backbones.samplers import scheduler_of
from intarsia.backbones.single_files import read_single_file
from intarsia.backbones.stable_diffusion import StableDiffusion
from intarsia.backbones.text_files import read_json
from intarsia.diffusion.tiles import TiledDenoiser
from intarsia.errors import ModelError
from intarsia.records.choices import Sampler

# Pixels of the largest picture that the autoencoder takes as a whole where the denoiser works in tiles.
WHOLE_PIXELS = 1024 * 1024


PARTS = ("vae", "text_encoder", "tokenizer", "unet", "scheduler")
"""Of the pipeline, as `assemble_pipeline` takes them."""


class StableDiffusionInpainter:
    """An `Inpainter` over a 9-channel (inpainting) or 4-channel (text-to-image) denoiser.

    Args:
        pipeline: a StableDiffusionInpaintPipeline on its device, in its precision, from `assemble_pipeline`.
        name: what the record calls this checkpoint.
        max_batch: most candidates a denoiser call; by default what fits the memory.
        memory: of the device, where the networks were taken in; by default of that on which they lie.
    """

    reads_weights = True

    def __init__(self, pipeline: Any, *, name: str, max_batch: int | None = None, memory: Memory | None = None) -> None:
        memory = memory or Memory(str(pipeline._execution_device))
        self.scheduler = pipeline.scheduler
        self.own_scheduler = getattr(pipeline, "own_scheduler", pipeline.scheduler)
        self.pipeline = pipeline
        self.name = name
        self.max_batch = max_batch
        self.parts = StableDiffusion(
            unet=pipeline.unet,
            vae=pipeline.vae,
            tokenizer=pipeline.tokenizer,
            text_encoder=pipeline.text_encoder,
            scheduler=pipeline.scheduler,
            name=name,
            device=str(memory.device),
            memory=memory,
        )
        self.counter = self.parts.counter
        self.stride, self.native_side = self.parts.stride, self.parts.native_side
        self.cell: int = self.parts.vae_scale_factor
        self.tokenizer = self.parts.tokenizer
        self.text_limit: int = self.parts.text_encoder.config.max_position_embeddings
        self.dtype: torch.dtype = self.parts.unet.dtype
        pipeline.set_progress_bar_config(disable=True)

    def with_own_scheduler(self) -> StableDiffusionInpainter:
        """The same networks, stepping as the checkpoint's scheduler does; itself where it does so already."""
        if self.scheduler is self.own_scheduler:
            return self
        other = copy.copy(self)
        other.name, other.scheduler = f"{self.name} by {type(self.own_scheduler).__name__}", self.own_scheduler
        return other

    def with_sampler(self, sampler: Sampler) -> StableDiffusionInpainter:
        """The same networks, stepping by a sampler; see `StepsBySamplers.with_sampler`."""
        other = copy.copy(self)
        other.name = f"{self.name} by {sampler}"
        other.scheduler = scheduler_of(sampler, self.own_scheduler, self.name)
        return other

    def inpaint(
        self,
        picture: Tensor,
        masks: Tensor,
        prompts: Sequence[str],
        *,
        negative_prompt: str = "",
        seeds: Sequence[int],
        steps: int,
        guidance: float,
        strength: float = 1.0,
        tile: int | None = None,
        on_step: OnStep | None = None,
    ) -> Tensor:
        """Repaint a picture inside each of B masks; see `Inpainter.inpaint`.

        When a batch does not fit the accelerator's memory, it is halved and tried again.

        Args:
            picture: in [-1, 1], sides multiples of `stride`: (1, 3, H, W) for all masks, or (B, 3, H, W), one a mask.
            masks: (B, 1, H, W) in [0, 1], 1 = repaint; see `Inpainter.inpaint` for what lies between.
            prompts: B texts.
            seeds: B seeds of the start noise.
            steps: denoising steps.
            guidance: classifier-free guidance scale; 1 turns it off.
            strength: share of the schedule that is done, in (0, 1]; below 1 it begins with the picture, noised.
            tile: side of the tiles in which a larger picture is denoised, in pixels, a multiple of `stride`.
            on_step: called after each step; what it raises stops the work.

        Returns:
            (B, 3, H, W) in [-1, 1] on the CPU, float32, not yet pasted back.

        Raises:
            ModelError: memory is short even for one picture, or the denoiser returns no finite numbers.
        """
        height, width = checked_size(picture, masks, prompts, seeds, self.stride)
        assert 0 < strength <= 1, f"a strength of {strength}"
        assert tile is None or tile % self.stride == 0, f"a tile of {tile} pixels"
        tile = tile if tile is not None and tile < max(height, width) else None
        groups = self._alike_in_chunks(prompts, negative_prompt, guidance)
        if len(groups) > 1:

            def paint_group(group: Sequence[int], on_step: OnStep | None) -> list[Tensor]:
                painted = self.inpaint(
                    picture if len(picture) == 1 else picture[list(group)],
                    masks[list(group)],
                    [prompts[i] for i in group],
                    negative_prompt=negative_prompt,
                    seeds=[seeds[i] for i in group],
                    steps=steps,
                    guidance=guidance,
                    strength=strength,
                    tile=tile,
                    on_step=on_step,
                )
                return list(painted)

            return torch.stack(in_groups(groups, paint_group, on_step))

        def paint(chosen: slice, on_step: OnStep | None) -> Tensor:
            tiled = None if tile is None else self._tiled(tile, masks[chosen])
            with self._autoencoder_in_tiles(tile is not None and height * width > WHOLE_PIXELS):
                denoising = begin(
                    self.parts,
                    self.scheduler,
                    picture if len(picture) == 1 else picture[chosen],
                    masks[chosen],
                    prompts[chosen],
                    negative_prompt=negative_prompt,
                    seeds=seeds[chosen],
                    steps=steps,
                    guidance=guidance,
                    strength=strength,
                    answered=None if tiled is None else tiled.answered,
                )
                denoising.run(tiled or self._denoiser(), len(denoising.timesteps), on_step=on_step)
                return self.parts.decode_latents(denoising.latents)

        most = 1 if tile is not None else self._fitting_batch(height, width)
        return torch.cat(in_batches(paint, len(masks), most, on_step, self.parts.memory))

    def begin_inpainting(
        self,
        picture: Tensor,
        masks: Tensor,
        prompts: Sequence[str],
        *,
        negative_prompt: str = "",
        seeds: Sequence[int],
        steps: int,
        guidance: float,
        until: int,
        on_step: OnStep | None = None,
    ) -> list[InpaintingStage]:
        """Do the first steps of a schedule; see `PaintsInStages.begin_inpainting`."""
        height, width = checked_size(picture, masks, prompts, seeds, self.stride)
        groups = self._alike_in_chunks(prompts, negative_prompt, guidance)
        if len(groups) > 1:

            def begin_group(group: Sequence[int], on_step: OnStep | None) -> list[InpaintingStage]:
                return self.begin_inpainting(
                    picture if len(picture) == 1 else picture[list(group)],
                    masks[list(group)],
                    [prompts[i] for i in group],
                    negative_prompt=negative_prompt,
                    seeds=[seeds[i] for i in group],
                    steps=steps,
                    guidance=guidance,
                    until=until,
                    on_step=on_step,
                )

            return in_groups(groups, begin_group, on_step)

        def first(chosen: slice, on_step: OnStep | None) -> list[InpaintingStage]:
            denoising = begin(
                self.parts,
                self.scheduler,
                picture if len(picture) == 1 else picture[chosen],
                masks[chosen],
                prompts[chosen],
                negative_prompt=negative_prompt,
                seeds=seeds[chosen],
                steps=steps,
                guidance=guidance,
            )
            return self._advanced(denoising, steps, until, on_step)

        batches = in_batches(first, len(masks), self._fitting_batch(height, width), on_step, self.parts.memory)
        return [stage for batch in batches for stage in batch]

    def continue_inpainting(
        self, stages: Sequence[InpaintingStage], *, until: int, on_step: OnStep | None = None
    ) -> list[InpaintingStage]:
        """Do the next steps of pictures on their way; see `PaintsInStages.continue_inpainting`."""
        height, width = stages[0].picture.shape[-2:]
        steps = stages[0].steps
        assert all(s.state is not None and s.steps == steps for s in stages), "unfinished, and of one schedule"
        lengths = [s.state.conditions.text.shape[1] for s in stages]
        groups = [[i for i, length in enumerate(lengths) if length == one] for one in sorted(set(lengths))]
        if len(groups) > 1:

            def continue_group(group: Sequence[int], on_step: OnStep | None) -> list[InpaintingStage]:
                return self.continue_inpainting([stages[i] for i in group], until=until, on_step=on_step)

            return in_groups(groups, continue_group, on_step)

        def following(chosen: slice, on_step: OnStep | None) -> list[InpaintingStage]:
            return self._advanced(join([s.state for s in stages[chosen]]), steps, until, on_step)

        batches = in_batches(following, len(stages), self._fitting_batch(height, width), on_step, self.parts.memory)
        return [stage for batch in batches for stage in batch]

    def _alike_in_chunks(self, prompts: Sequence[str], negative_prompt: str, guidance: float) -> list[list[int]]:
        """Indices of prompts that are painted in one batch; see `alike_in_chunks`."""
        return alike_in_chunks(self.parts.tokenizer, prompts, negative_prompt if guidance > 1 else "", self.text_limit)

    def _advanced(self, denoising: Denoising, steps: int, until: int, on_step: OnStep | None) -> list[InpaintingStage]:
        """Candidates after `until` of `steps` steps, each alone."""
        assert until >= 1, "a step at least"
        finished = until >= steps
        # Schedulers of second order ask the denoiser twice a step, and remember in between.
        count = len(denoising.timesteps) if finished else until * denoising.scheduler.order
        clean = denoising.run(self._denoiser(), count, on_step=on_step)
        pictures = self.parts.decode_latents(denoising.latents if finished else clean)
        alone = [None] * len(pictures) if finished else denoising.candidates()
        return [
            InpaintingStage(picture=picture, done=min(until, steps), steps=steps, state=state)
            for picture, state in zip(pictures, alone, strict=True)
        ]

    @contextmanager
    def _autoencoder_in_tiles(self, wanted: bool) -> Iterator[None]:
        """Within it, large pictures are encoded and decoded piece by piece, if so wanted."""
        vae = self.pipeline.vae
        wanted = wanted and not vae.use_tiling
        if wanted:
            vae.enable_tiling()
        try:
            yield
        finally:
            if wanted:
                vae.disable_tiling()

    def _tiled(self, side: int, masks: Tensor) -> TiledDenoiser:
        """The denoiser in tiles of so many pixels, where masks (B, 1, H, W) are not black."""
        factor: int = self.pipeline.vae_scale_factor
        cells = F.max_pool2d(masks.float().cpu(), factor)
        return TiledDenoiser(self._denoiser(), side // factor, cells, 2 * self._fitting_batch(side, side))

    def _denoiser(self) -> FittingDenoiser:
        return FittingDenoiser(self.parts.unet, self.parts.memory)

    def _fitting_batch(self, height: int, width: int) -> int:
        cells = (height // self.cell) * (width // self.cell)
        return self.max_batch or fitting_batch(self.parts.memory, cells, self.parts.unet)


def choose_scheduler(scheduler: Any) -> Any:
    """The checkpoint's own scheduler where its training demands it, else one that needs few steps.

    A denoiser trained to zero terminal signal-to-noise is lost with any schedule that starts elsewhere
    (Lin et al. 2023, arXiv:2305.08891); all others make usable previews in ten steps of DPM-Solver++.
    """
    settings = scheduler.config
    if settings.get("rescale_betas_zero_snr") or settings.get("timestep_spacing") == "trailing":
        return scheduler
    # Settings of the old scheduler alone, about which the pipeline would warn.
    shared = {name: value for name, value in settings.items() if name not in ("skip_prk_steps", "steps_offset")}
    solver: Any = DPMSolverMultistepScheduler
    return solver.from_config(shared, timestep_spacing="trailing", steps_offset=1)


def load_inpainter(
    folder: Path,
    *,
    name: str,
    dtype: torch.dtype,
    unet: str = "unet",
    memory: Memory | None = None,
    additions: Additions = NOTHING,
) -> StableDiffusionInpainter:
    """Load a checkpoint from a folder in diffusers layout.

    Args:
        folder: with a denoiser, `vae`, `text_encoder`, `tokenizer` and `scheduler`.
        name: what the record calls this checkpoint.
        unet: subfolder of the denoiser, of 9 or 4 channels.
        memory: takes the networks in; by default that of the CPU.
        additions: to the networks.

    Raises:
        ModelError: a part cannot be read, or an addition does not fit.
    """
    # What takes no time comes first: its faults need not wait for the networks.
    scheduler, tokenizer = load_scheduler(folder / "scheduler"), load_tokenizer(CLIPTokenizer, folder / "tokenizer")
    pipeline = assemble_pipeline(
        vae=load_network(AutoencoderKL, folder / "vae", dtype=dtype),
        text_encoder=load_network(CLIPTextModel, folder / "text_encoder", dtype=dtype),
        tokenizer=tokenizer,
        unet=load_network(UNet2DConditionModel, folder / unet, dtype=dtype)
        if additions.denoiser is None
        else load_denoiser_file(UNet2DConditionModel, additions.denoiser, folder / unet, dtype=dtype),
        scheduler=scheduler,
    )
    additions.add_to(pipeline)
    return to_device(pipeline, name=name, memory=memory or Memory())


def load_single_file(
    file: Path,
    config: Path | None,
    *,
    name: str,
    dtype: torch.dtype,
    memory: Memory | None = None,
    additions: Additions = NOTHING,
) -> StableDiffusionInpainter:
    """Load a checkpoint from one .safetensors file of the original Stable Diffusion layout.

    Args:
        config: see `read_single_file`.
        memory, additions: see `load_inpainter`.

    Raises:
        ModelError: as there, or an addition does not fit.
    """
    loaded = read_single_file(
        file, config, StableDiffusionInpaintPipeline, dtype=dtype, safety_checker=None, feature_extractor=None
    )
    pipeline = assemble_pipeline(
        vae=loaded.vae,
        text_encoder=loaded.text_encoder,
        tokenizer=loaded.tokenizer,
        unet=loaded.unet,
        scheduler=loaded.scheduler,
    )
    additions.add_to(pipeline)
    return to_device(pipeline, name=name, memory=memory or Memory())


def load_scheduler(folder: Path) -> Any:
    """The scheduler that a checkpoint names.

    Raises:
        ModelError: its file cannot be read, or its class is none of the diffusers schedulers.
    """
    file = folder / "scheduler_config.json"
    settings = read_json(file)
    name = str(settings.get("_class_name"))
    kind = getattr(diffusers, name, None)
    if not (isinstance(kind, type) and issubclass(kind, diffusers.SchedulerMixin)):
        raise ModelError(
            f"{file} names the scheduler {name!r}, which the "
            "installed diffusers does not have: upgrade diffusers, or download the checkpoint again."
        )
    scheduler: Any = kind
    try:
        return scheduler.from_config(settings)
    # Its settings are computed with at once: one of another type or out of range shows as almost any exception.
    except Exception as fault:
        raise ModelError(
            f"{file} has settings with which {name} cannot work ({short_reason(fault)}): download the checkpoint again."
        ) from fault


def assemble_pipeline(*, vae: Any, text_encoder: Any, tokenizer: Any, unet: Any, scheduler: Any) -> Any:
    """The inpainting pipeline over these components, with no safety checker, and its `own_scheduler` beside the chosen one."""
    kind: Any = StableDiffusionInpaintPipeline
    pipeline = kind(
        vae=vae,
        text_encoder=text_encoder,
        tokenizer=tokenizer,
        unet=unet,
        scheduler=choose_scheduler(scheduler),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.own_scheduler = scheduler
    return pipeline


def to_device(pipeline: Any, *, name: str, memory: Memory) -> StableDiffusionInpainter:
    """The inpainter over a pipeline, on its device; see `placed`."""
    return StableDiffusionInpainter(pipeline, name=name, max_batch=placed(pipeline, memory), memory=memory)
