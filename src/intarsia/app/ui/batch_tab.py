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
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import gradio as gr

from intarsia.app.batch_commands import so_far, to_do
from intarsia.app.batch_page import plain_name
from intarsia.app.batch_performer import Performer
from intarsia.app.ui import outside
from intarsia.app.ui.fields import field_help, label
from intarsia.app.ui.room import NETWORKS, Room, Seen, Show, Step, Visit, span, watched, way_of
from intarsia.app.ui.sentences import for_pages
from intarsia.app.ui.sentences import sentence as in_words
from intarsia.app.ui.words import address, models_label
from intarsia.backbones.protocols import Backbones
from intarsia.batch.jobs import PICTURES, Job, read_jobs
from intarsia.batch.ledger import Counts, Ledger, Row
from intarsia.batch.work import MARK, RESULTS, Perform, do, sentence
from intarsia.errors import Cancelled, OutputError, RecordError
from intarsia.progress import OnProgress
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
USUAL_STEPS = EditRecord.steps
"""Steps that are not said to a batch: layouts have a number of their own."""
MOST_SHOWN = 200
"""Results on the page; the others are in the archive."""
LARGEST_ZIP = 4 << 30
"""Bytes of an archive."""
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
    return dataclasses.replace(job, problem=for_pages(without(place, job.problem)))


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
    step: Step | None = None


class RoomPerformer(Performer):
    """Does jobs with the room's networks."""

    def __init__(self, room: Room) -> None:
        super().__init__(room.machine, cached=False)  # nothing of a visitor outlives the visit
        self.room = room

    def backbones(self, models: str) -> Backbones:
        return self.room.load(models)


def models_of(room: Room, record: EditRecord | ArrangeRecord) -> str:
    """The networks that a job is done with: its own where visitors may choose, else those that all have.

    Raises:
        RecordError: it names networks that are no choice.
    """
    if len(room.choices) == 1 or record.models == "auto":
        return room.models
    if record.models not in room.choices:
        raise RecordError(
            f"The job wants the models {record.models!r}, but these pages have {', '.join(map(models_label, room.choices))}: name one of "
            "them, or leave it out."
        )
    return record.models


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
            try:
                record = dataclasses.replace(job.record, models=models_of(room, job.record))
                placed = dataclasses.replace(job, record=record)
                ledger.done(job.id, do(placed, perform, folder, on_progress))
            except Cancelled:
                ledger.put_back([job.id])
                raise
            except Exception as problem:
                ledger.failed(job.id, for_pages(without(folder / PICTURES_FOLDER, sentence(problem))))
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
    rows, file = rows_of(folder), folder / f"{folder.name}.zip"
    latest = max((row.ended or 0 for row in rows), default=0)
    if file.exists() and file.stat().st_mtime > latest:
        return file
    return pack(rows, lambda row: outside.files_of(folder, row), file)


def pack(rows: Sequence[Row], files_of: Callable[[Row], list[Path]], file: Path) -> Path | None:
    """Write what came of jobs into a ZIP, a folder each; None where nothing has come.

    Raises:
        OutputError: it would be too large.
    """
    made = [(row, files_of(row)) for row in rows if row.state == "done"]
    made = [(row, [each for each in files if each.name not in (*outside.THUMBS, MARK)]) for row, files in made]
    size = sum(each.stat().st_size for _, files in made for each in files)
    if not any(files for _, files in made):
        return None
    if size > LARGEST_ZIP:
        raise OutputError(
            f"The results have {size / 1e9:,.1f} GB, but {LARGEST_ZIP / 1e9:.1f} are packed at most: let whoever runs "
            "these pages hand on the folder."
        )
    part = file.with_name(f".part-{secrets.token_hex(8)}")
    try:
        with zipfile.ZipFile(part, "w") as archive:  # stored: pictures do not get smaller
            for row, files in made:
                for each in files:
                    archive.write(each, f"{row.folder}/{each.name}")
            failures = [f"{row.number}  {row.photo}: {row.error}\n" for row in rows if row.state == "failed"]
            if failures:
                archive.writestr("failed.txt", "".join(failures))
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)
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
            parts.append(f"about {span(60 * counts.left / speed)} left")
    share = (counts.done + counts.failed) / max(counts.total, 1)
    current = ""
    if now is not None and now.photo:
        current = now.photo
        if now.step is not None:
            way, progress = way_of(now.step), now.step.progress
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
    return [dataclasses.replace(row, photo=PurePosixPath(row.photo).name, error=for_pages(row.error)) for row in rows]


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


# The page

