"""Any inpainting pipeline of diffusers as an `Inpainter`: Stable Diffusion XL and 3, Flux, Qwen-Image, Z-Image and others.

The pipeline runs its own loop, with its own text encoders, its own schedule and its own way of keeping what a mask
leaves; what a call gives is what a direct call of the pipeline with the same generators gives. Around it stands
what a search over regions needs: noise that belongs to the seed and not to the batch, an exact count of what the
denoiser was asked, a stop within one step, batches that fit the memory, and tiles for what is larger than the
model's pictures.
"""

from __future__ import annotations

import copy
import inspect
import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from intarsia.backbones.batches import batch_progress, checked_size, fitting_batch, in_batches, seeded
from intarsia.backbones.denoising import whole_strength
from intarsia.backbones.memory import Memory
from intarsia.backbones.placement import quiet_loading
from intarsia.backbones.prompt_chunks import alike_in_chunks, in_groups
from intarsia.backbones.protocols import EvalCounter, OnStep
from intarsia.backbones.samplers import scheduler_of
from intarsia.backbones.sdxl_prompts import prompt_arguments, reads_itself
from intarsia.diffusion.soft_masks import cell_freedom, held_cells
from intarsia.diffusion.tiles import tile_starts
from intarsia.errors import ModelError, Remedy, Setting
from intarsia.notes import note
from intarsia.records.choices import Sampler
from intarsia.records.weighted_prompt import without_weights

USUAL_SIDE = 1024
"""Native side of a pipeline whose parts do not say it, in pixels."""

NEEDED = ("prompt", "image", "mask_image", "strength", "generator", "callback_on_step_end", "output_type")
"""What a pipeline must take to be used."""

BLENDED = ("noise", "image_latents")
"""Variables of a pipeline's loop from which it puts the original back around a mask."""


