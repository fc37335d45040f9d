"""Read a target layout: where the record wants each object of a scene.

It is drawn as a map in the objects' colours, given as boxes, or as moves; moves may correct the other two.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from intarsia.errors import LayoutError, Remedy, Setting
from intarsia.imaging.affine import IDENTITY, box_to_box, warp_mask
from intarsia.imaging.geometry import Box
from intarsia.imaging.masks import Mask, bounding_box, dilate
from intarsia.layout.colour_map import read_colour_map, read_colours, read_json, shown
from intarsia.layout.copies import read_copies, with_copies
from intarsia.layout.layout import Layout, Placement
from intarsia.layout.moves import apply_move, check_kept, check_name, check_visible, listed, moves, shell_quote
from intarsia.layout.registration import register_mask
from intarsia.layout.scene import Scene
from intarsia.layout.scene_files import colours_of
from intarsia.records.arrange import ArrangeRecord

TELLING = 0.5
"""Overlap from which a fitted map says what an object covers behind others."""


def read_layout(record: ArrangeRecord, scene: Scene) -> Layout:
    """Where the record wants the objects of a scene.

    A drawn layout or boxes come first, then the moves, about the middle of each object: scale, rotate,
    flip, move, to. What is not named stays where it is. Copies start from where their objects stand in the photo.

    Raises:
        LayoutError: no target is given, it cannot be read, it names what the scene does not have or
            leaves out what it has, or nothing of an object would be left in the picture.
        PictureError: the drawn layout is not a readable picture.
    """
    check_target(record)
    removed = {check_name(name, scene.names, Setting("remove")) for name in record.remove}
    copies = read_copies(record.copy, scene)
    if record.layout is not None:
        placements = read_drawn_layout(record, scene, removed)
    elif record.boxes is not None:
        placements, without = read_boxes(record.boxes, scene)
        removed |= without
    else:
        placements = [Placement(name=o.name, matrix=IDENTITY, mask=o.mask) for o in scene.objects]
    placements = with_copies(placements, copies, scene)
    deltas = moves(record, scene, placements, removed)
    placed = [apply_move(p, deltas.get(p.name, IDENTITY), scene) for p in placements if p.name not in removed]
    for placement in placed:
        check_visible(placement, scene)
    ordered = in_order(placed, record, (*scene.names, *(copy.name for copy in copies)), removed)
    return Layout(placements=tuple(ordered), removed=tuple(n for n in scene.names if n in removed))


def check_target(record: ArrangeRecord) -> None:
    """Raise `LayoutError` where the record gives no target at all."""
    given = (record.layout, record.boxes, record.move, record.to, record.scale, record.rotate, record.flip)
    if not any((*given, record.copy, record.remove, record.front, record.back)):
        raise LayoutError(
            "Nothing says where the objects shall be",
            Remedy(
                Setting("move", "'NAME=+120,0'", verb="pass"),
                *(
                    part
                    for name in ("to", "scale", "rotate", "flip", "copy", "remove", "front")
                    for part in (", ", Setting(name))
                ),
                " or ",
                Setting("back"),
                ", or a whole layout with ",
                Setting("boxes"),
                " or ",
                Setting("layout"),
                page="drag, scale, turn, flip, copy or remove one of them first",
            ),
        )


# Boxes


def read_boxes(path: str, scene: Scene) -> tuple[list[Placement], set[str]]:
    """Placements from a file of boxes, and the names that it removes."""
    what, example = "The file of boxes", '{"cat": [40, 60, 200, 310], "pot": null}'
    values = read_json(path, what, example)
    if not values:
        raise LayoutError(f"{what} {path} names no object: write it as {example}.")
    boxes: dict[str, Box | None] = {}
    for given, value in values.items():
        name = check_name(given, scene.names, f"{what} {path}")
        if name in boxes:
            raise LayoutError(f"{what} {path} has {name!r} twice: leave out one of them.")
        if value is None:
            boxes[name] = None
            continue
        edges = value if isinstance(value, list) else []
        numbers = all(type(e) in (int, float) and abs(e) < 1e6 for e in edges)  # NaN is not below anything
        if len(edges) != 4 or not numbers or edges[2] - edges[0] < 1 or edges[3] - edges[1] < 1:
            raise LayoutError(
                f"{what} {path} gives {name!r} as {shown(value)}, but a box is [x0, y0, x1, y1] in pixels, with "
                "x1 > x0 and y1 > y0 by at least 1: correct it, or write null to remove the object."
            )
        boxes[name] = Box(*edges)
    placements = []
    for obj in scene.objects:
        box = boxes.get(obj.name)
        matrix = IDENTITY if box is None else box_to_box(bounding_box(obj.mask), box)
        mask = obj.mask if matrix == IDENTITY else warp_mask(obj.mask, matrix, scene.photo.size)
        placements.append(Placement(name=obj.name, matrix=matrix, mask=mask))
    return placements, {name for name, box in boxes.items() if box is None}


# Drawn layouts


def read_drawn_layout(record: ArrangeRecord, scene: Scene, removed: set[str]) -> list[Placement]:
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
        quoted = " ".join(shell_quote(name) for name in missing)
        they, them = ("it", "it") if len(missing) == 1 else ("they", "them")
        raise LayoutError(
            f"{file} does not show {listed(missing)}, which the scene has",
            Remedy(f"paint {them} there"),
            Remedy(
                Setting("remove", quoted, verb="pass"), f" if {they} shall go", page=f"remove {them} from the picture"
            ),
        )
    size = coloured.size
    grain = max(photo.size.width / size.width, photo.size.height / size.height)
    placements = []
    for obj in scene.objects:
        if obj.name in removed:
            placements.append(Placement(name=obj.name, matrix=IDENTITY, mask=obj.mask))
            continue
        target = targets[obj.name]
        hidden = np.zeros_like(target)
        for name, mask in targets.items():
            if name != obj.name and name not in removed:
                hidden |= mask
        matrix, fit = register_mask(obj.mask, target, hidden, grain=grain)
        whole = warp_mask(obj.mask, matrix, photo.size)
        if fit >= TELLING:
            target = target | (whole & hidden)
        if alike(whole, target, grain):
            target = whole
        joint = int((whole | target).sum())
        placements.append(Placement(name=obj.name, matrix=matrix, mask=target, fit=int((whole & target).sum()) / joint))
    return stack_order(placements, targets)


def alike(whole: Mask, target: Mask, grain: float) -> bool:
    """Whether a mask differs from what was drawn by no more than the drawing's pixels, which are coarser."""
    if grain < 1.5:
        return False
    reach = math.ceil(grain / 2) + 1
    inner, outer = ~dilate(~whole, reach), dilate(whole, reach)
    return not (target & ~outer).any() and not (inner & ~target).any()


def stack_order(placements: list[Placement], targets: Mapping[str, Mask]) -> list[Placement]:
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
    placements: list[Placement], record: ArrangeRecord, names: Sequence[str], removed: Iterable[str]
) -> list[Placement]:
    """Placements from back to front, after --back and --front.

    Args:
        names: of the scene's objects and of their copies.
    """
    order = [p.name for p in placements]
    for end, moved in (("back", record.back), ("front", record.front)):
        for given in moved:
            name = check_name(given, names, Setting(end))
            check_kept(name, removed, Setting(end))
            order.remove(name)
            order.insert(0 if end == "back" else len(order), name)
    by_name = {p.name: p for p in placements}
    return [by_name[name] for name in order]
