"""Batches of a session: created from uploads, done in slices, and packed for download."""

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
from intarsia.batch.folder import PICTURES, is_hidden
from intarsia.batch.jobs import Job, one_line, read_jobs
from intarsia.batch.ledger import Counts, Ledger, Row
from intarsia.batch.list_text import SPREADSHEETS
from intarsia.batch.runner import to_do
from intarsia.errors import Cancelled, IntarsiaError, OutputError, RecordError
from intarsia.files import write_bytes_atomically
from intarsia.notes import collected
from intarsia.progress import OnProgress
from intarsia.records.added_files import ADDED
from intarsia.records.arrange import ArrangeRecord
from intarsia.records.edit import EditRecord
from intarsia.records.inputs import Record
from intarsia.records.remove import RemoveRecord
from intarsia.tasks.batch_worker import BatchWorker
from intarsia.web import watched_batches
from intarsia.web.edit_service import models_label
from intarsia.web.error_messages import for_pages
from intarsia.web.sessions import Session, SessionStore
from intarsia.web.work import OnIntermediate, Step

MAX_FILES = 200
"""Files of one batch, including its list."""
MAX_BYTES = 512 << 20
"""Bytes of these files together."""
SLICE_SECONDS = 15.0
"""Seconds after which a batch leaves the networks to other visitors; the job that was begun is ended first."""
SLICE_PAUSE = 0.3
"""Seconds between the end of a slice and queueing for the next."""
LISTS = (".jsonl", ".ndjson", ".csv", ".tsv", ".tab")
"""Endings of files that can only be the list; a .json may also be a layout's boxes or colours."""
LIST_NAMES = ("images.json", "jobs.json")
FOLDER = re.compile(r"batch-\d{4,}")
PICTURES_FOLDER = "in"
ABOUT_FILE = "about"
"""Name of a batch's own file, which says which upload is its list, and what all jobs share."""
DEFAULT_STEPS = int(EditRecord.steps)
"""Steps that the form leaves to the record: layouts have another default."""
MAX_ZIP_BYTES = 4 << 30
"""Bytes of an archive."""


# Uploads to jobs


def find_list(names: Sequence[str]) -> str | None:
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


def create_batch(session: Session, uploads: Sequence[Path], shared: Mapping[str, Any], seed: int) -> Path:
    """Make a batch of uploads: its files, and its jobs in a ledger of its own.

    Args:
        uploads: files, under their own names.
        shared: settings of jobs that do not say them, by their names.

    Returns:
        The batch's folder, below the session's.

    Raises:
        RecordError: there are no files, too many, two of one name, one of another kind, or the list cannot be read.
    """
    if not uploads:
        raise RecordError("There is no picture yet: drop some, or a list and its pictures.")
    if len(uploads) > MAX_FILES:
        raise RecordError(
            f"{len(uploads):,} files came, but {MAX_FILES} are taken at once: send the others afterwards."
        )
    size = sum(upload.stat().st_size for upload in uploads)
    if size > MAX_BYTES:
        raise RecordError(
            f"The files have {size >> 20:,} MB together, but {MAX_BYTES >> 20} are taken at once: send some afterwards."
        )
    names = [upload.name for upload in uploads]
    for name in names:
        ending = Path(name).suffix.lower()
        if ending in SPREADSHEETS:
            raise RecordError(f"{name} is a spreadsheet's own file: save the sheet as CSV in UTF-8, and send that.")
        if ending not in (*PICTURES, *LISTS, ".json") and not is_hidden(name):
            raise RecordError(f"{name} is neither a picture nor a list (.json, .jsonl, .csv): leave it out.")
        if names.count(name) > 1:
            raise RecordError(f"Two files are called {name}: give one of them another name.")
    listed = find_list(names)
    if listed is None and not shared.get("prompt"):
        raise RecordError(
            "There is no list, and nothing is said of what the pictures should become: say it, or send one."
        )
    folder = session.new_folder("batch")
    try:
        pictures = folder / PICTURES_FOLDER
        pictures.mkdir()
        for name, upload in zip(names, uploads, strict=True):
            shutil.copyfile(upload, pictures / name)
        about = {"list": listed, "shared": dict(shared), "seed": seed}
        (folder / ABOUT_FILE).write_text(json.dumps(about), encoding="utf-8")
        (folder / RESULTS).mkdir()
        with Ledger.open(folder) as ledger:
            enter_jobs(folder, ledger)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return folder


