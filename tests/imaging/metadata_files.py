"""Picture files with metadata of every kind, put together by hand."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Mapping

import numpy as np
from PIL import Image

from intarsia.imaging.containers import exif, jpeg, photoshop, png, profiles, tiff, webp
from intarsia.imaging.containers.pieces import Chunk, Segment

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
ENCODED = {
    "utf-8": "Zoë Müller, 一只猫".encode(),
    "latin-1": "© Zoë".encode("latin-1"),
    "shift-jis": "写真".encode("shift-jis"),
}
"""Names as cameras and programs write them into EXIF."""

DISPLAY_P3 = profiles.build(*profiles.PRIMARIES[12], profiles.SRGB_CURVE, "Display P3")
IPTC = b"\x1c\x01\x5a\x00\x03\x1b%G" + b"".join(
    struct.pack(">BBBH", 0x1C, 2, number, len(text)) + text
    for number, text in ((80, "Zoë".encode()), (25, b"cat"), (25, b"plant"), (116, "© 2024".encode()), (120, b"A cat."))
)
PREVIEW = b"\xff\xd8old pixels\xff\xd9"


def resources(iptc: bytes = IPTC) -> bytes:
    """Photoshop's data: a preview, IPTC's records, a URL."""
    held = [(1036, b"\0" * 28 + PREVIEW), (1028, iptc), (1035, b"https://example.org/zoe")]
    return photoshop.together(
        [photoshop.Resource(number, struct.pack(">4sHH", b"8BIM", number, 0), content) for number, content in held]
    )


def packet(inside: str = "", attributes: str = "", *, padding: int = 0) -> bytes:
    """An XMP packet of a camera and a raw developer."""
    spaces = {
        "tiff": "http://ns.adobe.com/tiff/1.0/",
        "exif": "http://ns.adobe.com/exif/1.0/",
        "dc": "http://purl.org/dc/elements/1.1/",
        "xmp": "http://ns.adobe.com/xap/1.0/",
        "crs": "http://ns.adobe.com/camera-raw-settings/1.0/",
        "Iptc4xmpExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
    }
    named = "".join(f" xmlns:{prefix}='{uri}'" for prefix, uri in spaces.items())
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n<x:xmpmeta xmlns:x="adobe:ns:meta/">\n'
        f' <rdf:RDF xmlns:rdf="{RDF}">\n  <rdf:Description rdf:about=""{named}{attributes}>\n{inside}'
        f'  </rdf:Description>\n </rdf:RDF>\n</x:xmpmeta>\n{" " * padding}<?xpacket end="w"?>'
    ).encode()


def block(
    order: str = "<",
    *,
    artist: bytes = ENCODED["utf-8"],
    orientation: int = 6,
    sides: tuple[int, int] = (40, 24),
    preview: bool = True,
    note_first: bool = False,
) -> bytes:
    """An EXIF block as a camera writes it: own notes with offsets from the block's start, a thumbnail, a place.

    Args:
        note_first: the thumbnail lies before the notes, so that it cannot be cut off.
    """

    def long(*values: int) -> bytes:
        return struct.pack(f"{order}{len(values)}I", *values)

    def short(*values: int) -> bytes:
        return struct.pack(f"{order}{len(values)}H", *values)

    note = b"CAMERA\0\0" + long(1000) + bytes(range(64))
    tables: dict[int, Mapping[int, exif.NewEntry]] = {
        0: {
            271: exif.NewEntry(2, 7, b"Camera\0"),
            274: exif.NewEntry(3, 1, short(orientation)),
            282: exif.NewEntry(5, 1, long(300, 1)),
            283: exif.NewEntry(5, 1, long(200, 1)),
            296: exif.NewEntry(3, 1, short(2)),
            315: exif.NewEntry(2, len(artist) + 1, artist + b"\0"),
            exif.EXIF: exif.NewEntry(4, 1, long(0)),
            exif.GPS: exif.NewEntry(4, 1, long(0)),
        },
        exif.EXIF: {
            34855: exif.NewEntry(3, 1, short(200)),
            exif.MAKER_NOTE: exif.NewEntry(7, len(note), note),
            exif.COMMENT: exif.NewEntry(7, 15, b"ASCII\0\0\0holiday"),
            exif.PIXELS_ACROSS: exif.NewEntry(3, 1, short(sides[0])),
            exif.PIXELS_DOWN: exif.NewEntry(4, 1, long(sides[1])),
        },
        exif.GPS: {1: exif.NewEntry(2, 2, b"N\0"), 2: exif.NewEntry(5, 3, long(48, 1, 8, 1, 0, 1))},
    }
    content, _ = tiff.lay_out(order, tables, note_at=2000 if note_first else 0)
    if not preview:
        return content
    link = 8 + 2 + 12 * len(tables[0])
    start = 600 if note_first else len(content) + len(content) % 2
    thumbnail = short(3) + b"".join(
        struct.pack(order + "HHI", tag, kind, 1) + value
        for tag, kind, value in (
            (259, 3, short(6, 0)),
            (513, 4, long(start + 2 + 36 + 4)),
            (514, 4, long(len(PREVIEW))),
        )
    )
    thumbnail += long(0) + PREVIEW
    whole = bytearray(content.ljust(start + len(thumbnail), b"\0"))
    whole[start : start + len(thumbnail)] = thumbnail
    whole[link : link + 4] = long(start)
    return bytes(whole)


def pixels(width: int = 40, height: int = 24, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (height, width, channels), dtype=np.uint8)


def encoded(kind: str, layers: np.ndarray) -> bytes:
    """A picture without metadata."""
    options = {"WEBP": {"lossless": True, "exact": True}, "JPEG": {"quality": 95}}.get(kind, {})
    file = io.BytesIO()
    Image.fromarray(layers).save(file, kind, **options)  # type: ignore[arg-type]
    return file.getvalue()


def text(key: str, value: str, *, kind: bytes = b"tEXt") -> Chunk:
    """A PNG's text."""
    name = key.encode("latin-1")
    if kind == b"tEXt":
        return Chunk(kind, name + b"\0" + value.encode("latin-1"))
    if kind == b"zTXt":
        return Chunk(kind, name + b"\0\0" + zlib.compress(value.encode("latin-1")))
    return Chunk(kind, name + b"\0\1\0de\0Titel\0" + zlib.compress(value.encode()))


