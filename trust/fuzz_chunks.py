"""Mutators of files that are rows of pieces: PNG's chunks, JPEG's segments, RIFF's chunks, boxes of ISO media, BMP's head."""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass

from trust.fuzz_bytes import EXTREMES, extreme, mutated
from trust.fuzz_exif import strange_exif
from trust.fuzz_seeds import IPTC, XMP, png_chunk, profile

MOST_ADDED = 1 << 26
"""Bytes by which an input grows at most, so that it stays a file that somebody might send."""


@dataclass
class Piece:
    """A chunk, segment or box.

    Attributes:
        kind: its name or marker.
        content: without length, name and checksum.
        tail: what follows it and belongs to no piece, as the scan of a JPEG.
        lie: is added to its length where that is written down.
        wrong_sum: whether its checksum is spoilt.
    """

    kind: bytes
    content: bytes
    tail: bytes = b""
    lie: int = 0
    wrong_sum: bool = False


@dataclass(frozen=True)
class Layout:
    """How a format puts its pieces together.

    Attributes:
        parts: a file's pieces; None where it has none of this form.
        joined: the file of pieces.
        strange: pieces that a hostile or careless program adds.
    """

    parts: Callable[[bytes], list[Piece] | None]
    joined: Callable[[list[Piece]], bytes]
    strange: Callable[[random.Random], Piece]


def png_parts(data: bytes) -> list[Piece] | None:
    if data[:8] != b"\x89PNG\r\n\x1a\n":
        return None
    pieces, place = [], 8
    while place + 12 <= len(data):
        (length,) = struct.unpack(">I", data[place : place + 4])
        pieces.append(Piece(data[place + 4 : place + 8], data[place + 8 : place + 8 + length]))
        place += 12 + length
    return pieces


def png_joined(pieces: list[Piece]) -> bytes:
    rows = [b"\x89PNG\r\n\x1a\n"]
    for piece in pieces:
        length = struct.pack(">I", (len(piece.content) + piece.lie) % (1 << 32))
        check = zlib.crc32(piece.kind + piece.content) ^ (0x5A5A if piece.wrong_sum else 0)
        rows += [length, piece.kind, piece.content, struct.pack(">I", check), piece.tail]
    return b"".join(rows)


def bomb(rng: random.Random) -> bytes:
    """A little that unpacks to much."""
    return zlib.compress(b" " * rng.choice((1 << 20, 1 << 22, 1 << 26)), 9)


def strange_profile(rng: random.Random) -> bytes:
    """A colour profile whose tags lie."""
    data = bytearray(profile())
    for _ in range(rng.choice((1, 2, 8))):
        place = rng.choice((0, 12, 16, 20, 36, 128, 132 + 12 * rng.randrange(9) + 4, 132 + 12 * rng.randrange(9) + 8))
        data[place : place + 4] = rng.choice((extreme(rng, 4), b"CMYK", b"GRAY", b"RGB ", b"Lab "))
    return bytes(data)[: rng.choice((len(data), len(data), 128, 200, 3))]


def strange_text(rng: random.Random) -> bytes:
    return rng.choice(
        (
            b"Comment\0words",
            b"no end",
            b"\0",
            b"k" * 90 + b"\0v",
            "ключ\0".encode(),
            b"Copyright\0\xa9 \xff\xfe",
            b"XML:com.adobe.xmp\0\0\0\0\0" + XMP,
        )
    )


