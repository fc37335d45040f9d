"""What keeps a damaged ledger from being used: one error that names the file, whatever SQLite says of it."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from intarsia.errors import OutputError, Remedy, Setting

STATES = ("waiting", "running", "done", "failed")

WHOLE = frozenset({"number", "attempts"})
WHOLE_OR_NONE = frozenset({"evaluations"})
NUMBERS = frozenset({"began", "ended", "seconds", "memory_mb", "score"})
"""Columns of whole numbers, and of numbers or nothing; all others hold texts. SQLite itself keeps anything anywhere."""


def damaged(file: Path, reason: object) -> OutputError:
    """The error of a ledger that cannot be used.

    Args:
        reason: what SQLite says, or we.
    """
    # What follows a dash or a colon quotes the file.
    fact = f"The ledger {file} cannot be used ({re.split(' - |: ', str(reason))[0]})"
    if "full" in str(reason):
        return OutputError(fact, Remedy("free some space and run the same command again"))
    if "locked" in str(reason):
        return OutputError(fact, Remedy("wait until the other run has ended"))
    return OutputError(fact, Remedy("name another folder with ", Setting("out"), ", or remove it to do all jobs again"))


def check_columns(connection: sqlite3.Connection, file: Path, columns: Mapping[str, tuple[str, ...]]) -> None:
    """Raise `OutputError` where a table lacks a column, or holds a job in no state that is known."""
    for table, wanted in columns.items():
        found = {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}
        missing = next((name for name in wanted if name not in found), None)
        if missing is not None:
            raise damaged(file, f"its table of {table} lacks the column {missing}")
    marks = ", ".join("?" for _ in STATES)
    query = f"SELECT COUNT(*) FROM jobs WHERE state NOT IN ({marks})"  # nosec B608 # marks alone
    if connection.execute(query, STATES).fetchone()[0]:
        raise damaged(file, "a job is in a state that is not known")


def checked_values(file: Path, values: Mapping[str, object]) -> dict[str, Any]:
    """A row of the table of jobs, by its columns, with its facts read.

    Raises:
        OutputError: a value is not of its column's kind.
    """
    for name, value in values.items():
        kinds: tuple[type, ...] = (str,)
        if name in WHOLE:
            kinds = (int,)
        elif name in WHOLE_OR_NONE:
            kinds = (int, type(None))
        elif name in NUMBERS:
            kinds = (int, float, type(None))
        if not isinstance(value, kinds):
            raise damaged(file, f"the column {name} of a job holds another kind of value")
    try:
        facts = json.loads(str(values["facts"]))
    except (ValueError, RecursionError):
        facts = None
    if not isinstance(facts, dict):
        raise damaged(file, "what it keeps of a job is no JSON")
    return {**values, "facts": facts}
