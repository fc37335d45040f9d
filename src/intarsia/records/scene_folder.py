"""The files in a scene folder, and the names of what is made of the photo in it."""

from __future__ import annotations

from pathlib import Path

from intarsia.errors import Command, LayoutError, Remedy
from intarsia.file_names import safe_name
from intarsia.records.arrange import ArrangeRecord

SCENE_ENDING = ".scene"
SCENE_FILES = {"photo": "photo.png", "mask": "mask.png", "colours": "colours.json", "overlay": "overlay.png"}
"""What a scene's folder holds."""
FOUND_FILE = "found.json"
"""Beside them where objects were found by words: how sure each of them is, and of which mask that holds."""


def photo_of(record: ArrangeRecord) -> Path:
    """The file of a record's picture, which may lie in a scene folder.

    Raises:
        LayoutError: the folder is not a scene.
    """
    place = Path(record.photo)
    if not place.is_dir():
        return place
    if not (place / SCENE_FILES["photo"]).is_file():
        raise LayoutError(
            f"{place} is a folder without {SCENE_FILES['photo']}, so not a scene",
            Remedy("give a picture"),
            Remedy("a folder that ", Command("objects", quoted=False), " wrote"),
        )
    return place / SCENE_FILES["photo"]


def scene_stem(photo: Path) -> str:
    """The name of what is made of a photo: its own, or its scene folder's."""
    return safe_name(own_name(photo))


def own_name(photo: Path) -> str:
    """A photo's own name, or its scene folder's, as it is."""
    in_scene = photo.name == SCENE_FILES["photo"] and photo.parent.suffix == SCENE_ENDING
    return (photo.parent if in_scene else photo).stem
