"""Kill a batch again and again, at random moments, and see that nothing is lost, done twice or half-written.

    python -m benchmarks.kill_resume --seed 1 --jobs 200 --kills 20

The same jobs are first done undisturbed. Then a run is killed with SIGKILL `kills` times, each time after a
random time, and finished. Both must have the same pixels; every job must have one folder, all its files whole,
and have been done once: what a killed run had begun may be begun again, but what it had finished may not.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image

import intarsia
from intarsia.batch.executor import MARK, RESULTS, UNFINISHED
from intarsia.batch.ledger import Ledger, Row
from intarsia.imaging.read import read_photo
from intarsia.results.document import pixel_digest
from training import world

SCENES = Path(intarsia.__file__).parent / "demo" / "scenes"
SMALL = {
    "models": "pocket",
    "steps": 2,
    "search": {"proposals": 2, "preview_steps": [1], "survivors": [1], "anchors": 2},
}
"""Settings of a job that is over in about a tenth of a second."""


def write_jobs(folder: Path, count: int, seed: int) -> Path:
    """Jobs on the demo's scenes, which are called after what is in them, and their list."""
    rng, entries = np.random.default_rng(seed), []
    scenes = [shutil.copy(scene, folder) for scene in sorted(SCENES.glob("*.png"))]
    for k in range(count):
        scene = Path(scenes[k % len(scenes)])
        source, prompt = scene.stem.partition("-")[0], f"a {rng.choice(world.NAMES)}"
        entries.append({"photo": scene.name, "source": source, "prompt": prompt, "seed": k, **SMALL})
    file = folder / "jobs.jsonl"
    file.write_text("\n".join(map(json.dumps, entries)))
    return file


def start(jobs: Path, out: Path, workers: int, log: BinaryIO | None = None, *flags: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "intarsia", "batch", str(jobs), "--out", str(out), "--workers", str(workers)]
    return subprocess.Popen([*command, "--quiet", *flags], start_new_session=True, stdout=log, stderr=log)


def finish(jobs: Path, out: Path, workers: int) -> None:
    process = start(jobs, out, workers)
    code = process.wait()
    if code != 0:
        raise SystemExit(f"The run in {out} ended with exit code {code}.")


def finished_jobs(out: Path) -> dict[str, int]:
    """The marks of finished jobs, and when each was written: a job that is done again gets a new one."""
    return {p.parent.name: p.stat().st_ino for p in (out / RESULTS).glob(f"[!.]*/{MARK}")}


def check(out: Path, rows: list[Row], undisturbed: list[Row]) -> list[str]:
    """What is wrong with a run's results, in words."""
    wrong = []
    if [r.id for r in rows] != [r.id for r in undisturbed]:
        wrong.append("the ledger has other jobs")
    wrong += [f"job {r.number} is {r.state}: {r.error}" for r in rows if r.state != "done"]
    folders = sorted(p.name for p in (out / RESULTS).iterdir())
    wrong += [f"{name} was left half-written" for name in folders if name.startswith(UNFINISHED)]
    if sorted(r.folder for r in rows) != folders:
        wrong.append("the folders are not those of the jobs, one each")
    for row, other in zip(rows, undisturbed, strict=True):
        picture = out / RESULTS / row.folder / str(row.facts["picture"])
        with Image.open(picture) as image:
            image.load()
        digest = pixel_digest(read_photo(picture))
        if not digest == row.sha256 == other.sha256:
            wrong.append(f"job {row.number} has other pixels")
        record = json.loads((picture.with_suffix(".json")).read_text())
        if record["output_sha256"] != digest:
            wrong.append(f"job {row.number} has the record of another picture")
    return wrong


def rows_of(out: Path) -> list[Row]:
    with Ledger.open(out, create=False) as ledger:
        return ledger.rows()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, required=True, help="of the jobs and of the moments")
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="keep everything here; by default in a temporary folder")
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="kill-resume-"))
    folder.mkdir(parents=True, exist_ok=True)
    jobs, dice = write_jobs(folder, options.jobs, options.seed), random.Random(options.seed)

    began = time.time()
    finish(jobs, folder / "undisturbed", options.workers)
    ended = [row.ended or 0 for row in rows_of(folder / "undisturbed")]
    loading, working = min(ended) - began, max(ended) - min(ended)
    print(f"undisturbed: {options.jobs} jobs in {working:.1f} s, after {loading:.1f} s of loading")

    out, kills, again, before = folder / "killed", 0, Counter[str](), dict[str, int]()
    while kills < options.kills:
        process = start(jobs, out, options.workers)
        # Some moments lie before the first job; the others are so far apart that all kills come before the end.
        patience = dice.uniform(0.2, loading + 0.8 * working / options.kills)
        try:
            process.wait(timeout=patience)
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            kills += 1
        else:
            raise SystemExit(f"The run was over after {kills} kills: give more --jobs.")
        now = finished_jobs(out)
        again.update(name for name, mark in before.items() if now.get(name) != mark)
        before = now
        print(f"kill {kills} after {patience:.1f} s: {len(now)} of {options.jobs} finished")
    finish(jobs, out, options.workers)
    now = finished_jobs(out)
    again.update(name for name, mark in before.items() if now.get(name) != mark)

    rows = rows_of(out)
    wrong = check(out, rows, rows_of(folder / "undisturbed"))
    wrong += [f"{name} was done again" for name in again]
    begun = Counter(row.attempts for row in rows)
    print(f"{len(rows)} jobs, begun so many times: {dict(sorted(begun.items()))}; finished twice: {len(again)}")
    for line in wrong:
        print(f"WRONG: {line}")
    if options.folder is None:
        shutil.rmtree(folder)
    raise SystemExit(1 if wrong else 0)


if __name__ == "__main__":
    main()
