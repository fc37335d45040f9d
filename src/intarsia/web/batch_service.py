"""What the tab of many pictures does: take a list in, do its jobs in turns, pack what came of them."""

from __future__ import annotations

import dataclasses
import json
import re
import secrets
import shutil
import time
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from intarsia.batch.executor import MARK, RESULTS, Worker, as_error, do_job
from intarsia.batch.jobs import PICTURES, Job, one_line, read_jobs
from intarsia.batch.ledger import Counts, Ledger, Row
from intarsia.batch.runner import to_do
from intarsia.errors import Cancelled, IntarsiaError, OutputError, RecordError
from intarsia.progress import OnProgress
from intarsia.records.arrange import ArrangeRecord
from intarsia.records.edit import EditRecord
from intarsia.tasks.batch_worker import BatchWorker
from intarsia.web import watched_batches
from intarsia.web.edit_service import models_label
from intarsia.web.error_messages import for_pages
from intarsia.web.sessions import Session, SessionStore
from intarsia.web.work import Show, Step

MOST_FILES = 200
"""Files of one batch, its list included."""
MOST_BYTES = 512 << 20
"""Bytes of them together."""
TURN = 15.0
"""Seconds after which a batch lets other visitors have the networks; a picture that was begun is ended."""
BETWEEN = 0.3
"""Seconds between the end of a turn and asking for the next."""
LISTS = (".jsonl", ".ndjson", ".csv")
"""Files that can only be the list; a .json may also be a layout's boxes or colours."""
LIST_NAMES = ("images.json", "jobs.json")
FOLDER = re.compile(r"batch-\d{4,}")
PICTURES_FOLDER = "in"
ABOUT = "about"
"""The file of a batch that says which file is its list, and what all jobs share."""
USUAL_STEPS = EditRecord.steps
"""Steps that are not said to a batch: layouts have a number of their own."""
LARGEST_ZIP = 4 << 30
"""Bytes of an archive."""


# What came


def the_list(names: Sequence[str]) -> str | None:
    """Which of the files is the list of jobs; None where there are pictures alone.

    Raises:
        RecordError: several could be.
    """
    found = [name for name in names if Path(name).suffix.lower() in LISTS]
    if not found:
        documents = [name for name in names if Path(name).suffix.lower() == ".json"]
        known = [name for name in documents if name.lower() in LIST_NAMES]
        found = known or documents
    if len(found) > 1:
        raise RecordError(f"{found[0]} and {found[1]} could both be the list: send one of them.")
    return found[0] if found else None


def take_in(visit: Session, uploads: Sequence[Path], shared: Mapping[str, Any], seed: int) -> Path:
    """A batch of what came, read and entered into a ledger of its own.

    Args:
        uploads: where the files lie, under their own names.
        shared: settings that jobs leave out, by their names.

    Returns:
        The batch's folder, below the visitor's.

    Raises:
        RecordError: nothing came, too much did, files of one name or of a strange kind, or the list cannot be read.
    """
    if not uploads:
        raise RecordError("There is no picture yet: drop some, or a list and its pictures.")
    if len(uploads) > MOST_FILES:
        raise RecordError(f"{len(uploads):,} files came, but a batch takes {MOST_FILES}: send the others in another.")
    size = sum(upload.stat().st_size for upload in uploads)
    if size > MOST_BYTES:
        raise RecordError(
            f"The files have {size >> 20:,} MB together, but a batch takes {MOST_BYTES >> 20}: send some in another."
        )
    names = [upload.name for upload in uploads]
    for name in names:
        if Path(name).suffix.lower() not in (*PICTURES, *LISTS, ".json"):
            raise RecordError(f"{name} is neither a picture nor a list (.json, .jsonl, .csv): leave it out.")
        if names.count(name) > 1:
            raise RecordError(f"Two files are called {name}: give one of them another name.")
    listed = the_list(names)
    if listed is None and not shared.get("prompt"):
        raise RecordError(
            "There is no list, and nothing is said of what the pictures should become: say it, or send one."
        )
    folder = visit.new_folder("batch")
    try:
        place = folder / PICTURES_FOLDER
        place.mkdir()
        for name, upload in zip(names, uploads, strict=True):
            shutil.copyfile(upload, place / name)
        about = {"list": listed, "shared": dict(shared), "seed": seed}
        (folder / ABOUT).write_text(json.dumps(about), encoding="utf-8")
        (folder / RESULTS).mkdir()
        with Ledger.open(folder) as ledger:
            enter(folder, ledger)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return folder


def enter(folder: Path, ledger: Ledger) -> list[Job]:
    """Read a batch's list anew, and say what of it is left to do."""
    about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
    place = folder / PICTURES_FOLDER
    known = ledger.digests()
    try:
        jobs = read_jobs(
            place / about["list"] if about["list"] else place,
            image_dir=place,
            settings=about["shared"],
            seed=about["seed"],
            known=known,
        )
    except RecordError as problem:
        # Paths of the server are nobody's business.
        raise problem.replace(f"{place}/", "") from problem
    jobs = tuple(allowed(job, place) for job in jobs)
    ledger.enter(jobs)
    ledger.keep_digests(known)
    return to_do(jobs, ledger, folder)


