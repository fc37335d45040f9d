"""Why a whole file of a known format is not decoded: a rare coding, told from its headers.

Decoders say of it what they say of damage, or nothing.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from intarsia.errors import Remedy
from intarsia.imaging.containers.jpeg import frame_of
from intarsia.imaging.containers.pieces import Source, Span, read_at
from intarsia.imaging.containers.tiff import first_numbers
from intarsia.imaging.formats import RAW
from intarsia.stand_ins import Fault

PLAINER = Remedy("convert it to 8 bits a channel")
TO_RGB = Remedy("convert it to RGB")

PACKED = frozenset({1, 2, 3, 4, 5, 6, 7, 8, 32771, 32773, 32809, 32946, 34925, 50000, 50001})
"""Compressions of TIFF that are read, by the number of their tag."""

LOG_LUV = frozenset({34676, 34677})

METHODS = {
    9: "JBIG",
    10: "JBIG",
    32766: "NeXT's way",
    32908: "Pixar's way",
    32909: "Pixar's way",
    33003: "JPEG 2000",
    33005: "JPEG 2000",
    34661: "JBIG",
    34712: "JPEG 2000",
    34887: "LERC",
    34892: "lossy JPEG",
    34933: "PNG",
    34934: "JPEG XR",
    50002: "JPEG XL",
    52546: "JPEG XL",
}

RAW_LIGHT = frozenset({32803, 34892})
"""Meanings of a TIFF's channels: a mosaic of colours, and a sensor's own numbers."""

WIDTHS = frozenset({1, 2, 4, 8, 10, 12, 14, 16, 24, 32, 64})
"""Bits a channel that occur."""

FRAMES = {
    **dict.fromkeys((0xC3, 0xC7, 0xCB, 0xCF), "a lossless JPEG"),
    **dict.fromkeys((0xC5, 0xC6, 0xCD, 0xCE), "a hierarchical JPEG"),
}
"""Ways of coding a JPEG that are not read, by the marker of its frame (ITU-T T.81, table B.1)."""


def rare_coding(file: Source, kind: str) -> Fault | None:
    """What is rare about a file's coding; None where nothing is.

    Args:
        kind: the format it begins as.
    """
    look = LOOKS.get(kind)
    try:
        return look(file) if look is not None else None
    except (ValueError, IndexError, struct.error):
        return None


def too_deep(bits: int, *, floats: bool = False) -> str:
    """How deep a picture's channels are, in words."""
    return "floating-point numbers a channel" if floats else f"{bits} bits a channel"


def _of_tiff(file: Source) -> Fault | None:
    held = first_numbers(file, (258, 259, 262, 277, 339))
    bits, form = max(held.get(258, (1,))), held.get(339, (1,))
    packed, light, channels = (held.get(tag, (default,))[0] for tag, default in ((259, 1), (262, 1), (277, 1)))
    if light in RAW_LIGHT:
        return f"is {RAW}", Remedy("develop it")
    if 3 in form or packed in LOG_LUV:
        return f"has {too_deep(bits, floats=True)}, which are not read", PLAINER
    if packed not in PACKED:
        by = METHODS.get(packed, f"method {packed}")
        return f"is a TIFF compressed by {by}, which is not read", Remedy("save it with LZW compression, or as PNG")
    if bits not in WIDTHS:
        return None
    if bits > 8:
        return f"has {too_deep(bits)}, stored in a way that is not read", PLAINER
    if 2 in form:
        return "has signed numbers a channel, which are not read", PLAINER
    return (f"has {channels} channels, which are not read", TO_RGB) if channels not in (1, 3, 4) else None


def _of_jpeg(file: Source) -> Fault | None:
    frame = frame_of(file)
    if frame is None:
        return None
    if frame.marker in FRAMES:
        return f"is {FRAMES[frame.marker]}, which is not read", Remedy("save it as PNG or as a usual JPEG")
    if frame.bits in (12, 16):
        return f"has {too_deep(frame.bits)}, which are not read", PLAINER
    return None


def _of_bmp(file: Source) -> Fault | None:
    head = read_at(file, Span(14, 20))
    if struct.unpack_from("<I", head)[0] < 40:
        return None
    bits, packed = struct.unpack_from("<HI", head, 14)
    if packed in (4, 5):
        return f"is a BMP with a {'JPEG' if packed == 4 else 'PNG'} inside, which is not read", Remedy("save it as PNG")
    if bits in (2, 64):
        return f"is a BMP of {bits} bits a pixel, which is not read", Remedy("save it as PNG")
    return None


def _of_png(file: Source) -> Fault | None:
    if read_at(file, Span(12, 4)) == b"CgBI":
        return "is a PNG as Xcode packs it for phones, which is not read", Remedy("save it as a usual PNG")
    return None


LOOKS: dict[str, Callable[[Source], Fault | None]] = {
    "TIFF": _of_tiff,
    "JPEG": _of_jpeg,
    "BMP": _of_bmp,
    "PNG": _of_png,
}
