"""The losses of Learnable Regions, on pictures in one value range and with a gradient that exists."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def guidance_loss(edited: Tensor, prompt: Tensor) -> Tensor:
    """CLIP guidance: 1 - cos(edited, prompt).

    Args:
        edited: (B, E) image embeddings of the edited pictures.
        prompt: (E,) text embedding.

    Returns:
        (B,) in [0, 2]. Source: arXiv:2311.16432, eq. 3.
    """
    return 1 - F.cosine_similarity(edited, prompt[None], dim=-1)


def direction_loss(edited: Tensor, original: Tensor, prompt: Tensor, source: Tensor) -> Tensor:
    """Directional CLIP loss: the picture should change as the words do.

    An unchanged picture has no direction and pays the loss of a right angle, 1.

    Args:
        edited: (B, E) embeddings of the edited pictures; original: (E,) of the original.
        prompt, source: (E,) text embeddings.

    Returns:
        (B,) in [0, 2]. Source: arXiv:2311.16432, eq. 4.
    """
    return 1 - F.cosine_similarity(edited - original[None], (prompt - source)[None], dim=-1, eps=1e-6)


def structure_loss(edited: Tensor, original: Tensor) -> Tensor:
    """Distance of the pictures' self-similarities.

    Args:
        edited: (B, N, D) visual tokens; original: (N, D).

    Returns:
        (B,), root mean square over the N x N similarities, 0 for equal pictures, at most 2.
        Source: arXiv:2311.16432, eq. 5 (a mean, so that N does not matter).
    """
    gap = self_similarity(edited) - self_similarity(original)[None]
    return gap.square().mean((-1, -2)).add(1e-12).sqrt() - 1e-6


def published_structure_loss(edited: Tensor, original: Tensor) -> Tensor:
    """Squared distance of the pictures' self-similarities, as published.

    Args:
        edited: (B, N, D) visual tokens; original: (N, D).

    Returns:
        (B,), mean square over the N x N similarities, 0 for equal pictures, at most 4.
        Source: arXiv:2311.16432, eq. 5.
    """
    return (self_similarity(edited) - self_similarity(original)[None]).square().mean((-1, -2))


def self_similarity(tokens: Tensor) -> Tensor:
    """(..., N, D) -> (..., N, N) cosines of the tokens with each other."""
    unit = F.normalize(tokens, dim=-1)
    return unit @ unit.transpose(-1, -2)


def expected_loss(logits: Tensor, losses: Tensor, evaluated: Tensor) -> Tensor:
    """Expected loss of choosing a box at random with softmax(logits); its gradient is exact.

    For p = softmax(logits), dE/dlogits_j = p_j (l_j - sum_k p_k l_k). Boxes that were not evaluated
    are left out of the choice.

    Args:
        logits: (N, M) one row an anchor, or (M,).
        losses: same shape; values where `evaluated` is False are ignored.
        evaluated: same shape, bool; at least one a row.

    Returns:
        () mean over rows.
    """
    chances = logits.masked_fill(~evaluated, -torch.inf).softmax(-1)
    return (chances * losses.masked_fill(~evaluated, 0)).sum(-1).mean()


def sampled_loss(logits: Tensor, choices: Tensor, losses: Tensor) -> Tensor:
    """A surrogate whose gradient is the score-function estimate with a leave-one-out baseline (RLOO).

    Args:
        logits: (K, M) one row an anchor.
        choices: (K,) the box drawn for each anchor.
        losses: (K,) its loss.

    Returns:
        () whose gradient with respect to the logits is unbiased up to the baseline's independence.
        Source: Kool et al. 2019, "Buy 4 REINFORCE samples, get a baseline for free".
    """
    count = len(losses)
    others = (losses.sum() - losses) / max(1, count - 1)
    advantage = (losses - others if count > 1 else losses).detach()
    chosen = logits.log_softmax(-1).gather(-1, choices[:, None])[:, 0]
    return (advantage * chosen).mean()
