"""The page is loaded again at every moment, and nothing is lost; Back and Forward, and two pages of one visitor."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from tests.paths import PACKAGE_SCENES, SCENES
from tests.web.browser.conftest import PATIENCE
from tests.web.browser.studio.conftest import Hold
from tests.web.browser.studio.hand import Hand

pytest.importorskip("playwright.sync_api")
pytest.importorskip("gradio")
from playwright.sync_api import expect

pytestmark = [
    pytest.mark.ui,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning"),
]

SCENE = SCENES / "0000.png"
UNDO, REDO = "Undo", "Redo"


def phase(hand: Hand, name: str) -> None:
    hand.page.locator(f'.s-verbs[data-phase="{name}"]').wait_for(timeout=PATIENCE)


def boxed(hand: Hand) -> None:
    hand.key("m")
    hand.drag([(8, 8), (28, 28)])
    hand.selected()


def test_a_reload_loses_nothing_before_a_result(hand: Hand) -> None:
    hand.open(SCENE)
    hand.write("What to change", "tree")
    hand.write("Change it to", "a cake")
    hand.reload()
    prompt = hand.page.get_by_label("Change it to", exact=True)
    expect(prompt).to_have_value("a cake")
    expect(hand.page.get_by_label("What to change", exact=True)).to_have_value("tree")
    hand.reload()
    expect(prompt).to_have_value("a cake")

    boxed(hand)
    mask = hand.mask
    hand.reload()
    hand.selected()
    assert np.array_equal(hand.mask, mask)
    hand.press(UNDO)
    phase(hand, "start")
    hand.press(UNDO)
    expect(prompt).to_have_value("")
    hand.reload()
    expect(prompt).to_have_value("")
    hand.press(REDO)
    hand.press(REDO)
    hand.selected()
    assert np.array_equal(hand.mask, mask)

    hand.key("v")
    hand.drag([(18, 18), (30, 26), (40, 30)])
    hand.moving()
    moves = hand.now["moves"]
    hand.reload()
    hand.moving()
    assert hand.now["moves"] == moves and moves[0]["x"]
    expect(hand.page.locator(".o-row")).to_have_count(1)
    expect(hand.button("Apply")).to_be_enabled()
    hand.press("Apply")
    hand.done(1)
    hand.reload()
    assert hand.shown == hand.steps[0]
    hand.press(UNDO)
    hand.moving()
    hand.reload()
    hand.moving()
    assert (hand.shown, hand.now["moves"], len(hand.steps)) == ("", moves, 1)
    hand.press(REDO)
    assert hand.shown == hand.steps[0]


def test_a_job_goes_on_while_the_page_is_loaded_again(hand: Hand, hold: Hold) -> None:
    hand.open(SCENE)
    boxed(hand)
    with hold.line():
        hand.press("Remove")
        hand.says("Waiting: 1 job before yours")
        hand.reload()
        phase(hand, "working")
        hand.says("Waiting: 1 job before yours")
    hand.done(1)
    removed = hand.steps[0]
    assert hand.shown == removed

    hand.few_steps(4)
    hand.write("What to change", "tree")
    hand.write("Change it to", "a house")
    hand.press("Change")
    hand.says("2 of 4")
    hand.reload()
    phase(hand, "working")
    hand.says("2 of 4")
    expect(hand.page.locator(".u-strip-job")).to_be_visible()
    hold.on.set()
    hand.done(2)
    assert hand.shown == hand.steps[1] and hand.steps[0] == removed
    hand.reload()
    assert hand.shown == hand.steps[1]
    hand.press(hand.page.locator(".u-strip-card").first)
    hand.reload()
    assert (hand.shown, len(hand.steps)) == ("", 2)


def test_back_and_forward_go_through_what_was_shown(hand: Hand) -> None:
    hand.open(SCENE)
    boxed(hand)
    hand.press("Remove")
    hand.done(1)
    first = hand.page.url
    hand.press(hand.page.locator(".u-strip-card").first)
    hand.page.go_back()
    hand.page.locator(f'.u-strip-card[data-step="{hand.steps[0]}"][aria-current]').wait_for()
    assert hand.page.url == first
    hand.page.go_forward()
    hand.page.locator('.u-strip-card[data-step=""][aria-current]').wait_for()

    # Another photo has an address of its own, and Back leads to the former one.
    hand.press("Photos")
    with hand.page.expect_file_chooser() as chooser:
        hand.press("Open a photo")
    chooser.value.set_files(PACKAGE_SCENES / "cat-and-plant.png")
    expect(hand.page.locator(".u-strip-title")).to_have_text("cat-and-plant.png", timeout=PATIENCE)
    assert hand.steps == []
    hand.page.go_back()
    expect(hand.page.locator(".u-strip-title")).to_have_text("0000.png", timeout=PATIENCE)
    assert len(hand.steps) == 1
    hand.page.go_forward()
    expect(hand.page.locator(".u-strip-title")).to_have_text("cat-and-plant.png", timeout=PATIENCE)
    # The address of a photo that was forgotten says so, and the others are offered.
    hand.press("Photos")
    card = hand.page.get_by_role("dialog").get_by_role("listitem").filter(has_text="0000.png")
    expect(card).to_contain_text("1 result")
    hand.press(card.get_by_role("button", name="Forget 0000.png"))
    hand.press(card.get_by_role("button", name="Forget? 0000.png"))
    expect(card).to_have_count(0)
    hand.page.goto(first)
    hand.says("That photo is not here any more: open it again.")
    hand.page.reload()
    hand.says("That photo is not here any more: open it again.")
    hand.press(hand.page.locator(".u-others .u-card").filter(has_text="cat-and-plant.png"))
    expect(hand.page.locator(".u-strip-title")).to_have_text("cat-and-plant.png", timeout=PATIENCE)


def test_two_pages_of_one_visitor(arrive: Callable[..., Hand], hand: Hand, hold: Hold) -> None:
    hand.open(SCENE)
    boxed(hand)
    with hold.line():
        hand.press("Remove")
        hand.says("Waiting")
        other = arrive(context=hand.page.context)
        phase(other, "working")
        other.says("Waiting")
    hand.done(1)
    other.done(1)
    assert other.shown == hand.shown == hand.steps[0]
    # Each shows what it likes.
    other.press(UNDO)
    assert (other.shown, hand.shown) == ("", hand.steps[0])
    other.key("m")
    other.drag([(36, 36), (52, 52)])
    other.selected()
    other.press("Remove")
    other.done(2)
    hand.reload()
    hand.page.wait_for_function("document.querySelectorAll('.u-strip-card').length === 3")
    assert hand.steps == other.steps
