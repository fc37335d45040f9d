"""The tab "Many pictures": a list and its pictures, or pictures alone, are done one after another."""

from __future__ import annotations

import dataclasses
import html
import json
import re
import secrets
import shutil
import time
import zipfile
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from intarsia.app.batch_commands import so_far, to_do
from intarsia.app.batch_page import plain_name
from intarsia.app.batch_performer import Performer
from intarsia.app.ui.fields import field_help
from intarsia.app.ui.room import Room, Seen, Show, Step, Visit, watched
from intarsia.app.ui.words import address
from intarsia.backbones.protocols import Backbones
from intarsia.batch.jobs import PICTURES, Job, read_jobs
from intarsia.batch.ledger import Counts, Ledger, Row
from intarsia.batch.work import MARK, RESULTS, Perform, do, sentence
from intarsia.errors import Cancelled, IntarsiaError, RecordError
from intarsia.progress import OnProgress, Progress
from intarsia.records import ArrangeRecord, EditRecord

MOST_FILES = 200
"""Files of one batch, its list included."""
MOST_BYTES = 512 << 20
"""Bytes of them together."""
TURN = 15.0
"""Seconds after which a batch lets other visitors have the networks; a picture that was begun is ended."""
BETWEEN = 0.3
"""Seconds between the end of a turn and asking for the next."""
WATCH = 3.0
"""Seconds between two looks at a batch that another page is doing."""
LISTS = (".jsonl", ".ndjson", ".csv")
"""Files that can only be the list; a .json may also be a layout's boxes or colours."""
LIST_NAMES = ("images.json", "jobs.json")
FOLDER = re.compile(r"batch-\d{4,}")
PICTURES_FOLDER = "in"
ABOUT = "about"
"""The file of a batch that says which file is its list, and what all jobs share."""
ZIP = "results.zip"
THUMBS = ("before.jpg", "after.jpg")
NETWORKS: dict[str, Any] = {"concurrency_id": "networks", "concurrency_limit": 1}
"""Events that need the networks: one at a time, the others wait in Gradio's queue."""
QUIET: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}


# What came


def the_list(names: Sequence[str]) -> str | None:
    """Which of the files is the list of jobs; None where there are pictures alone.

    Raises:
        RecordError: several could be.
    """
    found = [name for name in names if Path(name).suffix.lower() in LISTS]
    if not found:
        documents = [name for name in names if Path(name).suffix.lower() == ".json"]
        known = [name for name in documents if name.lower() in LIST_NAMES]
        found = known or documents
    if len(found) > 1:
        raise RecordError(f"{found[0]} and {found[1]} could both be the list: send one of them.")
    return found[0] if found else None


def take_in(visit: Visit, uploads: Sequence[Path], shared: Mapping[str, Any], seed: int) -> Path:
    """A batch of what came, read and entered into a ledger of its own.

    Args:
        uploads: where the files lie, under their own names.
        shared: settings that jobs leave out, by their names.

    Returns:
        The batch's folder, below the visitor's.

    Raises:
        RecordError: nothing came, too much did, files of one name or of a strange kind, or the list cannot be read.
    """
    if not uploads:
        raise RecordError("There is no picture yet: drop some, or a list and its pictures.")
    if len(uploads) > MOST_FILES:
        raise RecordError(f"{len(uploads):,} files came, but a batch takes {MOST_FILES}: send the others in another.")
    size = sum(upload.stat().st_size for upload in uploads)
    if size > MOST_BYTES:
        raise RecordError(
            f"The files have {size >> 20:,} MB together, but a batch takes {MOST_BYTES >> 20}: send some in another."
        )
    names = [upload.name for upload in uploads]
    for name in names:
        if Path(name).suffix.lower() not in (*PICTURES, *LISTS, ".json"):
            raise RecordError(f"{name} is neither a picture nor a list (.json, .jsonl, .csv): leave it out.")
        if names.count(name) > 1:
            raise RecordError(f"Two files are called {name}: give one of them another name.")
    listed = the_list(names)
    if listed is None and not shared.get("prompt"):
        raise RecordError(
            "There is no list, and nothing is said of what the pictures should become: say it, or send one."
        )
    folder = visit.new_folder("batch")
    try:
        place = folder / PICTURES_FOLDER
        place.mkdir()
        for name, upload in zip(names, uploads, strict=True):
            shutil.copyfile(upload, place / name)
        about = {"list": listed, "shared": dict(shared), "seed": seed}
        (folder / ABOUT).write_text(json.dumps(about), encoding="utf-8")
        (folder / RESULTS).mkdir()
        with Ledger.open(folder) as ledger:
            enter(folder, ledger)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return folder


