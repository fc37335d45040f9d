"""Deterministic diffusion: noising, the DDIM step, and the one loop that samples and inverts.

Throughout, noisy = sqrt(alpha) clean + sqrt(1 - alpha) noise, with alpha the cumulative signal power of a
timestep, in [0, 1]. Everything is differentiable and knows of no particular model: a `Denoiser` predicts,
and what a method adds to sampling is a `SamplingHook`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from intarsia.errors import EmptyMaskError, Remedy, Setting


class Prediction(NamedTuple):
    """A denoiser's estimate of what noisy latents are made of: noisy = sqrt(alpha) clean + sqrt(1 - alpha) noise.

    Both parts, because at zero terminal signal-to-noise (alpha = 0) the one cannot be computed from the other.

    Attributes:
        clean: (B, C, h, w) latents of the image.
        noise: (B, C, h, w) of unit deviation.
    """

    clean: Tensor
    noise: Tensor


class Denoiser(Protocol):
    """A denoiser whose condition, e.g. its text, is settled.

    Attributes:
        alphas_cumprod: (T,) signal power of each timestep.
    """

    @property
    def alphas_cumprod(self) -> Tensor: ...

    def predict(self, noisy: Tensor, timestep: int, /) -> Prediction:
        """Clean latents and noise of (B, C, h, w) latents at one timestep."""
        ...


class TextDenoiser(Protocol):
    """A denoiser that is conditioned on text."""

    @property
    def alphas_cumprod(self) -> Tensor: ...

    def predict(self, noisy: Tensor, timestep: int, text: Tensor, /) -> Prediction: ...


@dataclass(frozen=True)
class Conditioned:
    """A text-conditioned denoiser together with its text.

    Attributes:
        text: (B, L, D) states of the text encoder, one for each row of the batch that hooks make.
    """

    denoiser: TextDenoiser
    text: Tensor

    @property
    def alphas_cumprod(self) -> Tensor:
        return self.denoiser.alphas_cumprod

    def predict(self, noisy: Tensor, timestep: int, /) -> Prediction:
        return self.denoiser.predict(noisy, timestep, self.text)


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step of sampling or of inversion.

    Attributes:
        index: from 0.
        count: steps of the whole run.
        timestep: at which the denoiser predicts.
        alpha: signal power of the latents before the step.
        next_alpha: and after it; 1 where they are clean.
    """

    index: int
    count: int
    timestep: int
    alpha: float | Tensor
    next_alpha: float | Tensor


class SamplingHook:
    """What a method adds to sampling; a method that is not overridden changes nothing.

    In each step the methods run in the order below, of several hooks in the order of the list. Only
    `after_prediction` runs in reverse, so that the hook that extended the batch last reduces it first.
    """

    def before_step(self, latents: Tensor, step: Step) -> Tensor:
        """Change the latents before the denoiser is given them."""
        return latents

    def extend_batch(self, batch: Tensor, step: Step) -> Tensor:
        """Add rows to the batch that the denoiser is given, e.g. for the unconditional prediction."""
        return batch

    def attached(self, step: Step) -> AbstractContextManager[object]:
        """Attach to the network, e.g. to its attention, while it predicts."""
        return nullcontext()

    def after_prediction(self, prediction: Prediction, step: Step) -> Prediction:
        """Reduce the prediction of an extended batch to that of the latents, e.g. by guidance."""
        return prediction

    def after_step(self, latents: Tensor, step: Step) -> Tensor:
        """Change the latents after the step, or report it."""
        return latents


def sample(model: Denoiser, latents: Tensor, timesteps: Sequence[int], hooks: Sequence[SamplingHook] = ()) -> Tensor:
    """From noisy latents to clean ones, step by deterministic step.

    Args:
        latents: (B, C, h, w) at the first of the timesteps.
        timesteps: from noisy to clean.

    Returns:
        (B, C, h, w), clean.

    Source: Song et al. 2021, arXiv:2010.02502, sec. 4.1.
    """
    alphas = [model.alphas_cumprod[t] for t in timesteps]
    return _run(model, latents, _steps(timesteps, alphas, [*alphas[1:], 1.0]), hooks)


def ddim_invert(model: Denoiser, clean: Tensor, timesteps: Sequence[int], hooks: Sequence[SamplingHook] = ()) -> Tensor:
    """From clean latents to noise: every step of `sample`, backwards.

    Args:
        clean: (1, C, h, w).
        timesteps: from noisy to clean, all with signal; see `with_signal`.

    Returns:
        (S, C, h, w), the latents at each of the timesteps, in their order.

    Source: Song et al. 2021, arXiv:2010.02502, sec. 4.3.
    """
    ascending = list(reversed(timesteps))
    alphas = [model.alphas_cumprod[t] for t in ascending]
    trajectory = Trajectory()
    # The denoiser predicts at the timestep that the latents are at: clean ones count as timestep 0.
    _run(model, clean, _steps([0, *ascending[:-1]], [1.0, *alphas[:-1]], alphas), [*hooks, trajectory])
    return torch.cat(trajectory.latents[::-1])


