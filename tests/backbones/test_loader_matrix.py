"""Checkpoints as people keep them: whole or in shards, in several precisions, damaged, or of a repository of the hub."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from huggingface_hub import constants
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import CLIPTextModel

from intarsia.backbones import hub, load_backbones
from intarsia.backbones.checkpoint_files import network_fault
from intarsia.backbones.network_files import load_network
from intarsia.backbones.repository_files import wanted_files
from intarsia.backbones.resolve import resolve
from intarsia.backbones.transfer import Listing
from intarsia.backbones.weight_sets import choose_weights, weight_sets
from intarsia.errors import ModelError

STEMS = {"inpainting_unet": "diffusion_pytorch_model", "vae": "diffusion_pytorch_model", "text_encoder": "model"}


@pytest.fixture
def checkpoint(tiny_models: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "checkpoint"
    shutil.copytree(tiny_models, folder, ignore=shutil.ignore_patterns("unet", "clip", "dino", "clipseg"))
    shutil.copytree(tiny_models / "inpainting_unet", folder / "inpainting_unet", dirs_exist_ok=True)
    return folder


def weights_of(network: Any) -> dict[str, Tensor]:
    return dict(network.state_dict())


def split(folder: Path, stem: str, names: list[str]) -> dict[str, str]:
    """Turn a network's one file into as many as there are names; returns which tensor lies where."""
    weights = load_file(folder / f"{stem}.safetensors")
    (folder / f"{stem}.safetensors").unlink()
    placed: dict[str, str] = {}
    for number, name in enumerate(names):
        part = {key: weights[key] for key in list(weights)[number :: len(names)]}
        save_file(part, folder / name, metadata={"format": "pt"})
        placed |= dict.fromkeys(part, name)
    return placed


SHARD_NAMES = {
    "plain": "{stem}-0000{n}-of-00003.safetensors",
    "variant before": "{stem}.fp16-0000{n}-of-00003.safetensors",
    "variant after": "{stem}-0000{n}-of-00003.fp16.safetensors",
}
INDEX_NAMES = {
    "none": None,
    "plain": "{stem}.safetensors.index.json",
    "variant before": "{stem}.fp16.safetensors.index.json",
    "variant after": "{stem}.safetensors.index.fp16.json",
}


@pytest.mark.parametrize("part", STEMS)
@pytest.mark.parametrize("shards", SHARD_NAMES)
@pytest.mark.parametrize("index", INDEX_NAMES)
def test_shards_load_under_every_name_that_is_in_use(part: str, shards: str, index: str, checkpoint: Path) -> None:
    stem = STEMS[part]
    kind: Any = {"inpainting_unet": UNet2DConditionModel, "vae": AutoencoderKL, "text_encoder": CLIPTextModel}[part]
    folder = checkpoint / part
    expected = weights_of(load_network(kind, folder))
    placed = split(folder, stem, [SHARD_NAMES[shards].format(stem=stem, n=n) for n in (1, 2, 3)])
    name = INDEX_NAMES[index]
    if name is not None:
        (folder / name.format(stem=stem)).write_text(json.dumps({"metadata": {}, "weight_map": placed}))
    assert resolve(str(checkpoint)).kind == "folder"
    loaded = weights_of(load_network(kind, folder))
    assert loaded.keys() == expected.keys() and all(torch.equal(loaded[key], expected[key]) for key in expected)


@pytest.mark.parametrize("variant", ["fp16", None])
def test_shards_load_as_the_libraries_save_them(variant: str | None, checkpoint: Path) -> None:
    kinds: dict[str, Any] = {
        "inpainting_unet": UNet2DConditionModel,
        "vae": AutoencoderKL,
        "text_encoder": CLIPTextModel,
    }
    for part, kind in kinds.items():
        folder = checkpoint / part
        network = load_network(kind, folder)
        shutil.rmtree(folder)
        network.save_pretrained(folder, variant=variant, max_shard_size="20KB")
        names = [file.name for file in folder.glob("*.safetensors")]
        assert len(names) > 1 and all(("fp16-0" in name) == bool(variant) for name in names)
        loaded = weights_of(load_network(kind, folder))
        assert all(torch.equal(loaded[key], weight) for key, weight in weights_of(network).items())
    assert resolve(str(checkpoint)).kind == "folder"
    # As a download of one variant leaves it: every index is small and comes along, the other shards do not.
    index = checkpoint / "vae" / "diffusion_pytorch_model.bf16.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "diffusion_pytorch_model.bf16-00001-of-00002.safetensors"}}))
    assert resolve(str(checkpoint)).kind == "folder"


