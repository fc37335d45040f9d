"""Memory of a server that runs for long: what jobs have freed is used again by the next."""

from __future__ import annotations

import contextlib
import ctypes
import sys

M_ARENA_MAX = -8
"""glibc's number of the setting, as in malloc.h."""
ARENAS = 2


def few_arenas() -> bool:
    """Let all threads take memory from the same few places; whether this machine's C library has such a setting.

    Each job has a thread of its own, and glibc gives up to eight threads a core a place of their own, whose freed parts
    the others do not use: a server grew by half within minutes, and kept growing. To be called before there are threads.
    """
    if not sys.platform.startswith("linux"):
        return False
    with contextlib.suppress(OSError, AttributeError):
        return bool(ctypes.CDLL(None).mallopt(M_ARENA_MAX, ARENAS))
    return False
