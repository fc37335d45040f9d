"""Edit by layout for a session of the web pages: cut out, arrange, learn and replay, with all results in files."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from intarsia.backbones import ModelSource
from intarsia.backbones.catalog import entry_named
from intarsia.backbones.resolve import resolve
from intarsia.backbones.segmenters import LoadedSegmenter
from intarsia.errors import Cancelled, LayoutError, RecordError
from intarsia.imaging.geometry import Point
from intarsia.layout.detect import check_names
from intarsia.layout.detect_at_point import found_at_point, names_for
from intarsia.layout.names import words_of
from intarsia.layout.scene import Scene, SceneObject
from intarsia.records.arrange import ArrangeRecord
from intarsia.results.document import pixel_digest
from intarsia.results.replay import read_replay
from intarsia.tasks.arrange import run_arrange
from intarsia.tasks.learn import run_learn
from intarsia.web.arrange_settings import with_settings
from intarsia.web.arrange_store import (
    THUMB_FILE,
    Arrangement,
    latest_concepts,
    list_arrangements,
    names_of,
    read_source,
    scene_record,
    source_path,
    unique_name,
    write_detected_scene,
    write_moves,
    write_session_scene,
    write_thumb,
)
from intarsia.web.canvas import Move, Moves, parse_canvas_value, read_moves, record_from_moves
from intarsia.web.edit_service import in_png
from intarsia.web.loss_plot import PageTracker
from intarsia.web.result_store import picture_of, result_folder, write_other_records
from intarsia.web.sessions import Session, SessionStore
from intarsia.web.work import WatchedWork, run_watched

Result = TypeVar("Result")


class ArrangeService:
    """The work of the tab's events, without its components.

    `models` is one of the store's choices; `source` is what `source_path` gives.
    """

    def __init__(self, store: SessionStore) -> None:
        self.store = store

    def load_segmenter(self, source: ModelSource) -> LoadedSegmenter:
        return self.store.pool.segmenter(source)

    def base_record(
        self, source: Path, values: Mapping[str, Any], *, layout: str | None, key: str | None, models: str
    ) -> ArrangeRecord:
        """The record of a scene and settings, with nothing moved."""
        concepts = latest_concepts(source)
        record = dataclasses.replace(
            scene_record(source, key=key if layout else None),
            layout=layout,
            concepts=str(concepts) if concepts is not None else None,
            models=models,
            **self.store.added,
        )
        return with_settings(record, values)

    def build_record(
        self,
        session: Session,
        value: Any,
        values: Mapping[str, Any],
        layout: str | None,
        key: str | None,
        models: str | None = None,
    ) -> tuple[ArrangeRecord, Moves]:
        """The record of what the canvas shows, and its moves.

        Args:
            value: of the canvas.
            values: settings by their dotted names.
            layout, key: files of a drawn layout and its colours.

        Raises:
            LayoutError: nothing was moved.
        """
        name, given = parse_canvas_value(value)
        source = source_path(session, name)
        names = names_of(source)
        moves = read_moves(given, names)
        base = self.base_record(source, values, layout=layout, key=key, models=models or self.store.models)
        record = record_from_moves(moves, names, base)
        if record == base and layout is None:
            raise LayoutError("Everything is where it was: move an object first.")
        return record, moves

    def find(self, session: Session, record: ArrangeRecord) -> WatchedWork[tuple[str, Scene]]:
        """Cut objects out of a photo, by their names or by masks; the scene's name and the scene."""
        name, scene, _ = yield from run_unless_cancelled(
            session, lambda: write_detected_scene(session, record, self.load_segmenter)
        )
        return name, scene

    def add_object_at(
        self, session: Session, source: Path, point: Point, names: Sequence[str], models: str
    ) -> WatchedWork[tuple[str, Scene, str]]:
        """Cut out the object at a point of the photo, beside those that are cut out already.

        Args:
            names: what it may be, tried before the everyday nouns that the checkpoint knows.

        Returns:
            The new scene's name, the scene, and the name of the added object, its last one.

        Raises:
            LayoutError: nothing is found there.
        """

        def detect() -> tuple[str, Scene, str]:
            before = read_source(source)
            taken = np.zeros((before.photo.size.height, before.photo.size.width), np.bool_)
            for thing in before.objects:
                taken |= thing.mask
                if contains_point(thing, point):
                    raise LayoutError(f"This was {thing.name!r}, which is cut out already: drag it from where it is.")
            model = resolve(models)
            segmenter = self.load_segmenter(model)
            entry = entry_named(model.name)
            side = max(512 if entry is None else entry.native_side, segmenter.side)
            known = tuple(dict.fromkeys((*names, *names_for(model))))
            found = found_at_point(before.photo, point, known, segmenter, side=side, taken=taken)
            name = unique_name(found.name, before.names)
            thing = dataclasses.replace(found, name=name, words=words_of(name))
            scene = Scene(photo=before.photo, objects=(*before.objects, thing))
            return write_session_scene(session, scene, source)[0], scene, name

        return (yield from run_unless_cancelled(session, detect))

    def rename(self, session: Session, source: Path, former: str, wanted: str) -> tuple[str, Scene]:
        """A new scene in which one object has another name.

        Raises:
            LayoutError: another object has the name, or it is none.
        """
        before = read_source(source)
        if former not in before.names:
            raise LayoutError(f"There is no {former!r} on the canvas any more: reload the page.")
        wanted = " ".join(wanted.split())
        names = [wanted if name == former else name for name in before.names]
        check_names(names)
        things = (
            dataclasses.replace(thing, name=name, words=words_of(name))
            for thing, name in zip(before.objects, names, strict=True)
        )
        scene = Scene(photo=before.photo, objects=tuple(things))
        return write_session_scene(session, scene, source)[0], scene

    def arrange(self, session: Session, record: ArrangeRecord, scene: str, moves: Moves) -> WatchedWork[Arrangement]:
        """Make the picture in a new folder, which is removed if that fails."""
        folder = session.new_folder("arrange")
        try:
            made = yield from run_watched(
                session,
                lambda on_progress, _: run_arrange(
                    in_png(record), folder, self.store.load, self.load_segmenter, on_progress=on_progress
                ),
            )
            write_other_records(folder)
            write_thumb(made.saved.files.picture, folder / THUMB_FILE)
            write_moves(folder, made.saved.summary, scene, moves)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return list_arrangements(session)[-1]

    def replay(self, session: Session, name: Any, index: Any) -> WatchedWork[bool]:
        """Make a result again from its record; whether the same pixels came out.

        Args:
            name: of the result's folder, as the page sent it.
            index: of the picture of one of its seeds, counted from 0.
        """
        replay = read_replay(picture_of(result_folder(session, name), index))
        record = replay.record
        if not isinstance(record, ArrangeRecord):
            raise RecordError("This was made by words: replay it in that tab.")
        folder = session.new_folder("replay")
        try:
            made = yield from run_watched(
                session,
                lambda on_progress, _: run_arrange(
                    in_png(record),
                    folder,
                    self.store.load,
                    self.load_segmenter,
                    lead=replay.index,
                    on_progress=on_progress,
                ),
            )
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return pixel_digest(made.photo) == replay.output_sha256

    def learn(self, session: Session, source: Path, record: ArrangeRecord) -> WatchedWork[str]:
        """Learn a scene's objects into its folder; what it cost, in a sentence."""
        number = len(list(source.parent.glob("looks-*.safetensors"))) + 1
        file = source.parent / f"looks-{number:04d}.safetensors"
        made = yield from run_watched(
            session,
            lambda on_progress, on_intermediate: run_learn(
                record,
                file,
                self.store.load,
                self.load_segmenter,
                tracker=PageTracker(on_intermediate),
                on_progress=on_progress,
                on_sample=on_intermediate,
            ),
        )
        names = ", ".join(names_of(source))
        return (
            f"The looks of {names} are learned ({made.cost.seconds:.0f} s, {made.models}); regenerate paints with them."
        )


def contains_point(thing: SceneObject, point: Point) -> bool:
    """Whether an object covers a point of the photo."""
    height, width = thing.mask.shape
    return 0 <= point.x < width and 0 <= point.y < height and bool(thing.mask[int(point.y), int(point.x)])


def rename_move(moves: Moves, former: str, wanted: str) -> Moves:
    """The moves of a scene in which one object has another name."""
    return tuple(dataclasses.replace(move, name=wanted) if move.name == former else move for move in moves)


def append_move(moves: Moves, name: str) -> Moves:
    """The moves of a scene to which an object was added: unmoved, in front of all others."""
    return (*moves, Move(name=name))


def run_unless_cancelled(session: Session, work: Callable[[], Result]) -> WatchedWork[Result]:
    """Work that cannot be interrupted; its result is discarded if it was cancelled meanwhile.

    Raises:
        Cancelled: it was cancelled.
    """
    result = yield from run_watched(session, lambda on_progress, on_intermediate: work())
    if session.stop.is_set():
        raise Cancelled("stopped; nothing was changed.")
    return result
