"""Parts of an image: rows and columns, so that work on a large image is limited to where something changes.

What is worked out in a part has the part's shape; `within` says where a part lies in another one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

Part: TypeAlias = tuple[slice, slice]
"""Rows and columns of an image, counted from its top left corner; both ends are given."""

NOWHERE: Part = (slice(0, 0), slice(0, 0))
"""The part that holds nothing."""

Shape: TypeAlias = tuple[int, ...]
"""Of an array whose first two sides are an image's."""


def whole(shape: Shape) -> Part:
    """All of an image."""
    return slice(0, shape[0]), slice(0, shape[1])


def shape_of(part: Part) -> tuple[int, int]:
    """Rows and columns that a part holds."""
    rows, columns = part
    return rows.stop - rows.start, columns.stop - columns.start


def is_empty(part: Part) -> bool:
    return 0 in shape_of(part)


def grown(part: Part, margin: int, shape: Shape) -> Part:
    """A part with so many pixels more to each side, as far as the image goes."""
    rows, columns = part
    return (
        slice(max(rows.start - margin, 0), min(rows.stop + margin, shape[0])),
        slice(max(columns.start - margin, 0), min(columns.stop + margin, shape[1])),
    )


def hull(parts: Sequence[Part]) -> Part:
    """The smallest part that holds all of some; empty ones hold nothing."""
    some = [part for part in parts if not is_empty(part)]
    if not some:
        return NOWHERE
    return (
        slice(min(rows.start for rows, _ in some), max(rows.stop for rows, _ in some)),
        slice(min(columns.start for _, columns in some), max(columns.stop for _, columns in some)),
    )


def overlap(first: Part, second: Part) -> Part:
    """What two parts share."""
    rows, columns = (slice(max(a.start, b.start), min(a.stop, b.stop)) for a, b in zip(first, second, strict=True))
    return (rows, columns) if rows.start < rows.stop and columns.start < columns.stop else NOWHERE


def within(part: Part, outer: Part) -> Part:
    """A part, counted from the corner of another one that holds it: to index what was worked out in that one."""
    if is_empty(part):
        return NOWHERE
    rows, columns = (
        slice(inner.start - around.start, inner.stop - around.start) for inner, around in zip(part, outer, strict=True)
    )
    return rows, columns


def beyond(part: Part, outer: Part) -> Part:
    """The other way round: a part of what was worked out in an outer part, counted from the image's corner."""
    rows, columns = (
        slice(inner.start + around.start, inner.stop + around.start) for inner, around in zip(part, outer, strict=True)
    )
    return rows, columns
