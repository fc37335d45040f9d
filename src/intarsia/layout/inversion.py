"""Inversion of an image: its latents at every timestep of a schedule, kept in a cache."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from intarsia.backbones.protocols import LatentDiffusion
from intarsia.diffusion.ddim import Conditioned, ddim_invert, with_signal
from intarsia.diffusion.sampling_hooks import ReportProgress
from intarsia.layout.cache import Cache, key_of, to_values
from intarsia.progress import OnProgress


@dataclass(frozen=True, kw_only=True)
class Inversion:
    """An image's latents at every timestep of a schedule.

    Attributes:
        timesteps: from noisy to clean; those without any signal are left out.
        latents: (S, C, h, w), one a timestep.
        clean: (1, C, h, w).
    """

    timesteps: tuple[int, ...]
    latents: Tensor
    clean: Tensor


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
    """Invert an image with its own prompt and without guidance.

    Args:
        clean: (1, C, h, w), the image.
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
        report = ReportProgress("inverting the picture", on_progress)
        with torch.no_grad():
            latents = ddim_invert(Conditioned(diffusion, text), clean, timesteps, [report])
        kept = to_values(latents=latents)
        cache.put(key, kept)
    return Inversion(timesteps=tuple(timesteps), latents=kept["latents"].to(clean), clean=clean)
