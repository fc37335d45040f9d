"""Files of a checkpoint that cannot be read: each is named, with its cause and a remedy, before a network is loaded."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKL
from huggingface_hub import constants
from PIL import Image
from safetensors.torch import save_file

from intarsia.backbones import load_backbones
from intarsia.backbones.checkpoint_files import helper_fault, network_fault, pipeline_fault
from intarsia.backbones.denoiser_files import check_denoiser_file
from intarsia.backbones.hub import fetch
from intarsia.backbones.lora_files import read_lora
from intarsia.backbones.network_files import load_network
from intarsia.backbones.resolve import resolve
from intarsia.backbones.sd_inpainting import load_scheduler
from intarsia.backbones.text_files import text_fault
from intarsia.backbones.weight_headers import read_header
from intarsia.cli.main import main
from intarsia.errors import TERMINAL, ModelError
from intarsia.layout.checkpoint import Checkpointer
from intarsia.layout.concepts import Concepts
from intarsia.regions.network import RegionNetwork
from tests import tiny_families

LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 4\n"
PAGE = b"<!DOCTYPE html>\n<html><title>Sign in</title></html>"
LINK = "a link to a file that is not there"

Damage = Callable[[Path, bytes], object]


def written(content: Callable[[bytes], bytes]) -> Damage:
    return lambda file, whole: file.write_bytes(content(whole))


DAMAGES: dict[str, tuple[Damage, str, str]] = {
    "LFS pointer": (written(lambda whole: LFS), "pointer of Git LFS", "pointer of Git LFS"),
    "web page": (written(lambda whole: PAGE), "is a web page", "it is a web page"),
    "storage's refusal": (written(lambda whole: b'<?xml version="1.0"?><Error/>'), "is a web page", "it is a web page"),
    "hub's refusal": (written(lambda whole: b"Entry not found"), "server's refusal", "server's refusal"),
    "server's answer": (written(lambda whole: b'{"error":"Not found"}'), "server's answer", "it is JSON"),
    "empty": (written(lambda whole: b""), "is empty", "it is empty"),
    "blank": (written(lambda whole: b" \n"), "is empty", "it is empty"),
    "zeros": (written(lambda whole: bytes(len(whole))), "nothing but zeros", "nothing but zeros"),
    "pickle": (written(lambda whole: pickle.dumps({"a": 1})), "is a pickle", "it is a pickle"),
    "zip": (written(lambda whole: b"PK\x03\x04" + bytes(99)), "is a zip archive", "it is a pickle"),
    "gzip": (written(lambda whole: b"\x1f\x8b\x08\x00" + bytes(99)), "is a gzip archive", "something else"),
    "folder": (lambda file, whole: file.mkdir(), "is a folder", "is a folder"),
    "dangling link": (lambda file, whole: file.symlink_to("../../blobs/4d7a"), LINK, LINK),
}
"""By name: the damage, and what is said of a small file and of weights."""

TEXTS: dict[str, tuple[Damage, str]] = {
    "cut off": (written(lambda whole: whole.rstrip()[:-2]), "cut off before its end"),
    "list": (written(lambda whole: b"[1, 2]"), "holds no "),
    "null": (written(lambda whole: b"null"), "holds no "),
    "number": (written(lambda whole: b"1e3"), "holds no "),
    "with a mark": (written(lambda whole: b"\xef\xbb\xbf" + whole), "UTF-8 with a byte order mark"),
    "UTF-16": (written(lambda whole: whole.decode().encode("utf-16")), "text in UTF-16"),
    "Latin-1": (written(lambda whole: b'{"caf\xe9": 1}'), "no UTF-8 text"),
    "no JSON": (written(lambda whole: b"{'a': 1}"), "no JSON at line 1, column 2"),
    "deep": (written(lambda whole: b"[" * 10**6), "no JSON"),
}
"""More of JSON files."""


@contextmanager
def damaged(file: Path, damage: Damage) -> Iterator[None]:
    """A file that is damaged for a while."""
    whole = file.read_bytes()
    file.unlink()
    try:
        damage(file, whole)
        yield
    finally:
        shutil.rmtree(file) if file.is_dir() else file.unlink(missing_ok=True)
        file.write_bytes(whole)


def sentence(fault: Any) -> str:
    return "" if fault is None else TERMINAL.sentence(fault)


def fault_of(checkpoint: Path, file: Path) -> str:
    """What is said of a checkpoint in which a file is damaged."""
    part = checkpoint / file.relative_to(checkpoint).parts[0]
    return sentence(helper_fault(part) if part.name in ("clip", "dino", "clipseg") else pipeline_fault(checkpoint))


@pytest.fixture(scope="module")
def checkpoints(tiny_models: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One of Stable Diffusion's parts, and one that is used through its pipeline."""
    folder = tmp_path_factory.mktemp("damaged")
    shutil.copytree(tiny_models, folder / "sd")
    return {"sd": folder / "sd", "sdxl": tiny_families.save_family("sdxl", folder, tiny_models)}


