"""Metrics of an edit by layout: pure functions of images and masks.

All masks are (H, W) bool and all pixels (H, W, 3) uint8, at the photo's size; lengths are in pixels.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from intarsia.backbones.protocols import PatchEncoder
from intarsia.imaging.affine import IDENTITY, Matrix, inverse_map, warp_mask
from intarsia.imaging.geometry import Size
from intarsia.imaging.masks import Mask, bounding_box, depth_inside, dilate
from intarsia.layout.layout import Layout
from intarsia.layout.scene import Scene

Pixels = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]

IDENTICAL = 100.0
"""dB that pictures without any difference are said to have."""

CROP = 128
"""Side of the square at which two looks of an object are compared."""

CROP_MARGIN = 0.1
"""Ground around an object in its crop, as a fraction of the object's longer side."""

LEAST_PIXELS = 16
"""A look, or what an object left, of fewer pixels is not judged."""

JUDGED_MARGIN = 2
"""An object's place may be seen this much too large without counting as left over beside it."""

LEFT = 0.10
"""An object is left over when it is seen on more than this share of what it vacated."""

FAINT = 1.0
"""Levels by which the steps inside and outside of a seam are raised, since fainter ones cannot be seen."""

LEAST_PAIRS = 12
"""A line along a seam of fewer neighbouring pixels is not judged."""


def changed(layout: Layout) -> tuple[str, ...]:
    """Names of the objects that leave their place, in part or for good."""
    return (*(p.name for p in layout.placements if p.moved and p.copy_of is None), *layout.removed)


def union(masks: Mapping[str, Mask], shape: tuple[int, ...]) -> Mask:
    """Where any of the masks is."""
    total = np.zeros(shape, dtype=np.bool_)
    for mask in masks.values():
        total |= mask
    return total


def layout_iou(labels: Labels, label_of: Mapping[str, int], layout: Layout) -> float:
    """How well objects stand at their targets: mean over them of the IoU of segmented and wanted place.

    Args:
        labels: (H, W) what a segmenter sees in the picture.
        label_of: the label of each object of the layout, by its name; one label an object.

    Returns:
        In [0, 1]. An object that is hidden altogether is left out; 1 if none is left.
    """
    shares = []
    for name, wanted in layout.visible_masks().items():
        if wanted.any():
            seen = labels == label_of[name]
            shares.append(float((seen & wanted).sum() / (seen | wanted).sum()))
    return sum(shares) / len(shares) if shares else 1.0


def vacated(scene: Scene, layout: Layout) -> dict[str, Mask]:
    """What each moved or removed object leaves free: its old place without all new ones.

    Objects' new places count a little larger than they are, since a segmenter's border is not exact.
    An object that leaves next to nothing free is not listed.
    """
    taken = dilate(union(layout.visible_masks(), scene.objects[0].mask.shape), JUDGED_MARGIN)
    left = {name: scene.masks[name] & ~taken for name in changed(layout)}
    return {name: mask for name, mask in left.items() if mask.sum() >= LEAST_PIXELS}


def leftover_shares(labels: Labels, label_of: Mapping[str, int], scene: Scene, layout: Layout) -> dict[str, float]:
    """For each object, the share of what it vacated on which it is still seen; it is left over above `LEFT`."""
    return {name: float((labels[mask] == label_of[name]).mean()) for name, mask in vacated(scene, layout).items()}


def invented_shares(labels: Labels, label_of: Mapping[str, int], scene: Scene, layout: Layout) -> dict[str, float]:
    """For each object, the share of what it vacated on which anything but itself or background is seen.

    A painter asked to fill a hole may well fill it with a new object.
    """
    return {
        name: float(((labels[mask] != 0) & (labels[mask] != label_of[name])).mean())
        for name, mask in vacated(scene, layout).items()
    }


