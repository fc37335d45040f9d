"""The web pages among hostile visitors: what they ask for, send and name reaches no file, host or page of others."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import importlib
import json
import logging
import os
import shutil
import struct
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import numpy as np
import pytest
from PIL import Image

pytest.importorskip("gradio")

from intarsia.backbones.protocols import Backbones
from intarsia.cli import main
from intarsia.web import scripts, security, startup
from intarsia.web.address import free_port
from intarsia.web.log_privacy import private_logging
from intarsia.web.security import SecurityMiddleware
from intarsia.web.sessions import Session, SessionStore

# Of Gradio's own, and of its server's threads.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")

EVIL = "https://evil.example"
HOSTILE = '<img src=x onerror="alert(1)">'
QUICK = {"steps": 2, "search": {"proposals": 2, "preview_steps": [1], "survivors": [1], "anchors": 2}}


class Site:
    """A server at a free port of this machine, and the folders behind it."""

    def __init__(self, address: str, store: SessionStore, uploads: Path) -> None:
        self.address, self.store, self.uploads = address.rstrip("/"), store, uploads
        self.client = httpx.Client(timeout=60, trust_env=False)

    def get(self, path: str, **options: Any) -> httpx.Response:
        """As curl --path-as-is does: no dots are taken away."""
        url = httpx.URL(self.address)
        return self.client.send(self.client.build_request("GET", url.copy_with(raw_path=path.encode()), **options))

    def upload(self, content: bytes, name: str, **options: Any) -> httpx.Response:
        return self.client.post(f"{self.address}/gradio_api/upload", files={"files": (name, content)}, **options)

    def call(self, endpoint: str, *data: Any, **options: Any) -> tuple[str, str]:
        """One call, as a program makes it: how it ended, and what came."""
        # As ASCII: httpx itself refuses half a character, which a page may send.
        headers = {"content-type": "application/json", **options.pop("headers", {})}
        posted = self.client.post(
            f"{self.address}/gradio_api/call/{endpoint}", content=json.dumps({"data": data}), headers=headers, **options
        )
        if posted.status_code != 200:
            return f"refused {posted.status_code}", posted.text
        said = self.client.get(f"{self.address}/gradio_api/call/{endpoint}/{posted.json()['event_id']}").text
        event, _, rest = said.rpartition("event: ")[2].partition("\n")
        return event, rest

    def edit(self, path: str, prompt: str = "a moon", **file: Any) -> tuple[str, str]:
        return self.call("edit", {"path": path, "meta": {"_type": "gradio.FileData"}, **file}, "", prompt, QUICK)


def shut(demo: Any, site: Site) -> None:
    demo.close(verbose=False)
    site.client.close()
    site.store.close()
    gc.collect()  # what Gradio leaves open warns now, not in somebody else's test


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, tiny_models: Path, tiny_backbones: Backbones) -> Iterator[Site]:
    with startup.folders(tmp_path_factory.mktemp("results") / "results") as results:
        from gradio.utils import get_upload_folder

        from intarsia.web import server

        store = SessionStore(results, models=str(tiny_models), forget=0.2, load=lambda *_, **__: tiny_backbones)
        demo = server.build(store)
        address = server.launch(demo, store, port=free_port("127.0.0.1"))
        site = Site(address.local, store, Path(get_upload_folder()))
        yield site
        shut(demo, site)


@pytest.fixture
def session(site: Site) -> Iterator[Session]:
    session = site.store.join(None)
    yield session
    site.store.leave(session.token)


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    file = tmp_path / "secret.txt"
    file.write_text("the secret")
    return file


def picture(side: int = 40) -> bytes:
    from io import BytesIO

    stream = BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (side, side, 3), np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def bomb(side: int) -> bytes:
    """A small PNG that says it is enormous."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    data = zlib.compress(b"\0" * 1_000_000)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


# Files


