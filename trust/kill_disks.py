"""Disks that are full or read-only, inputs that vanish in the midst, clocks that jump."""

from __future__ import annotations

import contextlib
import json
import random
import resource
import shutil
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from trust.kill_runs import (
    HALF,
    LEFT,
    LOST,
    OTHER,
    TASKS,
    UNTOLD,
    Tally,
    Trial,
    contents,
    ended,
    hidden,
    pixels_of,
    write_inputs,
)
from trust.shell import tried

Right = dict[str, tuple[tuple[str, ...], float, Path]]
"""See `trust.kills`."""

ROOMS = (8, 16, 24, 32, 48, 64, 96, 160)
"""Kilobytes that a disk has room for; results of the toy world take about a hundred."""


@contextlib.contextmanager
def small_disk(place: Path, kilobytes: int) -> Iterator[bool]:
    """A file system of a size at a folder, where this process may mount one; whether it may."""
    place.mkdir(parents=True, exist_ok=True)
    mounted = tried(["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", place]).returncode == 0
    try:
        yield mounted
    finally:
        if mounted:
            tried(["umount", "-l", place])


def with_small_files(limit: int) -> None:
    """Let this process write no file of more bytes."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))


def refused(trial: Trial, code: int | None, label: str, words: tuple[str, ...], tally: Tally) -> None:
    """See that a run refused in one sentence, and left the folder of results as it was."""
    said = trial.told()
    if code != 2 or "Traceback" in said or not any(word in said for word in words):
        tally.fault(UNTOLD, f"{label}: ended with {code}: {said[-300:]}")
    if contents(trial.out) != trial.former:
        tally.fault(LOST, f"{label}: {sorted(contents(trial.out))} after it was refused")
    if hidden(trial.out):
        tally.fault(LEFT, f"{label}: {hidden(trial.out)}")
    trial.same_inputs(label)


def full_disks(place: Path, right: Right, tally: Tally, *, quick: bool) -> list[str]:
    """Let the disk of results be full at several points of the writing, and then free some space."""
    left: list[str] = []
    for task in TASKS[2:] if quick else TASKS:
        pixels, _, earlier = right[task.name]
        for room in ROOMS[1:2] if quick else ROOMS:
            for replaces in (False, True):
                trial = Trial(place / f"{task.name}-{room}-{replaces}", task, pixels, tally, earlier=None)
                with small_disk(trial.out, 4096) as mounted:
                    if replaces:
                        for name in task.files:
                            shutil.copy(earlier / name, trial.out / name)
                        trial.words.append("--overwrite")
                    trial.former = contents(trial.out)
                    used = sum(-(-file.stat().st_size // 4096) * 4 for file in trial.out.iterdir())
                    limit = None if mounted else partial(with_small_files, room * 256)
                    if mounted:
                        tried(["mount", "-o", f"remount,size={used + room}k", trial.out])
                    code = ended(trial.started(limit))
                    label = f"{task.name}, {room} KB{', replacing' if replaces else ''}"
                    if code != 0:
                        tally.count("full disks")
                        refused(trial, code, label, ("the disk is full", "File too large", "file too large"), tally)
                        if mounted:
                            tried(["mount", "-o", "remount,size=4096k", trial.out])
                        trial.again(label, done=False)
                    else:
                        trial.compare(label)
                shutil.rmtree(trial.place.parent, ignore_errors=True)
                if not mounted and not left:
                    left.append("Full disks: by a limit of a file's size, since no file system may be mounted here.")
    return left


def read_only_folders(place: Path, right: Right, tally: Tally, *, quick: bool) -> list[str]:
    """Let the folder of results be one that nothing can be written into."""
    for task in TASKS[2:] if quick else TASKS:
        pixels, _, earlier = right[task.name]
        for replaces in (False,) if quick else (False, True):
            trial = Trial(place / f"{task.name}-{replaces}", task, pixels, tally, earlier=None)
            with small_disk(trial.out, 4096) as mounted:
                if not mounted:
                    return ["Read-only folders: left out, since no file system may be mounted here."]
                if replaces:
                    for name in task.files:
                        shutil.copy(earlier / name, trial.out / name)
                    trial.words.append("--overwrite")
                trial.former = contents(trial.out)
                tried(["mount", "-o", "remount,ro", trial.out])
                label = f"{task.name}, read-only{', replacing' if replaces else ''}"
                tally.count("read-only folders")
                refused(trial, ended(trial.started()), label, ("not writable",), tally)
                tried(["mount", "-o", "remount,rw", trial.out])
                trial.again(label, done=False)
            shutil.rmtree(trial.place.parent, ignore_errors=True)
    return []


def vanished_inputs(place: Path, right: Right, tally: Tally, dice: random.Random, *, count: int) -> None:
    """Take a run's photo or mask away, or put another in its place, at any moment."""
    for number in range(count):
        tasks = [task for task in TASKS if task.name in right]
        task = tasks[number % len(tasks)]
        pixels, seconds, _ = right[task.name]
        trial = Trial(place / str(number), task, pixels, tally, earlier=None)
        way = ("removed", "moved", "replaced", "emptied")[number // len(tasks) % 4]
        name = "thing.png" if task.name == "arrange" and number % 2 else "photo.png"
        process = trial.started()
        time.sleep(dice.uniform(0, seconds))
        file, elsewhere = trial.place / name, place / "elsewhere"
        write_inputs(elsewhere, seed=7)
        first = (trial.place / "photo.png").read_bytes(), (elsewhere / "photo.png").read_bytes()
        if way == "removed":
            file.unlink()
        elif way == "moved":
            file.rename(elsewhere / "moved.png")
        elif way == "emptied":
            file.write_bytes(b"")
        else:
            (elsewhere / name).replace(file)
        code = ended(process)
        label = f"{task.name}, {name} {way}, number {number}"
        tally.count("inputs that vanished in the midst")
        after_vanishing(trial, code, label, first, tally)
        shutil.rmtree(trial.place.parent)


def after_vanishing(trial: Trial, code: int | None, label: str, photos: tuple[bytes, bytes], tally: Tally) -> None:
    """See that there is a whole result, of one photo and told as that one's, or none and a sentence."""
    said = trial.told()
    if "Traceback" in said or code not in (0, 2):
        tally.fault(UNTOLD, f"{label}: ended with {code}: {said[-300:]}")
    if hidden(trial.out):
        tally.fault(LEFT, f"{label}: {hidden(trial.out)}")
    if code != 0:
        if contents(trial.out):
            tally.fault(LOST, f"{label}: {sorted(contents(trial.out))} after it was refused")
        return
    try:
        same = pixels_of(trial.out, trial.task) == trial.right
    except (OSError, ValueError) as problem:
        tally.fault(HALF, f"{label}: {problem}")
        return
    import hashlib

    told = json.loads((trial.out / "photo.json").read_text("utf-8"))["inputs"]["photo"]["sha256"]
    digests = [hashlib.sha256(photo).hexdigest() for photo in photos]
    if told not in digests:
        tally.fault(LOST, f"{label}: the record names another photo than was edited")
    elif same != (told == digests[0]) and "thing.png" not in label:
        tally.fault(OTHER, f"{label}: the record names the {'other' if same else 'first'} photo")


def clock_off_by(steps: tuple[float, ...]) -> None:
    """Let this process's clock be off by some seconds, and by others at the next look."""
    from intarsia.results import document

    true_time, looks = time.time, iter(steps * 100_000)

    def jumping() -> float:
        return true_time() + next(looks)

    class Jumping(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
            return datetime.fromtimestamp(jumping(), UTC)

    time.time = jumping
    vars(document)["datetime"] = Jumping


DAY = 86_400.0
JUMPS = ((-365 * DAY,), (365 * DAY,), (0.0, -DAY), (0.0, DAY, -3600.0), (-1.6e9,))
"""Seconds by which a clock is off, look for look: days back and forth, and one at the beginning of time."""


def broken_clocks(place: Path, right: Right, tally: Tally, *, quick: bool) -> None:
    """Let the clock jump while a run works, and see that its result, its times and its cost are right."""
    for task in TASKS[2:] if quick else TASKS:
        pixels, _, earlier = right[task.name]
        for number, steps in enumerate(JUMPS[-1:] if quick else JUMPS):
            trial = Trial(place / f"{task.name}-{number}", task, pixels, tally, earlier=earlier)
            label = f"{task.name}, clock off by {steps}"
            tally.count("clocks that jump")
            code = ended(trial.started(partial(clock_off_by, steps)))
            if code != 0:
                tally.fault(UNTOLD, f"{label}: ended with {code}: {trial.told()[-300:]}")
            else:
                trial.compare(label)
                told = json.loads((trial.out / "photo.json").read_text("utf-8"))
                made = datetime.fromisoformat(told["made_at"])
                spent = told["cost"]["seconds"]
                if not 0 <= spent < 600 or not made.tzinfo or abs(datetime.now(UTC) - made) > timedelta(days=40_000):
                    tally.fault(LOST, f"{label}: made at {made}, in {spent} s")
            shutil.rmtree(trial.place.parent)
