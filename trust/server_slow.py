"""Clients that are slow, silent, or gone: what others notice of them, and how soon the server is rid of them."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx

from trust.server_fuzz import SCENE
from trust.server_page import Page, PageError
from trust.server_process import Server
from trust.server_values import PHOTOS
from trust.server_wire import PartOf, form_request

BYTE_SECONDS = 1.0
"""Seconds between two bytes of a slow client."""
ENDED_SECONDS = 90.0
"""Seconds within which the server must be rid of whoever keeps it waiting."""
BODY = 10 << 20
"""Bytes that a slow client says it will send."""


@dataclass
class Crowd:
    """Connections that stay open, and send a byte now and then."""

    address: str
    wires: list[socket.socket] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)
    _slow: list[tuple[socket.socket, bytes]] = field(default_factory=list)

    def connect(self, begin: bytes, then: bytes = b"", *, buffer: int | None = None) -> socket.socket:
        """Connect, send something, and byte by byte what follows, again and again.

        Args:
            buffer: bytes that the machine may keep of what comes; small for one who does not read.
        """
        parts = urlsplit(self.address)
        wire = socket.socket()
        if buffer is not None:
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        wire.settimeout(10)
        wire.connect((parts.hostname or "", parts.port or 80))
        if begin:
            wire.sendall(begin)
        self.wires.append(wire)
        if then:
            self._slow.append((wire, then))
        return wire

    def start(self) -> None:
        threading.Thread(target=self._trickle, daemon=True).start()

    def _trickle(self) -> None:
        at = 0
        while not self._over.wait(BYTE_SECONDS):
            for wire, text in self._slow:
                with contextlib.suppress(OSError):
                    wire.sendall(text[at % len(text) :][:1])
            at += 1

    def open(self) -> int:
        """How many the server has not closed."""
        return sum(is_open(wire) for wire in self.wires)

    def close(self) -> None:
        self._over.set()
        for wire in self.wires:
            wire.close()


def is_open(wire: socket.socket) -> bool:
    """Whether the other side has neither closed a connection nor reset it; what it has sent is read and forgotten."""
    wire.setblocking(False)
    try:
        while wire.recv(1 << 16):
            pass
        return False
    except BlockingIOError:
        return True
    except OSError:
        return False


@dataclass(frozen=True)
class Gather:
    """A crowd to be gathered.

    Attributes:
        kinds: what each sends at once, and then byte by byte; they take turns.
        buffer: see `Crowd.connect`.
    """

    kinds: Sequence[tuple[bytes, bytes]]
    count: int
    buffer: int | None = None

    def connect(self, people: Crowd) -> None:
        for k in range(self.count):
            people.connect(*self.kinds[k % len(self.kinds)], buffer=self.buffer)


@contextmanager
def crowd(address: str, gather: Gather) -> Iterator[Crowd]:
    people = Crowd(address)
    try:
        gather.connect(people)
        people.start()
        yield people
    finally:
        people.close()


# Kinds of slow clients


def head(method: str, path: str, *lines: str) -> bytes:
    return "\r\n".join((f"{method} {path} HTTP/1.1", "Host: localhost", *lines, "")).encode() + b"\r\n"


def idle(count: int) -> Gather:
    return Gather([(b"", b"")], count)


def slow_headers(count: int) -> Gather:
    begin = head("GET", "/config")[:-2]
    return Gather([(begin, b"X-Slow: abcdefgh\r\n")], count)


def slow_bodies(count: int) -> Gather:
    """To each of the routes that take a body."""
    form = ("Content-Type: multipart/form-data; boundary=x", f"Content-Length: {BODY}")
    begin = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n'
    whole = (
        head("POST", "/gradio_api/upload", *form) + begin,
        head("POST", "/v1/images/edits", *form) + begin.replace(b'"files"', b'"image"'),
        head("POST", "/gradio_api/queue/join", "Content-Type: application/json", f"Content-Length: {BODY}") + b"[",
        head("POST", "/mcp", "Content-Type: application/json", f"Content-Length: {BODY}") + b"[",
    )
    return Gather([(each, b"1,") for each in whole], count)


def unread(count: int, path: str) -> Gather:
    """Who ask for much, and read nothing of it."""
    asked = head("GET", path)
    return Gather([(asked * 20, b"")], count, buffer=2048)


@contextmanager
def unheard_stream(server: Server) -> Iterator[None]:
    """A job that goes on, whose page has asked for its events and does not read them."""
    page, photo = opened(server)
    page.do("changed", path=photo, prompt="a house", settings={"steps": 1000, "keep": 1})
    body = {"data": [None], "fn_index": page.events["watch changed"], "session_hash": page.name}
    page.client.post("/gradio_api/queue/join", json=body)
    people = Crowd(server.address)
    people.connect(head("GET", f"/gradio_api/queue/data?session_hash={page.name}"), buffer=2048)
    try:
        time.sleep(3)
        yield
    finally:
        page.do("stopped")
        page.close()
        people.close()


# Who leaves


def networks_free(server: Server, photo: str, page: Page, *, within: float) -> float:
    """Seconds until another visitor's short change begins and ends."""
    began = time.monotonic()
    while True:
        try:
            page.wait("changed", path=photo, prompt="a house", settings={"steps": 1, "keep": 1})
            return time.monotonic() - began
        except PageError:
            if time.monotonic() - began > within:
                return time.monotonic() - began
            time.sleep(0.2)


