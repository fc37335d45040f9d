"""Scenes: objects that are cut out of a picture, so that they can be moved on the canvas."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from intarsia.errors import LayoutError, RecordError, Remedy
from intarsia.files import write_bytes_atomically
from intarsia.imaging.masks import Mask, bounding_box
from intarsia.imaging.photo import Photo
from intarsia.imaging.read import read_photo
from intarsia.layout.colour_map import read_colour_map, read_colours
from intarsia.layout.detect import check_names, iou
from intarsia.layout.names import words_of
from intarsia.layout.scene import Scene, SceneObject
from intarsia.records.scene_folder import SCENE_FILES
from intarsia.results.staging import png
from intarsia.web.arrange_moves import Move
from intarsia.web.arrange_store import SCENE, photo_path, read_source, source_path, unique_name, write_session_scene
from intarsia.web.mask_uploads import uploaded_file
from intarsia.web.sessions import Session
from intarsia.web.studio_cutouts import canvas_layers, cutout, to_uint8
from intarsia.web.studio_drafts import Draft
from intarsia.web.uploads import Facts, file_url

MAX_NAME = 100
"""Characters of an object's name."""
UNNAMED = "object"
"""What an object is called that the visitor gave no name."""
SAME = 0.8
"""Overlap (IoU) with an object that is cut out already from which a selection is that object again."""
SHOWN = "canvas"
"""Folder of a scene's pictures for the canvas."""


def scene_source(session: Session, draft: Draft, name: Any) -> Path:
    """The scene folder of a name that the page sent.

    Raises:
        RecordError: the draft has none of that name.
    """
    if not (isinstance(name, str) and SCENE.fullmatch(name) and name in draft.scenes):
        raise RecordError("The cut-out objects are not here any more: select them again.")
    return source_path(session, name)


def lift(
    session: Session, draft: Draft, photo: Photo, mask: Mask, *, picture: Path, scene: Any, name: str
) -> tuple[str, Scene, bool]:
    """Cut one more object out.

    It joins an earlier scene where the picture that is shown has the same pixels there as the scene's photo: then all
    moves start from these. Else what is shown becomes the photo of a new scene.

    Args:
        photo: that is shown; `picture` is its file.
        mask: (H, W) of the object, not empty.
        scene: name of the earlier scene, as the page sent it; None without.
        name: of the object; empty for a number.

    Returns:
        The new scene's name, the scene, and whether it is the earlier one with one object more.
    """
    if scene is not None:
        source = scene_source(session, draft, scene)
        earlier = read_source(source)
        if same_under(earlier.photo, photo, mask):
            again = next((thing.name for thing in earlier.objects if iou(thing.mask, mask) >= SAME), None)
            if again is not None:
                made, mended = mend_object(session, source, again, mask)
                return made, mended, True
            made, joined = add_object(session, source, object_name(name, earlier.names), mask)
            return made, joined, True
    if mask.all():
        raise LayoutError("All of the photo is selected: select what is to move.")
    made, alone = add_object(session, picture, object_name(name, ()), mask)
    return made, alone, False


def same_under(one: Photo, other: Photo, mask: Mask) -> bool:
    """Whether two pictures have the same pixels where a mask (H, W) is."""
    return one.size == other.size and bool(np.array_equal(one.pixels[mask], other.pixels[mask]))


def object_name(wanted: str, taken: Iterable[str]) -> str:
    """A name for an object: the one that was given, or "object 1", "object 2", ..."""
    named = " ".join(wanted.split())[:MAX_NAME]
    if named:
        return named
    known = set(taken)
    return next(name for number in range(1, len(known) + 2) if (name := f"{UNNAMED} {number}") not in known)


# Their outlines


def mend_object(session: Session, source: Path, name: str, mask: Mask) -> tuple[str, Scene]:
    """A new scene in which an object has another outline; the name of its folder, and the scene.

    Args:
        name: of one of the scene's objects.
        mask: (H, W) of the object, not empty. What it covers belongs to no other object any more.

    Raises:
        LayoutError: nothing would be left of another one.
    """
    before = read_source(source)
    others = {thing.name: thing for thing in without(before, mask, keep=name)}
    things = tuple(  # what a person outlines is there
        dataclasses.replace(thing, mask=mask, confidence=None, doubt="") if thing.name == name else others[thing.name]
        for thing in before.objects
    )
    scene = Scene(photo=before.photo, objects=things)
    return write_session_scene(session, scene, source)[0], scene


