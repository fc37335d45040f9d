"""Remove for a session of the web pages: examples, records, removals, replays, and what is shown of them."""

from __future__ import annotations

import importlib.util
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from intarsia.backbones import ModelSource
from intarsia.backbones.segmenters import LoadedSegmenter
from intarsia.errors import RecordError
from intarsia.imaging.read import read_photo
from intarsia.progress import OnProgress
from intarsia.records.remove import RemoveRecord
from intarsia.records.serialize import from_json
from intarsia.results.document import pixel_digest
from intarsia.results.replay import read_replay
from intarsia.tasks.remove import RemoveTaskResult, run_remove
from intarsia.web.canvas import data_url
from intarsia.web.edit_service import in_png
from intarsia.web.field_labels import label
from intarsia.web.result_store import THUMBNAIL, lead_record
from intarsia.web.sessions import Session, SessionStore
from intarsia.web.uploads import Facts, file_url, photo_facts

SCENES = Path(__file__).parents[1] / "demo" / "scenes"
SETTINGS = ("shadows", "grow", "seed")
"""The record's settings that have a control on the page."""


# Examples


@dataclass(frozen=True, kw_only=True)
class Example:
    """A photo for visitors without one at hand, and what could go.

    Attributes:
        title: what is in it.
        photo: its file.
        box: around what is outlined at once, x0, y0, x1, y1 in pixels of the photo.
    """

    title: str
    photo: Path
    box: tuple[float, float, float, float]


def examples() -> tuple[Example, ...]:
    """Photographs where scikit-image is installed, which brings some (public domain or CC0); else drawn scenes."""
    found = importlib.util.find_spec("skimage")
    folder = Path(found.origin).parent / "data" if found is not None and found.origin else Path()
    shown = tuple(example for example in photographs(folder) if example.photo.is_file())
    return shown or (
        Example(title="A bird and a car", photo=SCENES / "bird-and-car.png", box=(1, 30, 37, 54)),
        Example(title="A cat and a plant", photo=SCENES / "cat-and-plant.png", box=(2, 26, 34, 58)),
    )


def photographs(folder: Path) -> tuple[Example, ...]:
    return (
        Example(title="A rocket in the evening", photo=folder / "rocket.jpg", box=(305, 90, 352, 365)),
        Example(title="Coins, one too many", photo=folder / "coins.png", box=(130, 26, 182, 76)),
        Example(title="A cup, and the bowl of its spoon", photo=folder / "coffee.png", box=(315, 235, 405, 330)),
    )


def example_cards() -> list[Facts]:
    """The examples as JSON values: a small picture as a data URL, and a title."""
    cards = []
    for example in examples():
        small = read_photo(example.photo).as_image().convert("RGB")
        small.thumbnail((2 * THUMBNAIL, 2 * THUMBNAIL))
        cards.append({"url": data_url(small, "WEBP"), "title": example.title})
    return cards


def get_example(index: Any) -> Example:
    """The example of a number, counted from 0.

    Raises:
        RecordError: there is none.
    """
    shown = examples()
    if type(index) is not int or not 0 <= index < len(shown):
        raise RecordError("That example is not here any more: reload the page.")
    return shown[index]


# Records


def build_record(photo: Path, mask: Path, settings: Mapping[str, Any]) -> RemoveRecord:
    """The record of a removal that a page asks for.

    Args:
        photo, mask: in the session's folder.
        settings: values of the controls; None and an empty text keep the default.

    Raises:
        RecordError: one is out of range, or not a number where one is needed.
    """
    fields: dict[str, Any] = {"photo": str(photo), "mask": str(mask)}
    for name in SETTINGS:
        value = settings.get(name)
        if isinstance(value, str):
            value = number(name, value) if value.strip() else None
        if value is not None:
            fields[name] = value
    record: RemoveRecord = from_json(RemoveRecord, fields, "the request")
    return record


def number(name: str, text: str) -> float:
    """The number that a text field holds.

    Raises:
        RecordError: it holds something else.
    """
    try:
        return float(text)
    except ValueError:
        raise RecordError(
            f"{label(name)} is {text.strip()[:40]!r}, but must be a number: correct it, or empty it."
        ) from None


# Results


class RemoveService:
    """The work of the tab's events, without its components."""

    def __init__(self, store: SessionStore) -> None:
        self.store = store

    def load_segmenter(self, source: ModelSource) -> LoadedSegmenter:
        return self.store.pool.segmenter(source)

    def remove(self, session: Session, record: RemoveRecord, on_progress: OnProgress) -> Path:
        """Make a removal in a new folder of the session, which is removed if that fails.

        Returns:
            The folder, which `remove_facts` reads.
        """
        folder = session.new_folder("remove")
        try:
            self._run(record, folder, on_progress)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return folder

    def replay(self, session: Session, picture: Path, on_progress: OnProgress) -> bool:
        """Make a result again from its record; whether the same pixels came out."""
        replay = read_replay(picture)
        record = replay.record
        if not isinstance(record, RemoveRecord):
            raise RecordError("This was made in another tab: replay it there.")
        folder = session.new_folder("replay")
        try:
            made = self._run(record, folder, on_progress)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return pixel_digest(made.photo) == replay.output_sha256

    def _run(self, record: RemoveRecord, folder: Path, on_progress: OnProgress) -> RemoveTaskResult:
        """In PNG: what is gone on from, and then from again, must lose nothing on the way."""
        return run_remove(
            in_png(record),
            folder,
            self.store.load,
            self.load_segmenter,
            on_progress=on_progress,
        )


def remove_facts(folder: Path) -> Facts:
    """A removal as JSON values, read from its files."""
    lead = lead_record(folder)
    document = json.loads(lead.read_text(encoding="utf-8"))
    record = document["record"]
    picture, mask = lead.with_suffix(".png"), lead.with_suffix(".mask.png")
    said = [f"Filled {document['gap']['share']:.1%} of the picture in {document['cost']['seconds']:.1f} s."]
    return {
        "folder": folder.name,
        "photo": photo_facts(Path(record["photo"])),
        "picture": file_url(picture),
        "picture_name": picture.name,
        "record": file_url(lead),
        "record_name": lead.name,
        "mask": file_url(mask),
        "mask_name": mask.name,
        "marked": file_url(Path(record["mask"])),
        "box": document["gap"]["box"],
        "facts": " ".join((*said, *document["notes"])),
    }


def photo_of(folder: Path) -> Path:
    """The photo that a removal was made of."""
    record = json.loads(lead_record(folder).read_text(encoding="utf-8"))["record"]
    return Path(record["photo"])
