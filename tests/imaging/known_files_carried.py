"""All that a file carries besides its pixels, as it is settled for an edited picture and attached; and files' first bytes."""

from __future__ import annotations

import dataclasses
import hashlib
import struct
import zlib
from typing import Any

import numpy as np

from intarsia.imaging import attach, formats, heif, metadata
from intarsia.imaging.containers import jpeg, photoshop, png, profiles, tiff, webp, xmp
from intarsia.imaging.containers.pieces import UNITS, Chunk, Density, Pieces, Segment
from intarsia.imaging.metadata import EDITED, TRAINED, Carried
from intarsia.imaging.photo import Photo
from tests.imaging.file_digests import attempt, camera, case, damaged, each, opened
from tests.imaging.known_files_exif import outer
from tests.imaging.known_files_jpeg import SAID, SEGMENTS, app0, data_set, jpeg_of, more, resource, webp_of
from tests.imaging.known_files_png import KINDS, hexed, png_of
from tests.imaging.known_files_xmp import ATTRIBUTES, INSIDE, SIZE, coded, gamma, packet


def files() -> list[tuple[bytes, str]]:
    """Files of all kinds with all kinds of metadata."""
    made = [
        (png_of(*chunks), "PNG")
        for chunks in ((), KINDS[:20], [c for c in KINDS if len(c.body) < 10**5][20:], [KINDS[0], KINDS[21]])
    ]
    own = [
        png.text_chunk("parameters", "first"),
        png.text_chunk("intarsia", "{}"),
        png.text_chunk("parameters", "own"),
        KINDS[28],
    ]
    made += [(png_of(*own), "PNG"), (png_of(*own[1:2]), "PNG"), (png_of(*own[:1]), "PNG")]
    for base in (
        packet(INSIDE[0]),
        packet("".join(INSIDE)),
        packet(INSIDE[4], ATTRIBUTES[4]),
        packet()[:-40],
        packet(INSIDE[6]),
        xmp.EMPTY,
    ):
        made.append((jpeg_of(Segment(0xE1, jpeg.XMP + base), app0(1, 72, 36), *SEGMENTS[28:29]), "JPEG"))
        made.append((png_of(png.packet_chunk(base), KINDS[13]), "PNG"))
        made.append((webp_of((b"XMP ", base), (b"EXIF", camera(">"))), "WebP"))
    key = hashlib.md5(b"", usedforsecurity=False).hexdigest().upper().encode()
    for content in (packet(INSIDE[9], ATTRIBUTES[1]), b"broken", b"<a/>"):
        main = packet(INSIDE[0], f'note:HasExtendedXMP="{key.decode()}"')
        made.append((jpeg_of(Segment(0xE1, jpeg.XMP + main), more(content, len(content), 0, key)), "JPEG"))
    made += [
        (jpeg_of(*SEGMENTS), "JPEG"),
        (jpeg_of(SEGMENTS[13]), "JPEG"),
        (outer("<"), "TIFF"),
        (outer(">"), "TIFF"),
        (b"GIF", "GIF"),
    ]
    made += [
        (jpeg_of(Segment(0xED, b"Photoshop 3.0\0" + resource(1033, b"old") + resource(1028, b"".join(SAID)))), "JPEG")
    ]
    made += [(outer("<", main={700: None, 296: (3, unit)}), "TIFF") for unit in (1, 2)] + [
        (b"II*", "TIFF"),
        (b"RIFF1234WEBPVP8X\xff", "WebP"),
    ]
    made += [
        (jpeg_of(Segment(0xE1, b"Exif\0\0" + camera(order, main={296: (3, unit)}))), "JPEG")
        for order in "<>"
        for unit in (1, 2, 3)
    ]
    comment = b"UNICODE\0" + '{"own": 1}'.encode("utf-16-be")
    made.append(
        (
            jpeg_of(
                Segment(0xE1, b"Exif\0\0" + camera("<", exif={37510: (7, comment)})),
                Segment(0xE1, jpeg.XMP + xmp.EMPTY),
            ),
            "JPEG",
        )
    )
    return made


