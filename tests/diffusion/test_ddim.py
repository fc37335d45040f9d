"""The arithmetic of diffusion: parity with diffusers' scheduler, identities, and what a mask leaves out."""

from __future__ import annotations

import pytest
import torch
from diffusers import DDIMScheduler
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from intarsia.diffusion.ddim import Prediction, add_noise, blend, cfg, ddim_step, masked_noise_loss
from intarsia.errors import EmptyMaskError


def latents(seed: int, count: int = 2) -> Tensor:
    return torch.randn(count, 4, 6, 5, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("timestep", [20, 480, 980])
def test_a_move_is_a_step_of_diffusers_scheduler(timestep: int) -> None:
    scheduler = DDIMScheduler(beta_schedule="scaled_linear", clip_sample=False, set_alpha_to_one=False)
    scheduler.set_timesteps(50)
    noisy, noise = latents(0), latents(1)
    alphas = scheduler.alphas_cumprod
    clean = (noisy - (1 - alphas[timestep]).sqrt() * noise) / alphas[timestep].sqrt()
    wanted = scheduler.step(noise, timestep, noisy).prev_sample
    assert torch.allclose(ddim_step(Prediction(clean, noise), alphas[timestep - 20]), wanted, atol=1e-4)


@given(st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_moving_there_and_back_is_identity(here: float, there: float) -> None:
    """What is seen in latents does not depend on how noisy they are, so any way leads back."""
    clean, noise = latents(0).double(), latents(1).double()
    start = add_noise(clean, noise, here)
    moved = ddim_step(Prediction(clean, noise), there)
    assert torch.allclose(ddim_step(Prediction(clean, noise), here), start)
    assert torch.allclose(moved.square().mean(), (there**0.5 * clean + (1 - there) ** 0.5 * noise).square().mean())


def test_the_ends_are_the_picture_and_the_noise() -> None:
    clean, noise = latents(0), latents(1)
    assert torch.equal(add_noise(clean, noise, 1.0), clean)
    assert torch.equal(add_noise(clean, noise, 0.0), noise)


def test_each_picture_may_have_its_own_timestep() -> None:
    clean, noise = latents(0), latents(1)
    alpha = torch.tensor([0.3, 0.8]).reshape(2, 1, 1, 1)
    both = add_noise(clean, noise, alpha)
    assert torch.allclose(both[1], add_noise(clean[1:], noise[1:], 0.8)[0])
    assert torch.allclose(both[0], add_noise(clean[:1], noise[:1], 0.3)[0])


def test_guidance_of_one_is_the_conditional_answer_and_more_goes_past_it() -> None:
    free, told = latents(0), latents(1)
    assert torch.allclose(cfg(free, told, 1.0), told, atol=1e-6)
    assert torch.equal(cfg(free, told, 0.0), free)
    assert torch.allclose(cfg(free, told, 3.0) - told, 2 * (told - free), atol=1e-5)


def test_a_blend_keeps_each_side_exactly() -> None:
    ours, theirs = latents(0), latents(1)
    mask = torch.zeros(1, 1, 6, 5)
    mask[..., :3, :] = 1
    mixed = blend(ours, theirs, mask)
    assert torch.equal(mixed[:, :, :3], ours[:, :, :3]) and torch.equal(mixed[:, :, 3:], theirs[:, :, 3:])


def test_the_masked_loss_ignores_every_other_pixel() -> None:
    predicted, target = latents(0), latents(1)
    mask = torch.zeros(2, 1, 6, 5)
    mask[:, :, 1:3, 2:4] = 1
    loss = masked_noise_loss(predicted, target, mask)
    elsewhere = predicted + 100 * torch.randn(predicted.shape) * (1 - mask)
    assert torch.equal(masked_noise_loss(elsewhere, target, mask), loss)
    assert torch.allclose(loss, (predicted - target)[:, :, 1:3, 2:4].square().mean((1, 2, 3)))


def test_the_masked_loss_sends_no_gradient_elsewhere() -> None:
    predicted = latents(0).requires_grad_(True)
    mask = torch.zeros(2, 1, 6, 5)
    mask[:, :, 0, 0] = 0.5
    masked_noise_loss(predicted, latents(1), mask).sum().backward()
    assert predicted.grad is not None
    assert bool((predicted.grad[:, :, 0, 0] != 0).all())
    assert float((predicted.grad * (mask == 0)).abs().max()) == 0


def test_a_small_object_weighs_as_much_as_a_large_one() -> None:
    target = torch.zeros(2, 4, 6, 5)
    mask = torch.zeros(2, 1, 6, 5)
    mask[0, :, 0, 0] = 1
    mask[1] = 1
    assert torch.allclose(masked_noise_loss(torch.full_like(target, 2.0), target, mask), torch.tensor([4.0, 4.0]))
    assert masked_noise_loss(target, target, mask).tolist() == [0.0, 0.0]


def test_an_object_without_a_cell_is_an_error() -> None:
    mask = torch.ones(2, 1, 6, 5)
    mask[1] = 0
    with pytest.raises(EmptyMaskError, match="covers no latent cell"):
        masked_noise_loss(latents(0), latents(1), mask)