def png_strange(rng: random.Random) -> Piece:
    packed = rng.choice((bomb(rng), zlib.compress(b"words"), b"\x78\x9c\xff\xff", b""))
    kind, content = rng.choice(
        (
            (b"zTXt", b"Comment\0\0" + packed),
            (b"iTXt", b"Comment\0\1\0\0\0" + packed),
            (b"iTXt", strange_text(rng)),
            (b"tEXt", strange_text(rng)),
            (b"tEXt", b"k\0" + b"words " * rng.choice((200_000, 1_000_000))),
            (b"iCCP", b"name\0\0" + zlib.compress(strange_profile(rng))),
            (b"iCCP", b"name\0\0" + packed),
            (b"eXIf", strange_exif(rng)),
            (b"gAMA", extreme(rng, 4)),
            (b"cHRM", b"".join(extreme(rng, 4) for _ in range(8))),
            (b"sRGB", extreme(rng, 1)),
            (b"cICP", bytes((rng.choice((1, 9, 12, 255)), 13, 0, 1))),
            (b"pHYs", extreme(rng, 4) + extreme(rng, 4) + extreme(rng, 1)),
            (b"tRNS", rng.randbytes(rng.choice((0, 1, 2, 6, 300)))),
            (b"PLTE", rng.randbytes(rng.choice((0, 1, 3, 768, 900)))),
            (b"bKGD", rng.randbytes(rng.choice((0, 1, 6)))),
            (b"sBIT", rng.randbytes(rng.choice((0, 3, 4)))),
            (b"tIME", rng.randbytes(7)),
            (b"acTL", extreme(rng, 4, ">") + extreme(rng, 4)),
            (b"fcTL", b"".join(extreme(rng, 4, ">") for _ in range(5)) + rng.randbytes(6)),
            (b"fdAT", rng.randbytes(20)),
            (b"IDAT", rng.choice((b"", rng.randbytes(30), bomb(rng)))),
            (b"IHDR", rng.randbytes(13)),
            (b"IEND", b""),
            (b"\0\0\0\0", b""),
            (b"zzZZ", rng.randbytes(10)),
        )
    )
    return Piece(kind, content)


def jpeg_parts(data: bytes) -> list[Piece] | None:
    if data[:2] != b"\xff\xd8":
        return None
    pieces, place = [], 2
    while place + 4 <= len(data) and data[place] == 0xFF:
        marker = data[place : place + 2]
        if marker[1] == 0xD9:
            break
        (length,) = struct.unpack(">H", data[place + 2 : place + 4])
        piece = Piece(marker, data[place + 4 : place + 2 + length])
        place += 2 + length
        if marker[1] == 0xDA:  # what follows are the pixels, up to the next marker that is none of theirs
            end = place
            while end + 1 < len(data) and not (data[end] == 0xFF and data[end + 1] not in (0, *range(0xD0, 0xD8))):
                end += 1
            piece.tail = data[place:end]
            place = end
        pieces.append(piece)
    if pieces:
        pieces[-1].tail += data[place:]
    return pieces


def jpeg_joined(pieces: list[Piece]) -> bytes:
    rows = [b"\xff\xd8"]
    for piece in pieces:
        rows += [
            piece.kind,
            struct.pack(">H", (len(piece.content) + 2 + piece.lie) % (1 << 16)),
            piece.content,
            piece.tail,
        ]
    return b"".join(rows)


