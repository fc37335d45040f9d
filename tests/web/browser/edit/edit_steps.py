"""Steps of a visitor who edits by words."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from intarsia.web.sessions import SessionStore
from tests.paths import SCENES
from tests.web.browser.conftest import PATIENCE, arrived
from tests.web.browser.fields import set_number

playwright = pytest.importorskip("playwright.sync_api")
pytest.importorskip("gradio")
from playwright.sync_api import BrowserContext, Page, expect  # noqa: E402

pytestmark = [
    pytest.mark.ui,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning"),
]


SCENE = SCENES / "0000.png"


def arrives(context: BrowserContext, served: str, problems: list[str]) -> Page:
    return arrived(context, served, problems, ready=".words-root:not([data-phase=arriving])")


def phase(page: Page, name: str) -> None:
    page.locator(f".words-root[data-phase={name}]").wait_for(timeout=PATIENCE)


def drop_photo(page: Page, file: Path = SCENE) -> None:
    page.locator("#words-stage .w-chooser").set_input_files(file)
    phase(page, "ready")


def box_middle(page: Page) -> None:
    """Draw a box by keyboard: an edit in it searches for no place, which is quick."""
    page.get_by_role("button", name="Draw a box").press("Enter")
    page.locator(".w-frame").press("ArrowUp")
    page.get_by_role("button", name="Done with the box").press("Enter")


def say(page: Page, source: str, prompt: str, steps: int = 2) -> None:
    page.get_by_label("What is there").fill(source)
    page.get_by_label("What it should become").fill(prompt)
    steps_field = page.locator("#words-steps input")
    if not steps_field.is_visible():
        page.get_by_role("button", name="More settings").click()
    expect(steps_field).to_have_value(re.compile(r"\d+"))
    set_number(steps_field, steps)
    page.get_by_role("button", name="More settings").click()


def edited(page: Page, source: str = "tree", prompt: str = "a house", steps: int = 2) -> None:
    say(page, source, prompt, steps)
    before = count(page)
    page.get_by_role("button", name="Edit", exact=True).click()
    made(page, before + 1)


def count(page: Page) -> int:
    return page.locator(".w-past figure").count()


def made(page: Page, number: int) -> None:
    """The session has that many results."""
    # Not by the phase: a quick machine may be over before anybody looks.
    page.locator(f".w-past figure:nth-of-type({number}), .w-problem").first.wait_for(timeout=PATIENCE)
    assert page.locator(".w-problem").count() == 0, page.locator(".w-message").inner_text()
    phase(page, "done")


def edits(store: SessionStore) -> set[Path]:
    return {f for session in store.sessions.values() for f in session.folder.glob("edit-*")}


def newest(store: SessionStore) -> dict[str, Any]:
    """The record of what was made last."""
    folder = max(edits(store), key=lambda f: f.stat().st_mtime_ns)
    found: dict[str, Any] = json.loads(next(folder.glob("[!.]*.json")).read_text())
    return found
