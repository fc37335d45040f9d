"""A region: where an image is repainted."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from intarsia.imaging.crop import Crop
from intarsia.imaging.geometry import Box, Size
from intarsia.imaging.masks import Mask, box_mask
from intarsia.imaging.undo_drift import UndoneDrift
from intarsia.regions.sight import Thing


@dataclass(frozen=True, kw_only=True)
class Region:
    """Where to repaint, in pixels of the working size: the whole photo's, or a crop's.

    Attributes:
        box: what is repainted, or the bounds of `mask`.
        mask: (H, W) bool for a region that is no box.
        seed: of the noise.
        anchor: number of the anchor that it belongs to, -1 for none.
        crop: on whose canvas it lies; None for the whole photo at the analysis's size.
        exact: the box in pixels of the photo, where it was given or found there.
        spares: things that stay: what is painted is a ground, and they are laid over it in all their detail.
        soft: width around the box in which the image may change less and less, in pixels of the canvas.
        words: what the painter is told; the edit's prompt where empty.
        undone: of a crop that was edited by an instruction, the edit over it; then the region is what it changed.
    """

    box: Box
    seed: int
    anchor: int = -1
    mask: Tensor | None = None
    crop: Crop | None = None
    exact: Box | None = None
    soft: int = 0
    spares: tuple[Thing, ...] = ()
    words: str = ""
    undone: UndoneDrift | None = None

    def shape(self, size: Size) -> Mask:
        """(h, w) where it is, in an image of the working size."""
        return box_mask(self.box, size) if self.mask is None else self.mask.numpy()

    def on_photo(self, full: Size) -> Mask:
        """(H, W) where a region of a crop that is no box is, in pixels of a photo of that size."""
        assert self.crop is not None and self.mask is not None
        shape = np.zeros((full.height, full.width), np.bool_)
        levels = self.crop.put(self.mask.numpy().astype(np.uint8) * 255, full)
        shape[self.crop.part(full)] = levels > 127
        return shape

    def spared(self, size: Size) -> Mask:
        """(h, w) the things that are laid over what is painted, in an image of the working size."""
        if self.crop is None or not self.spares:
            return np.zeros((size.height, size.width), np.bool_)
        canvas = dataclasses.replace(self.crop, size=size)
        spared: Mask = np.any([thing.on(canvas) for thing in self.spares], axis=0)
        return spared