def test_files_elsewhere_are_not_served(site: Site, session: Session, secret: Path) -> None:
    own = session.folder / "own.txt"
    own.write_text("own")
    assert site.get(f"/gradio_api/file={own}").text == "own"
    up = "../" * 20
    for path in (
        str(secret),
        f"{up}etc/passwd",
        "/etc/passwd",
        f"{session.folder}/{up}{secret}",
        f"{site.uploads}/{up}etc/passwd",
        f"{site.uploads}/..%2f..%2f..%2f..%2fetc%2fpasswd",
        quote(str(secret), safe=""),
        quote(quote(str(secret), safe=""), safe=""),
        "%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
        "..\\..\\..\\etc\\passwd",
        f"file://{secret}",
        f"{secret}%00.png",
        "/proc/self/environ",
        str(Path(main.__file__)),
    ):
        for route in ("file=", "file/"):
            answer = site.get(f"/gradio_api/{route}{path}")
            assert answer.status_code in (400, 403, 404), path
            assert "the secret" not in answer.text and "root:" not in answer.text
    for path in ("/static/../../../../etc/passwd", "/assets/..%2f..%2f..%2f..%2f..%2fetc%2fpasswd"):
        assert "root:" not in site.get(path).text


def test_a_link_that_leads_out_is_not_followed(site: Site, session: Session, secret: Path) -> None:
    link = session.folder / "link.txt"
    link.symlink_to(secret)
    folder = session.folder / "folder"
    folder.symlink_to(secret.parent)
    for path in (link, folder / secret.name):
        assert site.get(f"/gradio_api/file={path}").status_code == 403


def test_folders_are_not_listed(site: Site, session: Session) -> None:
    for folder in (session.folder, session.folder.parent, site.uploads):
        answer = site.get(f"/gradio_api/file={folder}")
        assert answer.status_code == 403
        assert session.token not in answer.text.replace(str(folder), "")


def test_a_token_is_not_told_to_another(site: Site) -> None:
    one, other = site.store.join(None), site.store.join(None)
    (one.folder / "own.txt").write_text("own")
    assert len(one.token) == 32 and one.token != other.token
    assert one.token not in str(one.folder)
    name = one.folder.name
    wrong = name[:-1] + ("0" if name[-1] != "0" else "1")
    assert site.get(f"/gradio_api/file={one.folder.with_name(wrong)}/own.txt").status_code == 403
    assert site.get(f"/gradio_api/file={other.folder}/own.txt").status_code == 403
    for page in ("/", "/config", "/gradio_api/info", "/gradio_api/openapi.json"):
        assert one.token not in site.get(page).text
    for each in (one, other):
        site.store.leave(each.token)


def test_the_scripts_of_the_pages_are_served_and_nothing_else_of_their_folder(site: Site) -> None:
    folder = f"/{scripts.PATH}/{scripts.digest()}"
    assert f"{folder.lstrip('/')}/edit_tab.js" in site.get("/config").text
    for file in scripts.STATIC.iterdir():
        served = site.get(f"{folder}/{file.name}")
        if file.suffix != ".js":
            assert served.status_code == 404, file.name
            continue
        assert served.content == file.read_bytes()
        assert served.headers["content-type"].startswith("text/javascript")
        assert "immutable" in served.headers["cache-control"]
        assert served.headers["x-content-type-options"] == "nosniff"
        assert "script-src 'self'" in served.headers["content-security-policy"]
    for path in ("../scripts.py", "..%2fscripts.py", "%2e%2e/scripts.py", "..%5cscripts.py", "/etc/passwd", "", "."):
        assert site.get(f"{folder}/{path}").status_code == 404, path
    assert site.get(f"/{scripts.PATH}/{'0' * 16}/edit_tab.js").status_code == 404
    foreign = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}
    assert site.get(f"{folder}/edit_tab.js", headers=foreign).status_code == 403


def test_pages_that_visitors_store_run_nothing(site: Site, session: Session) -> None:
    for name in ("page.html", "drawing.svg", "page.xhtml", "script.js"):
        (session.folder / name).write_text("<script>alert(1)</script>")
        served = site.get(f"/gradio_api/file={session.folder / name}").headers
        sandboxed = "sandbox" in served["content-security-policy"]
        assert sandboxed or served.get("content-disposition", "").startswith("attachment"), name
        assert served["x-content-type-options"] == "nosniff"


