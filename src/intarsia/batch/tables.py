"""Lists of jobs as tables: CSV as spreadsheets and other programs write it."""

from __future__ import annotations

import csv
import difflib
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import PurePath
from typing import Any

from intarsia.batch.cells import all_settings, is_missing, kinds_with, read_cell, setting_types
from intarsia.batch.entries import KINDS, Entry, named, printable
from intarsia.batch.folder import PICTURES
from intarsia.batch.groups import nested
from intarsia.errors import RecordError, Remedy
from intarsia.notes import note
from intarsia.records.serialize import shortened

DELIMITERS = (",", ";", "\t", "|")
DELIMITER_LINE = re.compile(r'"?sep=(.)"?[,;\t| ]*', re.IGNORECASE)
"""The first line by which some spreadsheets say what divides cells."""

ABOUT_JOBS = ("kind", "name")
"""Columns that are no settings: which command does a job, and how its folder is called."""

UNNAMED = re.compile(r"(unnamed: \d+)?", re.IGNORECASE)
"""Heads of columns without a name, such as the numbers of rows that pandas writes."""
ROW_NUMBER = re.compile(r"\s*(\d+(\.0)?)?\s*")

MOST_ABOVE = 5
"""Rows above the one with the columns' names."""

MOST_RESTARTS = 20
"""Rows with wrong quotation marks after which the rest is not read."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """A row of a table.

    Attributes:
        number: as spreadsheets count, from 1.
        line: on which it begins, from 1; cells may hold several.
        problem: why it cannot be taken apart; else empty.
    """

    number: int
    line: int
    cells: Sequence[str] = ()
    problem: str = ""

    @property
    def where(self) -> str:
        return f"Row {self.number}" if self.number == self.line else f"Row {self.number} (line {self.line})"


@dataclass(frozen=True, kw_only=True)
class Head:
    """The first row, which names the columns.

    Attributes:
        cells: as they stand there.
        settings: the setting of each column; "" for a column that is left out.
        without_name: places of columns without a name.
    """

    cells: tuple[str, ...]
    settings: tuple[str, ...]
    without_name: tuple[int, ...]


def read_table(text: str, file: PurePath, usual: str = "edit") -> Iterator[Entry]:
    """The rows of a table; an empty cell leaves a setting out. What is left out is noted.

    Args:
        file: where it comes from, for messages.
        usual: the kind of a row that says none.

    Raises:
        RecordError: the first row names no photo, or a setting twice.
    """
    lines, begin, delimiter, above = _opened(text)
    if any(line.strip(f"{delimiter} \r\n") for line in lines[begin - above : begin]):
        note(f"What stands in {file.name} above the row with the columns' names was left out.")
    head: Head | None = None
    again, strays = [], []
    for row in _rows(lines, begin, delimiter, above):
        if not row.problem and not any(cell.strip() for cell in row.cells):
            continue
        if head is None:
            if row.problem:
                raise RecordError(f"The first row of {file} is no CSV ({row.problem}): correct it.")
            head = _read_head(row.cells, file)
            continue
        if [cell.strip() for cell in row.cells] == [cell.strip() for cell in head.cells]:
            again.append(str(row.number))
            continue
        if any(not ROW_NUMBER.fullmatch(row.cells[place]) for place in head.without_name if place < len(row.cells)):
            strays.append(str(row.number))
        yield _entry(row, head, usual, decimal_comma=delimiter != ",")
    if again:
        note(f"{file.name} holds its first row again, in row {named(again)}: it was left out there.")
    if strays:
        note(f"Columns of {file.name} without a name were left out; row {named(strays)} says something there.")


def names_photo(text: str) -> bool:
    """Whether a text is a table whose first row names the column "photo"."""
    first = next(_rows(*_opened(text)), Row(number=1, line=1))
    return "photo" in map(_setting, first.cells)


def _opened(text: str) -> tuple[list[str], int, str, int]:
    """The lines of a table, the place of the first row among them, what divides cells, and the rows above that one.

    The first row is the one that names the column "photo": a title may stand above it.
    """
    lines = list(io.StringIO(text, newline=""))  # ends of lines alone divide them: no U+2028, no form feed
    filled = [place for place, line in enumerate(lines) if line.strip()][: MOST_ABOVE + 2]
    said = DELIMITER_LINE.fullmatch(lines[filled[0]].strip("\r\n")) if filled else None
    first = filled[0] + 1 if said else 0
    for begin in filled[said is not None :]:
        for delimiter in said[1] if said else DELIMITERS:
            if "photo" in map(_setting, _cells(lines, begin, delimiter)):
                best = said[1] if said else _delimiter(lines, begin)
                return lines, begin, best, begin - first
    begin = filled[said is not None] if len(filled) > (said is not None) else 0
    return lines, begin, said[1] if said else _delimiter(lines, begin), begin - first


def _rows(lines: Sequence[str], begin: int, delimiter: str, above: int) -> Iterator[Row]:
    """The rows from a line on; one with wrong quotation marks is a problem, and the next line begins another row.

    Args:
        above: rows before that line.
    """
    number, restarts = above, 0
    spaced = any(re.search(rf'{re.escape(delimiter)} +"', line) for line in lines)  # as people write it: a, "b, c"
    while begin < len(lines):
        rows = csv.reader(islice(lines, begin, None), delimiter=delimiter, strict=True, skipinitialspace=spaced)
        line = begin
        try:
            for cells in rows:
                number += 1
                yield Row(number=number, line=line + 1, cells=cells)
                line = begin + rows.line_num
            return
        except csv.Error as problem:
            number, restarts, begin = number + 1, restarts + 1, line + 1
            rest = restarts > MOST_RESTARTS
            yield Row(number=number, line=line + 1, problem=_why(problem) + (", and neither is what follows" * rest))
            if rest:
                return


def _why(problem: csv.Error) -> str:
    text = str(problem)
    if "unexpected end" in text:
        return "a quotation mark is opened and not closed"
    if "expected after" in text:
        return 'a quotation mark stands within a text in quotation marks, where it is written twice, ""'
    if "field limit" in text:
        return f"a cell has more than {csv.field_size_limit():,} characters"
    return text


def _delimiter(lines: Sequence[str], begin: int) -> str:
    """What divides cells: that by which the first row names the most settings, else that which gives it most cells."""

    def names(delimiter: str) -> tuple[int, int]:
        cells = _cells(lines, begin, delimiter)
        return sum(bool(_setting(cell)) for cell in cells), len(cells)

    return max(DELIMITERS, key=names)


def _cells(lines: Sequence[str], begin: int, delimiter: str) -> Sequence[str]:
    """The cells of the row that begins on a line."""
    return next(_rows(lines[begin : begin + 3], 0, delimiter, 0), Row(number=1, line=1)).cells


def _setting(head: str) -> str:
    """The setting that a column's head names, however it is written; "" for none."""
    plain = re.sub(r"\s*\.\s*", ".", head.strip(" \t\u00a0\"'“”„«»\ufeff-").casefold())
    plain = re.sub(r"[\s_-]+", "_", plain)
    if plain in ABOUT_JOBS or plain in all_settings():
        return plain
    joined = [name for name in all_settings() if name.replace(".", "_") == plain]
    return joined[0] if len(joined) == 1 else ""


