"""Objects that are marked by hand: NAME=x0,y0,x1,y1 for a box around one, NAME@x,y@x,y for points on one.

What a mark means in the picture is found out by `imaging.outline`, without a network.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from intarsia.errors import LayoutError, RegionError, Remedy, Setting
from intarsia.imaging.geometry import Box, Point
from intarsia.imaging.masks import Mask
from intarsia.imaging.outline import outline_box, outline_points
from intarsia.imaging.photo import Photo
from intarsia.progress import span

EXAMPLES = "cat=10,20,200,220 'dog 1@300,150@320,90'"
"""What marks look like."""


@dataclass(frozen=True, kw_only=True)
class MarkedObject:
    """An object, and where it is.

    Attributes:
        name: unique in its scene.
        box: around it, in pixels; None where points are given.
        points: on it, in pixels; empty where a box is given.
    """

    name: str
    box: Box | None = None
    points: tuple[Point, ...] = ()


def parse_marked(texts: Sequence[str]) -> tuple[MarkedObject, ...]:
    """Marks from their texts, "NAME=x0,y0,x1,y1" or "NAME@x,y@x,y", in their order.

    Raises:
        LayoutError: a text is no such mark, or a name comes twice.
        RegionError: the edges of a box are in the wrong order.
    """
    marks: dict[str, MarkedObject] = {}
    for text in texts:
        # A name may hold either sign, so the last "=" or the first "@" after it counts.
        name, equals, box = text.rpartition("=")
        if equals:
            mark = MarkedObject(name=name.strip(), box=Box(*numbers(text, box, 4)))
        else:
            name, *points = text.split("@")
            mark = MarkedObject(name=name.strip(), points=tuple(Point(*numbers(text, point, 2)) for point in points))
        if not mark.name or (mark.box is None and not mark.points):
            raise unreadable(text, "has no name" if not mark.name else "says not where it is")
        if mark.name in marks:
            raise LayoutError(
                f"Two objects are called {mark.name!r}: number them, '{mark.name} 1' and '{mark.name} 2'; several "
                f"points on one object are one mark, {mark.name}@x,y@x,y."
            )
        marks[mark.name] = mark
    return tuple(marks.values())


def numbers(text: str, part: str, count: int) -> list[float]:
    """So many finite numbers with commas between them.

    Raises:
        LayoutError: there are others.
    """
    try:
        values = [float(number) for number in part.split(",")]
    except ValueError:
        raise unreadable(text, f"has {part!r} where numbers belong") from None
    if len(values) != count or not all(map(math.isfinite, values)):
        raise unreadable(text, f"has {part!r} where {count} numbers belong")
    return values


def unreadable(text: str, why: str) -> LayoutError:
    return LayoutError(
        f"The object {text!r} {why}",
        Remedy(
            "write a box x0,y0,x1,y1 around it or points x,y on it, in pixels from the top left corner: ",
            Setting("object", EXAMPLES),
            page=f"write a box around it or points on it, in pixels from the top left corner: {EXAMPLES}",
        ),
    )


def outline_marked(photo: Photo, marks: Sequence[MarkedObject]) -> dict[str, Mask]:
    """The masks of marked objects; of two that claim the same pixels, the one that is named later stands in front.

    Returns:
        (H, W) masks at the photo's size by name, disjoint, none of them empty.

    Raises:
        LayoutError: an object lies wholly behind others.
        RegionError: a box or a point cannot be used with this picture, or nothing stands out there.
    """
    taken = np.zeros((photo.size.height, photo.size.width), np.bool_)
    masks: dict[str, Mask] = {}
    for number, mark in enumerate(reversed(marks)):
        try:
            with span(number / len(marks), (number + 1) / len(marks)):
                if mark.box is not None:
                    masks[mark.name] = outline_box(photo.pixels, mark.box, taken=taken)
                else:
                    masks[mark.name] = outline_points(photo.pixels, mark.points, taken=taken)
        except RegionError as problem:
            raise RegionError(f"{mark.name!r} was not outlined. ", *problem.parts) from problem
        taken |= masks[mark.name]
    return {mark.name: masks[mark.name] for mark in marks}
