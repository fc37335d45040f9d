"""Pictures that are taken home: in the format of the photo, or in another."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from intarsia.errors import RecordError
from intarsia.records.choices import OutputFormat
from intarsia.results.export import export_picture
from intarsia.results.staging import safe_stem
from intarsia.web.sessions import Session
from intarsia.web.studio_drafts import Draft
from intarsia.web.uploads import Facts, file_url

FORMATS: tuple[OutputFormat, ...] = ("keep", "jpeg", "png", "webp", "avif")
"""In which pictures are taken home."""


def export(session: Session, draft: Draft, data: Mapping[str, Any]) -> Facts:
    """The file of a picture, to be taken home: by default in the format of the photo.

    Raises:
        RecordError: there is no such picture or format.
    """
    asked = data.get("format") or "keep"
    kind = next((each for each in FORMATS if each == asked), None)
    if kind is None:
        raise RecordError(f"{str(asked)[:20]!r} is no format that is written here: choose one of {', '.join(FORMATS)}.")
    picture = draft.picture(data.get("step") or "", data.get("candidate"))
    name = f"{safe_stem(Path(draft.name))} {draft_number(draft, data)}".strip()
    file = export_picture(picture, draft.photo, session.new_folder("export") / f"{name}.png", format=kind)
    return {"kind": "file", "url": file_url(file), "name": file.name}


def draft_number(draft: Draft, data: Mapping[str, Any]) -> str:
    """What tells the file of a result from those of the photo's other results: their number, and the candidate's."""
    ids = [step["id"] for step in draft.steps]
    if data.get("step") not in ids:
        return ""
    candidate = data.get("candidate") or 0
    return f"{ids.index(data['step']) + 1}" + (f".{candidate + 1}" if candidate else "")
