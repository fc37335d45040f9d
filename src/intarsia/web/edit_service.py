"""Edit by words for a session of the web pages: examples, records, edits, replays, and what is shown meanwhile."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from intarsia.backbones.catalog import CATALOG, REDIRECTS
from intarsia.backbones.resolve import resolve
from intarsia.errors import RecordError
from intarsia.imaging.geometry import Size
from intarsia.imaging.read import read_photo
from intarsia.imaging.tensors import resize_to_photo
from intarsia.progress import OnProgress
from intarsia.records.added_files import ADDED
from intarsia.records.edit import EditRecord
from intarsia.records.inputs import AnyRecord
from intarsia.records.serialize import from_json
from intarsia.regions.events import AnalysisEvent, Preview
from intarsia.results.document import pixel_digest
from intarsia.results.overlay_edit import TINT
from intarsia.results.replay import read_replay
from intarsia.tasks.edit import run_edit
from intarsia.tasks.options import Files
from intarsia.web.canvas import data_url
from intarsia.web.result_store import BEST, THUMBNAIL, write_other_records
from intarsia.web.sessions import Session, SessionStore
from intarsia.web.uploads import Facts, file_url
from intarsia.web.work import OnIntermediate

HEATMAP_SIDE = 256
"""Longer side of the map of relevance on the page, in pixels; the map is smooth anyway."""
SERVER_FIELDS = ("mask", "protect", "regions", *ADDED)
"""Fields of a record that name files of the server: visitors cannot set them."""
SCENES = Path(__file__).parents[1] / "demo" / "scenes"


# Examples


@dataclass(frozen=True, kw_only=True)
class Example:
    """An edit for visitors without a photo at hand.

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
"""Each comes out well on the pocket models with the page's default settings."""


def example_cards() -> list[Facts]:
    """The examples as JSON values: a small picture as a data URL, and the words."""
    cards = []
    for example in EXAMPLES:
        small = read_photo(example.photo).as_image()
        small.thumbnail((THUMBNAIL, THUMBNAIL))
        cards.append({"url": data_url(small, "WEBP"), "source": example.source, "prompt": example.prompt})
    return cards


def get_example(index: Any) -> Example:
    """The example of a number, counted from 0.

    Raises:
        RecordError: there is none.
    """
    if type(index) is not int or not 0 <= index < len(EXAMPLES):
        raise RecordError("That example is not here any more: reload the page.")
    return EXAMPLES[index]


# Records


def build_record(
    photo: Path,
    settings: Mapping[str, Any],
    store: SessionStore,
    box: Any = None,
    mask: Path | None = None,
    protect: Path | None = None,
) -> EditRecord:
    """The record of an edit that a page asks for.

    Args:
        photo: goes before a photo in the settings.
        settings: fields of an `EditRecord` as JSON values.
        store: whose networks may be chosen.
        box: four edges in pixels of the photo, as the page sent them; None to search.
        mask: that the visitor painted, in the session's folder; None without.
        protect: the same for what stays as it is.

    Raises:
        RecordError: a setting is unknown, of a wrong kind or out of range, or names a file of this machine or
            networks that it does not offer.
    """
    for name in SERVER_FIELDS:
        if settings.get(name) not in (None, [], ()):
            raise RecordError(f"{name} names a file of the server, which visitors cannot choose: leave it out.")
    fields = {
        **settings,
        "photo": str(photo),
        "models": resolve_models(store, settings.get("models")),
        **store.added,
    }
    if box is not None:
        fields["box"] = box
    if mask is not None:
        fields["mask"] = str(mask)
    if protect is not None:
        fields["protect"] = str(protect)
    record: EditRecord = from_json(EditRecord, fields, "the request")
    return record


def resolve_models(store: SessionStore, models: Any) -> str:
    """The choice of networks that a page or record names.

    Args:
        models: a choice, or the name that records give it; "auto" and None stand for the default.

    Raises:
        RecordError: it is not offered.
    """
    if models in (None, "", "auto"):
        return store.models
    for choice in store.choices:
        if models in (choice, recorded_name(choice)):
            return choice
    known = ", ".join(models_label(choice) for choice in store.choices)
    raise RecordError(
        f"models is {str(models)[:100]!r}, which is not offered here: leave it out, or choose one of {known}."
    )


