"""Work that waits for the networks: a page has one piece at a time, which is wanted, performed and perhaps cancelled."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import gradio as gr

from intarsia.errors import Cancelled, RecordError
from intarsia.web.sessions import Session, SessionStore

Payload = TypeVar("Payload")

Update = dict[Any, Any]
"""New values by component; the other components stay as they are."""

Work = Generator[Update, None, Update]
"""A piece of work: it yields updates while it goes on, and returns the last one."""


@dataclass
class Pending(Generic[Payload]):
    payload: Payload
    begun: bool = False
    cancelled: bool = False


class WorkQueue(Generic[Payload]):
    """The pending work of each page; pages are known by their session hash.

    A page adds its work at once, and the work begins when Gradio's queue comes to it. In between it may be
    cancelled and other work added: the queue then finds that, or nothing.
    """

    def __init__(self) -> None:
        self._pending: dict[str, Pending[Payload]] = {}
        self._lock = threading.Lock()

    def add(self, page: str, payload: Payload) -> bool:
        """Add work; False where the page has some already."""
        with self._lock:
            if page in self._pending:
                return False
            self._pending[page] = Pending(payload=payload)
            return True

    def begin(self, page: str) -> Payload | None:
        """The work that waits, which has begun from now on; None without any."""
        with self._lock:
            pending = self._pending.get(page)
            if pending is None or pending.begun:
                return None
            pending.begun = True
            return pending.payload

    def end(self, page: str) -> None:
        """The work that had begun is over."""
        with self._lock:
            del self._pending[page]

    def cancel(self, page: str) -> Payload | None:
        """Take back work that has not begun, and return it; None without any, or where it must be stopped."""
        with self._lock:
            pending = self._pending.get(page)
            if pending is None:
                return None
            pending.cancelled = True
            if pending.begun:
                return None
            del self._pending[page]
            return pending.payload

    def is_cancelled(self, page: str) -> bool:
        """Whether the work that has begun was cancelled since."""
        with self._lock:
            pending = self._pending.get(page)
            return pending is not None and pending.cancelled

    def __contains__(self, page: str) -> bool:
        with self._lock:
            return page in self._pending


@dataclass(frozen=True, kw_only=True)
class Task:
    """What a page wants.

    Attributes:
        start: begins the work.
        on_error: the update for work that ended early; `Cancelled` where the visitor stopped it.
    """

    start: Callable[[], Work]
    on_error: Callable[[Exception], Update]


class QueuedTask:
    """The cycle of a tab's work with the networks: want, wait in the queue, perform, cancel.

    One for each tab. Its methods are event handlers, or what event handlers return: `want` at once, then
    `perform` through Gradio's queue, and `cancel` at any time.

    Args:
        store: whose sessions are stopped.
        busy: update from when work is wanted until it is over, such as buttons that are disabled.
        idle: update once it is over.
        stop_of: gives what is set to stop a session's work that has begun.
    """

    def __init__(
        self,
        store: SessionStore,
        *,
        busy: Mapping[Any, Any],
        idle: Mapping[Any, Any],
        stop_of: Callable[[Session], threading.Event] = lambda session: session.stop,
    ) -> None:
        self.store, self.busy, self.idle, self.stop_of = store, dict(busy), dict(idle), stop_of
        self.unchanged: Update = {component: gr.skip() for component in idle}
        self.queue: WorkQueue[Task] = WorkQueue()

    def want(
        self,
        request: gr.Request,
        start: Callable[[], Work],
        *,
        waiting: Mapping[Any, Any],
        on_error: Callable[[Exception], Update],
        check: Callable[[], object] = lambda: None,
    ) -> Update:
        """Add work to the queue; nothing happens where the page has some already.

        Args:
            start: begins the work, when its turn has come.
            waiting: update until then, beside `busy`.
            on_error: see `Task`.
            check: raises what can be known without waiting.
        """
        page = str(request.session_hash)
        if page in self.queue:
            return self.unchanged
        try:
            check()
        except Exception as error:
            return on_error(error)
        if not self.queue.add(page, Task(start=start, on_error=on_error)):
            return self.unchanged
        return {**waiting, **self.busy}

    def perform(self, request: gr.Request) -> Iterator[Update]:
        """Do what the page wants, if it still wants it; however that ends, the page is idle afterwards."""
        page = str(request.session_hash)
        task = self.queue.begin(page)
        if task is None:
            yield self.unchanged
            return
        try:
            yield from self._steps(page, task)
        finally:
            self.queue.end(page)

    def _steps(self, page: str, task: Task) -> Iterator[Update]:
        work = _started(task)
        try:
            while True:
                update = next(work)
                if self.queue.is_cancelled(page):  # perhaps before there was anything to stop
                    raise Cancelled("stopped; nothing was changed.")
                yield update
        except StopIteration as end:
            last: Update = end.value
        except Exception as error:
            last = task.on_error(error)
        finally:
            work.close()
        yield {**self.idle, **last}

    def cancel(self, request: gr.Request, token: str) -> Update:
        """Take back what waits; what has begun stops within one step, and says so itself."""
        task = self.queue.cancel(str(request.session_hash))
        if task is not None:
            return {**self.idle, **task.on_error(Cancelled("stopped; nothing was changed."))}
        with contextlib.suppress(RecordError):
            self.stop_of(self.store.session(token)).set()
        return self.unchanged


def _started(task: Task) -> Work:
    """The task's work; what fails as it starts fails at its first step."""
    return (yield from task.start())
