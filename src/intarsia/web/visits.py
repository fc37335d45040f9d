"""Open pages: which session each belongs to, and what is forgotten of those that are gone."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

import gradio as gr

from intarsia.web.calls import Pages
from intarsia.web.sessions import SessionStore

HEARTBEAT_SECONDS = 60.0
"""Seconds for which a page may be without the stream that tells that it is there."""
UNUSED_SECONDS = 60.0
"""Seconds after which the framework forgets what it keeps for a program between two calls: no endpoint needs it."""


class Visits:
    """Which session each open page belongs to."""

    def __init__(self, store: SessionStore) -> None:
        self.store = store
        self.on_leave: Callable[[str, str], None] = lambda token, page: None
        self._tokens: dict[str, str] = {}
        self._left: set[str] = set()
        self._beaten_at: dict[str, float] = {}

    def connect(self) -> gr.State:
        """Let the page that is being built join a session as it loads; its token."""
        token = gr.State("")
        # In the browser, under one name for all versions of the page, and not encrypted: it opens nothing but
        # this browser's own history.
        kept = gr.BrowserState("", storage_key="intarsia-visit", secret="intarsia")  # nosec B106 # no secret
        page = gr.context.Context.root_block
        assert page is not None, "outside of a page"
        # Through the queue, without waiting in it: only then do listeners hear that the token has changed.
        page.load(
            self.join,
            kept,
            [token, kept],
            concurrency_limit=None,
            show_progress="hidden",
            api_visibility="private",
        )
        return token

    def join(self, former: Any, request: gr.Request) -> tuple[str, str]:
        session = self.store.join(former if isinstance(former, str) else None)
        page = str(request.session_hash)
        if page in self._tokens and page not in self._left:  # one page counts once, however often it loads
            self.store.leave(self._tokens[page])
        self._left.discard(page)
        self._tokens[page], self._beaten_at[page] = session.token, time.monotonic()
        return session.token, session.token

    def leave(self, request: gr.Request) -> None:
        self._leave(str(request.session_hash))

    def _leave(self, page: str) -> None:
        token = self._tokens.get(page)
        if token is None or page in self._left:
            return
        self._left.add(page)
        self.on_leave(token, page)
        self.store.leave(token)

    def _return(self, page: str, token: str) -> None:
        """Count a page again whose stream broke off, and is there again."""
        if page in self._left and token in self.store.sessions:
            self._left.discard(page)
            self.store.join(token)

    def _asked_at(self, token: str) -> float:
        """When a page of a session last asked for something: without the stream, where a proxy cuts it off."""
        session = self.store.sessions.get(token)
        return 0.0 if session is None else session.active_at

    def sweep(self, page: Pages) -> None:
        """Leave for the pages that do not tell any more that they are there, and forget those whose session is gone.

        A program that joins as a page does, and never says that it leaves, would otherwise stay for a day.
        """
        now = time.monotonic()
        for name, token in tuple(self._tokens.items()):
            if page.heartbeats.get(name):
                self._beaten_at[name] = now
                self._return(name, token)
            elif now - max(self._beaten_at.get(name, now), self._asked_at(token)) >= HEARTBEAT_SECONDS:
                self._leave(name)
            if token not in self.store.sessions:
                self._left.discard(name)
                self._beaten_at.pop(name, None)
                self._tokens.pop(name, None)
        forget_states(page, frozenset(self._tokens))


def forget_states(page: Pages, kept: frozenset[str], clock: Callable[[], datetime] = datetime.now) -> None:
    """Drop what the framework keeps in memory for each page and program.

    It keeps two thousand of them, whether or not they are still there, each with a description of the whole page.

    Args:
        kept: names of pages that must find their values again.
    """
    holder = page.state_holder
    for name, state in tuple(holder.session_data.items()):
        state.config_values.clear()  # only links to a page's values need them, and there are none
        used = holder.time_last_used.get(name)
        if name not in kept and used is not None and (clock() - used).total_seconds() >= UNUSED_SECONDS:
            with holder.lock:
                holder.session_data.pop(name, None)
                holder.time_last_used.pop(name, None)
