"""Jobs of the canvas: they wait, work, are stopped, and go on when a page is loaded again."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("gradio")
from intarsia.progress import Progress
from intarsia.web import sessions
from intarsia.web.sessions import Session, SessionStore
from intarsia.web.studio_handlers import MOST_LIVE, StudioHandlers
from intarsia.web.studio_jobs import STOPPED
from tests.web.studio.conftest import DISC, Canvas, until

Mask = Callable[..., str]


class Slow:
    """Stands for a removal that takes as long as a test wants."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun, self.steps, self.release = threading.Event(), 0, threading.Event()
        self.deaf = False
        self.folders: list[Path] = []
        from intarsia.web.remove_service import RemoveService

        real = RemoveService.remove

        def remove(service: Any, session: Session, record: Any, on_progress: Any) -> Path:
            self.begun.set()
            while not self.release.wait(0.02):
                self.steps += 1
                if not self.deaf:
                    on_progress(Progress(stage="looking", done=self.steps, total=1000))
            folder = real(service, session, record, (lambda progress: None) if self.deaf else on_progress)
            self.folders.append(folder)
            return folder

        monkeypatch.setattr(RemoveService, "remove", remove)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Iterator[Slow]:
    slow = Slow(monkeypatch)
    yield slow
    slow.release.set()


@pytest.fixture
def line(store: SessionStore) -> Iterator[Any]:
    """Someone else has the turn until the test lets go."""
    place = store.lines.without_networks.join()
    yield lambda: store.lines.without_networks.leave(place)
    store.lines.without_networks.leave(place)


def test_a_job_goes_on_when_its_page_is_loaded_again(
    canvas: Canvas, handlers: StudioHandlers, session: Session, mask: Mask, slow: Slow, store: SessionStore
) -> None:
    canvas.do("removed", path=mask(), settings={})
    assert slow.begun.wait(10)
    handlers.leave(session.token, "page")
    store.leave(session.token)
    store.sweep()
    assert store.join(session.token) is session
    reloaded = Canvas(handlers, session.token, "reloaded")
    reloaded.do("arrived", draft=canvas.draft["id"])
    assert reloaded.state["phase"] == "working" and reloaded.state["job"]["verb"] == "remove"
    slow.release.set()
    seen = reloaded.watch()
    assert seen[-1]["phase"] == "ready" and len(reloaded.steps) == 1 and reloaded.said[0].startswith("Removed in")


def test_a_page_is_shown_how_far_it_is(canvas: Canvas, mask: Mask, slow: Slow) -> None:
    canvas.do("removed", path=mask(), settings={})
    threading.Timer(1.2, slow.release.set).start()
    seen = canvas.watch()
    done = [state["job"]["done"] for state in seen if state["job"] and state["job"]["stage"] == "Looking"]
    assert done == sorted(done) and len(set(done)) > 2


def test_two_pages_of_a_visitor_see_the_same_job(
    canvas: Canvas, handlers: StudioHandlers, session: Session, mask: Mask, slow: Slow
) -> None:
    other = Canvas(handlers, session.token, "other")
    other.do("arrived", draft=canvas.draft["id"])
    canvas.do("removed", path=mask(), settings={})
    assert slow.begun.wait(10)
    assert other.do("chosen", models=None)["phase"] == "working"
    other.do("removed", path=mask(), settings={})
    assert other.said[1] and "goes on with this photo already" in other.said[0]
    slow.release.set()
    other.watch()
    assert len(other.steps) == 1 and not other.said[1]
    assert canvas.do("chosen", models=None)["draft"]["steps"] == other.steps


def test_a_job_that_waits_is_taken_back(canvas: Canvas, session: Session, mask: Mask, line: Any) -> None:
    canvas.do("removed", path=mask(), settings={})
    job = canvas.state["job"]
    assert canvas.state["phase"] == "waiting" and (job["ahead"], job["stage"]) == (1, "Waiting for a turn")
    canvas.do("stopped")
    assert (canvas.state["phase"], canvas.said) == ("ready", (STOPPED, False))
    line()
    time.sleep(0.3)
    assert not list(session.folder.glob("remove-*")) and not canvas.do("chosen", models=None)["draft"]["steps"]


def test_a_job_that_works_is_stopped_within_a_second(
    canvas: Canvas, session: Session, mask: Mask, slow: Slow, store: SessionStore
) -> None:
    canvas.do("removed", path=mask(), settings={})
    assert slow.begun.wait(10)
    begun = time.monotonic()
    canvas.do("stopped")
    assert canvas.state["phase"] == "ready" and canvas.said == (STOPPED, False)
    until(lambda: len(store.lines.without_networks) == 0, 1)
    assert time.monotonic() - begun < 1
    assert not list(session.folder.glob("remove-*"))
    assert not session.stops


