"""Edit by words for pages and programs: what comes in, what is shown, and that it is the command line's edit."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import os
import re
import shutil
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from intarsia.backbones.protocols import Backbones
from intarsia.cli.commands.ui import Ui
from intarsia.cli.main import main
from intarsia.errors import MissingExtraError, PictureError, RecordError, UsageError
from intarsia.imaging.geometry import Box
from intarsia.imaging.read import read_photo
from intarsia.records.edit import EditRecord, SearchSettings
from intarsia.regions.edit import edit
from intarsia.regions.events import AnalysisEvent, Preview
from intarsia.web import edit_service, result_store, startup
from intarsia.web import uploads as uploads_module
from intarsia.web.address import free_port
from intarsia.web.field_labels import field_help, label
from intarsia.web.sessions import Session, SessionStore
from tests.paths import SCENES

SCENE = SCENES / "0000.png"
QUICK = SearchSettings(proposals=4, preview_steps=(1, 2), survivors=(3, 2))
QUICK_JSON = {"proposals": 4, "preview_steps": [1, 2], "survivors": [3, 2]}


class Watcher:
    """Remembers what it was shown, and spoils its copies."""

    def __init__(self) -> None:
        self.seen: list[AnalysisEvent | Sequence[Preview]] = []

    def on_analysis(self, seen: AnalysisEvent) -> None:
        self.seen.append(seen)
        seen.saliency.fill(0)

    def on_round(self, previews: Sequence[Preview]) -> None:
        self.seen.append(previews)
        for preview in previews:
            preview.picture.clone()


def session_in(folder: Path) -> Session:
    folder.mkdir(parents=True, exist_ok=True)
    return Session(token="t", folder=folder)


def store_with(tmp_path: Path, backbones: Backbones) -> SessionStore:
    """One whose networks are named as records name them."""
    return SessionStore(tmp_path / "sessions", models=backbones.name, load=lambda *_, **__: backbones)


def empty_store(tmp_path: Path, *models: str) -> SessionStore:
    """One in which nothing is ever painted."""
    return SessionStore(
        tmp_path / "sessions", models=models or "auto", load=lambda *_, **__: pytest.fail("nobody paints here")
    )


# What the operator adds


def test_what_the_pages_add_to_networks_is_the_operators_alone(tmp_path: Path) -> None:
    asked: list[Any] = []

    def load(models: str, **given: Any) -> Any:
        asked.append(given.get("lora"))
        return pytest.fail("loaded")

    store = SessionStore(tmp_path / "sessions", models="pocket", lora=("style.safetensors:0.5",), load=load)
    record = edit_service.build_record(SCENE, {"prompt": "a cat"}, store)
    assert record.lora == ("style.safetensors:0.5",)
    with pytest.raises(RecordError, match="lora names a file of the server"):
        edit_service.build_record(SCENE, {"prompt": "a cat", "lora": ["/etc/x.safetensors"]}, store)
    with pytest.raises(RecordError, match="embedding names a file of the server"):
        edit_service.build_record(SCENE, {"prompt": "a cat", "embedding": ["/etc/x.safetensors"]}, store)
    with pytest.raises(pytest.fail.Exception):
        store.load("pocket", lora=("/etc/x.safetensors",))
    assert asked == [("style.safetensors:0.5",)]


# Who watches an edit


@pytest.mark.parametrize("preset", ["default", "exhaustive", "paper", "released"])
def test_watching_changes_no_pixel_and_shows_the_rounds_in_order(tiny_backbones: Backbones, preset: Any) -> None:
    photo = read_photo(SCENE)
    fit = dataclasses.replace(EditRecord(photo="x", prompt="x").fit, rounds=1)
    record = EditRecord(
        photo=str(SCENE), source="tree", prompt="a house", preset=preset, steps=2, search=QUICK, fit=fit
    )
    if preset == "default":
        record = dataclasses.replace(record, steps=3, search=dataclasses.replace(QUICK, enough=1))
    alone = edit(photo, record, tiny_backbones)
    watcher = Watcher()
    watched = edit(photo, record, tiny_backbones, observer=watcher)
    assert np.array_equal(alone.photo.pixels, watched.photo.pixels)
    assert [c.scores for c in alone.candidates] == [c.scores for c in watched.candidates]
    assert np.array_equal(alone.saliency, watched.saliency)
    look, *rounds = watcher.seen
    assert isinstance(look, AnalysisEvent) and look.anchors == watched.anchors
    steps = [[p.steps for p in shown] for shown in rounds if not isinstance(shown, AnalysisEvent)]
    # The likeliest region is painted in full, previews of the others compete, and the best two of them are finished.
    others = len(watched.candidates) - 1
    expected = {
        "default": [[3], [1] * others, [2] * min(others, 3), *[[3]] * 2],
        "exhaustive": [[2] * 4],
        "paper": [[2] * 9] * 2,
    }
    if preset in expected:
        assert steps == expected[preset]
    for shown in rounds:
        assert not isinstance(shown, AnalysisEvent)
        assert [p.score for p in shown] == sorted((p.score for p in shown), reverse=True)
        assert all(p.picture.shape == (3, 32, 32) and p.box.clipped(photo.size) == p.box for p in shown)
    shown_ones = [shown for shown in rounds if not isinstance(shown, AnalysisEvent)]
    finished = [p for shown in shown_ones for p in shown if p.steps == record.steps]
    if preset in ("default", "exhaustive"):
        best = max(finished, key=lambda preview: preview.score)
        assert best.box == watched.candidates[0].box and best.score == watched.candidates[0].scores.total


def test_who_watches_an_edit_in_a_given_box_sees_no_anchors(tiny_backbones: Backbones) -> None:
    watcher = Watcher()
    record = EditRecord(photo=str(SCENE), prompt="a house", box=(8, 8, 40, 40), keep=2, steps=1)
    edit(read_photo(SCENE), record, tiny_backbones, observer=watcher)
    look, shown = watcher.seen
    assert isinstance(look, AnalysisEvent) and look.anchors == () and look.relevance is None
    assert not isinstance(shown, AnalysisEvent) and [p.box for p in shown] == [Box(8, 8, 40, 40)] * 2


# The door


def test_user_and_password_come_from_the_flag_or_else_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(startup.AUTH_VARIABLE, raising=False)
    assert startup.credentials(None) is None
    assert startup.credentials("ann:b:c") == ("ann", "b:c")
    monkeypatch.setenv(startup.AUTH_VARIABLE, "bob:x")
    assert startup.credentials(None) == ("bob", "x")
    assert startup.credentials("ann:y") == ("ann", "y")
    for wrong in ("ann", "ann:", ":y"):
        with pytest.raises(UsageError, match="user:password"):
            startup.credentials(wrong)


@pytest.mark.parametrize("flags", [["--host", "0.0.0.0"], ["--share"], ["--host", "192.168.0.7"]])
def test_nobody_is_let_in_from_outside_unasked(
    flags: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(startup.AUTH_VARIABLE, raising=False)
    assert main(["ui", *flags]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "pass --auth user:password too." in said
    startup.check_auth(Ui(host="0.0.0.0"), ("ann", "x"))
    startup.check_auth(Ui(), None)


def test_a_taken_port_is_one_sentence(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(startup, "require_gradio", lambda: None)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["ui", "--port", str(port)]) == 2
    assert f"Nothing can listen at 127.0.0.1 port {port}" in capsys.readouterr().err
    assert main(["ui", "--port", "70000"]) == 2


def test_without_gradio_the_command_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=re.escape("pip install 'intarsia[ui]'")):
        startup.open_pages(Ui())


def test_the_temporary_folders_go_and_a_named_one_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", "before")
    with startup.folders(None) as results:
        assert results.is_dir() and os.environ["GRADIO_TEMP_DIR"] == str(results.parent / "uploads")
    assert not results.parent.exists() and os.environ["GRADIO_TEMP_DIR"] == "before"
    with startup.folders(tmp_path / "mine") as results:
        assert results == tmp_path / "mine"
    assert results.is_dir()


# Labels and help


def test_labels_and_help_are_the_records_own() -> None:
    helped = field_help(EditRecord)
    assert set(helped) == {f.name for f in dataclasses.fields(EditRecord)} - {"search", "score", "fit"}
    assert helped["negative_prompt"] == "What the edit should not show."
    assert label("negative_prompt") == "Negative prompt"


# Photos


def test_an_upload_is_kept_byte_for_byte_under_a_safe_name(tmp_path: Path) -> None:
    uploads = tmp_path / "uploads" / "abc"
    uploads.mkdir(parents=True)
    file = uploads / "<b>my 'cat'.html"
    shutil.copyfile(SCENE, file)
    kept = uploads_module.take_upload(file, tmp_path / "uploads", session_in(tmp_path / "session"))
    assert kept.read_bytes() == SCENE.read_bytes()
    assert kept.name == "_b_my _cat_.png" and kept.is_relative_to(tmp_path / "session")
    facts = uploads_module.photo_facts(kept)
    assert (facts["width"], facts["height"]) == (64, 64)
    assert facts["url"].startswith("gradio_api/file=/") and not set("<>\"' ") & set(facts["url"])


def test_only_uploads_are_taken(tmp_path: Path) -> None:
    uploads = tmp_path / "uploads"
    uploads.mkdir()
    session = session_in(tmp_path / "session")
    (uploads / "link.png").symlink_to(SCENE)
    for file in (SCENE, uploads / ".." / "x.png", uploads, uploads / "gone.png", uploads / "link.png"):
        with pytest.raises(PictureError, match="did not arrive"):
            uploads_module.take_upload(file, uploads, session)
    (uploads / "page.png").write_text("<script>alert(1)</script>")
    with pytest.raises(PictureError) as refused:
        uploads_module.take_upload(uploads / "page.png", uploads, session)
    assert str(tmp_path) not in str(refused.value)


def test_a_photo_that_browsers_cannot_show_is_shown_through_a_copy(tmp_path: Path) -> None:
    with Image.open(SCENE) as picture:
        picture.save(tmp_path / "scan.tiff")
    kept = uploads_module.take_photo(tmp_path / "scan.tiff", session_in(tmp_path / "session"))
    assert kept.name == "scan.tiff" and uploads_module.photo_facts(kept)["url"].endswith("/shown.png")
    assert np.array_equal(read_photo(kept.with_name("shown.png")).pixels, read_photo(SCENE).pixels)


# Records


def test_a_visitor_names_no_file_of_this_machine(tmp_path: Path) -> None:
    store = empty_store(tmp_path)
    for name in ("mask", "protect", "regions"):
        with pytest.raises(RecordError, match="names a file of the server"):
            edit_service.build_record(SCENE, {"prompt": "a house", name: "/etc/passwd"}, store)
    with pytest.raises(RecordError, match="not offered here"):
        edit_service.build_record(SCENE, {"prompt": "a house", "models": "/etc/passwd"}, store)
    record = edit_service.build_record(SCENE, {"prompt": "a house", "photo": "/etc/passwd", "mask": None}, store)
    assert record.photo == str(SCENE) and record.models == "auto"


def test_a_page_cannot_send_a_box_that_is_none(tmp_path: Path) -> None:
    store = empty_store(tmp_path)
    assert edit_service.build_record(SCENE, {"prompt": "a house"}, store, [1, 2, 30, 40]).box == (1, 2, 30, 40)
    for wrong in ("<b>", [1, 2, 3], [1, 2, "x", 4], {"x": 1}, [float("nan")] * 4):
        with pytest.raises(RecordError):
            edit_service.build_record(SCENE, {"prompt": "a house"}, store, wrong)


def test_a_whole_number_from_a_page_is_the_number_of_the_command_line(tmp_path: Path) -> None:
    sent = {"prompt": "a house", "guidance": 7, "steps": 9, "search": {"largest_window": 1}, "size": None}
    record = edit_service.build_record(SCENE, sent, empty_store(tmp_path), [1, 2, 30, 40])
    assert repr((record.guidance, record.steps, record.box)) == "(7.0, 9, (1.0, 2.0, 30.0, 40.0))"
    assert repr(record.search.largest_window) == "1.0" and record.size is None
    assert record == dataclasses.replace(record) and record.search.survivors == SearchSettings().survivors


def test_visitors_choose_among_the_operators_networks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine").mkdir()
    monkeypatch.chdir(tmp_path)
    store = empty_store(tmp_path, "pocket", "sd15", "mine")
    for nothing in (None, "", "auto", "pocket"):
        assert edit_service.resolve_models(store, nothing) == "pocket"
    assert edit_service.resolve_models(store, "sd15") == "sd15"
    assert (
        edit_service.resolve_models(store, str(tmp_path / "mine"))
        == edit_service.resolve_models(store, "mine")
        == "mine"
    )
    wrong: Any
    for wrong in ("sd2", str(tmp_path), 3, ["pocket"], {"pocket": 1}):
        with pytest.raises(RecordError, match="leave it out, or choose one of pocket, sd15, mine") as refused:
            edit_service.resolve_models(store, wrong)
        assert str(tmp_path / "mine") not in str(refused.value)
    # "auto" finds what this machine has, and records say what it has found.
    # By the module: the package has a function of that name.
    monkeypatch.setattr(importlib.import_module("intarsia.backbones.resolve"), "best_cached", lambda **_: "pocket")
    assert edit_service.resolve_models(empty_store(tmp_path, "auto"), "pocket") == "auto"
    assert (
        edit_service.models_label(str(tmp_path / "mine")) == "mine"
        and edit_service.models_label("owner/name") == "owner/name"
    )


# What is shown


def test_the_map_glows_where_it_is_high() -> None:
    heat = np.zeros((8, 16), np.float32)
    heat[2, 3] = 5
    picture = edit_service.heatmap_image(heat)
    alpha = np.asarray(picture)[..., 3]
    y, x = np.unravel_index(alpha.argmax(), alpha.shape)
    assert picture.size == (256, 128) and abs(x - 56) <= 8 and abs(y - 40) <= 8
    assert alpha.min() == 0 and np.asarray(edit_service.heatmap_image(np.ones((4, 4))))[..., 3].max() == 0


def test_previews_are_shown_best_first_and_no_more_than_fit(tmp_path: Path) -> None:
    shown: list[dict[str, Any]] = []
    showing = edit_service.PageObserver(tmp_path / "seen", shown.append)
    showing.on_analysis(AnalysisEvent(saliency=np.eye(4, dtype=np.float32), relevance=None, anchors=()))
    previews = [
        Preview(box=Box(0, 0, k + 1, 9), picture=torch.full((3, 8, 12), -1.0), score=-k, steps=4) for k in range(20)
    ]
    showing.on_round(previews)
    assert shown[0]["look"]["anchors"] == []
    best = shown[1]["round"]["best"]
    assert shown[1]["round"]["of"] == 20 and len(best) == edit_service.BEST and best[0]["box"] == [0, 0, 1, 9]
    with Image.open(tmp_path / "seen" / "round-1-1.jpg") as picture:
        assert picture.size == (12, 8)


def made_in(tmp_path: Path, backbones: Backbones, **settings: Any) -> tuple[Session, Path]:
    session = session_in(tmp_path / "session")
    photo = uploads_module.take_photo(SCENE, session)
    store = store_with(tmp_path, backbones)
    record = edit_service.build_record(
        photo, {"source": "tree", "prompt": "a house", "steps": 3, "keep": 2} | settings, store
    )
    record = dataclasses.replace(record, search=QUICK)
    return session, edit_service.run_session_edit(session, store, record, lambda progress: None, lambda what: None)


def test_a_result_is_found_again_with_all_its_candidates(tmp_path: Path, tiny_backbones: Backbones) -> None:
    session, folder = made_in(tmp_path, tiny_backbones)
    assert [picture.name for picture in result_store.pictures_in(folder)] == ["0000.png", "0000.2.png"]
    first, second = (json.loads((folder / name).read_text()) for name in ("0000.json", "0000.2.json"))
    assert second["chosen"] == 1 and second["candidates"] == first["candidates"]
    assert result_store.picture_of(result_store.result_folder(session, folder.name), 1).name == "0000.2.png"
    assert edit_service.run_session_replay(
        session, store_with(tmp_path, tiny_backbones), folder / "0000.2.png", lambda progress: None
    )
    for wrong in ("../session", "edit-9999", None, 3, "photo-0001"):
        with pytest.raises(RecordError, match="not here"):
            result_store.result_folder(session, wrong)
    for index in (2, -1, "0", None, True):
        with pytest.raises(RecordError, match="not here"):
            result_store.picture_of(folder, index)


def test_nothing_stays_of_an_edit_that_fails(tmp_path: Path, tiny_backbones: Backbones) -> None:
    with pytest.raises(Exception, match="picture"):
        made_in(tmp_path, tiny_backbones, box=(200, 200, 300, 300))
    assert not list((tmp_path / "session").glob("edit-*"))


# The pages


gradio_warnings = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")


@gradio_warnings
@pytest.mark.slow
def test_a_page_names_no_other_host() -> None:
    pytest.importorskip("gradio")
    from intarsia.web.theme import strip_external_urls

    page = b'<head><meta property="og:image" content="https://a.example/x.png" /><link href="https://b.example/f"><p>'
    assert strip_external_urls(page) == b"<head><p>"


@pytest.fixture
def served(tmp_path: Path, tiny_backbones: Backbones) -> Iterator[str]:
    pytest.importorskip("gradio")
    from intarsia.web.server import build, launch

    store = store_with(tmp_path, tiny_backbones)
    demo = build(store)
    yield launch(demo, store, port=free_port("127.0.0.1")).local
    demo.close(verbose=False)
    store.close()


@gradio_warnings
@pytest.mark.slow
def test_the_endpoint_makes_the_picture_of_the_command_line(
    served: str, tmp_path: Path, tiny_models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import httpx
    from gradio_client import Client, handle_file

    page = httpx.get(served)
    assert not re.findall(r"https?://(?!www\.w3\.org|127\.0\.0\.1|localhost)[\w.]+", page.text)
    assert "default-src 'self'" in page.headers["content-security-policy"]
    for outside in (
        "gradio_api/file=https://example.com/x",
        "gradio_api/file=/etc/passwd",
        "gradio_api/proxy=http://x",
    ):
        assert httpx.get(served + outside).status_code == 403

    client = Client(served, verbose=False, download_files=str(tmp_path / "down"))
    settings = {"steps": 3, "keep": 2, "search": QUICK_JSON}
    picture, record = client.predict(handle_file(SCENE), "tree", "a house", settings, api_name="/edit")
    flags = ["--search.proposals", "4", "--search.preview-steps", "1", "2", "--search.survivors", "3", "2"]
    words_flags = ["--source", "tree", "--prompt", "a house", "--steps", "3", "--keep", "2"]
    command = ["edit", str(SCENE), *words_flags, *flags, "--models", str(tiny_models), "--device", "cpu"]
    assert main([*command, "--out", str(tmp_path / "cli"), "--quiet"]) == 0
    expected = read_photo(tmp_path / "cli" / "0000.png")
    assert np.array_equal(read_photo(picture).pixels, expected.pixels)
    assert record["output_sha256"] == json.loads((tmp_path / "cli" / "0000.json").read_text())["output_sha256"]

    for wrong, why in (
        ({"steps": 0}, "between 1 and 1000"),
        ({"mask": "/etc/passwd"}, "file of the server"),
        ({"models": "sd15"}, "not offered here"),
    ):
        with pytest.raises(Exception, match=why):
            client.predict(handle_file(SCENE), "tree", "a house", wrong, api_name="/edit")
    named = client.view_api(print_info=False, return_format="dict")["named_endpoints"]
    assert "/edit" in named and not {"/work", "/press", "/enter", "/uploaded"} & set(named)
    client.close()


def test_records_name_the_new_place_of_a_choice_that_is_gone_from_the_hub() -> None:
    assert edit_service.recorded_name("runwayml/stable-diffusion-v1-5") == "stable-diffusion-v1-5/stable-diffusion-v1-5"
    assert edit_service.recorded_name("owner/name@v2") == "owner/name@v2"
