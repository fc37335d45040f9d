"""PNGs, whole, odd and damaged, through what takes them apart and puts them together."""

from __future__ import annotations

import io
import itertools
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from intarsia.imaging.containers import pieces, png
from intarsia.imaging.containers.pieces import Chunk, Density, SplicedFile
from tests.imaging.file_digests import camera, case, damaged, each, noise, opened

PACKET = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"/>'


def stored(content: bytes) -> bytes:
    """A stream of zlib's that is not packed."""
    return zlib.compress(content, 0)


def hexed(kind: bytes, content: bytes, length: int | None = None) -> bytes:
    """A block of another format in digits."""
    count = len(content) if length is None else length
    return b"\n" + kind + b"\n      " + str(count).encode() + b"\n" + content.hex().encode() + b"\n"


HEADER = Chunk(b"IHDR", struct.pack(">IIBBBBB", 16, 16, 8, 2, 0, 0, 0))
PIXELS, LAST = Chunk(b"IDAT", stored(bytes(16 * 49))), Chunk(b"IEND", b"")

KINDS = [
    Chunk(b"cICP", b"\x0c\x0d\0\1"),
    Chunk(b"cICP", b"\x0c\x0d"),
    Chunk(b"iCCP", b"name\0\0" + stored(b"a profile")),
    Chunk(b"iCCP", b"name\0\1" + stored(b"a profile")),
    Chunk(b"iCCP", b"name\0\0broken"),
    Chunk(b"sRGB", b"\0"),
    Chunk(b"gAMA", struct.pack(">I", 45455)),
    Chunk(b"gAMA", b"\0"),
    Chunk(b"cHRM", struct.pack(">8I", *range(30000, 38000, 1000))),
    Chunk(b"mDCV", bytes(24)),
    Chunk(b"mDCv", bytes(23)),
    Chunk(b"cLLI", bytes(8)),
    Chunk(b"cLLi", bytes(9)),
    Chunk(b"eXIf", camera("<")),
    Chunk(b"eXIf", b"Exif\0\0" + camera(">")),
    Chunk(b"pHYs", struct.pack(">IIB", 3937, 7874, 1)),
    Chunk(b"pHYs", struct.pack(">IIB", 3, 2, 0)),
    Chunk(b"pHYs", struct.pack(">IIB", 0, 2, 1)),
    Chunk(b"pHYs", struct.pack(">IIB", 2, 0, 0)),
    Chunk(b"pHYs", struct.pack(">IIBB", 2, 2, 1, 0)),
    Chunk(b"tRNS", bytes(6)),
    Chunk(b"iTXt", png.XMP + b"\0\0\0\0\0" + PACKET),
    Chunk(b"iTXt", png.XMP + b"\0\1\0\0\0" + stored(PACKET + b"packed")),
    Chunk(b"iTXt", png.XMP + b"\0\1\0\0\0broken"),
    Chunk(b"iTXt", "Title\0\0\0de\0Überschrift\0Ein Bild, schön".encode()),
    Chunk(b"iTXt", b"Packed\0\1\0en\0\0" + stored(b"said")),
    Chunk(b"iTXt", b"Short\0\0\0"),
    Chunk(b"iTXt", b"Short\0\0\0en\0no more"),
    Chunk(b"tEXt", b"Author\0N. N. \xe4"),
    Chunk(b"tEXt", b"no end"),
    Chunk(b"tEXt", b"\0no key"),
    Chunk(b"tEXt", b"k" * 79 + b"\0a key of the longest"),
    Chunk(b"tEXt", b"k" * 80 + b"\0a key too long"),
    Chunk(b"zTXt", b"Comment\0\0" + stored(b"some words")),
    Chunk(b"zTXt", b"Comment\0\1" + stored(b"some words")),
    Chunk(b"zTXt", b"Comment\0\0" + stored(b"some words")[:-2]),
    Chunk(b"zTXt", b"Long\0\0" + stored(b"l" * 1_000_001)),
    Chunk(b"zTXt", b"Long\0\0" + stored(b"l" * 1_000_000)),
    Chunk(b"iTXt", b"Long\0\1\0de\0lang\0" + stored(b"l" * 1_000_001)),
    Chunk(b"iTXt", b"Long\0\1\0de\0lang\0" + stored(b"l" * 1_000_000)),
    Chunk(b"tEXt", b"Long\0" + b"l" * 1_000_001),
    Chunk(b"caBX", b"content credentials"),
    Chunk(b"tIME", bytes(7)),
    Chunk(b"bKGD", bytes(6)),
    Chunk(b"safe", b"to be copied"),
    Chunk(b"unSA", b"not to be copied"),
    Chunk(b"PLTE", bytes(6)),
    Chunk(b"acTL", bytes(8)),
    Chunk(b"fdAT", bytes(8)),
    Chunk(b"Abcd", b"critical"),
    *(
        Chunk(b"zTXt", png.RAW + kind + b"\0\0" + stored(hexed(kind, content)))
        for kind, content in (
            (b"exif", b"Exif\0\0" + camera("<")),
            (b"APP1", b"Exif\0\0" + camera(">")),
            (b"exif", camera(">")),
            (b"exif", b"nothing of the kind"),
            (b"app1", b"http://ns.adobe.com/xap/1.0/\0" + PACKET),
            (b"xmp", PACKET),
            (b"iptc", b"8BIM" + bytes(8)),
            (b"8bim", b"8BIM" + bytes(9)),
            (b"iptc", b"\x1c\2\x05\0\1a"),
            (b"8bim", b"\x1c\2\x05\0\1a"),
            (b"icc", b"a profile"),
        )
    ),
    *(
        Chunk(b"tEXt", png.RAW + kind + b"\0" + text)
        for kind, text in (
            (b"exif", hexed(b"exif", camera("<"), 3)),
            (b"app1", b"no digits"),
            (b"iptc", hexed(b"iptc", b"1234", 5)),
            (b"xmp", b"\nxmp\n 2\nabc\n"),
            (b"xmp", b"\nxmp\n 2\n3c\n3c\n"),
        )
    ),
]


