"""Scenes: objects that are cut out of a picture, so that they can be moved on the canvas."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from intarsia.errors import LayoutError, RecordError
from intarsia.files import write_bytes_atomically
from intarsia.imaging.masks import Mask, bounding_box
from intarsia.imaging.photo import Photo
from intarsia.layout.colour_map import read_colours
from intarsia.layout.detect import iou
from intarsia.layout.scene import Scene
from intarsia.records.scene_folder import SCENE_FILES
from intarsia.results.staging import png
from intarsia.web.arrange_paint import MAX_NAME, add_object, mend_object
from intarsia.web.arrange_store import read_source, source_path
from intarsia.web.canvas import Move, canvas_layers, cutout, to_uint8
from intarsia.web.sessions import Session
from intarsia.web.studio_drafts import Draft
from intarsia.web.uploads import Facts, file_url

SCENE = re.compile(r"scene-\d{4,}")
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
            made, joined, _ = add_object(session, source, object_name(name, earlier.names), mask)
            return made, joined, True
    if mask.all():
        raise LayoutError("All of the photo is selected: select what is to move.")
    made, alone, _ = add_object(session, picture, object_name(name, ()), mask)
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
