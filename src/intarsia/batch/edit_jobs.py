"""Lists of edits by words, read whole or refused whole."""

from __future__ import annotations

from pathlib import Path

from intarsia.batch.jobs import read_jobs
from intarsia.errors import RecordError
from intarsia.records.edit import EditRecord


def read_edits(file: Path) -> tuple[EditRecord, ...]:
    """Read a list of edits by words, in any form that a batch takes; pictures are looked for beside it.

    Raises:
        RecordError: the file is missing, of another form, empty, or a job in it is wrong or none by words.
    """
    edits = []
    for job in read_jobs(file, settings={"seed": EditRecord.seed}, confined=False, reject_duplicates=False):
        if job.problem:
            raise RecordError(f"{file}: {job.problem}")
        if not isinstance(job.record, EditRecord):
            raise RecordError(f"{file}: Job {job.number} is of the kind {job.kind!r}, but edits by words are expected.")
        edits.append(job.record)
    return tuple(edits)
