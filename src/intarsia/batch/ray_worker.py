"""One worker of a Ray cluster: does jobs where it runs, and sends their files home."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import struct
import tempfile
import threading
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import intarsia
from intarsia.batch.executor import Executor, Worker, do_job, failure_message
from intarsia.batch.jobs import Job
from intarsia.batch.ledger import Outcome
from intarsia.batch.ray_cluster import import_ray
from intarsia.errors import Cancelled, Setting
from intarsia.files import write_bytes_atomically
from intarsia.progress import OnProgress, Progress
from intarsia.records.inputs import input_files, with_files

QUEUED_PER_WORKER = 1
"""Jobs queued at a worker behind the one it does: their pictures are there when it is free."""

VISIBLE_WITHIN = 5.0
"""Seconds until a file that another machine wrote must appear: network folders cache that it was missing."""

PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True, kw_only=True)
class Greeting:
    """A worker's answer once it is ready.

    Attributes:
        machine: its address.
        problem: why it cannot work, in one sentence; else empty.
    """

    machine: str
    problem: str = ""


@dataclass(frozen=True, kw_only=True)
class JobResult:
    """The result of a job.

    Attributes:
        outcome: where it is done.
        files: that it made, by their names in its folder, where they are to travel.
        error: why it failed.
    """

    state: Literal["done", "failed", "stopped"]
    outcome: Outcome | None = None
    files: Mapping[str, bytes] = dataclasses.field(default_factory=dict)
    error: str = ""


def environment(threads: int) -> dict[str, str]:
    """Environment variables that workers must share with this process: libraries read them when they are loaded."""
    asked = {name: os.environ[name] for name in ("HF_HUB_OFFLINE",) if name in os.environ}
    return {"OMP_NUM_THREADS": str(threads), **asked}


class RayWorker:
    """One worker; Ray makes it an actor. It does one job at a time, and hears `stop` meanwhile.

    Attributes:
        out: the output folder, where it is shared; None where files travel.
        token: name of the mark in it.
    """

    def __init__(self, executor: Executor, index: int, out: Path | None, token: str) -> None:
        self.executor = executor
        self.index = index
        self.out = out
        self.token = token
        self.stopped = threading.Event()
        self.worker: Worker | None = None

    def ready(self, version: str) -> Greeting:
        """Get ready for a driver of this version of Intarsia."""
        machine = import_ray().util.get_node_ip_address()
        if version != intarsia.__version__:
            return Greeting(
                machine=machine,
                problem=f"The machine {machine} has Intarsia {intarsia.__version__}, but the run is started with "
                f"{version}: install the same on all.",
            )
        if self.out is not None and not appears(self.out / self.token):
            return Greeting(
                machine=machine,
                problem=f"The machine {machine} does not see {self.out}: mount it there, or leave {Setting('ray_files')} at "
                "store.",
            )
        try:
            self.worker = self.executor.open(self.index)
        except Exception as problem:
            return Greeting(
                machine=machine, problem=f"The machine {machine} cannot get ready. {failure_message(problem)}"
            )
        return Greeting(machine=machine)

    def stop(self) -> None:
        """Stop within one step; from another thread."""
        self.stopped.set()

    def do(self, job: Job, files: Mapping[str, bytes]) -> JobResult:
        """Do a job.

        Args:
            files: what its record names, by whole paths.
        """
        assert self.worker is not None, "ready comes before do"
        try:
            if self.out is not None:
                return JobResult(state="done", outcome=do_job(job, self.worker, self.out, self.on_progress))
            return do_detached(job, files, self.worker, self.on_progress)
        except Cancelled:
            return JobResult(state="stopped")
        except Exception as problem:
            return JobResult(state="failed", error=failure_message(problem))

    def on_progress(self, progress: Progress) -> None:
        if self.stopped.is_set():
            raise Cancelled("stopped")


def appears(file: Path) -> bool:
    """Whether a file appears within `VISIBLE_WITHIN` seconds."""
    until = time.monotonic() + VISIBLE_WITHIN
    while not file.exists():
        if time.monotonic() > until:
            return False
        time.sleep(0.25)
    return True


def files_of(job: Job) -> dict[str, bytes]:
    """What a job's record names, by whole paths; a scene's folder as the files in it.

    What cannot be read is left out: the worker that does the job says what is wrong with it.
    """
    assert job.record is not None
    found: dict[str, bytes] = {}
    for name in input_files(job.record).values():
        path = Path(name)
        with contextlib.suppress(OSError):
            for file in sorted(path.iterdir()) if path.is_dir() else [path]:
                if file.is_file():
                    found[str(file)] = file.read_bytes()
    return found


def do_detached(job: Job, files: Mapping[str, bytes], worker: Worker, on_progress: OnProgress) -> JobResult:
    """Do a job away from its pictures: they are laid down here, below a folder that stands for the root.

    So all names and neighbours stay what they were, and what is told and written of a path becomes
    right when that folder's name is taken away.
    """
    assert job.record is not None
    with tempfile.TemporaryDirectory(prefix="intarsia-") as made:
        root = str(Path(made).resolve() / "from")
        folder = Path(made).resolve() / "made"
        folder.mkdir()
        for name, data in files.items():
            place = Path(root + name)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data)
        placed = {k: root + name for k, name in input_files(job.record).items() if Path(root + name).exists()}
        record = with_files(job.record, {**input_files(job.record), **placed})
        try:
            outcome = worker(dataclasses.replace(job, record=record), folder, on_progress)
        except Cancelled:
            raise
        except Exception as problem:
            return JobResult(state="failed", error=failure_message(problem).replace(root, ""))
        results = {
            file.relative_to(folder).as_posix(): without_root(root, file.read_bytes())
            for file in sorted(folder.rglob("*"))
            if file.is_file()
        }
        return JobResult(state="done", outcome=outcome, files=results)


def without_root(root: str, data: bytes) -> bytes:
    """A file's content with a root taken away from the paths in its record: of JSON, and of PNG's text."""
    name = json.dumps(root)[1:-1].encode()
    if data.startswith(b"{"):
        return data.replace(name, b"")
    if not data.startswith(PNG) or name not in data:
        return data
    parts, at = [PNG], len(PNG)
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        at += 12 + length
        if kind == b"iTXt":
            body = body.replace(name, b"")
        parts += [struct.pack(">I", len(body)), kind, body, struct.pack(">I", zlib.crc32(kind + body))]
    return b"".join(parts)


@dataclass(frozen=True, kw_only=True)
class UnpackResult:
    """The worker of a job that was done elsewhere: writes the files that came back."""

    result: JobResult

    def __call__(self, job: Job, folder: Path, on_progress: OnProgress) -> Outcome:
        for name, data in self.result.files.items():
            write_bytes_atomically(folder / name, data)
        assert self.result.outcome is not None
        return self.result.outcome
