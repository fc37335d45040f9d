"""Calls of the pages' events that no page of ours sends: a sentence, no fault of the server, nothing in its log."""

from __future__ import annotations

import json
import logging
import time
from typing import Any

import httpx
import pytest

from tests.web.security.served import Site, picture

pytest.importorskip("gradio")
from intarsia.web import calls
from intarsia.web.calls import MOST_DEPTH, NO_CALL, WRONG_VALUES, depth_of, in_a_sentence

# Of Gradio's own, and of its server's threads.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")

PAGE = {"session_hash": "apage"}
DEEP = json.loads("[" * (MOST_DEPTH + 2) + "]" * (MOST_DEPTH + 2))
ELSEWHERE = {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}


def numbered(site: Site, name: str) -> int:
    """The number of an event, by what triggers it or by its own name."""
    for each in site.get("/config").json()["dependencies"]:
        if name in (each["api_name"], *(event for _, event in each["targets"])):
            return int(each["id"])
    raise AssertionError(name)


def post(site: Site, way: str, call: Any) -> tuple[int, str]:
    """Status and message of a call, which may be no JSON."""
    content = call if isinstance(call, str | bytes) else json.dumps(call)
    headers = {"content-type": "application/json"}
    answer = site.client.post(f"{site.address}/gradio_api/{way}", content=content, headers=headers)
    return answer.status_code, answer.json().get("detail", "")


