"""What edit by layout does for a visitor of the web page: cut out, arrange, learn, make again, and keep it all in files."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import re
import shutil
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from intarsia.app.batch_performer import Performer
from intarsia.app.layout_commands import Finder, learned, made, seen
from intarsia.app.layout_flags import SCENE_ENDING, SCENE_FILES
from intarsia.app.layout_outputs import said, scene_stem, write_scene
from intarsia.app.outputs import pixel_digest, read_replay
from intarsia.app.ui.layout_settings import with_settings
from intarsia.app.ui.learning_view import Telling
from intarsia.app.ui.room import Room, Seen, Step, Visit, watched
from intarsia.app.ui.stage import Move, Moves, read_moves, record_of, told_by
from intarsia.app.ui.words import address, picture_of, result_folder, write_other_records
from intarsia.backbones import CATALOG, ModelSource, catalog
from intarsia.backbones.segmenters import LoadedSegmenter
from intarsia.errors import Cancelled, LayoutError, RecordError
from intarsia.geometry import Point
from intarsia.images import read_photo
from intarsia.layout.find import BACKGROUND, check_names, words_of
from intarsia.layout.point import find_at, names_for
from intarsia.layout.scene import Scene, SceneObject, photo_of, read_colours, read_scene
from intarsia.records import ArrangeRecord

Result = TypeVar("Result")

Working = Generator[Step | Seen, None, Result]
"""Work that tells how far it is; its value is what came out."""

THUMB = 240
"""Longer side of a picture in the history, in pixels."""

MOVES_FILE, THUMB_FILE = "moves", "thumb.jpg"
"""What lies beside a result's own files: what the stage showed, and the picture for the history."""


# What lies in a visitor's folder


def chosen(visit: Visit, name: str) -> Path:
    """The picture, or the scene's folder, that the stage shows.

    Raises:
        LayoutError: it shows none that is still there.
    """
    folder = visit.folder / name
    if re.fullmatch(r"(photo|scene)-\d{4,}", name) and folder.is_dir():
        for place in sorted(folder.iterdir()):
            if place.suffix == SCENE_ENDING if name.startswith("scene") else place.is_file():
                return place
    raise LayoutError("There is no picture yet: drop one first.")


def scene_record(place: Path, *, key: str | None = None) -> ArrangeRecord:
    """A record of a scene folder: of its files; of the folder itself where a layout has another key than its mask."""
    if key is not None:
        return ArrangeRecord(photo=str(place), colours=key)
    photo, mask, colours = (str(place / SCENE_FILES[kind]) for kind in ("photo", "mask", "colours"))
    return ArrangeRecord(photo=photo, mask=mask, colours=colours)


def names_of(place: Path) -> tuple[str, ...]:
    """The objects of a scene folder, in its order.

    Raises:
        LayoutError: it is only a picture.
    """
    if not place.is_dir():
        raise LayoutError("The picture has no cut-outs yet: name its objects and find them first.")
    return tuple(name for name in read_colours(place / SCENE_FILES["colours"]) if name != BACKGROUND)


def looks_of(place: Path) -> Path | None:
    """The learned looks of a scene that are newest."""
    return max(place.parent.glob("looks-*.safetensors"), default=None)


def split_names(text: str) -> tuple[str, ...]:
    """ "cat, potted plant" as names; lines and semicolons part them, too."""
    return tuple(name.strip() for name in re.split(r"[,;\n]", text) if name.strip())


def photo_of_chosen(place: Path) -> Path:
    """The picture itself, of a scene's folder too."""
    return place / SCENE_FILES["photo"] if place.is_dir() else place


def read_chosen(place: Path) -> Scene:
    """What the stage shows; a picture alone has no objects."""
    if not place.is_dir():
        return Scene(photo=read_photo(place), objects=())
    record = scene_record(place)
    return read_scene(record, read_photo(photo_of(record)))


def write_found(visit: Visit, record: ArrangeRecord, find_with: Finder) -> tuple[str, Scene, dict[str, Any]]:
    """Find or read a picture's objects and write them as a scene of the visitor's.

    Returns:
        The scene's name, itself, and its files and objects as JSON values.
    """
    photo = read_photo(photo_of(record))
    scene = seen(record, photo, find_with)
    name, facts = keep_scene(visit, scene, Path(record.photo), colours=record.colours)
    return name, scene, facts


def keep_scene(visit: Visit, scene: Scene, place: Path, *, colours: str | None = None) -> tuple[str, dict[str, Any]]:
    """Write a scene into a folder of its own; its name, and its files and objects as JSON values.

    Args:
        place: the picture, or the scene's folder, in which its objects were found.
    """
    folder = visit.new_folder("scene")
    target, former = folder / f"{stem_of(place)}{SCENE_ENDING}", place if place.is_dir() else None
    return folder.name, write_scene(scene, target, colours=colours, former=former)


def numbered(name: str, taken: Sequence[str]) -> str:
    """A name that no other object has: the next dog after "dog" is "dog 2"."""
    number, free = 2, name
    while free in taken:
        free, number = f"{words_of(name)} {number}", number + 1
    return free


# Results


@dataclass(frozen=True, kw_only=True)
class Made:
    """One result of a visitor's: its files, the scene and the moves that it was made from.

    Attributes:
        files: picture, record, layout, mask, and the pictures of further seeds.
    """

    folder: Path
    files: tuple[Path, ...]
    words: str
    scene: str
    moves: Any

    @property
    def picture(self) -> Path:
        return self.files[0]


