"""Jobs on this machine: some processes, each with its own networks, and one that hands out jobs and keeps the ledger.

Only the one that hands out writes the ledger. A worker that dies takes its job with it: the job goes to
another, and fails when it has ended several workers.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Literal

from intarsia.batch.executor import Executor, do_job, sentence
from intarsia.batch.jobs import Job, by_picture
from intarsia.batch.ledger import Ledger, Outcome
from intarsia.errors import Cancelled, Remedy, Setting, WorkersError
from intarsia.progress import Progress

DEATHS = 3
"""So many workers may end while they do a job, until it counts as failed."""

PATIENCE = 30.0
"""Seconds that a worker has for the step it is in, when all shall stop."""

TELL = 0.2
"""Least seconds between two words of a worker on how far it is."""


@dataclass(frozen=True, kw_only=True)
class JobEvent:
    """What happened to a job.

    Attributes:
        worker: its name.
        progress: how far the job is, for `what` "step".
    """

    what: Literal["began", "step", "done", "failed", "stopped"]
    job: Job
    worker: str
    progress: Progress | None = None
    error: str = ""


Listen = Callable[[JobEvent], None]


def run_local(
    jobs: Sequence[Job],
    work: Executor,
    ledger: Ledger,
    *,
    workers: int,
    first: int = 0,
    stopping: Callable[[], bool] = lambda: False,
    listen: Listen | None = None,
) -> None:
    """Do jobs in `workers` processes and enter what comes of them.

    Args:
        jobs: that are to be done; those of one picture go to one worker where that keeps all busy.
        work: how.
        ledger: of the output folder.
        first: number of the first worker, for its name and its device; not 0 where others are at work, too.
        stopping: asked often; once it is true, workers stop within one step, and jobs that were begun wait again.
        listen: told what happens.

    Raises:
        WorkersError: no worker can be started.
    """
    tell: Listen = listen or (lambda news: None)
    shares = Shares(jobs, min(workers, len(jobs)))
    hands = [WorkerHandle(k, first, work, ledger.folder) for k in range(len(shares.shares))]
    asked_at: float | None = None
    try:
        while hands:
            for hand in hands:
                if hand.ready and hand.job is None:
                    job = None if asked_at else shares.next_for(hand.place)
                    if job is not None:
                        ledger.begin(job.id, hand.name)
                    hand.give(job)
                    if job is not None:
                        tell(JobEvent(what="began", job=job, worker=hand.name))
            for hand in hands:
                hand.hear(ledger, tell)
            for hand in [hand for hand in hands if hand.ended]:
                hands.remove(hand)
                lost = hand.bury()
                if lost is not None and asked_at is not None:
                    ledger.put_back([lost.id])
                elif lost is not None:
                    again(lost, hand, ledger, shares, tell)
                if asked_at is None and not hand.dismissed:
                    hands.append(WorkerHandle(hand.place, first, work, ledger.folder))
            if asked_at is None and stopping():
                asked_at = time.monotonic()
                for hand in hands:
                    hand.call_off()
            if asked_at is not None and time.monotonic() - asked_at > PATIENCE:
                return
            idle = any(hand.ready and hand.job is None for hand in hands)
            wait([place for hand in hands for place in hand.places], timeout=0 if idle else 0.25)
    finally:
        busy = [hand.job.id for hand in hands if hand.job is not None]
        for hand in hands:
            hand.kill()
        ledger.put_back(busy)


def again(job: Job, hand: WorkerHandle, ledger: Ledger, shares: Shares, tell: Listen) -> None:
    """Let another worker try a job that ended one."""
    deaths = ledger.count_death(job.id)
    if deaths < DEATHS:
        ledger.put_back([job.id])
        shares.put_back(hand.place, job)
        return
    error = (
        f"The process that did it ended {deaths} times ({hand.last_word}), probably for want of memory: give a smaller "
        "size, or fewer workers."
    )
    ledger.failed(job.id, error)
    tell(JobEvent(what="failed", job=job, worker=hand.name, error=error))


class Shares:
    """Which worker does which job: pictures one after another; who has nothing left takes half of the longest share."""

    def __init__(self, jobs: Sequence[Job], workers: int) -> None:
        self.groups = deque(by_picture(jobs))
        self.shares: list[deque[Job]] = [deque() for _ in range(workers)]

    def next_for(self, worker: int) -> Job | None:
        own = self.shares[worker]
        if not own and self.groups:
            own.extend(self.groups.popleft())
        if not own:
            longest = max(self.shares, key=len)
            own.extend(reversed([longest.pop() for _ in range((len(longest) + 1) // 2)]))
        return own.popleft() if own else None

    def put_back(self, worker: int, job: Job) -> None:
        self.shares[worker].appendleft(job)


class WorkerHandle:
    """One worker process, as the one who hands out jobs sees it."""

    def __init__(self, place: int, first: int, work: Executor, out: Path) -> None:
        context = multiprocessing.get_context("spawn")
        self.place = place
        self.index = index = first + place
        self.connection, theirs = context.Pipe()
        self.process: BaseProcess = context.Process(
            target=serve, args=(theirs, work, index, out), name=f"intarsia worker {index + 1}", daemon=True
        )
        self.process.start()
        theirs.close()
        self.ready = False
        self.dismissed = False
        self.job: Job | None = None
        self.hung_up = False

    @property
    def name(self) -> str:
        return f"worker {self.index + 1}"

    @property
    def places(self) -> list[Connection | int]:
        return [self.process.sentinel] if self.hung_up else [self.connection, self.process.sentinel]

    @property
    def ended(self) -> bool:
        return self.hung_up and not self.process.is_alive()

    @property
    def last_word(self) -> str:
        code = self.process.exitcode or 0
        return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"

    def give(self, job: Job | None) -> None:
        """A job, or None: nothing is left for it."""
        self.job, self.dismissed = job, job is None
        self.ready = job is not None
        with contextlib.suppress(OSError):  # it died this moment; hear() finds out
            self.connection.send(job)

    def call_off(self) -> None:
        """Stop a worker within its step; one that still loads libraries at once, that takes longer than anybody waits."""
        if self.job is not None:
            with contextlib.suppress(OSError):
                self.connection.send(None)
            self.dismissed = True
        elif not self.dismissed:
            self.dismissed = True
            self.process.kill()

    def hear(self, ledger: Ledger, tell: Listen) -> None:
        """Enter all that the worker has said since."""
        while not self.hung_up:
            try:
                if not self.connection.poll():
                    return
                said, what = self.connection.recv()
            except (EOFError, OSError):
                self.hung_up = True
                # What it reads from is closed; what is left of it ends.
                self.process.join(5)
                if self.process.is_alive():
                    self.process.kill()
                    self.process.join()
                return
            if said == "ready":
                self.ready = True
                continue
            job = self.job
            assert job is not None
            news = JobEvent(what=said, job=job, worker=self.name)
            match said, what:
                case "step", Progress():
                    tell(JobEvent(what="step", job=job, worker=self.name, progress=what))
                    continue
                case "done", Outcome():
                    ledger.done(job.id, what)
                case "failed", str():
                    ledger.failed(job.id, what)
                    news = JobEvent(what="failed", job=job, worker=self.name, error=what)
                case "stopped", _:
                    ledger.put_back([job.id])
            self.job = None
            tell(news)

    def bury(self) -> Job | None:
        """Close what is left of an ended worker; the job that it took with it.

        Raises:
            WorkersError: it ended before it was ready.
        """
        self.process.join()
        self.connection.close()
        if not self.ready and not self.dismissed:
            raise WorkersError(
                f"A worker ended before it began ({self.last_word})",
                Remedy("its message stands above; ", Setting("workers", 1, verb="try")),
            )
        return self.job

    def kill(self) -> None:
        self.process.kill()
        self.process.join()
        self.connection.close()


def serve(connection: Connection, work: Executor, index: int, out: Path) -> None:
    """The life of a worker: get ready, do what it is given, tell."""
    # Ctrl-C reaches every process of the terminal; the one that hands out decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=end_with_parent, daemon=True).start()
    perform = work.open(index)
    connection.send(("ready", None))
    while (job := connection.recv()) is not None:
        told = 0.0

        def on_progress(progress: Progress) -> None:
            nonlocal told
            # While a job is being done, nothing is sent but the word to stop; or the other end is gone.
            if connection.poll():
                raise Cancelled("stopped")
            if time.monotonic() - told > TELL:
                told = time.monotonic()
                connection.send(("step", progress))

        try:
            connection.send(("done", do_job(job, perform, out, on_progress)))
        except Cancelled:
            connection.send(("stopped", None))
        except Exception as problem:
            connection.send(("failed", sentence(problem)))


def end_with_parent() -> None:
    """A worker whose parent was killed must not go on and get in the next run's way."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
