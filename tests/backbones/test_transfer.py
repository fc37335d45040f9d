"""Downloads from a hub on this machine: interrupted and gone on with, cancelled, damaged, from mirrors, without room."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
from huggingface_hub import constants

from intarsia.backbones import download, hub, known_checkpoints, transfer
from intarsia.backbones.catalog_entry import Entry
from intarsia.backbones.resolve import resolve
from intarsia.errors import Cancelled, ModelError
from tests.fake_hub import COMMIT, FakeHub, running

NAME = "some/painter"


@pytest.fixture
def server(tiny_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    folder = tmp_path / "repository"
    ours = shutil.ignore_patterns("clip", "dino", "clipseg", "inpainting_unet")
    shutil.copytree(tiny_models, folder, ignore=ours)
    with running(FakeHub(folders={NAME: folder})) as served:
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
        monkeypatch.setattr(constants, "ENDPOINT", served.url)
        monkeypatch.setattr(
            constants, "HUGGINGFACE_CO_URL_TEMPLATE", served.url + "/{repo_id}/resolve/{revision}/{filename}"
        )
        monkeypatch.setattr(huggingface_hub.hf_api, "ENDPOINT", served.url, raising=False)
        monkeypatch.setattr(transfer, "PAUSE", 0.01)
        yield served


def parts(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "hub").rglob(f"*{transfer.PART}"))


def same_files(folder: Path, source: Path) -> bool:
    names = [f.relative_to(folder) for f in folder.rglob("*") if f.is_file()]
    return bool(names) and all((folder / name).read_bytes() == (source / name).read_bytes() for name in names)


def test_a_repository_is_fetched_whole_and_then_needs_no_network(server: FakeHub, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    folder = hub.fetch(NAME, painter=True, on_bytes=lambda done, total: told.append((done, total)))
    assert same_files(folder, server.folders[NAME]) and resolve(str(folder)).kind == "folder"
    assert told == sorted(told) and told[-1][0] == told[-1][1] and len({total for _, total in told}) == 1
    assert not parts(tmp_path) and folder.name == COMMIT
    before = len(server.served)
    assert hub.fetch(NAME) == folder and hub.cached(NAME) and len(server.served) == before


def test_a_connection_that_breaks_off_goes_on_where_it_stopped(server: FakeHub, tmp_path: Path) -> None:
    server.breaks = [3000, 2000, 0, 1000]
    folder = hub.fetch(NAME, painter=True, on_bytes=lambda *_: None)
    assert same_files(folder, server.folders[NAME]) and not parts(tmp_path)
    first = server.served[0][1]
    assert [start for _, name, start, _ in server.served if name == first] == [0, 3000, 5000, 5000, 6000]


def test_what_a_cancelled_download_has_fetched_is_kept_and_gone_on_with(server: FakeHub, tmp_path: Path) -> None:
    def stop(done: int, _total: int) -> None:
        if done > 300_000:
            raise Cancelled("Stopped")

    content = bytes(range(256)) * 4096
    server.folders["some/large"] = tmp_path / "large"
    (tmp_path / "large").mkdir()
    (tmp_path / "large" / "model.safetensors").write_bytes(content)
    listing = hub.listed_files("some/large", None)
    assert listing is not None
    with pytest.raises(Cancelled):
        transfer.fetch_large("some/large", listing, ["model.safetensors"], stop)
    [part] = parts(tmp_path)
    kept, final = part.stat().st_size, part.with_name(part.name.removesuffix(transfer.PART))
    assert 300_000 < kept < len(content) and not final.exists() and transfer.bytes_here("some/large") == kept
    transfer.fetch_large("some/large", listing, ["model.safetensors"], lambda *_: None)
    assert [start for *_, start, _ in server.served] == [0, kept]
    assert final.read_bytes() == content and not parts(tmp_path)


def test_cancelling_is_no_fault_of_the_network(server: FakeHub) -> None:
    def stop(_done: int, _total: int) -> None:
        raise Cancelled("Stopped")

    with pytest.raises(Cancelled):
        hub.fetch(NAME, painter=True, on_bytes=stop)
    assert not hub.cached(NAME)


def test_ctrl_c_keeps_what_came_too(server: FakeHub, tmp_path: Path) -> None:
    def stop(done: int, _total: int) -> None:
        if done > 20_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        hub.fetch(NAME, painter=True, on_bytes=stop)
    assert parts(tmp_path) and not hub.cached(NAME)


def test_a_server_without_ranges_sends_all_again(server: FakeHub) -> None:
    server.ranges, server.breaks = False, [3000]
    folder = hub.fetch(NAME, painter=True, on_bytes=lambda *_: None)
    assert same_files(folder, server.folders[NAME])


def test_a_damaged_file_never_gets_its_name(server: FakeHub, tmp_path: Path) -> None:
    server.damaged = True
    with pytest.raises(ModelError, match=r"of some/painter arrived damaged, and was thrown away: download it again"):
        hub.fetch(NAME, painter=True, on_bytes=lambda *_: None)
    assert not parts(tmp_path) and not hub.cached(NAME)
    server.damaged = False
    assert same_files(hub.fetch(NAME, on_bytes=lambda *_: None), server.folders[NAME])


def test_a_connection_that_never_holds_is_given_up(server: FakeHub) -> None:
    server.breaks = [0] * 50
    with pytest.raises(ModelError, match=r"some/painter is not on this machine and could not be fetched"):
        hub.fetch(NAME, painter=True, on_bytes=lambda *_: None)
    assert len(server.served) == transfer.TRIES


def entry(**settings: Any) -> Entry:
    return Entry(
        licence="MIT", purpose="tests", part="painter", abilities=("edit",), memory_gb=1, native_side=32,
        **{"repository": NAME, **settings},
    )  # fmt: skip


def known(monkeypatch: pytest.MonkeyPatch, **settings: Any) -> None:
    monkeypatch.setitem(known_checkpoints.CATALOG, "known", entry(**settings))


def test_mirrors_are_tried_in_their_order_and_the_one_that_served_is_named(
    server: FakeHub, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    known(monkeypatch, mirrors=("not/there", "other/copy", "never/asked"))
    server.folders["other/copy"] = server.folders["never/asked"] = server.folders.pop(NAME)
    with caplog.at_level(logging.WARNING):
        folder = hub.fetch(NAME, painter=True, on_bytes=lambda *_: None)
    assert "models--other--copy" in str(folder) and {place for place, *_ in server.served} == {"other/copy"}
    assert f"{NAME} could not be fetched: other/copy, a copy of it that others keep, was taken instead." in caplog.text
    assert hub.cached_folder(NAME) == folder
    with pytest.raises(ModelError, match=r"The hub has no some/painter \(revision v2\)"):
        hub.fetch(NAME, "v2", on_bytes=lambda *_: None)


def test_without_any_mirror_the_first_fault_is_said(server: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    known(monkeypatch, mirrors=("not/there",))
    del server.folders[NAME]
    with pytest.raises(ModelError, match=r"The hub has no some/painter: check the spelling"):
        hub.fetch(NAME, painter=True)


def test_a_pinned_revision_is_fetched_and_the_newest_where_it_is_gone(
    server: FakeHub, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    known(monkeypatch, revision=COMMIT)
    assert resolve("known").revision == COMMIT
    assert hub.fetch(NAME, COMMIT, on_bytes=lambda *_: None).name == COMMIT
    shutil.rmtree(constants.HF_HUB_CACHE)
    known(monkeypatch, revision="f" * 40)
    with caplog.at_level(logging.WARNING):
        assert hub.fetch(NAME, "f" * 40, on_bytes=lambda *_: None).name == COMMIT
    assert f"{NAME} has no commit ffffffffffff: its newest was taken instead." in caplog.text


def test_a_former_name_in_the_cache_serves(server: FakeHub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = hub.fetch(NAME, on_bytes=lambda *_: None)
    monkeypatch.setitem(known_checkpoints.REDIRECTS, NAME, "new/home")
    assert hub.cached_folder("new/home") == folder


@pytest.mark.parametrize("free", [10**12, 10**3])
def test_size_and_room_are_said_before_anything_is_fetched(
    free: int, server: FakeHub, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tiny_models: Path
) -> None:
    known(monkeypatch, weights={"unet/diffusion_pytorch_model.safetensors": 2_340_000_000})
    for name in ("clip", "dino", "clipseg"):
        server.folders[str(known_checkpoints.CATALOG[name].repository)] = tiny_models / name
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(2 * free, free, free))
    with caplog.at_level(logging.INFO, logger="intarsia"):
        if free > 10**9:
            assert len(download("known", on_bytes=lambda *_: None)) == 4
            assert "known: about 3.9 GB to download from 4 repositories; 1000 GB are free at" in caplog.messages[0]
            assert any(
                f"Downloading {NAME} (0.0 GB) to" in said and "1000 GB are free" in said for said in caplog.messages
            )
        else:
            with pytest.raises(ModelError, match=r"^known needs 3\.9 GB, but .* has room for 0\.0 GB: make room there"):
                download("known")
            assert not server.served and not caplog.messages
