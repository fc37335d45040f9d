"""A denoiser in a file of its own takes the place of a checkpoint's, quantised or not."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from intarsia.backbones import denoiser_files, load_backbones
from intarsia.backbones.additions import Additions, read_additions
from intarsia.backbones.checkpoint_files import DENOISERS
from intarsia.backbones.denoiser_files import check_denoiser_file, split_denoiser
from intarsia.backbones.memory import Memory
from intarsia.backbones.offload import visitor_of
from intarsia.backbones.pipeline_index import other_pipeline
from intarsia.backbones.pipeline_inpainter import PipelineInpainter
from intarsia.backbones.pipeline_loading import load_pipeline_inpainter
from intarsia.backbones.pipeline_placement import is_packed
from intarsia.backbones.protocols import Backbones
from intarsia.backbones.repository_files import wanted_files
from intarsia.backbones.resolve import resolve
from intarsia.backbones.sd_inpainting import StableDiffusionInpainter, load_inpainter
from intarsia.errors import MissingExtraError, ModelError
from tests import tiny
from tests.lora_files import save_diffusers_lora

Load = Callable[[str], Backbones]
SIDE = 32
BLOCK = 32
"""Weights that share a scale."""


def changed(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Other weights, so that it shows which ones paint."""
    return {name: weight * 0.9 if weight.ndim == 2 else weight for name, weight in weights.items()}


def save_gguf(file: Path, weights: dict[str, Tensor], family: str = "flux") -> dict[str, Tensor]:
    """Write weights, those of layers in 8 bits; returns the numbers that they stand for."""
    writer: Any = gguf.GGUFWriter(file, family)
    meant = {}
    for name, weight in weights.items():
        numbers = weight.float().numpy()
        if weight.ndim == 2 and weight.shape[1] % BLOCK == 0:
            packed = gguf.quants.quantize(numbers, gguf.GGMLQuantizationType.Q8_0)
            writer.add_tensor(name, packed, raw_dtype=gguf.GGMLQuantizationType.Q8_0)
            numbers = gguf.quants.dequantize(packed, gguf.GGMLQuantizationType.Q8_0)
        else:
            writer.add_tensor(name, numbers)
        meant[name] = torch.from_numpy(numbers.copy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return meant


def painted(painter: PipelineInpainter | StableDiffusionInpainter, picture: Tensor) -> Tensor:
    mask = torch.zeros(1, 1, SIDE, SIDE)
    mask[..., 8:24, 8:24] = 1
    return painter.inpaint(picture, mask, ["a cat"], seeds=[2], steps=2, guidance=3.0)


@pytest.fixture
def square() -> Tensor:
    return torch.rand(1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1)) * 2 - 1


@pytest.fixture
def with_file(families: Load) -> Callable[..., PipelineInpainter]:
    def load(
        family: str, denoiser: Path | None, memory: Memory | None = None, loras: tuple[str, ...] = ()
    ) -> PipelineInpainter:
        folder = Path(families(family).name)
        index = other_pipeline(folder)
        assert index is not None
        return load_pipeline_inpainter(
            folder,
            index,
            name=family,
            memory=memory or Memory(),
            dtype=torch.float32,
            additions=read_additions(loras, denoiser=denoiser, model=family),
        )

    return load


def own_weights(painter: PipelineInpainter) -> dict[str, Tensor]:
    return dict(painter.denoiser.state_dict())


@pytest.mark.parametrize("family", ["flux", "z_image", "qwen_image", "sdxl"])
def test_a_denoiser_of_a_file_paints(
    family: str, with_file: Callable[..., PipelineInpainter], tmp_path: Path, square: Tensor
) -> None:
    own = with_file(family, None)
    before = painted(own, square)
    weights = changed(own_weights(own))
    save_file({name: weight.contiguous() for name, weight in weights.items()}, tmp_path / "mine.safetensors")
    own.denoiser.load_state_dict(weights)
    made = painted(with_file(family, tmp_path / "mine.safetensors"), square)
    assert (made - painted(own, square)).abs().max() < 1e-4
    assert (made - before).abs().max() > 1e-3


