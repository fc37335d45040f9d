"""The cycle of a tab's work: wanted at once, performed when the queue comes to it, cancelled at any time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("gradio")

import gradio

from intarsia.errors import Cancelled, RecordError
from intarsia.web.queue import QueuedTask, Update, Work
from intarsia.web.sessions import SessionStore

PAGE: Any = SimpleNamespace(session_hash="page")
OTHER: Any = SimpleNamespace(session_hash="other")
WAITING = {"status": "waiting", "button": False}
SKIPPED = {"button": gradio.skip()}


@pytest.fixture
def store(tmp_path: Path) -> SessionStore:
    return SessionStore(tmp_path / "sessions")


@pytest.fixture
def task(store: SessionStore) -> QueuedTask:
    return QueuedTask(store, busy={"button": False}, idle={"button": True})


def want(task: QueuedTask, start: Callable[[], Work], page: Any = PAGE, **options: Any) -> Update:
    return task.want(page, start, waiting={"status": "waiting"}, on_error=on_error, **options)


def on_error(error: Exception) -> Update:
    return {"status": "stopped" if isinstance(error, Cancelled) else str(error)}


def paint(steps: int = 2) -> Work:
    for step in range(steps):
        yield {"status": step}
    return {"status": "done"}


def refuse() -> Any:
    raise RecordError("no photo")


def test_work_waits_is_performed_once_and_leaves_the_page_idle(task: QueuedTask) -> None:
    assert want(task, paint) == WAITING
    assert want(task, paint) == SKIPPED, "a page has one piece of work"
    assert want(task, paint, OTHER) == WAITING
    assert list(task.perform(PAGE)) == [{"status": 0}, {"status": 1}, {"status": "done", "button": True}]
    assert list(task.perform(PAGE)) == [SKIPPED]
    assert want(task, paint) == WAITING


def test_what_is_wrong_at_once_waits_for_nothing(task: QueuedTask) -> None:
    assert want(task, paint, check=refuse) == {"status": "no photo"}
    assert list(task.perform(PAGE)) == [SKIPPED]


@pytest.mark.parametrize("late", [False, True], ids=["as it starts", "after a step"])
def test_work_that_fails_leaves_the_page_idle(task: QueuedTask, late: bool) -> None:
    def failing() -> Work:
        yield {"status": 0}
        return refuse()

    want(task, failing if late else refuse)
    assert list(task.perform(PAGE))[-1] == {"status": "no photo", "button": True}
    assert want(task, paint) == WAITING


def test_work_that_waits_is_cancelled_and_never_begins(task: QueuedTask, store: SessionStore) -> None:
    token = store.join(None).token
    want(task, refuse)
    assert task.cancel(PAGE, token) == {"status": "stopped", "button": True}
    assert not store.session(token).stop.is_set()
    assert list(task.perform(PAGE)) == [SKIPPED]
    assert want(task, paint) == WAITING


def test_work_that_goes_on_is_stopped_even_before_it_can_stop_itself(task: QueuedTask, store: SessionStore) -> None:
    token, closed = store.join(None).token, []

    def endless() -> Work:
        try:
            while True:
                yield {"status": "painting"}
        finally:
            closed.append(True)

    want(task, endless)
    performing = task.perform(PAGE)
    assert next(performing) == {"status": "painting"}
    assert task.cancel(PAGE, token) == SKIPPED
    assert store.session(token).stop.is_set()
    assert list(performing) == [{"status": "stopped", "button": True}]
    assert closed == [True]
    assert task.cancel(PAGE, "a session that is gone") == SKIPPED


def test_a_page_that_is_closed_ends_its_work(task: QueuedTask) -> None:
    want(task, paint)
    performing = task.perform(PAGE)
    next(performing)
    performing.close()  # type: ignore[attr-defined]
    assert want(task, paint) == WAITING
