"""Work for a visitor in a thread of its own, and how long it will go on."""

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
"""Events of a page that need the networks: one at a time, of all tabs; the others wait in Gradio's queue."""

POLL_INTERVAL = 0.1
"""Seconds between two looks at how far the work is."""

SETTLED = 1.0
"""Seconds of a stage from which it is told how long it will go on: before, the figure would jump."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """How far a piece of work is.

    Attributes:
        left: seconds that its stage will go on, as far as can be told from the steps done; None at its beginning.
    """

    progress: Progress
    left: float | None = None


def progress_line(step: Step) -> str:
    """How far work is, as a line: "Painting: 12 of 50, about 8 s left"."""
    progress = step.progress
    line = f"{progress.stage[:1].upper()}{progress.stage[1:]}: {progress.done} of {progress.total}"
    return line if step.left is None else f"{line}, about {format_duration(step.left)} left"


class EtaEstimator:
    """Tells from how fast a stage went so far how long it will go on."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.began: tuple[str, int, float] | None = None
        self.last = 0

    def left(self, progress: Progress) -> float | None:
        """Seconds that the stage of this progress will go on; None while too little of it is known."""
        now = self.clock()
        if self.began is None or self.began[0] != progress.stage or progress.done < self.last:
            # What the first step took is not known: work of another kind may have gone before it.
            self.began = (progress.stage, progress.done, now)
        self.last = progress.done
        _, done, then = self.began
        if progress.done == done or now - then < SETTLED:
            return None
        return (progress.total - progress.done) * (now - then) / (progress.done - done)


@dataclass(frozen=True, kw_only=True)
class Intermediate:
    """Something to show before the work is over; what it is, the work and the page agree on."""

    what: Any


Show = Callable[[Any], None]


def run_watched(
    visit: Session, work: Callable[[OnProgress, Show], Result]
) -> Generator[Step | Intermediate, None, Result]:
    """Do a visitor's work in a thread, and tell how far it is; the generator's value is the work's.

        result = yield from watched(visit, lambda on_progress, show: ...)

    Args:
        visit: whose `stop` ends the work within one step.
        work: called with what it must call after every step, which raises `Cancelled` to stop it, and with
            what it may call to have something shown.

    Returns:
        What the work returned.

    Raises:
        Cancelled: it was stopped.
        Exception: what the work raised.
    """
    visit.stop.clear()
    told: queue.SimpleQueue[Step | Intermediate] = queue.SimpleQueue()
    pace = EtaEstimator()
    result: list[Result] = []
    problem: list[BaseException] = []

    def on_progress(progress: Progress) -> None:
        if visit.stop.is_set():
            raise Cancelled("stopped; nothing was written.")
        told.put(Step(progress=progress, left=pace.left(progress)))

    def run() -> None:
        try:
            result.append(work(on_progress, lambda what: told.put(Intermediate(what=what))))
        except BaseException as raised:
            problem.append(raised)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        while thread.is_alive() or not told.empty():
            latest: Step | None = None
            while not told.empty():
                news = told.get()
                if isinstance(news, Intermediate):
                    yield news
                else:
                    latest = news
            if latest is not None:
                yield latest
            thread.join(POLL_INTERVAL)
    finally:
        # The page was closed, or asked for something else: no work goes on for nobody.
        if thread.is_alive():
            visit.stop.set()
            thread.join()
    if problem:
        raise problem[0]
    return result[0]
