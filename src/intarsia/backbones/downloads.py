"""What lies where a checkpoint's file belongs, but for what is in it: nothing, half of it, or what no one may read.

Downloads break off, and the links of a cache outlive what they point to.
"""

from __future__ import annotations

from pathlib import Path

from intarsia.errors import Remedy
from intarsia.stand_ins import Fault, pull

ANEW = "download the checkpoint again"
AGAIN = Remedy(ANEW)
PULL = pull(ANEW)

START = 512
"""Bytes at a file's beginning that tell what it is."""

PARTIAL = (".incomplete", ".crdownload", ".part", ".partial", ".download", ".aria2", ".opdownload", ".tmp", ".!qB")
"""Endings that browsers and download programs give to what has not come whole."""


def no_file(file: Path) -> Fault | None:
    """Why no file can be opened at a path; None where one can, as far as can be told without reading it."""
    try:
        if file.is_dir():
            return "is a folder, not a file", AGAIN
        if file.exists():
            return None if file.is_file() else ("is no plain file", AGAIN)
        if file.is_symlink():
            return "is a link to a file that is not there, as a download leaves it that broke off", AGAIN
    except OSError as problem:
        return refused(problem)
    came = part_of(file)
    return ("is missing" if came is None else f"is missing, of which only a part came ({came})"), AGAIN


def refused(problem: OSError) -> Fault:
    """What the system says of a file that it does not read."""
    reason = (problem.strerror or type(problem).__name__).lower()
    may_not = isinstance(problem, PermissionError)
    return f"cannot be read ({reason})", Remedy("give yourself the right to read it") if may_not else AGAIN


def part_of(file: Path) -> str | None:
    """The name of what came of a file whose download has not ended, beside it or in the hub's own folder for it."""
    places = [file.parent]
    for folder in (file.parent, *file.parents[1:3]):
        kept = folder / ".cache" / "huggingface" / "download"
        places.append(kept / file.parent.relative_to(folder))
    for place in places:
        try:
            names = sorted(there.name for there in place.iterdir())
        except OSError:
            continue
        for name in names:
            if name.startswith(file.name) and name.endswith(PARTIAL):
                return name
    return None
