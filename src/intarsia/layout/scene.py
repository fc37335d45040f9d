"""A scene: a picture and the objects in it, each with its name and its mask.

The objects come from a picture in their colours with a key, from a mask each, from a scene folder that
was written before, or are found in the picture by their names.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from intarsia.backbones.protocols import Segmenter
from intarsia.errors import LayoutError
from intarsia.geometry import Size
from intarsia.images import TURNS, Bytes, Photo, read_photo
from intarsia.layout.find import BACKGROUND, find_masks, words_of
from intarsia.masks import Mask, fits, read_mask
from intarsia.records import ArrangeRecord

Colour = tuple[int, int, int]

PHOTO_FILE, MASK_FILE, COLOURS_FILE = "photo.png", "mask.png", "colours.json"
"""What a scene folder holds."""

PAPER: Colour = (254, 254, 254)
"""The background's colour in maps that we make, as in the published ones."""

MOST_TOLERANCE = 64
"""Levels that a record's tolerance may have."""

MANY_COLOURS = 8
"""So many colours that belong to nobody are no slip of the brush: the file was smoothed or compressed."""


@dataclass(frozen=True, kw_only=True)
class SceneObject:
    """One object of a scene.

    Attributes:
        name: unique in its scene, e.g. "dog 2".
        words: what it is, for models: the name without its number, e.g. "dog".
        mask: (H, W) at the photo's size, the pixels that show it; those of different objects are disjoint.
    """

    name: str
    words: str
    mask: Mask


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A picture and its objects, as many as there are; the rest is background."""

    photo: Photo
    objects: tuple[SceneObject, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(thing.name for thing in self.objects)


def read_scene(
    record: ArrangeRecord, photo: Photo, segmenter: Segmenter | None = None, *, native_side: int = 512
) -> Scene:
    """The objects of a picture, from where the record has them.

    Args:
        record: `mask` and `colours`, `masks`, `find`, or a scene folder as its `photo`.
        photo: the picture, upright; in a scene folder, the one that `photo_of` names.
        segmenter: finds objects by their names; needed for `find` alone.
        native_side: short side at which it looks, in pixels, where the record says nothing.

    Raises:
        LayoutError: the objects cannot be read or found, or contradict each other.
        PictureError: a file is not a readable picture.
        RegionError: an object's mask is not clearly black and white, or of another shape than the photo.
    """
    if record.mask is not None:
        assert record.colours is not None, "records have colours with their mask"
        return read_coloured(photo, record.mask, record.colours, record.tolerance)
    if record.masks:
        return read_masks(photo, record.masks)
    if record.find:
        if segmenter is None:
            raise LayoutError(
                f"The objects {', '.join(record.find)} are to be found by their names, but no segmenter was given: "
                "pass the segmenter of the loaded models."
            )
        return find_objects(photo, record.find, segmenter, side=record.size or native_side)
    if Path(record.photo).is_dir():
        return read_scene_folder(Path(record.photo), photo, record.tolerance)
    raise LayoutError(
        "Nothing says which objects the picture has: pass --find with their names, --mask and --colours, --masks, "
        "or a scene folder that intarsia objects wrote."
    )


def find_objects(photo: Photo, names: Sequence[str], segmenter: Segmenter, *, side: int) -> Scene:
    """A scene of objects that are found by their names; see `find.find_masks`."""
    return scene_of(photo, find_masks(photo, names, segmenter, side=side))


def photo_of(record: ArrangeRecord) -> Path:
    """The file of a record's picture, which may lie in a scene folder.

    Raises:
        LayoutError: the folder is not a scene.
    """
    place = Path(record.photo)
    if not place.is_dir():
        return place
    if not (place / PHOTO_FILE).is_file():
        raise LayoutError(
            f"{place} is a folder without {PHOTO_FILE}, so not a scene: give a picture, or a folder that intarsia "
            "objects wrote."
        )
    return place / PHOTO_FILE


def colours_of(record: ArrangeRecord) -> Path:
    """The key of a record's coloured maps: the one that it names, else that of its scene folder.

    Raises:
        LayoutError: there is neither.
    """
    own = Path(record.photo) / COLOURS_FILE
    if record.colours is None and not own.is_file():
        raise LayoutError(
            f"{record.layout or record.mask} is a picture in colours, but nothing says whose they are: pass --colours "
            'FILE, {"cat": [251, 216, 1], "background": [254, 254, 254]}, or a scene folder that has its own.'
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
                f"The scene folder {folder} lacks {name}: write it again with intarsia objects, or pass the picture "
                "with --mask and --colours."
            )
    photo = read_photo(folder / PHOTO_FILE) if photo is None else photo
    return read_coloured(photo, folder / MASK_FILE, folder / COLOURS_FILE, tolerance)


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
    return scene_of(photo, coloured.masks)


def read_masks(photo: Photo, given: Sequence[str]) -> Scene:
    """A scene from one black and white picture an object, each "NAME=FILE"; the later ones stand in front.

    Raises:
        LayoutError: a mask has no name, a name comes twice, or an object lies wholly behind others.
        PictureError, RegionError, EmptyMaskError: a file cannot be read as a mask.
    """
    files: dict[str, str] = {}
    for text in given:
        name, equals, file = text.partition("=")
        name = name.strip()
        if not (equals and name and file.strip()):
            raise LayoutError(f"The mask {text!r} has no name or no file: write --masks cat=cat.png 'dog 1=dog.png'.")
        if name in files:
            raise LayoutError(f"Two masks are called {name!r}: number them, '{name} 1=...' and '{name} 2=...'.")
        files[name] = file.strip()
    masks = {name: read_mask(file, photo.size, orientation=photo.orientation) for name, file in files.items()}
    taken = np.zeros((photo.size.height, photo.size.width), dtype=np.bool_)
    for name in reversed(masks):
        shown = masks[name] & ~taken
        if not shown.any():
            raise LayoutError(
                f"{name!r} lies wholly behind the objects that are named after it: name it later, or correct "
                f"{files[name]}."
            )
        taken |= masks[name]
        masks[name] = shown
    return scene_of(photo, masks)


def scene_of(photo: Photo, masks: Mapping[str, Mask]) -> Scene:
    """A scene of named masks that are disjoint and none of them empty."""
    if not masks:
        raise LayoutError("The scene has no objects, so that nothing can be moved: name at least one.")
    return Scene(
        photo=photo,
        objects=tuple(SceneObject(name=name, words=words_of(name), mask=mask) for name, mask in masks.items()),
    )


# Coloured maps and their keys


def read_json(path: str | Path, what: str, example: str) -> dict[str, Any]:
    """An object of JSON with its names in order; a name that comes twice is an error.

    Args:
        what: the file is, for messages: "The key of colours".
        example: what it should look like.

    Raises:
        LayoutError: there is no such file, or it holds something else.
    """

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        twice = [name for name, count in Counter(name for name, _ in pairs).items() if count > 1]
        if twice:
            raise LayoutError(f"{what} {path} has {twice[0]!r} twice: number them, '{twice[0]} 1' and '{twice[0]} 2'.")
        return dict(pairs)

    try:
        values = json.loads(Path(path).read_text(encoding="utf-8-sig"), object_pairs_hook=once)
    except FileNotFoundError:
        raise LayoutError(f"There is no file {path}: check the name and the folder.") from None
    except OSError as problem:
        raise LayoutError(f"{what} {path} cannot be read ({problem.strerror}): check the name.") from problem
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as problem:
        where = f" (line {problem.lineno})" if isinstance(problem, json.JSONDecodeError) else ""
        raise LayoutError(f"{what} {path} is not JSON{where}: write it as {example}.") from problem
    if not isinstance(values, dict):
        raise LayoutError(f"{what} {path} holds no names: write it as {example}.")
    return values


def read_colours(path: str | Path) -> dict[str, Colour]:
    """The key of a coloured map: JSON of names and their colours, in the order of the file.

    Raises:
        LayoutError: it is not such a key, two names share a colour, or it names no object.
    """
    what, example = "The key of colours", '{"cat": [251, 216, 1], "background": [254, 254, 254]}'
    key: dict[str, Colour] = {}
    owners: dict[Colour, str] = {}
    for given, value in read_json(path, what, example).items():
        name = given.strip()
        if name.lower() == BACKGROUND:
            name = BACKGROUND
        levels = value if isinstance(value, list) else []
        if len(levels) != 3 or not all(type(level) is int and 0 <= level <= 255 for level in levels):
            raise LayoutError(
                f"{what} {path} gives {given!r} as {json.dumps(value)}, but a colour is three whole numbers from 0 to "
                "255: write [red, green, blue]."
            )
        if not name:
            raise LayoutError(f"{what} {path} has a colour without a name, {value}: name its object.")
        if name in key:
            raise LayoutError(f"{what} {path} has {name!r} twice: number them, '{name} 1' and '{name} 2'.")
        colour = (levels[0], levels[1], levels[2])
        if colour in owners:
            raise LayoutError(
                f"{what} {path} gives {owners[colour]!r} and {name!r} the same colour {colour}: give each its own."
            )
        key[name], owners[colour] = colour, name
    if not set(key) - {BACKGROUND}:
        raise LayoutError(f"{what} {path} names no object: write it as {example}.")
    return key


@dataclass(frozen=True, kw_only=True)
class ColourMap:
    """A map of objects as it was read.

    Attributes:
        masks: (H, W) at the photo's size, by name, without the background; disjoint, some perhaps empty.
        size: of the file, in pixels.
    """

    masks: dict[str, Mask]
    size: Size


def read_colour_map(
    path: str | Path, key: Mapping[str, Colour], size: Size, *, tolerance: int = 0, orientation: int = 1
) -> ColourMap:
    """A map of objects in the colours of a key; transparent pixels are background.

    Args:
        path: of the map, any size of the photo's shape.
        key: colours by name.
        size: the upright photo's, in pixels.
        tolerance: levels by which a colour may miss the one that is meant, in each channel.
        orientation: the EXIF orientation that the photo had, as for `masks.read_mask`.

    Raises:
        LayoutError: a colour belongs to nobody, or the map's shape is not the photo's.
        PictureError: the file is not a readable picture.
    """
    photo = read_photo(path)
    numbers = owners(photo, Path(path), key, tolerance)
    shape = photo.size
    if orientation >= 5 and not fits(shape, size) and fits(Size(shape.height, shape.width), size):
        numbers = np.asarray(Image.fromarray(numbers).transpose(TURNS[orientation]))
    elif not fits(shape, size):
        raise LayoutError(
            f"The map {path} has {shape} pixels, but the photo has {size}, another shape: paint it over the whole "
            "photo and save it at the photo's size."
        )
    numbers = resized(numbers, size)
    masks: dict[str, Mask] = {name: numbers == number for number, name in enumerate(key, start=1) if name != BACKGROUND}
    return ColourMap(masks=masks, size=shape)


def resized(numbers: npt.NDArray[np.int32], size: Size) -> npt.NDArray[np.int32]:
    """A map of numbers at another size: the nearest pixel's, and where it grows, with borders rounded off."""
    height, width = numbers.shape
    if (height, width) == (size.height, size.width):
        return numbers
    if size.height < 1.5 * height:
        return np.asarray(Image.fromarray(numbers).resize((size.width, size.height), Image.Resampling.NEAREST))
    # Each number's share of a pixel, interpolated; the largest wins. The steps of a small map would show.
    best = np.full((size.height, size.width), -np.inf, np.float32)
    grown = np.zeros(best.shape, np.int32)
    for number in np.unique(numbers):
        share = Image.fromarray((numbers == number).astype(np.float32))
        large = np.asarray(share.resize((size.width, size.height), Image.Resampling.BICUBIC))
        grown[large > best] = number
        best = np.maximum(best, large)
    return grown


