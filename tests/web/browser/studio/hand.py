"""A visitor's hand on the canvas: it works in pixels of the photo, and counts what it does."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from intarsia.imaging.read import read_photo

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

PATIENCE = 60_000
"""Milliseconds to wait for the networks."""
REST = 120
"""Milliseconds that a finger rests at the end of a stroke: after a fling the browser swallows the next tap."""
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
        # In one look, and by the photo's own size: a picture may be taking the place of another, or of a smaller one.
        shown = self.page.wait_for_function(
            """() => {
              const { naturalWidth } = document.querySelector(".v-photo"), world = document.querySelector(".v-world");
              const { width, x, y } = world.getBoundingClientRect();
              return naturalWidth && width ? [x, y, width / parseFloat(world.style.width)] : null;
            }"""
        )
        x, y, scale = shown.json_value()
        return x + place[0] * scale, y + place[1] * scale

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

    def done(self, results: int, *, patience: float = PATIENCE) -> None:
        """Wait until there are so many results, and nothing goes on."""
        count = f"document.querySelectorAll('.u-strip-card').length === {results + 1}"
        idle = "document.querySelector('.s-verbs').dataset.phase !== 'working'"
        self.page.wait_for_function(f"{count} && {idle}", timeout=patience)

    @property
    def said(self) -> str:
        return self.page.locator(".s-said").inner_text()

    @property
    def shown(self) -> str:
        """Id of the result that is shown; "" is the photo."""
        return str(self.page.locator('.u-strip-card[aria-current="true"]').get_attribute("data-step"))

    def says(self, text: str | re.Pattern[str]) -> None:
        """Wait until the page says something."""
        self.page.locator(".s-said").filter(has_text=text).wait_for(timeout=PATIENCE)

    def until(self, true: Callable[[], bool]) -> None:
        """Wait until something is so."""
        for _ in range(PATIENCE // 100):
            if true():
                return
            self.page.wait_for_timeout(100)
        raise AssertionError("it took too long")

    def few_steps(self, steps: int = 2) -> None:
        """Changes take few steps from now on, until the page is loaded again."""
        self.page.locator("#u-change-steps").evaluate(
            "(node, steps) => { node.value = steps; node.dispatchEvent(new Event('input')); }", steps
        )

    def reload(self) -> None:
        """Load the page again, and wait until it shows its photo."""
        self.page.reload()
        self.page.locator(".s-root:not(.s-empty)").wait_for(timeout=PATIENCE)
        self.page.wait_for_function("document.querySelector('.v-photo')?.naturalWidth > 0", timeout=PATIENCE)

    # Facts of the page

    @property
    def draft(self) -> dict[str, Any]:
        """What the browser has kept of the photo's draft."""
        found = self.page.evaluate(
            """() => {
              window.dispatchEvent(new Event("pagehide")); // what is kept a moment later is kept now
              const draft = /draft-[0-9]+/.exec(location.hash);
              return draft && localStorage.getItem(`intarsia-draft-${draft[0]}`);
            }"""
        )
        kept: dict[str, Any] = json.loads(found)
        return kept

    @property
    def now(self) -> dict[str, Any]:
        """What is on the canvas: the step that is shown, the selection, words, moves."""
        now: dict[str, Any] = self.draft["now"]
        return now

    @property
    def mask(self) -> np.ndarray:
        """What is selected: true or false, of the photo's height and width; all false where nothing is."""
        kept = self.now["selection"]
        width, height = self.page.evaluate(
            "() => { const { naturalWidth, naturalHeight } = document.querySelector('.v-photo');"
            " return [naturalWidth, naturalHeight]; }"
        )
        if kept is None:
            return np.zeros((height, width), bool)
        assert (kept["width"], kept["height"]) == (width, height)
        found, ends = np.zeros(height * width, bool), np.cumsum(kept["runs"])
        for start, end in zip(ends[::2], ends[1::2], strict=True):
            found[start:end] = True
        return found.reshape(height, width)

    @property
    def steps(self) -> list[str]:
        """Ids of the results in the filmstrip."""
        cards = self.page.locator(".u-strip-card")
        return [name for name in cards.evaluate_all("cards => cards.map(({ dataset }) => dataset.step)") if name]

    def take(self, what: str = "") -> Path:
        """Download the result that is shown; the file.

        Args:
            what: another format, as its button calls it; empty for the photo's own.
        """
        if what:
            self.press("Other formats")
        with self.page.expect_download(timeout=PATIENCE) as taken:
            self.press(what or self.page.locator(".u-download .u-strong"))
        return Path(taken.value.path())

    def pixels(self, what: str = "") -> np.ndarray:
        """Those of the file that `take` gives."""
        return read_photo(self.take(what)).pixels


class Fingers(Hand):
    """The same on a phone: taps, and fingers that draw."""

    def press(self, what: str | Locator) -> None:
        self.presses += 1
        (self.button(what) if isinstance(what, str) else what).tap()

    def at(self, place: Place) -> Place:
        # The page scrolls on a phone; so does who wants to see the photo.
        self.page.locator(".v-stage").evaluate("node => node.scrollIntoView({ block: 'nearest', behavior: 'instant' })")
        return super().at(place)

    def click(self, place: Place, *, held: Sequence[str] = ()) -> None:
        self.presses += 1
        self.page.touchscreen.tap(*self.at(place))

    def drag(self, places: Sequence[Place], *, held: Sequence[str] = ()) -> None:
        self.presses += 1
        self.touch([[self.at(place) for place in places]])

    def touch(self, paths: Sequence[Sequence[Place]]) -> None:
        """Fingers draw along paths of equally many places of the screen, at the same time."""
        session = self.page.context.new_cdp_session(self.page)

        def send(kind: str, places: Sequence[Place]) -> None:
            points = [{"x": x, "y": y, "id": k} for k, (x, y) in enumerate(places)]
            session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

        fine = [np.concatenate([np.linspace(a, b, 5)[1:] for a, b in itertools.pairwise(p)]) for p in paths]
        send("touchStart", [path[0] for path in paths])
        for places in zip(*fine, strict=True):
            send("touchMove", [(float(x), float(y)) for x, y in places])
        self.page.wait_for_timeout(REST)
        send("touchMove", [path[-1] for path in paths])
        send("touchEnd", [])
        session.detach()


def grown(mask: np.ndarray, by: int) -> np.ndarray:
    """A mask and all that is at most so many pixels away from it, across."""
    padded = np.pad(mask, by)
    rows = np.lib.stride_tricks.sliding_window_view(padded, 2 * by + 1, 0).any(-1)
    return np.asarray(np.lib.stride_tricks.sliding_window_view(rows, 2 * by + 1, 1).any(-1))
