"""A session's results in files: how they are made, found and named."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from intarsia.errors import RecordError
from intarsia.imaging.read import read_text_chunk
from intarsia.records.inputs import AnyRecord
from intarsia.results.document import as_json
from intarsia.web.sessions import Session

KEEP = 3
"""Candidates of a change that the page offers in full: the search paints as many to the end anyhow."""
RESULT = re.compile(r"(?:edit|arrange|remove)-\d{4,}")


# Making


def in_png(record: AnyRecord) -> AnyRecord:
    """The record of a result that is kept without loss; visitors choose the format when they fetch it."""
    return dataclasses.replace(record, format="png", quality=None)


@contextmanager
def result_in(session: Session, kind: str) -> Iterator[Path]:
    """A new folder for a result of the session, which is removed if its making fails."""
    folder = session.new_folder(kind)
    try:
        yield folder
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


@contextmanager
def passing_folder(session: Session, kind: str) -> Iterator[Path]:
    """A new folder of the session, which is removed in any case."""
    folder = session.new_folder(kind)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write_other_records(folder: Path) -> None:
    """Write the record of each further candidate beside its picture, which carries it."""
    lead = lead_record(folder)
    for picture in other_pictures(folder, lead):
        record = read_text_chunk(picture)
        if record is not None:
            picture.with_suffix(".json").write_bytes(as_json(json.loads(record)))


# Finding


def lead_record(folder: Path) -> Path:
    """The record of a result's best picture: its name is the shortest.

    Raises:
        RecordError: the folder holds none, or is gone.
    """
    records = sorted(folder.glob("*.json"), key=lambda file: (len(file.name), file.name))
    if not records:
        raise RecordError("That result is not here any more: reload the page.")
    return records[0]


def other_pictures(folder: Path, lead: Path) -> list[Path]:
    """Pictures of the further candidates, best first."""
    numbered = {
        int(found[1]): file
        for file in folder.glob("*.png")
        if (found := re.fullmatch(re.escape(lead.stem) + r"\.(\d+)\.png", file.name))
    }
    return [numbered[k] for k in sorted(numbered)]


def pictures_in(folder: Path) -> list[Path]:
    """All pictures of a result, best first."""
    lead = lead_record(folder)
    return [lead.with_suffix(".png"), *other_pictures(folder, lead)]


def result_folder(session: Session, name: Any) -> Path:
    """A result that somebody names.

    Raises:
        RecordError: the session has none of that name.
    """
    if isinstance(name, str) and RESULT.fullmatch(name) and (session.folder / name).is_dir():
        return session.folder / name
    raise RecordError("That result is not here any more: reload the page.")


def picture_of(folder: Path, index: Any) -> Path:
    """The picture of a result's candidate, counted from 0.

    Raises:
        RecordError: there is none of that number.
    """
    pictures = pictures_in(folder)
    if type(index) is not int or not 0 <= index < len(pictures):
        raise RecordError("That picture is not here any more: reload the page.")
    return pictures[index]
