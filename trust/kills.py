"""Kills, full disks and lost files: nothing lost or doubled, nothing half-written, the same pixels after the next run."""

from __future__ import annotations

import os
import random
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from trust.figures import Figure, Part
from trust.kill_batches import kill_batches
from trust.kill_disks import broken_clocks, full_disks, read_only_folders, vanished_inputs
from trust.kill_runs import (
    KINDS,
    SIGNALS,
    STOPPED,
    TASKS,
    UNTOLD,
    Tally,
    Task,
    Trial,
    command_line,
    ended,
    pixels_of,
    warm_up,
    write_inputs,
)
from trust.kill_servers import kill_servers
from trust.kill_steps import kill_at_every_step

RANDOM, QUICK_RANDOM = 60, 2
BATCH, SERVER = 24, 16


def run(*, seed: int, quick: bool) -> Part:
    """Disturb runs in every way, and tell what came of it.

    Args:
        quick: few kills of single edits alone, one full disk, one lost file.
    """
    dice, tally = random.Random(seed), Tally()
    folder = Path(tempfile.mkdtemp(prefix="trust-kills-"))
    began = time.monotonic()
    left = []
    try:
        warm_up()
        tasks = tuple(task for task in TASKS if not quick or task.name != "arrange")
        right = undisturbed(folder / "undisturbed", tasks)
        names = ("remove",) if quick else ("edit", "arrange", "remove")
        parts: dict[str, Callable[[Path], list[str] | None]] = {
            "random": lambda to: kill_at_random(to, right, tally, dice, count=QUICK_RANDOM if quick else RANDOM),
            "steps": lambda to: kill_at_every_step(to, tally, names, every=24 if quick else 1),
            "full": lambda to: full_disks(to, right, tally, quick=quick),
            "read-only": lambda to: read_only_folders(to, right, tally, quick=quick),
            "vanished": lambda to: vanished_inputs(to, right, tally, dice, count=2 if quick else 24),
            "clocks": lambda to: broken_clocks(to, right, tally, quick=quick),
        }
        if quick:
            left.append("Quick: no kills of batches and servers.")
        else:
            parts["batch"] = lambda to: kill_batches(to, tally, dice, count=BATCH)
            parts["server"] = lambda to: kill_servers(to, tally, dice, count=SERVER)
        for name, perform in parts.items():
            try:
                left += perform(folder / name) or []
            except Exception as problem:  # the figures of the other parts are not lost over it
                tally.fault(UNTOLD, f"{name} broke off ({type(problem).__name__}: {str(problem)[:300]})")
    finally:
        if "TRUST_KEEP" not in os.environ:
            shutil.rmtree(folder, ignore_errors=True)
    figures = [Figure(name=name, value=f"{count:,}") for name, count in tally.counts.items()]
    for kind in KINDS:
        lines = tally.wrong.get(kind, [])
        figures.append(Figure(name=kind, value=str(len(lines)), bound="0", holds=not lines))
        left += [f"{kind}: {line}" for line in lines[:8]]
    figures.append(Figure(name="time", value=f"{time.monotonic() - began:,.0f} s"))
    return Part(name="kills", command=f"python -m trust kills --seed {seed}", figures=figures, left=left)


Right = dict[str, tuple[tuple[str, ...], float, Path]]
"""Of each task: digests of its pictures, the seconds that it takes, and a folder with an earlier result."""


def undisturbed(place: Path, tasks: Sequence[Task] = TASKS) -> Right:
    """Every task once as it is, and once with another seed, whose result is to be replaced later.

    Raises:
        RuntimeError: one fails.
    """
    right: Right = {}
    for task in tasks:
        work = place / task.name / "work"
        write_inputs(work)
        seconds = 0.0
        for out, more in (("earlier", ["--seed", "5"]), ("out", [])):
            began = time.monotonic()
            code = ended(command_line([*task.words, *more, "--out", out], work, place / "log.txt"))
            seconds = time.monotonic() - began
            if code != 0:
                raise RuntimeError(f"{task.name} ended with {code}: {(place / 'log.txt').read_text()[-500:]}")
        right[task.name] = pixels_of(work / "out", task), seconds, work / "earlier"
    return right


def is_writing(out: Path) -> bool:
    """Whether a run's files are being written."""
    try:
        return any(out.glob(".intarsia-*/*"))
    except FileNotFoundError:  # the folder was found, and gone before it was looked into
        return False


def kill_at_random(place: Path, right: Right, tally: Tally, dice: random.Random, *, count: int) -> None:
    """End runs by every signal: half of them at any moment, half of them while their files are written."""
    for number in range(count):
        tasks = [task for task in TASKS if task.name in right]
        task, sent = tasks[number % len(tasks)], SIGNALS[(number + number // len(tasks)) % len(SIGNALS)]
        pixels, seconds, earlier = right[task.name]
        trial = Trial(place / str(number), task, pixels, tally, earlier=earlier if dice.random() < 0.5 else None)
        label = f"{task.name}, {sent.name}, number {number}"
        process = trial.started()
        if number % 2:
            until = time.monotonic() + 4 * seconds
            while time.monotonic() < until and not is_writing(trial.out):
                time.sleep(0.001)
            time.sleep(dice.uniform(0, 0.03))
        else:
            time.sleep(dice.uniform(0, seconds))
        os.kill(process, sent)
        code = ended(process)
        tally.count(f"{task.name}: ended at random moments")
        # The default of a signal holds until the command line has begun.
        early = code == -sent and not trial.told()
        if not early and code not in ((0, -9) if sent == signal.SIGKILL else (0, STOPPED)):
            tally.fault(UNTOLD, f"{label}: ended with {code}: {trial.told()[-200:]}")
        trial.again(label, done=trial.look(label))
        shutil.rmtree(trial.place.parent)
