"""XMP packets, changed by cutting and pasting: what need not change keeps its bytes.

A packet is parsed only to find the places. Documents with a DTD are refused, so that nothing outside is fetched and
nothing inside expands.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr, unescape

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
TIFF, EXIF = "http://ns.adobe.com/tiff/1.0/", "http://ns.adobe.com/exif/1.0/"
DC, BASIC, NOTE = "http://purl.org/dc/elements/1.1/", "http://ns.adobe.com/xap/1.0/", "http://ns.adobe.com/xmp/note/"
IPTC_EXTENSION = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
OWN = "urn:intarsia:1.0"
SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"

Name = tuple[str, str]
"""Namespace and local name."""

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

DEEPEST = 100
TAG = re.compile(rb"<[^\"'<>]*(?:\"[^\"]*\"[^\"'<>]*|'[^']*'[^\"'<>]*)*>")
ATTRIBUTE = re.compile(rb"\s+([^\s=<>]+)\s*=\s*(\"[^\"]*\"|'[^']*')")


class XmpError(ValueError):
    """A packet cannot be read as XMP."""


@dataclass
class Node:
    """An element, by its places in the packet.

    Attributes:
        name: namespace and local name.
        depth: how many elements it lies in.
        parent: the element that it lies in.
        start, opened: where its first tag begins and ends.
        close, end: where its last tag begins and ends; those of the first where it has no other.
        attributes: values by names, with the name as it is written.
        spaces: prefixes that hold there, and what they stand for.
        children: how many elements lie in it.
    """

    name: Name
    depth: int
    parent: Node | None
    start: int
    opened: int
    attributes: dict[Name, tuple[str, str]]
    spaces: Mapping[str, str]
    close: int = 0
    end: int = 0
    children: int = 0


@dataclass
class Reader:
    """What the parser calls."""

    packet: bytes
    parser: Any
    nodes: list[Node] = field(default_factory=list)
    open: list[Node] = field(default_factory=list)
    spaces: list[dict[str, str]] = field(default_factory=lambda: [{}])
    fresh: dict[str, str] = field(default_factory=dict)

    def doctype(self, *_: object) -> None:
        raise XmpError("it has a DTD")

    def declare(self, prefix: str | None, uri: str | None) -> None:
        self.fresh[prefix or ""] = uri or ""

    def start(self, name: str, attributes: list[str]) -> None:
        if len(self.open) > DEEPEST:
            raise XmpError("its elements are nested too deeply")
        at = self.parser.CurrentByteIndex
        tag = TAG.match(self.packet, at)
        if tag is None:
            raise XmpError("a tag has no end")
        spaces = {**self.spaces[-1], **self.fresh} if self.fresh else self.spaces[-1]
        self.fresh = {}
        self.spaces.append(spaces)
        held = {}
        for key, value in zip(attributes[::2], attributes[1::2], strict=True):
            full, written = _split(key)
            held[full] = (written, value)
        parent = self.open[-1] if self.open else None
        node = Node(_split(name)[0], len(self.open), parent, at, tag.end(), held, spaces)
        if parent is not None:
            parent.children += 1
        self.nodes.append(node)
        self.open.append(node)

    def finish(self, _: str) -> None:
        node = self.open.pop()
        self.spaces.pop()
        at = self.parser.CurrentByteIndex
        if self.packet[node.opened - 2 : node.opened] == b"/>":
            node.close, node.end = node.opened, node.opened
        else:
            node.close = at
            node.end = self.packet.index(b">", at) + 1


def _split(name: str) -> tuple[Name, str]:
    """A name as the parser says it: namespace and local name, and as it is written."""
    parts = name.split(" ")
    if len(parts) == 1:
        return ("", parts[0]), parts[0]
    return (parts[0], parts[1]), f"{parts[2]}:{parts[1]}" if len(parts) > 2 else parts[1]


def as_utf8(packet: bytes) -> bytes:
    """A packet in UTF-8, without what surrounds it."""
    packet = packet.strip(b"\0")
    for mark, encoding in ((b"\xff\xfe\0\0", "utf-32-le"), (b"\0\0\xfe\xff", "utf-32-be")):
        if packet.startswith(mark):
            return packet[4:].decode(encoding, "replace").encode()
    for mark, encoding in ((b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be")):
        if packet.startswith(mark):
            return packet[2:].decode(encoding, "replace").encode()
    if packet[:2] == b"<\0":
        return (packet + b"\0" * (len(packet) % 2)).decode("utf-16-le", "replace").encode()
    return packet.removeprefix(b"\xef\xbb\xbf").strip()


def nodes_of(packet: bytes) -> list[Node]:
    """The elements of a packet in UTF-8, in their order.

    Raises:
        XmpError: it is no XML, or not of a kind that is read.
    """
    parser = expat.ParserCreate("utf-8", " ")
    parser.namespace_prefixes = True
    parser.ordered_attributes = True
    reader = Reader(packet, parser)
    parser.StartDoctypeDeclHandler = reader.doctype
    parser.EntityDeclHandler = reader.doctype
    parser.StartNamespaceDeclHandler = reader.declare
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.finish
    try:
        parser.Parse(packet, True)
    except (expat.ExpatError, ValueError, UnicodeError) as problem:
        raise XmpError(str(problem)) from problem
    return reader.nodes


def rdf_of(nodes: Iterable[Node]) -> Node:
    """The element that everything lies in.

    Raises:
        XmpError: there is none.
    """
    for node in nodes:
        if node.name == (RDF, "RDF"):
            return node
    raise XmpError("it holds no RDF")


@dataclass
class Property:
    """A property of the picture, as an attribute or an element of one of its descriptions."""

    name: Name
    node: Node
    written: str | None

    @property
    def is_attribute(self) -> bool:
        return self.written is not None


def properties_of(nodes: Iterable[Node]) -> list[Property]:
    """The properties that stand right in a packet's descriptions."""
    nodes = list(nodes)
    rdf = rdf_of(nodes)
    found = []
    for node in nodes:
        if node.parent is rdf:
            found += [Property(name, node, written) for name, (written, _) in node.attributes.items()]
        elif node.parent is not None and node.parent.parent is rdf:
            found.append(Property(node.name, node, None))
    return found