def test_shards_by_the_name_of_old_conversions_load(checkpoint: Path) -> None:
    folder = checkpoint / "vae"
    expected = weights_of(load_network(AutoencoderKL, folder))
    placed = split(folder, "diffusion_pytorch_model", [f"pytorch_model-0000{n}-of-00002.safetensors" for n in (1, 2)])
    (folder / "pytorch_model.safetensors.index.json").write_text(json.dumps({"weight_map": placed}))
    loaded = weights_of(load_network(AutoencoderKL, folder))
    assert all(torch.equal(loaded[key], expected[key]) for key in expected)


def marked(folder: Path, name: str, value: float, dtype: torch.dtype) -> None:
    """Another set of a network's weights, of which the first is told by its number."""
    weights = load_file(next(f for f in sorted(folder.glob("*.safetensors"))))
    first = sorted(weights)[0]
    save_file(
        {key: (torch.full_like(w, value) if key == first else w).to(dtype) for key, w in weights.items()}, folder / name
    )


def mark_of(network: Any) -> float:
    return float(network.state_dict()[sorted(network.state_dict())[0]].flatten()[0])


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        (["", "fp16"], {"full": "", "half": "fp16", "bfloat": ""}),
        (["fp16", "non_ema"], {"full": "fp16", "half": "fp16", "bfloat": "fp16"}),
        (["", "non_ema"], {"full": "", "half": "", "bfloat": ""}),
        (["", "fp16", "non_ema", "bf16"], {"full": "", "half": "fp16", "bfloat": "bf16"}),
        (["non_ema"], {"full": "non_ema", "half": "non_ema", "bfloat": "non_ema"}),
        (["ema", "non_ema"], {"full": "ema", "half": "ema", "bfloat": "ema"}),
    ],
)
def test_weights_are_chosen_by_the_precision_asked_for(
    there: list[str], expected: dict[str, str], checkpoint: Path
) -> None:
    folder = checkpoint / "vae"
    for number, variant in enumerate(there, start=2):
        name = f"diffusion_pytorch_model.{variant}.safetensors" if variant else "marked.safetensors"
        marked(folder, name, number, torch.float16 if variant == "fp16" else torch.float32)
    (folder / "diffusion_pytorch_model.safetensors").unlink()
    if "" in there:
        (folder / "marked.safetensors").rename(folder / "diffusion_pytorch_model.safetensors")
    assert resolve(str(checkpoint)).kind == "folder"
    for precision, dtype in {"full": torch.float32, "half": torch.float16, "bfloat": torch.bfloat16}.items():
        network = load_network(AutoencoderKL, folder, dtype=dtype)
        assert network.dtype == dtype and mark_of(network) == 2 + there.index(expected[precision])


def test_a_folder_of_half_precision_beside_weights_that_were_not_averaged_paints(
    checkpoint: Path, tiny_models: Path
) -> None:
    for part, stem in STEMS.items():
        weights = load_file(checkpoint / part / f"{stem}.safetensors")
        (checkpoint / part / f"{stem}.safetensors").unlink()
        save_file({key: w.half() for key, w in weights.items()}, checkpoint / part / f"{stem}.fp16.safetensors")
        save_file({key: w * 0 for key, w in weights.items()}, checkpoint / part / f"{stem}.non_ema.safetensors")
    helpers = {"scorer": "clip", "patches": "dino", "segmenter": "clipseg"}
    folders: dict[str, Any] = {key: str(tiny_models / name) for key, name in helpers.items()}
    loaded = load_backbones(str(checkpoint), device="cpu", **folders)
    mask = torch.zeros(1, 1, 32, 32)
    mask[..., 8:24, 8:24] = 1
    ours, theirs = (
        models.inpainter.inpaint(torch.zeros(1, 3, 32, 32), mask, ["a cat"], seeds=[1], steps=2, guidance=2.0)
        for models in (loaded, load_backbones(str(tiny_models), device="cpu"))
    )
    assert (ours - theirs).abs().max() < 0.05 and not torch.equal(ours, theirs)


