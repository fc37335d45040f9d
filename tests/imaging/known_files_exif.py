"""EXIF blocks and TIFFs, whole, odd and damaged, through what reads and changes them."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

from intarsia.imaging.containers import exif, tiff
from intarsia.imaging.containers.exif import NewEntry
from tests.imaging.file_digests import CAMERA, attempt, camera, case, damaged, each, noise, opened, tables

SIZE = (300, 200)

PLAIN = {"main": {271: (2, b"Maker\0"), 274: (3, 8), 305: (2, b"abc\0")}}
"""A few entries, and nothing below."""


def blocks() -> list[bytes]:
    """Blocks of many kinds, in both orders of bytes."""
    made = [
        b"",
        b"II*\0",
        b"XX*\0" + bytes(20),
        b"II+\0" + bytes(20),
        b"II*\0\x08\0\0\0" + bytes(6),
        b"MM\0*" + bytes(10),
    ]
    for order in "<>":
        made += [camera(order), tables(PLAIN, order), camera(order) + b"behind", camera(order) + bytes(3)]
        made += [tables({"main": {}}, order), tables({"main": {274: (3, 6)}}, order)]
        made += [tables({"main": {tag: (3, 7)}, "next": CAMERA["main"]}, order) for tag in (273, 330, 513, 34377)]
        for kind, value in (
            (1, 6),
            (3, 0),
            (3, 9),
            (3, 8),
            (4, 5),
            (13, 2),
            (2, b"6"),
            (3, (6, 6)),
            (16, 6),
            (99, b""),
        ):
            made.append(camera(order, main={274: (kind, value)}))
        for across, down in (((5, (0, 1))), (5, (72, 1))), ((5, (72, 0)), (5, (72, 1))), ((3, 72), (3, 72)):
            made.append(camera(order, main={282: across, 283: down}))
        made += [
            camera(order, main={283: None}),
            camera(order, main={282: (5, (1, 2, 3, 4))}),
            camera(order, main={296: None}),
        ]
        made += [camera(order, main={296: entry}) for entry in ((3, 1), (3, 2), (3, 4), (2, b"3"), (4, 3), (1, 1))]
        made += [camera(order, main={256: (1, 9), 257: (3, 70)}), camera(order, main={256: (13, 9), 257: (2, b"20")})]
        made += [
            camera(order, exif={40962: (1, 9), 40963: (13, 70)}),
            camera(order, gps={40962: (3, 9), 40965: (4, 8)}),
        ]
        made += [
            camera(order, main={34665: (4, "gps")}),
            camera(order, main={34665: (3, 8)}),
            camera(order, exif={40965: (4, 8)}),
        ]
        made += [
            camera(order, main={34665: (4, 0)}),
            camera(order, main={34853: (4, 10**6)}),
            camera(order, exif={40965: (2, b"8")}),
        ]
        made += [
            camera(order, next={513: (4, 200), 514: (4, 60)}),
            camera(order, next={513: None, 273: (4, "tail"), 279: (4, 20)}),
        ]
        made += [
            camera(order, next={514: (4, 10**6)}),
            camera(order, next={513: (4, 8)}),
            camera(order, next={514: (4, 37)}),
        ]
        made += [camera(order, exif={37510: (7, b"UNICODE\0\0{\0}")}), camera(order, exif={37510: None})]
        made += [camera(order, exif={37510: (7, b"abc")}), camera(order, main=dict.fromkeys((700, 34665, 34853)))]
        made += [camera(order, main=dict.fromkeys((700, 274, 256, 257)), exif=dict.fromkeys(CAMERA["exif"]))]
    return made


def halves(order: str) -> bytes:
    """A block whose thumbnail lies before its tables, and whose tables share values."""
    own = struct.pack(order + "HHIIHHII", 271, 2, 10, 100, 513, 4, 1, 8)
    return (
        {"<": b"II*\0", ">": b"MM\0*"}[order]
        + struct.pack(order + "IH", 40, 0)
        + bytes(30)
        + (
            struct.pack(order + "H", 2)
            + own
            + struct.pack(order + "I", 120)
            + b"thumb" * 8
            + struct.pack(order + "H", 2)
            + own
        )
    )


@case
def exif_blocks() -> Any:
    made = blocks()
    return [
        each(exif.tidy, made, SIZE, together=4),
        *each(exif.tidy, made, SIZE, together=4),
        *each(exif.tidy, made, (70_000, 255), 6, together=8),
        *each(exif.tidy, made, (256, 65_536), 3, together=8),
        *each(exif.tidy, [halves(order) for order in "<>"], SIZE, 5),
        *(each(work, made, together=16) for work in (exif.stored_orientation, exif.stored_density, exif.comment_of)),
        *(each(work, made, together=16) for work in (exif.without_comment, exif.has_orientation, exif.order_of)),
    ]


@case
def exif_damaged() -> Any:
    little, large = camera("<"), camera(">")
    return [
        *each(exif.tidy, damaged(large, step=3), SIZE),
        *each(exif.tidy, damaged(little, step=7), SIZE, 8),
        *each(exif.without_comment, damaged(little, step=11)),
        *each(exif.stored_density, damaged(large, step=2, to=150)),
        *each(exif.comment_of, damaged(large, step=4)),
        *each(exif.stored_orientation, damaged(little, to=80)),
    ]


@case
def exif_many_entries() -> Any:
    rows = b"".join(struct.pack("<HHII", 40_000 + k, 3, 1, k) for k in range(2005))
    long = b"II*\0\x08\0\0\0" + struct.pack("<H", 2005) + rows + bytes(4)
    exactly = b"II*\0\x08\0\0\0" + struct.pack("<H", 2000) + rows[: 12 * 2000] + bytes(4)
    nested = (
        b"II*\0\x08\0\0\0"
        + struct.pack("<H", 40)
        + b"".join(struct.pack("<HHII", tag, 4, 1, at) for at in range(10, 130, 6) for tag in (34665, 34853))
    )
    return [attempt(exif.tidy, block, SIZE) for block in (long, exactly, nested, nested + bytes(4))]


@case
def exif_written() -> Any:
    fresh = {
        274: NewEntry(3, 1, b"\1\0"),
        305: NewEntry(2, 5, b"odd.\0"),
        282: NewEntry(5, 1, bytes(range(8))),
        34665: NewEntry(7, 4, b"four"),
    }
    made = [block for block in blocks() if len(block) >= 14]
    sides = (0.5, 1, 72.0, 299.99994, 300.5, 399_999.5, 400_000.5, 2**32 + 1.0, 2**40)
    return [
        *each(exif.with_entries, [b"", *made], fresh, together=8),
        *each(exif.with_entries, [b"", *made, made[0] + b"x"], {}, without=(274, 271), together=16),
        [attempt(exif.with_entries, b"", {}), attempt(exif.with_entries, b"abc", fresh)],
        [exif.rational(value, order) for value in sides for order in "<>"],
        [exif.density_entries(72, 300.5, unit, order) for unit in (1, 2, 3) for order in "<>"],
        [exif.orientation_block(turn) for turn in range(1, 9)],
        [exif._without(start, 20, [(0, 3), (5, 8), (15, 30), (9, 9)]) for start in (0, 3, 5, 6, 8, 19, 20)],
    ]


@case
def exif_tables() -> Any:
    found: list[Any] = []
    for order in "<>":
        made = exif.Block(camera(order))
        entries, _ = made.entries(8)
        found += [made.entries(at) for at in (0, 7, 8, 9, len(made.content) - 2, len(made.content) - 1, 10**6)]
        found += [made.next_at(at) for at in (8, len(made.content) - 6)] + [made.number(entry) for entry in entries]
        for value in (0, 255, 256, 65_535, 65_536, 2**32 - 1):
            for kind in (1, 3, 4, 13, 2):
                block = exif.Block(
                    tables({"main": {256: (kind, b"\7" * (4 if kind > 3 else kind) if kind != 2 else b"a")}}, order)
                )
                block.put_number(block.entries(8)[0][0], value)
                found.append(bytes(block.content))
        for kept in (entries[::2], entries[::-1], entries[:1], []):
            block = exif.Block(camera(order))
            block.keep(8, kept)
            found.append(bytes(block.content))
            cut = exif.Block(camera(order)[: 8 + 2 + 12 * len(entries) + 2])
            cut.keep(8, kept)
            found.append(bytes(cut.content))
    return found


# TIFF

OUTER = {
    "main": {
        254: (4, 0),
        256: (3, 4),
        257: (4, 2),
        258: (3, (8, 8, 8)),
        262: (3, 2),
        270: (2, b"Ab\0"),
        273: (4, 8),
        282: (5, (300, 1)),
        283: (5, (150, 1)),
        296: (3, 3),
        305: (2, b"A program of some name\0"),
        330: (4, 99),
        700: (1, b"<x:xmpmeta/> of some bytes"),
        33723: (7, b"IPTC" + noise(9, 2)),
        34377: (7, b"8BIM" + noise(13, 3)),
        34665: (4, "exif"),
        34675: (7, b"profile" + noise(30, 4)),
        34853: (4, "gps"),
        37724: (7, b"layers and so on"),
        50706: (1, b"\1\4\0\0"),
    },
    "exif": CAMERA["exif"],
    "gps": CAMERA["gps"],
    "interop": CAMERA["interop"],
    "next": {254: (4, 1), 256: (3, 2)},
}


def outer(order: str = "<", *, big: bool = False, **others: Any) -> bytes:
    """A TIFF as programs write it, with some entries others."""
    held = {name: {**entries, **others.get(name, {})} for name, entries in OUTER.items()}
    held = {name: {tag: entry for tag, entry in entries.items() if entry is not None} for name, entries in held.items()}
    return tables({name: entries for name, entries in held.items() if entries}, order, big=big)


def wholes() -> list[bytes]:
    """TIFFs of many kinds."""
    made = [b"", b"II*\0", b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08\0\1", b"no TIFF at all, at all"]
    for order in "<>":
        for big in (False, True):
            made += [outer(order, big=big), outer(order, big=big)[:-1]]
            made += [
                outer(order, big=big, main={296: entry}) for entry in ((3, 1), (3, 2), (3, 4), (4, 3), (2, b"3"), None)
            ]
            made += [
                outer(order, big=big, main={282: entry})
                for entry in ((3, 72), (5, (0, 1)), (5, (1, 0)), (5, (1, 2, 3, 4)))
            ]
            made += [outer(order, big=big, main={283: None}), outer(order, big=big, main=dict.fromkeys((34665, 34853)))]
            made += [outer(order, big=big, main={34665: (kind, "gps")}) for kind in (4, 13, 16, 18) if big or kind < 16]
            made += [outer(order, big=big, main={34665: (4, 0)}), outer(order, big=big, main={34853: (4, 10**6)})]
            made += [outer(order, big=big, main={34665: (2, b"8")}), outer(order, big=big, exif={40965: (4, 0)})]
            made += [outer(order, big=big, exif={37500: None}), outer(order, big=big, exif={37500: (7, b"Note")})]
            made += [
                outer(order, big=big, exif={37500: (7, b"Note!"), 33434: (5, (1, 9))}, main={305: (2, b"x" * 300)})
            ]
            made += [outer(order, big=big, gps={40965: (4, 8), 34665: (4, 8)}, exif={34853: (4, 8)})]
            made += [tables({"main": {256: (3, 1), 258: (3, 8)}}, order, big=big), tables({"main": {}}, order, big=big)]
            made.append(
                outer(order, big=big, main={270: (12, (1.5, 2.5)), 306: (11, 1.5), 315: (99, b""), 316: (6, -3)})
            )
        made.append(outer(order, big=True, main={270: (16, 2**40), 271: (18, 5), 34853: (16, "gps")}))
    return made


@case
def tiff_files() -> Any:
    return each(opened(tiff.take_apart), wholes(), together=3)


@case
def tiff_damaged() -> Any:
    return [
        *each(opened(tiff.take_apart), damaged(outer("<"), step=7)),
        *each(opened(tiff.take_apart), damaged(outer(">", big=True), step=13)),
        *each(opened(tiff.take_apart), damaged(outer(">"), step=2, to=60)),
    ]


@case
def tiff_tables() -> Any:
    found: list[Any] = []
    for order in "<>":
        for big in (False, True):
            content, layout = outer(order, big=big), tiff.Layout(order, big)
            found.append(layout.places)
            for at in (0, 1, 8, 16, len(content) - 9, len(content) - 2, len(content), len(content) + 9):
                found.append(attempt(opened(lambda file, x=at, how=layout: tiff.read_table(file, how, x)), content))
            rows = [
                tiff.Row(270, kind, amount, bytes(range(20 if big else 12)))
                for kind in range(20)
                for amount in (0, 1, 2, 9)
            ]
            rows.append(tiff.Row(270, 1, 2**26 + 1, bytes(20)))
            for work in (tiff.value_of, tiff._number):
                found.append(
                    [
                        attempt(
                            opened(lambda file, row=row, work=work, layout=layout: work(file, layout, row)), content
                        )
                        for row in rows
                    ]
                )
    return found


@case
def tiff_laid_out() -> Any:
    note = NewEntry(7, 9, b"makernote")
    main = {34665: NewEntry(4, 1, bytes(4)), 271: NewEntry(2, 5, b"Maker"), 270: NewEntry(2, 2, b"a\0")}
    below = {37500: note, 33434: NewEntry(5, 1, bytes(range(8))), 42036: NewEntry(2, 31, b"l" * 31)}
    short = {**below, 37500: NewEntry(7, 4, b"note")}
    found: list[Any] = []
    for at in (0, 40, 91, 92, 93, 94, 95, 96, 97, 100, 101, 105, 110, 130, 131, 400, 49_152, 49_153):
        for order in "<>":
            found.append(
                [attempt(tiff.lay_out, order, {0: main, 34665: inner}, note_at=at) for inner in (below, short, {})]
            )
    found.append(
        [tiff.lay_out("<", {0: {34665: note}}), tiff.lay_out(">", {0: {}}), tiff.lay_out("<", {0: {37500: note}})]
    )
    found.append(
        [tiff._place(length, end, (100, 111)) for length in (1, 9, 10, 11, 50) for end in (8, 90, 99, 100, 111, 120)]
    )
    return [*found, [tiff._place(5, 8, (10, 20)), tiff._place(2, 8, (10, 20))]]


@case
def tiff_written() -> Any:
    levels = np.arange(6 * 5 * 4, dtype=np.uint8).reshape(6, 5, 4)
    wide = np.arange(3 * 9000 * 3, dtype=np.uint64).astype(np.uint8).reshape(3, 9000, 3)
    odd = levels[:3, :, :3]
    extra = {tiff.ICC: NewEntry(7, 7, b"profile"), 270: NewEntry(2, 2, b"a\0"), 338: NewEntry(3, 1, b"\1\0")}
    found: list[Any] = []
    for block in (b"", camera("<"), camera(">"), camera("<") + b"x", outer("<"), outer(">"), tables(PLAIN, ">")):
        found += [
            attempt(tiff.put_together, pixels, block, tags) for pixels in (levels, odd, wide) for tags in ({}, extra)
        ]

    class Vast(np.ndarray):
        """Pixels that say that they are many."""

        nbytes = 2**32 - 2**20 - 10

    vast = levels.view(Vast)
    found += [attempt(tiff.put_together, vast, block, {}) for block in (b"", tables(PLAIN))]
    found += [attempt(tiff.put_together, vast, b"", {270: NewEntry(2, 10, b"a" * count)}) for count in (10, 11)]
    return found
