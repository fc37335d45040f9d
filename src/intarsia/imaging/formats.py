"""What a file is by its first bytes, whatever its name says. Light: no numpy, no Pillow."""

from __future__ import annotations

import re
import struct

from intarsia.imaging.heif import brand_of, heic_is_read

HEAD = 1024
"""Bytes of a file's beginning that tell its format."""

READABLE = frozenset({"PNG", "JPEG", "WebP", "TIFF", "BMP", "GIF", "AVIF"} | ({"HEIC"} if heic_is_read() else set()))
"""The formats that `read_photo` reads."""

RAW = "a camera's raw picture"
FILM = "a film"
SOUND = "a sound"
SVG = "SVG, a drawing"


def format_of(head: bytes) -> str:
    """Name of the format that a file begins as; empty for what is not known, and for what is no picture, film or sound."""
    if head[:2] == b"BM" and len(head) >= 18 and head[14:18] in BMP_HEADERS:
        return "BMP"
    if head[:4] == b"RIFF":
        return RIFF_KINDS.get(head[8:12], f"{FILM} or sound (RIFF)")
    if head[4:8] == b"ftyp":
        return brand_of(head) or FTYP_BRANDS.get(head[8:12], f"{FILM} (MP4)")
    if head[:4] == b"II*\0" and head[8:10] == b"CR":
        return RAW
    if b"<svg" in head[:HEAD] or (head.lstrip().startswith(b"<") and b"<!doctype svg" in head[:HEAD].lower()):
        return SVG
    return next((kind for magic, kind in MAGIC.items() if head.startswith(magic)), "") or _by_parts(head)


def _by_parts(head: bytes) -> str:
    """Name of a format that is known by more than its first bytes, or by later ones."""
    for start, magic, kind in LATER:
        if head[start : start + len(magic)] == magic:
            return kind
    if anymap := ANYMAP.match(head):
        return ANYMAPS[anymap[1]]
    if XBM.match(head):
        return "XBM"
    if head[:1] == b"\n" and head[1:2] in PCX_VERSIONS and head[2:3] == b"\1" and head[3:4] in b"\1\2\4\x08":
        return "PCX"
    if head[:2] == b"\x01\xda" and head[2:3] in b"\0\1" and head[3:4] in b"\1\2":
        return "SGI"
    if head[4:8] in QUICKTIME_BOXES and head[:1] == b"\0":
        return f"{FILM} (QuickTime)"
    return "TGA" if _is_targa(head) else ""


def _is_targa(head: bytes) -> bool:
    """Whether a head is a TGA's: it has no magic, but of its fields few values make sense together."""
    if len(head) < 18:
        return False
    _, mapped, kind, start, colours, each, _, _, width, height, bits, flags = struct.unpack("<BBBHHBHHHHBB", head[:18])
    if kind not in (1, 2, 3, 9, 10, 11) or not (0 < width <= 32_767 and 0 < height <= 32_767) or flags & 0xC0:
        return False
    if mapped == 0:
        return not (start or colours or each) and kind not in (1, 9) and bits in (8, 15, 16, 24, 32)
    return mapped == 1 and kind in (1, 9) and 0 < colours <= 256 and each in (15, 16, 24, 32) and bits == 8


BMP_HEADERS = frozenset(struct.pack("<I", length) for length in (12, 16, 40, 52, 56, 64, 108, 124))
"""Lengths of the second header; text can begin with BM too."""

MAGIC = {
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"\xff\xd8\xff\xf7": "JPEG-LS",
    b"\xff\xd8\xff": "JPEG",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "TIFF",
    b"MM\0+": "TIFF",
    b"GIF8": "GIF",
    b"8BPS": "PSD, Photoshop's own format",
    b"\0\xffKA": "Affinity's own format",
    b"CSFCHUNK": "CLIP, Clip Studio Paint's own format",
    b"PDN3": "PDN, Paint.NET's own format",
    b"gimp xcf": "XCF, GIMP's own format",
    b"\0\0\0\x0cjP  ": "JPEG 2000",
    b"\xff\x4f\xff\x51": "JPEG 2000",
    b"\xff\x0a": "JPEG XL",
    b"\0\0\0\x0cJXL ": "JPEG XL",
    b"II\xbc": "JPEG XR",
    b"\0\0\1\0": "ICO, an icon",
    b"\0\0\2\0\1\0": "CUR, a cursor",
    b"icns": "ICNS, an icon",
    b"%PDF": "PDF",
    b"%!PS": "PostScript",
    b"v/1\x01": "OpenEXR",
    b"#?RADIANCE": "Radiance HDR",
    b"#?RGBE": "Radiance HDR",
    b"SIMPLE  =": "FITS",
    b"qoif": "QOI",
    b"DDS ": "DDS",
    b"\xabKTX": "KTX",
    b"BPG\xfb": "BPG",
    b"FLIF": "FLIF",
    b"AT&TFORM": "DjVu",
    b"\x8aMNG": "MNG",
    b"\x8bJNG": "JNG",
    b"\xd7\xcd\xc6\x9a": "WMF, a drawing",
    b"/* XPM */": "XPM",
    b"FUJIFILMCCD-RAW": RAW,
    b"IIRO": RAW,
    b"IIRS": RAW,
    b"IIU\0": RAW,
    b"II\x1a\0\0\0HEAPCCDR": RAW,
    b"FOVb": RAW,
    b"\0MRM": RAW,
    b"\x1a\x45\xdf\xa3": f"{FILM} (Matroska)",
    b"\0\0\1\xba": f"{FILM} (MPEG)",
    b"\0\0\1\xb3": f"{FILM} (MPEG)",
    b"FLV\1": f"{FILM} (Flash)",
    b"0&\xb2u\x8e\x66\xcf\x11": f"{FILM} or sound (Windows Media)",
    b"OggS": f"{FILM} or sound (Ogg)",
    b"ID3": SOUND,
    b"fLaC": SOUND,
}

LATER = (
    (128, b"DICM", "DICOM"),
    (40, b" EMF", "EMF, a drawing"),
    # Archives whose first file, which is not compressed, says what they are.
    (30, b"mimetypeapplication/x-krita", "KRA, Krita's own format"),
    (30, b"mimetypeimage/openraster", "OpenRaster"),
)
"""Bytes that tell a format, and the place where they stand."""

ANYMAP = re.compile(rb"P([1-7Ff])[ \t\r\n]\s*(?:[#\d-]|WIDTH|TUPLTYPE)")
ANYMAPS = {
    **dict.fromkeys((b"1", b"4"), "PBM"),
    **dict.fromkeys((b"2", b"5"), "PGM"),
    **dict.fromkeys((b"3", b"6"), "PPM"),
    b"7": "PAM",
    **dict.fromkeys((b"F", b"f"), "PFM"),
}
XBM = re.compile(rb"\s*#define \w*_?width\s+\d")
PCX_VERSIONS = (b"\0", b"\2", b"\3", b"\4", b"\5")

QUICKTIME_BOXES = frozenset({b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"})

FTYP_BRANDS = {b"crx ": RAW}

RIFF_KINDS = {b"WEBP": "WebP", b"WAVE": f"{SOUND} (WAV)", b"AVI ": f"{FILM} (AVI)"}


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