def test_every_file_of_a_checkpoint_is_named_with_its_cause(checkpoints: dict[str, Path], subtests: Any) -> None:
    count = 0
    for name, checkpoint in checkpoints.items():
        files = sorted(file for file in checkpoint.rglob("*") if file.is_file())
        assert len(files) >= 20
        for file in files:
            shown = file.name if file.parent == checkpoint else f"{file.parent.name}/{file.name}"
            assert not fault_of(checkpoint, file), shown
            weights = file.suffix == ".safetensors"
            more = {key: (do, said, said) for key, (do, said) in TEXTS.items()} if file.suffix == ".json" else {}
            for kind, (damage, of_text, of_weights) in (DAMAGES | more).items():
                if kind == "server's answer" and file.suffix == ".txt":
                    continue
                with subtests.test(f"{name}: {shown}, {kind}"), damaged(file, damage):
                    said = fault_of(checkpoint, file)
                    assert shown in said and (of_weights if weights else of_text) in said, said
                    assert "ownload" in said or "convert it" in said, said
                    count += 1
    assert count > 500


def test_every_missing_file_that_is_needed_is_named(checkpoints: dict[str, Path], subtests: Any) -> None:
    for name, checkpoint in checkpoints.items():
        for file in sorted(file for file in checkpoint.rglob("*") if file.is_file()):
            if file.name == "tokenizer_config.json" or (name == "sd" and file.name == "model_index.json"):
                continue  # without which the networks of a Stable Diffusion are read as well
            shown = file.name if file.parent == checkpoint else f"{file.parent.name}/"
            with subtests.test(f"{name}: {file.relative_to(checkpoint)}"), damaged(file, lambda file, whole: None):
                said = fault_of(checkpoint, file)
                assert shown in said and "is missing" in said, said


@pytest.mark.parametrize("ending", [".crdownload", ".part", ".incomplete", ".aria2"])
def test_a_download_that_broke_off_is_the_cause_that_is_given(ending: str, checkpoints: dict[str, Path]) -> None:
    checkpoint = checkpoints["sd"]
    file = checkpoint / "vae" / "diffusion_pytorch_model.safetensors"
    kept = checkpoint / ".cache" / "huggingface" / "download" / "vae"
    kept.mkdir(parents=True, exist_ok=True)
    for place in (file.parent, kept):
        partial = place / f"{file.name}{ending}"
        partial.write_bytes(b"half")
        with damaged(file, lambda file, whole: None):
            said = sentence(pipeline_fault(checkpoint))
        partial.unlink()
        assert f"{file.name} is missing, of which only a part came ({partial.name})" in said, said
    shutil.rmtree(checkpoint / ".cache")


