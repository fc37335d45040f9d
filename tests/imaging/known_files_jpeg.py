"""JPEGs, WebPs, Photoshop's resources and parts of files, whole, odd and damaged, taken apart and put together."""

from __future__ import annotations

import io
import itertools
import struct
from typing import Any

from intarsia.imaging.containers import jpeg, photoshop, pieces, webp
from intarsia.imaging.containers.pieces import Density, Pieces, Segment, Span, SplicedFile
from tests.imaging.file_digests import attempt, camera, case, damaged, each, noise
from tests.imaging.known_files_png import PACKET, limits, taken

ADOBE = Segment(0xEE, b"Adobe\0\x64\0\0\0\0\1")
JFIF = b"JFIF\0\1\2"
TABLES = b"\xff\xdb" + struct.pack(">H", 67) + bytes(65)
SCAN = b"\xff\xda" + struct.pack(">H", 8) + b"\1\1\0\0\x3f\0" + b"\x12\xff\0\x34\xff\xd0\x56"
KEY = b"0123456789ABCDEF" * 2


def app0(unit: int, across: int, down: int) -> Segment:
    """JFIF's segment."""
    return Segment(0xE0, JFIF + struct.pack(">BHHBB", unit, across, down, 0, 0))


def more(content: bytes, whole: int, offset: int, key: bytes = KEY) -> Segment:
    """A part of an extension of an XMP packet."""
    return Segment(0xE1, jpeg.MORE_XMP + key + struct.pack(">II", whole, offset) + content)


SEGMENTS = [
    *(
        app0(*values)
        for values in ((0, 1, 1), (0, 1, 2), (1, 72, 72), (2, 72, 36), (3, 72, 72), (1, 0, 72), (1, 72, 0))
    ),
    Segment(0xE0, JFIF + b"\1\0\x48\0"),
    Segment(0xE0, JFIF + b"\1\0\x48\0\x48"),
    Segment(0xE0, b"JFXX\0thumbnail"),
    Segment(0xE0, b"something else"),
    ADOBE,
    Segment(0xEE, b"not Adobe"),
    Segment(0xE1, b"Exif\0\0" + camera("<")),
    Segment(0xE1, b"Exif\0\0"),
    Segment(0xE1, b"Exif\0\0" + camera(">")),
    Segment(0xE1, jpeg.XMP + PACKET),
    Segment(0xE1, jpeg.XMP + b"another packet " + KEY),
    Segment(0xE1, b"of another kind"),
    more(b"0123", 8, 0),
    more(b"4567", 8, 4),
    more(b"4567", 8, 5),
    more(b"other", 5, 0, KEY[::-1]),
    more(b"", 5, 0, KEY[::-1]),
    Segment(0xE2, b"ICC_PROFILE\0\1\2first"),
    Segment(0xE2, b"ICC_PROFILE\0\2\2second"),
    Segment(0xE2, b"ICC_PROFILE\0\1\1whole"),
    Segment(0xE2, b"ICC_PROFILE\0\1\1"),
    Segment(0xE2, b"MPF\0II"),
    Segment(0xE2, b"urn:iso:std:iso:ts:21496:-1\0"),
    Segment(0xE2, b"FPXR\0x"),
    Segment(0xE2, b"unknown"),
    Segment(0xEB, b"HDR_RI ver=11"),
    Segment(0xEB, b"JP\0\0jumb"),
    Segment(0xEB, b"unknown"),
    Segment(0xED, b"Photoshop 3.0\x008BIM" + bytes(8)),
    Segment(0xED, b"Photoshop 3.0\0more of it"),
    Segment(0xED, b"Photoshop 2.5"),
    Segment(0xFE, b"a comment"),
    Segment(0xFE, b""),
    Segment(0xEF, b"APP15"),
    Segment(0xC0, bytes(15)),
    Segment(0xF0, b"JPG0"),
]


def jpeg_of(*segments: Segment, between: bytes = b"", end: bytes = b"\xff\xd9") -> bytes:
    """A JPEG with segments before its tables."""
    body = b"".join(between + struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body for marker, body in segments)
    return b"\xff\xd8" + body + TABLES + SCAN + end


