"""Notes: what people should know of a piece of work, said where it is found and shown where it ends."""

from __future__ import annotations

import dataclasses
import logging
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any, ParamSpec, Protocol, TypeVar, cast

from intarsia.errors import TERMINAL, Remedy

log = logging.getLogger(__name__)


class Collection(list[str]):
    """Notes, each once.

    Args:
        tell: called with each as soon as it is added.
    """

    def __init__(self, tell: Callable[[str], None] | None = None) -> None:
        super().__init__()
        self._tell = tell

    def add(self, sentence: str) -> None:
        if sentence not in self:
            self.append(sentence)
            if self._tell is not None:
                self._tell(sentence)


LIBRARY_LEVELS = ("TRANSFORMERS_VERBOSITY", "DIFFUSERS_VERBOSITY", "HF_HUB_VERBOSITY")
"""Environment variables by which libraries choose what they print, where the user has not chosen."""


def hush_libraries() -> None:
    """Keep what libraries say on their own from the terminal, in this process and those that it starts.

    For programs of ours alone, at their beginning: what matters of it is said as a note, in our words. Warnings go to
    the logger "py.warnings". Filters are as they were.
    """
    logging.captureWarnings(True)
    for variable in LIBRARY_LEVELS:
        os.environ.setdefault(variable, "error")
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")


_said: ContextVar[Collection | None] = ContextVar("_said", default=None)

P = ParamSpec("P")
Value = TypeVar("Value")


class Noted(Protocol):
    """A dataclass that keeps notes."""

    @property
    def notes(self) -> tuple[str, ...]: ...


AnyNoted = TypeVar("AnyNoted", bound=Noted)


def note(fact: str, *remedies: Remedy) -> None:
    """Say a sentence to whoever collects notes, once each; where nobody does, the log gets it as a warning.

    Args:
        fact: a sentence, without its full stop where remedies follow, as for errors.
        remedies: what can be done about it.
    """
    say(TERMINAL.sentence((fact, *remedies)))


def say(*sentences: str) -> None:
    """Say whole sentences, such as those of an earlier collection, as `note` does."""
    said = _said.get()
    for sentence in sentences:
        if said is None:
            log.warning("%s", sentence)
        else:
            said.add(sentence)


@contextmanager
def collected(tell: Callable[[str], None] | None = None) -> Iterator[list[str]]:
    """Notes said within, in their order, each once; as a decorator: within each call.

    They are not passed on to an outer collection, unless an exception ends this one: an error is read better with
    what was known before it.

    Args:
        tell: called with each note as soon as it is said.
    """
    outer, said = _said.get(), Collection(tell)
    token = _said.set(said)
    try:
        yield said
    except Exception:
        if outer is not None:
            for sentence in said:
                outer.add(sentence)
        raise
    finally:
        _said.reset(token)


def with_notes(result: AnyNoted, *more: Iterable[str]) -> AnyNoted:
    """A result that has further notes after its own, each once; those that are said so far come last."""
    notes = merged(result.notes, *more, _said.get() or ())
    return cast(AnyNoted, dataclasses.replace(cast(Any, result), notes=notes))


def merged(*several: Iterable[str]) -> tuple[str, ...]:
    """Notes of several collections, each once."""
    return tuple(dict.fromkeys(sentence for notes in several for sentence in notes))


def collecting(work: Callable[P, AnyNoted]) -> Callable[P, AnyNoted]:
    """A function whose result keeps what is said while it works, after the notes that it has of its own."""

    @wraps(work)
    def collect(*args: P.args, **kwargs: P.kwargs) -> AnyNoted:
        with collected():
            return with_notes(work(*args, **kwargs))

    return collect


def carried(work: Callable[[], Value]) -> Callable[[], Value]:
    """Work for another thread, whose notes go to whoever collects them in this one."""
    said = _said.get()

    def carry() -> Value:
        token = _said.set(said)
        try:
            return work()
        finally:
            _said.reset(token)

    return carry
