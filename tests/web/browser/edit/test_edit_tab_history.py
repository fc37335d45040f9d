"""Edit by words in a browser: history, networks, mistakes, small windows."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from intarsia.web.sessions import SessionStore
from tests.web.browser.conftest import PATIENCE, Scheme, Shoot
from tests.web.browser.edit.edit_steps import SCENE, arrives, box_middle, drop_photo, edited, made, newest, phase, say

playwright = pytest.importorskip("playwright.sync_api")
pytest.importorskip("gradio")
from playwright.sync_api import Browser, Page, expect  # noqa: E402

pytestmark = [
    pytest.mark.ui,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning"),
]


def test_a_reload_finds_the_history_and_nobody_else_does(
    visitor: Page, browser: Browser, served: str, problems: list[str]
) -> None:
    drop_photo(visitor)
    box_middle(visitor)
    edited(visitor)
    result = str(visitor.locator(".w-past img").get_attribute("src"))
    visitor.reload()
    expect(visitor.locator(".w-past figure")).to_have_count(1)
    phase(visitor, "done")
    assert visitor.locator(".w-past img").get_attribute("src") == result
    expect(visitor.get_by_label("What it should become")).to_have_value("a house")
    box_middle(visitor)
    edited(visitor, prompt="a red house")
    expect(visitor.locator(".w-past figure")).to_have_count(2)

    stranger = browser.new_context()
    page = arrives(stranger, served, problems)
    assert page.locator(".words-root").get_attribute("data-phase") == "empty"
    assert page.locator(".w-past figure").count() == 0
    folder = re.search(r"/([0-9a-f]{32})/", result)
    assert folder and folder[1] not in page.content()
    stranger.close()


def test_visitors_choose_among_the_networks_that_are_offered(
    visitor: Page, store: SessionStore, tiny_models: Path
) -> None:
    drop_photo(visitor)
    visitor.get_by_role("button", name="More settings").click()
    visitor.get_by_label("Models").click()
    expect(visitor.get_by_role("option")).to_have_text([re.compile("pocket$"), re.compile("tiny$")])
    visitor.get_by_role("option", name="tiny").click()
    visitor.get_by_role("button", name="More settings").click()
    edited(visitor)
    assert newest(store)["record"]["models"] == str(tiny_models)
    visitor.get_by_role("button", name="Replay").click()
    expect(visitor.locator(".w-message")).to_have_text("The same pixels came out.", timeout=PATIENCE)
    assert store.load("pocket").name == "pocket"


def test_hostile_words_are_shown_as_text(visitor: Page, tmp_path: Path) -> None:
    name = tmp_path / "<img src=x onerror=window.hit=1>.png"
    shutil.copyfile(SCENE, name)
    drop_photo(visitor, name)
    box_middle(visitor)
    edited(
        visitor,
        source='"><script>window.hit=1</script>',
        prompt="<img src=x onerror=window.hit=1>${window.hit=1}",
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
    shoot(visitor, "words-mistake")
    drop_photo(visitor)
    visitor.get_by_role("button", name="Edit", exact=True).click()
    expect(message).to_contain_text("The prompt is empty")


def nameless(page: Page) -> list[dict[str, Any]]:
    """Controls of the page that no screen reader could call by a name."""
    tree = page.context.new_cdp_session(page).send("Accessibility.getFullAXTree")
    controls = {"button", "textbox", "slider", "spinbutton", "combobox", "link", "checkbox", "radio", "progressbar"}
    return [
        node
        for node in tree["nodes"]
        if not node["ignored"]
        and node.get("role", {}).get("value") in controls
        and not node.get("name", {}).get("value", "").strip()
    ]


@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.slow)])
def test_nothing_is_wider_than_a_phone_and_every_control_has_a_name(
    browser: Browser, served: str, problems: list[str], shoot: Shoot, scheme: Scheme
) -> None:
    context = browser.new_context(
        viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True, color_scheme=scheme
    )
    page = arrives(context, served, problems)
    shoot.whole(page, f"words-empty-{scheme}-touch")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert nameless(page) == []
    for tab in ("Edit by words", "Edit by layout", "Many pictures"):
        expect(page.get_by_role("tab", name=tab)).to_be_visible()
    drop_photo(page)
    box_middle(page)
    say(page, "tree", "a house")
    page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
    page.get_by_role("button", name="Edit", exact=True).click()
    made(page, 1)
    expect(page.locator(".w-frame")).to_be_in_viewport(ratio=0.99)
    page.get_by_role("button", name="More settings").click()
    expect(page.locator("#words-steps input")).to_be_visible()
    shoot.whole(page, f"words-full-{scheme}-touch")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert nameless(page) == []
    context.close()
