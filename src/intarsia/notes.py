"""Notes: what people should know of a piece of work, said where it is found and shown where it ends."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from intarsia.errors import TERMINAL, Remedy

log = logging.getLogger(__name__)

_said: ContextVar[list[str] | None] = ContextVar("_said", default=None)


def note(fact: str, *remedies: Remedy) -> None:
    """Say a sentence to whoever collects notes, once each; where nobody does, the log gets it as a warning.

    Args:
        fact: a sentence without its full stop where remedies follow, as for errors.
        remedies: what can be done about it.
    """
    sentence = TERMINAL.sentence((fact, *remedies))
    said = _said.get()
    if said is None:
        log.warning("%s", sentence)
    elif sentence not in said:
        said.append(sentence)


@contextmanager
def collected() -> Iterator[list[str]]:
    """Notes said within, in their order, each once; they are not passed on to an outer collection."""
    said: list[str] = []
    token = _said.set(said)
    try:
        yield said
    finally:
        _said.reset(token)
