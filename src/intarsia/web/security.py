"""What is refused before the pages see it.

Asked under a name that is not this server's, posts of other hosts' pages, files that are named by an address or that
are no visitor's, routes that no page needs, and more than a disk can hold.
"""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]

MAX_REQUEST_BYTES = 32 << 20
"""Bytes of a request that is no upload."""
MAX_UPLOAD_BYTES = 544 << 20
"""Bytes of an upload: the files of a batch together, and what stands between them."""
MIN_FREE_BYTES = 1 << 30
"""Bytes that stay free on the disk of the uploads."""
LOGIN_DELAY = 0.5
"""Seconds between two tries of a password, whoever they are of."""
MAX_PENDING_LOGINS = 20
ADDRESS = re.compile(r"\s*https?:", re.IGNORECASE)
SAME_ORIGIN = (b"same-origin", b"none")
SANDBOX_POLICY = b"default-src 'none'; style-src 'unsafe-inline'; sandbox"
"""The policy of visitors' files: one that is opened as a page runs nothing, and is of no origin."""
VISITORS_FOLDER = re.compile(r"[0-9a-f]{32}")
CLOSED_ROUTES = re.compile(
    r"/(?:component_server|custom_component|deep_link|dev/reload|monitoring|process_recording|profiling|run-history|runs"
    r"|stream|(?:undo-)?vibe-[a-z-]+)(?:/|$)"
)
"""Routes of Gradio that no page here needs: recordings, streams, its editor, its dashboards."""

UNKNOWN_NAME = (
    b"This server does not go by that name: open it as localhost, or let whoever runs it pass the name with --hosts."
)


class SecurityMiddleware:
    """Around the server: refuses what no page of ours asks for.

    Args:
        hosts: names, in small letters and without a port, under which the server may be asked. A page of another host
            whose name was made to lead here is otherwise told from our own by nothing. None where visitors give a
            password, which such a page does not have.
        root: folder of the visitors' folders, of which alone files are served.
        uploads: folder of the uploads.
    """

    def __init__(
        self,
        app: Application,
        *,
        hosts: frozenset[str] | None = None,
        root: Path | None = None,
        uploads: Path | None = None,
    ) -> None:
        self.app = app
        self.hosts = hosts
        self.root = root
        self.uploads = uploads
        self.pending_logins = 0
        self.login_lock = asyncio.Lock()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        refused = self.refusal(scope, headers)
        if refused is not None:
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008})
            else:
                await send_refusal(send, *refused)
            return
        if scope["type"] == "http" and scope["path"].rstrip("/").endswith("/login") and not await self.wait_to_log_in():
            await send_refusal(send, 429, b"Too many try to log in: try it in a minute.")
            return
        if scope["type"] == "http" and scope["method"] in ("POST", "PUT", "PATCH"):
            if scope["path"].rstrip("/").endswith("/upload"):
                receive = limit_body(MAX_UPLOAD_BYTES, receive)
            else:
                body = await read_body(receive)
                if body is None:
                    await send_refusal(send, 413, b"The request is too large.")
                    return
                if names_url(body):
                    await send_refusal(send, 403, b"Files are uploaded here, not fetched: send the file itself.")
                    return
                receive = replay_body(body, receive)

        begun = False

        async def watched(message: Message) -> None:
            nonlocal begun
            begun = True
            if message["type"] == "http.response.start" and re.search("/file[=/]", scope["path"]):
                kept = [(k, v) for k, v in message["headers"] if k.lower() != b"content-security-policy"]
                message["headers"] = [*kept, (b"content-security-policy", SANDBOX_POLICY)]
            await send(message)

        try:
            await self.app(scope, receive, watched)
        except TooLargeError:
            if not begun:
                await send_refusal(send, 413, b"The files are too large together: send some of them alone.")

    def refusal(self, scope: Message, headers: Mapping[bytes, bytes]) -> tuple[int, bytes] | None:
        """Status and sentence for what is refused without a look at its body."""
        if self.hosts is not None:
            asked = [host_name(value) for name, value in scope["headers"] if name == b"host"]
            if not asked or not self.hosts.issuperset(asked):
                return 421, UNKNOWN_NAME
        if is_cross_site(headers):
            return 403, b"Only pages of this server may ask."
        path = scope["path"]
        if CLOSED_ROUTES.search(path) and not re.search("/file[=/]", path):
            return 404, b"There is no such page."
        if found := re.search("/file[=/](.*)", path, re.DOTALL):
            if not self.is_served(found[1]):
                return 403, b"Only a visitor's own files are served."
        elif path.rstrip("/").endswith("/upload"):
            return self.check_upload_size(headers)
        return None

    async def wait_to_log_in(self) -> bool:
        """Wait for one's turn to try a password: whoever guesses has few tries; False where too many wait."""
        if self.pending_logins >= MAX_PENDING_LOGINS:
            return False
        self.pending_logins += 1
        try:
            async with self.login_lock:
                await asyncio.sleep(LOGIN_DELAY)
        finally:
            self.pending_logins -= 1
        return True

    def is_served(self, name: str) -> bool:
        """Whether a file may be served, as far as the visitors' folders are concerned: others may lie beside them."""
        if self.root is None:
            return True
        try:
            below = Path(name).resolve().relative_to(self.root.resolve())
        except (OSError, RuntimeError, ValueError):
            return True  # elsewhere, where Gradio serves nothing but uploads
        return bool(below.parts) and VISITORS_FOLDER.fullmatch(below.parts[0]) is not None

    def check_upload_size(self, headers: Mapping[bytes, bytes]) -> tuple[int, bytes] | None:
        """Why an upload is refused by its length alone."""
        length = headers.get(b"content-length", b"0")
        size = int(length) if length.isdigit() and len(length) < 20 else MAX_UPLOAD_BYTES + 1
        if size > MAX_UPLOAD_BYTES:
            return 413, b"The files are too large together: send some of them alone."
        disk = self.uploads
        if disk is not None and disk.exists() and shutil.disk_usage(disk).free < MIN_FREE_BYTES + size:
            return 507, b"The server's disk is full: try it later, or tell whoever runs it."
        return None


