"""DDIM inversion: the noise from which the denoiser paints the very picture, and the way there.

The way is a function of plain numbers and of a function that predicts, so that it can be walked with any
denoiser, or with a made-up one whose answer is known.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from intarsia.backbones.protocols import LatentDiffusion, Prediction
from intarsia.diffusion.ddim import ddim_step
from intarsia.layout.cache import Cache, key_of, to_values
from intarsia.progress import OnProgress, Progress

Predict = Callable[[Tensor, int], Prediction]
"""What a denoiser sees in (B, C, h, w) latents at a timestep."""


@dataclass(frozen=True, kw_only=True)
class Inversion:
    """A picture's latents at every timestep of a schedule.

    Attributes:
        timesteps: from noisy to clean; those without any signal are left out.
        latents: (S, C, h, w), one a timestep.
        clean: (1, C, h, w).
    """

    timesteps: tuple[int, ...]
    latents: Tensor
    clean: Tensor


def with_signal(timesteps: Sequence[int], alphas: Tensor) -> list[int]:
    """The timesteps of a schedule that hold any signal.

    At zero terminal signal-to-noise the first one holds none (Lin et al. 2023, arXiv:2305.08891): latents
    moved there are noise alone and lead back to any picture. Inversion ends, and sampling from inverted
    latents starts, at the one after it.
    """
    return [t for t in timesteps if float(alphas[t]) > 0]


def ddim_invert(
    predict: Predict,
    clean: Tensor,
    timesteps: Sequence[int],
    alphas: Tensor,
    on_step: Callable[[int], None] | None = None,
) -> Tensor:
    """From clean latents to noise: every deterministic step of sampling, backwards.

    Args:
        clean: (1, C, h, w).
        timesteps: from noisy to clean, all with signal.
        alphas: (T,) signal power of each timestep.
        on_step: told how many steps are done; may raise `Cancelled`.

    Returns:
        (S, C, h, w), the latents at each of the timesteps, in their order.

    Source: Song et al. 2021, arXiv:2010.02502, sec. 4.3.
    """
    latents, now, found = clean, 0, []
    for done, timestep in enumerate(reversed(timesteps), 1):
        seen = predict(latents, now)
        latents, now = ddim_step(seen.clean, seen.noise, alphas[timestep]), timestep
        found.append(latents)
        if on_step is not None:
            on_step(done)
    return torch.cat(found[::-1])


def ddim_sample(predict: Predict, latents: Tensor, timesteps: Sequence[int], alphas: Tensor) -> Tensor:
    """From noise to clean latents, deterministically.

    Args:
        latents: (B, C, h, w) at the first timestep.
        timesteps: from noisy to clean.

    Returns:
        (B, C, h, w), clean.
    """
    for timestep, following in zip(timesteps, [*timesteps[1:], None], strict=True):
        seen = predict(latents, timestep)
        latents = seen.clean if following is None else ddim_step(seen.clean, seen.noise, alphas[following])
    return latents


@torch.no_grad()
def invert(
    diffusion: LatentDiffusion,
    clean: Tensor,
    text: Tensor,
    steps: int,
    *,
    cache: Cache,
    known_by: str,
    on_progress: OnProgress | None = None,
) -> Inversion:
    """A picture's latents at every timestep, seen with its own prompt and without guidance.

    Args:
        clean: (1, C, h, w), the picture.
        text: (1, L, D), states of its prompt.
        steps: of the schedule.
        cache: asked first.
        known_by: a digest of the model, with all that is attached to it.
        on_progress: called after every step; may raise `Cancelled`.
    """
    timesteps = with_signal(diffusion.timesteps(steps), diffusion.alphas_cumprod)
    key = key_of("inversion", clean, text, tuple(timesteps), known_by)
    kept = cache.get(key)
    if kept is None:

        def tell(done: int) -> None:
            if on_progress is not None:
                on_progress(Progress(stage="inverting the picture", done=done, total=len(timesteps)))

        latents = ddim_invert(
            lambda noisy, t: diffusion.predict(noisy, t, text), clean, timesteps, diffusion.alphas_cumprod, tell
        )
        kept = to_values(latents=latents)
        cache.put(key, kept)
    return Inversion(timesteps=tuple(timesteps), latents=kept["latents"].to(clean), clean=clean)
