"""What a file is that is not read as a picture, by its first bytes, and what helps."""

from __future__ import annotations

import re

from intarsia.errors import Remedy
from intarsia.imaging.formats import FILM, SOUND
from intarsia.stand_ins import Fault, stand_in

CONVERT = Remedy("convert it to PNG, JPEG, WebP, TIFF or BMP")

ARCHIVES = {
    b"PK\x03\x04": "ZIP",
    b"PK\x05\x06": "ZIP",
    b"\x1f\x8b": "gzip",
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"Rar!\x1a\x07": "RAR",
    b"\xfd7zXZ\0": "xz",
    b"BZh": "bzip2",
    b"\x28\xb5\x2f\xfd": "Zstandard",
}

RESOURCE_FORK = b"\0\x05\x16\x07"
"""Begins what macOS writes beside files on other systems' disks."""

AS_TEXT = re.compile(rb"data:image/|/9j/[\w+/=\s]{40}|iVBORw0KGgo|UklGR[\w+/=\s]{40}|R0lGOD[\w+/=\s]{40}")
"""Beginnings of a JPEG, PNG, WebP and GIF in base64."""

UNPRINTABLE = frozenset(range(32)) - frozenset(b"\t\n\r\f\x1b")


def why_not_read(head: bytes, kind: str) -> Fault:
    """What a file is instead of a picture that is read.

    Args:
        head: at least its first 1,024 bytes, or all of it.
        kind: what `format_of` calls it.
    """
    if kind.startswith((FILM, SOUND)):
        one = "save the one of its pictures that is meant as PNG or JPEG" if kind.startswith(FILM) else "give a picture"
        return f"is {kind}, not a picture", Remedy(one)
    if kind:
        return f"is {kind}, which is not supported", CONVERT
    if (fault := stand_in(head, "copy or download it again")) is not None:
        return fault
    for magic, archive in ARCHIVES.items():
        if head.startswith(magic):
            return f"is an archive ({archive}), not a picture", Remedy("take the picture out of it and give that")
    if head.startswith(RESOURCE_FORK):
        return "is what macOS writes beside a file, not the file", Remedy("give the one of that name without its '._'")
    if head.startswith(b"\x93NUMPY"):
        return "is an array of NumPy, not a picture", Remedy("save it as PNG")
    if AS_TEXT.match(head.lstrip()):
        return "is a picture written as text (base64)", Remedy("decode it, or save the picture itself")
    if is_text(head):
        return "is text, not a picture", Remedy("give the picture itself")
    return "is no picture of a kind that is known here", CONVERT


def is_text(head: bytes) -> bool:
    """Whether a file begins with words or figures for people, as UTF-8 or with a mark of UTF-16."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return len(head) > 2
    for cut in range(4):  # within a character
        try:
            text = head[: len(head) - cut].decode("utf-8")
        except UnicodeDecodeError:
            continue
        return not UNPRINTABLE.intersection(map(ord, text))
    return False
