"""Runs of the command line in processes of their own, that are ended at any moment; and what they leave behind.

A run is a fork of this process, in which the libraries and the networks are loaded already: the moments at which it is
ended then lie in its work, and not in the seconds before.
"""

from __future__ import annotations

import atexit
import hashlib
import json
import os
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.kill_resume import SCENES
from intarsia.imaging.read import read_photo
from intarsia.results.document import pixel_digest
from intarsia.results.history import read_history

PATIENCE = 120.0
"""Seconds after which a run hangs."""

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
STOPPED = 130
"""Exit code of a run that was asked to stop."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """A command that writes one result.

    Attributes:
        words: of the command line, without the folder of results.
        files: that it writes.
    """

    name: str
    words: tuple[str, ...]
    files: tuple[str, ...]


POCKET = ("--models", "pocket", "--steps", "2")
MOVE = ("arrange", "photo.png", "--masks", "thing=thing.png", "--move", "thing=+24,0", *POCKET)
TASKS = (
    Task(
        name="edit",
        words=("edit", "photo.png", "--prompt", "a dog", "--box", "10,10,60,60", *POCKET),
        files=("photo.png", "photo.json", "photo.mask.png"),
    ),
    Task(name="arrange", words=MOVE, files=("photo.png", "photo.json", "photo.mask.png", "photo.layout.png")),
    Task(
        name="remove",
        words=("remove", "photo.png", "--box", "30,30,70,70"),
        files=("photo.png", "photo.json", "photo.mask.png"),
    ),
)


def write_inputs(folder: Path, seed: int = 1) -> None:
    """A photo, and a mask of what is to be moved in it."""
    folder.mkdir(parents=True, exist_ok=True)
    scenes = sorted(SCENES.glob("*.png"))
    with Image.open(scenes[seed % len(scenes)]) as image:
        image.save(folder / "photo.png")
        width, height = image.size
    mask = np.zeros((height, width), np.uint8)
    mask[height // 4 : height // 2, width // 4 : width // 2] = 255
    Image.fromarray(mask).save(folder / "thing.png")


def warm_up() -> None:
    """Load what every run needs, so that its forks have it."""
    from intarsia.backbones import load_backbones

    load_backbones("pocket", device="cpu")


def forked(perform: Callable[[], int], place: Path, log: Path) -> int:
    """Do something in a fork of this process, in a folder, with what it prints in a file; its process id."""
    sys.stdout.flush()
    sys.stderr.flush()
    # A signal that comes before the fork is ready waits, and ends what is being tried instead of its preparation.
    held = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS[1:])
    process = os.fork()
    if process:
        signal.pthread_sigmask(signal.SIG_SETMASK, held)
        return process
    code = 70
    try:
        atexit._clear()  # what the suite does at its end is not for a fork to do
        for number in SIGNALS[1:]:
            signal.signal(number, signal.SIG_DFL)
        os.chdir(place)
        stream = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        for target in (1, 2):
            os.dup2(stream, target)
        sys.stdout, sys.stderr = os.fdopen(1, "w", closefd=False), os.fdopen(2, "w", closefd=False)
        temporary = place.parent / "tmp"
        temporary.mkdir(exist_ok=True)
        tempfile.tempdir = str(temporary)
        os.environ["INTARSIA_CACHE"] = str(place.parent / "cache")
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS[1:])
        code = perform()
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def command_line(words: Sequence[str], place: Path, log: Path, before: Callable[[], None] | None = None) -> int:
    """The command line in a fork; its process id."""

    def perform() -> int:
        from intarsia.__main__ import start

        if before is not None:
            before()
        sys.argv = ["intarsia", *words]
        signal.signal(signal.SIGINT, signal.default_int_handler)  # as Python begins
        return start()

    return forked(perform, place, log)


def ended(process: int, patience: float = PATIENCE) -> int | None:
    """The exit code of a process once it has ended, negative for a signal; None where it was still at work, and was killed."""
    until = time.monotonic() + patience
    while time.monotonic() < until:
        found, status = os.waitpid(process, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    return None


def contents(folder: Path) -> dict[str, str]:
    """Digests of the files that people see in a folder, by name."""
    if not folder.is_dir():
        return {}
    return {
        file.name: hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.iterdir())
        if file.is_file() and not file.name.startswith(".")
    }


def hidden(folder: Path) -> list[str]:
    """Names of what was put into a folder for a while."""
    return sorted(file.name for file in folder.iterdir() if file.name.startswith(".")) if folder.is_dir() else []


def pixels_of(out: Path, task: Task) -> tuple[str, ...]:
    """Digests of a result's pictures.

    Raises:
        ValueError: a file is missing, cut off, or belongs to another result.
    """
    digests = []
    for name in task.files:
        file = out / name
        if file.suffix == ".json":
            continue
        with Image.open(file) as image:
            image.load()
        digests.append(pixel_digest(read_photo(file)))
    record = json.loads((out / "photo.json").read_text("utf-8"))
    if record["output_sha256"] != digests[0]:
        raise ValueError("the record is that of another picture")
    return tuple(digests)


@dataclass
class Tally:
    """What was seen.

    Attributes:
        counts: by what was counted.
        wrong: what must not be, a line each, by its kind.
    """

    counts: dict[str, int] = field(default_factory=dict)
    wrong: dict[str, list[str]] = field(default_factory=dict)

    def count(self, name: str, more: int = 1) -> None:
        self.counts[name] = self.counts.get(name, 0) + more

    def fault(self, kind: str, line: str) -> None:
        self.wrong.setdefault(kind, []).append(line)


LOST = "results lost, mixed or doubled"
HALF = "files half-written"
TOUCHED = "inputs touched"
OTHER = "other pixels after the next run than undisturbed"
LEFT = "hidden or temporary files after the next run"
UNTOLD = "runs without a clear ending (traceback, hang, wrong code)"
KINDS = (LOST, HALF, TOUCHED, OTHER, LEFT, UNTOLD)


class Trial:
    """One folder with inputs, in which a task is disturbed and then done again.

    Args:
        place: made here.
        earlier: whether a result of another edit is there, which is to be replaced.
    """

    def __init__(self, place: Path, task: Task, right: tuple[str, ...], tally: Tally, *, earlier: Path | None) -> None:
        self.task, self.right, self.tally = task, right, tally
        self.place = place / "work"
        write_inputs(self.place)
        self.inputs = contents(self.place)
        self.out, self.log = self.place / "out", place / "log.txt"
        if earlier is not None:
            self.out.mkdir()
            for name in task.files:
                (self.out / name).write_bytes((earlier / name).read_bytes())
        self.former = contents(self.out)
        self.words = [*task.words, "--out", "out", *(["--overwrite"] if earlier is not None else [])]

    def started(self, before: Callable[[], None] | None = None) -> int:
        return command_line(self.words, self.place, self.log, before)

    def told(self) -> str:
        return self.log.read_text("utf-8", "replace") if self.log.exists() else ""

    def look(self, label: str) -> bool:
        """See what a disturbed run has left; whether its result is there."""
        there = contents(self.out)
        if "Traceback" in self.told():
            self.tally.fault(UNTOLD, f"{label}: {self.told().splitlines()[-1][:200]}")
        for name, digest in there.items():
            if self.former.get(name) == digest:
                continue
            try:
                file = self.out / name
                json.loads(file.read_text("utf-8")) if file.suffix == ".json" else Image.open(file).load()
            except (OSError, ValueError) as problem:
                self.tally.fault(HALF, f"{label}: {name} ({problem})")
        if there == self.former:
            return False
        if there.keys() >= set(self.task.files) and not any(self.former.get(n) == d for n, d in there.items()):
            return True
        # Between two renames: the next run undoes it.
        self.tally.count("killed between two renames")
        return False

    def again(self, label: str, *, done: bool) -> None:
        """Do the task undisturbed, and compare."""
        if done:
            try:
                if pixels_of(self.out, self.task) != self.right:
                    self.tally.fault(OTHER, f"{label}: the result of the killed run")
            except (OSError, ValueError) as problem:
                self.tally.fault(LOST, f"{label}: the result of the killed run ({problem})")
        words = [*self.words, *(["--overwrite"] if done and "--overwrite" not in self.words else [])]
        code = ended(command_line(words, self.place, self.log))
        if code != 0:
            self.tally.fault(UNTOLD, f"{label}: the next run ended with {code}: {self.told()[-300:]}")
            return
        self.compare(label)

    def compare(self, label: str) -> None:
        """See that the folder holds one whole result, that of an undisturbed run, and nothing else."""
        if set(contents(self.out)) != set(self.task.files):
            self.tally.fault(LOST, f"{label}: {sorted(contents(self.out))}")
        try:
            if pixels_of(self.out, self.task) != self.right:
                self.tally.fault(OTHER, label)
            if len(read_history(self.out)) != 1:
                self.tally.fault(LOST, f"{label}: {len(read_history(self.out))} entries in the history")
        except (OSError, ValueError) as problem:
            self.tally.fault(LOST, f"{label}: {problem}")
        left = [*hidden(self.out), *hidden(self.place), *(file.name for file in (self.place.parent / "tmp").iterdir())]
        if left:
            self.tally.fault(LEFT, f"{label}: {left}")
        self.same_inputs(label)

    def same_inputs(self, label: str) -> None:
        if contents(self.place) != self.inputs:
            self.tally.fault(TOUCHED, label)