@case
def jpeg_segments() -> Any:
    pairs = [jpeg_of(one, other) for one, other in itertools.permutations(SEGMENTS[11:40], 2)]
    packets = [jpeg_of(SEGMENTS[17], *parts) for parts in itertools.permutations(SEGMENTS[19:23], 2)]
    return [
        *each(taken(jpeg.take_apart), [jpeg_of(segment) for segment in SEGMENTS], together=2),
        *each(taken(jpeg.take_apart), pairs),
        *each(taken(jpeg.take_apart), packets, together=2),
        *each(
            taken(jpeg.take_apart),
            [jpeg_of(*SEGMENTS), jpeg_of(*SEGMENTS[::-1]), jpeg_of(*SEGMENTS[::2], *SEGMENTS[1::2])],
        ),
    ]


@case
def jpeg_odd_places() -> Any:
    some = SEGMENTS[13], SEGMENTS[38]
    between = (
        b"\xff",
        b"\xff\xff",
        b"junk",
        b"\xff\0",
        b"\xff\1",
        b"\xff\xd0",
        b"\xff\0\xff",
        bytes(4095),
        bytes(4096),
        bytes(9000),
    )
    ends = [
        b"",
        b"\xff",
        b"\xff\xd9" + b"film" * 4,
        b"\xff\xd9" + b"film" * 5,
        b"\xff\xd9" + b"\0\xff\n\r " * 9 + b"x" * 17,
    ]
    ends += [bytes(2**20 - 20 + k) + b"\xff\xd9" + b"a film behind it" * 2 for k in range(14)] + [
        b"\xff\xd9" + bytes(4096) + b"x" * 99
    ]
    full = Segment(0xE1, b"Exif\0\0" + b"II" + bytes(jpeg.LONGEST_EXIF - 2))
    return [
        *each(taken(jpeg.take_apart), [jpeg_of(*some, between=junk) for junk in between], together=1),
        *each(taken(jpeg.take_apart), [jpeg_of(*some, end=end) for end in ends], together=1),
        *each(taken(jpeg.take_apart), [jpeg_of(SEGMENTS[28], end=end) for end in ends[:4]], together=1),
        *each(
            taken(jpeg.take_apart),
            [jpeg_of(full, SEGMENTS[15]), jpeg_of(full, full, SEGMENTS[15]), b"", b"\xff\xd8", b"\xff\xd8\xff\xd9"],
        ),
        *each(taken(jpeg.take_apart), damaged(jpeg_of(*SEGMENTS[15:20], SEGMENTS[26], SEGMENTS[38]), step=7)),
        *each(taken(jpeg.take_apart), damaged(jpeg_of(SEGMENTS[2], SEGMENTS[38], end=b"\xff\xd9" + b"film" * 6))),
    ]


@case
def jpeg_limits() -> Any:
    long = [jpeg_of(*(Segment(0xFE, bytes(n)) for n in (100, 194 + k, 50))) for k in range(6)]
    with limits(jpeg, MOST=300):
        found = each(taken(jpeg.take_apart), long, together=1)
    many = [
        jpeg_of(*[SEGMENTS[38]] * count, between=between)
        for count in (3, 4, 5, 8, 9, 10)
        for between in (b"", b"\xff\xd0")
    ]
    with limits(jpeg, MOST_PARTS=9):
        return [*found, *each(taken(jpeg.take_apart), many, together=1)]


