"""The ledger of a batch: one row a job in a SQLite file beside the results; it is right at every moment.

A job is marked done only after its folder has got its name, in one rename. Whatever kills the run, the
next one finds each job done, failed, or to be done, and nothing between.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal

from intarsia.batch.file_names import LEDGER
from intarsia.batch.jobs import Job, plain_text
from intarsia.batch.ledger_checks import check_columns, checked_values, damaged
from intarsia.errors import OutputError, Remedy, Setting

State = Literal["waiting", "running", "done", "failed"]

NAME = LEDGER
VERSION = 1

SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (
    id TEXT PRIMARY KEY,
    number INTEGER,                    -- place in the list of jobs, from 1; NULL: no longer in it
    kind TEXT NOT NULL,
    photo TEXT NOT NULL,
    words TEXT NOT NULL,               -- what is asked for, for people
    folder TEXT NOT NULL,              -- of its results, below the output folder
    state TEXT NOT NULL DEFAULT 'waiting',
    attempts INTEGER NOT NULL DEFAULT 0,
    deaths INTEGER NOT NULL DEFAULT 0, -- how many workers ended while they did it
    error TEXT NOT NULL DEFAULT '',
    worker TEXT NOT NULL DEFAULT '',
    began REAL,                        -- seconds since 1970
    ended REAL,
    seconds REAL,
    evaluations INTEGER,
    memory_mb REAL,
    score REAL,
    sha256 TEXT NOT NULL DEFAULT '',   -- of the picture's pixels
    facts TEXT NOT NULL DEFAULT '{}'   -- JSON: boxes, scores, files
);
CREATE INDEX IF NOT EXISTS jobs_by_number ON jobs (number);
CREATE TABLE IF NOT EXISTS files (
    path TEXT PRIMARY KEY,
    size INTEGER NOT NULL,
    changed INTEGER NOT NULL,          -- st_mtime_ns
    sha256 TEXT NOT NULL
);
"""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The outcome of a job that was done.

    Attributes:
        seconds, evaluations, memory_mb: what it took; denoiser sample-evaluations.
        score: of the best candidate; None where nothing is ranked.
        sha256: of the picture's pixels; of the file for looks that were learned.
        facts: more for the page: files by their kind, boxes, scores. JSON values.
    """

    seconds: float
    evaluations: int
    memory_mb: float
    score: float | None
    sha256: str
    facts: Mapping[str, object]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One job as the ledger knows it; see the comments of the schema."""

    id: str
    number: int
    kind: str
    photo: str
    words: str
    folder: str
    state: State
    attempts: int
    error: str
    worker: str
    began: float | None
    ended: float | None
    seconds: float | None
    evaluations: int | None
    memory_mb: float | None
    score: float | None
    sha256: str
    facts: dict[str, object]


COLUMNS = tuple(Row.__dataclass_fields__)
FILE_COLUMNS = ("path", "size", "changed", "sha256")


@dataclass(frozen=True, kw_only=True)
class Counts:
    """How many jobs of the list are in each state."""

    waiting: int = 0
    running: int = 0
    done: int = 0
    failed: int = 0

    @property
    def left(self) -> int:
        return self.waiting + self.running

    @property
    def total(self) -> int:
        return self.left + self.done + self.failed


