"""Colour profiles: whether one can be used, and one that means the same as a PNG's chunks about colour."""

from __future__ import annotations

import io
import math
import struct
from collections.abc import Iterable, Sequence

import numpy as np
from PIL import ImageCms

from intarsia.imaging.containers.pieces import Chunk

HDR_CURVES = {16: "PQ", 18: "HLG"}
"""Transfer functions of HDR, by the code points of ITU-T H.273."""

D65 = (0.3127, 0.3290)
SRGB_PRIMARIES = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
PRIMARIES = {
    1: (SRGB_PRIMARIES, D65),
    4: (((0.67, 0.33), (0.21, 0.71), (0.14, 0.08)), (0.310, 0.316)),
    5: (((0.64, 0.33), (0.29, 0.60), (0.15, 0.06)), D65),
    6: (((0.630, 0.340), (0.310, 0.595), (0.155, 0.070)), D65),
    7: (((0.630, 0.340), (0.310, 0.595), (0.155, 0.070)), D65),
    9: (((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)), D65),
    11: (((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)), (0.314, 0.351)),
    12: (((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)), D65),
    22: (((0.630, 0.340), (0.295, 0.605), (0.155, 0.077)), D65),
}
"""Primaries and white by the code points of ITU-T H.273, in CIE xy."""

SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
VIDEO_CURVE = (1 / 0.45, 1 / 1.099, 0.099 / 1.099, 1 / 4.5, 0.081)
CURVES: dict[int, Sequence[float]] = {
    **dict.fromkeys((1, 6, 14, 15), VIDEO_CURVE),
    4: (2.2,),
    5: (2.8,),
    8: (1.0,),
    13: SRGB_CURVE,
}
"""From numbers to light: an exponent, or the five numbers of a power with a straight beginning."""

D50 = np.array([0.9642, 1.0, 0.8249])
BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])

NAMES = {(12, 13): "Display P3", (9, 1): "BT.2020", (1, 1): "BT.709", (11, 13): "DCI-P3"}


def space_of(icc: bytes) -> str | None:
    """The colour space of a profile's numbers, as "RGB", "GRAY" or "CMYK"; None of what is no profile that can be used."""
    if len(icc) < 132 or icc[36:40] != b"acsp" or struct.unpack(">I", icc[:4])[0] > len(icc):
        return None
    try:
        ImageCms.ImageCmsProfile(io.BytesIO(icc))
    except (OSError, ImageCms.PyCMSError):
        return None
    return icc[16:20].decode("latin-1").strip()


