"""A run over public sets: read, check, edit, measure, keep."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from intarsia.backbones.protocols import Backbones
from intarsia.errors import Cancelled, IntarsiaError, OutputError, RecordError
from intarsia.evaluate.public_sets.dle import read_dle
from intarsia.evaluate.public_sets.items import Item, MoveCase, PublicSet
from intarsia.evaluate.public_sets.measure import BenchSettings, Figures, measure_move, measure_words
from intarsia.evaluate.public_sets.perceptual import Distance, load_lpips
from intarsia.evaluate.public_sets.pie import read_pie
from intarsia.evaluate.public_sets.pie_plus import is_pie_plus, read_pie_plus
from intarsia.evaluate.public_sets.pixelman import read_moves
from intarsia.evaluate.public_sets.report import Report
from intarsia.imaging.photo import Photo
from intarsia.imaging.write import write_photo
from intarsia.progress import OnProgress, Progress

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class SetFolders:
    """Where the sets are; None for one that is not measured."""

    pie: Path | None = None
    dle: Path | None = None
    res: Path | None = None


def read_sets(folders: SetFolders, limit: int | None = None) -> tuple[PublicSet, ...]:
    """The sets in their folders, the first items of each, with their pictures checked but not decoded.

    Args:
        limit: items of each set; by default all.

    Raises:
        IntarsiaError: a folder, a list or a picture is missing, or is not as it should be.
    """
    found: list[PublicSet] = []
    if folders.pie is not None:
        found.append((read_pie_plus if is_pie_plus(folders.pie) else read_pie)(folders.pie))
    if folders.dle is not None:
        found.append(read_dle(folders.dle))
    if folders.res is not None:
        found += read_moves(folders.res)
    cut = tuple(replace(part, items=part.items[:limit]) for part in found)
    for part in cut:
        check_items(part)
    return cut


def check_items(part: PublicSet) -> None:
    """Raise `IntarsiaError` where a set has no items, two of one name, or one without its pictures."""
    names = [item.name for item in part.items]
    if not names:
        raise RecordError(f"{part.title} has no items in its list: unpack the whole set.")
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise RecordError(f"{part.title} has two items called {twice!r}: copy the set again.")
    for item in part.items:
        item.check()


def run_sets(
    sets: Sequence[PublicSet],
    settings: BenchSettings,
    backbones: Backbones,
    report: Report,
    *,
    save: Path | None = None,
    on_progress: OnProgress | None = None,
) -> Report:
    """Edit and measure every item that the report does not have yet; the file is written after each.

    An item that cannot be edited is kept with the reason, and is left out of the means.

    Args:
        save: folder for the edited pictures, SET/NAME.png.
        on_progress: called after every item; may raise `Cancelled`.

    Raises:
        OutputError: the report or a picture cannot be written.
    """
    lpips, note = load_lpips()
    report.facts["versions"] = dict(backbones.versions)
    report.facts["notes"] = [note] if note else []
    report.write()
    for part in sets:
        for done, item in enumerate(part.items, 1):
            if not report.has(part.key, item.name):
                figures = measure_item(part, item, settings, backbones, lpips, save)
                report.add(part, item.name, item.kind, figures)
            if on_progress is not None:
                on_progress(Progress(stage=part.title, done=done, total=len(part.items)))
    return report


def measure_item(
    part: PublicSet,
    item: Item,
    settings: BenchSettings,
    backbones: Backbones,
    lpips: Distance | None,
    save: Path | None,
) -> Figures | str:
    """An item's figures, or in a sentence why it has none."""
    try:
        photo, figures = edit_item(item, settings, backbones, lpips)
        if save is not None:
            write_photo(photo, save / part.key / f"{item.name}.png", overwrite=True)
    except (Cancelled, OutputError):
        raise
    except IntarsiaError as problem:
        logger.warning("%s of %s: %s", item.name, part.title, problem)
        return str(problem)
    return figures


def edit_item(
    item: Item, settings: BenchSettings, backbones: Backbones, lpips: Distance | None
) -> tuple[Photo, Figures]:
    case = item.load()
    if isinstance(case, MoveCase):
        return measure_move(item.name, case, settings, backbones, lpips)
    return measure_words(item.name, case, settings, backbones, lpips)
