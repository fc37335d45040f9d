"""The JSON document of a result: its record, versions, scores and cost; enough to make it again."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
import json
import platform
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch

import intarsia
from intarsia.backbones import CATALOG
from intarsia.files import file_digest
from intarsia.imaging.geometry import Box, Point
from intarsia.imaging.photo import Photo
from intarsia.records.arrange import ArrangeRecord
from intarsia.records.edit import EditRecord
from intarsia.records.inputs import AnyRecord, input_files, with_files
from intarsia.records.serialize import to_json
from intarsia.regions.edit import Candidate, EditResult

LIBRARIES = ("torch", "diffusers", "transformers", "numpy", "pillow")


def result_json(result: EditResult, photo: Photo, index: int, made_at: str) -> dict[str, Any]:
    """All that is known of an edit, as JSON values; enough to make candidate `index` again.

    Paths become absolute, so that the record can be replayed from any folder.
    """
    chosen = result.candidates[index]
    assert chosen.photo is not None
    record = with_absolute_paths(result.record)
    return {
        "intarsia": intarsia.__version__,
        "made_at": made_at,
        "record": to_json(record),
        "inputs": input_facts(record),
        "size": [photo.size.width, photo.size.height],
        "seed": chosen.seed,
        "chosen": index,
        "output_sha256": pixel_digest(chosen.photo),
        "candidates": [candidate_facts(c) for c in result.candidates],
        "anchors": [point_facts(a) for a in result.anchors],
        "cost": dataclasses.asdict(result.cost),
        "threads": torch.get_num_threads(),
        "versions": library_versions() | result.versions,
    }


def now() -> str:
    """The time as a record keeps it."""
    return datetime.now().astimezone().isoformat(timespec="milliseconds")


def as_json(facts: dict[str, Any]) -> bytes:
    return (json.dumps(facts, indent=1) + "\n").encode()


def library_versions() -> dict[str, str]:
    return {
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in LIBRARIES},
    }


def input_facts(record: EditRecord | ArrangeRecord) -> dict[str, dict[str, str]]:
    """Name and digest of each file that a record was made from."""
    return {
        setting: {"name": Path(value).name, "sha256": file_digest(Path(value))}
        for setting, value in input_files(record).items()
        if Path(value).is_file()
    }


def with_absolute_paths(record: AnyRecord) -> AnyRecord:
    """The record with whole paths for what it names on this machine."""
    record = with_files(
        record, {k: str(Path(v).resolve()) if Path(v).exists() else v for k, v in input_files(record).items()}
    )
    # A folder may have the name of a catalogue entry, which is then meant.
    if record.models not in CATALOG and Path(record.models).exists():
        record = dataclasses.replace(record, models=str(Path(record.models).resolve()))
    return record


def candidate_facts(candidate: Candidate) -> dict[str, Any]:
    return {
        "box": box_facts(candidate.box),
        "anchor": point_facts(candidate.anchor) if candidate.anchor else None,
        "steps": candidate.steps,
        "seed": candidate.seed,
        "scores": {k: round(v, 6) for k, v in dataclasses.asdict(candidate.scores).items()},
    }


def box_facts(box: Box) -> list[float]:
    return [round(edge, 2) for edge in box.as_tuple()]


def point_facts(point: Point) -> list[float]:
    return [round(point.x, 2), round(point.y, 2)]


def pixel_digest(photo: Photo) -> str:
    """sha256 of the size and the RGB bytes, row by row: equal for equal pictures, whatever file holds them."""
    digest = hashlib.sha256(f"{photo.size.width}x{photo.size.height} RGB ".encode())
    digest.update(np.ascontiguousarray(photo.pixels).tobytes())
    return digest.hexdigest()


def png_text(facts: dict[str, Any], record: EditRecord, photo: Photo) -> dict[str, str]:
    """What a PNG says of itself: our record, and the line of settings that other tools read."""
    settings = {
        "Steps": record.steps,
        "CFG scale": record.guidance,
        "Seed": facts["seed"],
        "Size": f"{photo.size.width}x{photo.size.height}",
        "Model": Path(record.models).name,
        "Version": f"intarsia {facts['intarsia']}",
    }
    negative = f"Negative prompt: {record.negative_prompt}\n" if record.negative_prompt else ""
    line = ", ".join(f"{name}: {value}" for name, value in settings.items())
    return {"intarsia": json.dumps(facts), "parameters": f"{record.prompt}\n{negative}{line}"}