def as_safetensors(header: Any, data: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def tensor(start: int, after: int, shape: list[int], kind: str = "F32") -> dict[str, Any]:
    return {"dtype": kind, "shape": shape, "data_offsets": [start, after]}


LYING = {
    "longer than the file": (as_safetensors({"a": tensor(0, 8, [2])}, bytes(4)), "only part of"),
    "overlapping": (as_safetensors({"a": tensor(0, 8, [2]), "b": tensor(4, 12, [2])}, bytes(12)), "tensor b overlaps"),
    "a gap": (as_safetensors({"a": tensor(0, 4, [1]), "b": tensor(8, 12, [1])}, bytes(12)), "a gap before it"),
    "not from the start": (as_safetensors({"a": tensor(4, 8, [1])}, bytes(8)), "a gap before it"),
    "backwards": (as_safetensors({"a": tensor(4, 0, [1]), "b": tensor(0, 8, [2])}, bytes(8)), "is damaged"),
    "negative": (as_safetensors({"a": tensor(-4, 0, [1])}, bytes(8)), "is damaged"),
    "another size": (as_safetensors({"a": tensor(0, 4, [3])}, bytes(4)), "which its shape [3] does not fit"),
    "negative shape": (as_safetensors({"a": tensor(0, 4, [-1, -1])}, bytes(4)), "does not fit"),
    "unknown numbers": (as_safetensors({"a": tensor(0, 4, [1], "F99")}, bytes(4)), "of the type F99"),
    "more behind": (as_safetensors({"a": tensor(0, 4, [1])}, bytes(9)), "5 bytes behind its tensors"),
    "no dictionary": (as_safetensors(b"[1]" + b" " * 9), "is not a safetensors file"),
    "no JSON": (as_safetensors(b"{" * 20), "its header is damaged"),
    "beyond all": ((2**40).to_bytes(8, "little") + b"{" + bytes(20), "its header is damaged"),
}


@pytest.mark.parametrize("kind", LYING)
def test_a_header_that_lies_is_told_before_a_tensor_is_read(kind: str, tmp_path: Path) -> None:
    content, said = LYING[kind]
    file = tmp_path / "model.safetensors"
    file.write_bytes(content)
    with pytest.raises(ModelError) as fault:
        read_header(file)
    assert str(file) in str(fault.value) and said in str(fault.value), fault.value


def test_headers_of_the_libraries_are_all_right(tmp_path: Path) -> None:
    kinds = [
        torch.float32,
        torch.float16,
        torch.bfloat16,
        torch.float64,
        torch.int64,
        torch.int8,
        torch.uint8,
        torch.bool,
    ]
    kinds += [torch.float8_e4m3fn, torch.float8_e5m2, torch.complex64]
    tensors = {str(kind): torch.zeros(3, 2).to(kind) for kind in kinds}
    save_file(tensors | {"scalar": torch.tensor(1.0), "none": torch.zeros(0, 4)}, tmp_path / "all.safetensors")
    assert len(read_header(tmp_path / "all.safetensors").shapes) == len(kinds) + 2


@pytest.mark.parametrize(
    ("listed", "said"),
    [
        ({}, "is damaged, since it holds no list of files"),
        ({"a": 3}, "is damaged, since it holds no list of files"),
        ({"a": "../../etc/model.safetensors"}, "is damaged, since it holds no list of files"),
        ({"a": "model-00001-of-00002.safetensors"}, "model-00001-of-00002.safetensors is missing"),
        (
            {"no.such": "model.safetensors"},
            "model.safetensors does not hold no.such, which model.safetensors.index.json",
        ),
    ],
)
def test_an_index_that_does_not_fit_its_shards_is_named(
    listed: dict[str, Any], said: str, tiny_models: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "text_encoder"
    shutil.copytree(tiny_models / "text_encoder", folder)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": listed}))
    assert f"text_encoder/model.safetensors.index.json {said}" in (told := sentence(network_fault(folder))) or (
        f"text_encoder/{said}" in told
    ), told


def test_code_of_a_checkpoints_own_is_named_and_never_run(checkpoints: dict[str, Path], tmp_path: Path) -> None:
    index = json.loads((checkpoints["sdxl"] / "model_index.json").read_text())
    file = checkpoints["sdxl"] / "model_index.json"
    for part, value, said in (
        ("unet", ["my_unet", "MyUNet"], "names my_unet.MyUNet as its unet, which is code of the checkpoint's own"),
        (
            "_class_name",
            ["pipeline", "MyPipeline"],
            "it is a checkpoint with code of its own (pipeline.MyPipeline), which is never run",
        ),
    ):
        with damaged(file, written(lambda whole, new=index | {part: value}: json.dumps(new).encode())):  # type: ignore[misc]
            assert said in sentence(pipeline_fault(checkpoints["sdxl"]))
    unknown = index | {"text_encoder_2": ["transformers", "NoSuchModel"]}
    with (
        damaged(file, written(lambda whole: json.dumps(unknown).encode())),
        pytest.raises(ModelError, match=r"names transformers.NoSuchModel as its text_encoder_2"),
    ):
        load_backbones(str(checkpoints["sdxl"]), device="cpu")


@pytest.mark.parametrize(
    "settings",
    [{"beta_start": "small"}, {"beta_schedule": "own"}, {"num_train_timesteps": -3}, {"_class_name": "NoScheduler"}],
)
def test_a_schedulers_settings_that_cannot_be_are_named(
    settings: dict[str, Any], tiny_models: Path, tmp_path: Path
) -> None:
    whole = json.loads((tiny_models / "scheduler" / "scheduler_config.json").read_text())
    (tmp_path / "scheduler_config.json").write_text(json.dumps(whole | settings))
    with pytest.raises(ModelError, match=r"scheduler_config.json .*ownload the checkpoint again"):
        load_scheduler(tmp_path)


@pytest.mark.parametrize(
    "settings", [{"norm_num_groups": "eight"}, {"latent_channels": [4]}, {"block_out_channels": 8}]
)
def test_a_networks_settings_that_cannot_be_are_told_in_plain_words(
    settings: dict[str, Any], tiny_models: Path, tmp_path: Path
) -> None:
    shutil.copytree(tiny_models / "vae", tmp_path / "vae")
    whole = json.loads((tmp_path / "vae" / "config.json").read_text())
    (tmp_path / "vae" / "config.json").write_text(json.dumps(whole | settings))
    with pytest.raises(ModelError, match=r"vae could not be loaded .*of another kind.*ownload the checkpoint again"):
        load_network(AutoencoderKL, tmp_path / "vae")


MERGES = "#version: 0.2\n" + "".join(f"{a} {b}\n" for a in "abcdefghij" for b in "klmnopqrst")


@pytest.mark.parametrize(
    ("merges", "said"),
    [
        (MERGES, ""),
        (MERGES.replace("\n", "\r\n"), ""),
        (MERGES.rstrip("\n"), ""),
        (MERGES[:-3], "its line 101 of 101 is no pair"),
        (MERGES[:58], "it has no pair for 89 tokens"),
        (MERGES + "x y\n", "has no 'x'"),
        (MERGES + "a bc\n", "has no 'bc'"),
        (MERGES.replace("a k", "a\tk"), "its line 2 of 101 is no pair"),
    ],
)
def test_merges_fit_their_vocabulary(merges: str, said: str, tmp_path: Path) -> None:
    tokens = [*"abcdefghijklmnopqrst", *(a + b for a in "abcdefghij" for b in "klmnopqrst")]
    (tmp_path / "vocab.json").write_text(json.dumps({token: number for number, token in enumerate(tokens)}))
    (tmp_path / "merges.txt").write_bytes(merges.encode())
    fault = text_fault(tmp_path / "merges.txt")
    assert said in fault[0] if fault else not said


def test_a_tokenizer_of_sentencepiece_is_whole_or_told(tmp_path: Path) -> None:
    # Pieces as field 1, each with its text and its score, and the trainer's settings as field 2.
    whole = b"".join(b"\x0a\x0a\x0a\x03abc\x15" + bytes(3) + b"\x3f" for _ in range(9)) + b"\x12\x02\x18\x08"
    file = tmp_path / "spiece.model"
    for content, said in ((whole, ""), (whole[:-5], "only part"), (LFS, "Git LFS"), (b"\x0f" * 9, "is damaged")):
        file.write_bytes(content)
        fault = text_fault(file)
        assert said in fault[0] if fault else not said


def test_what_goes_with_a_checkpoint_is_named_with_its_cause(tmp_path: Path, subtests: Any) -> None:
    """LoRAs, denoisers, learned looks and region networks, under every damage of weights."""
    readers: dict[str, Callable[[Path], object]] = {
        "LoRA": lambda file: read_lora(str(file), 1.0),
        "denoiser": check_denoiser_file,
        "checkpoint": lambda file: resolve(str(file)),
        "concepts": Concepts.load,
        "regions": RegionNetwork.load,
        "checkpoint of learning": lambda file: Checkpointer(file, "key", resume=True).restore({}),
    }
    file = tmp_path / "file.safetensors"
    for name, read in readers.items():
        for kind, (damage, _, said) in DAMAGES.items():
            if kind in ("folder", "dangling link"):
                continue
            file.write_bytes(bytes(100))
            with subtests.test(f"{name}, {kind}"), damaged(file, damage), pytest.raises(ModelError) as fault:
                read(file)
            assert str(file) in str(fault.value) and said in str(fault.value), fault.value


@pytest.mark.parametrize(
    ("about", "said"),
    [
        ({"kind": "Concepts"}, "does not tell what was learned"),
        ({"kind": "Concepts", "names": "{", "words": "[]"}, "does not tell what was learned"),
        ({"kind": "Concepts", "names": '["cat"]', "words": "3"}, "does not tell what was learned"),
        ({"kind": "Concepts", "names": '["cat", "dog"]', "words": '["", ""]'}, "do not fit the 2 objects"),
    ],
)
def test_learned_looks_whose_header_is_not_whole_are_named(about: dict[str, str], said: str, tmp_path: Path) -> None:
    file = tmp_path / "concepts.safetensors"
    save_file({"embeddings": torch.zeros(1, 4)}, file, metadata=about)
    with pytest.raises(ModelError, match=said):
        Concepts.load(file)


def test_a_region_network_of_another_size_is_named(tmp_path: Path) -> None:
    file = tmp_path / "regions.safetensors"
    RegionNetwork(8, 12).save(file)
    tensors = {"head.weight": torch.zeros(1)}
    for shape, said in (
        ("[8, 12]", "not those of a region network"),
        ("[8]", "not those of a region network"),
        ("8", "not those of a region network"),
    ):
        save_file(tensors, file, metadata={"kind": "RegionNetwork", "shape": shape})
        with pytest.raises(ModelError, match=said):
            RegionNetwork.load(file)


def test_settings_of_a_lora_are_read_or_named(tmp_path: Path) -> None:
    """Without them it would change the checkpoint more or less strongly than it was made to."""
    shape = {"unet.mid.to_q.lora_A.weight": torch.zeros(2, 4), "unet.mid.to_q.lora_B.weight": torch.zeros(4, 2)}
    save_file(shape, tmp_path / "adapter_model.safetensors")
    (tmp_path / "adapter_config.json").write_bytes(LFS)
    with pytest.raises(ModelError, match=r"adapter_config.json is a pointer of Git LFS"):
        read_lora(str(tmp_path), 1.0)


def test_a_gguf_file_that_is_cut_off_is_told_before_it_is_loaded(tmp_path: Path) -> None:
    import gguf
    import numpy as np

    file = tmp_path / "denoiser.gguf"
    writer: Any = gguf.GGUFWriter(file, "flux")
    writer.add_tensor("a.weight", np.zeros((64, 64), np.float32))
    for step in (writer.write_header_to_file, writer.write_kv_data_to_file, writer.write_tensors_to_file, writer.close):
        step()
    whole = file.read_bytes()
    check_denoiser_file(file)
    for length in (5, 20, 60, len(whole) // 2, len(whole) - 4):
        file.write_bytes(whole[:length])
        with pytest.raises(ModelError, match=r"denoiser.gguf is a GGUF file that is damaged or cut off"):
            check_denoiser_file(file)


def test_a_damaged_snapshot_of_the_hubs_cache_is_not_called_absent(
    tiny_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    root = tmp_path / "models--some--painter"
    shutil.copytree(tiny_models, root / "snapshots" / "c0ffee")
    (root / "refs").mkdir()
    (root / "refs" / "main").write_text("c0ffee")
    weights = root / "snapshots" / "c0ffee" / "vae" / "diffusion_pytorch_model.safetensors"
    weights.unlink()
    weights.symlink_to("../../../blobs/4d7a")
    with pytest.raises(ModelError, match=rf"some/painter is on this machine.*{weights.name} is {LINK}"):
        fetch("some/painter")


@pytest.fixture
def another_user() -> Iterator[None]:
    """Rights as people have them: whoever is root may read everything."""
    if os.name != "posix" or os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.skipif(os.name != "posix", reason="rights are told otherwise there")
@pytest.mark.parametrize("closed", ["vae", "vae/config.json", "vae/diffusion_pytorch_model.safetensors", "tokenizer"])
def test_what_may_not_be_read_is_told(
    closed: str, checkpoints: dict[str, Path], request: pytest.FixtureRequest
) -> None:
    checkpoint, place = checkpoints["sd"], checkpoints["sd"] / closed
    folders = [folder for folder in (checkpoint, *checkpoint.parents) if folder.stat().st_mode & 0o005 != 0o005]
    kept = {folder: folder.stat().st_mode for folder in (*folders, place)}
    for folder in folders:
        folder.chmod(0o755)
    place.chmod(0)
    request.getfixturevalue("another_user")
    try:
        said = sentence(pipeline_fault(checkpoint))
    finally:
        if os.getuid() == 0:
            os.seteuid(0)
        for path, mode in kept.items():
            path.chmod(mode)
    assert closed in said and "cannot be read (permission denied)" in said and "ive yourself the right" in said, said


def test_the_command_line_names_the_file(
    checkpoints: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    Image.new("RGB", (64, 64), "gray").save(tmp_path / "p.png")
    monkeypatch.chdir(tmp_path)
    file = checkpoints["sdxl"] / "scheduler" / "scheduler_config.json"
    words = ["edit", "p.png", "--prompt", "a dog", "--box", "10,10,40,40", "--models", str(checkpoints["sdxl"])]
    with damaged(file, written(lambda whole: LFS)):
        assert main(words) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1 and "scheduler/scheduler_config.json is a pointer of Git LFS" in told, told
    assert [file.name for file in tmp_path.iterdir()] == ["p.png"]
