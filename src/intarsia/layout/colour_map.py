"""Maps of objects in their colours: how they are read, tolerantly, and painted."""

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

from intarsia.errors import LayoutError, Message, Remedy, Setting
from intarsia.imaging.geometry import Size
from intarsia.imaging.masks import Mask, fits
from intarsia.imaging.metadata import TURNS
from intarsia.imaging.photo import Bytes, Photo
from intarsia.imaging.read import read_photo
from intarsia.layout.names import BACKGROUND
from intarsia.notes import note

Colour = tuple[int, int, int]

PAPER: Colour = (254, 254, 254)
"""The background's colour in maps that we make, as in the published ones."""

MOST_TOLERANCE = 64
"""Levels that a record's tolerance may have."""

MANY_COLOURS = 8
"""Unknown colours from which they are no slip of the brush: the file was smoothed or compressed."""


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
    except LayoutError:
        raise
    except (ValueError, RecursionError) as problem:  # no text, no JSON, or numbers of thousands of digits
        where = f" (line {problem.lineno})" if isinstance(problem, json.JSONDecodeError) else ""
        raise LayoutError(f"{what} {path} is not JSON{where}: write it as {example}.") from problem
    if not isinstance(values, dict):
        raise LayoutError(f"{what} {path} holds no names: write it as {example}.")
    return values


def shown(value: object) -> str:
    """A JSON value in a message, cut off where it is long."""
    text = json.dumps(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


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
                f"{what} {path} gives {given!r} as {shown(value)}, but a colour is three whole numbers from 0 to "
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
        LayoutError: a colour is not in the key, or the map's shape is not the photo's.
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
    if numbers.shape != (size.height, size.width):
        note(f"The map {path} has {shape} pixels, and the photo {size}: it is fitted to the photo.")
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
    red, green, blue = (photo.pixels[..., channel].astype(np.int32) for channel in range(3))
    packed = red << 16 | green << 8 | blue
    clear = np.zeros(packed.shape, np.bool_) if photo.alpha is None else photo.alpha < 128
    # A map is long runs of one colour, of which there are far fewer than pixels.
    flat = packed.ravel()
    starts = np.concatenate([[0], 1 + np.flatnonzero(flat[1:] != flat[:-1])])
    lengths = np.diff(starts, append=flat.size)
    shades, runs = np.unique(flat[starts], return_inverse=True)
    opaque = np.add.reduceat(~clear.ravel(), starts, dtype=np.int64)
    counts = np.bincount(runs, weights=opaque, minlength=len(shades)).astype(np.int64)
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
            *strange_colours(photo, path, key, levels[strange], counts[strange], nearest[strange], away[strange])
        )
    found: npt.NDArray[np.int32] = (nearest[runs] + 1).astype(np.int32).repeat(lengths).reshape(packed.shape)
    found[clear] = 0
    return found


def strange_colours(
    photo: Photo,
    path: Path,
    key: Mapping[str, Colour],
    levels: npt.NDArray[np.int32],
    counts: npt.NDArray[np.int64],
    nearest: npt.NDArray[np.int32],
    away: npt.NDArray[np.int32],
) -> Message:
    """The message about colours that are not in the key; the one of most pixels is named."""
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
    near_enough = Setting("tolerance", int(away.max()), verb="pass")
    cause = "."
    if len(counts) >= MANY_COLOURS:
        blur = "JPEG blurs colours" if photo.format in ("JPEG", "WebP") else "a smoothed or resized drawing has them"
        cause, remedies = f". {blur}", [Remedy("save the map as PNG with hard edges")]
        if away.max() <= MOST_TOLERANCE:
            remedies.append(Remedy(near_enough, " to read each as the nearest"))
    elif BACKGROUND not in key:
        cause = f'. The key has no "{BACKGROUND}"'
        remedies = [Remedy(f'add its colour, e.g. "{BACKGROUND}": {list(colour)}')]
    elif away.max() <= MOST_TOLERANCE:
        as_what = repr(name) if len(counts) == 1 else "the nearest"
        remedies = [Remedy("redraw with hard edges"), Remedy(near_enough, f" to read it as {as_what}")]
    else:
        remedies = [
            Remedy("add it to the key of colours with its object's name"),
            Remedy("redraw it in a colour of the key"),
        ]
    return (f"{fact}; {near}{cause}", *remedies)


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
