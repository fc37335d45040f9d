"""The middleware that refuses requests before the pages see them.

Refused are requests under a host name that is not this server's, posts from pages of other hosts, files that are named
by a URL or lie in no session's folder, routes that no page needs, uploads that the disk cannot hold, and bodies that come too slowly.
"""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from intarsia.web.patience import TooSlowError, in_time

MAX_REQUEST_BYTES = 32 << 20
"""Bytes of a request that is no upload: tools take pictures in it."""
MAX_CALL_BYTES = 8 << 20
"""Bytes of a call of the pages, which sends its files beforehand."""
MAX_VALUES = 500_000
"""Values of a request's JSON, by its separators: reading many keeps everybody waiting."""
MAX_UPLOAD_BYTES = 544 << 20
"""Bytes of an upload: the files of a batch together, and their separators."""
MIN_FREE_BYTES = 1 << 30
"""Bytes that stay free on the disk of the uploads."""
LOGIN_DELAY = 0.5
"""Seconds between two tries of a password, from anywhere."""
MAX_PENDING_LOGINS = 20
"""Tries of a password that wait for their turn."""
URL = re.compile(r"\s*https?:", re.IGNORECASE)
SAME_ORIGIN = (b"same-origin", b"none")
SANDBOX_POLICY = b"default-src 'none'; style-src 'unsafe-inline'; sandbox"
"""The content security policy of visitors' files: one that is opened as a page runs nothing, and has no origin."""
VISITORS_FOLDER = re.compile(r"[0-9a-f]{32}")
UPLOADS = ("/upload", "/v1/images/edits")
"""Endings of the paths that take files."""
IMAGES_API = re.compile(r"/v1(/|$)")
"""Paths of the images API, whose clients read errors as JSON."""
CLOSED_ROUTES = re.compile(
    r"/(?:component_server|custom_component|deep_link|dev/reload|monitoring|process_recording|profiling|run-history|runs"
    r"|stream|(?:undo-)?vibe-[a-z-]+)(?:/|$)"
)
"""Routes of Gradio that no page here needs: recordings, streams, its editor, its dashboards."""

UNKNOWN_HOST = (
    b"This server does not go by that name: open it as localhost, or let whoever runs it pass the name with --hosts."
)


TOO_SLOW = b"The request came too slowly: send it again."


class SecurityMiddleware:
    """Refuse requests that no page of ours sends.

    Args:
        hosts: names, in small letters and without a port, under which the server answers. Nothing else tells a page
            of another host whose name was rebound to this machine from our own. None where visitors give a
            password, which such a page does not have.
        root: folder of the sessions' folders; of the files below it, theirs alone are served.
        uploads: folder of the uploads.
        logins: slows down tries of a password, wherever they are made.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        hosts: frozenset[str] | None = None,
        root: Path | None = None,
        uploads: Path | None = None,
        logins: LoginThrottle | None = None,
    ) -> None:
        self.app = app
        self.hosts = hosts
        self.root = root
        self.uploads = uploads
        self.logins = logins or LoginThrottle()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        refusal = self.refusal(scope, headers)
        if refusal is not None:
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008})
            else:
                await refuse(scope, send, *refusal)
            return
        if scope["type"] == "http" and scope["path"].rstrip("/").endswith("/login") and not await self.logins.wait():
            await send_refusal(send, 429, b"Too many try to log in: try it in a minute.")
            return
        if scope["type"] == "http" and scope["method"] in ("POST", "PUT", "PATCH"):
            checked = await self.checked_body(scope, receive, send)
            if checked is None:
                return
            receive = checked

        started = False

        async def send_sandboxed(message: Message) -> None:
            nonlocal started
            started = True
            if message["type"] == "http.response.start" and re.search("/file[=/]", scope["path"]):
                kept = [(k, v) for k, v in message["headers"] if k.lower() != b"content-security-policy"]
                message["headers"] = [*kept, (b"content-security-policy", SANDBOX_POLICY)]
            await send(message)

        try:
            await self.app(scope, receive, send_sandboxed)
        except TooLargeError:
            if not started:
                await refuse(scope, send, 413, b"The files are too large together: send some of them alone.")
        except TooSlowError:
            if not started:
                await refuse(scope, send, 408, TOO_SLOW)

    async def checked_body(self, scope: Scope, receive: Receive, send: Send) -> Receive | None:
        """A request's body, which is limited as it arrives or was read and checked; None where it was refused."""
        receive = in_time(receive)
        if scope["path"].rstrip("/").endswith(UPLOADS):
            return limit_body(MAX_UPLOAD_BYTES, receive)
        try:
            body = await read_body(receive, MAX_CALL_BYTES if "/gradio_api/" in scope["path"] else MAX_REQUEST_BYTES)
        except TooSlowError:
            await refuse(scope, send, 408, TOO_SLOW)
            return None
        if body is None:
            await refuse(scope, send, 413, b"The request is too large.")
            return None
        if sum(body.count(separator) for separator in b",[{") > MAX_VALUES:
            await refuse(scope, send, 413, b"The request has too many values.")
            return None
        if names_url(body):
            await send_refusal(send, 403, b"Files are uploaded here, not fetched: send the file itself.")
            return None
        return replay_body(body, receive)

    def refusal(self, scope: Scope, headers: Mapping[bytes, bytes]) -> tuple[int, bytes] | None:
        """Status and message for a request that is refused without reading its body; None for the others."""
        # Starlette's TrustedHostMiddleware answers 400 without a remedy, looks at the first of several Host headers
        # alone, and redirects to names with "www.".
        if self.hosts is not None:
            hosts = [host_name(value) for name, value in scope["headers"] if name == b"host"]
            if not hosts or not self.hosts.issuperset(hosts):
                return 421, UNKNOWN_HOST
        if is_cross_site(headers):
            return 403, b"Only pages of this server may ask."
        path = scope["path"]
        if CLOSED_ROUTES.search(path) and not re.search("/file[=/]", path):
            return 404, b"There is no such page."
        if found := re.search("/file[=/](.*)", path, re.DOTALL):
            if not self.is_served(found[1]):
                return 403, b"Only a visitor's own files are served."
        elif path.rstrip("/").endswith(UPLOADS):
            return self.check_upload_size(headers)
        return None

    def is_served(self, name: str) -> bool:
        """Whether a file may be served: below `root`, only those of sessions' folders."""
        if self.root is None:
            return True
        try:
            below = Path(name).resolve().relative_to(self.root.resolve())
        except (OSError, RuntimeError, ValueError):
            return True  # elsewhere, Gradio serves nothing but uploads
        return bool(below.parts) and VISITORS_FOLDER.fullmatch(below.parts[0]) is not None

    def check_upload_size(self, headers: Mapping[bytes, bytes]) -> tuple[int, bytes] | None:
        """Status and message for an upload that is refused by its length; None for the others."""
        length = headers.get(b"content-length", b"0")
        size = int(length) if length.isdigit() and len(length) < 20 else MAX_UPLOAD_BYTES + 1
        if size > MAX_UPLOAD_BYTES:
            return 413, b"The files are too large together: send some of them alone."
        disk = self.uploads
        if disk is not None and disk.exists() and shutil.disk_usage(disk).free < MIN_FREE_BYTES + size:
            return 507, b"The server's disk is full: try it later, or tell whoever runs it."
        return None


