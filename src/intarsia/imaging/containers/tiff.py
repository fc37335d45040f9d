"""TIFF: its tags that tell of the picture, as an EXIF block; and a writer that builds the file around such a block."""

from __future__ import annotations

import struct
from collections.abc import Collection, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from intarsia.imaging.containers.exif import (
    ACROSS,
    DOWN,
    EXIF,
    GPS,
    INTEROP,
    LONG,
    MAKER_NOTE,
    ORDERS,
    RATIONAL,
    SHORT,
    UNIT,
    WIDTHS,
    NewEntry,
    with_entries,
)
from intarsia.imaging.containers.pieces import MOST, UNITS, Density, Pieces, Source, Span, length_of, read_at

STRUCTURE = frozenset(
    {254, 255, *range(256, 260), 262, 263, 264, 265, 266, 273, *range(277, 282), 284, *range(288, 294), 297, 301}
    | {*range(317, 326), *range(332, 344), 347, *range(512, 522), *range(529, 533), 50674, 50706}
)
"""Tags that say how the file stores its pixels: decoders need them, and in a new file they would be false."""

ICC, IPTC, PHOTOSHOP, XMP, LAYERS, PAGES = 34675, 33723, 34377, 700, 37724, 330
APART = frozenset({ICC, IPTC, PHOTOSHOP, XMP, LAYERS, PAGES, ACROSS, DOWN, UNIT})
"""Tags that are kept elsewhere, or hold a former picture."""

FARTHEST_NOTE = 48 * 2**10
"""Offset up to which a camera's own notes are put where they were, as they may hold offsets of their own."""

STRIP = 2**16
"""Bytes of a strip of pixels, about."""


FORMS = {1: "B", SHORT: "H", LONG: "I", 13: "I", 16: "Q", 18: "Q"}
"""Kinds of whole numbers, as `struct` names them."""

MOST_NUMBERS = 64
"""Numbers of an entry that are read: a channel has one each."""


class Row(NamedTuple):
    """An entry of a file's table, with its 12 bytes (20 in a BigTIFF)."""

    tag: int
    kind: int
    amount: int
    raw: bytes


class Layout(NamedTuple):
    """How a TIFF writes its tables: the order of bytes, and whether it is a BigTIFF."""

    order: str
    big: bool

    @property
    def places(self) -> str:
        """An offset, as `struct` names it."""
        return self.order + ("Q" if self.big else "I")


def take_apart(file: Source) -> Pieces:
    """A TIFF in pieces; its tags but for those of its pixels become an EXIF block.

    The decoders' file is the same with a table of its own, of those tags alone.
    """
    pieces = Pieces()
    head = read_at(file, Span(0, 16))
    layout = layout_of(head)
    if layout is None:
        return pieces
    rows, following = read_table(file, layout, first_table(head, layout))
    if not rows:
        return pieces
    for row in rows:
        if row.tag in (ICC, IPTC, PHOTOSHOP, XMP):
            content = value_of(file, layout, row)
            if content is None:
                pieces.lose(f"its {NAMES[row.tag]}, which the file is cut off before")
            elif row.tag == XMP:
                pieces.xmp.append(content)
            else:
                setattr(pieces, FIELDS[row.tag], content)
    pieces.density = _density(file, layout, rows)
    pieces.exif = _as_block(file, layout, rows, pieces)
    pieces.bare = _bare(file, layout, [row for row in rows if row.tag in STRUCTURE], following, head)
    return pieces


def layout_of(head: bytes) -> Layout | None:
    """How a TIFF writes its tables, from its first bytes."""
    order = ORDERS.get(head[:2])
    if order is None or len(head) < 8:
        return None
    return Layout(order, struct.unpack(order + "H", head[2:4])[0] == 43)


def first_table(head: bytes, layout: Layout) -> int:
    """Where the first table stands."""
    return int(struct.unpack(layout.places, head[8:16] if layout.big else head[4:8])[0])


def first_numbers(file: Source, tags: Collection[int]) -> dict[int, tuple[int, ...]]:
    """The whole numbers of some tags of the first table, by tag; what is not there, or no such number, is left out."""
    head = read_at(file, Span(0, 16))
    layout = layout_of(head)
    if layout is None:
        return {}
    rows, _ = read_table(file, layout, first_table(head, layout))
    found = ((row.tag, _numbers(file, layout, row)) for row in rows if row.tag in tags)
    return {tag: numbers for tag, numbers in found if numbers}


FIELDS = {ICC: "icc", IPTC: "iptc", PHOTOSHOP: "photoshop"}
NAMES = {ICC: "colour profile", IPTC: "IPTC data", PHOTOSHOP: "Photoshop data", XMP: "XMP data"}


