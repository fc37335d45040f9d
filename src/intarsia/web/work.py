"""Work for a session in a thread of its own, with its progress and the time that is left."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, TypeVar

from intarsia.errors import Cancelled
from intarsia.progress import OnProgress, Progress, format_duration
from intarsia.web.sessions import Session

Result = TypeVar("Result")

NETWORKS: dict[str, Any] = {"concurrency_id": "networks", "concurrency_limit": 1}
"""Settings of events that need the networks: one at a time, of all pages and programs; the others wait in Gradio's queue."""

POLL_INTERVAL = 0.1
"""Seconds between two checks of a thread's progress."""

MIN_ETA_SECONDS = 1.0
"""Seconds of a stage from which its remaining time is estimated: before, the figure would jump."""


MIN_ETA_SHARE = 0.03
"""Share of a whole from which its remaining time is estimated."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """The progress of work.

    Attributes:
        eta: seconds until the end of all of it, or of the stage where no whole is known, as estimated from what is done;
            None at its beginning.
    """

    progress: Progress
    eta: float | None = None


def progress_line(step: Step) -> str:
    """Progress in a line: "Painting: 12 of 50, about 8 s left"."""
    progress = step.progress
    line = f"{progress.stage[:1].upper()}{progress.stage[1:]}: {progress.done} of {progress.total}"
    return line if step.eta is None else f"{line}, about {format_duration(step.eta)} left"


class EtaEstimator:
    """Estimates the remaining time from the speed so far: of all work, where its whole is known, else of a stage."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._stage_start: tuple[str, int, float] | None = None
        self._last_done = 0
        self._whole_start: tuple[float, float] | None = None

    def estimate(self, progress: Progress) -> float | None:
        """Seconds until the end; None while too little of it is known."""
        now = self._clock()
        if progress.whole is not None:
            return self._estimate_whole(progress.whole, now)
        if self._stage_start is None or self._stage_start[0] != progress.stage or progress.done < self._last_done:
            # What the first step took is not known: work of another kind may have gone before it.
            self._stage_start = (progress.stage, progress.done, now)
        self._last_done = progress.done
        _, first_done, start = self._stage_start
        if progress.done == first_done or now - start < MIN_ETA_SECONDS:
            return None
        return (progress.total - progress.done) * (now - start) / (progress.done - first_done)

    def _estimate_whole(self, whole: float, now: float) -> float | None:
        if self._whole_start is None or whole < self._whole_start[0]:
            self._whole_start = (whole, now)
        first, start = self._whole_start
        if whole - first < MIN_ETA_SHARE or now - start < MIN_ETA_SECONDS:
            return None
        return (1 - whole) * (now - start) / (whole - first)


@dataclass(frozen=True, kw_only=True)
class Intermediate:
    """Something to show before the work is over; its kind is agreed between the work and the page."""

    value: Any


OnIntermediate = Callable[[Any], None]

WatchedWork = Generator[Step | Intermediate, None, Result]
"""Work that yields its progress; its value is the result."""


def run_watched(
    session: Session,
    work: Callable[[OnProgress, OnIntermediate], Result],
) -> WatchedWork[Result]:
    """Do a session's work in a thread, and yield its progress; the generator's value is the work's.

        result = yield from run_watched(session, lambda on_progress, on_intermediate: ...)

    Args:
        session: whose work it is; its `stop` ends it within one step.
        work: called with what it must call after every step, which raises `Cancelled` to stop it, and with
            what it may call to have something shown.

    Returns:
        What the work returned.

    Raises:
        Cancelled: it was stopped.
        Exception: what the work raised.
    """
    stop = session.stop
    stop.clear()
    events: queue.SimpleQueue[Step | Intermediate] = queue.SimpleQueue()
    eta = EtaEstimator()
    results: list[Result] = []
    errors: list[BaseException] = []

    def on_progress(progress: Progress) -> None:
        if stop.is_set():
            raise Cancelled("stopped; nothing was written.")
        events.put(Step(progress=progress, eta=eta.estimate(progress)))

    def run() -> None:
        try:
            results.append(work(on_progress, lambda value: events.put(Intermediate(value=value))))
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        while thread.is_alive() or not events.empty():
            yield from _latest(events)
            thread.join(POLL_INTERVAL)
    finally:
        # The page was closed, or asked for something else: the work stops with it.
        if thread.is_alive():
            stop.set()
            thread.join()
    if errors:
        raise errors[0]
    return results[0]


def _latest(events: queue.SimpleQueue[Step | Intermediate]) -> Generator[Step | Intermediate, None, None]:
    """Everything to show, and of the steps the latest alone."""
    latest: Step | None = None
    while not events.empty():
        event = events.get()
        if isinstance(event, Intermediate):
            yield event
        else:
            latest = event
    if latest is not None:
        yield latest
