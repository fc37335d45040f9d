"""JPEG: segments before the pixels, read and put in."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import NamedTuple

from intarsia.imaging.containers.pieces import (
    MOST,
    MOST_PARTS,
    UNITS,
    Density,
    Pieces,
    Segment,
    Source,
    Span,
    add_span,
    length_of,
    read_at,
)

JFIF, EXIF, ICC, PHOTOSHOP = b"JFIF\0", b"Exif\0", b"ICC_PROFILE\0", b"Photoshop 3.0\0"
XMP, MORE_XMP = b"http://ns.adobe.com/xap/1.0/\0", b"http://ns.adobe.com/xmp/extension/\0"
APP0, APP1, APP2, APP11, APP13, APP14, COMMENT = 0xE0, 0xE1, 0xE2, 0xEB, 0xED, 0xEE, 0xFE
SCAN, END = 0xDA, 0xD9
ALONE = frozenset({0x01, *range(0xD0, 0xD9)})
"""Markers without a length."""

FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
"""Markers of frames: of the sixteen, three are for tables and extensions."""

LONGEST = 65_533
"""Bytes of a segment besides its marker and length."""

LONGEST_EXIF = LONGEST - 6
LONGEST_XMP = LONGEST - len(XMP)

FURTHER = "the further pictures in its file (a preview, a depth map or the gain map of an HDR display)"
MANIFEST = "its content credentials (C2PA), which an edit makes invalid"
TAIL = "what follows the picture in its file (a film or another picture)"


def take_apart(file: Source) -> Pieces:
    """A JPEG in pieces. Segments of application data and comments are read, and left out for decoders."""
    pieces = Pieces()
    kept: list[bytes | Span] = [b"\xff\xd8"]
    length, at, read, parts = length_of(file), 2, 0, 0
    profile: dict[int, bytes] = {}
    promised = 0
    more: dict[bytes, dict[int, bytes]] = {}
    while at < length:
        parts += 1
        if parts > MOST_PARTS:
            add_span(kept, at, length - at)
            pieces.lose("metadata in more than 200,000 segments")
            break
        marker, start = _next_marker(file, at, length)
        if marker == END or marker is None:
            break
        if marker in ALONE:
            at = start
            continue
        head = read_at(file, Span(start, 2))
        size = struct.unpack(">H", head)[0] if len(head) == 2 else 0
        if size < 2 or marker == SCAN:
            add_span(kept, start - 2, length - start + 2)
            _look_behind(file, start, length, pieces)
            break
        at = start + size
        if not (APP0 <= marker <= 0xEF or marker == COMMENT):
            add_span(kept, start - 2, size + 2)
            continue
        read += size
        if read > MOST:
            pieces.lose("metadata beyond 64 MiB")
            continue
        body = read_at(file, Span(start + 2, size - 2))
        if marker == APP2 and body.startswith(ICC) and len(body) > 14:
            profile[body[12]] = body[14:]
            promised = max(promised, body[13])
        elif marker == APP1 and body.startswith(MORE_XMP) and len(body) > len(MORE_XMP) + 40:
            key, rest = body[len(MORE_XMP) : len(MORE_XMP) + 32], body[len(MORE_XMP) + 36 :]
            more.setdefault(key, {})[struct.unpack(">I", rest[:4])[0]] = rest[4:]
        else:
            if _sort(marker, body, pieces):
                add_span(kept, start - 2, size + 2)
    if profile:
        if sorted(profile) == list(range(1, promised + 1)):
            pieces.icc = b"".join(profile[index] for index in sorted(profile))
        else:
            pieces.lose("its colour profile, of which pieces are missing")
    _join_xmp(more, pieces)
    pieces.bare = kept
    return pieces


class Frame(NamedTuple):
    """How a JPEG is coded: the marker that says in which way, and bits a channel."""

    marker: int
    bits: int


def frame_of(file: Source) -> Frame | None:
    """A JPEG's frame, by the first header of one; None where it is cut off before."""
    length, at = length_of(file), 2
    for _ in range(MOST_PARTS):
        marker, start = _next_marker(file, at, length)
        if marker is None or marker in (SCAN, END):
            return None
        head = read_at(file, Span(start, 3)) if marker not in ALONE else b""
        if marker in FRAMES and len(head) == 3:
            return Frame(marker, head[2])
        at = start + (struct.unpack(">H", head[:2])[0] if len(head) >= 2 else 0)
    return None


def _next_marker(file: Source, at: int, length: int) -> tuple[int | None, int]:
    """The next marker from a place on, whatever lies before it, and where its length begins."""
    while at < length:
        content = read_at(file, Span(at, 4096))
        found = content.find(b"\xff")
        while 0 <= found < len(content) - 1 and content[found + 1] in (0x00, 0xFF):
            found = content.find(b"\xff", found + 1)
        if 0 <= found < len(content) - 1:
            return content[found + 1], at + found + 2
        if len(content) < 2:
            break
        at += len(content) - 1
    return None, length


