"""Turns of programs at the networks: they wait in the queue in which the pages wait, and nothing else works meanwhile.

A hidden event of the page stands for all of this work. It takes a ticket, which only this process gives out.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import threading
from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar

import anyio
import gradio as gr
from gradio.data_classes import PredictBodyInternal
from starlette.requests import Request

from intarsia.errors import Cancelled
from intarsia.progress import OnProgress, Progress
from intarsia.web.lines import Line
from intarsia.web.work import NETWORKS

Result = TypeVar("Result")

POLL_SECONDS = 0.25
"""Seconds between two looks whether whoever asked is still there."""


class QueueFullError(Exception):
    """So many wait for the networks that no more may."""


class Turn(Generic[Result]):
    """A piece of work that waits, or is done.

    Attributes:
        stop: set to end the work within one step.
        over: set, in the event loop, when it has ended.
        progress: of its latest step.
    """

    def __init__(self, work: Callable[[OnProgress], Result]) -> None:
        self.work = work
        self.stop = threading.Event()
        self.over = asyncio.Event()
        self.progress: Progress | None = None
        self.results: list[Result] = []
        self.error: BaseException | None = None
        self._loop = asyncio.get_running_loop()

    def perform(self, line: Line) -> None:
        """Do the work, in a thread of the pages', once nothing else of the line goes on."""
        try:
            with line.take(self.stop):
                self.results.append(self.work(self._on_progress))
        except BaseException as error:
            self.error = error
        with contextlib.suppress(RuntimeError):  # the server has ended meanwhile
            self._loop.call_soon_threadsafe(self.over.set)

    def _on_progress(self, progress: Progress) -> None:
        if self.stop.is_set():
            raise Cancelled("stopped; nothing was written.")
        self.progress = progress

    def result(self) -> Result:
        if self.error is not None:
            raise self.error
        return self.results[0]


class Turns:
    """Work of programs that waits for its turn at the networks."""

    def __init__(self) -> None:
        self._waiting: dict[str, Turn[Any]] = {}
        self._page: gr.Blocks | None = None
        self._line = Line()
        self._event = -1

    def connect(self, page: gr.Blocks, line: Line) -> None:
        """Add the event to a page that is being built; no browser and no program can trigger it.

        Args:
            line: in which the canvas's own work with networks waits.
        """
        with gr.Row(visible=False):
            ticket, button = gr.Textbox(), gr.Button()
        event = button.click(self._perform, ticket, None, api_visibility="private", **NETWORKS)
        self._page, self._event, self._line = page, int(event["id"]), line

    def _perform(self, ticket: str) -> None:
        turn = self._waiting.pop(ticket, None)
        if turn is not None:
            turn.perform(self._line)

    async def take(
        self,
        work: Callable[[OnProgress], Result],
        *,
        is_gone: Callable[[], Awaitable[bool]] | None = None,
        on_progress: Callable[[Progress], Awaitable[None]] | None = None,
    ) -> Result:
        """Wait for a turn, and work; in the event loop of the server.

        Args:
            work: called in a thread, with what it must call after every step, which raises `Cancelled` to stop it.
            is_gone: whether whoever asked has left; the work is then stopped.
            on_progress: told of steps, a few times a second at most.

        Returns:
            What the work returned, which has ended in any case.

        Raises:
            Cancelled: whoever asked has left, or the server ends.
            QueueFullError: too many wait.
            Exception: what the work raised.
        """
        if self._page is None:
            raise RuntimeError("no page is connected")
        queue = self._page._queue
        turn = Turn(work)
        ticket = secrets.token_hex(16)
        self._waiting[ticket] = turn
        try:
            accepted, *_ = await queue.push(self._request(ticket), request_for_queue(), None)
            if not accepted:
                raise QueueFullError
            told: Progress | None = None
            while not await is_over(turn):
                if queue.stopped or (is_gone is not None and await is_gone()):
                    raise Cancelled("stopped; nothing was written.")
                if on_progress is not None and turn.progress is not None and turn.progress is not told:
                    told = turn.progress
                    await on_progress(told)
        finally:
            turn.stop.set()
            with anyio.CancelScope(shield=True):
                await self._leave(ticket, turn)
        return turn.result()

    def _request(self, ticket: str) -> PredictBodyInternal:
        return PredictBodyInternal(
            session_hash=ticket, fn_index=self._event, data=[ticket], request=request_for_queue()
        )

    async def _leave(self, ticket: str, turn: Turn[Any]) -> None:
        """Take work that has not begun out of the queue, wait for the end of work that has, and forget both."""
        assert self._page is not None
        queue = self._page._queue
        if self._waiting.pop(ticket, None) is None and not queue.stopped:
            await turn.over.wait()
        # What the queue still has to say of it, nobody listens to.
        await queue.clean_events(session_hash=ticket)
        with contextlib.suppress(KeyError):
            del queue.pending_messages_per_session[ticket]
        queue.pending_event_ids_session.pop(ticket, None)


async def is_over(turn: Turn[Any]) -> bool:
    """Whether the work has ended; waits a little for it."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(turn.over.wait(), POLL_SECONDS)
    return turn.over.is_set()


def request_for_queue() -> Request:
    """What the queue takes for the request that an event came with; nothing of the real one is needed."""
    return Request(
        {
            "type": "http",
            "method": "POST",
            "scheme": "http",
            "server": ("localhost", 80),
            "path": "/gradio_api/queue/join",
            "root_path": "",
            "query_string": b"",
            "headers": [(b"host", b"localhost")],
        }
    )
