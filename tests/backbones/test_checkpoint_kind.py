"""What a file of weights is, from its header: each wrong kind has a sentence of its own, said before weights are read."""

from __future__ import annotations

import json
import pickle
import re
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
import transformers
from safetensors.torch import save_file

from intarsia.backbones.checkpoint_kind import UNKNOWN, kind_of
from intarsia.backbones.resolve import resolve
from intarsia.backbones.weight_headers import WeightHeader, read_header
from intarsia.errors import ModelError
from tests import tiny
from tests.backbones import named_tensors

Shapes = Mapping[str, tuple[int, ...]]

REMEDY = re.compile(r"--models|[Dd]ownload|[Cc]onvert|rename|take the same")


def save(file: Path, shapes: Shapes, metadata: dict[str, str] | None = None) -> Path:
    """A safetensors file with these tensors, all zero."""
    save_file({name: torch.zeros(shape, dtype=torch.uint8) for name, shape in shapes.items()}, file, metadata=metadata)
    return file


def told(shapes: Shapes, **metadata: str) -> tuple[str, str]:
    kind = kind_of(WeightHeader(shapes=shapes, types=frozenset({"F16"}), metadata=metadata))
    return kind.group, kind.family


@pytest.mark.parametrize(("name", "expected"), named_tensors.EXPECTED.items())
def test_the_kinds_that_people_have_files_of_are_told(name: str, expected: tuple[str, str, int]) -> None:
    kind = kind_of(WeightHeader(shapes=named_tensors.SHAPES[name], types=frozenset({"F16"}), metadata={}))
    assert (kind.group, kind.family, kind.channels) == expected


def test_every_listed_kind_has_an_expectation() -> None:
    assert set(named_tensors.SHAPES) == set(named_tensors.EXPECTED)


D, T = diffusers, transformers
NETWORKS: dict[str, tuple[Callable[[], Any], tuple[str, str]]] = {
    "unet of sd1": (lambda: D.UNet2DConditionModel(cross_attention_dim=768), ("unet", "sd1")),
    "unet of sd2": (lambda: D.UNet2DConditionModel(cross_attention_dim=1024), ("unet", "sd2")),
    "controlnet": (lambda: D.ControlNetModel(), ("controlnet", "")),
    "controlnet of flux": (lambda: D.FluxControlNetModel(num_layers=1, num_single_layers=1), ("controlnet", "")),
    "controlnet of sd3": (lambda: D.SD3ControlNetModel(num_layers=1), ("controlnet", "")),
    "vae": (lambda: D.AutoencoderKL(), ("vae", "")),
    "tiny vae": (lambda: D.AutoencoderTiny(), ("vae", "")),
    "vae of wan": (lambda: D.AutoencoderKLWan(base_dim=8), ("vae", "")),
    "t2i adapter": (lambda: D.T2IAdapter(), ("adapter", "")),
    "motion module": (lambda: D.MotionAdapter(), ("adapter", "")),
    "flux": (lambda: D.FluxTransformer2DModel(num_layers=1, num_single_layers=1), ("transformer", "flux")),
    "flux2": (lambda: D.Flux2Transformer2DModel(num_layers=1, num_single_layers=1), ("transformer", "flux2")),
    "sd3": (lambda: D.SD3Transformer2DModel(num_layers=2), ("transformer", "sd3")),
    "z-image": (lambda: D.ZImageTransformer2DModel(n_layers=1, n_refiner_layers=1), ("transformer", "z-image")),
    "qwen-image": (lambda: D.QwenImageTransformer2DModel(num_layers=1), ("transformer", "qwen-image")),
    "wan": (lambda: D.WanTransformer3DModel(num_layers=1), ("transformer", "")),
    "sana": (lambda: D.SanaTransformer2DModel(num_layers=1), ("transformer", "")),
    "text encoder": (lambda: T.CLIPTextModel(T.CLIPTextConfig()), ("text-encoder", "")),
    "second text encoder": (lambda: T.CLIPTextModelWithProjection(T.CLIPTextConfig()), ("text-encoder", "")),
    "t5": (lambda: T.T5EncoderModel(T.T5Config()), ("text-encoder", "")),
    "language model": (lambda: T.Qwen3Model(T.Qwen3Config(num_hidden_layers=1)), ("text-encoder", "")),
    "clip": (lambda: T.CLIPModel(T.CLIPConfig()), ("scorer", "")),
    "siglip": (lambda: T.SiglipModel(T.SiglipConfig()), ("scorer", "")),
    "dino": (lambda: T.ViTModel(T.ViTConfig()), ("patches", "")),
    "dinov2": (lambda: T.Dinov2Model(T.Dinov2Config()), ("patches", "")),
    "clipseg": (lambda: T.CLIPSegForImageSegmentation(T.CLIPSegConfig()), ("segmenter", "")),
    "sam": (lambda: T.SamModel(T.SamConfig()), ("segmenter", "")),
    "upscaler": (lambda: T.Swin2SRForImageSuperResolution(T.Swin2SRConfig()), ("upscaler", "")),
}


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_a_network_of_the_libraries_is_told_by_its_own_names(name: str) -> None:
    make, expected = NETWORKS[name]
    with torch.device("meta"):
        network = make()
    assert told({name: tuple(weight.shape) for name, weight in network.state_dict().items()}) == expected


