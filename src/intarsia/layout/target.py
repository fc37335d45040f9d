"""A target layout: where each object of a scene shall be.

It is drawn as a map in the objects' colours, given as boxes, or as moves; moves may correct the other two.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from intarsia.errors import LayoutError
from intarsia.geometry import Box, Point
from intarsia.layout.fit import fit_mask
from intarsia.layout.scene import Scene, colours_of, read_colour_map, read_colours, read_json
from intarsia.layout.warp import (
    IDENTITY,
    Matrix,
    applied,
    box_after,
    box_of,
    box_to_box,
    scaling,
    shift,
    then,
    turning,
    warp_channels,
    warp_mask,
    warp_picture,
)
from intarsia.masks import Mask, dilate
from intarsia.records import ArrangeRecord

__all__ = [
    "IDENTITY",
    "Layout",
    "Matrix",
    "Placement",
    "read_layout",
    "warp_channels",
    "warp_mask",
    "warp_picture",
]

LEAST_SCALE, MOST_SCALE = 0.02, 50.0

TELLING = 0.5
"""Overlap from which a fitted map says what an object covers behind others."""


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Where one object shall be.

    Attributes:
        name: of the scene's object.
        matrix: takes the source object to its place as well as an affine map can.
        mask: (H, W) at the photo's size, what it shall cover if nothing stood before it.
        fit: IoU of the source mask, taken there by the matrix, with `mask`; 1 where the target was
            given as a move. Low where shape or pose shall change.
    """

    name: str
    matrix: Matrix
    mask: Mask
    fit: float = 1.0

    @property
    def moved(self) -> bool:
        return self.matrix != IDENTITY


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Where all objects of a scene shall be.

    Attributes:
        placements: from back to front; every object of the scene that stays in the picture.
        removed: names of the objects that do not.
    """

    placements: tuple[Placement, ...]
    removed: tuple[str, ...] = ()


def read_layout(record: ArrangeRecord, scene: Scene) -> Layout:
    """Where the record wants the objects of a scene.

    A drawn layout or boxes come first, then the moves, about the middle of each object: scale, rotate,
    flip, move, to. What is not named stays where it is.

    Raises:
        LayoutError: no target is given, it cannot be read, it names what the scene does not have or
            leaves out what it has, or nothing of an object would be left in the picture.
        PictureError: the drawn layout is not a readable picture.
    """
    refuse_nothing(record)
    removed = {known(name, scene, "--remove") for name in record.remove}
    if record.layout is not None:
        placements = drawn(record, scene, removed)
    elif record.boxes is not None:
        placements, without = boxed(record.boxes, scene)
        removed |= without
    else:
        placements = [Placement(name=o.name, matrix=IDENTITY, mask=o.mask) for o in scene.objects]
    deltas = moves(record, scene, {p.name: p.matrix for p in placements}, removed)
    placed = [moved_on(p, deltas.get(p.name, IDENTITY), scene) for p in placements if p.name not in removed]
    for placement in placed:
        refuse_vanished(placement, scene)
    ordered = in_order(placed, record, scene, removed)
    return Layout(placements=tuple(ordered), removed=tuple(n for n in scene.names if n in removed))


def refuse_nothing(record: ArrangeRecord) -> None:
    """Raise `LayoutError` where the record gives no target at all."""
    given = (record.layout, record.boxes, record.move, record.to, record.scale, record.rotate, record.flip)
    if not any((*given, record.remove, record.front, record.back)):
        raise LayoutError(
            "Nothing says where the objects shall be: pass --move 'NAME=+120,0', --to, --scale, --rotate, --flip, "
            "--remove, --front or --back, or a whole layout with --boxes or --layout."
        )


def known(name: str, scene: Scene, flag: str) -> str:
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
    middles = {o.name: applied(matrices[o.name], box_of(o.mask).center) for o in scene.objects if o.name in matrices}
    deltas: dict[str, Matrix] = {}

    def add(flag: str, name: str, matrix: Matrix) -> None:
        if name in removed:
            raise LayoutError(f"{name!r} is removed and can have no {flag} as well: leave out one of the two.")
        deltas[name] = then(deltas.get(name, IDENTITY), matrix)

    for text in record.scale:
        name, (wide, *high) = valued("--scale", text, scene, (1, 2))
        for factor in (wide, *high):
            if not LEAST_SCALE <= factor <= MOST_SCALE:
                raise LayoutError(
                    f"--scale {text} asks for {factor:g} times the size, but {LEAST_SCALE:g} to {MOST_SCALE:g} is "
                    f"possible: use --flip to mirror and --remove {quoted(name)} to remove."
                )
        add("--scale", name, scaling(middles.get(name, Point(0, 0)), wide, high[0] if high else wide))
    for text in record.rotate:
        name, (degrees,) = valued("--rotate", text, scene, (1,))
        add("--rotate", name, turning(middles.get(name, Point(0, 0)), degrees))
    for text in record.flip:
        name = known(text, scene, "--flip")
        add("--flip", name, scaling(middles.get(name, Point(0, 0)), -1.0, 1.0))
    for text in record.move:
        name, (x, y) = valued("--move", text, scene, (2,))
        add("--move", name, shift(x, y))
    for text in record.to:
        name, (x, y) = valued("--to", text, scene, (2,))
        now = applied(deltas.get(name, IDENTITY), middles.get(name, Point(0, 0)))
        add("--to", name, shift(x - now.x, y - now.y))
    return deltas


EXAMPLES = {"--move": "+120,0", "--to": "320,200", "--scale": "1.5", "--rotate": "15"}


def valued(flag: str, text: str, scene: Scene, counts: Sequence[int]) -> tuple[str, tuple[float, ...]]:
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
            f"{quoted(f'{text.strip()}={EXAMPLES[flag]}')}."
        )
    name = known(name, scene, flag)
    try:
        values = tuple(float(number) for number in numbers.split(","))
    except ValueError:
        values = ()
    if len(values) not in counts or not all(math.isfinite(value) and abs(value) < 1e6 for value in values):
        raise LayoutError(
            f"{flag} {text} gives {numbers.strip()!r}, but {many} needed: write {flag} "
            f"{quoted(f'{name}={EXAMPLES[flag]}')}."
        )
    return name, values


def quoted(text: str) -> str:
    """As it is typed in a shell."""
    return f"'{text}'" if " " in text else text


def moved_on(placement: Placement, delta: Matrix, scene: Scene) -> Placement:
    """A placement, moved from where it is."""
    if delta == IDENTITY:
        return placement
    matrix = then(placement.matrix, delta)
    if placement.fit == 1.0:
        # From the source itself: a mask that is warped twice would lose its fine parts.
        source = next(o.mask for o in scene.objects if o.name == placement.name)
        return replace(placement, matrix=matrix, mask=warp_mask(source, matrix, scene.photo.size))
    return replace(placement, matrix=matrix, mask=warp_mask(placement.mask, delta, scene.photo.size))


def refuse_vanished(placement: Placement, scene: Scene) -> None:
    """Raise `LayoutError` where nothing of an object is left in the picture."""
    if placement.mask.any():
        return
    name, size = placement.name, scene.photo.size
    source = next(o.mask for o in scene.objects if o.name == name)
    place = box_after(box_of(source), placement.matrix)
    remedy = f"pass --remove {quoted(name)} if it shall go"
    if place.clipped(size).area > 0:
        raise LayoutError(
            f"Nothing of {name!r} is left at {place.width:.2g} x {place.height:.2g} pixels in the picture: make it "
            f"larger, or {remedy}."
        )
    raise LayoutError(
        f"{name!r} would lie wholly outside the picture, around {place.center.x:.0f},{place.center.y:.0f} of {size} "
        f"pixels: move it less, or {remedy}."
    )


# Boxes


def boxed(path: str, scene: Scene) -> tuple[list[Placement], set[str]]:
    """Placements from a file of boxes, and the names that it removes."""
    what, example = "The file of boxes", '{"cat": [40, 60, 200, 310], "pot": null}'
    values = read_json(path, what, example)
    if not values:
        raise LayoutError(f"{what} {path} names no object: write it as {example}.")
    boxes: dict[str, Box | None] = {}
    for given, value in values.items():
        name = known(given, scene, f"{what} {path}")
        if name in boxes:
            raise LayoutError(f"{what} {path} has {name!r} twice: leave out one of them.")
        if value is None:
            boxes[name] = None
            continue
        edges = value if isinstance(value, list) else []
        numbers = all(type(e) in (int, float) and math.isfinite(e) and abs(e) < 1e6 for e in edges)
        if len(edges) != 4 or not numbers or edges[2] - edges[0] < 1 or edges[3] - edges[1] < 1:
            raise LayoutError(
                f"{what} {path} gives {name!r} as {json.dumps(value)}, but a box is [x0, y0, x1, y1] in pixels, with "
                "x1 > x0 and y1 > y0 by at least 1: correct it, or write null to remove the object."
            )
        boxes[name] = Box(*edges)
    placements = []
    for thing in scene.objects:
        box = boxes.get(thing.name)
        matrix = IDENTITY if box is None else box_to_box(box_of(thing.mask), box)
        mask = thing.mask if matrix == IDENTITY else warp_mask(thing.mask, matrix, scene.photo.size)
        placements.append(Placement(name=thing.name, matrix=matrix, mask=mask))
    return placements, {name for name, box in boxes.items() if box is None}


# Drawn layouts


def drawn(record: ArrangeRecord, scene: Scene, removed: set[str]) -> list[Placement]:
    """Placements from a map in the objects' colours, from back to front."""
    assert record.layout is not None, "drawn layouts alone come here"
    key, photo = read_colours(colours_of(record)), scene.photo
    coloured = read_colour_map(
        record.layout, key, photo.size, tolerance=record.tolerance, orientation=photo.orientation
    )
    targets = {name: mask for name, mask in coloured.masks.items() if mask.any()}
    file = Path(record.layout).name
    strangers = [name for name in targets if name not in scene.names]
    if strangers:
        raise LayoutError(
            f"{file} shows {listed(strangers)}, but the scene has {listed(scene.names)} alone: paint over it, or name "
            "it among the scene's objects too."
        )
    missing = [name for name in scene.names if name not in targets and name not in removed]
    if missing:
        flags = " ".join(quoted(name) for name in missing)
        raise LayoutError(
            f"{file} does not show {listed(missing)}, which the scene has: paint {'it' if len(missing) == 1 else 'them'} "
            f"there, or pass --remove {flags} if {'it' if len(missing) == 1 else 'they'} shall go."
        )
    size = coloured.size
    grain = max(photo.size.width / size.width, photo.size.height / size.height)
    placements = []
    for thing in scene.objects:
        if thing.name in removed:
            placements.append(Placement(name=thing.name, matrix=IDENTITY, mask=thing.mask))
            continue
        target = targets[thing.name]
        hidden = np.zeros_like(target)
        for name, mask in targets.items():
            if name != thing.name and name not in removed:
                hidden |= mask
        matrix, fit = fit_mask(thing.mask, target, hidden, grain=grain)
        whole = warp_mask(thing.mask, matrix, photo.size)
        if fit >= TELLING:
            target = target | (whole & hidden)
        if alike(whole, target, grain):
            target = whole
        joint = int((whole | target).sum())
        placements.append(
            Placement(name=thing.name, matrix=matrix, mask=target, fit=int((whole & target).sum()) / joint)
        )
    return stacked(placements, targets)