def value_of(packet: bytes, given: Property) -> str:
    """The text of a property; empty where it has a structure."""
    if given.is_attribute:
        return given.node.attributes[given.name][1]
    node = given.node
    if not node.children:
        named = node.attributes.get((RDF, "resource"))
        if named is not None:
            return named[1]
        return unescape(packet[node.opened : node.close].decode("utf-8", "replace")) if node.close > node.opened else ""
    return ""


class Surgery:
    """Cuts in a packet, and what is put in their places."""

    def __init__(self, packet: bytes) -> None:
        self.packet = packet
        self.nodes = nodes_of(packet)
        self.properties = properties_of(self.nodes)
        self.cuts: list[tuple[int, int, bytes]] = []

    def drop(self, given: Property) -> None:
        """Take a property out."""
        if given.is_attribute:
            start, end, _ = self._attribute(given)
            self.cuts.append((start, end, b""))
        else:
            self.cuts.append((given.node.start, given.node.end, b""))

    def put(self, given: Property, value: str) -> None:
        """Give a property without a structure another text."""
        if given.is_attribute:
            _, end, quoted = self._attribute(given)
            self.cuts.append((end - len(quoted), end, quoteattr(value).encode()))
        elif not given.node.children and given.node.close > given.node.opened:
            self.cuts.append((given.node.opened, given.node.close, escape(value).encode()))

    def add(self, element: str) -> None:
        """Put a description, as `description` makes it, behind the others."""
        rdf = rdf_of(self.nodes)
        if rdf.close > rdf.opened or self.packet[rdf.opened - 2 : rdf.opened] != b"/>":
            self.cuts.append((rdf.close, rdf.close, element.encode("utf-8", "replace")))
            return
        name = re.match(rb"<([^\s/>]+)", self.packet[rdf.start : rdf.opened])
        assert name is not None
        closing = b">" + element.encode("utf-8", "replace") + b"</" + name[1] + b">"
        self.cuts.append((rdf.opened - 2, rdf.opened, closing))

    def done(self) -> bytes:
        """The packet with all cuts made; those that lie in a larger one go with it.

        Raises:
            XmpError: what comes out cannot be read.
        """
        packet, low = self.packet, len(self.packet) + 1
        wide = [(start, end) for start, end, fresh in self.cuts if not fresh]
        order = sorted(enumerate(self.cuts), key=lambda cut: (cut[1][0], cut[0]), reverse=True)
        for _, (start, end, fresh) in order:
            inside = any(a <= start and end <= b and (a, b) != (start, end) for a, b in wide)
            if inside or end > low:
                continue
            packet = packet[:start] + fresh + packet[end:]
            low = start if end > start else low
        nodes_of(packet)
        return packet

    @property
    def about(self) -> str:
        """What the descriptions say that they are about, which has to be the same in all."""
        rdf = rdf_of(self.nodes)
        for node in self.nodes:
            if node.parent is rdf:
                for name in ((RDF, "about"), ("", "about")):
                    if name in node.attributes:
                        return node.attributes[name][1]
        return ""

    def _attribute(self, given: Property) -> tuple[int, int, bytes]:
        """Where an attribute stands with the space before it, and its value in quotes."""
        assert given.written is not None
        node = given.node
        for found in ATTRIBUTE.finditer(self.packet, node.start, node.opened):
            if found[1] == given.written.encode():
                return found.start(), found.end(), found[2]
        raise XmpError("an attribute is not where it was")


