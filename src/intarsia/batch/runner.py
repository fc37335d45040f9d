"""Run a list of jobs in a folder: what is left to do, one run at a time, stopped on request."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import FrameType

from filelock import FileLock, Timeout

from intarsia.batch.executor import RESULTS, clear_unfinished, finished
from intarsia.batch.file_names import LOCK
from intarsia.batch.jobs import Job, by_picture
from intarsia.batch.ledger import Counts, Ledger
from intarsia.distributed import World
from intarsia.errors import OutputError, Remedy, Setting


def share(jobs: Sequence[Job], together: World) -> list[Job]:
    """This process's part of the jobs: as many as the others', those of one picture together."""
    ordered = [job for group in by_picture(jobs) for job in group]
    begin, end = (len(ordered) * k // together.size for k in (together.rank, together.rank + 1))
    return ordered[begin:end]


@contextlib.contextmanager
def one_run(out: Path) -> Iterator[None]:
    """Let no two runs work in one folder; the lock goes with the process, however it ends.

    Raises:
        OutputError: another run is at work there, or the folder cannot be made.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / RESULTS).mkdir(exist_ok=True)
        lock = FileLock(out / LOCK).acquire(timeout=0)
    except Timeout:
        who = process_of(out / LOCK)
        raise OutputError(
            f"Another run (process {who}) is at work in {out}: wait for it, or name another folder."
        ) from None
    except OSError as problem:
        raise OutputError(
            f"{out} cannot be written to ({problem.strerror})", Remedy("name another folder with ", Setting("out"))
        ) from problem
    with lock:
        # Windows lets nobody write to a file that is locked, nor read it.
        with contextlib.suppress(OSError):
            (out / LOCK).write_text(str(os.getpid()), encoding="utf-8")
        yield


def process_of(lock: Path) -> str:
    """The process that holds a lock, as far as its file says."""
    try:
        return lock.read_text(encoding="utf-8").strip() or "unknown"
    except OSError:
        return "unknown"


def to_do(jobs: tuple[Job, ...], ledger: Ledger, out: Path) -> list[Job]:
    """The jobs that are neither done nor failed; what a killed run had finished and not entered is entered."""
    clear_unfinished(out)
    there = {entry.name for entry in os.scandir(out / RESULTS)}
    states = ledger.states()
    pending, gone = [], []
    for job in jobs:
        state, folder = states[job.id]
        job = replace(job, folder=folder)  # as its row and its results have it, whatever its photo is called now
        if state == "failed" or (state == "done" and job.folder in there):
            continue
        if job.folder in there and (outcome := finished(job, out)) is not None:
            ledger.done(job.id, outcome)
            continue
        if state == "done":
            gone.append(job.id)
        pending.append(job)
    ledger.put_back(gone)
    return pending


@contextlib.contextmanager
def stop_signals() -> Iterator[Callable[[], bool]]:
    """Whether Ctrl-C or SIGTERM was sent, or the terminal closed; a second one ends the process as ever."""
    asked = False

    def ask(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True

    # What is ignored stays so, as nohup has SIGHUP; Windows has none.
    hangup = getattr(signal, "SIGHUP", signal.SIGTERM)
    numbers = {signal.SIGINT, signal.SIGTERM, *({hangup} if signal.getsignal(hangup) is not signal.SIG_IGN else ())}
    former = {number: signal.signal(number, ask) for number in numbers}
    try:
        yield lambda: asked
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def so_far(counts: Counts) -> str:
    """A run in a few words."""
    parts = [f"{counts.done:,} of {counts.total:,} jobs done"]
    parts += [f"{counts.failed:,} failed"] if counts.failed else []
    parts += [f"{counts.left:,} left"] if counts.left else []
    return ", ".join(parts)
