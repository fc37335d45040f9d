"""Copies of a scene's objects as they are typed: NAME, NAME=+120,0, or with a name of their own, NAME:OTHER=+120,0."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from intarsia.errors import LayoutError, Remedy, Setting
from intarsia.imaging.affine import IDENTITY, Matrix, translation, warp_mask
from intarsia.layout.layout import Placement
from intarsia.layout.names import BACKGROUND, free_name
from intarsia.layout.scene import Scene

SEPARATOR = ":"
"""Stands between the object and the name of its copy."""


@dataclass(frozen=True, kw_only=True)
class Copy:
    """A copy of an object.

    Attributes:
        name: of its own, unique among the objects and their copies.
        of: name of the object.
        matrix: takes the object, where it stands in the photo, to the copy.
    """

    name: str
    of: str
    matrix: Matrix


def read_copies(texts: Sequence[str], scene: Scene) -> tuple[Copy, ...]:
    """The copies that a record asks for, in its order.

    Raises:
        LayoutError: a text names no object of the scene, a name is taken, or the shift is not two numbers.
    """
    copies: list[Copy] = []
    for text in texts:
        copies.append(_read_copy(text, scene, (*scene.names, *(copy.name for copy in copies))))
    return tuple(copies)


def with_copies(placements: Sequence[Placement], copies: Sequence[Copy], scene: Scene) -> list[Placement]:
    """Placements, each followed by the copies of its object, which lie in front of it in their order."""
    masks, size, placed = scene.masks, scene.photo.size, []
    for placement in placements:
        placed.append(placement)
        for copy in (one for one in copies if one.of == placement.name):
            mask = masks[copy.of]
            mask = mask if copy.matrix == IDENTITY else warp_mask(mask, copy.matrix, size)
            placed.append(Placement(name=copy.name, copy_of=copy.of, matrix=copy.matrix, mask=mask))
    return placed


def _read_copy(text: str, scene: Scene, taken: Sequence[str]) -> Copy:
    head, equals, numbers = text.rpartition("=")
    shift = _two_numbers(numbers) if equals else None
    whole = _object_and_name(text, scene)
    if shift is None and whole is not None:
        (of, own), shift = whole, (0.0, 0.0)
    elif equals and shift is None:
        raise LayoutError(
            Setting("copy"),
            f" {text} gives {numbers.strip()!r}, but two numbers are needed",
            Remedy("write ", Setting("copy", f"'{head.strip()}=+120,0'")),
        )
    else:
        pair = _object_and_name(head, scene) if equals else None
        if pair is None or shift is None:
            known = ", ".join(map(repr, scene.names))
            raise LayoutError(
                Setting("copy"),
                f" {text} names {(head if equals else text).strip()!r}, but the scene has {known}",
                Remedy("write ", Setting("copy", f"'{scene.names[0]}=+120,0'")),
                Remedy("with a name of its own, ", Setting("copy", f"'{scene.names[0]}{SEPARATOR}another=+120,0'")),
            )
        of, own = pair
    name = own or free_name(of, taken)
    if name in taken or name.lower() == BACKGROUND:
        raise LayoutError(
            f"A copy of {of!r} is to have the name {name!r}, which is taken",
            Remedy("give it another, such as ", Setting("copy", f"'{of}{SEPARATOR}{free_name(of, taken)}'")),
        )
    x, y = shift
    return Copy(name=name, of=of, matrix=IDENTITY if (x, y) == (0, 0) else translation(x, y))


def _object_and_name(text: str, scene: Scene) -> tuple[str, str] | None:
    """The object that is copied, and the copy's own name or nothing; None where there is no such object."""
    text = text.strip()
    if text in scene.names:
        return text, ""
    of, _, own = (part.strip() for part in text.rpartition(SEPARATOR))
    return (of, own) if of in scene.names and own else None


def _two_numbers(text: str) -> tuple[float, float] | None:
    try:
        values = [float(number) for number in text.split(",")]
    except ValueError:
        return None
    good = len(values) == 2 and all(math.isfinite(value) and abs(value) < 1e6 for value in values)
    return (values[0], values[1]) if good else None
