"""The commands of edit by layout: objects, arrange, learn, prior, history."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from intarsia.errors import Command, RecordError, Setting
from intarsia.imaging.read import read_photo
from intarsia.layout.cache import DiskCache, MemoryCache, default_cache
from intarsia.layout.concepts import Concepts
from intarsia.layout.edit import CLOSE, ArrangeResult, arrange, check
from intarsia.layout.layout import Layout
from intarsia.layout.layout_files import read_layout
from intarsia.layout.scene_files import photo_of
from intarsia.progress import OnProgress, Progress
from intarsia.records.arrange import ArrangeRecord
from intarsia.results.arrange_document import describe
from intarsia.results.write_arrange import ArrangeFiles, plan_arrangement, write_arrangement

if TYPE_CHECKING:
    pass
from intarsia.backbones.resolve import resolve
from intarsia.tasks.scene import LoadBackbones, LoadSegmenter, load_scene


def run_arrange(
    record: ArrangeRecord,
    out: Path,
    load: LoadBackbones,
    find_with: LoadSegmenter,
    *,
    name: str = "",
    lead: int = 0,
    metadata: bool = True,
    overwrite: bool = False,
    cached: bool = True,
    on_progress: OnProgress | None = None,
) -> tuple[dict[str, Any], list[str], ArrangeResult]:
    """One arrangement from record to files. Everything that can be checked is checked before models are loaded."""
    photo = read_photo(photo_of(record))
    if lead >= record.seeds:
        raise RecordError(f"The record shows picture {lead + 1}, but makes only {record.seeds}: it was changed since.")
    targets = plan_arrangement(record, out, name=name, overwrite=overwrite)
    concepts = Concepts.load(Path(record.concepts)) if record.concepts else None
    if record.find:  # what auto means is found out once
        record = dataclasses.replace(record, models=resolve(record.models).name)
    scene = load_scene(record, photo, find_with)
    layout = read_layout(record, scene)
    check(scene, layout)
    if concepts is not None:
        concepts.for_scene(scene)
    cache = default_cache() if cached else MemoryCache()
    stages: set[str] = set()

    def listen(progress: Progress) -> None:
        stages.add(progress.stage)
        if on_progress is not None:
            on_progress(progress)

    result = arrange(scene, layout, record, load(record.models), concepts=concepts, cache=cache, on_progress=listen)
    lines = report(result, targets)
    if result.mode == "regenerate" and concepts is None:
        lines.append(concepts_source(cache, learned=any(stage.startswith("learning") for stage in stages)))
    facts = write_arrangement(result, targets, lead=lead, metadata=metadata, overwrite=overwrite)
    files = {
        "picture": str(targets.picture),
        "record": str(targets.record),
        "mask": str(targets.mask),
        "layout": str(targets.layout),
        "others": [str(p) for p in targets.others],
    }
    return {"files": files, **facts}, lines, result


def report(result: ArrangeResult, targets: ArrangeFiles) -> list[str]:
    """An arrangement in a few lines."""
    record, cost = result.record, result.cost
    backward = f" and {cost.backward} backward" if cost.backward else ""
    lines = [
        f"{targets.picture}  {describe(dataclasses.asdict(record))}",
        f"  {result.mode}, {explain_mode(result.layout, record)}; {cost.seconds:.1f} s, "
        f"{cost.evaluations} denoiser evaluations{backward}, {cost.peak_memory_mb:,.0f} MB, {record.models}",
        f"  look at {targets.layout}   record: {targets.record}   mask: {targets.mask}",
    ]
    if targets.others:
        lines.append(f"  other seeds: {', '.join(str(p) for p in targets.others)}")
    return lines


LEARN = Command("learn", quoted=False)


def concepts_source(cache: DiskCache | MemoryCache, *, learned: bool) -> str:
    """Where the objects' looks came from, when no file of them was given."""
    if not learned:
        return "  the objects' looks were learned before and found again" + (
            f" in {cache.folder}" if isinstance(cache, DiskCache) else ""
        )
    kept = f"are kept in {cache.folder}" if isinstance(cache, DiskCache) else "were not kept"
    return f"  the objects' looks were learned on the way and {kept}; {LEARN} writes them to a file"


def explain_mode(layout: Layout, record: ArrangeRecord) -> str:
    """Why an arrangement went the way it went."""
    if record.mode != "auto":
        return f"as {Setting('mode', record.mode)} asks"
    if record.preset == "paper":
        return f"as {Setting('preset', record.preset)} asks"
    far = min(layout.placements, key=lambda p: p.fit, default=None)
    if far is None or far.fit == 1:
        return "as all objects keep their shape"
    if far.fit >= CLOSE:
        return f"as all objects nearly keep their shape ({far.name!r} fits its target to {far.fit:.0%})"
    return f"as {far.name!r} gets another shape (it fits its target to {far.fit:.0%}, less than {CLOSE:.0%})"
