"""What lies where a checkpoint's file belongs: nothing, half of it, or something else that was saved in its place.

Hubs keep large files behind pointers, ask for a sign-in by a web page, and answer in JSON; downloads break off, and the
links of a cache outlive what they point to. Each of these is told from a name or a file's first bytes.
"""

from __future__ import annotations

from pathlib import Path

from intarsia.errors import Remedy

Fault = tuple[str, Remedy]
"""A predicate, "is empty", and what helps."""

AGAIN = Remedy("download the checkpoint again")
PULL = Remedy("fetch that with git lfs pull, or download the checkpoint again")
ITSELF = Remedy("download the file itself, signed in if need be")

START = 512
"""Bytes at a file's beginning that tell what it is."""

PARTIAL = (".incomplete", ".crdownload", ".part", ".partial", ".download", ".aria2", ".opdownload", ".tmp", ".!qB")
"""Endings that browsers and download programs give to what has not come whole."""

PAGES = (b"<!doctype", b"<html", b"<head", b"<?xml", b"<script", b"<!--")
GATES = (
    b"entry not found",
    b"repository not found",
    b"invalid username or password",
    b"invalid credentials",
    b"access to ",
)
"""Beginnings of a hub's answers in plain text."""
WHITE = b"\xef\xbb\xbf \t\r\n"


def stand_in(head: bytes) -> Fault | None:
    """What a file is that was saved in the place of another, from its first bytes; None where it may be the other."""
    text = head.lstrip(WHITE)
    lowered = text[:200].lower()
    if not text:
        return "is empty", AGAIN
    if text.startswith(b"version https://git-lfs"):
        return "is a pointer of Git LFS, which names the file that was to be downloaded", PULL
    if lowered.startswith(PAGES):
        return "is a web page, not what was to be downloaded", ITSELF
    if lowered.startswith(GATES):
        return "is a server's refusal, not what was to be downloaded", ITSELF
    if not head.strip(b"\0"):
        return "is nothing but zeros, as a disk or a download leaves it that broke off", AGAIN
    return None


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
