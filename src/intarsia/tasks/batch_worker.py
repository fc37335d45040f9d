"""What a worker of a batch does: the commands edit, arrange and learn, with networks that stay loaded."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from safetensors.torch import load_file

from intarsia.backbones import ModelSource, load_backbones
from intarsia.backbones.caching import with_caches
from intarsia.backbones.protocols import Backbones
from intarsia.backbones.segmenters import LoadedSegmenter
from intarsia.batch.jobs import Job
from intarsia.batch.ledger import Outcome
from intarsia.errors import RecordError
from intarsia.imaging.photo import Photo
from intarsia.imaging.read import read_photo
from intarsia.progress import OnProgress
from intarsia.records.arrange import ArrangeRecord
from intarsia.records.edit import EditRecord
from intarsia.tasks.arrange import run_arrange
from intarsia.tasks.edit import run_edit
from intarsia.tasks.learn import run_learn
from intarsia.tasks.options import Files, Machine
from intarsia.tasks.scene import load_segmenter

THUMB = 192
"""Longer side of the small pictures for the page, in pixels."""


class BatchWorker:
    """Does jobs, one after another. Whatever a job leaves in memory changes what the next one costs, never its pixels."""

    def __init__(self, machine: Machine, *, cached: bool) -> None:
        self.machine = machine
        self.cached = cached
        self.loaded: tuple[str, Backbones] | None = None
        self.finder: tuple[ModelSource, LoadedSegmenter] | None = None

    def backbones(self, models: str) -> Backbones:
        """The networks of a record; those of the last record stay loaded."""
        if self.loaded is None or self.loaded[0] != models:
            self.loaded = None  # both at once may not fit
            machine = self.machine
            found = load_backbones(models, device=machine.device, dtype=machine.dtype, vram=machine.vram)
            self.loaded = (models, with_caches(found))
        return self.loaded[1]

    def find_with(self, source: ModelSource) -> LoadedSegmenter:
        """The segmenter of a checkpoint; that of the last one stays loaded."""
        if self.finder is None or self.finder[0] != source:
            self.finder = (source, load_segmenter(source, self.machine.device))
        return self.finder[1]

    def __call__(self, job: Job, folder: Path, on_progress: OnProgress) -> Outcome:
        match job.kind, job.record:
            case "edit", EditRecord() as record:
                return self.edit(record, folder, on_progress)
            case "arrange", ArrangeRecord() as record:
                return self.arrange(record, folder, on_progress)
            case "learn", ArrangeRecord() as record:
                return self.learn(record, folder, on_progress)
        raise RecordError(f"Job {job.number} has no record that can be done: it is of the kind {job.kind!r}.")

    def edit(self, record: EditRecord, folder: Path, on_progress: OnProgress) -> Outcome:
        summary, _, result = run_edit(record, folder, Files(draw_boxes=True), self.backbones, on_progress=on_progress)
        chosen = result.candidates[summary["chosen"]]
        scores = summary["candidates"][summary["chosen"]]["scores"]
        facts = {
            **names_of(summary["files"], sheet="boxes"),
            "boxes": [summary["candidates"][summary["chosen"]]["box"]],
            "scores": {name: score for name, score in scores.items() if name != "total"},
        }
        assert chosen.photo is not None
        return outcome(summary, facts, chosen.scores.total, read_photo(record.photo), chosen.photo, folder)

    def arrange(self, record: ArrangeRecord, folder: Path, on_progress: OnProgress) -> Outcome:
        summary, _, result = run_arrange(
            record, folder, self.backbones, self.find_with, cached=self.cached, on_progress=on_progress
        )
        facts = {
            **names_of(summary["files"], sheet="layout"),
            "boxes": [p["box"] for p in summary["placements"] if p["box"] is not None],
            "mode": summary["mode"],
        }
        return outcome(summary, facts, None, result.scene.photo, result.photo, folder)

    def learn(self, record: ArrangeRecord, folder: Path, on_progress: OnProgress) -> Outcome:
        file = folder / "concepts.safetensors"
        cost = run_learn(record, file, self.backbones, self.find_with, on_progress=on_progress)[1]
        return Outcome(
            seconds=cost.seconds,
            evaluations=cost.evaluations,
            memory_mb=cost.peak_memory_mb,
            score=None,
            sha256=tensors_digest(file),
            facts={"file": file.name},
        )


def tensors_digest(file: Path) -> str:
    """sha256 of a file's tensors by their names: the file itself holds its remarks in an order of its own."""
    digest = hashlib.sha256()
    for name, tensor in sorted(load_file(file).items()):
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype} ".encode())
        digest.update(tensor.contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def names_of(files: dict[str, Any], *, sheet: str) -> dict[str, str]:
    """The names of an edit's files in its folder."""
    shown = {"picture": "picture", "record": "record", "mask": "mask", sheet: "sheet"}
    return {name: Path(files[kind]).name for kind, name in shown.items() if files.get(kind)}


def outcome(
    summary: dict[str, Any], facts: dict[str, Any], score: float | None, before: Photo, after: Photo, folder: Path
) -> Outcome:
    for name, photo in (("before", before), ("after", after)):
        write_thumb(photo, folder / f"{name}.jpg")
        facts[name] = f"{name}.jpg"
    cost = summary["cost"]
    return Outcome(
        seconds=cost["seconds"],
        evaluations=cost["evaluations"],
        memory_mb=cost["peak_memory_mb"],
        score=score,
        sha256=summary["output_sha256"],
        facts={**facts, "size": summary["size"]},
    )


def write_thumb(photo: Photo, file: Path) -> None:
    """A small picture for the page; what is transparent shows white."""
    image = photo.as_image().convert("RGBA")
    image.thumbnail((THUMB, THUMB), Image.Resampling.LANCZOS)
    ground = Image.new("RGBA", image.size, "white")
    Image.alpha_composite(ground, image).convert("RGB").save(file, quality=85)