def test_the_folder_of_a_visitor_who_left_is_removed(site: Site) -> None:
    session = site.store.join(None)
    file = session.folder / "own.txt"
    file.write_text("own")
    site.store.leave(session.token)
    site.store.sweep()
    assert file.exists(), "forgotten too early"
    time.sleep(0.3)
    site.store.sweep()
    assert not session.folder.exists()
    assert site.get(f"/gradio_api/file={file}").status_code == 403


def test_what_lies_beside_the_visitors_folders_is_not_served(site: Site, session: Session) -> None:
    """The operator's own, where --out names a folder that holds more."""
    beside = site.store.root / "runs" / "trees"
    beside.mkdir(parents=True, exist_ok=True)
    hidden = session.folder.parent / "ledger.sqlite"
    for file in (beside / "picture.png", hidden):
        file.write_text("the secret")
        for path in (file, f"{session.folder}/../{file.relative_to(site.store.root)}"):
            for route in ("file=", "file/"):
                answer = site.get(f"/gradio_api/{route}{path}")
                assert answer.status_code == 403 and "the secret" not in answer.text
        file.unlink()
    shutil.rmtree(beside.parent)


@pytest.mark.parametrize(
    "path",
    [
        *("monitoring", "monitoring/summary", "gradio_api/dev/reload", "gradio_api/vibe-code", "gradio_api/runs"),
        *("gradio_api/deep_link?session_hash=x", "gradio_api/profiling/traces", "gradio_api/run-history/buckets"),
        *("gradio_api/custom_component/x/client/component/index.js", "gradio_api/stream/x/y/1/playlist.m3u8"),
    ],
)
def test_routes_that_no_page_needs_are_closed(site: Site, path: str) -> None:
    assert site.get(f"/{path}").status_code == 404
    assert site.get(f"/{path.replace('/', '//')}").status_code in (403, 404)


@pytest.mark.parametrize("route", ["process_recording", "component_server", "vibe-edit", "stream/x", "stream/x/close"])
def test_posts_that_no_page_needs_are_closed(site: Site, route: str) -> None:
    assert site.client.post(f"{site.address}/gradio_api/{route}", json={}).status_code == 404
    assert site.client.post(f"{site.address}/gradio_api/{route}", files={"a": b"x"}).status_code == 404


# What is sent


@pytest.mark.parametrize("route", ["run/edit", "api/edit", "run/arrange", "run/edit/"])
def test_nobody_passes_the_queue_by(site: Site, route: str) -> None:
    answer = site.client.post(f"{site.address}/gradio_api/{route}", json={"data": [None, "", "a moon", QUICK]})
    assert answer.status_code == 404 and "queue" in answer.text


def test_a_page_that_comes_again_and_again_is_one_page(site: Site) -> None:
    loads = [
        each["id"]
        for each in site.get("/config").json()["dependencies"]
        if any(event == "load" for _, event in each["targets"])
    ]
    before = {token: session.tabs for token, session in site.store.sessions.items()}
    for _ in range(3):
        for number in loads:
            body = {"data": [None], "fn_index": number, "session_hash": "onepage"}
            if site.client.post(f"{site.address}/gradio_api/queue/join", json=body).status_code == 200:
                assert "process_completed" in site.get("/gradio_api/queue/data?session_hash=onepage").text
    grown = {t: v.tabs - before.get(t, 0) for t, v in site.store.sessions.items() if v.tabs > before.get(t, 0)}
    assert list(grown.values()) == [1]
    for token in grown:
        site.store.leave(token)