def _run(model: Denoiser, latents: Tensor, steps: Iterator[Step], hooks: Sequence[SamplingHook]) -> Tensor:
    for step in steps:
        for hook in hooks:
            latents = hook.before_step(latents, step)
        batch = latents
        for hook in hooks:
            batch = hook.extend_batch(batch, step)
        with ExitStack() as attached:
            for hook in hooks:
                attached.enter_context(hook.attached(step))
            prediction = model.predict(batch, step.timestep)
        for hook in reversed(hooks):
            prediction = hook.after_prediction(prediction, step)
        latents = ddim_step(prediction, step.next_alpha)
        for hook in hooks:
            latents = hook.after_step(latents, step)
    return latents


def _steps(
    timesteps: Sequence[int], alphas: Sequence[float | Tensor], next_alphas: Sequence[float | Tensor]
) -> Iterator[Step]:
    for index, (timestep, alpha, next_alpha) in enumerate(zip(timesteps, alphas, next_alphas, strict=True)):
        yield Step(index=index, count=len(timesteps), timestep=timestep, alpha=alpha, next_alpha=next_alpha)


class Trajectory(SamplingHook):
    """Keeps the latents after every step, (B, C, h, w) each."""

    def __init__(self) -> None:
        self.latents: list[Tensor] = []

    def after_step(self, latents: Tensor, step: Step) -> Tensor:
        self.latents.append(latents)
        return latents


def with_signal(timesteps: Sequence[int], alphas: Tensor) -> list[int]:
    """The timesteps of a schedule that hold any signal.

    At zero terminal signal-to-noise the first one holds none (Lin et al. 2023, arXiv:2305.08891): latents
    moved there are noise alone and lead back to any image. Inversion ends, and sampling from inverted
    latents starts, at the one after it.
    """
    return [t for t in timesteps if float(alphas[t]) > 0]


def last_timesteps(timesteps: Sequence[int], strength: float) -> list[int]:
    """The last part of a schedule, of `strength` in [0, 1] of its steps, at least one."""
    return list(timesteps[len(timesteps) - max(1, round(strength * len(timesteps))) :])


def draw_noise(shape: Sequence[int], seeds: Sequence[int]) -> Tensor:
    """(B, C, h, w) noise on the CPU, one drawing a seed: the same on every device and in every batch.

    Args:
        shape: (1, C, h, w) or (C, h, w).
    """
    one = (1, *shape[-3:])
    return torch.cat([torch.randn(one, generator=torch.Generator("cpu").manual_seed(seed)) for seed in seeds])


def add_noise(clean: Tensor, noise: Tensor, alpha: float | Tensor) -> Tensor:
    """Latents as noisy as a timestep of signal power `alpha`: the forward process.

    Args:
        clean: (B, C, h, w).
        noise: (B, C, h, w) of unit deviation.
        alpha: one for all, or (B, 1, 1, 1).

    Source: Ho et al. 2020, arXiv:2006.11239, eq. 4.
    """
    power = _like(alpha, clean)
    return power.sqrt() * clean + (1 - power).sqrt() * noise


def ddim_step(prediction: Prediction, next_alpha: float | Tensor) -> Tensor:
    """One deterministic step to a timestep of signal power `next_alpha`, in either direction.

    The noisy latents themselves do not enter: the prediction holds both of their parts.

    Args:
        prediction: for latents of any timestep.
        next_alpha: one for all, or (B, 1, 1, 1).

    Returns:
        (B, C, h, w).

    Source: Song et al. 2021, arXiv:2010.02502, eq. 12 with sigma = 0.
    """
    power = _like(next_alpha, prediction.clean)
    return power.sqrt() * prediction.clean + (1 - power).sqrt() * prediction.noise


def _like(alpha: float | Tensor, latents: Tensor) -> Tensor:
    power = torch.as_tensor(alpha, dtype=latents.dtype)
    return power.to(latents.device) if power.dim() else power.cpu()  # a single number need not be where the latents are


def cfg(unconditional: Tensor, conditional: Tensor, scale: float) -> Tensor:
    """Classifier-free guidance: away from the unconditional prediction, past the conditional one.

    It holds for noise and for clean latents alike, which depend on each other linearly.

    Args:
        scale: 1 gives the conditional prediction.

    Source: Ho & Salimans 2022, arXiv:2207.12598, eq. 6 (their w is scale - 1).
    """
    return unconditional + scale * (conditional - unconditional)


def blend(ours: Tensor, theirs: Tensor, mask: Tensor) -> Tensor:
    """A linear mix: `ours` where the mask is 1, `theirs` where it is 0; the mask broadcasts."""
    return mask * ours + (1 - mask) * theirs


def masked_noise_loss(predicted: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Mean squared noise error inside the mask, per image.

    A concept's token pays for its own pixels only; averaging over the mask's area lets a small object
    weigh as much as a large one.

    Args:
        predicted: (B, C, h, w) noise from the denoiser.
        target: (B, C, h, w) noise that was added.
        mask: (B, 1, h, w) coverage in [0, 1], in latent cells.

    Returns:
        (B,) loss, unitless.

    Raises:
        EmptyMaskError: an object covers no latent cell.

    Source: masked textual inversion, Zhang et al. 2023, arXiv:2306.13078, sec. 3.
    """
    area = mask.flatten(1).sum(1)
    if bool((area <= 0).any()):
        raise EmptyMaskError(
            "An object covers no latent cell",
            Remedy("give it a larger mask"),
            Remedy("work at a larger ", Setting("size")),
        )
    error = (predicted - target).square().mean(1, keepdim=True) * mask
    return error.flatten(1).sum(1) / area
