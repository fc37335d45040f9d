"""Who may ask, and what is logged of it."""

from __future__ import annotations

import asyncio
import importlib
import json
import logging
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.web.security.served import Site, picture, shut

pytest.importorskip("gradio")
from intarsia.cli import main
from intarsia.web import security, startup
from intarsia.web.address import free_port
from intarsia.web.log_privacy import private_logging
from intarsia.web.security import SecurityMiddleware
from intarsia.web.sessions import SessionStore

# Of Gradio's own, and of its server's threads.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")


EVIL = "https://evil.example"


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
        site.edit(path, f"{secret} " * 60)  # more than the text encoder reads, which its notes say
        site.store.backbones.scorer.embed_texts([f"{secret} " * 60])  # ... and otherwise the log
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
    assert "a text of" in said
    assert said.count("ZeroDivisionError (its message") >= 4 and "KeyError" in said
    assert queueing.traceback.__name__ == "traceback"


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
