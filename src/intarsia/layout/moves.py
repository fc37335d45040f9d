"""Moves of objects as they are typed: NAME=NUMBER,NUMBER."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

from intarsia.errors import LayoutError, Part, Remedy, Setting
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


def check_name(name: str, names: Sequence[str], where: Part) -> str:
    """The name as the scene has it.

    Args:
        names: of the scene's objects, and of their copies where these are meant too.
        where: what gives the name, for the message.

    Raises:
        LayoutError: it has no such object.
    """
    name = name.strip()
    if name not in names:
        raise LayoutError(where, f" names {name!r}, but the scene has {listed(names)}: give one of these.")
    return name


def check_kept(name: str, removed: Iterable[str], setting: Setting) -> None:
    """Raise `LayoutError` where an object is to be removed and to get another place as well."""
    if name in removed:
        raise LayoutError(f"{name!r} is removed and can have no ", setting, " as well: leave out one of the two.")


def listed(names: Iterable[str]) -> str:
    return ", ".join(repr(name) for name in names)


# Moves


def moves(
    record: ArrangeRecord, scene: Scene, placements: Sequence[Placement], removed: Iterable[str]
) -> dict[str, Matrix]:
    """What the record's moves do to each object or copy that they name, on top of where it is."""
    masks = scene.masks
    middles = {p.name: apply(p.matrix, bounding_box(masks[p.source]).center) for p in placements}
    names = tuple(middles)
    deltas: dict[str, Matrix] = {}

    def add(setting: str, name: str, matrix: Matrix) -> None:
        check_kept(name, removed, Setting(setting))
        deltas[name] = compose_maps(deltas.get(name, IDENTITY), matrix)

    for text in record.scale:
        name, (wide, *high) = parse_move("scale", text, names, (1, 2))
        for factor in (wide, *high):
            if not LEAST_SCALE <= factor <= MOST_SCALE:
                raise LayoutError(
                    Setting("scale"),
                    f" {text} asks for {factor:g} times the size, but {LEAST_SCALE:g} to {MOST_SCALE:g} is possible",
                    Remedy(
                        "use ",
                        Setting("flip"),
                        " to mirror and ",
                        Setting("remove", shell_quote(name)),
                        " to remove",
                        page="flip it to mirror, and remove it to have it gone",
                    ),
                )
        add("scale", name, scaling_map(middles.get(name, Point(0, 0)), wide, high[0] if high else wide))
    for text in record.rotate:
        name, (degrees,) = parse_move("rotate", text, names, (1,))
        add("rotate", name, rotation(middles.get(name, Point(0, 0)), degrees))
    for text in record.flip:
        name = check_name(text, names, Setting("flip"))
        add("flip", name, scaling_map(middles.get(name, Point(0, 0)), -1.0, 1.0))
    for text in record.move:
        name, (x, y) = parse_move("move", text, names, (2,))
        add("move", name, translation(x, y))
    for text in record.to:
        name, (x, y) = parse_move("to", text, names, (2,))
        now = apply(deltas.get(name, IDENTITY), middles.get(name, Point(0, 0)))
        add("to", name, translation(x - now.x, y - now.y))
    return deltas


EXAMPLES = {"move": "+120,0", "to": "320,200", "scale": "1.5", "rotate": "15"}


def parse_move(setting: str, text: str, names: Sequence[str], counts: Sequence[int]) -> tuple[str, tuple[float, ...]]:
    """Read NAME=NUMBER or NAME=NUMBER,NUMBER.

    Args:
        names: that there are.
        counts: how many numbers there may be.

    Raises:
        LayoutError: the scene has no such object, or the numbers are none or too many.
    """
    name, equals, numbers = text.rpartition("=")
    many = {(1,): "one number is", (2,): "two numbers are", (1, 2): "one or two numbers are"}[tuple(counts)]
    if not equals:
        raise LayoutError(
            Setting(setting),
            f" {text} has no '=', but {many} needed after the name",
            Remedy("write ", Setting(setting, shell_quote(f"{text.strip()}={EXAMPLES[setting]}"))),
        )
    name = check_name(name, names, Setting(setting))
    try:
        values = tuple(float(number) for number in numbers.split(","))
    except ValueError:
        values = ()
    if len(values) not in counts or not all(math.isfinite(value) and abs(value) < 1e6 for value in values):
        raise LayoutError(
            Setting(setting),
            f" {text} gives {numbers.strip()!r}, but {many} needed",
            Remedy("write ", Setting(setting, shell_quote(f"{name}={EXAMPLES[setting]}"))),
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
        source = scene.masks[placement.source]
        return replace(placement, matrix=matrix, mask=warp_mask(source, matrix, scene.photo.size))
    return replace(placement, matrix=matrix, mask=warp_mask(placement.mask, delta, scene.photo.size))


def check_visible(placement: Placement, scene: Scene) -> None:
    """Raise `LayoutError` where nothing of an object is left in the picture."""
    if placement.mask.any():
        return
    name, size = placement.name, scene.photo.size
    place = map_box(bounding_box(scene.masks[placement.source]), placement.matrix)
    remove = Remedy(
        Setting("remove", shell_quote(name), verb="pass"), " if it shall go", page="remove it from the picture"
    )
    if placement.copy_of is not None:
        remove = Remedy("leave out its ", Setting("copy"), page="remove it from the picture")
    if place.clipped(size).area > 0:
        raise LayoutError(
            f"Nothing of {name!r} is left at {place.width:.2g} x {place.height:.2g} pixels in the picture",
            Remedy("make it larger"),
            remove,
        )
    raise LayoutError(
        f"{name!r} would lie wholly outside the picture, around {place.center.x:.0f},{place.center.y:.0f} of {size} "
        "pixels",
        Remedy("move it less"),
        remove,
    )
