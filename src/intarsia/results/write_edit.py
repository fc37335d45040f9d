"""What an edit leaves on the disk: the picture with its record inside, the record beside it, the blend mask.

Names come from the photo's, never from a prompt. All files of an edit are written, or none.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from intarsia.errors import OutputError, Remedy, Setting
from intarsia.files import check_absent, write_bytes_atomically
from intarsia.imaging.photo import Photo
from intarsia.imaging.write import write_photo
from intarsia.regions.edit import EditResult
from intarsia.results.document import as_json, now, png_text, result_json
from intarsia.results.overlay_edit import draw_overlay
from intarsia.results.staging import check_folder, mask_picture, png, safe_stem, staging


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


def plan_edit(
    photo: Path, folder: Path, *, keep: int = 1, draw_boxes: bool = False, overwrite: bool = False
) -> EditFiles:
    """Choose the names and make sure, before any work, that they can be written.

    Args:
        photo: the picture that is edited; it gives the name and is never overwritten.
        folder: where to write; made when it is missing.
        keep: how many candidates are saved.
        draw_boxes: whether the overlay is saved too.
        overwrite: whether files of these names may be replaced.

    Raises:
        OutputError: a file is in the way, or the folder is a file.
    """
    stem = safe_stem(photo)
    targets = EditFiles(
        picture=folder / f"{stem}.png",
        record=folder / f"{stem}.json",
        mask=folder / f"{stem}.mask.png",
        boxes=folder / f"{stem}.boxes.png" if draw_boxes else None,
        others=tuple(folder / f"{stem}.{k}.png" for k in range(2, keep + 1)),
    )
    check_folder(folder)
    for target in targets.all():
        if target.resolve() == photo.resolve():
            raise OutputError(
                f"{target} is the picture to edit and would be overwritten",
                Remedy("name another folder with ", Setting("out")),
            )
        check_absent(target, overwrite)
    return targets


def write_edit(
    result: EditResult,
    photo: Photo,
    targets: EditFiles,
    *,
    lead: int = 0,
    metadata: bool = True,
    overwrite: bool = False,
) -> tuple[dict[str, Any], tuple[Path, ...]]:
    """Write all files of an edit.

    They are written into a folder of their own first and get their names when all are safe on the disk.

    Args:
        result: the finished edit.
        photo: the picture before it.
        targets: what `plan_edit` chose.
        lead: index of the candidate that becomes `targets.picture`.
        metadata: whether the pictures carry the record.
        overwrite: as it was planned.

    Returns:
        The content of the JSON file, and the files.

    Raises:
        OutputError: a file cannot be written; then none is there.
    """
    order = [lead, *(k for k, c in enumerate(result.candidates) if k != lead and c.photo is not None)]
    pictures = dict(zip((targets.picture, *targets.others), order, strict=False))
    made_at = now()
    facts = result_json(result, photo, lead, made_at)
    with staging(targets.picture.parent, overwrite=overwrite) as stage:
        for target, index in pictures.items():
            candidate = result.candidates[index]
            assert candidate.photo is not None
            text = png_text(result_json(result, photo, index, made_at), result.record, photo) if metadata else None
            write_photo(candidate.photo, stage / target.name, text=text)
        blend = result.candidates[lead].blend
        assert blend is not None
        write_bytes_atomically(stage / targets.mask.name, png(mask_picture(blend)))
        if targets.boxes is not None:
            write_bytes_atomically(stage / targets.boxes.name, png(draw_overlay(photo, result)))
        write_bytes_atomically(stage / targets.record.name, as_json(facts))
        written = tuple(t for t in targets.all() if (stage / t.name).exists())
    return facts, written
