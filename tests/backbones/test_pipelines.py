"""Inpainting pipelines as inpainters: every family gives what its own pipeline gives, counts, stops and keeps to masks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from torch import Tensor

from intarsia.backbones import load_backbones
from intarsia.backbones.batches import seeded
from intarsia.backbones.denoising import whole_strength
from intarsia.backbones.offload import Vram
from intarsia.backbones.pipeline_inpainter import PipelineInpainter, tile_plan
from intarsia.backbones.placement import quiet_loading
from intarsia.backbones.protocols import Backbones
from intarsia.errors import Cancelled
from intarsia.notes import collected
from tests.pretended_cuda import pretended_cuda
from tests.slow import mostly_slow
from tests.tiny_families import FAMILIES

SIDE = 32
PROMPTS = ["a cat", "a dog by a tree"]
Load = Callable[[str], Backbones]

CLASSES = {
    "sdxl": "StableDiffusionXLInpaintPipeline",
    "sdxl_inpainting": "StableDiffusionXLInpaintPipeline",
    "sd3": "StableDiffusion3InpaintPipeline",
    "sd3_without_t5": "StableDiffusion3InpaintPipeline",
    "flux": "FluxInpaintPipeline",
    "flux_schnell": "FluxInpaintPipeline",
    "flux_fill": "FluxFillPipeline",
    "kontext": "FluxKontextInpaintPipeline",
    "chroma": "ChromaInpaintPipeline",
    "klein": "Flux2KleinInpaintPipeline",
    "z_image": "ZImageInpaintPipeline",
    "qwen_image": "QwenImageInpaintPipeline",
}
SECOND_TEXT = {"sdxl", "sdxl_inpainting", "sd3", "sd3_without_t5", "chroma", "z_image", "qwen_image"}
GUIDED = {*SECOND_TEXT, "klein"}
"""Those that ask the denoiser twice a step."""
SOFT = set(FAMILIES) - {"sdxl_inpainting", "flux_fill", "klein"}


def guidance_arguments(name: str, guidance: float, negative: str) -> dict[str, Any]:
    """As a user of the pipeline itself would write them."""
    if name == "qwen_image":
        arguments: dict[str, Any] = {"true_cfg_scale": guidance}
    elif name == "z_image":  # counts what is added
        arguments = {"guidance_scale": guidance - 1}
    else:
        arguments = {"guidance_scale": guidance}
    return arguments | ({"negative_prompt": [negative] * 2} if name in SECOND_TEXT and guidance > 1 else {})


def painter_of(families: Load, name: str) -> PipelineInpainter:
    inpainter = families(name).inpainter
    assert isinstance(inpainter, PipelineInpainter)
    return inpainter


@pytest.fixture(params=list(FAMILIES))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def picture() -> Tensor:
    return torch.rand(1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1)) * 2 - 1


@pytest.fixture
def masks() -> Tensor:
    masks = torch.zeros(2, 1, SIDE, SIDE)
    masks[0, :, :16] = masks[1, :, 8:24, 8:24] = 1
    return masks


def own_pipeline(families: Load, name: str) -> Any:
    """The pipeline that diffusers makes of the folder, without our loading."""
    kind: Any = getattr(diffusers, CLASSES[name])
    left_out = {"text_encoder_3": None, "tokenizer_3": None} if name == "sd3_without_t5" else {}
    with quiet_loading():
        pipeline = kind.from_pretrained(families(name).name, dtype=torch.float32, **left_out)
    pipeline.set_progress_bar_config(disable=True)
    if name == "chroma":  # whose pipeline asks for a setting that its denoiser does not have
        pipeline.transformer.register_to_config(guidance_embeds=False)
    return pipeline


@pytest.mark.parametrize(("strength", "guidance"), [(1.0, 3.0), (0.5, 1.0)])
def test_it_gives_what_the_pipeline_itself_gives(
    name: str, strength: float, guidance: float, families: Load, picture: Tensor, masks: Tensor
) -> None:
    painted = painter_of(families, name).inpaint(
        picture, masks, PROMPTS, negative_prompt="blurred", seeds=[4, 5], steps=4, guidance=guidance, strength=strength
    )
    sized = {"_auto_resize": False, "max_area": SIDE**2} if name == "kontext" else {}
    with quiet_loading():
        direct = own_pipeline(families, name)(
            prompt=list(PROMPTS),
            image=((picture + 1) / 2).expand(2, -1, -1, -1),
            mask_image=masks,
            height=SIDE,
            width=SIDE,
            num_inference_steps=4,
            strength=strength,
            generator=seeded([4, 5]),
            output_type="pt",
            **sized,
            **guidance_arguments(name, guidance, "blurred"),
        ).images
    assert painted.dtype == torch.float32
    assert painted.isfinite().all()
    assert (painted - (direct * 2 - 1)).abs().max() < 1e-4


def test_noise_belongs_to_the_seed_and_not_to_the_batch(
    name: str, families: Load, picture: Tensor, masks: Tensor
) -> None:
    painter = painter_of(families, name)
    settings: dict[str, Any] = {"steps": 2, "guidance": 2.0}
    both = painter.inpaint(picture, masks, PROMPTS, seeds=[4, 5], **settings)
    second = painter.inpaint(picture, masks[1:], PROMPTS[1:], seeds=[5], **settings)
    other = painter.inpaint(picture, masks[1:], PROMPTS[1:], seeds=[6], **settings)
    assert (both[1] - second[0]).abs().max() < 1e-3
    assert (second - other).abs().max() > 1e-2


def test_every_sample_of_the_denoiser_is_counted_and_every_step_told(
    name: str, families: Load, picture: Tensor, masks: Tensor
) -> None:
    painter, told = painter_of(families, name), []
    before = painter.counter.evaluations
    painter.inpaint(
        picture, masks, PROMPTS, seeds=[4, 5], steps=10, guidance=2.0, strength=0.3,
        on_step=lambda done, steps: told.append((done, steps)),
    )  # fmt: skip
    assert told == [(1, 3), (2, 3), (3, 3)]
    assert painter.counter.evaluations - before == 3 * 2 * (2 if name in GUIDED else 1)
    before = painter.counter.evaluations
    painter.inpaint(picture, masks, PROMPTS, seeds=[4, 5], steps=2, guidance=1.0)
    assert painter.counter.evaluations - before == 2 * 2


def test_a_cancel_stops_within_a_step(name: str, families: Load, picture: Tensor, masks: Tensor) -> None:
    def stop(done: int, _steps: int) -> None:
        if done == 1:
            raise Cancelled

    painter = painter_of(families, name)
    before = painter.counter.evaluations
    with pytest.raises(Cancelled):
        painter.inpaint(picture, masks[:1], PROMPTS[:1], seeds=[1], steps=4, guidance=1.0, on_step=stop)
    assert painter.counter.evaluations == before + 1


def test_a_grey_mask_is_soft_where_the_pipeline_blends(
    name: str, families: Load, picture: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One half of a picture joins in for the last two of four steps; the other for none, and keeps its latents."""
    painter = painter_of(families, name)
    assert painter.softens == (name in SOFT)
    vae, finished = painter.pipeline.vae, []
    decode = vae.decode

    def watched(latents: Tensor, *rest: Any, **settings: Any) -> Any:
        finished.append(latents.squeeze(2) if latents.ndim == 5 else latents)
        return decode(latents, *rest, **settings)

    monkeypatch.setattr(vae, "decode", watched)
    mask = torch.full((1, 1, SIDE, SIDE), 0.2)
    mask[..., 16:] = 0.5
    for chosen, words in ((mask, "a cat"), (mask, "a house"), ((mask > 0).float(), "a cat")):
        painter.inpaint(picture, chosen, [words], seeds=[3], steps=4, guidance=1.0)
    grey, other, hard = finished
    if name not in SOFT:
        assert torch.equal(grey, hard)
        return
    half = grey.shape[-1] // 2
    assert torch.equal(grey[..., :half], other[..., :half]), "it depends on the words"
    assert not torch.equal(grey[..., half:], other[..., half:])
    assert (grey - hard)[..., :half].abs().max() > 1e-2
    assert (grey - hard)[..., half:].abs().max() > 1e-3


