"""The page of a batch, while it runs and after: index.html, and its data in small scripts beside it.

A page that was opened from the disk may read no other file than scripts and pictures. So the rows stand
in scripts of 500 that call `rows(...)`, and the page loads those again that have changed.
"""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from intarsia.batch.executor import RESULTS
from intarsia.batch.file_names import INDEX
from intarsia.batch.file_names import PAGE as FOLDER
from intarsia.batch.ledger import Counts, Ledger, Row
from intarsia.files import write_bytes_atomically
from intarsia.palette import root_style

COLOURS = ("paper", "card", "well", "ink", "quiet", "rule", "edge", "done", "failed", "running")
"""Colours that the page uses."""
CHUNK = 500
"""Rows in one script."""

OVERLAP = 5.0
"""Seconds before the last look at the ledger that are looked at again: who writes it has read the clock before."""

LINKED = ("picture", "record", "mask", "sheet", "before", "after", "file")
"""Files of a job that the page links or shows, as its facts name them."""


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """What is known of one script of rows.

    Attributes:
        version: digest of its content.
        began: when its first job began, seconds since 1970; None before that.
        running: whether one of its jobs is being done.
    """

    version: str
    began: float | None
    running: bool


class Page:
    """The page in an output folder; it remembers what it wrote, and writes what has changed.

    page = Page(folder)
    page.write(ledger, current=["worker 1  trees.jpg  painting 12/30"], rate=41.2, eta=120)
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.chunks: dict[int, Chunk] = {}
        self.looked_at = 0.0
        self.notes: tuple[str, ...] = ()
        """On the list of jobs."""

    def write(
        self,
        ledger: Ledger,
        *,
        current: Sequence[str] = (),
        rate: float | None = None,
        eta: float | None = None,
        over: bool = False,
    ) -> None:
        """Bring the page up to the ledger: all of it the first time and the last, else what has changed.

        Args:
            current: what is being done, one line a worker.
            rate: pictures a minute.
            eta: seconds until all are done.
            over: the run has ended; an open page then asks for news but seldom.

        Raises:
            OutputError: the folder or the disk refuses.
        """
        now = time.time()
        first = self.looked_at == 0
        # A clock that was put back hides what has changed since.
        everything = over or first or now < self.looked_at
        if first:
            write_bytes_atomically(self.folder / INDEX, index_page(), overwrite=True)
        counts = ledger.counts()
        last = -(-counts.total // CHUNK)
        for number in range(1, last + 1) if everything else self.changed(ledger):
            self.write_chunk(ledger, number)
        for number in [number for number in self.chunks if number > last]:
            del self.chunks[number]
        if everything:
            self.remove_beyond(last)
        # After the rows: a page that reads a version here finds those rows, or newer ones.
        began = [chunk.began for chunk in self.chunks.values() if chunk.began is not None]
        summary = {
            "name": self.folder.resolve().name,
            "written": now,
            "over": over,
            "counts": counted(counts),
            "began": min(began, default=None),
            "rate": rate,
            "eta": eta,
            "current": list(current),
            "notes": list(self.notes),
            "results": RESULTS,
            "size": CHUNK,
            "versions": [self.chunks[number].version for number in sorted(self.chunks)],
        }
        self.save("summary.js", f"summary({as_script(summary)});\n")
        self.looked_at = now

    def changed(self, ledger: Ledger) -> list[int]:
        """Chunks with rows that began or ended since, and those with rows that ran: they may have been put back."""
        rows = ledger.rows(changed_since=self.looked_at - OVERLAP)
        ran = {number for number, chunk in self.chunks.items() if chunk.running}
        return sorted({chunk_of(row) for row in rows} | ran)

    def write_chunk(self, ledger: Ledger, number: int) -> None:
        """Write one script of rows, if it differs from the one that is there."""
        rows = ledger.rows(first=(number - 1) * CHUNK + 1, last=number * CHUNK)
        content = as_script([shown_row(row) for row in rows])
        version = hashlib.sha256(content.encode()).hexdigest()[:12]
        known = self.chunks.get(number)
        if known is None or known.version != version:
            self.save(chunk_name(number), f'rows({number}, {content}, "{version}");\n')
        self.chunks[number] = Chunk(
            version=version,
            began=min((row.began for row in rows if row.began is not None), default=None),
            running=any(row.state == "running" for row in rows),
        )

    def save(self, name: str, script: str) -> None:
        write_bytes_atomically(self.folder / FOLDER / name, script.encode(), overwrite=True)

    def remove_beyond(self, last: int) -> None:
        """Remove scripts of rows that an earlier, longer list has left."""
        for file in (self.folder / FOLDER).glob("[0-9]*.js"):
            if file.stem.isdigit() and int(file.stem) > last:
                file.unlink(missing_ok=True)


def chunk_of(row: Row) -> int:
    return (row.number - 1) // CHUNK + 1


def chunk_name(number: int) -> str:
    return f"{number:04d}.js"


def counted(counts: Counts) -> dict[str, int]:
    return {name: getattr(counts, name) for name in ("waiting", "running", "done", "failed")}


def shown_row(row: Row) -> dict[str, object]:
    """What the page shows of a job; what is empty is left out.

    Files by their kind are names in the job's folder: a name that leads elsewhere is no link.
    """
    facts = row.facts if row.state == "done" else {}
    values: dict[str, object] = {
        "number": row.number,
        "state": row.state,
        "kind": row.kind,
        "photo": row.photo,
        "words": row.words,
        "attempts": row.attempts if row.attempts > 1 else None,
        "ended": round(row.ended, 1) if row.ended is not None and row.state in ("done", "failed") else None,
    }
    if row.state == "failed":
        values["error"] = row.error
    if row.state == "done":
        values |= {
            "folder": row.folder,
            "score": row.score,
            "seconds": row.seconds,
            "evaluations": row.evaluations,
            "memory": row.memory_mb,
            "sha": row.sha256[:8],
            "mode": facts.get("mode"),
            "files": {kind: name for kind in LINKED if plain_name(name := facts.get(kind))},
            "boxes": facts.get("boxes"),
            "size": facts.get("size"),
            "scores": pairs(facts.get("scores")),
            "notes": texts(facts.get("notes")),
        }
    return {name: value for name, value in values.items() if value not in (None, "", [], {})}


def plain_name(name: object) -> bool:
    """Whether this names a file of the folder it stands for, and nothing above or below."""
    return isinstance(name, str) and name not in ("", ".", "..") and not set(name) & set("/\\\0")


def pairs(scores: object) -> list[tuple[str, float]]:
    """Scores by name, as pairs: a name is a text to the page, never a property of an object."""
    if not isinstance(scores, Mapping):
        return []
    return [(str(name), value) for name, value in scores.items() if isinstance(value, int | float)]


def texts(notes: object) -> list[str]:
    """A job's notes, each a sentence."""
    return [str(note) for note in notes] if isinstance(notes, list | tuple) else []


def as_script(value: object) -> str:
    """A value as JavaScript, in ASCII; no text in it can end a script or begin a tag."""
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def index_page() -> bytes:
    """The page itself; nothing of any job stands in it.

    Its policy lets this one script run and what that inserts: were a text of a job ever taken for HTML,
    its scripts and handlers would do nothing.
    """
    here = files("intarsia.batch")
    frame = (here / "report.html").read_text(encoding="utf-8")
    script = (here / "report.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    frame = frame.replace("%COLOURS%", root_style(*COLOURS))
    return frame.replace("%DIGEST%", digest).replace("%SCRIPT%", script).encode()