def read_table(file: Source, layout: Layout, at: int) -> tuple[list[Row], bytes]:
    """The entries of a table that are there, and the bytes that point at the next table."""
    counter, width = ("Q", 20) if layout.big else ("H", 12)
    size = struct.calcsize(layout.order + counter)
    head = read_at(file, Span(at, size)) if 0 < at < length_of(file) else b""
    if len(head) < size:
        return [], b""
    count = min(struct.unpack(layout.order + counter, head)[0], 65_535)
    content = read_at(file, Span(at + size, count * width + 8))
    rows = []
    for start in range(0, min(count * width, len(content) - width + 1), width):
        raw = content[start : start + width]
        tag, kind, amount = struct.unpack_from(layout.order + ("HHQ" if layout.big else "HHI"), raw)
        rows.append(Row(tag, kind, amount, raw))
    return rows, content[count * width : count * width + (8 if layout.big else 4)]


def value_of(file: Source, layout: Layout, row: Row) -> bytes | None:
    """The bytes of an entry's value; None where the file does not hold them, or they are far too many."""
    length = WIDTHS.get(row.kind, 0) * row.amount
    inline = row.raw[12:] if layout.big else row.raw[8:]
    if length <= len(inline):
        return inline[:length]
    if length > MOST:
        return None
    content = read_at(file, Span(struct.unpack(layout.places, inline)[0], length))
    return content if len(content) == length else None


def _number(file: Source, layout: Layout, row: Row) -> int | None:
    """The whole number in an entry."""
    numbers = _numbers(file, layout, row)
    return numbers[0] if len(numbers) == 1 else None


def _numbers(file: Source, layout: Layout, row: Row) -> tuple[int, ...]:
    """The whole numbers in an entry; none where it holds others, or more than any tag that is asked for."""
    form, content = FORMS.get(row.kind), value_of(file, layout, row)
    if form is None or content is None or row.amount > MOST_NUMBERS:
        return ()
    return struct.unpack(f"{layout.order}{row.amount}{form}", content)


def _density(file: Source, layout: Layout, rows: list[Row]) -> Density | None:
    """Resolution by the table's tags."""
    held = {row.tag: row for row in rows}
    sides = []
    for tag in (ACROSS, DOWN):
        content = value_of(file, layout, held[tag]) if tag in held and held[tag].kind == RATIONAL else None
        if content is None or len(content) != 8:
            return None
        over, under = struct.unpack(layout.order + "II", content)
        if not (over and under):
            return None
        sides.append(over / under)
    unit = _number(file, layout, held[UNIT]) if UNIT in held else 2
    return Density(sides[0], sides[1], UNITS[unit - 1] if unit in (1, 2, 3) else "inch")


def _bare(file: Source, layout: Layout, rows: list[Row], following: bytes, head: bytes) -> list[bytes | Span]:
    """The file with a table of its pixels' tags alone, at its end."""
    length = length_of(file)
    pad = b"\0" * (-length % 8)
    place = struct.pack(layout.places, length + len(pad))
    start = head[:8] + place if layout.big else head[:4] + place
    counter = struct.pack(layout.order + ("Q" if layout.big else "H"), len(rows))
    link = following.ljust(8 if layout.big else 4, b"\0")
    return [start, Span(len(start), length - len(start)), pad + counter + b"".join(row.raw for row in rows) + link]


# An EXIF block of a file's tags


def _as_block(file: Source, layout: Layout, rows: list[Row], pieces: Pieces) -> bytes:
    """The tags but for those of the pixels as an EXIF block, with the same bytes in every value."""
    tables: dict[int, dict[int, NewEntry]] = {0: {}}
    _collect(file, layout, [row for row in rows if row.tag not in STRUCTURE | APART], tables, 0, pieces)
    note = next((row for row in _rows_below(file, layout, rows, EXIF) if row.tag == MAKER_NOTE), None)
    place = struct.unpack(layout.places, note.raw[12:] if layout.big else note.raw[8:])[0] if note else 0
    if not tables[0]:
        return b""
    content, moved = lay_out(layout.order, tables, note_at=place)
    if moved:
        pieces.lose("offsets within its camera's own notes (MakerNote), which had to be moved")
    return content


def _rows_below(file: Source, layout: Layout, rows: list[Row], pointer: int) -> list[Row]:
    """The entries of the table that a tag points at."""
    row = next((row for row in rows if row.tag == pointer), None)
    at = _number(file, layout, row) if row is not None else None
    return read_table(file, layout, at)[0] if at else []