def enter_jobs(folder: Path, ledger: Ledger) -> list[Job]:
    """Read a batch's list again and enter it into the ledger; the jobs that are left to do."""
    about = json.loads((folder / ABOUT_FILE).read_text(encoding="utf-8"))
    pictures = folder / PICTURES_FOLDER
    known = ledger.digests()
    try:
        with collected() as notes:
            jobs = read_jobs(
                pictures / about["list"] if about["list"] else pictures,
                image_dir=pictures,
                settings=about["shared"],
                seed=about["seed"],
                known=known,
            )
    except RecordError as error:
        # Visitors are not told paths of the server.
        raise hide_paths(pictures, error) from error
    if notes != about.get("notes"):
        said = json.dumps({**about, "notes": notes}).encode()
        write_bytes_atomically(folder / ABOUT_FILE, said, overwrite=True)
    jobs = tuple(check_job(job, pictures) for job in jobs)
    ledger.enter(jobs)
    ledger.keep_digests(known)
    return to_do(jobs, ledger, folder)


def check_job(job: Job, pictures: Path) -> Job:
    """The job, or one that fails where it names a folder of this machine or brings a network; its message tells no path."""
    record = job.record
    if isinstance(record, ArrangeRecord) and record.learn.prior is not None:
        problem = "learn.prior names a folder of the server, which visitors cannot choose: leave it out."
        return dataclasses.replace(job, record=None, problem=problem)
    if isinstance(record, ArrangeRecord | RemoveRecord) and record.fill_model is not None:
        problem = "fill_model is a network to run on the server, which visitors cannot bring: leave it out."
        return dataclasses.replace(job, record=None, problem=problem)
    if not job.problem:
        return job
    error = job.error or RecordError(job.problem)
    return dataclasses.replace(job, problem=one_line(for_pages(hide_paths(pictures, error))))


def hide_paths(pictures: Path, error: IntarsiaError) -> IntarsiaError:
    """An error that does not tell where on the server the pictures lie."""
    for root in {str(pictures), str(pictures.resolve())}:
        error = error.replace(f"{root}/", "").replace(root, "the files that came")
    return error


# Jobs


@dataclass(frozen=True, kw_only=True)
class CurrentJob:
    """The job that a batch is doing, by its picture, and its progress."""

    photo: str = ""
    step: Step | None = None


class SessionWorker(BatchWorker):
    """Does jobs with the networks that all sessions share."""

    def __init__(self, store: SessionStore) -> None:
        super().__init__(store.pool, cached=False)  # nothing of a visitor outlives the session


def job_models(store: SessionStore, record: Record) -> str:
    """The networks of a job: its own where visitors may choose, else the default.

    Raises:
        RecordError: it names networks that are no choice.
    """
    if len(store.choices) == 1 or record.models == "auto":
        return store.models
    if record.models not in store.choices:
        raise RecordError(
            f"The job wants the models {record.models!r}, but these pages have {', '.join(map(models_label, store.choices))}: name one of "
            "them, or leave it out."
        )
    return record.models


def check_files_added(record: Record) -> None:
    """Raise `RecordError` where a job adds files of its own to the networks, which visitors cannot choose."""
    for setting in ADDED:
        if getattr(record, setting):
            raise RecordError(
                f"The job names files in {setting!r}, which are not looked for on this machine: leave it out."
            )


