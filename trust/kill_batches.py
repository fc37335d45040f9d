"""Batches that are ended at random moments by every signal, and go on; on a full disk, and with a clock that jumps."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.kill_resume import check, finish, finished_jobs, rows_of, start, write_jobs
from trust.kill_disks import small_disk
from trust.kill_runs import LEFT, LOST, OTHER, SIGNALS, TOUCHED, UNTOLD, Tally, contents, hidden
from trust.shell import tried

JOBS = 40


def kill_batches(place: Path, tally: Tally, dice: random.Random, *, count: int) -> list[str]:
    """End one batch again and again, and compare what it comes to with an undisturbed one."""
    place.mkdir(parents=True)
    jobs = write_jobs(place, JOBS, dice.randrange(1000))
    inputs = contents(place)
    began = time.time()
    finish(jobs, place / "undisturbed", 1)
    ended = [row.ended or 0 for row in rows_of(place / "undisturbed")]
    loading, working = min(ended) - began, max(ended) - min(ended)
    out, again, before = place / "killed", Counter[str](), dict[str, int]()
    for number in range(count):
        sent = SIGNALS[number % len(SIGNALS)]
        process = start(jobs, out, 1)
        if number % 4:
            wait_for_one_more(process, out, len(before))
            moment = dice.uniform(0, 2 * working / JOBS)
        else:
            moment = dice.uniform(0.2, loading)
        try:
            process.wait(moment)
        except subprocess.TimeoutExpired:
            os.kill(process.pid, sent)
            tally.count("batch: ended at random moments")
        code = waited(process)
        if code not in (0, -signal.SIGKILL, 130, 1):
            tally.fault(UNTOLD, f"batch, {sent.name}, number {number}: ended with {code}")
        now = finished_jobs(out)
        again.update(name for name, mark in before.items() if now.get(name) != mark)
        before = now
    finish(jobs, out, 1)
    now = finished_jobs(out)
    again.update(name for name, mark in before.items() if now.get(name) != mark)
    judge(out, place / "undisturbed", [f"{name} was done again" for name in again], "batch", tally)
    if {name: digest for name, digest in contents(place).items() if name in inputs} != inputs:
        tally.fault(TOUCHED, "batch")
    left = full_disk(jobs, place / "small", place / "undisturbed", tally)
    return left + jumping_clock(jobs, place / "clock", place / "undisturbed", tally)


def wait_for_one_more(process: subprocess.Popen[bytes], out: Path, known: int) -> None:
    """Wait until a run has finished a job, or has ended."""
    until = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < until and len(finished_jobs(out)) <= known:
        time.sleep(0.01)


def waited(process: subprocess.Popen[bytes], patience: float = 60.0) -> int | None:
    """A process's exit code; None of one that did not end, and was killed."""
    try:
        return process.wait(patience)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return None


def judge(out: Path, undisturbed: Path, wrong: list[str], label: str, tally: Tally) -> None:
    """Sort what `check` finds."""
    for line in [*wrong, *check(out, rows_of(out), rows_of(undisturbed))]:
        kind = OTHER if "pixels" in line else LEFT if "half-written" in line else LOST
        tally.fault(kind, f"{label}: {line}")
    for row in rows_of(out):
        if row.seconds is None or not 0 <= row.seconds < 600:
            tally.fault(LOST, f"{label}: job {row.number} took {row.seconds} s")
    remains = [name for name in hidden(out) if not name.endswith(".lock")]
    remains += [file.name for file in out.rglob(".*.part")]
    if remains:
        tally.fault(LEFT, f"{label}: {remains}")


def full_disk(jobs: Path, out: Path, undisturbed: Path, tally: Tally) -> list[str]:
    """Let the disk be full in the midst of a batch, and free some space."""
    with small_disk(out, 600) as mounted:
        if not mounted:
            return ["Batches on full disks: left out, since no file system may be mounted here."]
        said = out.parent / "full.txt"
        with said.open("wb") as log:
            process = start(jobs, out, 1, log)
            code = waited(process, 120)
        tally.count("batch: full disks")
        text = said.read_text("utf-8", "replace")
        if code not in (1, 2) or "Traceback" in text or "full" not in text:
            tally.fault(UNTOLD, f"batch, full disk: ended with {code}: {text[-300:]}")
        tried(["mount", "-o", "remount,size=64m", out])
        retry = start(jobs, out, 1, None, "--retry-failed")
        if (code := waited(retry, 240)) != 0:
            tally.fault(UNTOLD, f"batch, full disk: the next run ended with {code}")
        else:
            judge(out, undisturbed, [], "batch, full disk", tally)
    return []


@contextmanager
def fake_clock(file: Path) -> Iterator[bool]:
    """Let processes that are started meanwhile take their time from what a file says; whether that can be done."""
    program = shutil.which("faketime")
    libraries = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")) if program else []
    if not libraries:
        yield False
        return
    new = {
        "LD_PRELOAD": str(libraries[0]),
        "FAKETIME_TIMESTAMP_FILE": str(file),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    former = {name: os.environ.get(name) for name in new}
    os.environ.update(new)
    try:
        yield True
    finally:
        for name, value in former.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def jumping_clock(jobs: Path, out: Path, undisturbed: Path, tally: Tally) -> list[str]:
    """Let the machine's clock jump by days while a batch works."""
    file = out.parent / "clock.txt"
    file.write_text("+0")
    with fake_clock(file) as faked:
        if not faked:
            return ["Batches under a clock that jumps: left out, since libfaketime is not installed here."]
        process = start(jobs, out, 1)
        for offset in ("-2d", "+3d", "-400d", "+1d"):
            until = time.monotonic() + 60
            before = len(finished_jobs(out))
            while process.poll() is None and time.monotonic() < until:
                if len(finished_jobs(out)) > before + JOBS // 8:
                    break
                time.sleep(0.02)
            file.write_text(offset)
            tally.count("batch: clocks that jump")
        code = waited(process, 240)
    if code != 0:
        tally.fault(UNTOLD, f"batch, clock: ended with {code}")
    else:
        judge(out, undisturbed, [], "batch, clock", tally)
    return []
