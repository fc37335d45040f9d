"""Find the object that is seen at a point: a click says where, a list of everyday nouns says what it may be.

A segmenter that reads words is asked about each noun. The one that it is surest of at the point is the object's
name, and the part of its region that holds the point is its mask: of two dogs, the one that was clicked.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from intarsia.backbones import helpers
from intarsia.backbones.confidence import ask, judge
from intarsia.backbones.protocols import MaskRefiner, Segmenter
from intarsia.backbones.resolve import ModelSource
from intarsia.errors import LayoutError
from intarsia.imaging.geometry import Point, working_size
from intarsia.imaging.masks import Mask
from intarsia.imaging.parts import components, tidy_mask
from intarsia.imaging.photo import Photo
from intarsia.imaging.settling import settle_masks
from intarsia.imaging.tensors import to_tensor
from intarsia.layout.detect import LEAST_PEAK, coarse, found_object, refine_masks
from intarsia.layout.names import words_of
from intarsia.layout.scene import SceneObject

RIVALS = 8
"""Nouns that a point's noun competes with for the pixels around it: those that are surest anywhere."""

NEAR = 0.03
"""How far from an object a point may miss it, as a fraction of the picture's short side."""

EVERYDAY = tuple(
    """person face hat bag umbrella shoe dress|cat dog horse sheep cow bird chicken duck rabbit mouse squirrel fox
    deer bear elephant giraffe zebra monkey lion fish frog turtle snake butterfly|car bus truck train bicycle
    motorcycle boat ship airplane balloon|house building tower church bridge tent fence door window stairs|tree
    flower plant bush mushroom leaf pot rock mountain cloud sun moon|chair bench sofa bed table lamp clock vase book
    picture mirror candle toy doll ball kite guitar piano|cup glass bottle bowl plate spoon knife cake bread pizza
    sandwich apple orange banana pear strawberry lemon egg carrot|laptop phone keyboard television camera suitcase
    basket box sign statue fountain boot""".replace("|", " ").split()
)
"""Things that people point at in photos."""


def names_for(source: ModelSource) -> tuple[str, ...]:
    """Nouns that the segmenter of a checkpoint is asked about: those of its own list, or else everyday ones.

    Raises:
        ModelError: the checkpoint has no segmenter, and none is to be had.
    """
    words, _ = helpers.segmenter_folders(None, Path("" if source.kind == "hub" else source.location))
    return helpers.nouns_of(words) or EVERYDAY


def detect_at_point(
    photo: Photo,
    point: Point,
    names: Sequence[str],
    segmenter: Segmenter,
    *,
    side: int,
    taken: Mask | None = None,
    refiner: MaskRefiner | None = None,
) -> SceneObject:
    """The object that is seen at a point, and how sure it is that it is what it is taken for.

    Args:
        point: in pixels of the photo.
        names: what it may be, at least one.
        side: short side at which the segmenter looks, in pixels.
        taken: (H, W) pixels that belong to other objects.
        refiner: makes the mask exact at the photo's own size; by default the segmenter, if it can do that, too.

    Returns:
        It, with a name out of `names`; its (H, W) mask at the photo's size is not empty.

    Raises:
        LayoutError: the point lies outside the picture or on another object, or shows none of the names.
    """
    size = photo.size
    if not (0 <= point.x < size.width and 0 <= point.y < size.height):
        raise LayoutError(
            f"The point {point.x:g}, {point.y:g} lies outside the picture of {size} pixels: choose another."
        )
    if taken is not None and taken[int(point.y), int(point.x)]:
        raise LayoutError("The point lies on an object that is found already: choose another.")
    picture = to_tensor(photo, working_size(size, side, 1))
    classes = list(dict.fromkeys(words_of(name) for name in names))
    answers = ask(segmenter, picture, classes)
    heat = answers.of(classes)
    height, width = heat.shape[-2:]
    row, column = int(point.y * height / size.height), int(point.x * width / size.width)
    here = heat[:, row, column]
    best = int(here.argmax())
    if here[best] < LEAST_PEAK:
        raise LayoutError(
            "Nothing that can be told by itself is seen there "
            f"(the likeliest is {classes[best]!r}, with a probability of {here[best]:.2f}): name the object instead."
        )
    peaks = heat.flatten(1).amax(1)
    rivals = [k for k in peaks.argsort(descending=True).tolist()[:RIVALS] if k != best and peaks[k] >= LEAST_PEAK]
    chosen = torch.tensor([best, *rivals])
    odds = settle_masks((picture[0].float() + 1) / 2, heat[chosen] / peaks[chosen, None, None])
    full = F.interpolate(odds[None], (size.height, size.width), mode="bicubic", antialias=True)[0]
    likeliest = full.max(0)
    region = tidy_mask(((likeliest.indices == 0) & (likeliest.values >= 0.5)).numpy())
    mask = component_at(region, point, NEAR * size.short)
    if mask is None:
        raise LayoutError(
            f"{classes[best]!r} is seen there, but not where it ends: name the object instead, or click its middle."
        )
    judged = judge(answers, classes[best], coarse(mask, heat))
    refiner = segmenter if refiner is None and isinstance(segmenter, MaskRefiner) else refiner
    if refiner is not None:
        mask = refine_masks(photo, [mask], [point], refiner)[0]
    if taken is not None:
        mask = mask & ~taken
        if not mask.any():
            raise LayoutError("What is seen there belongs to objects that are found already: choose another point.")
    return found_object(next(name for name in names if words_of(name) == classes[best]), mask, judged)


def component_at(region: Mask, point: Point, reach: float) -> Mask | None:
    """The connected part of a region that holds a point, or comes nearest to it.

    Args:
        reach: pixels by which the point may miss it.

    Returns:
        (H, W), or None where no part is within reach.
    """
    labels, _ = components(region)
    # Nothing farther away counts.
    reach = max(reach, math.sqrt(0.5))
    top, left = (max(math.floor(place - reach - 1), 0) for place in (point.y, point.x))
    near = labels[top : math.ceil(point.y + reach + 1), left : math.ceil(point.x + reach + 1)]
    rows, columns = np.nonzero(near)
    if not rows.size:
        return None
    away = np.hypot(top + rows + 0.5 - point.y, left + columns + 0.5 - point.x)
    nearest = int(away.argmin())
    if not on_region(labels, point) and away[nearest] > reach:
        return None
    part: Mask = labels == near[rows[nearest], columns[nearest]]
    return part


def on_region(labels: npt.NDArray[np.int32], point: Point) -> bool:
    return bool(labels[int(point.y), int(point.x)])
