"""The demo: photographs edited without a model, then the pocket world, on one sheet and one page."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from intarsia.backbones.protocols import Backbones
from intarsia.batch.edit_jobs import read_edits
from intarsia.demo.layouts import LayoutPlan, plan_layouts, run_layouts
from intarsia.demo.page import Row, demo_page
from intarsia.demo.photographs import MISSING, PhotographEdit, plan_photographs, run_photographs
from intarsia.demo.sheet import KEEP, contact_sheet, facts, layout_strip, photograph_strip, strip, words
from intarsia.files import check_absent, write_bytes_atomically
from intarsia.imaging.read import read_photo
from intarsia.progress import Progress
from intarsia.records.edit import EditRecord
from intarsia.regions.edit import EditResult, edit
from intarsia.results.staging import check_folder, png
from intarsia.results.write_edit import EditFiles, plan_edit, write_edit

JOBS = Path(__file__).parent / "scenes" / "jobs.json"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The demo's edits and the files that they will write.

    Attributes:
        out: the folder of them all.
        photographs: the edits of photographs; none where no photographs are installed.
        jobs, targets, before: of the edits by words.
        layouts: the edits by layout.
    """

    out: Path
    photographs: tuple[PhotographEdit, ...]
    jobs: tuple[EditRecord, ...]
    targets: tuple[EditFiles, ...]
    before: tuple[Path, ...]
    layouts: LayoutPlan
    sheet: Path
    page: Path
    overwrite: bool


@dataclass(frozen=True, kw_only=True)
class Made:
    """What the demo wrote, and what it took.

    Attributes:
        seconds: of the edits, wall clock.
        evaluations: denoiser sample-evaluations.
        note: what is missing, and how to get it.
    """

    sheet: Path
    page: Path
    edits: int
    seconds: float
    evaluations: int
    note: str = ""


def plan_demo(out: Path, *, overwrite: bool = False, models: str = "pocket") -> Plan:
    """Choose the demo's files.

    Raises:
        OutputError: one of them is there already, or `out` is a file.
    """
    check_folder(out)
    jobs = tuple(dataclasses.replace(job, models=models, keep=KEEP) for job in read_edits(JOBS))
    photos = [Path(job.photo) for job in jobs]
    sheet, page = out / "demo.png", out / "index.html"
    before = tuple(out / f"{photo.stem}.before.png" for photo in photos)
    for file in (sheet, page, *before):
        check_absent(file, overwrite)
    targets = tuple(plan_edit(photo, out, keep=KEEP, draw_boxes=True, overwrite=overwrite) for photo in photos)
    layouts = plan_layouts(out, overwrite=overwrite, models=models)
    return Plan(
        out=out,
        photographs=plan_photographs(out, overwrite=overwrite),
        jobs=jobs,
        targets=targets,
        before=before,
        layouts=layouts,
        sheet=sheet,
        page=page,
        overwrite=overwrite,
    )


def run_demo(
    plan: Plan, load: Callable[[], Backbones], *, on_progress: Callable[[Progress], None] | None = None
) -> Made:
    """Make every edit of the plan, the sheet and the page.

    Args:
        load: gives the networks; called once the photographs are done, which need none.

    Raises:
        OutputError: a file cannot be written.
    """
    started = time.monotonic()
    photographs = run_photographs(
        plan.photographs, plan.out, overwrite=plan.overwrite, watch=lambda name: named(on_progress, name)
    )
    backbones = load()
    strips, rows, evaluations = [], [], 0
    for job, targets, before in zip(plan.jobs, plan.targets, plan.before, strict=True):
        photo = read_photo(job.photo)
        result = edit(photo, job, backbones, on_progress=named(on_progress, before.name.split(".")[0]))
        files = write_edit(result, targets, overwrite=plan.overwrite).files
        write_bytes_atomically(before, Path(job.photo).read_bytes(), plan.overwrite)
        strips.append(strip(photo, result))
        rows.append(page_row(before, files, result))
        evaluations += result.cost.evaluations
    arranged = run_layouts(plan.layouts, backbones, watch=lambda name: named(on_progress, name))
    evaluations += sum(step.evaluations for step in arranged)
    seconds, edits = time.monotonic() - started, len(photographs) + len(rows) + len(arranged)
    caption = f"All {edits} edits below took {seconds:.0f} s on this machine."
    note = "" if photographs else MISSING
    sheet = contact_sheet(
        strips,
        caption,
        [layout_strip(step) for step in arranged],
        [photograph_strip(shown) for shown in photographs],
        note=note,
    )
    write_bytes_atomically(plan.sheet, png(sheet), plan.overwrite)
    page = demo_page(rows, caption, [step.row for step in arranged], [shown.row for shown in photographs], note=note)
    write_bytes_atomically(plan.page, page.encode(), plan.overwrite)
    return Made(sheet=plan.sheet, page=plan.page, edits=edits, seconds=seconds, evaluations=evaluations, note=note)


def named(on_progress: Callable[[Progress], None] | None, name: str) -> Callable[[Progress], None] | None:
    """Progress that says which scene it is about."""
    if on_progress is None:
        return None
    return lambda progress: on_progress(dataclasses.replace(progress, stage=f"{name}: {progress.stage}"))


def page_row(before: Path, files: EditFiles, result: EditResult) -> Row:
    """A scene's line of the page, its pictures named relative to the page."""
    assert files.boxes is not None
    return Row(
        title=words(result),
        facts=facts(result),
        before=before.name,
        looked=files.boxes.name,
        candidates=tuple(p.name for p in (files.picture, *files.others)),
        after=files.picture.name,
        record=files.record.name,
    )
