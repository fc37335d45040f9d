"""An entry of a list: what was read of one job, before it is known whether it can be done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from intarsia.records.arrange import ArrangeRecord
from intarsia.records.edit import EditRecord
from intarsia.records.inputs import Record
from intarsia.records.remove import RemoveRecord

Kind = Literal["edit", "arrange", "learn", "remove"]

KINDS: dict[str, Kind] = {
    "edit": "edit",
    "arrange": "arrange",
    "learn": "learn",
    "remove": "remove",
    "EditRecord": "edit",
    "ArrangeRecord": "arrange",
    "RemoveRecord": "remove",
}
RECORDS: dict[Kind, type[Record]]
RECORDS = {"edit": EditRecord, "arrange": ArrangeRecord, "learn": ArrangeRecord, "remove": RemoveRecord}

SHOWN_NAMES = 3
PICTURE = "The picture "


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One entry of a list.

    Attributes:
        where: its place, for people: "Line 3", "Row 2", "The picture a.png" where pictures alone are listed.
        values: settings by their names, groups within groups; of one with a problem, what could be read.
        problem: why it is no job, in one sentence; else empty.
    """

    where: str
    values: Mapping[str, Any] = field(default_factory=dict)
    problem: str = ""

    @property
    def counted(self) -> bool:
        """Whether its place is a number in the list, and not the name of its picture."""
        return not self.where.startswith(PICTURE)


def named(names: Sequence[str]) -> str:
    """The first few of some names, and how many more there are; in one line, whatever the names hold."""
    first = [printable(name) for name in names[:SHOWN_NAMES]]
    more = len(names) - len(first)
    if more:
        return f"{', '.join(first)} and {more:,} more"
    return " and ".join(filter(None, [", ".join(first[:-1]), first[-1]]))


def printable(name: str) -> str:
    """A name without what would end a line or act on a terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in name)
