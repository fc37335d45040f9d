"""What the library for JPEG files writes to the terminal itself, past Python, kept from it."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager

LIBJPEG = (
    b"Application transferred too",
    b"Corrupt JPEG data",
    b"Inconsistent progression sequence",
    b"Invalid SOS parameters",
    b"Premature end of JPEG file",
    b"Unknown Adobe color transform",
    b"Warning: unknown JFIF revision",
)
"""How libjpeg's warnings begin."""

_turn = threading.Lock()


@contextmanager
def without_libjpegs_warnings() -> Iterator[None]:
    """Take libjpeg's warnings out of what this process writes to its standard error.

    It has no other way to be silenced, and of a damaged file all is said by our own reader. What other threads write in
    the meantime comes out at the end.
    """
    with _turn, tempfile.TemporaryFile() as taken:
        try:
            terminal = os.dup(2)
        except OSError:  # closed: nobody reads it
            yield
            return
        os.dup2(taken.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)
            taken.seek(0)
            others = b"".join(line for line in taken if not line.startswith(LIBJPEG))
            if others:
                os.write(2, others)
