"""Edit by words in a real browser: what a visitor sees, does and takes home."""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from intarsia.app.cli import main
from intarsia.app.ui import door
from intarsia.app.ui.room import Room
from intarsia.backbones.protocols import Backbones
from intarsia.images import read_photo

playwright = pytest.importorskip("playwright.sync_api")
pytest.importorskip("gradio")

from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright  # noqa: E402

pytestmark = [
    pytest.mark.ui,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning"),
]

SCENE = Path(__file__).parents[1] / "scenes" / "0000.png"
SHOTS = Path(__file__).parent / "shots"
SIZES = {"wide": (1280, 720), "phone": (390, 844)}
PATIENCE = 60_000
"""Milliseconds to wait for the networks."""

Shoot = Callable[[Page, str], None]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        pytest.skip("there is no chromium on this machine: make test-ui installs it")
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory, tiny_backbones: Backbones) -> Room:
    return Room(tmp_path_factory.mktemp("ui") / "rooms", models="tiny", load=lambda *_, **__: tiny_backbones)


@pytest.fixture(scope="module")
def served(room: Room) -> Iterator[str]:
    from intarsia.app.ui.server import build, launch

    page = build(room)
    yield launch(page, room, port=door.free_port("127.0.0.1")).local
    page.close(verbose=False)
    room.close()


@pytest.fixture
def visitor(browser: Browser, served: str) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 720}, accept_downloads=True)
    yield arrived(context, served)
    context.close()


@pytest.fixture
def shoot() -> Shoot:
    SHOTS.mkdir(exist_ok=True)

    def shot(page: Page, name: str) -> None:
        for size, (width, height) in SIZES.items():
            page.set_viewport_size({"width": width, "height": height})
            page.screenshot(path=SHOTS / f"words-{name}-{size}.png")
        page.set_viewport_size({"width": 1280, "height": 720})

    return shot


def arrived(context: BrowserContext, address: str) -> Page:
    """A page on which nothing goes wrong unseen, and that asks no other host."""
    page = context.new_page()
    page.set_default_timeout(15_000)
    page.on("pageerror", lambda problem: pytest.fail(f"the page failed: {problem}"))

    def only_here(request: object) -> None:
        url = str(getattr(request, "url", ""))
        assert url.startswith((address, "data:", "blob:", address.replace("127.0.0.1", "localhost"))), url

    page.on("request", only_here)
    page.goto(address)
    page.locator(".words-root:not([data-phase=arriving])").wait_for(timeout=PATIENCE)
    return page


def phase(page: Page, name: str) -> None:
    page.locator(f".words-root[data-phase={name}]").wait_for(timeout=PATIENCE)


def drop_photo(page: Page, file: Path = SCENE) -> None:
    page.locator("#words-stage .w-chooser").set_input_files(file)
    phase(page, "ready")


def say(page: Page, source: str, prompt: str, steps: int = 6) -> None:
    page.get_by_label("What is there").fill(source)
    page.get_by_label("What it should become").fill(prompt)
    steps_field = page.locator("#words-steps input")
    if not steps_field.is_visible():
        page.get_by_role("button", name="More settings").click()
    steps_field.fill(str(steps))
    steps_field.blur()


def edited(page: Page, source: str = "tree", prompt: str = "a house", steps: int = 6) -> None:
    say(page, source, prompt, steps)
    # Not by the phase: a quick machine may be over before anybody looks.
    made = page.locator(".w-past figure").count()
    page.get_by_role("button", name="Edit", exact=True).click()
    page.locator(f".w-past figure:nth-of-type({made + 1}), .w-problem").first.wait_for(timeout=PATIENCE)
    assert page.locator(".w-problem").count() == 0, page.locator(".w-message").inner_text()
    phase(page, "done")


