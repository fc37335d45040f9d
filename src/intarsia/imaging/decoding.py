"""Damaged files and decoders: what they say in words for people, and that they neither print nor allocate at will."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import io
import logging
import re
from pathlib import Path

# Pillow reports what it could not read, which the error that follows says better; programs that collect logs still get
# it. Without a handler of its own Python would print it.
logging.getLogger("PIL").addHandler(logging.NullHandler())

PLAIN_WORDS = re.compile(r"[A-Za-z][A-Za-z'-]*(?:,? [A-Za-z'-]+)+")
"""Where a decoder's message begins so, it is a phrase; numbers, names and bytes behind it tell people nothing."""

MAPPINGS = Path("/proc/self/maps")
"""Where Linux lists which libraries are loaded."""


def reason_of(problem: Exception) -> str:
    """Why a decoder gave up, as a parenthesis with a space before it; empty where it says nothing for people."""
    # Pillow hands on what its own code ran into as a SyntaxError: an index, a buffer.
    for fault in (problem, problem.__cause__ or problem):
        if not isinstance(fault, OSError | SyntaxError | EOFError):
            return ""
    words = PLAIN_WORDS.match(str(problem))
    if words is None or words[0].startswith("cannot identify"):
        return ""
    return f" ({words[0]})"


@functools.cache
def quiet_libtiff() -> None:
    """Keep libtiff, which Pillow brings, from printing what it finds wrong with a file; where its library is not a file
    of its own, it goes on doing so."""
    with contextlib.suppress(OSError, AttributeError, ValueError):
        loaded = {line.split(maxsplit=5)[-1].strip() for line in MAPPINGS.read_text("utf-8").splitlines()}
        for library in sorted(path for path in loaded if "libtiff" in Path(path).name):
            for name in ("TIFFSetErrorHandler", "TIFFSetWarningHandler"):
                set_handler = getattr(ctypes.CDLL(library), name)
                set_handler.argtypes, set_handler.restype = [ctypes.c_void_p], ctypes.c_void_p
                set_handler(None)


class BoundedReader(io.BufferedReader):
    """A file of which no more is read than there is: for a length that lies, memory would be taken first."""

    def __init__(self, raw: io.RawIOBase) -> None:
        super().__init__(raw)
        self._length = self.seek(0, io.SEEK_END)
        self.seek(0)

    def read(self, size: int | None = -1, /) -> bytes:
        left = max(0, self._length - self.tell())
        return super().read(left if size is None or size < 0 else min(size, left))
