"""Several visitors: each sees what is their own, waits for the others, and may go at any time."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

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
SOON = 1.3
"""Seconds within which a cancelled job is gone: about one, and the machine's own."""


def phase(hand: Hand, name: str) -> None:
    hand.page.locator(f'.s-verbs[data-phase="{name}"]').wait_for(timeout=PATIENCE)


def boxed(hand: Hand) -> None:
    hand.key("m")
    hand.drag([(8, 8), (28, 28)])
    hand.selected()


def ask(hand: Hand, prompt: str = "a house") -> None:
    boxed(hand)
    hand.few_steps(4)
    hand.write("Change it to", prompt)
    hand.press("Change")


def cancelled(hand: Hand) -> float:
    """Seconds from the press until the page is free, which still has what was selected."""
    began = time.monotonic()
    hand.press("Cancel")
    phase(hand, "selected")
    took = time.monotonic() - began
    hand.says("Stopped. Nothing was changed.")
    assert hand.mask.sum() == 400
    return took


def test_visitors_see_nothing_of_each_other_and_wait_for_each_other(
    arrive: Callable[..., Hand], hand: Hand, hold: Hold
) -> None:
    other = arrive()
    hand.open(SCENE)
    other.open(PACKAGE_SCENES / "cat-and-plant.png")
    ask(hand)
    hand.says("2 of 4")
    ask(other, "a cake")
    other.says("Waiting: 1 job before yours")
    # What needs no networks goes on beside it, and who waits may go.
    assert cancelled(other) < SOON
    other.press("Remove")
    other.done(1)
    boxed(other)
    other.few_steps(4)
    other.press("Change")
    other.says("Waiting: 1 job before yours")
    assert hand.steps == [] and hand.page.locator(".s-verbs").get_attribute("data-phase") == "working"
    hold.on.set()
    hand.done(1)
    other.done(2)
    for mine, theirs in ((hand, other), (other, hand)):
        folder = re.search(r"/([0-9a-f]{32})/", str(mine.page.locator(".v-photo").first.get_attribute("src")))
        assert folder and folder[1] in mine.page.content() and folder[1] not in theirs.page.content()
        mine.press("Photos")
        expect(mine.page.get_by_role("dialog").locator(".u-others")).to_be_hidden()
        mine.key("Escape")
    # The address of somebody else's photo is none for anybody else.
    stranger = arrive()
    stranger.page.goto(hand.page.url)
    stranger.page.reload()
    stranger.page.locator(".u-welcome .u-large").wait_for(timeout=PATIENCE)
    assert stranger.page.locator(".u-strip-card").count() == 0


def test_what_goes_on_is_cancelled_at_once(hand: Hand, hold: Hold) -> None:
    hand.open(SCENE)
    ask(hand)
    hand.says("2 of 4")
    assert cancelled(hand) < SOON
    hand.press("Change")
    hand.says("2 of 4")
    hold.on.set()
    hand.done(1)
    with hold.line():
        boxed(hand)
        hand.press("Remove")
        hand.says("Waiting: 1 job before yours")
        assert cancelled(hand) < SOON
    assert len(hand.steps) == 1


@pytest.mark.slow
def test_twenty_visitors_at_once(arrive: Callable[..., Hand], hold: Hold) -> None:
    hands = [arrive() for _ in range(20)]
    for hand in hands:
        hand.open(SCENE)
        boxed(hand)
    with hold.line():
        for hand in hands:
            hand.press("Remove")
        hands[-1].says(re.compile(r"Waiting: (19|20) jobs before yours"))
        cancelled(hands[7])  # in twenty pages on one machine it is not the server that takes the time
    for hand in hands[:7] + hands[8:]:
        hand.done(1)
    assert hands[7].steps == []
    sources = {str(hand.page.locator(".v-photo").first.get_attribute("src")) for hand in hands}
    assert len(sources) == 20, "nobody's picture is anybody else's"
