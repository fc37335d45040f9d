"""EXIF blocks, changed in place: every byte that need not change stays what and where it was.

A block is a small TIFF: tables of entries (IFDs), each of 12 bytes, whose longer values lie elsewhere in the block at
offsets from its start. Cameras' own notes hold such offsets too, which nobody else can find, so that nothing is ever
moved: entries are patched or taken out where they stand, and what is new is appended.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from typing import NamedTuple

ORDERS = {b"II": "<", b"MM": ">"}
WIDTHS = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
"""Bytes of a value, by TIFF's number of its type."""

MOST_ENTRIES = 2000
"""Entries of a table that are read; cameras write some dozens."""

SHORT, LONG, RATIONAL = 3, 4, 5
WIDTH, HEIGHT, ORIENTATION, ACROSS, DOWN, UNIT = 256, 257, 274, 282, 283, 296
EXIF, GPS, INTEROP = 34665, 34853, 40965
PIXELS_ACROSS, PIXELS_DOWN = 40962, 40963
MAKER_NOTE = 37500
XMP = 700

DROPPED = frozenset({273, 279, 288, 289, 324, 325, 330, 513, 514, XMP, 34377, 37724})
"""Tags that point at old pixels or previews of them, and packets that are kept elsewhere."""


MOST_ROUNDS = 40
"""Times that a damaged block is gone through."""


class Entry(NamedTuple):
    """An entry of a table: its own place, and its value's."""

    tag: int
    kind: int
    amount: int
    at: int
    value_at: int
    length: int


class NewEntry(NamedTuple):
    """An entry to be written: TIFF's type, how many values, and their bytes in the block's order."""

    kind: int
    amount: int
    value: bytes


class Tidied(NamedTuple):
    """A block that tells of the upright picture.

    Attributes:
        block: empty where nothing is left.
        damaged: whether some of it was cut off or pointed nowhere, and is gone.
        packet: an XMP packet that it held.
    """

    block: bytes
    damaged: bool
    packet: bytes