def full(kind: str, layers: np.ndarray | None = None) -> bytes:
    """A file of a kind that carries all that the kind can hold."""
    layers = pixels() if layers is None else layers
    made = packet("   <dc:title><rdf:Alt><rdf:li xml:lang='x-default'>Cat &amp; plant</rdf:li></rdf:Alt></dc:title>\n")
    height, width = layers.shape[:2]
    if kind == "JPEG":
        return jpeg.put_together(
            encoded(kind, layers),
            exif=block(),
            packet=made,
            icc=DISPLAY_P3,
            photoshop=resources(),
            segments=(Segment(0xEC, b"Ducky\0\1\0\4\0\0\0\x3c"),),
            comments=("größer".encode("latin-1"),),
        )
    if kind == "PNG":
        chunks = (
            Chunk(b"iCCP", b"P3\0\0" + zlib.compress(DISPLAY_P3)),
            Chunk(b"pHYs", struct.pack(">IIB", 11_811, 7_874, 1)),
            Chunk(b"eXIf", block()),
            png.packet_chunk(made),
            text("Copyright", "© 2024 Zoë"),
            text("workflow", "{}", kind=b"zTXt"),
            text("Description", "一只猫", kind=b"iTXt"),
            Chunk(b"tIME", bytes(7)),
            Chunk(b"bKGD", bytes(6)),
            Chunk(b"vpAg", bytes(9)),
        )
        return png.put_together(encoded(kind, layers), chunks)
    if kind == "WEBP":
        return webp.put_together(
            encoded(kind, layers),
            (width, height),
            alpha=layers.shape[2] == 4,
            icc=DISPLAY_P3,
            exif=block(),
            packet=made,
        )
    tags = {700: made, 33723: IPTC, 34377: resources(), 34675: DISPLAY_P3}
    return tiff.put_together(
        layers, block(preview=False), {tag: exif.NewEntry(7, len(value), value) for tag, value in tags.items()}
    )
