"""The arithmetic of diffusion: pure functions over latents, named after what the papers call them.

Throughout, noisy = sqrt(alpha) clean + sqrt(1 - alpha) noise, with alpha the cumulative signal power of a
timestep, in [0, 1].
"""

from __future__ import annotations

import torch
from torch import Tensor

from intarsia.errors import EmptyMaskError, Remedy, Setting


def add_noise(clean: Tensor, noise: Tensor, alpha: float | Tensor) -> Tensor:
    """Latents as noisy as a timestep of signal power `alpha`; a deterministic (DDIM) step moves there too.

    Given what a denoiser sees in latents of one timestep, this takes them to another, in either direction.

    Args:
        clean: (B, C, h, w).
        noise: (B, C, h, w) of unit deviation.
        alpha: one for all, or (B, 1, 1, 1).

    Source: Song et al. 2021, arXiv:2010.02502, eq. 12 with sigma = 0.
    """
    power = torch.as_tensor(alpha, dtype=clean.dtype, device=clean.device)
    return power.sqrt() * clean + (1 - power).sqrt() * noise


ddim_step = add_noise


def cfg(unconditional: Tensor, conditional: Tensor, scale: float) -> Tensor:
    """Classifier-free guidance: away from the unconditional answer, past the conditional one.

    It holds for noise and for clean latents alike, which depend on each other linearly.

    Args:
        scale: 1 gives the conditional answer.

    Source: Ho & Salimans 2022, arXiv:2207.12598, eq. 6 (their w is scale - 1).
    """
    return unconditional + scale * (conditional - unconditional)


def blend(ours: Tensor, theirs: Tensor, mask: Tensor) -> Tensor:
    """`ours` where the mask is 1, `theirs` where it is 0; the mask broadcasts."""
    return mask * ours + (1 - mask) * theirs


def masked_noise_loss(predicted: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Mean squared noise error inside the mask, per picture.

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