def allowed(job: Job, place: Path) -> Job:
    """The job, or one that fails where it names a folder of this machine; what it says of paths is shortened."""
    record = job.record
    if isinstance(record, ArrangeRecord) and record.learn.prior is not None:
        problem = "learn.prior names a folder of the server, which visitors cannot choose: leave it out."
        return dataclasses.replace(job, record=None, problem=problem)
    if not job.problem:
        return job
    error = job.error or RecordError(job.problem)
    return dataclasses.replace(job, problem=one_line(for_pages(without(place, error))))


def without(place: Path, error: IntarsiaError) -> IntarsiaError:
    """An error that does not tell where on the server the pictures lie."""
    for root in {str(place), str(place.resolve())}:
        error = error.replace(f"{root}/", "").replace(root, "the files that came")
    return error


# What is done


@dataclass(frozen=True, kw_only=True)
class Now:
    """What a batch is doing: a job of so many, and how far it is."""

    photo: str = ""
    step: Step | None = None


class SessionWorker(BatchWorker):
    """Does jobs with the room's networks."""

    def __init__(self, room: SessionStore) -> None:
        super().__init__(room.pool, cached=False)  # nothing of a visitor outlives the visit


def models_of(room: SessionStore, record: EditRecord | ArrangeRecord) -> str:
    """The networks that a job is done with: its own where visitors may choose, else those that all have.

    Raises:
        RecordError: it names networks that are no choice.
    """
    if len(room.choices) == 1 or record.models == "auto":
        return room.models
    if record.models not in room.choices:
        raise RecordError(
            f"The job wants the models {record.models!r}, but these pages have {', '.join(map(models_label, room.choices))}: name one of "
            "them, or leave it out."
        )
    return record.models


def turn(room: SessionStore, folder: Path, perform: Worker, on_progress: OnProgress, show: Show) -> None:
    """Do jobs of a batch until its turn is over; each is done, failed, or to be done, and nothing between.

    Args:
        show: told the name of each job's picture as it begins.

    Raises:
        Cancelled: `on_progress` did; the job that was begun waits again.
    """
    began = time.monotonic()
    with Ledger.open(folder, create=False) as ledger:
        for job in enter(folder, ledger):
            show(job.photo)
            ledger.begin(job.id, "the web page")
            assert job.record is not None
            try:
                record = dataclasses.replace(job.record, models=models_of(room, job.record))
                placed = dataclasses.replace(job, record=record)
                ledger.done(job.id, do_job(placed, perform, folder, on_progress))
            except Cancelled:
                ledger.put_back([job.id])
                raise
            except Exception as problem:
                told = for_pages(without(folder / PICTURES_FOLDER, as_error(problem)))
                ledger.failed(job.id, one_line(told))
            if time.monotonic() - began >= TURN:
                return


def counts_of(folder: Path) -> Counts:
    with Ledger.open(folder, create=False) as ledger:
        return ledger.counts()


def rows_of(folder: Path) -> list[Row]:
    with Ledger.open(folder, create=False) as ledger:
        return ledger.rows()


def rate(rows: Sequence[Row]) -> float | None:
    """Pictures a minute, from what those took that were done; waiting for a turn does not count."""
    took = [row.ended - row.began for row in rows if row.state == "done" and row.began and row.ended]
    total = sum(took)
    return 60 * len(took) / total if total > 0 else None


def packed(folder: Path) -> Path | None:
    """The ZIP of a batch's results, written anew where some came since; None without any."""
    rows, file = rows_of(folder), folder / f"{folder.name}.zip"
    latest = max((row.ended or 0 for row in rows), default=0)
    if file.exists() and file.stat().st_mtime > latest:
        return file
    return pack(rows, lambda row: watched_batches.files_of(folder, row), file)


def pack(rows: Sequence[Row], files_of: Callable[[Row], list[Path]], file: Path) -> Path | None:
    """Write what came of jobs into a ZIP, a folder each; None where nothing has come.

    Raises:
        OutputError: it would be too large.
    """
    made = [(row, files_of(row)) for row in rows if row.state == "done"]
    made = [(row, [each for each in files if each.name not in (*watched_batches.THUMBS, MARK)]) for row, files in made]
    size = sum(each.stat().st_size for _, files in made for each in files)
    if not any(files for _, files in made):
        return None
    if size > LARGEST_ZIP:
        raise OutputError(
            f"The results have {size / 1e9:,.1f} GB, but {LARGEST_ZIP / 1e9:.1f} are packed at most: let whoever runs "
            "these pages hand on the folder."
        )
    part = file.with_name(f".part-{secrets.token_hex(8)}")
    try:
        with zipfile.ZipFile(part, "w") as archive:  # stored: pictures do not get smaller
            for row, files in made:
                for each in files:
                    archive.write(each, f"{row.folder}/{each.name}")
            failures = [f"{row.number}  {row.photo}: {row.error}\n" for row in rows if row.state == "failed"]
            if failures:
                archive.writestr("failed.txt", "".join(failures))
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)
    return file


def batches(visit: Session) -> list[Path]:
    """A visit's batches, the latest first."""
    found = [f for f in visit.folder.iterdir() if FOLDER.fullmatch(f.name) and (f / ABOUT).is_file()]
    return sorted(found, key=lambda folder: folder.name, reverse=True)


def batch_of(visit: Session, name: Any) -> Path:
    """A batch that the page names.

    Raises:
        RecordError: the visitor has none of that name.
    """
    if isinstance(name, str) and FOLDER.fullmatch(name) and (visit.folder / name / ABOUT).is_file():
        return visit.folder / name
    raise RecordError("That batch is not here any more: reload the page.")
