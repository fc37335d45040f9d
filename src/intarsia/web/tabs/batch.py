"""The tab "Many pictures": a list and its pictures, or pictures alone, are done one after another."""

from __future__ import annotations

import dataclasses
from collections.abc import Generator
from pathlib import Path
from typing import Any

import gradio as gr

from intarsia.batch.jobs import PICTURES
from intarsia.errors import Cancelled, RecordError
from intarsia.records.edit import EditRecord
from intarsia.web import watched_batches
from intarsia.web.batch_cards import cards, download, of_others, results_page, spoken, standing, status_of, zip_link
from intarsia.web.batch_service import (
    BETWEEN,
    LISTS,
    USUAL_STEPS,
    Now,
    SessionWorker,
    batch_of,
    batches,
    counts_of,
    pack,
    take_in,
    turn,
)
from intarsia.web.edit_service import models_label
from intarsia.web.error_messages import message_for as in_words
from intarsia.web.field_labels import field_help, label
from intarsia.web.sessions import Session, SessionStore
from intarsia.web.work import NETWORKS, Intermediate, run_watched

WATCH = 3.0
"""Seconds between two looks at a batch that another page is doing."""
QUIET: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}


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


def batch_tab(room: SessionStore, token: gr.State, *, ledgers: bool = False) -> None:
    """Lay out the tab and wire it.

    Args:
        room: the networks and the visitors.
        token: holds the visitor's name, once the page has loaded.
        ledgers: whether visitors may watch batches that other programs do below the output folder.
    """
    performer = SessionWorker(room)
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
                    info="The folder where a batch of the command line writes, below that of these pages, such as runs/trees.",
                    max_length=watched_batches.LONGEST_PATH,
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

    def told(visit: Session, folder: Path) -> Generator[dict[Any, Any], None, None]:
        now, over = Now(), -1
        for news in run_watched(visit, lambda on_progress, show: turn(room, folder, performer, on_progress, show)):
            now = Now(photo=str(news.what)) if isinstance(news, Intermediate) else dataclasses.replace(now, step=news)
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
            folder = watched_batches.find_batch(room.root, where)
            rows = of_others(watched_batches.rows_of(folder))
        except Exception as problem:
            return {status: spoken(in_words(problem), wrong=True), seen: "", timer: gr.Timer(active=False)}
        goes_on = any(row.state in ("waiting", "running") for row in rows)
        now = next((Now(photo=row.photo) for row in rows if row.state == "running"), None)
        return {
            seen: where,
            status: standing(rows, now=now, text=f"The batch {where.strip()}, done by another program."),
            results: cards(rows, lambda row: watched_batches.copy_thumbs(visit, folder, row), ()),
            again: gr.Button(interactive=False),
            timer: gr.Timer(active=goes_on),
        }

    def look_first(name: str, where: Any) -> dict[Any, Any]:
        return {archive: "", **look_outside(name, where)}

    def collected(name: str, where: Any) -> dict[Any, Any]:
        """What has come so far of a batch of another program, in an archive of the visitor's own."""
        try:
            visit = room.visit(name)
            folder = watched_batches.find_batch(room.root, where)
            rows = of_others(watched_batches.rows_of(folder))
            file = pack(
                rows,
                lambda row: watched_batches.files_of(folder, row),
                watched_batches.kept(visit, folder) / f"{folder.name}.zip",
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
