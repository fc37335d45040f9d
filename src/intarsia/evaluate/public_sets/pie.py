"""PIE-Bench: 700 pictures of 512 x 512 with source caption, target caption, instruction and a mask of what may change.

The folder, as the README of its repository shows it (github.com/cure-lab/PnPInversion, "Benchmark Download"):

    mapping_file.json
    annotation_images/0_random_140/000000000000.jpg
    annotation_images/1_change_object_80/1_artificial/1_animal/111000000000.jpg
    ...

`mapping_file.json` is an object with an entry for each picture: `image_path` (below annotation_images),
`original_prompt` and `editing_prompt` (square brackets mark what differs, and are no part of the caption),
`editing_instruction`, `editing_type_id` ("0" to "9"), `blended_word` (a word of each caption, or nothing) and `mask`
(runs: start and length in turn, counted over the rows). The decoding of masks follows `evaluation/evaluate.py` there:
the last run is cut off at the picture's end, and the outermost pixels may always change, against mistakes of annotation.

Licence: the authors hand the set out after a form and name no licence of their own; its pictures come from the web.
Source: Ju et al., "PnP Inversion", ICLR 2024, arXiv:2310.01506, sec. 4.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from intarsia.errors import RecordError, RegionError
from intarsia.evaluate.public_sets.items import (
    PublicSet,
    WordsCase,
    below,
    changed_words,
    check_folder,
    read_json,
    read_text,
    size_of,
    text_of,
)
from intarsia.imaging.geometry import Size
from intarsia.imaging.masks import Mask
from intarsia.imaging.read import read_photo

LICENCE = "no licence named; handed out by its authors for research"
MAPPING = "mapping_file.json"
PICTURES = "annotation_images"
KINDS = {
    "0": "random",
    "1": "change object",
    "2": "add object",
    "3": "delete object",
    "4": "change content",
    "5": "change pose",
    "6": "change colour",
    "7": "change material",
    "8": "change background",
    "9": "change style",
}

Runs = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class PieItem:
    """One entry of the mapping file."""

    name: str
    kind: str
    image: Path
    source: str
    prompt: str
    instruction: str
    runs: Runs

    def check(self) -> None:
        check_runs(self.runs, size_of(self.image), self.name)

    def load(self) -> WordsCase:
        photo = read_photo(self.image)
        mask = decode_mask(self.runs, photo.size, self.name)
        return WordsCase(photo=photo, source=self.source, prompt=self.prompt, mask=mask)


def read_pie(folder: Path) -> PublicSet:
    """PIE-Bench from its folder.

    Raises:
        RecordError: the folder or its mapping file is missing, or an entry is not as it should be.
    """
    check_folder(folder, "PIE-Bench")
    file = folder / MAPPING
    if not file.is_file():
        raise RecordError(f"{folder} has no {MAPPING}, so it is not PIE-Bench: give the folder that holds this file.")
    entries = read_json(read_text(file), str(file))
    items = tuple(read_entry(folder, name, entry, f"The entry {name!r} of {file}") for name, entry in entries.items())
    return PublicSet(key="pie", title="PIE-Bench", licence=LICENCE, items=items)


def read_entry(folder: Path, name: str, entry: Any, where: str) -> PieItem:
    if not isinstance(entry, dict):
        raise RecordError(f"{where} is no JSON object: the file is of another set, or of another version of it.")
    original, editing = (text_of(entry, field, where) for field in ("original_prompt", "editing_prompt"))
    kind = str(entry.get("editing_type_id", ""))
    return PieItem(
        name=Path(name).name,
        kind=KINDS.get(kind, kind),
        image=below(folder / PICTURES, text_of(entry, "image_path", where)),
        source=source_words(original, editing, str(entry.get("blended_word", ""))),
        prompt=without_brackets(editing),
        instruction=str(entry.get("editing_instruction", "")),
        runs=read_runs(entry.get("mask"), where),
    )


def read_runs(value: object, where: str) -> Runs:
    """Starts and lengths in turn, or `RecordError`."""
    if isinstance(value, list) and len(value) % 2 == 0 and all(type(number) is int for number in value):
        return tuple(value)
    raise RecordError(f"{where} has no mask of runs (start and length in turn, as whole numbers): copy the set again.")


def source_words(original: str, editing: str, blended: str) -> str:
    """What of the original caption changes.

    The words in its brackets; without them the blended word, where the caption has it; else what the editing caption
    does not have. "" where something is only added.
    """
    marked = [" ".join(words.split()) for words in re.findall(r"\[([^\]]*)\]", original)]
    if any(marked):
        return " and ".join(filter(None, marked))
    plain = without_brackets(original)
    first = blended.split()[:1]
    if first and first[0].lower() in plain.lower().split():
        return first[0]
    return changed_words(plain, without_brackets(editing))


def without_brackets(caption: str) -> str:
    return " ".join(caption.replace("[", "").replace("]", "").split())


def pairs(runs: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Start and length of each run."""
    return zip(runs[::2], runs[1::2], strict=True)


def check_runs(runs: Sequence[int], size: Size, name: str) -> None:
    """Raise `RegionError` where a run begins outside a picture of this size."""
    if any(start < 0 or start >= size.area or length < 0 for start, length in pairs(runs)):
        raise RegionError(
            f"The mask of {name} was drawn on a picture of another size than {size} pixels: copy the set again."
        )


def decode_mask(runs: Sequence[int], size: Size, name: str) -> Mask:
    """(H, W) what may change: the runs, and the outermost pixels.

    Raises:
        RegionError: a run begins outside the picture.
    """
    check_runs(runs, size, name)
    flat = np.zeros(size.area, dtype=np.bool_)
    for start, length in pairs(runs):
        flat[start : start + length] = True
    mask = flat.reshape(size.height, size.width)
    mask[[0, -1]] = True
    mask[:, [0, -1]] = True
    return mask
