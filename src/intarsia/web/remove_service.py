"""Remove for a session: records, removals and replays."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from intarsia.backbones import ModelSource
from intarsia.backbones.segmenters import LoadedSegmenter
from intarsia.progress import OnProgress
from intarsia.records.remove import RemoveRecord
from intarsia.records.serialize import from_json
from intarsia.results.document import pixel_digest
from intarsia.results.replay import read_replay
from intarsia.tasks.remove import RemoveTaskResult, run_remove
from intarsia.web.result_store import in_png, passing_folder, result_in
from intarsia.web.sessions import Session, SessionStore

SETTINGS = ("shadows", "grow", "seed")
"""The record's settings that have a field on the page."""


# Records


def build_record(photo: Path, mask: Path, settings: Mapping[str, Any]) -> RemoveRecord:
    """The record of a removal that a page asks for.

    Args:
        photo, mask: in the session's folder.
        settings: some of `SETTINGS`; others, which no page has, are left out.

    Raises:
        RecordError: one is out of range, or of another kind.
    """
    fields = {"photo": str(photo), "mask": str(mask)}
    chosen = {name: settings[name] for name in SETTINGS if name in settings}
    record: RemoveRecord = from_json(RemoveRecord, {**fields, **chosen}, "the request")
    return record


# Results


class RemoveService:
    """Removals with the networks of a store."""

    def __init__(self, store: SessionStore) -> None:
        self.store = store

    def load_segmenter(self, source: ModelSource) -> LoadedSegmenter:
        return self.store.pool.segmenter(source)

    def remove(self, session: Session, record: RemoveRecord, on_progress: OnProgress) -> Path:
        """Make a removal in a new folder of the session, which is removed if that fails.

        Returns:
            The folder.
        """
        with result_in(session, "remove") as folder:
            self._run(record, folder, on_progress)
        return folder

    def replay(self, session: Session, picture: Path, on_progress: OnProgress) -> bool:
        """Make a result again from its record; whether the same pixels came out."""
        replay = read_replay(picture)
        record = replay.record
        assert isinstance(record, RemoveRecord), "of a removal's folder"
        with passing_folder(session, "replay") as folder:
            made = self._run(record, folder, on_progress)
        return pixel_digest(made.photo) == replay.output_sha256

    def _run(self, record: RemoveRecord, folder: Path, on_progress: OnProgress) -> RemoveTaskResult:
        """In PNG: what is gone on from, and then from again, must lose nothing on the way."""
        return run_remove(
            in_png(record),
            folder,
            self.store.load,
            self.load_segmenter,
            on_progress=on_progress,
        )
