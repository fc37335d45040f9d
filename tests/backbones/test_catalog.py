"""Names of checkpoints: what they resolve to, and the one sentence for each that does not."""

from __future__ import annotations

import json
import logging
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import constants

from intarsia.backbones import CATALOG, POCKET, cached, download, hub, load_backbones
from intarsia.backbones import catalog as catalog_module
from intarsia.backbones.catalog import REDIRECTS
from intarsia.backbones.placement import choose_device, choose_dtype
from intarsia.backbones.resolve import ModelSource, resolve
from intarsia.errors import ModelError
from intarsia.notes import collected
from tests import tiny


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the hub."""
    folder = tmp_path / "hub"
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder))
    return folder


def put_in_cache(cache: Path, repository: str, source: Path, commit: str = "c0ffee") -> Path:
    """Lay out a folder as the hub's cache does."""
    root = cache / ("models--" + repository.replace("/", "--"))
    shutil.copytree(source, root / "snapshots" / commit)
    (root / "refs").mkdir(exist_ok=True)
    (root / "refs" / "main").write_text(commit)
    return root / "snapshots" / commit


@pytest.fixture
def checkpoint(tiny_models: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "checkpoint"
    shutil.copytree(tiny_models, folder)
    return folder


def test_resolving_needs_no_torch(checkpoint: Path) -> None:
    program = (
        "import sys; from intarsia.backbones import cached, CATALOG; from intarsia.backbones.resolve import resolve\n"
        f"resolve('sd15'); resolve({str(checkpoint)!r}); cached('a/b')\n"
        "assert not {'torch', 'diffusers', 'transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_code_beside_weights_never_runs(checkpoint: Path) -> None:
    program = (
        f"from intarsia.backbones import load_backbones; load_backbones({str(checkpoint)!r})\n"
        "from diffusers.utils import constants; assert constants.DIFFUSERS_DISABLE_REMOTE_CODE"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("", "")


def test_every_painter_of_the_catalogue_resolves() -> None:
    for name, entry in CATALOG.items():
        assert entry.licence and entry.purpose and entry.native_side > 0 and entry.memory_gb > 0
        if entry.part in ("inpainter", "painter") and entry.repository:
            assert resolve(name) == ModelSource(
                name=name, kind="hub", location=entry.repository, revision=entry.revision
            )
            assert resolve(f"{name}@v2").revision == "v2" and resolve(f"{name}@v2").location == entry.repository


def test_a_helper_is_no_painter() -> None:
    with pytest.raises(ModelError, match="cannot paint: choose one of pocket, sd15"):
        resolve("clip")


def test_hub_ids_with_and_without_a_revision() -> None:
    assert resolve("owner/name") == ModelSource(name="owner/name", kind="hub", location="owner/name")
    pinned = resolve("owner/na.me-2@refs/pr/3")
    assert (pinned.location, pinned.revision) == ("owner/na.me-2", "refs/pr/3")


@pytest.mark.parametrize("gone", REDIRECTS)
def test_a_hub_id_that_is_gone_stands_for_where_its_files_live_on(gone: str) -> None:
    with collected() as said:
        source, pinned = resolve(gone), resolve(f"{gone}@fp16")
    assert source == ModelSource(name=REDIRECTS[gone], kind="hub", location=REDIRECTS[gone])
    assert (pinned.location, pinned.revision, pinned.name) == (REDIRECTS[gone], "fp16", f"{REDIRECTS[gone]}@fp16")
    assert len(said) == 1 and f"{gone} is gone from the hub: {REDIRECTS[gone]}" in said[0]


def test_a_folder_goes_before_a_hub_id_that_is_gone(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = next(iter(REDIRECTS))
    (tmp_path / gone).parent.mkdir()
    checkpoint.rename(tmp_path / gone)
    monkeypatch.chdir(tmp_path)
    assert resolve(gone).kind == "folder"


def test_catalogue_repositories_are_alive() -> None:
    used = {place for entry in CATALOG.values() for place in (entry.repository, *entry.mirrors)}
    assert not used & set(REDIRECTS) and not set(REDIRECTS.values()) & set(REDIRECTS)


@pytest.mark.parametrize("nonsense", ["", "sd99", "./nowhere", "/no/such/folder", "a/b/c", "~/none", "https://x.y/z"])
def test_what_is_nothing_is_said_so(nonsense: str) -> None:
    with pytest.raises(ModelError, match="no known checkpoint"):
        resolve(nonsense)


@pytest.mark.parametrize("part", ["inpainting_unet", "vae", "text_encoder", "tokenizer", "scheduler"])
def test_a_missing_part_is_named(part: str, checkpoint: Path) -> None:
    shutil.rmtree(checkpoint / part)
    if part == "inpainting_unet":
        assert resolve(str(checkpoint)).kind == "folder"
        shutil.rmtree(checkpoint / "unet")
        part = "unet"
    with pytest.raises(ModelError, match=f"the part {part}/ is missing"):
        resolve(str(checkpoint))


@pytest.mark.parametrize(
    "file",
    [
        "vae/config.json",
        "scheduler/scheduler_config.json",
        "tokenizer/",
        "text_encoder/",
    ],
)
def test_a_missing_file_is_named(file: str, checkpoint: Path) -> None:
    if file.endswith("/"):
        for inside in (checkpoint / file).iterdir():
            if inside.name != "config.json":
                inside.unlink()
    else:
        (checkpoint / file).unlink()
    with pytest.raises(ModelError, match=file):
        resolve(str(checkpoint))


def test_pickled_weights_in_a_folder_are_refused(checkpoint: Path) -> None:
    folder = checkpoint / "vae"
    (folder / "diffusion_pytorch_model.safetensors").rename(folder / "diffusion_pytorch_model.bin")
    with pytest.raises(ModelError, match=r"vae/diffusion_pytorch_model.bin is a pickle.*Convert it to .safetensors"):
        resolve(str(checkpoint))


def test_a_missing_shard_is_named(checkpoint: Path) -> None:
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}
    (checkpoint / "text_encoder" / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ModelError, match=r"text_encoder/model-00001-of-00002\.safetensors is missing"):
        resolve(str(checkpoint))


def test_other_families_are_refused(checkpoint: Path) -> None:
    file = checkpoint / "inpainting_unet" / "config.json"
    settings = json.loads(file.read_text())
    file.write_text(json.dumps(settings | {"addition_embed_type": "text_time"}))
    with pytest.raises(ModelError, match="Stable Diffusion XL"):
        resolve(str(checkpoint))
    file.write_text(json.dumps(settings | {"in_channels": 8}))
    with pytest.raises(ModelError, match="reads 8 channels"):
        resolve(str(checkpoint))
    file.write_text("{")
    with pytest.raises(ModelError, match="damaged"):
        resolve(str(checkpoint))


@pytest.mark.parametrize("suffix", [".ckpt", ".bin", ".pt", ".pth"])
def test_a_pickled_file_is_refused(suffix: str, tmp_path: Path) -> None:
    file = tmp_path / f"model{suffix}"
    file.write_bytes(b"PK")
    with pytest.raises(ModelError, match=r"is a pickle.*Convert it to .safetensors"):
        resolve(str(file))


@pytest.mark.parametrize("content", [b"", b"<html>", b"PK" * 20])
def test_what_is_no_safetensors_inside_is_refused(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    file.write_bytes(content)
    with pytest.raises(ModelError, match="not a safetensors file"):
        resolve(str(file))


def test_a_file_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="There is no file"):
        resolve(str(tmp_path / "none.safetensors"))


def test_a_single_file_of_another_kind_is_refused(tiny_models: Path, tmp_path: Path) -> None:
    file = tmp_path / "lora.safetensors"
    shutil.copy(tiny_models / "clip" / "model.safetensors", file)
    tiny.save_file_configuration(tiny_models, tmp_path / "lora")
    helpers = {"scorer": "clip", "patches": "dino", "segmenter": "clipseg"}
    folders: dict[str, Any] = {key: str(tiny_models / name) for key, name in helpers.items()}
    with pytest.raises(ModelError, match="could not be loaded as a Stable Diffusion checkpoint"):
        load_backbones(str(file), **folders)


def test_offline_says_what_to_download(cache: Path) -> None:
    with pytest.raises(
        ModelError, match=r"hf download stable-diffusion-v1-5/stable-diffusion-inpainting'.*--models pocket"
    ):
        load_backbones("sd15")
    with pytest.raises(ModelError, match="hf download owner/name --revision v2"):
        load_backbones("owner/name@v2")


def test_offline_names_a_missing_helper_before_loading(cache: Path, checkpoint: Path) -> None:
    shutil.rmtree(checkpoint / "dino")
    with pytest.raises(ModelError, match="hf download facebook/dino-vitb8"):
        load_backbones(str(checkpoint))
    with pytest.raises(ModelError, match="'nowhere' is neither a folder nor a hub id"):
        load_backbones(str(checkpoint), patches="nowhere")


def test_an_incomplete_snapshot_is_not_cached(cache: Path, tiny_models: Path) -> None:
    assert not cached("some/painter")
    snapshot = put_in_cache(cache, "some/painter", tiny_models)
    assert cached("some/painter") and cached("some/painter", "main") and cached("some/painter", "c0ffee")
    assert not cached("some/painter", "v2")
    (snapshot / "vae" / "diffusion_pytorch_model.safetensors").unlink()
    assert not cached("some/painter")


def test_any_complete_snapshot_serves_when_the_newest_has_pickles_only(cache: Path, tiny_models: Path) -> None:
    newest = put_in_cache(cache, "some/clip", tiny_models / "clip")
    (newest / "model.safetensors").rename(newest / "pytorch_model.bin")
    assert not cached("some/clip")
    shutil.copytree(tiny_models / "clip", newest.parent / "converted")
    assert cached("some/clip") and not cached("some/clip", "main")


def test_auto_takes_the_first_that_is_complete_with_its_helpers(
    cache: Path, tiny_models: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog_module, "POCKET", tiny_models)
    for name in ("sd2", "clip", "dino"):
        folder = tiny_models if name == "sd2" else tiny_models / name
        put_in_cache(cache, str(CATALOG[name].repository), folder)
    with caplog.at_level(logging.WARNING):
        assert resolve("auto").name == "pocket"
    assert len(caplog.records) == 1 and "pocket" in caplog.text and "models download sd15" in caplog.text
    put_in_cache(cache, str(CATALOG["clipseg"].repository), tiny_models / "clipseg")
    assert resolve("auto").name == "sd2"


def test_a_cached_checkpoint_loads_offline_with_the_cached_helpers(
    cache: Path, tiny_models: Path, tmp_path: Path
) -> None:
    bare = tmp_path / "bare"
    shutil.copytree(tiny_models, bare, ignore=shutil.ignore_patterns("clip", "dino", "clipseg"))
    put_in_cache(cache, str(CATALOG["sd15"].repository), bare)
    for name in ("clip", "dino", "clipseg"):
        put_in_cache(cache, str(CATALOG[name].repository), tiny_models / name)
    loaded = load_backbones("auto", device="cpu")
    assert loaded.name == "sd15"
    assert loaded.versions["inpainter"] == "stable-diffusion-v1-5/stable-diffusion-inpainting@c0ffee"
    assert loaded.versions["scorer"] == "openai/clip-vit-base-patch16@c0ffee"
    assert loaded.patches.cells == CATALOG["dino"].native_side // 8  # type: ignore[attr-defined]


def test_downloading_reports_and_needs_nothing_when_all_is_there(cache: Path, tiny_models: Path) -> None:
    with pytest.raises(ModelError, match="hf download"):
        download("sd15")
    put_in_cache(cache, str(CATALOG["sd15"].repository), tiny_models)
    for name in ("clip", "dino", "clipseg"):
        put_in_cache(cache, str(CATALOG[name].repository), tiny_models / name)
    seen: list[tuple[int, int]] = []
    assert len(download("sd15", lambda done, count: seen.append((done, count)))) == 4
    assert seen == [(0, 4), (1, 4), (2, 4), (3, 4), (4, 4)]
    assert len(download("dino")) == 1


def test_a_download_without_a_network_is_one_sentence(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unplugged(*_: object, **__: object) -> str:
        raise OSError("no route to host")

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(hub, "listed_files", lambda *_: None)
    monkeypatch.setattr("huggingface_hub.snapshot_download", unplugged)
    with pytest.raises(
        ModelError, match=r"could not be fetched \(OSError\).*hf download CompVis/stable-diffusion-v1-4"
    ):
        load_backbones("sd14")


def test_a_download_falls_back_to_the_hubs_own_conversion(
    cache: Path, tiny_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pickled = tmp_path / "pickled"
    shutil.copytree(tiny_models / "clip", pickled, ignore=shutil.ignore_patterns("*.safetensors"))

    def give(_repository: str, *, revision: str | None, **_: object) -> str:
        return str(tiny_models / "clip" if revision == "refs/pr/7" else pickled)

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(hub, "listed_files", lambda *_: None)
    monkeypatch.setattr("huggingface_hub.snapshot_download", give)
    monkeypatch.setattr(hub, "converter_revision", lambda _: "refs/pr/7")
    assert hub.fetch("some/clip") == tiny_models / "clip"
    monkeypatch.setattr(hub, "converter_revision", lambda _: None)
    with pytest.raises(ModelError, match=r"some/clip cannot be used: .*no .safetensors"):
        hub.fetch("some/clip")


def test_devices_and_precisions() -> None:
    assert choose_device("cpu") == "cpu" and choose_device("auto") in ("cpu", "cuda", "mps")
    assert choose_dtype("auto", "cpu") == torch.float32 and choose_dtype("auto", "cuda") == torch.float16
    assert choose_dtype("bf16", "cpu") == torch.bfloat16
    for device in ("gpu", "cuda:x", "tpu"):
        with pytest.raises(ModelError, match="no known device"):
            choose_device(device)
    with pytest.raises(ModelError, match="no known precision"):
        choose_dtype("int8", "cpu")
    with pytest.raises(ModelError, match="bfloat16"):
        choose_dtype("float16", "cpu")
    if not torch.cuda.is_available():
        with pytest.raises(ModelError, match="not available"):
            choose_device("cuda:0")


POCKET_PARTS = ("inpainting_unet", "vae", "text_encoder", "tokenizer", "scheduler", "clip", "dino", "clipseg")


@pytest.mark.skipif(not all((POCKET / part).is_dir() for part in POCKET_PARTS), reason="the pocket is not trained yet")
def test_pocket_loads_and_paints() -> None:
    pocket = load_backbones("pocket")
    assert (pocket.name, pocket.inpainter.native_side, pocket.inpainter.stride) == ("pocket", 64, 16)
    mask = torch.zeros(1, 1, 64, 64)
    mask[..., 16:48, 16:48] = 1
    painted = pocket.inpainter.inpaint(torch.zeros(1, 3, 64, 64), mask, ["a cat"], seeds=[0], steps=2, guidance=5.0)
    assert painted.isfinite().all() and pocket.inpainter.counter.evaluations == 4


def test_a_card_that_torch_cannot_use_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)
    for driver, notes in ((tmp_path / "none", 0), (tmp_path, 1)):
        monkeypatch.setattr("intarsia.backbones.placement.NVIDIA", driver)
        with collected() as said:
            assert choose_device("auto") == choose_device("cpu") == "cpu"
        assert len(said) == notes and all("an NVIDIA card that torch cannot use" in each for each in said)
