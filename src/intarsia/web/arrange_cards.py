"""What the tab "Edit by layout" says, as HTML or JSON: messages, progress, the history, pictures of learning."""

from __future__ import annotations

import html
from typing import Any

from intarsia.layout.train import Sample
from intarsia.web.arrange_store import THUMB_FILE, list_arrangements
from intarsia.web.canvas import data_url
from intarsia.web.loss_plot import Painted
from intarsia.web.result_store import history
from intarsia.web.sessions import Session
from intarsia.web.uploads import file_url
from intarsia.web.work import Step, progress_line

SAMPLE_SIDE = 160
"""Longer side of a picture that shows the progress of learning, in pixels."""


def message_html(text: str, *, error: bool = False) -> str:
    """A line for the visitor; whatever it holds is shown as text."""
    role = "alert" if error else "status"
    return f'<div class="layout-said{" wrong" if error else ""}" role="{role}">{html.escape(text)}</div>'


def progress_html(step: Step) -> str:
    """Progress as a line and a bar."""
    progress = step.progress
    share = min(1.0, progress.done / max(progress.total, 1))
    return (
        f'<div class="layout-said" role="status">{html.escape(progress_line(step))}<div class="way" role="progressbar" '
        f'aria-valuenow="{100 * share:.0f}"><i style="width:{share:.1%}"></i></div></div>'
    )


def history_cards(session: Session) -> list[dict[str, Any]]:
    """The session's results in their order: those by layout can be gone on from, those by words can be arranged."""
    cards = []
    for index, result in enumerate(list_arrangements(session)):
        card = {
            "kind": "layout",
            "index": index,
            "picture": file_url(result.folder / THUMB_FILE),
            "words": result.words,
        }
        cards.append((result.folder.name, card))
    for edit in history(session):
        if edit["folder"].startswith("edit-"):
            card = {"kind": "words", "folder": edit["folder"], "picture": edit["url"], "words": edit["said"]}
            cards.append((edit["folder"], card))
    return [card for _, card in sorted(cards, key=lambda pair: pair[0].rpartition("-")[2])]


def sample_picture(sample: Sample) -> Painted:
    """A picture that was painted while learning, small enough for the page."""
    image = sample.photo.as_image().convert("RGB")
    image.thumbnail((SAMPLE_SIDE, SAMPLE_SIDE))
    return Painted(done=sample.done, total=sample.total, url=data_url(image, "JPEG"))
