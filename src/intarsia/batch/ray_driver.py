"""Jobs on a Ray cluster: workers are Ray's actors, and one driver hands out jobs and keeps the ledger.

Ray places the workers, finds out that a process or a machine is lost, and places the new worker that is
asked for in its stead. The driver chooses which job goes next, so that a lost job goes to any worker that is
free: Ray's own retries keep it for its worker, which waits for ever where the cluster has no room left.
"""

from __future__ import annotations

import contextlib
import functools
import os
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import intarsia
from intarsia.batch.executor import Executor, do_job, failure_message
from intarsia.batch.jobs import Job
from intarsia.batch.ledger import Ledger
from intarsia.batch.local import MAX_DEATHS, STOP_TIMEOUT, JobEvent, OnJobEvent, Shares
from intarsia.batch.ray_cluster import connected, first_line, import_ray, probe, worker_resources
from intarsia.batch.ray_worker import (
    QUEUED_PER_WORKER,
    Greeting,
    JobResult,
    RayWorker,
    UnpackResult,
    environment,
    files_of,
)
from intarsia.errors import ClusterError, Setting
from intarsia.notes import note


def run_on_ray(
    jobs: Sequence[Job],
    executor: Executor,
    ledger: Ledger,
    *,
    address: str,
    workers: int,
    files: str = "store",
    gpus: float | None = None,
    stopping: Callable[[], bool] = lambda: False,
    on_event: OnJobEvent | None = None,
) -> None:
    """Do jobs with `workers` workers of a Ray cluster and enter what comes of them.

    Pixels are those of a run on one machine: threads, seeds and the order within a job are the same.

    Args:
        jobs: that are to be done; those of one picture go to one worker where that keeps all busy.
        executor: does them. Each worker has as many threads as OMP_NUM_THREADS says here.
        ledger: of the output folder; only this process writes it.
        address: "local": Ray is started on this machine, for this run; else the cluster's: "auto",
            "HOST:PORT" or "ray://HOST:PORT".
        workers: who finds no room in the cluster waits for it.
        files: "store": pictures travel through Ray; "shared": all machines see the folders by the same names.
        gpus: graphics cards of each worker; None: 1 where the cluster has any, else 0.
        stopping: asked often; once it is true, workers stop within one step, and jobs that were begun wait again.
        on_event: told when a job begins and how it ends.

    Raises:
        MissingExtraError: Ray is not installed.
        ClusterError: the cluster does not answer, has no room for a worker, or no worker can get ready.
    """
    if files not in ("store", "shared"):
        raise ClusterError(Setting("ray_files"), f" is {files!r}, but must be store or shared.")
    ray = import_ray()
    threads = int(os.environ.get("OMP_NUM_THREADS", "1"))
    with connected(ray, address, cpus=workers * threads):
        each = worker_resources(ray, threads, gpus, workers)
        out = ledger.folder.resolve() if files == "shared" else None
        with probe(out) as token:
            kind = ray.remote(
                **each,
                max_restarts=0,
                max_task_retries=0,
                concurrency_groups={"control": 1},
                runtime_env={"env_vars": environment(threads)},
            )(RayWorker)
            places = range(min(workers, len(jobs)))
            handles = [WorkerHandle(ray, k, functools.partial(kind.remote, executor, k, out, token)) for k in places]
            emit: OnJobEvent = on_event or (lambda event: None)
            Driver(ray, jobs, ledger, handles, away=out is None, stopping=stopping, emit=emit).run()


class WorkerHandle:
    """One worker, as the driver sees it.

    Attributes:
        greeting: its answer to `ready`, awaited; None once it came.
        calls: the job that it does, and those queued there, with their results, awaited.
        failed_starts: how many times in a row it ended before it was ready.
    """

    def __init__(self, ray: Any, index: int, start: Callable[[], Any]) -> None:
        self.ray = ray
        self.index = index
        self.start = start
        self.machine = ""
        self.calls: deque[tuple[Job, Any]] = deque()
        self.greeting: Any = None
        self.failed_starts = 0
        self.actor = start()
        self.greet()

    @property
    def name(self) -> str:
        return f"worker {self.index + 1} on {self.machine}"

    @property
    def awaited(self) -> Any:
        """Its next answer: jobs end in their order."""
        if self.greeting is not None:
            return self.greeting
        return self.calls[0][1] if self.calls else None

    def greet(self) -> None:
        """Let it get ready as soon as Ray has found a place for it."""
        self.greeting = self.actor.ready.remote(intarsia.__version__)

    def restart(self) -> None:
        """Start a new worker in the place of one that ended."""
        self.kill()
        self.calls.clear()
        self.actor = self.start()
        self.greet()

    def stop(self) -> None:
        self.actor.stop.options(concurrency_group="control").remote()

    def kill(self) -> None:
        with contextlib.suppress(Exception):  # it is gone already, or the whole cluster is
            self.ray.kill(self.actor)


