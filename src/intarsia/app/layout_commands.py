"""The commands of edit by layout: objects, arrange, learn, prior, history."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, Protocol

from intarsia.app.bars import progress_bar
from intarsia.app.flags import Answer, FlagError, Machine, Talk
from intarsia.app.layout_flags import Arrange, History, LayoutCommand, Learn, Objects, Prior
from intarsia.app.layout_outputs import (
    LayoutTargets,
    plan_arrangement,
    plan_scene,
    read_history,
    said,
    scene_stem,
    write_arrangement,
    write_scene,
)
from intarsia.app.outputs import refuse_file, safe_stem, staging
from intarsia.backbones import CATALOG, ModelSource, catalog
from intarsia.backbones.protocols import Backbones, Segmenter
from intarsia.errors import Cancelled, OutputError, RecordError
from intarsia.images import Photo, read_photo, refuse_existing, write_photo
from intarsia.layout.cache import DiskCache, MemoryCache, default_cache
from intarsia.layout.concepts import Concepts
from intarsia.layout.edit import CLOSE, ArrangeResult, arrange, check
from intarsia.layout.learn import Tracker, learn, open_tracker, prior
from intarsia.layout.scene import Scene, photo_of, read_scene
from intarsia.layout.target import Layout, read_layout
from intarsia.progress import Progress
from intarsia.records import ArrangeRecord

Load = Callable[[str, Machine], Backbones]
"""What loads the networks that --models names."""


def answer(command: LayoutCommand, load: Load) -> Answer:
    """Do what a command of edit by layout asks for."""
    match command:
        case Objects():
            return objects_command(command)
        case Arrange():
            return arrange_command(command, load)
        case Learn():
            return learn_command(command, load)
        case Prior():
            return prior_command(command, load)
        case History():
            return history_command(command)


def objects_command(command: Objects) -> Answer:
    record = command.record.record()
    if not (record.mask or record.masks or record.find):
        raise FlagError(
            "Nothing says which objects the picture has: pass --find with their names, e.g. --find cat 'potted plant', "
            "or their masks with --mask and --colours, or with --masks."
        )
    place = photo_of(record)
    photo = read_photo(place)
    folder = plan_scene(place, command.out, overwrite=command.overwrite)
    scene = seen(record, photo, command.device, segmenter=command.segmenter or None)
    facts = write_scene(scene, folder, colours=record.colours, overwrite=command.overwrite)
    lines = [f"{folder}  {counted(len(scene.objects), 'object')}"]
    area = photo.size.area
    for thing in scene.objects:
        x, y = (round((low + high) / 2) for low, high in spans(thing.mask))
        lines.append(f"  {thing.name:<20} {thing.mask.sum() / area:6.1%} of the picture, around {x},{y}")
    lines.append(
        f"  look at {facts['files']['overlay']}, then: intarsia arrange {folder} --move '{scene.names[0]}=+40,0'"
    )
    return facts, lines


def spans(mask: Any) -> tuple[tuple[int, int], tuple[int, int]]:
    """First and last column, first and last row that a mask covers."""
    columns, rows = mask.any(axis=0).nonzero()[0], mask.any(axis=1).nonzero()[0]
    return (int(columns[0]), int(columns[-1])), (int(rows[0]), int(rows[-1]))


def counted(number: int, thing: str) -> str:
    return f"{number} {thing}" + ("" if number == 1 else "s")


def seen(record: ArrangeRecord, photo: Photo, device: str, *, segmenter: str | None = None) -> Scene:
    """The record's scene. Only objects that must be found by words need a network, and then a small one."""
    if not record.find:
        return read_scene(record, photo)
    source = catalog.resolve(record.models)
    side = CATALOG[source.name].native_side if source.name in CATALOG else 512
    return read_scene(record, photo, finder(source, device, segmenter), native_side=side)


def finder(source: ModelSource, device: str, segmenter: str | None = None) -> Segmenter:
    """The segmenter that `load_backbones` would load, alone: finding objects needs no painting networks.

    Args:
        source: the checkpoint that it is used with.
        device: as for `load_backbones`.
        segmenter: hub id or folder of another one.

    Raises:
        ModelError: it is incomplete, or not to be had.
    """
    # A repository of the hub has no segmenter of its own; a folder may.
    folder = catalog.helper_folder("clipseg", segmenter, Path("" if source.kind == "hub" else source.location))
    device = catalog.choose_device(device)
    with catalog.quiet_loading():
        from intarsia.backbones import segmenters

        return segmenters.load_segmenter(folder, device=device)


def arrange_command(command: Arrange, load: Load) -> Answer:
    record = command.record.record()
    return made(
        record,
        command.out,
        command.machine,
        command.talk,
        load,
        name=command.name,
        metadata=not command.no_metadata,
        overwrite=command.overwrite,
        cached=not command.no_cache,
    )[:2]


class ReplayFlags(Protocol):
    """What `intarsia replay` was told."""

    @property
    def out(self) -> Path: ...
    @property
    def files(self) -> Any: ...
    @property
    def machine(self) -> Machine: ...
    @property
    def talk(self) -> Talk: ...


