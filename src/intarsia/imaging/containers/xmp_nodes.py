"""XMP packets, changed by cutting and pasting: what need not change keeps its bytes.

A packet is parsed only to find the places. Documents with a DTD are refused, so that nothing outside is fetched and
nothing inside expands.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr, unescape  # nosec B406 # of texts alone

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"

Name = tuple[str, str]
"""Namespace and local name."""

DEEPEST, MOST_ELEMENTS, MOST_SPACES = 100, 200_000, 500
"""How far packets are read: elements in elements, all elements, and prefixes."""

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
        if len(self.open) > DEEPEST or len(self.nodes) > MOST_ELEMENTS or len(self.spaces[-1]) > MOST_SPACES:
            raise XmpError("it has too many elements")
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


MARKS = (
    (b"\xff\xfe\0\0", "utf-32"),
    (b"\0\0\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
    (b"<\0", "utf-16-le"),
    (b"\0<", "utf-16-be"),
)
"""How packets begin that are not in UTF-8."""


def as_utf8(packet: bytes) -> bytes:
    """A packet in UTF-8, without what surrounds it."""
    for mark, encoding in MARKS:
        if packet.startswith(mark):
            packet = packet.decode(encoding, "replace").encode()
            break
    return packet.strip(b"\0").removeprefix(b"\xef\xbb\xbf").strip()


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
        parts: list[bytes] = []
        at = 0
        for start, end, fresh in sorted(self.cuts, key=lambda cut: (cut[0], -cut[1])):
            if start >= at:
                parts += [self.packet[at:start], fresh]
                at = end
        packet = b"".join([*parts, self.packet[at:]])
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