class Block:
    """An EXIF block that is being changed.

    Raises:
        ValueError: it does not begin as one.
    """

    def __init__(self, content: bytes) -> None:
        self.content = bytearray(content)
        order = ORDERS.get(bytes(content[:2]))
        if order is None or len(content) < 14 or struct.unpack(order + "H", content[2:4])[0] != 42:
            raise ValueError("no TIFF structure")
        self.order = order

    def short(self, at: int) -> int:
        return int(struct.unpack_from(self.order + "H", self.content, at)[0])

    def long(self, at: int) -> int:
        return int(struct.unpack_from(self.order + "I", self.content, at)[0])

    def put(self, form: str, at: int, *values: int) -> None:
        struct.pack_into(self.order + form, self.content, at, *values)

    def entries(self, table: int) -> tuple[list[Entry], bool]:
        """The entries of a table that are whole, and whether all of them are."""
        if not 8 <= table <= len(self.content) - 2:
            return [], False
        count = self.short(table)
        there = min(count, MOST_ENTRIES, (len(self.content) - table - 2) // 12)
        found, whole = [], there == count
        for index in range(there):
            at = table + 2 + 12 * index
            tag, kind, values = struct.unpack_from(self.order + "HHI", self.content, at)
            length = WIDTHS.get(kind, 0) * values
            value_at = at + 8 if length <= 4 else self.long(at + 8)
            if value_at + length > len(self.content):
                whole = False
                continue
            found.append(Entry(tag, kind, values, at, value_at, length))
        return found, whole

    def next_at(self, table: int) -> int | None:
        """Where a table holds the offset of the next; None where the block ends before."""
        at = table + 2 + 12 * self.short(table)
        return at if at + 4 <= len(self.content) else None

    def keep(self, table: int, kept: Iterable[Entry]) -> None:
        """Take out all other entries of a table; those after them move up, their values stay."""
        kept = sorted(kept, key=lambda entry: entry.at)
        following = self.next_at(table)
        after = bytes(self.content[following : following + 4]) if following is not None else b"\0" * 4
        rows = b"".join(bytes(self.content[entry.at : entry.at + 12]) for entry in kept)
        end = following + 4 if following is not None else len(self.content)
        fresh = struct.pack(self.order + "H", len(kept)) + rows + after
        room = max(end - table, len(fresh))
        self.content[table:end] = fresh.ljust(room, b"\0")

    def number(self, entry: Entry) -> int | None:
        """The whole number that an entry holds; None where it holds anything else."""
        if entry.amount != 1 or entry.kind not in (1, SHORT, LONG, 13):
            return None
        return {1: lambda at: self.content[at], SHORT: self.short}.get(entry.kind, self.long)(entry.value_at)

    def put_number(self, entry: Entry, value: int) -> None:
        """Replace a whole number in its place; a short one becomes long where it must."""
        if self.number(entry) is None:
            return
        kind = LONG if entry.kind == 13 or value > (255 if entry.kind == 1 else 65_535) else entry.kind
        self.put("H", entry.at + 2, kind)
        self.content[entry.at + 8 : entry.at + 12] = b"\0" * 4
        self.put({1: "B", SHORT: "H"}.get(kind, "I"), entry.at + 8, value)


def stored_orientation(block: bytes) -> int:
    """The EXIF orientation of a block, 1 to 8; 1 where it says nothing that makes sense."""
    try:
        exif = Block(block)
    except ValueError:
        return 1
    said = next((exif.number(entry) for entry in exif.entries(exif.long(4))[0] if entry.tag == ORIENTATION), None)
    return said if said is not None and 1 <= said <= 8 else 1


def stored_density(block: bytes) -> tuple[float, float, int] | None:
    """Resolution across and down, and TIFF's number of its unit; None where it is not told."""
    try:
        exif = Block(block)
    except ValueError:
        return None
    held = {entry.tag: entry for entry in exif.entries(exif.long(4))[0]}
    sides = []
    for tag in (ACROSS, DOWN):
        if tag not in held or held[tag].kind != RATIONAL or held[tag].amount != 1:
            return None
        over, under = exif.long(held[tag].value_at), exif.long(held[tag].value_at + 4)
        if not (over and under):
            return None
        sides.append(over / under)
    unit = exif.number(held[UNIT]) if UNIT in held else None
    return sides[0], sides[1], unit if unit in (1, 3) else 2


def tidy(content: bytes, size: tuple[int, int], orientation: int = 1) -> Tidied:
    """Make a block tell of a picture: its orientation and sides, no preview of the old pixels.

    Args:
        size: width and height as the pixels are stored.
        orientation: how they are stored, 1 for upright.
    """
    done = _tidied_once(content, size, orientation)
    for _ in range(MOST_ROUNDS):
        # In a damaged block tables may lie over one another: taking an entry out of one uncovers another's.
        again = _tidied_once(done.block, size, orientation)
        if again.block == done.block:
            return done
        done = Tidied(again.block, True, done.packet)
    return Tidied(b"", True, done.packet)


def _tidied_once(content: bytes, size: tuple[int, int], orientation: int) -> Tidied:
    try:
        exif = Block(content)
    except ValueError:
        return Tidied(b"", bool(content), b"")
    first = exif.long(4)
    turned = (stored_orientation(content) >= 5) != (orientation >= 5)
    main, whole = exif.entries(first)
    packet = next((bytes(content[e.value_at : e.value_at + e.length]) for e in main if e.tag == XMP), b"")
    kept: list[Entry] = []
    tables = {first: main}
    for entry in main:
        if entry.tag in (EXIF, GPS):
            inner, good = _tidy_inner(exif, entry, tables, size)
            whole = whole and good
            if not inner:
                continue
        if _is_odd(exif, entry):
            whole = False
            continue
        if entry.tag == ORIENTATION:
            exif.put_number(entry, orientation)
        if entry.tag in (WIDTH, HEIGHT):
            exif.put_number(entry, size[entry.tag - WIDTH])
        if entry.tag not in DROPPED:
            kept.append(entry)
    if turned:
        _swap_density(exif, main)
    if not kept:
        return Tidied(b"", not whole, packet)
    _drop_preview(exif, first, tables)
    if len(kept) < (exif.short(first) if first + 2 <= len(exif.content) else 0):
        exif.keep(first, kept)
    return Tidied(bytes(exif.content), not whole, packet)


def _is_odd(exif: Block, entry: Entry) -> bool:
    """Whether a value that every reader asks for is of a type that some of them fail on."""
    if entry.tag in (ACROSS, DOWN):
        return (entry.kind, entry.amount) != (RATIONAL, 1)
    return entry.tag in (ORIENTATION, UNIT) and exif.number(entry) is None


def _tidy_inner(
    exif: Block, pointer: Entry, tables: dict[int, list[Entry]], size: tuple[int, int]
) -> tuple[bool, bool]:
    """Tidy the table that an entry points at; whether it is there, and whether it is whole."""
    at = exif.number(pointer)
    if at is None or at in tables:
        return False, False
    inner, whole = exif.entries(at)
    if not inner:
        return False, whole
    tables[at] = inner
    kept = []
    for entry in inner:
        if entry.tag in (PIXELS_ACROSS, PIXELS_DOWN) and pointer.tag == EXIF:
            exif.put_number(entry, size[entry.tag - PIXELS_ACROSS])
        if entry.tag == INTEROP and pointer.tag == EXIF:
            there, good = _tidy_inner(exif, entry, tables, size)
            whole = whole and good
            if not there:
                continue
        kept.append(entry)
    if len(kept) < exif.short(at):
        exif.keep(at, kept)
    return bool(kept), whole


def _swap_density(exif: Block, main: list[Entry]) -> None:
    """Let across and down change places, as the picture was turned by a quarter."""
    held = {entry.tag: entry for entry in main if entry.kind == RATIONAL and entry.amount == 1}
    if ACROSS in held and DOWN in held:
        across, down = held[ACROSS].at + 8, held[DOWN].at + 8
        places = exif.long(across), exif.long(down)
        exif.put("I", across, places[1])
        exif.put("I", down, places[0])


def _drop_preview(exif: Block, first: int, tables: Mapping[int, list[Entry]]) -> None:
    """Cut the thumbnail's table and pixels off the block's end; where they lie elsewhere, blank them."""
    link = exif.next_at(first)
    second = exif.long(link) if link is not None else 0
    if link is None or not second:
        return
    exif.put("I", link, 0)
    if second in tables:
        return
    entries, _ = exif.entries(second)
    gone = [(second, min(second + 6 + 12 * len(entries), len(exif.content)))] if entries else []
    gone += [(entry.value_at, entry.value_at + entry.length) for entry in entries if entry.length > 4]
    held = {entry.tag: exif.number(entry) for entry in entries}
    for start, length in ((held.get(513), held.get(514)), (held.get(273), held.get(279))):
        if start and length:
            gone.append((start, min(start + length, len(exif.content))))
    used = [(0, 8)]
    for table, rows in tables.items():
        used.append((table, table + 6 + 12 * exif.short(table)))
        used += [(entry.value_at, entry.value_at + entry.length) for entry in rows]
    for start, end in gone:
        for low, high in _without(start, end, used):
            exif.content[low:high] = b"\0" * (high - low)
    end = len(exif.content)
    for start, stop in sorted(gone, reverse=True):
        free = not any(low < end and high > start for low, high in used)
        if free and start < end and stop >= end - 3 and not any(exif.content[start:end]):
            end = start
    del exif.content[end:]


def _without(start: int, end: int, used: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """The parts of a range that no other range needs."""
    parts = [(start, end)]
    for low, high in used:
        parts = [part for a, b in parts for part in ((a, min(b, low)), (max(a, high), b)) if part[0] < part[1]]
    return parts


def with_entries(content: bytes, fresh: Mapping[int, NewEntry], *, without: Iterable[int] = ()) -> bytes:
    """A block whose first table has further entries; all its other bytes stay where they are.

    The table is written again at the block's end. Entries of the same tags are replaced.

    Args:
        content: a tidied block; empty makes a new one, little-endian.
        without: tags that the new table leaves out.
    """
    exif = Block(content or b"II*\0" + bytes(10))
    rows = dict(_raw_rows(exif)) if content else {}
    if not content:
        del exif.content[8:]
    for tag in (*without, *fresh):
        rows.pop(tag, None)
    if len(exif.content) % 2:
        exif.content.append(0)
    for tag, (kind, amount, value) in fresh.items():
        place = value.ljust(4, b"\0")
        if len(value) > 4:
            place = struct.pack(exif.order + "I", len(exif.content))
            exif.content += value + b"\0" * (len(value) % 2)
        rows[tag] = struct.pack(exif.order + "HHI", tag, kind, amount) + place
    table = len(exif.content)
    exif.content += struct.pack(exif.order + "H", len(rows))
    exif.content += b"".join(rows[tag] for tag in sorted(rows)) + b"\0" * 4
    exif.put("I", 4, table)
    return bytes(exif.content)


def _raw_rows(exif: Block) -> list[tuple[int, bytes]]:
    """The entries of the first table as they stand, by their tags."""
    return [(entry.tag, bytes(exif.content[entry.at : entry.at + 12])) for entry in exif.entries(exif.long(4))[0]]


def order_of(content: bytes) -> str:
    """How a block writes numbers, as `struct` names it; little-endian for an empty one."""
    return ORDERS.get(content[:2], "<")


def rational(value: float, order: str) -> bytes:
    """A positive number as TIFF's fraction."""
    under = 1 if value == int(value) else 10_000 if value < 400_000 else 1
    return struct.pack(order + "II", min(round(value * under), 2**32 - 1), under)


def density_entries(across: float, down: float, unit: int, order: str) -> dict[int, NewEntry]:
    """TIFF's entries for a resolution; unit 1 is a ratio, 2 an inch, 3 a centimetre."""
    return {
        ACROSS: NewEntry(RATIONAL, 1, rational(across, order)),
        DOWN: NewEntry(RATIONAL, 1, rational(down, order)),
        UNIT: NewEntry(SHORT, 1, struct.pack(order + "H", unit)),
    }


COMMENT = 37510


def comment_of(content: bytes) -> bytes:
    """The user comment of a block, with the eight bytes that name its letters; empty where it has none."""
    try:
        exif = Block(content)
    except ValueError:
        return b""
    entry = _inner_entry(exif, COMMENT)
    return b"" if entry is None else bytes(content[entry.value_at : entry.value_at + entry.length])


def without_comment(content: bytes) -> bytes:
    """A block without its user comment, whose bytes are blanked."""
    exif = Block(content)
    entry = _inner_entry(exif, COMMENT)
    if entry is None:
        return content
    exif.content[entry.value_at : entry.value_at + entry.length] = b"\0" * entry.length
    table = exif.number(next(row for row in exif.entries(exif.long(4))[0] if row.tag == EXIF))
    assert table is not None
    exif.keep(table, [row for row in exif.entries(table)[0] if row.tag != COMMENT])
    return bytes(exif.content)


def _inner_entry(exif: Block, tag: int) -> Entry | None:
    """An entry of the table of the camera's data."""
    pointer = next((entry for entry in exif.entries(exif.long(4))[0] if entry.tag == EXIF), None)
    table = exif.number(pointer) if pointer is not None else None
    return next((entry for entry in exif.entries(table or 0)[0] if entry.tag == tag), None)


def has_orientation(content: bytes) -> bool:
    """Whether a block tells of an orientation."""
    try:
        exif = Block(content)
    except ValueError:
        return False
    return any(entry.tag == ORIENTATION for entry in exif.entries(exif.long(4))[0])


def orientation_block(orientation: int) -> bytes:
    """A block that tells of an orientation and of nothing else."""
    return with_entries(b"", {ORIENTATION: NewEntry(SHORT, 1, struct.pack("<H", orientation))})