def settled(content: bytes, kind: str, size: tuple[int, int] = SIZE) -> Any:
    """All that is made of a file's metadata."""
    pieces = opened(metadata.take_apart)(content, kind)
    turn = metadata.orientation_of(pieces)
    said = [
        metadata.record_in(pieces, key) for key in ("intarsia", "parameters", "Author", png.XMP.decode(), "none", "€")
    ]
    told = metadata.source_in(pieces), metadata.hdr_curve(pieces), metadata.record_in_comment(pieces.exif)
    used = [metadata.usable_profile(dataclasses.replace(pieces), mode) for mode in ("RGB", "L", "CMYK")]
    return turn, said, told, used, pieces.lost, metadata.settle(pieces, size, turn)


@case
def settled_files() -> Any:
    made = files()
    found: list[Any] = [attempt(settled, *one) for one in made]
    for space in (b"RGB ", b"GRAY", b"CMYK", b"Lab "):
        icc = profiles.build(profiles.SRGB_PRIMARIES, profiles.D65, (2.2,), "Name")
        icc = icc[:16] + space + icc[20:]
        for mode in ("RGB", "L", "LA", "CMYK", "P"):
            for colour in ([], [Chunk(b"iCCP", b"")], [Chunk(b"iCCP", b""), gamma(10**5)]):
                pieces = Pieces(icc=icc, colour=colour)
                found.append([metadata.usable_profile(pieces, mode), pieces.lost, pieces.colour])
    damaged_one = Pieces(
        icc=b"no profile", transfer=16, exif=camera("<")[:40], photoshop=b"8BIMbroken", density=Density(1, 2, "ratio")
    )
    found += [metadata.usable_profile(damaged_one, "RGB"), damaged_one.lost, metadata.hdr_curve(damaged_one)]
    found += [attempt(metadata.settle, damaged_one, SIZE, turn) for turn in (1, 4, 5, 8)]
    turned = [
        Pieces(xmp=[packet(f"<tiff:Orientation>{said}</tiff:Orientation>")])
        for said in ("0", "1", "2", " 8 ", "9", "x")
    ]
    comments = [
        camera("<", exif={37510: (7, b"UNICODE\0" + text)})
        for text in ("{1".encode("utf-16-le"), "{1".encode("utf-16-be"), b"\0x\0")
    ]
    return [
        *found,
        [metadata.orientation_of(one) for one in turned],
        [metadata.record_in_comment(one) for one in comments],
    ]


def photos() -> list[Photo]:
    """Photos that carry all kinds of metadata."""
    levels = np.arange(6 * 4 * 4, dtype=np.uint8).reshape(4, 6, 4)
    rgb, alpha = np.ascontiguousarray(levels[..., :3]), np.ascontiguousarray(levels[..., 3])
    made = []
    for content, kind in files():
        got = attempt(settled, content, kind)[0]
        if isinstance(got, tuple):
            made.append(Photo(pixels=rgb, exif=got[5][0], carried=got[5][1], icc=b"profile", dpi=(72.0, 36.0)))
    full = made[1].carried
    iptc, odd = data_set(5, b"title") + data_set(0, b"\0\2"), data_set(7, b"other")
    sets = [
        {"comments": (b"one", "zwei ü".encode(), b"dr\xfci\0")},
        {"comments": (b"dr\xfci\0",)},
        {"comments": (b"c" * 65_534, b"c" * 65_533)},
        {"iptc": iptc},
        {"iptc": iptc + odd},
        {"photoshop": photoshop.with_iptc(iptc)},
        {"photoshop": resource(1000, b"x"), "iptc": iptc},
        {"segments": tuple(Segment(0xE0 + k, b"x") for k in (3, 4, 5, 3, 6, 7, 8, 9))},
        {"xmp": packet("<dc:a>" + "x" * 70_000 + "</dc:a>")},
        {"xmp": packet("", 'dc:format="' + "x" * 70_000 + '"')},
        {"xmp": b"<a/>", "comments": (b"said",)},
        {"colour": (coded(3, 3, 0, 1),)},
        {"colour": (coded(12, 13, 0, 1),), "meant": b"profile"},
        {"colour": (coded(12, 13, 0, 1),)},
        {"lost": ("this", "that")},
        {
            "chunks": tuple(
                png.text_chunk(key, f"of {key}")
                for key in ("Title", "Author", "Description", "Copyright", "Comment", "Comment", "Own")
            )
        },
        {"chunks": (png.text_chunk("Comment", "a"),), "comments": (b"b",)},
        {"chunks": (Chunk(b"tEXt", b"Title\0" + b"t" * 30_001), Chunk(b"sPLT", b""))},
        {
            "chunks": (
                Chunk(b"zTXt", b"Title\0\0" + zlib.compress(b"t" * 30_001, 0)),
                Chunk(b"tEXt", hexed(b"a", b"b")),
            )
        },
    ]
    made += [Photo(pixels=rgb, alpha=alpha, carried=Carried(**one)) for one in sets]  # type: ignore[arg-type]
    for unit in UNITS:
        for dpi in (None, (72.0, 36.0), (72.005, 36.0), (72.02, 36.0)):
            for across, down in ((72, 36), (72 / 2.54, 36 / 2.54)):
                made.append(
                    Photo(pixels=rgb, dpi=dpi, exif=made[0].exif, carried=Carried(density=Density(across, down, unit)))
                )
    made += [
        Photo(pixels=rgb, dpi=dpi, exif=b"Exif\0\0" + camera(order))
        for dpi in ((300, 200), (762, 508))
        for order in "<>"
    ]
    made.append(Photo(pixels=rgb, exif=b"Exif\0\0" + camera("<") + bytes(70_000), icc=b"i" * 70_000, carried=full))
    return made