def arrange_again(
    command: ReplayFlags, record: ArrangeRecord, index: int, load: Load
) -> tuple[dict[str, Any], list[str], Photo]:
    """Make a recorded arrangement again; picture `index` of it becomes the first."""
    summary, lines, result = made(
        record,
        command.out,
        command.machine,
        command.talk,
        load,
        lead=index,
        metadata=not command.files.no_metadata,
        overwrite=command.files.overwrite,
    )
    return summary, lines, result.pictures[index].photo


def made(
    record: ArrangeRecord,
    out: Path,
    machine: Machine,
    talk: Talk,
    load: Load,
    *,
    name: str = "",
    lead: int = 0,
    metadata: bool = True,
    overwrite: bool = False,
    cached: bool = True,
) -> tuple[dict[str, Any], list[str], ArrangeResult]:
    """One arrangement from record to files. Everything that can be checked is checked before models are loaded."""
    photo = read_photo(photo_of(record))
    if lead >= record.seeds:
        raise RecordError(f"The record shows picture {lead + 1}, but makes only {record.seeds}: it was changed since.")
    targets = plan_arrangement(record, out, name=name, overwrite=overwrite)
    concepts = Concepts.load(Path(record.concepts)) if record.concepts else None
    if record.find:  # what auto means is found out once
        record = dataclasses.replace(record, models=catalog.resolve(record.models).name)
    scene = seen(record, photo, machine.device)
    layout = read_layout(record, scene)
    check(scene, layout)
    if concepts is not None:
        concepts.for_scene(scene)
    backbones = load(record.models, machine)
    cache = default_cache() if cached else MemoryCache()
    stages: set[str] = set()
    with progress_bar(talk) as on_progress:

        def listen(progress: Progress) -> None:
            stages.add(progress.stage)
            if on_progress is not None:
                on_progress(progress)

        result = arrange(scene, layout, record, backbones, concepts=concepts, cache=cache, on_progress=listen)
    lines = report(result, targets)
    if result.mode == "regenerate" and concepts is None:
        lines.append(looks(cache, learned=any(stage.startswith("learning") for stage in stages)))
    facts = write_arrangement(result, targets, lead=lead, metadata=metadata, overwrite=overwrite)
    files = {
        "picture": str(targets.picture),
        "record": str(targets.record),
        "mask": str(targets.mask),
        "layout": str(targets.layout),
        "others": [str(p) for p in targets.others],
    }
    return {"files": files, **facts}, lines, result


def report(result: ArrangeResult, targets: LayoutTargets) -> list[str]:
    """An arrangement in a few lines."""
    record, cost = result.record, result.cost
    backward = f" and {cost.backward} backward" if cost.backward else ""
    lines = [
        f"{targets.picture}  {said(dataclasses.asdict(record))}",
        f"  {result.mode}, {why(result.layout, record)}; {cost.seconds:.1f} s, "
        f"{cost.evaluations} denoiser evaluations{backward}, {cost.peak_memory_mb:,.0f} MB, {record.models}",
        f"  look at {targets.layout}   record: {targets.record}   mask: {targets.mask}",
    ]
    if targets.others:
        lines.append(f"  other seeds: {', '.join(str(p) for p in targets.others)}")
    return lines


def looks(cache: DiskCache | MemoryCache, *, learned: bool) -> str:
    """Where the objects' looks came from, when no file of them was given."""
    if not learned:
        return "  the objects' looks were learned before and found again" + (
            f" in {cache.folder}" if isinstance(cache, DiskCache) else ""
        )
    kept = f"are kept in {cache.folder}" if isinstance(cache, DiskCache) else "were not kept"
    return f"  the objects' looks were learned on the way and {kept}; intarsia learn writes them to a file"


def why(layout: Layout, record: ArrangeRecord) -> str:
    """Why an arrangement went the way it went."""
    if record.mode != "auto":
        return f"as --mode {record.mode} asks"
    if record.preset == "paper":
        return "as --preset paper asks"
    far = min(layout.placements, key=lambda p: p.fit, default=None)
    if far is None or far.fit == 1:
        return "as all objects keep their shape"
    if far.fit >= CLOSE:
        return f"as all objects nearly keep their shape ({far.name!r} fits its target to {far.fit:.0%})"
    return f"as {far.name!r} gets another shape (it fits its target to {far.fit:.0%}, less than {CLOSE:.0%})"