def enter(folder: Path, ledger: Ledger) -> list[Job]:
    """Read a batch's list anew, and say what of it is left to do."""
    about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
    place = folder / PICTURES_FOLDER
    known = ledger.digests()
    try:
        jobs = read_jobs(
            place / about["list"] if about["list"] else place,
            image_dir=place,
            settings=about["shared"],
            seed=about["seed"],
            known=known,
        )
    except RecordError as problem:
        # Paths of the server are nobody's business.
        raise RecordError(str(problem).replace(f"{place}/", "")) from problem
    jobs = tuple(allowed(job, place) for job in jobs)
    ledger.enter(jobs)
    ledger.keep_digests(known)
    return to_do(jobs, ledger, folder)


def allowed(job: Job, place: Path) -> Job:
    """The job, or one that fails where it names a folder of this machine; what it says of paths is shortened."""
    record = job.record
    if isinstance(record, ArrangeRecord) and record.learn.prior is not None:
        problem = "learn.prior names a folder of the server, which visitors cannot choose: leave it out."
        return dataclasses.replace(job, record=None, problem=problem)
    return dataclasses.replace(job, problem=without(place, job.problem))


def without(place: Path, text: str) -> str:
    """A sentence that does not tell where on the server the pictures lie."""
    for root in {str(place), str(place.resolve())}:
        text = text.replace(f"{root}/", "").replace(root, "the files that came")
    return text


# What is done


@dataclass(frozen=True, kw_only=True)
class Now:
    """What a batch is doing: a job of so many, and how far it is."""

    photo: str = ""
    progress: Progress | None = None


class RoomPerformer(Performer):
    """Does jobs with the room's networks, whatever a record says."""

    def __init__(self, room: Room) -> None:
        super().__init__(room.machine, cached=False)  # nothing of a visitor outlives the visit
        self.room = room

    def backbones(self, models: str) -> Backbones:
        return self.room.backbones


def turn(room: Room, folder: Path, perform: Perform, on_progress: OnProgress, show: Show) -> None:
    """Do jobs of a batch until its turn is over; each is done, failed, or to be done, and nothing between.

    Args:
        show: told the name of each job's picture as it begins.

    Raises:
        Cancelled: `on_progress` did; the job that was begun waits again.
    """
    began = time.monotonic()
    with Ledger.open(folder, create=False) as ledger:
        for job in enter(folder, ledger):
            show(job.photo)
            ledger.begin(job.id, "the web page")
            assert job.record is not None
            placed = dataclasses.replace(job, record=dataclasses.replace(job.record, models=room.models))
            try:
                ledger.done(job.id, do(placed, perform, folder, on_progress))
            except Cancelled:
                ledger.put_back([job.id])
                raise
            except Exception as problem:
                ledger.failed(job.id, without(folder / PICTURES_FOLDER, sentence(problem)))
            if time.monotonic() - began >= TURN:
                return


def counts_of(folder: Path) -> Counts:
    with Ledger.open(folder, create=False) as ledger:
        return ledger.counts()


def rows_of(folder: Path) -> list[Row]:
    with Ledger.open(folder, create=False) as ledger:
        return ledger.rows()


def rate(rows: Sequence[Row]) -> float | None:
    """Pictures a minute, from what those took that were done; waiting for a turn does not count."""
    took = [row.ended - row.began for row in rows if row.state == "done" and row.began and row.ended]
    total = sum(took)
    return 60 * len(took) / total if total > 0 else None


