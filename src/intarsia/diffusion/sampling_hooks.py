"""Hooks for `sample`: classifier-free guidance, blending with a known image, its self-attention, and progress."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from intarsia.diffusion.attention_control import Correspondence, SourceInjection
from intarsia.diffusion.ddim import Prediction, SamplingHook, Step, add_noise, blend, cfg
from intarsia.progress import OnProgress, Progress


@dataclass(frozen=True)
class ClassifierFreeGuidance(SamplingHook):
    """Guides by two predictions for each latent, the unconditional one first.

    The text of the denoiser has 2 B rows: B of the negative prompt, then B of the prompt.

    Attributes:
        scale: see `cfg`.
    """

    scale: float

    def extend_batch(self, batch: Tensor, step: Step) -> Tensor:
        return torch.cat([batch, batch])

    def after_prediction(self, prediction: Prediction, step: Step) -> Prediction:
        halves = [part.chunk(2) for part in prediction]
        return Prediction(*(cfg(unconditional, conditional, self.scale) for unconditional, conditional in halves))


@dataclass(frozen=True)
class BlendOutside(SamplingHook):
    """Keeps the latents of a known image outside of a region, as noisy as the step is.

    Attributes:
        clean: (1, C, h, w) latents of the image.
        noise: (B, C, h, w).
        region: (1, 1, h, w), 1 in cells that are sampled, 0 in those that are kept.

    Source: Avrahami et al. 2022, arXiv:2206.02779, sec. 4.1.
    """

    clean: Tensor
    noise: Tensor
    region: Tensor

    def after_step(self, latents: Tensor, step: Step) -> Tensor:
        return blend(latents, add_noise(self.clean, self.noise, step.next_alpha), self.region)


@dataclass(frozen=True, kw_only=True)
class InjectSource(SamplingHook):
    """Denoises a source image along with the latents, and gives their self-attention its keys and values.

    The text of the denoiser has a row of its own for the source, before all others.

    Attributes:
        unet: the denoising network.
        source: (1, C, h, w) clean latents of the source.
        noise: (1, C, h, w).
        steps: how many steps have the source's attention, from the first on.
        correspondence: see `SourceInjection`.
    """

    unet: Any
    source: Tensor
    noise: Tensor
    steps: int
    correspondence: Callable[[int, int], Correspondence]

    def extend_batch(self, batch: Tensor, step: Step) -> Tensor:
        return torch.cat([add_noise(self.source, self.noise, step.alpha), batch])

    def attached(self, step: Step) -> AbstractContextManager[object]:
        if step.index >= self.steps:
            return nullcontext()
        return self._injection.attached()

    @cached_property
    def _injection(self) -> SourceInjection:
        rows, columns = self.source.shape[-2:]
        return SourceInjection(self.unet, rows, columns, self.correspondence)

    def after_prediction(self, prediction: Prediction, step: Step) -> Prediction:
        return Prediction(*(part[1:] for part in prediction))


@dataclass(frozen=True)
class ReportProgress(SamplingHook):
    """Reports every step that is done.

    Attributes:
        stage: what is done, for the user.
        on_progress: may raise `Cancelled`.
    """

    stage: str
    on_progress: OnProgress | None

    def after_step(self, latents: Tensor, step: Step) -> Tensor:
        if self.on_progress is not None:
            self.on_progress(Progress(stage=self.stage, done=step.index + 1, total=step.count))
        return latents