class Driver:
    """Hands out jobs and enters what comes of them.

    Attributes:
        away: whether files travel with the jobs.
        waiting: how many jobs no worker has.
        stop_asked_at: when all were told to stop; None: they were not.
    """

    def __init__(
        self,
        ray: Any,
        jobs: Sequence[Job],
        ledger: Ledger,
        handles: list[WorkerHandle],
        *,
        away: bool,
        stopping: Callable[[], bool],
        emit: OnJobEvent,
    ) -> None:
        self.ray = ray
        self.ledger = ledger
        self.handles = handles
        self.away = away
        self.stopping = stopping
        self.emit = emit
        self.shares = Shares(jobs, len(handles))
        self.waiting = len(jobs)
        self.stop_asked_at: float | None = None

    def run(self) -> None:
        """Hand out jobs until each is done or failed, or all workers have stopped as asked.

        Raises:
            ClusterError: no worker is left.
        """
        try:
            while self.left():
                self.hand_out()
                self.poll()
                if self.stop_asked_at is None and self.stopping():
                    self.stop_asked_at = time.monotonic()
                    for handle in self.handles:
                        handle.stop()
                if self.stop_asked_at is not None and time.monotonic() - self.stop_asked_at > STOP_TIMEOUT:
                    return
        finally:
            self.ledger.put_back([handle.calls[0][0].id for handle in self.handles if handle.calls])
            for handle in self.handles:
                handle.kill()

    def left(self) -> bool:
        """Whether there is something to do, or to wait for."""
        return any(handle.calls for handle in self.handles) or (self.stop_asked_at is None and self.waiting > 0)

    def hand_out(self) -> None:
        """Give each worker what it does next; near the end nothing waits at one while another is free."""
        for depth in range(1 + QUEUED_PER_WORKER):
            for handle in self.handles:
                full = handle.greeting is not None or len(handle.calls) > depth
                if full or self.stop_asked_at is not None or (depth and self.waiting <= len(self.handles)):
                    continue
                job = self.shares.next_for(handle.index)
                if job is None:
                    return
                self.waiting -= 1
                handle.calls.append((job, handle.actor.do.remote(job, files_of(job) if self.away else {})))
                if len(handle.calls) == 1:
                    self.enter_begun(handle)

    def enter_begun(self, handle: WorkerHandle) -> None:
        """Enter that a worker's next job is being done."""
        job, _ = handle.calls[0]
        self.ledger.begin(job.id, handle.name)
        self.emit(JobEvent(what="began", job=job, worker=handle.name))

    def poll(self) -> None:
        """Wait a moment for a worker's answer, and enter it."""
        awaited = {handle.awaited: handle for handle in self.handles if handle.awaited is not None}
        ready, _ = self.ray.wait(list(awaited), num_returns=1, timeout=0.25)
        for ref in ready:
            handle = awaited[ref]
            if ref is handle.greeting:
                self.enlist(handle)
            else:
                self.enter(handle)

    def enlist(self, handle: WorkerHandle) -> None:
        """Take on a worker that is ready, or do without it where it has a problem.

        Raises:
            ClusterError: it was the last one.
        """
        try:
            greeting: Greeting = self.ray.get(handle.greeting)
        except self.ray.exceptions.RayError as problem:
            handle.failed_starts += 1
            if handle.failed_starts < MAX_DEATHS:
                handle.restart()
                return
            greeting = Greeting(machine="", problem=f"A worker ended before it began ({first_line(problem)}).")
        if not greeting.problem:
            handle.greeting, handle.machine, handle.failed_starts = None, greeting.machine, 0
            return
        handle.kill()
        self.handles.remove(handle)
        if not self.handles:
            raise ClusterError(greeting.problem)
        note(f"{greeting.problem} The run went on without this worker.")

    def enter(self, handle: WorkerHandle) -> None:
        """Enter the result of the job that a worker did."""
        job, ref = handle.calls[0]
        try:
            result: JobResult = self.ray.get(ref)
            if result.state == "done":
                assert result.outcome is not None
                if self.away:
                    do_job(job, UnpackResult(result=result), self.ledger.folder, lambda progress: None)
                self.ledger.done(job.id, result.outcome)
        except self.ray.exceptions.RayTaskError as problem:
            result = JobResult(state="failed", error=failure_message(problem.cause))
        except self.ray.exceptions.RayError as problem:
            self.replace_lost(handle, first_line(problem))
            return
        except Exception as problem:  # of this machine's disk
            result = JobResult(state="failed", error=failure_message(problem))
        handle.calls.popleft()
        if result.state == "failed":
            self.ledger.failed(job.id, result.error)
        elif result.state == "stopped":
            self.ledger.put_back([job.id])
        self.emit(JobEvent(what=result.state, job=job, worker=handle.name, error=result.error))
        if handle.calls:
            self.enter_begun(handle)

    def replace_lost(self, handle: WorkerHandle, why: str) -> None:
        """Replace a worker that ended, with its process or its machine; any free worker tries its job again."""
        (job, _), *later = handle.calls
        handle.restart()
        for other, _ in reversed(later):
            self.shares.put_back(handle.index, other)
        self.waiting += len(later)
        deaths = self.ledger.count_death(job.id)
        if deaths < MAX_DEATHS or self.stop_asked_at is not None:
            self.ledger.put_back([job.id])
            self.shares.put_back(handle.index, job)
            self.waiting += 1
            return
        error = (
            f"The worker that did it ended {deaths} times ({why}), probably for want of memory: give a smaller size, "
            "or fewer workers."
        )
        self.ledger.failed(job.id, error)
        self.emit(JobEvent(what="failed", job=job, worker=handle.name, error=error))
