"""The canvas without a mouse: with fingers on a phone, and with the keyboard alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from intarsia.imaging.read import read_photo
from tests.paths import SCENES
from tests.web.browser.conftest import Shoot
from tests.web.browser.studio.conftest import Hold
from tests.web.browser.studio.hand import Fingers, Hand, grown

pytest.importorskip("playwright.sync_api")
pytest.importorskip("gradio")
from playwright.sync_api import Page

pytestmark = [
    pytest.mark.ui,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning"),
]

NEAR = 24
SCENE = SCENES / "0000.png"
TARGET = 40
"""Least side of what a finger presses, in CSS pixels."""


def nameless(page: Page) -> list[dict[str, Any]]:
    """Controls of the page that no screen reader could call by a name."""
    tree = page.context.new_cdp_session(page).send("Accessibility.getFullAXTree")
    controls = {"button", "textbox", "slider", "spinbutton", "combobox", "link", "checkbox", "radio", "progressbar"}
    return [
        node
        for node in tree["nodes"]
        if not node["ignored"]
        and node.get("role", {}).get("value") in controls
        and not node.get("name", {}).get("value", "").strip()
    ]


def fits(hand: Hand) -> None:
    """Nothing is wider than the phone, every control has a name, and what is pressed is large enough."""
    page = hand.page
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert nameless(page) == []
    small = page.evaluate(
        """least => [...document.querySelectorAll("button")].filter((node) => {
          const { width, height } = node.getBoundingClientRect();
          return node.checkVisibility() && width && (width < least || height < least);
        }).map((node) => `${node.textContent || node.ariaLabel}, ${node.className}`)""",
        TARGET,
    )
    assert small == []


def test_fingers_select_remove_and_move(fingers: Fingers, photographs: Path, shoot: Shoot) -> None:
    fits(fingers)
    before = read_photo(photographs / "coffee.png").pixels
    fingers.open(photographs / "coffee.png")
    fits(fingers)
    photo, tools = (fingers.page.locator(name).bounding_box() for name in (".v-stage", ".v-toolbar"))
    assert photo and tools and photo["y"] < tools["y"], "the photo comes first"
    fingers.drag([(380, 265), (505, 375)])
    fingers.selected()
    spoon = fingers.mask
    assert spoon.sum() > 2000
    fits(fingers)
    shoot.whole(fingers.page, "canvas-phone-selected")
    # Two fingers zoom, and mark nothing.
    at = fingers.at((300, 200))
    scale = fingers.page.locator(".v-photo").bounding_box()
    assert scale
    fingers.touch([[(at[0] - 20, at[1]), (at[0] - 70, at[1])], [(at[0] + 20, at[1]), (at[0] + 70, at[1])]])
    zoomed = fingers.page.locator(".v-photo").bounding_box()
    assert zoomed and zoomed["width"] > 1.5 * scale["width"]
    assert np.array_equal(fingers.mask, spoon)
    fingers.press("Fit")
    fingers.press("Remove")
    fingers.done(1)
    first = fingers.pixels()
    assert np.array_equal(first[~grown(spoon, NEAR)], before[~grown(spoon, NEAR)])
    assert np.abs(first[spoon].astype(int) - before[spoon]).mean() > 10
    fits(fingers)
    shoot.whole(fingers.page, "canvas-phone-removed")

    fingers.press("Box")
    fingers.drag([(40, 40), (120, 110)])
    fingers.selected()
    fingers.press("Select")
    fingers.drag([(80, 70), (130, 100), (180, 120)])
    fingers.moving()
    [move] = fingers.now["moves"]
    assert abs(move["x"] - 100) <= 3 and abs(move["y"] - 50) <= 3
    # Two fingers on the object scale it, and the view stays as it is.
    view, (x, y) = fingers.page.locator(".v-photo").first.bounding_box(), fingers.at((80 + move["x"], 75 + move["y"]))
    fingers.touch([[(x - 15, y), (x - 15, y), (x - 35, y)], [(x + 15, y), (x + 15, y), (x + 35, y)]])
    assert fingers.now["moves"][0]["wide"] > 1.5
    now = fingers.page.locator(".v-photo").first.bounding_box()
    assert view and now and now["width"] == view["width"]
    fingers.press("Undo")
    assert fingers.now["moves"] == [move]
    fits(fingers)
    shoot.whole(fingers.page, "canvas-phone-moved")
    fingers.press("Apply")
    fingers.done(2)
    second = fingers.pixels()
    x, y = move["x"], move["y"]
    there = second[y + 50 : y + 100, x + 50 : x + 110].astype(int)
    assert np.abs(there - before[50:100, 50:110]).mean() < 12
    fingers.press("Undo")
    assert fingers.shown == fingers.steps[0]


def test_fingers_find_by_words_and_change(fingers: Fingers) -> None:
    before = read_photo(SCENE).pixels
    fingers.open(SCENE)
    fingers.few_steps()
    fingers.write("Select by words", "a tree")
    fingers.press("Find")
    fingers.selected()
    found = fingers.mask
    fingers.write("Change it to", "a house")
    fingers.press("Change")
    fingers.done(1)
    after = fingers.pixels()
    assert np.array_equal(after[~grown(found, 8)], before[~grown(found, 8)])
    assert not np.array_equal(after[found], before[found])


def reached(page: Page) -> str:
    """Press the tab key; the classes of what has the focus then."""
    page.keyboard.press("Tab")
    return str(page.evaluate("document.activeElement.className"))


def reach(page: Page, what: str) -> None:
    """Go on with the tab key until an element has the focus."""
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("what => document.activeElement.matches(what)", what):
            ring = page.evaluate(
                "() => { const { outlineStyle, boxShadow } = getComputedStyle(document.activeElement);"
                " return outlineStyle !== 'none' || boxShadow !== 'none'; }"
            )
            assert ring, f"{what} shows that it has the focus"
            return
    raise AssertionError(f"no tab key leads to {what}")


def test_the_keyboard_alone_selects_moves_and_removes(hand: Hand, photographs: Path) -> None:
    page, before = hand.page, read_photo(photographs / "coffee.png").pixels
    page.on("filechooser", lambda _: None)  # the driver asks for choosers a moment later: before any key is pressed
    # Nothing that is not seen takes the focus.
    stops = [reached(page) for _ in range(3)]
    assert ["s-plain" in stops[0], "u-chip" in stops[1], "u-large" in stops[2]] == [True] * 3, stops
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Enter")
    chooser.value.set_files(photographs / "coffee.png")
    page.locator(".s-root:not(.s-empty)").wait_for()
    page.wait_for_function("document.querySelector('.v-photo')?.naturalWidth > 0")
    reach(page, ".v-stage")
    hand.key("m", "Enter", *["ArrowRight"] * 6, *["ArrowDown"] * 4, "Enter")
    hand.selected()
    box = hand.mask
    assert 2000 < box.sum() < 10_000
    ys, xs = np.nonzero(box)
    hand.key("v")
    reach(page, '[data-verb="Move"]')
    hand.key("Enter")
    hand.moving()
    hand.key(*["Shift+ArrowUp"] * 9, "ArrowRight")
    [move] = hand.now["moves"]
    assert (move["x"], move["y"]) == (1, -90)
    hand.key("Enter")
    hand.done(1)
    hand.key("Control+z")
    hand.moving()
    hand.key("Control+Shift+z")
    reach(page, ".u-download .u-strong")
    with page.expect_download() as taken:
        hand.key("Enter")
    after = read_photo(taken.value.path()).pixels
    top, bottom, left, right = int(ys.min()), int(ys.max()), int(xs.min()), int(xs.max())
    inside = slice(top + 8, bottom - 8), slice(left + 8, right - 8)
    there = after[inside[0].start - 90 : inside[0].stop - 90, inside[1].start + 1 : inside[1].stop + 1].astype(int)
    assert np.abs(there - before[inside]).mean() < 12

    # Words, and Remove by its key.
    reach(page, ".v-stage")
    hand.key("m", "Enter", *["ArrowLeft"] * 3, *["ArrowUp"] * 3, "Enter")
    hand.selected()
    hand.key("Delete")
    hand.done(2)
    assert page.evaluate("document.activeElement.className").startswith("v-stage"), "the focus stays where it is"
    assert hand.shown == hand.steps[-1] and hand.steps[-1].startswith("remove-")
    reach(page, ".u-strip-card")
    hand.key("Home", "Enter")
    assert hand.shown == ""


def test_the_keyboard_alone_changes_and_keeps_its_place(hand: Hand, hold: Hold) -> None:
    page = hand.page
    hand.open(SCENE)
    hand.few_steps(4)
    reach(page, ".s-words input")
    page.keyboard.type("tree")
    reach(page, ".s-words input")
    page.keyboard.type("a house")
    hand.key("Enter")
    hand.says("2 of 4")
    assert page.evaluate("document.activeElement.textContent") == "Cancel"
    hand.key("Enter")
    hand.says("Stopped. Nothing was changed.")
    assert page.evaluate("document.activeElement.className").startswith("v-stage")
    hold.on.set()
    reach(page, '[data-verb="Change"]')
    hand.key("Enter")
    hand.done(1)
    assert page.evaluate("document.activeElement.dataset.verb") == "Change"
    reach(page, ".u-candidate:not([aria-pressed=true])")
    hand.key("Enter")
    assert hand.now["candidate"] in (1, 2)
    reach(page, ".u-chip")
    hand.key("Enter", "Escape")
    assert "u-chip" in page.evaluate("document.activeElement.className"), "a dialog gives the focus back"
