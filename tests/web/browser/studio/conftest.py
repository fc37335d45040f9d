"""A visitor of the canvas, with a mouse or with fingers alone, and photographs to open."""

from __future__ import annotations

import contextlib
import importlib.util
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from intarsia.backbones.protocols import Backbones
from intarsia.web.sessions import SessionStore
from tests.web.browser.conftest import SIZES, arrived
from tests.web.browser.studio.hand import Fingers, Hand

pytest.importorskip("playwright.sync_api")
pytest.importorskip("gradio")
from playwright.sync_api import Browser, BrowserContext

READY = ".u-welcome .u-large"
"""What is on the page once it knows its visitor, and there is no photo."""


@pytest.fixture(scope="module")
def store(
    tmp_path_factory: pytest.TempPathFactory, pocket: Backbones, tiny_models: Path, tiny_backbones: Backbones
) -> SessionStore:
    def load(name: str, **machine: Any) -> Backbones:
        return pocket if name == "pocket" else tiny_backbones

    return SessionStore(tmp_path_factory.mktemp("ui") / "sessions", models=("pocket", str(tiny_models)), load=load)


@pytest.fixture
def arrive(browser: Browser, served: str, problems: list[str]) -> Iterator[Callable[..., Hand]]:
    """Gives a visitor of the canvas who was never there before; with a context, another page of the same one."""
    contexts: list[BrowserContext] = []

    def come(*, context: BrowserContext | None = None, **options: Any) -> Hand:
        if context is None:
            options = {"viewport": {"width": 1280, "height": 720}, "accept_downloads": True, **options}
            context = browser.new_context(**options)
            contexts.append(context)
            return Hand(arrived(context, served, problems, ready=READY))
        return Hand(arrived(context, served, problems, ready=".s-root:not(.s-empty)"))

    yield come
    for context in contexts:
        context.close()


@pytest.fixture
def hand(arrive: Callable[..., Hand]) -> Hand:
    """With a mouse and keys."""
    return arrive()


@pytest.fixture
def fingers(arrive: Callable[..., Hand]) -> Fingers:
    """On a phone, with fingers alone."""
    width, height = SIZES["phone"]
    viewport = {"width": width, "height": height}
    return Fingers(arrive(viewport=viewport, has_touch=True, is_mobile=True, device_scale_factor=2).page)


@pytest.fixture(scope="session")
def photographs() -> Path:
    """The folder of scikit-image's photographs: coffee.png, chelsea.png, rocket.jpg."""
    pytest.importorskip("skimage")
    found = importlib.util.find_spec("skimage")
    assert found is not None and found.origin
    return Path(found.origin).parent / "data"


class Hold:
    """What goes on at the server stands still until it is let go.

    Attributes:
        on: set to let the networks paint on.
    """

    def __init__(self, store: SessionStore) -> None:
        self.lines = store.lines
        self.on = threading.Event()

    @contextlib.contextmanager
    def line(self, *, networks: bool = False) -> Iterator[None]:
        """Somebody else has the turn of a line; who comes meanwhile waits."""
        line = self.lines.networks if networks else self.lines.without_networks
        place = line.join()
        try:
            yield
        finally:
            line.leave(place)


@pytest.fixture
def hold(store: SessionStore, pocket: Backbones, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hold]:
    """While `hold.on` is clear, painting stops at its second step."""
    hold, inpaint = Hold(store), pocket.inpainter.inpaint

    def held(*given: Any, on_step: Callable[[int, int], None] | None = None, **more: Any) -> Any:
        def step(done: int, total: int) -> None:
            while done >= 2 and on_step is not None and not hold.on.wait(0.05):
                on_step(done, total)  # raises once the visitor cancels
            if on_step is not None:
                on_step(done, total)

        return inpaint(*given, on_step=step, **more)

    monkeypatch.setattr(pocket.inpainter, "inpaint", held)
    yield hold
    hold.on.set()
