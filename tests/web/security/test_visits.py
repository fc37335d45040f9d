"""Pages that are open, left, and forgotten: nothing of those that are gone stays in memory."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from tests.web.security.served import Site

pytest.importorskip("gradio")
from intarsia.web import visits
from intarsia.web.sessions import SessionStore
from intarsia.web.visits import Visits, forget_states

# Of Gradio's own, and of its server's threads.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")


class Known:
    """Stands for the pages: which are there, and what the framework keeps for them."""

    def __init__(self) -> None:
        self.heartbeats: dict[str, int] = {}
        self.state_holder: Any = SimpleNamespace(session_data={}, time_last_used={})


def request(name: str) -> Any:
    return SimpleNamespace(session_hash=name)


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> Iterator[Known]:
    monkeypatch.setattr(visits, "HEARTBEAT_SECONDS", -1.0)
    yield Known()


def test_a_page_that_does_not_tell_that_it_is_there_is_left(store: SessionStore, known: Any) -> None:
    pages = Visits(store)
    left: list[tuple[str, str]] = []
    pages.on_leave = lambda token, page: left.append((token, page))
    token, _ = pages.join(None, request("one"))
    known.heartbeats["one"] = 1
    pages.sweep(known)
    assert store.sessions[token].pages == 1 and not left
    del known.heartbeats["one"]
    for _ in range(3):
        pages.sweep(known)
    assert store.sessions[token].pages == 0 and left == [(token, "one")]
    known.heartbeats["one"] = 1
    pages.sweep(known)
    assert store.sessions[token].pages == 1, "its stream had broken off"
    pages.leave(request("one"))
    pages.leave(request("one"))
    assert store.sessions[token].pages == 0


def test_a_page_without_its_stream_stays_while_it_is_used(
    store: SessionStore, known: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages = Visits(store)
    token, _ = pages.join(None, request("one"))
    monkeypatch.setattr(visits, "HEARTBEAT_SECONDS", 60.0)
    pages._beaten_at["one"] -= 100
    pages.sweep(known)
    assert store.sessions[token].pages == 1
    store.sessions[token].active_at -= 100
    pages.sweep(known)
    assert store.sessions[token].pages == 0


def test_a_page_that_loads_again_counts_once(store: SessionStore, known: Any) -> None:
    pages = Visits(store)
    token, _ = pages.join(None, request("one"))
    for _ in range(3):
        assert pages.join(token, request("one"))[0] == token
    assert store.sessions[token].pages == 1
    pages.leave(request("one"))
    pages.join(token, request("one"))
    assert store.sessions[token].pages == 1


def test_nothing_is_kept_of_a_page_whose_session_is_gone(store: SessionStore, known: Any) -> None:
    pages = Visits(store)
    for number in range(20):
        token, _ = pages.join(None, request(f"page{number}"))
        store.discard(token)
    pages.sweep(known)
    assert not (pages._tokens or pages._left or pages._beaten_at)


def test_what_the_framework_keeps_for_programs_is_dropped(site: Site) -> None:
    page = site.demo
    holder = page.state_holder
    for number in range(5):
        body = {"data": [None], "event_data": {}, "fn_index": 7, "session_hash": f"program{number}"}
        site.client.post(f"{site.address}/gradio_api/run/predict", json=body)
    assert {f"program{number}" for number in range(5)} <= set(holder.session_data)
    later = datetime.now() + timedelta(seconds=visits.UNUSED_SECONDS + 1)
    forget_states(page, frozenset({"program1"}), clock=lambda: later)
    assert "program1" in holder.session_data and "program2" not in holder.session_data
    assert "program2" not in holder.time_last_used
    assert not holder.session_data["program1"].config_values, "a hundred kilobytes for each page"


def test_the_stream_of_a_page_is_counted_while_it_is_open(site: Site) -> None:
    beats = site.demo.heartbeats
    with httpx.stream("GET", f"{site.address}/gradio_api/heartbeat/thispage", trust_env=False) as stream:
        next(stream.iter_raw())
        assert beats["thispage"] == 1
    for _ in range(200):
        if "thispage" not in beats:
            break
        site.get("/config")
    assert "thispage" not in beats
