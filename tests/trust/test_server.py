"""The short form of what attacks and visitors do to a server: `python -m trust server` does more of the same."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("gradio")
pytest.importorskip("mcp")
from trust import server_attacks as attacks
from trust.server_closed import open_to_strangers
from trust.server_fuzz import Attacker, Report, by_chance, fuzz, listed_tools, units
from trust.server_oracle import Secrets, message_of, wrong_with
from trust.server_process import Server, served
from trust.server_slow import by_images_api, crowd, idle, networks_free, opened, slow_headers
from trust.server_visitors import Stay, Visit, asks_as_program, edits, reloads, vanishes
from trust.server_wire import Answer, Request, parsed, send

SECRETS = Secrets(texts=[b"the other one's"], folders=[b"/srv/intarsia"])
PROMPT = 4.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    with served(folder, "--api", "--mcp", "--mcp-folder", str(folder / "pictures"), "--forget", "0.1") as server:
        yield server


def answer(status: int, body: bytes, kind: bytes = b"application/json") -> Answer:
    return Answer(status=status, headers={b"content-type": kind}, body=body, seconds=0.0)


# What is judged


@pytest.mark.parametrize(
    ("status", "body", "wrong"),
    [
        (0, b"", "no answer"),
        (500, b'{"detail": "It failed."}', "status 500"),
        (503, b'{"detail": "Too many wait."}', None),
        (200, b"{}", None),
        (200, b"... the other one's ...", "it tells"),
        (200, b"Li4uIHRoZSBvdGhlciBvbmUncyAuLi4=", "it tells"),  # the same in base64
        (400, b'{"detail": "A value is missing."}', None),
        (400, b'{"error": {"message": "The prompt is missing."}}', None),
        (400, b'{"detail": [{"loc": ["body"]}]}', "without a sentence"),
        (404, b"<html>not here</html>", "without a sentence"),
        (400, b"", "a message of 0"),
        (400, b"No such file: /srv/intarsia/a.png", "a folder"),
        (400, b'Traceback (most recent call last):\n  File "/x.py"', "it tells"),
        (400, b"x" * 1000, "a message of 1000"),
    ],
)
def test_answers_are_judged(status: int, body: bytes, wrong: str | None) -> None:
    told = wrong_with(answer(status, body), Request(), SECRETS)
    assert (told is None) if wrong is None else (told is not None and wrong in told)


def test_streams_are_judged_by_what_failed_in_them() -> None:
    stream = b"text/event-stream"
    good = b'event: complete\ndata: [1]\n\nevent: error\ndata: {"error": "Send a picture."}\n\n'
    bad = b'data: {"msg": "process_completed", "success": false, "output": {"error": "It is unforeseen."}}\n\n'
    assert wrong_with(answer(200, good, stream), Request(), SECRETS) is None
    assert "unforeseen" in str(wrong_with(answer(200, bad, stream), Request(), SECRETS))
    assert message_of(b"plain") == "plain"


def test_answers_are_read_as_they_come() -> None:
    whole = parsed(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", 0.0)
    assert (whole.status, whole.body) == (200, b"abcde")
    assert parsed(b"", 0.0).status == 0
    asked = Request(method="POST", path=b"/a", headers=((b"Host", b"evil"),), body=b"x").as_bytes(b"own")
    assert b"Host: evil" in asked and b"own" not in asked and b"Content-Length: 1" in asked


def test_faults_are_counted_by_kind() -> None:
    report = Report()
    request = Request(about="a route")
    for problem in ("status 500: x", "status 500: x", "logged KeyError", "it tells x", "whatever"):
        report.found(problem, request)
    assert sorted(report.kinds().values()) == [0, 0, 1, 1, 1, 1]


# A running server


def test_a_server_stands_attacks_by_chance(server: Server) -> None:
    report = Report()
    attacker = Attacker(server, report)
    try:
        listed = list(units(attacker, listed_tools(server.address)))
        names = {name for name, *_ in listed}
        assert {"/gradio_api/queue/join", "/v1/images/edits", "/mcp", "/batch", "opened", "edit", "tool find"} <= names
        assert len(server.routes) > 60 and set(attacks.CANVAS) <= names
        for name, _, strategy in listed[::3]:
            by_chance(strategy, 1 if name.startswith("/") else 2, 7, attacker.attack)
    finally:
        attacker.close()
    assert not report.wrong, "\n".join(report.wrong.values())
    assert server.is_alive() and sum(report.sent.values()) > 60


@pytest.mark.slow
def test_a_server_stands_many_attacks(server: Server) -> None:
    report = fuzz(server, seed=5, weight=1)
    assert not report.wrong, "\n".join(report.wrong.values())


def test_slow_clients_do_not_keep_others_waiting(server: Server) -> None:
    for gather in (idle(100), slow_headers(30)):
        with crowd(server.address, gather) as people:
            asked = send(server.address, Request(path=b"/config"))
            assert asked.status == 200 and asked.seconds < PROMPT and people.open() == gather.count


def test_what_was_asked_for_ends_with_who_asked(server: Server) -> None:
    page, photo = opened(server)
    by_images_api(server)
    assert networks_free(server, photo, page, within=20) < 20
    page.close()
    assert not server.faults()


@pytest.mark.parametrize("visit", [edits, vanishes, reloads, asks_as_program])
def test_visitors_find_what_is_theirs(server: Server, visit: Visit) -> None:
    told = Stay()
    visit(server, told, random.Random(0))
    assert told.done and not server.faults()


@pytest.mark.slow
def test_a_password_closes_all_but_the_login(tmp_path: Path) -> None:
    with served(tmp_path, "--api", "--mcp", environment={"INTARSIA_UI_AUTH": "anna:a long password"}) as closed:
        asked, answered = open_to_strangers(closed)
    assert asked > 300 and not answered
