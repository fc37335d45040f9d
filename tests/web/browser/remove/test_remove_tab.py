"""Remove in a real browser: what is brushed goes, with a mouse and with fingers, again and again, and comes back."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from intarsia.imaging.read import read_photo
from intarsia.web.sessions import SessionStore
from tests.web.browser.conftest import PATIENCE, SCHEMES, Shoot, seen_on_screen
from tests.web.browser.remove.remove_steps import (
    MIDDLE,
    SQUARE,
    brush,
    marked_share,
    on_screen,
    phase,
    remove,
    touch,
)

pytest.importorskip("playwright.sync_api")
pytest.importorskip("gradio")
from playwright.sync_api import Page, expect

pytestmark = [
    pytest.mark.ui,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning"),
]

OVER_IT = [(0.42, 0.42), (0.58, 0.42), (0.58, 0.5), (0.42, 0.5), (0.42, 0.58), (0.58, 0.58)]
"""A stroke over the whole square."""


def largest_brush(page: Page) -> None:
    for _ in range(4):
        page.keyboard.press("]")


def test_what_is_brushed_goes(visitor: Page, store: SessionStore, photo: Path, shoot: Shoot) -> None:
    expect(visitor.locator("#remove-go")).to_be_disabled()
    visitor.locator(".r-root .m-surface").focus()
    largest_brush(visitor)
    brush(visitor, OVER_IT)
    expect(visitor.locator("#remove-go")).to_be_enabled()
    shoot(visitor, "remove-brushed", schemes=SCHEMES)
    remove(visitor)
    expect(visitor.locator("#remove-message")).to_contain_text("Done. Filled")
    assert seen_on_screen(visitor.locator("#remove-get-picture"))
    shoot(visitor, "remove-done", schemes=SCHEMES)
    with visitor.expect_download() as taken:
        visitor.locator("#remove-get-picture").click()
    before, after = read_photo(photo).pixels, read_photo(taken.value.path()).pixels
    assert taken.value.suggested_filename == "square.png"
    assert int(after[SQUARE].max()) < 150, "nothing is left of the red"
    assert np.array_equal(after[:40], before[:40])
    with visitor.expect_download() as taken:
        visitor.locator("#remove-get-record").click()
    assert json.loads(taken.value.path().read_text())["record"]["kind"] == "RemoveRecord"
    visitor.get_by_role("button", name="Replay").click()
    expect(visitor.locator("#remove-message")).to_have_text("The same pixels came out.", timeout=PATIENCE)


def test_more_is_removed_from_the_result_and_each_step_is_undone(visitor: Page) -> None:
    brush(visitor, OVER_IT)
    marked = marked_share(visitor)
    remove(visitor)
    first = visitor.locator("#remove-get-picture").get_attribute("href")
    visitor.get_by_role("button", name="Remove more").click()
    phase(visitor, "ready")
    assert marked_share(visitor) == 0
    brush(visitor, [(0.1, 0.1), (0.2, 0.1)])
    remove(visitor)
    assert visitor.locator("#remove-get-picture").get_attribute("href") != first

    back = visitor.locator(".r-go").get_by_role("button", name="Undo")
    back.click()  # to the first result, with what was marked on it
    phase(visitor, "ready")
    expect(visitor.locator("#remove-go")).to_be_enabled()
    back.click()
    phase(visitor, "done")
    assert visitor.locator("#remove-get-picture").get_attribute("href") == first
    back.click()
    phase(visitor, "ready")
    expect(visitor.locator("#remove-go")).to_be_enabled()
    assert marked_share(visitor) == pytest.approx(marked, abs=0.003), "the mask has come back, to be mended"
    expect(back).to_be_hidden()
    expect(visitor.locator(".r-root .w-card")).to_have_count(2)
    visitor.locator(".r-root .w-open").last.click()
    phase(visitor, "done")


def test_the_hand_mends_what_the_hand_has_painted(visitor: Page) -> None:
    brush(visitor, OVER_IT)
    painted = marked_share(visitor)
    visitor.get_by_role("button", name="Eraser").click()
    brush(visitor, [(0.42, 0.42), (0.58, 0.42)])
    erased = marked_share(visitor)
    assert 0 < erased < painted
    visitor.keyboard.press("Control+z")
    assert marked_share(visitor) == painted
    visitor.keyboard.press("Control+Shift+Z")
    assert marked_share(visitor) == erased
    visitor.get_by_role("button", name="Grow").click()
    grown = marked_share(visitor)
    visitor.get_by_role("button", name="Shrink").click()
    assert erased <= marked_share(visitor) < grown
    visitor.get_by_role("button", name="Invert").click()
    assert marked_share(visitor) > 0.8
    visitor.get_by_role("button", name="Clear").click()
    assert marked_share(visitor) == 0
    expect(visitor.locator("#remove-go")).to_be_disabled()


def test_a_box_becomes_an_outline_that_is_mended(visitor: Page, store: SessionStore, photo: Path, shoot: Shoot) -> None:
    visitor.get_by_role("button", name="Outline an object").click()
    brush(visitor, [(0.38, 0.34), (0.62, 0.66)])
    expect(visitor.locator("#remove-message")).to_contain_text("Outlined.", timeout=PATIENCE)
    expect(visitor.locator("#remove-go")).to_be_enabled()
    square = 40 * 40 / (240 * 180)
    assert marked_share(visitor) == pytest.approx(square, rel=0.1)
    shoot(visitor, "remove-outlined")
    visitor.keyboard.press("b")
    brush(visitor, [(0.1, 0.1), (0.2, 0.1)])
    mended = marked_share(visitor)
    assert mended > 1.1 * square
    remove(visitor)
    [folder] = [f for v in store.sessions.values() if v.tabs for f in v.folder.glob("remove-*")]
    mask = json.loads((folder / "square.json").read_text())["record"]["mask"]
    assert float((read_photo(mask).pixels[..., 0] > 0).mean()) == pytest.approx(mended, abs=0.002)


def test_a_wheel_zooms_and_what_is_painted_is_finer(visitor: Page) -> None:
    surface = visitor.locator(".r-root .m-surface")
    brush(visitor, [MIDDLE, MIDDLE])
    once = marked_share(visitor)
    visitor.mouse.move(*on_screen(surface, MIDDLE))
    visitor.mouse.wheel(0, -600)
    expect(visitor.get_by_role("button", name="Whole photo")).to_be_enabled()
    assert marked_share(visitor) > 2 * once
    # Space and the mouse move the photo, and paint nothing.
    before = marked_share(visitor)
    visitor.keyboard.down(" ")
    brush(visitor, [MIDDLE, (0.6, 0.5)])
    visitor.keyboard.up(" ")
    assert marked_share(visitor) == pytest.approx(before, rel=0.05)
    visitor.get_by_role("button", name="Whole photo").click()
    assert marked_share(visitor) == once


def test_the_keyboard_alone_marks_and_removes(visitor: Page) -> None:
    visitor.locator(".r-root .m-surface").focus()
    visitor.keyboard.press("Enter")
    once = marked_share(visitor)
    assert once > 0
    for _ in range(6):
        visitor.keyboard.press("Shift+ArrowRight")
    assert marked_share(visitor) > once
    visitor.locator("#remove-go").press("Enter")
    phase(visitor, "done")


def test_a_finger_brushes_and_two_fingers_zoom(phone: Page, shoot: Shoot) -> None:
    touch(phone, [OVER_IT])
    painted = marked_share(phone)
    assert painted > 0.03
    touch(phone, [[(0.45, 0.5), (0.35, 0.5), (0.25, 0.5)], [(0.55, 0.5), (0.65, 0.5), (0.75, 0.5)]])
    expect(phone.get_by_role("button", name="Whole photo")).to_be_enabled()
    assert marked_share(phone) > 2 * painted, "the photo is larger now, and nothing else was painted"
    phone.get_by_role("button", name="Whole photo").tap()
    assert marked_share(phone) == painted
    remove(phone)
    expect(phone.locator("#remove-message")).to_contain_text("Done. Filled")
    shoot.whole(phone, "remove-phone")


def test_a_finger_outlines_too(phone: Page) -> None:
    phone.get_by_role("button", name="Outline an object").tap()
    touch(phone, [[(0.38, 0.34), (0.5, 0.5), (0.62, 0.66)]])
    expect(phone.locator("#remove-message")).to_contain_text("Outlined.", timeout=PATIENCE)
    assert marked_share(phone) > 0.02


def test_an_example_is_outlined_at_once(visitor: Page, shoot: Shoot) -> None:
    visitor.reload()
    visitor.get_by_role("tab", name="Remove").click()
    phase(visitor, "empty")
    shoot(visitor, "remove-empty", schemes=SCHEMES)
    visitor.locator(".r-root .w-try").first.click()
    expect(visitor.locator("#remove-message")).to_contain_text("Outlined.", timeout=PATIENCE)
    expect(visitor.locator("#remove-go")).to_be_enabled()
    shoot(visitor, "remove-example", schemes=SCHEMES)


def test_a_picture_is_pasted(visitor: Page) -> None:
    name = visitor.locator(".r-root .m-photo").get_attribute("src")
    visitor.evaluate("""async () => {
      const canvas = Object.assign(document.createElement("canvas"), { width: 64, height: 48 });
      canvas.getContext("2d").fillRect(0, 0, 9, 9);
      const blob = await new Promise((made) => canvas.toBlob(made));
      const clipboardData = new DataTransfer();
      clipboardData.items.add(new File([blob], "pasted.png", { type: "image/png" }));
      document.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true }));
    }""")
    expect(visitor.locator(".r-root .m-photo")).not_to_have_attribute("src", name or "")
    expect(visitor.locator(".r-root .m-photo")).to_have_attribute("src", re.compile(r"pasted\.png"))