def jpeg_strange(rng: random.Random) -> Piece:
    icc = strange_profile(rng)
    kind, content = rng.choice(
        (
            (b"\xff\xe1", b"Exif\0\0" + strange_exif(rng)),
            (b"\xff\xe1", b"Exif\0\0" + strange_exif(rng)),
            (b"\xff\xe1", b"http://ns.adobe.com/xap/1.0/\0" + rng.choice((XMP, b"", b"<x", b"\xff" * 40))),
            (b"\xff\xe2", b"ICC_PROFILE\0" + bytes((rng.choice((0, 1, 2, 255)), rng.choice((0, 1, 2, 255)))) + icc),
            (b"\xff\xe2", b"MPF\0" + strange_exif(rng)),
            (
                b"\xff\xed",
                rng.choice(
                    (IPTC, IPTC[:20], b"Photoshop 3.0\0" + b"8BIM\x04\x04\x05" * 3, IPTC.replace(b"\x12", b"\xff"))
                ),
            ),
            (b"\xff\xfe", rng.choice((b"", b"words", "größer".encode("latin-1"), b"w" * 60_000, b"\0\0"))),
            (b"\xff\xee", b"Adobe" + rng.randbytes(7)),
            (
                b"\xff\xe0",
                b"JFIF\0\1\2"
                + rng.choice((b"\0", b"\1", b"\2", b"\xff"))
                + extreme(rng, 2)
                + extreme(rng, 2)
                + b"\0\0",
            ),
            (b"\xff\xe0", b"JFIF\0"),
            (b"\xff\xdb", rng.randbytes(rng.choice((1, 65, 130)))),
            (b"\xff\xc4", rng.randbytes(rng.choice((1, 17, 200)))),
            (b"\xff\xc0", b"\x08" + extreme(rng, 2, ">") + extreme(rng, 2, ">") + b"\3\1\x22\0\2\x11\1\3\x11\1"),
            (b"\xff\xc0", b"\x0c" + struct.pack(">HH", 48, 64) + b"\1\1\x11\0"),
            (b"\xff\xdd", extreme(rng, 2)),
            (b"\xff" + bytes((rng.randrange(1, 255),)), rng.randbytes(rng.choice((0, 2, 20)))),
        )
    )
    return Piece(kind, content)


def riff_parts(data: bytes) -> list[Piece] | None:
    if data[:4] != b"RIFF":
        return None
    pieces, place = [], 12
    while place + 8 <= len(data):
        (length,) = struct.unpack("<I", data[place + 4 : place + 8])
        pieces.append(Piece(data[place : place + 4], data[place + 8 : place + 8 + length]))
        place += 8 + length + length % 2
    return pieces


def riff_joined(pieces: list[Piece]) -> bytes:
    rows = []
    for piece in pieces:
        length = struct.pack("<I", (len(piece.content) + piece.lie) % (1 << 32))
        rows.append(piece.kind + length + piece.content + bytes(len(piece.content) % 2) + piece.tail)
    body = b"WEBP" + b"".join(rows)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def riff_strange(rng: random.Random) -> Piece:
    canvas = rng.choice((b"\x3f\0\0\x2f\0\0", extreme(rng, 3) + extreme(rng, 3)))
    kind, content = rng.choice(
        (
            (b"VP8X", bytes((rng.randrange(256), 0, 0, 0)) + canvas),
            (b"EXIF", rng.choice((b"", b"Exif\0\0")) + strange_exif(rng)),
            (b"EXIF", strange_exif(rng)),
            (b"XMP ", rng.choice((XMP, b"", b"<x", b"\xff" * 40))),
            (b"ICCP", strange_profile(rng)),
            (b"ANIM", rng.randbytes(6)),
            (b"ANMF", b"".join(extreme(rng, 3) for _ in range(5)) + rng.randbytes(20)),
            (b"ALPH", rng.randbytes(20)),
            (b"VP8 ", rng.randbytes(30)),
            (b"VP8L", b"\x2f" + extreme(rng, 4) + rng.randbytes(30)),
            (b"junk", b""),
        )
    )
    return Piece(kind, content)


def box_parts(data: bytes) -> list[Piece] | None:
    if data[4:8] != b"ftyp":
        return None
    pieces, place = [], 0
    while place + 8 <= len(data):
        (length,) = struct.unpack(">I", data[place : place + 4])
        if length < 8:
            break
        pieces.append(Piece(data[place + 4 : place + 8], data[place + 8 : place + length]))
        place += length
    return pieces


def box_joined(pieces: list[Piece]) -> bytes:
    return b"".join(
        struct.pack(">I", (len(p.content) + 8 + p.lie) % (1 << 32)) + p.kind + p.content + p.tail for p in pieces
    )


def box_strange(rng: random.Random) -> Piece:
    kind = rng.choice((b"ftyp", b"meta", b"mdat", b"iprp", b"free", b"uuid"))
    return Piece(kind, rng.choice((b"", b"avif\0\0\0\0", b"heic\0\0\0\0heic", rng.randbytes(40))))


