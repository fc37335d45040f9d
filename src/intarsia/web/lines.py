"""Lines in which long work waits: of each, one piece goes on at a time, whoever came first.

One line is for work with networks, which would not fit in memory twice; one for work without them, beside it.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from intarsia.errors import Cancelled

POLL_SECONDS = 0.1
"""Seconds between two looks whether a place in the line has come to its front, or was given up."""


class Place:
    """A place in a line, from when it is taken until it is left."""


class Line:
    """A line, safe to use from several threads: who stands at its front has the turn."""

    def __init__(self) -> None:
        self._places: list[Place] = []
        self._changed = threading.Condition()

    def join(self) -> Place:
        """Take the last place."""
        place = Place()
        with self._changed:
            self._places.append(place)
        return place

    def leave(self, place: Place) -> None:
        """Give a place up, or end a turn; nothing happens the second time."""
        with self._changed:
            if place in self._places:
                self._places.remove(place)
                self._changed.notify_all()

    def ahead(self, place: Place) -> int:
        """How many stand before a place; 0 for who has the turn."""
        with self._changed:
            return self._places.index(place)

    def __len__(self) -> int:
        return len(self._places)

    def wait(self, place: Place, stop: threading.Event, on_ahead: Callable[[int], None] = lambda ahead: None) -> None:
        """Wait in a thread for the turn.

        Args:
            stop: set to give the place up.
            on_ahead: told how many are ahead, whenever that changes.

        Raises:
            Cancelled: `stop` was set.
        """
        told: int | None = None
        while True:
            if stop.is_set():
                raise Cancelled("stopped; nothing was changed.")
            ahead = self.ahead(place)
            if ahead != told:
                told = ahead
                on_ahead(ahead)
            if ahead == 0:
                return
            with self._changed:
                self._changed.wait(POLL_SECONDS)

    @contextmanager
    def take(self, stop: threading.Event, on_ahead: Callable[[int], None] = lambda ahead: None) -> Iterator[None]:
        """The turn for a block of code; see `wait`."""
        place = self.join()
        try:
            self.wait(place, stop, on_ahead)
            yield
        finally:
            self.leave(place)

    async def wait_async(self, place: Place, stop: threading.Event) -> None:
        """Wait in an event loop for the turn, without a thread.

        Raises:
            Cancelled: `stop` was set.
        """
        while True:
            if stop.is_set():
                raise Cancelled("stopped; nothing was changed.")
            if self.ahead(place) == 0:
                return
            await asyncio.sleep(POLL_SECONDS / 4)


class Lines:
    """The lines of a server: with networks, and without."""

    def __init__(self) -> None:
        self.networks = Line()
        self.without_networks = Line()
