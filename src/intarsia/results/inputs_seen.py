"""Which files an edit was made from, as they were when it began: a file may be gone or another one when it ends."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from intarsia.files import file_digest
from intarsia.notes import note
from intarsia.records.inputs import AnyRecord, Record, input_files

P = ParamSpec("P")
R = TypeVar("R")

_seen: ContextVar[dict[str, str] | None] = ContextVar("_seen", default=None)


def digest_of_input(path: str) -> str | None:
    """sha256 of an input file, as it was when the edit began; None where there is none."""
    kept = (_seen.get() or {}).get(os.path.realpath(path))
    if kept is not None:
        return kept
    return _digest(path)


def _digest(path: str) -> str | None:
    try:
        return file_digest(Path(path)) if Path(path).is_file() else None
    except OSError:
        return None


@contextlib.contextmanager
def inputs_noted(record: Record) -> Iterator[None]:
    """Keep the digests of a record's files while it is worked on."""
    files = {os.path.realpath(value) for value in input_files(record).values()}
    token = _seen.set({path: digest for path in files if (digest := _digest(path)) is not None})
    try:
        yield
    finally:
        _seen.reset(token)


def say_what_changed() -> None:
    """A note for each input that is another file, or none, since the edit began."""
    for path, digest in (_seen.get() or {}).items():
        now = _digest(path)
        if now != digest:
            how = "is gone" if now is None else "was changed"
            note(f"{Path(path).name} {how} since it was read: the record tells of it as it was.")


def noting_inputs(
    perform: Callable[Concatenate[AnyRecord, P], R],
) -> Callable[Concatenate[AnyRecord, P], R]:
    """Let a task, whose first argument is its record, keep the digests of its files."""

    @functools.wraps(perform)
    def noting(record: AnyRecord, /, *arguments: P.args, **named: P.kwargs) -> R:
        with inputs_noted(record):
            return perform(record, *arguments, **named)

    return noting
