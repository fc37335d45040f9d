"""Objects as layers: cut out of a picture with their soft edges and their shadows, and laid over another ground.

Each pixel of an image is read as `image = colour + transmittance * ground`: where an object is opaque, nothing comes
through; where its shadow falls, a part does; at its soft edge, both. Laid on another ground, nothing of the old one
comes along.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from intarsia.imaging.affine import Matrix, warped_part
from intarsia.imaging.alpha import matte_of
from intarsia.imaging.geometry import Size
from intarsia.imaging.masks import Mask, bounds_of, depth_inside, dilate
from intarsia.imaging.photo import EVERYWHERE, Bytes, Part, Picture
from intarsia.imaging.shadows import measure_shadow

Floats = npt.NDArray[np.float32]

SMALL = 192
"""Short side in pixels below which edges are a pixel wide, and an image is a small picture rather than a photograph."""

WHOLE = 0.999
"""Share from which a pixel counts as covered wholly, or as not covered at all the other way round."""


MOST_GAIN = 1.5
"""How many times lighter or darker a channel may become where an object adapts to its surroundings."""

LEAN_INSIDE = 0.4
"""Share of that which its inside gets."""


@dataclass(frozen=True, kw_only=True)
class Layer:
    """An object to be laid over a ground.

    Attributes:
        colour: (H, W, 3) what it adds.
        transmittance: (H, W) share of the ground comes through, in [0, 1]: less in its shadow, 1 beside it.
        alpha: (H, W) how far the object itself covers a pixel, in [0, 1].
        part: the rows and columns outside which there is nothing of it: colour 0, transmittance 1, alpha 0.
    """

    colour: Picture
    transmittance: Floats
    alpha: Floats
    part: Part

    @classmethod
    def within(cls, part: Part, size: Size, *, colour: Picture, transmittance: Floats, alpha: Floats) -> Layer:
        """A layer in a frame of some size, from what is in one part of it."""
        shape = (size.height, size.width)
        layer = cls(
            colour=np.zeros((*shape, 3), np.float32),
            transmittance=np.ones(shape, np.float32),
            alpha=np.zeros(shape, np.float32),
            part=part,
        )
        layer.colour[part], layer.transmittance[part], layer.alpha[part] = colour, transmittance, alpha
        return layer

    def over(self, ground: Picture, part: Part = EVERYWHERE) -> Picture:
        """The layer laid over a ground (H, W, 3): what is then in a part of the picture."""
        laid: Picture = self.colour[part] + self.transmittance[part][..., None] * ground[part]
        return laid


def cut(
    image: Bytes, mask: Mask, others: Mask, *, edge: float | None = None, grain: float = 1.0, reach: int = 0
) -> Layer:
    """Cut an object out of an image, with its soft border and the shadow that is measured around it.

    Args:
        image: (H, W, 3).
        mask: (H, W) the object, not empty.
        others: (H, W) other objects, whose pixels are not this one's and say nothing of its shadow.
        edge, grain: how far to either side of its border the object is mixed with the ground; see `matte_of`.
        reach: how far its shadow goes at most, in pixels; 0 leaves the shadow behind.
    """
    matte = matte_of(image, mask, others, edge=edge, grain=grain)
    height, width = mask.shape
    covered = np.zeros(mask.shape, np.bool_)
    covered[matte.part] = (matte.alpha > 0) | mask[matte.part]
    light = measure_shadow(image, covered, others, reach) if reach else np.ones(mask.shape, np.float32)
    part = bounds_of(covered | (light < 1))
    assert part is not None, "an empty mask cannot be cut out"
    alpha, colour = np.zeros(mask.shape, np.float32), np.zeros(image.shape, np.float32)
    alpha[matte.part], colour[matte.part] = matte.alpha, matte.alpha[..., None] * matte.colour
    return Layer.within(
        part,
        Size(width, height),
        colour=colour[part],
        transmittance=((1 - alpha) * light)[part],
        alpha=alpha[part],
    )


def warp(layer: Layer, matrix: Matrix) -> Layer:
    """Take a layer to another place of the frame; a whole-pixel move copies its pixels exactly."""
    height, width = layer.alpha.shape
    size = Size(width, height)
    colour, transmittance, alpha = layer.colour[layer.part], layer.transmittance[layer.part], layer.alpha[layer.part]
    packed = np.concatenate([colour, 1 - transmittance[..., None], alpha[..., None]], -1)
    there = warped_part(packed, matrix, size, at=layer.part)
    if there is None:
        nothing = np.zeros((0, 0, 5), np.float32)
        there = (slice(0, 0), slice(0, 0)), nothing
    part, warped = there
    # Sums of weights miss 1 by a rounding error, and bicubic ones overshoot.
    alpha = np.where(warped[..., 4] >= WHOLE, 1, warped[..., 4].clip(0, 1)).astype(np.float32)
    transmittance = np.where(alpha == 1, 0, (1 - warped[..., 3]).clip(0, 1)).astype(np.float32)
    return Layer.within(part, size, colour=warped[..., :3], transmittance=transmittance, alpha=alpha)


def adapted(layer: Layer, before: Picture | Bytes, after: Picture, *, reach: int) -> Layer:
    """A layer whose colours and exposure lean toward its new surroundings: most at its border, less inside.

    The mean light of each channel around the object, in its old place and in its new one, gives a gain; a colour
    transfer of means as in Reinhard et al. 2001, "Color transfer between images".

    Args:
        layer: at its new place.
        before: (n, 3) levels around the object in its old place, at least one.
        after: (H, W, 3) what it is laid over.
        reach: width of the surroundings, and of the border that leans most, in pixels.
    """
    covered = layer.alpha > 0
    ring = dilate(covered, reach) & ~covered
    if not ring.any() or not len(before):
        return layer
    gain = ((after[ring].mean(0) + 8) / (before.mean(0) + 8)).clip(1 / MOST_GAIN, MOST_GAIN)
    inner = depth_inside(covered, reach + 1) / (reach + 1)
    lean = (1 - (1 - LEAN_INSIDE) * inner)[layer.part]
    colour = layer.colour.copy()
    colour[layer.part] *= (1 + lean[..., None] * (gain - 1)).astype(np.float32)
    return dataclasses.replace(layer, colour=np.minimum(colour, 255 * layer.alpha[..., None]))