def test_a_visitor_edits_chooses_and_takes_home_what_the_command_line_makes(
    visitor: Page, room: Room, tmp_path: Path, tiny_models: Path, shoot: Shoot
) -> None:
    shoot(visitor, "empty")
    drop_photo(visitor)
    shoot(visitor, "ready")
    edited(visitor)
    shoot(visitor, "done")
    cards = visitor.locator(".w-strip button.w-card")
    expect(cards).to_have_count(3)
    first = visitor.locator("#words-download").get_attribute("href")
    cards.nth(1).click()
    expect(cards.nth(1)).to_have_attribute("aria-pressed", "true")
    assert visitor.locator("#words-download").get_attribute("href") != first
    with visitor.expect_download() as taken:
        visitor.locator("#words-download").click()
    picture = Path(taken.value.path())
    assert taken.value.suggested_filename == "0000.2.png"
    folder = next(f for visit in room.visits.values() for f in visit.folder.glob("edit-*"))
    assert picture.read_bytes() == (folder / "0000.2.png").read_bytes()
    with visitor.expect_download() as taken:
        visitor.locator("#words-record").click()
    assert Path(taken.value.path()).read_bytes() == (folder / "0000.2.json").read_bytes()

    words = ["--source", "tree", "--prompt", "a house", "--steps", "6", "--keep", "3"]
    command = ["edit", str(SCENE), *words, "--models", str(tiny_models), "--device", "cpu", "--quiet"]
    assert main([*command, "--out", str(tmp_path)]) == 0
    for name in ("0000.png", "0000.2.png", "0000.3.png"):
        assert np.array_equal(read_photo(folder / name).pixels, read_photo(tmp_path / name).pixels)

    visitor.get_by_role("button", name="Where it looked").click()
    shoot(visitor, "looked")
    visitor.get_by_role("button", name="Copy record").click()
    expect(visitor.locator(".w-record")).to_contain_text('"prompt": "a house"')
    visitor.get_by_role("button", name="Replay").click()
    expect(visitor.locator(".w-message")).to_have_text("The same pixels came out.", timeout=PATIENCE)


def test_a_box_is_drawn_kept_and_repainted_with_another_seed(visitor: Page, room: Room, shoot: Shoot) -> None:
    drop_photo(visitor)
    visitor.get_by_role("button", name="Draw a box").click()
    edge = visitor.locator(".w-frame").bounding_box()
    assert edge
    visitor.mouse.move(edge["x"] + 0.25 * edge["width"], edge["y"] + 0.25 * edge["height"])
    visitor.mouse.down()
    visitor.mouse.move(edge["x"] + 0.5 * edge["width"], edge["y"] + 0.6 * edge["height"], steps=4)
    visitor.mouse.move(edge["x"] + 0.75 * edge["width"], edge["y"] + 0.75 * edge["height"], steps=4)
    visitor.mouse.up()
    shoot(visitor, "box")
    edited(visitor, steps=2)
    newest = newest_record(room)
    assert np.allclose(newest["record"]["box"], [16, 16, 48, 48], atol=1)
    assert newest["record"]["seed"] == 0
    visitor.get_by_role("button", name="Try again").click()
    expect(visitor.locator(".w-past figure")).to_have_count(2, timeout=PATIENCE)
    again = newest_record(room)
    assert again["record"]["seed"] == 3 and again["record"]["box"] == newest["record"]["box"]
    visitor.get_by_role("button", name="Remove the box").click()
    visitor.get_by_role("button", name="Lock this box").click()
    expect(visitor.locator(".w-message")).to_contain_text("The next edits go into this box.")
    visitor.locator(".w-actions").get_by_role("button", name="Use as photo").click()
    phase(visitor, "ready")


def newest_record(room: Room) -> dict[str, dict[str, object]]:
    folders = [f for visit in room.visits.values() for f in visit.folder.glob("edit-*")]
    newest = max(folders, key=lambda f: f.stat().st_mtime_ns)
    made: dict[str, dict[str, object]] = json.loads((newest / f"{SCENE.stem}.json").read_text())
    return made


