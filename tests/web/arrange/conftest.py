"""A scene, and the store of its visitor."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("gradio", reason="the web pages are an extra")
from intarsia.tasks.options import Machine
from intarsia.web.sessions import SessionStore


@pytest.fixture
def store(tmp_path: Path) -> SessionStore:
    return SessionStore(tmp_path / "sessions", models="pocket", machine=Machine(device="cpu"))
