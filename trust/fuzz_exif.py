"""Strange TIFF directories, as files of that format and as EXIF blocks: loops, lies of counts, odd types, x/0."""

from __future__ import annotations

import random
import struct

from trust.fuzz_bytes import EXTREMES, extreme, mutated
from trust.fuzz_seeds import exif_block

# fmt: off
TAGS: tuple[int, ...] = (
    254, 256, 257, 258, 259, 262, 270, 271, 273, 274, 277, 278, 279, 282, 283, 284, 296, 305, 306, 315, 317, 320,
    322, 323, 324, 325, 330, 338, 339, 347, 513, 514, 530, 532, 700, 33432, 33723, 34377, 34665, 34675, 34853, 36864, 36867, 37500, 37510, 40092, 40961, 40962, 40963, 40965, 42016, 50706, 0, 65535,
)
# fmt: on
"""Of structure, of words, of places and of other directories."""

WIDTHS = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8}
"""Bytes of the types of TIFF."""


def strange_exif(rng: random.Random) -> bytes:
    """An EXIF block without its leading `Exif`: a good one that is spoilt, or one of nothing but oddities."""
    choice = rng.random()
    if choice < 0.3:
        return mutated(exif_block()[6:], rng)[0]
    if choice < 0.6:
        return directories_changed(exif_block()[6:], rng) or b""
    order = rng.choice("<>")
    entries = [strange_entry(rng, order) for _ in range(rng.choice((0, 1, 3, 8, 8, 40)))]
    table = struct.pack(order + "H", rng.choice((len(entries), len(entries), 65_535))) + b"".join(entries)
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", rng.choice((8, 8, 8, 8, 0, 4, 1 << 31)))
    after = rng.choice((0, 8, 8 + len(table), 0xFFFFFFFF))
    return head + table + struct.pack(order + "I", after) + rng.randbytes(rng.choice((0, 64, 64)))


def strange_entry(rng: random.Random, order: str) -> bytes:
    tag = rng.choice((*TAGS, 274, 34665, 34853, 270, 37510))
    kind = rng.choice((*WIDTHS, 1, 2, 3, 4, 5, 7, 0, 14, 99, 65_535))
    count = rng.choice((0, 1, 1, 1, 2, 3, 4, 8, 64, *EXTREMES))
    value = rng.choice((extreme(rng, 4), rng.randbytes(4), struct.pack(order + "I", rng.choice((8, 8, 0, 20, 60)))))
    return struct.pack(order + "HHI", tag, kind, count) + value


def directories_changed(data: bytes, rng: random.Random) -> bytes | None:
    """A TIFF, plain or BigTIFF, with entries of its directory changed; None where it has none."""
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None or len(data) < 16:
        return None
    big = struct.unpack(order + "H", data[2:4])[0] == 43
    number, width, step = ("Q", 8, 20) if big else ("I", 4, 12)
    (start,) = struct.unpack(order + number, data[width : 2 * width])
    lead = 8 if big else 2
    if start + lead > len(data):
        return None
    (count,) = struct.unpack(order + ("Q" if big else "H"), data[start : start + lead])
    count = min(count, (len(data) - start - lead) // step)
    if count == 0:
        return None
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4))):
        entry = start + lead + step * rng.randrange(count)
        how = rng.choice(
            ("tag", "type", "count", "value", "value", "value", "self", "next", "number", "first", "double")
        )
        if how == "tag":
            changed[entry : entry + 2] = struct.pack(order + "H", rng.choice(TAGS))
        elif how == "type":
            changed[entry + 2 : entry + 4] = struct.pack(order + "H", rng.choice((*WIDTHS, 0, 99, 65_535)))
        elif how == "count":
            changed[entry + 4 : entry + 4 + width] = extreme(rng, width, order)
        elif how == "value":
            changed[entry + 4 + width : entry + 4 + 2 * width] = extreme(rng, width, order)
        elif how == "self":  # where the directory itself lies: a loop, if the tag names another one
            changed[entry + 4 + width : entry + step] = struct.pack(order + number, start)
        elif how == "next":
            after = start + lead + step * count
            changed[after : after + width] = struct.pack(order + number, rng.choice((start, 0, 4, len(data), 1 << 31)))
        elif how == "number":
            changed[start : start + lead] = extreme(rng, lead, order)
        elif how == "first":
            changed[width : 2 * width] = extreme(rng, width, order)
        else:
            other = start + lead + step * rng.randrange(count)
            changed[other : other + step] = changed[entry : entry + step]
    return bytes(changed)


def out_of_line_changed(data: bytes, rng: random.Random) -> bytes:
    """Rationals over nothing, and texts of other encodings, wherever the bytes of one might lie."""
    what = rng.choice(
        (struct.pack("<II", 1, 0), struct.pack(">II", 0, 0), b"\xff\xfeg\0r\0", "größer".encode(), b"\xe9\xe8\0")
    )
    place = rng.randrange(len(data) + 1)
    return data[:place] + what + data[place + len(what) :]
