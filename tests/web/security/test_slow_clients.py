"""Clients that keep the server waiting, or hang up: they lose their connection, and leave nothing behind."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.web.security.served import QUICK, Site, picture

pytest.importorskip("gradio")
from gradio import routes
from gradio.context import LocalContext

from intarsia.errors import Cancelled
from intarsia.progress import Progress
from intarsia.web import broken_uploads, callers, patience
from intarsia.web.callers import Caller
from intarsia.web.patience import TooSlowError, in_time
from intarsia.web.sessions import Session, SessionStore

# Of Gradio's own, and of its server's threads.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")

LONG = b"1,"
STEP = Progress(stage="painting", done=1, total=9)


def connect(site: Site, begin: bytes = b"") -> socket.socket:
    parts = urlsplit(site.address)
    wire = socket.create_connection((parts.hostname or "", parts.port or 80), timeout=5)
    wire.sendall(begin)
    return wire


def said_to(wire: socket.socket, then: bytes = b"", seconds: float = 5.0) -> bytes:
    """What the server sends before it closes the connection, to who sends a byte now and then meanwhile."""
    wire.settimeout(0.05)
    got, until = b"", time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            if then:
                wire.sendall(then[:1])
            part = wire.recv(1 << 16)
            if not part:
                return got
            got += part
        except TimeoutError:
            continue
        except OSError:
            return got
    raise AssertionError("it was not closed")


def head(method: str, path: str, *lines: str) -> bytes:
    return "\r\n".join((f"{method} {path} HTTP/1.1", "Host: localhost", *lines, "", "")).encode()


def in_a_while(is_so: Callable[[], bool], seconds: float = 5.0) -> bool:
    until = time.monotonic() + seconds
    while not is_so() and time.monotonic() < until:
        time.sleep(0.02)
    return is_so()


# The head of a request


@pytest.mark.parametrize(
    "begin", [b"", b"GET /config HTT", head("GET", "/config")[:-2], head("HEAD", "/config") + b"GET /config HTT"]
)
def test_who_sends_no_whole_head_loses_the_connection(
    site: Site, begin: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "HEAD_SECONDS", 0.3)
    with connect(site, begin) as wire:
        said_to(wire, b"a" if begin else b"")
    assert site.get("/config").status_code == 200


def test_who_waits_for_an_answer_keeps_the_connection(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "HEAD_SECONDS", 0.2)
    with connect(site, head("GET", "/gradio_api/heartbeat/apage")) as wire:
        time.sleep(0.6)
        wire.settimeout(0.05)
        wire.recv(1 << 16)
        with pytest.raises(TimeoutError):
            wire.recv(1)


def test_too_many_connections_are_turned_away(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    other = patience.limited(Plain, most=2)
    for _ in range(3):
        connection = other()
        connection.connection_made(Wire())
        seen.append(connection)
    assert [each.transport.closed for each in seen] == [False, False, True]
    assert seen[2].transport.written.startswith(b"HTTP/1.1 503") and seen[2].transport.written.endswith(b"moment.")
    for each in seen[:2]:
        each.connection_lost(None)
        assert each._head_timer is None


class Wire:
    """Stands for a connection's transport."""

    def __init__(self) -> None:
        self.written, self.closed, self.aborted = b"", False, False
        self.protocol: Any = None

    def write(self, data: bytes) -> None:
        self.written += data

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.aborted = True

    def get_protocol(self) -> Any:
        return self.protocol


class Plain:
    """Stands for uvicorn's protocol of one connection."""

    connections: set[Any] = set()  # noqa: RUF012
    cycle: Any = None

    def __init__(self) -> None:
        self.loop = SimpleNamespace(call_later=lambda seconds, do: Timer(seconds, do))
        self.transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self.transport, transport.protocol = transport, self
        self.connections.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        self.connections.discard(self)

    def data_received(self, data: bytes) -> None:
        pass

    def pause_writing(self) -> None:
        pass

    def resume_writing(self) -> None:
        pass


