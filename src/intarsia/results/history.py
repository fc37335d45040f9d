"""The edits whose records lie in a folder, in the order in which they were made."""

from __future__ import annotations

import glob
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from intarsia.errors import Command, RecordError, Remedy
from intarsia.notes import note
from intarsia.records.remove import describe_removed
from intarsia.records.weighted_prompt import without_weights
from intarsia.results.document import describe
from intarsia.results.replay import read_document

WRITTEN_TO = Remedy("give the one that ", Command("edit", quoted=False), ", arrange or remove wrote to")
"""Which folder has a history."""


@dataclass(frozen=True, kw_only=True)
class HistoryEntry:
    """One edit of a folder's history.

    Attributes:
        file: the record, to be replayed.
        made_at: time in ISO form.
        photo: the picture that was edited.
        words: what was done.
        pictures: files beside the record that were made with it and are still there.
    """

    file: Path
    made_at: str
    photo: str
    words: str
    pictures: tuple[Path, ...]


def read_history(folder: Path) -> tuple[HistoryEntry, ...]:
    """The edits whose records lie in a folder, or in the folders in it, in the order they were made.

    Raises:
        RecordError: there is no such folder, or no record is in it.
    """
    if not folder.is_dir():
        raise RecordError(f"There is no folder {folder}", WRITTEN_TO)
    entries = []
    for file in (*folder.glob("*.json"), *folder.glob("*/*.json")):
        try:
            facts = read_document(file)
        except RecordError as problem:
            if "is not valid JSON" in str(problem):  # else it is another program's
                note(str(problem))
            continue
        fields = facts.get("record")
        if not (isinstance(fields, dict) and isinstance(facts.get("output_sha256"), str)):
            continue
        entries.append(history_entry(file, facts, fields))
    if not entries:
        raise RecordError(f"The folder {folder} holds no record of an edit", WRITTEN_TO)
    return tuple(sorted(entries, key=lambda entry: (moment_of(entry.made_at), entry.made_at, entry.file.name)))


def moment_of(made_at: str) -> float:
    """Seconds since 1970 of a time in ISO form, whose hours may be those of summer or of another zone; 0 where it is none."""
    try:
        return datetime.fromisoformat(made_at).timestamp()
    except (ValueError, OverflowError, OSError):
        return 0.0


def history_entry(file: Path, facts: dict[str, Any], fields: dict[str, Any]) -> HistoryEntry:
    """Read without the records' own checks: the list should show what an older or newer version wrote, too."""
    source, prompt = (without_weights(str(fields.get(name) or "")) for name in ("source", "prompt"))
    words = f"{source} becomes {prompt}" if source else prompt
    if fields.get("kind") == "ArrangeRecord":
        words = describe(fields)
    elif fields.get("kind") == "RemoveRecord":
        words = f"{describe_removed(fields)} removed"
    # Results may keep their photo's format.
    lead = file.with_name(Path(str(facts.get("picture") or f"{file.stem}.png")).name)
    kept = [lead, *sorted(file.parent.glob(f"{glob.escape(file.stem)}.[0-9]*{glob.escape(lead.suffix)}"))]
    return HistoryEntry(
        file=file,
        made_at=str(facts.get("made_at") or ""),
        photo=str(fields.get("photo") or ""),
        words=words,
        pictures=tuple(picture for picture in kept if picture.is_file()),
    )
