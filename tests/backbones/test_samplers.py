"""Samplers: our loop with each is diffusers' pipeline with the same scheduler, in stages and in any batch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

import diffusers
import pytest
import torch
from torch import Tensor

from intarsia.backbones.batches import seeded
from intarsia.backbones.pipeline_inpainter import PipelineInpainter
from intarsia.backbones.placement import quiet_loading
from intarsia.backbones.protocols import Backbones, Inpainter
from intarsia.backbones.samplers import scheduler_of, stepping_by
from intarsia.backbones.sd_inpainting import StableDiffusionInpainter
from intarsia.errors import ModelError
from intarsia.records.choices import Sampler
from tests import tiny
from tests.backbones.network_checks import HEIGHT, WIDTH
from tests.slow import mostly_slow

Load = Callable[[str], Backbones]
SAMPLERS: tuple[Sampler, ...] = get_args(Sampler)[1:]
CLASSES = {
    "dpmpp-2m-karras": "DPMSolverMultistepScheduler",
    "euler-a": "EulerAncestralDiscreteScheduler",
    "unipc": "UniPCMultistepScheduler",
    "ddim": "DDIMScheduler",
    "lcm": "LCMScheduler",
}
PROMPTS = ["a cat", "a dog", "a house"]
SETTINGS: dict[str, Any] = {"seeds": [4, 5, 6], "steps": 6, "guidance": 3.0}


@pytest.fixture(params=["painter", "blender"])
def network(request: pytest.FixtureRequest) -> StableDiffusionInpainter:
    """9 channels, v-prediction and zero terminal signal; 4 channels, noise and PNDM's schedule."""
    network: StableDiffusionInpainter = request.getfixturevalue(request.param)
    return network


