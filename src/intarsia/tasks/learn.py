"""Learn the looks of a scene's objects, from record to file."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from intarsia.errors import OutputError, RecordError, Remedy, Setting
from intarsia.files import check_absent
from intarsia.imaging.read import read_photo
from intarsia.layout.concepts import Concepts
from intarsia.layout.prompts import without_brackets
from intarsia.layout.scene_files import photo_of
from intarsia.layout.tracking import Tracker, open_tracker
from intarsia.layout.train import OnSample, learn
from intarsia.progress import Cost, OnProgress, peak_memory_mb
from intarsia.records.arrange import ArrangeRecord
from intarsia.results.staging import check_folder

if TYPE_CHECKING:
    pass
from intarsia.tasks.scene import LoadBackbones, LoadSegmenter, load_scene


def run_learn(
    record: ArrangeRecord,
    out: Path,
    load: LoadBackbones,
    find_with: LoadSegmenter,
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
    check_folder(out.parent)
    check_absent(out, overwrite)
    if checkpoint is not None:
        check_checkpoint(checkpoint, overwrite=overwrite, resume=resume)
    scene = load_scene(record, photo, find_with)
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


def check_checkpoint(checkpoint: Path, *, overwrite: bool, resume: bool) -> None:
    """Make sure that an interrupted run is gone on with, or begun anew, only as the user says.

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
