"""What is printed reaches every terminal, pipe and file, whatever its encoding; one that refuses it costs no work."""

from __future__ import annotations

import atexit
import codecs
import contextlib
import logging
import os
import signal
import sys
import threading
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TextIO

READABLE = "readable"
"""Name of the handling of characters that an encoding has not."""

INSTEAD = {
    "─": "-",
    "━": "-",
    "│": "|",
    "╭": "+",
    "╮": "+",
    "╰": "+",
    "╯": "+",
    "•": "*",
    "\u00d7": "x",
    "→": "->",
    "…": "...",
    "\u2013": "-",
    "—": "-",
    "\u2018": "'",
    "\u2019": "'",
    "“": '"',
    "”": '"',
    "\u00a0": " ",
}
"""ASCII for what tables and sentences are drawn and set with; other characters get their numbers, as in Python."""


def replace_characters(problem: UnicodeError) -> tuple[str, int]:
    """Characters that an encoding has not, in others that every encoding has."""
    if not isinstance(problem, UnicodeEncodeError):
        raise problem
    missing = problem.object[problem.start : problem.end]
    return "".join(INSTEAD.get(letter) or as_number(letter) for letter in missing), problem.end


def as_number(letter: str) -> str:
    return letter.encode("ascii", "backslashreplace").decode("ascii")


codecs.register_error(READABLE, replace_characters)


def prepare() -> None:
    """Make stdout and stderr take every text; those that were closed swallow it."""
    # Else the first files to be opened would be stdout and stderr, and a library that prints would print into them.
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            with contextlib.suppress(OSError):
                os.open(os.devnull, os.O_RDWR)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            nowhere = Path(os.devnull).open("w", encoding="utf-8", errors="replace")  # noqa: SIM115  # until the end
            setattr(sys, name, nowhere)
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=READABLE)


def say(sentence: str) -> None:
    """A line on stderr; nothing where that is gone."""
    with contextlib.suppress(OSError, ValueError):
        print(f"intarsia: {plain(sentence)}", file=sys.stderr, flush=True)


def plain(text: str) -> str:
    """A text in one line that acts on no terminal: control and direction characters are written as numbers.

    They come from names of files and from other people's records.
    """
    return "".join(escaped(letter) if acts(letter) else letter for letter in text)


def escaped(letter: str) -> str:
    return letter.encode("unicode_escape").decode("ascii")


def acts(letter: str) -> bool:
    """Whether a terminal acts on a character instead of showing it."""
    return unicodedata.category(letter) in ("Cc", "Zl", "Zp") or unicodedata.bidirectional(letter) in DIRECTIONS


DIRECTIONS = ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
"""Characters that turn the text around them."""


def print_out(text: str) -> bool:
    """Print to stdout; whether it was taken. A reader that has read enough, as `head` has, has taken it."""
    try:
        if text:
            print(text)
        sys.stdout.flush()
    except OSError as problem:
        return give_up(problem, asked=True) == 0
    return True


def give_up(problem: OSError, *, asked: bool) -> int:
    """Print no more where it is not taken; returns the exit code.

    Args:
        asked: whether what was printed is what was asked for, and not how the command was wrong.
    """
    swallow(sys.stdout if asked else sys.stderr)
    if isinstance(problem, BrokenPipeError):
        return 0 if asked else 2
    say(f"All is done, but what is to be said of it cannot be printed ({problem.strerror or problem}).")
    return 1 if asked else 2


def flush() -> bool:
    """Hand on what others have printed; whether it was taken. Python's own attempt at the end would fail aloud."""
    taken = print_out("")
    try:
        sys.stderr.flush()
    except (OSError, ValueError):
        swallow(sys.stderr)
    return taken


def swallow(stream: TextIO) -> None:
    """Let a stream lead nowhere from now on, so that what it still holds is not tried again."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
        stream.flush()


def leave(code: int) -> None:
    """End this process here where threads are still at work; where none is, that is left to the interpreter.

    Its end would stop them in the midst of torch's own code, which aborts the process then. Signals that come from now on
    are not heeded: all is done and said, and they would end it with another code, unless it had to wait for a thread.
    """
    others = [thread for thread in threading.enumerate() if thread is not threading.current_thread()]
    if all(thread.daemon for thread in others):
        for number in ending_signals():
            signal.signal(number, signal.SIG_IGN)
    if not any(thread.daemon for thread in others):
        return
    atexit._run_exitfuncs()  # removes temporary folders, among others
    flush()
    os._exit(code)


@dataclass
class Stop:
    """Whether the work was asked to stop: libraries that are interrupted may raise an error of their own instead."""

    asked: bool = False


@contextlib.contextmanager
def stopped_by_signals(stop: Stop) -> Iterator[None]:
    """A request to end, and a terminal that is closed, stop the work as Ctrl-C does: nothing is left half-written."""

    def end(number: int, frame: FrameType | None) -> None:
        stop.asked = True
        signal.default_int_handler(number, frame)

    # What is ignored stays so: nohup ignores SIGHUP.
    former = {number: signal.getsignal(number) for number in ending_signals()}
    asked = [n for n, handler in former.items() if handler in (signal.SIG_DFL, signal.default_int_handler)]
    for number in asked:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number in asked:
            signal.signal(number, former[number])


def ending_signals() -> list[signal.Signals]:
    """The signals by which people and systems end a process, of those that are here; none in another thread than the main one."""
    if threading.current_thread() is not threading.main_thread():
        return []
    return [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


class NoteHandler(logging.StreamHandler[TextIO]):
    """Lines of the log on stderr, in a form that every terminal shows; nothing where that is gone."""

    def __init__(self) -> None:
        super().__init__(sys.stderr)
        self.setFormatter(logging.Formatter("intarsia: %(message)s"))

    def format(self, record: logging.LogRecord) -> str:
        lines = super().format(record).split("\n")
        return "\n".join(map(plain, lines))

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  # logging calls it so
        """Nothing: the work goes on without its notes."""
