"""Mutators that know nothing of formats, and those that know of numbers: flips, cuts, lies, splices."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

EXTREMES = (
    0,
    1,
    2,
    7,
    8,
    15,
    16,
    127,
    128,
    255,
    256,
    32_767,
    32_768,
    65_535,
    65_536,
    0x7FFFFFFF,
    0x80000000,
    0xFFFFFFFF,
)
"""Numbers at which counts, sides and offsets go wrong."""

FOREIGN = (
    b"",
    b"\0",
    b"\0" * 64,
    b"{}",
    b"[]",
    b"null",
    b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 12345\n",
    b"<!DOCTYPE html>\n<html><head><title>404</title></head></html>\n",
    b"%PDF-1.7\n",
    b"PK\x03\x04" + b"\0" * 26,
    b"\x80\x04\x95\x0f\x00\x00\x00\x00\x00\x00\x00}\x94\x8c\x01a\x94K\x01s.",
    b"\x1f\x8b\x08\0\0\0\0\0\0\x03\x03\0\0\0\0\0\0\0\0\0",
    b"GIF89a\x01\0\x01\0\0\0\0;",
    b"BM\x1a\0\0\0",
    b"RIFF\x04\0\0\0WEBP",
    b"\xff\xd8\xff\xd9",
    b"\x89PNG\r\n\x1a\n",
    b"II*\0\x08\0\0\0\0\0\0\0\0\0",
    b"MM\0*\0\0\0\x08\0\0\0\0\0\0",
    b"\0\0\0\x18ftypavif\0\0\0\0avifmif1",
    "\ufeffwords in UTF-8".encode(),
    "words in UTF-16".encode("utf-16"),
    b"\xe9\xe8 words in Latin-1\n",
)
"""Contents of quite other files, and of none."""


def extreme(rng: random.Random, width: int, order: str = "") -> bytes:
    """One of `EXTREMES` in so many bytes."""
    number = rng.choice(EXTREMES) % (1 << (8 * width))
    return number.to_bytes(width, "big" if (order or rng.choice("<>")) == ">" else "little")


def flip_bits(data: bytes, rng: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4, 16, 64))):
        if changed:
            changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def random_bytes(data: bytes, rng: random.Random) -> bytes:
    start = rng.randrange(len(data) + 1)
    return data[:start] + rng.randbytes(rng.choice((1, 4, 16, 64))) + data[start + rng.choice((0, 1, 4, 16, 64)) :]


def overwrite_number(data: bytes, rng: random.Random) -> bytes:
    """A number anywhere becomes an extreme one."""
    width = rng.choice((1, 2, 4, 4, 8))
    if len(data) < width:
        return extreme(rng, width)
    start = rng.randrange(min(len(data) - width + 1, rng.choice((64, 1 << 20))))
    return data[:start] + extreme(rng, width) + data[start + width :]


def cut(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(len(data) + 1)]


def cut_at_end(data: bytes, rng: random.Random) -> bytes:
    return data[: max(0, len(data) - rng.choice((1, 2, 4, 12, 40, 200)))]


def drop_block(data: bytes, rng: random.Random) -> bytes:
    start = rng.randrange(len(data) + 1)
    return data[:start] + data[start + rng.choice((1, 4, 16, 100, 1000)) :]


def repeat_block(data: bytes, rng: random.Random) -> bytes:
    start = rng.randrange(len(data) + 1)
    block = data[start : start + rng.choice((4, 16, 100, 1000))]
    return data[:start] + block * rng.choice((2, 3, 50)) + data[start + len(block) :]


def zero_block(data: bytes, rng: random.Random) -> bytes:
    start = rng.randrange(len(data) + 1)
    length = min(rng.choice((4, 64, 512, 4096)), len(data) - start)
    return data[:start] + bytes(length) + data[start + length :]


def append_rest(data: bytes, rng: random.Random) -> bytes:
    """As files have it that were saved over longer ones, or into which something was hidden."""
    return data + rng.choice((b"\0" * 512, data, rng.randbytes(300), rng.choice(FOREIGN)))


def prepend(data: bytes, rng: random.Random) -> bytes:
    return rng.choice((b"\xef\xbb\xbf", b"\0", b"\r\n", b" \n", b"HTTP/1.1 200 OK\r\n\r\n", data[:8])) + data


def foreign(data: bytes, rng: random.Random) -> bytes:
    return rng.choice(FOREIGN)


def headed_by(data: bytes, rng: random.Random) -> bytes:
    """The content of one file behind the beginning of another."""
    head = rng.choice(FOREIGN)
    return head + data[len(head) :]


def newlines_changed(data: bytes, rng: random.Random) -> bytes:
    """What a transfer as text does to a binary file."""
    return data.replace(b"\n", b"\r\n") if rng.random() < 0.5 else data.replace(b"\r\n", b"\n")


def as_text_and_back(data: bytes, rng: random.Random) -> bytes:
    """What a program does that reads a binary file as UTF-8."""
    return data.decode("utf-8", "replace").encode()


Mutator = Callable[[bytes, random.Random], bytes]

ANYWHERE: Sequence[Mutator] = (
    flip_bits,
    flip_bits,
    random_bytes,
    overwrite_number,
    overwrite_number,
    cut,
    cut,
    cut_at_end,
    drop_block,
    repeat_block,
    zero_block,
    append_rest,
    prepend,
    foreign,
    headed_by,
    newlines_changed,
    as_text_and_back,
)


def splice(one: bytes, other: bytes, rng: random.Random) -> bytes:
    """The beginning of one file and the end of another."""
    return one[: rng.randrange(len(one) + 1)] + other[rng.randrange(len(other) + 1) :]


def mutated(data: bytes, rng: random.Random) -> tuple[bytes, str]:
    """A file changed by one of `ANYWHERE`, and its name."""
    change = rng.choice(ANYWHERE)
    return change(data, rng), change.__name__
