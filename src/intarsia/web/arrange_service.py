"""Edit by layout for a session: the record of a scene that is moved, its picture in files, and the same picture again."""

from __future__ import annotations

import dataclasses
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from intarsia.backbones import ModelSource
from intarsia.backbones.segmenters import LoadedSegmenter
from intarsia.notes import collected
from intarsia.progress import OnProgress, part_of
from intarsia.records.arrange import ArrangeRecord
from intarsia.results.document import pixel_digest
from intarsia.results.replay import read_replay
from intarsia.tasks.arrange import ArrangeTaskResult, run_arrange
from intarsia.tasks.arrange_preview import PreviewScene, open_preview, preview_arrange
from intarsia.web.arrange_store import scene_record
from intarsia.web.result_store import in_png, passing_folder, result_in, write_other_records
from intarsia.web.sessions import Session, SessionStore

QUICK_VIEW = "quick-view.jpg"
"""File of a quick view, beside the result that follows."""
QUICK_SHARE = 0.15
"""Share of an arrangement after which its quick view is there."""
MOST_OPENED = 4
"""Scenes that are kept in memory for the next quick view, one of each session: of 12 megapixels some 70 MB each."""

SceneKey = tuple[str, str | None, str | None]


class ArrangeService:
    """Arrangements with the networks of a store."""

    def __init__(self, store: SessionStore) -> None:
        self.store = store
        self._opened: OrderedDict[str, tuple[SceneKey, PreviewScene]] = OrderedDict()  # by the tokens of sessions
        self._keeping = threading.Lock()

    def load_segmenter(self, source: ModelSource) -> LoadedSegmenter:
        return self.store.pool.segmenter(source)

    def base_record(
        self, source: Path, values: Mapping[str, Any], *, models: str, layout: str | None = None
    ) -> ArrangeRecord:
        """The record of a scene and settings, with nothing moved.

        Args:
            source: the scene's folder.
            values: settings by their dotted names.
            models: one of the store's choices.
            layout: file of a painted layout, in the scene's colours.

        Raises:
            RecordError: a setting is out of range, or of another kind.
        """
        record = dataclasses.replace(scene_record(source), layout=layout, models=models, **self.store.added)
        return with_settings(record, values)

    def arrange(
        self,
        session: Session,
        record: ArrangeRecord,
        on_progress: OnProgress,
        *,
        on_quick: Callable[[Path], None] | None = None,
    ) -> Path:
        """Make the picture in a new folder of the session, which is removed if that fails.

        Args:
            on_quick: called with a quick view, a small picture in that folder, as soon as it is there; None for none.

        Returns:
            The folder.
        """
        with result_in(session, "arrange") as folder:
            told: OnProgress | None = on_progress
            if on_quick is not None:
                with collected():  # the full result says it
                    quick = self._quick_view(
                        session, record, folder / QUICK_VIEW, part_of(on_progress, 0.0, QUICK_SHARE)
                    )
                on_quick(quick)
                told = part_of(on_progress, QUICK_SHARE, 1.0)
            self._run(record, folder, told)
            write_other_records(folder)
        return folder

    def _quick_view(self, session: Session, record: ArrangeRecord, file: Path, on_progress: OnProgress | None) -> Path:
        """Write a preview; its scene is kept, since the next arrangement mostly is of the same."""
        key = (record.photo, record.mask, record.colours)
        with self._keeping:
            for token in [each for each in self._opened if each not in self.store.sessions]:
                del self._opened[token]
            known, opened = self._opened.pop(session.token, (None, None))
        if opened is None or known != key:
            opened = open_preview(record, self.load_segmenter, on_progress=part_of(on_progress, 0.0, 0.5))
            on_progress = part_of(on_progress, 0.5, 1.0)
        with self._keeping:
            self._opened[session.token] = (key, opened)
            while len(self._opened) > MOST_OPENED:
                self._opened.popitem(last=False)
        photo = preview_arrange(record, self.load_segmenter, opened=opened, on_progress=on_progress)
        photo.as_image().convert("RGB").save(file, quality=92)
        return file

    def replay(self, session: Session, picture: Path, on_progress: OnProgress) -> bool:
        """Make a result again from its record; whether the same pixels came out.

        Args:
            picture: of one of its seeds, in the session's folder.
        """
        replay = read_replay(picture)
        record = replay.record
        assert isinstance(record, ArrangeRecord), "of an arrangement's folder"
        with passing_folder(session, "replay") as folder:
            made = self._run(record, folder, on_progress, lead=replay.index)
        return pixel_digest(made.photo) == replay.output_sha256

    def _run(
        self, record: ArrangeRecord, folder: Path, on_progress: OnProgress | None, *, lead: int = 0
    ) -> ArrangeTaskResult:
        return run_arrange(
            in_png(record), folder, self.store.load, self.load_segmenter, lead=lead, on_progress=on_progress
        )


def with_settings(record: ArrangeRecord, values: Mapping[str, Any]) -> ArrangeRecord:
    """The record with settings by their dotted names.

    Raises:
        RecordError: one is out of range.
    """
    groups: dict[str, dict[str, Any]] = {}
    for name, value in values.items():
        group, _, last = name.rpartition(".")
        groups.setdefault(group, {})[last] = value
    plain = groups.pop("", {})
    grouped = {name: dataclasses.replace(getattr(record, name), **fields) for name, fields in groups.items()}
    return dataclasses.replace(record, **plain, **grouped)
