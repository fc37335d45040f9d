"""What a picture's XMP packet says: made to hold for the upright picture, and added to."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from xml.sax.saxutils import escape, quoteattr  # nosec B406 # it writes alone

from intarsia.imaging.containers.xmp_nodes import (
    RDF,
    Name,
    Surgery,
    XmpError,
    as_utf8,
    description,
    nodes_of,
    properties_of,
    rdf_of,
    value_of,
)

TIFF, EXIF = "http://ns.adobe.com/tiff/1.0/", "http://ns.adobe.com/exif/1.0/"
DC, BASIC, NOTE = "http://purl.org/dc/elements/1.1/", "http://ns.adobe.com/xap/1.0/", "http://ns.adobe.com/xmp/note/"
IPTC_EXTENSION = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
OWN = "urn:intarsia:1.0"
SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"

SOURCE: Name = (IPTC_EXTENSION, "DigitalSourceType")
RECORD: Name = (OWN, "record")
EXTENDED: Name = (NOTE, "HasExtendedXMP")

STALE_SPACES = {
    f"http://ns.google.com/photos/1.0/{part}/": "image" for part in ("image", "depthmap", "audio", "container")
} | {
    "http://ns.google.com/photos/dd/1.0/device/": "image",
    "http://ns.adobe.com/hdr-gain-map/1.0/": "gain map",
    "http://ns.apple.com/HDRGainMap/1.0/": "gain map",
}
"""Namespaces that hold a former picture, or tell of one behind the file's own."""

CAMERA = "http://ns.google.com/photos/1.0/camera/"
FILM = re.compile(r"(MicroVideo|MotionPhoto)")

EMPTY = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    '<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="Intarsia">'
    f'<rdf:RDF xmlns:rdf="{RDF}"></rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
).encode()


def tidy(packet: bytes, size: tuple[int, int], orientation: int = 1) -> tuple[bytes, set[str]]:
    """Make a packet tell of a picture as it is stored, without copies of a former one.

    Args:
        packet: in UTF-8.
        size: width and height as the pixels are stored.
        orientation: how they are stored, 1 for upright.

    Returns:
        The packet, and what was taken out of it besides thumbnails: "image" or "gain map", "film", "manifest".

    Raises:
        XmpError: it cannot be read.
    """
    work = Surgery(packet)
    sides = {
        (TIFF, "ImageWidth"): size[0],
        (TIFF, "ImageLength"): size[1],
        (EXIF, "PixelXDimension"): size[0],
        (EXIF, "PixelYDimension"): size[1],
        (TIFF, "Orientation"): orientation,
    }
    gone = set()
    for given in work.properties:
        space, name = given.name
        if given.name in sides:
            if value_of(packet, given).strip() != str(sides[given.name]):
                work.put(given, str(sides[given.name]))
        elif given.name in ((BASIC, "Thumbnails"), RECORD):
            work.drop(given)
        elif space in STALE_SPACES:
            work.drop(given)
            gone.add(STALE_SPACES[space])
        elif space == CAMERA and FILM.match(name):
            work.drop(given)
            gone.add("film")
        elif name == "provenance" and "jumbf" in value_of(packet, given):
            work.drop(given)
            gone.add("manifest")
    return work.done() if work.cuts else packet, gone


def joined(main: bytes, more: bytes) -> bytes:
    """A packet with all that its extension holds.

    Raises:
        XmpError: one of them cannot be read.
    """
    work, other = Surgery(main), nodes_of(more)
    rdf = rdf_of(other)
    for given in work.properties:
        if given.name == EXTENDED:
            work.drop(given)
    about = work.about
    for node in other:
        if node.parent is rdf:
            attributes = "".join(
                f" {written}={quoteattr(value)}"
                for (space, _), (written, value) in node.attributes.items()
                if space != RDF
            )
            inside = more[node.opened : node.close].decode("utf-8") if node.close > node.opened else ""
            work.add(description(inside, node.spaces, about, attributes))
    return work.done()


