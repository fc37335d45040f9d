"""What a batch costs beside the edits: jobs that do nothing but read and write a file, here and on Ray.

python -m benchmarks.cluster --jobs 200 --megabytes 1
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from intarsia.batch.executor import Worker
from intarsia.batch.jobs import Job, read_jobs
from intarsia.batch.ledger import Ledger, Outcome
from intarsia.batch.local import JobEvent, run_local
from intarsia.batch.ray_driver import run_on_ray
from intarsia.progress import OnProgress


@dataclass(frozen=True, kw_only=True)
class Copying:
    """Its jobs leave a copy of their picture."""

    def open(self, index: int) -> Worker:
        return copied


def copied(job: Job, folder: Path, on_progress: OnProgress) -> Outcome:
    assert job.record is not None
    shutil.copyfile(job.record.photo, folder / "copy.png")
    return Outcome(seconds=0.0, evaluations=0, memory_mb=0.0, score=None, sha256="", facts={})


Run = Callable[[tuple[Job, ...], Ledger, Callable[[JobEvent], None]], None]


def measured(jobs: tuple[Job, ...], out: Path, run: Run) -> tuple[float, float]:
    """Seconds until the first job began, and seconds a job after that."""
    times: list[float] = []
    with Ledger.open(out) as ledger:
        ledger.enter(jobs)
        started = time.perf_counter()
        run(jobs, ledger, lambda news: times.append(time.perf_counter()))
        if ledger.counts().done != len(jobs):
            raise SystemExit(f"Not all jobs were done: {ledger.rows(state='failed')[0].error}")
    return times[0] - started, (times[-1] - times[0]) / len(jobs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--megabytes", type=float, default=1.0, help="of each picture, in and out")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--ray", default="local", help="address of the cluster")
    asked = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    work, workers = Copying(), asked.workers

    def here(jobs: tuple[Job, ...], ledger: Ledger, listen: Callable[[JobEvent], None]) -> None:
        run_local(jobs, work, ledger, workers=workers, on_event=listen)

    def on_ray(files: str) -> Run:
        def run(jobs: tuple[Job, ...], ledger: Ledger, listen: Callable[[JobEvent], None]) -> None:
            run_on_ray(jobs, work, ledger, address=asked.ray, workers=workers, files=files, gpus=0, on_event=listen)

        return run

    ways: dict[str, Run] = {"local": here, "ray, shared": on_ray("shared"), "ray, store": on_ray("store")}
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        (folder / "pictures").mkdir()
        for k in range(asked.jobs):
            (folder / "pictures" / f"{k}.png").write_bytes(os.urandom(int(asked.megabytes * 1e6)))
        jobs = read_jobs(folder / "pictures", settings={"prompt": "a dog"})
        print(f"{asked.jobs} jobs, {asked.megabytes:g} MB in and out, {workers} workers")
        print(f"{'':12} {'start':>8} {'a job':>10}")
        for name, run in ways.items():
            start, each = measured(jobs, folder / name, run)
            print(f"{name:12} {start:6.1f} s {1000 * each:7.1f} ms")


if __name__ == "__main__":
    main()