def description(inside: str, spaces: Mapping[str, str], about: str = "", attributes: str = "") -> str:
    """A description of the picture.

    Args:
        inside: elements of its properties.
        spaces: namespaces by prefixes, besides RDF's.
    """
    named = "".join(
        f" xmlns:{prefix}={quoteattr(uri)}" if prefix else f" xmlns={quoteattr(uri)}"
        for prefix, uri in spaces.items()
        if prefix not in ("rdf", "xml")
    )
    head = f'<rdf:Description xmlns:rdf="{RDF}" rdf:about={quoteattr(about)}{named}{attributes}'
    return f"{head}>{inside}</rdf:Description>" if inside else f"{head}/>"


# What this package says in packets, and changes in them

EMPTY = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    '<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="Intarsia">'
    f'<rdf:RDF xmlns:rdf="{RDF}"></rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
).encode()


def tidy(packet: bytes, size: tuple[int, int]) -> tuple[bytes, set[str]]:
    """Make a packet tell of the upright picture, without copies of a former one.

    Args:
        packet: in UTF-8.
        size: width and height.

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
        (TIFF, "Orientation"): 1,
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
    kept = "".join(letter for letter in record if letter >= " " or letter in "\t\n\r")
    work.add(description(f"<intarsia:record>{escape(kept)}</intarsia:record>", {"intarsia": OWN}, work.about))
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
        value = "".join(letter for letter in value if letter >= " " or letter in "\t\n\r")
        bag = "Seq" if name == "creator" else "Bag" if name == "subject" else "Alt"
        items = value.split("\0") if bag == "Bag" else [value]
        language = ' xml:lang="x-default"' if bag == "Alt" else ""
        rows = "".join(f"<rdf:li{language}>{escape(item)}</rdf:li>" for item in items)
        inside += f"<{prefix}:{name}><rdf:{bag}>{rows}</rdf:{bag}></{prefix}:{name}>"
    if not inside:
        return packet
    work.add(description(inside, {"dc": DC, "exif": EXIF}, work.about))
    return work.done()


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
