"""PIE-Bench++: the pictures of PIE-Bench with captions that change several things at once.

The folder, as the set's repository on the Hugging Face hub holds it (UB-CVML-Group/PIE_Bench_pp, its card and its files):

    0_random_140/V1-00000-of-00001.parquet
    1_change_object_80/V1-00000-of-00001.parquet
    ...

A row has `image` (the file's bytes), and as texts `id`, `source_prompt` and `target_prompt` (with brackets, as in
PIE-Bench), `edit_action` and `aspect_mapping` (JSON), `blended_words` (JSON: a list of "source word,target word") and
`mask` (PIE-Bench's runs, with blanks between the numbers). Read with pyarrow (the extra `bench`).

Licence: CC BY-SA 4.0 (stated in the card).
Source: Huang et al., "ParallelEdits", NeurIPS 2024, arXiv:2406.00985.
"""

from __future__ import annotations

import importlib
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from intarsia.errors import MissingExtraError, PictureError, RecordError
from intarsia.evaluate.public_sets.items import PublicSet, WordsCase, check_folder, text_of
from intarsia.evaluate.public_sets.pie import KINDS, Runs, check_runs, decode_mask, source_words, without_brackets
from intarsia.imaging.geometry import Size
from intarsia.imaging.photo import Photo
from intarsia.imaging.read import photo_from_image

LICENCE = "CC BY-SA 4.0"


@dataclass(frozen=True, kw_only=True)
class PiePlusItem:
    """One row of a Parquet file."""

    name: str
    kind: str
    image: bytes
    source: str
    prompt: str
    runs: Runs

    def check(self) -> None:
        with self._opened() as picture:
            check_runs(self.runs, Size(*picture.size), self.name)

    def load(self) -> WordsCase:
        with self._opened() as picture:
            photo: Photo = photo_from_image(picture)
        mask = decode_mask(self.runs, photo.size, self.name)
        return WordsCase(photo=photo, source=self.source, prompt=self.prompt, mask=mask)

    def _opened(self) -> Image.Image:
        try:
            return Image.open(io.BytesIO(self.image), formats=("JPEG", "PNG", "WEBP"))
        except OSError as problem:
            raise PictureError(f"The picture of {self.name} cannot be decoded: copy the set again.") from problem


def is_pie_plus(folder: Path) -> bool:
    """Whether a folder holds Parquet files of PIE-Bench++ rather than PIE-Bench."""
    return next(folder.glob("*/*.parquet"), None) is not None


def read_pie_plus(folder: Path) -> PublicSet:
    """PIE-Bench++ from its folder.

    Raises:
        MissingExtraError: pyarrow is not installed.
        RecordError: the folder or its files are missing, or a row is not as it should be.
    """
    check_folder(folder, "PIE-Bench++")
    try:
        parquet: Any = importlib.import_module("pyarrow.parquet")
    except ImportError:
        raise MissingExtraError(
            "PIE-Bench++ is in Parquet files, for which pyarrow is not installed. Install it with: "
            "pip install 'intarsia[bench]'"
        ) from None
    items: list[PiePlusItem] = []
    for file in sorted(folder.glob("*/*.parquet")):
        try:
            rows = parquet.read_table(file, use_threads=False).to_pylist()
        except (OSError, ValueError) as problem:  # pyarrow's own errors are ValueErrors
            raise RecordError(f"{file} cannot be read as Parquet ({problem}): copy it again.") from problem
        number = file.parent.name.partition("_")[0]
        kind = KINDS.get(number, file.parent.name)
        items += [read_row(row, kind, f"Row {place} of {file}") for place, row in enumerate(rows, 1)]
    return PublicSet(key="pie_plus", title="PIE-Bench++", licence=LICENCE, items=tuple(items))


def read_row(row: dict[str, Any], kind: str, where: str) -> PiePlusItem:
    source, target = (text_of(row, field, where) for field in ("source_prompt", "target_prompt"))
    image = row.get("image")
    data = image.get("bytes") if isinstance(image, dict) else None
    if not isinstance(data, bytes):
        raise RecordError(f"{where} has no picture in it: copy the set again.")
    try:
        runs = tuple(int(number) for number in text_of(row, "mask", where).split())
    except ValueError:
        runs = (0,)
    if len(runs) % 2:
        raise RecordError(f"{where} has no mask of runs (start and length in turn): copy the set again.")
    return PiePlusItem(
        name=Path(text_of(row, "id", where)).name,
        kind=kind,
        image=data,
        source=source_words(source, target, first_blended(row.get("blended_words"))),
        prompt=without_brackets(target),
        runs=runs,
    )


def first_blended(value: object) -> str:
    """The source word of the first pair in '["cat,dog", ...]'; '' where there is none."""
    try:
        pairs = json.loads(str(value))
    except ValueError:
        return ""
    return str(pairs[0]).partition(",")[0].strip() if isinstance(pairs, list) and pairs else ""
