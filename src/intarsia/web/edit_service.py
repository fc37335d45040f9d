"""Edit by words for a session: records, edits, replays, and what is shown meanwhile."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from intarsia.backbones.catalog import CATALOG, REDIRECTS
from intarsia.backbones.resolve import resolve
from intarsia.errors import RecordError
from intarsia.imaging.geometry import Size
from intarsia.imaging.tensors import resize_to_photo
from intarsia.progress import OnProgress
from intarsia.records.added_files import ADDED
from intarsia.records.edit import EditRecord
from intarsia.records.serialize import from_json
from intarsia.regions.events import AnalysisEvent, Preview
from intarsia.results.document import pixel_digest
from intarsia.results.overlay_edit import TINT
from intarsia.results.replay import read_replay
from intarsia.tasks.edit import run_edit
from intarsia.tasks.options import Files
from intarsia.web.result_store import in_png, passing_folder, result_in, write_other_records
from intarsia.web.sessions import Session, SessionStore
from intarsia.web.uploads import file_url
from intarsia.web.work import OnIntermediate

BEST = 8
"""Previews of a round that are shown."""
HEATMAP_SIDE = 256
"""Longer side of the map of relevance on the page, in pixels; the map is smooth anyway."""
SERVER_FIELDS = ("mask", "protect", "regions", *ADDED)
"""Fields of a record that name files of the server: visitors cannot set them."""


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


# Intermediate results


class PageObserver:
    """An observer of an edit: writes its intermediate results as small pictures for the page.

    Args:
        folder: to write to; made when first needed.
        on_intermediate: called with what the page shows meanwhile, as JSON values.
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
        The folder.
    """
    with result_in(session, "edit") as folder:
        run_edit(
            in_png(record),
            folder,
            Files(draw_boxes=True),
            store.load,
            on_progress=on_progress,
            observer=PageObserver(folder / "seen", on_intermediate),
        )
        write_other_records(folder)
    return folder


def run_session_replay(session: Session, store: SessionStore, result: Path, on_progress: OnProgress) -> bool:
    """Make a result again from its record; whether the same pixels came out."""
    replay = read_replay(result)
    assert isinstance(replay.record, EditRecord), "of an edit's folder"
    record = dataclasses.replace(replay.record, models=resolve_models(store, replay.record.models), **store.added)
    with passing_folder(session, "replay") as folder:
        made = run_edit(in_png(record), folder, Files(), store.load, lead=replay.index, on_progress=on_progress)
    return pixel_digest(made.photo) == replay.output_sha256