def test_quantised_weights_paint_as_the_numbers_that_they_stand_for(
    with_file: Callable[..., PipelineInpainter], tmp_path: Path, square: Tensor
) -> None:
    own = with_file("flux", None)
    meant = save_gguf(tmp_path / "mine.gguf", changed(own_weights(own)))
    own.denoiser.load_state_dict(meant)
    quantised = with_file("flux", tmp_path / "mine.gguf")
    smaller = [name for name, w in quantised.denoiser.state_dict().items() if w.dtype == torch.uint8]
    assert smaller, "weights that stay quantised"
    assert (painted(quantised, square) - painted(own, square)).abs().max() < 1e-3
    assert not is_packed(quantised.denoiser)
    # Networks that take turns on a card are copied there weight by weight.
    visitor = visitor_of(quantised.denoiser)
    assert visitor is not None
    visitor.offloader.device = torch.device("meta")
    visitor.bring()
    copied, _, kind = smaller[0].rpartition(".")
    weight = getattr(quantised.denoiser.get_submodule(copied), kind)
    assert weight.is_meta and weight.quant_type == gguf.GGMLQuantizationType.Q8_0


def test_a_lora_answers_beside_quantised_weights_as_it_does_in_others(
    with_file: Callable[..., PipelineInpainter], tmp_path: Path, square: Tensor
) -> None:
    own = with_file("flux", None)
    meant = save_gguf(tmp_path / "mine.gguf", own_weights(own))
    save_file({name: weight.contiguous() for name, weight in meant.items()}, tmp_path / "mine.safetensors")
    file = save_diffusers_lora(tmp_path, own.pipeline, targets=("to_q", "to_k", "to_v", "to_out.0"), text=False)
    loras = (f"{file}:5", f"{file}:-0.5")
    packed, fused = (with_file("flux", tmp_path / f"mine.{kind}", loras=loras) for kind in ("gguf", "safetensors"))
    plain = painted(with_file("flux", tmp_path / "mine.gguf"), square)
    # As far as the quantised weights themselves are from the numbers that they stand for.
    assert (painted(packed, square) - painted(fused, square)).abs().max() < 1e-3
    assert (painted(packed, square) - plain).abs().max() > 1e-2
    layer = packed.denoiser.transformer_blocks[0].attn.to_q
    assert layer.weight.dtype == torch.uint8


def test_a_denoiser_as_stable_diffusion_named_it_takes_the_place_of_the_folders(
    tiny_models: Path, tmp_path: Path, square: Tensor
) -> None:
    whole = tmp_path / "whole.safetensors"
    tiny.save_single_file(tiny_models, whole)
    alone = {name: w for name, w in load_file(whole).items() if name.startswith("model.diffusion_model.")}
    save_file(alone, tmp_path / "unet.safetensors")
    settings: dict[str, Any] = {"name": "tiny", "unet": "inpainting_unet", "dtype": torch.float32}
    own = painted(load_inpainter(tiny_models, **settings), square)
    assert torch.allclose(
        painted(
            load_inpainter(tiny_models, **settings, additions=Additions(denoiser=tmp_path / "unet.safetensors")), square
        ),
        own,
        atol=1e-5,
    )


