"""The canvas: a picture's objects as paper cut-outs that are dragged, scaled, turned, stacked and removed.

The browser moves them; it sends moves in pixels of the photo, which become an `ArrangeRecord`.
"""

from __future__ import annotations

import base64
import dataclasses
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr
import numpy as np
from PIL import Image

from intarsia.errors import RecordError
from intarsia.imaging.affine import Matrix, compose_maps, rotation, scaling_map, translation
from intarsia.imaging.geometry import Box, Size
from intarsia.imaging.infill import halve, membrane_fill
from intarsia.imaging.known_ground import cut_from_ground
from intarsia.imaging.masks import Mask, bounding_box, bounds_of, dilate
from intarsia.imaging.matting import Layer
from intarsia.imaging.photo import Photo, Picture
from intarsia.imaging.slices import beyond
from intarsia.layout.copies import SEPARATOR
from intarsia.layout.moves import LEAST_SCALE, MOST_SCALE
from intarsia.layout.names import BACKGROUND, free_name
from intarsia.layout.scene import Scene
from intarsia.records.arrange import ArrangeRecord, ComposeSettings
from intarsia.web.scripts import loading

EVENTS = ("uploaded", "example", "pointed", "renamed", "replayed", "opened", "masked", "outlined", "painted")
"""Events that the canvas triggers: see `canvas_component`."""

MAX_CANVAS_SIDE = 1280
"""Longer side of the picture on the canvas, in pixels: finer than most windows show it."""

MOST_NAME = 100
"""Characters of the name of a copy."""

MIN_VISIBLE_ALPHA = 1 / 255
"""Coverage from which a pixel is visible."""


@dataclass(frozen=True, kw_only=True)
class Move:
    """The transform of one cut-out: scaled, mirrored, turned about its middle, and then shifted.

    Attributes:
        name: of the scene's object.
        x, y: the shift of its middle, in pixels of the photo.
        wide, high: factors along its own sides, above 0.
        turn: degrees clockwise, as it is seen.
        flip: whether it is mirrored left to right, before it is turned.
        gone: whether it was removed.
        copy_of: the scene's object that this is a copy of, under a name of its own; None for an object itself.
    """

    name: str
    x: float = 0.0
    y: float = 0.0
    wide: float = 1.0
    high: float = 1.0
    turn: float = 0.0
    flip: bool = False
    gone: bool = False
    copy_of: str | None = None


Moves = tuple[Move, ...]
"""One for each object of a scene and for each copy of one, from back to front."""


def identity_moves(scene: Scene) -> Moves:
    """The moves that leave the picture as it is."""
    return tuple(Move(name=name) for name in scene.names)


def read_moves(given: Any, names: Sequence[str]) -> Moves:
    """Read the moves that a browser or another program sent.

    Args:
        given: a list of objects with the fields of `Move`; objects that are not named stay unmoved, behind the others.
            One with a "copy_of" is a copy, with a name that nothing else has.
        names: of the scene's objects.

    Raises:
        RecordError: they are something else.
    """
    if not isinstance(given, list):
        raise RecordError('The moves are no list: give [{"name": "cat", "x": 40, "y": 0}], one for each object.')
    moves = [read_move(each, names) for each in given]
    named = [move.name for move in moves]
    if len(set(named)) < len(named):
        twice = next(name for name in named if named.count(name) > 1)
        raise RecordError(f"The moves name {twice!r} twice: give each object one.")
    return (*(Move(name=name) for name in names if name not in named), *moves)