BASES = {"PNG": png_of(), "JPEG": jpeg_of(app0(0, 1, 1)), "WEBP": webp_of((b"VP8L", b"pixels")), "TIFF": b""}
APART = {"PNG": png.take_apart, "JPEG": jpeg.take_apart, "WEBP": webp.take_apart, "TIFF": tiff.take_apart}
SAYINGS = (None, {"intarsia": '{"prompt": "a <b>"}', "parameters": "a\nb"}, {"Other": "x"})


def attached(photo: Photo, kind: str, text: Any, source: str, orientation: int = 1) -> Any:
    """What is read again of a file that a photo's metadata were attached to; its very bytes where nothing is packed."""
    whole = attach.attach(BASES[kind], photo, kind, text, source, orientation)
    found = opened(APART[kind])(whole)
    found.chunks = [(chunk.kind, png.unpacked(chunk, 10**6) or chunk.body) for chunk in found.chunks]
    found.colour = [chunk if chunk.kind != b"iCCP" else chunk.kind for chunk in found.colour]
    return dataclasses.replace(found, bare=None), b"" if kind == "PNG" else whole


@case
def attached_files() -> Any:
    made = photos()
    found: list[Any] = []
    for photo in made:
        found.append([attempt(attached, photo, kind, SAYINGS[1], TRAINED) for kind in BASES])
        found.append(
            [
                attempt(attach.plan, photo, kind, text, source)
                for kind in ("AVIF", "PNG")
                for text, source in zip(SAYINGS, (TRAINED, EDITED, EDITED), strict=True)
            ]
        )
    for photo in made[1:40:3]:
        found.append([attempt(attached, photo, kind, text, EDITED) for kind in BASES for text in SAYINGS[::2]])
        found.append([attempt(attached, photo, "JPEG", SAYINGS[1], TRAINED, turn) for turn in range(2, 9)])
    return found


# Formats by their first bytes


def box(kind: bytes, *inside: bytes) -> bytes:
    """A box of a HEIC or AVIF file."""
    body = b"".join(inside)
    return struct.pack(">I4s", 8 + len(body), kind) + body