class LoginThrottle:
    """Lets passwords be tried one after the other, so that guessing is slow."""

    def __init__(self) -> None:
        self.pending = 0
        self.lock = asyncio.Lock()

    async def wait(self) -> bool:
        """Wait for the turn to try a password; False where too many wait."""
        return await self.attempt(lambda: False) is not None

    async def attempt(self, is_right: Callable[[], bool]) -> bool | None:
        """Try a password when its turn has come; None where too many wait.

        A right one costs no time, but only after the wrong ones that came before it have cost theirs.
        """
        if self.pending >= MAX_PENDING_LOGINS:
            return None
        self.pending += 1
        try:
            async with self.lock:
                right = is_right()
                if not right:
                    await asyncio.sleep(LOGIN_DELAY)
                return right
        finally:
            self.pending -= 1


def host_name(host: bytes) -> str:
    """The name in a Host header, in small letters and without the port: localhost, 127.0.0.1, ::1."""
    try:
        return urlsplit(f"//{host.decode('ascii')}").hostname or ""
    except ValueError:
        return ""


class TooLargeError(Exception):
    """An upload is longer than allowed."""


def limit_body(limit: int, receive: Receive) -> Receive:
    """A request's body as it arrives; more than `limit` bytes raise `TooLargeError`."""
    received = 0

    async def counted() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > limit:
            raise TooLargeError
        return message

    return counted


def is_cross_site(headers: Mapping[bytes, bytes]) -> bool:
    """Whether the request comes from a page of another host.

    Browsers say so in headers that no page can set. Without them, an origin must be the host of the request.
    Programs have no origin.
    """
    origin, site = headers.get(b"origin"), headers.get(b"sec-fetch-site")
    if site in SAME_ORIGIN:
        return False
    if origin is None:
        # Links of other pages may lead here; their pictures and scripts may not, which would be sent with our cookies.
        return site is not None and headers.get(b"sec-fetch-mode") != b"navigate"
    try:
        return urlsplit(origin).netloc.lower() != headers.get(b"host", b"").lower()
    except ValueError:
        return True


async def read_body(receive: Receive, limit: int | None = None) -> bytes | None:
    """A request's body; None where it has more bytes than the limit, by default that of any request."""
    limit = MAX_REQUEST_BYTES if limit is None else min(limit, MAX_REQUEST_BYTES)
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body.extend(message.get("body", b""))
        if len(body) > limit:
            return None
        if not message.get("more_body"):
            return bytes(body)


def replay_body(body: bytes, receive: Receive) -> Receive:
    """A body that was read already, as if it arrived now; then further messages."""
    waiting = [body]

    async def receive_again() -> Message:
        if waiting:
            return {"type": "http.request", "body": waiting.pop(), "more_body": False}
        return await receive()

    return receive_again


def names_url(body: bytes) -> bool:
    """Whether a request's JSON gives a URL as the path of a file, which Gradio would fetch."""
    try:
        waiting = [json.loads(body)]
    except (ValueError, RecursionError):
        return False  # the server reads it the same way, and refuses it
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            path = each.get("path")
            if isinstance(path, str) and URL.match(path):
                return True
            waiting.extend(each.values())
        elif isinstance(each, list):
            waiting.extend(each)
    return False


async def refuse(scope: Scope, send: Send, status: int, message: bytes) -> None:
    """Refuse a request in the way that its kind of client reads."""
    if IMAGES_API.match(scope["path"]):
        answer = JSONResponse(api_error(message.decode()), status_code=status)
        await answer(scope, refused_receive, send)
    else:
        await send_refusal(send, status, message)


async def refused_receive() -> Message:
    raise AssertionError("a refusal reads nothing")


def api_error(
    message: str, *, kind: str = "invalid_request_error", param: str | None = None, code: str | None = None
) -> dict[str, Any]:
    """An error in the shape of the images API.

    Args:
        param: the field of the request that is wrong.
    """
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


async def send_refusal(send: Send, status: int, message: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": message})
