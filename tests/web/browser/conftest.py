"""What the browser tests share: a browser, a visitor's page, and pictures of what is on it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

from intarsia.web.address import free_port

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Locator, Page

    from intarsia.web.sessions import SessionStore

SHOTS = Path(__file__).parent / "shots"
SIZES = {"wide": (1280, 720), "phone": (390, 844)}
Scheme = Literal["light", "dark"]
SCHEMES: tuple[Scheme, ...] = ("light", "dark")
PATIENCE = 60_000
"""Milliseconds to wait for the networks."""


class Shoot:
    """Takes pictures of a page for people to look at: `shoot(page, "words-empty")`.

    No test reads them, so that they are taken only where the environment variable INTARSIA_SCREENSHOTS is set.
    """

    def __init__(self, folder: Path, *, wanted: bool) -> None:
        self.folder, self.wanted = folder, wanted

    def __call__(self, page: Page, name: str, *, schemes: Sequence[Scheme] = ("light",)) -> None:
        """On every size of screen."""
        if not self.wanted:
            return
        for scheme in schemes:
            page.emulate_media(color_scheme=scheme)
            for size, (width, height) in SIZES.items():
                page.set_viewport_size({"width": width, "height": height})
                page.screenshot(path=self.folder / f"{name}-{scheme}-{size}.png", animations="disabled")
        page.emulate_media(color_scheme="light")
        page.set_viewport_size({"width": 1280, "height": 720})

    def whole(self, page: Page, name: str) -> None:
        """The page as it is, with what is out of sight."""
        if self.wanted:
            page.screenshot(path=self.folder / f"{name}.png", full_page=True)


# One for each file: a file that starts a browser of its own could not while another runs.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    api = pytest.importorskip("playwright.sync_api")
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        pytest.skip("there is no chromium on this machine: make test-ui installs it")
    with api.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def served(store: SessionStore) -> Iterator[str]:
    """The pages' address; each file has a `store` of its own."""
    from intarsia.web.server import build, launch

    page = build(store)
    yield launch(page, store, port=free_port("127.0.0.1")).local
    page.close(verbose=False)
    store.close()


@pytest.fixture(scope="session")
def shoot() -> Shoot:
    SHOTS.mkdir(exist_ok=True)
    return Shoot(SHOTS, wanted=bool(os.environ.get("INTARSIA_SCREENSHOTS")))


@pytest.fixture
def problems() -> Iterator[list[str]]:
    """What went wrong on the pages of a test, which then fails; an error raised at the event would be lost."""
    found: list[str] = []
    yield found
    assert found == []


def arrived(context: BrowserContext, address: str, problems: list[str], *, ready: str, path: str = "") -> Page:
    """A page on which nothing goes wrong unseen, and that asks no other host.

    Args:
        problems: told what goes wrong.
        ready: what is on the page once it knows its visitor.
        path: of the page, below the address.
    """
    here = (address, address.replace("127.0.0.1", "localhost"), "data:", "blob:")
    page = context.new_page()
    page.set_default_timeout(15_000)
    page.on("pageerror", lambda problem: problems.append(str(problem)))
    page.on("dialog", lambda dialog: problems.append(f"a dialog: {dialog.message}"))
    page.on("request", lambda asked: None if asked.url.startswith(here) else problems.append(f"asked {asked.url}"))
    # Gradio catches what our scripts raise while they show a value, and writes it there.
    page.on("console", lambda said: problems.append(said.text) if "Error in" in said.text else None)
    page.goto(address + path)
    page.locator(ready).wait_for(timeout=PATIENCE)
    return page


def seen_on_screen(what: Locator) -> bool:
    """Whether nothing lies over the middle of an element and nothing cuts it off."""
    found: bool = what.evaluate("""node => {
      const edge = node.getBoundingClientRect();
      const seen = document.elementFromPoint(edge.x + edge.width / 2, edge.y + edge.height / 2);
      return Boolean(seen) && (node.contains(seen) || seen.contains(node)) && edge.bottom <= innerHeight
        && edge.bottom <= node.parentElement.getBoundingClientRect().bottom + 1;
    }""")
    return found
