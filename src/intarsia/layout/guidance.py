"""Layout guidance: latents are pushed until each object's token attends to the object's target."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from intarsia.diffusion.loss_scale import LossScale

SMALL = 1e-8


class Goal(NamedTuple):
    """Where the tokens should attend.

    Attributes:
        targets: (N, rows, columns) coverage of each object's target in [0, 1].
        vacated: (1, rows, columns) coverage of the region that objects vacated, where no token should attend.
    """

    targets: Tensor
    vacated: Tensor


def published_losses(attention: Tensor, goal: Goal) -> Tensor:
    """The share of each token's attention that lies outside its target.

    Args:
        attention: (B, rows, columns, N), of the objects' tokens.

    Returns:
        (B, N) in [0, 1].

    Source: Zhang et al. 2023, arXiv:2306.13078, eq. 6.
    """
    inside = torch.einsum("brcn,nrc->bn", attention, goal.targets)
    return 1 - inside / (attention.sum((1, 2)) + SMALL)


def layout_losses(attention: Tensor, goal: Goal) -> Tensor:
    """The share of each token's attention outside its target, and of all tokens' in the vacated region.

    Attention is averaged inside and outside rather than added up: else a small object's share would be small
    wherever its token attends, and its gradient with it.

    Args:
        attention: (B, rows, columns, N), of the objects' tokens.

    Returns:
        (B, N + 1) in [0, 1], the last the background term: attention to the vacated region, against
        attention to the targets. It is 0 where nothing was vacated.
    """

    def mean_over(where: Tensor) -> Tensor:
        return torch.einsum("brcn,nrc->bn", attention, where) / (where.sum((1, 2)) + SMALL)

    inside, outside = mean_over(goal.targets), mean_over(1 - goal.targets)
    losses = outside / (inside + outside + SMALL)
    vacated = mean_over(goal.vacated.expand_as(goal.targets)).mean(1)
    background = vacated / (vacated + inside.mean(1) + SMALL)
    return torch.cat([losses, background[:, None]], 1)


def total(losses: Tensor) -> Tensor:
    """(B, N) -> (B,): mean + max, so that no object is given up for the others (arXiv:2306.13078, eq. 7)."""
    return losses.mean(1) + losses.amax(1)


def guidance_decay(step: int, steps: int) -> float:
    """Factor of the guidance scale: from 1 at the first step down to sqrt(1/2) at the last."""
    return math.sqrt(1 - 0.5 * step / max(steps - 1, 1))


def guided_step(
    losses_of: Callable[[Tensor], Tensor],
    latents: Tensor,
    size: float,
    *,
    enough: float = 0.0,
    where: Tensor | None = None,
    scale: LossScale | None = None,
) -> tuple[Tensor, Tensor]:
    """One step down the gradient of the layout loss.

    Objects whose loss is low enough no longer pull, so that they do not spoil what they have for the
    sake of the others; without them the step is z - size * d(mean + max)/dz.

    Args:
        losses_of: latents -> (B, N) losses, differentiable.
        latents: (B, C, h, w).
        size: of the step.
        enough: the loss below which an object no longer pulls.
        where: (1, 1, h, w) cells that may move, in [0, 1]; all when None.
        scale: of the loss, for the gradient; where it overflows, it is halved and the gradient taken again.

    Returns:
        The moved latents; (B, N) losses before.
    """
    scale = scale or LossScale()
    while True:
        with torch.enable_grad():
            moving = latents.detach().requires_grad_(True)
            losses = losses_of(moving)
            pulling = torch.where(losses > enough, losses, losses.detach())
            factor = scale.value
            (gradient,) = torch.autograd.grad(total(pulling).sum() * factor, moving)
        if scale.fits(gradient, losses):
            break
    gradient = gradient / factor
    if where is not None:
        gradient = gradient * where
    return latents.detach() - size * gradient, losses.detach()


def refine(
    losses_of: Callable[[Tensor], Tensor],
    latents: Tensor,
    size: float,
    *,
    enough: float,
    most: int,
    together: bool = False,
    where: Tensor | None = None,
    scale: LossScale | None = None,
    on_step: Callable[[], None] | None = None,
) -> Tensor:
    """Guided steps until every object's loss is low enough, or `most` were taken.

    Args:
        together: as published: until mean + max of the losses is low enough, and all objects pull to the end.
        scale: as for `guided_step`.
        on_step: called after each; may raise `Cancelled`.
    """
    for _ in range(most):
        moved, losses = guided_step(
            losses_of, latents, size, enough=0.0 if together else enough, where=where, scale=scale
        )
        unfinished = total(losses) > enough if together else (losses > enough).any(1)
        if not bool(unfinished.any()):
            break
        # Of a batch of seeds, those that are finished stay where they are.
        latents = torch.where(unfinished[:, None, None, None], moved, latents)
        if on_step is not None:
            on_step()
    return latents
