"""Edit by layout in a browser: results, clicks, replay, learning."""

from __future__ import annotations

import json
import re
import shutil
import threading
import time
from pathlib import Path

import pytest

from intarsia.backbones.protocols import Backbones
from intarsia.cli.main import main
from intarsia.imaging.read import read_photo
from intarsia.layout.train_objective import ConceptTrainer
from intarsia.web.sessions import Session, SessionStore
from tests.web.browser.arrange.canvas_steps import (
    PHOTO,
    YARD,
    arrange,
    at_the_canvas,
    drag,
    drag_cat,
    give,
    hint,
    middle,
    scale_of,
)
from tests.web.browser.conftest import PATIENCE, SCHEMES, Shoot, seen_on_screen
from tests.web.browser.fields import set_number
from tests.web.browser.taken_home import record_inside, repeatable, without_record

pytest.importorskip("playwright.sync_api")
pytest.importorskip("gradio")
from playwright.sync_api import Browser, Page, expect

pytestmark = [
    pytest.mark.ui,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning"),
]


def test_a_running_arrangement_is_cancelled(cut: Page, shoot: Shoot, monkeypatch: pytest.MonkeyPatch) -> None:
    update = ConceptTrainer.update

    def slowly(trainer: ConceptTrainer, seed: int) -> float:
        time.sleep(0.5)  # else a quick machine is over before anybody looks, and a slow one has none to look with
        return update(trainer, seed)

    monkeypatch.setattr(ConceptTrainer, "update", slowly)
    drag_cat(cut, -8, 0)
    cut.get_by_role("radio", name="regenerate").check()
    cut.locator("#layout-go").click()
    cut.locator("#layout-status .way").wait_for(timeout=PATIENCE)
    expect(cut.locator("#layout-status")).to_contain_text(re.compile(r"\d of \d"))
    shoot(cut, "layout-working", schemes=SCHEMES)
    expect(cut.locator("#layout-go")).to_be_disabled()
    cut.locator("#layout-cancel").click()
    expect(cut.locator("#layout-status")).to_contain_text("Stopped", timeout=PATIENCE)
    expect(cut.locator("#layout-go")).to_be_enabled()
    expect(cut.locator("#layout-cancel")).to_be_disabled()
    expect(cut.locator("#layout-history button")).to_have_count(0)
    hint(cut).to_have_text("cat: moved by -8, +0 pixels.")


