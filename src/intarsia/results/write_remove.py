"""Files of a removal: the picture with its record inside, the record beside it, the mask of what was replaced."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from intarsia.files import write_bytes_atomically
from intarsia.imaging.metadata import EDITED, TRAINED
from intarsia.imaging.photo import Photo
from intarsia.layout.remove import RemoveResult
from intarsia.notes import collected
from intarsia.progress import tick
from intarsia.records.inputs import input_files
from intarsia.records.remove import RemoveRecord
from intarsia.results.document import as_json, now, remove_json, remove_png_text, rounds_of_notes
from intarsia.results.picture_format import ending_of, write_result
from intarsia.results.staging import png, staging
from intarsia.results.targets import check_targets, choose_stem

NO_NETWORK = ("auto", "patch", "membrane")
"""Fills that no model was trained for."""


@dataclass(frozen=True, kw_only=True)
class RemoveFiles:
    """The files that one removal writes.

    Attributes:
        picture: without what was removed.
        record: how it came about, as JSON.
        mask: white where pixels were replaced; black = untouched.
    """

    picture: Path
    record: Path
    mask: Path

    def all(self) -> tuple[Path, ...]:
        return (self.picture, self.record, self.mask)

    def as_json(self) -> dict[str, Any]:
        """The files' names by their kinds."""
        return {"picture": str(self.picture), "record": str(self.record), "mask": str(self.mask)}


@dataclass(frozen=True, kw_only=True)
class SavedRemoval:
    """A removal on the disk.

    Attributes:
        files: that were written.
        document: the content of the JSON file.
    """

    files: RemoveFiles
    document: dict[str, Any]

    @property
    def summary(self) -> dict[str, Any]:
        """The document, with the files' names."""
        return {"files": self.files.as_json(), **self.document}


def plan_removal(
    record: RemoveRecord, photo: Photo, folder: Path, *, name: str = "", overwrite: bool = False
) -> RemoveFiles:
    """Choose the names and make sure, before any work, that they can be written.

    Args:
        record: its photo gives the name, where none is given; no file of it is overwritten.
        photo: the picture, whose format may be kept.
        folder: where to write; made when it is missing.
        name: of the files.
        overwrite: whether files of these names may be replaced.

    Raises:
        OutputError: the name is none, a file is in the way, nothing can be written there, or the format cannot hold
            the picture.
    """
    stem = choose_stem(Path(record.photo), folder, name=name)
    targets = RemoveFiles(
        picture=folder / f"{stem}{ending_of(record, photo)}",
        record=folder / f"{stem}.json",
        mask=folder / f"{stem}.mask.png",
    )
    inputs: dict[str | Path, str] = dict.fromkeys(input_files(record).values(), "what the removal is made from")
    check_targets(targets.all(), inputs, overwrite=overwrite)
    return targets


def write_removal(
    result: RemoveResult, targets: RemoveFiles, *, metadata: bool = True, overwrite: bool = False
) -> SavedRemoval:
    """Write all files of a removal, or none.

    Args:
        result: the finished removal.
        targets: what `plan_removal` chose.
        metadata: whether the picture carries the record.
        overwrite: as it was planned.

    Raises:
        OutputError: a file cannot be written; then none is there.
    """
    document = remove_json(result, now(), picture=targets.picture.name)
    replaced = Image.fromarray((result.blend > 0).astype(np.uint8) * 255)
    source = EDITED if result.record.fill in NO_NETWORK else TRAINED
    with collected() as said, staging(targets.picture.parent, overwrite=overwrite) as stage:
        for _ in rounds_of_notes(document, said, in_pictures=metadata):
            text = remove_png_text(document, result) if metadata else None
            tick(0.2)
            write_result(result.photo, stage / targets.picture.name, result.record, text=text, source=source)
        tick(0.8)
        write_bytes_atomically(stage / targets.mask.name, png(replaced))
        write_bytes_atomically(stage / targets.record.name, as_json(document))
    return SavedRemoval(files=targets, document=document)