def test_work_is_cancelled_and_nothing_stays_of_it(
    visitor: Page, room: Room, shoot: Shoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    inpainter = room.backbones.inpainter
    inpaint = inpainter.inpaint

    def slowly(*given: object, on_step: Callable[[int, int], None], **more: object) -> object:
        def step(done: int, total: int) -> None:
            time.sleep(0.05)  # else a quick machine is over before anybody can press a button
            on_step(done, total)

        return inpaint(*given, on_step=step, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(inpainter, "inpaint", slowly)
    drop_photo(visitor)
    before = {f for visit in room.visits.values() for f in visit.folder.glob("edit-*")}
    say(visitor, "tree", "a house", steps=1000)
    visitor.get_by_role("button", name="Edit", exact=True).click()
    visitor.locator(".words-root[data-phase=working] .w-strip .w-card").first.wait_for(timeout=PATIENCE)
    shoot(visitor, "working")
    visitor.get_by_role("button", name="Cancel").click()
    expect(visitor.locator(".w-message")).to_have_text("Stopped. Nothing was changed.", timeout=PATIENCE)
    expect(visitor.get_by_role("button", name="Edit", exact=True)).to_be_enabled()
    assert {f for visit in room.visits.values() for f in visit.folder.glob("edit-*")} == before
    shoot(visitor, "stopped")


def test_a_reload_finds_the_history_and_nobody_else_does(visitor: Page, browser: Browser, served: str) -> None:
    drop_photo(visitor)
    edited(visitor, steps=2)
    result = str(visitor.locator(".w-past img").get_attribute("src"))
    visitor.reload()
    expect(visitor.locator(".w-past figure")).to_have_count(1)
    phase(visitor, "done")
    assert visitor.locator(".w-past img").get_attribute("src") == result
    expect(visitor.get_by_label("What it should become")).to_have_value("a house")
    edited(visitor, prompt="a red house", steps=2)
    expect(visitor.locator(".w-past figure")).to_have_count(2)

    stranger = browser.new_context()
    page = arrived(stranger, served)
    page.wait_for_timeout(1500)
    assert page.locator(".w-past figure").count() == 0
    assert page.locator(".words-root").get_attribute("data-phase") == "empty"
    folder = re.search(r"/([0-9a-f]{32})/", result)
    assert folder and folder[1] not in page.content()
    stranger.close()


def test_hostile_words_are_shown_as_text(visitor: Page, tmp_path: Path) -> None:
    name = tmp_path / "<img src=x onerror=window.hit=1>.png"
    shutil.copyfile(SCENE, name)
    drop_photo(visitor, name)
    edited(
        visitor,
        source='"><script>window.hit=1</script>',
        prompt="<img src=x onerror=window.hit=1>${window.hit=1}",
        steps=1,
    )
    expect(visitor.locator(".w-past figcaption")).to_have_text("<img src=x onerror=window.hit=1>${window.hit=1}")
    assert visitor.evaluate("window.hit") is None


def test_mistakes_are_sentences(visitor: Page, tmp_path: Path, shoot: Shoot) -> None:
    message = visitor.locator(".w-message.w-problem")
    visitor.get_by_role("button", name="Edit", exact=True).click()
    expect(message).to_have_text("There is no photo yet: drop one on the page.")
    (tmp_path / "notes.png").write_text("no picture")
    visitor.locator("#words-stage .w-chooser").set_input_files(tmp_path / "notes.png")
    expect(message).to_contain_text("notes.png")
    shoot(visitor, "mistake")
    drop_photo(visitor)
    visitor.get_by_role("button", name="Edit", exact=True).click()
    expect(message).to_contain_text("The prompt is empty")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_wider_than_a_phone(browser: Browser, served: str, scheme: str) -> None:
    SHOTS.mkdir(exist_ok=True)
    context = browser.new_context(
        viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True, color_scheme=scheme
    )
    page = arrived(context, served)
    drop_photo(page)
    edited(page, steps=2)
    page.screenshot(path=SHOTS / f"words-{scheme}-phone-full.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    context.close()
