"""How a batch stands, as the page shows it: a line, and a card for each job that is over."""

from __future__ import annotations

import dataclasses
import html
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath

from intarsia.batch.executor import RESULTS
from intarsia.batch.ledger import Counts, Row
from intarsia.batch.report import plain_name
from intarsia.batch.runner import so_far
from intarsia.progress import format_duration
from intarsia.web.batch_service import Now, packed, rate, rows_of
from intarsia.web.error_messages import stored_for_pages
from intarsia.web.uploads import address
from intarsia.web.work import progress_line

MOST_SHOWN = 200
"""Results on the page; the others are in the archive."""


# What is shown; whatever a visitor wrote goes in as text


def status_of(folder: Path, *, now: Now | None = None, text: str = "") -> str:
    """How a batch stands: counts, speed, time left, and what is being done."""
    return standing(rows_of(folder), now=now, text=text)


def standing(rows: Sequence[Row], *, now: Now | None = None, text: str = "") -> str:
    """How jobs stand; times are those of the jobs themselves, as if they alone were done."""
    states = [row.state for row in rows]
    counts = Counts(**{state: states.count(state) for state in set(states)})
    parts = [so_far(counts)]
    speed = rate(rows)
    if speed is not None:
        parts.append(f"{speed:.1f} pictures a minute")
        if counts.left:
            parts.append(f"about {format_duration(60 * counts.left / speed)} left")
    share = (counts.done + counts.failed) / max(counts.total, 1)
    current = ""
    if now is not None and now.photo:
        current = now.photo
        if now.step is not None:
            way, progress = progress_line(now.step), now.step.progress
            current += f", {way[:1].lower()}{way[1:]}"
            share += min(progress.done / max(progress.total, 1), 1) / max(counts.total, 1)
    lines = [html.escape(line) for line in (text, "; ".join(parts) + ".", current) if line]
    bar = (
        f'<div class="batch-bar" role="progressbar" aria-label="The batch" aria-valuemin="0" aria-valuemax="100" '
        f'aria-valuenow="{100 * share:.0f}"><i style="width:{min(share, 1):.1%}"></i></div>'
    )
    return f'<div class="batch-said" role="status">{"<br>".join(lines)}{bar}</div>'


def spoken(text: str, *, wrong: bool = False) -> str:
    """A line for the visitor."""
    role = "alert" if wrong else "status"
    return f'<div class="batch-said{" batch-wrong" if wrong else ""}" role="{role}">{html.escape(text)}</div>'


def results_page(folder: Path) -> str:
    """Each job that is over: before and after, its words, its files; or why it failed."""
    return cards(rows_of(folder), lambda row: folder / RESULTS / row.folder, FILES)


FILES = ("picture", "record", "mask", "sheet", "file")
"""What a result is downloaded as, by its names in a job's facts."""


def cards(rows: Sequence[Row], place_of: Callable[[Row], Path], kinds: Sequence[str]) -> str:
    """A card for each job that is over; of very many, for those that ended last.

    Args:
        place_of: folder of a job's files, from which they may be served.
        kinds: the files that are linked.
    """
    over = [row for row in rows if row.state in ("done", "failed")]
    if not over:
        return ""
    more = ""
    if len(over) > MOST_SHOWN:
        more = f"The last {MOST_SHOWN} are shown; {len(over) - MOST_SHOWN:,} more are in the archive."
        latest = sorted(over, key=lambda row: row.ended or 0)[-MOST_SHOWN:]
        over = sorted(latest, key=lambda row: row.number)
    shown = "".join(card(row, place_of(row), kinds) for row in over)
    return f'<div class="batch-cards">{shown}</div><p class="batch-note">{more}</p>'


def card(row: Row, place: Path, kinds: Sequence[str]) -> str:
    said = f"<h3>{html.escape(row.photo or f'Job {row.number}')}</h3><p>{html.escape(row.words)}</p>"
    if row.state == "failed":
        return f'<article class="batch-card">{said}<p class="batch-wrong">{html.escape(row.error)}</p></article>'
    files = {kind: place / name for kind, name in row.facts.items() if isinstance(name, str) and plain_name(name)}
    pictures = "".join(
        f'<figure><img src="{link(files[kind])}" alt="{kind} {html.escape(row.photo)}" loading="lazy">'
        f"<figcaption>{kind}</figcaption></figure>"
        for kind in ("before", "after")
        if kind in files
    )
    links = " ".join(
        f'<a href="{link(files[kind])}" download="{html.escape(files[kind].name)}">{kind}</a>'
        for kind in kinds
        if kind in files
    )
    return f'<article class="batch-card"><div class="batch-pair">{pictures}</div>{said}<p>{links}</p></article>'


def of_others(rows: Sequence[Row]) -> list[Row]:
    """Rows that another program wrote, without where on this machine its pictures lie."""
    return [
        dataclasses.replace(row, photo=PurePosixPath(row.photo).name, error=stored_for_pages(row.error)) for row in rows
    ]


def link(file: Path) -> str:
    return html.escape(address(file))


def download(folder: Path) -> str:
    """The link to a batch's ZIP; empty where nothing is done."""
    file = packed(folder)
    return "" if file is None else zip_link(file)


def zip_link(file: Path) -> str:
    size = file.stat().st_size / 1e6
    return (
        f'<a class="batch-zip" href="{link(file)}" download="{html.escape(file.name)}">'
        f"Download the results (ZIP, {size:.1f} MB)</a>"
    )
