"""Remove, from record to files. Unless objects are found by words or painted by a checkpoint, torch is not loaded."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from intarsia.backbones.fills import load_fill
from intarsia.backbones.protocols import Backbones
from intarsia.backbones.resolve import resolve
from intarsia.imaging.masks import Mask
from intarsia.imaging.photo import Photo
from intarsia.imaging.protected import read_protected
from intarsia.imaging.read import read_photo
from intarsia.layout.marked_objects import parse_marked
from intarsia.layout.removal_files import read_avoid, read_removal
from intarsia.layout.remove import RemoveResult, remove
from intarsia.layout.scene import Scene
from intarsia.notes import collected, with_notes
from intarsia.progress import OnProgress, Stages, part_of, peak_memory_mb
from intarsia.records.arrange import ArrangeRecord
from intarsia.records.remove import RemoveRecord
from intarsia.results.inputs_seen import noting_inputs
from intarsia.results.write_remove import SavedRemoval, plan_removal, write_removal
from intarsia.tasks.scene import LoadBackbones, LoadSegmenter, networks_of, segmenter_and_side, tell_unused

READING, SEEING, WRITING = "reading the photo", "reading what goes", "writing the files"
"""Stages, as progress names them."""

OPENED, REMOVED = 0.15, 0.8
"""Shares of the whole at which the objects are read, and at which they are removed: of 12 megapixels."""


@dataclass(frozen=True, kw_only=True)
class RemoveTaskResult:
    """A removal and its files."""

    result: RemoveResult
    saved: SavedRemoval

    @property
    def photo(self) -> Photo:
        """The picture in `saved.files.picture`, before it was written."""
        return self.result.photo


@collected()
@noting_inputs
def run_remove(
    record: RemoveRecord,
    out: Path,
    load: LoadBackbones,
    load_segmenter: LoadSegmenter,
    *,
    name: str = "",
    metadata: bool = True,
    overwrite: bool = False,
    on_progress: OnProgress | None = None,
) -> RemoveTaskResult:
    """Remove, from record to files. Everything that can be checked is checked before networks are loaded.

    Args:
        out: folder to write to.
        load: called for a fill that a checkpoint paints.
        load_segmenter: called for objects that must be found by their names.
        name: of the files; by default the photo's.
        metadata: whether the picture carries the record.
        overwrite: replace files of the same names.

    Raises:
        IntarsiaError: a setting or a file is wrong; nothing is written.
        Cancelled: `on_progress` did; nothing is written.
    """
    opening = Stages(part_of(on_progress, 0.0, OPENED), {READING: 1.0, SEEING: 3.0})
    with opening.stage(READING, 1):
        photo = read_photo(record.photo)
    targets = plan_removal(record, photo, out, name=name, overwrite=overwrite)
    if record.find or record.fill == "diffusion":  # what auto means is found out once
        record = dataclasses.replace(record, models=resolve(record.models).name)
    avoid, protected = read_avoid(record, photo), read_protected(record.protect, photo)
    with opening.stage(SEEING):
        scene = load_removal(record, photo, load_segmenter)
    told = part_of(on_progress, OPENED, REMOVED)
    if record.fill == "diffusion":
        result = paint(scene, record, networks_of(record, load), avoid, told, protected=protected)
    else:
        tell_unused(record)
        fill = load_fill(record.fill, record.fill_model)
        result = remove(scene, record, fill, avoid=avoid, protected=protected, on_progress=told)
    result = with_notes(result)
    with Stages(part_of(on_progress, REMOVED, 1.0), {WRITING: 1.0}).stage(WRITING):
        saved = write_removal(result, targets, metadata=metadata, overwrite=overwrite)
    return RemoveTaskResult(result=result, saved=saved)


def load_removal(record: RemoveRecord, photo: Photo, load_segmenter: LoadSegmenter) -> Scene:
    """What a record removes. Only objects that must be found by words need a network, and then a small one."""
    if not record.find:
        return read_removal(record, photo)
    segmenter, side = segmenter_and_side(record.models, load_segmenter)
    return read_removal(record, photo, segmenter, native_side=side)


def paint(
    scene: Scene,
    record: RemoveRecord,
    backbones: Backbones,
    avoid: Mask | None,
    on_progress: OnProgress | None,
    *,
    protected: Mask | None = None,
) -> RemoveResult:
    """Remove, and let a checkpoint paint the gap, away from the words for what was there."""
    from intarsia.backbones.tokens import without_warnings_of_cuts
    from intarsia.layout.background import DiffusionFill
    from intarsia.layout.prompt_notes import prompt_notes

    named = {mark.name for mark in parse_marked(record.object)} | set(record.find)
    words = list(dict.fromkeys(obj.words for obj in scene.objects if obj.name in named))
    settings = ArrangeRecord(photo=record.photo, background=record.prompt, size=record.size, models=record.models)
    counter = backbones.painter.counter
    before = counter.evaluations
    fill = DiffusionFill(words, settings, backbones, on_progress)
    with without_warnings_of_cuts():  # the notes say what was cut
        result = remove(scene, record, fill, avoid=avoid, protected=protected, on_progress=on_progress)
    result = with_notes(result, prompt_notes({"prompt": record.prompt}, backbones, record.embedding, brackets=False))
    cost = dataclasses.replace(
        result.cost,
        evaluations=counter.evaluations - before,
        peak_memory_mb=peak_memory_mb(backbones.device),
    )
    record = dataclasses.replace(result.record, models=backbones.name)
    return dataclasses.replace(result, cost=cost, record=record, versions={**result.versions, **backbones.versions})
