"""Stable Diffusion XL in its parts: a step of it is a step of its pipeline, and a layout is composed with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, StableDiffusionXLPipeline

from intarsia.backbones.load import load_backbones
from intarsia.backbones.offload import Vram
from intarsia.backbones.placement import quiet_loading
from intarsia.backbones.protocols import Backbones
from intarsia.backbones.stable_diffusion_xl import StableDiffusionXL, used_in_parts
from intarsia.diffusion.ddim import Conditioned, draw_noise, sample
from intarsia.diffusion.sampling_hooks import ClassifierFreeGuidance
from intarsia.imaging.affine import warp_mask
from intarsia.imaging.read import photo_from_image
from intarsia.layout.edit import ArrangeResult, arrange
from intarsia.layout.layout import Layout, Placement
from intarsia.layout.scene import Scene, SceneObject
from intarsia.records.arrange import ArrangeRecord, ComposeSettings
from tests.pretended_cuda import pretended_cuda
from tests.slow import mostly_slow

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


PIXELS = np.random.default_rng(1).integers(60, 90, (32, 48, 3), np.uint8)
MASK = np.zeros((32, 48), np.bool_)
MASK[10:20, 6:16] = True
PIXELS[MASK] += 120


def composed(models: Backbones) -> ArrangeResult:
    """A box on grass, moved."""
    scene = Scene(photo=photo_from_image(PIXELS), objects=(SceneObject(name="box", words="a box", mask=MASK),))
    matrix = (1.0, 0.0, 22.0, 0.0, 1.0, 0.0)
    placement = Placement(name="box", matrix=matrix, mask=warp_mask(MASK, matrix, scene.photo.size))
    settings = ComposeSettings(plates=1, plate_steps=4, plate_strength=0.5, refine_steps=4, strength=0.5)
    record = ArrangeRecord(photo="photo.png", compose=settings, fill="diffusion", background="grass", size=32)
    return arrange(scene, Layout(placements=(placement,)), record, models)


@pytest.mark.parametrize("name", ["sdxl", "sdxl_inpainting"])
def test_a_layout_is_composed_with_it(name: str, families: Load) -> None:
    result = composed(families(name))
    assert result.cost.evaluations > 4, "the background, and the joining of what was moved"
    untouched = result.blend == 0
    assert np.array_equal(result.photo.pixels[untouched], PIXELS[untouched])
    assert not np.array_equal(result.photo.pixels, PIXELS)


@pytest.mark.parametrize("vram", mostly_slow(["auto", "low", "min"], pushed=["min"]))
def test_on_another_device_a_layout_has_the_cpus_pixels(vram: Vram, families: Load) -> None:
    here = composed(families("sdxl")).photo.pixels
    with pretended_cuda():
        models = load_backbones(families("sdxl").name, device="cuda", dtype="float32", vram=vram)
        cast(Any, models.in_parts).vae.disable_tiling()  # at whose borders pixels differ
        there = composed(models).photo.pixels
    assert np.abs(there.astype(int) - here).max() <= 1, "one by one, they round otherwise"


@pytest.mark.parametrize("vram", mostly_slow(["auto", "low", "min"], pushed=["low"]))
def test_an_autoencoder_that_overflows_in_half_precision_works_in_float32(vram: Vram, families: Load) -> None:
    with pretended_cuda():
        models = load_backbones(families("sdxl").name, device="cuda", vram=vram)
        vae = cast(Any, models.in_parts).vae
        assert vae.dtype == torch.float16 and vae.config.force_upcast
        seen: set[torch.dtype] = set()
        vae.decoder.register_forward_pre_hook(lambda _network, given: seen.add(given[0].dtype))
        for _ in range(2):  # what one edit leaves behind, the next one finds
            made = composed(models).photo.pixels
    assert seen == {torch.float32}
    assert made.std() > 0


def test_other_families_are_not_used_in_their_parts(families: Load) -> None:
    for name in ("flux", "sd3"):
        assert not used_in_parts(cast(Any, families(name).inpainter).pipeline)
        assert families(name).diffusion is None
