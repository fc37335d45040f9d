"""Batches that other programs do below the output folder: their ledgers are read, and none of their files is changed."""

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

MAX_PATH_LENGTH = 300
COPIES_FOLDER = "watched"
"""The session's folder of copies from such batches."""
THUMBS = ("before.jpg", "after.jpg")
MAX_THUMB_BYTES = 1 << 20


def find_batch(root: Path, name: Any) -> Path:
    """The folder of a batch below the output folder.

    Args:
        root: the output folder.
        name: the batch's path below it, as a visitor wrote it.

    Raises:
        RecordError: there is none; the message is the same where one exists that may not be read.
    """
    missing = RecordError("There is no batch of that name in the output folder: ask whoever runs these pages for it.")
    if not isinstance(name, str) or not 0 < len(name.strip()) <= MAX_PATH_LENGTH or set(name) & {"\0", "\\", "\n"}:
        raise missing
    path = PurePosixPath(name.strip())
    if path.is_absolute() or not is_allowed_path(path.parts):
        raise missing
    try:
        top = root.resolve()
        folder = top.joinpath(path).resolve()
        # A link may lead anywhere: what counts is where it ends.
        if not folder.is_relative_to(top) or not is_allowed_path(folder.relative_to(top).parts):
            raise missing
        if not is_file_within(folder / NAME, folder) or not is_folder_within(folder / RESULTS, folder):
            raise missing
    except (OSError, RuntimeError, ValueError):
        raise missing from None
    return folder


def is_allowed_path(parts: tuple[str, ...]) -> bool:
    """Whether a path may be read: nothing above the output folder, nothing hidden, no session's folder."""
    return bool(parts) and not any(part.startswith(".") or VISITORS_FOLDER.fullmatch(part) for part in parts)


def is_file_within(file: Path, folder: Path) -> bool:
    return file.is_file() and file.resolve().is_relative_to(folder.resolve())


def is_folder_within(inner: Path, folder: Path) -> bool:
    return inner.is_dir() and inner.resolve().is_relative_to(folder.resolve())


@contextmanager
def open_read_only(folder: Path) -> Iterator[Ledger]:
    """The ledger of a batch, read only: its writer does not wait, and no file is made or changed.

    Raises:
        OutputError: it cannot be read, or a newer version wrote it.
    """
    file = folder / NAME
    # Without its journal no program has it open; SQLite would make one to read it, were it not told so.
    mode = "mode=ro" if file.with_name(f"{NAME}-wal").exists() else "immutable=1"
    try:
        connection = sqlite3.connect(f"{file.as_uri()}?{mode}", uri=True, timeout=1)
        try:
            if connection.execute("PRAGMA user_version").fetchone()[0] != VERSION:
                raise OutputError("Another version of Intarsia wrote that batch: this one cannot read it.")
            yield Ledger(connection, folder)
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise OutputError(f"The batch cannot be read at the moment ({error}): try it again.") from error


def read_rows(folder: Path) -> list[Row]:
    with open_read_only(folder) as ledger:
        return ledger.rows()


def files_of(folder: Path, row: Row) -> list[Path]:
    """The files of a job's results that lie in the batch's own folder."""
    results = folder / RESULTS / row.folder
    if not plain_name(row.folder) or row.folder.startswith(".") or not is_folder_within(results, folder):
        return []
    return [file for file in sorted(results.iterdir()) if not file.is_symlink() and is_file_within(file, folder)]


def copies_folder(session: Session, folder: Path) -> Path:
    """The session's folder for copies from a batch: files are served from there alone."""
    copies = session.folder / COPIES_FOLDER / hashlib.sha256(str(folder).encode()).hexdigest()[:16]
    copies.mkdir(parents=True, exist_ok=True)
    return copies


def copy_thumbs(session: Session, folder: Path, row: Row) -> Path:
    """Copy the small pictures of a job into the session's folder, where a page may show them; that folder."""
    copies = copies_folder(session, folder) / hashlib.sha256(row.folder.encode()).hexdigest()[:16]
    copies.mkdir(exist_ok=True)
    for file in files_of(folder, row):
        if file.name in THUMBS and file.stat().st_size <= MAX_THUMB_BYTES:
            copy = copies / file.name
            if not copy.exists() or copy.stat().st_mtime < file.stat().st_mtime:
                shutil.copyfile(file, copy)
    return copies
