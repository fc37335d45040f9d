"""Pipelines of diffusers that are loaded already: they paint what a folder of the same checkpoint paints."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import diffusers
import numpy as np
import pytest
import torch
from torch import Tensor

import intarsia as ia
from intarsia.backbones.pipeline_inpainter import PipelineInpainter
from intarsia.backbones.placement import quiet_loading
from intarsia.backbones.protocols import Backbones
from intarsia.backbones.sd_inpainting import StableDiffusionInpainter
from intarsia.imaging.read import photo_from_image
from tests.pretended_cuda import pretended_cuda
from tests.tiny_families import FAMILIES

Load = Callable[[str], Backbones]
SIDE = 32
LEFT_OUT = {"sd3_without_t5": ("text_encoder_3", "tokenizer_3")}
SETTINGS: dict[str, Any] = {"seeds": [5], "steps": 3, "guidance": 3.0}


@pytest.fixture
def helpers(tiny_models: Path) -> dict[str, str]:
    return {
        option: str(tiny_models / name)
        for option, name in {"scorer": "clip", "patches": "dino", "segmenter": "clipseg"}.items()
    }


@pytest.fixture
def square() -> Tensor:
    mask = torch.zeros(1, 1, SIDE, SIDE)
    mask[..., 8:24, 8:24] = 1
    return mask


def pipeline_of(folder: str, **settings: Any) -> Any:
    loader: Any = diffusers.DiffusionPipeline
    with quiet_loading():
        return loader.from_pretrained(folder, dtype=torch.float32, **settings)


@pytest.fixture
def loaded(blender: StableDiffusionInpainter) -> StableDiffusionInpainter:
    """A Stable Diffusion of text to image, stepping as its owner chose."""
    euler: Any = diffusers.EulerDiscreteScheduler
    blender.own_scheduler = euler.from_config(blender.own_scheduler.config)
    return blender.with_own_scheduler()


@pytest.fixture
def plain(loaded: StableDiffusionInpainter) -> Any:
    kind: Any = diffusers.StableDiffusionPipeline
    parts = {name: loaded.pipeline.components[name] for name in ("vae", "text_encoder", "tokenizer", "unet")}
    with quiet_loading():
        return kind(**parts, scheduler=loaded.scheduler, safety_checker=None, feature_extractor=None)


def test_a_stable_diffusion_paints_with_its_own_networks_and_schedule(
    plain: Any, loaded: StableDiffusionInpainter, helpers: dict[str, str], square: Tensor
) -> None:
    models = ia.from_pipe(plain, **cast(Any, helpers))
    inpainter = models.inpainter
    assert isinstance(inpainter, StableDiffusionInpainter) and models.diffusion is inpainter.parts
    assert inpainter.parts.unet is plain.unet and inpainter.scheduler is plain.scheduler
    picture = torch.rand(1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1)) * 2 - 1
    made, wanted = (painter.inpaint(picture, square, ["a cat"], **SETTINGS) for painter in (inpainter, loaded))
    assert torch.equal(made, wanted)


@pytest.mark.parametrize("name", list(FAMILIES))
def test_a_family_paints_what_its_folder_paints(
    name: str, families: Load, helpers: dict[str, str], square: Tensor
) -> None:
    loaded = families(name)
    pipe = pipeline_of(loaded.name, **dict.fromkeys(LEFT_OUT.get(name, ())))
    models = ia.from_pipe(pipe, name="mine", **cast(Any, helpers))
    assert isinstance(models.inpainter, PipelineInpainter)
    assert models.inpainter.denoiser in (getattr(pipe, "unet", None), getattr(pipe, "transformer", None))
    assert (models.diffusion is None) == (loaded.diffusion is None)
    picture = torch.rand(1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1)) * 2 - 1
    made, wanted = (m.inpainter.inpaint(picture, square, ["a cat"], **SETTINGS) for m in (models, loaded))
    assert (made - wanted).abs().max() < 1e-4, "weights of convolutions are laid out otherwise"


def test_an_edit_says_with_which_networks_it_was_made(plain: Any, helpers: dict[str, str]) -> None:
    photo = photo_from_image(np.random.default_rng(1).integers(0, 255, (48, 40, 3), np.uint8))
    record = ia.EditRecord(photo="photo.png", prompt="a house", box=(8, 8, 30, 30), steps=2, size=32)
    models = ia.from_pipe(plain, name="mine", **cast(Any, helpers))
    result = ia.edit(photo, record, models)
    same = result.blend == 0
    assert same.any() and (photo.pixels[same] == result.photo.pixels[same]).all()
    assert result.record.models == "mine"
    before = result.versions["inpainter"]
    assert before.startswith("StableDiffusionPipeline#")
    with torch.no_grad():
        plain.unet.conv_in.weight[0, 0, 0, 0] += 1
    assert ia.from_pipe(plain, **cast(Any, helpers)).versions["inpainter"] != before


def test_networks_that_the_pipeline_moves_by_itself_stay_its_own(
    families: Load, helpers: dict[str, str], square: Tensor
) -> None:
    picture = torch.rand(1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1)) * 2 - 1
    here = families("sdxl").inpainter.inpaint(picture, square, ["a cat"], **SETTINGS)
    with pretended_cuda():
        pipe = pipeline_of(families("sdxl").name)
        pipe.enable_model_cpu_offload(device="cuda")
        models = ia.from_pipe(pipe, **cast(Any, helpers))
        there = models.inpainter.inpaint(picture.to("cuda"), square, ["a cat"], **SETTINGS)
    assert models.device.startswith("cuda")
    assert (there - here).abs().max() < 1e-4


@pytest.mark.parametrize(
    ("pipe", "said"),
    [
        (object(), "A object is no pipeline of diffusers"),
        (lambda plain: diffusers.DDPMPipeline(plain.unet, plain.scheduler), "is a DDPMPipeline, for which diffusers"),
    ],
)
def test_what_does_not_repaint_is_told(pipe: Any, said: str, plain: Any, helpers: dict[str, str]) -> None:
    made = pipe(plain) if callable(pipe) else pipe
    with pytest.raises(ia.ModelError, match=said):
        ia.from_pipe(made, **cast(Any, helpers))