@pytest.mark.parametrize(
    ("way", "call", "why"),
    [
        ("run/predict", "{", "no JSON"),
        ("queue/join", '{"data": [NaN], "fn_index": 0}', "no JSON"),
        ("queue/join", "[" * 50_000, "no JSON"),
        ("run/predict", [1], "no JSON object"),
        ("queue/join", {"data": DEEP, "fn_index": 0}, "within each other"),
        ("queue/join", {"data": [], "fn_index": 0, "session_hash": {"a": 1}}, "session_hash"),
        ("queue/join", {"data": [], "fn_index": 0, "session_hash": "x" * 65}, "session_hash"),
        ("queue/join", {"data": [], "fn_index": 0, "session_hash": "a\0b"}, "session_hash"),
        ("queue/join", {"data": [], "fn_index": 10**9, **PAGE}, NO_CALL),
        ("queue/join", {"data": [], "fn_index": "1", **PAGE}, "fn_index must be"),
        ("queue/join", {"data": [], **PAGE}, NO_CALL),
        ("run/predict", {"data": [], **PAGE}, NO_CALL),
        ("call/no such thing", {"data": []}, NO_CALL),
        ("call/handle", {"data": [None]}, NO_CALL),  # private to the canvas
        ("call/v2/handle", {"data": [None]}, NO_CALL),
        ("call/v2/edit", {"photo": None, "no such thing": 1}, WRONG_VALUES),
        ("call/edit", {"data": {"photo": None}}, "must be a list"),
        ("run/predict", {"data": "abc", "fn_index": 2}, "must be a list"),
        ("run/predict", {"data": [None], "fn_index": 2, "trigger_id": 0.5}, "trigger_id must be a whole number"),
        ("run/predict", {"data": [None], "fn_index": 2, "batched": True}, "batched"),
        (
            "queue/join",
            {"data": [None], "fn_index": 2, "username": "\ud83d", "event_id": ["\ud83d"]},
            "event_id must be",
        ),
        ("cancel", {"event_id": 3}, "event_id must be a text"),
        ("cancel", {"event_id": "\ud83d"}, WRONG_VALUES),
        ("reset", {}, WRONG_VALUES),
    ],
)
def test_a_call_that_is_none_is_refused(
    site: Site, way: str, call: Any, why: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    status, said = post(site, way, call)
    assert (status, why in said) == (400, True), said
    assert "Traceback" not in caplog.text + "".join(capfd.readouterr())


@pytest.mark.parametrize("path", ["gradio_api/run/predict", "gradio_api/queue/join", "mcp", "login"])
def test_a_call_with_very_many_values_keeps_nobody_waiting(site: Site, path: str) -> None:
    """Such a call of 20 MB took the whole server eleven seconds."""
    call = b'{"data": [' + b"1," * (3 << 20) + b'1], "fn_index": 2, "session_hash": "a"}'
    headers = {"content-type": "application/json"}
    began = time.monotonic()
    answer = site.client.post(f"{site.address}/{path}", content=call, headers=headers)
    assert (answer.status_code, answer.text) == (413, "The request has too many values.")
    larger = b" " * (9 << 20)
    status = site.client.post(f"{site.address}/{path}", content=larger, headers=headers).status_code
    assert (status == 413) == path.startswith("gradio_api"), "pictures for tools come in a call"
    assert time.monotonic() - began < 4


@pytest.mark.parametrize(
    ("name", "values", "event", "why"),
    [
        ("opened", [], {}, WRONG_VALUES),  # a value is missing
        ("opened", [None], {"path": ELSEWHERE}, "cannot be accessed"),
        ("create", [None, [{"path": 3}], "", "", 1, 0, None], None, WRONG_VALUES),
        ("create", [None, [ELSEWHERE], "", "", 1, 0, None], None, WRONG_VALUES),
        ("create", [None, None, "", "", {"a": 1}, 0, None], None, WRONG_VALUES),
        ("resume", [None, "no such batch"], None, "not in the list"),
    ],
)
def test_values_of_the_wrong_kind_are_refused(
    site: Site,
    name: str,
    values: list[Any],
    event: Any,
    why: str,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    call = {"data": values, "fn_index": numbered(site, name), "event_data": event, **PAGE}
    status, said = post(site, "run/predict", call)
    assert (status, why in said) == (400, True), said
    assert str(site.uploads) not in said and str(site.store.root) not in said
    assert "Traceback" not in caplog.text + "".join(capfd.readouterr())


@pytest.mark.parametrize("values", [[{"path": 3}, "", "a moon", {}], [ELSEWHERE, "", "a moon", {}], ["", "", "", ""]])
def test_values_of_the_wrong_kind_get_a_sentence_through_the_queue(
    site: Site, values: list[Any], caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    event, said = site.call("edit", *values)
    assert event == "error"
    assert json.loads(said.partition("data: ")[2])["error"].endswith((".", "gradio_api/info."))
    assert "Traceback" not in caplog.text + "".join(capfd.readouterr())


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    "path",
    [
        "/svelte/" + "x" * 300,
        "/static/..%2f" + "y" * 5000,
        "/?page=nowhere",
        "/?run=1&page=/%C3%8F",
        "/?page=batch&page=0",
    ],
)
def test_an_address_that_leads_nowhere_is_no_fault_of_the_server(
    site: Site, path: str, method: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    url = httpx.URL(site.address).copy_with(raw_path=path.encode())
    answer = site.client.send(site.client.build_request(method, url))
    assert 400 <= answer.status_code < 500
    assert "Traceback" not in caplog.text + "".join(capfd.readouterr()) and "a request failed" not in caplog.text


@pytest.mark.parametrize("path", ["/", "/?page=", "/?page=batch", "/batch", "/config?page=batch"])
def test_the_pages_that_are_there_are_served(site: Site, path: str) -> None:
    assert site.get(path).status_code == 200


def test_a_long_value_is_not_repeated_whole(site: Site) -> None:
    call = {"data": [None, {"x" * 5000: 1}], "fn_index": numbered(site, "resume"), **PAGE}
    status, said = post(site, "run/predict", call)
    assert status == 400 and len(said) <= calls.LONGEST_SAID


def test_who_listens_where_nothing_is_said_is_told_so(
    site: Site, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    page = site.get("/gradio_api/queue/data?session_hash=nobody")
    assert json.loads(page.text.removeprefix("data: "))["session_not_found"] is True, "the script reloads by that"
    program = site.get("/gradio_api/call/edit/0123456789abcdef")
    assert program.text.startswith("event: error") and calls.GONE in program.text
    assert site.get("/gradio_api/queue/data").status_code == 400
    assert "Traceback" not in caplog.text + "".join(capfd.readouterr())


@pytest.mark.parametrize("name", ["a%9A", "a%20b", "x" * 65, "..%2f", "%F0%9F%90%88"])
def test_a_page_with_an_odd_name_has_no_heartbeat(site: Site, name: str) -> None:
    """Otherwise the address that is made of it fails when the page has gone, and the page never counts as closed."""
    assert site.get(f"/gradio_api/heartbeat/{name}").json()["detail"] == calls.NO_NAME


LINE = b"b"


@pytest.mark.parametrize(
    ("boundary", "body"),
    [
        (LINE, b'--b\r\ncontent-disposition: form-data; name="files"\r\n\r\nno file\r\n--b--\r\n'),
        (LINE, b'--b\r\ncontent-disposition: form-data; name="files"; filename="a\r\n\r\n'),
        (LINE, b"--b\r\n\r\nno name\r\n--b--\r\n"),
        (LINE, b"nothing of the kind"),
        (b"a" * 400, b"--" + b"a" * 400 + b"--\r\n"),
        (b'""', b"----\r\n"),
    ],
)
def test_an_upload_that_is_no_form_of_files_is_refused(
    site: Site, boundary: bytes, body: bytes, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    headers = {b"content-type": b"multipart/form-data; boundary=" + boundary}
    answer = site.client.post(f"{site.address}/gradio_api/upload", content=body, headers=headers)
    assert answer.status_code == 400 or (answer.status_code, answer.json()) == (200, [])
    assert "Traceback" not in caplog.text + "".join(capfd.readouterr())
    assert site.upload(picture(), "a.png").status_code == 200


def test_a_fault_of_the_server_is_told_and_logged(
    site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def failing(*_: Any, **__: Any) -> Any:
        raise ZeroDivisionError("no secret here")

    monkeypatch.setattr("gradio.routes.upload_fn", failing)
    monkeypatch.setattr(calls, "UPLOAD", "/elsewhere")
    caplog.set_level(logging.ERROR, "intarsia")
    answer = site.upload(picture(), "a.png")
    assert (answer.status_code, answer.json()["detail"]) == (500, calls.UNFORESEEN)
    assert "ZeroDivisionError" in caplog.text and "secret" not in answer.text


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (500, b'{"error": "Choose another."}', (400, "Choose another.")),
        (500, b'{"error": null}', (500, calls.UNFORESEEN)),
        (500, b"Internal Server Error", (500, calls.UNFORESEEN)),
        (422, b'{"detail": [{"loc": ["body"], "input": "secret"}]}', (400, WRONG_VALUES)),
        (422, b'{"detail": "whatever', (422, calls.UNFORESEEN)),
    ],
)
def test_failed_calls_get_a_sentence(status: int, body: bytes, told: tuple[int, str]) -> None:
    assert in_a_sentence(status, body) == told


def test_depth_is_counted_up_to_a_limit() -> None:
    assert (depth_of(1), depth_of({"a": [1, {}]})) == (1, 3)
    assert depth_of(DEEP) > MOST_DEPTH
