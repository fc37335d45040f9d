"""Steps of a visitor at the canvas."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from intarsia.imaging.read import read_photo
from tests.paths import PACKAGE_SCENES
from tests.web.browser.conftest import PATIENCE, arrived

pytest.importorskip("playwright.sync_api")
pytest.importorskip("gradio")
from playwright.sync_api import BrowserContext, Page, expect

pytestmark = [
    pytest.mark.ui,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning"),
]


SCENES = PACKAGE_SCENES


PHOTO, YARD = SCENES / "cat-and-plant.png", SCENES / "yard.scene"


def at_the_canvas(context: BrowserContext, served: str, problems: list[str]) -> Page:
    page = arrived(context, served, problems, ready="#words-stage .words-root")
    page.get_by_role("tab", name="Edit by layout").click()
    page.locator("#layout-stage .nothing").wait_for()
    return page


def give(page: Page, photo: Path) -> None:
    page.locator("#layout-stage input[type=file]").set_input_files(photo)
    page.locator("#layout-stage .frame").wait_for()


def scale_of(page: Page) -> float:
    """Pixels of the screen for one of the photo."""
    frame = page.locator("#layout-stage .frame").bounding_box()
    assert frame is not None
    return frame["width"] / read_photo(PHOTO).size.width


def middle(page: Page, where: str) -> tuple[float, float]:
    # In one step: the canvas may draw its elements again between two.
    x, y, width, height = page.locator(where).evaluate(
        """element => {
            element.scrollIntoView({block: "nearest", inline: "nearest"});
            const box = element.getBoundingClientRect();
            return [box.x, box.y, box.width, box.height];
        }"""
    )
    return x + width / 2, y + height / 2


def drag(page: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)
    page.mouse.move(*end, steps=3)
    page.mouse.up()


def drag_cat(page: Page, x: float, y: float) -> None:
    """Drag the cat by pixels of the photo."""
    at, scale = middle(page, ".cut[data-name=cat]"), scale_of(page)
    drag(page, at, (at[0] + x * scale, at[1] + y * scale))


def hint(page: Page) -> Any:
    return expect(page.locator("#layout-stage .hint"))


def arrange(page: Page) -> dict[str, Any]:
    """Make the picture; the record as it is downloaded."""
    # Not by the button: a quick machine may be over before anybody looks.
    entries = page.locator("#layout-history button")
    made = entries.count()
    page.locator("#layout-go").click()
    expect(entries).to_have_count(made + 1, timeout=PATIENCE)
    expect(page.locator("#layout-go")).to_be_enabled(timeout=PATIENCE)
    expect(page.locator("#layout-status")).to_contain_text("Done:")
    with page.expect_download() as download:
        page.locator("#layout-get-record").click()
    facts: dict[str, Any] = json.loads(download.value.path().read_text(encoding="utf-8"))
    return facts
