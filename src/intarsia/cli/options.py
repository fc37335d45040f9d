"""Flags that several commands share; light, since help imports it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

CommandResult = tuple[dict[str, Any], list[str]]
"""A command's output: JSON for machines, lines for people."""


@dataclass(frozen=True, kw_only=True)
class OutputOptions:
    """What is printed."""

    json: bool = False
    """Print one JSON object to stdout and everything else to stderr."""
    quiet: bool = False
    """No progress bar and no notes; errors are still printed."""
    debug: bool = False
    """Show the traceback of an error."""


def counted(number: int, noun: str) -> str:
    """A number and its noun: 1 picture, 2 pictures."""
    return f"{number} {noun}" + ("" if number == 1 else "s")


def note_lines(notes: Iterable[str]) -> list[str]:
    """Notes for people, a line each."""
    return [f"  note: {note}" for note in notes]
