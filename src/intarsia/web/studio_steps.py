"""Steps: what the page knows of a result, in plain words, read from the result's files."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from intarsia.imaging.geometry import Size
from intarsia.imaging.read import read_photo
from intarsia.records.weighted_prompt import without_weights
from intarsia.web.arrange_moves import Moves, is_significant
from intarsia.web.notes import REMEDY, split_notes
from intarsia.web.result_store import lead_record, pictures_in
from intarsia.web.studio_drafts import THUMB_FILE, write_thumb
from intarsia.web.uploads import Facts, file_url

PAINTED, MOVED, FILLED = "painted anew", "moved as it is", "filled from its surroundings"
"""Methods."""


def step_of(folder: Path, base: str, **own: Any) -> Facts:
    """The facts of a finished result.

    Args:
        folder: of the result; "change", "arrange" and "remove" lie in folders edit-0001, arrange-0002, remove-0003.
        base: step that it was made from; empty for the photo.
        own: what only the page knows of it: "scene", "moves" and "layout" of an arrangement, "given" of a change.
    """
    lead = lead_record(folder)
    document = json.loads(lead.read_text(encoding="utf-8"))
    verb = {"edit": "change"}.get(folder.name.partition("-")[0], folder.name.partition("-")[0])
    told = {"change": change_facts, "arrange": arrange_facts, "remove": remove_facts}[verb](document, own)
    picture, thumb = lead.with_suffix(".png"), folder / THUMB_FILE
    write_thumb(read_photo(picture), thumb)
    notes, banner = split_notes(document.get("notes", ()))
    width, height = document["size"]
    return {
        "id": folder.name,
        "verb": verb,
        "base": base,
        "picture": {"url": file_url(picture), "width": width, "height": height, "name": picture.name},
        "thumb": file_url(thumb),
        "notes": [*([f"{banner['text']} {REMEDY} {banner['command']}."] if banner else []), *notes],
        "advanced": advanced_facts(lead, document),
        "candidates": candidates_of(folder, document),
        "scene": own.get("scene"),
        "moves": own.get("moves"),
        "layout": own.get("layout"),
        "watermarked": bool(document["record"].get("watermark")),
        "small": False,
        **told,
    }


def quick_step(file: Path, base: str, size: Size, **own: Any) -> Facts:
    """The facts of an arrangement of which only a quick view is there: what is the same of the full one.

    Args:
        file: of the quick view, smaller than the photo, in the folder of the result that follows.
        size: of the photo: the page keeps its coordinates.
        own: as for `step_of`.
    """
    said = moves_in_words(own.get("moves") or (), painted=bool(own.get("layout")))
    return {
        "id": file.parent.name,
        "verb": "arrange",
        "base": base,
        "said": said,
        "picture": {"url": file_url(file), "width": size.width, "height": size.height, "name": file.name},
        "thumb": file_url(file),
        "box": None,
        "notes": [],
        "facts": "",
        "advanced": dict.fromkeys(("facts", "record", "record_name", "mask", "layout")),
        "candidates": [],
        "scene": own.get("scene"),
        "moves": own.get("moves"),
        "layout": own.get("layout"),
        "method": MOVED,
        "reason": own.get("reason") or "",
        "watermarked": False,
        "small": True,
    }


def change_facts(document: Mapping[str, Any], own: Mapping[str, Any]) -> Facts:
    record = document["record"]
    box = document["candidates"][document.get("chosen", 0)]["box"]
    reason = "where you selected" if own.get("given") else "where it fits best"
    return {
        "said": without_weights(str(record["prompt"])),
        "box": box,
        "method": PAINTED,
        "reason": reason,
        "facts": f"Changed in {seconds_of(document)}",
    }


def arrange_facts(document: Mapping[str, Any], own: Mapping[str, Any]) -> Facts:
    composed = document["mode"] == "compose"
    asked = document["record"].get("mode") != "auto"
    why = "the shapes stay as they are" if composed else "a shape is another than in the photo"
    boxes = [each["box"] for each in document["placements"] if each["box"]]
    boxes += [each["box"] for each in document["objects"] if each["name"] in moved_names(own) and each["box"]]
    return {
        "said": moves_in_words(own.get("moves") or (), painted=bool(own.get("layout"))),
        "box": union(boxes),
        "method": MOVED if composed else PAINTED,
        "reason": own.get("reason") or ("as you set it" if asked else why),
        "facts": f"{'Moved' if composed else 'Painted'} in {seconds_of(document)}",
    }


def remove_facts(document: Mapping[str, Any], own: Mapping[str, Any]) -> Facts:
    painted = document["record"].get("fill") == "diffusion"
    share = document["gap"]["share"]
    part = f"{share:.0%}" if share >= 0.095 else f"{share:.1%}"
    return {
        "said": f"{part} of the photo",
        "box": document["gap"]["box"],
        "method": PAINTED if painted else FILLED,
        "reason": "",
        "facts": f"Removed in {seconds_of(document)}",
    }


def seconds_of(document: Mapping[str, Any]) -> str:
    seconds = float(document["cost"]["seconds"])
    return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"


def advanced_facts(lead: Path, document: Mapping[str, Any]) -> Facts:
    """The technical facts: numbers, and files."""
    cost, record = document["cost"], document["record"]
    said = [f"{cost['seconds']:.1f} s", f"{cost['evaluations']} denoiser evaluations"]
    said += [Path(str(record.get("models", ""))).name, f"seed {document['seed']}"]
    if document.get("candidates"):
        said.insert(0, f"best of {len(document['candidates'])}")
    mask, layout = lead.with_suffix(".mask.png"), lead.with_suffix(".layout.png")
    return {
        "facts": ", ".join(filter(None, said)),
        "record": file_url(lead),
        "record_name": lead.name,
        "mask": file_url(mask) if mask.exists() else None,
        "layout": file_url(layout) if layout.exists() else None,
    }


def candidates_of(folder: Path, document: Mapping[str, Any]) -> list[Facts]:
    """The pictures of a result, the one that is shown first."""
    tried, seeds = document.get("candidates") or (), document.get("pictures") or ()
    found = []
    for place, file in enumerate(pictures_in(folder)):
        about: Facts = {"picture": file_url(file), "box": None, "score": None, "seed": document["seed"]}
        if place < len(tried):
            facts = tried[place]
            about |= {"box": facts["box"], "score": facts["scores"]["total"], "seed": facts["seed"]}
        elif place < len(seeds):
            about["seed"] = seeds[place]["seed"]
        found.append(about)
    return found


def moved_names(own: Mapping[str, Any]) -> set[str]:
    return {str(move["name"]) for move in own.get("moves") or () if is_moved(move)}


def is_moved(move: Mapping[str, Any]) -> bool:
    """Whether a move of an object changes anything."""
    shifted = is_significant(move["x"]) or is_significant(move["y"]) or is_significant(move["turn"])
    sized = is_significant(move["wide"] - 1) or is_significant(move["high"] - 1)
    return bool(shifted or sized or move["flip"] or move["gone"] or move.get("copy_of"))


def moves_in_words(moves: Iterable[Mapping[str, Any]], *, painted: bool = False) -> str:
    """What moves do, in a few words: "cat moved; cup removed"."""
    if painted:
        return "painted layout"
    told: dict[str, list[str]] = {}
    for move in moves:
        if not is_moved(move):
            continue
        shifted = is_significant(move["x"]) or is_significant(move["y"])
        sized = is_significant(move["wide"] - 1) or is_significant(move["high"] - 1)
        done = (
            "removed"
            if move["gone"]
            else "duplicated"
            if move.get("copy_of")
            else "moved"
            if shifted
            else "scaled"
            if sized
            else "turned"
            if is_significant(move["turn"])
            else "flipped"
        )
        told.setdefault(done, []).append(str(move.get("copy_of") or move["name"]))
    return "; ".join(f"{', '.join(dict.fromkeys(names))} {done}" for done, names in told.items()) or "restacked"


def union(boxes: list[list[float]]) -> list[float] | None:
    """The smallest box around boxes; None around none."""
    if not boxes:
        return None
    left, top, right, bottom = zip(*boxes, strict=True)
    return [min(left), min(top), max(right), max(bottom)]


def moves_as_json(moves: Moves) -> list[Facts]:
    """Moves as a page sends and gets them."""
    return [dataclasses.asdict(move) for move in moves]
