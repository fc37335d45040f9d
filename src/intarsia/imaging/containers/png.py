"""PNG: chunks, read and put in."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterable
from typing import NamedTuple

from intarsia.imaging.containers.pieces import (
    MOST,
    MOST_PARTS,
    Chunk,
    Density,
    Pieces,
    Source,
    Span,
    add_span,
    length_of,
    read_at,
)

SIGNATURE = b"\x89PNG\r\n\x1a\n"
NEEDED = frozenset({b"IHDR", b"PLTE", b"IDAT", b"IEND", b"acTL", b"fcTL", b"fdAT"})
"""Chunks that decoders get as they are."""

COLOURS = frozenset({b"cICP", b"iCCP", b"sRGB", b"gAMA", b"cHRM", b"mDCV", b"cLLI", b"mDCv", b"cLLi"})
TEXTS = frozenset({b"tEXt", b"zTXt", b"iTXt"})
XMP = b"XML:com.adobe.xmp"
RAW = b"Raw profile type "
"""Keyword of texts in which some programs keep blocks of other formats, in hexadecimal digits."""

LONGEST_PACKET = 2**24
"""Bytes of a text or an XMP packet that are unpacked; longer ones are left out."""

LONGEST_KEY = 79
"""Letters of a text's keyword, as the format has it."""

LONGEST_PACKED = 10**6
"""Bytes of a text that stays packed. Some readers refuse files with longer ones, unless they are not packed."""

MANIFEST = "its content credentials (C2PA), which an edit makes invalid"
NAMES = {
    b"iCCP": "colour profile",
    b"cICP": "colour space",
    b"gAMA": "gamma",
    b"cHRM": "primary colours",
    b"sRGB": "colour space",
    b"eXIf": "EXIF data",
    b"tRNS": "transparent colours",
    b"pHYs": "resolution",
    **dict.fromkeys((b"mDCV", b"mDCv", b"cLLI", b"cLLi"), "light levels"),
}


LENGTHS = {b"cICP": 4, b"sRGB": 1, b"gAMA": 4, b"cHRM": 32, b"mDCV": 24, b"mDCv": 24, b"cLLI": 8, b"cLLi": 8}
"""Bytes of chunks that have a fixed length."""


class Text(NamedTuple):
    """A text chunk, unpacked: its keyword and what it says, as bytes."""

    key: bytes
    value: bytes
    unicode: bool


def take_apart(file: Source) -> Pieces:
    """A PNG in pieces. What is not needed for pixels is read, and left out for decoders."""
    pieces = Pieces()
    length, at, read, parts = length_of(file), 8, 0, 0
    kept: list[bytes | Span] = [SIGNATURE]
    while at + 8 <= length:
        parts += 1
        if parts > MOST_PARTS:
            add_span(kept, at, length - at)
            pieces.lose("metadata behind 200,000 chunks")
            break
        size, kind = struct.unpack(">I4s", read_at(file, Span(at, 8)))
        needed = kind in NEEDED or not kind[:1].islower()
        if needed or at + 12 + size > length:
            if needed:
                add_span(kept, at, min(12 + size, length - at))
            if kind == b"IEND":
                break
        else:
            read += size
            body = read_at(file, Span(at + 8, size)) if read <= MOST else None
            check = read_at(file, Span(at + 8 + size, 4))
            if body is None or zlib.crc32(kind + body) != int.from_bytes(check, "big"):
                why = "is too large" if body is None else "is damaged"
                pieces.lose(f"its {NAMES.get(kind) or 'chunk ' + kind.decode('latin-1')}, which {why}")
            elif kind == b"tRNS":
                add_span(kept, at, 12 + size)
            else:
                _sort(Chunk(kind, body), pieces)
        at += 12 + size
    pieces.bare = kept
    _read_raw_profiles(pieces)
    return pieces


