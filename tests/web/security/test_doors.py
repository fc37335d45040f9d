"""Who may come in through the doors for programs, and what is refused there."""

from __future__ import annotations

import base64
import importlib.util
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.web.security.served import Site, picture, shut

pytest.importorskip("gradio")
pytest.importorskip("mcp")
from intarsia.backbones.protocols import Backbones
from intarsia.cli import main
from intarsia.web import security, startup
from intarsia.web.address import free_port
from intarsia.web.doors import Access, same
from intarsia.web.log_privacy import private_logging
from intarsia.web.security import LoginThrottle
from intarsia.web.sessions import SessionStore

# Of Gradio's own, and of its server's threads.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")

KNOWN = ("anna", "secret word")
KEY = "a key of programs"
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}},
}


def opened(folder: Path, tiny_models: Path, backbones: Backbones, **options: Any) -> Iterator[Site]:
    with startup.folders(folder / "results") as results:
        from intarsia.web import server
        from intarsia.web.doors import Doors
        from intarsia.web.turns import Turns

        store = SessionStore(results, models=str(tiny_models), load=lambda *_, **__: backbones)
        turns = Turns()
        demo = server.build(store, turns=turns)
        doors = Doors(images=True, mcp=True, key=options.pop("key", None))
        address = server.launch(demo, store, port=free_port("127.0.0.1"), doors=doors, turns=turns, **options)
        site = Site(address.local, store, results)
        yield site
        shut(demo, site)


@pytest.fixture(scope="module")
def open_site(tmp_path_factory: pytest.TempPathFactory, tiny_models: Path, tiny_backbones: Backbones) -> Iterator[Site]:
    yield from opened(tmp_path_factory.mktemp("open"), tiny_models, tiny_backbones)


@pytest.fixture(scope="module")
def locked_site(
    tmp_path_factory: pytest.TempPathFactory, tiny_models: Path, tiny_backbones: Backbones
) -> Iterator[Site]:
    yield from opened(tmp_path_factory.mktemp("locked"), tiny_models, tiny_backbones, known=KNOWN)


def ask_all(site: Site, headers: dict[str, str]) -> list[httpx.Response]:
    """What each door answers."""
    return [
        site.get("/v1/models", headers=headers),
        site.client.post(f"{site.address}/v1/images/edits", files={"image": picture()}, data={}, headers=headers),
        site.client.post(
            f"{site.address}/mcp",
            json=INITIALIZE,
            headers={"accept": "application/json, text/event-stream", **headers},
        ),
    ]


def codes(site: Site, **headers: str) -> list[int]:
    return [answer.status_code for answer in ask_all(site, headers)]


LET_IN = [200, 400, 200]
"""Of a list, of an edit without words, and of a client that says hello."""


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


def basic(known: str) -> dict[str, str]:
    return {"authorization": f"Basic {base64.b64encode(known.encode()).decode()}"}


def test_open_pages_have_open_doors(open_site: Site) -> None:
    assert codes(open_site) == codes(open_site, **bearer("anything")) == LET_IN


