"""Edit by layout in a real browser: cut-outs that follow the hand, and a record that says where they were put."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from intarsia.app.ui import door
from intarsia.app.ui.room import Room
from intarsia.backbones.protocols import Backbones
from intarsia.images import read_photo

playwright = pytest.importorskip("playwright.sync_api")
pytest.importorskip("gradio")

from playwright.sync_api import Browser, Page, expect, sync_playwright  # noqa: E402

pytestmark = [
    pytest.mark.ui,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning"),
]

SCENES = Path(__file__).parents[2] / "src/intarsia/app/scenes"
PHOTO, YARD = SCENES / "cat-and-plant.png", SCENES / "yard.scene"
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
def room(tmp_path_factory: pytest.TempPathFactory, pocket: Backbones) -> Iterator[Room]:
    place = tmp_path_factory.mktemp("ui")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(place / "cache"))
        yield Room(place / "rooms", models="pocket", load=lambda *_, **__: pocket)


@pytest.fixture(scope="module")
def served(room: Room) -> Iterator[str]:
    from intarsia.app.ui.server import build, launch

    page = build(room)
    yield launch(page, room, port=door.free_port("127.0.0.1")).local
    page.close(verbose=False)
    room.close()


@pytest.fixture
def visitor(browser: Browser, served: str) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 720}, accept_downloads=True, has_touch=True)
    page = context.new_page()
    page.set_default_timeout(20_000)
    problems: list[str] = []
    page.on("pageerror", lambda problem: problems.append(str(problem)))
    page.on("dialog", lambda dialog: problems.append(f"a dialog: {dialog.message}"))
    page.goto(served)
    page.get_by_role("tab", name="Edit by layout").click()
    page.locator("#layout-stage .nothing").wait_for()
    yield page
    context.close()
    assert problems == []


@pytest.fixture
def cut(visitor: Page) -> Page:
    """A page on which a cat and a plant are cut out."""
    give(visitor, PHOTO)
    visitor.locator("#layout-objects").locator("input, textarea").fill("cat, potted plant")
    visitor.locator("#layout-find").click()
    visitor.locator(".cut").nth(1).wait_for(timeout=PATIENCE)
    expect(visitor.locator("#layout-status")).to_contain_text("Found cat, potted plant")
    return visitor


@pytest.fixture
def shoot() -> Shoot:
    SHOTS.mkdir(exist_ok=True)

    def shot(page: Page, name: str) -> None:
        for size, (width, height) in SIZES.items():
            page.set_viewport_size({"width": width, "height": height})
            page.wait_for_timeout(150)
            page.screenshot(path=SHOTS / f"layout-{name}-{size}.png", full_page=size == "phone")
        page.set_viewport_size({"width": 1280, "height": 720})
        page.wait_for_timeout(150)

    return shot


def give(page: Page, photo: Path) -> None:
    page.locator("#layout-stage input[type=file]").set_input_files(photo)
    page.locator("#layout-stage .frame").wait_for()


def scale_of(page: Page) -> float:
    """Pixels of the screen for one of the photo."""
    frame = page.locator("#layout-stage .frame").bounding_box()
    assert frame is not None
    return frame["width"] / read_photo(PHOTO).size.width


def middle(page: Page, where: str) -> tuple[float, float]:
    page.locator(where).scroll_into_view_if_needed()
    box = page.locator(where).bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def drag(page: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)
    page.mouse.move(*end, steps=3)
    page.mouse.up()


def drag_cat(page: Page, x: float, y: float) -> None:
    """Drag the cat by pixels of the photo."""
    at, scale = middle(page, ".cut[data-name=cat]"), scale_of(page)
    drag(page, at, (at[0] + x * scale, at[1] + y * scale))


def hint(page: Page) -> Any:
    return expect(page.locator("#layout-stage .hint"))


def arrange(page: Page) -> dict[str, Any]:
    """Make the picture; the record as it is downloaded."""
    # Not by the button: a quick machine may be over before anybody looks.
    entries = page.locator("#layout-history button")
    made = entries.count()
    page.locator("#layout-go").click()
    expect(entries).to_have_count(made + 1, timeout=PATIENCE)
    expect(page.locator("#layout-go")).to_be_enabled(timeout=PATIENCE)
    expect(page.locator("#layout-status")).to_contain_text("Done:")
    with page.expect_download() as download:
        page.locator("#layout-get-record").click()
    facts: dict[str, Any] = json.loads(download.value.path().read_text(encoding="utf-8"))
    return facts


def test_a_stranger_sees_what_to_do(visitor: Page, shoot: Shoot) -> None:
    expect(visitor.locator("#layout-stage")).to_contain_text("Drop a picture here")
    shoot(visitor, "empty")
    visitor.locator("#layout-go").click()
    expect(visitor.locator("#layout-status [role=alert]")).to_contain_text("drop one first")
    give(visitor, PHOTO)
    hint(visitor).to_contain_text("name the objects")
    shoot(visitor, "photo")
    visitor.locator("#layout-objects").locator("input, textarea").fill("giraffe")
    visitor.locator("#layout-find").click()
    expect(visitor.locator("#layout-status [role=alert]")).to_be_visible(timeout=PATIENCE)
    shoot(visitor, "problem")


def test_what_the_hand_does_is_what_the_record_says(cut: Page, shoot: Shoot, room: Room) -> None:
    shoot(cut, "found")
    drag_cat(cut, -20, 6)
    hint(cut).to_have_text("cat: moved by -20, +6 pixels.")
    shoot(cut, "dragged")

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
    shoot(cut, "turned")

    facts = arrange(cut)
    record = facts["record"]
    assert record["move"] == ["cat=-20,+6"]
    name, _, factors = record["scale"][0].partition("=")
    assert name == "cat" and [float(f) for f in factors.split(",")] == pytest.approx([1.0, 1.25], abs=0.02)
    assert (record["rotate"], record["flip"]) == (["cat=90"], ["cat"])
    expect(cut.locator("#layout-result")).to_be_visible()
    shoot(cut, "done")

    with cut.expect_download() as download:
        cut.locator("#layout-get-picture").click()
    made = next(room.root.glob("*/arrange-*/cat-and-plant.png"))
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


def test_any_result_is_the_start_of_the_next(cut: Page, shoot: Shoot) -> None:
    drag_cat(cut, -8, 0)
    first = arrange(cut)["record"]
    drag_cat(cut, 0, 9)
    assert arrange(cut)["record"]["move"] == ["cat=-8,+9"]
    entries = cut.locator("#layout-history button")
    expect(entries).to_have_count(2)
    shoot(cut, "history")
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


def test_a_running_arrangement_is_cancelled(cut: Page, shoot: Shoot) -> None:
    drag_cat(cut, -8, 0)
    cut.get_by_role("radio", name="regenerate").check()
    cut.locator("#layout-go").click()
    cut.locator("#layout-status .way").wait_for(timeout=PATIENCE)
    shoot(cut, "working")
    expect(cut.locator("#layout-go")).to_be_disabled()
    cut.locator("#layout-cancel").click()
    expect(cut.locator("#layout-status")).to_contain_text("Stopped", timeout=PATIENCE)
    expect(cut.locator("#layout-go")).to_be_enabled()
    expect(cut.locator("#layout-cancel")).to_be_disabled()
    expect(cut.locator("#layout-history button")).to_have_count(0)


def test_learning_shows_its_loss(cut: Page, shoot: Shoot) -> None:
    cut.get_by_role("button", name="Advanced").click()
    for name in ("Learn token steps", "Learn weight steps"):
        cut.get_by_label(name).fill("3")
        cut.get_by_label(name).blur()
    cut.get_by_role("button", name="Learn how the objects look").click()
    cut.locator("#layout-learn").click()
    expect(cut.locator("#layout-status")).to_contain_text(
        "The looks of cat, potted plant are learned", timeout=PATIENCE
    )
    expect(cut.locator("#layout-plot polyline")).to_have_count(4)
    shoot(cut, "learned")


def test_names_from_a_file_are_text(visitor: Page, tmp_path: Path) -> None:
    name = "<img src=x onerror=alert(1)>"
    key = json.loads((YARD / "colours.json").read_text())
    file = tmp_path / "colours.json"
    file.write_text(json.dumps({name: key.pop("dog"), **key}))
    give(visitor, YARD / "photo.png")
    visitor.get_by_role("button", name="Masks instead of names").click()
    visitor.locator("#layout-mask input[type=file]").set_input_files(YARD / "mask.png")
    visitor.locator("#layout-colours input[type=file]").set_input_files(file)
    expect(visitor.locator("#layout-colours")).to_contain_text("colours")
    visitor.get_by_role("button", name="Take these objects").click()
    visitor.locator(".cut").nth(2).wait_for(timeout=PATIENCE)
    expect(visitor.locator("#layout-stage .list")).to_contain_text(name)
    expect(visitor.locator("#layout-status")).to_contain_text(name)
    visitor.get_by_role("button", name=f"{name}: remove").click()
    assert arrange(visitor)["record"]["remove"] == [name]
    expect(visitor.locator("#layout-history")).to_contain_text(f"{name} removed")


def test_other_programs_do_the_same(served: str) -> None:
    from gradio_client import Client, handle_file

    client = Client(served, verbose=False)
    scene = client.predict(handle_file(PHOTO), "cat, potted plant", api_name="/find_objects")
    assert [thing["name"] for thing in scene["objects"]] == ["cat", "potted plant"]
    wish = {"scene": scene["scene"], "moves": [{"name": "cat", "x": -8}]}
    picture, facts = client.predict(None, wish, api_name="/arrange")
    assert facts["record"]["move"] == ["cat=-8,+0"]
    assert read_photo(picture).size == read_photo(PHOTO).size
    with pytest.raises(Exception, match="is none of a move's fields"):
        client.predict(None, {**wish, "moves": [{"name": "cat", "z": 1}]}, api_name="/arrange")
    client.close()
