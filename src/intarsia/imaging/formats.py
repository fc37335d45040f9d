"""What a file is by its first bytes, whatever its name says. Light: no numpy, no Pillow."""

from __future__ import annotations

import struct

from intarsia.imaging.heif import brand_of, heic_is_read

HEAD = 1024
"""Bytes of a file's beginning that tell its format."""

READABLE = frozenset({"PNG", "JPEG", "WebP", "TIFF", "BMP", "GIF", "AVIF"} | ({"HEIC"} if heic_is_read() else set()))
"""The formats that `read_photo` reads."""

RAW = "a camera's raw picture"


def format_of(head: bytes) -> str:
    """Name of the format that a file begins as; empty for what is not known."""
    if head[:2] == b"BM" and len(head) >= 18 and head[14:18] in BMP_HEADERS:
        return "BMP"
    if head[:4] == b"RIFF":
        return "WebP" if head[8:12] == b"WEBP" else "a sound or film (RIFF)"
    if head[4:8] == b"ftyp":
        return brand_of(head) or FTYP_BRANDS.get(head[8:12], "a film (MP4)")
    if head[:4] == b"II*\0" and head[8:10] == b"CR":
        return RAW
    if b"<svg" in head[:HEAD]:
        return "SVG, a drawing"
    return next((kind for magic, kind in MAGIC.items() if head.startswith(magic)), "")


BMP_HEADERS = frozenset(struct.pack("<I", length) for length in (12, 16, 40, 52, 56, 64, 108, 124))
"""Lengths of the second header; text can begin with BM too."""

MAGIC = {
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "TIFF",
    b"MM\0+": "TIFF",
    b"GIF8": "GIF",
    b"8BPS": "PSD, Photoshop's own format",
    b"\0\0\0\x0cjP  ": "JPEG 2000",
    b"\xff\x4f\xff\x51": "JPEG 2000",
    b"\xff\x0a": "JPEG XL",
    b"\0\0\0\x0cJXL ": "JPEG XL",
    b"II\xbc": "JPEG XR",
    b"\0\0\1\0": "ICO, an icon",
    b"%PDF": "PDF",
    b"%!PS": "PostScript",
    b"v/1\x01": "OpenEXR",
    b"qoif": "QOI",
    b"gimp xcf": "XCF, GIMP's own format",
    b"P5\n": "PGM",
    b"P6\n": "PPM",
    b"FUJIFILMCCD-RAW": RAW,
    b"IIRO": RAW,
    b"IIRS": RAW,
    b"IIU\0": RAW,
    b"FOVb": RAW,
    b"\0MRM": RAW,
}

FTYP_BRANDS = {b"crx ": RAW}


def why_not_edited(head: bytes) -> str:
    """What stands against editing a picture of a readable format, as its beginning shows it: "animated", or nothing.

    Decoding shows more: this is for lists of many files.
    """
    kind = format_of(head)
    if kind == "PNG" and b"acTL" in head.partition(b"IDAT")[0]:
        return "animated"
    if kind == "WebP" and head[12:16] == b"VP8X" and len(head) > 20 and head[20] & 2:
        return "animated"
    if (kind == "GIF" and b"NETSCAPE2.0" in head) or (kind == "AVIF" and head[8:12] == b"avis"):
        return "animated"
    if kind == "TIFF" and _holds_preview(head):
        return RAW
    return ""


def _holds_preview(head: bytes) -> bool:
    """Whether a TIFF begins with a reduced copy, or says DNG's version: it is a camera's raw picture."""
    order = "<" if head[:2] == b"II" else ">"
    if struct.unpack_from(f"{order}H", head, 2)[0] != 42 or len(head) < 10:
        return False
    begin = struct.unpack_from(f"{order}I", head, 4)[0]
    if begin + 2 > len(head):
        return False
    for entry in range(struct.unpack_from(f"{order}H", head, begin)[0]):
        place = begin + 2 + 12 * entry
        if place + 12 > len(head):
            return False
        tag, kind = struct.unpack_from(f"{order}HH", head, place)
        value = struct.unpack_from(f"{order}H" if kind == 3 else f"{order}I", head, place + 8)[0]
        if tag == 50706 or (tag == 254 and value & 1):
            return True
    return False