def results(visit: Visit) -> list[Made]:
    """All that was made by layout in this visit, in the order it was made."""
    found = []
    for folder in sorted(visit.folder.glob("arrange-*")):
        with contextlib.suppress(OSError, ValueError, KeyError):
            about = json.loads((folder / MOVES_FILE).read_text(encoding="utf-8"))
            found.append(
                Made(
                    folder=folder,
                    files=tuple(Path(file) for file in about["files"]),
                    words=str(about["words"]),
                    scene=str(about["scene"]),
                    moves=about["moves"],
                )
            )
    return found


def remember(folder: Path, summary: Mapping[str, Any], scene: str, moves: Moves) -> None:
    """Note beside a result what the stage showed, so that it can be the start of the next."""
    files = summary["files"]
    about = {
        "files": [files["picture"], files["record"], files["layout"], files["mask"], *files["others"]],
        "words": said(summary["record"]),
        "scene": scene,
        "moves": [dataclasses.asdict(move) for move in moves],
    }
    (folder / MOVES_FILE).write_text(json.dumps(about), encoding="utf-8")


def write_thumb(picture: Path, file: Path) -> None:
    """A small picture for the history."""
    image = read_photo(picture).as_image().convert("RGB")
    image.thumbnail((THUMB, THUMB))
    image.save(file, quality=88)


def result_facts(one: Made, before: Path) -> dict[str, Any]:
    """What the stage needs to show a result in the place of its cut-outs, and to give it away.

    Args:
        before: the photo that it was made of.
    """
    picture, _, layout, mask, *others = one.files
    return {
        "folder": one.folder.name,
        "words": one.words,
        "before": address(before),
        "pictures": [
            {
                "picture": address(file),
                "picture_name": file.name,
                "record": address(file.with_suffix(".json")),
                "record_name": file.with_suffix(".json").name,
            }
            for file in (picture, *others)
        ],
        "layout": address(layout),
        "layout_name": layout.name,
        "mask": address(mask),
        "mask_name": mask.name,
    }


# The work


class Studio:
    """What the tab does; each method is the work of an event, without a word of components.

    Methods that take `models` are told one of the room's choices.
    """

    def __init__(self, room: Room) -> None:
        self.room = room
        self.looker = Performer(room.machine, cached=True)

    def find_with(self, source: ModelSource) -> LoadedSegmenter:
        return self.looker.find_with(source)

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
        visit: Visit,
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

    def find(self, visit: Visit, record: ArrangeRecord) -> Working[tuple[str, Scene]]:
        """Cut objects out of a photo, by their names or by masks; the scene's name and itself."""
        name, scene, _ = yield from unless_stopped(visit, lambda: write_found(visit, record, self.find_with))
        return name, scene

    def find_one_more(
        self, visit: Visit, place: Path, point: Point, names: Sequence[str], models: str
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
            source = catalog.resolve(models)
            segmenter = self.find_with(source)
            side = max(CATALOG[source.name].native_side if source.name in CATALOG else 512, segmenter.side)
            known = tuple(dict.fromkeys((*names, *names_for(source))))
            found, mask = find_at(before.photo, point, known, segmenter, side=side, taken=taken)
            name = numbered(found, before.names)
            thing = SceneObject(name=name, words=words_of(name), mask=mask)
            scene = Scene(photo=before.photo, objects=(*before.objects, thing))
            return keep_scene(visit, scene, place)[0], scene, name

        return (yield from unless_stopped(visit, look))

    def rename(self, visit: Visit, place: Path, former: str, wanted: str) -> tuple[str, Scene]:
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

    def arrange(self, visit: Visit, record: ArrangeRecord, scene: str, moves: Moves) -> Working[Made]:
        """Make the picture, in a folder that is there only if it is made."""
        folder = visit.new_folder("arrange")
        try:
            summary = yield from watched(
                visit,
                lambda on_progress, _: made(record, folder, self.room.load, self.find_with, on_progress=on_progress)[0],
            )
            write_other_records(folder)
            write_thumb(Path(summary["files"]["picture"]), folder / THUMB_FILE)
            remember(folder, summary, scene, moves)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return results(visit)[-1]

    def replay(self, visit: Visit, name: Any, index: Any) -> Working[bool]:
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
            _, _, result = yield from watched(
                visit,
                lambda on_progress, _: made(
                    record, folder, self.room.load, self.find_with, lead=replay.index, on_progress=on_progress
                ),
            )
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return pixel_digest(result.pictures[replay.index].photo) == replay.output_sha256

    def learn(self, visit: Visit, place: Path, record: ArrangeRecord) -> Working[str]:
        """Learn the looks of a scene's objects into its folder; what it took, in a sentence."""
        number = len(list(place.parent.glob("looks-*.safetensors"))) + 1
        file = place.parent / f"looks-{number:04d}.safetensors"
        _, cost, models = yield from watched(
            visit,
            lambda on_progress, show: learned(
                record,
                file,
                self.room.load,
                self.find_with,
                tracker=Telling(show),
                on_progress=on_progress,
                on_sample=show,
            ),
        )
        names = ", ".join(names_of(place))
        return f"The looks of {names} are learned ({cost.seconds:.0f} s, {models}); regenerate paints with them."


def stem_of(place: Path) -> str:
    """The name of what is made of a visitor's photo or scene."""
    return scene_stem(photo_of_chosen(place))


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


def unless_stopped(visit: Visit, work: Callable[[], Result]) -> Working[Result]:
    """Work that goes on to its end once it has begun, and counts for nothing if it was to stop meanwhile.

    Raises:
        Cancelled: it was to stop.
    """
    result = yield from watched(visit, lambda on_progress, show: work())
    if visit.stop.is_set():
        raise Cancelled("stopped; nothing was changed.")
    return result
