"""DLEBench (DeepLookEditBench): 1,889 edits of objects that cover 1 to 10 % of a picture.

The folder, as the card of the set on the Hugging Face hub describes it (SPUH/DLEBench, "Data Specification"):

    data.jsonl
    Source_Images/...
    Reference_Images/...

A line of `data.jsonl` is an object with `image` (in Source_Images), `reference_image` (in Reference_Images),
`edit_operation` (the instruction) and `prompt_clean` (the caption of the source). The card goes on with a field whose
name begins with "p" and could not be looked up in full: any other field whose name begins with "prompt" is taken as the
caption of the edited picture. Without one the instruction is the prompt.

The set has no masks. What may change is where the reference differs from the source: its references were made by
editing a crop and putting it back (arXiv:2602.23622), so that they are the source elsewhere, up to compression.

The set's own scores (instruction following, visual consistency) are given by large models that look at the picture;
they are not taken here.

Licence: Apache-2.0 (stated in the card).
Source: Hong et al., "DLEBench", 2026, arXiv:2602.23622.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage

from intarsia.errors import EmptyMaskError, RecordError
from intarsia.evaluate.public_sets.items import (
    PublicSet,
    WordsCase,
    below,
    changed_words,
    check_folder,
    check_same_size,
    read_json,
    read_text,
    size_of,
    text_of,
)
from intarsia.imaging.masks import Mask, dilate
from intarsia.imaging.photo import Bytes
from intarsia.imaging.read import read_photo

LICENCE = "Apache-2.0"
LIST = "data.jsonl"

DIFFERENT = 24
"""Levels by which a pixel of the reference must differ in a channel to count as edited; compression changes fewer."""

MARGIN = 0.01
"""Ground around what was edited that may change with it, as a fraction of the short side."""


@dataclass(frozen=True, kw_only=True)
class DleItem:
    """One line of the list."""

    name: str
    image: Path
    reference: Path
    source: str
    prompt: str
    kind: str = ""

    def check(self) -> None:
        check_same_size(self.reference, size_of(self.reference), size_of(self.image))

    def load(self) -> WordsCase:
        photo, reference = read_photo(self.image), read_photo(self.reference)
        mask = edited_region(photo.pixels, reference.pixels)
        if not mask.any():
            raise EmptyMaskError(f"The reference of {self.name} does not differ from its picture: copy the set again.")
        return WordsCase(photo=photo, source=self.source, prompt=self.prompt, mask=mask, reference=reference)


def read_dle(folder: Path) -> PublicSet:
    """DLEBench from its folder.

    Raises:
        RecordError: the folder or its list is missing, or a line is not as it should be.
    """
    check_folder(folder, "DLEBench")
    file = folder / LIST
    if not file.is_file():
        raise RecordError(f"{folder} has no {LIST}, so it is not DLEBench: give the folder that holds this file.")
    lines = [(number, line) for number, line in enumerate(read_text(file).splitlines(), 1) if line.strip()]
    items = tuple(read_line(folder, number, line, f"Line {number} of {file}") for number, line in lines)
    return PublicSet(key="dle", title="DLEBench", licence=LICENCE, items=items)


def read_line(folder: Path, number: int, line: str, where: str) -> DleItem:
    entry = read_json(line, where)
    reference = text_of(entry, "reference_image", where)
    instruction = text_of(entry, "edit_operation", where)
    caption, target = str(entry.get("prompt_clean", "")), target_caption(entry)
    return DleItem(
        name=f"{number:04d}-{Path(reference).stem}",  # a picture may have several edits
        image=below(folder / "Source_Images", text_of(entry, "image", where)),
        reference=below(folder / "Reference_Images", reference),
        source=changed_words(caption, target) if caption and target else "",
        prompt=target or instruction,
    )


def target_caption(entry: dict[str, Any]) -> str:
    """The caption of the edited picture; '' where the entry has none."""
    for field, value in entry.items():
        if field.startswith("prompt") and field != "prompt_clean" and isinstance(value, str) and value.strip():
            return value.strip()
    return ""


def edited_region(source: Bytes, reference: Bytes) -> Mask:
    """(H, W) where a reference differs from its source by more than compression, and a little ground around."""
    different = np.abs(source.astype(np.int16) - reference).max(-1) > DIFFERENT
    solid = ndimage.binary_opening(different, np.ones((3, 3), dtype=np.bool_))
    return dilate(solid if solid.any() else different, max(1, round(MARGIN * min(different.shape))))