def png_of(*chunks: Chunk, end: bytes = b"") -> bytes:
    """A PNG of 16 x 16 with further chunks before its pixels."""
    return png.SIGNATURE + b"".join(map(chunk_bytes, (HEADER, *chunks, PIXELS, LAST))) + end


def chunk_bytes(chunk: Chunk, check: int = 0) -> bytes:
    """A chunk as it stands in a file; its checksum is wrong if another is given."""
    kind, body = chunk
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body) ^ check)


def bare(file: io.BytesIO, take: Any) -> Any:
    """The pieces of a file, and what decoders get of it."""
    found = take(file)
    return found, None if found.bare is None else SplicedFile(file, found.bare).read()


def taken(take: Any) -> Any:
    """A function that takes a file's bytes apart, with what decoders get."""
    return opened(lambda file: bare(file, take))


@case
def png_chunks() -> Any:
    kinds = [chunk for chunk in KINDS if len(chunk.body) < 10**5]
    small = [png_of(one, other) for one, other in zip(kinds, kinds[1:] + kinds[:1], strict=True)]
    pairs = [png_of(KINDS[a], KINDS[b]) for a, b in itertools.combinations(range(24), 2)]
    return [
        *each(taken(png.take_apart), [png_of(chunk) for chunk in KINDS], together=2),
        *each(taken(png.take_apart), small, together=4),
        *each(taken(png.take_apart), pairs),
        *each(
            taken(png.take_apart), [png_of(*kinds), png_of(*kinds[::-1]), png_of(*kinds[::3], end=b"behind the end")]
        ),
        *each(png.unpacked, KINDS, 10, together=8),
        *each(png.unpacked, KINDS, 9, together=8),
        *each(png.unpacked, KINDS, 2**20, together=8),
        *(each(work, KINDS, together=16) for work in (png.key_of, png.name_of)),
    ]


