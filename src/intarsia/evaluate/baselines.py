"""Baselines: what is done by hand, for comparison."""

from __future__ import annotations

import dataclasses

import numpy as np

from intarsia.backbones.protocols import Backbones
from intarsia.imaging.affine import warp_picture
from intarsia.imaging.cells import touched_cells
from intarsia.imaging.edited_photo import EditedPhoto
from intarsia.imaging.geometry import working_size
from intarsia.imaging.masks import Mask, dilate
from intarsia.imaging.photo import Photo, levels_to_bytes
from intarsia.imaging.tensors import paste_back, to_tensor
from intarsia.layout.layout import Layout
from intarsia.layout.scene import Scene
from intarsia.progress import OnProgress, Progress

GROWTH = 0.03
"""How far the vacated region reaches beyond the objects' masks, as a fraction of the photo's short side."""

STEPS = 30
GUIDANCE = 5.0


def paste_inpaint(
    scene: Scene,
    layout: Layout,
    backbones: Backbones,
    *,
    seed: int,
    prompt: str = "",
    steps: int = STEPS,
    guidance: float = GUIDANCE,
    on_progress: OnProgress | None = None,
) -> EditedPhoto:
    """Cut objects out, inpaint the vacated region, paste them at their new places.

    The vacated region is what the moved objects covered, a little enlarged; it is painted with the full schedule,
    and nothing outside it changes. Objects are pasted from back to front with the hard edges of their masks.

    Args:
        prompt: what to paint into the vacated region; by default nothing in particular.
        seed: of the noise.

    Returns:
        The photo, with `blend` 1 where it may differ from the input, else 0.
    """
    photo = scene.photo
    staying = set(scene.names) - layout.vacating
    masks = scene.masks
    changed = [mask for name, mask in masks.items() if name not in staying]
    pixels, blend = photo.pixels, np.zeros(photo.pixels.shape[:2], dtype=np.float32)
    if changed:
        growth = max(1, round(GROWTH * photo.size.short))
        kept = [mask for name, mask in masks.items() if name in staying]
        vacated = dilate(np.logical_or.reduce(changed), growth)
        if kept:
            vacated &= ~np.logical_or.reduce(kept)
        pixels = _inpaint(photo, vacated, backbones, seed, prompt, steps, guidance, on_progress).pixels
        blend[vacated] = 1.0
    pixels = pixels.copy()
    for placement in layout.placements:
        if placement.moved:
            colours, alpha = warp_picture(photo.pixels, placement.matrix, photo.size, masks[placement.source])
            place = placement.mask & (alpha > 0)
            pixels[place] = levels_to_bytes(colours[place])
            blend[place] = 1.0
        else:  # in front of what was pasted before it
            pixels[placement.mask] = photo.pixels[placement.mask]
            blend[placement.mask] = 0.0
    return EditedPhoto(photo=dataclasses.replace(photo, pixels=pixels), blend=blend, seed=seed)


def _inpaint(
    photo: Photo,
    region: Mask,
    backbones: Backbones,
    seed: int,
    prompt: str,
    steps: int,
    guidance: float,
    on_progress: OnProgress | None,
) -> Photo:
    """The photo with a region inpainted and every other pixel as it was."""
    inpainter = backbones.inpainter
    size = working_size(photo.size, inpainter.native_side, inpainter.stride)
    small = touched_cells(region, size.height, size.width)[None, None]

    def report(done: int, total: int) -> None:
        if on_progress is not None:
            on_progress(Progress(stage="inpainting the hole", done=done, total=total))

    painted = inpainter.inpaint(
        to_tensor(photo, size).to(backbones.device),
        small.to(backbones.device),
        [prompt],
        seeds=[seed],
        steps=steps,
        guidance=guidance,
        on_step=report,
    )
    return paste_back(photo, painted[0], region.astype(np.float32))