def wrong_files(folder: Path) -> dict[str, tuple[Path, str]]:
    """Files that are no checkpoint, and what is said of each."""
    made: dict[str, tuple[Path, str]] = {}

    def add(name: str, content: bytes, said: str, ending: str = ".safetensors") -> None:
        file = folder / f"{name}{ending}"
        file.write_bytes(content)
        made[name] = (file, said)

    for name, said in named_tensors.SAID.items():
        made[name] = (save(folder / f"{name}.safetensors", named_tensors.SHAPES[name]), said)
    whole = save(folder / "whole.safetensors", named_tensors.SHAPES["sd1"]).read_bytes()
    add("empty", b"", "since it is empty")
    add("lfs pointer", b"version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 4\n", "a pointer of Git LFS")
    add("web page", b"<!DOCTYPE html><title>Sign in</title>", "it is a web page")
    add("server's answer", b'{"error": "not found"}', "it is JSON, such as a server's answer")
    add("gguf", b"GGUF" + bytes(60), "it is a GGUF file", ".gguf")
    add("pickle", pickle.dumps({"weights": 1}), "is a pickle, which can run any code", ".ckpt")
    add("pickle in disguise", pickle.dumps({"weights": 1}), "not a safetensors file, since it is a pickle")
    add("cut off", whole[:-10], "is only part of a safetensors file")
    add("cut header", whole[:100], "its header is cut off")
    add("broken header", whole[:9] + b"\xff" + whole[10:], "its header is damaged")
    add("of another ending", whole, "does not end so", ".bin")
    add("few bytes", b"abc", "it has only 3 bytes")
    with zipfile.ZipFile(folder / "torch.safetensors", "w") as archive:
        archive.writestr("archive/data.pkl", b"")
    made["torch's archive"] = (folder / "torch.safetensors", "not a safetensors file, since it is a pickle")
    made["shard alone"] = (
        save(folder / "part-00001-of-00003.safetensors", named_tensors.SHAPES["sd1"]),
        "part-00002-of-00003.safetensors is missing beside it",
    )
    return made


def test_each_wrong_kind_has_one_sentence_of_its_own(tmp_path: Path, subtests: Any) -> None:
    sentences = {}
    for name, (file, said) in wrong_files(tmp_path).items():
        with subtests.test(name), pytest.raises(ModelError) as refused:
            resolve(str(file))
        sentence = str(refused.value)
        assert said in sentence, sentence
        assert REMEDY.search(sentence), sentence
        assert str(file) in sentence and "configuration" not in sentence
        sentences[name] = sentence.replace(str(file), "")
    different = set(sentences.values())
    # Two ways to hide a pickle are one kind.
    assert len(different) >= len(sentences) - 2 and len(different) >= 30