def owners(photo: Photo, path: Path, key: Mapping[str, Colour], tolerance: int) -> npt.NDArray[np.int32]:
    """(H, W) place in the key, from 1, of the colour of each pixel; 0 where it is transparent."""
    packed = photo.pixels.astype(np.int32) @ np.array([1 << 16, 1 << 8, 1], dtype=np.int32)
    clear = np.zeros(packed.shape, np.bool_) if photo.alpha is None else photo.alpha < 128
    shades, which, counts = np.unique(packed, return_inverse=True, return_counts=True)
    which = which.reshape(packed.shape)
    if clear.any():
        counts = np.bincount(which[~clear], minlength=len(shades))
    levels = np.stack([shades >> 16, shades >> 8 & 255, shades & 255], axis=-1)
    named = np.array(list(key.values()), dtype=np.int32)
    # The nearest by the largest difference of a channel, as tolerance counts; ties by the sum of them.
    nearest, away = np.zeros(len(shades), np.int32), np.zeros(len(shades), np.int32)
    for start in range(0, len(shades), 1 << 14):
        part = slice(start, start + (1 << 14))
        differences = np.abs(levels[part, None] - named[None])
        order = differences.max(-1) * 1024 + differences.sum(-1)
        nearest[part] = order.argmin(1)
        away[part] = differences.max(-1)[np.arange(len(order)), nearest[part]]
    strange = (away > tolerance) & (counts > 0)
    if strange.any():
        raise LayoutError(
            strange_colours(photo, path, key, levels[strange], counts[strange], nearest[strange], away[strange])
        )
    found: npt.NDArray[np.int32] = np.where(clear, 0, nearest[which] + 1).astype(np.int32)
    return found


