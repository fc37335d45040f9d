"""The layout of the tab "Remove": a photo, a brush for what should go, and the picture without it."""

from __future__ import annotations

import dataclasses
from typing import Any

import gradio as gr

from intarsia.records.remove import RemoveRecord
from intarsia.web import remove_service
from intarsia.web.field_labels import field_help, label
from intarsia.web.remove_service import RemoveService
from intarsia.web.scripts import loading
from intarsia.web.sessions import SessionStore
from intarsia.web.tabs.remove_handlers import ARRIVING, RemoveControls, RemoveHandlers
from intarsia.web.work import WITHOUT_NETWORKS

EVENTS = ("uploaded", "tried", "wanted", "outlined", "undone", "taken", "shown", "replayed", "stopped")
"""Events that the canvas triggers."""
QUIET: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}


def remove_tab(store: SessionStore, token: gr.State) -> None:
    """Lay out the tab and connect its events.

    Args:
        token: of the session, once the page has loaded.
    """
    photo = gr.State(None)
    with gr.Column(elem_classes="remove"):
        canvas = gr.HTML(
            ARRIVING,
            html_template='<div class="r-root"></div>',
            js_on_load=loading("remove_tab", EVENTS),
            apply_default_css=False,
            elem_id="remove-stage",
            examples=remove_service.example_cards(),
        )
        queue_place = gr.HTML("", elem_id="remove-place", apply_default_css=False)
        with gr.Accordion("More settings", open=False, elem_id="remove-more"), gr.Row():
            settings = {name: setting_control(name) for name in remove_service.SETTINGS}
    controls = RemoveControls(canvas=canvas, photo=photo, settings=settings)
    connect(RemoveHandlers(RemoveService(store), controls), controls, token, queue_place)


def connect(handlers: RemoveHandlers, controls: RemoveControls, token: gr.State, queue_place: gr.HTML) -> None:
    """Connect events to their handlers.

    Args:
        queue_place: where Gradio shows the place in the queue.
    """
    canvas, photo = controls.canvas, controls.photo
    state, shown = [token, canvas], [canvas, photo]
    token.change(handlers.restore, token, shown, **QUIET)
    at_once: tuple[tuple[Any, Any], ...] = (
        (canvas.uploaded, handlers.upload),
        (canvas.taken, handlers.use_result),
        (canvas.shown, handlers.show_result),
        (canvas.undone, handlers.undo),
    )
    for listen, handler in at_once:
        listen(handler, state, shown, **QUIET)
    queued: tuple[tuple[Any, Any, list[Any]], ...] = (
        (canvas.wanted, handlers.want_removal, [*state, photo, *controls.settings.values()]),
        (canvas.tried, handlers.want_example, state),
        (canvas.outlined, handlers.want_outline, [*state, photo]),
        (canvas.replayed, handlers.want_replay, state),
    )
    for listen, handler, inputs in queued:
        listen(handler, inputs, shown, **QUIET).then(
            handlers.task.perform,
            None,
            canvas,
            **WITHOUT_NETWORKS,
            show_progress="minimal",
            show_progress_on=queue_place,
            api_visibility="private",
        )
    canvas.stopped(handlers.task.cancel, token, canvas, **QUIET)


def setting_control(name: str) -> Any:
    """The control of a setting: its label, help and default are the record's."""
    field = next(f for f in dataclasses.fields(RemoveRecord) if f.name == name)
    common: dict[str, Any] = {
        "label": label(name),
        "info": field_help(RemoveRecord)[name],
        "elem_id": f"remove-{name}",
        "value": field.default,
    }
    if field.default is None:
        # An empty field of numbers would show 0, and send it.
        return gr.Textbox(**common, max_lines=1, max_length=20, placeholder="by default")
    return gr.Checkbox(**common) if field.default is True else gr.Number(**common, precision=0)