def run_slice(
    store: SessionStore, folder: Path, worker: Worker, on_progress: OnProgress, on_intermediate: OnIntermediate
) -> None:
    """Do jobs of a batch until its time is over; each is then done, failed or waiting.

    Args:
        on_intermediate: called with the name of each job's picture as it begins.

    Raises:
        Cancelled: `on_progress` did; the job that was begun waits again.
    """
    start = time.monotonic()
    with Ledger.open(folder, create=False) as ledger:
        for job in enter_jobs(folder, ledger):
            on_intermediate(job.photo)
            ledger.begin(job.id, "the web page")
            assert job.record is not None
            try:
                check_files_added(job.record)
                record = dataclasses.replace(job.record, models=job_models(store, job.record), **store.added)
                placed = dataclasses.replace(job, record=record)
                ledger.done(job.id, do_job(placed, worker, folder, on_progress))
            except Cancelled:
                ledger.put_back([job.id])
                raise
            except Exception as error:
                message = for_pages(hide_paths(folder / PICTURES_FOLDER, as_error(error)))
                ledger.failed(job.id, one_line(message))
            if time.monotonic() - start >= SLICE_SECONDS:
                return


def read_counts(folder: Path) -> Counts:
    with Ledger.open(folder, create=False) as ledger:
        return ledger.counts()


def read_notes(folder: Path) -> list[str]:
    """What was noted as a batch's list was read."""
    about = json.loads((folder / ABOUT_FILE).read_text(encoding="utf-8"))
    return [str(said) for said in about.get("notes", ())]


def read_rows(folder: Path) -> list[Row]:
    with Ledger.open(folder, create=False) as ledger:
        return ledger.rows()


def pictures_per_minute(rows: Sequence[Row]) -> float | None:
    """Pictures a minute by the durations of jobs, without waiting for turns; None before the first."""
    durations = [row.ended - row.began for row in rows if row.state == "done" and row.began and row.ended]
    total = sum(durations)
    return 60 * len(durations) / total if total > 0 else None


def results_zip(folder: Path) -> Path | None:
    """The ZIP of a batch's results, written again where some came since; None without any."""
    rows, file = read_rows(folder), folder / f"{folder.name}.zip"
    latest = max((row.ended or 0 for row in rows), default=0)
    if file.exists() and file.stat().st_mtime > latest:
        return file
    return write_zip(rows, lambda row: watched_batches.files_of(folder, row), file)


def write_zip(rows: Sequence[Row], files_of: Callable[[Row], list[Path]], file: Path) -> Path | None:
    """Write the results of jobs into a ZIP, a folder each; None without any.

    Raises:
        OutputError: it would be too large.
    """
    results = [(row, files_of(row)) for row in rows if row.state == "done"]
    results = [
        (row, [each for each in files if each.name not in (*watched_batches.THUMBS, MARK)]) for row, files in results
    ]
    size = sum(each.stat().st_size for _, files in results for each in files)
    if not any(files for _, files in results):
        return None
    if size > MAX_ZIP_BYTES:
        raise OutputError(
            f"The results have {size / 1e9:,.1f} GB, but {MAX_ZIP_BYTES / 1e9:.1f} are packed at most: let whoever runs "
            "these pages hand on the folder."
        )
    part = file.with_name(f".part-{secrets.token_hex(8)}")
    try:
        with zipfile.ZipFile(part, "w") as archive:  # stored: pictures do not get smaller
            for row, files in results:
                for each in files:
                    archive.write(each, f"{row.folder}/{each.name}")
            failures = [f"{row.number}  {row.photo}: {row.error}\n" for row in rows if row.state == "failed"]
            if failures:
                archive.writestr("failed.txt", "".join(failures))
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)
    return file


def list_batches(session: Session) -> list[Path]:
    """A session's batches, the latest first."""
    found = [f for f in session.folder.iterdir() if FOLDER.fullmatch(f.name) and (f / ABOUT_FILE).is_file()]
    return sorted(found, key=lambda folder: folder.name, reverse=True)


def session_batch(session: Session, name: Any) -> Path:
    """A batch that the page names.

    Raises:
        RecordError: the session has none of that name.
    """
    if isinstance(name, str) and FOLDER.fullmatch(name) and (session.folder / name / ABOUT_FILE).is_file():
        return session.folder / name
    raise RecordError("These pictures are not here any more: reload the page.")
