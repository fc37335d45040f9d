"""Edit by words beside what is protected: where regions may lie, what is painted of them, and what comes back as it was."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F

from intarsia.errors import RegionError, Remedy, Setting
from intarsia.imaging.geometry import Box
from intarsia.imaging.marked import check_label, read_marked
from intarsia.imaging.masks import Blend, Mask, box_mask, feather
from intarsia.imaging.photo import Photo, levels_to_bytes
from intarsia.imaging.protected import on_canvas
from intarsia.records.edit import EditRecord
from intarsia.regions.analysis import ImageAnalysis
from intarsia.regions.families import Family, Job, families
from intarsia.regions.region import Region
from intarsia.regions.sight import Thing

LEAST_FREE = 0.1
"""Share of a region that must not be protected for it to be tried."""

MOSTLY = 0.5
"""Share of a thing from which it counts as protected."""

LEAVE_OUT = (
    Remedy("protect less", page="keep less"),
    Remedy("leave out ", Setting("protect"), page=()),
)


def given_mask(record: EditRecord, photo: Photo, mask: Mask | None, protected: Mask | None) -> Mask | None:
    """(H, W) where the user wants the edit, without what is protected; None where the edit is searched for.

    A box that nothing in it protects is no mask: None, too.

    Args:
        mask: the user's, read from the record's file when None.

    Raises:
        RegionError: nothing is left of the box or of the mask.
    """
    check_label(record)
    if mask is None and record.mask is not None:
        mask = read_marked(record, photo)
    if protected is None:
        return mask
    where = mask
    if mask is None and record.box is not None:
        where = box_mask(Box(*record.box), photo.size)
        if not (where & protected).any():
            return None
    if where is None:
        return None
    left: Mask = where & ~protected
    if not left.any():
        what = "the box" if mask is None else "the mask"
        raise RegionError(f"All of {what} is protected, so that nothing is left to edit", *LEAVE_OUT)
    return left


def beside_protected(analysis: ImageAnalysis, protected: Mask | None) -> ImageAnalysis:
    """An analysis that finds nothing salient or relevant in what is protected.

    Raises:
        RegionError: all of the picture is protected.
    """
    if protected is None:
        return analysis
    free = torch.from_numpy(~on_canvas(protected, None, analysis.size)).to(analysis.relevance)
    grid = analysis.grid
    cells = F.adaptive_avg_pool2d(free[None, None], (grid.rows, grid.columns))[0, 0]
    saliency = analysis.saliency * (cells > MOSTLY)
    if not (saliency > 0).any():
        raise RegionError("All of the picture is protected, so that nothing is left to edit", *LEAVE_OUT)
    return dataclasses.replace(analysis, saliency=saliency / saliency.sum(), relevance=analysis.relevance * free)


def jobs_beside(jobs: Sequence[Job], protected: Mask | None) -> list[Job]:
    """The parts of an edit whose things are not protected.

    Raises:
        RegionError: all that the words name is.
    """
    if protected is None:
        return list(jobs)
    left = []
    for job in jobs:
        free = tuple(thing for thing in job.things if not is_protected(thing, protected))
        if free or not job.things:
            left.append(dataclasses.replace(job, things=free))
    if not left:
        raise RegionError("All that the source words name is protected, so that nothing is left to edit", *LEAVE_OUT)
    return left


def is_protected(thing: Thing, protected: Mask) -> bool:
    """Whether most of a thing is."""
    return bool(on_canvas(protected, thing.crop, thing.crop.size)[thing.mask].mean() > MOSTLY)


def families_beside(proposed: Sequence[Family], protected: Mask | None) -> list[Family]:
    """The families without regions that lie in what is protected.

    Raises:
        RegionError: all of them do.
    """
    if protected is None:
        return list(proposed)

    def free(family: Family) -> list[Region]:
        kept = []
        for region in family.regions:
            assert region.crop is not None
            size = region.crop.size
            shape = region.shape(size)
            if (shape & ~on_canvas(protected, region.crop, size)).sum() >= max(1, LEAST_FREE * shape.sum()):
                kept.append(region)
        return kept

    left = families(*((family.name, free(family)) for family in proposed))
    if not left:
        raise RegionError(
            "All regions that the words ask for are protected, so that nothing is left to edit", *LEAVE_OUT
        )
    return left


def faded(photo: Photo, edited: Photo, blend: Blend, protected: Mask, width: float) -> tuple[Photo, Blend]:
    """An edited photo that goes over into the original toward what is protected, where it is the original bit for bit.

    Args:
        blend: (H, W) in [0, 1], how far each pixel is the edit's.
        width: of the soft edge beside what is protected, in pixels.
    """
    share = feather(~protected, width)
    before, after = photo.pixels.astype(np.float32), edited.pixels.astype(np.float32)
    mixed = levels_to_bytes(before + share[..., None] * (after - before))
    pixels = np.where((share == 1)[..., None], edited.pixels, mixed)
    kept = (share == 0) | (blend == 0)
    pixels[kept] = photo.pixels[kept]
    return dataclasses.replace(edited, pixels=pixels), (blend * share).astype(np.float32)
