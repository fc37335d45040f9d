"""Configurations and the tokenizer that ship: equal to the published ones, so that a bare file loads offline."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from intarsia.backbones import checkpoint_kind, load_backbones, shipped_configs, single_files
from intarsia.backbones.pipeline_inpainter import PipelineInpainter
from intarsia.backbones.sd_inpainting import StableDiffusionInpainter, load_single_file
from intarsia.backbones.shipped_configs import FAMILIES, clip_tokenizer, family_settings
from intarsia.backbones.single_files import prediction_of, single_file_configuration
from intarsia.backbones.weight_headers import WeightHeader
from intarsia.errors import ModelError
from tests import tiny
from tests.original_layout import save_original
from tests.slow import mostly_slow

# Of openai/clip-vit-large-patch14, as tests of other readers of that vocabulary publish them.
PUBLISHED = {
    "": [49406, 49407],
    "a photo of a cat": [49406, 320, 1125, 539, 320, 2368, 49407],
    "sunset": [49406, 3424, 49407],
    "Hello World": [49406, 3306, 1002, 49407],
    "a dog's toy": [49406, 320, 1929, 568, 5988, 49407],
    "日落": [49406, 39121, 164, 238, 377, 49407],
    "the brown fox jumps over the lazy dog": [49406, 518, 2866, 3240, 18911, 962, 518, 10753, 1929, 49407],
    "don't STOP me now 1234": [49406, 847, 713, 1691, 614, 692, 272, 273, 274, 275, 49407],
    "  multiple   spaces\tand\nnewlines  ": [49406, 6470, 9006, 537, 1218, 3418, 49407],
    "A cyberpunk street at night, neon lights!":
        [49406, 320, 36896, 2012, 536, 930, 267, 13919, 3073, 256, 49407],
    "café crème brûlée 🍰 & <html>":
        [49406, 15304, 1075, 12138, 614, 711, 127, 119, 75, 13489, 30051, 261, 283, 18231, 285, 49407],
    "We're testing UTF-8 café — fast!":
        [49406, 649, 982, 4967, 1419, 325, 268, 279, 15304, 2005, 1953, 256, 49407],
    "a beautiful landscape, digital art, trending on artstation":
        [49406, 320, 1215, 5727, 267, 2794, 794, 267, 6087, 525, 1486, 2631, 49407],
    "Portrait of an old wizard; highly-detailed, 8k, trending on ArtStation":
        [49406, 5352, 539, 550, 896, 14295, 282, 5302, 268, 12609, 267, 279, 330, 267, 6087, 525, 1486, 2631, 49407],
}  # fmt: skip


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return clip_tokenizer()


@pytest.mark.parametrize("text", PUBLISHED)
def test_texts_become_the_published_ids(text: str, tokenizer: Any) -> None:
    assert tokenizer(text).input_ids == PUBLISHED[text]


def test_the_merges_are_the_published_file() -> None:
    content = (FAMILIES / "clip_tokenizer" / "merges.txt").read_bytes()
    assert hashlib.sha256(content).hexdigest() == "9fd691f7c8039210e0fced15865466c65820d09b63988b0174bfe25de299051a"
    assert "MIT License" in (FAMILIES / "clip_tokenizer" / "LICENSE").read_text()


def test_texts_are_filled_up_as_each_family_does(tokenizer: Any) -> None:
    assert (len(tokenizer), tokenizer.pad_token_id, tokenizer.model_max_length) == (49408, 49407, 77)
    sd2 = clip_tokenizer(**family_settings("sd2")["tokenizer"])
    assert sd2("a cat", padding="max_length").input_ids[2:6] == [2368, 49407, 0, 0]
    assert isinstance(sd2, CLIPTokenizer) and sd2.pad_token_id == 0


COUNTED = {
    ("sd1", 4): (859_520_964, 83_653_863, 123_060_480),
    ("sd1", 9): (859_535_364, 83_653_863, 123_060_480),
    ("sd2", 4): (865_910_724, 83_653_863, 340_387_840),
    ("sd2", 9): (865_925_124, 83_653_863, 340_387_840),
    ("sdxl", 4): (2_567_463_684, 83_653_863, 123_060_480),
}
"""Published counts of the parameters of denoiser, autoencoder and (first) text encoder."""


@pytest.mark.parametrize(("family", "channels"), COUNTED)
def test_networks_of_these_configurations_have_the_published_size(family: Any, channels: int) -> None:
    settings = family_settings(family, channels=channels)
    with torch.device("meta"):
        unet = UNet2DConditionModel.from_config(settings["unet"])
        vae = AutoencoderKL.from_config(settings["vae"])
        text = CLIPTextModel(CLIPTextConfig(**settings["text_encoder"]))
        second = [CLIPTextModelWithProjection(CLIPTextConfig(**settings["text_encoder_2"]))] if family == "sdxl" else []
    counted = tuple(sum(w.numel() for w in network.parameters()) for network in (unet, vae, text))
    assert counted == COUNTED[family, channels]
    assert [sum(w.numel() for w in network.parameters()) for network in second] == [694_659_840] * len(second)


def test_only_the_release_for_768_pixels_of_stable_diffusion_2_predicts_v() -> None:
    assert family_settings("sd2", prediction="v_prediction")["unet"]["sample_size"] == 96
    assert family_settings("sd2")["unet"]["sample_size"] == family_settings("sd1")["unet"]["sample_size"] == 64


@pytest.mark.parametrize(
    ("name", "family", "inpaints", "metadata", "tensors", "expected"),
    [
        ("v1-5-pruned", "sd1", False, {}, {}, "epsilon"),
        ("anything", "sd2", False, {}, {}, "v_prediction"),
        ("v2-1_768-ema-pruned", "sd2", False, {}, {}, "v_prediction"),
        ("v2-1_512-ema-pruned", "sd2", False, {}, {}, "epsilon"),
        ("stable-diffusion-2-base", "sd2", False, {}, {}, "epsilon"),
        ("anything", "sd2", True, {}, {}, "epsilon"),
        ("anything", "sd2", False, {"modelspec.prediction_type": "epsilon"}, {}, "epsilon"),
        ("base", "sd2", False, {"modelspec.prediction_type": "v"}, {}, "v_prediction"),
        ("base", "sd2", False, {"ss_v_parameterization": "True"}, {}, "v_prediction"),
        ("finetune", "sd1", False, {}, {"v_pred": ()}, "v_prediction"),
    ],
)
def test_what_a_file_predicts_is_read_from_what_it_says(
    name: str, family: Any, inpaints: bool, metadata: dict[str, str], tensors: Any, expected: str, tmp_path: Path
) -> None:
    header = WeightHeader(shapes=tensors, types=frozenset(), metadata=metadata)
    assert prediction_of(tmp_path / f"{name}.safetensors", header, family, inpaints=inpaints) == expected


def test_a_configuration_of_the_first_layout_beside_the_file_is_heard(tmp_path: Path) -> None:
    header = WeightHeader(shapes={}, types=frozenset(), metadata={})
    (tmp_path / "mine.yaml").write_text('model:\n  params:\n    parameterization: "v"\n')
    assert prediction_of(tmp_path / "mine.safetensors", header, "sd1", inpaints=False) == "v_prediction"
    (tmp_path / "mine.yaml").write_text("model:\n  params:\n    timesteps: 1000\n")
    assert prediction_of(tmp_path / "mine.safetensors", header, "sd2", inpaints=False) == "epsilon"


@pytest.fixture
def bare_file(tiny_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The tiny checkpoint in one file, taken for one of a family of which these are the configurations that ship."""
    shipped = tmp_path / "families"
    shipped.mkdir()
    folders = {"unet": "inpainting_unet", "vae": "vae", "text_encoder": "text_encoder", "scheduler": "scheduler"}
    settings = {
        part: json.loads(next((tiny_models / folder).glob("*config.json")).read_text())
        for part, folder in folders.items()
    }
    (shipped / "sd1.json").write_text(json.dumps(settings | {"tokenizer": {"limit": tiny.TEXT_LIMIT}}))
    monkeypatch.setattr(shipped_configs, "FAMILIES", shipped)
    monkeypatch.setattr(
        single_files, "clip_tokenizer", lambda **_: CLIPTokenizer.from_pretrained(tiny_models / "tokenizer")
    )
    monkeypatch.setattr("intarsia.backbones.checkpoint_kind.SD_FAMILIES", {tiny.WIDTH: "sd1"})
    file = tmp_path / "bare.safetensors"
    tiny.save_single_file(tiny_models, file)
    save_file(load_file(file), file, metadata={"modelspec.prediction_type": "v"})
    return file


