"""Processes that run the fuzz's inputs: each with a bound of memory, killed when an input hangs, made again when one dies."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import resource
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from trust.fuzz_cases import Case, case_of
from trust.fuzz_oracle import Outcome, run_case

MOST_SECONDS = 10.0
MOST_MEMORY = 2 << 30
"""What an input may take at most."""

PATIENCE = 3.0
"""An input is given so many times `MOST_SECONDS` before its process is killed: other work may have had the processor."""

INPUTS_A_PROCESS = 500
"""After so many a process is made again, so that nothing that one input leaves behind is carried far."""

Task = tuple[int, int] | Case
"""Seed and number of an input, or an input itself."""


def serve(connection: Connection) -> None:
    """Run inputs until there are no more."""
    import torch

    torch.set_num_threads(1)
    with contextlib.suppress(OSError, ValueError, StopIteration):
        status = Path("/proc/self/status").read_text("utf-8")
        mapped = int(next(line for line in status.splitlines() if line.startswith("VmSize:")).split()[1]) * 1024
        resource.setrlimit(resource.RLIMIT_AS, (mapped + MOST_MEMORY, resource.getrlimit(resource.RLIMIT_AS)[1]))
    while (task := connection.recv()) is not None:
        case = task if isinstance(task, Case) else case_of(*task)
        try:
            outcome = run_case(case)
        except Exception as problem:  # of the fuzz itself
            outcome = Outcome(case.format, case.how, "failed", "the fuzz failed", repr(problem))
        connection.send(outcome)


class Worker:
    """One process, made when it is first needed."""

    def __init__(self) -> None:
        self.process: Any = None
        self.done = 0
        self.began = 0.0
        self.task: Task | None = None

    def give(self, task: Task) -> None:
        if self.process is None or self.done >= INPUTS_A_PROCESS:
            self.end()
            # Forked: what this process has loaded need not be loaded again.
            context = multiprocessing.get_context("fork")
            self.connection, theirs = context.Pipe()
            self.process = context.Process(target=serve, args=(theirs,), daemon=True)
            self.process.start()
            theirs.close()
            self.done = 0
        self.connection.send(task)
        self.task, self.began = task, time.monotonic()

    def took(self) -> float:
        return time.monotonic() - self.began

    def taken(self) -> Outcome:
        """The outcome of its input; the process is gone where it died or was killed."""
        assert self.task is not None
        try:
            if self.connection.poll(0):
                outcome: Outcome = self.connection.recv()
                self.done += 1
                return judged(outcome)
            fault, detail = "hang", f"over {self.took():.0f} s"
        except (EOFError, OSError):
            self.process.join(5)
            fault, detail = "died", f"exit code {self.process.exitcode}"
        self.end()
        case = self.task if isinstance(self.task, Case) else case_of(*self.task)
        return Outcome(case.format, case.how, "failed", fault, detail, self.took())

    def end(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.join()
            self.connection.close()
            self.process = None


def judged(outcome: Outcome) -> Outcome:
    """An outcome with what its process measured judged, too."""
    if not outcome.fault and outcome.seconds > MOST_SECONDS:
        return replace(outcome, end="failed", fault="slow", detail=f"{outcome.seconds:.1f} s")
    if not outcome.fault and outcome.memory > MOST_MEMORY:
        return replace(outcome, end="failed", fault="memory", detail=f"{outcome.memory / 1e6:,.0f} MB")
    return outcome


def run_tasks(tasks: Iterable[Task], workers: int, told: Callable[[int, Outcome], None]) -> None:
    """Run inputs in several processes, and tell the outcome of each by its place, in whichever order they end."""
    waiting = enumerate(tasks)
    pool = [Worker() for _ in range(workers)]
    busy: dict[Worker, int] = {}
    try:
        while True:
            for worker in pool:
                if worker not in busy and (following := next(waiting, None)) is not None:
                    place, task = following
                    worker.give(task)
                    busy[worker] = place
            if not busy:
                return
            for worker in ended(busy):
                told(busy.pop(worker), worker.taken())
    finally:
        for worker in pool:
            worker.end()


def ended(busy: dict[Worker, int]) -> Iterator[Worker]:
    """Workers that have an outcome, died, or took too long; waits for the first of them."""
    while True:
        ready = wait([worker.connection for worker in busy], timeout=0.5)
        found = [w for w in busy if w.connection in ready or w.took() > PATIENCE * MOST_SECONDS]
        if found:
            yield from found
            return


def run_alone(task: Task) -> Outcome:
    """One input in a process of its own."""
    outcomes: list[Outcome] = []
    run_tasks([task], 1, lambda _, outcome: outcomes.append(outcome))
    return outcomes[0]


def prepare() -> None:
    """Load what the processes need, once, before they are forked."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    import torch

    torch.set_num_threads(1)
    from trust.fuzz_readers import pocket
    from trust.fuzz_seeds import map_seeds, mask_seeds, picture_seeds

    pocket()
    picture_seeds(), mask_seeds(), map_seeds()
