"""The command that edits by words, from record to files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from intarsia.backbones.protocols import Backbones
from intarsia.errors import RecordError
from intarsia.imaging.geometry import Box
from intarsia.imaging.masks import read_mask
from intarsia.imaging.photo import Photo
from intarsia.imaging.read import read_photo
from intarsia.progress import OnProgress
from intarsia.records.edit import EditRecord
from intarsia.regions.edit import EditResult, edit, usable_box
from intarsia.regions.events import Observer
from intarsia.regions.network import RegionNetwork
from intarsia.results.write_edit import EditFiles, plan_edit, write_edit
from intarsia.tasks.options import Files

LoadBackbones = Callable[[str], Backbones]
"""What loads the networks that --models names, once."""


def run_edit(
    record: EditRecord,
    out: Path,
    files: Files,
    load: LoadBackbones,
    *,
    lead: int = 0,
    on_progress: OnProgress | None = None,
    observer: Observer | None = None,
) -> tuple[dict[str, Any], list[str], EditResult]:
    """One edit from record to files. Everything that can be checked is checked before models are loaded."""
    photo = read_photo(record.photo)
    mask = read_region(record, photo)
    targets = plan_edit(
        Path(record.photo), out, keep=record.keep, draw_boxes=files.draw_boxes, overwrite=files.overwrite
    )
    result = edit(photo, record, load(record.models), mask=mask, on_progress=on_progress, observer=observer)
    if lead >= len(result.candidates) or result.candidates[lead].photo is None:
        raise RecordError(
            f"The record shows candidate {lead + 1}, but that many were not painted to the end: it was changed since."
        )
    facts, written = write_edit(
        result, photo, targets, lead=lead, metadata=not files.no_metadata, overwrite=files.overwrite
    )
    return summary_of(targets, written, facts), report(result, targets, written, lead), result


def read_region(record: EditRecord, photo: Photo) -> np.ndarray | None:
    """The user's mask at the photo's size, if one was given; and a look at box and network file.

    Raises:
        RegionError: the box or the mask cannot be used with this photo.
        ModelError: the region network is not there, or is none.
    """
    if record.box is not None:
        usable_box(Box(*record.box), photo.size)
    if record.regions is not None:
        RegionNetwork.load(Path(record.regions))
    if record.mask is None:
        return None
    return read_mask(record.mask, photo.size, record.invert_mask, photo.orientation)


def summary_of(targets: EditFiles, written: Sequence[Path], facts: dict[str, Any]) -> dict[str, Any]:
    """The facts of an edit with the files it wrote."""
    files = {
        "picture": str(targets.picture),
        "record": str(targets.record),
        "mask": str(targets.mask),
        "boxes": str(targets.boxes) if targets.boxes else None,
        "others": [str(p) for p in targets.others if p in written],
    }
    return {"files": files, **facts}


def report(result: EditResult, targets: EditFiles, written: Sequence[Path], lead: int) -> list[str]:
    """An edit in a few lines."""
    shown, record, cost = result.candidates[lead], result.record, result.cost
    others = [str(p) for p in targets.others if p in written]
    lines = [
        f"{targets.picture}  {record.prompt!r}" + (f" in place of {record.source!r}" if record.source else ""),
        f"  in the box {','.join(f'{edge:.0f}' for edge in shown.box.as_tuple())}, score {shown.scores.total:.2f}, "
        f"best of {len(result.candidates)}; {cost.seconds:.1f} s, {cost.evaluations} denoiser evaluations, "
        f"{cost.peak_memory_mb:,.0f} MB, {record.models}",
        f"  record: {targets.record}   mask: {targets.mask}" + (f"   boxes: {targets.boxes}" if targets.boxes else ""),
    ]
    if others:
        lines.append(f"  other candidates: {', '.join(others)}")
    if len(others) < len(targets.others):
        lines.append(
            f"  only {len(others) + 1} of the {len(targets.others) + 1} candidates to keep were painted to the end"
        )
    return lines