def test_a_bare_file_paints_as_its_folder_does(
    bare_file: Path, tiny_models: Path, painter: StableDiffusionInpainter, picture: Tensor, masks: Tensor
) -> None:
    helpers = {"scorer": "clip", "patches": "dino", "segmenter": "clipseg"}
    folders: dict[str, Any] = {key: str(tiny_models / name) for key, name in helpers.items()}
    loaded = load_backbones(str(bare_file), **folders)
    expected = painter.inpaint(picture, masks[:1], ["a cat"], seeds=[1], steps=2, guidance=2.0)
    painted = loaded.inpainter.inpaint(picture, masks[:1], ["a cat"], seeds=[1], steps=2, guidance=2.0)
    assert torch.allclose(painted, expected, atol=1e-5)


def narrowed(settings: dict[str, Any]) -> dict[str, Any]:
    """A family's configurations with all that makes its networks what they are but their width."""
    levels = len(settings["unet"]["block_out_channels"])
    settings["unet"] |= {"block_out_channels": [32, 32, 64, 64][:levels], "attention_head_dim": 8}
    settings["vae"] |= {"block_out_channels": [32, 32, 32, 32]}
    for part in ("text_encoder", "text_encoder_2"):
        if part in settings:
            settings[part] |= {
                "hidden_size": 32,
                "intermediate_size": 64,
                "num_attention_heads": 2,
                "projection_dim": 32,
                "num_hidden_layers": 2,
            }
    return settings