def test_work_that_hears_no_stop_is_left_and_its_result_thrown_away(
    canvas: Canvas, session: Session, mask: Mask, slow: Slow
) -> None:
    slow.deaf = True
    for _ in range(MOST_LIVE):
        canvas.do("removed", path=mask(), settings={})
        assert canvas.state["phase"] in ("waiting", "working")
        canvas.do("stopped")
        assert canvas.state["phase"] == "ready"
    until(lambda: len(canvas.handlers.visitors.get(canvas.token).ghosts) == 1)
    slow.release.set()
    until(lambda: not canvas.handlers.visitors.get(canvas.token).ghosts)
    assert slow.folders and not slow.folders[0].exists()
    canvas.do("removed", path=mask(), settings={})
    canvas.watch()
    assert len(canvas.steps) == 1 and not canvas.said[1]


def test_what_a_visitor_begins_is_limited(
    canvas: Canvas, mask: Mask, slow: Slow, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = mask()
    for _ in range(MOST_LIVE):
        canvas.do("removed", path=path, settings={})
        assert not canvas.said[1]
        canvas.open(photo)
    canvas.do("removed", path=path, settings={})
    assert canvas.said[1] and "has not ended yet" in canvas.said[0]


def test_a_visitor_who_left_is_waited_for_and_then_stopped(
    canvas: Canvas, store: SessionStore, session: Session, mask: Mask, slow: Slow, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.monotonic()
    monkeypatch.setattr("intarsia.web.sessions.time.monotonic", lambda: now)
    canvas.do("removed", path=mask(), settings={})
    assert slow.begun.wait(10)
    store.leave(session.token)
    now += sessions.GRACE_SECONDS - 1
    store.sweep()
    assert len(store.lines.without_networks) == 1 and not session.stop.is_set()
    now += 1
    store.sweep()
    assert session.stop.is_set()
    until(lambda: len(store.lines.without_networks) == 0)
    assert session.token in store.sessions and not list(session.folder.glob("remove-*"))


def test_a_visitor_who_comes_back_in_time_is_not_stopped(
    store: SessionStore, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.monotonic()
    monkeypatch.setattr("intarsia.web.sessions.time.monotonic", lambda: now)
    store.leave(session.token)
    now += sessions.GRACE_SECONDS - 1
    store.join(session.token)
    now += 10
    store.sweep()
    assert not session.stop.is_set()


def test_a_job_that_fails_says_why(canvas: Canvas, mask: Mask, monkeypatch: pytest.MonkeyPatch) -> None:
    from intarsia.web.remove_service import RemoveService

    def fail(*_: Any) -> Path:
        raise MemoryError

    monkeypatch.setattr(RemoveService, "remove", fail)
    canvas.do("removed", path=mask(), settings={})
    canvas.watch()
    assert canvas.said == ("Out of memory: choose a smaller “Size”, or try it later.", True)
    assert canvas.state["phase"] == "ready" and not canvas.steps


def test_a_forgotten_photo_stops_its_job(canvas: Canvas, session: Session, mask: Mask, slow: Slow) -> None:
    canvas.do("removed", path=mask(), settings={})
    assert slow.begun.wait(10)
    canvas.do("dropped")
    assert canvas.state["phase"] == "empty" and canvas.state["drafts"] == []
    until(lambda: not session.stops)
    assert not list(session.folder.glob("remove-*")) and not list(session.folder.glob("draft-*"))


def test_the_latest_watch_of_a_page_goes_on_alone(canvas: Canvas, mask: Mask, slow: Slow) -> None:
    canvas.do("removed", path=mask(), settings={})

    async def both() -> tuple[int, str]:
        async def first() -> int:
            return len([state async for state in canvas.handlers.watch(canvas.token, canvas.request)])

        task = asyncio.create_task(first())
        await asyncio.sleep(0.4)
        threading.Timer(0.8, slow.release.set).start()
        states = [state async for state in canvas.handlers.watch(canvas.token, canvas.request)]
        return await asyncio.wait_for(task, 5), states[-1]["phase"]

    first, phase = asyncio.run(both())
    assert first >= 1 and phase == "ready"


def test_two_photos_of_a_visitor_wait_in_their_order(canvas: Canvas, photo: Path, mask: Mask, slow: Slow) -> None:
    one = canvas.draft["id"]
    canvas.do("removed", path=mask(), settings={})
    two = canvas.open(photo, "second.png")["id"]
    canvas.do("removed", path=mask(DISC), settings={})
    assert canvas.state["phase"] == "waiting" and canvas.state["job"]["ahead"] == 1
    slow.release.set()
    canvas.watch()
    assert [len(canvas.do("reopened", draft=each)["draft"]["steps"]) for each in (one, two)] == [1, 1]
