"""A visitor who edits by words."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from intarsia.backbones.protocols import Backbones
from intarsia.web.sessions import SessionStore
from tests.web.browser.edit.edit_steps import arrives

playwright = pytest.importorskip("playwright.sync_api")
pytest.importorskip("gradio")
from playwright.sync_api import Browser, Page  # noqa: E402

pytestmark = [
    pytest.mark.ui,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning"),
]


@pytest.fixture(scope="module")
def store(
    tmp_path_factory: pytest.TempPathFactory, pocket: Backbones, tiny_models: Path, tiny_backbones: Backbones
) -> SessionStore:
    def load(name: str, **machine: Any) -> Backbones:
        return pocket if name == "pocket" else tiny_backbones

    return SessionStore(tmp_path_factory.mktemp("ui") / "sessions", models=("pocket", str(tiny_models)), load=load)


@pytest.fixture
def visitor(browser: Browser, served: str, problems: list[str]) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 720}, accept_downloads=True)
    yield arrives(context, served, problems)
    context.close()