def read_move(given: Any, names: Sequence[str]) -> Move:
    if isinstance(given, Mapping) and given.get("copy_of") is not None:
        check_copy(given, names)
    elif not isinstance(given, Mapping) or given.get("name") not in names:
        known = ", ".join(map(repr, names))
        raise RecordError(f"A move must name one of the scene's objects, {known}, but this one does not: {given!r}.")
    values: dict[str, Any] = {}
    for field in dataclasses.fields(Move):
        if field.name not in given:
            continue
        value = given[field.name]
        if field.type == "float":
            if type(value) not in (int, float) or not math.isfinite(value) or abs(value) >= 1e6:
                raise RecordError(f"The move of {given['name']!r} has {field.name} {value!r}, but a number is needed.")
            value = float(value)
        elif field.type == "bool" and not isinstance(value, bool):
            raise RecordError(f"The move of {given['name']!r} has {field.name} {value!r}: say true or false.")
        values[field.name] = value
    unknown = sorted(set(map(str, given)) - {field.name for field in dataclasses.fields(Move)})
    if unknown:
        raise RecordError(f"The move of {given['name']!r} has {unknown[0]!r}, which is none of a move's fields.")
    move = Move(**values)
    for factor in (move.wide, move.high):
        if not LEAST_SCALE <= factor <= MOST_SCALE:
            raise RecordError(
                f"The move of {move.name!r} asks for {factor:g} times the size, but {LEAST_SCALE:g} to {MOST_SCALE:g} "
                "is possible."
            )
    return move


def check_copy(given: Mapping[str, Any], names: Sequence[str]) -> None:
    """Raise `RecordError` unless a move is of a copy of one of the scene's objects, under another name."""
    name, of = given.get("name"), given["copy_of"]
    if of not in names:
        known = ", ".join(map(repr, names))
        raise RecordError(f"A copy must be of one of the scene's objects, {known}, but this one is not: {given!r}.")
    if not isinstance(name, str) or not name.strip() or name != name.strip() or len(name) > MOST_NAME:
        raise RecordError(f"A copy of {of!r} needs a name of its own, such as {free_name(of, names)!r}: {name!r}.")
    if name in names or name.lower() == BACKGROUND or {"=", SEPARATOR} & set(name):
        raise RecordError(
            f"A copy of {of!r} cannot have the name {name!r}: give it another, such as {free_name(of, names)!r}."
        )


def canvas_matrix(move: Move, box: Box) -> Matrix:
    """The map of a cut-out on the canvas, as its style says: translate, rotate, scale, about the middle of a box."""
    middle = box.center
    sized = scaling_map(middle, -move.wide if move.flip else move.wide, move.high)
    return compose_maps(compose_maps(sized, rotation(middle, move.turn)), translation(move.x, move.y))


def record_from_moves(moves: Moves, names: Sequence[str], base: ArrangeRecord) -> ArrangeRecord:
    """The record that puts the objects where the canvas shows them.

    A record scales, turns and mirrors in this order. The canvas shows the mirrored object turned, so that a
    turn of it is the other way round in the record.

    Args:
        moves: one for each object of the scene, and for each copy; their order is that of the objects, from back to
            front.
        names: of the scene's objects, in its own order.
        base: the scene, and the settings.
    """
    stay = [move for move in moves if not move.gone]
    copies = [move for move in stay if move.copy_of is not None]
    # Each copy lies in front of its object, as `read_layout` puts it.
    before = [each for name in names for each in (name, *(copy.name for copy in copies if copy.copy_of == name))]
    back, front = stacking_changes([n for n in before if n in {m.name for m in stay}], [m.name for m in stay])
    return dataclasses.replace(
        base,
        copy=tuple(f"{m.copy_of}{SEPARATOR}{m.name}" for m in copies),
        move=tuple(f"{m.name}={m.x:+.6g},{m.y:+.6g}" for m in stay if is_significant(m.x) or is_significant(m.y)),
        to=(),
        scale=tuple(
            f"{m.name}={m.wide:.6g}" + ("" if m.wide == m.high else f",{m.high:.6g}")
            for m in stay
            if is_significant(m.wide - 1) or is_significant(m.high - 1)
        ),
        rotate=tuple(f"{m.name}={-m.turn if m.flip else m.turn:.6g}" for m in stay if is_significant(m.turn)),
        flip=tuple(m.name for m in stay if m.flip),
        remove=tuple(m.name for m in moves if m.gone and m.copy_of is None),
        front=front,
        back=back,
    )


