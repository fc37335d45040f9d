"""Photoshop's image resources, in one of which a JPEG keeps what the IPTC defines."""

from __future__ import annotations

import struct
from typing import NamedTuple

IPTC = 1028
DROPPED = frozenset({1033, 1036, 1039, 1058, 1059, 1060})
"""Thumbnails of the old picture, and blocks that are kept elsewhere: profile, EXIF and XMP."""

UTF8 = b"\x1b%G"
FIELDS = {5: "title", 25: "subject", 80: "creator", 116: "rights", 120: "description"}
"""Data sets of IPTC's second record with the same meaning as one of Dublin Core's."""


class Resource(NamedTuple):
    """An image resource."""

    number: int
    head: bytes
    content: bytes


def resources(block: bytes) -> tuple[list[Resource], bool]:
    """The image resources of a block, and whether it is whole."""
    found: list[Resource] = []
    at = 0
    while at + 12 <= len(block):
        kind, number, name = struct.unpack_from(">4sHB", block, at)
        body = at + 6 + name + 1 + (name + 1) % 2
        if kind not in (b"8BIM", b"MeSa", b"AgHg", b"PHUT", b"DCSR") or body + 4 > len(block):
            return found, False
        length = struct.unpack_from(">I", block, body)[0]
        if body + 4 + length > len(block):
            return found, False
        content = block[body + 4 : body + 4 + length]
        found.append(Resource(number, block[at:body], content))
        at = body + 4 + length + length % 2
    return found, not block[at:].strip(b"\0")


def together(held: list[Resource]) -> bytes:
    """Image resources as a block."""
    return b"".join(
        head + struct.pack(">I", len(content)) + content + b"\0" * (len(content) % 2) for _, head, content in held
    )


def tidy(block: bytes) -> tuple[bytes, bool]:
    """A block without previews, and whether it was whole."""
    held, whole = resources(block)
    if whole and not any(resource.number in DROPPED for resource in held):
        return block, True
    return together([resource for resource in held if resource.number not in DROPPED]), whole


def iptc_of(block: bytes) -> bytes:
    """IPTC's records in a block of image resources; empty where there are none."""
    return next((held.content for held in resources(block)[0] if held.number == IPTC), b"")


def with_iptc(iptc: bytes) -> bytes:
    """A block of image resources that holds IPTC's records alone."""
    return together([Resource(IPTC, struct.pack(">4sHH", b"8BIM", IPTC, 0), iptc)]) if iptc else b""


def data_sets(iptc: bytes) -> list[tuple[int, int, bytes]]:
    """IPTC's data sets that are whole: record, number and content."""
    found, at = [], 0
    while at + 5 <= len(iptc) and iptc[at] == 0x1C:
        record, number, length = struct.unpack_from(">BBH", iptc, at + 1)
        at += 5
        if length & 0x8000:  # so many bytes tell the length
            more = length & 0x7FFF
            if more > 4 or at + more > len(iptc):
                break
            length = int.from_bytes(iptc[at : at + more], "big")
            at += more
        if at + length > len(iptc):
            break
        found.append((record, number, iptc[at : at + length]))
        at += length
    return found


def texts_of(iptc: bytes) -> dict[str, str]:
    """What IPTC's records say that Dublin Core has a word for; keywords are parted by NUL."""
    held = data_sets(iptc)
    unicode = any(record == 1 and number == 90 and content == UTF8 for record, number, content in held)
    found: dict[str, str] = {}
    for record, number, content in held:
        if record != 2 or number not in FIELDS:
            continue
        try:
            text = content.decode("utf-8")
        except UnicodeDecodeError:
            text = content.decode("utf-8" if unicode else "latin-1", "replace")
        name = FIELDS[number]
        found[name] = f"{found[name]}\0{text}" if name in found and name == "subject" else found.get(name, text)
    return found
