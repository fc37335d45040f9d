"""Stable Diffusion XL in its parts: a step of it is a step of its pipeline, and a layout is composed with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, StableDiffusionXLPipeline

from intarsia.backbones.placement import quiet_loading
from intarsia.backbones.protocols import Backbones
from intarsia.backbones.stable_diffusion_xl import StableDiffusionXL, used_in_parts
from intarsia.diffusion.ddim import Conditioned, draw_noise, sample
from intarsia.diffusion.sampling_hooks import ClassifierFreeGuidance
from intarsia.imaging.affine import warp_mask
from intarsia.imaging.read import photo_from_image
from intarsia.layout.edit import arrange
from intarsia.layout.layout import Layout, Placement
from intarsia.layout.scene import Scene, SceneObject
from intarsia.records.arrange import ArrangeRecord, ComposeSettings

Load = Callable[[str], Backbones]


def test_a_picture_from_text_is_the_one_of_its_pipeline(families: Load) -> None:
    diffusion = families("sdxl").in_parts
    assert isinstance(diffusion, StableDiffusionXL)
    kind: Any = StableDiffusionXLPipeline
    with quiet_loading():
        pipeline = kind.from_pretrained(families("sdxl").name, dtype=torch.float32, add_watermarker=False)
        pipeline.scheduler = cast(Any, DDIMScheduler).from_config(pipeline.scheduler.config, clip_sample=False)
        pipeline.set_progress_bar_config(disable=True)
        noise = draw_noise((1, 4, 8, 16), [3])
        direct = pipeline(
            "a cat on grass", negative_prompt="rain", height=32, width=64, num_inference_steps=4, guidance_scale=3.0,
            latents=noise, output_type="latent",
        ).images  # fmt: skip
    text = diffusion.encode_text(["rain", "a cat on grass"])
    before = diffusion.counter.evaluations
    with torch.no_grad():
        own = sample(Conditioned(diffusion, text), noise, diffusion.timesteps(4), [ClassifierFreeGuidance(3.0)])
    assert (own - direct).abs().max() < 1e-4
    assert diffusion.counter.evaluations - before == 8


def test_of_an_empty_text_nothing_is_told(families: Load) -> None:
    diffusion = families("sdxl").in_parts
    empty, some = diffusion.encode_text(["", "a"])
    assert not empty.any()
    assert some[-1].any(), "the pooled embedding"


def test_an_inpainting_denoiser_is_told_that_all_is_masked(families: Load) -> None:
    diffusion = families("sdxl_inpainting").in_parts
    with torch.no_grad():
        predicted = diffusion.predict(torch.randn(2, 4, 8, 8), 500, diffusion.encode_text(["a", "b"]))
    assert predicted.noise.shape == (2, 4, 8, 8)
    assert predicted.noise.isfinite().all()


@pytest.mark.parametrize("name", ["sdxl", "sdxl_inpainting"])
def test_a_layout_is_composed_with_it(name: str, families: Load) -> None:
    pixels = np.random.default_rng(1).integers(60, 90, (32, 48, 3), np.uint8)
    mask = np.zeros((32, 48), np.bool_)
    mask[10:20, 6:16] = True
    pixels[mask] += 120
    scene = Scene(photo=photo_from_image(pixels), objects=(SceneObject(name="box", words="a box", mask=mask),))
    matrix = (1.0, 0.0, 22.0, 0.0, 1.0, 0.0)
    placement = Placement(name="box", matrix=matrix, mask=warp_mask(mask, matrix, scene.photo.size))
    settings = ComposeSettings(plates=1, plate_steps=4, plate_strength=0.5, refine_steps=4, strength=0.5)
    record = ArrangeRecord(photo="photo.png", compose=settings, fill="diffusion", background="grass", size=32)
    result = arrange(scene, Layout(placements=(placement,)), record, families(name))
    assert result.cost.evaluations > 4, "the background, and the joining of what was moved"
    untouched = result.blend == 0
    assert np.array_equal(result.photo.pixels[untouched], pixels[untouched])
    assert not np.array_equal(result.photo.pixels, pixels)


def test_other_families_are_not_used_in_their_parts(families: Load) -> None:
    for name in ("flux", "sd3"):
        assert not used_in_parts(cast(Any, families(name).inpainter).pipeline)
        assert families(name).diffusion is None
