"""What a maker does by hand, for comparison."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from intarsia.backbones.protocols import Backbones
from intarsia.imaging.affine import warp_picture
from intarsia.imaging.geometry import working_size
from intarsia.imaging.masks import Blend, Mask, dilate
from intarsia.imaging.photo import Photo, paste_back, to_tensor
from intarsia.layout.layout import Layout
from intarsia.layout.scene import Scene
from intarsia.progress import OnProgress, Progress

GROWTH = 0.03
"""How far the hole reaches beyond the objects' masks, as a fraction of the picture's short side."""

STEPS = 30
GUIDANCE = 5.0


@dataclass(frozen=True, kw_only=True)
class Pasted:
    """A picture with objects pasted at their new places.

    Attributes:
        photo: of the input's size.
        blend: (H, W) 1 where the picture may differ from the input, else 0.
    """

    photo: Photo
    blend: Blend


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
) -> Pasted:
    """Cut objects out, inpaint the hole, paste them where they shall be.

    The hole is what the moved objects covered, a little enlarged; it is painted with the full schedule,
    and nothing outside it changes. Objects are pasted from back to front with the hard edges of their masks.

    Args:
        prompt: what to paint into the hole; by default nothing in particular.
        seed: of the noise.
    """
    photo = scene.photo
    staying = {p.name for p in layout.placements if not p.moved}
    left = [thing.mask for thing in scene.objects if thing.name not in staying]
    pixels, blend = photo.pixels, np.zeros(photo.pixels.shape[:2], dtype=np.float32)
    if left:
        growth = max(1, round(GROWTH * photo.size.short))
        kept = [thing.mask for thing in scene.objects if thing.name in staying]
        hole = dilate(np.logical_or.reduce(left), growth)
        if kept:
            hole &= ~np.logical_or.reduce(kept)
        pixels = filled(photo, hole, backbones, seed, prompt, steps, guidance, on_progress).pixels
        blend[hole] = 1.0
    pixels = pixels.copy()
    for placement in layout.placements:
        if placement.moved:
            mask = next(thing.mask for thing in scene.objects if thing.name == placement.name)
            colours, cover = warp_picture(photo.pixels, placement.matrix, photo.size, mask)
            place = placement.mask & (cover > 0)
            pixels[place] = np.floor(colours[place] + 0.5).astype(np.uint8)
            blend[place] = 1.0
        else:  # in front of what was pasted before it
            pixels[placement.mask] = photo.pixels[placement.mask]
            blend[placement.mask] = 0.0
    return Pasted(photo=dataclasses.replace(photo, pixels=pixels), blend=blend)


def filled(
    photo: Photo,
    hole: Mask,
    backbones: Backbones,
    seed: int,
    prompt: str,
    steps: int,
    guidance: float,
    on_progress: OnProgress | None,
) -> Photo:
    """The photo with a hole inpainted and every other pixel as it was."""
    inpainter = backbones.inpainter
    size = working_size(photo.size, inpainter.native_side, inpainter.stride)
    small = F.adaptive_max_pool2d(torch.from_numpy(hole).float()[None, None], (size.height, size.width))

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
    return paste_back(photo, painted[0], hole.astype(np.float32))