def test_larger_pictures_are_painted_in_tiles_of_their_masks_alone(families: Load) -> None:
    painter = painter_of(families, "flux")
    picture = torch.rand(1, 3, 32, 96, generator=torch.Generator().manual_seed(2)) * 2 - 1
    mask = torch.zeros(1, 1, 32, 96)
    mask[..., 8:24, 8:56] = 1
    told: list[tuple[int, int]] = []
    before = painter.counter.evaluations
    painted = painter.inpaint(
        picture, mask, ["a cat"], seeds=[1], steps=2, guidance=1.0, tile=32,
        on_step=lambda done, steps: told.append((done, steps)),
    )  # fmt: skip
    tiles = len(tile_plan(mask, 32))
    assert tiles == 3
    assert told == [(step, 2 * tiles) for step in range(1, 2 * tiles + 1)]
    assert painter.counter.evaluations - before == 2 * tiles
    assert torch.equal(painted[mask.expand_as(painted) == 0], picture[mask.expand_as(picture) == 0])
    assert (painted - picture)[..., 8:24, 8:56].abs().mean() > 0.1
    assert not torch.allclose(painted[..., 40:56], painted[..., 24:40], atol=1e-2), "tiles have noise of their own"


def test_a_tile_paints_what_none_before_it_has() -> None:
    masks = torch.zeros(2, 1, 48, 64)
    masks[0, :, 10:40, 5:60] = masks[1, :, :8, 50:] = 0.5
    times = torch.zeros(48, 64)
    for (rows, columns), mine in tile_plan(masks, 32):
        times[rows, columns] += mine
    assert torch.equal(times, (masks.amax((0, 1)) > 0).float())


