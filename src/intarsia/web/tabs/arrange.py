"""The layout of the tab "Edit by layout": objects of a picture become cut-outs that are moved by hand."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any, get_args

import gradio as gr

from intarsia.records.arrange import ArrangeRecord
from intarsia.records.choices import Mode
from intarsia.web.api import add_arrange_endpoints
from intarsia.web.arrange_cards import message_html
from intarsia.web.arrange_examples import example_cards
from intarsia.web.arrange_service import ArrangeService
from intarsia.web.arrange_settings import ADVANCED, control, setting_of
from intarsia.web.canvas import canvas_component
from intarsia.web.edit_service import models_label
from intarsia.web.field_labels import field_help
from intarsia.web.scripts import loading
from intarsia.web.sessions import SessionStore
from intarsia.web.tabs.arrange_handlers import ArrangeControls, ArrangeHandlers
from intarsia.web.tabs.arrange_paint_handlers import ArrangePaintHandlers
from intarsia.web.work import NETWORKS, WITHOUT_NETWORKS

QUICK: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}


def arrange_tab(store: SessionStore, token: gr.State) -> None:
    """Lay out the tab and connect its events.

    Args:
        token: of the session; when it changes, the page shows its results.
    """
    service = ArrangeService(store)
    with gr.Row(elem_classes="layout-room"):
        with gr.Column(elem_classes="layout-what"):
            objects = gr.Textbox(
                label="Objects",
                placeholder="cat, potted plant",
                info="What becomes a cut-out, with commas between.",
                max_lines=3,
                max_length=2000,
                elem_id="layout-objects",
            )
            find = gr.Button("Find the objects", variant="secondary", elem_id="layout-find")
            with gr.Accordion("Masks instead of names", open=False):
                gr.Markdown("The objects as one picture in their colours, and the colours as JSON.")
                mask = gr.File(label="Mask in colours", file_types=["image"], height=110, elem_id="layout-mask")
                colours = gr.File(label="Colours", file_types=[".json"], height=110, elem_id="layout-colours")
                read = gr.Button("Take these objects", size="sm")
        with gr.Column(elem_classes="layout-stage"):
            canvas = canvas_component({"examples": example_cards()}, elem_id="layout-stage")
            with gr.Row(elem_classes="layout-go"):
                go = gr.Button("Arrange", variant="primary", elem_id="layout-go")
                cancel = gr.Button("Cancel", variant="stop", interactive=False, elem_id="layout-cancel")
                with gr.Column(min_width=0, elem_classes="layout-told"):
                    status = gr.HTML(message_html(""), elem_id="layout-status", apply_default_css=False)
                    queue_place = gr.HTML("", elem_id="layout-place", apply_default_css=False)
            history = gr.HTML(
                [],
                html_template="",
                js_on_load=loading("history", ("chosen", "taken")),
                apply_default_css=False,
                elem_id="layout-history",
            )
        with gr.Column(elem_classes="layout-how"):
            mode = gr.Radio(
                list(get_args(Mode)),
                value="auto",
                label="How",
                info=field_help(ArrangeRecord)["mode"],
                elem_id="layout-mode",
            )
            with gr.Accordion("A drawn layout instead", open=False):
                gr.Markdown("The places of the objects, painted in their colours. What is dragged comes on top.")
                layout = gr.File(label="Layout in colours", file_types=["image"], height=110)
                key = gr.File(label="Its colours, if not the scene's", file_types=[".json"], height=110)
            with gr.Accordion("Learn how the objects look", open=False):
                gr.Markdown("Regenerate paints objects from what it has learned of them. Learn once, use often.")
                learn = gr.Button("Learn", size="sm", elem_id="layout-learn")
                plot = gr.HTML("", elem_id="layout-plot", apply_default_css=False)
            with gr.Accordion("Advanced", open=False):
                models = gr.Dropdown(
                    [(models_label(choice), choice) for choice in store.choices],
                    value=store.models,
                    label="Models",
                    info="The networks that find and paint. Others than the last ones are loaded first, which takes long.",
                    visible=len(store.choices) > 1,
                    elem_id="layout-models",
                )
                settings = [control(setting_of(name)) for name in ADVANCED]
    controls = ArrangeControls(
        canvas=canvas,
        status=status,
        objects=objects,
        history=history,
        plot=plot,
        mode=mode,
        cancel=cancel,
        buttons=(go, find, read, learn),
    )
    handlers = ArrangeHandlers(service, controls)
    paint = ArrangePaintHandlers(handlers)
    connect(handlers, paint, controls, token)
    named = [token, canvas, objects, models]
    form = [token, canvas, mode, layout, key, models, *settings]
    connect_work(
        handlers,
        controls,
        queue_place,
        (
            (functools.partial(gr.on, [find.click, objects.submit]), handlers.want_objects_by_name, named),
            (read.click, handlers.want_objects_by_masks, [token, canvas, mask, colours]),
            (canvas.example, handlers.want_example, [token, models]),
            (canvas.pointed, handlers.want_object_at_point, named),
            (go.click, handlers.want_arrangement, form),
            (canvas.replayed, handlers.want_replay, [token]),
            (learn.click, handlers.want_learning, [token, canvas, mode, models, *settings]),
        ),
    )
    outlining = ((canvas.outlined, paint.want_outline, [token, canvas]),)
    connect_work(handlers, controls, queue_place, outlining, turn=WITHOUT_NETWORKS)
    cancel.click(handlers.task.cancel, token, [status, cancel, *controls.buttons], **QUICK, queue=False)
    add_arrange_endpoints(service)


def connect(handlers: ArrangeHandlers, paint: ArrangePaintHandlers, controls: ArrangeControls, token: gr.State) -> None:
    """Connect the events that need no networks."""
    canvas, history, shown = controls.canvas, controls.history, outputs(controls)
    canvas.uploaded(handlers.upload, [token], shown, **QUICK)
    canvas.renamed(handlers.rename, [token, canvas], shown, **QUICK)
    canvas.masked(paint.take_outline, [token, canvas], shown, **QUICK)
    canvas.painted(paint.take_layout, [token, canvas], shown, **QUICK)
    canvas.opened(handlers.refresh_history, [token], [history], **QUICK)
    history.chosen(handlers.go_on, [token], shown, **QUICK)
    history.taken(handlers.use_result, [token], shown, **QUICK)
    token.change(handlers.restore, [token], shown, **QUICK)


def connect_work(
    handlers: ArrangeHandlers,
    controls: ArrangeControls,
    queue_place: gr.HTML,
    events: Sequence[tuple[Any, Any, Any]],
    *,
    turn: Mapping[str, Any] = NETWORKS,
) -> None:
    """Connect the events that take their time: each handler says what is wanted, and the queue performs it.

    Args:
        queue_place: where Gradio shows the place in the queue.
        events: what to listen to, the handler, and its inputs.
        turn: settings of the queue in which they wait.
    """
    shown = outputs(controls)
    for listen, handler, inputs in events:
        listen(handler, inputs, shown, **QUICK, queue=False).then(
            handlers.task.perform,
            None,
            shown,
            **turn,
            api_visibility="private",
            show_progress="minimal",
            show_progress_on=queue_place,
        )


def outputs(controls: ArrangeControls) -> list[Any]:
    """All components that a handler may update."""
    shown = [controls.canvas, controls.status, controls.objects, controls.history, controls.plot, controls.mode]
    return [*shown, controls.cancel, *controls.buttons]
