"""The layout of the page "Many pictures": a list and its pictures, or pictures alone, are done one after another."""

from __future__ import annotations

from typing import Any

import gradio as gr

from intarsia.batch.folder import PICTURES
from intarsia.records.edit import EditRecord
from intarsia.web import watched_batches
from intarsia.web.batch_cards import message_html
from intarsia.web.batch_handlers import BatchControls, BatchHandlers
from intarsia.web.batch_service import DEFAULT_STEPS, LISTS, SLICE_PAUSE
from intarsia.web.edit_service import models_label
from intarsia.web.field_labels import field_help, label
from intarsia.web.sessions import SessionStore
from intarsia.web.work import NETWORKS

WATCH_INTERVAL = 3.0
"""Seconds between two checks of a batch that another page or program does."""
QUIET: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}

HELP = """
<section><h2>Many pictures at once</h2>
<p>Drop pictures, and say what all of them should become. Or drop a list with them, which says it for each: JSON, JSON
Lines or a table as CSV.</p>
<pre>[
  {"photo": "garden.jpg", "source": "trees", "prompt": "a big tree with many flowers"},
  {"photo": "yard.png", "source": "dog", "prompt": "a cat", "seed": 7}
]</pre>
<p>They are done one after another, while others take their turns. What is done is shown here, and can be taken home as
one archive; what was cancelled goes on where it stopped.</p></section>
""".strip()
"""What stands in the place of the results before there are any."""


def batch_page(store: SessionStore, token: gr.State, *, ledgers: bool = False) -> None:
    """Lay out the page and connect its events.

    Args:
        token: of the session, once the page has loaded.
        ledgers: whether visitors may watch batches that other programs do below the output folder.
    """
    current, watched = gr.State(""), gr.State("")
    with gr.Row(elem_classes="batch-room"):
        with gr.Column(scale=2, min_width=300):
            files = gr.File(
                label="Pictures, and a list if there is one",
                file_count="multiple",
                file_types=[*PICTURES, *LISTS, ".json"],
                height=165,
                elem_id="batch-files",
            )
            gr.Markdown("Without a list, all pictures become what is said here.", elem_classes="batch-note")
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
                    value=DEFAULT_STEPS,  # not None, which the page would show as 0, and send
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
                    [(models_label(choice), choice) for choice in store.choices],
                    value=store.models,
                    label=label("models"),
                    info="For pictures that a list gives no others.",
                    visible=len(store.choices) > 1,
                    elem_id="batch-models",
                )
            with gr.Row():
                start = gr.Button(  # from when the visitor is known
                    "Start", variant="primary", interactive=False, scale=3, elem_id="batch-start"
                )
                cancel = gr.Button("Cancel", interactive=False, scale=1, min_width=90, elem_id="batch-cancel")
            with gr.Accordion("Earlier pictures", open=False, elem_id="batch-others"):
                earlier = gr.Dropdown(
                    [],
                    label="What this visit began",
                    info="To watch, go on, or download again.",
                    elem_id="batch-earlier",
                )
                path = gr.Textbox(
                    label="A batch in the output folder",
                    info="The folder where a batch of the command line writes, below that of these pages, such as runs/trees.",
                    max_length=watched_batches.MAX_PATH_LENGTH,
                    visible=ledgers,
                    elem_id="batch-path",
                )
                with gr.Row(visible=ledgers):
                    watch = gr.Button("Watch it", size="sm", min_width=90, elem_id="batch-watch")
                    pack = gr.Button("Pack its results", size="sm", min_width=90, elem_id="batch-pack")
        with gr.Column(scale=5, min_width=320, elem_classes="batch-seen"):
            status = gr.HTML(message_html("Nothing was begun yet."), elem_id="batch-status", apply_default_css=False)
            queue_place = gr.HTML("", elem_id="batch-place", apply_default_css=False)
            with gr.Row(elem_classes="batch-next"):
                archive = gr.HTML("", elem_id="batch-archive", apply_default_css=False)
                resume = gr.Button(
                    "Go on with it", interactive=False, size="sm", scale=0, min_width=130, elem_id="batch-again"
                )
            with gr.Column(elem_classes="batch-how", elem_id="batch-empty") as empty:
                gr.HTML(HELP, apply_default_css=False)
                with gr.Row(elem_classes="batch-try"):
                    example = gr.Button(  # from when the visitor is known
                        "Try an example", interactive=False, size="md", scale=0, min_width=150, elem_id="batch-example"
                    )
                    gr.Markdown("Four small drawings, with words for each.", elem_classes="batch-note")
            results = gr.HTML("", elem_id="batch-results", apply_default_css=False)
    controls = BatchControls(
        current=current,
        watched=watched,
        slice_timer=gr.Timer(SLICE_PAUSE, active=False),
        watch_timer=gr.Timer(WATCH_INTERVAL, active=False),
        status=status,
        archive=archive,
        empty=empty,
        example=example,
        results=results,
        start=start,
        cancel=cancel,
        resume=resume,
        earlier=earlier,
        files=files,
    )
    handlers = BatchHandlers(store, controls)
    connect(handlers, controls, token, queue_place, [files, source, prompt, steps, seed, models])
    if ledgers:
        shown = outputs(controls)
        gr.on([watch.click, path.submit], handlers.watch, [token, path], shown, **QUIET)
        pack.click(handlers.pack, [token, path], shown, **QUIET)


def connect(
    handlers: BatchHandlers, controls: BatchControls, token: gr.State, queue_place: gr.HTML, form: list[Any]
) -> None:
    """Connect the events of the session's own batches.

    Args:
        queue_place: where Gradio shows the place in the queue.
        form: components that say what a new batch is; the last three are steps, seed and models.
    """
    shown = outputs(controls)
    controls.start.click(handlers.create, [token, *form], shown, **QUIET)
    controls.example.click(handlers.create_example, [token, *form[-3:]], shown, **QUIET)
    controls.resume.click(handlers.resume, [token, controls.earlier], shown, **QUIET)
    controls.slice_timer.tick(
        handlers.do_slice,
        [token, controls.current],
        shown,
        trigger_mode="once",  # while a slice goes on, or waits, no other begins
        **NETWORKS,
        show_progress="minimal",
        show_progress_on=queue_place,
        api_visibility="private",
    )
    controls.cancel.click(handlers.cancel, [token, controls.current], None, **QUIET)
    controls.earlier.input(handlers.choose, [token, controls.earlier], shown, **QUIET)
    controls.watch_timer.tick(handlers.refresh, [token, controls.earlier, controls.watched], shown, **QUIET)
    token.change(handlers.restore, token, shown, **QUIET)


def outputs(controls: BatchControls) -> list[Any]:
    """All components that a handler may update."""
    return list(vars(controls).values())
