"""Edit by layout in a real browser: cut-outs that follow the hand, and a record that says where they were put."""

from __future__ import annotations

import json
import re

import pytest

from intarsia.web.sessions import SessionStore
from tests.web.browser.arrange.canvas_steps import (
    PHOTO,
    arrange,
    at_the_canvas,
    drag,
    drag_cat,
    give,
    hint,
    middle,
    scale_of,
)
from tests.web.browser.conftest import PATIENCE, SCHEMES, Shoot

pytest.importorskip("playwright.sync_api")
pytest.importorskip("gradio")
from playwright.sync_api import Browser, Page, expect

pytestmark = [
    pytest.mark.ui,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning"),
]


def test_a_stranger_sees_what_to_do(visitor: Page, shoot: Shoot) -> None:
    expect(visitor.locator("#layout-stage")).to_contain_text("Drop a picture here")
    shoot(visitor, "layout-empty", schemes=SCHEMES)
    visitor.locator("#layout-go").click()
    expect(visitor.locator("#layout-status [role=alert]")).to_contain_text("drop one first")
    give(visitor, PHOTO)
    hint(visitor).to_contain_text("Click an object to cut it out")
    shoot(visitor, "layout-photo", schemes=SCHEMES)
    visitor.locator("#layout-objects").locator("input, textarea").fill("giraffe")
    visitor.locator("#layout-find").click()
    expect(visitor.locator("#layout-status [role=alert]")).to_be_visible(timeout=PATIENCE)
    shoot(visitor, "layout-problem", schemes=SCHEMES)


def test_what_the_hand_does_is_what_the_record_says(cut: Page, shoot: Shoot, store: SessionStore) -> None:
    shoot(cut, "layout-found", schemes=SCHEMES)
    drag_cat(cut, -20, 6)
    hint(cut).to_have_text("cat: moved by -20, +6 pixels.")
    shoot(cut, "layout-dragged", schemes=SCHEMES)

    corner, ring = middle(cut, ".ring [data-handle=se]"), middle(cut, ".ring")
    drag(cut, corner, (ring[0] + 1.25 * (corner[0] - ring[0]), ring[1] + 1.25 * (corner[1] - ring[1])))
    hint(cut).to_contain_text("125 % of its size")
    side, ring = middle(cut, ".ring [data-handle=e]"), middle(cut, ".ring")
    drag(cut, side, (ring[0] + 0.8 * (side[0] - ring[0]), side[1]))
    hint(cut).to_contain_text("100 % by 125 %")
    turn, ring = middle(cut, ".ring [data-handle=turn]"), middle(cut, ".ring")
    drag(cut, turn, (ring[0] + (ring[1] - turn[1]), ring[1]))
    hint(cut).to_contain_text("turned by 90°")
    cut.get_by_role("button", name="Flip").click()
    hint(cut).to_contain_text("turned by -90°, flipped")
    shoot(cut, "layout-turned", schemes=SCHEMES)

    facts = arrange(cut)
    record = facts["record"]
    assert record["move"] == ["cat=-20,+6"]
    name, _, factors = record["scale"][0].partition("=")
    assert name == "cat" and [float(f) for f in factors.split(",")] == pytest.approx([1.0, 1.25], abs=0.02)
    assert (record["rotate"], record["flip"]) == (["cat=90"], ["cat"])
    expect(cut.locator(".compare")).to_be_visible()
    shoot(cut, "layout-done", schemes=SCHEMES)

    with cut.expect_download() as download:
        cut.locator("#layout-get-picture").click()
    made = next(store.root.glob("*/arrange-*/cat-and-plant.png"))
    assert download.value.path().read_bytes() == made.read_bytes()
    assert json.loads(made.with_suffix(".json").read_text()) == facts


def test_the_keyboard_does_all_of_it(cut: Page) -> None:
    cut.locator(".cut[data-name=cat]").focus()
    for key in ("ArrowRight", "ArrowRight", "Shift+ArrowUp", "f", "]", "]", "+"):
        cut.keyboard.press(key)
    hint(cut).to_have_text("cat: moved by +2, -10 pixels, 105 % of its size, turned by 2°, flipped.")
    cut.keyboard.press("Control+z")
    hint(cut).to_have_text("cat: moved by +2, -10 pixels, turned by 2°, flipped.")
    cut.keyboard.press("Control+Shift+Z")
    hint(cut).to_contain_text("105 %")
    cut.keyboard.press("Escape")
    expect(cut.locator(".ring")).to_be_hidden()
    cut.keyboard.press("Tab")


