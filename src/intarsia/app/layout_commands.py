"""The commands of edit by layout: objects, arrange, learn, prior, history."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

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
from intarsia.app.outputs import refuse_file, safe_stem
from intarsia.backbones import CATALOG, ModelSource, catalog
from intarsia.backbones.protocols import Backbones
from intarsia.cost import Cost, peak_memory_mb
from intarsia.errors import Cancelled, OutputError, PictureError, RecordError
from intarsia.images import Photo, read_photo, read_text_chunk, refuse_existing, write_photo
from intarsia.layout.cache import DiskCache, MemoryCache, default_cache, key_of
from intarsia.layout.concepts import Concepts, without_brackets
from intarsia.layout.edit import CLOSE, ArrangeResult, arrange, check
from intarsia.layout.learn import OnSample, Tracker, learn, open_tracker, prior
from intarsia.layout.scene import Scene, photo_of, read_scene
from intarsia.layout.target import Layout, read_layout
from intarsia.progress import OnProgress, Progress
from intarsia.records import ArrangeRecord

if TYPE_CHECKING:
    from intarsia.backbones.segmenters import LoadedSegmenter

Load = Callable[[str], Backbones]
"""What loads the networks that --models names, once."""

Finder = Callable[[ModelSource], "LoadedSegmenter"]
"""What loads the segmenter that belongs to a checkpoint."""

PRIOR_CHUNK = "intarsia-prior"
"""Text chunk of a prior picture: the key of everything that it depends on, by which a later run knows it."""


def answer(command: LayoutCommand, load_on: Callable[[str, Machine], Backbones]) -> Answer:
    """Do what a command of edit by layout asks for."""
    match command:
        case Objects():
            return objects_command(command)
        case Arrange():
            return arrange_command(command, lambda models: load_on(models, command.machine))
        case Learn():
            return learn_command(command, lambda models: load_on(models, command.machine))
        case Prior():
            return prior_command(command, lambda models: load_on(models, command.machine))
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
    scene = seen(record, photo, lambda source: finder(source, command.device, command.segmenter or None))
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


def seen(record: ArrangeRecord, photo: Photo, find_with: Finder) -> Scene:
    """The record's scene. Only objects that must be found by words need a network, and then a small one."""
    if not record.find:
        return read_scene(record, photo)
    source = catalog.resolve(record.models)
    side = CATALOG[source.name].native_side if source.name in CATALOG else 512
    found_by = find_with(source)
    # The smallest painters work on less than a segmenter can see.
    return read_scene(record, photo, found_by, native_side=max(side, found_by.side))


def finder(source: ModelSource, device: str, segmenter: str | None = None) -> LoadedSegmenter:
    """The segmenter that `load_backbones` would load, alone: finding objects needs no painting networks.

    Args:
        source: the checkpoint that it is used with.
        device: as for `load_backbones`.
        segmenter: catalogue name, hub id or folder of another one.

    Raises:
        ModelError: it is incomplete, not to be had, or of a kind that finds nothing.
    """
    # A repository of the hub has no segmenter of its own; a folder may.
    words, outliner = catalog.segmenter_folders(segmenter, Path("" if source.kind == "hub" else source.location))
    device = catalog.choose_device(device)
    with catalog.quiet_loading():
        from intarsia.backbones import segmenters

        return segmenters.load_segmenter(words, outliner, device=device)


