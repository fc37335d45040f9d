"""A visitor's hand on the canvas: it works in pixels of the photo, and counts what it does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Locator, Page

PATIENCE = 60_000
"""Milliseconds to wait for the networks."""
Place = tuple[float, float]


class Hand:
    """Works on a page as a visitor does.

    Attributes:
        presses: clicks and drags so far.
        keys: presses of keys outside of texts.
    """

    def __init__(self, page: Page) -> None:
        self.page = page
        self.presses = 0
        self.keys = 0

    # Where things are

    def button(self, name: str) -> Locator:
        """The button with that text, of those that are seen."""
        return self.page.get_by_role("button", name=name, exact=True).locator("visible=true").first

    def at(self, place: Place) -> Place:
        """Where a place of the photo lies on the screen."""
        shown = self.page.locator(".v-photo").first
        box = shown.bounding_box()
        assert box is not None
        width: int = shown.evaluate("node => node.naturalWidth")
        scale = box["width"] / width
        return box["x"] + place[0] * scale, box["y"] + place[1] * scale

    # What a hand does

    def press(self, what: str | Locator) -> None:
        """Click a button."""
        self.presses += 1
        (self.button(what) if isinstance(what, str) else what).click()

    def click(self, place: Place, *, held: Sequence[str] = ()) -> None:
        """Click a place of the photo, with keys held."""
        self.presses += 1
        self._with(held, lambda: self.page.mouse.click(*self.at(place)))

    def drag(self, places: Sequence[Place], *, held: Sequence[str] = ()) -> None:
        """Press at the first of some places of the photo, and let go at the last."""
        self.presses += 1

        def draw() -> None:
            mouse = self.page.mouse
            mouse.move(*self.at(places[0]))
            mouse.down()
            for place in places[1:]:
                mouse.move(*self.at(place), steps=6)
            mouse.up()

        self._with(held, draw)

    def pull(self, handle: Locator, by: Place) -> None:
        """Drag a handle by so many pixels of the screen."""
        self.presses += 1
        box = handle.bounding_box()
        assert box is not None
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        self.page.mouse.move(x, y)
        self.page.mouse.down()
        self.page.mouse.move(x + by[0], y + by[1], steps=8)
        self.page.mouse.up()

    def key(self, *names: str) -> None:
        for name in names:
            self.keys += 1
            self.page.keyboard.press(name)

    def write(self, label: str, text: str) -> None:
        """Click a field, and write into it."""
        self.presses += 1
        field = self.page.get_by_label(label, exact=True).locator("visible=true").first
        field.click()
        field.fill(text)

    def _with(self, held: Sequence[str], action: Any) -> None:
        for name in held:
            self.page.keyboard.down(name)
        action()
        for name in held:
            self.page.keyboard.up(name)

    # What a visitor waits for

    def open(self, photo: Path) -> None:
        """Open a photo of this machine."""
        self.page.locator('input[type="file"]').first.set_input_files(photo)
        self.page.locator(".s-root:not(.s-empty)").wait_for(timeout=PATIENCE)
        self.page.wait_for_function("document.querySelector('.v-photo')?.naturalWidth > 0", timeout=PATIENCE)

    def selected(self) -> None:
        """Wait until something is selected."""
        self.page.locator('.s-verbs[data-phase="selected"]').wait_for(timeout=PATIENCE)

    def moving(self) -> None:
        """Wait until something is cut out."""
        self.page.locator('.s-verbs[data-phase="moved"]').wait_for(timeout=PATIENCE)
        self.page.wait_for_function("!document.querySelector('.o-ghosts')?.children.length", timeout=PATIENCE)

    def done(self, results: int) -> None:
        """Wait until there are so many results, and nothing goes on."""
        count = f"document.querySelectorAll('.u-strip-card').length === {results + 1}"
        idle = "document.querySelector('.s-verbs').dataset.phase !== 'working'"
        self.page.wait_for_function(f"{count} && {idle}", timeout=PATIENCE)

    @property
    def said(self) -> str:
        return self.page.locator(".s-said").inner_text()

    @property
    def shown(self) -> str:
        """Id of the result that is shown; "" is the photo."""
        return str(self.page.locator('.u-strip-card[aria-current="true"]').get_attribute("data-step"))
