"""Which files of a folder Intarsia has written: a batch over a folder leaves them out.

They are known by what lies beside them, not by where they were put: a job's folder by its mark, a batch's by its
ledger, a scene by its files, an edit by its record. A picture that somebody has copied without its record is a
picture like any other.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from pathlib import Path, PurePath
from typing import Any

from intarsia.batch.file_names import INDEX, LEDGER, MARK, PAGE, RESULTS
from intarsia.files import file_digest
from intarsia.records.scene_folder import SCENE_FILES

DEMO = "demo.png"
"""The sheet of `intarsia demo`, beside its page and the records of its edits."""

OF_BATCH = {RESULTS: re.compile(r".+-[0-9a-f]{10}"), PAGE: re.compile(r"\w+\.js")}
"""What a batch writes into folders beside its ledger; other files there are somebody's own."""

BESIDE = r"(?:mask|boxes|layout|before)\.(?:png|jpg)"
"""What commands name after a picture, beside it: masks and drawings."""

LARGEST_DOCUMENT = 64 << 20
"""Bytes of a record."""

PRIOR_MARK = b"intarsia-prior\0"
"""Begins the text of a class's picture that `intarsia prior` has painted."""

EMBEDDED = 1 << 16
"""Bytes of a picture's file within which its record begins."""


class OwnFiles:
    """Which files and folders Intarsia has written, folder by folder."""

    def __init__(self) -> None:
        self._known: dict[Path, frozenset[str] | None] = {}

    def in_folder(self, folder: Path, names: Collection[str]) -> frozenset[str] | None:
        """Names of a folder's own files and folders that Intarsia has written; None where the whole folder is."""
        if folder not in self._known:
            whole = _is_job(folder, names) or set(SCENE_FILES.values()) <= set(names)
            found = frozenset() if whole else _written(folder, names)
            whole = whole or ({DEMO, INDEX} <= set(names) and bool(found))
            self._known[folder] = None if whole else found
        return self._known[folder]

    def holds(self, file: Path) -> bool:
        """Whether a file that lies somewhere is one of them."""
        folder = file.parent
        if folder not in self._known:
            try:
                self.in_folder(folder, [entry.name for entry in folder.iterdir()])
            except OSError:
                return False
        own = self._known[folder]
        return own is None or file.name in own


def _is_job(folder: Path, names: Collection[str]) -> bool:
    if MARK not in names:
        return False
    mark = _read_json(folder / MARK)
    return isinstance(mark.get("id"), str) and isinstance(mark.get("outcome"), dict)


def _written(folder: Path, names: Collection[str]) -> frozenset[str]:
    own: set[str] = set()
    if LEDGER in names:
        own |= {name for name in names if name.startswith(LEDGER) or name == INDEX}
    if folder.name in OF_BATCH and (folder.parent / LEDGER).is_file():
        own |= {name for name in names if OF_BATCH[folder.name].fullmatch(name)}
    for name in names:
        if name.endswith(".json"):
            own |= _written_with(folder, name, names)
    return frozenset(own)


def _written_with(folder: Path, record: str, names: Collection[str]) -> set[str]:
    """What was written with a record: itself, its pictures, their masks and drawings; nothing with other JSON."""
    document = _read_json(folder / record, begins=b'"intarsia"')
    if not isinstance(document.get("record"), dict) or not isinstance(document.get("output_sha256"), str):
        return set()
    stem = record.removesuffix(".json")
    lead = document.get("picture")
    lead = lead if isinstance(lead, str) else f"{stem}.png"
    beside = re.compile(rf"{re.escape(stem)}\.(?:{BESIDE}|\d+{re.escape(PurePath(lead).suffix)})")
    own = {record, *(name for name in names if beside.fullmatch(name))}
    if lead in names and not _is_original(folder / lead, document):
        own.add(lead)
    return own


def _is_original(picture: Path, document: dict[str, Any]) -> bool:
    """Whether the picture beside a record is what was edited, since somebody has copied the record to it."""
    try:
        with picture.open("rb") as file:
            if b"intarsia" in file.read(EMBEDDED):
                return False
        return bool(file_digest(picture) == document["inputs"]["photo"]["sha256"])
    except (OSError, KeyError, TypeError):
        return False


def _read_json(file: Path, begins: bytes = b"") -> dict[str, Any]:
    """A JSON object; empty for anything else, and where its beginning does not hold `begins`."""
    try:
        if not file.is_file() or file.stat().st_size > LARGEST_DOCUMENT:
            return {}
        with file.open("rb") as opened:
            head = opened.read(256)
            if begins not in head:
                return {}
            value = json.loads(head + opened.read())
    except (OSError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
