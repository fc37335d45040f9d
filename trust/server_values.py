"""Values by chance: texts, numbers, JSON and pictures, with what programs stumble over among them."""

from __future__ import annotations

import io
import json
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st
from PIL import Image

Value = st.SearchStrategy[Any]


@dataclass(frozen=True, kw_only=True)
class Event:
    """An event of the pages: its number, its name, how many values it takes, and whether it waits in the queue."""

    number: int
    name: str
    inputs: int
    queue: bool


@dataclass(frozen=True, kw_only=True)
class Ground:
    """What an attacker knows.

    Attributes:
        page: name of the page that the attacker has open.
        upload, selection: paths of what the attacker has uploaded: a photo, and a selection on it.
        draft: id of the attacker's own draft.
        neighbour: address of a service beside the server.
        files: paths that must not be read.
        own: ids of the attacker's own things, and ones that others have under the same name.
    """

    events: Sequence[Event]
    page: str
    upload: str
    selection: str
    draft: str
    neighbour: str
    files: Sequence[str]
    own: Sequence[str]


def texts(ground: Ground) -> Value:
    """Texts that programs stumble over, and that lead elsewhere."""
    tempting = (
        *ground.files,
        *(f"file://{file}" for file in ground.files),
        *("../../../../../../etc/passwd", "..\\..\\..\\etc\\passwd", "/proc/self/environ", "/dev/zero", "/dev/stdin"),
        *(ground.neighbour, f"{ground.neighbour}/a.png", "http://169.254.169.254/latest/meta-data/"),
        *("file:///etc/passwd", "ftp://127.0.0.1/", "data:image/png;base64,AAAA", "data:text/html,<script>1</script>"),
        *(ground.upload, ground.selection, ground.upload + "/../../..", ground.upload + "\0.png", *ground.own),
        *(
            "",
            " ",
            "\0",
            "a\0b",
            "\ud83d",
            "\u202egnp.exe",
            "ﷺ" * 50,
            "e\u0301" * 30,
            "\x1b[31m",
            "%00",
            "%s%n",
            "{{7*7}}",
        ),
        *(
            "'; DROP TABLE jobs; --",
            "<script>alert(1)</script>",
            "${jndi:ldap://127.0.0.1/a}",
            "x" * 5000,
            "nan",
            "1e999",
        ),
        *("true", "null", "0", "-1", "auto", "pocket", "sd15", "runwayml/stable-diffusion-v1-5", "None", "__class__"),
    )
    return st.one_of(st.sampled_from(tempting), st.text(max_size=40))


def numbers() -> Value:
    odd = (0, -1, 1, 2, 2**31, 2**63, -(2**63), 10**30, 1e-300, 1e300, -0.0, 0.5, float("nan"), float("inf"))
    return st.one_of(st.sampled_from(odd), st.integers(-100, 3000), st.floats(width=32))


def junk(ground: Ground) -> Value:
    """Any JSON value, with what is tempting among it."""
    known = st.sampled_from(
        (
            {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}},
            {"path": ground.neighbour, "meta": {"_type": "gradio.FileData"}},
            {"path": ground.upload, "meta": {"_type": "gradio.FileData"}},
            {"path": "a.png", "url": ground.neighbour, "meta": {"_type": "gradio.FileData"}},
            {"path": "a.png", "url": "/gradio_api/file=/etc/passwd", "meta": {"_type": "gradio.FileData"}},
            {"__type__": "update", "value": 1},
            {"_type": "gradio.FileData", "path": {"path": "/etc/passwd"}},
            json.loads("[" * 60 + "]" * 60),
        )
    )
    leaf = st.one_of(st.none(), st.booleans(), numbers(), texts(ground), known)
    return st.recursive(
        leaf,
        lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts(ground), inner, max_size=4)),
        max_leaves=6,
    )


def photo_files() -> tuple[bytes, ...]:
    """Small pictures in each format that the pages take."""
    pixels = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)
    made = []
    for kind in ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF"):
        stream = io.BytesIO()
        Image.fromarray(pixels).save(stream, kind)
        made.append(stream.getvalue())
    return tuple(made)


PHOTOS = photo_files()


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_of(width: int, height: int, *more: bytes, depth: int = 8, kind: int = 2) -> bytes:
    """A PNG that says how large it is, whatever it holds."""
    head = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    body = png_chunk(b"IDAT", zlib.compress(b"\0" * 100_000))
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", head) + b"".join(more) + body + png_chunk(b"IEND", b"")


BOMBS = (
    png_of(40_000, 40_000),
    png_of(2**31 - 1, 2**31 - 1),
    png_of(0, 0),
    png_of(8, 8, png_chunk(b"zTXt", b"intarsia\0\0" + zlib.compress(b"{" * 60_000_000, 9))),
    png_of(8, 8, png_chunk(b"iCCP", b"p\0\0" + zlib.compress(b"\0" * 60_000_000, 9))),
    png_of(8, 8, png_chunk(b"tEXt", b"intarsia\0" + b"[" * 200_000)),
    b"PK\x05\x06" + bytes(18),
    b"\x1f\x8b\x08\0" + bytes(50),
    b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
    b"GIF89a" + bytes(20),
    b"\x80\x04cos\nsystem\n(S'touch pwned'\ntR.",
    b"",
)


@st.composite
def pictures(draw: st.DrawFn) -> bytes:
    """The bytes of a file that may be a picture: whole, damaged, a bomb, or anything."""
    kind = draw(st.integers(0, 9))
    if kind == 0:
        return draw(st.sampled_from(BOMBS))
    if kind == 1:
        return draw(st.binary(max_size=300))
    whole = bytearray(draw(st.sampled_from(PHOTOS)))
    if kind < 4:
        return bytes(whole)
    for _ in range(draw(st.integers(1, 6))):
        whole[draw(st.integers(0, min(len(whole) - 1, 400)))] = draw(st.integers(0, 255))
    return bytes(whole[: draw(st.integers(1, len(whole)))] if kind > 7 else whole)


NAMES = (
    *(b"a.png", b"../../../../tmp/up.png", b"..%2f..%2fup.png", b"/etc/passwd", b"C:\\up.png", b"", b".", b".."),
    *(b".htaccess", b"a\xff.png", b"a.png\0.exe", b"x" * 400 + b".png", b"CON.png", b"a.html", b"a.svg", b"a.pkl"),
    *("\uff46ull.png".encode(), "e\u0301.png".encode(), b"a\tb.png", b"<img src=x>.png", b"-rf.png", b"a;b=c.png"),
)
