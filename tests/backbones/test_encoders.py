"""CLIP, DINO and CLIPSeg: parity with transformers, preprocessing, versions."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import CLIPModel, CLIPSegForImageSegmentation, CLIPTokenizer, ViTModel

from intarsia.backbones import load_backbones
from intarsia.backbones.checkpoint_files import version_of
from intarsia.backbones.dino import grid_size, load_patch_encoder
from intarsia.backbones.preprocessing import read_preprocessing
from intarsia.backbones.protocols import Backbones
from intarsia.backbones.sd_inpainting import StableDiffusionInpainter
from intarsia.errors import ModelError
from tests import tiny


def test_the_scorer_agrees_with_transformers(tiny_backbones: Backbones, tiny_models: Path) -> None:
    pictures = torch.rand(2, 3, tiny.SIDE, tiny.SIDE) * 2 - 1
    texts = ["a cat", "two dogs"]
    model = CLIPModel.from_pretrained(tiny_models / "clip").eval()
    tokens = CLIPTokenizer.from_pretrained(tiny_models / "clip")(texts, padding=True, return_tensors="pt")
    with torch.no_grad():
        theirs = model(**tokens, pixel_values=pictures)
    assert torch.allclose(tiny_backbones.scorer.embed_images(pictures), theirs.image_embeds, atol=1e-5)
    assert torch.allclose(tiny_backbones.scorer.embed_texts(texts), theirs.text_embeds, atol=1e-5)
    assert tiny_backbones.scorer.patch_tokens(pictures).shape == (2, 16, tiny.WIDTH)


def test_the_scorer_lets_the_gradient_through_a_picture_of_any_size(tiny_backbones: Backbones) -> None:
    picture = torch.zeros(1, 3, 50, 70, requires_grad=True)
    target = tiny_backbones.scorer.embed_texts(["a cat"])
    (tiny_backbones.scorer.embed_images(picture) @ target.T).sum().backward()
    assert picture.grad is not None and (picture.grad != 0).float().mean() > 0.9
    picture.grad = None
    tiny_backbones.scorer.patch_tokens(picture).square().sum().backward()
    assert picture.grad is not None and picture.grad.abs().sum() > 0


def test_long_texts_are_cut_with_a_warning(tiny_backbones: Backbones, caplog: pytest.LogCaptureFixture) -> None:
    long = "a very long text about many cats"
    with caplog.at_level(logging.WARNING):
        vectors = tiny_backbones.scorer.embed_texts([long, "short"])
    assert torch.allclose(vectors.norm(dim=-1), torch.ones(2), atol=1e-5)
    assert len(caplog.records) == 1 and long in caplog.text and "16 of 28" in caplog.text


@pytest.mark.parametrize("registers", [0, 3])
def test_patches_and_saliency_of_the_whole_picture(registers: int, tmp_path: Path) -> None:
    torch.manual_seed(0)
    tiny.save_dino(tmp_path, registers=registers)
    encoder = load_patch_encoder(tmp_path, device="cpu")
    found = encoder.encode(torch.rand(1, 3, 40, 160) * 2 - 1)
    assert found.features.shape == (tiny.WIDTH, 2, 8)
    assert found.saliency.shape == (2, 8)
    assert found.saliency.sum() == pytest.approx(1, abs=1e-5) and found.saliency.min() > 0


def test_saliency_is_the_attention_of_the_class_token(tiny_models: Path) -> None:
    encoder = load_patch_encoder(tiny_models / "dino", device="cpu")
    picture = torch.rand(1, 3, tiny.SIDE, tiny.SIDE) * 2 - 1
    model = ViTModel.from_pretrained(tiny_models / "dino", attn_implementation="eager", add_pooling_layer=False).eval()
    with torch.no_grad():
        theirs = model(pixel_values=((picture + 1) / 2 - 0.4) / 0.25, output_attentions=True)
    attention = theirs.attentions[-1][0, :, 0, 1:].mean(0)
    found = encoder.encode(picture)
    assert torch.allclose(found.saliency.flatten(), attention / attention.sum(), atol=1e-6)
    # Row by row: the second patch of the first row is token 2 ([CLS] is 0).
    assert torch.allclose(found.features[:, 0, 1], theirs.last_hidden_state[0, 2], atol=1e-5)


@pytest.mark.parametrize(
    ("height", "width", "grid"),
    [(512, 512, (32, 32)), (256, 1024, (16, 64)), (1080, 1920, (24, 43)), (10, 40_000, (1, 1024))],
)
def test_patch_grids_keep_the_ratio_and_the_cost(height: int, width: int, grid: tuple[int, int]) -> None:
    assert grid_size(height, width, 32) == grid


def test_the_segmenter_agrees_with_transformers(tiny_backbones: Backbones, tiny_models: Path) -> None:
    picture = torch.rand(1, 3, tiny.SIDE, tiny.SIDE) * 2 - 1
    texts = ["a cat", "two dogs"]
    model = CLIPSegForImageSegmentation.from_pretrained(tiny_models / "clipseg").eval()
    tokens = CLIPTokenizer.from_pretrained(tiny_models / "clipseg")(texts, padding=True, return_tensors="pt")
    prepared = (((picture + 1) / 2 - 0.4) / 0.25).expand(2, -1, -1, -1)
    with torch.no_grad():
        theirs = model(**tokens, pixel_values=prepared).logits.sigmoid()
    ours = tiny_backbones.segmenter.predict_masks(picture, texts)
    assert torch.allclose(ours, theirs, atol=1e-5)
    assert tiny_backbones.segmenter.predict_masks(torch.rand(1, 3, 21, 55), ["a cat"]).shape == (1, 21, 55)


def test_preparation_is_read_from_either_file(tmp_path: Path) -> None:
    settings = {"image_mean": [0.1, 0.2, 0.3], "image_std": [0.5, 0.6, 0.7], "size": {"shortest_edge": 224}}
    (tmp_path / "processor_config.json").write_text(json.dumps({"image_processor": settings}))
    found = read_preprocessing(tmp_path)
    assert (found.mean, found.deviation, found.side) == ((0.1, 0.2, 0.3), (0.5, 0.6, 0.7), 224)
    white = found(torch.ones(1, 3, 4, 4), (4, 4))
    assert white[0, :, 0, 0].tolist() == pytest.approx([0.9 / 0.5, 0.8 / 0.6, 0.7 / 0.7])


def test_preparation_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"preprocessor_config\.json"):
        read_preprocessing(tmp_path)
    (tmp_path / "preprocessor_config.json").write_text("{}")
    with pytest.raises(ModelError, match="image_mean"):
        read_preprocessing(tmp_path)


def test_versions_follow_the_weights_and_not_the_place(
    tiny_backbones: Backbones, tiny_models: Path, tmp_path: Path
) -> None:
    assert set(tiny_backbones.versions) == {"inpainter", "scorer", "patches", "segmenter"}
    assert load_backbones(str(tiny_models)).versions == tiny_backbones.versions
    moved = tmp_path / tiny_models.name
    shutil.copytree(tiny_models, moved)
    assert version_of(moved) == tiny_backbones.versions["inpainter"]
    tiny.save_dino(moved / "dino")
    assert version_of(moved) == tiny_backbones.versions["inpainter"]
    tiny.autoencoder().save_pretrained(moved / "vae")
    assert version_of(moved) != tiny_backbones.versions["inpainter"]


def test_a_single_file_paints_as_its_folder_does(
    tiny_models: Path, tmp_path: Path, painter: StableDiffusionInpainter, picture: Tensor, masks: Tensor
) -> None:
    file = tmp_path / "model.safetensors"
    tiny.save_single_file(tiny_models, file)
    helpers = {"scorer": "clip", "patches": "dino", "segmenter": "clipseg"}
    folders: dict[str, Any] = {key: str(tiny_models / name) for key, name in helpers.items()}

    with pytest.raises(ModelError, match="put the checkpoint's diffusers configuration and tokenizer into"):
        load_backbones(str(file), **folders)
    tiny.save_file_configuration(tiny_models, tmp_path / "model")
    loaded = load_backbones(str(file), **folders)
    expected = painter.inpaint(picture, masks[:1], ["a cat"], seeds=[1], steps=2, guidance=2.0)
    painted = loaded.inpainter.inpaint(picture, masks[:1], ["a cat"], seeds=[1], steps=2, guidance=2.0)
    assert torch.allclose(painted, expected, atol=1e-5)
    assert loaded.versions["inpainter"].startswith("model.safetensors#")