class PipelineInpainter:
    """An `Inpainter` over an inpainting pipeline of diffusers.

    Guidance g is meant as everywhere: 1 turns it off, and each step goes g times the way from the unwanted text to
    the wanted. It is `true_cfg_scale` where the pipeline guides by that on its own accord (Qwen-Image), one less
    for Z-Image, whose scale counts what is added, and else `guidance_scale`. A denoiser into which guidance was
    distilled (Flux dev, Flux Fill, Kontext) is told g and asked once a step; it reads no negative prompt, nor does
    one that was distilled to few steps without guidance (Flux schnell, Flux.2 klein).

    A grey mask is soft where the pipeline itself keeps the original around a mask and its latents have known
    places, be they spatial or packed in 2 x 2 cells: each place joins in for the last steps alone, as
    `Inpainter.inpaint` says. Elsewhere (denoisers that are told of the mask, as Flux Fill is, and Flux.2) all that
    is above 0 is painted from the first step on, and only the paste-back is soft.

    Args:
        pipeline: on its device, in its precision.
        name: what the record calls this checkpoint.
        max_batch: most candidates a call of the pipeline; by default what fits the memory.
        memory: of the device, where the networks were taken in; by default of that on which they lie.

    Raises:
        ModelError: the pipeline takes no mask, or not what is needed besides.
    """

    def __init__(self, pipeline: Any, *, name: str, max_batch: int | None = None, memory: Memory | None = None) -> None:
        if fault := pipeline_fault(type(pipeline)):
            raise ModelError(
                f"The pipeline {type(pipeline).__name__} of {name} {fault}, so that it cannot repaint a region by words",
                Remedy(Setting("models", "sd15", verb="try")),
            )
        self.takes = call_parameters(type(pipeline))
        self.pipeline, self.name, self.max_batch = pipeline, name, max_batch
        self.memory = memory or Memory(str(pipeline._execution_device))
        self.counter = EvalCounter()
        self.over_unet = getattr(pipeline, "unet", None) is not None
        self.denoiser = pipeline.unet if self.over_unet else pipeline.transformer
        self.denoiser.register_forward_hook(self._count, with_kwargs=True)
        if type(pipeline).__name__.startswith("Chroma") and "guidance_embeds" not in self.denoiser.config:
            # Its pipeline asks for a setting that its denoiser does not have (diffusers 0.42).
            self.denoiser.register_to_config(guidance_embeds=False)
        self.dtype: torch.dtype = self.denoiser.dtype
        self.cell: int = getattr(pipeline, "vae_scale_factor", 1)
        self.stride = stride_of(pipeline, self.denoiser)
        self.native_side = native_side_of(pipeline, self.denoiser)
        self.tokenizer, self.text_limit = reading_of(pipeline, self.takes)
        self.reads_weights = type(pipeline).__name__.startswith("StableDiffusionXL")
        self.own_scheduler = pipeline.scheduler
        self.softens = self._softens()
        if self.softens:
            pipeline._callback_tensor_inputs = [*pipeline._callback_tensor_inputs, *BLENDED]
        pipeline.set_progress_bar_config(disable=True)

    def with_own_scheduler(self) -> PipelineInpainter:
        """Itself: it steps as the checkpoint's own scheduler does."""
        return self

    def with_sampler(self, sampler: Sampler) -> PipelineInpainter:
        """The same networks, stepping by a sampler; see `StepsBySamplers.with_sampler`."""
        other = copy.copy(self)
        other.name, other.pipeline = f"{self.name} by {sampler}", copy.copy(self.pipeline)
        other.pipeline.scheduler = scheduler_of(sampler, self.own_scheduler, self.name)
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

        When a batch does not fit the accelerator's memory, it is halved and tried again. Tiles are painted one
        after another, each beside what the ones before have painted; the noise of a tile is that of a seed of its own.

        Raises:
            ModelError: memory is short even for one picture, or the denoiser returns no finite numbers.
        """
        height, width = checked_size(picture, masks, prompts, seeds, self.stride)
        assert 0 < strength <= 1, f"a strength of {strength}"
        assert tile is None or tile % self.stride == 0, f"a tile of {tile} pixels"
        pictures = picture.float().expand(len(masks), -1, -1, -1)
        groups = self._alike_in_chunks(prompts, negative_prompt if guidance > 1 else "")
        if len(groups) > 1:

            def paint_group(group: Sequence[int], on_step: OnStep | None) -> list[Tensor]:
                painted = self.inpaint(
                    pictures[list(group)],
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
        paint = partial(
            self._paint_batch,
            negative_prompt=negative_prompt,
            steps=steps,
            guidance=guidance,
            strength=whole_strength(strength, steps, rounds_down=self.over_unet),
        )
        if tile is None or tile >= max(height, width):
            return self._in_batches(paint, pictures, masks.float(), prompts, seeds, on_step)

        canvas, masks = pictures.cpu().clone(), masks.float().cpu()
        plan = tile_plan(masks, tile)
        for number, ((rows, columns), mine) in enumerate(plan):
            wanted = masks[..., rows, columns] * mine
            painted = self._in_batches(
                paint,
                canvas[..., rows, columns].to(picture.device),
                wanted,
                prompts,
                [tile_seed(seed, number) for seed in seeds],
                on_step and batch_progress(on_step, number, len(plan)),
            )
            canvas[..., rows, columns] = torch.where(wanted > 0, painted, canvas[..., rows, columns])
        return canvas

    def _alike_in_chunks(self, prompts: Sequence[str], unwanted: str) -> list[list[int]]:
        """Indices of prompts that are painted in one batch; see `alike_in_chunks`.

        Those that the pipeline reads itself are never told by their states instead, which are rounded otherwise.
        """
        if not self.reads_weights:
            return [list(range(len(prompts)))]
        tokenizer = self.pipeline.tokenizer_2
        itself = [reads_itself(self.pipeline, [p, unwanted]) for p in prompts]
        groups = alike_in_chunks(tokenizer, prompts, unwanted, tokenizer.model_max_length)
        halves = [[i for i in group if itself[i] is own] for group in groups for own in (True, False)]
        return [group for group in halves if group]

    def _in_batches(
        self,
        paint: Callable[..., Tensor],
        pictures: Tensor,
        masks: Tensor,
        prompts: Sequence[str],
        seeds: Sequence[int],
        on_step: OnStep | None,
    ) -> Tensor:
        """(B, 3, H, W) pictures, (B, 1, H, W) masks -> (B, 3, H, W), in batches that fit the memory."""
        count, _, height, width = masks.shape
        cells = (height // self.cell) * (width // self.cell)
        size = self.max_batch or fitting_batch(self.memory, cells, self.denoiser)

        def batch(part: slice, report: OnStep | None) -> Tensor:
            return paint(pictures[part], masks[part], prompts[part], seeds=seeds[part], on_step=report)

        return torch.cat(in_batches(batch, count, size, on_step, self.memory))

    def _paint_batch(
        self,
        pictures: Tensor,
        masks: Tensor,
        prompts: Sequence[str],
        *,
        negative_prompt: str,
        seeds: Sequence[int],
        steps: int,
        guidance: float,
        strength: float,
        on_step: OnStep | None,
    ) -> Tensor:
        """One call of the pipeline: (B, 3, H, W) pictures, (B, 1, H, W) masks -> (B, 3, H, W), float32 on the CPU.

        Raises:
            ModelError: the pictures are not finite.
        """
        count, _, height, width = masks.shape
        freedom = cell_freedom(masks.cpu(), height // self.cell, width // self.cell)
        soft = self.softens and bool((freedom < 1).any())

        def after_step(pipeline: Any, index: int, _timestep: Any, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
            changed = {}
            if soft:
                held = self._laid_out(held_cells(freedom, index, pipeline.num_timesteps), tensors["latents"])
                changed["latents"] = torch.where(held, self._noised(tensors, index + 1), tensors["latents"])
            if on_step is not None:
                on_step(index + 1, pipeline.num_timesteps)
            return changed

        guided = self._guidance(guidance, without_weights(negative_prompt), count)
        told: dict[str, Any] = {"prompt": [without_weights(p) for p in prompts]}  # some pipelines write into the list
        unwanted = negative_prompt if guided.get("negative_prompt") else None
        if self.reads_weights and not reads_itself(self.pipeline, [*prompts, unwanted or ""]):
            guided.pop("negative_prompt", None)
            told = prompt_arguments(self.pipeline, prompts, unwanted)
        with quiet_loading():  # pipelines warn of what is meant here: guidance that is off, precision that changes
            images = self.pipeline(
                **told,
                image=(pictures + 1) / 2,
                mask_image=(masks > 0).to(pictures),
                num_inference_steps=steps,
                strength=strength,
                generator=seeded(seeds),
                output_type="pt",
                callback_on_step_end=after_step,
                callback_on_step_end_tensor_inputs=["latents", *(BLENDED if soft else ())],
                **self._size(height, width),
                **guided,
            ).images
        painted: Tensor = images.float().cpu() * 2 - 1
        if not painted.isfinite().all():
            raise ModelError(
                f"{self.name} returned numbers that are not finite, which would be a black picture. "
                "Half precision is the usual cause",
                Remedy(Setting("dtype", "float32", verb="pass"), " (or bfloat16)"),
            )
        if painted.shape[-2:] != (height, width):  # some pipelines paint at sizes of their own
            painted = F.interpolate(painted, (height, width), mode="bicubic", align_corners=False).clamp(-1, 1)
        return painted

    def _size(self, height: int, width: int) -> dict[str, Any]:
        """Arguments by which a pipeline paints at the size of the picture."""
        size: dict[str, Any] = {
            name: side for name, side in (("height", height), ("width", width)) if name in self.takes
        }
        if "_auto_resize" in self.takes:  # Kontext would choose one of the sizes that it was trained on
            size |= {"_auto_resize": False, "max_area": height * width}
        return size

    def _guidance(self, guidance: float, negative_prompt: str, count: int) -> dict[str, Any]:
        """Arguments by which a pipeline is guided; see the class."""
        pipeline, true_cfg = type(self.pipeline), self.takes.get("true_cfg_scale")
        second_text = "negative_prompt" in self.takes
        if getattr(self.denoiser.config, "guidance_embeds", False):
            arguments: dict[str, Any] = {"guidance_scale": guidance}
            second_text = False
        elif true_cfg is not None and true_cfg.default > 1:
            arguments = {"true_cfg_scale": guidance}
            negative_prompt = negative_prompt or " "  # without any it does not guide
        elif pipeline.__name__.startswith("ZImage"):
            arguments = {"guidance_scale": max(guidance - 1, 0.0)}
        else:
            arguments = {"guidance_scale": guidance}
            second_text &= true_cfg is None or hasattr(pipeline, "do_classifier_free_guidance")
        if guidance > 1 and negative_prompt:
            if second_text:
                arguments["negative_prompt"] = [negative_prompt] * count
            else:
                note(f"{self.name} is not guided by a second text: the negative prompt is not read.")
        return arguments

    def _softens(self) -> bool:
        """Whether the original can be put back place by place; see the class."""
        loop = inspect.unwrap(type(self.pipeline).__call__).__code__.co_varnames
        vae = getattr(self.pipeline, "vae", None)
        if vae is None or not set(BLENDED) <= set(loop):
            return False
        channels = vae.config.get("latent_channels", vae.config.get("z_dim"))
        if self.denoiser.config.in_channels == channels:
            return True
        packs = getattr(self.pipeline, "_pack_latents", None)
        packed = packs is not None and len(inspect.signature(packs).parameters) == 5
        return bool(packed and self.denoiser.config.in_channels == 4 * channels)

    def _laid_out(self, held: Tensor, latents: Tensor) -> Tensor:
        """(B, 1, h, w) of cells, as the pipeline lays its latents out: (B, C, h, w), or (B, h w / 4, 4 C)."""
        held = held.to(latents.device)
        if latents.ndim == 4:
            return held
        count, _, rows, columns = held.shape
        channels = latents.shape[-1] // 4
        spread = held.expand(-1, channels, -1, -1).contiguous()
        packed: Tensor = self.pipeline._pack_latents(spread, count, channels, rows, columns)
        return packed

    def _noised(self, tensors: dict[str, Tensor], index: int) -> Tensor:
        """The original's latents, as noisy as those that step `index` starts from; clean after the last step."""
        noise, clean = (tensors[name] for name in BLENDED)
        scheduler, steps = self.pipeline.scheduler, self.pipeline.num_timesteps
        if index == steps:
            return clean
        left_out = len(scheduler.timesteps) - steps
        timestep = scheduler.timesteps[left_out + index : left_out + index + 1]
        if hasattr(scheduler, "scale_noise"):
            noised: Tensor = scheduler.scale_noise(clean, timestep, noise)
        else:
            noised = scheduler.add_noise(clean, noise, timestep)
        return noised

    def _count(self, _network: Any, positional: tuple[Any, ...], named: dict[str, Any], _answer: Any) -> None:
        names = ("hidden_states", "sample")
        latents = positional[0] if positional else next(named[name] for name in names if name in named)
        self.counter.evaluations += len(latents)