def common_background(scene: Scene, layout: Layout, border: int) -> Mask:
    """What is background before and after, `border` pixels away from all objects and their shadows."""
    shape = scene.objects[0].mask.shape
    return ~dilate(union(scene.masks, shape) | union(layout.visible_masks(), shape), border)


def bared(scene: Scene, layout: Layout, border: int) -> Mask:
    """Background that stood behind objects or in their shadows before, and lies free now."""
    shape = scene.objects[0].mask.shape
    old = union({name: scene.masks[name] for name in changed(layout)}, shape)
    return dilate(old, border) & ~dilate(union(layout.visible_masks(), shape), border)


def surroundings(layout: Layout, border: int) -> Mask:
    """The ring of background around the new places of moved objects, where their shadows fall."""
    seen = layout.visible_masks()
    shape = next(iter(seen.values())).shape if seen else (1, 1)
    moved = union({p.name: seen[p.name] for p in layout.placements if p.moved}, shape)
    return dilate(moved, border) & ~union(seen, shape)


def psnr(first: Pixels, second: Pixels, mask: Mask) -> float | None:
    """Peak signal-to-noise ratio inside a mask, in dB, at most `IDENTICAL`; None of an empty mask."""
    if not mask.any():
        return None
    error = float(((first[mask].astype(np.float64) - second[mask].astype(np.float64)) ** 2).mean())
    return min(IDENTICAL, 10 * math.log10(255**2 / error)) if error else IDENTICAL


def seam(pixels: Pixels, scene: Scene, layout: Layout, border: int) -> float | None:
    """How visible the outline of what was repainted is; 1 means not at all.

    Lines are drawn around what moved objects vacated, from just inside their old masks to `border`
    pixels outside, since the region that a method repaints ends somewhere between. The step across a line is the mean
    difference of the pixels on either side of it. The strongest step is compared with the strongest of
    as many lines farther out, on untouched background: both are the largest of equally many, so that
    chance raises both alike. Pixels near objects at their new places are left out.

    Returns:
        Ratio of the two, each raised by `FAINT`; None where nothing was vacated or too little background
        lies around it.
    """
    old = scene.masks
    shape = pixels.shape[:2]
    hole = union({name: old[name] for name in changed(layout)}, shape)
    free = ~dilate(union(layout.visible_masks(), shape), border)
    first, count = -1, border + 2
    # Lines count from the mask's edge outward; a line runs between pixels at or below it and above it.
    reach = first + 2 * count + 1
    place = np.where(hole, 1 - depth_inside(hole, reach), depth_inside(~hole, reach))
    near = [step_across(pixels, place, line, free) for line in range(first, first + count)]
    far = [step_across(pixels, place, line, free) for line in range(first + count, first + 2 * count)]
    inner, outer = [s for s in near if s is not None], [s for s in far if s is not None]
    if not inner or not outer:
        return None
    return (max(inner) + FAINT) / (max(outer) + FAINT)


def step_across(pixels: Pixels, place: npt.NDArray[np.float32], line: float, valid: Mask) -> float | None:
    """Mean difference, in levels, of neighbouring pixels on either side of the contour `place == line`.

    Args:
        place: (H, W) distance of each pixel from an outline.
        valid: (H, W) pixels that may be looked at.

    Returns:
        None where fewer than `LEAST_PAIRS` pairs of neighbours lie across the line.
    """
    values, beyond = pixels.astype(np.float32), place > line
    steps = []
    for axis in (0, 1):
        ahead = tuple(slice(1, None) if a == axis else slice(None) for a in (0, 1))
        behind = tuple(slice(None, -1) if a == axis else slice(None) for a in (0, 1))
        across = (beyond[ahead] != beyond[behind]) & valid[ahead] & valid[behind]
        steps.append(np.abs(values[ahead] - values[behind])[across].mean(-1))
    found = np.concatenate(steps)
    return float(found.mean()) if len(found) >= LEAST_PAIRS else None