class Timer:
    def __init__(self, seconds: float, do: Callable[[], None]) -> None:
        self.seconds, self.do, self.running = seconds, do, True

    def cancel(self) -> None:
        self.running = False


def test_who_does_not_read_an_answer_loses_the_connection() -> None:
    connection = patience.limited(Plain, most=9)()
    connection.connection_made(Wire())
    connection.pause_writing()
    read: Any = connection._read_timer
    connection.resume_writing()
    assert read.seconds == patience.READ_SECONDS and not read.running
    connection.pause_writing()
    connection._read_timer.do()
    assert connection.transport.aborted
    connection.connection_lost(None)


def test_a_connection_of_another_kind_is_left_alone() -> None:
    connection = patience.limited(Plain, most=9)()
    connection.connection_made(Wire())
    timer: Any = connection._head_timer
    connection.transport.protocol = None
    connection.data_received(b"upgrade")
    assert not timer.running and connection._head_timer is None
    connection.connection_lost(None)


def test_the_process_asks_for_more_files() -> None:
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(600, hard) if hard >= 0 else 600, hard))
        assert patience.open_files() == (patience.MOST_FILES if hard < 0 else min(patience.MOST_FILES, hard))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


# Its body


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/gradio_api/upload", "multipart/form-data; boundary=x"),
        ("/gradio_api/queue/join", "application/json"),
        ("/login", "application/json"),
    ],
)
def test_a_body_that_comes_byte_by_byte_is_refused(
    site: Site,
    path: str,
    kind: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(patience, "BODY_SECONDS", 0.3)
    monkeypatch.setattr(patience, "HEAD_SECONDS", 0.3)
    with connect(site, head("POST", path, f"Content-Type: {kind}", "Content-Length: 1000000")) as wire:
        wire.sendall(begin_of(path))
        got = said_to(wire, LONG)
    assert got.startswith(b"HTTP/1.1 408") and got.rstrip().endswith((b"send it again.", b"0"))
    assert "Traceback" not in caplog.text + "".join(capfd.readouterr())
    assert not list(site.uploads.glob("tmp*"))


def begin_of(path: str) -> bytes:
    return b'--x\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\n' if "upload" in path else b""


def test_a_body_may_be_slow_at_first_and_must_keep_its_pace() -> None:
    now = 0.0

    def waits(*steps: tuple[float, int]) -> Callable[[], Any]:
        left = list(steps)

        async def receive() -> Any:
            nonlocal now
            if not left:
                await asyncio.sleep(60)
            seconds, size = left.pop(0)
            now += seconds
            return {"type": "http.request", "body": b"x" * size, "more_body": bool(left)}

        return receive

    async def read(*steps: tuple[float, int]) -> None:
        nonlocal now
        now = 0.0
        timed = in_time(waits(*steps), lambda: now)
        for _ in steps:
            await timed()

    asyncio.run(read((29, 1), (0.5, 1)))
    asyncio.run(read((20, 10_000), (29, 1), (0, 0)))  # what came counts for later
    with pytest.raises(TooSlowError):

        async def stalls() -> None:
            nonlocal now
            timed = in_time(waits((29, 1)), lambda: now)
            await timed()
            late = in_time(waits(), lambda: now)
            now += 31
            await late()

        asyncio.run(stalls())


# Who hangs up


def test_an_upload_that_breaks_off_leaves_nothing(
    site: Site, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    body = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n' + bytes(300_000)
    form = ("Content-Type: multipart/form-data; boundary=x", "Content-Length: 900000")
    with connect(site, head("POST", "/gradio_api/upload", *form) + body):
        assert in_a_while(lambda: bool(list(site.uploads.glob("tmp*"))))
    assert in_a_while(lambda: not list(site.uploads.glob("tmp*")))
    assert "Traceback" not in caplog.text + "".join(capfd.readouterr())


def test_an_upload_with_a_field_in_a_files_place_leaves_nothing(site: Site) -> None:
    files = [("files", ("a.png", picture())), ("files", (None, b"no file"))]
    answer = site.client.post(f"{site.address}/gradio_api/upload", files=files)
    assert answer.status_code == 400 and "under that name" in answer.text
    assert not list(site.uploads.glob("tmp*"))


def test_the_progress_of_uploads_is_forgotten(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broken_uploads, "MOST_PROGRESS", 2)
    known = routes.file_upload_statuses
    for number in range(9):
        site.client.post(
            f"{site.address}/gradio_api/upload?upload_id=one{number}", files={"files": ("a.png", picture())}
        )
    broken_uploads.forget_progress()
    assert len(known._statuses) + len(known._signals) <= 4
    answer = site.client.post(f"{site.address}/gradio_api/upload?upload_id=new", files={"files": ("a.png", picture())})
    assert answer.status_code == 200


@pytest.fixture
def endless(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[threading.Event, threading.Event]]:
    """Stands for an edit that goes on until it is stopped: whether it has begun, and ended."""
    begun, ended = threading.Event(), threading.Event()

    def edit(*_: Any, on_progress: Any, **__: Any) -> Any:
        begun.set()
        try:
            for _step in range(1000):
                time.sleep(0.02)
                on_progress(STEP)
        finally:
            ended.set()

    monkeypatch.setattr("intarsia.web.edit_service.run_edit", edit)
    yield begun, ended


def asked(site: Site) -> str:
    """The id of a call of the endpoint."""
    (path,) = site.upload(picture(), "a.png").json()
    file = {"path": path, "meta": {"_type": "gradio.FileData"}}
    call = {"data": [file, "", "a moon", QUICK]}
    return str(site.client.post(f"{site.address}/gradio_api/call/edit", json=call).json()["event_id"])


def test_what_nobody_waits_for_any_more_ends(site: Site, endless: tuple[threading.Event, threading.Event]) -> None:
    begun, ended = endless
    event = asked(site)
    with httpx.stream("GET", f"{site.address}/gradio_api/call/edit/{event}", trust_env=False) as stream:
        assert stream.status_code == 200 and begun.wait(5)
        assert not ended.wait(0.3)
    assert ended.wait(5)


def test_what_nobody_ever_listened_to_ends_after_a_while(
    site: Site, endless: tuple[threading.Event, threading.Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(callers, "GRACE_SECONDS", 0.5)
    begun, ended = endless
    began = time.monotonic()
    asked(site)
    assert begun.wait(5) and ended.wait(5)
    assert time.monotonic() - began >= 0.5


def test_a_caller_outside_of_a_call_stays_until_the_session_ends(store: SessionStore, session: Session) -> None:
    caller = Caller(session)
    caller.on_progress(STEP)
    session.stop_all()
    with pytest.raises(Cancelled):
        caller.on_progress(STEP)


def test_a_caller_who_listens_again_is_not_gone(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = 1
    event = SimpleNamespace(_id="call", session_hash="page", alive=True)
    messages = {"page": SimpleNamespace(qsize=lambda: waiting)}
    jobs: list[Any] = [None, [event]]
    queue = SimpleNamespace(active_jobs=jobs, pending_messages_per_session=messages)
    now: list[float] = [0.0]
    monkeypatch.setattr(LocalContext, "event_id", SimpleNamespace(get=lambda _: "call"))
    monkeypatch.setattr(LocalContext, "blocks", SimpleNamespace(get=lambda _: SimpleNamespace(_queue=queue)))
    caller = Caller(session, clock=lambda: now[0])
    for second in (0, 15):
        now[0] = second
        assert not caller.is_set()
    waiting = 0
    assert not caller.is_set()
    waiting = 1
    for second in (30, 45):
        now[0] = second
        assert not caller.is_set(), "it has listened meanwhile"
    messages.clear()
    assert caller.is_set()
