"""Steps of a visitor who removes something from a photo."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.web.browser.conftest import PATIENCE, arrived

playwright = pytest.importorskip("playwright.sync_api")
pytest.importorskip("gradio")
from playwright.sync_api import BrowserContext, Locator, Page  # noqa: E402

Place = tuple[float, float]
"""Shares of the photo's width and height."""

SIDES = (240, 180)
SQUARE = (slice(70, 110), slice(100, 140))
"""Rows and columns of the red square, whose middle is at `MIDDLE`."""
MIDDLE: Place = (0.5, 0.5)


def square_photo(folder: Path) -> Path:
    """A red square on grey noise."""
    width, height = SIDES
    pixels = np.random.default_rng(0).integers(100, 140, (height, width, 1), np.uint8).repeat(3, 2)
    pixels[SQUARE] = (220, 30, 30)
    file = folder / "square.png"
    Image.fromarray(pixels).save(file)
    return file


def at_the_brush(context: BrowserContext, served: str, problems: list[str], photo: Path) -> Page:
    page = arrived(context, served, problems, ready="#words-stage .words-root:not([data-phase=arriving])")
    page.get_by_role("tab", name="Remove").click()
    page.locator(".r-root .w-drop").wait_for()
    page.locator(".r-root .w-chooser").set_input_files(photo)
    phase(page, "ready")
    page.locator(".r-root .m-surface").scroll_into_view_if_needed()
    return page


def phase(page: Page, name: str) -> None:
    page.locator(f".r-root[data-phase={name}]").wait_for(timeout=PATIENCE)


def on_screen(surface: Locator, place: Place) -> Place:
    """Where on the screen a place of the whole photo is seen."""
    box = surface.bounding_box()
    assert box is not None
    return box["x"] + place[0] * box["width"], box["y"] + place[1] * box["height"]


def brush(page: Page, places: Sequence[Place], where: str = ".r-root .m-surface") -> None:
    """A stroke of the mouse along places."""
    surface = page.locator(where)
    page.mouse.move(*on_screen(surface, places[0]))
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*on_screen(surface, place), steps=4)
    page.mouse.up()


def touch(page: Page, strokes: Sequence[Sequence[Place]], where: str = ".r-root .m-surface") -> None:
    """A stroke of a finger along places, or of several fingers at once, each along its own."""
    surface, device = page.locator(where), page.context.new_cdp_session(page)

    def send(kind: str, places: Sequence[Place]) -> None:
        points = [dict(zip(("x", "y"), on_screen(surface, place), strict=True)) for place in places]
        numbered = [{**point, "id": number} for number, point in enumerate(points)]
        device.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": numbered})

    for fingers in range(1, len(strokes) + 1):
        send("touchStart", [stroke[0] for stroke in strokes[:fingers]])
    for moment in range(1, len(strokes[0])):
        send("touchMove", [stroke[moment] for stroke in strokes])
    send("touchEnd", [])
    device.detach()


SEEN = """canvas => {
  const { width, height } = canvas, { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
  let marked = 0;
  for (let k = 3; k < data.length; k += 4) if (data[k]) marked += 1;
  return marked / (width * height);
}"""


def marked_share(page: Page, where: str = ".r-root .m-map") -> float:
    """Share of the screen's canvas that is tinted, once it has been drawn."""
    page.evaluate("() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))")
    found: Any = page.locator(where).evaluate(SEEN)
    return float(found)


def remove(page: Page) -> None:
    page.locator("#remove-go").click()
    phase(page, "done")
