"""Moves: how each object of a scene is shifted, scaled, turned and mirrored, as pages and programs send it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from intarsia.errors import RecordError
from intarsia.layout.copies import SEPARATOR
from intarsia.layout.moves import LEAST_SCALE, MOST_SCALE
from intarsia.layout.names import BACKGROUND, free_name
from intarsia.records.arrange import ArrangeRecord

MOST_NAME = 100
"""Characters of the name of a copy."""


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