def _collect(
    file: Source, layout: Layout, rows: list[Row], tables: dict[int, dict[int, NewEntry]], name: int, pieces: Pieces
) -> None:
    """Gather the values of a table, and of those below it, by the tags that point at them."""
    for row in rows:
        below = row.tag in (EXIF, GPS) if name == 0 else row.tag == INTEROP and name == EXIF
        if below:
            at = _number(file, layout, row)
            inner = read_table(file, layout, at)[0] if at else []
            tables[row.tag] = {}
            _collect(file, layout, inner, tables, row.tag, pieces)
            if tables[row.tag]:
                tables[name][row.tag] = NewEntry(LONG, 1, b"\0" * 4)
            else:
                del tables[row.tag]
                pieces.lose("a part of its EXIF data, which is damaged")
            continue
        pieces.taken += WIDTHS.get(row.kind, 0) * row.amount
        content = value_of(file, layout, row) if pieces.taken <= MOST else None
        if content is None:
            pieces.lose("a part of its EXIF data, which is damaged")
        elif row.kind < 16:  # a BigTIFF's own types have no place in a block
            tables[name][row.tag] = NewEntry(row.kind, row.amount, content)


def lay_out(order: str, tables: Mapping[int, Mapping[int, NewEntry]], *, note_at: int = 0) -> tuple[bytes, bool]:
    """A block of tables, by the tags that point at them (0 is the first); and whether the camera's notes were moved.

    Args:
        note_at: where the notes were, which are put there again if they can be.
    """
    starts, end = {}, 8
    for name, held in tables.items():
        starts[name] = end
        end += 6 + 12 * len(held)
    note = tables.get(EXIF, {}).get(MAKER_NOTE)
    length = len(note.value) if note and len(note.value) > 4 else 0
    stays = bool(length) and end <= note_at <= FARTHEST_NOTE
    reserved = (note_at, note_at + length) if stays else (0, 0)
    content = bytearray({"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(order + "I", 8) + bytes(end - 8))
    for name, held in tables.items():
        struct.pack_into(order + "H", content, starts[name], len(held))
        for index, tag in enumerate(sorted(held)):
            kind, amount, value = held[tag]
            if tag in starts and tag:
                value = struct.pack(order + "I", starts[tag])
            place = value.ljust(4, b"\0")
            if len(value) > 4:
                at = _place(len(value), end, reserved)
                if stays and tag == MAKER_NOTE and name == EXIF:
                    at = note_at
                else:
                    end = at + len(value) + len(value) % 2
                content += bytes(max(0, at + len(value) - len(content)))
                content[at : at + len(value)] = value
                place = struct.pack(order + "I", at)
            row = struct.pack(order + "HHI", tag, kind, amount) + place
            content[starts[name] + 2 + 12 * index : starts[name] + 14 + 12 * index] = row
    return bytes(content), bool(length) and not stays


def _place(length: int, end: int, reserved: tuple[int, int]) -> int:
    """Where a value of a length goes: at the end so far, or behind what is reserved."""
    low, high = reserved
    return end if end + length <= low or end >= high else high + high % 2


# Writing


def put_together(pixels: npt.NDArray[np.uint8], block: bytes, tags: Mapping[int, NewEntry]) -> bytes:
    """A TIFF without compression, built around an EXIF block, whose bytes all stay where they are.

    Args:
        pixels: (H, W, 3) RGB or (H, W, 4) RGBA, its colours not premultiplied.
        block: tidied; may be empty.
        tags: further tags, such as those of the profile.

    Raises:
        ValueError: the file would be longer than a TIFF can be, 4 GiB.
    """
    height, width, channels = pixels.shape
    if pixels.nbytes + len(block) + sum(len(entry.value) for entry in tags.values()) > 2**32 - 2**20:
        raise ValueError("a TIFF holds 4 GiB at most")
    order = ORDERS.get(block[:2], "<")
    rows = max(1, STRIP // (width * channels))
    base = len(block) + len(block) % 2 if block else 8
    strips = range(0, height, rows)

    def shorts(*values: int) -> NewEntry:
        return NewEntry(SHORT, len(values), struct.pack(f"{order}{len(values)}H", *values))

    def longs(*values: int) -> NewEntry:
        return NewEntry(LONG, len(values), struct.pack(f"{order}{len(values)}I", *values))

    line = width * channels
    own = {
        254: longs(0),
        256: longs(width),
        257: longs(height),
        258: shorts(*[8] * channels),
        259: shorts(1),
        262: shorts(2),
        273: longs(*(base + top * line for top in strips)),
        277: shorts(channels),
        278: longs(rows),
        279: longs(*(min(rows, height - top) * line for top in strips)),
        284: shorts(1),
    }
    if channels == 4:
        own[338] = shorts(2)
    head = block or b"II*\0" + b"\0" * 4
    content = head + b"\0" * (len(head) % 2) + pixels.tobytes()
    gone = STRUCTURE | {ICC, IPTC, PHOTOSHOP, XMP, PAGES}
    return with_entries(content, {**own, **tags}, without=gone - own.keys() - tags.keys())
