"""Moves of objects as they are typed: NAME=NUMBER,NUMBER."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from intarsia.errors import LayoutError
from intarsia.imaging.affine import (
    IDENTITY,
    Matrix,
    apply,
    compose_maps,
    map_box,
    rotation,
    scaling_map,
    translation,
    warp_mask,
)
from intarsia.imaging.geometry import Point
from intarsia.imaging.masks import bounding_box
from intarsia.layout.layout import Placement
from intarsia.layout.scene import Scene
from intarsia.records.arrange import ArrangeRecord

LEAST_SCALE, MOST_SCALE = 0.02, 50.0


def check_name(name: str, scene: Scene, flag: str) -> str:
    """The name as the scene has it.

    Raises:
        LayoutError: it has no such object.
    """
    name = name.strip()
    if name not in scene.names:
        raise LayoutError(f"{flag} names {name!r}, but the scene has {listed(scene.names)}: give one of these.")
    return name


def listed(names: Iterable[str]) -> str:
    return ", ".join(repr(name) for name in names)


# Moves


def moves(
    record: ArrangeRecord, scene: Scene, matrices: Mapping[str, Matrix], removed: Iterable[str]
) -> dict[str, Matrix]:
    """What the record's moves do to each object that they name, on top of where it is."""
    middles = {
        o.name: apply(matrices[o.name], bounding_box(o.mask).center) for o in scene.objects if o.name in matrices
    }
    deltas: dict[str, Matrix] = {}

    def add(flag: str, name: str, matrix: Matrix) -> None:
        if name in removed:
            raise LayoutError(f"{name!r} is removed and can have no {flag} as well: leave out one of the two.")
        deltas[name] = compose_maps(deltas.get(name, IDENTITY), matrix)

    for text in record.scale:
        name, (wide, *high) = parse_move("--scale", text, scene, (1, 2))
        for factor in (wide, *high):
            if not LEAST_SCALE <= factor <= MOST_SCALE:
                raise LayoutError(
                    f"--scale {text} asks for {factor:g} times the size, but {LEAST_SCALE:g} to {MOST_SCALE:g} is "
                    f"possible: use --flip to mirror and --remove {shell_quote(name)} to remove."
                )
        add("--scale", name, scaling_map(middles.get(name, Point(0, 0)), wide, high[0] if high else wide))
    for text in record.rotate:
        name, (degrees,) = parse_move("--rotate", text, scene, (1,))
        add("--rotate", name, rotation(middles.get(name, Point(0, 0)), degrees))
    for text in record.flip:
        name = check_name(text, scene, "--flip")
        add("--flip", name, scaling_map(middles.get(name, Point(0, 0)), -1.0, 1.0))
    for text in record.move:
        name, (x, y) = parse_move("--move", text, scene, (2,))
        add("--move", name, translation(x, y))
    for text in record.to:
        name, (x, y) = parse_move("--to", text, scene, (2,))
        now = apply(deltas.get(name, IDENTITY), middles.get(name, Point(0, 0)))
        add("--to", name, translation(x - now.x, y - now.y))
    return deltas


EXAMPLES = {"--move": "+120,0", "--to": "320,200", "--scale": "1.5", "--rotate": "15"}


def parse_move(flag: str, text: str, scene: Scene, counts: Sequence[int]) -> tuple[str, tuple[float, ...]]:
    """Read NAME=NUMBER or NAME=NUMBER,NUMBER.

    Args:
        counts: how many numbers there may be.

    Raises:
        LayoutError: the scene has no such object, or the numbers are none or too many.
    """
    name, equals, numbers = text.rpartition("=")
    many = {(1,): "one number is", (2,): "two numbers are", (1, 2): "one or two numbers are"}[tuple(counts)]
    if not equals:
        raise LayoutError(
            f"{flag} {text} has no '=', but {many} needed after the name: write {flag} "
            f"{shell_quote(f'{text.strip()}={EXAMPLES[flag]}')}."
        )
    name = check_name(name, scene, flag)
    try:
        values = tuple(float(number) for number in numbers.split(","))
    except ValueError:
        values = ()
    if len(values) not in counts or not all(math.isfinite(value) and abs(value) < 1e6 for value in values):
        raise LayoutError(
            f"{flag} {text} gives {numbers.strip()!r}, but {many} needed: write {flag} "
            f"{shell_quote(f'{name}={EXAMPLES[flag]}')}."
        )
    return name, values


def shell_quote(text: str) -> str:
    """As it is typed in a shell."""
    return f"'{text}'" if " " in text else text


def apply_move(placement: Placement, delta: Matrix, scene: Scene) -> Placement:
    """A placement, moved from where it is."""
    if delta == IDENTITY:
        return placement
    matrix = compose_maps(placement.matrix, delta)
    if placement.fit == 1.0:
        # From the source itself: a mask that is warped twice would lose its fine parts.
        source = next(o.mask for o in scene.objects if o.name == placement.name)
        return replace(placement, matrix=matrix, mask=warp_mask(source, matrix, scene.photo.size))
    return replace(placement, matrix=matrix, mask=warp_mask(placement.mask, delta, scene.photo.size))


def check_visible(placement: Placement, scene: Scene) -> None:
    """Raise `LayoutError` where nothing of an object is left in the picture."""
    if placement.mask.any():
        return
    name, size = placement.name, scene.photo.size
    source = next(o.mask for o in scene.objects if o.name == name)
    place = map_box(bounding_box(source), placement.matrix)
    remedy = f"pass --remove {shell_quote(name)} if it shall go"
    if place.clipped(size).area > 0:
        raise LayoutError(
            f"Nothing of {name!r} is left at {place.width:.2g} x {place.height:.2g} pixels in the picture: make it "
            f"larger, or {remedy}."
        )
    raise LayoutError(
        f"{name!r} would lie wholly outside the picture, around {place.center.x:.0f},{place.center.y:.0f} of {size} "
        f"pixels: move it less, or {remedy}."
    )
