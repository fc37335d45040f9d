"""Edit by words, from record to files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from intarsia.backbones.resolve import expected_side, resolve
from intarsia.errors import TERMINAL, Message, RecordError
from intarsia.imaging.compression import lossy_notes
from intarsia.imaging.geometry import Box
from intarsia.imaging.marked import read_marked
from intarsia.imaging.photo import Photo
from intarsia.imaging.protected import read_protected
from intarsia.imaging.read import read_photo
from intarsia.notes import collected, with_notes
from intarsia.progress import OnProgress
from intarsia.records.edit import EditRecord
from intarsia.records.inputs import input_files
from intarsia.regions.edit import EditResult, edit, usable_box
from intarsia.regions.events import Observer
from intarsia.regions.network import RegionNetwork
from intarsia.regions.notes import toy_world
from intarsia.regions.protected import given_mask
from intarsia.results.inputs_seen import noting_inputs
from intarsia.results.picture_format import ending_of
from intarsia.results.write_edit import SavedEdit, plan_edit, write_edit
from intarsia.tasks.options import Files
from intarsia.tasks.scene import LoadBackbones, networks_of


@dataclass(frozen=True, kw_only=True)
class EditTaskResult:
    """An edit by words and its files.

    Attributes:
        shown: index of the candidate in `saved.files.picture`.
    """

    result: EditResult
    saved: SavedEdit
    shown: int

    @property
    def photo(self) -> Photo:
        """The candidate in `saved.files.picture`."""
        photo = self.result.candidates[self.shown].photo
        assert photo is not None
        return photo


@collected()
@noting_inputs
def run_edit(
    record: EditRecord,
    out: Path,
    files: Files,
    load: LoadBackbones,
    *,
    name: str = "",
    lead: int = 0,
    on_progress: OnProgress | None = None,
    observer: Observer | None = None,
    on_note: Callable[[str], None] | None = None,
) -> EditTaskResult:
    """Edit by words, from record to files. Everything that can be checked is checked before networks are loaded.

    Args:
        out: folder to write to.
        name: of the files; by default the photo's.
        lead: index of the candidate that becomes the picture; another than 0 is asked for by a replay.
        observer: shown what the edit sees and tries.
        on_note: told, before networks are loaded, what can be known of the result by then.

    Raises:
        IntarsiaError: a setting or a file is wrong; nothing is written.
        Cancelled: `on_progress` did; nothing is written.
    """
    photo = read_photo(record.photo)
    protected = read_protected(record.protect, photo)
    mask = given_mask(record, photo, _checked_region(record, photo), protected)
    targets = plan_edit(
        Path(record.photo),
        out,
        name=name,
        keep=record.keep,
        ending=ending_of(record, photo),
        draw_boxes=files.draw_boxes,
        inputs=input_files(record).values(),
        overwrite=files.overwrite,
    )
    models = record.models
    if on_note is not None and (known := toy_world_ahead(models, photo)):
        on_note(TERMINAL.sentence(known))
        models = resolve(models, quiet=True).name  # what auto means is said by the note
    result = edit(
        photo,
        record,
        networks_of(record, load, models=models),
        mask=mask,
        protected=protected,
        on_progress=on_progress,
        observer=observer,
    )
    if lead >= len(result.candidates) or result.candidates[lead].photo is None:
        raise RecordError(
            f"The record shows candidate {lead + 1}, but that many were not painted to the end: it was changed since."
        )
    result = with_notes(result, lossy_notes(record.format, record.quality, photo, "edit"))
    saved = write_edit(result, targets, lead=lead, metadata=not files.no_metadata, overwrite=files.overwrite)
    return EditTaskResult(result=result, saved=saved, shown=lead)


def toy_world_ahead(models: str, photo: Photo) -> Message:
    """What `toy_world` says of a choice of networks before they are loaded.

    Raises:
        ModelError: there are no such networks.
    """
    source = resolve(models, quiet=True)
    return toy_world(source.name, expected_side(source), photo)


def _checked_region(record: EditRecord, photo: Photo) -> np.ndarray | None:
    """The user's mask at the photo's size, if one was given; box and network file are checked besides.

    Raises:
        RegionError: the box or the mask cannot be used with this photo.
        ModelError: the region network is missing, or the file holds none.
    """
    if record.box is not None:
        usable_box(Box(*record.box), photo.size)
    if record.regions is not None:
        RegionNetwork.load(Path(record.regions))
    if record.mask is None:
        return None
    return read_marked(record, photo)