def _sort(marker: int, body: bytes, pieces: Pieces) -> bool:
    """Put a segment where it belongs; whether decoders need it."""
    if marker == APP0 and body.startswith(JFIF) and len(body) >= 12:
        unit, across, down = struct.unpack(">BHH", body[7:12])
        if unit in (0, 1, 2) and across and down and (unit or across != down):
            pieces.density = Density(across, down, UNITS[unit])
        return True
    if marker == APP14 and body.startswith(b"Adobe"):
        return True
    if marker == APP1 and body.startswith(EXIF) and len(body) > 6:
        if not pieces.exif:
            pieces.exif = body[6:]
        elif len(pieces.exif) % LONGEST_EXIF == 0:  # some programs go on in a second segment
            pieces.exif += body[6:]
    elif marker == APP1 and body.startswith(XMP):
        if not pieces.xmp:
            pieces.xmp.append(body[len(XMP) :])
    elif marker == APP13 and body.startswith(PHOTOSHOP):
        pieces.photoshop += body[len(PHOTOSHOP) :]
    elif marker == COMMENT:
        pieces.comments.append(body)
    elif (marker == APP2 and body.startswith((b"MPF\0", b"urn:iso:std:iso:ts:21496", b"FPXR\0"))) or (
        marker == APP11 and body.startswith(b"HDR_RI")
    ):
        pieces.lose(FURTHER)
    elif marker == APP11 and body.startswith(b"JP"):
        pieces.lose(MANIFEST)
    elif not (marker == APP0 and body.startswith(b"JFXX")):  # a thumbnail of the old pixels
        pieces.segments.append(Segment(marker, body))
    return False


def _look_behind(file: Source, start: int, length: int, pieces: Pieces) -> None:
    """Whether more than padding follows the picture."""
    at, before = start, b""
    while at < length:
        content = before + read_at(file, Span(at, 2**20))
        found = content.find(b"\xff\xd9")
        if found >= 0:
            behind = at - len(before) + found + 2
            rest = read_at(file, Span(behind, 4096))
            if len(rest.strip(b"\0\xff\n\r ")) > 16 and FURTHER not in pieces.lost:
                pieces.lose(TAIL)
            return
        if len(content) == len(before):
            return
        at += len(content) - len(before)
        before = content[-1:]


def _join_xmp(more: dict[bytes, dict[int, bytes]], pieces: Pieces) -> None:
    """Add the extension that the main packet names, if all of it is there."""
    if not more:
        return
    for key, parts in more.items():
        if pieces.xmp and key not in pieces.xmp[0]:
            continue
        joined, whole = b"", True
        for offset in sorted(parts):
            whole = whole and offset == len(joined)
            joined += parts[offset]
        if whole:
            pieces.xmp.append(joined)
            return
    pieces.lose("the extension of its XMP data, of which pieces are missing")


# Writing


def segment(marker: int, body: bytes) -> bytes:
    """A segment.

    Raises:
        ValueError: it is too long for one.
    """
    if len(body) > LONGEST:
        raise ValueError(f"{len(body):,} bytes are too many for a segment")
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def put_together(
    encoded: bytes,
    *,
    exif: bytes = b"",
    packet: bytes = b"",
    extension: tuple[bytes, bytes] | None = None,
    icc: bytes = b"",
    photoshop: bytes = b"",
    segments: Iterable[Segment] = (),
    comments: Iterable[bytes] = (),
    density: Density | None = None,
) -> bytes:
    """A JPEG with metadata.

    Args:
        encoded: as an encoder wrote it, its first segment JFIF's.
        extension: of the XMP packet, with the 32 digits that name it.

    Raises:
        ValueError: a block is too long for a segment.
    """
    at = 2
    jfif = b""
    if encoded[2:4] == b"\xff\xe0":
        at = 4 + struct.unpack(">H", encoded[4:6])[0]
        jfif = encoded[6:at]
    if density is not None and jfif.startswith(JFIF):
        jfif = jfif[:7] + struct.pack(">BHH", *in_jfif(density)) + jfif[12:]
    fresh = [segment(APP0, jfif)] if jfif else []
    if exif:
        fresh.append(segment(APP1, b"Exif\0\0" + exif))
    if packet:
        fresh.append(segment(APP1, XMP + packet))
    if extension is not None:
        key, content = extension
        for offset in range(0, len(content), 65_000):
            head = MORE_XMP + key + struct.pack(">II", len(content), offset)
            fresh.append(segment(APP1, head + content[offset : offset + 65_000]))
    for start in range(0, len(photoshop), 65_000):
        fresh.append(segment(APP13, PHOTOSHOP + photoshop[start : start + 65_000]))
    count = -(-len(icc) // 65_500)
    if count > 255:
        raise ValueError(f"a profile of {len(icc):,} bytes is too long for a JPEG")
    for index in range(count):
        piece = icc[index * 65_500 : (index + 1) * 65_500]
        fresh.append(segment(APP2, ICC + bytes((index + 1, count)) + piece))
    fresh += [segment(marker, body) for marker, body in segments]
    fresh += [segment(COMMENT, body) for body in comments]
    return b"\xff\xd8" + b"".join(fresh) + encoded[at:]


def in_jfif(density: Density) -> tuple[int, int, int]:
    """A density as JFIF writes it: its unit, and whole numbers below 65,536; a ratio is kept as well as they can."""
    if density.unit == "cm" and all(abs(side - round(side)) > 1e-9 for side in density[:2]):
        inch = tuple(side * 2.54 for side in density[:2])
        if all(abs(side - round(side)) < 0.01 for side in inch):  # a PNG's dots per metre, from dots per inch
            density = Density(inch[0], inch[1], "inch")
    across, down = density.across, density.down
    largest = max(across, down)
    if density.unit == "ratio" and (largest > 65_535 or across != int(across) or down != int(down)):
        scale = 10_000 / largest
        across, down = across * scale, down * scale
    whole = [min(max(1, round(side)), 65_535) for side in (across, down)]
    return UNITS.index(density.unit), whole[0], whole[1]
