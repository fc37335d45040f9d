"""Jobs on a Ray cluster: workers are Ray's actors, and one driver hands out jobs and keeps the ledger.

Ray places the workers, finds out that a process or a machine is lost, and places the new worker that is
asked for in its stead. Which job goes next is the driver's to say, so that a lost job goes to whoever is
free: Ray's own retries keep it for its worker, which waits for ever where the cluster has no room left.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import intarsia
from intarsia.batch.executor import Executor, do_job, sentence
from intarsia.batch.jobs import Job
from intarsia.batch.ledger import Ledger
from intarsia.batch.local import DEATHS, PATIENCE, JobEvent, Listen, Shares
from intarsia.batch.ray_cluster import connected, first_line, import_ray, needed, probe
from intarsia.batch.ray_worker import WAITING, Arrived, Greeting, JobResult, RayWorker, environment, files_of
from intarsia.errors import ClusterError, Setting

logger = logging.getLogger(__name__)


def run_on_ray(
    jobs: Sequence[Job],
    work: Executor,
    ledger: Ledger,
    *,
    address: str,
    workers: int,
    files: str = "store",
    gpus: float | None = None,
    stopping: Callable[[], bool] = lambda: False,
    listen: Listen | None = None,
) -> None:
    """Do jobs with `workers` workers of a Ray cluster and enter what comes of them.

    Pixels are those of a run on one machine: threads, seeds and the order within a job are the same.

    Args:
        jobs: that are to be done; those of one picture go to one worker where that keeps all busy.
        work: how. Each worker has as many threads as OMP_NUM_THREADS says here.
        ledger: of the output folder; only this process writes it.
        address: "local": Ray is started on this machine, for this run; else the cluster's: "auto",
            "HOST:PORT" or "ray://HOST:PORT".
        workers: who finds no room in the cluster waits for it.
        files: "store": pictures travel through Ray; "shared": all machines see the folders by the same names.
        gpus: graphics cards of each worker; None: 1 where the cluster has any, else 0.
        stopping: asked often; once it is true, workers stop within one step, and jobs that were begun wait again.
        listen: told when a job begins and how it ends.

    Raises:
        MissingExtraError: Ray is not installed.
        ClusterError: the cluster does not answer, has no room for a worker, or no worker can get ready.
    """
    if files not in ("store", "shared"):
        raise ClusterError(Setting("ray_files"), f" is {files!r}, but must be store or shared.")
    ray = import_ray()
    threads = int(os.environ.get("OMP_NUM_THREADS", "1"))
    with connected(ray, address, cpus=workers * threads):
        each = needed(ray, threads, gpus, workers)
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
            hands = [WorkerHandle(ray, k, functools.partial(kind.remote, work, k, out, token)) for k in places]
            tell: Listen = listen or (lambda news: None)
            Driver(ray, jobs, ledger, hands, away=out is None, stopping=stopping, tell=tell).run()


class WorkerHandle:
    """One worker, as the driver sees it.

    Attributes:
        greeting: what it will say when it is ready; None when it has.
        calls: the job that it does, and those that wait there, with what will come of them.
        ends: how many times in a row it ended before it was ready.
    """

    def __init__(self, ray: Any, index: int, start: Callable[[], Any]) -> None:
        self.ray = ray
        self.index = index
        self.start = start
        self.machine = ""
        self.calls: deque[tuple[Job, Any]] = deque()
        self.greeting: Any = None
        self.ends = 0
        self.actor = start()
        self.greet()

    @property
    def name(self) -> str:
        return f"worker {self.index + 1} on {self.machine}"

    @property
    def awaited(self) -> Any:
        """What it says next: jobs end in their order."""
        if self.greeting is not None:
            return self.greeting
        return self.calls[0][1] if self.calls else None

    def greet(self) -> None:
        """Let it get ready as soon as Ray has found a place for it."""
        self.greeting = self.actor.ready.remote(intarsia.__version__)

    def anew(self) -> None:
        """A new worker in the place of one that ended."""
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
        waiting: how many jobs nobody has.
        asked_at: when all were told to stop; None: they were not.
    """

    def __init__(
        self,
        ray: Any,
        jobs: Sequence[Job],
        ledger: Ledger,
        hands: list[WorkerHandle],
        *,
        away: bool,
        stopping: Callable[[], bool],
        tell: Listen,
    ) -> None:
        self.ray = ray
        self.ledger = ledger
        self.hands = hands
        self.away = away
        self.stopping = stopping
        self.tell = tell
        self.shares = Shares(jobs, len(hands))
        self.waiting = len(jobs)
        self.asked_at: float | None = None

    def run(self) -> None:
        """Until every job is done or failed, or all stand still because they shall.

        Raises:
            ClusterError: no worker is left.
        """
        try:
            while self.left():
                self.hand_out()
                self.hear()
                if self.asked_at is None and self.stopping():
                    self.asked_at = time.monotonic()
                    for hand in self.hands:
                        hand.stop()
                if self.asked_at is not None and time.monotonic() - self.asked_at > PATIENCE:
                    return
        finally:
            self.ledger.put_back([hand.calls[0][0].id for hand in self.hands if hand.calls])
            for hand in self.hands:
                hand.kill()

    def left(self) -> bool:
        """Whether there is something to do, or to wait for."""
        return any(hand.calls for hand in self.hands) or (self.asked_at is None and self.waiting > 0)

    def hand_out(self) -> None:
        """Give each worker what it does next; near the end nothing waits at one while another is free."""
        for depth in range(1 + WAITING):
            for hand in self.hands:
                full = hand.greeting is not None or len(hand.calls) > depth
                if full or self.asked_at is not None or (depth and self.waiting <= len(self.hands)):
                    continue
                job = self.shares.next_for(hand.index)
                if job is None:
                    return
                self.waiting -= 1
                hand.calls.append((job, hand.actor.do.remote(job, files_of(job) if self.away else {})))
                if len(hand.calls) == 1:
                    self.begin(hand)

    def begin(self, hand: WorkerHandle) -> None:
        """Enter that a worker's next job is being done."""
        job, _ = hand.calls[0]
        self.ledger.begin(job.id, hand.name)
        self.tell(JobEvent(what="began", job=job, worker=hand.name))

    def hear(self) -> None:
        """Wait a moment for what any worker says, and enter it."""
        awaited = {hand.awaited: hand for hand in self.hands if hand.awaited is not None}
        said, _ = self.ray.wait(list(awaited), num_returns=1, timeout=0.25)
        for ref in said:
            hand = awaited[ref]
            if ref is hand.greeting:
                self.welcome(hand)
            else:
                self.enter(hand)

    def welcome(self, hand: WorkerHandle) -> None:
        """Take on a worker that is ready; do without one that cannot be.

        Raises:
            ClusterError: it was the last one.
        """
        try:
            greeting: Greeting = self.ray.get(hand.greeting)
        except self.ray.exceptions.RayError as problem:
            hand.ends += 1
            if hand.ends < DEATHS:
                hand.anew()
                return
            greeting = Greeting(machine="", problem=f"A worker ended before it began ({first_line(problem)}).")
        if not greeting.problem:
            hand.greeting, hand.machine, hand.ends = None, greeting.machine, 0
            return
        hand.kill()
        self.hands.remove(hand)
        if not self.hands:
            raise ClusterError(greeting.problem)
        logger.warning("%s The run goes on without this worker.", greeting.problem)

    def enter(self, hand: WorkerHandle) -> None:
        """Enter what came of the job that a worker did."""
        job, ref = hand.calls[0]
        try:
            came: JobResult = self.ray.get(ref)
            if came.said == "done":
                assert came.outcome is not None
                if self.away:
                    do_job(job, Arrived(came=came), self.ledger.folder, lambda progress: None)
                self.ledger.done(job.id, came.outcome)
        except self.ray.exceptions.RayTaskError as problem:
            came = JobResult(said="failed", error=sentence(problem.cause))
        except self.ray.exceptions.RayError as problem:
            self.lost(hand, first_line(problem))
            return
        except Exception as problem:  # of this machine's disk
            came = JobResult(said="failed", error=sentence(problem))
        hand.calls.popleft()
        if came.said == "failed":
            self.ledger.failed(job.id, came.error)
        elif came.said == "stopped":
            self.ledger.put_back([job.id])
        self.tell(JobEvent(what=came.said, job=job, worker=hand.name, error=came.error))
        if hand.calls:
            self.begin(hand)

    def lost(self, hand: WorkerHandle, why: str) -> None:
        """A worker ended, with its process or its machine: whoever is free tries its job again."""
        (job, _), *later = hand.calls
        hand.anew()
        for other, _ in reversed(later):
            self.shares.put_back(hand.index, other)
        self.waiting += len(later)
        deaths = self.ledger.count_death(job.id)
        if deaths < DEATHS or self.asked_at is not None:
            self.ledger.put_back([job.id])
            self.shares.put_back(hand.index, job)
            self.waiting += 1
            return
        error = (
            f"The worker that did it ended {deaths} times ({why}), probably for want of memory: give a smaller size, "
            "or fewer workers."
        )
        self.ledger.failed(job.id, error)
        self.tell(JobEvent(what="failed", job=job, worker=hand.name, error=error))
