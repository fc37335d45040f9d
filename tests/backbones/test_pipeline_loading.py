"""Loading checkpoints that are used through their pipeline: what is refused, with which sentence, and what is chosen."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from intarsia.backbones import load_backbones, resolve
from intarsia.backbones.checkpoint_files import version_of
from intarsia.backbones.pipeline_inpainter import PipelineInpainter
from intarsia.backbones.pipeline_loading import inpainting_class
from intarsia.backbones.protocols import Backbones
from intarsia.errors import ModelError

Load = Callable[[str], Backbones]


@pytest.fixture
def flux(families: Load, tmp_path: Path) -> Path:
    """A Flux checkpoint that may be spoilt."""
    return Path(shutil.copytree(families("flux").name, tmp_path / "flux"))


def change_index(folder: Path, **changes: Any) -> None:
    file = folder / "model_index.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def refusal(folder: Path) -> str:
    with pytest.raises(ModelError) as refused:
        load_backbones(str(folder), device="cpu")
    return str(refused.value)


@pytest.mark.parametrize(
    ("saved", "used"),
    [
        ("StableDiffusionXLPipeline", "StableDiffusionXLInpaintPipeline"),
        ("StableDiffusionXLImg2ImgPipeline", "StableDiffusionXLInpaintPipeline"),
        ("StableDiffusion3Pipeline", "StableDiffusion3InpaintPipeline"),
        ("FluxPipeline", "FluxInpaintPipeline"),
        ("FluxFillPipeline", "FluxFillPipeline"),
        ("FluxKontextPipeline", "FluxKontextInpaintPipeline"),
        ("Flux2KleinPipeline", "Flux2KleinInpaintPipeline"),
        ("ChromaPipeline", "ChromaInpaintPipeline"),
        ("QwenImagePipeline", "QwenImageInpaintPipeline"),
        ("ZImagePipeline", "ZImageInpaintPipeline"),
        ("ZImageInpaintPipeline", "ZImageInpaintPipeline"),
    ],
)
def test_what_paints_from_text_is_used_as_what_repaints(saved: str, used: str) -> None:
    assert inpainting_class(saved).__name__ == used


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("NewestPipeline", "which the installed diffusers does not have"),
        ("UNet2DConditionModel", "which the installed diffusers does not have"),
        ("schedulers", "which the installed diffusers does not have"),
        ("SanaPipeline", "no inpainting"),
        ("FluxControlNetPipeline", "no inpainting"),
        ("KandinskyV22Pipeline", "no inpainting"),
        ("QwenImageEditPipeline", "no inpainting"),  # it is loaded as what edits by instructions
    ],
)
def test_what_cannot_repaint_by_words_is_refused(name: str, why: str) -> None:
    with pytest.raises(ModelError, match=f"{name}, .*{why}"):
        inpainting_class(name)


def test_a_pipeline_that_needs_more_is_refused_in_one_sentence(flux: Path) -> None:
    change_index(flux, _class_name="FluxControlNetPipeline")
    assert "no inpainting by words and a mask alone: try --models sd15" in refusal(flux)


def test_a_missing_part_is_named_before_anything_is_loaded(flux: Path) -> None:
    shutil.rmtree(flux / "text_encoder_2")
    with pytest.raises(ModelError, match=r"text_encoder_2/ is missing, which model_index\.json names"):
        resolve.resolve(str(flux))


def test_a_part_that_the_index_does_not_name_is_missed(flux: Path) -> None:
    index = json.loads((flux / "model_index.json").read_text())
    del index["vae"]
    (flux / "model_index.json").write_text(json.dumps(index))
    assert "names no vae, which a FluxPipeline needs" in refusal(flux)


def test_pickled_weights_are_refused(flux: Path) -> None:
    file = flux / "transformer" / "diffusion_pytorch_model.safetensors"
    file.rename(file.with_suffix(".bin"))
    with pytest.raises(ModelError, match=r"transformer/diffusion_pytorch_model.bin is a pickle"):
        resolve.resolve(str(flux))


def test_code_beside_weights_is_not_run(flux: Path, tmp_path: Path) -> None:
    """A part of a class of its own would be imported, from whatever is called so."""
    change_index(flux, transformer=["antigravity", "Transformer"])
    assert "antigravity.Transformer as its transformer" in refusal(flux)


def test_weights_that_are_missing_are_not_drawn_at_random(flux: Path) -> None:
    file = flux / "transformer" / "diffusion_pytorch_model.safetensors"
    weights = load_file(file)
    weights.pop("proj_out.bias")
    save_file(weights, file, metadata={"format": "pt"})
    assert "lacks 1 weights of a FluxTransformer2DModel" in refusal(flux)


def test_a_damaged_tokenizer_is_one_sentence(flux: Path) -> None:
    (flux / "tokenizer_2" / "tokenizer.json").write_text("{")
    assert "tokenizer_2 could not be loaded as T5Tokenizer" in refusal(flux)


def test_the_version_covers_what_paints(flux: Path) -> None:
    before = version_of(flux)
    file = flux / "transformer" / "diffusion_pytorch_model.safetensors"
    save_file({name: w + 1 for name, w in load_file(file).items()}, file, metadata={"format": "pt"})
    assert version_of(flux) != before


def test_half_precision_is_the_whole_pipelines(families: Load) -> None:
    models = load_backbones(families("z_image").name, device="cpu", dtype="bfloat16")
    inpainter = models.inpainter
    assert isinstance(inpainter, PipelineInpainter)
    assert {inpainter.dtype, inpainter.pipeline.vae.dtype, inpainter.pipeline.text_encoder.dtype} == {torch.bfloat16}
    assert "torch.bfloat16" in models.cache_key
    painted = inpainter.inpaint(
        torch.zeros(1, 3, 32, 32), torch.ones(1, 1, 32, 32), ["a cat"], seeds=[1], steps=2, guidance=3.0
    )
    assert painted.dtype == torch.float32
    assert painted.isfinite().all()


def test_numbers_that_are_not_finite_are_one_sentence(families: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    inpainter = families("sd3").inpainter
    assert isinstance(inpainter, PipelineInpainter)
    decode = inpainter.pipeline.vae.decode
    monkeypatch.setattr(
        inpainter.pipeline.vae, "decode", lambda latents, **settings: decode(latents * float("nan"), **settings)
    )
    with pytest.raises(ModelError, match="not finite"):
        inpainter.inpaint(
            torch.zeros(1, 3, 32, 32), torch.ones(1, 1, 32, 32), ["a cat"], seeds=[1], steps=1, guidance=1.0
        )
