"""The scale of losses in half precision: small gradients are kept, large ones bring it down."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from intarsia.diffusion.attention_maps import AttentionRecorder
from intarsia.diffusion.loss_scale import LossScale
from intarsia.layout.guidance import Goal, guided_step, layout_losses, refine
from tests import tiny

HALF = torch.float16


def losses_through_half(slope: float) -> Callable[[Tensor], Tensor]:
    """Losses whose gradient, `slope` at one latent and none at the other, passes through half precision."""

    def losses_of(latents: Tensor) -> Tensor:
        return slope * latents.half().float().flatten(1)[:, :1]

    return losses_of


def test_only_half_precision_has_one_and_it_is_a_power_of_two() -> None:
    assert LossScale.of(torch.float32).value == LossScale.of(torch.bfloat16).value == LossScale().value == 1
    assert math.log2(LossScale.of(HALF).value).is_integer() and LossScale.of(HALF).value > 1000


def test_small_gradients_that_half_precision_would_lose_are_kept() -> None:
    latents, small = torch.ones(1, 1, 2, 1), 1e-8
    lost, _ = guided_step(losses_through_half(small), latents, 1e6)
    kept, losses = guided_step(losses_through_half(small), latents, 1e6, scale=LossScale.of(HALF))
    assert torch.equal(lost, latents)
    # mean + max of a single loss: twice its slope
    assert (latents - kept).flatten().tolist() == pytest.approx([2e-2, 0], rel=2e-3)
    assert float(losses) == pytest.approx(small)


def test_large_gradients_halve_it_until_they_are_finite_and_no_step_is_lost() -> None:
    latents, scale = torch.ones(1, 1, 2, 1), LossScale.of(HALF)
    moved, _ = guided_step(losses_through_half(300.0), latents, 1e-3, scale=scale)
    assert (latents - moved).flatten().tolist() == pytest.approx([0.6, 0])
    assert 1 < scale.value <= 65504 / 600 and math.log2(scale.value).is_integer()
    settled = scale.value
    guided_step(losses_through_half(1e-6), latents, 1e-3, scale=scale)
    assert scale.value == settled


def test_the_scale_rounds_nothing() -> None:
    latents = torch.randn((2, 1, 4, 4), generator=torch.Generator().manual_seed(0))

    def losses_of(latents: Tensor) -> Tensor:
        return latents.square().flatten(1)[:, :3]

    plain, _ = guided_step(losses_of, latents, 0.1)
    scaled, _ = guided_step(losses_of, latents, 0.1, scale=LossScale.of(HALF))
    assert torch.equal(plain, scaled)
    assert torch.equal(
        refine(losses_of, latents, 0.1, enough=0.1, most=5),
        refine(losses_of, latents, 0.1, enough=0.1, most=5, scale=LossScale.of(HALF)),
    )


def test_a_loss_that_is_not_finite_is_not_tried_again_and_again() -> None:
    asked: list[int] = []

    def broken(latents: Tensor) -> Tensor:
        asked.append(1)
        return latents.flatten(1)[:, :1] * float("nan")

    scale = LossScale.of(HALF)
    moved, _ = guided_step(broken, torch.ones(1, 1, 2, 1), 0.1, scale=scale)
    assert len(asked) == 1 and scale.value == LossScale.of(HALF).value
    assert not moved.isfinite().all()


def test_guidance_in_half_precision_points_where_that_of_full_precision_does() -> None:
    """On a network whose gradients are as small as those of Stable Diffusion: most vanish without the scale."""
    torch.manual_seed(2)
    unet = tiny.denoiser(4).eval().requires_grad_(False)
    text, latents = torch.randn(1, 5, tiny.WIDTH), torch.randn(1, 4, 8, 8)
    targets = torch.zeros(2, 4, 4)  # its maps are half as wide as its latents
    targets[0, :2], targets[1, 3:] = 1, 1
    goal = Goal(targets, torch.zeros(1, 4, 4))
    small = 1e-6

    def losses_of(latents: Tensor) -> Tensor:
        recorder, network = AttentionRecorder(), unet
        seen, words = latents.to(unet.dtype), text.to(unet.dtype)
        maps = recorder.mean_of(network, lambda: network(seen, 500, encoder_hidden_states=words))
        return small * layout_losses(maps[..., [1, 3]], goal)

    def direction(scale: LossScale | None) -> Tensor:
        moved, _ = guided_step(losses_of, latents, 1e6, scale=scale)
        return (moved - latents).flatten()

    wanted = direction(None)
    unet.to(HALF)
    without, scaled = direction(None), direction(LossScale.of(HALF))
    assert float(torch.cosine_similarity(scaled, wanted, dim=0)) > 0.99
    assert float((scaled - wanted).norm()) < 0.2 * float((without - wanted).norm())
