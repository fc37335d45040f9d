"""Refinement of what was painted small: the canvas is enlarged, and painted on from a middle step in overlapping tiles.

A region larger than the models' own size is painted on a canvas of that size, with less detail than the photo around it
has. Refined level by level, each of twice the size, it gets detail where the painting before gave it form.
"""

from __future__ import annotations

import dataclasses
import math

import torch
import torch.nn.functional as F
from torch import Tensor

from intarsia.backbones.protocols import Inpainter
from intarsia.imaging.crop import Crop
from intarsia.imaging.geometry import Box, Size, to_stride
from intarsia.imaging.masks import dilate
from intarsia.imaging.tensors import levels_to_tensor
from intarsia.progress import OnProgress, Progress
from intarsia.records.edit import EditRecord
from intarsia.regions.region import Region
from intarsia.regions.search import Evaluation
from intarsia.regions.sight import Sight

BLURRED = 1.3
"""Pixels of the photo for each of the canvas, from which what is painted looks blurred beside the photo."""

LARGEST = 8
"""A canvas is enlarged at most so many times: the costs rise as its area."""

STRENGTH = 0.5
"""Share of the schedule that each level is painted with: it keeps the form, and gets detail."""


def levels(crop: Crop) -> list[Crop]:
    """The same window on larger canvases, each at most twice the size of the one before, the last about as fine as the photo."""
    last = min(math.ceil(1 / (BLURRED * crop.scale)), LARGEST)
    factors: list[int] = []
    while last > 1:
        factors.append(last)
        last = math.ceil(last / 2)
    return [Crop(crop.window, Size(f * crop.size.width, f * crop.size.height)) for f in reversed(factors)]


def refined(
    evaluation: Evaluation,
    sight: Sight,
    inpainter: Inpainter,
    record: EditRecord,
    on_progress: OnProgress | None = None,
) -> Evaluation:
    """A painted region with the detail of the photo, or as it was where it needs none.

    Args:
        evaluation: a region of a crop, painted with the full schedule.
        sight: of the photo.

    Returns:
        The evaluation with a larger canvas, and its scores as they were.
    """
    region = evaluation.region
    if region.crop is None or evaluation.steps != record.steps:
        return evaluation
    picture = evaluation.picture.cpu()
    finer = levels(region.crop)
    for number, crop in enumerate(finer):
        assert region.crop is not None
        coarse, region = torch.from_numpy(region.shape(region.crop.size))[None].float(), on_canvas(region, crop)
        larger = enlarged(picture, coarse, crop.size)
        picture = level_refined(larger, region, sight, inpainter, record, on_progress, f"{number + 1} of {len(finer)}")
    return dataclasses.replace(evaluation, region=region, picture=picture)


def level_refined(
    larger: Tensor,
    region: Region,
    sight: Sight,
    inpainter: Inpainter,
    record: EditRecord,
    on_progress: OnProgress | None,
    level: str,
) -> Tensor:
    """(3, h, w) the enlarged canvas -> (3, h, w) with detail in the region; outside it, the photo's own pixels."""
    crop = region.crop
    assert crop is not None
    inside = torch.from_numpy(region.shape(crop.size))[None, None].float()
    original = levels_to_tensor(crop.cut(sight.photo.pixels))

    def on_step(done: int, total: int) -> None:
        if on_progress is not None:
            on_progress(Progress(stage=f"refinement, level {level}", done=done, total=total))

    painted = inpainter.inpaint(
        torch.where(inside > 0, larger[None], original).to(sight.backbones.device),
        inside,
        [region.words or record.sentence],
        negative_prompt=record.negative_prompt,
        seeds=[region.seed],
        steps=record.steps,
        guidance=record.guidance,
        strength=STRENGTH,
        tile=to_stride(sight.side, sight.stride),
        on_step=on_step,
    )
    return torch.where(inside > 0, painted, original)[0]


def enlarged(picture: Tensor, mask: Tensor, size: Size) -> Tensor:
    """What was painted in a mask, enlarged alone: what lies beside it, at the lower resolution, does not run into it.

    Args:
        picture: (3, h, w).
        mask: (1, h, w) of 0 and 1.

    Returns:
        (3, H, W) of that size; of use where the enlarged mask is at least a half.
    """
    both = torch.cat([picture * mask, mask])[None]
    both = F.interpolate(both, (size.height, size.width), mode="bilinear", align_corners=False)[0]
    return both[:3] / both[3:].clamp(min=1e-3)


def on_canvas(region: Region, crop: Crop) -> Region:
    """A region on a larger canvas of the same window; what it spares stays in all its detail."""
    assert region.crop is not None
    factor = crop.size.width / region.crop.size.width
    box = Box(*(v * factor for v in region.box.as_tuple()))
    mask = region.mask
    if mask is not None:
        shape = (crop.size.height, crop.size.width)
        mask = F.interpolate(mask[None, None].float(), shape, mode="bilinear", align_corners=False)[0, 0] > 0.5
        for thing in region.spares:
            mask &= ~torch.from_numpy(dilate(thing.on(crop), 1))
    return dataclasses.replace(region, box=box, mask=mask, crop=crop)
