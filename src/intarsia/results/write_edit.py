"""Files of an edit by words: the picture with its record inside, the record beside it, the blend mask.

Names come from the photo's, never from a prompt. All files of an edit are written, or none.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from intarsia.files import write_bytes_atomically
from intarsia.notes import collected
from intarsia.regions.edit import EditResult
from intarsia.results.document import as_json, edit_json, edit_png_text, now, rounds_of_notes
from intarsia.results.overlay_edit import draw_overlay
from intarsia.results.picture_format import write_result
from intarsia.results.staging import mask_picture, png, staging
from intarsia.results.targets import check_targets, choose_stem


@dataclass(frozen=True, kw_only=True)
class EditFiles:
    """The files that one edit writes.

    Attributes:
        picture: the edited picture.
        record: how it came about, as JSON.
        mask: where it was changed; black = untouched.
        boxes: the picture that shows where it looked; None when it was not asked for.
        others: further candidates, best first.
    """

    picture: Path
    record: Path
    mask: Path
    boxes: Path | None
    others: tuple[Path, ...]

    def all(self) -> tuple[Path, ...]:
        return (self.picture, self.record, self.mask, *((self.boxes,) if self.boxes else ()), *self.others)

    def as_json(self) -> dict[str, Any]:
        """The files' names by their kinds."""
        return {
            "picture": str(self.picture),
            "record": str(self.record),
            "mask": str(self.mask),
            "boxes": str(self.boxes) if self.boxes else None,
            "others": [str(p) for p in self.others],
        }


@dataclass(frozen=True, kw_only=True)
class SavedEdit:
    """An edit on the disk.

    Attributes:
        files: that were written; of `others`, those whose candidates were painted to the end.
        document: the content of the JSON file.
    """

    files: EditFiles
    document: dict[str, Any]

    @property
    def summary(self) -> dict[str, Any]:
        """The document, with the files' names."""
        return {"files": self.files.as_json(), **self.document}


def plan_edit(
    photo: Path,
    folder: Path,
    *,
    name: str = "",
    keep: int = 1,
    ending: str = ".png",
    draw_boxes: bool = False,
    inputs: Iterable[str] = (),
    overwrite: bool = False,
) -> EditFiles:
    """Choose the names and make sure, before any work, that they can be written.

    Args:
        photo: the picture that is edited; it gives the name, where none is given, and is never overwritten.
        folder: where to write; made when it is missing.
        name: of the files.
        keep: how many candidates are saved.
        ending: of the pictures' names, as `choose_ending` gives it.
        draw_boxes: whether the overlay is saved too.
        inputs: further files that the edit is made from, none of which is overwritten either.
        overwrite: whether files of these names may be replaced.

    Raises:
        OutputError: the name is none, a file is in the way, or nothing can be written there.
    """
    stem = choose_stem(photo, folder, name=name)
    targets = EditFiles(
        picture=folder / f"{stem}{ending}",
        record=folder / f"{stem}.json",
        mask=folder / f"{stem}.mask.png",
        boxes=folder / f"{stem}.boxes.png" if draw_boxes else None,
        others=tuple(folder / f"{stem}.{k}{ending}" for k in range(2, keep + 1)),
    )
    given: dict[str | Path, str] = dict.fromkeys(inputs, "what the edit is made from")
    given[str(photo)] = "the picture to edit"
    check_targets(targets.all(), given, overwrite=overwrite)
    return targets


def write_edit(
    result: EditResult,
    targets: EditFiles,
    *,
    lead: int = 0,
    metadata: bool = True,
    overwrite: bool = False,
) -> SavedEdit:
    """Write all files of an edit.

    They are written into a folder of their own first and get their names when all are safe on the disk.

    Args:
        result: the finished edit.
        targets: what `plan_edit` chose.
        lead: index of the candidate that becomes `targets.picture`.
        metadata: whether the pictures carry the record.
        overwrite: as it was planned.

    Raises:
        OutputError: a file cannot be written; then none is there.
    """
    order = [lead, *(k for k, c in enumerate(result.candidates) if k != lead and c.photo is not None)]
    pictures = dict(zip((targets.picture, *targets.others), order, strict=False))
    files = replace(targets, others=tuple(target for target in targets.others if target in pictures))
    made_at = now()
    document = {**edit_json(result, lead, made_at), "picture": targets.picture.name}
    with collected() as said, staging(targets.picture.parent, overwrite=overwrite) as stage:
        for notes in rounds_of_notes(document, said, in_pictures=metadata):
            for target, index in pictures.items():
                candidate = result.candidates[index]
                assert candidate.photo is not None
                shown = {**edit_json(result, index, made_at), "notes": notes, "picture": target.name}
                text = edit_png_text(shown, result) if metadata else None
                write_result(candidate.photo, stage / target.name, result.record, text=text)
        blend = result.candidates[lead].blend
        assert blend is not None
        write_bytes_atomically(stage / targets.mask.name, png(mask_picture(blend)))
        if targets.boxes is not None:
            write_bytes_atomically(stage / targets.boxes.name, png(draw_overlay(result.original, result)))
        write_bytes_atomically(stage / targets.record.name, as_json(document))
    return SavedEdit(files=files, document=document)
