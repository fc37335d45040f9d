"""Painting on the canvas of "Edit by layout": outlines of objects that are mended or new, and whole layouts."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from intarsia.errors import LayoutError, RecordError, Remedy
from intarsia.imaging.masks import Mask
from intarsia.imaging.photo import Photo
from intarsia.imaging.read import read_photo
from intarsia.layout.colour_map import read_colour_map, read_colours
from intarsia.layout.detect import check_names
from intarsia.layout.names import BACKGROUND, words_of
from intarsia.layout.scene import Scene, SceneObject
from intarsia.records.scene_folder import SCENE_FILES
from intarsia.web.arrange_store import photo_path, read_source, source_path, unique_name, write_session_scene
from intarsia.web.canvas import Move, Moves, canvas_value, photo_value
from intarsia.web.mask_uploads import uploaded_file
from intarsia.web.sessions import Session
from intarsia.web.uploads import file_url, photo_facts

MAX_NAME = 100
"""Characters of an object's name."""


# What the canvas needs


def scene_value(session: Session, scene: Scene, name: str, moves: Moves | None = None) -> dict[str, Any]:
    """The canvas's value for a scene of a session, with what it needs to paint on it."""
    return {**canvas_value(scene, name, moves), "paint": paint_facts(source_path(session, name))}


def picture_value(file: Path) -> dict[str, Any]:
    """The canvas's value for a photo of a session that has no cut-outs yet."""
    return {**photo_value(read_photo(file), file.parent.name), "paint": paint_facts(file)}


def paint_facts(source: Path) -> dict[str, Any]:
    """What is painted on: the photo, and of a scene folder the map of its objects and their colours by name."""
    facts: dict[str, Any] = {"photo": photo_facts(photo_path(source)), "mask": None, "colours": {}}
    if source.is_dir():
        facts["mask"] = file_url(source / SCENE_FILES["mask"])
        facts["colours"] = {
            name: list(colour) for name, colour in read_colours(source / SCENE_FILES["colours"]).items()
        }
    return facts


# Outlines


def mend_object(session: Session, source: Path, name: str, mask: Mask) -> tuple[str, Scene]:
    """A new scene in which an object has another outline; the name of its folder, and the scene.

    Args:
        mask: (H, W) of the object, not empty. What it covers belongs to no other object any more.

    Raises:
        LayoutError: there is no such object, or nothing would be left of another one.
    """
    before = read_source(source)
    if name not in before.names:
        raise LayoutError(f"There is no {name!r} on the canvas any more: reload the page.")
    others = {thing.name: thing for thing in without(before, mask, keep=name)}
    things = tuple(  # what a person outlines is there
        dataclasses.replace(thing, mask=mask, confidence=None, doubt="") if thing.name == name else others[thing.name]
        for thing in before.objects
    )
    scene = Scene(photo=before.photo, objects=things)
    return write_session_scene(session, scene, source)[0], scene


def add_object(session: Session, source: Path, wanted: str, mask: Mask) -> tuple[str, Scene, str]:
    """A new scene with one object more, in front of the others.

    Args:
        wanted: its name; a number is added where another object has it.
        mask: as for `mend_object`.

    Returns:
        The name of the scene's folder, the scene, and the object's name.

    Raises:
        LayoutError: it has no name that can be used, or nothing would be left of another object.
    """
    before = read_source(source)
    named = " ".join(wanted.split())[:MAX_NAME]
    if not named:
        raise LayoutError("The new object has no name", Remedy("say what it is, such as cup"))
    name = unique_name(named, before.names)
    check_names([*before.names, name])
    thing = SceneObject(name=name, words=words_of(name), mask=mask)
    scene = Scene(photo=before.photo, objects=(*without(before, mask), thing))
    return write_session_scene(session, scene, source)[0], scene, name


def without(scene: Scene, mask: Mask, *, keep: str = "") -> Iterable[SceneObject]:
    """The objects of a scene, but the one to `keep`, without what a mask covers."""
    for thing in scene.objects:
        if thing.name == keep:
            continue
        left = thing.mask & ~mask
        if not left.any():
            raise LayoutError(
                f"Nothing would be left of {thing.name!r}, which lies under what you painted", Remedy("paint less")
            )
        yield dataclasses.replace(thing, mask=left)


def others_mask(source: Path, name: str | None) -> Mask | None:
    """(H, W) what belongs to other objects than the named one; None where there are none."""
    if not source.is_dir():
        return None
    masks = [thing.mask for thing in read_source(source).objects if thing.name != name]
    return np.logical_or.reduce(masks) if masks else None


# Layouts


def take_layout(upload: Any, uploads: Path, session: Session, source: Path) -> tuple[Path, tuple[str, ...]]:
    """Copy a painted layout into the session's folder.

    Args:
        upload: path that the page sent, which may be anything.
        uploads: folder of the uploads.
        source: the scene folder whose objects are painted.

    Returns:
        The layout, and the objects that it does not show.

    Raises:
        PictureError: it is no upload, or no picture.
        LayoutError: it has other colours than the scene's objects, another shape than the photo, or shows no object.
    """
    file, photo = uploaded_file(upload, uploads), photo_of(source)
    masks = read_colour_map(file, read_colours(source / SCENE_FILES["colours"]), photo.size).masks
    absent = tuple(name for name, mask in masks.items() if not mask.any())
    if len(absent) == len(masks):
        raise LayoutError("Nothing is painted", Remedy("paint where the objects should be"))
    copy = session.new_folder("layout") / "layout.png"
    shutil.copyfile(file, copy)
    return copy, absent


def session_layout(session: Session, name: Any) -> Path | None:
    """The painted layout that a page named; None where it named none.

    Raises:
        RecordError: the session has none of that name.
    """
    if name is None:
        return None
    if isinstance(name, str) and re.fullmatch(r"layout-\d{4,}", name):
        file = session.folder / name / "layout.png"
        if file.is_file():
            return file
    raise RecordError("The painted layout is not here any more: paint it again.")


def painted_value(session: Session, name: str, layout: Path, absent: Iterable[str]) -> dict[str, Any]:
    """The canvas's value once a layout is painted: nothing is moved beside it, and what it does not show is removed."""
    gone = set(absent)
    names = [each for each in read_colours(source_path(session, name) / SCENE_FILES["colours"]) if each != BACKGROUND]
    moves = [dataclasses.asdict(Move(name=each, gone=each in gone)) for each in names]
    return {"id": name, "moves": moves, "painted": {"name": layout.parent.name, "url": file_url(layout)}}


def painted_of(session: Session, record: Path) -> dict[str, Any] | None:
    """The painted layout that a result of the session was made from, as the canvas knows it; None without one.

    Args:
        record: the result's JSON file.
    """
    layout = json.loads(record.read_text(encoding="utf-8")).get("record", {}).get("layout")
    file = Path(str(layout or ""))
    if layout is None or file.parent.parent != session.folder.resolve() or not file.is_file():
        return None
    return {"name": file.parent.name, "url": file_url(file)}


def photo_of(source: Path) -> Photo:
    """The photo of a scene folder or a picture."""
    return read_photo(photo_path(source))
