"""What edit by layout does for a visitor of the web page: cut out, arrange, learn, make again, and keep it all in files."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from intarsia.backbones import CATALOG, ModelSource, resolve
from intarsia.backbones.segmenters import LoadedSegmenter
from intarsia.errors import Cancelled, LayoutError, RecordError
from intarsia.imaging.geometry import Point
from intarsia.layout.detect import check_names, words_of
from intarsia.layout.detect_at_point import detect_at_point, names_for
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
    chosen,
    keep_scene,
    looks_of,
    names_of,
    numbered,
    read_chosen,
    remember,
    results,
    scene_record,
    write_found,
    write_thumb,
)
from intarsia.web.canvas import Move, Moves, read_moves, record_of, told_by
from intarsia.web.loss_plot import PageTracker
from intarsia.web.result_store import picture_of, result_folder, write_other_records
from intarsia.web.sessions import Session, SessionStore
from intarsia.web.work import Intermediate, Step, run_watched

Result = TypeVar("Result")

Working = Generator[Step | Intermediate, None, Result]
"""Work that tells how far it is; its value is what came out."""


# The work


class ArrangeService:
    """What the tab does; each method is the work of an event, without a word of components.

    Methods that take `models` are told one of the room's choices.
    """

    def __init__(self, room: SessionStore) -> None:
        self.room = room

    def load_segmenter(self, source: ModelSource) -> LoadedSegmenter:
        return self.room.pool.segmenter(source)

    def base(
        self, place: Path, values: Mapping[str, Any], *, layout: str | None, key: str | None, models: str
    ) -> ArrangeRecord:
        """The scene and the settings, nothing moved."""
        looks = looks_of(place)
        record = dataclasses.replace(
            scene_record(place, key=key if layout else None),
            layout=layout,
            concepts=str(looks) if looks is not None else None,
            models=models,
        )
        return with_settings(record, values)

    def wish(
        self,
        visit: Session,
        stage: Any,
        values: Mapping[str, Any],
        layout: str | None,
        key: str | None,
        models: str | None = None,
    ) -> tuple[ArrangeRecord, Moves]:
        """The record of what the stage shows.

        Raises:
            LayoutError: nothing was moved.
        """
        name, given = told_by(stage)
        place = chosen(visit, name)
        names = names_of(place)
        moves = read_moves(given, names)
        base = self.base(place, values, layout=layout, key=key, models=models or self.room.models)
        record = record_of(moves, names, base)
        if record == base and layout is None:
            raise LayoutError("Everything is where it was: move an object first.")
        return record, moves

    def find(self, visit: Session, record: ArrangeRecord) -> Working[tuple[str, Scene]]:
        """Cut objects out of a photo, by their names or by masks; the scene's name and itself."""
        name, scene, _ = yield from unless_stopped(visit, lambda: write_found(visit, record, self.load_segmenter))
        return name, scene

    def find_one_more(
        self, visit: Session, place: Path, point: Point, names: Sequence[str], models: str
    ) -> Working[tuple[str, Scene, str]]:
        """Cut out the object at a point of the photo, beside those that are cut out already.

        Args:
            names: what it may be, asked before the everyday nouns that the checkpoint knows.

        Returns:
            The new scene's name, itself, and the name of the object that came to it, the last one.

        Raises:
            LayoutError: nothing is found there.
        """

        def look() -> tuple[str, Scene, str]:
            before = read_chosen(place)
            taken = np.zeros((before.photo.size.height, before.photo.size.width), np.bool_)
            for thing in before.objects:
                taken |= thing.mask
                if within(thing, point):
                    raise LayoutError(f"This was {thing.name!r}, which is cut out already: drag it from where it is.")
            source = resolve(models)
            segmenter = self.load_segmenter(source)
            side = max(CATALOG[source.name].native_side if source.name in CATALOG else 512, segmenter.side)
            known = tuple(dict.fromkeys((*names, *names_for(source))))
            found, mask = detect_at_point(before.photo, point, known, segmenter, side=side, taken=taken)
            name = numbered(found, before.names)
            thing = SceneObject(name=name, words=words_of(name), mask=mask)
            scene = Scene(photo=before.photo, objects=(*before.objects, thing))
            return keep_scene(visit, scene, place)[0], scene, name

        return (yield from unless_stopped(visit, look))

    def rename(self, visit: Session, place: Path, former: str, wanted: str) -> tuple[str, Scene]:
        """The scene anew, with another name for one of its objects.

        Raises:
            LayoutError: another object has the name, or it is none.
        """
        before = read_chosen(place)
        if former not in before.names:
            raise LayoutError(f"There is no {former!r} on the stage any more: reload the page.")
        wanted = " ".join(wanted.split())
        names = [wanted if name == former else name for name in before.names]
        check_names(names)
        things = (
            dataclasses.replace(thing, name=name, words=words_of(name))
            for thing, name in zip(before.objects, names, strict=True)
        )
        scene = Scene(photo=before.photo, objects=tuple(things))
        return keep_scene(visit, scene, place)[0], scene

    def arrange(self, visit: Session, record: ArrangeRecord, scene: str, moves: Moves) -> Working[Arrangement]:
        """Make the picture, in a folder that is there only if it is made."""
        folder = visit.new_folder("arrange")
        try:
            made = yield from run_watched(
                visit,
                lambda on_progress, _: run_arrange(
                    record, folder, self.room.load, self.load_segmenter, on_progress=on_progress
                ),
            )
            write_other_records(folder)
            write_thumb(made.saved.files.picture, folder / THUMB_FILE)
            remember(folder, made.saved.summary, scene, moves)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return results(visit)[-1]

    def replay(self, visit: Session, name: Any, index: Any) -> Working[bool]:
        """Make a result again from its record, and say whether the same pixels came out.

        Args:
            name: of the result's folder, as a page says it.
            index: of the picture of one of its seeds, counted from 0.
        """
        replay = read_replay(picture_of(result_folder(visit, name), index))
        record = replay.record
        if not isinstance(record, ArrangeRecord):
            raise RecordError("This was made by words: replay it in that tab.")
        folder = visit.new_folder("replay")
        try:
            made = yield from run_watched(
                visit,
                lambda on_progress, _: run_arrange(
                    record, folder, self.room.load, self.load_segmenter, lead=replay.index, on_progress=on_progress
                ),
            )
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return pixel_digest(made.photo) == replay.output_sha256

    def learn(self, visit: Session, place: Path, record: ArrangeRecord) -> Working[str]:
        """Learn the looks of a scene's objects into its folder; what it took, in a sentence."""
        number = len(list(place.parent.glob("looks-*.safetensors"))) + 1
        file = place.parent / f"looks-{number:04d}.safetensors"
        made = yield from run_watched(
            visit,
            lambda on_progress, show: run_learn(
                record,
                file,
                self.room.load,
                self.load_segmenter,
                tracker=PageTracker(show),
                on_progress=on_progress,
                on_sample=show,
            ),
        )
        names = ", ".join(names_of(place))
        return (
            f"The looks of {names} are learned ({made.cost.seconds:.0f} s, {made.models}); regenerate paints with them."
        )


def within(thing: SceneObject, point: Point) -> bool:
    """Whether an object is seen at a point of the photo."""
    height, width = thing.mask.shape
    return 0 <= point.x < width and 0 <= point.y < height and bool(thing.mask[int(point.y), int(point.x)])


def renamed(moves: Moves, former: str, wanted: str) -> Moves:
    """The moves of a scene in which one object has another name."""
    return tuple(dataclasses.replace(move, name=wanted) if move.name == former else move for move in moves)


def one_more(moves: Moves, name: str) -> Moves:
    """The moves of a scene to which an object has come: it lies where it was, before all others."""
    return (*moves, Move(name=name))


def unless_stopped(visit: Session, work: Callable[[], Result]) -> Working[Result]:
    """Work that goes on to its end once it has begun, and counts for nothing if it was to stop meanwhile.

    Raises:
        Cancelled: it was to stop.
    """
    result = yield from run_watched(visit, lambda on_progress, show: work())
    if visit.stop.is_set():
        raise Cancelled("stopped; nothing was changed.")
    return result
