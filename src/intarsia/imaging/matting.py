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
from intarsia.imaging.photo import Bytes, Picture
from intarsia.imaging.shadows import measure_shadow
from intarsia.imaging.slices import NOWHERE, Part, beyond, grown, overlap, shape_of, whole, within
from intarsia.progress import span, tick

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
    """An object to be laid over a ground: what there is of it, in its part of the image.

    Attributes:
        part: the rows and columns outside which there is nothing of it: colour 0, transmittance 1, alpha 0.
        colour: (h, w, 3) what it adds.
        transmittance: (h, w) share of the ground that comes through, in [0, 1]: less in its shadow, 1 beside it.
        alpha: (h, w) how far the object itself covers a pixel, in [0, 1].
    """

    part: Part
    colour: Picture
    transmittance: Floats
    alpha: Floats

    def seen_in(self, part: Part) -> Layer:
        """The same layer in another part: what lies there of it, and nothing around that."""
        if part == self.part:
            return self
        shape = shape_of(part)
        seen = Layer(
            part=part,
            colour=np.zeros((*shape, 3), np.float32),
            transmittance=np.ones(shape, np.float32),
            alpha=np.zeros(shape, np.float32),
        )
        shared = overlap(part, self.part)
        here, there = within(shared, self.part), within(shared, part)
        seen.colour[there], seen.alpha[there] = self.colour[here], self.alpha[here]
        seen.transmittance[there] = self.transmittance[here]
        return seen

    def over(self, ground: Picture, at: Part | None = None) -> Picture:
        """The layer laid over a ground (h, w, 3), which lies in a part of the image; by default it is all of it."""
        seen = self.seen_in(whole(ground.shape) if at is None else at)
        laid: Picture = seen.colour + seen.transmittance[..., None] * ground
        return laid


def cut(
    image: Bytes,
    mask: Mask,
    everything: Mask,
    *,
    edge: float | None = None,
    grain: float = 1.0,
    reach: int = 0,
    effort: float = 1.0,
) -> Layer:
    """Cut an object out of an image, with its soft border and the shadow that is measured around it.

    Args:
        image: (H, W, 3).
        mask: (H, W) the object, not empty.
        everything: (H, W) all objects: pixels of others are not this one's and say nothing of its shadow.
        edge, grain: how far to either side of its border the object is mixed with the ground; see `matte_of`.
        effort: at finding out how; see there.
        reach: how far its shadow goes at most, in pixels; 0 leaves the shadow behind.
    """
    with span(0.0, 0.8):
        matte = matte_of(image, mask, everything, edge=edge, grain=grain, effort=effort)
    around = grown(matte.part, 2 * reach, mask.shape)
    own, inner = mask[around], within(matte.part, around)
    covered = np.zeros(own.shape, np.bool_)
    covered[inner] = (matte.alpha > 0) | own[inner]
    light = np.ones(own.shape, np.float32)
    if reach:
        light = measure_shadow(image[around], covered, everything[around] & ~own, reach, min(mask.shape))
    tick(0.9)
    alpha, colour = np.zeros(own.shape, np.float32), np.zeros((*own.shape, 3), np.float32)
    alpha[inner], colour[inner] = matte.alpha, matte.alpha[..., None] * matte.colour
    part = bounds_of(covered | (light < 1))
    assert part is not None, "an empty mask cannot be cut out"
    return Layer(
        part=beyond(part, around),
        colour=colour[part],
        transmittance=((1 - alpha) * light)[part],
        alpha=alpha[part],
    )


def warp(layer: Layer, matrix: Matrix, size: Size) -> Layer:
    """Take a layer to another place of an image of a size; a whole-pixel move copies its pixels exactly."""
    packed = np.concatenate([layer.colour, 1 - layer.transmittance[..., None], layer.alpha[..., None]], -1)
    there = warped_part(packed, matrix, size, at=layer.part)
    part, warped = (NOWHERE, np.zeros((0, 0, 5), np.float32)) if there is None else there
    # Sums of weights miss 1 by a rounding error, and bicubic ones overshoot.
    alpha = np.where(warped[..., 4] >= WHOLE, 1, warped[..., 4].clip(0, 1)).astype(np.float32)
    transmittance = np.where(alpha == 1, 0, (1 - warped[..., 3]).clip(0, 1)).astype(np.float32)
    return Layer(part=part, colour=warped[..., :3], transmittance=transmittance, alpha=alpha)


def adapted(layer: Layer, before: Picture | Bytes, ground: Picture, *, at: Part | None = None, reach: int) -> Layer:
    """A layer whose colours and exposure lean toward its new surroundings: most at its border, less inside.

    The mean light of each channel around the object, in its old place and in its new one, gives a gain; a colour
    transfer of means as in Reinhard et al. 2001, "Color transfer between images".

    Args:
        layer: at its new place.
        before: (n, 3) levels around the object in its old place, at least one.
        ground: (h, w, 3) what it is laid over.
        at: the part of the image that the ground lies in, with `reach` pixels around the object as far as the image
            goes; by default it is all of it.
        reach: width of the surroundings, and of the border that leans most, in pixels.
    """
    at = whole(ground.shape) if at is None else at
    covered = layer.seen_in(at).alpha > 0
    ring = dilate(covered, reach) & ~covered
    if not ring.any() or not len(before):
        return layer
    gain = ((ground[ring].mean(0) + 8) / (before.mean(0) + 8)).clip(1 / MOST_GAIN, MOST_GAIN)
    inner = depth_inside(covered, reach + 1)[within(layer.part, at)] / (reach + 1)
    lean = 1 - (1 - LEAN_INSIDE) * inner
    colour = layer.colour * (1 + lean[..., None] * (gain - 1)).astype(np.float32)
    return dataclasses.replace(layer, colour=np.minimum(colour, 255 * layer.alpha[..., None]))
