"""Doing a job, wherever it is done: the protocols of workers and executors, and a job's folder."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Protocol

from intarsia.batch.file_names import MARK as MARK
from intarsia.batch.file_names import RESULTS as RESULTS
from intarsia.batch.file_names import UNFINISHED as UNFINISHED
from intarsia.batch.jobs import Job, one_line
from intarsia.batch.ledger import Outcome
from intarsia.errors import IntarsiaError, Remedy, Setting
from intarsia.files import replace_file, write_bytes_atomically
from intarsia.progress import OnProgress


class Worker(Protocol):
    """Does jobs, one after another, with networks that it has loaded."""

    def __call__(self, job: Job, folder: Path, on_progress: OnProgress) -> Outcome:
        """Do a job and write its results into a folder that exists and is empty.

        Raises:
            IntarsiaError: it cannot be done; the message says why.
            Cancelled: `on_progress` did.
        """
        ...


class Executor(Protocol):
    """How jobs are done: light, and sent to each worker, where it is opened."""

    def open(self, index: int) -> Worker:
        """Get ready, on the machine's device number `index`, or `index` modulo their count."""
        ...


def do_job(job: Job, worker: Worker, out: Path, on_progress: OnProgress) -> Outcome:
    """Do one job; its folder appears below `out` whole, in one rename, or not at all."""
    with whole_folder(out / RESULTS / job.folder) as stage:
        outcome = worker(job, stage, on_progress)
        mark = {"id": job.id, "outcome": asdict(outcome)}
        write_bytes_atomically(stage / MARK, (json.dumps(mark, indent=1) + "\n").encode())
    return outcome


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """A hidden folder to write into, which gets its name at the end; a folder of that name is replaced."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    stage = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=folder.parent))
    try:
        yield stage
        # mkdtemp's folders are for their owner alone; results are as readable as others that are made here.
        stage.chmod(folder.parent.stat().st_mode & 0o777)
        if folder.exists():
            former = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=folder.parent))
            replace_file(folder, former / folder.name)
            shutil.rmtree(former, ignore_errors=True)
        replace_file(stage, folder)
    except BaseException:
        shutil.rmtree(stage, ignore_errors=True)
        raise


def finished(job: Job, out: Path) -> Outcome | None:
    """The outcome of a job whose results are there whole; None where they are not."""
    try:
        mark = json.loads((out / RESULTS / job.folder / MARK).read_text(encoding="utf-8"))
        return Outcome(**mark["outcome"]) if mark["id"] in (job.id, *job.former) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def clear_unfinished(out: Path) -> None:
    """Remove what a killed run has left half-written."""
    for stage in (out / RESULTS).glob(f"{UNFINISHED}*"):
        shutil.rmtree(stage, ignore_errors=True)


def as_error(problem: BaseException) -> IntarsiaError:
    """Why a job could not be done; an error that is not ours gets a sentence."""
    if isinstance(problem, IntarsiaError):
        return problem
    text = one_line(str(problem))
    if isinstance(problem, MemoryError) or "out of memory" in text.lower():
        return IntarsiaError(
            "Out of memory",
            Remedy("give a smaller size"),
            Remedy("fewer workers", page=()),
            Remedy(Setting("vram", "low")),
        )
    return IntarsiaError(
        f"It failed unforeseen ({type(problem).__name__}: {text[:300] or 'no message'}): please report it."
    )


def failure_message(problem: BaseException) -> str:
    """Why a job could not be done, for its row."""
    return one_line(str(as_error(problem)))
