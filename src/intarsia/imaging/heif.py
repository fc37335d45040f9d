"""HEIC and AVIF: which of both a file is, how deep its colours are, and who decodes it.

Both are boxes of ISO/IEC 14496-12 around a picture (ISO/IEC 23008-12). Pillow decodes AVIF; HEIC takes pillow-heif, the extra
"heif". Either turns the picture upright as its boxes say, and sets EXIF's orientation so that it is not turned again.
"""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

from intarsia.imaging.containers.pieces import Chunk, Pieces

HEIC_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"})
AVIF_BRANDS = frozenset({b"avif", b"avis"})

WIDE = frozenset({9, 11, 12})
"""Primaries of BT.2020, DCI-P3 and Display P3, by the code points of ITU-T H.273."""

MOST_META = 1 << 20
"""Bytes of a file in which the depth is looked for: its boxes come before the pixels, or are small."""

CONTAINERS = {b"meta": 4, b"iprp": 0, b"ipco": 0}
"""Boxes that lead to the picture's properties, and the bytes before the boxes in them."""


def brand_of(head: bytes) -> str:
    """ "HEIC" or "AVIF", by the brands that a file begins with; empty for others."""
    length = int.from_bytes(head[:4], "big")
    brands = {head[at : at + 4] for at in (8, *range(16, min(length, len(head)), 4))}
    if brands & AVIF_BRANDS:
        return "AVIF"
    return "HEIC" if brands & HEIC_BRANDS else ""


def heic_is_read() -> bool:
    """Whether the package that decodes HEIC is installed."""
    return importlib.util.find_spec("pillow_heif") is not None


def open_heic(file: io.BufferedReader) -> Image.Image:
    """A HEIC file as a picture of Pillow's; of several pictures, the main one."""
    from pillow_heif.as_plugin import HeifImageFile

    picture: Image.Image = HeifImageFile(file)  # type: ignore[no-untyped-call]
    return picture


def bits_of(data: bytes) -> int:
    """Bits a channel of a HEIC or AVIF picture, from the configurations of its decoders; 8 where there are none.

    Args:
        data: the file's beginning.
    """
    bits = 8
    for kind, payload in properties(data):
        if kind == b"av1C" and len(payload) > 2 and payload[2] & 0x40:
            bits = max(bits, 12 if payload[2] & 0x20 else 10)
        elif kind == b"hvcC" and len(payload) > 18:
            bits = max(bits, 8 + (payload[17] & 7), 8 + (payload[18] & 7))
    return bits


def add_colour(pieces: Pieces, data: bytes) -> None:
    """Add the code points of a picture's colours, where they are not sRGB's and no profile says what they mean."""
    codes = [payload[4:] for kind, payload in properties(data) if kind == b"colr" and payload[:4] == b"nclx"]
    if not codes or len(codes[0]) < 7:
        return
    primaries, transfer = int.from_bytes(codes[0][:2], "big"), int.from_bytes(codes[0][2:4], "big")
    pieces.transfer = transfer
    if primaries in WIDE and not pieces.icc:
        pieces.colour.append(Chunk(b"cICP", bytes((primaries, transfer & 255, 0, 1))))


def properties(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The boxes of a picture's properties, kind and content, wherever they stand."""
    at = 0
    while at + 8 <= len(data):
        length, kind, start = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8], at + 8
        if length == 1:  # a length of 64 bits
            length, start = int.from_bytes(data[at + 8 : at + 16], "big"), at + 16
        end = len(data) if length == 0 else at + length
        if end < start:
            return
        if kind in CONTAINERS:
            yield from properties(data[start + CONTAINERS[kind] : end])
        elif kind in (b"av1C", b"hvcC", b"colr"):
            yield kind, data[start:end]
        at = end