def strange_colours(
    photo: Photo,
    path: Path,
    key: Mapping[str, Colour],
    levels: npt.NDArray[np.int32],
    counts: npt.NDArray[np.int64],
    nearest: npt.NDArray[np.int32],
    away: npt.NDArray[np.int32],
) -> str:
    """What to say of colours that belong to nobody; that of most pixels is named."""
    most = int(counts.argmax())
    colour = tuple(int(level) for level in levels[most])
    name = list(key)[nearest[most]]
    near = f"the nearest is {name!r} {key[name]}, {away[most]} level{'s' if away[most] != 1 else ''} away"
    fact = f"colour {colour} covers {counts[most]:,} pixel{'s' if counts[most] != 1 else ''} of {path.name}"
    if len(counts) > 1:
        others, rest = len(counts) - 1, int(counts.sum() - counts[most])
        fact += f", and {others:,} other{'s' if others > 1 else ''} cover {rest:,} more, but they belong to no object"
    else:
        fact += " but belongs to no object"
    if len(counts) >= MANY_COLOURS:
        cause = "JPEG blurs colours" if photo.format in ("JPEG", "WebP") else "a smoothed or resized drawing has them"
        remedy = f"{cause}: save the map as PNG with hard edges"
        if away.max() <= MOST_TOLERANCE:
            remedy += f", or pass --tolerance {away.max()} to read each as the nearest"
    elif BACKGROUND not in key:
        remedy = f'The key has no "{BACKGROUND}": add its colour, e.g. "{BACKGROUND}": {list(colour)}'
    elif away.max() <= MOST_TOLERANCE:
        as_what = repr(name) if len(counts) == 1 else "the nearest"
        remedy = f"Redraw with hard edges, or pass --tolerance {away.max()} to read it as {as_what}"
    else:
        remedy = "Add it to the key of colours with its object's name, or redraw it in a colour of the key"
    return f"{fact}; {near}. {remedy}."