LONG: dict[str, Any] = {"steps": 1000, "search": {"proposals": 8, "preview_steps": [200], "survivors": [4]}}
"""An edit that takes minutes."""


def by_images_api(server: Server) -> None:
    """Ask for a long edit through the images API, and hang up."""
    parts = [PartOf(name=b"image", content=SCENE.read_bytes(), file=b"a.png", kind=b"image/png")]
    parts += [PartOf(name=b"prompt", content=b"a house"), PartOf(name=b"record", content=json.dumps(LONG).encode())]
    hang_up(server, form_request("/v1/images/edits", parts).as_bytes(b"localhost"))


def by_tool(server: Server) -> None:
    """Ask for a long edit as a tool, and hang up."""
    import base64

    from trust.server_attacks import MCP_META, mcp_request

    arguments = {"photo": base64.b64encode(SCENE.read_bytes()).decode(), "prompt": "a house", "settings": LONG}
    params = {"name": "edit", "arguments": arguments, "_meta": MCP_META}
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    hang_up(server, mcp_request(message, "tool").as_bytes(b"localhost"))


def by_endpoint(server: Server) -> None:
    """Ask for a long edit through the endpoint, listen for a moment, and hang up."""
    event = ask_endpoint(server)
    hang_up(server, head("GET", f"/gradio_api/call/edit/{event}"))


def by_endpoint_unheard(server: Server) -> None:
    """Ask for a long edit through the endpoint, and never listen."""
    ask_endpoint(server)
    time.sleep(2)


def ask_endpoint(server: Server) -> str:
    with httpx.Client(base_url=server.address, trust_env=False, timeout=30) as client:
        path = client.post("/gradio_api/upload", files={"files": ("a.png", SCENE.read_bytes())}).json()[0]
        file = {"path": path, "meta": {"_type": "gradio.FileData"}}
        call = {"data": [file, "", "a house", LONG]}
        return str(client.post("/gradio_api/call/edit", json=call).json()["event_id"])


def by_page(server: Server) -> None:
    """Begin a long change on the canvas, and close the page."""
    page, photo = opened(server)
    page.do("changed", path=photo, prompt="a house", settings={"steps": 1000, "keep": 1})
    time.sleep(2)
    page.close()


def hang_up(server: Server, request: bytes, seconds: float = 2.0) -> None:
    parts = urlsplit(server.address)
    with socket.create_connection((parts.hostname or "", parts.port or 80), timeout=30) as wire:
        wire.sendall(request.replace(b"Connection: close\r\n", b""))
        time.sleep(seconds)


def break_off_uploads(server: Server, count: int) -> None:
    """Begin uploads, and hang up in their midst."""
    form = form_request("/gradio_api/upload", [PartOf(name=b"files", content=PHOTOS[0] * 200, file=b"a.png")])
    for _ in range(count):
        whole = form.as_bytes(b"localhost")
        hang_up(server, whole[: len(whole) // 2], 0.05)


LEAVERS: dict[str, Callable[[Server], None]] = {
    "the images API": by_images_api,
    "a tool": by_tool,
    "an endpoint": by_endpoint,
    "an endpoint, unheard": by_endpoint_unheard,
    "the canvas": by_page,
}


def opened(server: Server) -> tuple[Page, str]:
    """A page with a photo, and the path of a selection on it."""
    page = Page(server.address)
    page.do("opened", path=page.upload(SCENE.read_bytes(), "a.png"), name="a.png")
    outline = page.fetch(page.ask("pointed", points=[[20, 44, 1]])["url"])
    return page, page.upload(outline, "selection.png")


def round_trip(server: Server) -> float:
    """Seconds of what a visitor does first: come, open a photo, and click on something."""
    began = time.monotonic()
    page, _ = opened(server)
    page.close()
    return time.monotonic() - began


def cancel_seconds(page: Page, photo: str, other: Page, other_photo: str) -> float:
    """Seconds from a visitor's cancel until another's change, which had to wait, begins."""
    page.do("changed", path=photo, prompt="a house", settings={"steps": 1000, "keep": 1})
    wait_for(lambda: phase_of(page) == "working")
    other.do("changed", path=other_photo, prompt="a house", settings={"steps": 1, "keep": 1})
    assert phase_of(other) == "waiting"
    page.do("stopped")
    began = time.monotonic()
    wait_for(lambda: phase_of(other) != "waiting")
    took = time.monotonic() - began
    wait_for(lambda: phase_of(other) == "ready")
    return took


def phase_of(page: Page) -> str:
    return str(page.do("chosen", models=None)["phase"])


def wait_for(is_so: Callable[[], bool], seconds: float = 60.0) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if is_so():
            return True
        time.sleep(0.02)
    return False
