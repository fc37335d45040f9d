"""Painting on the canvas: outlines are mended, objects are added, a layout is painted and arranged; also by finger."""

from __future__ import annotations

import re

import numpy as np
import pytest

from intarsia.imaging.read import read_photo
from intarsia.web.sessions import SessionStore
from tests.web.browser.arrange.canvas_steps import PHOTO, arrange, drag_cat, give, hint
from tests.web.browser.conftest import PATIENCE, SCHEMES, Shoot
from tests.web.browser.remove.remove_steps import Place, brush, marked_share, touch

pytest.importorskip("playwright.sync_api")
pytest.importorskip("gradio")
from playwright.sync_api import Page, expect

pytestmark = [
    pytest.mark.ui,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning"),
]

SURFACE, MAP = "#layout-stage .m-surface", "#layout-stage .m-map"


def mask_share(store: SessionStore, colour: tuple[int, int, int] | None = None) -> float:
    """Share of the newest scene's map that is no background, or has a colour."""
    file = max(store.root.glob("*/scene-*/*.scene/mask.png"), key=lambda found: found.stat().st_mtime_ns)
    pixels = read_photo(file).pixels
    wanted = (pixels != 254).any(-1) if colour is None else (pixels == colour).all(-1)
    return float(wanted.mean())


def done(page: Page) -> None:
    page.locator("#layout-stage .p-head").get_by_role("button", name="Done").click()
    expect(page.locator("#layout-stage .p-root")).to_be_hidden(timeout=PATIENCE)


def test_an_outline_that_was_found_is_mended(cut: Page, store: SessionStore, shoot: Shoot) -> None:
    drag_cat(cut, -4, 3)
    before = mask_share(store)
    cut.get_by_role("button", name="Mend its outline").click()
    expect(cut.locator("#layout-stage .p-head strong")).to_have_text("The outline of cat")
    expect(cut.locator("#layout-stage .p-head").get_by_role("button", name="Done")).to_be_enabled()
    found = marked_share(cut, MAP)
    assert 0.02 < found < 0.5
    brush(cut, [(0.05, 0.05), (0.3, 0.05)], SURFACE)
    assert marked_share(cut, MAP) > found
    shoot(cut, "layout-mend", schemes=SCHEMES)
    done(cut)
    expect(cut.locator("#layout-status")).to_contain_text("cat has its new outline")
    assert mask_share(store) > before + 0.005
    cut.locator(".cut[data-name=cat]").focus()
    hint(cut).to_have_text("cat: moved by -4, +3 pixels.")


def test_an_object_is_outlined_and_named(visitor: Page, store: SessionStore, shoot: Shoot) -> None:
    give(visitor, PHOTO)
    visitor.get_by_role("button", name="New object").click()
    visitor.get_by_label("What the new object is").fill("cat")
    visitor.locator("#layout-stage").get_by_role("button", name="Outline an object").click()
    brush(visitor, [(0.56, 0.36), (0.99, 0.88)], SURFACE)
    expect(visitor.locator("#layout-status")).to_contain_text("Outlined.", timeout=PATIENCE)
    expect(visitor.locator("#layout-stage .p-head").get_by_role("button", name="Done")).to_be_enabled()
    shoot(visitor, "layout-outlined")
    done(visitor)
    visitor.locator(".cut[data-name=cat]").wait_for()
    assert mask_share(store) > 0.02
    # A second one of that name is numbered, and brushed by hand.
    visitor.get_by_role("button", name="New object").click()
    visitor.get_by_label("What the new object is").fill("cat")
    expect(visitor.locator("#layout-stage .p-head").get_by_role("button", name="Done")).to_be_disabled()
    brush(visitor, [(0.1, 0.1), (0.2, 0.1)], SURFACE)
    done(visitor)
    visitor.locator(".cut[data-name='cat 2']").wait_for()
    drag_cat(visitor, 3, -2)
    assert arrange(visitor)["record"]["move"] == ["cat=+3,-2"]


def test_what_is_left_is_left(cut: Page) -> None:
    cut.locator(".cut[data-name=cat]").focus()
    cut.keyboard.press("o")
    brush(cut, [(0.05, 0.05), (0.3, 0.05)], SURFACE)
    cut.get_by_role("button", name="Leave it").click()
    expect(cut.locator("#layout-stage .p-root")).to_be_hidden()
    expect(cut.locator(".cut[data-name=cat]")).to_be_visible()


