"""Small checkpoints of every kind of segmenter, and the parts of a painter."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from torch import Tensor
from transformers import (
    Sam2Model,
    Sam3Model,
    SamModel,
)

from intarsia.backbones.sam import Sam3Segmenter, SamMaskRefiner, load_mask_refiner, load_sam3
from intarsia.backbones.sd_inpainting import StableDiffusionInpainter, load_inpainter
from tests import tiny
from tests.backbones.network_checks import HEIGHT, WIDTH
from tests.backbones.sam_networks import SIDE, SIDE3, sam2_config, sam3_config, sam_config, save_preparation


@pytest.fixture(scope="session")
def sams(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """sam/, sam2/ and sam3/ of random weights, in the files that the real ones have."""
    folder = tmp_path_factory.mktemp("sams")
    with torch.random.fork_rng():
        torch.manual_seed(3)
        SamModel(sam_config()).save_pretrained(folder / "sam")
        Sam2Model(sam2_config()).save_pretrained(folder / "sam2")
        tokenizer = tiny.save_tokenizer(folder / "sam3")
        Sam3Model(sam3_config(tiny.text_settings(tokenizer))).save_pretrained(folder / "sam3")
    longest = {"size": {"longest_edge": SIDE}, "pad_size": {"height": SIDE, "width": SIDE}}
    save_preparation(folder / "sam", **longest)
    save_preparation(folder / "sam2", size={"height": SIDE, "width": SIDE})
    save_preparation(folder / "sam3", size={"height": SIDE3, "width": SIDE3})
    return folder


@pytest.fixture(scope="session")
def outliners(sams: Path) -> dict[str, SamMaskRefiner]:
    return {kind: load_mask_refiner(sams / kind, kind, device="cpu") for kind in ("sam", "sam2")}


@pytest.fixture(scope="session")
def sam3(sams: Path) -> Sam3Segmenter:
    return load_sam3(sams / "sam3", device="cpu")


@pytest.fixture
def picture() -> Tensor:
    return torch.rand(1, 3, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(1)) * 2 - 1


@pytest.fixture
def masks() -> Tensor:
    masks = torch.zeros(3, 1, HEIGHT, WIDTH)
    masks[0, :, :16] = 1
    masks[1, :, :, 8:30] = 1
    masks[2, :, 8:20, 8:20] = 1
    return masks


@pytest.fixture
def painter(tiny_models: Path) -> StableDiffusionInpainter:
    return load_inpainter(tiny_models, name="tiny", unet="inpainting_unet", dtype=torch.float32)


@pytest.fixture
def blender(tiny_models: Path, tmp_path: Path) -> StableDiffusionInpainter:
    """A 4-channel denoiser with a scheduler that is not kept."""
    return load_inpainter(four_channels(tiny_models, tmp_path), name="tiny", dtype=torch.float32)


def four_channels(tiny_models: Path, folder: Path) -> Path:
    copy = folder / "four"
    shutil.copytree(tiny_models, copy, ignore=shutil.ignore_patterns("inpainting_unet", "scheduler"))
    tiny.save_scheduler(copy / "scheduler", "pndm")
    return copy
