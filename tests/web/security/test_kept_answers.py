"""Answers that are the same for all are made once, and only where they are the same."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.web.security.served import Site

pytest.importorskip("gradio")
from intarsia.web import kept_answers
from intarsia.web.kept_answers import LONGEST_ANSWER, MOST_ANSWERS, KeptAnswersMiddleware

# Of Gradio's own, and of its server's threads.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")

BROWSER = [(b"host", b"here:1"), (b"user-agent", b"one"), (b"accept", b"text/html")]


class Counting:
    """A server that answers each request with another number."""

    def __init__(self, *, status: int = 200, more: bytes = b"") -> None:
        self.status, self.more, self.count = status, more, 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.count += 1
        await send({"type": "http.response.start", "status": self.status, "headers": [(b"x", b"1")]})
        await send({"type": "http.response.body", "body": b"number ", "more_body": True})
        await send({"type": "http.response.body", "body": str(self.count).encode() + self.more})


def ask(app: KeptAnswersMiddleware, **changed: Any) -> tuple[int, bytes]:
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/config",
        "query_string": b"",
        "scheme": "http",
        "server": ("here", 1),
        "headers": BROWSER,
        **changed,
    }
    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError("nothing is read")

    asyncio.run(app(scope, receive, send))
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"headers": [*BROWSER, (b"sec-fetch-mode", b"navigate")]},
        {"headers": [(b"host", b"here:1"), (b"user-agent", b"another"), (b"accept", b"*/*"), (b"dnt", b"1")]},
    ],
)
def test_the_same_request_gets_the_same_answer(changed: dict[str, Any]) -> None:
    app = KeptAnswersMiddleware(Counting())
    assert ask(app) == (200, b"number 1")
    assert ask(app, **changed) == (200, b"number 1")


@pytest.mark.parametrize(
    "changed",
    [
        {"path": "/"},
        {"query_string": b"__theme=dark"},
        {"scheme": "https"},
        {"server": ("there", 1)},
        {"root_path": "/pictures"},
        {"headers": [(b"host", b"there:1")]},
        {"headers": [*BROWSER, (b"x-forwarded-host", b"pictures.example")]},
        {"headers": [*BROWSER, (b"x-forwarded-proto", b"https")]},
        {"headers": [*BROWSER, (b"cookie", b"access-token=1")]},
        {"headers": [*BROWSER, (b"authorization", b"Bearer 1")]},
        {"headers": [*BROWSER, (b"range", b"bytes=0-1")]},
        {"headers": [*BROWSER, (b"if-none-match", b"1")]},
    ],
)
def test_another_request_gets_another_answer(changed: dict[str, Any]) -> None:
    app = KeptAnswersMiddleware(Counting())
    assert ask(app) == (200, b"number 1")
    assert ask(app, **changed) == (200, b"number 2")
    assert ask(app, **changed) == (200, b"number 2")


@pytest.mark.parametrize(
    "changed",
    [
        {"method": "POST"},
        {"method": "HEAD"},
        {"path": "/gradio_api/queue/data"},
        {"path": "/gradio_api/file=a.png"},
        {"path": "/login"},
        {"query_string": b"deep_link=a"},
        {"query_string": b"deep%5flink=a"},
        {"headers": [*BROWSER, (b"x-long", b"1" * 5000)]},
    ],
)
def test_what_may_differ_is_made_each_time(changed: dict[str, Any]) -> None:
    app = KeptAnswersMiddleware(Counting())
    assert [ask(app, **changed)[1] for _ in range(2)] == [b"number 1", b"number 2"]


def test_errors_and_very_long_answers_are_not_kept() -> None:
    for counting in (Counting(status=401), Counting(status=500), Counting(more=b" " * LONGEST_ANSWER)):
        app = KeptAnswersMiddleware(counting)
        assert [ask(app)[1].strip() for _ in range(2)] == [b"number 1", b"number 2"]


def test_few_answers_are_kept_and_those_that_are_asked_for_longest() -> None:
    counting = Counting()
    app = KeptAnswersMiddleware(counting)
    for number in range(3 * MOST_ANSWERS):
        ask(app, query_string=str(number).encode())
        assert ask(app) == (200, b"number 2" if number else ask(app)[1])
    assert len(app._answers) == MOST_ANSWERS


@pytest.mark.parametrize("path", sorted(kept_answers.PATHS))
def test_pages_come_twice_alike(site: Site, path: str) -> None:
    first, second = site.get(path), site.get(path)
    assert first.status_code == second.status_code == 200
    assert first.content == second.content
    assert {**first.headers, "date": ""} == {**second.headers, "date": ""}


@pytest.mark.parametrize("path", ["/", "/config"])
def test_a_page_names_the_host_that_was_asked(site: Site, path: str) -> None:
    own = site.address.encode()
    assert own in site.get(path).content
    assert b"http://localhost:1" not in site.get(path).content
    assert b"http://localhost:1" in site.get(path, headers={"host": "localhost:1"}).content
    assert b"http://localhost:1" not in site.get(path).content
