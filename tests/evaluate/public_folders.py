"""Tiny folders that are laid out as the public sets are, with scenes of the pocket world in them."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests.paths import SCENES

FACTS: list[dict[str, Any]] = json.loads((SCENES / "scenes.json").read_text())[:2]
"""Two scenes of 64 x 64 pixels: a tree in the snow, a cake on a table."""

NAMES = ("000000000000", "111000000001")
PLACES = ("0_random_140/000000000000.jpg", "1_change_object_80/1_artificial/1_animal/111000000001.jpg")
BLENDED = ("tree house", "")


def picture(number: int) -> Image.Image:
    with Image.open(SCENES / FACTS[number]["image"]) as opened:
        return opened.convert("RGB")


def object_of(number: int) -> tuple[str, tuple[int, int, int, int]]:
    """Name and box of a scene's first object."""
    first = FACTS[number]["objects"][0]
    return first["name"], tuple(first["box"])


def object_mask(number: int) -> np.ndarray:
    """(64, 64) bool, the box of the object."""
    x0, y0, x1, y1 = object_of(number)[1]
    mask = np.zeros((64, 64), dtype=bool)
    mask[y0:y1, x0:x1] = True
    return mask


def runs_of(mask: np.ndarray) -> list[int]:
    """A mask as starts and lengths in turn, counted over the rows."""
    steps = np.diff(np.concatenate([[0], mask.ravel().astype(int), [0]]))
    starts, ends = np.flatnonzero(steps == 1), np.flatnonzero(steps == -1)
    return [int(number) for pair in zip(starts, ends - starts, strict=True) for number in pair]


def captions(number: int) -> tuple[str, str]:
    """Of the source, with brackets around the object in the second scene alone; and of the edit."""
    name, _ = object_of(number)
    before = FACTS[number]["caption"]
    after = before.replace(f"a {name}", "a [house]")
    return (before.replace(name, f"[{name}]") if number else before), after


def make_pie(folder: Path) -> Path:
    entries = {}
    for number, (name, place) in enumerate(zip(NAMES, PLACES, strict=True)):
        path = folder / "annotation_images" / place
        path.parent.mkdir(parents=True)
        picture(number).save(path, quality=95)
        original, editing = captions(number)
        entries[name] = {
            "image_path": place,
            "original_prompt": original,
            "editing_prompt": editing,
            "editing_instruction": "Change it to a house",
            "editing_type_id": place[0],
            "blended_word": BLENDED[number],
            "mask": runs_of(object_mask(number)),
        }
    (folder / "mapping_file.json").write_text(json.dumps(entries))
    return folder


def make_pie_plus(folder: Path) -> Path:
    import pyarrow
    import pyarrow.parquet

    for number, (name, place) in enumerate(zip(NAMES, PLACES, strict=True)):
        file = io.BytesIO()
        picture(number).save(file, "JPEG", quality=95)
        original, editing = captions(number)
        row = {
            "image": {"bytes": file.getvalue(), "path": f"{name}.jpg"},
            "id": name,
            "source_prompt": original,
            "target_prompt": editing,
            "edit_action": "{}",
            "aspect_mapping": "{}",
            "blended_words": json.dumps([f"{object_of(number)[0]},house"]),
            "mask": " ".join(map(str, runs_of(object_mask(number)))),
        }
        (folder / place.split("/")[0]).mkdir(parents=True)
        table = pyarrow.Table.from_pylist([row])
        pyarrow.parquet.write_table(table, folder / place.split("/")[0] / "V1-00000-of-00001.parquet")
    return folder


def make_dle(folder: Path) -> Path:
    """The reference is the source with the object's box painted over, less its outermost pixels."""
    lines = []
    for number, name in enumerate(NAMES):
        for part in ("Source_Images", "Reference_Images"):
            (folder / part).mkdir(parents=True, exist_ok=True)
        source = np.array(picture(number))
        Image.fromarray(source).save(folder / "Source_Images" / f"{name}.png")
        reference = source.copy()
        reference[object_mask(number)] = 255 - reference[object_mask(number)]
        Image.fromarray(reference).save(folder / "Reference_Images" / f"{name}_edit.png")
        entry = {
            "image": f"{name}.png",
            "reference_image": f"{name}_edit.png",
            "edit_operation": f"Replace the {object_of(number)[0]} with a house",
            "prompt_clean": FACTS[number]["caption"],
        }
        if number == 0:
            entry["prompt_edited"] = FACTS[number]["caption"].replace("a tree", "a house")
        lines.append(json.dumps(entry))
    (folder / "data.jsonl").write_text("\n".join(lines) + "\n")
    return folder


def make_moves(folder: Path, moves: Iterable[tuple[int, int]] = ((12, 0), (-12, 4))) -> Path:
    """ReS and COCOEE of one item each, edited at the pictures' own 64 pixels; ReS has its mask at half the size."""
    for number, (title, (dx, dy)) in enumerate(zip(("ReS", "COCOEE"), moves, strict=True)):
        home = folder / title
        images, masks = (home, home) if title == "ReS" else (home / "COCOEE_images", home / "COCOEE_masks")
        for place in (images, masks):
            place.mkdir(parents=True, exist_ok=True)
        picture(number).save(images / "p1_1.png")
        mask = Image.fromarray((object_mask(number) * 255).astype(np.uint8))
        (mask if number else mask.resize((32, 32))).save(masks / "p1_1_mask.png")
        name, (x0, y0, x1, y1) = object_of(number)
        x, y = (x0 + x1) // 2, (y0 + y1) // 2
        entry = {
            "name": "p1_1",
            "original_image_path": "p1_1.png",
            "mask_path": "p1_1_mask.png",
            "max_resolution": 64,
            "prompt": FACTS[number]["caption"],
            "words": [name],
            "selected_points": [[x, y], [x + dx, y + dy]],
        }
        (home / f"{title}_dataset.json").write_text(json.dumps({"p1_1": entry}))
    return folder


def changed(file: Path, **fields: object) -> None:
    """Change fields of the first entry of a list."""
    entries = json.loads(file.read_text())
    next(iter(entries.values())).update(fields)
    file.write_text(json.dumps(entries))
