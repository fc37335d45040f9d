"""Work for workers in other processes: they import it from here. It needs no network and no torch."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, PngImagePlugin

from intarsia.batch.executor import Worker
from intarsia.batch.jobs import Job
from intarsia.batch.ledger import Outcome
from intarsia.errors import PictureError
from intarsia.progress import OnProgress, Progress
from intarsia.records.inputs import input_files
from intarsia.records.serialize import to_json

STEP = 0.02
"""Seconds a step of slow jobs."""


@dataclass(frozen=True, kw_only=True)
class FakeWork:
    """Does what a job's words say: "fail", "die" (the process ends), "steps N", or nothing special.

    Attributes:
        diary: a folder; each job that begins leaves a file there.
        able: whether workers can get ready.
    """

    diary: Path
    able: bool = True

    def open(self, index: int) -> Worker:
        if not self.able:
            raise PictureError("Nothing is here.")
        return self.perform

    def perform(self, job: Job, folder: Path, on_progress: OnProgress) -> Outcome:
        (self.diary / f"{job.number}-{time.time_ns()}").touch()
        assert job.record is not None
        verb, _, number = job.words.partition(" ")
        if verb == "fail":
            raise PictureError(f"{job.record.photo} holds no picture.")
        if verb == "die":
            time.sleep(0.5)  # else what came of the job before may be lost with it, which then counts
            os.kill(os.getpid(), signal.SIGKILL)
        for step in range(int(number) if verb == "steps" else 1):
            on_progress(Progress(stage="painting", done=step, total=100))
            time.sleep(STEP if verb == "steps" else 0)
        facts = json.dumps({"record": to_json(job.record), "inputs": digests(job)})
        (folder / "record.json").write_text(facts)
        text = PngImagePlugin.PngInfo()
        text.add_itxt("intarsia", facts)
        Image.new("RGB", (16, 24), (job.number % 256, 0, 0)).save(folder / "picture.png", pnginfo=text)
        sha = hashlib.sha256(bytes([job.number % 256])).hexdigest()
        return Outcome(
            seconds=0.0, evaluations=1, memory_mb=0.0, score=None, sha256=sha, facts={"picture": "picture.png"}
        )


def digests(job: Job) -> dict[str, object]:
    """What the worker finds behind the names of a job's files."""
    assert job.record is not None
    found: dict[str, object] = {}
    for setting, name in input_files(job.record).items():
        path = Path(name)
        files = sorted(path.iterdir()) if path.is_dir() else [path]
        found[setting] = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
    return found
