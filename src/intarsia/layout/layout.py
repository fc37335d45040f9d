"""A layout: where each object of a scene goes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from intarsia.imaging.affine import IDENTITY, Matrix
from intarsia.imaging.masks import Mask


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Where one object goes.

    Attributes:
        name: of the scene's object, or of a copy of one.
        matrix: takes the source object to its place as well as an affine map can.
        mask: (H, W) at the photo's size, what it covers there if nothing stands in front of it.
        fit: IoU of the source mask, taken there by the matrix, with `mask`; 1 where the target was
            given as a move. Low where shape or pose change.
        copy_of: the scene's object that this is a copy of; None for an object itself.
    """

    name: str
    matrix: Matrix
    mask: Mask
    fit: float = 1.0
    copy_of: str | None = None

    @property
    def source(self) -> str:
        """Name of the scene's object whose pixels these are."""
        return self.copy_of or self.name

    @property
    def moved(self) -> bool:
        return self.matrix != IDENTITY


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Where all objects of a scene go.

    Attributes:
        placements: from back to front; every object of the scene that stays in the image, and copies of objects.
        removed: names of the objects that do not.
    """

    placements: tuple[Placement, ...]
    removed: tuple[str, ...] = ()

    @property
    def vacating(self) -> set[str]:
        """Names of the objects that leave their places: they move or are removed. Copies leave none."""
        return {*self.removed, *(p.name for p in self.placements if p.moved and p.copy_of is None)}

    @property
    def copied(self) -> set[str]:
        """Names of the objects of which copies lie elsewhere."""
        return {p.copy_of for p in self.placements if p.moved and p.copy_of is not None}

    def visible_masks(self) -> dict[str, Mask]:
        """(H, W) the visible part of each object behind those in front of it, from back to front; some may be empty."""
        return visible_ones({placement.name: placement.mask for placement in self.placements})


def visible_ones(masks: Mapping[str, Mask]) -> dict[str, Mask]:
    """The visible part of each mask (h, w) behind those that follow it."""
    visible: dict[str, Mask] = {}
    taken: Mask | None = None
    for name, mask in reversed(list(masks.items())):
        visible[name] = mask if taken is None else mask & ~taken
        taken = mask if taken is None else mask | taken
    return dict(reversed(visible.items()))
