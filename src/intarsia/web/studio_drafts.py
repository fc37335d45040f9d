"""Drafts: each photo of a visitor with all of its results, in a folder of the session, so that no reload loses them."""

from __future__ import annotations

import contextlib
import functools
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from intarsia.errors import RecordError
from intarsia.files import write_bytes_atomically
from intarsia.imaging.photo import Photo
from intarsia.imaging.read import open_image, read_photo
from intarsia.web.result_store import picture_of
from intarsia.web.sessions import Session
from intarsia.web.uploads import Facts, file_url, photo_facts

DRAFT = re.compile(r"draft-\d{4,}")
FILE, THUMB_FILE = "draft.json", "thumb.jpg"
"""Files of a draft's folder."""
THUMB = 240
"""Longer side of a small picture, in pixels: twice its place, for fine screens."""
MOST_SAVED = 4 << 20
"""Bytes that a page may have kept with a draft."""
MOST_NAME = 120
"""Characters of a photo's name."""
KEPT_PIXELS = 30_000_000
"""Pixels up to which a photo stays decoded for the next click on it."""


@dataclass
class Draft:
    """A photo and what was made of it.

    Attributes:
        folder: of the draft, whose name is its id.
        name: of the photo's file, as the visitor knows it.
        photo: its file, in the session's folder.
        original: its facts, as the page shows them.
        format: of its file, "JPEG".
        suggest: what may be tried with an example.
        steps: facts of the results, in the order of their making.
        scenes: cut-out objects, by the names of their folders: the step that each was cut out of.
        saved: what the page had kept; JSON values.
    """

    folder: Path
    name: str
    photo: Path
    original: Facts
    format: str
    suggest: Facts | None = None
    steps: list[Facts] = field(default_factory=list)
    scenes: dict[str, str] = field(default_factory=dict)
    saved: Any = None

    @property
    def id(self) -> str:
        return self.folder.name

    def write(self) -> None:
        """Write it, whole or not at all."""
        values = {
            "name": self.name,
            "photo": str(self.photo.relative_to(self.folder.parent)),
            "format": self.format,
            "suggest": self.suggest,
            "steps": self.steps,
            "scenes": self.scenes,
            "saved": self.saved,
        }
        write_bytes_atomically(self.folder / FILE, json.dumps(values).encode(), overwrite=True)

    def facts(self) -> Facts:
        """What the list of a visitor's photos says of it."""
        thumb = self.steps[-1]["thumb"] if self.steps else file_url(self.folder / THUMB_FILE)
        return {"id": self.id, "name": self.name, "thumb": thumb, "steps": len(self.steps)}

    def step(self, name: Any) -> Facts:
        """The facts of a step.

        Raises:
            RecordError: the draft has none of that name.
        """
        found = next((step for step in self.steps if step["id"] == name), None)
        if found is None:
            raise RecordError("That result is not here any more: reload the page.")
        return found

    def put(self, step: Facts) -> None:
        """Add a step, or replace the one of the same name."""
        known = [each["id"] for each in self.steps]
        if step["id"] in known:
            self.steps[known.index(step["id"])] = step
        else:
            self.steps.append(step)

    def drop_step(self, name: Any) -> None:
        """Forget a step, if it is there."""
        self.steps = [step for step in self.steps if step["id"] != name]

    def picture(self, base: Any, candidate: Any = 0) -> Path:
        """The file of a picture: of a step, or of the photo itself.

        Args:
            base: a step's name; empty or None for the photo.
            candidate: number of the step's picture, counted from 0.

        Raises:
            RecordError: there is none, or a quick view of it alone.
        """
        if base in ("", None):
            return self.photo
        step = self.step(base)
        if step["small"]:
            raise RecordError("The full size of this result follows: try it again in a moment.")
        folder = self.folder.parent / str(step["id"])
        return picture_of(folder, 0 if candidate is None else candidate)


def new_draft(session: Session, photo: Path, name: str, suggest: Facts | None = None) -> Draft:
    """A draft of a photo that was checked and lies in the session's folder."""
    folder = session.new_folder("draft")
    shown = " ".join(name.split())[:MOST_NAME] or photo.name
    read = decoded(photo)
    draft = Draft(
        folder=folder,
        name=shown,
        photo=photo,
        original=photo_facts(photo),
        format=read.format.upper() or "PNG",
        suggest=suggest,
    )
    write_thumb(read, folder / THUMB_FILE)
    draft.write()
    return draft


def read_draft(folder: Path) -> Draft:
    """The draft of a folder."""
    values = json.loads((folder / FILE).read_text(encoding="utf-8"))
    photo = folder.parent / values["photo"]
    kept = {name: values[name] for name in ("name", "format", "suggest", "steps", "scenes", "saved")}
    kept["steps"] = [step for step in kept["steps"] if not step["small"]]  # what should have followed never came
    if not all(isinstance(step["id"], str) and isinstance(step["thumb"], str) for step in kept["steps"]):
        raise ValueError("a step without its name or its thumb")
    return Draft(folder=folder, photo=photo, original=photo_facts(photo), **kept)


def read_drafts(session: Session) -> dict[str, Draft]:
    """All drafts of a session by their names, in the order of their making; damaged ones are left out."""
    found = {}
    for folder in sorted(session.folder.glob("draft-*")):
        if DRAFT.fullmatch(folder.name):
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
                found[folder.name] = read_draft(folder)
    return found


def checked_saved(saved: Any) -> Any:
    """What a page wants to have kept.

    Raises:
        RecordError: it is too large.
    """
    if len(json.dumps(saved)) > MOST_SAVED:
        raise RecordError("So many steps cannot be kept for a reload: download the result, or open the photo again.")
    return saved


def write_thumb(photo: Photo, file: Path) -> None:
    """A small picture of a photo."""
    image = photo.as_image().convert("RGB")
    image.thumbnail((THUMB, THUMB), Image.Resampling.BOX, reducing_gap=2.0)
    image.save(file, quality=88)


@functools.lru_cache(maxsize=2)
def _kept(file: Path) -> Photo:
    return read_photo(file)


def decoded(file: Path) -> Photo:
    """The photo in a file that never changes; the latest stay in memory, as one click follows another."""
    with open_image(file) as (header, _):
        large = header.width * header.height > KEPT_PIXELS
    return read_photo(file) if large else _kept(file)


def settings_in(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """The settings that a page sent.

    Raises:
        RecordError: they are no object.
    """
    settings = data.get("settings") or {}
    if not isinstance(settings, Mapping):
        raise RecordError("The settings are no object: reload the page.")
    return {str(name): value for name, value in settings.items() if value is not None}