@case
def first_bytes() -> Any:
    heads = [magic + bytes(30) for magic in formats.MAGIC] + [
        b"BM" + bytes(12) + size + bytes(8) for size in sorted(formats.BMP_HEADERS)
    ]
    heads += [
        b"BM" + bytes(30),
        b"BM" + bytes(12) + b"\x28\0\0",
        b"RIFF1234WEBPVP8 ",
        b"RIFF1234WAVE",
        b"II*\0\x10\0\0\0CR\2\0",
        b"",
        b"text",
    ]
    heads += [
        b"<?xml?> <svg/>",
        bytes(1021) + b"<svg",
        bytes(1020) + b"<svg",
        b"BM and text that is no picture",
        b"GIF89a" + b"NETSCAPE2.0",
        b"GIF89aNETSCAPE",
    ]
    heads += [
        box(b"ftyp", brand + b"\0\0\0\0" + more_) + bytes(9)
        for brand in (b"heic", b"avif", b"avis", b"isom", b"crx ", b"mif1")
        for more_ in (b"", b"avif", b"isomheic", b"avi")
    ]
    heads += [
        png_of(KINDS[47]),
        png_of(),
        b"RIFF1234WEBPVP8X" + bytes(4) + b"\2" + bytes(9),
        b"RIFF1234WEBPVP8X" + bytes(4) + b"\1",
    ]
    heads += [b"RIFF1234WEBPVP8X" + bytes(4), b"RIFF1234WEBPVP8 " + bytes(4) + b"\2"]
    for order in "<>":
        heads += [
            outer(order),
            outer(order, big=True),
            outer(order, main={50706: None}),
            outer(order, main={50706: None, 254: (4, 1)}),
        ]
        heads += [outer(order, main={50706: None, 254: (3, value)}) for value in (1, 2, 3)] + [
            outer(order, main={50706: None})[:60],
            outer(order)[:9],
        ]
        heads += [
            outer(order)[:4] + struct.pack(order + "I", at) + outer(order)[8:]
            for at in (7, 10**6, len(outer(order)) - 2, len(outer(order)) - 1)
        ]
    return [
        *each(formats.format_of, heads, together=4),
        *each(formats.why_not_edited, heads, together=4),
        *each(formats.why_not_edited, damaged(outer("<"), step=3, to=260)),
        *each(heif.brand_of, heads, together=16),
    ]


@case
def boxes() -> Any:
    coded_ = [box(b"av1C", bytes([0x81, 0, flags, 0])) for flags in (0, 0x20, 0x40, 0x60)] + [
        box(b"av1C", b"\x81\0"),
        box(b"av1C", b"\x81\0\x60"),
    ]
    coded_ += [
        box(b"hvcC", bytes(17) + bytes([luma, chroma]) + bytes(3))
        for luma, chroma in ((0xF8, 0xF8), (0xFA, 0xF8), (0xF8, 0xFC), (0xFF, 0xF9))
    ]
    coded_ += [box(b"hvcC", bytes(17) + b"\2"), box(b"hvcC", bytes(17) + b"\2\2")]
    colours = [
        box(b"colr", b"nclx" + struct.pack(">HHHB", *values))
        for values in ((1, 13, 6, 128), (9, 16, 9, 128), (12, 13, 0, 0), (11, 269, 0, 0), (2, 2, 2, 0))
    ]
    colours += [
        box(b"colr", b"nclx\0\x09\0\x10\0\0"),
        box(b"colr", b"prof" + bytes(9)),
        box(b"colr", b"nclx\0\x09\0\x10\0\0\0") * 2,
    ]
    ftyp, found = box(b"ftyp", b"avif\0\0\0\0"), []
    for one in (*coded_, *colours, b"".join(coded_), b"".join(colours)):
        inner = box(b"ipco", box(b"ispe", bytes(12)), one)
        whole = (
            ftyp
            + box(b"meta", b"\0\0\0\0", box(b"hdlr", bytes(20)), box(b"iprp", inner, box(b"ipma", bytes(8))))
            + box(b"mdat", bytes(9))
        )
        wide = ftyp + struct.pack(">I4sQ", 1, b"iprp", 16 + len(inner)) + inner
        endless = ftyp + struct.pack(">I4s", 0, b"iprp") + inner
        short = ftyp + struct.pack(">I4s", 7, b"iprp") + inner
        for content in (whole, wide, endless, short, whole[:-20], one):
            pieces, other = Pieces(), Pieces(icc=b"profile")
            heif.add_colour(pieces, content)
            heif.add_colour(other, content)
            found.append([list(heif.properties(content)), heif.bits_of(content), pieces, other])
    return found
