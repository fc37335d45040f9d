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

from intarsia.batch.executor import Executor, do_job, failure_message
from intarsia.batch.jobs import Job, by_picture
from intarsia.batch.ledger import Ledger, Outcome
from intarsia.errors import Cancelled, Remedy, Setting, WorkersError
from intarsia.progress import Progress

MAX_DEATHS = 3
"""Workers that may end while they do a job, until it counts as failed."""

STOP_TIMEOUT = 30.0
"""Seconds that a worker has for the step it is in, when all are to stop."""

PROGRESS_INTERVAL = 0.2
"""Least seconds between two progress events of a worker."""


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


OnJobEvent = Callable[[JobEvent], None]


def run_local(
    jobs: Sequence[Job],
    executor: Executor,
    ledger: Ledger,
    *,
    workers: int,
    first: int = 0,
    stopping: Callable[[], bool] = lambda: False,
    on_event: OnJobEvent | None = None,
) -> None:
    """Do jobs in `workers` processes and enter what comes of them.

    Args:
        jobs: that are to be done; those of one picture go to one worker where that keeps all busy.
        executor: does them.
        ledger: of the output folder.
        first: number of the first worker, for its name and its device; not 0 where others are at work, too.
        stopping: asked often; once it is true, workers stop within one step, and jobs that were begun wait again.
        on_event: called with each event.

    Raises:
        WorkersError: no worker can be started.
    """
    emit: OnJobEvent = on_event or (lambda event: None)
    shares = Shares(jobs, min(workers, len(jobs)))
    handles = [WorkerHandle(k, first, executor, ledger.folder) for k in range(len(shares.shares))]
    stop_asked_at: float | None = None
    try:
        while handles:
            for handle in handles:
                if handle.ready and handle.job is None:
                    job = None if stop_asked_at else shares.next_for(handle.slot)
                    if job is not None:
                        ledger.begin(job.id, handle.name)
                    handle.assign(job)
                    if job is not None:
                        emit(JobEvent(what="began", job=job, worker=handle.name))
            for handle in handles:
                handle.poll(ledger, emit)
            for handle in [handle for handle in handles if handle.ended]:
                handles.remove(handle)
                lost = handle.reap()
                if lost is not None and stop_asked_at is not None:
                    ledger.put_back([lost.id])
                elif lost is not None:
                    retry_or_fail(lost, handle, ledger, shares, emit)
                if stop_asked_at is None and not handle.dismissed:
                    handles.append(WorkerHandle(handle.slot, first, executor, ledger.folder))
            if stop_asked_at is None and stopping():
                stop_asked_at = time.monotonic()
                for handle in handles:
                    handle.cancel()
            if stop_asked_at is not None and time.monotonic() - stop_asked_at > STOP_TIMEOUT:
                return
            idle = any(handle.ready and handle.job is None for handle in handles)
            wait([waitable for handle in handles for waitable in handle.waitables], timeout=0 if idle else 0.25)
    finally:
        busy = [handle.job.id for handle in handles if handle.job is not None]
        for handle in handles:
            handle.kill()
        ledger.put_back(busy)


def retry_or_fail(job: Job, handle: WorkerHandle, ledger: Ledger, shares: Shares, emit: OnJobEvent) -> None:
    """Put back a job that ended a worker; after `MAX_DEATHS` of them, fail it."""
    deaths = ledger.count_death(job.id)
    if deaths < MAX_DEATHS:
        ledger.put_back([job.id])
        shares.put_back(handle.slot, job)
        return
    error = (
        f"The process that did it ended {deaths} times ({handle.exit_reason}), probably for want of memory: give a smaller "
        "size, or fewer workers."
    )
    ledger.failed(job.id, error)
    emit(JobEvent(what="failed", job=job, worker=handle.name, error=error))