def test_the_password_of_the_pages_opens_the_doors(locked_site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(security, "LOGIN_DELAY", 0.01)
    assert codes(locked_site) == [401] * 3
    for headers in (
        bearer("wrong"),
        {"authorization": "Bearer"},
        bearer("anna:secret word"),
        basic("anna:wrong"),
        basic("otto:secret word"),
        basic("secret word"),
        {"authorization": "Basic !!"},
        {"authorization": "Basic \xff"},
        {"authorization": "secret word"},
        {"authorization": "Digest secret word"},
    ):
        encoded: Any = {name: value.encode("latin-1") for name, value in headers.items()}
        refused = ask_all(locked_site, encoded)
        assert [answer.status_code for answer in refused] == [401] * 3, headers
        assert refused[0].json()["error"]["code"] == refused[1].json()["error"]["code"] == "invalid_api_key"
        assert all(answer.headers["www-authenticate"] == "Bearer" for answer in refused)
    assert codes(locked_site, **bearer("secret word")) == codes(locked_site, **basic("anna:secret word")) == LET_IN
    assert locked_site.get("/config", headers=bearer("secret word")).status_code == 401, "the pages want a login"


def test_the_log_repeats_no_words(
    open_site: Site,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    secret = "unspeakable"

    def failing(*_: Any, **__: Any) -> Any:
        raise ZeroDivisionError(f"no {secret} here")

    monkeypatch.setattr("intarsia.web.edit_service.run_edit", failing)
    caplog.set_level("DEBUG")
    headers = {"accept": "application/json, text/event-stream", "mcp-protocol-version": "2026-07-28"}
    content = base64.b64encode(picture()).decode()
    edits = {"name": "edit", "arguments": {"photo": content, "prompt": secret}}
    meta = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    with private_logging():
        answer = open_site.client.post(
            f"{open_site.address}/v1/images/edits", files={"image": picture()}, data={"prompt": secret}
        )
        assert answer.status_code == 500 and secret not in answer.text
        for method, params in (
            ("tools/call", {**edits, "_meta": meta}),
            ("tools/call", {"name": [secret], "arguments": {"prompt": secret}, "_meta": meta}),
            ("tools/call", {"name": secret, "arguments": {secret: secret}, "_meta": meta}),
            (secret, {secret: secret, "_meta": meta}),
        ):
            call = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
            named = {"mcp-method": method, "mcp-name": str(params.get("name", ""))}
            for extra in ({}, named):
                open_site.client.post(f"{open_site.address}/mcp", json=call, headers={**headers, **extra})
        open_site.client.post(f"{open_site.address}/mcp", content=secret, headers=headers)
        open_site.client.post(
            f"{open_site.address}/mcp", json=INITIALIZE | {"params": {secret: secret}}, headers=headers
        )
    said = caplog.text + "".join(capfd.readouterr())
    assert said.count("ZeroDivisionError (its message") >= 2, "of both doors"
    assert secret not in said


@pytest.mark.slow
def test_a_key_of_their_own_takes_the_place_of_the_password(
    tmp_path: Path, tiny_models: Path, tiny_backbones: Backbones, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(security, "LOGIN_DELAY", 0.01)
    for k, known in enumerate((None, KNOWN)):
        for site in opened(tmp_path / str(k), tiny_models, tiny_backbones, known=known, key=KEY):
            assert codes(site) == codes(site, **bearer("secret word")) == [401] * 3
            assert codes(site, **bearer(KEY)) == LET_IN
            assert codes(site, **basic("anna:secret word")) == (LET_IN if known else [401] * 3)


def test_keys_are_guessed_slowly(locked_site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    began = time.monotonic()
    assert locked_site.get("/v1/models", headers=bearer("wrong")).status_code == 401
    assert time.monotonic() - began >= security.LOGIN_DELAY
    began = time.monotonic()
    for _ in range(10):
        assert locked_site.get("/v1/models", headers=bearer("secret word")).status_code == 200
    assert time.monotonic() - began < security.LOGIN_DELAY * 5, "the right one costs no time"
    monkeypatch.setattr(security, "MAX_PENDING_LOGINS", 0)
    assert codes(locked_site, **bearer("secret word")) == [429] * 3
    login = {"username": "anna", "password": "secret word"}
    assert locked_site.client.post(f"{locked_site.address}/login", data=login).status_code == 429


def test_keys_may_have_any_letters() -> None:
    assert same("pässword".encode(), "pässword") and not same(b"password", "pässword") and not same(b"", "a")
    access = Access(("anna", "pässword"), None, LoginThrottle())
    as_it_comes = "pässword".encode().decode("latin-1")
    assert access.is_right(f"bearer {as_it_comes}") and not access.is_right("Bearer password")
    assert access.is_right(basic("anna:pässword")["authorization"])


def test_pages_of_others_and_other_names_are_refused(open_site: Site, locked_site: Site) -> None:
    for site in (open_site, locked_site):
        for headers in (
            {"origin": "https://evil.example"},
            {"origin": "null"},
            {"sec-fetch-site": "cross-site", "sec-fetch-mode": "cors"},
        ):
            refused = ask_all(site, {**headers, **bearer("secret word")})
            assert [answer.status_code for answer in refused] == [403] * 3
            assert all("Only pages of this server" in answer.json()["error"]["message"] for answer in refused[:2])
    for host in ("evil.example", "127.0.0.1.evil.example"):
        refused = ask_all(open_site, {"host": host})
        assert [answer.status_code for answer in refused] == [421] * 3
        assert "--hosts" in refused[0].json()["error"]["message"]


def test_requests_that_are_too_large_are_refused(open_site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    before = set(open_site.store.root.iterdir())
    url = f"{open_site.address}/v1/images/edits"
    files = {"image": picture(200)}
    monkeypatch.setattr("intarsia.web.images_api.MAX_FILE_BYTES", 1000)
    one = open_site.client.post(url, files=files, data={"prompt": "a moon"})
    assert (one.status_code, one.json()["error"]["param"]) == (413, "image")
    monkeypatch.setattr(security, "MAX_UPLOAD_BYTES", 2000)
    assert open_site.client.post(url, files=files, data={"prompt": "a moon"}).status_code == 413
    body = b'--x\r\ncontent-disposition: form-data; name="image"; filename="a.png"\r\n\r\n' + bytes(10_000)
    parts = open_site.client.post(
        url, content=iter([body, b"\r\n--x--\r\n"]), headers={"content-type": "multipart/form-data; boundary=x"}
    )
    assert (parts.status_code, parts.json()["error"]["type"]) == (413, "invalid_request_error")
    monkeypatch.setattr(security, "MAX_REQUEST_BYTES", 100)
    accept = {"accept": "application/json, text/event-stream"}
    assert open_site.client.post(f"{open_site.address}/mcp", json=INITIALIZE, headers=accept).status_code == 413
    assert set(open_site.store.root.iterdir()) == before


def test_a_full_disk_takes_no_pictures(open_site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(security, "MIN_FREE_BYTES", 1 << 60)
    answer = open_site.client.post(f"{open_site.address}/v1/images/edits", files={"image": picture()})
    assert answer.status_code == 507 and "disk is full" in answer.json()["error"]["message"]


def test_the_doors_are_closed_unless_they_are_asked_for(site: Site) -> None:
    assert site.get("/v1/models").status_code == 404
    assert site.client.post(f"{site.address}/v1/images/edits", files={"image": picture()}).status_code in (404, 405)
    assert site.client.post(f"{site.address}/mcp", json=INITIALIZE).status_code in (404, 405)


def test_a_record_with_an_address_is_not_fetched(open_site: Site) -> None:
    call = {
        "jsonrpc": "2.0",
        "id": 2,
        "method": "tools/call",
        "params": {"name": "edit", "arguments": {"path": "http://127.0.0.1:1/a.png"}},
    }
    headers = {"accept": "application/json, text/event-stream"}
    assert open_site.client.post(f"{open_site.address}/mcp", json=call, headers=headers).status_code == 403


def test_the_options_of_the_doors_are_checked(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for flags, why in (
        (["--mcp-folder", str(tmp_path)], "--mcp"),
        (["--mcp", "--mcp-folder", str(tmp_path / "none")], "no folder"),
        (["--api", "--host", "0.0.0.0"], "--auth"),
    ):
        assert main.main(["ui", *flags, "--port", "0"]) == 2
        assert why in capsys.readouterr().err
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "mcp" else found(name))
    assert main.main(["ui", "--mcp", "--port", "0"]) != 0
    assert "pip install 'intarsia[mcp]'" in capsys.readouterr().err


@pytest.mark.slow
def test_options_and_environment_reach_the_doors(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: dict[str, Any] = {}

    def launched(*_: Any, **options: Any) -> Any:
        asked.update(options)
        raise KeyboardInterrupt

    monkeypatch.setattr("intarsia.web.server.launch", launched)
    monkeypatch.setenv(startup.KEY_VARIABLE, KEY)
    flags = ["--api", "--mcp", "--mcp-folder", str(tmp_path), "--models", "pocket", "--port", "0"]
    main.main(["ui", *flags])
    doors = asked["doors"]
    assert (doors.images, doors.mcp, doors.pictures, doors.key) == (True, True, tmp_path, KEY)
    assert asked["turns"] is not None


@pytest.mark.slow
def test_the_usual_clients_come_in_with_what_they_are_given(
    tmp_path: Path, tiny_models: Path, tiny_backbones: Backbones
) -> None:
    import asyncio

    import gradio_client
    import httpx2
    import openai
    from mcp import Client
    from mcp.client.streamable_http import streamable_http_client

    async def tools(site: Site) -> list[str]:
        async with (
            httpx2.AsyncClient(headers=bearer("secret word"), trust_env=False) as http,
            Client(streamable_http_client(f"{site.address}/mcp", http_client=http)) as client,
        ):
            return [tool.name for tool in (await client.list_tools()).tools]

    for site in opened(tmp_path / "site", tiny_models, tiny_backbones, known=KNOWN):
        assert asyncio.run(tools(site)) == ["edit", "remove", "find", "arrange"]
        with (
            httpx2.Client(trust_env=False) as plain,
            openai.OpenAI(base_url=f"{site.address}/v1", api_key="secret word", http_client=plain) as client,
        ):
            assert len(list(client.models.list())) == 1
            with pytest.raises(openai.AuthenticationError):
                client.with_options(api_key="wrong").models.list()
        (tmp_path / "a.png").write_bytes(picture())
        pages = gradio_client.Client(site.address, verbose=False, auth=KNOWN, download_files=str(tmp_path))
        made, _ = pages.predict(
            gradio_client.handle_file(tmp_path / "a.png"), {"box": [4, 4, 20, 20]}, None, api_name="/remove"
        )
        assert Path(made).is_file()
        pages.close()
