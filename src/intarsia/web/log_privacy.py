"""What the server's log says of visitors: where something failed and of which kind it was, never their words."""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

logger = logging.getLogger("intarsia")

TEXT_LOGGERS = ("intarsia.backbones.clip", "intarsia.imaging.photo", "asyncio", "uvicorn.error")
"""Logs whose lines may repeat what a visitor wrote, or the name of what was sent."""


@contextmanager
def private_logging() -> Iterator[None]:
    """While visitors are served, nobody's log repeats a text that they wrote: not this program's, not its libraries'.

    Messages of errors are left out of tracebacks, since they may quote what was asked for; texts in warnings give
    their length alone.
    """
    from gradio import queueing, route_utils, routes, utils

    make = logging.getLogRecordFactory()

    def record(*about: Any, **more: Any) -> logging.LogRecord:
        made = make(*about, **more)
        if made.exc_info and made.exc_info[0] is not None:
            made.exc_text = "".join(traceback_lines(made.exc_info[1]))
            made.exc_info = None
        if made.name == "asyncio":
            made.msg = str(made.msg).partition("\n")[0]  # what follows repeats the error
        if made.name in TEXT_LOGGERS and made.args:
            values = made.args if isinstance(made.args, tuple) else (made.args,)
            made.args = tuple(redacted(value) for value in values)
        return made

    printing = [module for module in (queueing, route_utils, routes, utils) if hasattr(module, "traceback")]
    logging.setLogRecordFactory(record)
    for module in printing:
        module.traceback = LoggedTraceback  # type: ignore[attr-defined]
    try:
        yield
    finally:
        logging.setLogRecordFactory(make)
        for module in printing:
            module.traceback = traceback  # type: ignore[attr-defined]


class LoggedTraceback:
    """Stands for the module `traceback` where Gradio prints: its errors go to the log, as all others do."""

    format_exc = staticmethod(traceback.format_exc)

    @staticmethod
    def print_exc() -> None:
        logger.error("a request failed", exc_info=sys.exc_info())


def redacted(value: object) -> object:
    """A value for a log: numbers as they are, a text or an error by its length or its kind."""
    if isinstance(value, int | float):
        return value
    return f"a text of {len(value)} characters" if isinstance(value, str) else f"a {type(value).__name__}"


def traceback_lines(error: BaseException | None) -> Iterator[str]:
    """Lines of a traceback, without any error's message."""
    if error is None:
        return
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if before is not None:
        yield from traceback_lines(before)
        yield "\nAfter that:\n"
    yield "Traceback (most recent call last):\n"
    yield from traceback.format_tb(error.__traceback__)
    yield f"{type(error).__name__} (its message may be a visitor's, and is left out)"
