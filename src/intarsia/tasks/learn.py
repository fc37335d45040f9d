"""Learn the concepts of a scene's objects, from record to file."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from intarsia.errors import OutputError, RecordError, Remedy, Setting
from intarsia.files import check_absent
from intarsia.imaging.read import read_photo
from intarsia.layout.concept_exchange import check_exchange, write_exchange
from intarsia.layout.concepts import Concepts
from intarsia.layout.prompt_notes import prompt_notes, texts_of
from intarsia.layout.prompts import without_brackets
from intarsia.layout.tracking import Tracker, open_tracker
from intarsia.layout.train import OnSample, learn
from intarsia.notes import collecting, say
from intarsia.progress import Cost, OnProgress, peak_memory_mb
from intarsia.records.arrange import ArrangeRecord
from intarsia.records.scene_folder import photo_of
from intarsia.results.staging import check_folder
from intarsia.tasks.scene import LoadBackbones, LoadSegmenter, load_scene, networks_of


@dataclass(frozen=True, kw_only=True)
class LearnTaskResult:
    """Learned concepts and their file.

    Attributes:
        exported: the same in the formats of diffusers; empty where that was not asked for.
        cost: of learning alone.
        models: name of the checkpoint that the concepts belong to.
        notes: what their user should know, a sentence each.
    """

    concepts: Concepts
    file: Path
    exported: tuple[Path, ...]
    cost: Cost
    models: str
    notes: tuple[str, ...] = ()


@collecting
def run_learn(
    record: ArrangeRecord,
    out: Path,
    load: LoadBackbones,
    load_segmenter: LoadSegmenter,
    *,
    overwrite: bool = False,
    export: bool = False,
    checkpoint: Path | None = None,
    resume: bool = False,
    tracker: Tracker | None = None,
    on_progress: OnProgress | None = None,
    on_sample: OnSample | None = None,
) -> LearnTaskResult:
    """Learn the concepts of a record's objects into a file.

    Args:
        out: file to write, .safetensors.
        overwrite: replace it.
        export: whether it is also written as a LoRA and textual inversions, into the folder `exchange_folder` gives.
        checkpoint: file that an interrupted run leaves; None leaves nothing.
        resume: go on from that file.
        tracker: told the losses.
        on_sample: told what the concepts would paint so far.

    Raises:
        OutputError: a file is in the way or cannot be written.
        RecordError: a setting is wrong, or there is nothing to resume.
        Cancelled: `on_progress` did; the checkpoint stays.
    """
    photo = read_photo(photo_of(record))
    if out.suffix != ".safetensors":
        raise OutputError(f"{out} must end in .safetensors, the format of learned looks: rename it.")
    check_folder(out.parent)
    check_absent(out, overwrite)
    if checkpoint is not None:
        _check_checkpoint(checkpoint, overwrite=overwrite, resume=resume)
    scene = load_scene(record, photo, load_segmenter)
    without_brackets(record.prompt, scene)  # refuses names that are no object's
    if export:
        check_exchange(exchange_folder(out), scene.names, record.learn.additions, overwrite)
    backbones = networks_of(record, load)
    say(*prompt_notes(texts_of(record), backbones, record.embedding, brackets=True))
    counter, started = backbones.learner.counter, time.monotonic()
    forward, backward = counter.evaluations, counter.backward
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
    exported = write_exchange(concepts, backbones.learner, exchange_folder(out), overwrite=overwrite) if export else ()
    if checkpoint is not None:
        checkpoint.unlink(missing_ok=True)
    cost = Cost(
        evaluations=counter.evaluations - forward,
        backward=counter.backward - backward,
        seconds=time.monotonic() - started,
        peak_memory_mb=peak_memory_mb(backbones.device),
    )
    return LearnTaskResult(concepts=concepts, file=out, exported=tuple(exported), cost=cost, models=backbones.name)


def exchange_folder(file: Path) -> Path:
    """Where learned looks go in the formats of diffusers, beside their own file."""
    return file.with_suffix(".diffusers")


def _check_checkpoint(checkpoint: Path, *, overwrite: bool, resume: bool) -> None:
    """Continue an interrupted run, or replace it, only where the user says so.

    Raises:
        OutputError: there is one, and the flags say neither.
        RecordError: there is none, but --resume was given.
    """
    if resume:
        if not checkpoint.is_file():
            raise RecordError(
                f"There is no interrupted run to go on with ({checkpoint} is missing)",
                Remedy("leave out ", Setting("resume", True)),
            )
    elif overwrite:
        checkpoint.unlink(missing_ok=True)
    elif checkpoint.exists():
        raise OutputError(
            f"{checkpoint} is left of an interrupted run",
            Remedy(Setting("resume", True, verb="pass"), " to go on with it"),
            Remedy(Setting("overwrite", True), " to begin anew"),
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