def colour_map(masks: Mapping[str, Mask], colours: Mapping[str, Colour]) -> Bytes:
    """Paint masks in their colours over the background's; later ones over earlier ones.

    Args:
        masks: (H, W) by name, at least one.
        colours: by name, the background's too.

    Returns:
        (H, W, 3) uint8, to be saved without loss.
    """
    shape = next(iter(masks.values())).shape
    pixels = np.empty((*shape, 3), dtype=np.uint8)
    pixels[:] = colours[BACKGROUND]
    for name, mask in masks.items():
        pixels[mask] = colours[name]
    return pixels


def distinct_colours(names: Sequence[str]) -> dict[str, Colour]:
    """A colour for each name and, last, for the background: as far from each other as they can be.

    Distance is what tolerance counts: the largest difference of a channel. Bright colours come first.
    """
    steps = 2
    while steps**3 < len(names) + 2:
        steps += 1
    grid = np.round(np.stack(np.meshgrid(*[np.linspace(0, 255, steps)] * 3, indexing="ij"), -1)).reshape(-1, 3)
    grid = grid[np.argsort(grid.min(1) - grid.max(1), kind="stable")]
    away = np.abs(grid - np.array(PAPER)).max(1)
    key: dict[str, Colour] = {}
    for name in names:
        red, green, blue = (int(level) for level in grid[away.argmax()])
        key[name] = (red, green, blue)
        away = np.minimum(away, np.abs(grid - np.array(key[name])).max(1))
    return {**key, BACKGROUND: PAPER}
