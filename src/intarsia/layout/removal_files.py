"""Read what a record removes: boxes, outlined objects, a mask, names; and what must not be copied.

The scene of a removal is its photo and what goes. Only names need a network, and nothing else needs torch.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np

from intarsia.backbones.protocols import Segmenter
from intarsia.errors import EmptyMaskError, LayoutError, RecordError, RegionError, Remedy, Setting
from intarsia.imaging.geometry import Box
from intarsia.imaging.marked import check_label, read_marked
from intarsia.imaging.masks import Mask, box_mask, read_mask
from intarsia.imaging.photo import Photo
from intarsia.layout.doubts import refuse_unsure
from intarsia.layout.marked_objects import outline_marked, parse_marked
from intarsia.layout.names import words_of
from intarsia.layout.scene import Scene, SceneObject, scene_of_objects
from intarsia.layout.scene_files import find_objects
from intarsia.records.remove import RemoveRecord


def read_removal(
    record: RemoveRecord, photo: Photo, segmenter: Segmenter | None = None, *, native_side: int = 512
) -> Scene:
    """What a record removes, as the objects of a scene: their names are those of the record, or "box 1" and "mask".

    What two of them cover belongs to the one that comes first: boxes, outlined objects, names, the mask.

    Args:
        photo: the picture, upright.
        segmenter: finds objects by their names; needed for `find` alone.
        native_side: short side at which it looks, in pixels, where the record says nothing.

    Raises:
        RecordError: the record says nothing of what is removed.
        RegionError, EmptyMaskError, PictureError: a box or mask cannot be used with this photo.
        LayoutError: an object cannot be found, or two have one name, or it is not sure that one is there and the record
            refuses those.
    """
    if not any((record.box, record.object, record.mask, record.find)):
        ways = (", ", Setting("object"), ", ", Setting("mask"), " or ", Setting("find"))
        raise RecordError(
            "Nothing says what to remove",
            Remedy("pass ", Setting("box", "X0,Y0,X1,Y1"), *ways, page="select it first"),
        )
    objects = _objects(record, photo, segmenter, native_side)
    return scene_of_objects(photo, [thing for thing in objects if thing.mask.any()])


def _objects(
    record: RemoveRecord, photo: Photo, segmenter: Segmenter | None, native_side: int
) -> Iterator[SceneObject]:
    """The objects of a removal, disjoint; one may be empty where others cover it."""
    # What costs nothing to check comes first.
    check_label(record)
    boxes = [box_mask(read_box(text), photo.size) for text in record.box]
    marks = parse_marked(record.object)
    names = [f"box {number}" for number in range(1, len(boxes) + 1)]
    _check_unlike([*names, *(mark.name for mark in marks), *record.find, *(["mask"] if record.mask else [])])
    drawn = None
    if record.mask is not None:
        drawn = read_marked(record, photo)
    masks = [*zip(names, boxes, strict=True), *outline_marked(photo, marks).items()]
    objects = [_shown(name, mask) for name, mask in masks]
    if record.find:
        if segmenter is None:
            raise RecordError(
                f"The objects {', '.join(record.find)} are to be found by their names, but no segmenter was given: "
                "pass the segmenter of the loaded models."
            )
        objects += _found(photo, record, segmenter, record.size or native_side)
    if drawn is not None:
        objects.append(_shown("mask", drawn))
    taken = np.zeros((photo.size.height, photo.size.width), np.bool_)
    for thing in objects:
        yield dataclasses.replace(thing, mask=thing.mask & ~taken)
        taken |= thing.mask


def _shown(name: str, mask: Mask) -> SceneObject:
    """What a person showed."""
    return SceneObject(name=name, words=words_of(name), mask=mask)


def _found(photo: Photo, record: RemoveRecord, segmenter: Segmenter, side: int) -> tuple[SceneObject, ...]:
    """What is found by its names; where that fails, the error names the ways to mark that a removal has."""
    by_hand = Remedy(
        "mark it with ", Setting("box"), ", ", Setting("object"), " or ", Setting("mask"), page="select it by hand"
    )
    try:
        objects = find_objects(photo, record.find, segmenter, side=side).objects
    except LayoutError as problem:
        of_scenes = Setting("masks")
        parts = (by_hand if isinstance(p, Remedy) and of_scenes in p.parts else p for p in problem.parts)
        raise LayoutError(*parts) from problem
    refuse_unsure(objects, record.unsure, by_hand)
    return objects


def _check_unlike(names: Sequence[str]) -> None:
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise LayoutError(f"Two objects are called {twice!r}: number them, '{twice} 1' and '{twice} 2'.")


def read_box(text: str) -> Box:
    """x0,y0,x1,y1 as a box.

    Raises:
        RegionError: it is not four numbers, or they are in the wrong order.
    """
    try:
        x0, y0, x1, y1 = (float(edge) for edge in text.split(","))
    except ValueError:
        raise RegionError(
            f"The box {text!r} is not four numbers with commas between them",
            Remedy("give ", Setting("box", "10,20,110,90"), ", the left, top, right and bottom edge in pixels"),
        ) from None
    return Box(x0, y0, x1, y1)


def read_avoid(record: RemoveRecord, photo: Photo) -> Mask | None:
    """(H, W) what is never copied; None where the record names no file of it.

    Raises:
        RegionError, EmptyMaskError, PictureError: the file cannot be used with this photo.
    """
    if record.avoid is None:
        return None
    try:
        return read_mask(record.avoid, photo.size, orientation=photo.orientation)
    except EmptyMaskError as problem:
        raise EmptyMaskError(
            f"The mask {record.avoid} is all black, so that nothing would be avoided",
            Remedy("paint white what is not to be copied"),
            Remedy("leave out ", Setting("avoid")),
        ) from problem
