"""SigLIP beside CLIP as the scorer, DINOv2 and DINOv3 beside DINO as the encoder: random networks of the real classes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from torch.nn import functional

from intarsia.backbones import load_backbones
from intarsia.backbones.dino import load_patch_encoder
from intarsia.backbones.helpers import patches_side
from intarsia.backbones.scorers import load_any_scorer
from intarsia.backbones.siglip import SiglipScorer
from intarsia.errors import ModelError
from tests import tiny
from tests.tiny_families import t5_tokenizer


@pytest.fixture(scope="module")
def siglip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("siglip")
    torch.manual_seed(3)
    tokenizer = t5_tokenizer()
    tokenizer.model_input_names = ["input_ids"]
    tokenizer.save_pretrained(folder)
    text: dict[str, Any] = tiny.text_settings(tiny.save_tokenizer(folder / "unused")) | {
        "vocab_size": len(tokenizer), "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 1,
    }  # fmt: skip
    shutil.rmtree(folder / "unused")
    text.pop("projection_dim")
    vision = {**tiny.VISION, "num_attention_heads": 2}
    transformers.SiglipModel(transformers.SiglipConfig(text_config=text, vision_config=vision)).save_pretrained(folder)
    tiny.save_preparation(folder, 0.5, 0.5)
    return folder


def test_siglip_scores_as_its_own_model_does(siglip: Path) -> None:
    scorer = load_any_scorer(siglip, device="cpu")
    assert isinstance(scorer, SiglipScorer)
    pictures, texts = torch.rand(3, 3, 40, 50) * 2 - 1, ["A Cat", "two dogs in a boat"]
    seen, read = scorer.embed_images(pictures), scorer.embed_texts(texts)
    model = scorer.model
    resized = functional.interpolate(pictures, (32, 32), mode="bicubic", antialias=True, align_corners=False)
    tokens = scorer.tokenizer(
        [text.lower() for text in texts], padding="max_length", truncation=True, max_length=16, return_tensors="pt"
    )
    with torch.no_grad():
        output = model(input_ids=tokens.input_ids, pixel_values=resized.clamp(-1, 1))
    torch.testing.assert_close(seen, output.image_embeds, atol=1e-5, rtol=0)
    torch.testing.assert_close(read, output.text_embeds, atol=1e-5, rtol=0)
    assert scorer.embed_texts(["A CAT"]).equal(scorer.embed_texts(["a cat"]))


def test_siglip_has_tokens_for_every_loss(siglip: Path) -> None:
    scorer = load_any_scorer(siglip, device="cpu")
    pictures = (torch.rand(2, 3, 32, 32) * 2 - 1).requires_grad_()
    patches, inner = scorer.patch_tokens(pictures), scorer.inner_tokens(pictures)
    assert patches.shape == (2, 16, tiny.WIDTH) and inner.shape == (2, 17, tiny.WIDTH)
    torch.testing.assert_close(inner[:, 0], inner[:, 1:].mean(1))
    (scorer.embed_images(pictures).sum() + patches.square().sum() + inner.square().sum()).backward()
    assert pictures.grad is not None and pictures.grad.abs().sum() > 0


def test_a_siglip_takes_the_scorers_place(siglip: Path, tiny_models: Path) -> None:
    loaded = load_backbones(str(tiny_models), device="cpu", scorer=str(siglip))
    assert isinstance(loaded.scorer, SiglipScorer) and loaded.versions["scorer"].startswith(siglip.name)


def test_siglip_of_every_shape_is_refused_by_name(siglip: Path, tmp_path: Path) -> None:
    folder = tmp_path / "naflex"
    shutil.copytree(siglip, folder)
    settings = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(settings | {"model_type": "siglip2"}))
    with pytest.raises(ModelError, match=r"is a SigLIP 2 that reads pictures of every shape \(NaFlex\).*patch16-224"):
        load_any_scorer(folder, device="cpu")


ENCODERS = {
    "dinov2": lambda: transformers.Dinov2Model(transformers.Dinov2Config(**tiny.VISION)),
    "dinov2 with registers": lambda: transformers.Dinov2WithRegistersModel(
        transformers.Dinov2WithRegistersConfig(**tiny.VISION, num_register_tokens=4)
    ),
    "dinov3": lambda: transformers.DINOv3ViTModel(transformers.DINOv3ViTConfig(**tiny.VISION, num_register_tokens=4)),
}


@pytest.mark.parametrize("kind", ENCODERS)
def test_later_dinos_describe_a_picture_patch_by_patch(kind: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    ENCODERS[kind]().save_pretrained(tmp_path)
    tiny.save_preparation(tmp_path, 0.4, 0.25)
    encoder = load_patch_encoder(tmp_path, device="cpu", side=64)
    found = encoder.encode(torch.rand(1, 3, 48, 96) * 2 - 1)
    rows, columns = found.saliency.shape
    assert found.features.shape == (tiny.WIDTH, rows, columns) and rows < columns and abs(rows * columns - 64) < 8
    assert found.saliency.sum().item() == pytest.approx(1, abs=1e-5)
    assert encoder.encode_keys(torch.zeros(1, 3, 64, 64)).shape[1] == tiny.WIDTH


def test_an_encoder_of_the_catalogue_works_at_the_size_that_it_names() -> None:
    assert (patches_side(None), patches_side("dinov3"), patches_side("some/folder")) == (256, 512, None)