def test_an_incomplete_set_is_passed_over_where_another_is_whole(checkpoint: Path) -> None:
    folder = checkpoint / "vae"
    shutil.copy(folder / "diffusion_pytorch_model.safetensors", folder / "diffusion_pytorch_model.fp16.safetensors")
    split(folder, "diffusion_pytorch_model", ["diffusion_pytorch_model-00001-of-00002.safetensors"])
    assert network_fault(folder) is None
    (folder / "diffusion_pytorch_model.fp16.safetensors").unlink()
    with pytest.raises(ModelError, match=r"vae/diffusion_pytorch_model-00002-of-00002\.safetensors is missing"):
        resolve(str(checkpoint))


def test_a_single_file_by_a_name_of_its_own_is_the_weights(checkpoint: Path) -> None:
    folder = checkpoint / "vae"
    expected = weights_of(load_network(AutoencoderKL, folder))
    (folder / "diffusion_pytorch_model.safetensors").rename(folder / "better-vae.safetensors")
    loaded = weights_of(load_network(AutoencoderKL, folder))
    assert all(torch.equal(loaded[key], expected[key]) for key in expected)
    shutil.copy(folder / "better-vae.safetensors", folder / "worse-vae.safetensors")
    with pytest.raises(ModelError, match=r"vae/ holds better-vae.safetensors and others, of which none is named"):
        resolve(str(checkpoint))


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 4\n"
PAGE = b"<!DOCTYPE html>\n<html><title>Sign in</title></html>"
CAUSES = {
    "pointer": (LFS, "a pointer of Git LFS"),
    "page": (PAGE, "a web page"),
    "empty": (b"", "is empty"),
    "cut off": (b'{"sample_size": 8, "in_ch', "is damaged"),
    "no text": (b"\xff\xfe\x00{", "is damaged"),
}
SMALL_FILES = [
    "vae/config.json",
    "inpainting_unet/config.json",
    "text_encoder/config.json",
    "scheduler/scheduler_config.json",
    "tokenizer/vocab.json",
    "tokenizer/tokenizer_config.json",
    "model_index.json",
]


@pytest.mark.parametrize("cause", CAUSES)
@pytest.mark.parametrize("name", SMALL_FILES)
def test_every_small_file_that_cannot_be_read_is_named_with_its_cause(name: str, cause: str, checkpoint: Path) -> None:
    content, said = CAUSES[cause]
    (checkpoint / name).write_bytes(content)
    with pytest.raises(ModelError, match=f"cannot be used: {name} .*{said}.*ownload"):
        resolve(str(checkpoint))


@pytest.mark.parametrize(("content", "said"), [(LFS, "a pointer of Git LFS"), (PAGE, "a web page"), (b"", "is empty")])
def test_merges_are_read_with_the_vocabulary(content: bytes, said: str, checkpoint: Path) -> None:
    (checkpoint / "tokenizer" / "merges.txt").write_bytes(content)
    with pytest.raises(ModelError, match=f"tokenizer/merges.txt .*{said}"):
        resolve(str(checkpoint))
    (checkpoint / "tokenizer" / "merges.txt").unlink()
    with pytest.raises(ModelError, match=r"tokenizer/merges.txt is missing, which belongs to vocab.json"):
        resolve(str(checkpoint))


@pytest.mark.parametrize("part", STEMS)
@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda whole: LFS, "a pointer of Git LFS"),
        (lambda whole: PAGE, "a web page"),
        (lambda whole: b"", "it is empty"),
        (lambda whole: whole[:-7], r"only part of a safetensors file \([\d,]+ of [\d,]+ bytes\)"),
        (lambda whole: whole[:50], "header is cut off"),
    ],
)
def test_weights_that_cannot_be_read_are_named_with_their_cause(
    part: str, damage: Any, said: str, checkpoint: Path
) -> None:
    file = checkpoint / part / f"{STEMS[part]}.safetensors"
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(ModelError, match=rf"cannot be used: {part}/{STEMS[part]}\.safetensors .*{said}"):
        resolve(str(checkpoint))


