"""The pages behind a proxy, below a path of its own, and behind a password."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

pytest.importorskip("playwright.sync_api")
pytest.importorskip("gradio")

from playwright.sync_api import Browser, expect

from intarsia.backbones.protocols import Backbones
from intarsia.web.address import free_port
from intarsia.web.sessions import SessionStore
from tests.web.browser.conftest import PATIENCE, arrived

pytestmark = [
    pytest.mark.ui,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning"),
]

PREFIX = "/pictures"
KNOWN = ("anna", "secret word")


class Proxy(BaseHTTPRequestHandler):
    """Hands on what is asked below `PREFIX`, as the configuration for nginx in docs/deployment.md does."""

    behind: int

    def do_GET(self) -> None:
        if not self.path.startswith(f"{PREFIX}/"):
            self.send_error(404)
            return
        length = int(self.headers.get("content-length", 0))
        headers = {**self.headers, "X-Forwarded-Host": self.headers["host"], "X-Forwarded-Proto": "http"}
        server = http.client.HTTPConnection("127.0.0.1", self.behind, timeout=60)
        try:
            server.request(self.command, self.path.removeprefix(PREFIX), self.rfile.read(length), headers)
            answer = server.getresponse()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in ("transfer-encoding", "connection", "date", "server"):
                    self.send_header(name, value)
            self.send_header("connection", "close")
            self.end_headers()
            while part := answer.read1(1 << 16):
                self.wfile.write(part)
                self.wfile.flush()
        except OSError:
            pass  # the page was closed meanwhile
        finally:
            server.close()
            self.close_connection = True

    do_POST = do_HEAD = do_GET  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def proxied(
    pocket: Backbones, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[str]:
    """The address of the pages, as a visitor writes it."""
    from intarsia.web.server import build, launch

    monkeypatch.setenv("GRADIO_ROOT_PATH", PREFIX)
    store = SessionStore(tmp_path / "sessions", models="pocket", load=lambda name, **machine: pocket)
    page, port = build(store), free_port("127.0.0.1")
    launch(page, store, port=port, known=request.param)
    proxy = ThreadingHTTPServer(("127.0.0.1", 0), type("Here", (Proxy,), {"behind": port}))
    proxy.daemon_threads = True
    threading.Thread(target=proxy.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{proxy.server_port}{PREFIX}/"
    proxy.shutdown()
    proxy.server_close()
    page.close(verbose=False)
    store.close()


@pytest.mark.parametrize("proxied", [None, KNOWN], ids=["open", "password"], indirect=True)
def test_all_scripts_come_from_below_the_path(
    browser: Browser, proxied: str, problems: list[str], request: pytest.FixtureRequest
) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 720})
    if request.node.callspec.id == "password":
        user, password = KNOWN
        context.request.post(f"{proxied}login", form={"username": user, "password": password})
    page = arrived(context, proxied, problems, ready=".u-welcome .u-large")
    page.locator(".u-welcome .u-card").first.click()
    page.wait_for_function("document.querySelector('.v-photo')?.naturalWidth > 0", timeout=PATIENCE)
    page.locator(".s-top").get_by_role("link", name="Many pictures").click()
    expect(page.locator("#batch-start")).to_be_visible()
    context.close()
