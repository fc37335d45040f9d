"""Edit by words for the web page: photos that come in, what is shown meanwhile, results that are found again."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from intarsia.backbones.catalog import CATALOG
from intarsia.backbones.resolve import resolve
from intarsia.errors import RecordError
from intarsia.imaging.geometry import Size
from intarsia.imaging.photo import resize_to_photo
from intarsia.imaging.read import read_photo
from intarsia.progress import OnProgress
from intarsia.records.edit import EditRecord
from intarsia.records.serialize import from_json
from intarsia.regions.events import AnalysisEvent, Preview
from intarsia.results.document import pixel_digest
from intarsia.results.overlay_edit import TINT
from intarsia.results.replay import read_replay
from intarsia.tasks.edit import run_edit
from intarsia.tasks.options import Files
from intarsia.web.canvas import as_url
from intarsia.web.result_store import BEST, THUMBNAIL, write_other_records
from intarsia.web.sessions import Session, SessionStore
from intarsia.web.uploads import Facts, address
from intarsia.web.work import Show

LARGEST_MAP = 256
"""Side of the map of relevance on the page, pixels; it is smooth anyway."""
OF_THIS_MACHINE = ("mask", "regions")
"""Fields of a record that name files here: no visitor says them."""
SCENES = Path(__file__).parents[1] / "demo" / "scenes"


# Examples


@dataclass(frozen=True, kw_only=True)
class Example:
    """An edit for whoever has no photo at hand.

    Attributes:
        photo: a scene that ships with the package; any checkpoint can read it, and the pocket models can paint in it.
        source, prompt: what is there, and what it becomes.
    """

    photo: Path
    source: str
    prompt: str


EXAMPLES = (
    Example(photo=SCENES / "bird-and-car.png", source="car", prompt="a house"),
    Example(photo=SCENES / "dog-and-plant.png", source="plant", prompt="a cake"),
    Example(photo=SCENES / "cat-and-house.png", source="house", prompt="a car"),
    Example(photo=SCENES / "cat-and-plant.png", source="plant", prompt="a tree"),
)
"""Each comes out well on the pocket models with the settings that the page begins with."""


def example_facts() -> list[Facts]:
    """The examples as cards: a small picture inside its address, and the words."""
    shown = []
    for example in EXAMPLES:
        small = read_photo(example.photo).as_image()
        small.thumbnail((THUMBNAIL, THUMBNAIL))
        shown.append({"url": as_url(small, "WEBP"), "source": example.source, "prompt": example.prompt})
    return shown


def example_of(index: Any) -> Example:
    """The example of that number, counted from 0.

    Raises:
        RecordError: there is none.
    """
    if type(index) is not int or not 0 <= index < len(EXAMPLES):
        raise RecordError("That example is not here any more: reload the page.")
    return EXAMPLES[index]


# Records


def record_of(photo: Path, settings: Mapping[str, Any], room: SessionStore, box: Any = None) -> EditRecord:
    """The record of what a page asks for.

    Args:
        photo: the visitor's photo, whatever the settings say.
        settings: fields of an `EditRecord` as JSON values.
        room: whose networks may be asked for.
        box: four edges in pixels of the photo, as the page says them; None to search.

    Raises:
        RecordError: a setting is unknown, of a wrong kind or out of range, or names a file of this machine or
            networks that it does not offer.
    """
    for name in OF_THIS_MACHINE:
        if settings.get(name) is not None:
            raise RecordError(f"{name} names a file of the server, which visitors cannot choose: leave it out.")
    fields = {**settings, "photo": str(photo), "models": offered(room, settings.get("models"))}
    if box is not None:
        fields["box"] = box
    record: EditRecord = from_json(EditRecord, fields, "the request")
    return record


def offered(room: SessionStore, models: Any) -> str:
    """Which of the operator's choices is meant.

    Args:
        models: a choice, or what a record says that was made with one; "auto" and None leave it to the operator.

    Raises:
        RecordError: it is none of them.
    """
    if models in (None, "", "auto"):
        return room.models
    for choice in room.choices:
        if models in (choice, recorded(choice)):
            return choice
    known = ", ".join(models_label(choice) for choice in room.choices)
    raise RecordError(
        f"models is {str(models)[:100]!r}, which is not offered here: leave it out, or choose one of {known}."
    )


def recorded(choice: str) -> str:
    """What records say of networks that an operator names so: whole paths, and what "auto" has found."""
    if choice == "auto":
        return resolve(choice).name
    return str(Path(choice).resolve()) if choice not in CATALOG and Path(choice).exists() else choice


def models_label(choice: str) -> str:
    """A choice of networks as visitors read it: of a file or folder, where it lies is nobody's business."""
    return Path(choice).name if choice not in CATALOG and Path(choice).exists() else choice


