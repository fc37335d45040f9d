"""A start for sampling from the source itself: its objects, as image and as noise, moved to their new places."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from intarsia.backbones.protocols import LatentDiffusion
from intarsia.diffusion.ddim import Prediction, blend
from intarsia.imaging.affine import Matrix, apply, inverse_map, warp_picture
from intarsia.imaging.cells import cell_coverage, touched_cells
from intarsia.imaging.geometry import Grid, Size
from intarsia.imaging.masks import Mask
from intarsia.imaging.photo import Photo, Picture, levels_to_bytes
from intarsia.imaging.tensors import to_tensor
from intarsia.layout.layout import Layout, Placement
from intarsia.layout.scene import Scene

SAME_SHAPE = 0.9
"""Fit from which a target is the moved source but for its rim."""


@dataclass(frozen=True, kw_only=True)
class MovedSource:
    """The source with its objects at their new places.

    Attributes:
        image: (1, 3, H, W) at the models' size.
        latents: the image's clean latents, (1, C, h, w), and noise that was moved with its objects, (B, C, h, w).
        targets: (1, 1, h, w), 1 in cells that a changed object's target touches.
    """

    image: Tensor
    latents: Prediction
    targets: Tensor


def move_source(
    scene: Scene,
    layout: Layout,
    background: Picture,
    inverted: Tensor,
    noise: Tensor,
    diffusion: LatentDiffusion,
    size: Size,
) -> MovedSource:
    """Put a scene together for sampling: each object at its new place, the inpainted background where objects were.

    The image is moved in pixels and encoded again, and its inverted noise is moved cell by cell:
    interpolating the latents themselves would blur the noise and with it the image.

    Args:
        background: (H, W, 3) the image without the objects that change.
        inverted: (1, C, h, w) noise of the source's inverted latents.
        noise: (B, C, h, w), drawn: for the inpainted background, and where a target is not covered by the moved source.
        size: at which the models work.
    """
    pixels, masks, (rows, columns) = scene.photo.pixels, scene.masks, noise.shape[-2:]

    def mostly(mask: Mask) -> Tensor:
        return cell_coverage(mask, rows, columns, pooled=True).to(noise)[None, None] > 0.5

    image, targets = background, np.zeros(pixels.shape[:2], np.bool_)
    inpainted = touched_cells((background != pixels).any(2), rows, columns).to(noise)[None, None]
    mixed = blend(noise, inverted, inpainted)
    for placement in layout.placements:
        if not changes(placement, masks[placement.source]):  # it stands in front of what was laid so far
            image = np.where(placement.mask[..., None], pixels, image)
            mixed = torch.where(mostly(placement.mask), inverted, mixed)
            targets &= ~placement.mask
            continue
        colour, alpha = warp_picture(pixels, placement.matrix, scene.photo.size, masks[placement.source])
        if placement.fit < SAME_SHAPE:
            alpha = alpha * placement.mask
        image = image + alpha[..., None] * (colour - image)
        moved = move_cells(inverted, placement.matrix, scene.photo.size)
        mixed = torch.where(mostly(alpha > 0.5), moved, torch.where(mostly(placement.mask), noise, mixed))
        targets |= placement.mask
    composite = to_tensor(Photo(pixels=levels_to_bytes(image)), size)
    return MovedSource(
        image=composite,
        latents=Prediction(diffusion.encode_image(composite.to(noise.device)).to(noise), mixed),
        targets=touched_cells(targets, rows, columns).to(noise)[None, None],
    )


def changes(placement: Placement, source: Mask) -> bool:
    """Whether an object moves or takes another shape."""
    return placement.moved or not np.array_equal(placement.mask, source)


def move_cells(values: Tensor, matrix: Matrix, size: Size) -> Tensor:
    """Latent cells moved as wholes: the mean of two cells' noise would be less noisy than either.

    Args:
        values: (B, C, h, w).
        matrix: in pixels of a photo of that size.

    Returns:
        (B, C, h, w); each cell is the one nearest to where it comes from.
    """
    rows, columns = values.shape[-2:]
    grid, inverse = Grid(size, rows, columns), inverse_map(matrix)
    origins = [apply(inverse, grid.center(row, column)) for row in range(rows) for column in range(columns)]
    index = torch.tensor([row * columns + column for row, column in map(grid.cell, origins)], device=values.device)
    return values.flatten(2)[..., index].reshape(values.shape)
