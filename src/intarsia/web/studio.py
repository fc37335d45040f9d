"""The canvas: one component that fills the window; what is on it is the page's own, and what it does comes as events."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import gradio as gr

from intarsia.web.scripts import loading
from intarsia.web.sessions import SessionStore
from intarsia.web.studio_examples import example_cards
from intarsia.web.studio_handlers import StudioHandlers
from intarsia.web.studio_visitors import State, arriving

AT_ONCE = ("opened", "tried", "dropped", "saved", "stopped", "chosen")
"""Events that are over with their answer."""
ASKED = ("pointed", "lifted", "gone_on", "scene_again", "exported")
"""Questions, each with the ticket of its answer."""
WATCHED = ("arrived", "reopened", "changed", "removed", "arranged", "named", "replayed", "fetched")
"""Events after which something may go on, which is then watched."""
EVENTS = (*AT_ONCE, *ASKED, *WATCHED)
"""Events that the page triggers: see `StudioHandlers`."""

QUIET: dict[str, Any] = {
    "queue": False,
    "show_progress": "hidden",
    "api_visibility": "private",
    "trigger_mode": "multiple",
}


def studio(store: SessionStore, token: gr.State, *, local: bool = False) -> StudioHandlers:
    """Lay out the page and connect its events.

    Before its visitor is known the page is "arriving", with the number 0; then with a larger one, and it answers with
    `arrived`.

    Args:
        token: of the session, once the page has loaded.
        local: whether visitors sit at this machine, so that they may download models to it.
    """
    handlers = StudioHandlers(store, local=local)
    page = gr.HTML(
        arriving(),
        html_template='<div class="s-root"></div>',
        js_on_load=loading("studio", EVENTS),
        apply_default_css=False,
        elem_id="studio",
        examples=example_cards(),
        fields=handlers.fields,
    )
    token.change(lambda known: arriving(known=True) if known else gr.skip(), token, page, **QUIET)
    for name in AT_ONCE:
        getattr(page, name)(at_once(handlers, name), token, page, **QUIET)
    for name in ASKED:
        getattr(page, name)(question(handlers, name), token, page, **QUIET)
    for name in WATCHED:
        getattr(page, name)(at_once(handlers, name), token, page, **QUIET).then(
            watch(handlers),
            token,
            page,
            concurrency_limit=None,
            show_progress="hidden",
            api_visibility="private",
            trigger_mode="multiple",
        )
    return handlers


def at_once(handlers: StudioHandlers, name: str) -> Callable[..., State]:
    """The handler of an event as Gradio calls it."""

    def handle(token: str, request: gr.Request, event: gr.EventData) -> State:
        return handlers.handle(name, token, request, event)

    return handle


def question(handlers: StudioHandlers, name: str) -> Callable[..., Any]:
    """The handler of a question as Gradio calls it."""

    async def ask(token: str, request: gr.Request, event: gr.EventData) -> State:
        return await handlers.ask(name, token, request, event)

    return ask


def watch(handlers: StudioHandlers) -> Callable[..., AsyncIterator[State]]:
    """What shows a job as it goes on, as Gradio calls it."""

    async def show(token: str, request: gr.Request) -> AsyncIterator[State]:
        async for state in handlers.watch(token, request):
            yield state

    return show
