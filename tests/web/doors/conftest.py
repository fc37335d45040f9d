"""A served site with all doors open, on the pocket models."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("gradio")
from intarsia.backbones.protocols import Backbones
from intarsia.progress import Progress
from intarsia.web import startup
from intarsia.web.address import free_port
from intarsia.web.sessions import SessionStore

SCENES = Path(__file__).parents[3] / "src" / "intarsia" / "demo" / "scenes"


@dataclass(frozen=True, kw_only=True)
class Served:
    """A server at a free port of this machine.

    Attributes:
        pictures: folder whose pictures the tools may read.
        queue: in which pages and programs wait.
    """

    address: str
    store: SessionStore
    pictures: Path
    queue: Any


def endless(begun: threading.Event, ended: threading.Event) -> Any:
    """Stands for an edit that goes on until it is stopped."""

    def edit(*_: Any, on_progress: Any, **__: Any) -> Any:
        begun.set()
        try:
            for step in range(1000):
                time.sleep(0.02)
                on_progress(Progress(stage="painting", done=step, total=1000))
        finally:
            ended.set()

    return edit


def in_a_while(is_so: Callable[[], bool]) -> bool:
    """Whether something is so within five seconds."""
    until = time.monotonic() + 5
    while not is_so() and time.monotonic() < until:
        time.sleep(0.02)
    return is_so()


@pytest.fixture(scope="package")
def served(tmp_path_factory: pytest.TempPathFactory, pocket: Backbones) -> Iterator[Served]:
    root = tmp_path_factory.mktemp("doors")
    pictures = root / "pictures"
    pictures.mkdir()
    with startup.folders(root / "results") as results:
        from intarsia.web.doors import Doors
        from intarsia.web.server import build, launch
        from intarsia.web.turns import Turns

        store = SessionStore(results, models="pocket", load=lambda *_, **__: pocket)
        turns = Turns()
        demo = build(store, turns=turns)
        doors = Doors(images=True, mcp=True, pictures=pictures)
        address = launch(demo, store, port=free_port("127.0.0.1"), doors=doors, turns=turns)
        yield Served(address=address.local.rstrip("/"), store=store, pictures=pictures, queue=demo._queue)
        demo.close(verbose=False)
        store.close()
        gc.collect()  # what Gradio leaves open warns now, not in somebody else's test