def recorded_name(choice: str) -> str:
    """The name that records give to a choice: paths are absolute; "auto", and a hub id that is gone, are what they
    resolve to."""
    if choice == "auto" or choice.partition("@")[0] in REDIRECTS:
        return resolve(choice).name
    return str(Path(choice).resolve()) if choice not in CATALOG and Path(choice).exists() else choice


def models_label(choice: str) -> str:
    """A choice of networks as visitors read it: of a file or folder, the name alone."""
    return Path(choice).name if choice not in CATALOG and Path(choice).exists() else choice


def next_seed(seed: int, keep: int, boxed: bool) -> int:
    """The next seed with unused noise: in a given box, each kept picture has used one."""
    return seed + (keep if boxed else 1)


# Intermediate results


class PageObserver:
    """An observer of an edit: writes its intermediate results as small pictures for the page.

    Args:
        folder: to write to; made when first needed.
        on_intermediate: called with changes of the tab's state, as JSON values.
    """

    def __init__(self, folder: Path, on_intermediate: OnIntermediate) -> None:
        self.folder, self.on_intermediate, self.rounds = folder, on_intermediate, 0

    def on_analysis(self, seen: AnalysisEvent) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self.folder / "look.png"
        heatmap_image(seen.saliency if seen.relevance is None else seen.relevance).save(file)
        facts = {"url": file_url(file), "anchors": [[round(a.x, 1), round(a.y, 1)] for a in seen.anchors]}
        self.on_intermediate({"look": facts})

    def on_round(self, previews: Sequence[Preview]) -> None:
        self.rounds += 1
        best = []
        for k, preview in enumerate(previews[:BEST]):
            file = self.folder / f"round-{self.rounds}-{k + 1}.jpg"
            height, width = preview.picture.shape[-2:]
            Image.fromarray(resize_to_photo(preview.picture, Size(width, height))).save(file, quality=88)
            best.append(
                {
                    "url": file_url(file),
                    "box": [round(edge, 1) for edge in preview.box.as_tuple()],
                    "score": round(preview.score, 3),
                    "steps": preview.steps,
                }
            )
        self.on_intermediate({"round": {"number": self.rounds, "of": len(previews), "best": best}})


def heatmap_image(heat: np.ndarray) -> Image.Image:
    """The map as RGBA, more opaque where it is higher."""
    heat = np.asarray(heat, np.float32)
    heat = (heat - heat.min()) / max(float(heat.max() - heat.min()), 1e-12)
    alpha = Image.fromarray((heat * 190).astype(np.uint8))
    height, width = heat.shape
    scale = HEATMAP_SIDE / max(width, height)
    alpha = alpha.resize((max(1, round(width * scale)), max(1, round(height * scale))), Image.Resampling.BICUBIC)
    glow = Image.new("RGBA", alpha.size, (*TINT, 0))
    glow.putalpha(alpha)
    return glow


# Results


def run_session_edit(
    session: Session, store: SessionStore, record: EditRecord, on_progress: OnProgress, on_intermediate: OnIntermediate
) -> Path:
    """Make an edit in a new folder of the session, which is removed if that fails; in PNG, to go on from without loss.

    Returns:
        The folder, which `result_facts` reads.
    """
    folder = session.new_folder("edit")
    try:
        run_edit(
            in_png(record),
            folder,
            Files(draw_boxes=True),
            store.load,
            on_progress=on_progress,
            observer=PageObserver(folder / "seen", on_intermediate),
        )
        write_other_records(folder)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return folder


def in_png(record: AnyRecord) -> AnyRecord:
    """The record of a result that is kept without loss; visitors choose the format when they fetch it."""
    return dataclasses.replace(record, format="png", quality=None)


def run_session_replay(session: Session, store: SessionStore, result: Path, on_progress: OnProgress) -> bool:
    """Make a result again from its record; whether the same pixels came out."""
    replay = read_replay(result, None)
    if not isinstance(replay.record, EditRecord):
        raise RecordError("This was made by layout: replay it in that tab.")
    record = dataclasses.replace(replay.record, models=resolve_models(store, replay.record.models), **store.added)
    folder = session.new_folder("replay")
    try:
        made = run_edit(in_png(record), folder, Files(), store.load, lead=replay.index, on_progress=on_progress)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return pixel_digest(made.photo) == replay.output_sha256