@pytest.mark.parametrize("content", [LFS, PAGE, b"{", b"[]", b'{"weight_map": 3}'])
def test_an_index_that_cannot_be_read_is_named(content: bytes, checkpoint: Path) -> None:
    (checkpoint / "text_encoder" / "model.safetensors.index.json").write_bytes(content)
    with pytest.raises(ModelError, match=r"model\.safetensors\.index\.json"):
        resolve(str(checkpoint))


@pytest.mark.parametrize("name", ["clip/vocab.json", "dino/preprocessor_config.json", "clipseg/model.safetensors"])
def test_a_damaged_file_of_a_helper_is_named(name: str, tiny_models: Path, tmp_path: Path) -> None:
    folder = tmp_path / "checkpoint"
    shutil.copytree(tiny_models, folder)
    (folder / name).write_bytes(LFS)
    with pytest.raises(ModelError, match=f"{name} .*pointer of Git LFS"):
        load_backbones(str(folder))


REPOSITORY = [
    "README.md",
    "model_index.json",
    "v1-5-pruned.safetensors",
    "unet/config.json",
    *(
        f"unet/diffusion_pytorch_model{end}"
        for end in (".safetensors", ".fp16.safetensors", ".non_ema.safetensors", ".bin")
    ),
    "vae/config.json",
    "vae/diffusion_pytorch_model.safetensors",
    "text_encoder/config.json",
    "text_encoder/model.safetensors",
    "text_encoder/model.fp16.safetensors",
    "text_encoder/onnx/model.onnx",
    "tokenizer/vocab.json",
    "tokenizer/merges.txt",
    "scheduler/scheduler_config.json",
    "safety_checker/model.safetensors",
]
PARTS = ("unet", "vae", "text_encoder", "tokenizer", "scheduler")


def test_half_precision_is_fetched_where_a_repository_has_it() -> None:
    def weights(precision: Any) -> set[str]:
        return {name for name in wanted_files(REPOSITORY, PARTS, precision) if name.endswith(".safetensors")}

    assert weights("half") == {
        "unet/diffusion_pytorch_model.fp16.safetensors",
        "vae/diffusion_pytorch_model.safetensors",
        "text_encoder/model.fp16.safetensors",
    }
    assert weights("full") == {
        "unet/diffusion_pytorch_model.safetensors",
        "vae/diffusion_pytorch_model.safetensors",
        "text_encoder/model.safetensors",
    }
    small = set(wanted_files(REPOSITORY, PARTS, "full")) - weights("full")
    assert small == {name for name in REPOSITORY if name.endswith((".json", ".txt"))}
    shards = [f"unet/diffusion_pytorch_model-0000{n}-of-00002.safetensors" for n in (1, 2)]
    assert set(shards) <= set(wanted_files([*shards, "model_index.json"], PARTS, "half"))
    assert wanted_files(["config.json", "model.safetensors", "pytorch_model.bin"], (), "full") == [
        "config.json",
        "model.safetensors",
    ]


def test_no_set_of_weights_is_none() -> None:
    assert choose_weights(weight_sets(["a.safetensors", "b.safetensors", "config.json"])) is None