def is_significant(change: float) -> bool:
    """Whether a change is more than a rounding error."""
    return abs(change) > 1e-4


def stacking_changes(before: Sequence[str], after: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The fewest objects to send to the back, or else to bring to the front, that turn one order into the other.

    Returns:
        The names for `back` and those for `front`; one of them is empty.
    """

    def kept(part: Sequence[str]) -> bool:
        return list(part) == [name for name in before if name in set(part)]

    most = len(after)
    front = next(count for count in range(most + 1) if kept(after[: most - count]))
    back = next(count for count in range(most + 1) if kept(after[count:]))
    if back < front:
        return tuple(reversed(after[:back])), ()
    return (), tuple(after[most - front :])


# What the canvas shows


def canvas_value(scene: Scene, name: str, moves: Moves | None = None) -> dict[str, Any]:
    """The canvas's value for a scene: its ground, its cut-outs, and their moves.

    Args:
        name: of the scene; the canvas sends it back.
        moves: by default none.
    """
    size = scene.photo.size
    small, ground, layers = canvas_layers(scene)
    return {
        "id": name,
        "width": size.width,
        "height": size.height,
        "ground": data_url(Image.fromarray(to_uint8(ground)), "JPEG"),
        "objects": [
            {
                "name": thing.name,
                "box": list(bounding_box(thing.mask).as_tuple()),
                **cutout_value(layers[thing.name], small, size),
            }
            for thing in scene.objects
        ],
        "moves": [dataclasses.asdict(move) for move in moves or identity_moves(scene)],
    }


def canvas_layers(scene: Scene) -> tuple[Size, Picture, dict[str, Layer]]:
    """The size at which the canvas shows a scene, its ground, and its objects by name."""
    size = scene.photo.size
    share = min(1.0, MAX_CANVAS_SIDE / size.long)
    small = Size(max(1, round(size.width * share)), max(1, round(size.height * share)))
    picture = resize_image(scene.photo.as_image().convert("RGB"), small, Image.Resampling.LANCZOS).astype(np.float32)
    masks = {name: mask_at_size(mask, small) for name, mask in scene.masks.items()}
    return small, *split_layers(picture, masks)


def photo_value(photo: Photo, name: str) -> dict[str, Any]:
    """The canvas's value for a photo without cut-outs."""
    image = photo.as_image().convert("RGB")
    image.thumbnail((MAX_CANVAS_SIDE, MAX_CANVAS_SIDE), Image.Resampling.LANCZOS)
    size = photo.size
    ground = {"width": size.width, "height": size.height, "ground": data_url(image, "JPEG")}
    return {"id": name, **ground, "objects": [], "moves": []}


def split_layers(picture: Picture, masks: Mapping[str, Mask]) -> tuple[Picture, dict[str, Layer]]:
    """The ground without the objects, and each object with its soft edge and its shadow; together the picture again.

    The ground is filled quickly, enough to drag on; the result's background is painted better.
    """
    short = min(picture.shape[:2])
    settings = ComposeSettings()
    reach = round(settings.border * short)
    everything = np.zeros(picture.shape[:2], np.bool_)
    for mask in masks.values():
        everything |= mask
    ground = fill_ground(picture, ~dilate(everything, reach))
    edge = max(1.5, settings.edge * short)
    layers = {
        name: cut_from_ground(picture, mask, ground, everything & ~mask, edge=edge, reach=reach)
        for name, mask in masks.items()
    }
    return ground, layers


def fill_ground(picture: Picture, known: Mask) -> Picture:
    """The unknown filled by `membrane_fill`; in a large picture at half its size, since the fill is smooth anyway."""
    if max(known.shape) <= MAX_CANVAS_SIDE // 2:
        return membrane_fill(picture, known)
    height, width = known.shape
    coarse = membrane_fill(*halve(picture, known)).repeat(2, 0).repeat(2, 1)[:height, :width]
    filled: Picture = np.where(known[..., None], picture, coarse)
    return filled


def cutout_value(layer: Layer, shown: Size, size: Size) -> dict[str, Any]:
    """A layer of an image of a size as a data URL, and its box in pixels of the photo."""
    picture, around = cutout(layer, shown, size)
    return {"picture": data_url(picture, "PNG"), "around": around}


def cutout(layer: Layer, shown: Size, size: Size) -> tuple[Image.Image, list[float]]:
    """A layer of an image of a size as a cropped picture with transparency, and its box in pixels of the photo."""
    visible = bounds_of(1 - layer.transmittance > MIN_VISIBLE_ALPHA)
    layer = layer.seen_in((slice(0, 1), slice(0, 1)) if visible is None else beyond(visible, layer.part))
    alpha = 1 - layer.transmittance
    colour = np.where(
        (alpha > MIN_VISIBLE_ALPHA)[..., None], layer.colour / np.maximum(alpha, MIN_VISIBLE_ALPHA)[..., None], 0
    )
    pixels = np.dstack([to_uint8(colour), to_uint8(255 * alpha)])
    wide, high = size.width / shown.width, size.height / shown.height
    rows, columns = layer.part
    around = [columns.start * wide, rows.start * high, columns.stop * wide, rows.stop * high]
    return Image.fromarray(pixels), [float(edge) for edge in around]


def to_uint8(values: np.ndarray) -> np.ndarray:
    return np.floor(values + 0.5).clip(0, 255).astype(np.uint8)


def mask_at_size(mask: Mask, size: Size) -> Mask:
    """A mask at the canvas's size; an object that is too small for it keeps a pixel."""
    shares = resize_image(Image.fromarray(mask.astype(np.uint8) * 255), size, Image.Resampling.BOX)
    smaller: Mask = shares >= 128
    return smaller if smaller.any() else shares == shares.max()


def resize_image(image: Image.Image, size: Size, how: Image.Resampling) -> np.ndarray:
    wanted = (size.width, size.height)
    # A large photo is first made smaller by a whole number, which is quick and cannot be seen on the canvas.
    return np.asarray(image if image.size == wanted else image.resize(wanted, how, reducing_gap=1.5))


def data_url(image: Image.Image, kind: str) -> str:
    """A picture as a data URL, which needs no file."""
    stream = io.BytesIO()
    # On its way to the browser, time counts for more than bytes.
    image.save(stream, kind, **({"compress_level": 3} if kind == "PNG" else {"quality": 90}))
    return f"data:image/{kind.lower()};base64,{base64.b64encode(stream.getvalue()).decode()}"


def canvas_component(value: Mapping[str, Any], **settings: Any) -> gr.HTML:
    """The canvas as a component.

    Its value is that of `canvas_value`; {"id", "moves"} alone moves the cut-outs that are there, and a "result" is
    shown in their place. Whenever a cut-out was let go, the browser sends {"id", "moves"}: see
    `parse_canvas_value`. It triggers events, each with an object of data:

        uploaded: {"path"}; a picture was dropped.
        example: {"index"}; one of the value's "examples" was chosen, which the canvas shows while it is empty.
        pointed: {"x", "y"} in pixels of the photo; a place without a cut-out was clicked.
        renamed: {"name", "wanted"}; an object was given another name.
        replayed: {"folder", "index"}; the replay of a result's picture was pressed.
        opened: the tab came to the front.
        masked: {"path", "former", "name"}; a mask was painted, of the object `former` or of a new one.
        outlined: {"box" or "point", "former"}; an outline is asked for, which comes as "outline".
        painted: {"path"}; a layout was painted, which comes back as "painted".
    """
    script = loading("arrange_canvas", EVENTS)
    return gr.HTML(value, html_template="", js_on_load=script, apply_default_css=False, **settings)


def parse_canvas_value(value: Any) -> tuple[str, Any]:
    """The scene's name and the moves that a browser sent, not checked yet: see `read_moves`."""
    sent = value if isinstance(value, Mapping) else {}
    return str(sent.get("id") or ""), sent.get("moves") or []
