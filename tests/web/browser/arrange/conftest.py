"""A visitor at the canvas."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from intarsia.backbones.protocols import Backbones
from intarsia.web.sessions import SessionStore
from tests.web.browser.arrange.canvas_steps import PHOTO, at_the_canvas, give
from tests.web.browser.conftest import PATIENCE

pytest.importorskip("playwright.sync_api")
pytest.importorskip("gradio")
from playwright.sync_api import Browser, Page, expect

pytestmark = [
    pytest.mark.ui,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning"),
]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, pocket: Backbones) -> Iterator[SessionStore]:
    place = tmp_path_factory.mktemp("ui")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(place / "cache"))
        yield SessionStore(place / "sessions", models="pocket", load=lambda *_, **__: pocket)


@pytest.fixture
def visitor(browser: Browser, served: str, problems: list[str]) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 720}, accept_downloads=True, has_touch=True)
    yield at_the_canvas(context, served, problems)
    context.close()


@pytest.fixture
def cut(visitor: Page) -> Page:
    """A page on which a cat and a plant are cut out."""
    give(visitor, PHOTO)
    visitor.locator("#layout-objects").locator("input, textarea").fill("cat, potted plant")
    visitor.locator("#layout-find").click()
    visitor.locator(".cut").nth(1).wait_for(timeout=PATIENCE)
    expect(visitor.locator("#layout-status")).to_contain_text("Found cat, potted plant")
    return visitor
