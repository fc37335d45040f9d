"""Pipelines of diffusers that edit by an instruction: Qwen-Image-Edit, FLUX.2 klein and FLUX.1 Kontext.

A call gives what a direct call of the pipeline with the same generator gives, one picture at a time: Qwen-Image-Edit takes
no more, and noise belongs to the seed. The picture goes in as bytes and comes back at the size that the pipeline chooses.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import diffusers
import torch
from PIL import Image
from torch import Tensor

from intarsia.backbones.batches import in_batches, seeded
from intarsia.backbones.memory import Memory
from intarsia.backbones.pipeline_inpainter import (
    PipelineInpainter,
    call_parameters,
    native_side_of,
    reading_of,
    stride_of,
)
from intarsia.backbones.pipeline_placement import over_its_parts
from intarsia.backbones.placement import quiet_loading
from intarsia.backbones.protocols import EvalCounter, InstructionEditor, OnStep
from intarsia.errors import ModelError, Remedy, Setting
from intarsia.imaging.geometry import Size
from intarsia.imaging.tensors import levels_of
from intarsia.notes import note
from intarsia.records.weighted_prompt import without_weights

EDITORS = ("QwenImageEditPipeline", "QwenImageEditPlusPipeline")
"""Pipelines that edit by instructions and have no other use here."""

BESIDE = {"FluxKontextInpaintPipeline": "FluxKontextPipeline", "Flux2KleinInpaintPipeline": "Flux2KleinPipeline"}
"""Pipelines that edit by instructions, over the parts of these, which repaint."""

OWN_SIDE, LEAST_SIDE = 1024, 64
"""Side of the square whose area the pictures of these models have, or have at most, and the shortest side that they take,
in pixels."""


class PipelineEditor:
    """An `InstructionEditor` over a pipeline of diffusers.

    Guidance means what it does in `PipelineInpainter`: it is `true_cfg_scale` for Qwen-Image-Edit, and `guidance_scale`
    for klein, which ignores it where it was distilled, and for Kontext, into which it was distilled.

    Args:
        pipeline: on its device, in its precision.
        name: what the record calls this checkpoint.
        counter: that counts its denoiser already; by default one of its own.
        memory: of the device, where the networks were taken in; by default of that on which they lie.
    """

    def __init__(
        self, pipeline: Any, *, name: str, counter: EvalCounter | None = None, memory: Memory | None = None
    ) -> None:
        self.pipeline, self.name = pipeline, name
        self.memory = memory or Memory(str(pipeline._execution_device))
        self.takes = call_parameters(type(pipeline))
        self.denoiser = pipeline.transformer
        self.counter = counter or EvalCounter()
        if counter is None:
            self.denoiser.register_forward_hook(self._count, with_kwargs=True)
        self.dtype: torch.dtype = self.denoiser.dtype
        self.cell: int = pipeline.vae_scale_factor
        self.stride = stride_of(pipeline, self.denoiser)
        self.sized = not type(pipeline).__name__.startswith("QwenImageEdit")
        self.native_side = native_side_of(pipeline, self.denoiser) if self.sized else OWN_SIDE
        self.tokenizer, self.text_limit = reading_of(pipeline, self.takes)
        pipeline.set_progress_bar_config(disable=True)

    def edits(
        self,
        pictures: Sequence[Tensor],
        instructions: Sequence[str],
        *,
        negative_prompt: str = "",
        seeds: Sequence[int],
        steps: int,
        guidance: float,
        on_step: OnStep | None = None,
    ) -> list[Tensor]:
        """Edit B pictures; see `InstructionEditor.edits`.

        Raises:
            ModelError: memory is short, or the denoiser returns no finite numbers.
        """
        assert len(pictures) == len(instructions) == len(seeds), "one instruction and one seed a picture"
        if not pictures:
            return []

        def one(part: slice, report: OnStep | None) -> Tensor:
            (picture,), (words,), (seed,) = pictures[part], instructions[part], seeds[part]
            return self._edit(picture, words, without_weights(negative_prompt), seed, steps, guidance, report)

        return in_batches(one, len(pictures), 1, on_step, self.memory)

    def _edit(
        self,
        picture: Tensor,
        words: str,
        negative_prompt: str,
        seed: int,
        steps: int,
        guidance: float,
        on_step: OnStep | None,
    ) -> Tensor:
        """(3, H, W) -> (3, h, w), one call of the pipeline."""
        image = self._fitted(picture)

        def after_step(pipeline: Any, index: int, _timestep: Any, _tensors: dict[str, Tensor]) -> dict[str, Tensor]:
            if on_step is not None:
                on_step(index + 1, pipeline.num_timesteps)
            return {}

        with quiet_loading():
            images = self.pipeline(
                image=image,
                prompt=words,
                num_inference_steps=steps,
                generator=seeded([seed])[0],
                output_type="pt",
                callback_on_step_end=after_step,
                **self._size(image),
                **self._guidance(guidance, negative_prompt),
            ).images
        edited: Tensor = images[0].float().cpu() * 2 - 1
        if not edited.isfinite().all():
            raise ModelError(
                f"{self.name} returned numbers that are not finite, which would be a black picture. "
                "Half precision is the usual cause",
                Remedy(Setting("dtype", "float32", verb="pass"), " (or bfloat16)"),
            )
        return edited

    def _fitted(self, picture: Tensor) -> Image.Image:
        """A picture as the pipelines take it; where they choose no size of their own, of one that they know."""
        image = Image.fromarray(levels_of(picture))
        if not self.sized:
            return image
        size = fitted_size(Size(*image.size), self.stride)
        return image if Size(*image.size) == size else image.resize((size.width, size.height), Image.Resampling.LANCZOS)

    def _size(self, image: Image.Image) -> dict[str, Any]:
        """Arguments by which a pipeline gives back a picture of the size that it is given."""
        if "_auto_resize" not in self.takes:
            return {}
        width, height = image.size
        return {"width": width, "height": height, "_auto_resize": False, "max_area": width * height}

    def _guidance(self, guidance: float, negative_prompt: str) -> dict[str, Any]:
        """Arguments by which a pipeline is guided; see the class."""
        if "true_cfg_scale" in self.takes and not self.denoiser.config.get("guidance_embeds"):
            # Without any second text it does not guide.
            return {"true_cfg_scale": guidance} | ({"negative_prompt": negative_prompt or " "} if guidance > 1 else {})
        if negative_prompt and guidance > 1:
            note(f"{self.name} is not guided by a second text: the negative prompt is not read.")
        return {"guidance_scale": guidance}

    def _count(self, _network: Any, positional: tuple[Any, ...], named: dict[str, Any], _answer: Any) -> None:
        self.counter.evaluations += len(positional[0] if positional else named["hidden_states"])


def fitted_size(size: Size, stride: int) -> Size:
    """Nearly the same size, of multiples of the stride, that these models take: of no larger area than they know."""
    factor = max(min(1.0, OWN_SIDE / (size.width * size.height) ** 0.5), LEAST_SIDE / size.short)
    width, height = (max(int(side * factor + stride / 2) // stride, 1) * stride for side in (size.width, size.height))
    return Size(width, height)


def editor_beside(painter: PipelineInpainter) -> PipelineEditor | None:
    """What edits by instructions with the networks of an inpainting pipeline; None where they do not."""
    kind: Any = getattr(diffusers, BESIDE.get(type(painter.pipeline).__name__, ""), None)
    if kind is None:
        return None
    pipeline = over_its_parts(kind, painter.pipeline)
    return PipelineEditor(pipeline, name=painter.name, counter=painter.counter, memory=painter.memory)


def editor_of(painter: Any) -> InstructionEditor | None:
    """What edits by instructions, of a painter that was loaded; None where its checkpoint does not."""
    if isinstance(painter, PipelineInpainter):
        return editor_beside(painter)
    editor: InstructionEditor | None = getattr(painter, "editor", None)
    return editor