HOW = """
<section class="batch-how"><h3>Many pictures at once</h3>
<p>Drop pictures, and say what all of them should become. Or drop a list with them, which says it for each: JSON, JSON
Lines or a table as CSV.</p>
<pre>[
  {"photo": "garden.jpg", "source": "trees", "prompt": "a big tree with many flowers"},
  {"photo": "yard.png", "source": "dog", "prompt": "a cat", "seed": 7}
]</pre>
<p>They are done one after another, while others take their turns. What is done is shown here, and can be taken home as
one archive; a batch that was cancelled goes on where it stopped.</p></section>
""".strip()
"""What stands where results will be."""


def batch_tab(room: Room, token: gr.State, *, ledgers: bool = False) -> None:
    """Lay out the tab and wire it.

    Args:
        room: the networks and the visitors.
        token: holds the visitor's name, once the page has loaded.
        ledgers: whether visitors may watch batches that other programs do below the output folder.
    """
    performer = RoomPerformer(room)
    stopped: set[tuple[str, str]] = set()
    chosen = gr.State("")
    seen = gr.State("")
    with gr.Row(elem_classes="batch-room"):
        with gr.Column(scale=2, min_width=300):
            files = gr.File(
                label="Pictures, and a list if there is one",
                file_count="multiple",
                file_types=[*PICTURES, *LISTS, ".json"],
                height=165,
                elem_id="batch-files",
            )
            gr.Markdown(
                "Without a list, all pictures become what is said here.",
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
            with gr.Accordion("More settings", open=False, elem_id="batch-more"):
                steps = gr.Number(
                    label="Steps",
                    info=field_help(EditRecord)["steps"],
                    value=USUAL_STEPS,  # not None, which the page would show as 0, and send
                    minimum=1,
                    precision=0,
                    elem_id="batch-steps",
                )
                seed = gr.Number(
                    label="Seed",
                    info="Each picture draws its own from this and from what it is.",
                    value=0,
                    precision=0,
                    elem_id="batch-seed",
                )
                models = gr.Dropdown(
                    [(models_label(choice), choice) for choice in room.choices],
                    value=room.models,
                    label=label("models"),
                    info="For pictures that a list gives no others.",
                    visible=len(room.choices) > 1,
                    elem_id="batch-models",
                )
            with gr.Row():
                start = gr.Button("Start", variant="primary", scale=3, elem_id="batch-start")
                stop = gr.Button("Cancel", interactive=False, scale=1, min_width=90, elem_id="batch-cancel")
            with gr.Accordion("Other batches", open=False, elem_id="batch-others"):
                earlier = gr.Dropdown(
                    [],
                    label="Batches of this visit",
                    info="To watch, go on, or download again.",
                    elem_id="batch-earlier",
                )
                path = gr.Textbox(
                    label="A batch in the output folder",
                    info="The folder where intarsia batch writes, below that of these pages, such as runs/trees.",
                    max_length=outside.LONGEST_PATH,
                    visible=ledgers,
                    elem_id="batch-path",
                )
                with gr.Row(visible=ledgers):
                    watch = gr.Button("Watch it", size="sm", min_width=90, elem_id="batch-watch")
                    collect = gr.Button("Pack its results", size="sm", min_width=90, elem_id="batch-pack")
        with gr.Column(scale=5, min_width=320, elem_classes="batch-seen"):
            status = gr.HTML(
                spoken("No batch yet."),
                elem_id="batch-status",
                apply_default_css=False,
            )
            place = gr.HTML("", elem_id="batch-place", apply_default_css=False)
            with gr.Row(elem_classes="batch-next"):
                archive = gr.HTML("", elem_id="batch-archive", apply_default_css=False)
                again = gr.Button(
                    "Go on with it", interactive=False, size="sm", scale=0, min_width=130, elem_id="batch-again"
                )
            results = gr.HTML(HOW, elem_id="batch-results", apply_default_css=False)
    timer = gr.Timer(WATCH, active=False)
    turns = gr.Timer(BETWEEN, active=False)

    def begin(
        name: str, came: list[str] | None, source_: str, prompt_: str, steps_: Any, seed_: Any, models_: Any
    ) -> dict[Any, Any]:
        """Read what came; it gets its turns from now on."""
        said = {"source": source_, "prompt": prompt_, "steps": None if steps_ == USUAL_STEPS else steps_}
        if len(room.choices) > 1 and models_ in room.choices:
            said["models"] = models_
        shared = {setting: value for setting, value in said.items() if value not in (None, "")}
        try:
            visit = room.visit(name)
            folder = take_in(visit, [Path(file) for file in came or ()], shared, int(seed_ or 0))
        except Exception as problem:
            return {status: spoken(in_words(problem), wrong=True)}
        choices = gr.Dropdown(choices=[each.name for each in batches(visit)], value=folder.name)
        return {earlier: choices, files: None, **set_off(name, folder)}

    def go_on(name: str, which: Any) -> dict[Any, Any]:
        try:
            return set_off(name, batch_of(room.visit(name), which))
        except Exception as problem:
            return {status: spoken(in_words(problem), wrong=True)}

    def set_off(name: str, folder: Path) -> dict[Any, Any]:
        stopped.discard((name, folder.name))
        return {
            chosen: folder.name,
            seen: "",
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
            visit = room.visit(name)
            folder = batch_of(visit, which)
        except Exception as problem:
            yield {status: spoken(in_words(problem), wrong=True), **rest}
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
            text = in_words(problem)
        yield {**shown(folder, text or "Done."), **rest}

    def told(visit: Visit, folder: Path) -> Generator[dict[Any, Any], None, None]:
        now, over = Now(), -1
        for news in watched(visit, lambda on_progress, show: turn(room, folder, performer, on_progress, show)):
            now = Now(photo=str(news.what)) if isinstance(news, Seen) else dataclasses.replace(now, step=news)
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

    def choose(name: str, which: Any) -> dict[Any, Any]:
        return {seen: "", **look(name, which, "")}

    def look(name: str, which: Any, where: str) -> dict[Any, Any]:
        """A batch that was chosen; while another page or program does it, again and again."""
        if where:
            return look_outside(name, where)
        if not which:
            return {timer: gr.Timer(active=False)}
        try:
            folder = batch_of(room.visit(name), which)
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
            return {status: spoken(in_words(problem), wrong=True), timer: gr.Timer(active=False)}

    def arrive(name: str) -> dict[Any, Any]:
        """The latest batch is shown again after a reload."""
        if name not in room.visits:
            return {timer: gr.Timer(active=False)}
        found = [folder.name for folder in batches(room.visit(name))]
        if not found:
            return {timer: gr.Timer(active=False)}
        return {earlier: gr.Dropdown(choices=found, value=found[0]), **look(name, found[0], "")}

    def look_outside(name: str, where: Any) -> dict[Any, Any]:
        """A batch of another program, as its ledger says; again and again, until it is over."""
        try:
            visit = room.visit(name)
            folder = outside.find(room.root, where)
            rows = of_others(outside.rows_of(folder))
        except Exception as problem:
            return {status: spoken(in_words(problem), wrong=True), seen: "", timer: gr.Timer(active=False)}
        goes_on = any(row.state in ("waiting", "running") for row in rows)
        now = next((Now(photo=row.photo) for row in rows if row.state == "running"), None)
        return {
            seen: where,
            status: standing(rows, now=now, text=f"The batch {where.strip()}, done by another program."),
            results: cards(rows, lambda row: outside.copy_thumbs(visit, folder, row), ()),
            again: gr.Button(interactive=False),
            timer: gr.Timer(active=goes_on),
        }

    def look_first(name: str, where: Any) -> dict[Any, Any]:
        return {archive: "", **look_outside(name, where)}

    def collected(name: str, where: Any) -> dict[Any, Any]:
        """What has come so far of a batch of another program, in an archive of the visitor's own."""
        try:
            visit = room.visit(name)
            folder = outside.find(room.root, where)
            rows = of_others(outside.rows_of(folder))
            file = pack(
                rows, lambda row: outside.files_of(folder, row), outside.kept(visit, folder) / f"{folder.name}.zip"
            )
            if file is None:
                raise RecordError("Nothing of that batch is done yet: watch it, and pack its results later.")
        except Exception as problem:
            return {status: spoken(in_words(problem), wrong=True)}
        return {**look_outside(name, where), archive: zip_link(file)}

    def cancel(name: str, which: str) -> None:
        stopped.add((name, which))
        if name in room.visits:
            room.visits[name].stop.set()

    everything = [chosen, seen, turns, status, archive, results, start, stop, again, earlier, timer, files]
    heavy: dict[str, Any] = {
        **NETWORKS,
        "show_progress": "minimal",
        "show_progress_on": place,
        "api_visibility": "private",
    }
    start.click(begin, [token, files, source, prompt, steps, seed, models], everything, **QUIET)
    again.click(go_on, [token, earlier], everything, **QUIET)
    # While a turn goes on, or waits, no other begins.
    turns.tick(work, [token, chosen], everything, trigger_mode="once", **heavy)
    stop.click(cancel, [token, chosen], None, **QUIET)
    earlier.input(choose, [token, earlier], everything, **QUIET)
    timer.tick(look, [token, earlier, seen], everything, **QUIET)
    if ledgers:
        gr.on([watch.click, path.submit], look_first, [token, path], everything, **QUIET)
        collect.click(collected, [token, path], everything, **QUIET)
    token.change(arrive, token, everything, **QUIET)