def test_a_guess_ends_nothing_of_others_and_reads_nothing(site: Site) -> None:
    (path,) = site.upload(picture(), "a.png").json()
    file = {"path": path, "meta": {"_type": "gradio.FileData"}}
    posted = site.client.post(
        f"{site.address}/gradio_api/call/edit", json={"data": [file, "", "a moon", {**QUICK, "steps": 6}]}
    )
    event = posted.json()["event_id"]
    assert len(event) == 32
    wrong = event[:-1] + ("0" if event[-1] != "0" else "1")
    for guess in (wrong, "", "x"):
        for session in (wrong, "", "x"):
            body = {"event_id": guess, "session_hash": session, "fn_index": 0}
            site.client.post(f"{site.address}/gradio_api/cancel", json=body)
        told = ""
        url = f"{site.address}/gradio_api/queue/data?session_hash={guess}"
        with contextlib.suppress(httpx.RemoteProtocolError), site.client.stream("GET", url) as answer:  # it hangs up
            for part in answer.iter_text():
                told += part
        assert event not in told and "process_" not in told
    assert "event: complete" in site.get(f"/gradio_api/call/edit/{event}").text


def test_uploads_that_are_too_large_together_are_refused(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(security, "MAX_UPLOAD_BYTES", 1 << 20)
    url = f"{site.address}/gradio_api/upload"
    files = [("files", (f"{k}.png", bytes(300_000))) for k in range(4)]
    assert site.client.post(url, files=files).status_code == 413
    assert site.client.post(url, files=files[:2]).status_code == 200
    head = b'--x\r\ncontent-disposition: form-data; name="files"; filename="a.png"\r\n\r\n'
    parts = iter([head, *[bytes(300_000)] * 4, b"\r\n--x--\r\n"])
    answer = site.client.post(url, content=parts, headers={"content-type": "multipart/form-data; boundary=x"})
    assert answer.status_code == 413


def test_a_full_disk_takes_no_uploads(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(security, "MIN_FREE_BYTES", 1 << 60)
    answer = site.upload(picture(), "a.png")
    assert answer.status_code == 507 and "disk is full" in answer.text


def test_uploads_that_were_broken_off_are_removed(site: Site) -> None:
    from intarsia.web.server import STALE_UPLOAD_SECONDS, remove_stale_uploads

    old, new, whole = site.uploads / "tmpold", site.uploads / "tmpnew", site.uploads / "0a" / "a.png"
    whole.parent.mkdir()
    for file in (old, new, whole):
        file.write_bytes(b"half")
    for file in (old, whole):
        os.utime(file, (0, time.time() - STALE_UPLOAD_SECONDS - 1))
    remove_stale_uploads(site.uploads)
    assert [file.exists() for file in (old, new, whole)] == [False, True, True]
    new.unlink()
    shutil.rmtree(whole.parent)


@pytest.mark.parametrize("kind", ["text/plain", "multipart/x", "multipart/form-data; boundary=x", "application/json"])
def test_large_requests_that_are_no_uploads_are_refused(site: Site, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(security, "MAX_REQUEST_BYTES", 1 << 16)
    body = json.dumps({"data": ["x" * (1 << 17)], "fn_index": 0, "session_hash": "x"}).encode()
    for route in ("queue/join", "call/edit", "cancel", "run/edit"):
        url = f"{site.address}/gradio_api/{route}"
        assert site.client.post(url, content=body, headers={"content-type": kind}).status_code == 413


def test_a_large_upload_is_refused(site: Site) -> None:
    def parts() -> Iterator[bytes]:
        yield b'--x\r\ncontent-disposition: form-data; name="files"; filename="a.png"\r\n\r\n'
        for _ in range(200):
            yield bytes(1 << 20)
        yield b"\r\n--x--\r\n"

    before = sum(file.stat().st_size for file in site.uploads.rglob("*") if file.is_file())
    try:
        answer = site.client.post(
            f"{site.address}/gradio_api/upload",
            content=parts(),
            headers={"content-type": "multipart/form-data; boundary=x"},
        )
        assert answer.status_code == 413
    except httpx.WriteError:  # it hung up, which is a refusal too
        pass
    after = sum(file.stat().st_size for file in site.uploads.rglob("*") if file.is_file())
    assert after - before < 1 << 20


def test_a_decompression_bomb_is_refused_with_a_sentence(site: Site) -> None:
    (path,) = site.upload(bomb(40_000), "bomb.png").json()
    began = time.monotonic()
    event, said = site.edit(path)
    assert event == "error"
    assert "bomb.png" in said and "40,000" in said
    assert time.monotonic() - began < 10


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.pkl", b"\x80\x04cos\nsystem\n(S'touch pwned'\ntR."),
        ("a.bin", b"PK\x03\x04 delta"),
        ("a.png", b"\x80\x04cos\nsystem\n(S'touch pwned'\ntR."),
        ("a.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>"),
        ("a.html", b"<script>alert(1)</script>"),
    ],
)
def test_what_is_no_photo_is_refused(site: Site, name: str, content: bytes) -> None:
    (path,) = site.upload(content, name).json()
    event, said = site.edit(path)
    assert event == "error"
    assert "Traceback" not in said


def test_no_pickle_comes_in_through_a_record(site: Site) -> None:
    (path,) = site.upload(picture(), "a.png").json()
    (delta,) = site.upload(b"\x80\x04cos\nsystem\n(S'touch pwned'\ntR.", "delta.bin").json()
    file = {"path": path, "meta": {"_type": "gradio.FileData"}}
    for record in ({"concepts": delta, "find": ["cat"], "move": ["cat=+1,0"]}, {"learn": {"prior": "/"}}):
        event, said = site.call("arrange", file, {"record": record})
        assert event == "error", said
    for record in ({"regions": delta}, {"mask": delta}):
        event, said = site.call("edit", file, "", "a moon", record)
        assert event == "error"
        assert "visitors cannot choose" in said


@pytest.mark.parametrize("name", ["../../../up.png", "a\nb\x1b[31m.png", HOSTILE + ".png", "x" * 400 + ".png", ".png"])
def test_hostile_names_stay_below_the_uploads(site: Site, name: str) -> None:
    answer = site.upload(picture(), name)
    if answer.status_code == 200:
        (path,) = answer.json()
        assert Path(path).resolve().is_relative_to(site.uploads.resolve())
        assert Path(path).is_file()
        assert all(c.isprintable() for c in path)
    else:
        assert answer.status_code == 400


@pytest.mark.slow
@pytest.mark.parametrize("prompt", [HOSTILE, "a\0b\x1b[31m\u202e", "'; DROP TABLE jobs; --", "\ud83d", "x" * 100_000])
def test_hostile_prompts_harm_nothing(site: Site, prompt: str) -> None:
    (path,) = site.upload(picture(), "a.png").json()
    event, said = site.edit(path, prompt)
    assert event in ("complete", "error")
    assert "Traceback" not in said
    assert site.get("/").status_code == 200


@pytest.mark.parametrize(
    "file",
    [
        {"path": "http://127.0.0.1:1/a.png"},
        {"path": "https://example.com/a.png"},
        {"path": "file:///etc/passwd"},
        {"path": "/etc/passwd"},
        {"path": "../../../../../etc/passwd"},
        {"path": "a.png", "url": "https://example.com/a.png"},
        {"path": "a.png", "url": "file:///etc/passwd"},
    ],
)
def test_the_browser_names_no_address_and_no_path(
    site: Site, file: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from gradio import processing_utils

    asked: list[Any] = []

    async def fetched(*arguments: Any) -> str:
        asked.append(arguments)
        return ""

    monkeypatch.setattr(processing_utils, "async_ssrf_protected_download", fetched)
    event, said = site.edit(**file)
    assert event == "error" or event.startswith("refused")
    assert "root:" not in said
    assert not asked


def test_other_hosts_are_not_fetched_through_this_one(site: Site) -> None:
    for path in ("file=http://127.0.0.1:1/", "file=https://example.com/", "FILE=HTTP://example.com", "proxy=http://x"):
        assert site.get(f"/gradio_api/{path}").status_code in (403, 404)
    assert site.get("/gradio_api/proxy=https://example.com/").status_code == 403


# What is logged


def test_the_log_repeats_no_words(
    site: Site, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = "unspeakable"

    def failing(*_: Any, **__: Any) -> Any:
        try:
            raise KeyError(secret)
        except KeyError as problem:
            raise ZeroDivisionError(f"no {secret} here") from problem

    (path,) = site.upload(picture(), "a.png").json()
    with private_logging():
        site.edit(path, f"{secret} " * 60)  # more than the text encoder reads
        monkeypatch.setattr("intarsia.tasks.edit.edit", failing)
        site.edit(path, "a moon")
        logging.getLogger("asyncio").error(f"a task failed\nfuture: {secret}", exc_info=ZeroDivisionError(secret))
        logging.getLogger("uvicorn.error").error("failed", exc_info=ZeroDivisionError(secret))
        queueing: Any = importlib.import_module("gradio.queueing")

        try:
            failing()
        except ZeroDivisionError:
            queueing.traceback.print_exc()
    said = caplog.text + "".join(capfd.readouterr())
    assert secret not in said
    assert "tokens are read" in said and "a text of" in said
    assert said.count("ZeroDivisionError (its message") >= 4 and "KeyError" in said
    assert queueing.traceback.__name__ == "traceback"


# Who asks


@pytest.mark.parametrize("origin", [EVIL, "null", "http://localhost.evil.example", "http://127.0.0.1:1"])
def test_pages_of_others_cannot_post(site: Site, origin: str) -> None:
    headers = {"origin": origin}
    assert site.upload(picture(), "a.png", headers=headers).status_code == 403
    posted = site.client.post(
        f"{site.address}/gradio_api/queue/join",
        content=json.dumps({"data": [], "fn_index": 0, "session_hash": "x"}),
        headers={**headers, "content-type": "text/plain"},
    )
    assert posted.status_code == 403
    assert site.call("edit", None, "", "", {}, headers=headers)[0] == "refused 403"


@pytest.mark.parametrize("where", ["cross-site", "same-site"])
def test_pages_of_others_show_nothing_of_ours(site: Site, where: str) -> None:
    """A browser asks for pictures and scripts of another host without an origin."""
    for mode, status in (("no-cors", 403), ("cors", 403), ("navigate", 200)):
        headers = {"sec-fetch-site": where, "sec-fetch-mode": mode}
        assert site.get("/config", headers=headers).status_code == status


def test_own_pages_can_post(site: Site) -> None:
    assert site.upload(picture(), "a.png", headers={"origin": site.address}).status_code == 200
    assert site.upload(picture(), "a.png").status_code == 200, "programs name no origin"


def test_others_can_neither_read_nor_frame(site: Site) -> None:
    answer = site.get("/config", headers={"origin": EVIL})
    assert answer.headers.get("access-control-allow-origin") in (None, site.address)
    assert "frame-ancestors 'self'" in site.get("/").headers["content-security-policy"]


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1.evil.example", "localhost.evil", "", "[::2]"]
)
def test_a_name_that_was_rebound_to_this_machine_is_refused(site: Site, host: str) -> None:
    """Such a page's origin is the host that it asks, so that nothing else tells it from our own."""
    host = host.format(port=httpx.URL(site.address).port)
    headers = {"host": host, "origin": f"http://{host}", "sec-fetch-site": "same-origin"}
    for path in (
        "/",
        "/config",
        "/gradio_api/info",
        "/gradio_api/queue/data?session_hash=x",
        "/gradio_api/heartbeat/x",
    ):
        answer = site.get(path, headers=headers)
        assert answer.status_code == 421, path
        assert "--hosts" in answer.text
    assert site.upload(picture(), "a.png", headers=headers).status_code == 421
    assert site.call("edit", None, "", "", {}, headers=headers)[0] == "refused 421"


def test_this_machine_goes_by_its_own_names(site: Site) -> None:
    port = httpx.URL(site.address).port
    for host in ("localhost", f"LOCALHOST:{port}", f"127.0.0.1:{port}", "[::1]:80", "[::1]"):
        assert site.get("/config", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    ("host", "hosts", "own"),
    [
        ("pictures.example.org", {"pictures.example.org"}, True),
        ("Pictures.Example.org:8443", {"pictures.example.org"}, True),
        ("pictures.example.org.evil.example", {"pictures.example.org"}, False),
        ("evil.example", {"pictures.example.org"}, False),
        ("evil.example", None, True),
    ],
)
def test_names_of_the_operator_are_names_of_this_server(host: str, hosts: set[str] | None, own: bool) -> None:
    answered: list[str] = []
    told: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        answered.append(scope["type"])

    async def receive() -> Any:
        raise AssertionError("nothing is read")

    async def send(message: Any) -> None:
        told.append(message)

    guard = SecurityMiddleware(app, hosts=None if hosts is None else frozenset(hosts))
    for kind in ("http", "websocket"):
        scope = {"type": kind, "method": "GET", "path": "/", "headers": [(b"host", host.encode())]}
        asyncio.run(guard(scope, receive, send))
    assert answered == (["http", "websocket"] if own else [])
    if not own:
        assert [message["type"] for message in told] == ["http.response.start", "http.response.body", "websocket.close"]


def test_a_name_with_more_than_a_name_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("https://pictures.example.org", "pictures.example.org/", "pictures.example.org:80", "*", ""):
        assert main.main(["ui", "--hosts", name, "--port", "0"]) == 2
        assert "--hosts" in capsys.readouterr().err


def test_all_models_that_visitors_may_choose_are_looked_up_at_the_start(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("intarsia.web.server.SessionStore", None)  # nothing is loaded before
    assert main.main(["ui", "--models", "pocket", "no such thing", "--port", "0"]) != 0
    assert "'no such thing' is no known checkpoint" in capsys.readouterr().err
    assert main.main(["ui", "--models", "--port", "0"]) == 2


def test_an_open_door_is_refused(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(startup.AUTH_VARIABLE, raising=False)
    for flags in (["--host", "0.0.0.0"], ["--share"], ["--host", "::"]):
        assert main.main(["ui", *flags, "--port", "0"]) == 2
        said = capsys.readouterr().err
        assert "--auth" in said and "Traceback" not in said


def test_with_a_password_nothing_is_served_before(
    tmp_path: Path, tiny_models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with startup.folders(tmp_path / "results") as results:
        from intarsia.web import server

        store = SessionStore(results, models=str(tiny_models))
        demo = server.build(store)
        address = server.launch(demo, store, host="0.0.0.0", port=free_port("127.0.0.1"), known=("anna", "secret word"))
        site = Site(address.local.replace("0.0.0.0", "127.0.0.1"), store, results)
        try:
            session = store.join(None)
            (session.folder / "own.txt").write_text("own")
            closed = [
                site.get("/config").status_code,
                site.get(f"/gradio_api/file={session.folder}/own.txt").status_code,
                site.upload(picture(), "a.png").status_code,
                site.client.post(f"{site.address}/gradio_api/call/edit", json={"data": []}).status_code,
                site.client.post(f"{site.address}/gradio_api/queue/join", json={"data": []}).status_code,
                site.get("/gradio_api/info").status_code,
            ]
            assert closed == [401] * len(closed)
            wrong = site.client.post(f"{site.address}/login", data={"username": "anna", "password": "wrong"})
            assert wrong.status_code == 400
            monkeypatch.setattr(security, "MAX_PENDING_LOGINS", 0)
            many = site.client.post(f"{site.address}/login", data={"username": "anna", "password": "secret word"})
            assert many.status_code == 429
            monkeypatch.undo()
            began = time.monotonic()
            right = site.client.post(f"{site.address}/login", data={"username": "anna", "password": "secret word"})
            assert right.status_code == 200
            assert time.monotonic() - began >= security.LOGIN_DELAY
            assert site.get("/config", headers={"host": "pictures.example.org"}).status_code == 200
            assert site.get(f"/gradio_api/file={session.folder}/own.txt").text == "own"
            strange = site.get("/config", headers={"origin": EVIL})
            assert strange.status_code == 403 or "access-control-allow-origin" not in strange.headers
        finally:
            shut(demo, site)
