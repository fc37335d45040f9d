"""A visitor's scenes and arrangements in files."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from intarsia.errors import LayoutError
from intarsia.imaging.read import read_photo
from intarsia.layout.colour_map import read_colours
from intarsia.layout.detect import BACKGROUND, words_of
from intarsia.layout.scene import Scene
from intarsia.layout.scene_files import photo_of, read_scene
from intarsia.records.arrange import ArrangeRecord
from intarsia.records.scene_folder import SCENE_ENDING, SCENE_FILES
from intarsia.results.document import describe
from intarsia.results.write_scene import scene_stem, write_scene
from intarsia.tasks.scene import LoadSegmenter, load_scene
from intarsia.web.canvas import Moves
from intarsia.web.sessions import Session
from intarsia.web.uploads import address

THUMB = 240
"""Longer side of a picture in the history, in pixels."""

MOVES_FILE, THUMB_FILE = "moves", "thumb.jpg"
"""What lies beside a result's own files: what the stage showed, and the picture for the history."""


# What lies in a visitor's folder


def chosen(visit: Session, name: str) -> Path:
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


def write_found(
    visit: Session, record: ArrangeRecord, load_segmenter: LoadSegmenter
) -> tuple[str, Scene, dict[str, Any]]:
    """Find or read a picture's objects and write them as a scene of the visitor's.

    Returns:
        The scene's name, itself, and its files and objects as JSON values.
    """
    photo = read_photo(photo_of(record))
    scene = load_scene(record, photo, load_segmenter)
    name, facts = keep_scene(visit, scene, Path(record.photo), colours=record.colours)
    return name, scene, facts


def keep_scene(visit: Session, scene: Scene, place: Path, *, colours: str | None = None) -> tuple[str, dict[str, Any]]:
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
class Arrangement:
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


def results(visit: Session) -> list[Arrangement]:
    """All that was made by layout in this visit, in the order it was made."""
    found = []
    for folder in sorted(visit.folder.glob("arrange-*")):
        with contextlib.suppress(OSError, ValueError, KeyError):
            about = json.loads((folder / MOVES_FILE).read_text(encoding="utf-8"))
            found.append(
                Arrangement(
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
        "words": describe(summary["record"]),
        "scene": scene,
        "moves": [dataclasses.asdict(move) for move in moves],
    }
    (folder / MOVES_FILE).write_text(json.dumps(about), encoding="utf-8")


def write_thumb(picture: Path, file: Path) -> None:
    """A small picture for the history."""
    image = read_photo(picture).as_image().convert("RGB")
    image.thumbnail((THUMB, THUMB))
    image.save(file, quality=88)


def result_facts(one: Arrangement, before: Path) -> dict[str, Any]:
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


def stem_of(place: Path) -> str:
    """The name of what is made of a visitor's photo or scene."""
    return scene_stem(photo_of_chosen(place))
