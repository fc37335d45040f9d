"""Painting in stages: what pauses and goes on is the picture of a single go, at the same cost, by any schedule."""

from __future__ import annotations

import copy
from typing import Any

import diffusers
import pytest
import torch
from diffusers import DDIMScheduler, DPMSolverMultistepScheduler
from torch import Tensor

from intarsia.backbones import load_backbones
from intarsia.backbones.denoising import begin, join, scale_embedding
from intarsia.backbones.protocols import InpaintingStage, PaintsInStages
from intarsia.backbones.sd_inpainting import StableDiffusionInpainter
from intarsia.errors import Cancelled, ModelError
from tests.backbones.network_checks import watch_decoded

PROMPTS = ["a cat", "a dog", "a house"]
SEEDS = [4, 5, 6]
STEPS = 7


def soft(masks: Tensor) -> Tensor:
    """Masks that fall from white to black from the left to the right."""
    return masks * torch.linspace(1.0, 0.0, masks.shape[-1])


def by(network: StableDiffusionInpainter, scheduler: str) -> StableDiffusionInpainter:
    """The same networks, stepping as a scheduler of diffusers does."""
    other = copy.copy(network)
    other.scheduler = getattr(diffusers, scheduler).from_config(network.scheduler.config)
    return other


def settings(rows: slice = slice(None), **more: Any) -> dict[str, Any]:
    return {"prompts": PROMPTS[rows], "seeds": SEEDS[rows], "steps": STEPS, "guidance": 3.0, **more}


def begun(network: Any, picture: Tensor, masks: Tensor, until: int, **more: Any) -> list[InpaintingStage]:
    assert isinstance(network, PaintsInStages)
    return network.begin_inpainting(picture, masks, until=until, **settings(slice(len(masks)), **more))


def pictures(stages: list[InpaintingStage]) -> Tensor:
    return torch.stack([s.picture for s in stages])


@pytest.fixture(params=["painter", "blender", "own", "euler", "noisy", "second order"])
def network(request: pytest.FixtureRequest) -> StableDiffusionInpainter:
    """9 channels and DDIM; 4 channels and DPM-Solver++; and the same by other schedulers, each with another memory."""
    kinds = {
        "own": lambda: loaded("blender").with_own_scheduler(),
        "euler": lambda: by(loaded("painter"), "EulerDiscreteScheduler"),
        "noisy": lambda: by(loaded("painter"), "EulerAncestralDiscreteScheduler"),
        "second order": lambda: by(loaded("painter"), "HeunDiscreteScheduler"),
    }

    def loaded(name: str) -> StableDiffusionInpainter:
        inpainter: StableDiffusionInpainter = request.getfixturevalue(name)
        return inpainter

    return kinds[request.param]() if request.param in kinds else loaded(request.param)


@pytest.mark.parametrize("guidance", [1.0, 3.0])
@pytest.mark.parametrize("greys", [False, True])
def test_in_stages_it_paints_the_picture_of_a_single_go(
    network: StableDiffusionInpainter, guidance: float, greys: bool, picture: Tensor, masks: Tensor
) -> None:
    masks = soft(masks) if greys else masks
    whole = network.inpaint(picture, masks, **settings(guidance=guidance))
    cost, network.counter.evaluations = network.counter.evaluations, 0
    stages = begun(network, picture, masks, 2, guidance=guidance)
    assert [(s.done, s.steps) for s in stages] == [(2, STEPS)] * 3
    stages = network.continue_inpainting(stages, until=3)
    done = network.continue_inpainting(stages, until=STEPS)
    assert torch.equal(pictures(done), whole)
    assert network.counter.evaluations == cost
    assert all(s.state is None and s.done == STEPS for s in done)


