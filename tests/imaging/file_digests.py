"""What functions about files give, as short digests: of bytes made by hand, so that no library's version changes them."""

from __future__ import annotations

import hashlib
import io
import itertools
import random
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from pathlib import PurePath
from typing import Any

import numpy as np

from intarsia.errors import IntarsiaError
from intarsia.notes import collected

Case = Callable[[], Any]
CASES: dict[str, Case] = {}


def case(function: Case) -> Case:
    """Enter a function as a case; of what it returns each part is told by a digest."""
    CASES[function.__name__] = function
    return function


def told(value: Any) -> Iterator[bytes]:
    """A result in a canonical form: its types, and all that lies in it."""
    yield f"<{type(value).__name__}>".encode()
    if isinstance(value, bytes | bytearray):
        yield bytes(value)
    elif isinstance(value, float | np.floating):
        yield f"{value:.9g}".encode()
    elif isinstance(value, np.ndarray):
        yield f"{value.dtype}{value.shape}".encode()
        yield value.tobytes()
    elif is_dataclass(value):
        for each in fields(value):
            yield each.name.encode()
            yield from told(getattr(value, each.name))
    elif isinstance(value, Mapping):
        for key, each in value.items():
            yield from told(key)
            yield from told(each)
    elif isinstance(value, set | frozenset):
        yield from told(sorted(value))
    elif isinstance(value, list | tuple):
        for each in value:
            yield from told(each)
    elif isinstance(value, BaseException):
        yield str(value).encode() if isinstance(value, IntarsiaError) else b""
    elif isinstance(value, PurePath):
        yield value.name.encode()
    else:
        yield str(value).encode()
    yield b";"


def digest(value: Any) -> str:
    return hashlib.sha256(b"".join(told(value))).hexdigest()[:8]


def figures(value: Any) -> list[str]:
    """A digest of each part of what a case returns."""
    return [digest(part) for part in (value if isinstance(value, list) else [value])]


def attempt(work: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """What a function gives and the notes that it says, or the error that it raises."""
    notes: list[str] = []
    try:
        with collected() as notes:
            return work(*args, **options), list(notes)
    except Exception as problem:  # whatever a damaged file makes it raise is what is looked at
        return problem, list(notes)


def each(
    work: Callable[..., Any], contents: Iterable[Any], *args: Any, together: int = 32, **options: Any
) -> list[Any]:
    """What a function gives of each of many things, a few of them together in a part."""
    results = iter([attempt(work, content, *args, **options) for content in contents])
    return list(iter(lambda: list(itertools.islice(results, together)), []))


def opened(work: Callable[..., Any]) -> Callable[..., Any]:
    """A function of a file, as one of its bytes."""
    return lambda content, *args: work(io.BytesIO(content), *args)


def damaged(content: bytes, *, step: int = 1, to: int | None = None) -> Iterator[bytes]:
    """Some bytes cut off at each place, or with another byte at each."""
    end = len(content) if to is None else to
    for at in range(0, end, step):
        yield content[:at]
        yield content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]
        yield content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :]
        yield content[:at] + b"\0" + content[at + 1 :]


def noise(length: int, seed: int = 0) -> bytes:
    """Bytes by chance, the same each time."""
    return random.Random(seed).randbytes(length)


WIDTHS = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 18: 8}
FORMS = {1: "B", 3: "H", 4: "I", 5: "I", 6: "b", 8: "h", 9: "i", 10: "i", 11: "f", 12: "d", 13: "I", 16: "Q", 18: "Q"}

Entries = Mapping[int, tuple[int, Any]]
"""TIFF's type and the values (numbers, or bytes as they are) by tags; of a pointer, the name of a table."""


