"""Work without networks, for tests of who does which job when: it writes a digest of what it was told."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from intarsia.batch.jobs import Job
from intarsia.batch.ledger import Outcome
from intarsia.errors import PictureError
from intarsia.progress import OnProgress, Progress
from intarsia.records.edit import EditRecord


@dataclass(frozen=True, kw_only=True)
class FakeWork:
    """Each job takes `steps` steps of `pause` seconds. Prompts say what goes wrong: "fail", "die", "die once"."""

    steps: int = 2
    pause: float = 0.0
    pictures: bool = False
    """Leave copies of the photo, named as an edit's files are."""

    def open(self, index: int) -> FakeWorker:
        return FakeWorker(self)


class FakeWorker:
    def __init__(self, work: FakeWork) -> None:
        self.work = work

    def __call__(self, job: Job, folder: Path, on_progress: OnProgress) -> Outcome:
        assert isinstance(job.record, EditRecord)
        prompt = job.record.prompt
        mark = Path(job.record.photo).parent / f"died-{job.id}"
        (folder / "half.txt").write_text("half")
        for step in range(self.work.steps):
            time.sleep(self.work.pause)
            on_progress(Progress(stage="painting", done=step + 1, total=self.work.steps))
        if prompt == "fail":
            raise PictureError("The picture is no picture: give another.")
        if prompt == "stumble":
            raise ZeroDivisionError("divided by\nnothing")
        if prompt == "die" or (prompt == "die once" and not mark.exists()):
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        said = f"{prompt} {job.record.seed} {Path(job.record.photo).read_bytes()!r}"
        sha256 = hashlib.sha256(said.encode()).hexdigest()
        (folder / "picture.txt").write_text(sha256)
        if self.work.pictures:
            for name in ("made.png", "made.mask.png", "before.jpg", "after.jpg"):
                shutil.copyfile(job.record.photo, folder / name)
        return Outcome(
            seconds=0.5, evaluations=3, memory_mb=1.0, score=1.5, sha256=sha256, facts={"picture": "picture.txt"}
        )
