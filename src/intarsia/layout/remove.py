"""Remove: objects are taken out of a photo, and the gaps are filled from their surroundings. The flow on one page."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from typing import cast

import numpy as np

from intarsia.backbones.fills import check_source, load_fill
from intarsia.backbones.protocols import BackgroundFill
from intarsia.errors import RecordError, RegionError, Remedy, Setting
from intarsia.imaging.edited_photo import EditedPhoto
from intarsia.imaging.infill import crop_around, membrane_fill
from intarsia.imaging.masks import Mask, dilate
from intarsia.imaging.matting import cut
from intarsia.imaging.photo import Bytes, Photo, levels_to_bytes
from intarsia.imaging.protected import read_protected
from intarsia.layout.gaps import GROWTH, SHADOW, left_by
from intarsia.layout.removal_files import read_avoid, read_removal
from intarsia.layout.removal_notes import removal_notes
from intarsia.layout.scene import Scene
from intarsia.notes import collecting
from intarsia.progress import Cost, OnProgress, Stages, peak_memory_mb, span
from intarsia.records.choices import Fill
from intarsia.records.remove import RemoveRecord

CUTTING, FILLING = "looking for the border and the shadow", "filling the gap"
"""Stages, as progress names them."""

CUTTING_COST, FILLING_COST = 0.8, 4.5
"""What they cost beside each other, the first one an object: seconds of a core for a photograph of 12 megapixels."""


@dataclass(frozen=True, kw_only=True)
class RemoveResult:
    """A photo without some of its objects, and how it came about.

    Attributes:
        picture: the photo; its blend is 1 in the gap, else 0.
        scene: the original, and what was removed.
        record: replays the edit; what `auto` meant is said.
        notes: what its user should know, a sentence each.
        versions: of what filled the gap.
    """

    picture: EditedPhoto
    scene: Scene
    cost: Cost
    record: RemoveRecord
    notes: tuple[str, ...]
    versions: dict[str, str]

    @property
    def photo(self) -> Photo:
        return self.picture.photo

    @property
    def blend(self) -> np.ndarray:
        return self.picture.blend


@collecting
def remove(
    scene: Scene | Photo,
    record: RemoveRecord,
    fill: BackgroundFill | None = None,
    *,
    avoid: Mask | None = None,
    protected: Mask | None = None,
    on_progress: OnProgress | None = None,
) -> RemoveResult:
    """Take all objects of a scene out of its photo. No pixel outside the gap changes.

    Args:
        scene: the photo, and the objects that go; of a photo alone, those that the record names, and what it avoids.
        record: how.
        fill: what fills the gap; by default what the record names.
        avoid: (H, W) what is neither copied nor joined on to, such as objects that stay.
        protected: (H, W) what stays as it is, where it belongs to an object, too; read from the record's file when None.
        on_progress: called all along; may raise `Cancelled`.

    Raises:
        RegionError: nothing is left that the gap could be filled from, or all of it is protected.
        IntarsiaError: the record's files cannot be read.
    """
    started = time.monotonic()
    if isinstance(scene, Photo):
        avoid = read_avoid(record, scene) if avoid is None else avoid
        scene = read_removal(record, scene)
    fill = own_fill(record) if fill is None else fill
    photo = scene.photo
    protected = read_protected(record.protect, photo) if protected is None else protected
    stages = Stages(on_progress, {CUTTING: len(scene.objects) * CUTTING_COST, FILLING: FILLING_COST})
    with stages.stage(CUTTING):
        gap = gap_of(scene, record)
    hole = gap if protected is None else _without(gap, protected)
    # What is left of an object is no ground to copy.
    others = gap & ~hole if avoid is None else (avoid | gap) & ~hole
    with stages.stage(FILLING):
        pixels = fill.fill(photo.pixels, hole, others, seed=record.seed)
    return RemoveResult(
        picture=EditedPhoto(
            photo=dataclasses.replace(photo, pixels=pixels, alpha=_fill_transparency(photo, hole)),
            blend=hole.astype(np.float32),
            seed=record.seed,
        ),
        scene=scene,
        cost=Cost(evaluations=0, seconds=time.monotonic() - started, peak_memory_mb=peak_memory_mb("cpu")),
        record=dataclasses.replace(record, fill=cast(Fill, fill.name)) if record.fill == "auto" else record,
        notes=removal_notes(scene, hole, record, fill),
        versions={"fill": fill.version},
    )


def _without(gap: Mask, protected: Mask) -> Mask:
    """(H, W) what is replaced of a gap."""
    left: Mask = gap & ~protected
    if not left.any():
        raise RegionError(
            "All that is to be removed is protected, so that nothing is left to remove",
            Remedy("protect less", page="keep less"),
            Remedy("leave out ", Setting("protect"), page=()),
        )
    return left


def own_fill(record: RemoveRecord) -> BackgroundFill:
    """The fill that a record names, where that needs no checkpoint."""
    if record.fill == "diffusion":
        raise RecordError("The gap is to be painted by a checkpoint, but none was given: pass a fill that has one.")
    return load_fill(record.fill, record.fill_model)


def gap_of(scene: Scene, record: RemoveRecord) -> Mask:
    """(H, W) what is replaced: the objects, their soft borders and their shadows; a box just as it was given."""
    short = scene.photo.size.short
    everything = np.logical_or.reduce(list(scene.masks.values()))
    hole, exact = np.zeros_like(everything), np.zeros_like(everything)
    for number, obj in enumerate(scene.objects):
        mask = obj.mask
        if record.grow is not None or fills_its_box(mask):
            exact |= mask
            continue
        with span(number / len(scene.objects), (number + 1) / len(scene.objects)):
            layer = cut(
                scene.photo.pixels,
                mask,
                everything,
                grain=obj.grain,
                reach=round(SHADOW * short) if record.shadows else 0,
            )
        hole[layer.part] |= left_by(mask, layer)
    hole = dilate(hole, max(1, round(GROWTH * short))) | dilate(exact, round((record.grow or 0) * short))
    check_source(hole, ~hole)
    return hole


def fills_its_box(mask: Mask) -> bool:
    """Whether a mask is an upright rectangle: drawn by hand around something, with no border of its own."""
    return bool(mask[crop_around(mask, 0)].all())


def _fill_transparency(photo: Photo, hole: Mask) -> Bytes | None:
    """The photo's transparency; the gap is as clear as what is around it."""
    if photo.alpha is None or bool((photo.alpha == 255).all()):
        return photo.alpha
    filled = membrane_fill(photo.alpha.astype(np.float32)[..., None], ~hole)[..., 0]
    return np.where(hole, levels_to_bytes(filled), photo.alpha)