TILE_SEEDS = 1_000_003
"""Between the seeds of neighbouring tiles: were their noise the same, their textures would repeat."""


def tile_seed(seed: int, number: int) -> int:
    """The seed of a tile's noise; of the first, or of a picture painted as a whole, the candidate's own."""
    return (seed + number * TILE_SEEDS) % 2**63


def tile_plan(masks: Tensor, side: int) -> list[tuple[tuple[slice, slice], Tensor]]:
    """Overlapping tiles, each with the places that it paints: those that no tile before it has.

    Args:
        masks: (B, 1, H, W), above 0 where something is painted.
        side: of a tile in pixels.

    Returns:
        Rows and columns of a tile, and (h, w) of 0 and 1 in it; tiles that would paint nothing are left out.
    """
    left = (masks > 0).flatten(0, 1).any(0)
    height, width = left.shape
    plan = []
    for top in tile_starts(height, side):
        for start in tile_starts(width, side):
            where = (slice(top, top + side), slice(start, start + side))
            if left[where].any():
                plan.append((where, left[where].float()))
                left[where] = False
    return plan


def call_parameters(kind: type) -> dict[str, inspect.Parameter]:
    """What a pipeline takes when it is called."""
    return dict(inspect.signature(kind.__call__).parameters)


def pipeline_fault(kind: type) -> str:
    """What keeps a class of pipelines from being used, as half a sentence; empty where nothing does."""
    takes = call_parameters(kind)
    if kind.__name__.startswith("QwenImageEdit"):
        return "takes instructions, and works at a size of its own"
    for name in NEEDED:
        if name not in takes:
            return f"takes no {name}"
    others = ("control_image", "image_embeds")
    return next((f"needs a {name} besides" for name in others if name in takes), "")


