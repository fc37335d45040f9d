"""A mask for an edit by words: brushed, outlined, mended, and in the record."""

from __future__ import annotations

import pytest

from intarsia.imaging.read import read_photo
from intarsia.web.sessions import SessionStore
from tests.web.browser.conftest import PATIENCE, Shoot
from tests.web.browser.edit.edit_steps import count, drop_photo, made, newest, say
from tests.web.browser.remove.remove_steps import brush, marked_share

playwright = pytest.importorskip("playwright.sync_api")
pytest.importorskip("gradio")
from playwright.sync_api import Page, expect  # noqa: E402

pytestmark = [
    pytest.mark.ui,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning"),
]

SURFACE, MAP = "#words-stage .m-surface", "#words-stage .m-map"


def test_a_mask_is_brushed_and_painted_in(visitor: Page, store: SessionStore, shoot: Shoot) -> None:
    drop_photo(visitor)
    visitor.get_by_role("button", name="Brush a mask").click()
    expect(visitor.get_by_role("button", name="Draw a box")).to_be_hidden()
    brush(visitor, [(0.3, 0.4), (0.6, 0.4), (0.6, 0.6), (0.3, 0.6)], SURFACE)
    brush(visitor, [(0.3, 0.5), (0.6, 0.5)], SURFACE)
    share = marked_share(visitor, MAP)
    shoot(visitor, "words-mask")
    visitor.get_by_role("button", name="Done with the mask").click()
    expect(visitor.get_by_role("button", name="Remove the mask")).to_be_visible()
    expect(visitor.locator(".w-masked")).to_be_visible()
    shoot(visitor, "words-masked")
    say(visitor, "", "a house")
    before = count(visitor)
    visitor.get_by_role("button", name="Edit", exact=True).click()
    made(visitor, before + 1)
    shoot(visitor, "words-mask-done")
    record = newest(store)["record"]
    assert record["box"] is None
    assert float((read_photo(record["mask"]).pixels[..., 0] > 0).mean()) == pytest.approx(share, abs=0.02)

    visitor.get_by_role("button", name="Try again").click()
    made(visitor, before + 2)
    again = newest(store)["record"]
    assert again["mask"] == record["mask"] and again["seed"] > record["seed"]

    visitor.get_by_role("button", name="Lock this box").click()
    expect(visitor.get_by_role("button", name="Remove the box")).to_be_visible()
    expect(visitor.get_by_role("button", name="Brush a mask")).to_be_hidden()


def test_an_outline_becomes_the_mask(visitor: Page) -> None:
    drop_photo(visitor)
    visitor.get_by_role("button", name="Brush a mask").click()
    visitor.locator("#words-stage").get_by_role("button", name="Outline an object").click()
    brush(visitor, [(0.1, 0.3), (0.6, 0.95)], SURFACE)
    expect(visitor.locator(".w-message")).to_contain_text("Outlined.", timeout=PATIENCE)
    expect(visitor.locator("#words-stage").get_by_role("button", name="Clear")).to_be_enabled()
    assert marked_share(visitor, MAP) > 0.01
    visitor.locator("#words-stage").get_by_role("button", name="Clear").click()
    visitor.get_by_role("button", name="Done with the mask").click()
    expect(visitor.get_by_role("button", name="Remove the mask")).to_be_hidden()