def add_object(session: Session, source: Path, wanted: str, mask: Mask) -> tuple[str, Scene]:
    """A new scene with one object more, in front of the others; the name of its folder, and the scene.

    Args:
        source: a scene folder, or a picture.
        wanted: the object's name; a number is added where another object has it.
        mask: as for `mend_object`.

    Raises:
        LayoutError: it has a name that cannot be used, or nothing would be left of another object.
    """
    before = read_source(source)
    name = unique_name(wanted, before.names)
    check_names([*before.names, name])
    thing = SceneObject(name=name, words=words_of(name), mask=mask)
    scene = Scene(photo=before.photo, objects=(*without(before, mask), thing))
    return write_session_scene(session, scene, source)[0], scene


def without(scene: Scene, mask: Mask, *, keep: str = "") -> Iterable[SceneObject]:
    """The objects of a scene, but the one to `keep`, without what a mask covers."""
    for thing in scene.objects:
        if thing.name == keep:
            continue
        left = thing.mask & ~mask
        if not left.any():
            raise LayoutError(f"The selection covers all of {thing.name!r}", Remedy("select less"))
        yield dataclasses.replace(thing, mask=left)


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
    file, photo = uploaded_file(upload, uploads), read_photo(photo_path(source))
    masks = read_colour_map(file, read_colours(source / SCENE_FILES["colours"]), photo.size).masks
    absent = tuple(name for name, mask in masks.items() if not mask.any())
    if len(absent) == len(masks):
        raise LayoutError("Nothing is painted", Remedy("paint where the objects should be"))
    copy = session.new_folder("layout") / "layout.png"
    shutil.copyfile(file, copy)
    return copy, absent


# What the page is told


def scene_answer(
    session: Session, name: str, scene: Scene, base: str, moves: Iterable[Mapping[str, Any]] = ()
) -> Facts:
    """A scene for the canvas: its ground, and each object as a cut-out, in files.

    Args:
        base: step that the scene was cut out of; empty for the original photo.
        moves: of its objects; those that are not named stay unmoved, in front of the others.
    """
    folder = session.folder / name / SHOWN
    colours = read_colours(source_path(session, name) / SCENE_FILES["colours"])
    small, ground, layers = canvas_layers(scene)
    size = scene.photo.size
    folder.mkdir(exist_ok=True)
    Image.fromarray(to_uint8(ground)).save(folder / "ground.jpg", quality=90)
    objects = []
    for number, thing in enumerate(scene.objects, 1):
        picture, around = cutout(layers[thing.name], small, size)
        picture.save(folder / f"{number}.png", compress_level=3)
        mask = folder / f"{number}.mask.png"
        write_bytes_atomically(mask, png(Image.fromarray(thing.mask)), overwrite=True)
        objects.append(
            {
                "name": thing.name,
                "box": [float(edge) for edge in bounding_box(thing.mask).as_tuple()],
                "around": around,
                "picture": file_url(folder / f"{number}.png"),
                "mask": file_url(mask),
                "colour": [int(level) for level in colours[thing.name]],
            }
        )
    return {
        "id": name,
        "base": base,
        "width": size.width,
        "height": size.height,
        "ground": file_url(folder / "ground.jpg"),
        "objects": objects,
        "moves": moves_for(scene, moves),
    }


def moves_for(scene: Scene, moves: Iterable[Mapping[str, Any]]) -> list[Facts]:
    """The moves of a scene's objects: known ones in their order, then the others unmoved."""
    kept = [dict(move) for move in moves if (move.get("copy_of") or move["name"]) in scene.names]
    named = {move["name"] for move in kept}
    return [*kept, *(dataclasses.asdict(Move(name=each)) for each in scene.names if each not in named)]