class Hub:
    """A hub of one repository, which counts what is fetched of it."""

    def __init__(self, folder: Path, cache: Path) -> None:
        self.folder, self.cache, self.fetched = folder, cache, set[str]()

    def listed(self, *_: Any) -> Listing:
        files = [file for file in self.folder.rglob("*") if file.is_file()]
        return Listing(sizes={f.relative_to(self.folder).as_posix(): f.stat().st_size for f in files})

    def give(self, _repository: str, *, allow_patterns: list[str], **_: Any) -> str:
        from fnmatch import fnmatch

        for name in self.listed().sizes:
            if any(fnmatch(name, pattern) for pattern in allow_patterns):
                self.fetched.add(name)
                (self.cache / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(self.folder / name, self.cache / name)
        return str(self.cache)


@pytest.fixture
def repository(checkpoint: Path, tiny_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    shutil.rmtree(checkpoint / "inpainting_unet")
    shutil.copytree(tiny_models / "inpainting_unet", checkpoint / "unet")
    for part, stem in {
        "unet": "diffusion_pytorch_model",
        "vae": "diffusion_pytorch_model",
        "text_encoder": "model",
    }.items():
        weights = load_file(checkpoint / part / f"{stem}.safetensors")
        save_file({key: w.half() for key, w in weights.items()}, checkpoint / part / f"{stem}.fp16.safetensors")
    parts = {part: ["diffusers", "Any"] for part in PARTS} | {"safety_checker": [None, None]}
    (checkpoint / "model_index.json").write_text(json.dumps({"_class_name": "StableDiffusionInpaintPipeline", **parts}))
    made = Hub(checkpoint, tmp_path / "cached")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(hub, "listed_files", made.listed)
    monkeypatch.setattr("huggingface_hub.snapshot_download", made.give)
    monkeypatch.setattr(hub, "converter_revision", lambda _: None)
    return made


@pytest.mark.parametrize("precision", ["full", "half"])
def test_a_repository_is_fetched_in_the_precision_asked_for_and_loads(precision: Any, repository: Hub) -> None:
    folder = hub.fetch("some/painter", precision=precision, painter=True)
    assert resolve(str(folder)).kind == "folder"
    halves = {name for name in repository.fetched if ".fp16." in name}
    weights = {name for name in repository.fetched if name.endswith(".safetensors")}
    assert len(weights) == 3 and halves == (weights if precision == "half" else set())
    assert load_network(UNet2DConditionModel, folder / "unet").config.in_channels == 9


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"model_index.json": {"_class_name": "SanaPipeline"}}, "it is a checkpoint of the kind Sana"),
        ({"model_index.json": {"_class_name": "WanPipeline"}}, "it is a checkpoint that makes videos"),
        ({"unet/config.json": {"in_channels": 8}}, "its denoiser reads 8 channels"),
        ({"unet/config.json": {"addition_embed_type": "text_time"}}, "it is a Stable Diffusion XL"),
        ({"model_index.json": None, "adapter_config.json": {}}, "it is a LoRA"),
        (
            {"model_index.json": None, "config.json": {"_class_name": "ControlNetModel"}, "unet": None},
            "it is a ControlNet",
        ),
        ({"model_index.json": None, "config.json": {"model_type": "clip"}, "unet": None}, "it is a CLIP"),
    ],
)
def test_a_repository_of_another_kind_is_refused_before_its_weights_are_fetched(
    changes: dict[str, Any], said: str, repository: Hub
) -> None:
    for name, content in changes.items():
        file = repository.folder / name
        if content is None:
            shutil.rmtree(file) if file.is_dir() else file.unlink()
        else:
            file.write_text(json.dumps(content))
    with pytest.raises(ModelError, match=f"The checkpoint some/painter cannot be used: {said}"):
        hub.fetch("some/painter", painter=True)
    assert not [name for name in repository.fetched if name.endswith(".safetensors")]


@pytest.mark.parametrize(
    "name", ["StableDiffusionPipeline", "StableDiffusionControlNetPipeline", "LatentConsistencyModelPipeline"]
)
def test_any_pipeline_over_the_same_parts_is_used_for_these(name: str, repository: Hub) -> None:
    index = json.loads((repository.folder / "model_index.json").read_text())
    (repository.folder / "model_index.json").write_text(json.dumps(index | {"_class_name": name}))
    assert resolve(str(repository.folder)).kind == "folder"


def test_a_repository_of_single_files_says_so(repository: Hub) -> None:
    shutil.rmtree(repository.folder)
    repository.folder.mkdir()
    (repository.folder / "dreamy.safetensors").write_bytes(b"")
    with pytest.raises(ModelError, match=r"holds single files such as dreamy\.safetensors"):
        hub.fetch("some/painter", painter=True)
    assert not repository.fetched


def test_a_disk_without_room_is_said_before_the_download(repository: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repository, "listed", lambda *_: Listing(sizes=dict.fromkeys(REPOSITORY, 10**15)))
    monkeypatch.setattr(hub, "listed_files", repository.listed)
    with pytest.raises(ModelError, match=r"some/painter needs [\d.]+ GB, but .* has room for [\d.]+ GB"):
        hub.fetch("some/painter", painter=True)
