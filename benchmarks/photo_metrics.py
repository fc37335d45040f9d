"""How far an edited photograph is from a known truth: colour, texture, mattes, and what changed elsewhere."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from benchmarks.photo_composites import Composite, shifted
from intarsia.backbones.protocols import PatchEncoder
from intarsia.imaging.cells import cell_coverage
from intarsia.imaging.geometry import Size
from intarsia.imaging.masks import Blend, Mask, dilate
from intarsia.imaging.photo import Bytes
from intarsia.imaging.tensors import image_to_tensor

LOW_PASS = 4 / 512
"""Deviation of the Gaussian that leaves colours and takes texture away, as a share of the short side."""

FLAT = 1.0
"""Squared levels a pixel by which gradients differ in any photograph: between flat regions no ratio is told."""

GROWN = 6
"""Pixels around an object and its shadow in which a tool may change the picture."""

BAND = 12
"""Pixels to either side of an object's border in which its matte counts."""


def colour_error(made: Bytes, truth: Bytes, region: Mask) -> float:
    """Mean absolute difference of low-passed colours in a region (H, W) that is not empty, in levels."""
    sigma = LOW_PASS * min(region.shape)
    difference = made.astype(np.float32) - truth
    low = ndimage.gaussian_filter(difference, (sigma, sigma, 0))
    return float(np.abs(low[region]).mean())


def texture_ratio(made: Bytes, truth: Bytes, region: Mask) -> float:
    """Gradient energy inside a region over the truth's: 1 is alike, less is a smear, more is clutter."""
    return (gradient_energy(made, region) + FLAT) / (gradient_energy(truth, region) + FLAT)


def gradient_energy(image: Bytes, region: Mask) -> float:
    """Mean square of the differences to the next pixel, right and down, both of them in the region."""
    levels, squares, pairs = image.astype(np.float32), 0.0, 0
    for here, there in ((np.s_[:, :-1], np.s_[:, 1:]), (np.s_[:-1], np.s_[1:])):
        both = region[here] & region[there]
        squares += float(((levels[here] - levels[there])[both] ** 2).sum())
        pairs += 3 * int(both.sum())
    return squares / max(pairs, 1)


def matte_error(matte: Blend, alpha: Blend) -> float:
    """Sum of |matte - alpha| along the border of an object, for each 1000 pixels of it."""
    border = border_of(alpha > 0.5)
    band = dilate(border, BAND) | ((alpha > 0) & (alpha < 1))
    return 1000 * float(np.abs(matte - alpha)[band].sum()) / max(int(border.sum()), 1)


def border_of(mask: Mask) -> Mask:
    """(H, W) the pixels of a mask that touch a pixel outside of it."""
    inner: Mask = mask & ~ndimage.binary_erosion(mask, border_value=1)
    return inner


def moved_errors(made: Bytes, composite: Composite) -> tuple[float, float | None]:
    """Mean absolute difference in levels to the object truly moved: at its soft edge, and in its shadow beside it."""
    alpha, shadow = (shifted(term, *composite.move) for term in (composite.alpha, composite.shadow))
    edge = dilate((alpha > 0) & (alpha < 1), 2)
    edge |= dilate(border_of(alpha > 0.5), 2)
    shaded = (shadow >= 0.02) & ~dilate(alpha > 0, 2)
    difference = np.abs(made.astype(np.float32) - composite.moved)
    return float(difference[edge].mean()), float(difference[shaded].mean()) if shaded.any() else None


@dataclass(frozen=True, kw_only=True)
class Changed:
    """What a tool changed outside the mask that it was given.

    Attributes:
        pixels: how many pixels.
        farthest: the largest distance of one of them from the mask, in pixels.
        needless: how many lie more than `GROWN` pixels from mask, object and shadow.
    """

    pixels: int
    farthest: float
    needless: int


def changed_outside(made: Bytes, composite: Composite) -> Changed:
    changed = (made != composite.image).any(-1)
    reach = dilate(composite.hole | (composite.shadow > 0), GROWN)
    outside = changed & ~composite.mask
    distance = ndimage.distance_transform_edt(~composite.mask)
    farthest = float(distance[outside].max()) if outside.any() else 0.0
    return Changed(pixels=int(outside.sum()), farthest=farthest, needless=int((changed & ~reach).sum()))


def feature_distance(encoder: PatchEncoder, made: Bytes, truth: Bytes, region: Mask) -> float:
    """1 - cosine of the features of patches, weighted by how far they lie in a region (H, W) that is not empty."""
    height, width = region.shape
    here, there = (encoder.encode(image_to_tensor(p, Size(width, height))).features for p in (made, truth))
    weight = cell_coverage(region, *here.shape[-2:]).to(here)
    cosine = (here * there).sum(0) / (here.norm(dim=0) * there.norm(dim=0)).clamp_min(1e-6)
    return float(((1 - cosine) * weight).sum() / weight.sum())
