"""WebP: chunks of a RIFF file, read and put in."""

from __future__ import annotations

import struct

from intarsia.imaging.containers.pieces import MOST, MOST_PARTS, Pieces, Source, Span, add_span, length_of, read_at

PROFILE, ALPHA, EXIF, XMP = 0x20, 0x10, 0x08, 0x04
"""Flags of the header for what else a file holds."""

KINDS = {b"ICCP": "icc", b"EXIF": "exif", b"XMP ": "xmp"}


def take_apart(file: Source) -> Pieces:
    """A WebP in pieces."""
    pieces = Pieces()
    length, at, read, parts = length_of(file), 12, 0, 0
    kept: list[bytes | Span] = []
    found = False
    while at + 8 <= length:
        parts += 1
        if parts > MOST_PARTS:
            return Pieces()
        head = read_at(file, Span(at, 8))
        kind, size = head[:4], struct.unpack("<I", head[4:])[0]
        whole = 8 + size + size % 2
        if kind in KINDS or kind == b"C2PA":
            found = True
            read += size
            if kind == b"C2PA":
                pieces.lose("its content credentials (C2PA), which an edit makes invalid")
            elif read > MOST:
                pieces.lose("metadata beyond 64 MiB")
            else:
                _sort(kind, read_at(file, Span(at + 8, size)), size, pieces)
        elif kind == b"VP8X" and size >= 10:
            body = bytearray(read_at(file, Span(at + 8, size + size % 2)))
            body[:1] = bytes([body[0] & ~(PROFILE | EXIF | XMP)]) if body else b""
            kept.append(head + bytes(body))
        else:
            add_span(kept, at, min(whole, length - at))
        at += whole
    if found:
        size = sum(piece.length if isinstance(piece, Span) else len(piece) for piece in kept)
        pieces.bare = [b"RIFF" + struct.pack("<I", size + 4) + b"WEBP", *kept]
    return pieces


def _sort(kind: bytes, body: bytes, size: int, pieces: Pieces) -> None:
    """Keep the first chunk of a kind."""
    if len(body) < size and kind == b"ICCP":
        pieces.lose("its colour profile, which is cut off")
    elif kind == b"XMP ":
        pieces.xmp[:] = pieces.xmp or [body]
    elif not getattr(pieces, KINDS[kind]):
        setattr(pieces, KINDS[kind], body.removeprefix(b"Exif\0\0"))


def chunk(kind: bytes, body: bytes) -> bytes:
    """A chunk, padded to an even length."""
    return kind + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def put_together(
    encoded: bytes, size: tuple[int, int], *, alpha: bool, icc: bytes = b"", exif: bytes = b"", packet: bytes = b""
) -> bytes:
    """A WebP with metadata.

    Args:
        encoded: as an encoder wrote it.
        size: width and height.
        alpha: whether it has transparency.
    """
    if not (icc or exif or packet):
        return encoded
    at, images = 12, b""
    while at + 8 <= len(encoded):
        kind, length = encoded[at : at + 4], struct.unpack("<I", encoded[at + 4 : at + 8])[0]
        whole = 8 + length + length % 2
        if kind != b"VP8X":
            images += encoded[at : at + whole]
        at += whole
    flags = (PROFILE if icc else 0) | (ALPHA if alpha else 0) | (EXIF if exif else 0) | (XMP if packet else 0)
    sides = b"".join((side - 1).to_bytes(3, "little") for side in size)
    body = chunk(b"VP8X", bytes([flags, 0, 0, 0]) + sides)
    if icc:
        body += chunk(b"ICCP", icc)
    body += images
    if exif:
        body += chunk(b"EXIF", exif)
    if packet:
        body += chunk(b"XMP ", packet)
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body
