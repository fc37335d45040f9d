"""Batches that other programs do below the output folder: their ledgers are read, and nothing of theirs is changed."""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from intarsia.batch.executor import RESULTS
from intarsia.batch.ledger import NAME, VERSION, Ledger, Row
from intarsia.batch.report import plain_name
from intarsia.errors import OutputError, RecordError
from intarsia.web.security import VISITORS_FOLDER
from intarsia.web.sessions import Session

LONGEST_PATH = 300
KEPT = "watched"
"""The visitor's folder of what was copied from such batches."""
THUMBS = ("before.jpg", "after.jpg")
LARGEST_THUMB = 1 << 20


def find_batch(root: Path, name: Any) -> Path:
    """The folder of a batch below the output folder.

    Args:
        root: the output folder.
        name: the batch's path below it, as a visitor wrote it.

    Raises:
        RecordError: there is none; where one may not be looked at, the sentence is the same.
    """
    nothing = RecordError("There is no batch of that name in the output folder: ask whoever runs these pages for it.")
    if not isinstance(name, str) or not 0 < len(name.strip()) <= LONGEST_PATH or set(name) & {"\0", "\\", "\n"}:
        raise nothing
    said = PurePosixPath(name.strip())
    if said.is_absolute() or not allowed(said.parts):
        raise nothing
    try:
        top = root.resolve()
        folder = top.joinpath(said).resolve()
        # A link may lead anywhere: what counts is where it ends.
        if not folder.is_relative_to(top) or not allowed(folder.relative_to(top).parts):
            raise nothing
        if not own_file(folder / NAME, folder) or not own_folder(folder / RESULTS, folder):
            raise nothing
    except (OSError, RuntimeError, ValueError):
        raise nothing from None
    return folder


def allowed(parts: tuple[str, ...]) -> bool:
    """Whether a path may be looked at: nothing above, nothing hidden, nothing of a visitor."""
    return bool(parts) and not any(part.startswith(".") or VISITORS_FOLDER.fullmatch(part) for part in parts)


def own_file(file: Path, folder: Path) -> bool:
    return file.is_file() and file.resolve().is_relative_to(folder.resolve())


def own_folder(place: Path, folder: Path) -> bool:
    return place.is_dir() and place.resolve().is_relative_to(folder.resolve())


@contextmanager
def reading(folder: Path) -> Iterator[Ledger]:
    """The ledger of a batch, for a short look; whoever writes it need not wait, and no file is made or changed.

    Raises:
        OutputError: it cannot be read, or a newer version wrote it.
    """
    file = folder / NAME
    # Without its journal nobody has it open; SQLite would make one to read it, were it not told so.
    how = "mode=ro" if file.with_name(f"{NAME}-wal").exists() else "immutable=1"
    try:
        connection = sqlite3.connect(f"{file.as_uri()}?{how}", uri=True, timeout=1)
        try:
            if connection.execute("PRAGMA user_version").fetchone()[0] != VERSION:
                raise OutputError("Another version of Intarsia wrote that batch: this one cannot read it.")
            yield Ledger(connection, folder)
        finally:
            connection.close()
    except sqlite3.Error as problem:
        raise OutputError(f"The batch cannot be read at the moment ({problem}): try it again.") from problem


def rows_of(folder: Path) -> list[Row]:
    with reading(folder) as ledger:
        return ledger.rows()


def files_of(folder: Path, row: Row) -> list[Path]:
    """The files of a job's results that lie in the batch's own folder."""
    place = folder / RESULTS / row.folder
    if not plain_name(row.folder) or row.folder.startswith(".") or not own_folder(place, folder):
        return []
    return [file for file in sorted(place.iterdir()) if not file.is_symlink() and own_file(file, folder)]


def kept(visit: Session, folder: Path) -> Path:
    """The visitor's own folder for what is copied from a batch: files are served from there alone."""
    place = visit.folder / KEPT / hashlib.sha256(str(folder).encode()).hexdigest()[:16]
    place.mkdir(parents=True, exist_ok=True)
    return place


def copy_thumbs(visit: Session, folder: Path, row: Row) -> Path:
    """The small pictures of a job, in the visitor's own folder, where a page may show them."""
    place = kept(visit, folder) / hashlib.sha256(row.folder.encode()).hexdigest()[:16]
    place.mkdir(exist_ok=True)
    for file in files_of(folder, row):
        if file.name in THUMBS and file.stat().st_size <= LARGEST_THUMB:
            copy = place / file.name
            if not copy.exists() or copy.stat().st_mtime < file.stat().st_mtime:
                shutil.copyfile(file, copy)
    return place
