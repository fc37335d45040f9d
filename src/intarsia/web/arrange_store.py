"""A session's scenes: how they are written to files, found and read."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from intarsia.errors import LayoutError
from intarsia.imaging.read import read_photo
from intarsia.layout.colour_map import read_colours
from intarsia.layout.found_file import with_found
from intarsia.layout.names import BACKGROUND, free_name
from intarsia.layout.scene import Scene
from intarsia.layout.scene_files import read_scene
from intarsia.records.arrange import ArrangeRecord
from intarsia.records.scene_folder import SCENE_ENDING, SCENE_FILES, photo_of, scene_stem
from intarsia.results.write_scene import write_scene
from intarsia.tasks.scene import LoadSegmenter, load_scene
from intarsia.web.sessions import Session

SCENE = re.compile(r"scene-\d{4,}")
"""Name of a scene's folder."""


def source_path(session: Session, name: str) -> Path:
    """The scene folder of a name.

    Args:
        name: of a folder of the session, as a page or a program sent it.

    Raises:
        LayoutError: there is none of that name.
    """
    folder = session.folder / name
    if SCENE.fullmatch(name) and folder.is_dir():
        for file in sorted(folder.iterdir()):
            if file.suffix == SCENE_ENDING:
                return file
    raise LayoutError("There is no such scene any more: find its objects again.")


def scene_record(source: Path) -> ArrangeRecord:
    """A record of a scene folder's files."""
    photo, mask, colours = (str(source / SCENE_FILES[kind]) for kind in ("photo", "mask", "colours"))
    return ArrangeRecord(photo=photo, mask=mask, colours=colours)


def names_of(source: Path) -> tuple[str, ...]:
    """The objects of a scene folder, in its order."""
    return tuple(name for name in read_colours(source / SCENE_FILES["colours"]) if name != BACKGROUND)


def parse_names(text: str) -> tuple[str, ...]:
    """ "cat, potted plant" as names; newlines and semicolons separate them, too."""
    return tuple(name.strip() for name in re.split(r"[,;\n]", text) if name.strip())


def photo_path(source: Path) -> Path:
    """The file of a source's picture."""
    return source / SCENE_FILES["photo"] if source.is_dir() else source


def read_source(source: Path) -> Scene:
    """The scene of a source; a picture alone has no objects."""
    if not source.is_dir():
        return Scene(photo=read_photo(source), objects=())
    record = scene_record(source)
    return with_found(read_scene(record, read_photo(photo_of(record))), source)


def write_detected_scene(
    session: Session, record: ArrangeRecord, load_segmenter: LoadSegmenter
) -> tuple[str, Scene, dict[str, Any]]:
    """Find or read a picture's objects, and write them as a scene of the session.

    What is found without confidence is written, too, and says so: the program sees it before anything is done with it.

    Returns:
        The scene's name, the scene, and its files and objects as JSON values.
    """
    photo = read_photo(photo_of(record))
    scene = load_scene(dataclasses.replace(record, unsure="keep"), photo, load_segmenter)
    name, facts = write_session_scene(session, scene, Path(record.photo))
    return name, scene, facts


def write_session_scene(session: Session, scene: Scene, source: Path) -> tuple[str, dict[str, Any]]:
    """Write a scene into a folder of its own; its name, and its files and objects as JSON values.

    Args:
        source: in which its objects were found.
    """
    folder = session.new_folder("scene")
    target, former = folder / f"{scene_name(source)}{SCENE_ENDING}", source if source.is_dir() else None
    return folder.name, write_scene(scene, target, former=former)


def unique_name(name: str, taken: Sequence[str]) -> str:
    """A name that is not taken: the next dog after "dog" is "dog 2"."""
    return free_name(name, taken) if name in taken else name


def scene_name(source: Path) -> str:
    """The name of scenes that are made from a source."""
    return scene_stem(photo_path(source))