@pytest.mark.parametrize(
    "header",
    [
        b"[]",
        b"{}",
        b'{"a": 1}',
        b'{"a": {"dtype": "F32", "shape": 3, "data_offsets": [0, 4]}}',
        b'{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0]}}',
        b'{"a": {"dtype": "F32", "shape": [1e999], "data_offsets": [0, 4]}}',
        b'{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 99]}}',
        b'{"__metadata__": [1], "a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}',
        b'{"a":' * 100_000,
        b"{" + b"\xff" * 20,
        b"{" + b" " * 1000,
    ],
)
def test_a_damaged_header_is_one_sentence(header: bytes, tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    file.write_bytes(len(header).to_bytes(8, "little") + header + bytes(4))
    with pytest.raises(ModelError, match=r"safetensors|of no kind that is known"):
        resolve(str(file))


@pytest.mark.parametrize("length", [0, 1, 2**31, 2**63, 2**64 - 1])
def test_a_lying_length_reads_nothing(length: int, tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    file.write_bytes(length.to_bytes(8, "little") + b"{" + bytes(100))
    with pytest.raises(ModelError, match="safetensors"):
        read_header(file)


def test_only_the_header_is_read(tmp_path: Path) -> None:
    """A file as large as a real checkpoint, of which all but the header is a hole."""
    shapes = named_tensors.SHAPES["sdxl refiner"]
    header: dict[str, Any] = {}
    place = 0
    for name, shape in shapes.items():
        header[name] = {"dtype": "F16", "shape": shape, "data_offsets": [place, place + 2**30]}
        place += 2**30
    text = json.dumps(header).encode()
    file = tmp_path / "model.safetensors"
    with file.open("wb") as stream:
        stream.write(len(text).to_bytes(8, "little") + text)
        stream.truncate(8 + len(text) + place)
    assert file.stat().st_size > 5 * 2**30
    with pytest.raises(
        ModelError,
        match="since it is a refiner of Stable Diffusion XL: of single files only Stable Diffusion 1, 2 and XL",
    ):
        resolve(str(file))


def test_our_own_files_are_told_with_the_setting_that_takes_them(tmp_path: Path) -> None:
    for kind, flag in {"Concepts": "--concepts", "RegionNetwork": "--regions"}.items():
        file = save(tmp_path / f"{kind}.safetensors", {"embeddings": (2, 4)}, {"kind": kind})
        with pytest.raises(ModelError, match=f"pass it with {flag}"):
            resolve(str(file))


def test_all_the_shards_are_read_together(tmp_path: Path) -> None:
    names = sorted(named_tensors.SHAPES["lora"])
    for number, name in enumerate(names, start=1):
        save(tmp_path / f"x-{number:05}-of-{len(names):05}.safetensors", {name: named_tensors.SHAPES["lora"][name]})
    with pytest.raises(ModelError, match="since it is a LoRA"):
        resolve(str(tmp_path / f"x-00001-of-{len(names):05}.safetensors"))


def test_what_no_rule_knows_may_load_with_a_configuration_beside_it(tiny_models: Path, tmp_path: Path) -> None:
    file = save(tmp_path / "model.safetensors", {"something": (3, 3)})
    assert kind_of(read_header(file)) == UNKNOWN
    with pytest.raises(ModelError, match="of no kind that is known here"):
        resolve(str(file))
    tiny.save_file_configuration(tiny_models, tmp_path / "model")
    assert resolve(str(file)).kind == "file"


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"adapter_config.json": "{}", "adapter_model.safetensors": ""}, "it is a LoRA"),
        ({"pytorch_lora_weights.safetensors": ""}, "it is a LoRA"),
        ({"config.json": '{"_class_name": "ControlNetModel"}'}, "it is a ControlNet"),
        ({"config.json": '{"_class_name": "AutoencoderKL"}'}, r"it is an autoencoder \(VAE\) alone"),
        ({"config.json": '{"_class_name": "UNet2DConditionModel"}'}, "it is a denoiser alone"),
        ({"config.json": '{"model_type": "clip"}'}, "it is a CLIP"),
        ({"config.json": '{"model_type": "sam"}'}, "it is a SAM"),
        ({"config.json": '{"model_type": "clip_text_model"}'}, "it is a text encoder alone"),
        ({"model_index.json": '{"_class_name": "AudioLDM2Pipeline"}'}, "it is a checkpoint that makes sound"),
        ({"model_index.json": '{"_class_name": "WanPipeline"}'}, "it is a checkpoint that makes videos"),
        ({"model_index.json": '{"_class_name": "StableDiffusionUpscalePipeline"}'}, "it is the upscaler"),
    ],
)
def test_a_folder_of_another_kind_is_told(files: dict[str, str], said: str, tmp_path: Path) -> None:
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    with pytest.raises(ModelError, match=f"cannot be used: {said}.*--models sd15"):
        resolve(str(tmp_path))


def test_a_folder_around_a_single_file_names_that_file(tmp_path: Path) -> None:
    file = save(tmp_path / "dreamy.safetensors", named_tensors.SHAPES["sd1"])
    with pytest.raises(ModelError, match=f"holds dreamy.safetensors, a Stable Diffusion 1.*--models {file}"):
        resolve(str(tmp_path))
    save(tmp_path / "dreamy.safetensors", named_tensors.SHAPES["lora"])
    with pytest.raises(ModelError, match=r"it holds dreamy\.safetensors, a LoRA"):
        resolve(str(tmp_path))