def alike(whole: Mask, target: Mask, grain: float) -> bool:
    """Whether a mask differs from what was drawn by no more than the drawing's pixels, which are coarser."""
    if grain < 1.5:
        return False
    reach = math.ceil(grain / 2) + 1
    inner, outer = ~dilate(~whole, reach), dilate(whole, reach)
    return not (target & ~outer).any() and not (inner & ~target).any()


def stacked(placements: list[Placement], targets: Mapping[str, Mask]) -> list[Placement]:
    """Placements from back to front, as the drawing shows them where they overlap; else in their order."""
    behind: dict[str, set[str]] = {p.name: set() for p in placements}  # who must come before whom
    for place, one in enumerate(placements):
        for other in placements[place + 1 :]:
            if one.name not in targets or other.name not in targets:
                continue
            both = one.mask & other.mask
            ours, theirs = (int((both & targets[n]).sum()) for n in (one.name, other.name))
            if theirs > ours:
                behind[other.name].add(one.name)
            elif ours > theirs:
                behind[one.name].add(other.name)
    left, ordered = list(placements), []
    while left:
        names = {p.name for p in left}
        free = next((p for p in left if not behind[p.name] & names), left[0])  # in a circle, the first
        left.remove(free)
        ordered.append(free)
    return ordered


# Order


def in_order(
    placements: list[Placement], record: ArrangeRecord, scene: Scene, removed: Iterable[str]
) -> list[Placement]:
    """Placements from back to front, after --back and --front."""
    order = [p.name for p in placements]
    for flag, names in (("--back", record.back), ("--front", record.front)):
        for given in names:
            name = known(given, scene, flag)
            if name in removed:
                raise LayoutError(f"{name!r} is removed and can have no {flag} as well: leave out one of the two.")
            order.remove(name)
            order.insert(0 if flag == "--back" else len(order), name)
    by_name = {p.name: p for p in placements}
    return [by_name[name] for name in order]
