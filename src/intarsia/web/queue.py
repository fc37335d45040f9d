"""Turns at the networks: a page has one piece of work at a time, which waits, goes on, or was called off."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Generic, TypeVar

Work = TypeVar("Work")


@dataclass
class Pending(Generic[Work]):
    work: Work
    begun: bool = False
    stopped: bool = False


class WorkQueue(Generic[Work]):
    """What each page wants of the networks; pages are known by their session.

    A page says what it wants at once, and it begins when the queue comes to it. In between it may be called
    off, and something else be wanted: the queue then finds that, or nothing.
    """

    def __init__(self) -> None:
        self._turns: dict[str, Pending[Work]] = {}
        self._lock = threading.Lock()

    def take(self, page: str, work: Work) -> bool:
        """Want some work; False where the page has other work already."""
        with self._lock:
            if page in self._turns:
                return False
            self._turns[page] = Pending(work=work)
            return True

    def begin(self, page: str) -> Work | None:
        """The work that waits, which goes on from now; None where there is none any more."""
        with self._lock:
            turn = self._turns.get(page)
            if turn is None or turn.begun:
                return None
            turn.begun = True
            return turn.work

    def end(self, page: str) -> None:
        """The work that went on is over."""
        with self._lock:
            del self._turns[page]

    def call_off(self, page: str) -> bool:
        """Give up what is wanted; False where it has begun, and must be stopped, or where there is nothing."""
        with self._lock:
            turn = self._turns.get(page)
            if turn is None:
                return False
            turn.stopped = True
            if not turn.begun:
                del self._turns[page]
            return not turn.begun

    def stopped(self, page: str) -> bool:
        """Whether the work that goes on was called off."""
        with self._lock:
            turn = self._turns.get(page)
            return turn is not None and turn.stopped