@case
def png_damaged() -> Any:
    some = png_of(*KINDS[:3], *KINDS[5:7], *KINDS[13:17], KINDS[24], KINDS[28])
    wrong = [png_of()[:33] + chunk_bytes(chunk, 1) + png_of()[33:] for chunk in KINDS if len(chunk.body) < 10**5]
    late = [png_of()[:-12] + chunk_bytes(chunk) + png_of()[-12:] for chunk in KINDS[::5]]
    return [
        *each(taken(png.take_apart), damaged(some, step=9)),
        *each(taken(png.take_apart), wrong, together=4),
        *each(taken(png.take_apart), late, together=4),
        *each(taken(png.take_apart), damaged(png_of(KINDS[15]), to=70)),
    ]


@contextmanager
def limits(module: Any, **numbers: Any) -> Iterator[None]:
    """Lower limits of a module for a while, as files that reach the real ones are large."""
    before = {name: getattr(module, name) for name in numbers}
    for name, number in numbers.items():
        setattr(module, name, number)
    try:
        yield
    finally:
        for name, number in before.items():
            setattr(module, name, number)


@case
def png_limits() -> Any:
    texts = [Chunk(b"tEXt", b"Key\0" + b"v" * count) for count in (40, 96, 97, 120)]
    packed = [Chunk(b"zTXt", b"Key\0\0" + stored(b"v" * count)) for count in (40, 100, 101)]
    packets = [Chunk(b"iTXt", png.XMP + b"\0\1\0\0\0" + stored(b"v" * count)) for count in (100, 101)]
    profiles = [[Chunk(b"iCCP", b"n\0\0" + stored(b"v" * count))] for count in (100, 101)]
    several = [texts, texts[::-1], packed, [*packed, *texts], packets, packets[::-1], *profiles]
    with limits(png, MOST=300, LONGEST_PACKET=100):
        found = each(taken(png.take_apart), [png_of(*chunks) for chunks in several], together=1)
    many = [png_of(*[Chunk(b"unSA", b"")] * count, end=b"behind the end") for count in (7, 8, 9, 10)]
    with limits(png, MOST_PARTS=10):
        return [*found, *each(taken(png.take_apart), many, together=1)]


@case
def png_texts() -> Any:
    digits = [
        b"\nexif\n 2\nabcd\n",
        b"exif 2 ab cd",
        b"exif\n2\nabc",
        b"exif\n1\nabcd",
        b"exif\n2\nabxy",
        b" x 0 ",
        b"x -1 ",
        b"",
    ]
    names = [b"a\nb  c\t", b" x ", b"k" * 90, b"\x01\x02", b"\xe4\xad\xa0b"]
    return [
        [png.raw_profile(text) for text in digits],
        [png.name_of(Chunk(b"tEXt", name + b"\0v")) for name in names],
        [png.said(png.Text(b"k", "für".encode(code), True)) for code in ("utf-8", "latin-1")],
        [png.said(png.Text(b"k", "für".encode(code), False)) for code in ("utf-8", "latin-1")],
        [
            png.inflated(content, most)
            for content in (stored(b"1234"), stored(b"1234")[:-1], b"", b"xx")
            for most in (0, 3, 4, 5)
        ],
    ]


@case
def png_written() -> Any:
    densities = [
        Density(across, down, unit)
        for unit in pieces.UNITS
        for across, down in ((1, 2), (72, 300.5), (0.001, 2e9), (1.5, 2))
    ]
    profile, raw = png.profile_chunk(b"a profile" * 9), png.raw_profile_chunk("iptc", noise(150))
    return [
        *(png.chunk_bytes(chunk) for chunk in KINDS[:6]),
        *each(png.density_chunk, densities, together=1),
        *(density.dpi for density in densities),
        *(density.turned() for density in densities),
        [png.text_chunk("Key", "Übung"), png.text_chunk("Käse € 1", "x"), png.packet_chunk(PACKET)],
        [profile.kind, profile.body[:13], png.inflated(profile.body[13:], 10**4)],
        [png.unpacked(raw, 10**4), raw.kind, taken(png.take_apart)(png_of(raw))],
        [png.put_together(png_of(KINDS[5]), chunks) for chunks in ([], KINDS[:1], KINDS[:3])],
    ]
