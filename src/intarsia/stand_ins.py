"""What was saved in the place of a file that was to come: a pointer to it, a web page, a refusal, or nothing.

Hubs and sites keep large files behind pointers, ask for a sign-in by a web page, and answer in words; downloads and copies
break off. Each of these is told from a file's first bytes.
"""

from __future__ import annotations

from intarsia.errors import Remedy

Fault = tuple[str, Remedy]
"""A predicate, "is empty", and what helps."""

ITSELF = Remedy("download the file itself, signed in if need be")

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


def pull(again: str) -> Remedy:
    """What helps who has the pointer of Git LFS in place of a file."""
    return Remedy(f"fetch that with git lfs pull, or {again}")


def stand_in(head: bytes, again: str) -> Fault | None:
    """What a file is that was saved in the place of another, from its first bytes; None where it may be the other.

    Args:
        again: what gets the other one, as a clause: "download the checkpoint again".
    """
    text = head.lstrip(WHITE)
    lowered = text[:200].lower()
    if not text:
        return "is empty", Remedy(again)
    if text.startswith(b"version https://git-lfs"):
        return "is a pointer of Git LFS, which names the file that was to be downloaded", pull(again)
    if lowered.startswith(PAGES):
        return "is a web page, not what was to be downloaded", ITSELF
    if lowered.startswith(GATES):
        return "is a server's refusal, not what was to be downloaded", ITSELF
    if not head.strip(b"\0"):
        return "is nothing but zeros, as a disk or a download leaves it that broke off", Remedy(again)
    return None