@pytest.mark.slow
def test_who_waits_sees_the_place_in_the_queue_and_may_go(
    cut: Page,
    browser: Browser,
    served: str,
    store: SessionStore,
    problems: list[str],
    shoot: Shoot,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    held, came, load = threading.Event(), threading.Event(), store.load

    def load_when_told(models: str) -> Backbones:
        came.set()
        assert held.wait(PATIENCE / 1000)
        return load(models)

    monkeypatch.setattr(store, "load", load_when_told)
    drag_cat(cut, -8, 0)
    cut.locator("#layout-go").click()
    assert came.wait(PATIENCE / 1000)
    with browser.new_context(viewport={"width": 1280, "height": 720}) as context:
        other = at_the_canvas(context, served, problems)
        give(other, PHOTO)
        other.locator("#layout-objects").locator("input, textarea").fill("cat")
        other.locator("#layout-find").click()
        expect(other.locator("#layout-status")).to_have_text("Waiting for a turn.")
        place = other.locator("#layout-place .progress-text")
        expect(place).to_contain_text("queue: 1/1")
        assert seen_on_screen(place)
        for key in ("go", "find"):
            expect(other.locator(f"#layout-{key}")).to_be_disabled()
        shoot(other, "layout-waiting", schemes=SCHEMES)
        other.locator("#layout-cancel").click()
        expect(other.locator("#layout-status")).to_have_text("Stopped. Nothing was changed.")
        for key in ("go", "find"):
            expect(other.locator(f"#layout-{key}")).to_be_enabled()
        other.locator("#layout-objects").locator("input, textarea").fill("potted plant")
        other.locator("#layout-find").click()
        expect(other.locator("#layout-status")).to_have_text("Waiting for a turn.")
        held.set()
        expect(other.locator("#layout-status")).to_contain_text("Found potted plant", timeout=PATIENCE)
        expect(other.locator(".cut")).to_have_count(1)
        expect(other.locator("#layout-find")).to_be_enabled()
    expect(cut.locator("#layout-history button")).to_have_count(1, timeout=PATIENCE)


def click_photo(page: Page, x: float, y: float) -> None:
    """Click at a place in pixels of the photo."""
    frame, scale = page.locator("#layout-stage .frame").bounding_box(), scale_of(page)
    assert frame is not None
    page.mouse.click(frame["x"] + x * scale, frame["y"] + y * scale)


CAT, PLANT, WALL = (96, 92), (44, 80), (64, 20)
"""Places on the photo."""


def test_a_click_cuts_out_what_is_seen_there(visitor: Page, shoot: Shoot) -> None:
    give(visitor, PHOTO)
    click_photo(visitor, *CAT)
    expect(visitor.locator("#layout-status")).to_contain_text("Cut out cat.", timeout=PATIENCE)
    expect(visitor.locator(".cut")).to_have_count(1)
    drag_cat(visitor, -9, 4)
    hint(visitor).to_have_text("cat: moved by -9, +4 pixels.")

    # While one is chosen, a click on the ground lets it go and does nothing else; so does a drag that began there.
    click_photo(visitor, *PLANT)
    expect(visitor.locator(".ring")).to_be_hidden()
    expect(visitor.locator("#layout-find")).to_be_enabled()
    at, scale = middle(visitor, "#layout-stage .frame"), scale_of(visitor)
    drag(visitor, (at[0] - 4 * scale, at[1] - 30 * scale), (at[0] + 10 * scale, at[1] - 45 * scale))
    expect(visitor.locator(".cut")).to_have_count(1)
    expect(visitor.locator(".spot")).to_have_count(0)

    visitor.locator("#layout-objects").locator("input, textarea").fill("potted plant")
    click_photo(visitor, *PLANT)
    expect(visitor.locator("#layout-status")).to_contain_text("Cut out potted plant.", timeout=PATIENCE)
    expect(visitor.locator("#layout-stage .list .name")).to_have_text(["potted plant", "cat"])
    expect(visitor.locator("#layout-find")).to_be_enabled()
    shoot(visitor, "layout-clicked", schemes=SCHEMES)
    click_photo(visitor, *WALL)
    expect(visitor.locator("#layout-status [role=alert]")).to_contain_text("name the object", timeout=PATIENCE)
    expect(visitor.locator("#layout-find")).to_be_enabled()
    expect(visitor.locator(".cut")).to_have_count(2)
    assert arrange(visitor)["record"]["move"] == ["cat=-9,+4"]


def test_an_example_is_one_click_away(visitor: Page) -> None:
    visitor.get_by_role("button", name="A yard").click()
    expect(visitor.locator(".cut")).to_have_count(3, timeout=PATIENCE)
    expect(visitor.locator("#layout-find")).to_be_enabled()
    visitor.get_by_role("button", name="dog: remove").click()
    assert arrange(visitor)["record"]["remove"] == ["dog"]
    expect(visitor.locator("#layout-get-picture")).to_be_in_viewport(ratio=1)


@pytest.mark.slow  # finding by names and the other example are tested on their own
def test_an_examples_objects_are_found_by_their_names(visitor: Page) -> None:
    visitor.get_by_role("button", name="A cat and a plant").click()
    expect(visitor.locator("#layout-stage .list .name")).to_have_text(["potted plant", "cat"], timeout=PATIENCE)
    expect(visitor.locator("#layout-objects").locator("input, textarea")).to_have_value("cat, potted plant")


def test_the_result_is_where_the_objects_were_dragged(cut: Page) -> None:
    drag_cat(cut, -20, 6)
    arrange(cut)
    expect(cut.locator(".compare")).to_be_visible()
    for what in ("before", "after"):
        assert (
            cut.locator(f".compare img[alt*='{ {'before': 'before', 'after': 'result'}[what] }']").evaluate(
                "image => image.decode().then(() => image.naturalWidth)"
            )
            == read_photo(PHOTO).size.width
        )
    for key in ("#layout-go", "#layout-get-picture", ".grip", "#layout-get-mask"):
        expect(cut.locator(key)).to_be_in_viewport(ratio=1)
    grip = middle(cut, ".grip")
    drag(cut, grip, (grip[0] + 50, grip[1]))
    expect(cut.locator(".compare")).to_be_visible()
    assert middle(cut, ".grip")[0] == pytest.approx(grip[0] + 50, abs=1.5)
    cut.locator(".grip").focus()
    cut.keyboard.press("Home")
    expect(cut.locator(".grip")).to_have_attribute("aria-valuenow", "0")
    hint(cut).to_be_hidden()

    cut.get_by_role("button", name="Cut-outs").click()
    expect(cut.locator(".compare")).to_be_hidden()
    cut.get_by_role("button", name="Result").click()
    expect(cut.locator(".compare")).to_be_visible()
    # A press on the picture is a press on the cut-out that lies there.
    drag_cat(cut, 0, 3)
    expect(cut.locator(".compare")).to_be_hidden()
    hint(cut).to_have_text("cat: moved by -20, +9 pixels.")
    cut.get_by_role("button", name="Result").click()
    click_photo(cut, *WALL)
    expect(cut.locator(".compare")).to_be_hidden()
    expect(cut.locator(".spot")).to_have_count(0)


def test_a_record_is_copied_and_replayed(cut: Page, shoot: Shoot) -> None:
    cut.context.grant_permissions(["clipboard-read", "clipboard-write"])
    cut.get_by_role("button", name="Advanced").click()
    set_number(cut.get_by_label("Seeds", exact=True), 2)
    cut.get_by_role("button", name="Advanced").click()
    drag_cat(cut, -20, 6)
    facts = arrange(cut)
    cut.locator("#layout-copy").click()
    expect(cut.locator("#layout-copy")).to_have_text("Copied")
    assert json.loads(cut.evaluate("navigator.clipboard.readText()")) == facts
    seeds = cut.locator(".seeds button")
    expect(seeds).to_have_count(2)
    seeds.nth(1).click()
    expect(seeds.nth(1)).to_have_attribute("aria-pressed", "true")
    expect(cut.locator("#layout-get-picture")).to_have_attribute("download", "cat-and-plant.2.png")
    cut.locator("#layout-replay").click()
    expect(cut.locator("#layout-status")).to_have_text("The same pixels came out.", timeout=PATIENCE)
    expect(cut.locator("#layout-go")).to_be_enabled()
    shoot(cut, "layout-replayed", schemes=SCHEMES)


def test_an_object_gets_another_name(cut: Page) -> None:
    drag_cat(cut, -20, 6)
    cut.keyboard.press("F2")
    field = cut.get_by_label("Another name for cat")
    field.fill("potted plant")
    field.press("Enter")
    expect(cut.locator("#layout-status [role=alert]")).to_contain_text("number them")
    cut.locator(".list .name", has_text="cat").dblclick()
    field.fill("tiger")
    field.press("Enter")
    expect(cut.locator("#layout-status")).to_contain_text("cat is called tiger now")
    expect(cut.locator("#layout-stage .list .name")).to_have_text(["potted plant", "tiger"])
    assert arrange(cut)["record"]["move"] == ["tiger=-20,+6"]


def session_of(store: SessionStore, page: Page) -> Session:
    """Whose page it is."""
    kept = page.evaluate("Object.values(localStorage).join()")
    tokens = [token for token in store.sessions if token in kept]
    # What the browser keeps may be packed; then it is who came last.
    return store.sessions[tokens[0]] if tokens else list(store.sessions.values())[-1]


def test_a_result_by_words_becomes_the_picture(visitor: Page, store: SessionStore) -> None:
    folder = session_of(store, visitor).new_folder("edit")
    shutil.copyfile(PHOTO, folder / "bench.png")
    (folder / "bench.json").write_text(json.dumps({"record": {"prompt": "a cat"}}))
    expect(visitor.locator("#layout-history button")).to_have_count(0)
    visitor.get_by_role("tab", name="Edit by words").click()
    visitor.get_by_role("tab", name="Edit by layout").click()
    visitor.get_by_role("button", name="Use as picture 1: a cat").click()
    hint(visitor).to_contain_text("Click an object to cut it out")
    assert scale_of(visitor) > 1


def test_what_is_taken_home_is_what_the_command_line_makes(
    cut: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Each with nothing remembered, so that they cost the same.
    monkeypatch.setenv("INTARSIA_CACHE", str(tmp_path / "cache of the page"))
    drag_cat(cut, -20, 6)
    facts = arrange(cut)
    taken = {}
    for what in ("picture", "record", "layout", "mask"):
        with cut.expect_download() as download:
            cut.locator(f"#layout-get-{what}").click()
        taken[what] = tmp_path / download.value.suggested_filename
        download.value.save_as(taken[what])

    monkeypatch.setenv("INTARSIA_CACHE", str(tmp_path / "cache of the command"))
    record, out = facts["record"], tmp_path / "out"
    scene = ["--mask", record["mask"], "--colours", record["colours"]]
    command = ["arrange", record["photo"], *scene, "--move", "cat=-20,+6", "--models", "pocket", "--device", "cpu"]
    assert main([*command, "--quiet", "--out", str(out)]) == 0

    assert sorted(file.name for file in taken.values()) == sorted(file.name for file in out.iterdir())
    for what in ("layout", "mask"):
        assert taken[what].read_bytes() == (out / taken[what].name).read_bytes()
    mine, other = taken["picture"], out / taken["picture"].name
    assert without_record(mine.read_bytes()) == without_record(other.read_bytes())
    assert repeatable(record_inside(mine)) == repeatable(record_inside(other))
    written = json.loads((out / taken["record"].name).read_text(encoding="utf-8"))
    assert repeatable(facts) == repeatable(written) == repeatable(record_inside(other))


def advanced(page: Page, name: str, value: int) -> None:
    """Set a number under Advanced, which is folded away again."""
    fold = page.get_by_role("button", name="Advanced")
    fold.click()
    field = page.get_by_label(name)
    expect(field).to_have_value(re.compile(r"\d+"))
    set_number(field, value)
    fold.click()


def test_learning_shows_its_loss(cut: Page, shoot: Shoot) -> None:
    for name in ("Learn token steps", "Learn weight steps"):
        advanced(cut, name, 3)
    cut.get_by_role("button", name="Learn how the objects look").click()
    cut.locator("#layout-learn").click()
    expect(cut.locator("#layout-status")).to_contain_text(
        "The looks of cat, potted plant are learned", timeout=PATIENCE
    )
    expect(cut.locator("#layout-plot polyline")).to_have_count(4)
    painted = cut.locator("#layout-plot .layout-painted li")
    expect(painted).to_have_count(4)
    expect(painted.last).to_have_text(re.compile(r"update (\d+) of \1$"))
    shoot(cut, "layout-learned", schemes=SCHEMES)


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