def test_one_of_a_batch_goes_on_alone(network: StableDiffusionInpainter, picture: Tensor, masks: Tensor) -> None:
    pasts = torch.cat([picture, picture.flip(3), -picture])
    whole = network.inpaint(pasts, soft(masks), **settings())
    stages = begun(network, pasts, soft(masks), 3)
    (last,) = network.continue_inpainting(stages[2:], until=STEPS)
    assert torch.allclose(last.picture, whole[2], atol=1e-5)
    # What was begun is not used up: it may go on again, in another order.
    again = network.continue_inpainting([stages[2], stages[0]], until=STEPS)
    assert torch.allclose(pictures(again), whole[[2, 0]], atol=1e-5)


def test_those_of_several_batches_go_on_together(
    painter: StableDiffusionInpainter, picture: Tensor, masks: Tensor
) -> None:
    whole = painter.inpaint(picture, masks, **settings())
    stages = [
        painter.begin_inpainting(picture, masks[k : k + 1], until=3, **settings(slice(k, k + 1)))[0] for k in range(3)
    ]
    assert torch.allclose(pictures(painter.continue_inpainting(stages, until=STEPS)), whole, atol=1e-5)
    painter.max_batch = 2
    assert torch.allclose(pictures(painter.continue_inpainting(stages, until=STEPS)), whole, atol=1e-5)


@pytest.mark.parametrize(("kind", "each"), [("painter", 1), ("blender", 1), ("painter", 2), ("blender", 2)])
def test_every_step_is_paid_once(
    kind: str, each: int, picture: Tensor, masks: Tensor, request: pytest.FixtureRequest
) -> None:
    network: StableDiffusionInpainter = request.getfixturevalue(kind)
    stages = begun(network, picture, masks, 2, guidance=1.0 if each == 1 else 3.0)
    assert network.counter.evaluations == 3 * 2 * each
    stages = network.continue_inpainting(stages[:2], until=5)
    assert network.counter.evaluations == (3 * 2 + 2 * 3) * each
    network.continue_inpainting(stages[:1], until=STEPS)
    assert network.counter.evaluations == (3 * 2 + 2 * 3 + STEPS - 5) * each


@pytest.mark.parametrize("guidance", [1.0, 3.0])
def test_what_is_judged_is_what_the_solver_holds_for_clean(
    guidance: float, blender: StableDiffusionInpainter, picture: Tensor
) -> None:
    assert isinstance(blender.scheduler, DPMSolverMultistepScheduler)
    mask = torch.ones(1, 1, *picture.shape[-2:])
    decoded = watch_decoded(blender)
    (stage,) = begun(blender, picture, mask, 3, guidance=guidance)
    assert torch.allclose(decoded[0], stage.state.scheduler.model_outputs[-1], atol=1e-4)


@pytest.mark.parametrize("kind", ["painter", "blender"])
def test_what_is_judged_keeps_what_the_mask_leaves(kind: str, picture: Tensor, request: pytest.FixtureRequest) -> None:
    network: StableDiffusionInpainter = request.getfixturevalue(kind)
    ramp = torch.linspace(-0.2, 1.8, picture.shape[-1]).clamp(0, 1).expand(1, 1, picture.shape[-2], -1).clone()
    decoded = watch_decoded(network)
    begun(network, picture, ramp, 3)
    original = network.parts.encode_image(picture)
    never = torch.nn.functional.interpolate(ramp, original.shape[-2:])[0, 0] < 1 / STEPS
    assert torch.equal(decoded[0][..., never], original[..., never])
    assert not torch.isclose(decoded[0][..., ~never], original[..., ~never]).all(1).any()


def test_the_last_prediction_of_ddim_is_its_picture(
    painter: StableDiffusionInpainter, picture: Tensor, masks: Tensor
) -> None:
    assert isinstance(painter.scheduler, DDIMScheduler) and painter.scheduler.config.clip_sample
    denoising = begin(
        painter.parts,
        painter.scheduler,
        picture,
        masks,
        PROMPTS,
        negative_prompt="",
        seeds=SEEDS,
        steps=4,
        guidance=3.0,
    )
    clean = denoising.run(painter.parts.unet, 4)
    assert torch.allclose(clean.clamp(-1, 1), denoising.latents, atol=1e-4)


