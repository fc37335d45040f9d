"""What edit by layout leaves on the disk: rearranged pictures with their records, and scene folders."""

from __future__ import annotations

import dataclasses
import glob
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

import intarsia
from intarsia.app.layout_flags import SCENE_ENDING, SCENE_FILES
from intarsia.app.layout_overlay import colours_of, draw_scene, layout_sheet
from intarsia.app.outputs import (
    as_json,
    box_facts,
    input_facts,
    library_versions,
    mask_picture,
    now,
    pixel_digest,
    png,
    read_document,
    refuse_file,
    safe_stem,
    staging,
    with_absolute_paths,
)
from intarsia.errors import OutputError, RecordError
from intarsia.geometry import Box
from intarsia.images import refuse_existing, write_bytes_atomically, write_photo
from intarsia.layout.edit import ArrangeResult
from intarsia.layout.find import BACKGROUND
from intarsia.layout.scene import PAPER as MAP_PAPER
from intarsia.layout.scene import Scene, colour_map, read_colours
from intarsia.masks import Mask
from intarsia.records import ArrangeRecord, to_json


@dataclass(frozen=True, kw_only=True)
class LayoutTargets:
    """The files that one arrangement writes.

    Attributes:
        picture: the rearranged picture.
        record: how it came about, as JSON.
        mask: where it was changed; black = untouched.
        layout: source layout, target layout and result in one picture.
        others: pictures of further seeds.
    """

    picture: Path
    record: Path
    mask: Path
    layout: Path
    others: tuple[Path, ...]

    def all(self) -> tuple[Path, ...]:
        return (self.picture, self.record, self.mask, self.layout, *self.others)


def scene_stem(photo: Path) -> str:
    """The name of what is made of a photo: its own, or its scene folder's."""
    in_scene = photo.name == SCENE_FILES["photo"] and photo.parent.suffix == SCENE_ENDING
    return safe_stem(photo.parent if in_scene else photo)


def plan_arrangement(record: ArrangeRecord, folder: Path, *, name: str = "", overwrite: bool = False) -> LayoutTargets:
    """Choose the names and make sure, before any work, that they can be written.

    Args:
        record: its photo gives the name, where none is given, and is never overwritten.
        folder: where to write; made when it is missing.
        name: of the files.
        overwrite: whether files of these names may be replaced.

    Raises:
        OutputError: a file is in the way, or the folder is a file.
    """
    stem = safe_stem(Path(f"{name}.png")) if name else scene_stem(Path(record.photo))
    targets = LayoutTargets(
        picture=folder / f"{stem}.png",
        record=folder / f"{stem}.json",
        mask=folder / f"{stem}.mask.png",
        layout=folder / f"{stem}.layout.png",
        others=tuple(folder / f"{stem}.{k}.png" for k in range(2, record.seeds + 1)),
    )
    refuse_file(folder)
    inputs = {Path(file).resolve() for file in (record.photo, record.mask, record.layout) if file is not None}
    for target in targets.all():
        if target.resolve() in inputs:
            raise OutputError(
                f"{target} is what the edit is made from and would be overwritten: name another folder with --out."
            )
        refuse_existing(target, overwrite)
    return targets


def write_arrangement(
    result: ArrangeResult, targets: LayoutTargets, *, lead: int = 0, metadata: bool = True, overwrite: bool = False
) -> dict[str, Any]:
    """Write all files of an arrangement, or none.

    Args:
        result: the finished edit.
        targets: what `plan_arrangement` chose.
        lead: index of the seed whose picture becomes `targets.picture`.
        metadata: whether the pictures carry the record.
        overwrite: as it was planned.

    Returns:
        The content of the JSON file.

    Raises:
        OutputError: a file cannot be written; then none is there.
    """
    order = [lead, *(k for k in range(len(result.pictures)) if k != lead)]
    pictures = dict(zip((targets.picture, *targets.others), order, strict=True))
    facts = arrangement_document(result, lead, now())
    with staging(targets.picture.parent, overwrite=overwrite) as stage:
        for target, index in pictures.items():
            made = result.pictures[index]
            shown = {**facts, "chosen": index, "seed": made.seed, "output_sha256": pixel_digest(made.photo)}
            text = describe_arrangement(shown, result) if metadata else None
            write_photo(made.photo, stage / target.name, text=text)
        chosen = result.pictures[lead]
        write_bytes_atomically(stage / targets.mask.name, png(mask_picture(chosen.blend)))
        colours = colours_of(result.scene.names, result.record.colours)
        sheet = layout_sheet(result.scene, result.layout, chosen.photo, colours)
        write_bytes_atomically(stage / targets.layout.name, png(sheet))
        write_bytes_atomically(stage / targets.record.name, as_json(facts))
    return facts


