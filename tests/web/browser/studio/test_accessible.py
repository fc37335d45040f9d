"""axe finds nothing on the canvas, in each of its states, light and dark, wide and on a phone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.paths import ROOT, SCENES
from tests.web.browser.conftest import SCHEMES, SIZES
from tests.web.browser.studio.hand import Fingers, Hand

pytest.importorskip("playwright.sync_api")
pytest.importorskip("gradio")

pytestmark = [
    pytest.mark.ui,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning"),
]

AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
SCENE = SCENES / "0000.png"
RUN = """async () => {
  const rules = { "label-content-name-mismatch": { enabled: true } };
  const { violations } = await axe.run(document, { resultTypes: ["violations"], rules });
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ target, any }) =>
    `${target} (${any[0]?.message ?? ""})`).join("; ")}`);
}"""


@pytest.fixture
def violations() -> Callable[[Hand, str], list[str]]:
    """Gives what axe finds on a page, light and dark."""
    if not AXE.is_file():
        pytest.skip("there is no axe here: make script-tools installs it")
    source = AXE.read_text(encoding="utf-8")

    def find(hand: Hand, state: str) -> list[str]:
        page, found = hand.page, []
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            if not page.evaluate("() => 'axe' in window"):
                page.evaluate(source)
            found += [f"{state}, {scheme}: {each}" for each in page.evaluate(RUN)]
        return found

    return find


@pytest.fixture
def slope(tmp_path: Any) -> Any:
    """A picture that no toy model can paint in."""
    noise = np.random.default_rng(0).normal(0, 6, (220, 300, 3))
    pixels = np.linspace(40, 200, 300)[None, :, None] + noise
    file = tmp_path / "slope.png"
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(file)
    return file


def walk(hand: Hand, violations: Callable[[Hand, str], list[str]]) -> list[str]:
    """From the start to a result."""
    page = hand.page
    found = violations(hand, "start")
    hand.open(SCENE)
    found += violations(hand, "photo")
    hand.press("Box")
    hand.drag([(8, 8), (28, 28)])
    hand.selected()
    found += violations(hand, "selection")
    hand.press("Move")
    hand.moving()
    found += violations(hand, "objects")
    hand.press("Paint a layout")
    found += violations(hand, "layout")
    hand.drag([(40, 40), (46, 46)])
    hand.press("Apply")
    hand.done(1)
    page.locator("details").evaluate_all("folds => folds.forEach((fold) => { fold.open = true; })")
    hand.press("Compare")
    page.get_by_role("slider", name="Before and after").wait_for()
    found += violations(hand, "result")
    hand.press("Photos")
    page.get_by_role("dialog").wait_for()
    found += violations(hand, "photos")
    hand.press(page.get_by_role("dialog").get_by_role("button", name="Close"))
    hand.press(page.locator(".u-chip"))
    page.get_by_role("dialog").wait_for()
    found += violations(hand, "models")
    return found


def test_axe_finds_nothing(hand: Hand, violations: Callable[[Hand, str], list[str]], slope: Any) -> None:
    found = walk(hand, violations)
    hand.page.keyboard.press("Escape")
    hand.open(slope)
    hand.page.locator(".u-strip-title").filter(has_text="slope.png").wait_for()
    hand.write("What to change", "a hill")
    hand.write("Change it to", "a house")
    hand.press("Change")
    hand.page.get_by_role("dialog", name="This model cannot paint in photos").wait_for()
    found += violations(hand, "toy choice")
    hand.page.keyboard.press("Escape")
    hand.press("Select")
    hand.write("Select by words", "a zebra")
    hand.press("Find")
    hand.page.locator(".v-thing, .s-problem").first.wait_for(timeout=60_000)
    found += violations(hand, "found")
    assert found == []


def test_axe_finds_nothing_on_a_phone(fingers: Fingers, violations: Callable[[Hand, str], list[str]]) -> None:
    assert SIZES["phone"][0] == 390
    assert walk(fingers, violations) == []