def arrange_command(command: Arrange, load: Load) -> Answer:
    with progress_bar(command.talk) as on_progress:
        return made(
            command.record.record(),
            command.out,
            load,
            lambda source: finder(source, command.machine.device),
            name=command.name,
            metadata=not command.no_metadata,
            overwrite=command.overwrite,
            cached=not command.no_cache,
            on_progress=on_progress,
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
    with progress_bar(command.talk) as on_progress:
        summary, lines, result = made(
            record,
            command.out,
            load,
            lambda source: finder(source, command.machine.device),
            lead=index,
            metadata=not command.files.no_metadata,
            overwrite=command.files.overwrite,
            on_progress=on_progress,
        )
    return summary, lines, result.pictures[index].photo


def made(
    record: ArrangeRecord,
    out: Path,
    load: Load,
    find_with: Finder,
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
        record = dataclasses.replace(record, models=catalog.resolve(record.models).name)
    scene = seen(record, photo, find_with)
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
    checkpoint = command.out.with_suffix(".partial")
    with tracking(command.tracker, command.out) as tracker, progress_bar(command.talk) as on_progress:
        try:
            concepts, cost, models = learned(
                command.record.record(),
                command.out,
                load,
                lambda source: finder(source, command.machine.device),
                overwrite=command.overwrite,
                checkpoint=checkpoint,
                resume=command.resume,
                tracker=tracker,
                on_progress=on_progress,
            )
        except (KeyboardInterrupt, Cancelled):
            if checkpoint.is_file():
                raise Cancelled(
                    f"stopped; what was learned so far is in {checkpoint}: the same command with --resume goes on."
                ) from None
            raise
    summary = {
        "file": str(command.out),
        "names": list(concepts.names),
        "evaluations": cost.evaluations,
        "megabytes": round(command.out.stat().st_size / 2**20, 2),
        "models": models,
    }
    lines = [
        f"{command.out}  the looks of {', '.join(concepts.names)}, {summary['megabytes']} MB, "
        f"{cost.evaluations} denoiser evaluations, {models}",
        f"  use it: intarsia arrange {command.record.photo} ... --mode regenerate --concepts {command.out}",
    ]
    return summary, lines


def learned(
    record: ArrangeRecord,
    out: Path,
    load: Load,
    find_with: Finder,
    *,
    overwrite: bool = False,
    checkpoint: Path | None = None,
    resume: bool = False,
    tracker: Tracker | None = None,
    on_progress: OnProgress | None = None,
    on_sample: OnSample | None = None,
) -> tuple[Concepts, Cost, str]:
    """The looks of a record's objects, in a file; what they took, and the name of the models they are for."""
    photo = read_photo(photo_of(record))
    if out.suffix != ".safetensors":
        raise OutputError(f"{out} must end in .safetensors, the format of learned looks: rename it.")
    refuse_file(out.parent)
    refuse_existing(out, overwrite)
    if checkpoint is not None:
        usable_checkpoint(checkpoint, overwrite=overwrite, resume=resume)
    scene = seen(record, photo, find_with)
    without_brackets(record.prompt, scene)  # refuses names that are no object's
    backbones = load(record.models)
    meter, started = backbones.diffusion.meter, time.monotonic()
    forward, backward = meter.evaluations, meter.backward
    concepts = learn(
        scene,
        record,
        backbones,
        seed=record.seed,
        on_progress=on_progress,
        checkpoint=checkpoint,
        resume=resume,
        tracker=tracker,
        on_sample=on_sample,
    )
    concepts.save(out, overwrite=overwrite)
    if checkpoint is not None:
        checkpoint.unlink(missing_ok=True)
    cost = Cost(
        evaluations=meter.evaluations - forward,
        backward=meter.backward - backward,
        seconds=time.monotonic() - started,
        peak_memory_mb=peak_memory_mb(backbones.device),
    )
    return concepts, cost, backbones.name


def usable_checkpoint(checkpoint: Path, *, overwrite: bool, resume: bool) -> None:
    """Make sure that an interrupted run is gone on with, or begun anew, only as the user says.

    Raises:
        OutputError: there is one, and the flags say neither.
        RecordError: there is none, but --resume was given.
    """
    if resume:
        if not checkpoint.is_file():
            raise RecordError(
                f"There is no interrupted run to go on with ({checkpoint} is missing): leave out --resume."
            )
    elif overwrite:
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
    files = [command.out / name for name in names]
    for file in files:
        if told_key(file) is None:
            refuse_existing(file, command.overwrite)
    backbones = load(command.models)
    how = (words, command.steps, command.guidance, backbones.identity)
    keys = [key_of("prior", *how, command.seed + k) for k in range(command.count)]
    begin = done = there_already(files, keys, overwrite=command.overwrite)
    with progress_bar(command.talk) as on_progress:
        try:
            for picture in prior(
                words,
                command.count,
                backbones,
                seed=command.seed,
                steps=command.steps,
                guidance=command.guidance,
                begin=begin,
                on_progress=on_progress,
            ):
                write_photo(picture, files[done], text={PRIOR_CHUNK: keys[done]}, overwrite=command.overwrite)
                done += 1
        except (KeyboardInterrupt, Cancelled):
            if not done:
                raise
            raise Cancelled(
                f"stopped; {done} of {counted(command.count, 'picture')} are in {command.out}: the same command goes on "
                "from there."
            ) from None
    before = f" ({begin} of them were there already)" if begin else ""
    lines = [
        f"{counted(len(files), 'picture')} of {words!r} in {command.out}{before}, {backbones.name}",
        f"  use them: intarsia learn SCENE --learn.prior {command.out}",
    ]
    summary = {"folder": str(command.out), "words": words, "files": [str(file) for file in files]}
    return {**summary, "painted": done - begin, "models": backbones.name}, lines


def there_already(files: Sequence[Path], keys: Sequence[str], *, overwrite: bool) -> int:
    """How many of the first prior pictures an interrupted run of the same settings has left.

    Raises:
        OutputError: a picture after them would be replaced unasked.
    """
    found = [told_key(file) for file in files]
    count = next((k for k, (key, wanted) in enumerate(zip(found, keys, strict=True)) if key != wanted), len(keys))
    for file in files[count:]:
        if file.exists() and not overwrite:
            raise OutputError(
                f"{file} is there already, made with other settings or another model: pass the same ones to go on with "
                "it, --overwrite to replace it, or another folder with --out."
            )
    return count


def told_key(file: Path) -> str | None:
    """What a prior picture says that it was made of; None where there is none, or another picture."""
    try:
        return read_text_chunk(file, PRIOR_CHUNK) if file.is_file() else None
    except PictureError:
        return None


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
