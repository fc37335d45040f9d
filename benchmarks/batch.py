"""Measure a batch: two workers against one, a second run over finished work, and memory over many jobs.

    python -m benchmarks.batch --seed 1 --jobs 60 --json batch.json
    python -m benchmarks.batch --seed 1 --jobs 500 --memory

Throughput is jobs a second between the first and the last that ended, so that loading does not count;
with it is told apart. Each worker is held to one core, as far as the system can.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.kill_resume import rows_of, write_jobs

WARM = 50  # jobs after which memory is first looked at


@dataclass(frozen=True, kw_only=True)
class Pace:
    """A run: seconds in all, and jobs a second once the networks were loaded."""

    workers: int
    seconds: float
    rate: float


def run(jobs: Path, out: Path, workers: int) -> float:
    began = time.monotonic()
    command = [sys.executable, "-m", "intarsia", "batch", str(jobs), "--out", str(out), "--workers", str(workers)]
    subprocess.run([*command, "--quiet"], check=True)
    return time.monotonic() - began


def pace(jobs: Path, out: Path, workers: int) -> Pace:
    seconds = run(jobs, out, workers)
    # From when every worker has ended its first job: loading is over in all of them.
    ended = sorted((row.ended or 0, row.worker) for row in rows_of(out))
    firsts = [next(at for at, who in ended if who == worker) for worker in {who for _, who in ended}]
    since = max(firsts)
    after = [at for at, _ in ended if at > since]
    return Pace(workers=workers, seconds=seconds, rate=len(after) / (after[-1] - since))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--jobs", type=int, default=60)
    parser.add_argument("--memory", action="store_true", help="one worker alone, and how its memory grows")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    options = parser.parse_args()
    report: dict[str, object] = {"seed": options.seed, "jobs": options.jobs, "cores": os.cpu_count()}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        jobs = write_jobs(folder, options.jobs, options.seed)
        one = pace(jobs, folder / "one", 1)
        report["one"] = asdict(one)
        if options.memory:
            # The peak that each job saw so far: it grows with what is not given back.
            peaks = [row.memory_mb or 0.0 for row in sorted(rows_of(folder / "one"), key=lambda row: row.ended or 0)]
            report["memory_mb"] = {"after_warm": round(peaks[WARM], 1), "last": round(peaks[-1], 1)}
            report["memory_growth"] = round(peaks[-1] / peaks[WARM] - 1, 4)
        else:
            two = pace(jobs, folder / "two", 2)
            report["two"] = asdict(two)
            report["speedup"] = round(two.rate / one.rate, 3)
            report["same_pixels"] = [r.sha256 for r in rows_of(folder / "one")] == [
                r.sha256 for r in rows_of(folder / "two")
            ]
        report["seconds_again"] = round(run(jobs, folder / "one", 1), 2)
    print(json.dumps(report, indent=1))
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
