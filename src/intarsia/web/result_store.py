"""A session's results in files: found, listed and described for the page."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from intarsia.errors import RecordError
from intarsia.imaging.read import read_text_chunk
from intarsia.records.weighted_prompt import without_weights
from intarsia.results.document import as_json
from intarsia.web.notes import split_notes
from intarsia.web.sessions import Session
from intarsia.web.uploads import Facts, file_url, photo_facts

BEST = 8
"""Previews of a round that are shown."""
KEEP = 3
"""Candidates that the page offers in full: the search paints as many to the end anyhow."""
RESULT = re.compile(r"(?:edit|arrange|remove)-\d{4,}")
SAID = {"arrange": "Rearranged", "remove": "Removed"}
"""What is said of results without a prompt, by the kind of their folder."""
THUMBNAIL = 128
"""Longer side of an example's picture on its card, in pixels: twice its place, for fine screens."""


def write_other_records(folder: Path) -> None:
    """Write the record of each further candidate beside its picture, which carries it."""
    lead = lead_record(folder)
    for picture in other_pictures(folder, lead):
        record = read_text_chunk(picture)
        if record is not None:
            picture.with_suffix(".json").write_bytes(as_json(json.loads(record)))


def lead_record(folder: Path) -> Path:
    """The record of a result's best picture: its name is the shortest."""
    return min(folder.glob("*.json"), key=lambda file: (len(file.name), file.name))


def other_pictures(folder: Path, lead: Path) -> list[Path]:
    """Pictures of the further candidates, best first."""
    numbered = {
        int(found[1]): file
        for file in folder.glob("*.png")
        if (found := re.fullmatch(re.escape(lead.stem) + r"\.(\d+)\.png", file.name))
    }
    return [numbered[k] for k in sorted(numbered)]


def result_facts(folder: Path) -> Facts:
    """A result as JSON values, read from its files."""
    lead = lead_record(folder)
    document = json.loads(lead.read_text(encoding="utf-8"))
    record = document["record"]
    pictures = [lead.with_suffix(".png"), *other_pictures(folder, lead)]
    candidates = [
        {
            "box": document["candidates"][k]["box"],
            "score": document["candidates"][k]["scores"]["total"],
            "seed": document["candidates"][k]["seed"],
            "picture": file_url(file),
            "picture_name": file.name,
            "record": file_url(file.with_suffix(".json")),
            "record_name": file.with_suffix(".json").name,
        }
        for k, file in enumerate(pictures)
    ]
    look = folder / "seen" / "look.png"
    cost = document["cost"]
    notes, banner = split_notes(document.get("notes", ()))
    return {
        "folder": folder.name,
        "prompt": record["prompt"],
        "source": record["source"],
        "photo": photo_facts(Path(record["photo"])),
        "candidates": candidates,
        "look": {"url": file_url(look), "anchors": document["anchors"]} if look.exists() else None,
        "facts": f"Best of {len(document['candidates'])}, {cost['seconds']:.1f} s, "
        f"{cost['evaluations']} denoiser evaluations, {Path(record['models']).name}.",
        "notes": notes,
        "banner": banner,
    }


def settings_of(folder: Path) -> Facts:
    """The record of a result's best picture, as JSON values."""
    record: Facts = json.loads(lead_record(folder).read_text(encoding="utf-8"))["record"]
    return record


def history(session: Session) -> list[Facts]:
    """A session's results, the latest first, of all ways of editing."""
    found = []
    for folder in sorted(session.folder.iterdir(), key=lambda f: f.name.rpartition("-")[2], reverse=True):
        if RESULT.fullmatch(folder.name) and (records := list(folder.glob("*.json"))):
            lead = min(records, key=lambda file: (len(file.name), file.name))
            picture = lead.with_suffix(".png")
            if picture.exists():
                record = json.loads(lead.read_text(encoding="utf-8")).get("record", {})
                said = without_weights(str(record.get("prompt") or SAID.get(folder.name.partition("-")[0], "")))
                found.append({"folder": folder.name, "url": file_url(picture), "said": said})
    return found


def result_folder(session: Session, name: Any) -> Path:
    """A result that the page names.

    Raises:
        RecordError: the session has none of that name.
    """
    if isinstance(name, str) and RESULT.fullmatch(name) and (session.folder / name).is_dir():
        return session.folder / name
    raise RecordError("That result is not here any more: reload the page.")


def picture_of(folder: Path, index: Any) -> Path:
    """The picture of a result's candidate, counted from 0.

    Raises:
        RecordError: there is none of that number.
    """
    lead = lead_record(folder)
    pictures = [lead.with_suffix(".png"), *other_pictures(folder, lead)]
    if type(index) is not int or not 0 <= index < len(pictures):
        raise RecordError("That picture is not here any more: reload the page.")
    return pictures[index]
