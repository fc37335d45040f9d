"""The text of a list of jobs, in whichever encoding a program has saved it."""

from __future__ import annotations

import codecs
import re
from pathlib import Path

from intarsia.errors import RecordError
from intarsia.notes import note

LARGEST_LIST = 256 << 20
"""Bytes of a list."""

MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""Marks at the beginning, as spreadsheets and Windows write them."""

OTHER_PROGRAMS = {
    b"PK\x03\x04": "a spreadsheet's own file, or an archive: save the sheet as CSV in UTF-8 and give that",
    b"\xd0\xcf\x11\xe0": "a spreadsheet's own file: save the sheet as CSV in UTF-8 and give that",
    b"\x1f\x8b": "compressed: unpack it first",
    b"PAR1": "a Parquet file: save the table as CSV in UTF-8 and give that",
    b"SQLite format 3\0": "a database: save the table as CSV in UTF-8 and give that",
}

SPREADSHEETS = (".xlsx", ".xls", ".xlsm", ".xlsb", ".ods", ".numbers", ".gsheet")

FOREIGN = re.compile(r"[^\x00-\x7f]{3}|[\x00-\x08\x0e-\x1f]")
"""Not in a text of Windows-1252: of other alphabets whole words are no ASCII, and pictures hold control characters."""


def read_list_text(file: Path, *, table: bool) -> str:
    """A list's text.

    Args:
        table: whether it is CSV, which old spreadsheets write in Windows-1252; that is read, with a note.

    Raises:
        RecordError: it is missing, no file, too large, another program's own file, or no text.
    """
    try:
        if file.exists() and not file.is_file():
            raise RecordError(f"The list of jobs {file} is no regular file: save the list as a file first.")
        size = file.stat().st_size
        if size > LARGEST_LIST:
            raise RecordError(
                f"The list of jobs {file} has {size >> 20:,} MB, but at most {LARGEST_LIST >> 20} are read: split it."
            )
        return decoded(file.read_bytes(), file, table=table)
    except FileNotFoundError:
        raise RecordError(f"There is no list of jobs {file}: check the name and the folder.") from None
    except RecordError:
        raise
    except (OSError, ValueError) as problem:
        reason = problem.strerror if isinstance(problem, OSError) else str(problem)
        raise RecordError(f"The list of jobs {file} cannot be read ({reason}): check the file.") from problem


def decoded(data: bytes, file: Path, *, table: bool) -> str:
    """The bytes of a list as text, without a mark.

    Raises:
        RecordError: they are no text, or of an encoding that is not known.
    """
    for magic, what in OTHER_PROGRAMS.items():
        if data.startswith(magic):
            raise RecordError(f"The list of jobs {file} is {what}.")
    encoding = next((name for mark, name in MARKS if data.startswith(mark)), _unmarked(data))
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        text = _western(data) if table and encoding == "utf-8" else ""
        if not text:
            raise RecordError(f"The list of jobs {file} is no text in UTF-8: save it as UTF-8.") from None
        note(
            f"{file.name} is no text in UTF-8 and was read as Windows-1252 (Western European): look at the words, or save "
            "it as UTF-8."
        )
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise RecordError(
            f"Line {line} of the list of jobs {file} holds a NUL, which is in no text: save the list again."
        )
    return text


def _unmarked(data: bytes) -> str:
    """UTF-16 without a mark is known by the zeros of its ASCII characters; everything else should be UTF-8."""
    head = data[:200]
    if len(head) >= 4 and head[1::2].count(0) > len(head) // 4 and not head[::2].count(0):
        return "utf-16-le"
    if len(head) >= 4 and head[::2].count(0) > len(head) // 4 and not head[1::2].count(0):
        return "utf-16-be"
    return "utf-8"


def _western(data: bytes) -> str:
    """A text in Windows-1252; empty for bytes that are hardly one."""
    try:
        text = data.decode("cp1252")
    except UnicodeDecodeError:
        return ""
    return "" if FOREIGN.search(text) else text
