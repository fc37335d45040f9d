"""A visitor who has given a photo to remove something from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from intarsia.backbones.protocols import Backbones
from intarsia.web.sessions import SessionStore
from tests.web.browser.conftest import SIZES
from tests.web.browser.remove.remove_steps import at_the_brush, square_photo

pytest.importorskip("playwright.sync_api")
pytest.importorskip("gradio")
from playwright.sync_api import Browser, Page


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, pocket: Backbones) -> SessionStore:
    return SessionStore(tmp_path_factory.mktemp("ui") / "sessions", models="pocket", load=lambda *_, **__: pocket)


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return square_photo(tmp_path_factory.mktemp("photo"))


@pytest.fixture
def visitor(browser: Browser, served: str, problems: list[str], photo: Path) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 720}, accept_downloads=True)
    yield at_the_brush(context, served, problems, photo)
    context.close()


@pytest.fixture
def phone(browser: Browser, served: str, problems: list[str], photo: Path) -> Iterator[Page]:
    """With fingers alone, on a small and fine screen."""
    width, height = SIZES["phone"]
    context = browser.new_context(
        viewport={"width": width, "height": height}, has_touch=True, is_mobile=True, device_scale_factor=2
    )
    yield at_the_brush(context, served, problems, photo)
    context.close()
