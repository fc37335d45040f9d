"""The layout of the tab "Edit by words": a photo, what is there, what it should become, and a choice of results."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import gradio as gr

from intarsia.records.choices import CHOICES, Preset
from intarsia.records.edit import EditRecord
from intarsia.records.presets import PRESETS, plain
from intarsia.web import edit_service, result_store
from intarsia.web.api import add_edit_endpoint
from intarsia.web.field_labels import field_help, label
from intarsia.web.scripts import loading
from intarsia.web.sessions import SessionStore
from intarsia.web.tabs.edit_handlers import ARRIVING, EditControls, EditHandlers
from intarsia.web.work import NETWORKS, WITHOUT_NETWORKS

EVENTS = ("uploaded", "tried", "again", "taken", "shown", "replayed", "stopped", "masked", "outlined")
"""Events that the canvas triggers."""
QUIET: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
DETAILS = ("negative_prompt", "instruction", "steps", "guidance", "sampler", "preset", "seed", "keep")
"""Settings under the fold, in this order."""
OF_PRESETS = ("steps", "guidance")
"""Those that the choice of a preset sets."""


def edit_tab(store: SessionStore, token: gr.State) -> None:
    """Lay out the tab and connect its events.

    Args:
        token: of the session, once the page has loaded.
    """
    photo = gr.State(None)
    with gr.Row(elem_classes="words"):
        with gr.Column(scale=5, min_width=320, elem_classes="words-stage"):
            canvas = gr.HTML(
                ARRIVING,
                html_template='<div class="words-root"></div>',
                js_on_load=loading("edit_tab", EVENTS),
                apply_default_css=False,
                elem_id="words-stage",
                examples=edit_service.example_cards(),
            )
        with gr.Column(scale=2, min_width=300, elem_classes="words-form"):
            words: dict[str, Any] = {"max_length": 2000, "lines": 1}
            source = gr.Textbox(label="What is there", info=help_of("source"), elem_id="words-source", **words)
            prompt = gr.Textbox(
                label="What it should become", info=help_of("prompt"), elem_id="words-prompt", max_lines=4, **words
            )
            start = gr.Button("Edit", variant="primary", elem_id="words-edit")
            queue_place = gr.HTML("", elem_id="words-place", apply_default_css=False)
            with gr.Accordion("More settings", open=False, elem_id="words-more"):
                details = {name: setting_control(name) for name in DETAILS}
                if len(store.choices) > 1:
                    details["models"] = models_control(store)
    controls = EditControls(canvas=canvas, photo=photo, source=source, prompt=prompt, start=start, details=details)
    connect(EditHandlers(store, controls), controls, token, queue_place)
    add_edit_endpoint(store)


def connect(handlers: EditHandlers, controls: EditControls, token: gr.State, queue_place: gr.HTML) -> None:
    """Connect events to their handlers.

    Args:
        queue_place: where Gradio shows the place in the queue.
    """
    canvas, photo, source, prompt = controls.canvas, controls.photo, controls.source, controls.prompt
    state, shown = [token, canvas], [canvas, photo, source, prompt]
    token.change(handlers.restore, token, shown, **QUIET)
    models = [control for name, control in controls.details.items() if name == "models"]
    canvas.uploaded(handlers.upload, [*state, *models], [canvas, photo], **QUIET)
    canvas.taken(handlers.use_result, [*state, *models], [canvas, photo], **QUIET)
    for control in models:
        control.change(handlers.choose_models, [canvas, photo, control], canvas, **QUIET)
    canvas.shown(handlers.show_result, state, shown, **QUIET)
    canvas.masked(handlers.take_mask, [*state, photo], canvas, **QUIET)
    working = [canvas, controls.start]
    form = [token, canvas, photo, source, prompt, *controls.details.values()]
    pressed = functools.partial(gr.on, [controls.start.click, prompt.submit, source.submit])
    for listen, handler, inputs, also_set, turn in (
        (pressed, handlers.want_edit, form, [], NETWORKS),
        (canvas.tried, handlers.want_example, form, [photo, source, prompt], NETWORKS),
        (canvas.again, handlers.want_edit_again, form, [controls.details["seed"]], NETWORKS),
        (canvas.replayed, handlers.want_replay, state, [], NETWORKS),
        (canvas.outlined, handlers.want_outline, [*state, photo], [], WITHOUT_NETWORKS),
    ):
        listen(handler, inputs, [*also_set, *working], **QUIET).then(
            handlers.task.perform,
            None,
            working,
            **turn,
            show_progress="minimal",
            show_progress_on=queue_place,
            api_visibility="private",
        )
    canvas.stopped(handlers.task.cancel, token, working, **QUIET)
    changed = [controls.details[name] for name in OF_PRESETS]
    controls.details["preset"].input(preset_values, controls.details["preset"], changed, **QUIET)


def setting_control(name: str) -> Any:
    """The control of a setting: its label, help and default are the record's."""
    field = next(f for f in dataclasses.fields(EditRecord) if f.name == name)
    common: dict[str, Any] = {"label": label(name), "info": help_of(name), "elem_id": f"words-{name}"}
    value: Any = result_store.KEEP if name == "keep" else plain(field.default)
    kind = str(field.type)
    if kind in CHOICES:
        return gr.Dropdown(list(CHOICES[kind]), value=value, **common)
    if kind == "str":
        return gr.Textbox(value=value, max_length=2000, **common)
    return gr.Number(value=value, precision=0 if kind == "int" else None, **common)


def preset_values(preset: Preset) -> list[float]:
    """What a preset makes of the settings `OF_PRESETS`; the visitor may change them afterwards."""
    return [PRESETS[preset].get(name, plain(getattr(EditRecord, name))) for name in OF_PRESETS]


def models_control(store: SessionStore) -> Any:
    """The control of the networks, where the operator leaves a choice."""
    return gr.Dropdown(
        [(edit_service.models_label(choice), choice) for choice in store.choices],
        value=store.models,
        label=label("models"),
        info="The networks that paint. Others than the last edit's are loaded first, which takes a while.",
        elem_id="words-models",
    )


def help_of(name: str) -> str:
    """A setting's line of help."""
    return field_help(EditRecord)[name]
