"""Tables of which every push tries a few rows, and `make test-all` the rest."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

import pytest

LISTED = Path(__file__).with_name("slow_rows.txt")
"""Ids of tests, and of rows of tables, that take long: `make test-all` alone runs them."""


def listed_as_slow() -> frozenset[str]:
    lines = LISTED.read_text(encoding="utf-8").splitlines()
    return frozenset(line for line in lines if line and not line.startswith("#"))


def mostly_slow(table: Iterable[Any], *, pushed: Collection[Any]) -> list[Any]:
    """The rows of a table as parameters of a test; those that are not pushed take more than a few seconds together."""
    return [row if row in pushed else pytest.param(*as_tuple(row), marks=pytest.mark.slow) for row in table]


def as_tuple(row: Any) -> tuple[Any, ...]:
    return row if isinstance(row, tuple) else (row,)
