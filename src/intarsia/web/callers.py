"""Programs that called an endpoint and are gone: what they asked for ends within one step."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from gradio.context import LocalContext

from intarsia.errors import Cancelled
from intarsia.progress import Progress
from intarsia.web.sessions import GRACE_SECONDS, Session


class Caller(threading.Event):
    """Who called the endpoint that this thread works for; set when nobody waits for the answer any more.

    One that hangs up is gone at once. One that never listens to what is said to it is gone after `GRACE_SECONDS`.

    Args:
        session: of the call, whose end ends it as well.
    """

    def __init__(self, session: Session, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._session, self._clock = session, clock
        self._call = LocalContext.event_id.get(None)
        page = LocalContext.blocks.get(None)
        self._queue: Any = None if page is None else page._queue
        self._unheard_since: float | None = None

    def is_set(self) -> bool:
        if not super().is_set() and (self._session.stop.is_set() or self._is_gone()):
            self.set()
        return super().is_set()

    def on_progress(self, progress: Progress) -> None:
        """What work calls after each step; raises `Cancelled` where nobody waits for it."""
        if self.is_set():
            raise Cancelled("stopped; nothing was written.")

    def _is_gone(self) -> bool:
        event = self._event()
        if event is None:
            return False
        if not event.alive:
            return True
        said = self._queue.pending_messages_per_session.get(event.session_hash)
        if said is None or not said.qsize():
            self._unheard_since = None
            return said is None
        now = self._clock()
        self._unheard_since = now if self._unheard_since is None else self._unheard_since
        return now - self._unheard_since >= GRACE_SECONDS

    def _event(self) -> Any:
        """The framework's own record of the call; None outside of one."""
        if self._call is None or self._queue is None:
            return None
        going = (each for jobs in tuple(self._queue.active_jobs) for each in jobs or ())
        return next((each for each in going if each._id == self._call), None)
