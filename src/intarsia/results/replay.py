"""Read a result's record back and find the files that it was made from."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path, PurePath, PureWindowsPath
from typing import Any

from intarsia.errors import Command, PictureError, RecordError, Remedy, Setting
from intarsia.files import file_digest
from intarsia.imaging.read import read_text_chunk
from intarsia.records.arrange import ArrangeRecord
from intarsia.records.edit import EditRecord
from intarsia.records.inputs import Record, input_files, with_files
from intarsia.records.remove import RemoveRecord
from intarsia.records.serialize import from_json

KINDS: dict[str, type[EditRecord] | type[ArrangeRecord] | type[RemoveRecord]] = {
    kind.__name__: kind for kind in (EditRecord, ArrangeRecord, RemoveRecord)
}


WRITTEN = Remedy(
    "give the NAME.json or NAME.png that ",
    Command("edit", quoted=False),
    ", arrange or remove wrote",
    page="give the NAME.json or NAME.png of an edit",
)
"""Which files can be replayed."""


@dataclass(frozen=True, kw_only=True)
class Replay:
    """A recorded edit, ready to be made again.

    Attributes:
        record: with the photo's path as it was found.
        index: of the candidate, or of the seed's picture, that the file shows.
        output_sha256: of the pixels that were made then.
        threads: that the CPU's work was split into; sums in another order end in other last bits. None where an
            older version did not say, or no network was needed.
    """

    record: Record
    index: int
    output_sha256: str
    threads: int | None


def read_replay(file: Path, photo: Path | None = None) -> Replay:
    """Read the record of a result, and find the files that it was made from.

    Args:
        file: a result's JSON file, or a picture that carries its record.
        photo: the photo, where it is no longer at its old place.

    Raises:
        RecordError: the file holds no record, or a damaged one; or a file it was made from has changed.
        PictureError: the photo is not to be found.
    """
    facts = read_document(file)
    fields = facts.get("record")
    if not isinstance(fields, dict):
        raise RecordError(f"{file} holds no record of an edit", WRITTEN)
    named = fields.get("kind", "EditRecord")
    kind = KINDS.get(named) if isinstance(named, str) else None
    if kind is None:
        raise RecordError(
            f"{file} holds a record of the kind {json.dumps(named)[:80]}, which this version does not know: upgrade "
            "Intarsia."
        )
    record: Record = from_json(kind, fields, str(file))
    inputs = facts.get("inputs", {})
    index, digest = facts.get("chosen", 0), facts.get("output_sha256", "")
    if not (isinstance(inputs, dict) and type(index) is int and index >= 0 and isinstance(digest, str)):
        raise RecordError(f"{file} is damaged: 'inputs', 'chosen' or 'output_sha256' is not of the kind expected.")
    found = {
        name: str(photo if name == "photo" and photo else find_input(Path(value), file))
        for name, value in input_files(record).items()
    }
    if not is_there(Path(found["photo"])):
        raise PictureError(
            f"The photo {record.photo} that {file} was made from is not there",
            Remedy("pass it with ", Setting("photo", "FILE"), page="give it too"),
        )
    for name, path in found.items():
        recorded = inputs.get(name)
        if isinstance(recorded, dict) and is_there(Path(path)) and file_digest(Path(path)) != recorded.get("sha256"):
            remedy = (
                Remedy("pass the original with ", Setting("photo", "FILE"), page="give the original")
                if name == "photo"
                else Remedy("bring the original back")
            )
            raise RecordError(f"{path} is not the {name} that {file} was made from (its sha256 differs)", remedy)
    threads = facts.get("threads")
    usable = type(threads) is int and 1 <= threads <= 4096
    return Replay(
        record=with_files(record, found), index=index, output_sha256=digest, threads=threads if usable else None
    )


def is_there(path: Path) -> bool:
    """Whether there is such a file; a path that no system takes is none."""
    return os.path.isfile(path)  # noqa: PTH113  # Path.is_file raises on a name that is too long


def last_part(path: str) -> str:
    """The name of a file, of whichever system its path is: records travel."""
    windows = PureWindowsPath(path)
    return windows.name if windows.drive else PurePath(path).name


def find_input(path: Path, file: Path) -> Path:
    """Where an input of a record lies now: at its path, beside the record, or in the current folder."""
    name = last_part(str(path))
    places = (path, file.parent / path, file.parent / name, Path(name))
    return next((place for place in places if is_there(place)), path)


def read_document(file: Path) -> dict[str, Any]:
    """The JSON values that a result's file carries."""
    if not is_there(file):
        raise RecordError(f"There is no file {file} to replay: check the name and the folder.")
    with file.open("rb") as opened:
        head = opened.read(16)
    if head.lstrip()[:1] == b"{":
        text: str | None = file.read_text(encoding="utf-8", errors="replace")
    else:
        try:
            text = read_text_chunk(file)
        except PictureError as problem:
            raise RecordError(
                f"{file} is neither a result's JSON file nor a picture with a record inside", WRITTEN
            ) from problem
    if text is None:
        raise RecordError(
            f"The picture {file} carries no record: it was not made by Intarsia, was made with ",
            Setting("no_metadata", True),
            ", or was saved again by another program. Give its NAME.json instead.",
        )
    try:
        facts = json.loads(text)
    except RecursionError:
        raise RecordError(f"{file} is no record of an edit, since its JSON is nested too deeply", WRITTEN) from None
    except ValueError as problem:
        raise RecordError(f"{file} is not valid JSON ({problem}): it is damaged or cut off.") from problem
    if not isinstance(facts, dict):
        raise RecordError(f"{file} holds a list or a plain value, not the record of an edit.")
    return facts
