"""Edit by words in a real browser, on the pocket models: what a visitor sees, does and takes home."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from intarsia.cli.main import main
from intarsia.web.sessions import SessionStore
from tests.web.browser.conftest import PATIENCE, SCHEMES, Shoot, seen_on_screen
from tests.web.browser.edit.edit_steps import (
    SCENE,
    arrives,
    box_middle,
    drop_photo,
    edited,
    edits,
    made,
    newest,
    phase,
    say,
)
from tests.web.browser.taken_home import record_inside, repeatable, without_record

playwright = pytest.importorskip("playwright.sync_api")
pytest.importorskip("gradio")
from playwright.sync_api import Browser, Page, expect  # noqa: E402

pytestmark = [
    pytest.mark.ui,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning"),
]


PLACE = ("record", "photo")
"""What of a record says where the photo lies: elsewhere for a visitor."""


@pytest.mark.slow
def test_an_example_is_one_click_away(visitor: Page, store: SessionStore, shoot: Shoot) -> None:
    shoot(visitor, "words-empty", schemes=SCHEMES)
    visitor.evaluate("""() => {
      const status = document.querySelector(".words-root [role=status]");
      window.spoken = [];
      new MutationObserver(() => window.spoken.push(status.textContent))
        .observe(status, {childList: true, characterData: true, subtree: true});
    }""")
    visitor.get_by_role("button", name="Try it: plant becomes a cake").click()
    made(visitor, 1)
    expect(visitor.get_by_label("What is there")).to_have_value("plant")
    expect(visitor.get_by_label("What it should become")).to_have_value("a cake")
    expect(visitor.get_by_role("button", name="Edit", exact=True)).to_be_enabled()
    shoot(visitor, "words-done", schemes=SCHEMES)
    record = newest(store)["record"]
    assert (record["source"], record["prompt"], record["steps"], record["models"]) == ("plant", "a cake", 30, "pocket")

    # Each stage is read out once, and no step of it.
    spoken = visitor.evaluate("window.spoken")
    assert len(spoken) == len(set(spoken)) and not [said for said in spoken if re.search(r"\d of \d", said)]
    assert len([said for said in spoken if "steps" in said]) == 3 and spoken[-1].startswith("Done.")

    # The choice among the results can be seen without scrolling.
    strip = visitor.locator(".w-strip button.w-card").first.bounding_box()
    assert strip and strip["y"] + strip["height"] <= 720


def test_a_photograph_on_the_pocket_models_has_a_banner_before_and_after(
    visitor: Page, tmp_path: Path, shoot: Shoot
) -> None:
    rng = np.random.default_rng(0)
    slope = np.linspace(40, 200, 300)[None, :, None] + rng.normal(0, 6, (220, 300, 3))
    Image.fromarray(slope.clip(0, 255).astype(np.uint8)).save(tmp_path / "photo.png")
    drop_photo(visitor, tmp_path / "photo.png")
    banner = visitor.locator(".w-banner")
    expect(banner).to_contain_text("The pocket models know a toy world")
    expect(banner.locator("code")).to_have_text("intarsia models download sd15")
    shoot(visitor, "words-banner-ready", schemes=SCHEMES)
    box_middle(visitor)
    edited(visitor, "unicorn", "a house")
    expect(banner).to_be_visible()
    expect(visitor.get_by_label("What to know of the result").get_by_role("listitem")).to_have_count(1)
    shoot(visitor, "words-banner-done", schemes=SCHEMES)
    drop_photo(visitor)
    expect(banner).to_be_hidden()
    expect(visitor.get_by_label("What to know of the result")).to_be_hidden()


def test_a_visitor_edits_chooses_and_takes_home_what_the_command_line_makes(
    visitor: Page, store: SessionStore, tmp_path: Path, shoot: Shoot
) -> None:
    drop_photo(visitor)
    say(visitor, "tree", "a house")
    shoot(visitor, "words-ready", schemes=SCHEMES)
    edited(visitor)
    cards = visitor.locator(".w-strip button.w-card")
    expect(cards).to_have_count(3)
    # What is new is seen whole: the slider stands left of it.
    box, split = newest(store)["candidates"][0]["box"], visitor.locator(".w-handle").get_attribute("aria-valuenow")
    assert split is not None and float(split) <= max(6, 100 * box[0] / 64)
    first = visitor.locator("#words-download").get_attribute("href")
    cards.nth(1).click()
    expect(cards.nth(1)).to_have_attribute("aria-pressed", "true")
    assert visitor.locator("#words-download").get_attribute("href") != first

    settings = ["--source", "tree", "--prompt", "a house", "--steps", "2", "--keep", "3"]
    command = ["edit", str(SCENE), *settings, "--models", "pocket", "--device", "cpu", "--draw-boxes", "--quiet"]
    assert main([*command, "--out", str(tmp_path)]) == 0
    with visitor.expect_download() as taken:
        visitor.locator("#words-download").click()
    picture = Path(taken.value.path())
    assert taken.value.suggested_filename == "0000.2.png"
    expected = tmp_path / "0000.2.png"
    assert without_record(picture.read_bytes()) == without_record(expected.read_bytes())
    assert repeatable(record_inside(picture), PLACE) == repeatable(record_inside(expected), PLACE)
    with visitor.expect_download() as taken:
        visitor.locator("#words-record").click()
    assert taken.value.suggested_filename == "0000.2.json"
    assert json.loads(Path(taken.value.path()).read_text()) == record_inside(picture)

    # So is all that the page keeps of the result.
    [folder] = (f for f in edits(store) if newest(store)["record"]["photo"].startswith(str(f.parent)))
    assert picture.read_bytes() == (folder / "0000.2.png").read_bytes()
    for name in ("0000.png", "0000.3.png"):
        assert without_record((folder / name).read_bytes()) == without_record((tmp_path / name).read_bytes())
        assert repeatable(record_inside(folder / name), PLACE) == repeatable(record_inside(tmp_path / name), PLACE)
    for name in ("0000.mask.png", "0000.boxes.png"):
        assert (folder / name).read_bytes() == (tmp_path / name).read_bytes()
    own, commands = (json.loads((place / "0000.json").read_text()) for place in (folder, tmp_path))
    assert repeatable(own, PLACE) == repeatable(commands, PLACE)

    visitor.get_by_role("button", name="Where it looked").click()
    shoot(visitor, "words-looked")
    visitor.get_by_role("button", name="Copy record").click()
    expect(visitor.locator(".w-record")).to_contain_text('"prompt": "a house"')
    visitor.get_by_role("button", name="Replay").click()
    expect(visitor.locator(".w-message")).to_have_text("The same pixels came out.", timeout=PATIENCE)


def test_a_box_is_drawn_kept_and_repainted_with_another_seed(visitor: Page, store: SessionStore, shoot: Shoot) -> None:
    drop_photo(visitor)
    visitor.get_by_role("button", name="Draw a box").click()
    edge = visitor.locator(".w-frame").bounding_box()
    assert edge
    visitor.mouse.move(edge["x"] + 0.25 * edge["width"], edge["y"] + 0.25 * edge["height"])
    visitor.mouse.down()
    visitor.mouse.move(edge["x"] + 0.5 * edge["width"], edge["y"] + 0.6 * edge["height"], steps=4)
    visitor.mouse.move(edge["x"] + 0.75 * edge["width"], edge["y"] + 0.75 * edge["height"], steps=4)
    visitor.mouse.up()
    shoot(visitor, "words-box")
    edited(visitor)
    first = newest(store)
    assert np.allclose(first["record"]["box"], [16, 16, 48, 48], atol=1)
    assert first["record"]["seed"] == 0
    visitor.get_by_role("button", name="Try again").click()
    expect(visitor.locator(".w-past figure")).to_have_count(2, timeout=PATIENCE)
    again = newest(store)
    assert again["record"]["seed"] == 3 and again["record"]["box"] == first["record"]["box"]
    visitor.get_by_role("button", name="Remove the box").click()
    visitor.get_by_role("button", name="Lock this box").click()
    expect(visitor.locator(".w-message")).to_contain_text("The next edits go into this box.")
    actions = visitor.locator(".w-actions")
    actions.get_by_role("button", name="Edit by layout").click()
    expect(visitor.get_by_role("tab", name="Edit by layout")).to_have_attribute("aria-selected", "true")
    visitor.locator("#layout-stage .frame").wait_for(timeout=PATIENCE)
    visitor.get_by_role("tab", name="Edit by words").click()
    actions.get_by_role("button", name="Use as photo").click()
    phase(visitor, "ready")


def test_the_keyboard_draws_a_box_too(visitor: Page) -> None:
    drop_photo(visitor)
    visitor.get_by_role("button", name="Draw a box").press("Enter")
    frame = visitor.get_by_role("group", name="Box: arrow keys move it, with Shift they resize it")
    for key in ("ArrowRight", "Shift+ArrowDown"):
        frame.press(key)
    own = visitor.locator(".w-marks rect.w-own")
    edges = {name: float(own.get_attribute(name) or "nan") for name in ("x", "y", "width", "height")}
    # A fiftieth of the picture's 64 pixels at each press, from the middle half of it.
    assert edges == pytest.approx({"x": 17.3, "y": 16, "width": 32, "height": 33.3}, abs=0.11)
    visitor.get_by_role("button", name="Done with the box").press("Enter")
    expect(frame).to_have_count(0)


@pytest.fixture
def hold(store: SessionStore, monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """While this is clear, painting stops at its third step; so that what is shown meanwhile can be looked at."""
    on = threading.Event()
    inpainter = store.backbones.inpainter
    inpaint = inpainter.inpaint

    def held(*given: object, on_step: Callable[[int, int], None], **more: object) -> object:
        def step(done: int, total: int) -> None:
            if total > 4 and done >= 3:
                for _ in range(600):
                    on_step(done, total)  # raises once the visitor cancels
                    if on.wait(0.1):
                        break
            on_step(done, total)

        return inpaint(*given, on_step=step, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(inpainter, "inpaint", held)
    yield on
    on.set()


def test_work_is_cancelled_and_what_was_there_before_comes_back(
    visitor: Page, store: SessionStore, shoot: Shoot, hold: threading.Event
) -> None:
    message, edit_button = visitor.locator(".w-message"), visitor.get_by_role("button", name="Edit", exact=True)
    drop_photo(visitor)
    before = edits(store)
    say(visitor, "tree", "a house", steps=12)
    edit_button.click()
    visitor.locator(".words-root[data-phase=working]").wait_for(timeout=PATIENCE)
    # The likeliest region gets all its steps at once, so that there is nothing to look at before.
    expect(message).to_contain_text(re.compile(r": \d+ of 12, about \d+ s left"), timeout=PATIENCE)
    shoot(visitor, "words-working", schemes=SCHEMES)
    visitor.get_by_role("button", name="Cancel").click()
    expect(message).to_have_text("Stopped. Nothing was changed.", timeout=PATIENCE)
    expect(edit_button).to_be_enabled()
    phase(visitor, "ready")
    assert edits(store) == before

    edited(visitor)
    cards = visitor.locator(".w-strip button.w-card")
    cards.nth(2).click()
    shown = visitor.locator("#words-download").get_attribute("href")
    kept = edits(store)
    say(visitor, "tree", "a cake", steps=12)
    edit_button.click()
    visitor.locator(".words-root[data-phase=working]").wait_for(timeout=PATIENCE)
    visitor.get_by_role("button", name="Cancel").click()
    expect(message).to_have_text("Stopped. Nothing was changed.", timeout=PATIENCE)
    phase(visitor, "done")
    expect(cards.nth(2)).to_have_attribute("aria-pressed", "true")
    assert visitor.locator("#words-download").get_attribute("href") == shown
    expect(visitor.locator(".w-after")).to_have_attribute("src", str(shown))
    assert edits(store) == kept
    shoot(visitor, "words-stopped")

    visitor.get_by_label("What it should become").fill("")
    edit_button.click()
    expect(visitor.locator(".w-message.w-problem")).to_contain_text("The prompt is empty")
    phase(visitor, "done")
    expect(visitor.locator(".w-after")).to_have_attribute("src", str(shown))


@pytest.mark.slow  # the other tab waits in the same queue, and is quicker
def test_who_waits_sees_the_place_in_the_queue_and_may_go(
    visitor: Page,
    browser: Browser,
    served: str,
    store: SessionStore,
    shoot: Shoot,
    hold: threading.Event,
    problems: list[str],
) -> None:
    drop_photo(visitor)
    say(visitor, "tree", "a house", steps=12)
    visitor.get_by_role("button", name="Edit", exact=True).click()
    visitor.locator(".words-root[data-phase=working] .w-strip .w-card").first.wait_for(timeout=PATIENCE)
    before = edits(store)
    with browser.new_context(viewport={"width": 1280, "height": 720}) as context:
        other = arrives(context, served, problems)
        drop_photo(other)
        box_middle(other)
        say(other, "tree", "a car")
        message, press = other.locator(".w-message"), other.get_by_role("button", name="Edit", exact=True)
        press.click()
        expect(message).to_have_text("Waiting for a turn.")
        place = other.locator("#words-place .progress-text")
        expect(place).to_contain_text("queue: 1/1")
        assert seen_on_screen(place)
        expect(press).to_be_disabled()
        shoot(other, "words-waiting", schemes=SCHEMES)
        # Who gives up need not wait for that, and may ask for something else.
        other.get_by_role("button", name="Cancel").click()
        expect(message).to_have_text("Stopped. Nothing was changed.")
        phase(other, "ready")
        expect(press).to_be_enabled()
        assert edits(store) == before
        other.get_by_label("What it should become").fill("a cake")
        press.click()
        expect(message).to_have_text("Waiting for a turn.")
        hold.set()
        made(other, 1)
        expect(other.locator(".w-past figcaption")).to_have_text("a cake")
    made(visitor, 1)


def test_a_sampler_and_weighted_words_are_the_records(visitor: Page, store: SessionStore, shoot: Shoot) -> None:
    drop_photo(visitor)
    visitor.get_by_role("button", name="More settings").click()
    sampler = visitor.locator("#words-sampler input")
    expect(sampler).to_have_value("checkpoint")
    sampler.click()
    visitor.get_by_role("option", name="euler-a").click()
    expect(sampler).to_have_value("euler-a")
    shoot(visitor, "words-sampler")
    edited(visitor, "tree", "a (house:1.3)")
    record = newest(store)["record"]
    assert (record["sampler"], record["prompt"]) == ("euler-a", "a (house:1.3)")
    expect(visitor.locator(".w-past figure").first).to_contain_text("a house")