@case
def jpeg_written() -> Any:
    densities = [
        Density(a, b, unit)
        for unit in pieces.UNITS
        for a, b in ((72, 72), (28.346, 28.346), (1.5, 2), (70_000, 2), (0.2, 118.11))
    ]
    densities += [
        Density(118.11, 118.11, "cm"),
        Density(118, 118.11, "cm"),
        Density(118.113, 236.2205, "cm"),
        Density(65_535, 1, "ratio"),
    ]
    base = jpeg_of(app0(1, 72, 72))
    full: dict[str, Any] = {
        "exif": camera("<"),
        "packet": PACKET,
        "extension": (KEY, noise(130_001)),
        "icc": noise(131_001, 1),
        "photoshop": noise(65_001, 2),
        "segments": [SEGMENTS[12], SEGMENTS[40]],
        "comments": [b"one", b""],
        "density": Density(300, 200, "cm"),
    }
    edges = {"icc": noise(65_500), "photoshop": noise(65_000), "extension": (KEY, noise(65_000))}
    return [
        *(jpeg.in_jfif(density) for density in densities),
        *(jpeg.put_together(base, density=density) for density in densities[:4]),
        *(jpeg.put_together(base, **{key: value}) for key, value in (*full.items(), *edges.items())),
        *(
            jpeg.put_together(content, **full)
            for content in (base, jpeg_of(), jpeg_of(SEGMENTS[10]), jpeg_of(SEGMENTS[13]))
        ),
        *(
            attempt(jpeg.put_together, base, **{key: noise(65_533 - 6 + k)})
            for key in ("exif", "packet")
            for k in (-23, -22, 0, 1)
        ),
        *((type(got[0]), str(got[0])) for got in (attempt(jpeg.segment, 0xE1, bytes(n)) for n in (65_534, 10**5))),
        *(attempt(jpeg.segment, 0xE1, bytes(n)) for n in (0, 1, 65_533)),
        *(str(attempt(jpeg.put_together, base, icc=bytes(65_500 * 255 + n))[0])[:99] for n in (0, 1)),
    ]


# WebP


def webp_of(*chunks: tuple[bytes, bytes]) -> bytes:
    """A WebP of chunks."""
    body = b"".join(kind + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2) for kind, body in chunks)
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


IMAGE, EXTENDED = (b"VP8L", b"pixels!"), (b"VP8X", bytes([0xFF, 1, 2, 3, 15, 0, 0, 15, 0, 0]))
PARTS = [
    (b"ICCP", b"profile"),
    (b"EXIF", b"Exif\0\0" + camera("<")),
    (b"EXIF", camera(">")),
    (b"XMP ", PACKET),
    (b"XMP ", b"another"),
    (b"C2PA", b"credentials"),
    (b"ALPH", b"odd"),
    (b"ANIM", b"six..."),
    (b"VP8X", b"short"),
    (b"VP8X", b"longer than it is, odd."),
    EXTENDED,
    (b"abcd", b""),
]


@case
def webp_files() -> Any:
    kinds = [webp_of(EXTENDED, *pair, IMAGE) for pair in itertools.permutations(PARTS, 2)]
    whole = webp_of(EXTENDED, PARTS[0], IMAGE, PARTS[1], PARTS[3])
    long = [webp_of((b"XMP ", bytes(n)), (b"C2PA", bytes(2)), (b"ICCP", b"123")) for n in range(43, 52)]
    with limits(webp, MOST=50, MOST_PARTS=9):
        limited = each(taken(webp.take_apart), long, together=1)
        limited += each(
            taken(webp.take_apart), [webp_of(*[(b"abcd", b"")] * n, PARTS[0]) for n in range(7, 11)], together=1
        )
    return [
        *each(taken(webp.take_apart), [webp_of(IMAGE), webp_of(EXTENDED, IMAGE), webp_of(), b"", b"RIFF"], together=1),
        *each(taken(webp.take_apart), kinds, together=8),
        *each(taken(webp.take_apart), damaged(whole, step=3)),
        *limited,
    ]


@case
def webp_written() -> Any:
    full: dict[str, Any] = {"icc": b"profile", "exif": camera(), "packet": PACKET}
    bases = [webp_of(IMAGE), webp_of(EXTENDED, PARTS[6], IMAGE), webp_of(IMAGE)[:-1], webp_of(IMAGE) + b"behind"]
    some = [{}, full, *({key: value} for key, value in full.items())]
    return [
        webp.put_together(base, (300, 70_000), alpha=alpha, **held)
        for base in bases
        for held in some
        for alpha in (True, False)
    ]


# Photoshop's resources, and pieces of files


def resource(number: int, content: bytes, name: bytes = b"", kind: bytes = b"8BIM") -> bytes:
    """An image resource."""
    head = kind + struct.pack(">HB", number, len(name)) + name + b"\0" * ((len(name) + 1) % 2)
    return head + struct.pack(">I", len(content)) + content + b"\0" * (len(content) % 2)


