"""What a visitor should know of a photo before it is edited by words, and of the result."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from intarsia.errors import TERMINAL, IntarsiaError
from intarsia.imaging.read import read_photo
from intarsia.regions.notes import BLUR, DOWNLOAD
from intarsia.tasks.edit import toy_world_ahead
from intarsia.web.error_messages import stored_for_pages
from intarsia.web.uploads import Facts

REMEDY = "Models for photographs come with"


def banner(note: str) -> Facts:
    """The banner that stands for a note on models that cannot edit photographs: its text and the command that helps.

    The command is for whoever runs the pages, who often is the visitor.
    """
    fact = note[: note.index(BLUR) + len(BLUR)]
    return {"text": f"{fact}.", "command": DOWNLOAD.line}


def banner_ahead(models: str, file: Path) -> Facts | None:
    """The banner over a photo that nothing was done to; None where the networks of that name can edit it."""
    with contextlib.suppress(IntarsiaError):  # networks that are not there are told of when they are needed
        known = toy_world_ahead(models, read_photo(file))
        return banner(TERMINAL.sentence(known)) if known else None
    return None


def split_notes(notes: Sequence[Any]) -> tuple[list[str], Facts | None]:
    """A result's notes in the words of the pages, and the banner that stands for one of them."""
    said = [str(note) for note in notes]
    loud = next((note for note in said if BLUR in note), None)
    return [stored_for_pages(note) for note in said if note is not loud], None if loud is None else banner(loud)