def _sort(chunk: Chunk, pieces: Pieces) -> None:
    """Put a chunk where it belongs."""
    kind, body = chunk
    if kind in COLOURS:
        _read_colour(chunk, pieces)
    elif kind == b"eXIf":
        pieces.exif = pieces.exif or body.removeprefix(b"Exif\0\0")
    elif kind == b"pHYs" and len(body) == 9:
        across, down, unit = struct.unpack(">IIB", body)
        if across and down and unit == 1:
            pieces.density = Density(across / 100, down / 100, "cm")
        elif across and down:
            pieces.density = Density(across, down, "ratio")
    elif kind == b"iTXt" and body.partition(b"\0")[0] == XMP:
        packet = _taken(chunk, pieces)
        if pieces.xmp:
            return
        if packet is None:
            pieces.lose("its XMP data, which is damaged or more than 16 MiB")
        else:
            pieces.xmp.append(packet.value)
    elif kind == b"caBX":
        pieces.lose(MANIFEST)
    elif kind in TEXTS:
        _read_text(chunk, pieces)
    elif kind[3:].islower():  # the format's own mark of what outlives a change of the pixels
        pieces.chunks.append(chunk)


def _taken(chunk: Chunk, pieces: Pieces) -> Text | None:
    """A text, unpacked; all of them together are unpacked to a limit."""
    text = unpacked(chunk, max(0, min(LONGEST_PACKET, MOST - pieces.taken)))
    pieces.taken += len(text.value) if text is not None else LONGEST_PACKET
    return text


def _read_text(chunk: Chunk, pieces: Pieces) -> None:
    """Keep a text as it is, if it can be read; a very long one is unpacked."""
    text = _taken(chunk, pieces)
    key = key_of(chunk)
    if text is None or not 1 <= len(key) <= 79:
        pieces.lose(f'its text "{key[:79].decode("latin-1")}", which is damaged or more than 16 MiB')
    elif len(text.value) > LONGEST_PACKED and chunk.kind == b"zTXt":
        pieces.chunks.append(Chunk(b"tEXt", key + b"\0" + text.value))
    elif len(text.value) > LONGEST_PACKED and chunk.kind == b"iTXt":
        language, translated = chunk.body[len(key) + 3 :].split(b"\0", 2)[:2]
        pieces.chunks.append(Chunk(b"iTXt", key + b"\0\0\0" + language + b"\0" + translated + b"\0" + text.value))
    else:
        pieces.chunks.append(chunk)


def _read_colour(chunk: Chunk, pieces: Pieces) -> None:
    """Keep a chunk about colours; a profile is unpacked besides."""
    if any(chunk.kind == other.kind for other in pieces.colour):
        return
    if len(chunk.body) != LENGTHS.get(chunk.kind, len(chunk.body)):
        pieces.lose(f"its {NAMES[chunk.kind]}, which is damaged")
        return
    if chunk.kind == b"iCCP":
        _, _, rest = chunk.body.partition(b"\0")
        profile = inflated(rest[1:], LONGEST_PACKET) if rest[:1] == b"\0" else None
        if not profile:
            pieces.lose("its colour profile, which is damaged")
            return
        pieces.icc = profile
    if chunk.kind == b"cICP" and len(chunk.body) == 4:
        pieces.transfer = chunk.body[1]
    pieces.colour.append(chunk)


def inflated(content: bytes, most: int) -> bytes | None:
    """Bytes unpacked by zlib; None where they are damaged or more than `most`."""
    unpacking = zlib.decompressobj()
    try:
        content = unpacking.decompress(content, most + 1)
    except zlib.error:
        return None
    return content if len(content) <= most and unpacking.eof else None


def unpacked(chunk: Chunk, most: int) -> Text | None:
    """What a text chunk says; None where it is damaged, or more than `most` bytes when unpacked."""
    key, found, rest = chunk.body.partition(b"\0")
    if not found or chunk.kind not in TEXTS:
        return None
    if chunk.kind == b"tEXt":
        return Text(key, rest, False)
    if chunk.kind == b"zTXt":
        value = inflated(rest[1:], most) if rest[:1] == b"\0" else None
        return None if value is None else Text(key, value, False)
    if len(rest) < 4:
        return None
    packed, rest = rest[0], rest[2:]
    _, _, rest = rest.partition(b"\0")
    _, found, rest = rest.partition(b"\0")
    value = (inflated(rest, most) if packed else rest) if found else None
    return None if value is None else Text(key, value, True)


def said(text: Text) -> str:
    """A text's value in letters."""
    return text.value.decode("utf-8" if text.unicode else "latin-1", errors="replace")


def key_of(chunk: Chunk) -> bytes:
    """The keyword of a text chunk; empty of others."""
    return chunk.body.partition(b"\0")[0] if chunk.kind in TEXTS else b""