def painted_layout(page: Page, *, by_touch: bool) -> None:
    """The cat is erased where it was, and painted above; the plant stays."""
    stage = page.locator("#layout-stage")
    stage.get_by_role("button", name="Paint the layout").click()
    chips = stage.locator(".p-chips")
    expect(chips.get_by_role("button", name="cat")).to_have_attribute("aria-pressed", "true")
    expect(stage.locator(".p-head").get_by_role("button", name="Done")).to_be_enabled()
    stroke = touch_stroke if by_touch else brush_stroke
    page.locator(SURFACE).scroll_into_view_if_needed()
    for _ in range(4):
        page.locator(SURFACE).press("]")
    chips.get_by_role("button", name="background").click()
    stroke(page, [(x, y) for y in (0.38, 0.53, 0.68, 0.83) for x in (0.57, 0.98)])
    stroke(page, [(x, y) for y in (0.45, 0.6, 0.76, 0.88) for x in (0.57, 0.98)])
    chips.get_by_role("button", name="cat").click()
    stroke(page, [(0.6, 0.12), (0.85, 0.12), (0.85, 0.4), (0.6, 0.4), (0.6, 0.26), (0.85, 0.26)])


def brush_stroke(page: Page, places: list[Place]) -> None:
    brush(page, places, SURFACE)


def touch_stroke(page: Page, places: list[Place]) -> None:
    touch(page, [places], SURFACE)


@pytest.mark.parametrize("by_touch", [False, True], ids=["mouse", "touch"])
def test_a_layout_is_painted_and_arranged(cut: Page, store: SessionStore, shoot: Shoot, by_touch: bool) -> None:
    if by_touch:
        cut.set_viewport_size({"width": 390, "height": 844})
    painted_layout(cut, by_touch=by_touch)
    shoot(cut, f"layout-paint-{'touch' if by_touch else 'mouse'}")
    done(cut)
    expect(cut.locator("#layout-status")).to_contain_text("The layout is painted: press Arrange.")
    hint(cut).to_contain_text("Press Arrange")
    shoot(cut, "layout-painted")
    record = arrange(cut)["record"]
    assert re.fullmatch(r".*/layout-\d{4}/layout\.png", record["layout"])
    layout = read_photo(record["layout"]).pixels
    colours = {tuple(colour) for colour in layout.reshape(-1, 3).tolist()}
    assert len(colours) == 3, "cat, plant and background, and no colour between them"
    height, width = layout.shape[:2]
    paper, above, former = (
        layout[int(y * height), int(x * width)] for x, y in ((0.02, 0.02), (0.72, 0.26), (0.8, 0.6))
    )
    assert not np.array_equal(above, paper), "the cat is painted there"
    assert np.array_equal(former, paper), "and no longer where it was"
    shoot(cut, f"layout-paint-done-{'touch' if by_touch else 'mouse'}")
    cut.locator("#layout-history button").last.click()
    expect(cut.locator("#layout-status")).to_contain_text("Going on from")
    cut.get_by_role("button", name="Cut-outs").click()
    expect(cut.locator("#layout-stage .layer")).to_be_visible()
    assert arrange(cut)["record"]["layout"] == record["layout"]


def test_what_is_painted_nowhere_is_removed_and_all_of_it_is_forgotten(cut: Page, store: SessionStore) -> None:
    cut.get_by_role("button", name="Paint the layout").click()
    stage = cut.locator("#layout-stage")
    expect(stage.locator(".p-head").get_by_role("button", name="Done")).to_be_enabled()
    stage.get_by_role("button", name="Clear").click()
    stage.locator(".p-chips").get_by_role("button", name="cat").click()
    brush(cut, [(0.6, 0.5), (0.9, 0.5), (0.9, 0.8), (0.6, 0.8)], SURFACE)
    done(cut)
    expect(cut.locator("#layout-status")).to_contain_text("Not painted, and so removed: potted plant.")
    expect(cut.locator(".cut[data-name='potted plant']")).to_be_hidden()
    cut.get_by_role("button", name="Forget the painted layout").click()
    expect(cut.locator("#layout-stage .layer")).to_be_hidden()
    cut.get_by_role("button", name="potted plant: bring back").click()
    cut.locator("#layout-go").click()
    expect(cut.locator("#layout-status [role=alert]")).to_contain_text("Everything is where it was")