def test_progress_counts_the_steps_of_each_call(
    painter: StableDiffusionInpainter, picture: Tensor, masks: Tensor
) -> None:
    painter.max_batch = 2
    seen: list[tuple[int, int]] = []
    stages = begun(painter, picture, masks, 2, on_step=lambda done, steps: seen.append((done, steps)))
    assert seen == [(done, 4) for done in range(1, 5)]
    seen.clear()
    painter.continue_inpainting(stages[1:], until=5, on_step=lambda done, steps: seen.append((done, steps)))
    assert seen == [(done, 3) for done in range(1, 4)]


def test_cancelling_leaves_what_was_begun_as_it_was(
    painter: StableDiffusionInpainter, picture: Tensor, masks: Tensor
) -> None:
    def stop(done: int, _steps: int) -> None:
        if done == 2:
            raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        begun(painter, picture, masks, 5, on_step=stop)
    stages = begun(painter, picture, masks, 3)
    painter.counter.evaluations = 0
    with pytest.raises(Cancelled):
        painter.continue_inpainting(stages, until=STEPS, on_step=stop)
    assert painter.counter.evaluations == 2 * 3 * 2
    whole = painter.inpaint(picture, masks, **settings())
    assert torch.equal(pictures(painter.continue_inpainting(stages, until=STEPS)), whole)


def test_going_on_too_is_halved_where_memory_is_short(
    painter: StableDiffusionInpainter, picture: Tensor, masks: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = painter.inpaint(picture, masks, **settings(guidance=1.0))
    stages = begun(painter, picture, masks, 3, guidance=1.0)
    forward, most = painter.pipeline.unet.forward, [1]

    def short(sample: Tensor, *rest: Any, **named: Any) -> Any:
        if len(sample) > most[0]:
            raise torch.OutOfMemoryError
        return forward(sample, *rest, **named)

    monkeypatch.setattr(painter.pipeline.unet, "forward", short)
    assert torch.allclose(pictures(painter.continue_inpainting(stages, until=STEPS)), whole, atol=1e-5)
    most[0] = 0
    with pytest.raises(ModelError, match="--vram low"):
        painter.continue_inpainting(stages, until=STEPS)


def test_candidates_at_other_steps_do_not_go_on_together(
    painter: StableDiffusionInpainter, picture: Tensor, masks: Tensor
) -> None:
    early, late = begun(painter, picture, masks[:1], 2), begun(painter, picture, masks[:1], 3)
    with pytest.raises(AssertionError):
        join([early[0].state, late[0].state])


@pytest.mark.parametrize("width", [32, 33])
def test_a_distilled_denoiser_is_told_of_the_guidance_as_diffusers_tells_it(
    width: int, painter: StableDiffusionInpainter
) -> None:
    expected = painter.pipeline.get_guidance_scale_embedding(torch.tensor([7.5 - 1]), width)
    assert torch.allclose(scale_embedding(7.5, width), expected, atol=1e-6)


def test_the_pocket_models_paint_in_stages_what_they_paint_in_a_single_go() -> None:
    network: Any = load_backbones("pocket").inpainter
    picture = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(2)) * 2 - 1
    masks = torch.zeros(2, 1, 64, 64)
    masks[0, :, 16:48, 12:56] = 1
    masks[1, :, 30:60, 4:30] = torch.linspace(0.1, 1, 26)
    for painter in (network, network.with_own_scheduler()):
        whole = painter.inpaint(picture, masks, **settings(slice(2), guidance=5.0))
        stages = begun(painter, picture, masks, 3, guidance=5.0)
        assert torch.equal(pictures(painter.continue_inpainting(stages, until=STEPS)), whole)
        (alone,) = painter.continue_inpainting(stages[1:], until=STEPS)
        assert torch.allclose(alone.picture, whole[1], atol=1e-5)
