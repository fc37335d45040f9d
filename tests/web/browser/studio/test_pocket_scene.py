"""The canvas on a scene of the pocket world, with the mouse: change, find by words, move, paint a layout, take home."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from intarsia.cli.main import main
from intarsia.imaging.read import read_photo
from tests.paths import PACKAGE_SCENES, SCENES
from tests.web.browser.conftest import PATIENCE, SCHEMES, Shoot
from tests.web.browser.studio.hand import Hand, grown
from tests.web.browser.taken_home import record_inside, repeatable, without_record

pytest.importorskip("playwright.sync_api")
pytest.importorskip("gradio")
from playwright.sync_api import expect

pytestmark = [
    pytest.mark.ui,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning"),
]

SCENE = SCENES / "0000.png"
PLACE = ("record", "photo")
"""What of a record says where the photo lies: elsewhere for a visitor."""


def test_a_change_without_a_selection_is_what_the_command_line_makes(hand: Hand, tmp_path: Path, shoot: Shoot) -> None:
    hand.open(SCENE)
    hand.few_steps()
    expect(hand.button("Change")).to_be_disabled()
    hand.write("What to change", "tree")
    hand.write("Change it to", "a house")
    hand.press("Change")
    hand.done(1)
    assert hand.said.startswith("Changed in ")
    shoot(hand.page, "canvas-changed", schemes=SCHEMES)
    cards = hand.page.locator(".u-candidate")
    expect(cards).to_have_count(3)
    expect(cards.first).to_have_attribute("aria-pressed", "true")
    first = hand.pixels()
    hand.press(cards.nth(1))
    expect(cards.nth(1)).to_have_attribute("aria-pressed", "true")

    # The page keeps its results as PNG, whatever it is asked to save.
    settings = ["--source", "tree", "--prompt", "a house", "--steps", "2", "--keep", "3", "--format", "png"]
    command = ["edit", str(SCENE), *settings, "--models", "pocket", "--device", "cpu", "--quiet"]
    assert main([*command, "--out", str(tmp_path)]) == 0
    taken = hand.take()
    assert without_record(taken.read_bytes()) == without_record((tmp_path / "0000.2.png").read_bytes())
    assert repeatable(record_inside(taken), PLACE) == repeatable(record_inside(tmp_path / "0000.2.png"), PLACE)
    assert np.array_equal(first, read_photo(tmp_path / "0000.png").pixels)

    hand.press(hand.page.locator(".u-result summary"))
    hand.press("Make it again and compare")
    hand.says("The same pixels came out.")
    # The choice of a result is a step to undo, as the result itself is.
    hand.press("Undo")
    expect(cards.first).to_have_attribute("aria-pressed", "true")
    hand.press("Undo")
    assert (hand.shown, hand.now["prompt"]) == ("", "a house")
    hand.press("Redo")
    hand.press("Redo")
    assert (hand.shown, hand.now["candidate"]) == (hand.steps[0], 1)


def test_what_is_found_by_words_is_changed_moved_and_painted_elsewhere(hand: Hand, shoot: Shoot) -> None:
    before = read_photo(SCENE).pixels
    hand.open(SCENE)
    hand.few_steps()
    hand.write("Select by words", "a tree")
    hand.press("Find")
    hand.selected()
    found = hand.mask
    assert 200 < found.sum() < 1200
    hand.write("Change it to", "a car")
    hand.press("Change")
    hand.done(1)
    far = ~grown(found, 8)
    assert np.array_equal(hand.pixels()[far], before[far])
    assert not np.array_equal(hand.pixels()[found], before[found])
    hand.press("Another try")
    hand.done(2)
    tried = hand.pixels()
    assert np.array_equal(tried[far], before[far])
    hand.press(hand.page.locator(".u-strip-card").nth(1))
    assert not np.array_equal(hand.pixels(), tried), "another seed makes another picture"

    # From the photo again: what was found is moved by a layout that is painted.
    hand.press(hand.page.locator(".u-strip-card").first)
    hand.write("Select by words", "a tree")
    hand.press("Find")
    hand.selected()
    hand.press("Move")
    hand.moving()
    hand.press("Paint a layout")
    panel = hand.page.get_by_role("region", name="Paint the layout")
    expect(panel.get_by_role("button", name="a tree")).to_have_attribute("aria-pressed", "true")
    expect(panel.get_by_role("button", name="Clear")).to_be_disabled()
    hand.drag([(46, 38), (52, 44)])
    expect(panel.get_by_role("button", name="Clear")).to_be_enabled()
    shoot(hand.page, "canvas-layout", schemes=SCHEMES)
    hand.press("Undo")
    expect(panel.get_by_role("button", name="Clear")).to_be_disabled()
    hand.press("Redo")
    expect(panel.get_by_role("button", name="Clear")).to_be_enabled()
    hand.press("Apply")
    hand.done(3)
    assert [name.split("-")[0] for name in hand.steps] == ["edit", "edit", "arrange"]
    after = hand.pixels()
    there = (slice(36, 46), slice(44, 54))
    assert np.abs(after[there].astype(int) - before[there]).mean() > 10, "the object is where it was painted"
    hand.press("Move more")
    hand.moving()
    hand.drag([(22, 30), (26, 34), (32, 34)])
    expect(hand.button("Apply")).to_be_enabled()


def test_things_that_are_found_are_taken_or_not(hand: Hand, shoot: Shoot) -> None:
    hand.open(PACKAGE_SCENES / "cat-and-plant.png")
    hand.write("Select by words", "a cat, a plant, a zebra")
    hand.press("Find")
    things = hand.page.get_by_label("What was found").get_by_role("listitem")
    expect(things).to_have_count(2, timeout=PATIENCE)
    hand.says("'a zebra' was not found")
    shoot(hand.page, "canvas-found", schemes=SCHEMES)
    hand.press(things.nth(0).get_by_role("button", name="Take it"))
    hand.selected()
    cat = hand.mask
    hand.press(things.nth(1).get_by_role("button", name="Take it"))
    expect(things).to_have_count(0)
    both = hand.mask
    assert both.sum() > cat.sum() and both[cat].all()
    hand.key("Control+z")
    assert np.array_equal(hand.mask, cat)


def test_hostile_words_are_shown_as_text(hand: Hand, tmp_path: Path) -> None:
    name = "<img src=x onerror=window.hit=1>.png"
    shutil.copyfile(SCENE, tmp_path / name)
    hand.open(tmp_path / name)
    hand.few_steps(1)
    hand.key("m")
    hand.drag([(8, 8), (30, 30)])
    hand.selected()
    hostile = "<img src=x onerror=window.hit=1>${window.hit=1}"
    hand.write("Change it to", hostile)
    hand.press("Change")
    hand.done(1)
    expect(hand.page.locator(".u-result-said")).to_have_text(hostile)
    expect(hand.page.locator(".u-strip-title")).to_have_text(name)
    hand.key("v")
    hand.write("Select by words", '"><script>window.hit=1</script>')
    hand.press("Find")
    hand.page.wait_for_function(
        "document.querySelector('.v-found').children.length || document.querySelector('.s-problem')", timeout=PATIENCE
    )
    assert hand.page.evaluate("window.hit") is None


BRING = """async (kind) => {
  const canvas = Object.assign(document.createElement("canvas"), { width: 64, height: 48 });
  canvas.getContext("2d").fillRect(0, 0, 9, 9);
  const blob = await new Promise((made) => canvas.toBlob(made));
  const files = new DataTransfer();
  files.items.add(new File([blob], `${kind}.png`, { type: "image/png" }));
  const options = { bubbles: true, cancelable: true };
  const event = kind === "paste" ? new ClipboardEvent(kind, { ...options, clipboardData: files })
    : new DragEvent(kind, { ...options, dataTransfer: files });
  document.body.dispatchEvent(event);
}"""
"""Brings a picture onto the page, by "paste" or "drop"."""


def test_photos_are_pasted_and_dropped_and_examples_are_a_press_away(hand: Hand, shoot: Shoot) -> None:
    shoot(hand.page, "canvas-start", schemes=SCHEMES)
    title = hand.page.locator(".u-strip-title")
    for kind in ("paste", "drop"):
        hand.page.evaluate(BRING, kind)
        expect(title).to_have_text(f"{kind}.png", timeout=PATIENCE)
    expect(hand.page.locator(".u-strip-head")).to_contain_text("64 \N{MULTIPLICATION SIGN} 48")
    hand.press("Photos")
    hand.press(hand.page.get_by_role("dialog").get_by_role("button", name="A plant, and what it may become"))
    expect(hand.page.get_by_label("What to change", exact=True)).to_have_value("plant", timeout=PATIENCE)
    expect(hand.page.get_by_label("Change it to", exact=True)).to_have_value("a cake")
    expect(hand.button("Change")).to_be_enabled()


def test_mistakes_are_sentences(hand: Hand, tmp_path: Path) -> None:
    problem = hand.page.locator(".s-said.s-problem")
    (tmp_path / "notes.png").write_text("no picture")
    (tmp_path / "notes.txt").write_text("no picture")
    chooser = hand.page.locator(".u-start > input[type=file]")
    # With no photo yet, and over one.
    for _ in range(2):
        for name, said in (
            ("notes.png", "notes.png"),
            ("notes.txt", "notes.txt is not a photo that can be opened here"),
        ):
            chooser.set_input_files(tmp_path / name)
            expect(problem).to_contain_text(said)
        hand.open(SCENE)
    hand.write("Select by words", ", ,")
    hand.press("Find")
    expect(problem).to_be_visible()
    assert hand.said.endswith(".") and "Traceback" not in hand.said
    assert hand.steps == []