def packed(folder: Path) -> Path | None:
    """The ZIP of a batch's results, written anew where some came since; None without any."""
    rows = rows_of(folder)
    done = [row for row in rows if row.state == "done" and (folder / RESULTS / row.folder).is_dir()]
    if not done:
        return None
    file = folder / ZIP
    latest = max(row.ended or 0 for row in rows)
    if file.exists() and file.stat().st_mtime > latest:
        return file
    part = file.with_name(f".part-{secrets.token_hex(8)}")
    with zipfile.ZipFile(part, "w") as archive:  # stored: pictures do not get smaller
        for row in done:
            for inner in sorted((folder / RESULTS / row.folder).iterdir()):
                if inner.is_file() and inner.name not in (*THUMBS, MARK):
                    archive.write(inner, f"{row.folder}/{inner.name}")
        failures = [f"{row.number}  {row.photo}: {row.error}\n" for row in rows if row.state == "failed"]
        if failures:
            archive.writestr("failed.txt", "".join(failures))
    part.replace(file)
    return file


def batches(visit: Visit) -> list[Path]:
    """A visit's batches, the latest first."""
    found = [f for f in visit.folder.iterdir() if FOLDER.fullmatch(f.name) and (f / ABOUT).is_file()]
    return sorted(found, key=lambda folder: folder.name, reverse=True)


def batch_of(visit: Visit, name: Any) -> Path:
    """A batch that the page names.

    Raises:
        RecordError: the visitor has none of that name.
    """
    if isinstance(name, str) and FOLDER.fullmatch(name) and (visit.folder / name / ABOUT).is_file():
        return visit.folder / name
    raise RecordError("That batch is not here any more: reload the page.")


# What is shown; whatever a visitor wrote goes in as text


def status_of(folder: Path, *, now: Now | None = None, text: str = "") -> str:
    """How a batch stands: counts, speed, time left, and what is being done."""
    rows = rows_of(folder)
    states = [row.state for row in rows]
    counts = Counts(**{state: states.count(state) for state in set(states)})
    parts = [so_far(counts)]
    speed = rate(rows)
    if speed is not None:
        parts.append(f"{speed:.1f} pictures a minute")
        if counts.left:
            parts.append(f"{duration(60 * counts.left / speed)} left")
    share = (counts.done + counts.failed) / max(counts.total, 1)
    if now is not None and now.progress is not None and counts.total:
        share += min(now.progress.done / max(now.progress.total, 1), 1) / counts.total
    current = ""
    if now is not None and now.photo:
        current = now.photo
        if now.progress is not None:
            current += f": {now.progress.stage} {now.progress.done} of {now.progress.total}"
    lines = [html.escape(line) for line in (text, "; ".join(parts) + ".", current) if line]
    bar = (
        f'<div class="batch-bar" role="progressbar" aria-label="The batch" aria-valuemin="0" aria-valuemax="100" '
        f'aria-valuenow="{share:.0%}"><i style="width:{min(share, 1):.1%}"></i></div>'
    )
    return f'<div class="batch-said" role="status">{"<br>".join(lines)}{bar}</div>'


def duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def spoken(text: str, *, wrong: bool = False) -> str:
    """A line for the visitor."""
    role = "alert" if wrong else "status"
    return f'<div class="batch-said{" batch-wrong" if wrong else ""}" role="{role}">{html.escape(text)}</div>'


def results_page(folder: Path) -> str:
    """Each job that is over: before and after, its words, its files; or why it failed."""
    cards = [card(folder, row) for row in rows_of(folder) if row.state in ("done", "failed")]
    return f'<div class="batch-cards">{"".join(cards)}</div>' if cards else ""


def card(folder: Path, row: Row) -> str:
    said = f"<h3>{html.escape(row.photo or f'Job {row.number}')}</h3><p>{html.escape(row.words)}</p>"
    if row.state == "failed":
        return f'<article class="batch-card">{said}<p class="batch-wrong">{html.escape(row.error)}</p></article>'
    place = folder / RESULTS / row.folder
    files = {kind: place / name for kind, name in row.facts.items() if isinstance(name, str) and plain_name(name)}
    pictures = "".join(
        f'<figure><img src="{link(files[kind])}" alt="{kind} {html.escape(row.photo)}" loading="lazy">'
        f"<figcaption>{kind}</figcaption></figure>"
        for kind in ("before", "after")
        if kind in files
    )
    links = " ".join(
        f'<a href="{link(files[kind])}" download="{html.escape(files[kind].name)}">{kind}</a>'
        for kind in ("picture", "record", "mask", "sheet", "file")
        if kind in files
    )
    return f'<article class="batch-card"><div class="batch-pair">{pictures}</div>{said}<p>{links}</p></article>'


def link(file: Path) -> str:
    return html.escape(address(file))


