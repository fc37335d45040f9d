"""The JSON document of a result, however it was edited: its record, versions, scores and cost. Light: no torch."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
import json
import platform
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import intarsia
from intarsia.backbones import CATALOG
from intarsia.imaging.compression import as_it_turned_out
from intarsia.imaging.geometry import Box, Point
from intarsia.imaging.masks import Mask, bounding_box
from intarsia.imaging.photo import Photo
from intarsia.notes import merged
from intarsia.records.arrange import ArrangeRecord
from intarsia.records.edit import EditRecord
from intarsia.records.fill_checks import OWN_NETWORKS
from intarsia.records.inputs import AnyRecord, Record, input_files, with_files
from intarsia.records.remove import RemoveRecord
from intarsia.records.serialize import to_json
from intarsia.results.inputs_seen import digest_of_input, say_what_changed

if TYPE_CHECKING:  # who makes these has loaded torch; who removes something has not
    from intarsia.layout.edit import ArrangeResult
    from intarsia.layout.remove import RemoveResult
    from intarsia.layout.scene import SceneObject
    from intarsia.regions.edit import Candidate, EditResult

LIBRARIES = ("torch", "diffusers", "transformers", "numpy", "pillow")
PLAIN_LIBRARIES = ("numpy", "scipy", "opencv-python-headless", "pillow")
"""What an edit without networks is made with."""

FROM_NETWORKS = ("diffusion", *OWN_NETWORKS)
"""Fills whose pixels depend on the networks' libraries and their threads."""


def edit_json(result: EditResult, index: int, made_at: str) -> dict[str, Any]:
    """All that is known of an edit by words, as JSON values; enough to make candidate `index` again.

    Args:
        index: of a candidate that was painted to the end.
        made_at: see `now`.
    """
    chosen = result.candidates[index]
    assert chosen.photo is not None
    found = {
        "candidates": [candidate_facts(c) for c in result.candidates],
        "anchors": [point_facts(a) for a in result.anchors],
        "notes": list(result.notes),
    }
    return _document(result, index, chosen.photo, chosen.seed, made_at, found)


def arrange_json(result: ArrangeResult, index: int, made_at: str) -> dict[str, Any]:
    """All that is known of an edit by layout, as JSON values; enough to make picture `index` again."""
    chosen = result.pictures[index]
    placed = {
        "mode": result.mode,
        "objects": [object_facts(thing) for thing in result.scene.objects],
        "placements": [
            {
                "name": p.name,
                **({} if p.copy_of is None else {"copy_of": p.copy_of}),
                "matrix": [round(v, 6) for v in p.matrix],
                "fit": round(p.fit, 4),
                "box": mask_box(p.mask),
            }
            for p in result.layout.placements
        ],
        "removed": list(result.layout.removed),
        "pictures": [{"seed": p.seed, "sha256": pixel_digest(p.photo)} for p in result.pictures],
        "notes": list(result.notes),
    }
    return _document(result, index, chosen.photo, chosen.seed, made_at, placed)


def remove_json(result: RemoveResult, made_at: str, *, picture: str) -> dict[str, Any]:
    """All that is known of a removal, as JSON values; enough to make it again.

    Args:
        made_at: see `now`.
        picture: name of the picture's file, whose format the record chooses.
    """
    gap = result.blend > 0
    found = {
        "picture": picture,
        "objects": [object_facts(thing) for thing in result.scene.objects],
        "gap": {"box": mask_box(gap), "share": round(float(gap.mean()), 6)},
        "notes": list(result.notes),
    }
    return _document(result, 0, result.photo, result.picture.seed, made_at, found)


def _document(
    result: EditResult | ArrangeResult | RemoveResult,
    index: int,
    photo: Photo,
    seed: int,
    made_at: str,
    own: dict[str, Any],
) -> dict[str, Any]:
    """What both kinds of results have in common, around what is a kind's own.

    Paths become absolute, so that the record can be replayed from any folder.
    """
    record: Record = with_absolute_paths(result.record)
    networks = not isinstance(record, RemoveRecord) or bool(record.find) or record.fill in FROM_NETWORKS
    return {
        "intarsia": intarsia.__version__,
        "made_at": made_at,
        "record": to_json(record),
        "inputs": input_facts(record),
        "size": [photo.size.width, photo.size.height],
        "seed": seed,
        "chosen": index,
        "output_sha256": pixel_digest(photo),
        **own,
        "cost": dataclasses.asdict(result.cost),
        "threads": threads() if networks else None,
        "versions": library_versions(LIBRARIES if networks else PLAIN_LIBRARIES) | result.versions,
    }


def rounds_of_notes(document: dict[str, Any], said: Iterable[str], *, in_pictures: bool) -> Iterator[list[str]]:
    """The notes with which to write a document's pictures, and again once writing them has brought others.

    Afterwards the document has all of them.

    Args:
        document: with the notes that are known before.
        said: collects what is said while the files are written.
        in_pictures: whether the pictures carry their notes at all.
    """
    yield document["notes"]
    say_what_changed()
    expected, found = document["notes"], list(said)
    document["notes"] = list(merged(as_it_turned_out(expected, found), found))
    if in_pictures and document["notes"] != expected:
        yield document["notes"]
        document["notes"] = list(merged(document["notes"], said))


def now() -> str:
    """The time as a record keeps it."""
    return datetime.now().astimezone().isoformat(timespec="milliseconds")


def as_json(facts: dict[str, Any]) -> bytes:
    return (json.dumps(facts, indent=1) + "\n").encode()


