"""The demo's first part: photographs that an installed package ships, edited without a model."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from PIL import Image

from intarsia.demo.page import PhotographRow
from intarsia.files import check_absent, write_bytes_atomically
from intarsia.imaging.read import read_photo
from intarsia.progress import OnProgress
from intarsia.records.arrange import ArrangeRecord
from intarsia.records.remove import RemoveRecord
from intarsia.records.serialize import from_json
from intarsia.results.write_arrange import ArrangeFiles, plan_arrangement
from intarsia.results.write_remove import RemoveFiles, plan_removal
from intarsia.tasks.arrange import run_arrange
from intarsia.tasks.remove import run_remove

PHOTOGRAPHS = Path(__file__).parent / "scenes" / "photographs.json"

MISSING = "Photographs come first here once scikit-image, which ships some, is installed: pip install scikit-image."

CREDITS = {
    "astronaut.png": "Eileen Collins, by NASA; public domain.",
    "coffee.png": "Photograph by Rachel Michetti, courtesy of Pikolo Espresso Bar; CC0.",
    "hubble_deep_field.jpg": "Hubble eXtreme Deep Field, by NASA; public domain.",
    "rocket.jpg": "Falcon 9 with DSCOVR, by SpaceX; public domain.",
}
"""Who made each photograph, and its licence, as the documentation of `skimage.data` states them."""

SETTINGS = ("object", "grow", "move", "to", "scale", "rotate", "flip", "remove", "front", "back")
"""What a command shows, in its order; everything else is left as it is by default."""


@dataclass(frozen=True, kw_only=True)
class PhotographEdit:
    """One edit of a photograph, and the files that it writes.

    Attributes:
        name: of its files.
        before: a copy of the photograph beside them, so that the page can show it.
    """

    title: str
    name: str
    record: RemoveRecord | ArrangeRecord
    targets: RemoveFiles | ArrangeFiles
    before: Path


@dataclass(frozen=True, kw_only=True)
class ShownPhotograph:
    """One edit of a photograph as the sheet and the page show it; its panels are before and after."""

    row: PhotographRow
    panels: tuple[Image.Image, Image.Image]


def photographs_folder() -> Path | None:
    """The folder of scikit-image's photographs; None where it is not installed. The package is not imported."""
    spec = importlib.util.find_spec("skimage")
    if spec is None or spec.origin is None:
        return None
    return Path(spec.origin).parent / "data"


def plan_photographs(out: Path, *, overwrite: bool = False) -> tuple[PhotographEdit, ...]:
    """Choose the files of the edits of photographs; none where no photographs are installed.

    Raises:
        OutputError: one of them is there already.
    """
    folder = photographs_folder()
    if folder is None:
        return ()
    edits = []
    for entry in json.loads(PHOTOGRAPHS.read_text(encoding="utf-8")):
        name, record, targets = entry["name"], *planned(entry, folder, out, overwrite)
        photo = Path(record.photo)
        before = out / f"{photo.stem}.before{photo.suffix}"
        check_absent(before, overwrite)
        edits.append(PhotographEdit(title=entry["title"], name=name, record=record, targets=targets, before=before))
    return tuple(edits)


def planned(
    entry: Mapping[str, Any], folder: Path, out: Path, overwrite: bool
) -> tuple[RemoveRecord | ArrangeRecord, RemoveFiles | ArrangeFiles]:
    """An entry's record, its photograph in a folder, and the files that it writes."""
    if "remove" in entry:
        removal: RemoveRecord = from_json(RemoveRecord, entry["remove"], str(PHOTOGRAPHS))
        removal = dataclasses.replace(removal, photo=str(folder / removal.photo), format="png")
        photo = read_photo(removal.photo)
        return removal, plan_removal(removal, photo, out, name=entry["name"], overwrite=overwrite)
    record: ArrangeRecord = from_json(ArrangeRecord, entry["arrange"], str(PHOTOGRAPHS))
    record = dataclasses.replace(record, photo=str(folder / record.photo), models="pocket", format="png")
    return record, plan_arrangement(record, out, name=entry["name"], overwrite=overwrite)


def run_photographs(
    edits: tuple[PhotographEdit, ...], out: Path, *, overwrite: bool, watch: Callable[[str], OnProgress | None]
) -> list[ShownPhotograph]:
    """Make every edit as the commands do. No model is loaded.

    Args:
        watch: gives what is told of the progress of a named edit.

    Raises:
        OutputError: a file cannot be written.
    """
    shown, copied = [], set()
    for edit in edits:
        result, seconds, after = run_one(edit, out, overwrite=overwrite, on_progress=watch(edit.name))
        photo = Path(edit.record.photo)
        if edit.before not in copied:
            write_bytes_atomically(edit.before, photo.read_bytes(), overwrite)
            copied.add(edit.before)
        row = PhotographRow(
            title=edit.title,
            command=command_of(edit.record),
            facts=(f"{seconds:.1f} s", "no model was used"),
            credit=CREDITS[photo.name],
            before=edit.before.name,
            after=after.name,
            record=edit.targets.record.name,
        )
        shown.append(ShownPhotograph(row=row, panels=(read_photo(photo).as_image(), result)))
    return shown


def run_one(
    edit: PhotographEdit, out: Path, *, overwrite: bool, on_progress: OnProgress | None
) -> tuple[Image.Image, float, Path]:
    """Returns: the edited photograph, how long its edit took in seconds, and its file."""
    if isinstance(edit.record, RemoveRecord):
        removal = run_remove(
            edit.record,
            out,
            no_backbones,
            no_segmenter,
            name=edit.name,
            overwrite=overwrite,
            on_progress=on_progress,
        )
        return removal.photo.as_image(), removal.result.cost.seconds, removal.saved.files.picture
    arranged = run_arrange(
        edit.record,
        out,
        no_backbones,
        no_segmenter,
        name=edit.name,
        overwrite=overwrite,
        cached=False,
        on_progress=on_progress,
    )
    return arranged.photo.as_image(), arranged.result.cost.seconds, arranged.saved.files.picture


def no_backbones(source: str) -> NoReturn:
    """What loads the models of these edits: they have none."""
    raise AssertionError(f"an edit of a photograph asked for the models {source}")


def no_segmenter(source: object) -> NoReturn:
    """What loads their segmenter: their objects are marked by hand."""
    raise AssertionError(f"an edit of a photograph asked for the segmenter {source}")


def command_of(record: RemoveRecord | ArrangeRecord) -> str:
    """What one would type for it, beside the photograph."""
    words = ["intarsia", "remove" if isinstance(record, RemoveRecord) else "arrange", Path(record.photo).name]
    for name in SETTINGS:
        if value := getattr(record, name, ()):
            words += [f"--{name}", *(value if isinstance(value, tuple) else [str(value)])]
    return shlex.join(words)
