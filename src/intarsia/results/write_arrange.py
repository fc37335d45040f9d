"""Files of an edit by layout: the picture with its record inside, the record beside it, blend mask and layouts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from intarsia.files import write_bytes_atomically
from intarsia.layout.edit import ArrangeResult
from intarsia.notes import collected
from intarsia.progress import tick
from intarsia.records.arrange import ArrangeRecord
from intarsia.records.inputs import input_files
from intarsia.records.scene_folder import own_name
from intarsia.results.document import arrange_json, arrange_png_text, as_json, now, pixel_digest, rounds_of_notes
from intarsia.results.overlay_arrange import colours_of, layout_sheet
from intarsia.results.picture_format import write_result
from intarsia.results.staging import mask_picture, png, staging
from intarsia.results.targets import check_targets, choose_stem


@dataclass(frozen=True, kw_only=True)
class ArrangeFiles:
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

    def as_json(self) -> dict[str, Any]:
        """The files' names by their kinds."""
        return {
            "picture": str(self.picture),
            "record": str(self.record),
            "mask": str(self.mask),
            "layout": str(self.layout),
            "others": [str(p) for p in self.others],
        }


@dataclass(frozen=True, kw_only=True)
class SavedArrangement:
    """An arrangement on the disk.

    Attributes:
        files: that were written.
        document: the content of the JSON file.
    """

    files: ArrangeFiles
    document: dict[str, Any]

    @property
    def summary(self) -> dict[str, Any]:
        """The document, with the files' names."""
        return {"files": self.files.as_json(), **self.document}


def plan_arrangement(
    record: ArrangeRecord, folder: Path, *, name: str = "", ending: str = ".png", overwrite: bool = False
) -> ArrangeFiles:
    """Choose the names and make sure, before any work, that they can be written.

    Args:
        record: its photo gives the name, where none is given, and is never overwritten.
        folder: where to write; made when it is missing.
        name: of the files.
        ending: of the pictures' names, as `choose_ending` gives it.
        overwrite: whether files of these names may be replaced.

    Raises:
        OutputError: the name is none, a file is in the way, or nothing can be written there.
    """
    photo = Path(record.photo)
    stem = choose_stem(photo, folder, own=own_name(photo), name=name)
    targets = ArrangeFiles(
        picture=folder / f"{stem}{ending}",
        record=folder / f"{stem}.json",
        mask=folder / f"{stem}.mask.png",
        layout=folder / f"{stem}.layout.png",
        others=tuple(folder / f"{stem}.{k}{ending}" for k in range(2, record.seeds + 1)),
    )
    inputs: dict[str | Path, str] = dict.fromkeys(input_files(record).values(), "what the edit is made from")
    check_targets(targets.all(), inputs, overwrite=overwrite)
    return targets


def write_arrangement(
    result: ArrangeResult, targets: ArrangeFiles, *, lead: int = 0, metadata: bool = True, overwrite: bool = False
) -> SavedArrangement:
    """Write all files of an arrangement, or none.

    Args:
        result: the finished edit.
        targets: what `plan_arrangement` chose.
        lead: index of the seed whose picture becomes `targets.picture`.
        metadata: whether the pictures carry the record.
        overwrite: as it was planned.

    Raises:
        OutputError: a file cannot be written; then none is there.
    """
    order = [lead, *(k for k in range(len(result.pictures)) if k != lead)]
    pictures = dict(zip((targets.picture, *targets.others), order, strict=True))
    document = {**arrange_json(result, lead, now()), "picture": targets.picture.name}
    with collected() as said, staging(targets.picture.parent, overwrite=overwrite) as stage:
        for notes in rounds_of_notes(document, said, in_pictures=metadata):
            for target, index in pictures.items():
                made = result.pictures[index]
                own = {
                    "chosen": index,
                    "seed": made.seed,
                    "output_sha256": pixel_digest(made.photo),
                    "notes": notes,
                    "picture": target.name,
                }
                shown = {**document, **own}
                text = arrange_png_text(shown, result) if metadata else None
                tick(0.1)
                write_result(made.photo, stage / target.name, result.record, text=text)
        tick(0.45)
        chosen = result.pictures[lead]
        write_bytes_atomically(stage / targets.mask.name, png(mask_picture(chosen.blend)))
        tick(0.6)
        colours = colours_of(result.scene.names, result.record.colours)
        sheet = layout_sheet(result.scene, result.layout, chosen.photo, colours)
        tick(0.9)
        write_bytes_atomically(stage / targets.layout.name, png(sheet))
        write_bytes_atomically(stage / targets.record.name, as_json(document))
    return SavedArrangement(files=targets, document=document)