def library_versions(libraries: Sequence[str] = LIBRARIES) -> dict[str, str]:
    return {
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in libraries},
    }


def threads() -> int | None:
    """What torch splits the CPU's work into; None where nothing needed torch."""
    torch = sys.modules.get("torch")
    return None if torch is None else int(torch.get_num_threads())


def input_facts(record: Record) -> dict[str, dict[str, str]]:
    """Name and digest of each file that a record was made from, as it was when the edit began."""
    return {
        setting: {"name": Path(value).name, "sha256": digest}
        for setting, value in input_files(record).items()
        if (digest := digest_of_input(value)) is not None
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


def object_facts(thing: SceneObject) -> dict[str, Any]:
    """An object of a scene, and how sure it is that it is there where it was found by words."""
    facts: dict[str, Any] = {"name": thing.name, "words": thing.words, "box": mask_box(thing.mask)}
    return facts | confidence_facts(thing)


def confidence_facts(thing: SceneObject) -> dict[str, Any]:
    """How sure it is that an object is there; nothing of one that was shown by hand."""
    if thing.confidence is None:
        return {}
    facts: dict[str, Any] = {
        "confidence": round(thing.confidence, 4),
        "sure_from": thing.sure_from,
        "sure": thing.sure,
    }
    return facts | ({} if thing.sure else {"doubt": thing.doubt})


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


def mask_box(mask: Mask) -> list[float] | None:
    """x0, y0, x1, y1 around what a mask covers; None where nothing of it is in the picture."""
    return [float(edge) for edge in box_facts(bounding_box(mask))] if mask.any() else None


def point_facts(point: Point) -> list[float]:
    return [round(point.x, 2), round(point.y, 2)]


SAMPLERS = {
    "dpmpp-2m-karras": "DPM++ 2M Karras",
    "euler-a": "Euler a",
    "unipc": "UniPC",
    "ddim": "DDIM",
    "lcm": "LCM",
}
"""What other tools call the samplers."""


def pixel_digest(photo: Photo) -> str:
    """sha256 of the size and the RGB bytes, row by row: equal for equal pictures, whatever file holds them."""
    digest = hashlib.sha256(f"{photo.size.width}x{photo.size.height} RGB ".encode())
    digest.update(np.ascontiguousarray(photo.pixels).tobytes())
    return digest.hexdigest()


def edit_png_text(document: dict[str, Any], result: EditResult) -> dict[str, str]:
    """The text chunks of an edit's PNG: see `_png_text`."""
    return _png_text(document, result.record, prompt=result.record.sentence, steps=result.record.steps)


def arrange_png_text(document: dict[str, Any], result: ArrangeResult) -> dict[str, str]:
    """The text chunks of an arrangement's PNG: see `_png_text`."""
    record = result.record
    prompt = record.prompt or ", ".join(thing.words for thing in result.scene.objects)
    steps = record.compose.refine_steps if result.mode == "compose" else record.steps
    return _png_text(document, record, prompt=prompt, steps=steps)


def _png_text(
    document: dict[str, Any], record: EditRecord | ArrangeRecord, *, prompt: str, steps: int
) -> dict[str, str]:
    """Text chunks by keyword: the document itself, and the line of settings that other tools read."""
    settings = {
        "Steps": steps,
        "CFG scale": record.guidance,
        "Seed": document["seed"],
        "Size": "x".join(str(side) for side in document["size"]),
        "Model": Path(record.models).name,
        "Version": f"intarsia {document['intarsia']}",
    }
    if isinstance(record, EditRecord) and record.sampler in SAMPLERS:
        settings["Sampler"] = SAMPLERS[record.sampler]
    negative = f"Negative prompt: {record.negative_prompt}\n" if record.negative_prompt else ""
    line = ", ".join(f"{name}: {value}" for name, value in settings.items())
    return {"intarsia": json.dumps(document), "parameters": f"{prompt}\n{negative}{line}"}


def remove_png_text(document: dict[str, Any], result: RemoveResult) -> dict[str, str]:
    """The text chunks of a removal's PNG: the document; the line of settings where a checkpoint painted."""
    record = result.record
    text = {"intarsia": json.dumps(document)}
    if record.fill == "diffusion":
        settings = {
            "Seed": document["seed"],
            "Size": "x".join(str(side) for side in document["size"]),
            "Model": Path(record.models).name,
            "Version": f"intarsia {document['intarsia']}",
        }
        text["parameters"] = f"{record.prompt}\n" + ", ".join(f"{name}: {value}" for name, value in settings.items())
    return text


def describe(fields: Mapping[str, Any]) -> str:
    """What an arrangement does, in words, from its record's fields: "cat moved by +120,0; pot removed"."""

    def each(setting: str, verb: str) -> list[str]:
        pairs = (str(pair).rpartition("=") for pair in fields.get(setting) or ())
        return [f"{name} {verb} {value}" for name, _, value in pairs]

    parts = [f"as in {Path(str(fields[file])).name}" for file in ("layout", "boxes") if fields.get(file)]
    parts += [f"{text} copied" for text in fields.get("copy") or ()]
    parts += each("move", "moved by") + each("to", "moved to")
    parts += each("scale", "scaled by") + each("rotate", "turned by")
    whole = {"flip": "mirrored", "remove": "removed", "front": "to the front", "back": "to the back"}
    parts += [f"{name} {done}" for setting, done in whole.items() for name in fields.get(setting) or ()]
    return "; ".join(parts) or "nothing moved"
