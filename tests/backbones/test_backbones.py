"""The painting network and its helpers, on tiny random checkpoints of the real classes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from diffusers import DDIMScheduler, DPMSolverMultistepScheduler, PNDMScheduler, StableDiffusionInpaintPipeline
from torch import Tensor
from transformers import CLIPModel, ViTModel

from intarsia.backbones.network_files import load_network
from intarsia.backbones.protocols import Backbones
from intarsia.backbones.sd_inpainting import StableDiffusionInpainter, load_inpainter, load_scheduler
from intarsia.backbones.stable_diffusion import StableDiffusion
from intarsia.errors import Cancelled, ModelError
from tests import tiny
from tests.backbones.network_checks import HEIGHT, WIDTH, watch_decoded

PROMPTS = ["a cat", "a dog", "a dog"]


def test_the_result_is_that_of_the_pipeline_called_directly(
    painter: StableDiffusionInpainter, picture: Tensor, masks: Tensor, tiny_models: Path
) -> None:
    ours = painter.inpaint(picture, masks, PROMPTS, negative_prompt="bad", seeds=[4, 5, 6], steps=3, guidance=5.0)

    source = painter.pipeline
    direct = StableDiffusionInpaintPipeline(
        vae=source.vae,
        text_encoder=source.text_encoder,
        tokenizer=source.tokenizer,
        unet=source.unet,
        scheduler=DDIMScheduler.from_pretrained(tiny_models / "scheduler"),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    direct.set_progress_bar_config(disable=True)
    shape = (1, 4, HEIGHT // 4, WIDTH // 4)
    noise = torch.cat([torch.randn(shape, generator=torch.Generator().manual_seed(seed)) for seed in (4, 5, 6)])
    with torch.no_grad():
        hidden = source.vae.encode(picture * (masks < 0.5)).latent_dist.mode() * source.vae.config.scaling_factor
    theirs = direct(
        prompt=PROMPTS,
        negative_prompt=["bad"] * 3,
        image=(picture.expand(3, -1, -1, -1) + 1) / 2,
        mask_image=masks,
        masked_image_latents=hidden,
        height=HEIGHT,
        width=WIDTH,
        num_inference_steps=3,
        guidance_scale=5.0,
        latents=noise,
        output_type="pt",
    ).images
    assert torch.allclose(ours, theirs * 2 - 1, atol=1e-4)
    assert ours.dtype == torch.float32 and ours.shape == (3, 3, HEIGHT, WIDTH)
    assert ours.abs().max() <= 1 and ours.std() > 0


@pytest.mark.parametrize("kind", ["painter", "blender"])
def test_a_candidate_does_not_depend_on_the_batch_around_it(
    kind: str, picture: Tensor, masks: Tensor, request: pytest.FixtureRequest
) -> None:
    network: StableDiffusionInpainter = request.getfixturevalue(kind)

    def paint(rows: list[int], most: int | None = None) -> Tensor:
        network.max_batch = most
        prompts, seeds = [PROMPTS[r] for r in rows], [[7, 8, 7][r] for r in rows]
        return network.inpaint(picture, masks[rows], prompts, seeds=seeds, steps=4, guidance=3.0)

    together = paint([0, 1, 2])
    assert torch.allclose(paint([2, 0]), together[[2, 0]], atol=1e-4)
    assert torch.allclose(paint([1]), together[[1]], atol=1e-4)
    assert torch.allclose(paint([0, 1, 2], most=2), together, atol=1e-4)
    assert not torch.allclose(together[1], together[2], atol=1e-3)


@pytest.mark.parametrize("kind", ["painter", "blender"])
@pytest.mark.parametrize("most", [None, 2])
def test_each_mask_may_have_its_own_picture(
    kind: str, most: int | None, picture: Tensor, masks: Tensor, request: pytest.FixtureRequest
) -> None:
    network: StableDiffusionInpainter = request.getfixturevalue(kind)
    network.max_batch = most
    pictures = torch.cat([picture, picture.flip(3), -picture])
    seeds = [7, 8, 7]

    def paint(shown: Tensor, rows: slice = slice(None)) -> Tensor:
        return network.inpaint(shown, masks[rows], PROMPTS[rows], seeds=seeds[rows], steps=4, guidance=3.0)

    together = paint(pictures)
    for row in range(3):
        alone = paint(pictures[row : row + 1], slice(row, row + 1))
        assert torch.allclose(together[row : row + 1], alone, atol=1e-4)
        assert not torch.allclose(together[row], paint(pictures[row - 1 : row or None])[row], atol=1e-3)
    assert torch.equal(paint(picture.expand(3, -1, -1, -1)), paint(picture))
    with pytest.raises(AssertionError, match="2 pictures for 3 masks"):
        paint(pictures[:2])


def test_equal_seeds_give_equal_noise(painter: StableDiffusionInpainter, picture: Tensor, masks: Tensor) -> None:
    same = masks[[1, 1, 1]]
    painted = painter.inpaint(picture, same, ["a cat"] * 3, seeds=[3, 3, 9], steps=2, guidance=1.0)
    assert torch.allclose(painted[0], painted[1], atol=1e-4)
    assert not torch.allclose(painted[0], painted[2], atol=1e-3)


def test_text_and_guidance_matter(painter: StableDiffusionInpainter, picture: Tensor, masks: Tensor) -> None:
    def paint(prompt: str, guidance: float) -> Tensor:
        return painter.inpaint(picture, masks[:1], [prompt], seeds=[1], steps=2, guidance=guidance)

    assert not torch.equal(paint("a cat", 8.0), paint("a dog", 8.0))
    assert not torch.equal(paint("a cat", 8.0), paint("a cat", 1.0))


@pytest.mark.parametrize("kind", ["painter", "blender"])
@pytest.mark.parametrize(("guidance", "each"), [(1.0, 1), (5.0, 2)])
@pytest.mark.parametrize("most", [None, 2])
def test_evaluations_are_counted_exactly(
    kind: str,
    guidance: float,
    each: int,
    most: int | None,
    picture: Tensor,
    masks: Tensor,
    request: pytest.FixtureRequest,
) -> None:
    network: StableDiffusionInpainter = request.getfixturevalue(kind)
    network.max_batch = most
    for calls in (1, 2):
        network.inpaint(picture, masks, PROMPTS, seeds=[1, 2, 3], steps=5, guidance=guidance)
        assert network.counter.evaluations == calls * 3 * 5 * each


def test_progress_counts_every_step_of_every_batch(
    painter: StableDiffusionInpainter, picture: Tensor, masks: Tensor
) -> None:
    painter.max_batch = 2
    seen: list[tuple[int, int]] = []
    painter.inpaint(
        picture,
        masks,
        PROMPTS,
        seeds=[1, 2, 3],
        steps=3,
        guidance=1.0,
        on_step=lambda done, steps: seen.append((done, steps)),
    )
    assert seen == [(done, 6) for done in range(1, 7)]


def test_cancelling_stops_at_the_step(painter: StableDiffusionInpainter, picture: Tensor, masks: Tensor) -> None:
    def stop(done: int, _steps: int) -> None:
        if done == 2:
            raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        painter.inpaint(picture, masks, PROMPTS, seeds=[1, 2, 3], steps=9, guidance=1.0, on_step=stop)
    assert painter.counter.evaluations == 2 * 3
    again = painter.inpaint(picture, masks[:1], ["a cat"], seeds=[1], steps=2, guidance=1.0)
    fresh = painter.inpaint(picture, masks[:1], ["a cat"], seeds=[1], steps=2, guidance=1.0)
    assert torch.equal(again, fresh)


def test_a_batch_that_does_not_fit_is_halved(
    painter: StableDiffusionInpainter, picture: Tensor, masks: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = painter.inpaint(picture, masks, PROMPTS, seeds=[1, 2, 3], steps=2, guidance=1.0)
    forward = painter.pipeline.unet.forward

    def short(sample: Tensor, *rest: Any, **named: Any) -> Any:
        if len(sample) > 1:
            raise torch.OutOfMemoryError
        return forward(sample, *rest, **named)

    monkeypatch.setattr(painter.pipeline.unet, "forward", short)
    parts = painter.inpaint(picture, masks, PROMPTS, seeds=[1, 2, 3], steps=2, guidance=1.0)
    assert torch.allclose(parts, whole, atol=1e-4)
    # Even the two halves of a guided step may be taken one by one.
    assert painter.inpaint(picture, masks[:1], ["a cat"], seeds=[1], steps=2, guidance=2.0).isfinite().all()

    def shorter(*_: Any, **__: Any) -> Any:
        raise torch.OutOfMemoryError

    monkeypatch.setattr(painter.pipeline.unet, "forward", shorter)
    with pytest.raises(ModelError, match=r"too short even for one picture: pass --vram low"):
        painter.inpaint(picture, masks[:1], ["a cat"], seeds=[1], steps=2, guidance=2.0)


def test_the_autoencoder_goes_on_in_float32_when_half_precision_overflows(tiny_models: Path) -> None:
    painter = load_inpainter(tiny_models, name="tiny", unet="inpainting_unet", dtype=torch.float16)
    # Weights whose activations pass 65,504, the largest number of half precision.
    painter.pipeline.vae.decoder.conv_in.weight.mul_(3e4)
    latents = torch.full((1, 4, 8, 8), 30.0)
    assert painter.parts.decode_latents(latents).isfinite().all()
    assert painter.pipeline.vae.dtype == torch.float32
    with pytest.raises(ModelError, match="--dtype float32"):
        painter.parts.decode_latents(latents * float("nan"))


def test_bfloat16_paints_nearly_the_same(
    painter: StableDiffusionInpainter, tiny_models: Path, picture: Tensor, masks: Tensor
) -> None:
    half = load_inpainter(tiny_models, name="tiny", unet="inpainting_unet", dtype=torch.bfloat16)
    exact = painter.inpaint(picture, masks, PROMPTS, seeds=[1, 2, 3], steps=3, guidance=2.0)
    rounded = half.inpaint(picture, masks, PROMPTS, seeds=[1, 2, 3], steps=3, guidance=2.0)
    assert rounded.dtype == torch.float32
    assert (exact - rounded).abs().mean() < 0.05


def test_one_step_is_enough_for_a_picture(
    painter: StableDiffusionInpainter, blender: StableDiffusionInpainter, picture: Tensor, masks: Tensor
) -> None:
    for network in (painter, blender):
        assert network.inpaint(picture, masks[:1], ["a cat"], seeds=[1], steps=1, guidance=2.0).isfinite().all()


def test_sizes_are_those_of_the_checkpoint(painter: StableDiffusionInpainter) -> None:
    assert (painter.native_side, painter.stride) == (32, 8)


def test_only_a_schedule_from_pure_noise_is_kept(
    painter: StableDiffusionInpainter, blender: StableDiffusionInpainter
) -> None:
    assert isinstance(painter.pipeline.scheduler, DDIMScheduler)
    solver = blender.pipeline.scheduler
    assert isinstance(solver, DPMSolverMultistepScheduler)
    solver.set_timesteps(4)
    assert solver.timesteps[0] == 999


def test_the_own_scheduler_is_taken_on_request_and_for_that_request_alone(
    painter: StableDiffusionInpainter, blender: StableDiffusionInpainter, picture: Tensor, masks: Tensor
) -> None:
    assert painter.with_own_scheduler() is painter
    own = blender.with_own_scheduler()
    assert isinstance(own.scheduler, PNDMScheduler) and own.name != blender.name and own.counter is blender.counter

    def paint(network: StableDiffusionInpainter) -> Tensor:
        return network.inpaint(picture, masks[:1], ["a cat"], seeds=[1], steps=5, guidance=2.0)

    first, published, again = paint(blender), paint(own), paint(blender)
    assert torch.equal(first, again) and not torch.equal(first, published)


def test_a_blending_painter_keeps_what_the_mask_does_not_cover(
    blender: StableDiffusionInpainter, picture: Tensor, masks: Tensor
) -> None:
    nothing = torch.zeros_like(masks[:1])
    painted = blender.inpaint(picture, nothing, ["a cat"], seeds=[1], steps=3, guidance=2.0)
    passed_through = blender.parts.decode_latents(blender.parts.encode_image(picture))
    assert torch.allclose(painted, passed_through, atol=1e-4)


def ramp(picture: Tensor) -> Tensor:
    """(1, 1, H, W), rising from 0 at the left to 1 in the right half, of which the outer cells are pure."""
    columns = torch.linspace(-0.2, 1.8, picture.shape[-1]).clamp(0, 1)
    return columns.expand(1, 1, picture.shape[-2], -1).clone()


@pytest.mark.parametrize("kind", ["painter", "blender"])
def test_a_soft_mask_changes_a_place_as_far_as_it_is_white(
    kind: str, picture: Tensor, request: pytest.FixtureRequest
) -> None:
    network: StableDiffusionInpainter = request.getfixturevalue(kind)
    seen: list[Tensor] = []
    forward = network.pipeline.unet.forward

    def watched(sample: Tensor, *rest: Any, **named: Any) -> Any:
        seen.append(sample[:, :4].clone())
        return forward(sample, *rest, **named)

    network.pipeline.unet.forward = watched
    decoded = watch_decoded(network)
    mask, steps = ramp(picture), 6
    network.inpaint(picture, mask, ["a cat"], seeds=[5], steps=steps, guidance=1.0)
    cells = torch.nn.functional.interpolate(mask, seen[0].shape[-2:])[0, 0]
    original = network.parts.encode_image(picture)
    noise = torch.randn(original.shape, generator=torch.Generator().manual_seed(5))
    scheduler = network.pipeline.scheduler
    scheduler.set_timesteps(steps)
    for index, latents in enumerate([*seen[1:], decoded[0]], start=1):
        held = cells * steps < steps - (index - 1) - 1e-3
        level = original if index == steps else scheduler.add_noise(original, noise, scheduler.timesteps[index][None])
        assert torch.allclose(latents[..., held], level[..., held], atol=1e-5)
        assert not torch.isclose(latents[..., ~held], level[..., ~held], atol=1e-5).all(1).any()
    assert (cells == 0).any() and (cells == 1).any()


@pytest.mark.parametrize("kind", ["painter", "blender"])
def test_soft_masks_do_not_change_what_binary_ones_beside_them_give(
    kind: str, picture: Tensor, masks: Tensor, request: pytest.FixtureRequest
) -> None:
    network: StableDiffusionInpainter = request.getfixturevalue(kind)

    def paint(shown: Tensor) -> Tensor:
        return network.inpaint(
            picture, shown, PROMPTS[: len(shown)], seeds=[1, 2, 3][: len(shown)], steps=4, guidance=2
        )

    mixed = torch.cat([masks[:1], ramp(picture), masks[2:]])
    together, hard = paint(mixed), paint(masks)
    assert torch.equal(together[[0, 2]], hard[[0, 2]])
    assert torch.allclose(paint(mixed[:2]), together[:2], atol=1e-4)


class Answering(torch.nn.Module):
    """A denoiser that knows the answer."""

    def __init__(self, answer: torch.Tensor, channels: int = 4) -> None:
        super().__init__()
        self.answer = torch.nn.Parameter(answer)
        self.config = SimpleNamespace(in_channels=channels, sample_size=8, block_out_channels=(1, 2))
        self.dtype = torch.float32

    def forward(self, *_: object, **__: object) -> tuple[torch.Tensor]:
        return (self.answer * 1,)


def in_parts(unet: torch.nn.Module | None, scheduler: DDIMScheduler) -> StableDiffusion:
    vae = SimpleNamespace(config=SimpleNamespace(block_out_channels=(1, 2, 3)))
    unet = unet or Answering(torch.zeros(1))
    return StableDiffusion(unet=unet, vae=vae, tokenizer=None, text_encoder=None, scheduler=scheduler, name="perfect")


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "sample"])
def test_a_denoiser_always_answers_with_noise_and_clean_latents(prediction: str) -> None:
    scheduler = DDIMScheduler(**tiny.SCHEDULE, prediction_type=prediction)
    clean, noise = torch.randn(2, 4, 8, 8), torch.randn(2, 4, 8, 8)
    step = 600
    noisy = scheduler.add_noise(clean, noise, torch.tensor([step]))
    perfect = {
        "epsilon": noise,
        "sample": clean,
        "v_prediction": scheduler.get_velocity(clean, noise, torch.tensor([step])),
    }

    diffusion = in_parts(Answering(perfect[prediction]), scheduler)
    for timestep in (step, torch.tensor([step, step])):
        answer = diffusion.predict(noisy, timestep, torch.zeros(2, 1, 1))
        assert torch.allclose(answer.noise, noise, atol=1e-4)
        assert torch.allclose(answer.clean, clean, atol=1e-4)
    assert diffusion.counter.evaluations == 4
    assert diffusion.counter.backward == 0
    answer.noise.sum().backward()
    assert diffusion.counter.backward == 2


def test_at_zero_signal_the_clean_latents_are_still_finite() -> None:
    scheduler = DDIMScheduler(**tiny.SCHEDULE, prediction_type="v_prediction", rescale_betas_zero_snr=True)
    clean = torch.randn(2, 4, 8, 8)
    diffusion = in_parts(Answering(-clean), scheduler)
    answer = diffusion.predict(torch.randn(2, 4, 8, 8), 999, torch.zeros(2, 1, 1))
    assert torch.allclose(answer.clean, clean)


def test_an_unknown_prediction_is_refused() -> None:
    scheduler = DDIMScheduler(**tiny.SCHEDULE)
    scheduler.register_to_config(prediction_type="flow")
    with pytest.raises(ModelError, match="'flow'"):
        in_parts(None, scheduler)


def test_the_pocket_models_paint_and_repaint_with_a_denoiser_each(pocket: Backbones) -> None:
    assert pocket.in_parts.unet.config.in_channels == 4
    assert pocket.in_parts.counter is pocket.inpainter.counter
    painter, repainter = cast(Any, pocket.in_parts), cast(Any, pocket.inpainter)
    assert painter.vae is repainter.pipeline.vae


def test_an_unknown_scheduler_is_refused(tiny_models: Path, tmp_path: Path) -> None:
    settings = json.loads((tiny_models / "scheduler" / "scheduler_config.json").read_text())
    (tmp_path / "scheduler_config.json").write_text(json.dumps(settings | {"_class_name": "UNet2DConditionModel"}))
    with pytest.raises(ModelError, match="UNet2DConditionModel"):
        load_scheduler(tmp_path)


def test_missing_weights_are_not_drawn_at_random(tiny_models: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_models / "clip", tmp_path / "vit")
    shutil.copy(tiny_models / "dino" / "config.json", tmp_path / "vit")
    with pytest.raises(ModelError, match=r"lacks .* weights of a ViTModel"):
        load_network(ViTModel, tmp_path / "vit")


def test_damaged_weights_are_one_sentence(tiny_models: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_models / "clip", tmp_path / "clip")
    file = tmp_path / "clip" / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(ModelError, match="download the checkpoint again"):
        load_network(CLIPModel, tmp_path / "clip")