def learn_command(command: Learn, load: Load) -> Answer:
    record = command.record.record()
    photo = read_photo(photo_of(record))
    if command.out.suffix != ".safetensors":
        raise OutputError(f"{command.out} must end in .safetensors, the format of learned looks: rename it.")
    refuse_file(command.out.parent)
    refuse_existing(command.out, command.overwrite)
    checkpoint = command.out.with_suffix(".partial")
    usable_checkpoint(checkpoint, command)
    scene = seen(record, photo, command.machine.device)
    with tracking(command.tracker, command.out) as tracker, progress_bar(command.talk) as on_progress:
        backbones = load(record.models, command.machine)
        meter, before = backbones.diffusion.meter, backbones.diffusion.meter.evaluations
        try:
            concepts = learn(
                scene,
                record,
                backbones,
                seed=record.seed,
                on_progress=on_progress,
                checkpoint=checkpoint,
                resume=command.resume,
                tracker=tracker,
            )
        except (KeyboardInterrupt, Cancelled):
            if checkpoint.is_file():
                raise Cancelled(
                    f"stopped; what was learned so far is in {checkpoint}: the same command with --resume goes on."
                ) from None
            raise
    concepts.save(command.out, overwrite=command.overwrite)
    checkpoint.unlink(missing_ok=True)
    summary = {
        "file": str(command.out),
        "names": list(concepts.names),
        "evaluations": meter.evaluations - before,
        "megabytes": round(command.out.stat().st_size / 2**20, 2),
        "models": backbones.name,
    }
    lines = [
        f"{command.out}  the looks of {', '.join(concepts.names)}, {summary['megabytes']} MB, "
        f"{summary['evaluations']} denoiser evaluations, {backbones.name}",
        f"  use it: intarsia arrange {command.record.photo} ... --mode regenerate --concepts {command.out}",
    ]
    return summary, lines


def usable_checkpoint(checkpoint: Path, command: Learn) -> None:
    """Make sure that an interrupted run is gone on with, or begun anew, only as the user says.

    Raises:
        OutputError: there is one, and the flags say neither.
        RecordError: there is none, but --resume was given.
    """
    if command.resume:
        if not checkpoint.is_file():
            raise RecordError(
                f"There is no interrupted run to go on with ({checkpoint} is missing): leave out --resume."
            )
    elif command.overwrite:
        checkpoint.unlink(missing_ok=True)
    elif checkpoint.exists():
        raise OutputError(
            f"{checkpoint} is left of an interrupted run: pass --resume to go on with it, or --overwrite to begin anew."
        )


@contextmanager
def tracking(kind: Literal["none", "tensorboard", "wandb"], out: Path) -> Iterator[Tracker | None]:
    """The tracker that --tracker names, logging into a folder beside the learned file; finished afterwards."""
    if kind == "none":
        yield None
        return
    tracker: Any = open_tracker(kind, out.parent / "runs", out.stem)
    try:
        yield tracker
    finally:
        tracker.finish()


def prior_command(command: Prior, load: Load) -> Answer:
    words = command.words.strip()
    for good, message in (
        (words, "The words are empty: say what the pictures shall show, e.g. intarsia prior cat."),
        (1 <= command.count <= 10_000, f"count is {command.count}, but must lie between 1 and 10,000."),
        (1 <= command.steps <= 1000, f"steps is {command.steps}, but must lie between 1 and 1000; 30 to 50 is usual."),
        (
            math.isfinite(command.guidance) and 1 <= command.guidance <= 100,
            f"guidance is {command.guidance}, but must lie between 1 (off) and 100; 5 to 8 is usual.",
        ),
        (0 <= command.seed < 2**62, f"seed is {command.seed}, but must be a whole number from 0 to 2^62 - 1."),
    ):
        if not good:
            raise FlagError(message)
    stem = safe_stem(Path(f"{words}.png"))
    names = [f"{stem}-{k:04d}.png" for k in range(1, command.count + 1)]
    refuse_file(command.out)
    for name in names:
        refuse_existing(command.out / name, command.overwrite)
    backbones = load(command.models, command.machine)
    with progress_bar(command.talk) as on_progress, staging(command.out, overwrite=command.overwrite) as stage:
        pictures = prior(
            words,
            command.count,
            backbones,
            seed=command.seed,
            steps=command.steps,
            guidance=command.guidance,
            on_progress=on_progress,
        )
        for name, picture in zip(names, pictures, strict=True):
            write_photo(picture, stage / name)
    files = [str(command.out / name) for name in names]
    lines = [
        f"{counted(len(files), 'picture')} of {words!r} in {command.out}, {backbones.name}",
        f"  use them: intarsia learn SCENE --learn.prior {command.out}",
    ]
    return {"folder": str(command.out), "words": words, "files": files, "models": backbones.name}, lines


def history_command(command: History) -> Answer:
    entries = read_history(command.folder)
    lines = []
    for number, entry in enumerate(entries, 1):
        when = entry.made_at[:19].replace("T", " ") or "time unknown"
        lines.append(f"{number:>3}  {when}  {scene_stem(Path(entry.photo))}: {entry.words}")
        lines.append(f"     {entry.file}" + "".join(f"  {picture.name}" for picture in entry.pictures))
    lines.append("Each can be made again: intarsia replay FILE.json")
    listed = [
        {
            "record": str(entry.file),
            "made_at": entry.made_at,
            "photo": entry.photo,
            "words": entry.words,
            "pictures": [str(picture) for picture in entry.pictures],
        }
        for entry in entries
    ]
    return {"edits": listed}, lines
