"""Progress of long work, reported after every step to a callback, which may raise `Cancelled` to stop it; its cost."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import TypeVar

from intarsia.notes import carried

_Result = TypeVar("_Result")

PULSE = 0.2
"""Seconds between two ticks beside a computation that has none of its own."""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a piece of long work is: `done` of `total` steps of a named stage.

    Attributes:
        whole: share of all stages together that is done, in [0, 1], as far as their costs are known beforehand; None
            where they are not.
    """

    stage: str
    done: int
    total: int
    whole: float | None = None


OnProgress = Callable[[Progress], None]

# Ticks: computation that lasts says how far it is without being handed a callback through every function.

_Report = Callable[[float], None]

_listener: ContextVar[_Report | None] = ContextVar("_listener", default=None)


def tick(share: float) -> None:
    """Say that a share, in [0, 1], of the computation in hand is done; whoever listens may raise `Cancelled`."""
    report = _listener.get()
    if report is not None:
        report(share)


@contextmanager
def span(start: float, end: float) -> Iterator[None]:
    """Ticks within count as those of a part of the computation in hand, from one share of it to another."""
    outer = _listener.get()
    if outer is None:
        yield
        return
    report = outer
    with listening(lambda share: report(start + (end - start) * share)):
        yield
        report(end)


@contextmanager
def listening(report: Callable[[float], None] | None) -> Iterator[None]:
    """Ticks within go to a function; with None, to nobody."""
    token = _listener.set(report)
    try:
        yield
    finally:
        _listener.reset(token)


def waited(work: Callable[[], _Result]) -> _Result:
    """What a computation gives that cannot tick itself, such as a library's, which frees the interpreter meanwhile.

    Where somebody listens, it is done in a thread, beside which ticks go on. One that was cancelled comes to its end
    unheeded.
    """
    if _listener.get() is None:
        return work()
    done: Future[_Result] = Future()
    work = carried(work)

    def run() -> None:
        try:
            done.set_result(work())
        except BaseException as problem:
            done.set_exception(problem)

    threading.Thread(target=run, daemon=True).start()
    while True:
        try:
            return done.result(PULSE)
        except TimeoutError:
            if done.done():
                return done.result()
            tick(0.0)


def part_of(on_progress: OnProgress | None, start: float, end: float) -> OnProgress | None:
    """Reports a whole as a part of a larger one, from one share of that to another."""
    if on_progress is None:
        return None
    report = on_progress

    def told(progress: Progress) -> None:
        whole = None if progress.whole is None else start + (end - start) * progress.whole
        report(replace(progress, whole=whole))

    return told


class Stages:
    """Reports a piece of work whose stages are planned beforehand, as a whole that only grows."""

    def __init__(self, on_progress: OnProgress | None, costs: Mapping[str, float]) -> None:
        """Plan the stages.

        Args:
            on_progress: called at each tick within a stage, at its beginning and at its end; may raise `Cancelled`.
            costs: by stage, in their order and in any unit; above 0.
        """
        self.on_progress, self.costs = on_progress, dict(costs)
        self._whole = 0.0

    @contextmanager
    def stage(self, name: str, steps: int = 100) -> Iterator[None]:
        """Ticks within are those of a stage, which is told in so many steps."""
        if self.on_progress is None:
            with listening(None):
                yield
            return
        on_progress, total, names = self.on_progress, sum(self.costs.values()), list(self.costs)
        before = sum(self.costs[each] for each in names[: names.index(name)])
        done = 0

        def report(share: float) -> None:
            nonlocal done
            done = max(done, min(int(steps * share + 1e-9), steps))
            self._whole = max(self._whole, min((before + self.costs[name] * min(share, 1.0)) / total, 1.0))
            on_progress(Progress(stage=name, done=done, total=steps, whole=self._whole))

        report(0.0)
        with listening(report):
            yield
        report(1.0)


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What an edit took.

    Attributes:
        evaluations: denoiser sample-evaluations, the same on every machine.
        seconds: wall clock.
        peak_memory_mb: of the process (of the GPU where one is used), MiB.
        backward: sample-evaluations of the denoiser through which a gradient was taken.
    """

    evaluations: int
    seconds: float
    peak_memory_mb: float
    backward: int = 0


def peak_memory_mb(device: str) -> float:
    """Most memory that was held at once, MiB."""
    if device.startswith("cuda"):
        import torch

        return float(torch.cuda.max_memory_allocated(device) / 2**20)
    if device.startswith("mps"):
        import torch

        # No peak is kept there; what torch has once taken from the driver it mostly holds.
        return float(torch.mps.driver_allocated_memory() / 2**20)
    try:
        import resource
    except ImportError:  # Windows has none
        import psutil

        used = psutil.Process().memory_info()
        return float(getattr(used, "peak_wset", used.rss)) / 2**20
    unit = 1 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


def format_duration(seconds: float) -> str:
    """A duration as people say it: 40 s, 2 min, 3 h 10 min, 2 days. At least 1 s; `batch/report.js` does the same."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{round(minutes / 1440)} days"
