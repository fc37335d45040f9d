"""What the page "Many pictures" says, as HTML: messages, the status of a batch, a card for each job that ended."""

from __future__ import annotations

import dataclasses
import html
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath

from intarsia.batch.executor import RESULTS
from intarsia.batch.ledger import Counts, Row
from intarsia.batch.report import plain_name, texts
from intarsia.batch.runner import so_far
from intarsia.progress import format_duration
from intarsia.web.batch_service import CurrentJob, list_batches, pictures_per_minute, read_notes, read_rows, results_zip
from intarsia.web.error_messages import stored_for_pages
from intarsia.web.sessions import Session
from intarsia.web.uploads import file_url
from intarsia.web.work import progress_line

MAX_CARDS = 200
"""Cards on the page; the other results are in the archive."""


def batch_status_html(folder: Path, *, current: CurrentJob | None = None, text: str = "") -> str:
    """The status of a batch: see `status_html`."""
    notes = [stored_for_pages(note) for note in read_notes(folder)]
    return status_html(read_rows(folder), current=current, text=text, notes=notes)


def status_html(
    rows: Sequence[Row], *, current: CurrentJob | None = None, text: str = "", notes: Sequence[str] = ()
) -> str:
    """Counts, speed, remaining time, the current job and notes on the list; whatever a visitor wrote goes in as text.

    Speed and time are those of the jobs themselves, without waiting for turns.
    """
    states = [row.state for row in rows]
    counts = Counts(**{state: states.count(state) for state in set(states)})
    parts = [so_far(counts)]
    speed = pictures_per_minute(rows)
    if speed is not None:
        parts.append(f"{speed:.1f} pictures a minute")
        if counts.left:
            parts.append(f"about {format_duration(60 * counts.left / speed)} left")
    share = (counts.done + counts.failed) / max(counts.total, 1)
    job = ""
    if current is not None and current.photo:
        job = current.photo
        if current.step is not None:
            line, progress = progress_line(current.step), current.step.progress
            job += f", {line[:1].lower()}{line[1:]}"
            share += min(progress.done / max(progress.total, 1), 1) / max(counts.total, 1)
    lines = [html.escape(line) for line in (text, "; ".join(parts) + ".", job, *notes) if line]
    bar = (
        f'<div class="batch-bar" role="progressbar" aria-label="All pictures" aria-valuemin="0" aria-valuemax="100" '
        f'aria-valuenow="{100 * share:.0f}"><i style="width:{min(share, 1):.1%}"></i></div>'
    )
    return f'<div class="batch-said" role="status">{"<br>".join(lines)}{bar}</div>'


def message_html(text: str, *, error: bool = False) -> str:
    """A line for the visitor."""
    role = "alert" if error else "status"
    return f'<div class="batch-said{" batch-wrong" if error else ""}" role="{role}">{html.escape(text)}</div>'


def results_html(folder: Path) -> str:
    """Each job that ended: before and after, its words, its files; or why it failed."""
    return cards_html(read_rows(folder), lambda row: folder / RESULTS / row.folder, FILES)


FILES = ("picture", "record", "mask", "sheet", "file")
"""Files of a result that are linked, by their names in a job's facts."""


def cards_html(rows: Sequence[Row], folder_of: Callable[[Row], Path], kinds: Sequence[str]) -> str:
    """A card for each job that ended; of very many, for the latest.

    Args:
        folder_of: folder of a job's files, from which they may be served.
        kinds: the files that are linked.
    """
    ended = [row for row in rows if row.state in ("done", "failed")]
    if not ended:
        return ""
    more = ""
    if len(ended) > MAX_CARDS:
        more = f"The last {MAX_CARDS} are shown; {len(ended) - MAX_CARDS:,} more are in the archive."
        latest = sorted(ended, key=lambda row: row.ended or 0)[-MAX_CARDS:]
        ended = sorted(latest, key=lambda row: row.number)
    shown = "".join(card_html(row, folder_of(row), kinds) for row in ended)
    return f'<div class="batch-cards">{shown}</div><p class="batch-note">{more}</p>'


def card_html(row: Row, folder: Path, kinds: Sequence[str]) -> str:
    head = f"<h2>{html.escape(row.photo or f'Job {row.number}')}</h2><p>{html.escape(row.words)}</p>"
    if row.state == "failed":
        return f'<article class="batch-card">{head}<p class="batch-wrong">{html.escape(row.error)}</p></article>'
    files = {kind: folder / name for kind, name in row.facts.items() if isinstance(name, str) and plain_name(name)}
    pictures = "".join(
        f'<figure><img src="{escaped_url(files[kind])}" alt="{kind} {html.escape(row.photo)}" loading="lazy">'
        f"<figcaption>{kind}</figcaption></figure>"
        for kind in ("before", "after")
        if kind in files
    )
    links = " ".join(
        f'<a href="{escaped_url(files[kind])}" download="{html.escape(files[kind].name)}">{kind}</a>'
        for kind in kinds
        if kind in files
    )
    notes = "".join(f"<p>{html.escape(stored_for_pages(note))}</p>" for note in texts(row.facts.get("notes")))
    return f'<article class="batch-card"><div class="batch-pair">{pictures}</div>{head}{notes}<p>{links}</p></article>'


def batch_choices(session: Session) -> list[tuple[str, str]]:
    """A session's batches, the latest first: what is in each, and its name."""
    return [(batch_label(folder), folder.name) for folder in list_batches(session)]


def batch_label(folder: Path) -> str:
    """A batch by its place in the visit and its first picture, such as "2: garden.jpg and 3 more"."""
    rows = read_rows(folder)
    number = int(folder.name.rpartition("-")[2])
    first = rows[0].photo if rows else "nothing"
    return f"{number}: {first}" + (f" and {len(rows) - 1:,} more" if len(rows) > 1 else "")


def without_server_paths(rows: Sequence[Row]) -> list[Row]:
    """Rows that another program wrote, without paths of this machine."""
    return [
        dataclasses.replace(row, photo=PurePosixPath(row.photo).name, error=stored_for_pages(row.error)) for row in rows
    ]


def escaped_url(file: Path) -> str:
    return html.escape(file_url(file))


def results_link(folder: Path) -> str:
    """The link to the ZIP of a batch's results; empty where nothing is done."""
    file = results_zip(folder)
    return "" if file is None else zip_link(file)


def zip_link(file: Path) -> str:
    size = file.stat().st_size / 1e6
    return (
        f'<a class="batch-zip" href="{escaped_url(file)}" download="{html.escape(file.name)}">'
        f"Download the results (ZIP, {size:.1f} MB)</a>"
    )