def copied(pixels: Pixels, warped: Pixels, levels: int = 2) -> Mask:
    """Where a picture shows what a plain warp of the source shows, up to so many levels in each channel."""
    difference: Mask = np.abs(pixels.astype(np.int16) - warped.astype(np.int16)).max(axis=2) <= levels
    return difference


def identity(
    patches: PatchEncoder,
    before: Pixels,
    after: Pixels,
    *,
    source: Mask,
    target: Mask,
    matrix: Matrix = IDENTITY,
    left_out: Mask | None = None,
) -> float | None:
    """How like itself an object looks at its new place.

    Both looks are brought to one square, the new one through the object's move, on grey ground. The
    mean of a crop's features hardly tells objects apart, since the largest part of every feature is
    the same for all pictures; so the features of plain grey are subtracted, and features are compared
    patch by patch, which sees a scrambled object as well.

    Args:
        patches: a DINO network.
        before: the source picture.
        after: the edited picture.
        source: the object in `before`.
        target: its visible part in `after`.
        matrix: takes the one to the other.
        left_out: (H, W) of `after`, pixels that are replaced by ground in both crops.

    Returns:
        Mean cosine of corresponding patches, weighted by how far the object covers them, at most 1;
        None where fewer than `LEAST_PIXELS` of the object are left to compare.
    """
    kept = target if left_out is None else target & ~left_out
    size = Size(source.shape[1], source.shape[0])
    was = source & warp_mask(kept, inverse_map(matrix), size)
    if min(kept.sum(), was.sum()) < LEAST_PIXELS:
        return None
    box = bounding_box(source)
    side = (1 + 2 * CROP_MARGIN) * max(box.width, box.height)
    corners = ((box.x0 + box.x1 - side) / 2, (box.y0 + box.y1 - side) / 2)
    x, y = (corner + (torch.arange(CROP, dtype=torch.float64) + 0.5) * side / CROP for corner in corners)
    ys, xs = torch.meshgrid(y, x, indexing="ij")
    a, b, c, d, e, f = matrix
    there = (a * xs + b * ys + c, d * xs + e * ys + f)
    cover = torch.minimum(read_at(as_plane(was), xs, ys), read_at(as_plane(kept), *there)).clamp(0, 1)
    first = encode_on_grey(patches, read_at(on_grey(before, was), xs, ys, smooth=True) * cover)
    second = encode_on_grey(patches, read_at(on_grey(after, kept), *there, smooth=True) * cover)
    weight = F.adaptive_avg_pool2d(cover, (first.shape[1], first.shape[2]))[0, 0]
    return float((F.cosine_similarity(first, second, dim=0) * weight).sum() / weight.sum())


def as_plane(mask: Mask) -> Tensor:
    """(1, 1, H, W) of 0 and 1."""
    return torch.from_numpy(mask.astype(np.float32))[None, None]


def on_grey(pixels: Pixels, mask: Mask) -> Tensor:
    """(1, 3, H, W) in [-1, 1], grey outside a mask: no colour from there gets into what is read later."""
    planes = torch.from_numpy(pixels.astype(np.float32) / 127.5 - 1).permute(2, 0, 1)[None]
    return planes * as_plane(mask)


def read_at(planes: Tensor, xs: Tensor, ys: Tensor, *, smooth: bool = False) -> Tensor:
    """Values of (1, C, H, W) planes at positions in pixels, each (h, w); 0 outside. Returns (1, C, h, w)."""
    height, width = planes.shape[-2:]
    grid = torch.stack([2 * xs / width - 1, 2 * ys / height - 1], -1)[None].float()
    mode = "bicubic" if smooth else "bilinear"
    return F.grid_sample(planes, grid, mode=mode, padding_mode="zeros", align_corners=False)


@torch.no_grad()
def encode_on_grey(patches: PatchEncoder, crop: Tensor) -> Tensor:
    """(D, rows, columns) features of a crop (1, 3, h, w) relative to those of plain grey."""
    return patches.encode(crop.clamp(-1, 1)).features - patches.encode(torch.zeros_like(crop)).features
