"""Lists of edits, as JSON files."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from intarsia.errors import RecordError
from intarsia.records import EditRecord, from_json


def read_jobs(file: Path) -> tuple[EditRecord, ...]:
    """Read a list of edits.

    Either a list of records, or the published method's form: {"1.png": ["source words", "prompt"]}.
    Pictures are looked for beside the file.

    Raises:
        RecordError: the file is missing, no JSON, of another form, empty, or a record in it is wrong.
    """
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RecordError(f"There is no list of jobs {file}: check the name and the folder.") from None
    except OSError as problem:
        raise RecordError(
            f"The list of jobs {file} cannot be read ({problem.strerror}): give a JSON file."
        ) from problem
    except ValueError as problem:
        raise RecordError(f"The list of jobs {file} is not valid JSON ({problem}): correct that place.") from problem
    if isinstance(values, dict):
        entries = [pair_as_record(photo, words, file) for photo, words in values.items()]
    elif isinstance(values, list):
        entries = values
    else:
        entries = []
    if not entries:
        raise RecordError(f"The list of jobs {file} is empty: give records, or pictures with their words.")
    jobs = []
    for number, entry in enumerate(entries, 1):
        where = f"Job {number} of {file}"
        if not isinstance(entry, dict):
            raise RecordError(f"{where} is no record: each job is settings in braces, with a photo and a prompt.")
        record: EditRecord = from_json(EditRecord, entry, where)
        jobs.append(dataclasses.replace(record, photo=str(file.parent / record.photo)))
    return tuple(jobs)


def pair_as_record(photo: str, words: Any, file: Path) -> dict[str, Any]:
    """One entry of the published form as a record's fields."""
    if not (isinstance(words, list) and len(words) == 2 and all(isinstance(w, str) for w in words)):
        raise RecordError(f'{file} gives {photo!r} as {words!r}, but ["source words", "prompt"] is expected.')
    return {"photo": photo, "source": words[0], "prompt": words[1]}