class Shares:
    """Work stealing: each worker takes picture after picture; an idle one takes half of the longest share."""

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
    """One worker process, as seen by the process that hands out jobs."""

    def __init__(self, slot: int, first: int, executor: Executor, out: Path) -> None:
        context = multiprocessing.get_context("spawn")
        self.slot = slot
        self.index = index = first + slot
        self.connection, theirs = context.Pipe()
        self.process: BaseProcess = context.Process(
            target=serve, args=(theirs, executor, index, out), name=f"intarsia worker {index + 1}", daemon=True
        )
        self.process.start()
        theirs.close()
        self.ready = False
        self.dismissed = False
        self.job: Job | None = None
        self.disconnected = False

    @property
    def name(self) -> str:
        return f"worker {self.index + 1}"

    @property
    def waitables(self) -> list[Connection | int]:
        return [self.process.sentinel] if self.disconnected else [self.connection, self.process.sentinel]

    @property
    def ended(self) -> bool:
        return self.disconnected and not self.process.is_alive()

    @property
    def exit_reason(self) -> str:
        code = self.process.exitcode or 0
        return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"

    def assign(self, job: Job | None) -> None:
        """Send a job, or None: nothing is left for it."""
        self.job, self.dismissed = job, job is None
        self.ready = job is not None
        with contextlib.suppress(OSError):  # it died this moment; poll() finds out
            self.connection.send(job)

    def cancel(self) -> None:
        """Stop a worker within its step; one that still loads libraries at once, that takes longer than anybody waits."""
        if self.job is not None:
            with contextlib.suppress(OSError):
                self.connection.send(None)
            self.dismissed = True
        elif not self.dismissed:
            self.dismissed = True
            self.process.kill()

    def poll(self, ledger: Ledger, emit: OnJobEvent) -> None:
        """Enter the messages that the worker has sent since."""
        while not self.disconnected:
            try:
                if not self.connection.poll():
                    return
                kind, payload = self.connection.recv()
            except (EOFError, OSError):
                self.disconnected = True
                # What it reads from is closed; what is left of it ends.
                self.process.join(5)
                if self.process.is_alive():
                    self.process.kill()
                    self.process.join()
                return
            if kind == "ready":
                self.ready = True
                continue
            job = self.job
            assert job is not None
            event = JobEvent(what=kind, job=job, worker=self.name)
            match kind, payload:
                case "step", Progress():
                    emit(JobEvent(what="step", job=job, worker=self.name, progress=payload))
                    continue
                case "done", Outcome():
                    ledger.done(job.id, payload)
                case "failed", str():
                    ledger.failed(job.id, payload)
                    event = JobEvent(what="failed", job=job, worker=self.name, error=payload)
                case "stopped", _:
                    ledger.put_back([job.id])
            self.job = None
            emit(event)

    def reap(self) -> Job | None:
        """Close an ended worker's process and pipe; returns the job that it took with it.

        Raises:
            WorkersError: it ended before it was ready.
        """
        self.process.join()
        self.connection.close()
        if not self.ready and not self.dismissed:
            raise WorkersError(
                f"A worker ended before it began ({self.exit_reason})",
                Remedy("its message stands above; ", Setting("workers", 1, verb="try")),
            )
        return self.job

    def kill(self) -> None:
        self.process.kill()
        self.process.join()
        self.connection.close()


def serve(connection: Connection, executor: Executor, index: int, out: Path) -> None:
    """A worker process: get ready, do the jobs that come, send their outcomes."""
    # Ctrl-C reaches every process of the terminal; the one that hands out decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=end_with_parent, daemon=True).start()
    worker = executor.open(index)
    connection.send(("ready", None))
    while (job := connection.recv()) is not None:
        reported_at = 0.0

        def on_progress(progress: Progress) -> None:
            nonlocal reported_at
            # While a job is being done, nothing is sent but the word to stop; or the other end is gone.
            if connection.poll():
                raise Cancelled("stopped")
            if time.monotonic() - reported_at > PROGRESS_INTERVAL:
                reported_at = time.monotonic()
                connection.send(("step", progress))

        try:
            connection.send(("done", do_job(job, worker, out, on_progress)))
        except Cancelled:
            connection.send(("stopped", None))
        except Exception as problem:
            connection.send(("failed", failure_message(problem)))


def end_with_parent() -> None:
    """A worker whose parent was killed must not go on and get in the next run's way."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
