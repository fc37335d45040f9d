"""Edit by layout, from record to files."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from intarsia.backbones.resolve import expected_side, resolve
from intarsia.errors import RecordError
from intarsia.imaging.compression import lossy_notes
from intarsia.imaging.photo import Photo
from intarsia.imaging.protected import read_protected
from intarsia.imaging.read import read_photo
from intarsia.layout.cache import DiskCache, MemoryCache, default_cache
from intarsia.layout.concept_exchange import read_concepts
from intarsia.layout.edit import ArrangeResult, arrange, check, needs_networks
from intarsia.layout.layout_files import read_layout
from intarsia.notes import collected, with_notes
from intarsia.progress import OnProgress, Progress, Stages, part_of
from intarsia.records.arrange import ArrangeRecord
from intarsia.records.scene_folder import photo_of
from intarsia.results.inputs_seen import noting_inputs
from intarsia.results.picture_format import ending_of
from intarsia.results.write_arrange import SavedArrangement, plan_arrangement, write_arrangement
from intarsia.tasks.scene import LoadBackbones, LoadSegmenter, load_scene, networks_of, tell_unused

READING, SEEING, WRITING = "reading the photo", "reading the objects", "writing the files"
"""Stages, as progress names them."""

OPENED, ARRANGED = 0.15, 0.75
"""Shares of the whole at which the scene is read, and at which the photo is arranged: of 12 megapixels."""


@dataclass(frozen=True, kw_only=True)
class ArrangeTaskResult:
    """An edit by layout and its files.

    Attributes:
        shown: index of the picture in `saved.files.picture`.
        concepts_from: where the concepts of regenerate came from; "none" for compose.
        cache_folder: where concepts and latents are kept for the next edit; None where nothing is kept.
    """

    result: ArrangeResult
    saved: SavedArrangement
    shown: int
    concepts_from: Literal["none", "file", "cache", "learned"]
    cache_folder: Path | None

    @property
    def photo(self) -> Photo:
        """The picture in `saved.files.picture`."""
        return self.result.pictures[self.shown].photo


@collected()
@noting_inputs
def run_arrange(
    record: ArrangeRecord,
    out: Path,
    load: LoadBackbones,
    load_segmenter: LoadSegmenter,
    *,
    name: str = "",
    lead: int = 0,
    metadata: bool = True,
    overwrite: bool = False,
    cached: bool = True,
    on_progress: OnProgress | None = None,
) -> ArrangeTaskResult:
    """Edit by layout, from record to files. Everything that can be checked is checked before networks are loaded.

    Args:
        out: folder to write to.
        name: of the files; by default the photo's.
        lead: index of the seed whose picture becomes the first; another than 0 is asked for by a replay.
        metadata: whether the pictures carry the record.
        overwrite: replace files of the same names.
        cached: whether latents and concepts are kept on the disk for the next edit of the picture.
        on_progress: called all along, from reading to writing; may raise `Cancelled`.

    Raises:
        IntarsiaError: a setting or a file is wrong; nothing is written.
        Cancelled: `on_progress` did; nothing is written.
    """
    opening = Stages(part_of(on_progress, 0.0, OPENED), {READING: 1.0, SEEING: 3.0})
    with opening.stage(READING, 1):
        photo = read_photo(photo_of(record))
    if lead >= record.seeds:
        raise RecordError(f"The record shows picture {lead + 1}, but makes only {record.seeds}: it was changed since.")
    targets = plan_arrangement(record, out, name=name, ending=ending_of(record, photo), overwrite=overwrite)
    concepts = read_concepts(Path(record.concepts)) if record.concepts else None
    if record.find:  # what auto means is found out once
        record = dataclasses.replace(record, models=resolve(record.models).name)
    with opening.stage(SEEING):
        scene = load_scene(record, photo, load_segmenter)
    layout, protected = read_layout(record, scene), read_protected(record.protect, photo)
    check(scene, layout)
    if concepts is not None:
        concepts.for_scene(scene)
    cache = default_cache() if cached else MemoryCache()
    stages: set[str] = set()

    def listen(progress: Progress) -> None:
        stages.add(progress.stage)
        if on_progress is not None:
            on_progress(progress)

    source = resolve(record.models, quiet=True)
    asked = needs_networks(scene, layout, record, expected_side(source))
    backbones = networks_of(record, load) if asked else None
    if backbones is None:
        tell_unused(record)
        record = dataclasses.replace(record, models=source.name)
    result = arrange(
        scene,
        layout,
        record,
        backbones,
        concepts=concepts,
        protected=protected,
        cache=cache,
        on_progress=part_of(listen, OPENED, ARRANGED),
    )
    result = with_notes(result, lossy_notes(record.format, record.quality, photo, "edit"))
    with Stages(part_of(on_progress, ARRANGED, 1.0), {WRITING: 1.0}).stage(WRITING):
        saved = write_arrangement(result, targets, lead=lead, metadata=metadata, overwrite=overwrite)
    learned = any(stage.startswith("learning") for stage in stages)
    concepts_from: Literal["none", "file", "cache", "learned"] = "none"
    if result.mode == "regenerate":
        concepts_from = "file" if concepts is not None else "learned" if learned else "cache"
    return ArrangeTaskResult(
        result=result,
        saved=saved,
        shown=lead,
        concepts_from=concepts_from,
        cache_folder=cache.folder if isinstance(cache, DiskCache) else None,
    )
