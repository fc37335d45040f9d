"""The JSON document of an arrangement."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

import intarsia
from intarsia.imaging.geometry import Box
from intarsia.imaging.masks import Mask, bounds_of
from intarsia.layout.edit import ArrangeResult
from intarsia.records.serialize import to_json
from intarsia.results.document import (
    box_facts,
    input_facts,
    library_versions,
    pixel_digest,
    with_absolute_paths,
)


def arrange_json(result: ArrangeResult, index: int, made_at: str) -> dict[str, Any]:
    """All that is known of an arrangement, as JSON values; enough to make picture `index` again."""
    chosen, size = result.pictures[index], result.scene.photo.size
    record = with_absolute_paths(result.record)
    return {
        "intarsia": intarsia.__version__,
        "made_at": made_at,
        "record": to_json(record),
        "inputs": input_facts(record),
        "size": [size.width, size.height],
        "seed": chosen.seed,
        "chosen": index,
        "output_sha256": pixel_digest(chosen.photo),
        "mode": result.mode,
        "objects": [{"name": o.name, "words": o.words, "box": mask_box(o.mask)} for o in result.scene.objects],
        "placements": [
            {
                "name": p.name,
                "matrix": [round(v, 6) for v in p.matrix],
                "fit": round(p.fit, 4),
                "box": mask_box(p.mask),
            }
            for p in result.layout.placements
        ],
        "removed": list(result.layout.removed),
        "pictures": [{"seed": p.seed, "sha256": pixel_digest(p.photo)} for p in result.pictures],
        "cost": dataclasses.asdict(result.cost),
        "threads": torch.get_num_threads(),
        "versions": library_versions() | result.versions,
    }


def mask_box(mask: Mask) -> list[float] | None:
    """x0, y0, x1, y1 around what a mask covers; None where nothing of it is in the picture."""
    part = bounds_of(mask)
    if part is None:
        return None
    rows, columns = part
    return box_facts(Box(float(columns.start), float(rows.start), float(columns.stop), float(rows.stop)))


def arrange_png_text(facts: dict[str, Any], result: ArrangeResult) -> dict[str, str]:
    """What a PNG says of itself: our record, and the line of settings that other tools read."""
    record = result.record
    steps = record.compose.refine_steps if result.mode == "compose" else record.steps
    settings = {
        "Steps": steps,
        "CFG scale": record.guidance,
        "Seed": facts["seed"],
        "Size": "x".join(str(side) for side in facts["size"]),
        "Model": Path(record.models).name,
        "Version": f"intarsia {facts['intarsia']}",
    }
    prompt = record.prompt or ", ".join(thing.words for thing in result.scene.objects)
    negative = f"Negative prompt: {record.negative_prompt}\n" if record.negative_prompt else ""
    line = ", ".join(f"{name}: {value}" for name, value in settings.items())
    return {"intarsia": json.dumps(facts), "parameters": f"{prompt}\n{negative}{line}"}


def describe(fields: Mapping[str, Any]) -> str:
    """What an arrangement does, in words, from its record's fields: "cat moved by +120,0; pot removed"."""

    def each(setting: str, verb: str) -> list[str]:
        pairs = (str(pair).rpartition("=") for pair in fields.get(setting) or ())
        return [f"{name} {verb} {value}" for name, _, value in pairs]

    parts = [f"as in {Path(str(fields[file])).name}" for file in ("layout", "boxes") if fields.get(file)]
    parts += each("move", "moved by") + each("to", "moved to")
    parts += each("scale", "scaled by") + each("rotate", "turned by")
    whole = {"flip": "mirrored", "remove": "removed", "front": "to the front", "back": "to the back"}
    parts += [f"{name} {done}" for setting, done in whole.items() for name in fields.get(setting) or ()]
    return "; ".join(parts) or "nothing moved"