def arrangement_document(result: ArrangeResult, index: int, made_at: str) -> dict[str, Any]:
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
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not rows.size:
        return None
    return box_facts(Box(float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)))


def describe_arrangement(facts: dict[str, Any], result: ArrangeResult) -> dict[str, str]:
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


def said(fields: Mapping[str, Any]) -> str:
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


def plan_scene(photo: Path, folder: Path, *, overwrite: bool = False) -> Path:
    """The scene's folder, after making sure that it can be written.

    Raises:
        OutputError: a file of it exists, or a part of the path is a file.
    """
    scene = folder / f"{scene_stem(photo)}{SCENE_ENDING}"
    refuse_file(scene)
    for name in SCENE_FILES.values():
        if (scene / name).resolve() == photo.resolve():
            raise OutputError(f"{scene / name} is the picture to read: name another folder with --out.")
        refuse_existing(scene / name, overwrite)
    return scene


def write_scene(
    scene: Scene, folder: Path, *, colours: str | None = None, former: Path | None = None, overwrite: bool = False
) -> dict[str, Any]:
    """Write a scene folder: the photo's pixels without loss, mask and colours, a drawing of them.

    Args:
        scene: with at least one object.
        folder: to write.
        colours: the key that the objects were read with, so that layouts in its colours fit the scene, too.
        former: a scene folder of the same photo, whose file of it is copied: large ones take seconds to write.
        overwrite: as it was planned.

    Returns:
        Its files and objects, as JSON values.

    Raises:
        OutputError: a file cannot be written; then none is there.
    """
    given = read_colours(colours) if colours else {}
    shades = colours_of(scene.names, colours)
    masks = {thing.name: thing.mask for thing in scene.objects}
    key = {**shades, BACKGROUND: given.get(BACKGROUND, MAP_PAPER)}
    drawing = draw_scene(scene.photo, masks, shades)
    with staging(folder, overwrite=overwrite) as stage:
        if former is None:
            write_photo(scene.photo, stage / SCENE_FILES["photo"])
        else:
            write_bytes_atomically(stage / SCENE_FILES["photo"], (former / SCENE_FILES["photo"]).read_bytes())
        write_bytes_atomically(stage / SCENE_FILES["mask"], png(Image.fromarray(colour_map(masks, key))))
        write_bytes_atomically(stage / SCENE_FILES["colours"], (json.dumps(key) + "\n").encode())
        write_bytes_atomically(stage / SCENE_FILES["overlay"], png(drawing))
    return {
        "scene": str(folder),
        "files": {kind: str(folder / name) for kind, name in SCENE_FILES.items()},
        "objects": [
            {"name": o.name, "words": o.words, "pixels": int(o.mask.sum()), "box": mask_box(o.mask)}
            for o in scene.objects
        ],
    }


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One edit of a folder's history.

    Attributes:
        file: the record, to be replayed.
        made_at: time in ISO form.
        photo: the picture that was edited.
        words: what was done.
        pictures: files beside the record that were made with it and are still there.
    """

    file: Path
    made_at: str
    photo: str
    words: str
    pictures: tuple[Path, ...]


def read_history(folder: Path) -> tuple[Entry, ...]:
    """The edits whose records lie in a folder, or in the folders in it, in the order they were made.

    Raises:
        RecordError: there is no such folder, or no record is in it.
    """
    if not folder.is_dir():
        raise RecordError(f"There is no folder {folder}: give the one that intarsia edit or arrange wrote to.")
    entries = []
    for file in (*folder.glob("*.json"), *folder.glob("*/*.json")):
        try:
            facts = read_document(file)
        except RecordError:  # another program's JSON
            continue
        fields = facts.get("record")
        if not (isinstance(fields, dict) and isinstance(facts.get("output_sha256"), str)):
            continue
        entries.append(history_entry(file, facts, fields))
    if not entries:
        raise RecordError(
            f"The folder {folder} holds no record of an edit: give the one that intarsia edit or arrange wrote to."
        )
    return tuple(sorted(entries, key=lambda entry: (entry.made_at, entry.file.name)))


def history_entry(file: Path, facts: dict[str, Any], fields: dict[str, Any]) -> Entry:
    """Read without the records' own checks: the list should show what an older or newer version wrote, too."""
    source, prompt = str(fields.get("source") or ""), str(fields.get("prompt") or "")
    by_words = f"{source} becomes {prompt}" if source else prompt
    kept = [file.with_suffix(".png"), *sorted(file.parent.glob(f"{glob.escape(file.stem)}.[0-9]*.png"))]
    return Entry(
        file=file,
        made_at=str(facts.get("made_at") or ""),
        photo=str(fields.get("photo") or ""),
        words=said(fields) if fields.get("kind") == "ArrangeRecord" else by_words,
        pictures=tuple(picture for picture in kept if picture.is_file()),
    )