def download(folder: Path) -> str:
    """The link to the ZIP; empty where nothing is done."""
    file = packed(folder)
    if file is None:
        return ""
    size = file.stat().st_size / 1e6
    return f'<a class="batch-zip" href="{link(file)}" download="{folder.name}.zip">Download the results (ZIP, {size:.1f} MB)</a>'


# The page


def batch_tab(room: Room, token: gr.State) -> None:
    """Lay out the tab and wire it.

    Args:
        room: the networks and the visitors.
        token: holds the visitor's name, once the page has loaded.
    """
    performer = RoomPerformer(room)
    stopped: set[tuple[str, str]] = set()
    chosen = gr.State("")
    with gr.Row(elem_classes="batch-room"):
        with gr.Column(scale=2, min_width=300):
            files = gr.File(
                label="Pictures, and a list if there is one",
                file_count="multiple",
                file_types=[*PICTURES, *LISTS, ".json"],
                height=180,
                elem_id="batch-files",
            )
            gr.Markdown(
                "A list is images.json, jobs.jsonl or a table as CSV; it names its pictures. "
                "Without one, all pictures become what is said here.",
                elem_classes="batch-note",
            )
            source = gr.Textbox(
                label="What is there", info=field_help(EditRecord)["source"], max_length=2000, elem_id="batch-source"
            )
            prompt = gr.Textbox(
                label="What they should become",
                info=field_help(EditRecord)["prompt"],
                max_length=2000,
                lines=2,
                elem_id="batch-prompt",
            )
            with gr.Accordion("More settings", open=False):
                steps = gr.Number(
                    label="Steps", info=field_help(EditRecord)["steps"], value=None, precision=0, elem_id="batch-steps"
                )
                seed = gr.Number(
                    label="Seed",
                    info="Each picture draws its own from this and from what it is.",
                    value=0,
                    precision=0,
                    elem_id="batch-seed",
                )
            with gr.Row():
                start = gr.Button("Start", variant="primary", scale=3, elem_id="batch-start")
                stop = gr.Button("Cancel", interactive=False, scale=1, min_width=90, elem_id="batch-cancel")
            place = gr.HTML("", elem_id="batch-place", apply_default_css=False)
            status = gr.HTML(spoken("No batch yet."), elem_id="batch-status", apply_default_css=False)
            earlier = gr.Dropdown(
                [], label="Batches of this visit", info="To watch, go on, or download again.", elem_id="batch-earlier"
            )
            again = gr.Button("Go on with it", interactive=False, size="sm", elem_id="batch-again")
        with gr.Column(scale=5, min_width=320):
            archive = gr.HTML("", elem_id="batch-archive", apply_default_css=False)
            results = gr.HTML("", elem_id="batch-results", apply_default_css=False)
    timer = gr.Timer(WATCH, active=False)
    turns = gr.Timer(BETWEEN, active=False)

    def visit_of(name: str) -> Visit:
        try:
            return room.visit(name)
        except KeyError:
            raise RecordError("This page was left for so long that it was forgotten: reload it.") from None

    def begin(name: str, came: list[str] | None, source_: str, prompt_: str, steps_: Any, seed_: Any) -> dict[Any, Any]:
        """Read what came; it gets its turns from now on."""
        said = {"source": source_, "prompt": prompt_, "steps": steps_}
        shared = {setting: value for setting, value in said.items() if value not in (None, "")}
        try:
            visit = visit_of(name)
            folder = take_in(visit, [Path(file) for file in came or ()], shared, int(seed_ or 0))
        except Exception as problem:
            return {status: spoken(complaint(problem), wrong=True)}
        choices = gr.Dropdown(choices=[each.name for each in batches(visit)], value=folder.name)
        return {earlier: choices, files: None, **set_off(name, folder)}

    def go_on(name: str, which: Any) -> dict[Any, Any]:
        try:
            return set_off(name, batch_of(visit_of(name), which))
        except Exception as problem:
            return {status: spoken(complaint(problem), wrong=True)}

    def set_off(name: str, folder: Path) -> dict[Any, Any]:
        stopped.discard((name, folder.name))
        return {
            chosen: folder.name,
            turns: gr.Timer(active=True),
            status: status_of(folder, text="Waiting for a turn."),
            archive: "",
            results: results_page(folder),
            start: gr.Button(interactive=False),
            stop: gr.Button(interactive=True),
            again: gr.Button(interactive=False),
            timer: gr.Timer(active=False),
        }

    def work(name: str, which: str) -> Generator[dict[Any, Any], None, None]:
        """One turn; whoever else waits for the networks comes before the next."""
        text = ""
        rest: dict[Any, Any] = {
            turns: gr.Timer(active=False),
            start: gr.Button(interactive=True),
            stop: gr.Button(interactive=False),
        }
        try:
            visit = visit_of(name)
            folder = batch_of(visit, which)
        except Exception as problem:
            yield {status: spoken(complaint(problem), wrong=True), **rest}
            return
        try:
            if (name, which) in stopped:
                raise Cancelled("stopped before its turn.")
            yield from told(visit, folder)
            if counts_of(folder).left and (name, which) not in stopped:
                yield {
                    status: status_of(folder, text="Waiting for a turn."),
                    results: results_page(folder),
                }
                return
        except Cancelled:
            text = "Stopped. What was begun waits again."
        except Exception as problem:
            text = complaint(problem)
        yield {**shown(folder, text or "Done."), **rest}

    def told(visit: Visit, folder: Path) -> Generator[dict[Any, Any], None, None]:
        now, over = Now(), -1
        for news in watched(visit, lambda on_progress, show: turn(room, folder, performer, on_progress, show)):
            now = (
                Now(photo=str(news.what))
                if isinstance(news, Seen)
                else dataclasses.replace(now, progress=step_of(news))
            )
            update: dict[Any, Any] = {status: status_of(folder, now=now)}
            counts = counts_of(folder)
            if counts.done + counts.failed != over:
                over = counts.done + counts.failed
                update[results] = results_page(folder)
            yield update

    def shown(folder: Path, text: str) -> dict[Any, Any]:
        left = counts_of(folder).left
        return {
            status: status_of(folder, text=text),
            archive: download(folder),
            results: results_page(folder),
            again: gr.Button(interactive=left > 0),
        }

    def look(name: str, which: Any) -> dict[Any, Any]:
        """A batch that was chosen; while another page does it, again and again."""
        if not which:
            return {timer: gr.Timer(active=False)}
        try:
            folder = batch_of(visit_of(name), which)
            running = counts_of(folder).running > 0
            if running:
                return {
                    status: status_of(folder),
                    results: results_page(folder),
                    again: gr.Button(interactive=False),
                    timer: gr.Timer(active=True),
                }
            return {**shown(folder, ""), timer: gr.Timer(active=False)}
        except Exception as problem:
            return {status: spoken(complaint(problem), wrong=True), timer: gr.Timer(active=False)}

    def arrive(name: str) -> dict[Any, Any]:
        """The latest batch is shown again after a reload."""
        if name not in room.visits:
            return {timer: gr.Timer(active=False)}
        found = [folder.name for folder in batches(room.visit(name))]
        if not found:
            return {timer: gr.Timer(active=False)}
        return {earlier: gr.Dropdown(choices=found, value=found[0]), **look(name, found[0])}

    def cancel(name: str, which: str) -> None:
        stopped.add((name, which))
        if name in room.visits:
            room.visits[name].stop.set()

    everything = [chosen, turns, status, archive, results, start, stop, again, earlier, timer, files]
    heavy: dict[str, Any] = {
        **NETWORKS,
        "show_progress": "minimal",
        "show_progress_on": place,
        "api_visibility": "private",
    }
    start.click(begin, [token, files, source, prompt, steps, seed], everything, **QUIET)
    again.click(go_on, [token, earlier], everything, **QUIET)
    # While a turn goes on, or waits, no other begins.
    turns.tick(work, [token, chosen], everything, trigger_mode="once", **heavy)
    stop.click(cancel, [token, chosen], None, **QUIET)
    earlier.input(look, [token, earlier], everything, **QUIET)
    timer.tick(look, [token, earlier], everything, **QUIET)
    token.change(arrive, token, everything, **QUIET)


def step_of(news: Step | Seen) -> Progress:
    assert isinstance(news, Step)
    return news.progress


def complaint(problem: Exception) -> str:
    """An error in words for a visitor."""
    if isinstance(problem, IntarsiaError):
        return str(problem)
    from intarsia.app.ui.words_tab import sentence as unforeseen

    return unforeseen(problem)