def data_set(number: int, content: bytes, record: int = 2, width: int = 0) -> bytes:
    """A data set of IPTC's; its length is told in so many bytes."""
    told = (
        struct.pack(">H", 0x8000 | width) + len(content).to_bytes(width, "big")
        if width
        else struct.pack(">H", len(content))
    )
    return bytes([0x1C, record, number]) + told + content


SAID = [
    data_set(5, b"A title"),
    data_set(25, b"one"),
    data_set(25, "zwölf".encode()),
    data_set(25, b"f\xfcnf"),
    data_set(80, b"N. N."),
]
SAID += [
    data_set(116, b"rights"),
    data_set(120, b"x", width=4),
    data_set(5, b"second"),
    data_set(120, b"x", 3),
    data_set(7, b"?"),
]


@case
def photoshop_blocks() -> Any:
    unicode = data_set(90, photoshop.UTF8, 1)
    iptcs = [
        b"".join(SAID),
        unicode + b"".join(SAID),
        *SAID,
        data_set(5, b"y", width=5),
        data_set(5, b"z", width=1)[:6],
        b"\x1c\2\5\0\0",
        b"\x1c\2",
    ]
    iptcs += [
        data_set(90, photoshop.UTF8, 2) + SAID[3],
        data_set(91, photoshop.UTF8, 1) + SAID[3],
        data_set(90, b"x", 1) + SAID[3],
    ]
    plain = resource(1000, b"abc") + resource(1028, iptcs[0], b"name") + resource(1061, b"", b"odd", b"MeSa")
    blocks = [
        b"",
        plain,
        plain + b"\0\0",
        plain + b"\0x",
        plain + bytes(20),
        resource(1, b"x", kind=b"XXXX"),
        plain[:-1],
    ]
    blocks += [resource(number, b"gone") + plain for number in (1032, 1033, 1036, 1039, 1058, 1059, 1060)]
    blocks += [resource(1, b"x", kind=kind) for kind in (b"AgHg", b"PHUT", b"DCSR")]
    return [
        *each(photoshop.resources, blocks, together=2),
        *each(photoshop.tidy, [*blocks, *damaged(blocks[8], step=5)], together=8),
        *each(photoshop.iptc_of, [*blocks, *damaged(plain, step=5)]),
        *(photoshop.with_iptc(iptc) for iptc in (b"", b"odd", b"even")),
        *each(photoshop.data_sets, [*iptcs, *damaged(iptcs[0], step=3)], together=16),
        *each(photoshop.texts_of, iptcs, together=2),
    ]


@case
def spliced_files() -> Any:
    file = io.BytesIO(bytes(range(256)))
    parts: list[bytes | Span] = [b"abc", Span(10, 5), b"", Span(20, 0), Span(250, 10), b"xyz"]
    spliced = SplicedFile(file, parts)
    found: list[Any] = [spliced.readable(), spliced.seekable(), spliced.read(), spliced.tell(), spliced.read(1)]
    for offset, whence in (
        (0, 0),
        (3, 0),
        (-2, 2),
        (2, 1),
        (-30, 2),
        (7, 0),
        (8, 0),
        (17, 0),
        (18, 0),
        (20, 0),
        (21, 0),
        (99, 0),
        (-1, 1),
    ):
        found.append([attempt(spliced.seek, offset, whence), spliced.tell(), attempt(spliced.read, 4), spliced.tell()])
    found += [
        str(attempt(spliced.seek, -1)[0]),
        spliced.readinto(bytearray(0)),
        SplicedFile(file, []).read(),
        spliced.seek(5),
    ]
    lost = Pieces()
    for what in ("one", "two", "one"):
        lost.lose(what)
    kept: list[Any] = []
    for start, length in ((5, 3), (8, 2), (11, 1), (12, 0), (12, 4)):
        pieces.add_span(kept, start, length)
    return [
        *found,
        lost,
        kept,
        pieces.length_of(file),
        pieces.read_at(file, Span(254, 9)),
        pieces.read_at(file, Span(3, 2)),
    ]