FILES = {
    "sd1": ("sd1", 4, "epsilon", 64),
    "sd1 inpainting": ("sd1", 9, "epsilon", 64),
    "v2-1_768-ema-pruned": ("sd2", 4, "v_prediction", 96),
    "v2-1_512-ema-pruned": ("sd2", 4, "epsilon", 64),
    "512-inpainting-ema": ("sd2", 9, "epsilon", 64),
}


@pytest.mark.parametrize("name", FILES)
def test_a_bare_file_of_each_family_loads_with_what_ships(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    family, channels, prediction, cells = FILES[name]
    settings = narrowed(family_settings(cast(Any, family), channels=channels))
    torch.manual_seed(1)
    networks = {
        "unet": UNet2DConditionModel.from_config(settings["unet"]),
        "vae": AutoencoderKL.from_config(settings["vae"]),
        "text_encoder": CLIPTextModel(CLIPTextConfig(**settings["text_encoder"])),
    }
    file = tmp_path / f"{name}.safetensors"
    save_original(file, **networks, open_clip=family == "sd2")
    monkeypatch.setattr(single_files, "family_settings", lambda *a, **b: narrowed(family_settings(*a, **b)))
    loaded = load_single_file(file, None, name=name, dtype=torch.float32)
    pipeline = loaded.pipeline
    for part, network in networks.items():
        there = getattr(pipeline, part).state_dict()
        assert all(torch.equal(there[key], weight) for key, weight in network.state_dict().items()), part
    assert pipeline.own_scheduler.config.prediction_type == loaded.scheduler.config.prediction_type == prediction
    assert (pipeline.unet.config.in_channels, pipeline.unet.config.sample_size) == (channels, cells)
    assert pipeline.tokenizer("a cat", padding="max_length").input_ids[:4] == [49406, 320, 2368, 49407]
    assert pipeline.tokenizer.pad_token_id == (0 if family == "sd2" else 49407)


XL_FILES: dict[str, tuple[int, dict[str, Tensor], dict[str, Any]]] = {
    "sdxl": (4, {}, {"prediction_type": "epsilon", "timestep_spacing": "leading"}),
    "sdxl inpainting": (9, {}, {"prediction_type": "epsilon"}),
    "sdxl of v": (
        4,
        {"v_pred": torch.zeros(1), "ztsnr": torch.zeros(1)},
        {"prediction_type": "v_prediction", "timestep_spacing": "trailing", "rescale_betas_zero_snr": True},
    ),
}


@pytest.fixture(params=mostly_slow(XL_FILES, pushed=["sdxl of v"]))
def xl_file(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Path, dict[str, Any], dict[str, Any]]:
    """A narrow Stable Diffusion XL in one file, its networks, and what its scheduler is told."""
    channels, marks, schedule = XL_FILES[request.param]
    settings = narrowed(family_settings("sdxl", channels=channels))
    settings["text_encoder_2"]["hidden_size"] = 48  # diffusers tells the two by their widths
    settings["unet"] |= {"cross_attention_dim": 80, "projection_class_embeddings_input_dim": 6 * 256 + 32}
    monkeypatch.setattr(checkpoint_kind, "SD_FAMILIES", {80: "sdxl"})
    torch.manual_seed(1)
    networks = {
        "unet": UNet2DConditionModel.from_config(settings["unet"]),
        "vae": AutoencoderKL.from_config(settings["vae"]),
        "text_encoder": CLIPTextModel(CLIPTextConfig(**settings["text_encoder"])),
        "text_encoder_2": CLIPTextModelWithProjection(CLIPTextConfig(**settings["text_encoder_2"])),
    }
    file = tmp_path / "xl.safetensors"
    save_original(file, **networks)
    if marks:
        save_file(load_file(file) | marks, file)

    def shipped(*values: Any, **named: Any) -> dict[str, Any]:
        told = family_settings(*values, **named)
        return told | {part: settings[part] for part in networks}

    monkeypatch.setattr(single_files, "family_settings", shipped)
    return file, networks, schedule


def test_a_bare_file_of_xl_loads_with_what_ships(
    xl_file: tuple[Path, dict[str, Any], dict[str, Any]], tiny_models: Path
) -> None:
    file, networks, schedule = xl_file
    helpers: dict[str, Any] = {
        option: str(tiny_models / name)
        for option, name in {"scorer": "clip", "patches": "dino", "segmenter": "clipseg"}.items()
    }
    models = load_backbones(str(file), **helpers)
    pipeline = cast(PipelineInpainter, models.inpainter).pipeline
    for part, network in networks.items():
        there = getattr(pipeline, part).state_dict()
        assert all(torch.equal(there[key], weight) for key, weight in network.state_dict().items()), part
    assert schedule.items() <= dict(pipeline.scheduler.config).items()
    assert (pipeline.tokenizer.pad_token_id, pipeline.tokenizer_2.pad_token_id) == (49407, 0)
    assert models.diffusion is not None, "layouts are composed with it"
    masks = torch.zeros(1, 1, 64, 64)
    masks[..., 16:48, 16:48] = 1
    painted = models.inpainter.inpaint(torch.zeros(1, 3, 64, 64), masks, ["a cat"], seeds=[1], steps=2, guidance=2.0)
    assert painted.shape == (1, 3, 64, 64) and painted.isfinite().all()


def test_a_bare_file_that_does_not_fit_its_family_is_one_sentence(bare_file: Path) -> None:
    settings = json.loads((shipped_configs.FAMILIES / "sd1.json").read_text())
    settings["unet"]["block_out_channels"] = [16, 16]
    (shipped_configs.FAMILIES / "sd1.json").write_text(json.dumps(settings))
    with pytest.raises(ModelError, match="could not be loaded as a Stable Diffusion checkpoint"):
        load_single_file(bare_file, None, name="bare", dtype=torch.float32)


def test_the_shipped_configuration_leaves_nothing_behind(bare_file: Path) -> None:
    with single_file_configuration(bare_file, None) as (folder, components):
        index = json.loads((folder / "model_index.json").read_text())
        assert index["unet"] == ["diffusers", "UNet2DConditionModel"] and set(components) == {"tokenizer"}
        assert json.loads((folder / "unet" / "config.json").read_text())["in_channels"] == 9
    assert not folder.exists()


@pytest.mark.slow
def test_no_network_is_asked_for_a_bare_file(bare_file: Path, tiny_models: Path) -> None:
    """In a process whose sockets are blocked, with the hub's cache empty."""
    program = f"""
import os, socket
os.environ.update(HF_HUB_OFFLINE="1", HF_HOME={str(bare_file.parent / "none")!r})
def blocked(*_, **__): raise OSError("sockets are blocked")
socket.socket.connect = socket.getaddrinfo = socket.create_connection = blocked
import torch
from pathlib import Path
from intarsia.backbones import checkpoint_kind, shipped_configs
shipped_configs.FAMILIES = Path({str(shipped_configs.FAMILIES)!r})
checkpoint_kind.SD_FAMILIES = {{{tiny.WIDTH}: "sd1"}}
from intarsia.backbones import single_files
from transformers import CLIPTokenizer
single_files.clip_tokenizer = lambda **_: CLIPTokenizer.from_pretrained({str(tiny_models / "tokenizer")!r})
from intarsia.backbones.sd_inpainting import load_single_file
load_single_file(Path({str(bare_file)!r}), None, name="bare", dtype=torch.float32)
"""
    subprocess.run([sys.executable, "-c", program], check=True)
