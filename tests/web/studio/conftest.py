"""A visitor's page on the canvas, driven without a browser: events go in, whole states come out."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("gradio")
from intarsia.web.sessions import Session, SessionStore
from intarsia.web.studio_handlers import StudioHandlers
from tests.web.handled import event

SIDE, SQUARE, DISC = 96, slice(30, 54), slice(66, 84)
PATIENCE = 60.0
"""Seconds within which a job ends."""


class Canvas:
    """A page: what it asks, and what it was last sent."""

    def __init__(self, handlers: StudioHandlers, token: str, name: str = "page") -> None:
        self.handlers, self.token = handlers, token
        self.request: Any = SimpleNamespace(session_hash=name)
        self.tickets = itertools.count(1)
        self.state: dict[str, Any] = {}
        self.do("arrived", draft=None)

    @property
    def draft(self) -> dict[str, Any]:
        draft: dict[str, Any] = self.state["draft"]
        return draft

    @property
    def steps(self) -> list[dict[str, Any]]:
        steps: list[dict[str, Any]] = self.draft["steps"]
        return steps

    @property
    def said(self) -> tuple[str, bool]:
        return self.state["said"]["text"], self.state["said"]["problem"]

    def do(self, name: str, /, **data: Any) -> dict[str, Any]:
        """Trigger an event; the state that comes back."""
        before = self.state.get("n", 0)
        draft = (self.state.get("draft") or {}).get("id")
        data = {"draft": draft, "base": "", **data} if name != "arrived" else data
        self.state = self.handlers.handle(name, self.token, self.request, event(**data))
        assert self.state["n"] > before, "states are numbered in their order"
        return self.state

    def ask(self, name: str, /, **data: Any) -> dict[str, Any]:
        """Ask a question; its answer."""
        ticket = f"ticket {next(self.tickets)}"
        data = {"draft": self.draft["id"], "base": "", "ticket": ticket, **data}
        self.state = asyncio.run(self.handlers.ask(name, self.token, self.request, event(**data)))
        answer: dict[str, Any] = self.state["answers"][ticket]
        return answer

    def watch(self) -> list[dict[str, Any]]:
        """Watch until nothing goes on; all states that were sent."""

        async def states() -> list[dict[str, Any]]:
            return [state async for state in self.handlers.watch(self.token, self.request)]

        seen = asyncio.run(asyncio.wait_for(states(), PATIENCE))
        numbers = [state["n"] for state in seen]
        assert numbers == sorted(set(numbers)) and numbers[0] > self.state["n"]
        self.state = seen[-1]
        return seen

    def open(self, upload: Path, name: str = "square.png") -> dict[str, Any]:
        self.do("opened", path=str(upload), name=name)
        return self.draft


@pytest.fixture
def uploads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where uploads come to; Gradio is told so, too."""
    folder = tmp_path / "uploads"
    folder.mkdir()
    monkeypatch.setattr("intarsia.web.studio_handlers.get_upload_folder", lambda: str(folder))
    return folder


@pytest.fixture
def photo(uploads: Path) -> Path:
    """A red and a blue square on grey noise."""
    pixels = np.random.default_rng(0).integers(100, 140, (SIDE, SIDE, 1), np.uint8).repeat(3, 2)
    pixels[SQUARE, SQUARE] = (220, 30, 30)
    pixels[DISC, DISC] = (30, 30, 220)
    file = uploads / "square.png"
    Image.fromarray(pixels).save(file)
    return file


@pytest.fixture
def handlers(store: SessionStore, uploads: Path) -> StudioHandlers:
    return StudioHandlers(store)


@pytest.fixture
def canvas(handlers: StudioHandlers, session: Session, photo: Path) -> Canvas:
    """A page with a photo."""
    canvas = Canvas(handlers, session.token)
    canvas.open(photo)
    return canvas


@pytest.fixture
def mask(uploads: Path) -> Callable[..., str]:
    """Writes a selection as the page uploads it; its path."""
    numbers = itertools.count(1)

    def write(part: slice = SQUARE, *, side: int = SIDE, level: int = 255) -> str:
        levels = np.zeros((side, side), np.uint8)
        levels[part, part] = level
        file = uploads / f"mask-{next(numbers)}.png"
        Image.fromarray(levels).save(file)
        return str(file)

    return write


def until(true: Callable[[], Any], seconds: float = PATIENCE) -> None:
    """Wait until something is so."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.01)


def file_of(url: str) -> Path:
    """The file behind a URL of the page."""
    return Path(unquote(url.removeprefix("gradio_api/file=")))


def image_of(url: str) -> Image.Image:
    """The picture behind a URL of the page."""
    with Image.open(file_of(url)) as opened:
        opened.load()
        return opened.copy()