def next_seed(seed: int, keep: int, boxed: bool) -> int:
    """A seed whose noise was not used yet: in a given box, each kept picture has its own."""
    return seed + (keep if boxed else 1)


# What is shown meanwhile


class PageObserver:
    """Watches an edit and writes what it sees as small pictures for the page.

    Args:
        folder: to write to; made when first needed.
        show: told facts for the page.
    """

    def __init__(self, folder: Path, show: Show) -> None:
        self.folder, self.show, self.rounds = folder, show, 0

    def on_analysis(self, seen: AnalysisEvent) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self.folder / "look.png"
        heat_picture(seen.saliency if seen.relevance is None else seen.relevance).save(file)
        facts = {"url": address(file), "anchors": [[round(a.x, 1), round(a.y, 1)] for a in seen.anchors]}
        self.show({"look": facts})

    def on_round(self, previews: Sequence[Preview]) -> None:
        self.rounds += 1
        shown = []
        for k, preview in enumerate(previews[:BEST]):
            file = self.folder / f"round-{self.rounds}-{k + 1}.jpg"
            height, width = preview.picture.shape[-2:]
            Image.fromarray(resize_to_photo(preview.picture, Size(width, height))).save(file, quality=88)
            shown.append(
                {
                    "url": address(file),
                    "box": [round(edge, 1) for edge in preview.box.as_tuple()],
                    "score": round(preview.score, 3),
                    "steps": preview.steps,
                }
            )
        self.show({"round": {"number": self.rounds, "of": len(previews), "best": shown}})


def heat_picture(heat: np.ndarray) -> Image.Image:
    """RGBA: a glow, the stronger the higher the map."""
    heat = np.asarray(heat, np.float32)
    heat = (heat - heat.min()) / max(float(heat.max() - heat.min()), 1e-12)
    alpha = Image.fromarray((heat * 190).astype(np.uint8))
    height, width = heat.shape
    scale = LARGEST_MAP / max(width, height)
    alpha = alpha.resize((max(1, round(width * scale)), max(1, round(height * scale))), Image.Resampling.BICUBIC)
    glow = Image.new("RGBA", alpha.size, (*TINT, 0))
    glow.putalpha(alpha)
    return glow


# Results


def edit_for(visit: Session, room: SessionStore, record: EditRecord, on_progress: OnProgress, show: Show) -> Path:
    """Make an edit into a folder of the visitor's; nothing stays of one that fails.

    Returns:
        The folder, which `result_facts` reads.
    """
    folder = visit.new_folder("edit")
    try:
        run_edit(
            record,
            folder,
            Files(draw_boxes=True),
            room.load,
            on_progress=on_progress,
            observer=PageObserver(folder / "seen", show),
        )
        write_other_records(folder)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return folder


def replay_for(visit: Session, room: SessionStore, result: Path, on_progress: OnProgress) -> bool:
    """Make a result of the visitor's again, and say whether the same pixels came out."""
    replay = read_replay(result, None)
    if not isinstance(replay.record, EditRecord):
        raise RecordError("This was made by layout: replay it in that tab.")
    record = dataclasses.replace(replay.record, models=offered(room, replay.record.models))
    folder = visit.new_folder("replay")
    try:
        made = run_edit(record, folder, Files(), room.load, lead=replay.index, on_progress=on_progress)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return pixel_digest(made.photo) == replay.output_sha256