class Ledger:
    """The ledger of one output folder.

        with Ledger.open(folder) as ledger:
            ledger.enter(jobs)
            ...

    Several processes of one machine may have it open; SQLite's locks want a local disk.
    """

    def __init__(self, connection: sqlite3.Connection, folder: Path) -> None:
        self.connection = connection
        self.folder = folder

    @classmethod
    def open(cls, folder: Path, *, create: bool = True) -> Ledger:
        """Open the ledger of an output folder; a new one is made when `create` is set.

        Raises:
            OutputError: there is none, it is damaged, or another version wrote it.
        """
        file = folder / NAME
        if not create and not file.is_file():
            raise OutputError(
                f"{folder} holds no ledger of a batch", Remedy("name the folder that ", Setting("out"), " named")
            )
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with ExitStack() as refused:
                connection = refused.enter_context(closing(sqlite3.connect(file, timeout=60, isolation_level=None)))
                _prepare(connection, file)
                refused.pop_all()
        except OutputError:
            raise
        except (sqlite3.DatabaseError, OSError) as problem:
            raise damaged(file, problem) from problem
        return cls(connection, folder)

    def __enter__(self) -> Ledger:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Raises: OutputError: SQLite found the file damaged, or could not write."""
        self.connection.close()
        if isinstance(error, sqlite3.DatabaseError):
            raise damaged(self.folder / NAME, error) from error

    @contextmanager
    def at_once(self) -> Iterator[sqlite3.Connection]:
        """Several changes, all or none."""
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield self.connection
        except BaseException:
            self.connection.execute("ROLLBACK")
            raise
        self.connection.execute("COMMIT")

    def enter(self, jobs: Sequence[Job], *, retry_failed: bool = False) -> None:
        """Take over a list of jobs: new ones wait, known ones keep their state, those no longer listed are put aside.

        What an earlier run had begun and not ended waits again. A job that cannot be done at all
        (`job.problem`) fails here, with its sentence.

        Args:
            retry_failed: let those that failed wait again.
        """
        with self.at_once() as connection:
            connection.execute("UPDATE jobs SET number = NULL")
            connection.executemany(
                "UPDATE OR IGNORE jobs SET id = ? WHERE id = ?", [(job.id, id) for job in jobs for id in job.former]
            )
            connection.executemany(
                "INSERT INTO jobs (id, number, kind, photo, words, folder) VALUES (?, ?, ?, ?, ?, ?) "
                "ON CONFLICT (id) DO UPDATE SET number = excluded.number, photo = excluded.photo, "
                "words = excluded.words",
                [(job.id, job.number, job.kind, job.photo, job.words, job.folder) for job in jobs],
            )
            connection.execute("UPDATE jobs SET state = 'waiting' WHERE state = 'running'")
            if retry_failed:
                connection.execute("UPDATE jobs SET state = 'waiting', deaths = 0, error = '' WHERE state = 'failed'")
            now = time.time()
            connection.executemany(
                "UPDATE jobs SET state = 'failed', error = ?, began = ?, ended = ? WHERE id = ?",
                [(job.problem, now, now, job.id) for job in jobs if job.problem],
            )

    def begin(self, id: str, worker: str) -> None:
        self.connection.execute(
            "UPDATE jobs SET state = 'running', attempts = attempts + 1, worker = ?, began = ?, ended = NULL "
            "WHERE id = ?",
            (worker, time.time(), id),
        )

    def done(self, id: str, outcome: Outcome) -> None:
        self.connection.execute(
            "UPDATE jobs SET state = 'done', error = '', ended = ?, seconds = ?, evaluations = ?, memory_mb = ?, "
            "score = ?, sha256 = ?, facts = ? WHERE id = ?",
            (
                time.time(),
                outcome.seconds,
                outcome.evaluations,
                outcome.memory_mb,
                outcome.score,
                outcome.sha256,
                json.dumps(outcome.facts),
                id,
            ),
        )

    def failed(self, id: str, error: str) -> None:
        self.connection.execute(
            "UPDATE jobs SET state = 'failed', error = ?, ended = ? WHERE id = ?", (error, time.time(), id)
        )

    def put_back(self, ids: Iterable[str]) -> None:
        """Let jobs wait that were begun and not ended, or whose results are gone."""
        with self.at_once() as connection:
            connection.executemany("UPDATE jobs SET state = 'waiting' WHERE id = ?", [(id,) for id in ids])

    def count_death(self, id: str) -> int:
        """Note that a worker ended while it did a job; returns how many have."""
        self.connection.execute("UPDATE jobs SET deaths = deaths + 1 WHERE id = ?", (id,))
        return int(self.connection.execute("SELECT deaths FROM jobs WHERE id = ?", (id,)).fetchone()[0])

    def states(self) -> dict[str, tuple[State, str]]:
        """State and folder of each job of the list, by id."""
        found = self.connection.execute("SELECT id, state, folder FROM jobs WHERE number IS NOT NULL")
        return {id: (state, folder) for id, state, folder in found}

    def counts(self) -> Counts:
        found = self.connection.execute("SELECT state, COUNT(*) FROM jobs WHERE number IS NOT NULL GROUP BY state")
        return Counts(**dict(found.fetchall()))

    def rows(
        self, *, state: State | None = None, first: int = 1, last: int | None = None, changed_since: float = 0.0
    ) -> list[Row]:
        """Jobs of the list in its order.

        Args:
            state: these alone.
            first, last: from this place of the list to that one, both included.
            changed_since: those that began or ended from this time on, in seconds since 1970; 0 for all.
        """
        where: list[str] = ["number IS NOT NULL", "number >= ?"]
        values: list[float | str] = [float(first)]
        if last is not None:
            where.append("number <= ?")
            values.append(last)
        if changed_since:
            where.append("MAX(COALESCE(began, 0), COALESCE(ended, 0)) >= ?")
            values.append(changed_since)
        if state is not None:
            where.append("state = ?")
            values.append(state)
        query = f"SELECT {', '.join(COLUMNS)} FROM jobs WHERE {' AND '.join(where)} ORDER BY number"  # nosec B608 # its parts are written above
        with closing(self.connection.execute(query, values)) as found:
            return [as_row(values, self.folder / NAME) for values in found]

    def digests(self) -> dict[str, tuple[int, int, str]]:
        """Size, time of the last change and sha256 of each input file that was read before, by path."""
        found = self.connection.execute("SELECT path, size, changed, sha256 FROM files")
        return {path: (size, changed, sha256) for path, size, changed, sha256 in found}

    def keep_digests(self, digests: Mapping[str, tuple[int, int, str]]) -> None:
        with self.at_once() as connection:
            connection.executemany(
                "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?)",
                [(plain_text(path), *facts) for path, facts in digests.items()],
            )


def as_row(values: Sequence[object], file: Path) -> Row:
    """Raises: OutputError: the file holds what no ledger does."""
    return Row(**checked_values(file, dict(zip(COLUMNS, values, strict=True))))


def _prepare(connection: sqlite3.Connection, file: Path) -> None:
    """Make the tables of a new ledger, and check those of another.

    Raises:
        OutputError: another version wrote it.
        sqlite3.DatabaseError: it is damaged.
    """
    connection.execute("PRAGMA journal_mode=WAL")
    # Each row is safe against a killed process; a power cut may take back the last rows, never break the file.
    connection.execute("PRAGMA synchronous=NORMAL")
    found = connection.execute("PRAGMA user_version").fetchone()[0]
    if found > VERSION:
        raise OutputError(
            f"{file} was written by a newer Intarsia",
            Remedy("upgrade, or name another folder with ", Setting("out")),
        )
    connection.executescript(SCHEMA)
    connection.execute(f"PRAGMA user_version={VERSION}")
    check_columns(connection, file, {"jobs": (*COLUMNS, "deaths"), "files": FILE_COLUMNS})