def name_of(chunk: Chunk) -> str:
    """A chunk as people are told of it: its keyword, without what is no letter or sign, or else its kind."""
    letters = "".join(letter if letter.isprintable() else " " for letter in key_of(chunk).decode("latin-1"))
    return " ".join(letters.split())[:LONGEST_KEY] or chunk.kind.decode("latin-1")


def _read_raw_profiles(pieces: Pieces) -> None:
    """Read blocks of other formats that programs keep as texts; those about pixels leave the texts."""
    kept = []
    for chunk in pieces.chunks:
        kind = key_of(chunk)[len(RAW) :].lower() if key_of(chunk).startswith(RAW) else b""
        text = unpacked(chunk, LONGEST_PACKET) if kind in (b"exif", b"app1", b"xmp", b"iptc", b"8bim") else None
        content = raw_profile(text.value) if text else None
        if content is None:
            if kind not in (b"exif", b"app1"):
                kept.append(chunk)
            else:
                pieces.lose("its EXIF data, which is damaged")
        elif content.startswith((b"Exif\0\0", b"II*\0", b"MM\0*")):
            pieces.exif = pieces.exif or content.removeprefix(b"Exif\0\0")
        elif kind in (b"xmp", b"app1"):
            if not pieces.xmp:
                pieces.xmp.append(content.removeprefix(b"http://ns.adobe.com/xap/1.0/\0"))
        elif content.startswith(b"8BIM"):
            pieces.photoshop = pieces.photoshop or content
        elif kind == b"iptc":
            pieces.iptc = pieces.iptc or content
        else:
            kept.append(chunk)
    pieces.chunks[:] = kept


def raw_profile(text: bytes) -> bytes | None:
    """The block in such a text: its name, its length and its digits, a line each."""
    found = re.fullmatch(rb"\s*(\w+)\s+(\d+)\s+([0-9a-fA-F\s]*)", text)
    if found is None:
        return None
    try:
        content = bytes.fromhex(found[3].decode("ascii"))
    except ValueError:
        return None
    return content if len(content) == int(found[2]) else None


# Writing


def chunk_bytes(chunk: Chunk) -> bytes:
    """A chunk as it stands in a file."""
    kind, body = chunk
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def text_chunk(key: str, value: str) -> Chunk:
    """A text in Unicode, not packed."""
    return Chunk(b"iTXt", key.encode("latin-1", "replace") + b"\0\0\0\0\0" + value.encode("utf-8"))


def packet_chunk(packet: bytes) -> Chunk:
    """An XMP packet, not packed, as the format wants it."""
    return Chunk(b"iTXt", XMP + b"\0\0\0\0\0" + packet)


def profile_chunk(icc: bytes) -> Chunk:
    """A colour profile."""
    return Chunk(b"iCCP", b"ICC Profile\0\0" + zlib.compress(icc))


def raw_profile_chunk(kind: str, content: bytes) -> Chunk:
    """A block of another format as a text, as ImageMagick and ExifTool read and write it."""
    digits = content.hex()
    lines = "\n".join(digits[start : start + 72] for start in range(0, len(digits), 72))
    text = f"\n{kind}\n{len(content):8d}\n{lines}\n"
    return Chunk(b"zTXt", RAW + kind.encode() + b"\0\0" + zlib.compress(text.encode()))


def density_chunk(density: Density) -> Chunk:
    """The resolution in dots per metre, or the ratio of a pixel's sides."""
    if density.unit == "ratio":
        scale = 1.0 if density.across == int(density.across) and density.down == int(density.down) else 10_000
        scale = min(scale, (2**32 - 1) / max(density.across, density.down))
        return Chunk(b"pHYs", struct.pack(">IIB", *(max(1, round(side * scale)) for side in density[:2]), 0))
    metre = 100 if density.unit == "cm" else 100 / 2.54
    sides = (min(max(1, round(side * metre)), 2**31 - 1) for side in (density.across, density.down))
    return Chunk(b"pHYs", struct.pack(">IIB", *sides, 1))


def put_together(encoded: bytes, chunks: Iterable[Chunk]) -> bytes:
    """A PNG with further chunks, right behind its header, in this order."""
    start = 8 + 12 + struct.unpack(">I", encoded[8:12])[0]
    return encoded[:start] + b"".join(map(chunk_bytes, chunks)) + encoded[start:]