def diffusers_scheduler(sampler: Sampler, own: Any) -> Any:
    """As a user of diffusers would write it."""
    more: dict[str, Any] = {"use_karras_sigmas": True} if sampler == "dpmpp-2m-karras" else {}
    if sampler == "ddim":
        more["clip_sample"] = own.config.get("clip_sample", False)
    with quiet_loading():
        return getattr(diffusers, CLASSES[sampler]).from_config(own.config, **more)


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("strength", mostly_slow([1.0, 0.5], pushed=[0.5]))
def test_it_paints_what_the_pipeline_paints_with_the_same_scheduler(
    sampler: Sampler, strength: float, network: StableDiffusionInpainter, picture: Tensor, masks: Tensor
) -> None:
    ours = network.with_sampler(sampler).inpaint(
        picture, masks, PROMPTS, negative_prompt="bad", strength=strength, **SETTINGS
    )
    source = network.pipeline
    kind: Any = diffusers.StableDiffusionInpaintPipeline
    direct = kind(
        vae=source.vae,
        text_encoder=source.text_encoder,
        tokenizer=source.tokenizer,
        unet=source.unet,
        scheduler=source.scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    direct.scheduler = diffusers_scheduler(sampler, network.own_scheduler)
    direct.set_progress_bar_config(disable=True)
    factor = source.vae.config.scaling_factor

    def mode(image: Tensor, generator: Any = None) -> Tensor:
        latents: Tensor = source.vae.encode(image).latent_dist.mode() * factor
        return latents

    direct._encode_vae_image = mode
    with torch.no_grad(), quiet_loading():
        theirs = direct(
            prompt=PROMPTS,
            negative_prompt=["bad"] * 3,
            image=(picture.expand(3, -1, -1, -1) + 1) / 2,
            mask_image=masks,
            masked_image_latents=mode(picture * (masks < 0.5)),
            height=HEIGHT,
            width=WIDTH,
            num_inference_steps=6,
            strength=strength,
            guidance_scale=3.0,
            generator=seeded([4, 5, 6]),
            output_type="pt",
        ).images
    assert ours.isfinite().all() and ours.std() > 0
    assert (ours - (theirs * 2 - 1)).abs().max() < 1e-4


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_what_a_checkpoint_was_trained_for_carries_over(sampler: Sampler, painter: StableDiffusionInpainter) -> None:
    scheduler = painter.with_sampler(sampler).scheduler
    assert type(scheduler).__name__ == CLASSES[sampler]
    for name, value in {**tiny.TRAILING, **tiny.SCHEDULE}.items():
        assert scheduler.config[name] == value, name
    signal = scheduler.alphas_cumprod
    assert float(signal[-1]) < 1e-6, "no signal in pure noise"
    assert torch.allclose(signal[:-1], painter.own_scheduler.alphas_cumprod[:-1])
    assert painter.scheduler is painter.own_scheduler, "the one it was made from stays as it was"


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize(
    ("prediction", "zero_signal"), [("epsilon", False), ("v_prediction", False), ("v_prediction", True)]
)
def test_a_denoiser_that_knows_the_image_is_led_to_it(sampler: Sampler, prediction: str, zero_signal: bool) -> None:
    """From pure noise, by a denoiser whose answer is exact: what it predicts and how noisy a step is are read rightly."""
    own = diffusers.DDIMScheduler(
        **tiny.SCHEDULE, prediction_type=prediction, rescale_betas_zero_snr=zero_signal,
        timestep_spacing="trailing" if zero_signal else "leading",
    )  # fmt: skip
    scheduler = scheduler_of(sampler, own, "tiny")
    scheduler.set_timesteps(8)
    generator = torch.Generator().manual_seed(0)
    image = torch.randn(1, 4, 8, 8, generator=generator)
    latents = torch.randn(1, 4, 8, 8, generator=generator) * scheduler.init_noise_sigma
    for index, timestep in enumerate(scheduler.timesteps):
        seen = scheduler.scale_model_input(latents, timestep)
        signal = scheduler.alphas_cumprod[int(timestep)].double()
        if hasattr(scheduler, "sigmas"):
            signal = 1 / (1 + scheduler.sigmas[index].double() ** 2)
        noise = (seen - signal.sqrt() * image) / (1 - signal).sqrt()
        answer = noise if prediction == "epsilon" else signal.sqrt() * noise - (1 - signal).sqrt() * image
        extra = {"generator": generator} if sampler in ("euler-a", "lcm") else {}
        latents = scheduler.step(answer.float(), timestep, latents, **extra, return_dict=False)[0]
    off = (latents - image).abs().max()
    assert off < (0.2 if sampler in ("ddim", "lcm") else 0.02), (
        "ddim and lcm end at the first timestep, not quite clean"
    )


@pytest.mark.parametrize("sampler", mostly_slow(SAMPLERS, pushed=("euler-a", "unipc")))
def test_a_picture_depends_neither_on_its_batch_nor_on_pauses(
    sampler: Sampler, network: StableDiffusionInpainter, picture: Tensor, masks: Tensor
) -> None:
    stepping = network.with_sampler(sampler)
    whole = stepping.inpaint(picture, masks, PROMPTS, **SETTINGS)
    cost, network.counter.evaluations = network.counter.evaluations, 0
    alone = [
        stepping.inpaint(picture, masks[k : k + 1], PROMPTS[k : k + 1], **{**SETTINGS, "seeds": [4 + k]})[0]
        for k in range(3)
    ]
    assert torch.allclose(torch.stack(alone), whole, atol=1e-4)
    assert network.counter.evaluations == cost, "counted by the one that it was made from"
    stages = stepping.begin_inpainting(picture, masks, PROMPTS, until=2, **SETTINGS)
    (last,) = stepping.continue_inpainting(stages[2:], until=6)
    assert torch.allclose(last.picture, whole[2], atol=1e-4)
    again = stepping.continue_inpainting([stages[1], stages[0]], until=4)
    again = stepping.continue_inpainting(again, until=6)
    assert torch.allclose(torch.stack([s.picture for s in again]), whole[[1, 0]], atol=1e-4)


@pytest.mark.parametrize("sampler", mostly_slow(SAMPLERS, pushed=("euler-a",)))
def test_soft_masks_and_tiles(sampler: Sampler, painter: StableDiffusionInpainter, picture: Tensor) -> None:
    ramp = torch.linspace(-0.5, 1.5, WIDTH).clamp(0, 1).expand(1, 1, HEIGHT, -1).clone()
    settings: dict[str, Any] = {**SETTINGS, "seeds": [4]}
    stepping = painter.with_sampler(sampler)
    soft = stepping.inpaint(picture, ramp, ["a cat"], **settings)
    assert (soft - stepping.inpaint(picture, (ramp > 0).float(), ["a cat"], **settings)).abs().max() > 1e-2
    tiled = stepping.inpaint(picture, ramp, ["a cat"], tile=32, **settings)
    assert tiled.isfinite().all()


def test_samplers_differ_and_their_pictures_are_not_mixed_up(
    painter: StableDiffusionInpainter, picture: Tensor, masks: Tensor
) -> None:
    painted = {s: stepping_by(painter, s).inpaint(picture, masks[:1], ["a cat"], **{**SETTINGS, "seeds": [4]})
               for s in get_args(Sampler) if s != "ddim"}  # fmt: skip
    assert len({stepping_by(painter, s).name for s in get_args(Sampler)}) == 6
    pictures = list(painted.values())
    assert all((a - b).abs().max() > 1e-3 for k, a in enumerate(pictures) for b in pictures[:k])
    assert stepping_by(painter, "checkpoint") is painter


def test_a_scheduler_without_settings_of_clipping_does_not_clip_latents() -> None:
    euler, own = diffusers.EulerDiscreteScheduler(**tiny.SCHEDULE), diffusers.DDIMScheduler(**tiny.SCHEDULE)
    said = diffusers.DDIMScheduler(**tiny.SCHEDULE, clip_sample=True)
    assert [scheduler_of("ddim", s, "tiny").config.clip_sample for s in (euler, own, said)] == [False, False, True]


# Other families


def painter_of(families: Load, name: str) -> PipelineInpainter:
    inpainter = families(name).inpainter
    assert isinstance(inpainter, PipelineInpainter)
    return inpainter


@pytest.mark.parametrize("sampler", mostly_slow(SAMPLERS, pushed=("unipc",)))
@pytest.mark.parametrize("name", ["sdxl", "sdxl_inpainting"])
def test_sdxl_paints_what_its_pipeline_paints_with_the_same_scheduler(
    name: str, sampler: Sampler, families: Load, picture: Tensor, masks: Tensor
) -> None:
    painter = painter_of(families, name)
    former = painter.inpaint(picture, masks[:2], PROMPTS[:2], seeds=[4, 5], steps=4, guidance=3.0)
    stepping = painter.with_sampler(sampler)
    ours = stepping.inpaint(picture, masks[:2], PROMPTS[:2], seeds=[4, 5], steps=4, guidance=3.0)
    kind: Any = diffusers.StableDiffusionXLInpaintPipeline
    with quiet_loading():
        direct = kind.from_pretrained(families(name).name, dtype=torch.float32)
        direct.scheduler = diffusers_scheduler(sampler, direct.scheduler)
        direct.set_progress_bar_config(disable=True)
        theirs = direct(
            prompt=PROMPTS[:2], image=((picture + 1) / 2).expand(2, -1, -1, -1), mask_image=masks[:2], height=HEIGHT,
            width=WIDTH, num_inference_steps=4, strength=1.0, guidance_scale=3.0, generator=seeded([4, 5]),
            output_type="pt",
        ).images  # fmt: skip
    assert (ours - (theirs * 2 - 1)).abs().max() < 1e-4
    alone = stepping.inpaint(picture, masks[1:2], PROMPTS[1:2], seeds=[5], steps=4, guidance=3.0)
    assert torch.allclose(alone[0], ours[1], atol=1e-3)
    soft = stepping.inpaint(picture, masks[:1] * 0.5, ["a cat"], seeds=[4], steps=4, guidance=3.0)
    assert soft.isfinite().all()
    again = painter.inpaint(picture, masks[:2], PROMPTS[:2], seeds=[4, 5], steps=4, guidance=3.0)
    assert torch.equal(again, former), "the one it was made from steps as before"


@pytest.mark.parametrize("name", ["sd3", "flux", "z_image", "qwen_image"])
def test_flow_matching_keeps_its_own_steps(name: str, families: Load) -> None:
    painter = families(name).inpainter
    with pytest.raises(ModelError) as caught:
        stepping_by(painter, "euler-a")
    said = str(caught.value)
    assert "steps by FlowMatchEulerDiscreteScheduler, for whose schedule of noise the sampler 'euler-a' is not" in said
    assert said.endswith("made: pass --sampler checkpoint.") and "\n" not in said
    assert stepping_by(painter, "checkpoint") is painter


def test_what_no_sampler_reads_is_refused(tmp_path: Path) -> None:
    images: Any = diffusers.DDIMScheduler(**tiny.SCHEDULE, prediction_type="sample")
    assert scheduler_of("unipc", images, "tiny").config.prediction_type == "sample"
    with pytest.raises(ModelError, match=r"tiny steps by DDIMScheduler, .* 'euler-a' is not made"):
        scheduler_of("euler-a", images, "tiny")
    with pytest.raises(ModelError, match="EDMEulerScheduler"):
        scheduler_of("ddim", diffusers.EDMEulerScheduler(), "tiny")
    unchanging: Any = SimpleNamespace(name="a box of paints")
    with pytest.raises(ModelError, match="a box of paints has steps of its own"):
        stepping_by(unchanging, "lcm")
    inpainter: Inpainter = unchanging
    assert stepping_by(inpainter, "checkpoint") is inpainter
