"""Figures of reliability, their bounds, and their tables in docs/reliability.md."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

PAGE = Path(__file__).parent.parent / "docs" / "reliability.md"


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One measured figure.

    Attributes:
        name: what was measured.
        value: it, with its unit.
        bound: what must hold; empty for a figure that is told and not judged.
        holds: whether it does.
    """

    name: str
    value: str
    bound: str = ""
    holds: bool = True


@dataclass(frozen=True, kw_only=True)
class Part:
    """The figures of one part of the suite.

    Attributes:
        name: the part's, as `python -m trust` takes it.
        command: makes these figures.
        figures: in the order in which they are shown.
        left: what did not hold, or was left out, a line each.
    """

    name: str
    command: str
    figures: Sequence[Figure]
    left: Sequence[str] = ()

    @property
    def holds(self) -> bool:
        return all(figure.holds for figure in self.figures)


def as_table(part: Part) -> Table:
    """For the terminal."""
    table = Table(title=part.name, title_justify="left")
    for heading in ("what", "measured", "must hold", ""):
        table.add_column(heading)
    for figure in part.figures:
        said = "" if not figure.bound else "yes" if figure.holds else "NO"
        table.add_row(figure.name, figure.value, figure.bound, said)
    return table


def as_markdown(part: Part) -> str:
    """For the page: the command, a table, and what was left."""
    rows = [
        f"| {f.name} | {f.value} | {f.bound} | {'' if not f.bound else 'yes' if f.holds else '**no**'} |"
        for f in part.figures
    ]
    head = [f"`{part.command}`", "", "| what | measured | must hold | holds |", "|---|---|---|---|"]
    return "\n".join([*head, *rows, *(["", *(f"- {line}" for line in part.left)] if part.left else [])])


def written_into(page: str, part: Part) -> str:
    """A page with the part's table between its marks.

    Raises:
        ValueError: the page has no such marks.
    """
    start, end = f"<!-- trust {part.name} -->", f"<!-- /trust {part.name} -->"
    if start not in page or end not in page:
        raise ValueError(f"The page has no place for {part.name!r}: put {start} and {end} where its table belongs.")
    between = re.compile(re.escape(start) + ".*?" + re.escape(end), re.DOTALL)
    return between.sub(lambda _: f"{start}\n{as_markdown(part)}\n{end}", page)