LAYOUTS = (
    Layout(png_parts, png_joined, png_strange),
    Layout(jpeg_parts, jpeg_joined, jpeg_strange),
    Layout(riff_parts, riff_joined, riff_strange),
    Layout(box_parts, box_joined, box_strange),
)


def pieces_changed(data: bytes, rng: random.Random) -> tuple[bytes, str] | None:
    """A file whose pieces are changed, and how; None where it is not made of pieces."""
    found = ((layout, layout.parts(data)) for layout in LAYOUTS)
    layout, pieces = next(((layout, parts) for layout, parts in found if parts), (None, None))
    if layout is None or not pieces:
        return None
    place = rng.randrange(len(pieces))
    piece = pieces[place]
    how = rng.choice(
        (
            "drop",
            "double",
            "swap",
            "shuffle",
            "cut after",
            "content",
            "content",
            "content",
            "head",
            "lie",
            "sum",
            "add",
            "add",
            "add",
            "many",
        )
    )
    if how == "drop":
        del pieces[place]
    elif how == "double":
        pieces.insert(place, piece)
    elif how == "swap":
        other = rng.randrange(len(pieces))
        pieces[place], pieces[other] = pieces[other], pieces[place]
    elif how == "shuffle":
        rng.shuffle(pieces)
    elif how == "cut after":
        pieces = pieces[: place + 1]
    elif how == "content":
        piece.content, inner = mutated(piece.content, rng)
        how = f"{inner} in {piece.kind!r}"
    elif how == "head":
        first = pieces[0] if layout is not LAYOUTS[1] else next((p for p in pieces if p.kind[1] in (0xC0, 0xC2)), piece)
        start = rng.randrange(max(1, min(16, len(first.content) - 3)))
        first.content = first.content[:start] + extreme(rng, 4) + first.content[start + 4 :]
    elif how == "lie":
        piece.lie = rng.choice((-1, 1, 4, 100, 65_000, *EXTREMES))
    elif how == "sum":
        piece.wrong_sum = True
    elif how == "many":
        strange, count = layout.strange(rng), rng.choice((3, 40, 2000))
        pieces[1:1] = [strange] * min(count, MOST_ADDED // (len(strange.content) + 1))
    else:
        # Before the pixels, where decoders look first; and now and then behind them.
        pieces.insert(rng.choice((1, 1, 1, len(pieces))), layout.strange(rng))
    return layout.joined(pieces), f"pieces: {how}"


def bmp_changed(data: bytes, rng: random.Random) -> tuple[bytes, str] | None:
    """A BMP with a number of its heads changed."""
    if data[:2] != b"BM":
        return None
    fields = ((2, 4), (10, 4), (14, 4), (18, 4), (22, 4), (26, 2), (28, 2), (30, 4), (34, 4), (38, 4), (46, 4), (50, 4))
    changed = bytearray(data)
    for place, width in rng.sample(fields, rng.choice((1, 1, 2, 3))):
        value = rng.choice(
            (extreme(rng, width, "<"), rng.choice((1, 3, 4, 12, 40, 0xFFFFFFF0)).to_bytes(4, "little")[:width])
        )
        changed[place : place + width] = value
    return bytes(changed), "head of BMP"


def png_bomb(rng: random.Random) -> bytes:
    """A PNG of a large side, whose pixels are there and take next to no room."""
    side = rng.choice((2000, 5000, 9999, 10_000, 10_001, 60_000))
    width, height = rng.choice(((side, side), (side, 16), (16, side)))
    colour, channels = rng.choice(((0, 1), (2, 3), (6, 4)))
    size = (1 + width * channels) * height if width * height <= 25_000_000 else 100_000
    head = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", head)
        + png_chunk(b"IDAT", zlib.compress(bytes(size), 1))
        + png_chunk(b"IEND", b"")
    )