def tables(held: Mapping[str, Entries], order: str = "<", *, big: bool = False, tail: bytes = b"") -> bytes:
    """A TIFF's tables, values behind each; `main` is the first, `next` the one behind it, others are pointed at.

    Args:
        held: entries by names of tables.
        tail: bytes at the end; an entry with the value "tail" points at them.
    """
    wide, place = (20, "Q") if big else (12, "I")
    starts, at = {}, 16 if big else 8
    sizes = {}
    for name, entries in held.items():
        starts[name] = at
        behind = sum(
            len(raw) + len(raw) % 2 for raw in map(_raw_of(order), entries.values()) if len(raw) > wide - 8 - 4 * big
        )
        sizes[name] = (8 if big else 2) + wide * len(entries) + (8 if big else 4)
        at += sizes[name] + behind
    starts["tail"] = at
    head = {"<": b"II", ">": b"MM"}[order] + struct.pack(order + "H", 43 if big else 42)
    head += struct.pack(order + "HHQ", 8, 0, starts["main"]) if big else struct.pack(order + "I", starts["main"])
    content = head
    for name, entries in held.items():
        rows, values = b"", b""
        for tag, (kind, value) in entries.items():
            if isinstance(value, str):
                raw = struct.pack(order + FORMS[kind], starts.get(value, 8))
            else:
                raw = _raw_of(order)((kind, value))
            rows += struct.pack(order + "HH" + place, tag, kind, len(raw) // WIDTHS.get(kind, 1))
            if len(raw) <= wide - 8 - 4 * big:
                rows += raw.ljust(8 if big else 4, b"\0")
            else:
                rows += struct.pack(order + place, starts[name] + sizes[name] + len(values))
                values += raw + b"\0" * (len(raw) % 2)
        following = starts.get("next", 0) if name == "main" else 0
        count = struct.pack(order + ("Q" if big else "H"), len(entries))
        content += count + rows + struct.pack(order + place, following) + values
    return content + tail


def _raw_of(order: str) -> Callable[[tuple[int, Any]], bytes]:
    """The bytes of an entry's value."""

    def raw(entry: tuple[int, Any]) -> bytes:
        kind, value = entry
        if isinstance(value, bytes):
            return value
        if isinstance(value, str):
            return bytes(WIDTHS[kind])
        numbers = value if isinstance(value, tuple) else (value,)
        return struct.pack(f"{order}{len(numbers)}{FORMS[kind]}", *numbers)

    return raw


CAMERA: dict[str, Entries] = {
    "main": {
        256: (3, 640),
        257: (4, 480),
        271: (2, b"Camera maker\0"),
        272: (2, b"M1\0"),
        274: (3, 6),
        282: (5, (300, 1)),
        283: (5, (2000, 10)),
        296: (3, 3),
        700: (1, b"<packet of XMP/>"),
        34665: (4, "exif"),
        34853: (4, "gps"),
    },
    "exif": {
        33434: (5, (1, 125)),
        37500: (7, b"MAKER" + noise(20)),
        37510: (7, b'UNICODE\0{\0"\0a\0"\0}\0'),
        40962: (3, 640),
        40963: (4, 480),
        40965: (4, "interop"),
        42036: (2, b"A lens of 50 mm\0"),
    },
    "gps": {1: (2, b"N\0"), 2: (5, (48, 1, 8, 1, 0, 1)), 29: (2, b"2024:01:01\0")},
    "interop": {1: (2, b"R98\0"), 2: (7, b"0100")},
    "next": {256: (3, 160), 259: (3, 6), 282: (5, (72, 1)), 513: (4, "tail"), 514: (4, 40)},
}
"""What a camera writes, with a thumbnail."""


def camera(order: str = "<", **others: Any) -> bytes:
    """A camera's EXIF block, with some entries of its tables others, or taken out (None)."""
    held: dict[str, Any] = {name: {**entries, **others.get(name, {})} for name, entries in CAMERA.items()}
    held = {name: {tag: entry for tag, entry in entries.items() if entry is not None} for name, entries in held.items()}
    return tables({name: entries for name, entries in held.items() if entries}, order, tail=b"\xff\xd8" + b"t" * 38)