def host_name(host: bytes) -> str:
    """The name in a Host header, in small letters and without the port: localhost, 127.0.0.1, ::1."""
    try:
        return urlsplit(f"//{host.decode('ascii')}").hostname or ""
    except ValueError:
        return ""


class TooLargeError(Exception):
    """More of an upload came than is taken."""


def limit_body(most: int, receive: Receive) -> Receive:
    """A request's body as it comes, up to so many bytes; more raises `TooLargeError`."""
    came = 0

    async def counted() -> Message:
        nonlocal came
        message = await receive()
        came += len(message.get("body", b""))
        if came > most:
            raise TooLargeError
        return message

    return counted


def is_cross_site(headers: Mapping[bytes, bytes]) -> bool:
    """Whether a page of another host asks.

    A browser says so itself, in headers that no page can set. Where it does not, an origin must be the host that
    was asked. Programs have no origin.
    """
    origin, site = headers.get(b"origin"), headers.get(b"sec-fetch-site")
    if site in SAME_ORIGIN:
        return False
    if origin is None:
        # A link of another page may lead here; its pictures and scripts may not, which would ask with our cookies.
        return site is not None and headers.get(b"sec-fetch-mode") != b"navigate"
    try:
        return urlsplit(origin).netloc.lower() != headers.get(b"host", b"").lower()
    except ValueError:
        return True


async def read_body(receive: Receive) -> bytes | None:
    """A request's body; None where it is too large."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body.extend(message.get("body", b""))
        if len(body) > MAX_REQUEST_BYTES:
            return None
        if not message.get("more_body"):
            return bytes(body)


def replay_body(body: bytes, receive: Receive) -> Receive:
    """The body as if it came now; then whatever else comes."""
    waiting = [body]

    async def again() -> Message:
        if waiting:
            return {"type": "http.request", "body": waiting.pop(), "more_body": False}
        return await receive()

    return again


def names_url(body: bytes) -> bool:
    """Whether a request's JSON gives an address as the path of a file, which Gradio would fetch."""
    try:
        waiting = [json.loads(body)]
    except (ValueError, RecursionError):
        return False  # the server reads it the same way, and refuses it
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            path = each.get("path")
            if isinstance(path, str) and ADDRESS.match(path):
                return True
            waiting.extend(each.values())
        elif isinstance(each, list):
            waiting.extend(each)
    return False


async def send_refusal(send: Send, status: int, why: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": why})
