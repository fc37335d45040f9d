"""The server's log without visitors' words: it says where something failed and with which error, but quotes no text."""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

logger = logging.getLogger("intarsia")

TEXT_LOGGERS = ("intarsia.notes", "intarsia.imaging.photo", "asyncio", "uvicorn.error")
"""Loggers whose lines may quote what a visitor wrote, or the name of a file."""


@contextmanager
def private_logging() -> Iterator[None]:
    """Keep visitors' texts out of the logs of this program and its libraries.

    Tracebacks leave out the messages of errors, which may quote a request; texts in warnings are replaced by their
    length.
    """
    from gradio import queueing, route_utils, routes, utils

    former = logging.getLogRecordFactory()

    def record(*args: Any, **kwargs: Any) -> logging.LogRecord:
        entry = former(*args, **kwargs)
        if entry.exc_info and entry.exc_info[0] is not None:
            entry.exc_text = "".join(traceback_lines(entry.exc_info[1]))
            entry.exc_info = None
        if entry.name == "asyncio":
            entry.msg = str(entry.msg).partition("\n")[0]  # what follows repeats the error
        if entry.name in TEXT_LOGGERS and entry.args:
            values = entry.args if isinstance(entry.args, tuple) else (entry.args,)
            entry.args = tuple(redacted(value) for value in values)
        return entry

    modules = [module for module in (queueing, route_utils, routes, utils) if hasattr(module, "traceback")]
    logging.setLogRecordFactory(record)
    for module in modules:
        module.traceback = LoggedTraceback  # type: ignore[attr-defined]
    try:
        yield
    finally:
        logging.setLogRecordFactory(former)
        for module in modules:
            module.traceback = traceback  # type: ignore[attr-defined]


class LoggedTraceback:
    """Replaces the module `traceback` in Gradio, which prints errors: they go to the log instead."""

    format_exc = staticmethod(traceback.format_exc)

    @staticmethod
    def print_exc() -> None:
        logger.error("a request failed", exc_info=sys.exc_info())


def redacted(value: object) -> object:
    """A value for a log: a number as it is, a text by its length, anything else by its type."""
    if isinstance(value, int | float):
        return value
    return f"a text of {len(value)} characters" if isinstance(value, str) else f"a {type(value).__name__}"


def traceback_lines(error: BaseException | None) -> Iterator[str]:
    """Lines of a traceback, without any error's message."""
    if error is None:
        return
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None:
        yield from traceback_lines(cause)
        yield "\nAfter that:\n"
    yield "Traceback (most recent call last):\n"
    yield from traceback.format_tb(error.__traceback__)
    yield f"{type(error).__name__} (its message may be a visitor's, and is left out)"
