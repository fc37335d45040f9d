"""The worker of a batch: edits by words, edits by layout, learning and removing, with networks that stay loaded."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from safetensors.torch import load_file

from intarsia.batch.jobs import Job
from intarsia.batch.ledger import Outcome
from intarsia.errors import RecordError
from intarsia.imaging.photo import Photo
from intarsia.progress import OnProgress
from intarsia.records.arrange import ArrangeRecord
from intarsia.records.edit import EditRecord
from intarsia.records.remove import RemoveRecord
from intarsia.tasks.arrange import run_arrange
from intarsia.tasks.edit import run_edit
from intarsia.tasks.learn import run_learn
from intarsia.tasks.model_pool import ModelPool
from intarsia.tasks.options import Files
from intarsia.tasks.remove import run_remove

THUMB = 192
"""Longer side of the small pictures for the page, in pixels."""


class BatchWorker:
    """Does jobs, one after another. Networks and caches that a job leaves in memory save the next one time; they
    change none of its pixels.

    Args:
        pool: the networks.
        cached: whether what edits by layout compute is kept on the disk and shared.
    """

    def __init__(self, pool: ModelPool, *, cached: bool) -> None:
        self.pool = pool
        self.cached = cached

    def __call__(self, job: Job, folder: Path, on_progress: OnProgress) -> Outcome:
        match job.kind, job.record:
            case "edit", EditRecord() as record:
                return self.edit(record, folder, on_progress)
            case "arrange", ArrangeRecord() as record:
                return self.arrange(record, folder, on_progress)
            case "learn", ArrangeRecord() as record:
                return self.learn(record, folder, on_progress)
            case "remove", RemoveRecord() as record:
                return self.remove(record, folder, on_progress)
        raise RecordError(f"Job {job.number} has no record that can be done: it is of the kind {job.kind!r}.")

    def edit(self, record: EditRecord, folder: Path, on_progress: OnProgress) -> Outcome:
        done = run_edit(record, folder, Files(draw_boxes=True), self.pool.backbones, on_progress=on_progress)
        candidate = done.saved.document["candidates"][done.shown]
        facts = {
            **_names_of(done.saved.files.as_json(), sheet="boxes"),
            "boxes": [candidate["box"]],
            "scores": {name: score for name, score in candidate["scores"].items() if name != "total"},
            "notes": done.saved.document["notes"],
        }
        score = done.result.candidates[done.shown].scores.total
        return _outcome(done.saved.document, facts, score, done.result.original, done.photo, folder)

    def arrange(self, record: ArrangeRecord, folder: Path, on_progress: OnProgress) -> Outcome:
        done = run_arrange(
            record, folder, self.pool.backbones, self.pool.segmenter, cached=self.cached, on_progress=on_progress
        )
        document = done.saved.document
        facts = {
            **_names_of(done.saved.files.as_json(), sheet="layout"),
            "boxes": [p["box"] for p in document["placements"] if p["box"] is not None],
            "mode": document["mode"],
            "notes": document["notes"],
        }
        return _outcome(document, facts, None, done.result.scene.photo, done.photo, folder)

    def learn(self, record: ArrangeRecord, folder: Path, on_progress: OnProgress) -> Outcome:
        file = folder / "concepts.safetensors"
        done = run_learn(record, file, self.pool.backbones, self.pool.segmenter, on_progress=on_progress)
        cost = done.cost
        return Outcome(
            seconds=cost.seconds,
            evaluations=cost.evaluations,
            memory_mb=cost.peak_memory_mb,
            score=None,
            sha256=_tensors_digest(file),
            facts={"file": file.name, "notes": list(done.notes)},
        )

    def remove(self, record: RemoveRecord, folder: Path, on_progress: OnProgress) -> Outcome:
        done = run_remove(record, folder, self.pool.backbones, self.pool.segmenter, on_progress=on_progress)
        document = done.saved.document
        facts = {
            **_names_of(done.saved.files.as_json()),
            "boxes": [thing["box"] for thing in document["objects"]],
            "notes": document["notes"],
        }
        return _outcome(document, facts, None, done.result.scene.photo, done.photo, folder)


def _tensors_digest(file: Path) -> str:
    """sha256 of a file's tensors by their names: the order of the metadata in the file varies."""
    digest = hashlib.sha256()
    for name, tensor in sorted(load_file(file).items()):
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype} ".encode())
        digest.update(tensor.contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _names_of(files: dict[str, Any], *, sheet: str = "") -> dict[str, str]:
    """The names of an edit's files in its folder."""
    shown = {"picture": "picture", "record": "record", "mask": "mask", sheet: "sheet"}
    return {name: Path(files[kind]).name for kind, name in shown.items() if files.get(kind)}


def _outcome(
    document: dict[str, Any], facts: dict[str, Any], score: float | None, before: Photo, after: Photo, folder: Path
) -> Outcome:
    """A job's row in the ledger, from its document; writes the small pictures of the batch's page."""
    for name, photo in (("before", before), ("after", after)):
        _write_thumb(photo, folder / f"{name}.jpg")
        facts[name] = f"{name}.jpg"
    cost = document["cost"]
    return Outcome(
        seconds=cost["seconds"],
        evaluations=cost["evaluations"],
        memory_mb=cost["peak_memory_mb"],
        score=score,
        sha256=document["output_sha256"],
        facts={**facts, "size": document["size"]},
    )


def _write_thumb(photo: Photo, file: Path) -> None:
    """A small picture for the page; what is transparent shows white."""
    image = photo.as_image().convert("RGBA")
    image.thumbnail((THUMB, THUMB), Image.Resampling.LANCZOS)
    ground = Image.new("RGBA", image.size, "white")
    Image.alpha_composite(ground, image).convert("RGB").save(file, quality=85)
