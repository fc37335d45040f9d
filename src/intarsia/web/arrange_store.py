"""A session's scenes and arrangements: how they are written to files, found and read."""

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
from intarsia.layout.found_file import with_found
from intarsia.layout.names import BACKGROUND, free_name
from intarsia.layout.scene import Scene
from intarsia.layout.scene_files import photo_of, read_scene
from intarsia.records.arrange import ArrangeRecord
from intarsia.records.scene_folder import SCENE_ENDING, SCENE_FILES
from intarsia.results.document import describe
from intarsia.results.write_scene import scene_stem, write_scene
from intarsia.tasks.scene import LoadSegmenter, load_scene
from intarsia.web.canvas import Moves
from intarsia.web.sessions import Session
from intarsia.web.uploads import file_url

THUMB = 240
"""Longer side of a picture in the history, in pixels."""

MOVES_FILE, THUMB_FILE = "moves", "thumb.jpg"
"""Files beside a result's own: the moves that the canvas showed, and the picture for the history."""


# Scenes


def source_path(session: Session, name: str) -> Path:
    """The source of the canvas: a picture, or a scene folder.

    Args:
        name: of a folder of the session, as the page sent it.

    Raises:
        LayoutError: there is none of that name.
    """
    folder = session.folder / name
    if re.fullmatch(r"(photo|scene)-\d{4,}", name) and folder.is_dir():
        for file in sorted(folder.iterdir()):
            if file.suffix == SCENE_ENDING if name.startswith("scene") else file.is_file():
                return file
    raise LayoutError("There is no picture yet: drop one first.")


def scene_record(source: Path, *, key: str | None = None) -> ArrangeRecord:
    """A record of a scene folder: of its files; of the folder itself where a layout has another key than its mask."""
    if key is not None:
        return ArrangeRecord(photo=str(source), colours=key)
    photo, mask, colours = (str(source / SCENE_FILES[kind]) for kind in ("photo", "mask", "colours"))
    return ArrangeRecord(photo=photo, mask=mask, colours=colours)


def names_of(source: Path) -> tuple[str, ...]:
    """The objects of a scene folder, in its order.

    Raises:
        LayoutError: it is only a picture.
    """
    if not source.is_dir():
        raise LayoutError("The picture has no cut-outs yet: name its objects and find them first.")
    return tuple(name for name in read_colours(source / SCENE_FILES["colours"]) if name != BACKGROUND)


def latest_concepts(source: Path) -> Path | None:
    """The newest file of concepts that were learned from a scene; None without any."""
    return max(source.parent.glob("looks-*.safetensors"), default=None)


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

    What is found without confidence is written, too, and says so: the page shows it before anything is done with it.

    Returns:
        The scene's name, the scene, and its files and objects as JSON values.
    """
    photo = read_photo(photo_of(record))
    scene = load_scene(dataclasses.replace(record, unsure="keep"), photo, load_segmenter)
    name, facts = write_session_scene(session, scene, Path(record.photo), colours=record.colours)
    return name, scene, facts


def write_session_scene(
    session: Session, scene: Scene, source: Path, *, colours: str | None = None
) -> tuple[str, dict[str, Any]]:
    """Write a scene into a folder of its own; its name, and its files and objects as JSON values.

    Args:
        source: in which its objects were found.
    """
    folder = session.new_folder("scene")
    target, former = folder / f"{scene_name(source)}{SCENE_ENDING}", source if source.is_dir() else None
    return folder.name, write_scene(scene, target, colours=colours, former=former)


def unique_name(name: str, taken: Sequence[str]) -> str:
    """A name that is not taken: the next dog after "dog" is "dog 2"."""
    return free_name(name, taken) if name in taken else name


# Results


@dataclass(frozen=True, kw_only=True)
class Arrangement:
    """One result: its files, and the scene and moves that it was made from.

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


def list_arrangements(session: Session) -> list[Arrangement]:
    """All results by layout of a session, in their order."""
    found = []
    for folder in sorted(session.folder.glob("arrange-*")):
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


def write_moves(folder: Path, summary: Mapping[str, Any], scene: str, moves: Moves) -> None:
    """Write the moves that the canvas showed beside a result, which can then be gone on from."""
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


def result_facts(result: Arrangement, before: Path) -> dict[str, Any]:
    """A result as JSON values, for the canvas to show and to offer for download.

    Args:
        before: the photo that it was made of.
    """
    picture, _, layout, mask, *others = result.files
    return {
        "folder": result.folder.name,
        "words": result.words,
        "before": file_url(before),
        "pictures": [
            {
                "picture": file_url(file),
                "picture_name": file.name,
                "record": file_url(file.with_suffix(".json")),
                "record_name": file.with_suffix(".json").name,
            }
            for file in (picture, *others)
        ],
        "layout": file_url(layout),
        "layout_name": layout.name,
        "mask": file_url(mask),
        "mask_name": mask.name,
    }


def scene_name(source: Path) -> str:
    """The name of scenes that are made from a source."""
    return scene_stem(photo_path(source))