def stride_of(pipeline: Any, denoiser: Any) -> int:
    """What the sides of a pipeline's pictures are multiples of, in pixels."""
    cell: int = getattr(pipeline, "vae_scale_factor", 1)
    levels = denoiser.config.get("block_out_channels")
    patch = 2 ** (len(levels) - 1) if levels else denoiser.config.get("patch_size", 1)
    patch = patch if isinstance(patch, int) else max(patch)
    processor = getattr(pipeline, "image_processor", None)
    rounded = 1 if processor is None else int(processor.config.vae_scale_factor)
    return math.lcm(cell * patch, rounded)


def native_side_of(pipeline: Any, denoiser: Any) -> int:
    """Short side of the pictures that a pipeline was trained on, in pixels, as its parts say."""
    cells = denoiser.config.get("sample_size") or getattr(pipeline, "default_sample_size", None)
    if cells is None:
        return USUAL_SIDE
    side = cells if isinstance(cells, int) else min(cells)
    return int(getattr(pipeline, "vae_scale_factor", 1)) * side


def reading_of(pipeline: Any, takes: dict[str, inspect.Parameter]) -> tuple[Any, int]:
    """The tokenizer of the text encoder that reads most, and how many tokens it reads."""
    tokenizers = (getattr(pipeline, name, None) for name in ("tokenizer_3", "tokenizer_2", "tokenizer"))
    tokenizer: Any = next(t for t in tokenizers if t is not None)
    most = takes["max_sequence_length"].default if "max_sequence_length" in takes else tokenizer.model_max_length
    return tokenizer, min(int(tokenizer.model_max_length), int(most))