def hdr_curve(icc: bytes) -> str | None:
    """The transfer function of a profile that says it is one of HDR."""
    if len(icc) < 132:
        return None
    count = min(struct.unpack(">I", icc[128:132])[0], (len(icc) - 132) // 12, 1000)
    for index in range(count):
        kind, start, length = struct.unpack_from(">4sII", icc, 132 + 12 * index)
        if kind == b"cicp" and length >= 12 and start + 12 <= len(icc):
            return HDR_CURVES.get(icc[start + 9])
    return None


def meaning(chunks: Iterable[Chunk], icc: bytes | None) -> bytes | None:
    """The profile that a PNG's chunks about colour stand for; None for sRGB.

    They overrule each other in the order of the format: cICP, iCCP, sRGB, and then gAMA and cHRM.

    Args:
        icc: the profile of iCCP.
    """
    held = {chunk.kind: chunk.body for chunk in chunks}
    coding = held.get(b"cICP", b"")
    if len(coding) == 4 and coding[0] in PRIMARIES and coding[1] in CURVES:
        if (coding[0], coding[1]) == (1, 13):
            return None
        primaries, white = PRIMARIES[coding[0]]
        name = NAMES.get((coding[0], coding[1]), f"Primaries {coding[0]}, curve {coding[1]}")
        return build(primaries, white, CURVES[coding[1]], name)
    if icc or b"sRGB" in held:
        return icc
    gamma = int.from_bytes(held.get(b"gAMA", b""), "big")
    places = held.get(b"cHRM", b"")
    xy = np.array(struct.unpack(">8I", places)).reshape(4, 2) / 1e5 if len(places) == 32 else None
    if xy is not None and not _plausible(xy):
        xy = None
    usual = xy is None or bool(np.abs(xy - np.array([D65, *SRGB_PRIMARIES])).max() < 2e-3)
    if (not gamma or abs(gamma - 45_455) < 100) and usual:
        return None
    curve = SRGB_CURVE if not gamma or abs(gamma - 45_455) < 100 else (100_000 / gamma,)
    if not 0.1 <= curve[0] <= 10:
        return None
    rows = [tuple(row) for row in xy.tolist()] if xy is not None else [D65, *SRGB_PRIMARIES]
    return build(rows[1:], rows[0], curve, "From gAMA and cHRM")


def unknown_coding(chunks: Iterable[Chunk]) -> bool:
    """Whether cICP says what no profile here stands for."""
    coding = next((chunk.body for chunk in chunks if chunk.kind == b"cICP"), b"")
    return len(coding) == 4 and not (
        coding[0] in PRIMARIES and coding[1] in CURVES and coding[2] == 0 and coding[3] == 1
    )


def _plausible(xy: np.ndarray) -> bool:
    """Whether four points can be a white and three primaries."""
    whole = np.vstack([xy[1:].T, 1 - xy[1:].sum(axis=1)])
    return bool((xy > 0).all() and (xy.sum(axis=1) <= 1).all() and abs(np.linalg.det(whole)) > 1e-3)


def build(primaries: Sequence[tuple[float, ...]], white: tuple[float, ...], curve: Sequence[float], name: str) -> bytes:
    """A profile of version 4 from primaries, white and one curve for all channels.

    Args:
        primaries: of red, green and blue, in CIE xy.
        white: in CIE xy.
        curve: as in `CURVES`.
        name: of the profile.
    """

    def xyz(point: Sequence[float]) -> np.ndarray:
        x, y = point
        return np.array([x / y, 1.0, (1 - x - y) / y])

    columns = np.stack([xyz(point) for point in primaries], axis=1)
    source = xyz(white)
    scaled = columns * np.linalg.solve(columns, source)
    adapt = np.linalg.inv(BRADFORD) @ np.diag((BRADFORD @ D50) / (BRADFORD @ source)) @ BRADFORD
    colorants = adapt @ scaled

    def fixed(*values: float) -> bytes:
        return b"".join(struct.pack(">i", math.floor(value * 65_536 + 0.5)) for value in values)

    def text(content: str) -> bytes:
        letters = content.encode("utf-16-be")
        return b"mluc\0\0\0\0" + struct.pack(">II4sII", 1, 12, b"enUS", len(letters), 28) + letters

    form = 0 if len(curve) == 1 else 3
    curved = b"para\0\0\0\0" + struct.pack(">HH", form, 0) + fixed(*curve)
    held = {
        b"desc": text(name),
        b"cprt": text("No copyright, use freely"),
        b"wtpt": b"XYZ \0\0\0\0" + fixed(*D50),
        b"chad": b"sf32\0\0\0\0" + fixed(*adapt.ravel()),
        **{kind: b"XYZ \0\0\0\0" + fixed(*colorants[:, k]) for k, kind in enumerate((b"rXYZ", b"gXYZ", b"bXYZ"))},
        **dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curved),
    }
    start, table, body = 128 + 4 + 12 * len(held), b"", b""
    places: dict[bytes, int] = {}
    for kind, content in held.items():
        if content not in places:
            places[content] = start + len(body)
            body += content + b"\0" * (-len(content) % 4)
        table += struct.pack(">4sII", kind, places[content], len(content))
    head = struct.pack(
        ">I4sI4s4s4s12s4s28s", start + len(body), b"", 0x04300000, b"mntr", b"RGB ", b"XYZ ", bytes(12), b"acsp", b""
    ) + fixed(*D50)
    return head.ljust(128, b"\0") + struct.pack(">I", len(held)) + table + body