@pytest.mark.parametrize("steps", [1, 7, 10, 30, 49, 100, 1000])
def test_a_strength_does_whole_steps_however_it_is_rounded(steps: int) -> None:
    for done in range(1, steps + 1):
        assert int(steps * whole_strength(done / steps, steps, rounds_down=True)) == done
        assert steps - int(steps - steps * whole_strength(done / steps, steps, rounds_down=False)) == done
    assert int(steps * whole_strength(1e-9, steps, rounds_down=True)) == 1


def test_a_negative_prompt_that_is_not_read_is_told_once(families: Load, picture: Tensor, masks: Tensor) -> None:
    painter = PipelineInpainter(painter_of(families, "flux").pipeline, name="flux")
    with collected() as said:
        for _ in range(2):
            painter.inpaint(picture, masks[:1], ["a cat"], negative_prompt="blurred", seeds=[1], steps=1, guidance=3.0)
    assert said == ["flux is not guided by a second text: the negative prompt is not read."]


def test_the_sides_are_those_of_the_parts(families: Load) -> None:
    for name in ("sdxl", "sd3"):
        painter = painter_of(families, name)
        assert (painter.native_side, painter.stride, painter.cell) == (32, 8, 4)
    assert painter_of(families, "z_image").native_side == 1024, "where no part says it"


def test_a_short_memory_halves_the_batch(
    families: Load, picture: Tensor, masks: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    painter = painter_of(families, "sdxl")
    whole = painter.inpaint(picture, masks, PROMPTS, seeds=[4, 5], steps=1, guidance=1.0)
    paint, sizes = painter._paint_batch, []

    def short(pictures: Tensor, *rest: Any, **settings: Any) -> Tensor:
        sizes.append(len(pictures))
        if len(pictures) > 1:
            raise torch.OutOfMemoryError
        return paint(pictures, *rest, **settings)

    monkeypatch.setattr(painter, "_paint_batch", short)
    halved = painter.inpaint(picture, masks, PROMPTS, seeds=[4, 5], steps=1, guidance=1.0)
    assert sizes == [2, 1, 1]
    assert (halved - whole).abs().max() < 1e-3


def test_networks_take_turns_when_memory_is_short_for_a_single_picture(families: Load, picture: Tensor) -> None:
    masks = torch.ones(1, 1, SIDE, SIDE)
    settings: dict[str, Any] = {"seeds": [1], "steps": 3, "guidance": 3.0}
    here = painter_of(families, "flux").inpaint(picture, masks, PROMPTS[:1], **settings)
    with pretended_cuda():
        painter = painter_of(lambda name: load_backbones(families(name).name, device="cuda", dtype="float32"), "flux")
        forward, calls = painter.denoiser.forward, 0

        def short(*args: Any, **named: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls in (2, 4):
                raise torch.OutOfMemoryError
            return forward(*args, **named)

        painter.denoiser.forward = short
        there = painter.inpaint(picture.to("cuda"), masks, PROMPTS[:1], **settings)
    assert painter.memory.offloader.level == "min"
    assert (there - here).abs().max() < 1e-4


def test_families_are_saved_as_what_paints_from_text(families: Load) -> None:
    index = Path(families("kontext").name) / "model_index.json"
    assert '"FluxKontextPipeline"' in index.read_text()
    assert families("kontext").diffusion is None


@pytest.mark.parametrize("vram", mostly_slow(["auto", "low", "min"], pushed=["low"]))
@pytest.mark.parametrize("name", mostly_slow(["sdxl", "flux", "z_image"], pushed=["sdxl", "flux"]))
def test_on_another_device_the_pixels_are_the_cpus(name: str, vram: Vram, families: Load, picture: Tensor) -> None:
    masks = torch.zeros(2, 1, SIDE, SIDE)
    masks[0, :, 8:24, 8:24], masks[1, :, :16] = 1, 0.5
    settings: dict[str, Any] = {"seeds": [1, 2], "steps": 3, "guidance": 3.0, "strength": 0.7}
    here = painter_of(families, name).inpaint(picture, masks, PROMPTS, **settings)
    with pretended_cuda():
        models = load_backbones(families(name).name, device="cuda", dtype="float32", vram=vram)
        there = models.inpainter.inpaint(picture.to("cuda"), masks, PROMPTS, **settings)
    assert there.device.type == "cpu"
    assert (there - here).abs().max() < (0 if vram == "auto" else 1e-4) + 1e-6  # one by one, they round otherwise


@pytest.mark.parametrize(("name", "dtype"), [("sdxl", torch.float16), ("flux", torch.bfloat16)])
def test_a_card_works_in_the_half_precision_that_the_family_was_trained_for(
    name: str, dtype: torch.dtype, families: Load
) -> None:
    with pretended_cuda():
        assert load_backbones(families(name).name, device="cuda").inpainter.dtype == dtype
