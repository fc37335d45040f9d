"""Read a scene: a photo and the objects in it, each with its name and its mask.

The objects come from a picture in their colours with a key, from a mask each, from a scene folder that
was written before, from a box or points each, or are found in the picture by their names.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from intarsia.backbones.protocols import Segmenter
from intarsia.errors import Command, LayoutError, Remedy, Setting
from intarsia.imaging.masks import read_mask
from intarsia.imaging.photo import Photo
from intarsia.imaging.read import read_photo
from intarsia.layout.colour_map import read_colour_map, read_colours
from intarsia.layout.doubts import outline_by_hand, refuse_unsure, unsure_of
from intarsia.layout.found_file import with_found
from intarsia.layout.marked_objects import outline_marked, parse_marked
from intarsia.layout.scene import Scene, scene_of, scene_of_objects
from intarsia.notes import note
from intarsia.progress import tick
from intarsia.records.arrange import COLOURS_EXAMPLE, ArrangeRecord
from intarsia.records.inputs import split_mask
from intarsia.records.scene_folder import SCENE_FILES

PHOTO_FILE, MASK_FILE, COLOURS_FILE = (SCENE_FILES[kind] for kind in ("photo", "mask", "colours"))
"""What a scene folder holds."""


OVERLAP = 0.05
"""Share of a mask that others may cover before it is told of."""


def read_scene(
    record: ArrangeRecord, photo: Photo, segmenter: Segmenter | None = None, *, native_side: int = 512
) -> Scene:
    """The objects of a picture, from where the record has them.

    Args:
        record: `mask` and `colours`, `masks`, `find`, `object`, or a scene folder as its `photo`.
        photo: the picture, upright; in a scene folder, the one that `photo_of` names.
        segmenter: finds objects by their names; needed for `find` alone.
        native_side: short side at which it looks, in pixels, where the record says nothing.

    Raises:
        LayoutError: the objects cannot be read or found, or contradict each other, or it is not sure that one is there
            and the record refuses those.
        PictureError: a file is not a readable picture.
        RegionError: an object's mask is not clearly black and white, or of another shape than the photo; or a box
            or point cannot be used with this picture, or nothing stands out there.
    """
    if record.mask is not None:
        assert record.colours is not None, "records have colours with their mask"
        return read_coloured(photo, record.mask, record.colours, record.tolerance)
    if record.masks:
        return read_masks(photo, record.masks)
    if record.object:
        return read_objects(photo, record.object)
    if record.find:
        if segmenter is None:
            raise LayoutError(
                f"The objects {', '.join(record.find)} are to be found by their names, but no segmenter was given: "
                "pass the segmenter of the loaded models."
            )
        scene = find_objects(photo, record.find, segmenter, side=record.size or native_side)
        refuse_unsure(scene.objects, record.unsure, *map(outline_by_hand, unsure_of(scene.objects)[:1]))
        return scene
    if Path(record.photo).is_dir():
        return read_scene_folder(Path(record.photo), photo, record.tolerance)
    raise LayoutError(
        "Nothing says which objects the picture has",
        Remedy(
            "pass ",
            Setting("find"),
            " with their names, ",
            Setting("object"),
            " with a box or points each, ",
            Setting("mask"),
            " and ",
            Setting("colours"),
            ", ",
            Setting("masks"),
            ", or a scene folder that ",
            Command("objects", quoted=False),
            " wrote",
            page=("name them under ", Setting("find")),
        ),
    )


def find_objects(photo: Photo, names: Sequence[str], segmenter: Segmenter, *, side: int) -> Scene:
    """A scene of objects that are found by their names, sure or not; see `detect.detect_words`."""
    from intarsia.layout.detect import detect_words  # the only way to a scene that needs torch

    return scene_of_objects(photo, detect_words(photo, names, segmenter, side=side))


def read_objects(photo: Photo, marks: Sequence[str]) -> Scene:
    """A scene of objects that are marked by a box or by points, each "NAME=x0,y0,x1,y1" or "NAME@x,y@x,y"; the later
    ones stand in front.

    Raises:
        LayoutError: a mark cannot be read, or a name comes twice.
        RegionError: a box or point cannot be used with this picture, or nothing stands out there.
    """
    return scene_of(photo, outline_marked(photo, parse_marked(marks)))


def colours_of(record: ArrangeRecord) -> Path:
    """The key of a record's coloured maps: the one that it names, else that of its scene folder.

    Raises:
        LayoutError: there is neither.
    """
    own = Path(record.photo) / COLOURS_FILE
    if record.colours is None and not own.is_file():
        raise LayoutError(
            f"{record.layout or record.mask} is a picture in colours, but nothing says whose they are",
            Remedy(
                Setting("colours", "FILE", verb="pass"),
                f", {COLOURS_EXAMPLE}, or a scene folder that has its own",
                page=("give ", Setting("colours"), f" too, such as {COLOURS_EXAMPLE}"),
            ),
        )
    return own if record.colours is None else Path(record.colours)


def read_scene_folder(folder: Path, photo: Photo | None = None, tolerance: int = 0) -> Scene:
    """A scene that was written before: photo, coloured map and key in one folder.

    Raises:
        LayoutError: a file is missing, or the map cannot be read with the key.
    """
    for name in (PHOTO_FILE, MASK_FILE, COLOURS_FILE):
        if not (folder / name).is_file():
            raise LayoutError(
                f"The scene folder {folder} lacks {name}",
                Remedy(
                    "write it again with ",
                    Command("objects", quoted=False),
                    ", or pass the picture with ",
                    Setting("mask"),
                    " and ",
                    Setting("colours"),
                    page="select its objects again",
                ),
            )
    photo = read_photo(folder / PHOTO_FILE) if photo is None else photo
    return with_found(read_coloured(photo, folder / MASK_FILE, folder / COLOURS_FILE, tolerance), folder)


def read_coloured(photo: Photo, mask: str | Path, colours: str | Path, tolerance: int = 0) -> Scene:
    """A scene from a map of its objects in their colours.

    The file format of the published layout editing: the map may be of any size of the photo's shape.

    Raises:
        LayoutError: the key or a colour of the map cannot be read, or an object covers nothing.
        PictureError: the map is not a readable picture.
    """
    key = read_colours(colours)
    coloured = read_colour_map(mask, key, photo.size, tolerance=tolerance, orientation=photo.orientation)
    for name, shape in coloured.masks.items():
        if not shape.any():
            raise LayoutError(
                f"No pixel of {Path(mask).name} has the colour {key[name]} of {name!r}: paint it there, or take "
                f"{name!r} out of {Path(colours).name}."
            )
    return scene_of(photo, coloured.masks, grain=photo.size.short / coloured.size.short)


def read_masks(photo: Photo, given: Sequence[str]) -> Scene:
    """A scene from one black and white picture an object, each "NAME=FILE"; the later ones stand in front.

    Raises:
        LayoutError: a mask has no name, a name comes twice, or an object lies wholly behind others.
        PictureError, RegionError, EmptyMaskError: a file cannot be read as a mask.
    """
    files: dict[str, str] = {}
    for text in given:
        name, file = split_mask(text)
        if not (name and file):
            raise LayoutError(
                f"The mask {text!r} has no name or no file",
                Remedy("write ", Setting("masks", "cat=cat.png 'dog 1=dog.png'"), page="write name=file"),
            )
        if name in files:
            raise LayoutError(f"Two masks are called {name!r}: number them, '{name} 1=...' and '{name} 2=...'.")
        files[name] = file
    masks = {}
    for number, (name, file) in enumerate(files.items()):
        tick(number / len(files))
        masks[name] = read_mask(file, photo.size, orientation=photo.orientation)
    taken = np.zeros((photo.size.height, photo.size.width), dtype=np.bool_)
    for name in reversed(masks):
        shown = masks[name] & ~taken
        if not shown.any():
            raise LayoutError(
                f"{name!r} lies wholly behind the objects that are named after it: name it later, or correct "
                f"{files[name]}."
            )
        taken |= masks[name]
        hidden = 1 - shown.sum() / masks[name].sum()
        if hidden > OVERLAP:
            note(f"{hidden:.0%} of the mask of {name!r} lies behind objects that are named after it, and is theirs.")
        masks[name] = shown
    return scene_of(photo, masks)
