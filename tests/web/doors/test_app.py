"""The hosted demo, started as its host starts it."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
from typing import Any

import httpx
import pytest

from intarsia.errors import UsageError
from tests.paths import ROOT

pytest.importorskip("gradio")
from intarsia.web.address import free_port


def load_app() -> Any:
    found = importlib.util.spec_from_file_location("demo_app", ROOT / "app.py")
    assert found is not None and found.loader is not None
    app = importlib.util.module_from_spec(found)
    sys.modules["demo_app"] = app
    before = list(sys.path)
    found.loader.exec_module(app)
    sys.path[:] = before
    return app


def test_the_place_is_what_the_host_says() -> None:
    app = load_app()
    here = app.place({})
    assert (here.host, here.port, here.hosts, here.frames) == ("127.0.0.1", 7860, (), ())
    there = app.place(
        {
            "GRADIO_SERVER_NAME": "0.0.0.0",
            "GRADIO_SERVER_PORT": "8080",
            "SPACE_HOST": "anna-intarsia.example.org",
            "INTARSIA_DEMO_HOSTS": "pictures.example.org, demo.example.org",
            "INTARSIA_DEMO_FRAMES": "https://example.org",
        }
    )
    assert there.hosts == ("pictures.example.org", "demo.example.org", "anna-intarsia.example.org")
    assert (there.host, there.port, there.frames) == ("0.0.0.0", 8080, ("https://example.org",))
    for name, value in (
        ("INTARSIA_DEMO_HOSTS", "https://example.org"),
        ("INTARSIA_DEMO_FRAMES", "https://example.org; script-src *"),
        ("INTARSIA_DEMO_FRAMES", "*"),
        ("GRADIO_SERVER_PORT", "x"),
    ):
        with pytest.raises(UsageError):
            app.place({name: value})


@pytest.mark.slow
def test_the_demo_answers_to_its_own_names_and_takes_little() -> None:
    port = free_port("127.0.0.1")
    environment = {
        **os.environ,
        "GRADIO_SERVER_NAME": "127.0.0.1",
        "GRADIO_SERVER_PORT": str(port),
        "SPACE_HOST": "demo.example.org",
        "INTARSIA_DEMO_FRAMES": "https://example.org",
        "HF_HUB_OFFLINE": "1",
    }
    done = subprocess.Popen([sys.executable, "app.py"], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    assert done.stdout is not None
    try:
        assert "The pages are at" in done.stdout.readline()
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=30) as client:
            page = client.get("/", headers={"host": "demo.example.org"})
            assert page.status_code == 200 and "Intarsia" in page.text
            assert "frame-ancestors 'self' https://example.org;" in page.headers["content-security-policy"] + ";"
            assert client.get("/", headers={"host": "evil.example"}).status_code == 421
            assert client.get("/v1/models").status_code == client.get("/mcp").status_code == 404
            large = client.post("/gradio_api/upload", files={"files": ("a.png", bytes(21 << 20))})
            assert large.status_code == 413
    finally:
        done.send_signal(signal.SIGTERM)
        assert done.wait(20) == 0
        done.stdout.close()
