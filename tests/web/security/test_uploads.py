"""What visitors send: too large, too many, hostile."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import struct
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.web.security.served import QUICK, Site, picture

pytest.importorskip("gradio")
from intarsia.web import security

# Of Gradio's own, and of its server's threads.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")


HOSTILE = '<img src=x onerror="alert(1)">'


def bomb(side: int) -> bytes:
    """A small PNG that says it is enormous."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    data = zlib.compress(b"\0" * 1_000_000)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


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
    before = {token: session.pages for token, session in site.store.sessions.items()}
    for _ in range(3):
        for number in loads:
            body = {"data": [None], "fn_index": number, "session_hash": "onepage"}
            if site.client.post(f"{site.address}/gradio_api/queue/join", json=body).status_code == 200:
                assert "process_completed" in site.get("/gradio_api/queue/data?session_hash=onepage").text
    grown = {t: v.pages - before.get(t, 0) for t, v in site.store.sessions.items() if v.pages > before.get(t, 0)}
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
