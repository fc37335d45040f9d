"""The canvas on photographs, with the mouse: each verb, compare, undo and redo over all of them, and what is downloaded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from intarsia.imaging.read import read_photo
from tests.web.browser.conftest import SCHEMES, Shoot
from tests.web.browser.studio.hand import Hand, grown

pytest.importorskip("playwright.sync_api")
pytest.importorskip("gradio")
from playwright.sync_api import expect

pytestmark = [
    pytest.mark.ui,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning"),
]

NEAR = 24
"""Pixels around what is changed within which the photo may change, too: soft edges and shadows."""


def patch(pixels: np.ndarray, x: int, y: int, width: int, height: int) -> np.ndarray:
    return pixels[y : y + height, x : x + width].astype(int)


def test_what_is_selected_is_removed_moved_and_duplicated(hand: Hand, photographs: Path, shoot: Shoot) -> None:
    before = read_photo(photographs / "coffee.png").pixels
    hand.open(photographs / "coffee.png")
    shoot(hand.page, "canvas-photo", schemes=SCHEMES)
    # The bowl of the spoon, by a box around it.
    hand.drag([(380, 265), (505, 375)])
    hand.selected()
    spoon = hand.mask
    ys, xs = np.nonzero(spoon)
    assert xs.min() >= 375 and xs.max() <= 510 and ys.min() >= 260 and ys.max() <= 380 and spoon.sum() > 2000
    shoot(hand.page, "canvas-selected", schemes=SCHEMES)
    hand.press("Remove")
    hand.done(1)
    first = hand.pixels()
    assert np.array_equal(first[~grown(spoon, NEAR)], before[~grown(spoon, NEAR)])
    assert np.abs(first[spoon].astype(int) - before[spoon]).mean() > 10
    shoot(hand.page, "canvas-removed", schemes=SCHEMES)

    hand.press("Compare")
    slider = hand.page.get_by_role("slider", name="Before and after")
    expect(slider).to_have_attribute("aria-valuenow", "50")
    hand.pull(slider, (60, 0))
    assert int(slider.get_attribute("aria-valuenow") or 0) > 50
    hand.press("Compare")
    expect(slider).to_be_hidden()

    # A piece of the table is dragged out of its place: what is dragged is what is selected.
    hand.key("m")
    hand.drag([(40, 40), (90, 80)])
    hand.selected()
    assert hand.mask.sum() == 50 * 40
    hand.key("v")
    hand.drag([(60, 60), (110, 80), (160, 100)])
    hand.moving()
    [move] = hand.now["moves"]
    assert (move["x"], move["y"]) == (100, 40)
    expect(hand.page.get_by_role("listitem").filter(has_text="object 1")).to_be_visible()
    shoot(hand.page, "canvas-moved", schemes=SCHEMES)
    hand.press("Apply")
    hand.done(2)
    second = hand.pixels()
    ours = np.zeros(before.shape[:2], bool)
    ours[40:80, 40:90] = ours[80:120, 140:190] = True
    assert np.array_equal(second[~grown(ours, NEAR)], first[~grown(ours, NEAR)])
    assert np.abs(patch(second, 144, 84, 42, 32) - patch(before, 44, 44, 42, 32)).mean() < 12
    assert np.abs(patch(second, 144, 84, 42, 32) - patch(first, 144, 84, 42, 32)).mean() > 20

    third = duplicated(hand, second)
    undo_leads_back_and_redo_forth(hand)
    assert np.array_equal(hand.pixels(), third)


def duplicated(hand: Hand, second: np.ndarray) -> np.ndarray:
    """What was there stays, and another one lies beside it."""
    hand.key("m")
    hand.drag([(240, 40), (280, 80)])
    hand.selected()
    hand.press("Duplicate")
    hand.moving()
    # Beside what was moved before, which is moved on from where it is.
    hand.page.wait_for_function("document.querySelectorAll('.o-row').length === 3")
    copy = next(each for each in hand.now["moves"] if each["copy_of"])
    hand.press("Apply")
    hand.done(3)
    third = hand.pixels()
    x, y = 240 + copy["x"], 40 + copy["y"]
    apart = patch(third, x + 4 + 24, y + 4 + 24, 8, 8), patch(second, 240 + 4 + 24, 40 + 4 + 24, 8, 8)
    assert np.abs(apart[0] - apart[1]).mean() < 12
    assert np.array_equal(patch(third, 242, 42, 14, 14), patch(second, 242, 42, 14, 14)), "in front of no copy"
    return third


def undo_leads_back_and_redo_forth(hand: Hand) -> None:
    """All the way, over selections, moves and results; the filmstrip keeps all."""
    shown, undo, redo = [hand.shown], hand.button("Undo"), hand.button("Redo")
    steps = hand.steps
    while undo.is_enabled():
        hand.press(undo)
        if hand.shown != shown[-1]:
            shown.append(hand.shown)
    assert shown == [*reversed(steps), ""] and hand.steps == steps
    assert hand.now["selection"] is None
    while redo.is_enabled():
        hand.press(redo)
    assert hand.shown == steps[-1]


def test_an_object_is_clicked_scaled_turned_and_flipped(hand: Hand, photographs: Path) -> None:
    before = read_photo(photographs / "rocket.jpg").pixels
    hand.open(photographs / "rocket.jpg")
    hand.drag([(270, 60), (370, 330)])  # a first, rough try
    hand.selected()
    rough = hand.mask
    hand.click((560, 380), held=["Shift"])
    hand.until(lambda: not np.array_equal(hand.mask, rough))
    hand.key("Control+z")
    assert np.array_equal(hand.mask, rough)
    hand.press("Clear")
    expect(hand.page.locator('.s-verbs[data-phase="start"]')).to_be_visible()

    hand.key("m")
    hand.drag([(300, 120), (340, 200)])
    hand.selected()
    hand.press("Move")
    hand.moving()
    for name in ("Flip", "Turn right", "Larger"):
        hand.press(name)
    hand.key("ArrowLeft", "Shift+ArrowLeft")
    [move] = hand.now["moves"]
    assert move["flip"] and move["turn"] == 5 and move["wide"] == pytest.approx(1.1) and move["x"] == -11
    hand.press("Put back where it was")
    expect(hand.button("Apply")).to_be_disabled()
    hand.key("Control+z")
    hand.press("Apply")
    hand.done(1)
    after = hand.pixels("Download as PNG")
    ours = np.zeros(before.shape[:2], bool)
    ours[105:215, 270:360] = True
    assert np.array_equal(after[~grown(ours, NEAR)], before[~grown(ours, NEAR)])
    assert not np.array_equal(after[ours], before[ours])
    with Image.open(hand.take()) as own:
        assert (own.format, own.size) == ("JPEG", (640, 427))


def test_what_is_kept_stays_as_it_was(hand: Hand, photographs: Path) -> None:
    before = read_photo(photographs / "chelsea.png").pixels
    hand.open(photographs / "chelsea.png")
    hand.key("m")
    hand.drag([(100, 100), (150, 140)])
    hand.selected()
    hand.press("Keep")
    hand.says("Kept: no change touches it.")
    assert hand.page.locator(".s-keep").is_visible()
    hand.drag([(300, 100), (320, 120)])
    hand.selected()
    hand.press("Keep")
    hand.drag([(120, 90), (320, 160)])
    hand.selected()
    hand.press("Remove")
    hand.done(1)
    after = hand.pixels()
    for kept in ((slice(100, 140), slice(100, 150)), (slice(100, 120), slice(300, 320))):
        assert np.array_equal(after[kept], before[kept])
    assert not np.array_equal(after[110:130, 200:240], before[110:130, 200:240])
    hand.press("Release what is kept")
    expect(hand.page.locator(".s-keep")).to_be_hidden()
    hand.key("Control+z")
    expect(hand.page.locator(".s-keep")).to_be_visible()


def test_marks_by_hand_are_combined_grown_and_inverted(hand: Hand, photographs: Path) -> None:
    hand.open(photographs / "chelsea.png")
    hand.key("l")
    hand.drag([(60, 60), (100, 60), (100, 100), (60, 100), (60, 62)])
    hand.selected()
    lasso = hand.mask
    assert lasso.sum() == pytest.approx(1600, rel=0.1)
    hand.drag([(80, 80), (140, 80), (140, 120), (80, 120), (80, 82)], held=["Shift"])
    both = hand.mask
    assert both[lasso].all() and both.sum() > 1.5 * lasso.sum()
    hand.key("m")
    hand.drag([(50, 50), (90, 130)], held=["Alt"])
    cut = hand.mask
    assert not cut[:, :90].any() and np.array_equal(cut[:, 90:], both[:, 90:])
    hand.press("Grow")
    larger = hand.mask
    assert larger[cut].all() and larger.sum() > cut.sum()
    hand.press("Shrink")
    assert cut.sum() * 0.9 < hand.mask.sum() < larger.sum()
    hand.press("Invert")
    assert hand.mask.mean() > 0.9
    for expected in (larger, cut, both, lasso):
        hand.key("Control+z")
        if expected is larger:
            hand.key("Control+z")
        assert np.array_equal(hand.mask, expected)
    hand.key("b")
    hand.drag([(200, 200), (260, 200)])
    brushed = hand.mask
    assert brushed[lasso].all() and brushed[200, 230]
    hand.key("e")
    hand.drag([(230, 150), (230, 250)])
    assert not hand.mask[200, 230] and hand.mask[200, 200]
    hand.key("Escape")
    assert not hand.mask.any()


def test_a_toy_model_says_so_before_it_changes_a_photograph(hand: Hand, photographs: Path, shoot: Shoot) -> None:
    before = read_photo(photographs / "chelsea.png").pixels
    hand.open(photographs / "chelsea.png")
    hand.few_steps(1)
    hand.key("m")
    hand.drag([(100, 100), (228, 228)])
    hand.selected()
    hand.write("Change it to", "a house")
    hand.press("Change")
    dialog = hand.page.get_by_role("dialog", name="This model cannot paint in photos")
    expect(dialog).to_be_visible()
    shoot(hand.page, "canvas-toy", schemes=SCHEMES)
    hand.press(dialog.get_by_role("button", name="Remove or Move instead"))
    expect(dialog).to_be_hidden()
    assert hand.steps == []
    hand.press("Change")
    hand.press(dialog.get_by_role("button", name="Try anyway"))
    hand.done(1)
    expect(hand.page.locator(".u-badge")).to_have_text("Toy preview: this model cannot paint in photos.")
    far = np.ones(before.shape[:2], bool)
    far[100 - NEAR : 228 + NEAR, 100 - NEAR : 228 + NEAR] = False
    assert np.array_equal(hand.pixels()[far], before[far])
