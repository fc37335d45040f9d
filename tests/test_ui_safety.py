"""The web pages among hostile visitors: what they ask for, send and name reaches no file, host or page of others."""

from __future__ import annotations

import gc
import json
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

from intarsia.app import cli
from intarsia.app.ui import door
from intarsia.app.ui.room import Room, Visit

# Of Gradio's own, and of its server's threads.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")

EVIL = "https://evil.example"
HOSTILE = '<img src=x onerror="alert(1)">'
QUICK = {"steps": 2, "search": {"proposals": 2, "preview_steps": [1], "survivors": [1], "anchors": 2}}


class Site:
    """A server at a free port of this machine, and the folders behind it."""

    def __init__(self, address: str, room: Room, uploads: Path) -> None:
        self.address, self.room, self.uploads = address.rstrip("/"), room, uploads
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
    site.room.close()
    gc.collect()  # what Gradio leaves open warns now, not in somebody else's test


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, tiny_models: Path) -> Iterator[Site]:
    with door.folders(tmp_path_factory.mktemp("results") / "results") as results:
        from gradio.utils import get_upload_folder

        from intarsia.app.ui import server

        room = Room(results, models=str(tiny_models), forget=0.2)
        demo = server.build(room)
        address = server.launch(demo, room, port=door.free_port("127.0.0.1"))
        site = Site(address.local, room, Path(get_upload_folder()))
        yield site
        shut(demo, site)


@pytest.fixture
def visit(site: Site) -> Iterator[Visit]:
    visit = site.room.enter(None)
    yield visit
    site.room.leave(visit.token)


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


def test_files_elsewhere_are_not_served(site: Site, visit: Visit, secret: Path) -> None:
    own = visit.folder / "own.txt"
    own.write_text("own")
    assert site.get(f"/gradio_api/file={own}").text == "own"
    up = "../" * 20
    for path in (
        str(secret),
        f"{up}etc/passwd",
        "/etc/passwd",
        f"{visit.folder}/{up}{secret}",
        f"{site.uploads}/{up}etc/passwd",
        f"{site.uploads}/..%2f..%2f..%2f..%2fetc%2fpasswd",
        quote(str(secret), safe=""),
        quote(quote(str(secret), safe=""), safe=""),
        "%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
        "..\\..\\..\\etc\\passwd",
        f"file://{secret}",
        f"{secret}%00.png",
        "/proc/self/environ",
        str(Path(cli.__file__)),
    ):
        for route in ("file=", "file/"):
            answer = site.get(f"/gradio_api/{route}{path}")
            assert answer.status_code in (400, 403, 404), path
            assert "the secret" not in answer.text and "root:" not in answer.text
    for path in ("/static/../../../../etc/passwd", "/assets/..%2f..%2f..%2f..%2f..%2fetc%2fpasswd"):
        assert "root:" not in site.get(path).text


def test_a_link_that_leads_out_is_not_followed(site: Site, visit: Visit, secret: Path) -> None:
    link = visit.folder / "link.txt"
    link.symlink_to(secret)
    folder = visit.folder / "folder"
    folder.symlink_to(secret.parent)
    for path in (link, folder / secret.name):
        assert site.get(f"/gradio_api/file={path}").status_code == 403


def test_folders_are_not_listed(site: Site, visit: Visit) -> None:
    for folder in (visit.folder, visit.folder.parent, site.uploads):
        answer = site.get(f"/gradio_api/file={folder}")
        assert answer.status_code == 403
        assert visit.token not in answer.text.replace(str(folder), "")


def test_a_token_is_not_told_to_another(site: Site) -> None:
    one, other = site.room.enter(None), site.room.enter(None)
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
        site.room.leave(each.token)


def test_pages_that_visitors_store_run_nothing(site: Site, visit: Visit) -> None:
    for name in ("page.html", "drawing.svg", "page.xhtml", "script.js"):
        (visit.folder / name).write_text("<script>alert(1)</script>")
        served = site.get(f"/gradio_api/file={visit.folder / name}").headers
        sandboxed = "sandbox" in served["content-security-policy"]
        assert sandboxed or served.get("content-disposition", "").startswith("attachment"), name
        assert served["x-content-type-options"] == "nosniff"


def test_the_folder_of_a_visitor_who_left_is_removed(site: Site) -> None:
    visit = site.room.enter(None)
    file = visit.folder / "own.txt"
    file.write_text("own")
    site.room.leave(visit.token)
    site.room.sweep()
    assert file.exists(), "forgotten too early"
    time.sleep(0.3)
    site.room.sweep()
    assert not visit.folder.exists()
    assert site.get(f"/gradio_api/file={file}").status_code == 403


# What is sent


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


def test_own_pages_can_post(site: Site) -> None:
    assert site.upload(picture(), "a.png", headers={"origin": site.address}).status_code == 200
    assert site.upload(picture(), "a.png").status_code == 200, "programs name no origin"


def test_others_can_neither_read_nor_frame(site: Site) -> None:
    answer = site.get("/config", headers={"origin": EVIL})
    assert answer.headers.get("access-control-allow-origin") in (None, site.address)
    assert "frame-ancestors 'self'" in site.get("/").headers["content-security-policy"]


def test_an_open_door_is_refused(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(door.AUTH_VARIABLE, raising=False)
    for flags in (["--host", "0.0.0.0"], ["--share"], ["--host", "::"]):
        assert cli.main(["ui", *flags, "--port", "0"]) == 2
        said = capsys.readouterr().err
        assert "--auth" in said and "Traceback" not in said


def test_with_a_password_nothing_is_served_before(tmp_path: Path, tiny_models: Path) -> None:
    with door.folders(tmp_path / "results") as results:
        from intarsia.app.ui import server

        room = Room(results, models=str(tiny_models))
        demo = server.build(room)
        address = server.launch(
            demo, room, host="0.0.0.0", port=door.free_port("127.0.0.1"), known=("anna", "secret word")
        )
        site = Site(address.local.replace("0.0.0.0", "127.0.0.1"), room, results)
        try:
            visit = room.enter(None)
            (visit.folder / "own.txt").write_text("own")
            closed = [
                site.get("/config").status_code,
                site.get(f"/gradio_api/file={visit.folder}/own.txt").status_code,
                site.upload(picture(), "a.png").status_code,
                site.client.post(f"{site.address}/gradio_api/call/edit", json={"data": []}).status_code,
                site.client.post(f"{site.address}/gradio_api/queue/join", json={"data": []}).status_code,
                site.get("/gradio_api/info").status_code,
            ]
            assert closed == [401] * len(closed)
            wrong = site.client.post(f"{site.address}/login", data={"username": "anna", "password": "wrong"})
            assert wrong.status_code == 400
            right = site.client.post(f"{site.address}/login", data={"username": "anna", "password": "secret word"})
            assert right.status_code == 200
            assert site.get(f"/gradio_api/file={visit.folder}/own.txt").text == "own"
            strange = site.get("/config", headers={"origin": EVIL})
            assert strange.status_code == 403 or "access-control-allow-origin" not in strange.headers
        finally:
            shut(demo, site)
