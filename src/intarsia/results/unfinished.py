"""Folders of files that wait for their names: held by the process that writes them, and settled when it was killed.

A killed process leaves its folder behind, and a killing between two renames some of the files with their names and some
without. A list of what is to be placed, written before the first rename, tells whoever comes next how to undo that, so
that a result is there as a whole or not at all.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from filelock import FileLock, Timeout

from intarsia.files import FORMER, STAGE, is_running, replace_file

LOCK = ".lock"
PLACING = ".placing"

UNHELD = 60.0
"""Seconds after which a folder without a lock counts as left behind, whatever process has its number."""


@contextlib.contextmanager
def held(stage: Path) -> Iterator[None]:
    """Mark a folder as one at which a process is at work; the mark goes with the process, however it ends."""
    lock = FileLock(stage / LOCK)
    # A file system without locks: the folder is then left alone by others.
    with contextlib.suppress(OSError, NotImplementedError):
        lock.acquire(timeout=0)
    try:
        yield
    finally:
        lock.release()


def is_left(folder: Path) -> bool:
    """Whether the process that held a folder has ended."""
    with contextlib.suppress(OSError, NotImplementedError, Timeout):
        if (folder / LOCK).exists():
            with FileLock(folder / LOCK).acquire(timeout=0):
                return True
    return False


def files_in(stage: Path) -> list[Path]:
    """The files that wait for their names; a result's record comes last, as whoever finds it looks for the others."""
    waiting = (file for file in stage.iterdir() if not file.name.startswith("."))
    return sorted(waiting, key=lambda file: (file.suffix == ".json", file.name))


def note_placing(stage: Path, files: Sequence[Path]) -> None:
    """Write down which files are about to get their names."""
    listed = stage / f"{PLACING}.new"
    listed.write_text(json.dumps({file.name: file.stat().st_ino for file in files}), encoding="utf-8")
    listed.replace(stage / PLACING)


def take_back(stage: Path, folder: Path) -> None:
    """Undo what was placed of a folder's files, and give back what they replaced; it can be done again where it broke off.

    Args:
        folder: in which the files have, or were to have, their names.
    """
    for name, number in placing_of(stage).items():
        target, former = folder / name, stage / f"{FORMER}{name}"
        with contextlib.suppress(OSError):
            if not (stage / name).exists() and target.stat().st_ino == number:
                target.unlink()
        with contextlib.suppress(OSError):
            if former.exists() and not target.exists():
                replace_file(former, target)


def placing_of(stage: Path) -> dict[str, int]:
    """Which files were about to get their names, and their numbers in the file system; none where it had not come to that."""
    try:
        placing: dict[str, int] = json.loads((stage / PLACING).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return placing


def settle(folder: Path) -> None:
    """Undo and remove what killed processes have left half-placed in a folder; those at work are left alone."""
    try:
        stages = list(folder.glob(f"{STAGE}*"))
    except OSError:  # no folder: its name is too long, or it may not be read
        return
    for stage in stages:
        lock = stage / LOCK
        with contextlib.suppress(OSError, NotImplementedError, Timeout):
            if lock.exists():
                with FileLock(lock).acquire(timeout=0):
                    # Where none waits any more, the result was whole before the process was killed.
                    if any((stage / name).exists() for name in placing_of(stage)):
                        take_back(stage, folder)
                shutil.rmtree(stage, ignore_errors=True)
            elif not is_at_work(stage):
                shutil.rmtree(stage, ignore_errors=True)


def is_at_work(stage: Path) -> bool:
    """Whether the process may still run that made a folder in which there is no lock yet, or no more."""
    number = stage.name.removeprefix(STAGE).partition("-")[0]
    if abs(time.time() - stage.stat().st_mtime) > UNHELD:
        return False
    return is_running(number)