def test_what_is_no_denoiser_of_this_checkpoint_is_a_sentence(
    with_file: Callable[..., PipelineInpainter], tmp_path: Path, tiny_models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other.safetensors"
    for family in ("z_image", "flux"):
        weights = own_weights(with_file(family, None))
        weights.popitem()
        save_file({name: weight.contiguous() for name, weight in weights.items()}, other)
        with pytest.raises(
            ModelError, match=r"other\.safetensors does not hold the weights of the FluxTransformer2DMod"
        ):
            with_file("flux", other)
    save_file({"layer.weight": torch.zeros(2, 2), "layer.scale_weight": torch.zeros(1)}, other)
    with pytest.raises(ModelError, match="8 bits with scales of their own"):
        check_denoiser_file(other)
    with pytest.raises(ModelError, match="There is no file"):
        check_denoiser_file(tmp_path / "none.gguf")
    vae = tiny_models / "vae" / "diffusion_pytorch_model.safetensors"
    with pytest.raises(ModelError, match=r"is an autoencoder \(VAE\) alone, not a denoiser alone"):
        check_denoiser_file(vae)
    (tmp_path / "page.gguf").write_text("<!DOCTYPE html>")
    with pytest.raises(ModelError, match="it is a web page"):
        check_denoiser_file(tmp_path / "page.gguf")
    save_gguf(tmp_path / "some.gguf", {"a.weight": torch.zeros(2, 32)})
    check_denoiser_file(tmp_path / "some.gguf")
    monkeypatch.setattr(denoiser_files, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"intarsia\[gguf\]"):
        check_denoiser_file(tmp_path / "some.gguf")


def test_weights_that_a_missing_library_has_quantised_are_told(families: Load, tmp_path: Path) -> None:
    folder = tmp_path / "flux"
    shutil.copytree(families("flux").name, folder)
    config = json.loads((folder / "transformer" / "config.json").read_text())
    config["quantization_config"] = {"quant_method": "bitsandbytes", "load_in_4bit": True}
    (folder / "transformer" / "config.json").write_text(json.dumps(config))
    with pytest.raises(
        ModelError, match=r"transformer is quantised by bitsandbytes, which could not be used here .*: inst"
    ):
        load_backbones(str(folder))


def test_a_checkpoint_with_another_denoiser_is_one_word(
    families: Load, with_file: Callable[..., PipelineInpainter], tmp_path: Path, square: Tensor
) -> None:
    file = tmp_path / "a+b.gguf"
    save_gguf(file, changed(own_weights(with_file("flux", None))))
    folder = tmp_path / "parts"
    shutil.copytree(families("flux").name, folder, ignore=shutil.ignore_patterns("diffusion_pytorch_model*"))
    shutil.copytree(Path(families("flux").name) / "vae", folder / "vae", dirs_exist_ok=True)
    with pytest.raises(ModelError, match=r"transformer/ has no \.safetensors weights"):
        resolve(str(folder))
    models = load_backbones(f"{folder}+{file}")
    assert models.name == f"{folder}+{file}"
    assert models.versions["denoiser"].startswith("a+b.gguf#")
    assert isinstance(models.inpainter, PipelineInpainter)
    assert torch.equal(painted(models.inpainter, square), painted(with_file("flux", file), square))
    with pytest.raises(ModelError, match=r"There is no file .*none\.gguf: check the path behind the plus sign"):
        resolve(f"pocket+{tmp_path / 'none.gguf'}")


def test_paths_with_a_plus_sign_stay_what_they_are(tmp_path: Path) -> None:
    (tmp_path / "a+b.safetensors").write_bytes(b"")
    assert split_denoiser(str(tmp_path / "a+b.safetensors")) == (str(tmp_path / "a+b.safetensors"), None)
    assert split_denoiser("owner/name+/models/x.gguf") == ("owner/name", Path("/models/x.gguf"))
    assert split_denoiser("owner/c++") == ("owner/c++", None)


def test_the_weights_that_are_replaced_are_not_fetched() -> None:
    there = ["model_index.json", "transformer/config.json", "transformer/diffusion_pytorch_model.safetensors",
             "vae/config.json", "vae/diffusion_pytorch_model.safetensors"]  # fmt: skip
    wanted = wanted_files(there, ("transformer", "vae"), "full", without=DENOISERS)
    assert set(there) - set(wanted) == {"transformer/diffusion_pytorch_model.safetensors"}