def with_source(packet: bytes, source: str, *, weak: bool) -> bytes:
    """A packet that says how the picture came about, in the IPTC's word.

    Args:
        weak: whether a word that tells of a trained model, from before this edit, stays.

    Raises:
        XmpError: it cannot be read.
    """
    work = Surgery(packet)
    for given in work.properties:
        if given.name == SOURCE:
            if weak and "rainedAlgorithmic" in value_of(packet, given):
                return packet
            work.drop(given)
    mark = f" Iptc4xmpExt:DigitalSourceType={quoteattr(SOURCE_TYPES + source)}"
    work.add(description("", {"Iptc4xmpExt": IPTC_EXTENSION}, work.about, mark))
    return work.done()


def with_record(packet: bytes, record: str) -> bytes:
    """A packet that holds the record of an edit.

    Raises:
        XmpError: it cannot be read.
    """
    work = Surgery(packet)
    work.add(
        description(f"<intarsia:record>{escape(_allowed(record))}</intarsia:record>", {"intarsia": OWN}, work.about)
    )
    return work.done()


def with_texts(packet: bytes, texts: Mapping[Name, str]) -> bytes:
    """A packet with further properties, where it has none of their names.

    Raises:
        XmpError: it cannot be read.
    """
    work = Surgery(packet)
    there = {given.name for given in work.properties}
    inside = ""
    for (space, name), value in texts.items():
        if (space, name) in there:
            continue
        prefix = {DC: "dc", EXIF: "exif"}[space]
        bag = "Seq" if name == "creator" else "Bag" if name == "subject" else "Alt"
        items = value.split("\0") if bag == "Bag" else [value]
        language = ' xml:lang="x-default"' if bag == "Alt" else ""
        rows = "".join(f"<rdf:li{language}>{escape(_allowed(item))}</rdf:li>" for item in items)
        inside += f"<{prefix}:{name}><rdf:{bag}>{rows}</rdf:{bag}></{prefix}:{name}>"
    if not inside:
        return packet
    work.add(description(inside, {"dc": DC, "exif": EXIF}, work.about))
    return work.done()


def _allowed(text: str) -> str:
    """A text without the letters that XML cannot hold."""
    return "".join(letter for letter in text if letter not in "\ufffe\uffff" and (letter >= " " or letter in "\t\n\r"))


def first_value(packet: bytes, name: Name) -> str | None:
    """The text of a property of a packet; None where it has none, or cannot be read."""
    try:
        packet = as_utf8(packet)
        return next((value_of(packet, given) for given in properties_of(nodes_of(packet)) if given.name == name), None)
    except XmpError:
        return None


def split(packet: bytes, most: int) -> tuple[bytes, tuple[bytes, bytes] | None]:
    """A packet of at most `most` bytes, and an extension with the digits that name it, as JPEG wants them.

    The largest properties go into the extension.

    Raises:
        XmpError: it cannot be split so.
    """
    if len(packet) <= most:
        return packet, None
    work = Surgery(packet)
    movable = sorted((p for p in work.properties if not p.is_attribute), key=lambda p: p.node.start - p.node.end)
    need, moved = len(packet) - most + 600, []
    for given in movable:
        if need <= 0:
            break
        need -= given.node.end - given.node.start
        moved.append(given)
    inside = "".join(
        description(packet[p.node.start : p.node.end].decode("utf-8"), p.node.spaces, work.about) for p in moved
    )
    extension = (
        f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{RDF}">{inside}</rdf:RDF></x:xmpmeta>'.encode()
    )
    nodes_of(extension)
    key = hashlib.md5(extension, usedforsecurity=False).hexdigest().upper()
    for given in (*moved, *(p for p in work.properties if p.name == EXTENDED)):
        work.drop(given)
    work.add(description("", {"xmpNote": NOTE}, work.about, f' xmpNote:HasExtendedXMP="{key}"'))
    main = re.sub(rb"\s{100,}(?=<\?xpacket end)", b"\n", work.done())
    if len(main) > most:
        raise XmpError("its main part is too long")
    return main, (key.encode(), extension)