def test_what_is_removed_comes_back(cut: Page) -> None:
    cut.locator(".cut[data-name=cat]").focus()
    cut.keyboard.press("Delete")
    expect(cut.locator(".cut[data-name=cat]")).to_be_hidden()
    cut.get_by_role("button", name="Undo").click()
    expect(cut.locator(".cut[data-name=cat]")).to_be_visible()
    cut.get_by_role("button", name="cat: remove").click()
    expect(cut.locator(".cut[data-name=cat]")).to_be_hidden()
    cut.get_by_role("button", name="cat: bring back").click()
    expect(cut.locator(".cut[data-name=cat]")).to_be_visible()


def test_the_order_is_changed_and_removed_objects_go(cut: Page) -> None:
    names = cut.locator("#layout-stage .list .name")
    expect(names).to_have_text(["potted plant", "cat"])
    cut.get_by_role("button", name="cat: one up").click()
    expect(names).to_have_text(["cat", "potted plant"])
    cut.get_by_role("button", name="potted plant: remove").click()
    record = arrange(cut)["record"]
    assert record["remove"] == ["potted plant"]


def test_a_finger_drags_as_a_mouse_does(cut: Page) -> None:
    cut.set_viewport_size({"width": 390, "height": 844})
    x, y = middle(cut, ".cut[data-name=cat]")
    touch, scale = cut.context.new_cdp_session(cut), scale_of(cut)
    for kind, points in (
        ("touchStart", [{"x": x, "y": y}]),
        ("touchMove", [{"x": x - 5 * scale, "y": y}]),
        ("touchMove", [{"x": x - 10 * scale, "y": y + 5 * scale}]),
        ("touchEnd", []),
    ):
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    hint(cut).to_have_text("cat: moved by -10, +5 pixels.")


def test_places_are_the_photos_own_whatever_the_window(cut: Page) -> None:
    drag_cat(cut, -12, 0)
    before = scale_of(cut)
    cut.set_viewport_size({"width": 390, "height": 844})
    cut.wait_for_timeout(300)
    assert scale_of(cut) != pytest.approx(before)
    drag_cat(cut, 0, -7)
    hint(cut).to_have_text("cat: moved by -12, -7 pixels.")


def test_any_result_is_the_start_of_the_next_and_nobody_elses(
    cut: Page, shoot: Shoot, browser: Browser, served: str, problems: list[str]
) -> None:
    drag_cat(cut, -8, 0)
    first = arrange(cut)["record"]
    drag_cat(cut, 0, 9)
    assert arrange(cut)["record"]["move"] == ["cat=-8,+9"]
    entries = cut.locator("#layout-history button")
    expect(entries).to_have_count(2)
    shoot(cut, "layout-history", schemes=SCHEMES)
    entries.first.click()
    expect(cut.locator("#layout-status")).to_contain_text("Going on from: cat moved by -8,+0")
    cut.locator(".cut[data-name=cat]").focus()
    cut.keyboard.press("ArrowLeft")
    hint(cut).to_have_text("cat: moved by -9, +0 pixels.")
    third = arrange(cut)["record"]
    assert third["move"] == ["cat=-9,+0"] and third["photo"] == first["photo"]
    cut.reload()
    cut.get_by_role("tab", name="Edit by layout").click()
    expect(cut.locator("#layout-history button")).to_have_count(3)
    expect(cut.locator(".cut")).to_have_count(2)

    mine = str(cut.locator("#layout-history img").first.get_attribute("src"))
    folder = re.search(r"/([0-9a-f]{32})/", mine)
    with browser.new_context() as context:
        stranger = at_the_canvas(context, served, problems)
        expect(stranger.locator("#layout-history button")).to_have_count(0)
        assert folder and folder[1] not in stranger.content()
