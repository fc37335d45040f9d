"""How long the server waits for its clients: for a request's head, for its body, and until an answer is read.

A connection takes a file of the process, of which there are few: those who keep it waiting lose theirs, and where too
many are open, new ones are turned away.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import Callable
from typing import Any

from starlette.types import Message, Receive

HEAD_SECONDS = 30.0
"""Seconds within which the head of a request must have come, from when the connection is open or was last answered."""
BODY_SECONDS, BODY_RATE = 30.0, 512
"""Seconds for which a body may come as slowly as it likes, and bytes a second that it must have brought after that."""
READ_SECONDS = 120.0
"""Seconds within which a client must read so much of an answer that more can be sent."""
MOST_CONNECTIONS = 2000
OWN_FILES = 256
"""Files that the process needs beside its connections."""
MOST_FILES = 8192
"""Open files for which the process asks, where it may have so many."""
TURNED_AWAY = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain\r\nretry-after: 30\r\nconnection: close\r\n\r\n"
    b"Too many are connected: try it in a moment."
)


class TooSlowError(Exception):
    """A body comes too slowly."""


def in_time(receive: Receive, clock: Callable[[], float] = time.monotonic) -> Receive:
    """A request's body as it arrives; one that comes too slowly raises `TooSlowError`."""
    began, received, whole = clock(), 0, False

    async def timed() -> Message:
        nonlocal received, whole
        if whole:
            return await receive()  # whether the client is still there, for as long as the answer takes
        left = began + BODY_SECONDS + received / BODY_RATE - clock()
        try:
            message = await asyncio.wait_for(receive(), max(left, 0.001))
        except TimeoutError:
            raise TooSlowError from None
        received += len(message.get("body", b""))
        whole = not message.get("more_body", False)
        return message

    return timed


def limited(protocol: type[Any], *, most: int) -> type[Any]:
    """A server's protocol of one connection, with limits.

    Args:
        protocol: of uvicorn; a subclass of it is made.
        most: connections at the same time.
    """

    class Limited(protocol):  # type: ignore[misc]
        _head_timer: asyncio.TimerHandle | None = None
        _read_timer: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            if len(self.connections) > most:
                transport.write(TURNED_AWAY)
                transport.close()
                return
            self._expect_head()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if self.transport.get_protocol() is not self:
                self._stop_timers()  # it has become a connection of another kind
            elif self._is_answering():
                self._head_timer = no_longer(self._head_timer)
            elif self._head_timer is None:
                self._expect_head()

        def connection_lost(self, error: Exception | None) -> None:
            self._stop_timers()
            super().connection_lost(error)

        def pause_writing(self) -> None:
            super().pause_writing()
            self._read_timer = self.loop.call_later(READ_SECONDS, self.transport.abort)

        def resume_writing(self) -> None:
            super().resume_writing()
            self._read_timer = no_longer(self._read_timer)

        def _is_answering(self) -> bool:
            return self.cycle is not None and not self.cycle.response_complete

        def _expect_head(self) -> None:
            self._head_timer = self.loop.call_later(HEAD_SECONDS, self._end_unless_answering)

        def _end_unless_answering(self) -> None:
            self._head_timer = None
            if not self._is_answering():
                self.transport.abort()

        def _stop_timers(self) -> None:
            self._head_timer, self._read_timer = no_longer(self._head_timer), no_longer(self._read_timer)

    return Limited


def no_longer(timer: asyncio.TimerHandle | None) -> asyncio.TimerHandle | None:
    """Stop a timer, if there is one; None, for its place."""
    if timer is not None:
        timer.cancel()
    return None


def limit_connections(config: Any) -> None:
    """Set limits to the connections of a server of uvicorn; they hold from its next connection on."""
    config.http_protocol_class = limited(
        config.http_protocol_class, most=min(MOST_CONNECTIONS, max(open_files() - OWN_FILES, 64))
    )


def open_files() -> int:
    """How many files this process may have open, after asking for more."""
    if sys.platform == "win32":
        return MOST_FILES  # connections are none there
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = resource.RLIM_INFINITY
    wanted = MOST_FILES if hard == unlimited else min(MOST_FILES, hard)
    if soft != unlimited and soft < wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
    return MOST_FILES if soft == unlimited else soft