def _read_head(cells: Sequence[str], file: PurePath) -> Head:
    settings = tuple(_setting(cell) for cell in cells)
    if "photo" not in settings:
        if any(PurePath(cell.strip()).suffix.lower() in PICTURES for cell in cells):
            raise RecordError(
                f"The first row of {file} names a picture and no column 'photo': put a row above it that names the "
                "columns, such as photo,prompt."
            )
        found = f" (its columns are {named([cell for cell in cells if cell.strip()])})" if any(cells) else ""
        raise RecordError(
            f"The first row of {file} has no column 'photo'{found}: name the settings there, such as photo,prompt."
        )
    for place, setting in enumerate(settings):
        if setting and setting in settings[:place]:
            raise RecordError(
                f"The first row of {file} names {setting!r} twice, in columns {settings.index(setting) + 1} and "
                f"{place + 1}: remove one of them."
            )
    nameless = tuple(place for place, cell in enumerate(cells) if UNNAMED.fullmatch(cell.strip()))
    for place, (cell, setting) in enumerate(zip(cells, settings, strict=True)):
        if not setting and place not in nameless:
            near = difflib.get_close_matches(cell.strip().casefold(), all_settings(), n=1, cutoff=0.75)
            remedy = [Remedy(f"was {near[0]!r} meant? Then name it so")] if near else []
            stop = "" if remedy else "."
            note(f"The column {printable(cell.strip())!r} of {file.name} is no setting and was left out{stop}", *remedy)
    return Head(cells=tuple(cells), settings=settings, without_name=nameless)


def _entry(row: Row, head: Head, usual: str, *, decimal_comma: bool) -> Entry:
    """A row as a job's settings."""
    cells = {setting: cell for setting, cell in zip(head.settings, row.cells, strict=False) if setting}
    known = {name: cells[name] for name in ("photo", "source", "prompt") if cells.get(name)}
    where = row.where
    if row.problem:
        return Entry(where=where, problem=f"{where} is no CSV ({row.problem}): correct it.")
    if any(cell.strip() for cell in row.cells[len(head.cells) :]):
        problem = (
            f"{where} has {len(row.cells)} cells, but the first row has {len(head.cells)}: put a text that holds what "
            "divides cells into plain quotation marks."
        )
        return Entry(where=where, values=known, problem=problem)
    try:
        return Entry(where=where, values=_read_cells(cells, where, usual, decimal_comma))
    except RecordError as problem:
        return Entry(where=where, values=known, problem=str(problem))


def _read_cells(cells: dict[str, str], where: str, usual: str, decimal_comma: bool) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name in ABOUT_JOBS:
        if not is_missing(cells.get(name, ""), ""):
            values[name] = cells[name].strip()
    if "kind" in values:
        values["kind"] = KINDS.get(values["kind"].casefold(), values["kind"])
    said = values.get("kind", usual)
    kind = KINDS.get(said)
    if kind is None:
        raise RecordError(f"{where} is of the kind {shortened(said)}: choose edit, arrange, learn or remove.")
    types = setting_types(kind)
    for name, cell in cells.items():
        if name in ABOUT_JOBS or is_missing(cell, types.get(name, "")):
            continue
        if name not in types:
            raise RecordError(
                f"{where} gives {name!r} as {shortened(cell)}, which is a setting of {' and '.join(kinds_with(name))}, "
                f"and not of {kind}: empty that cell, or say the kind in a column 'kind'."
            )
        values[name] = read_cell(name, types[name], cell, where, decimal_comma=decimal_comma)
    return nested(values)
