"""What is refused before the pages see it: posts of other hosts' pages, and files that are named by an address."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]

LARGEST_REQUEST = 32 << 20
"""Bytes of a request that is no upload."""
ADDRESS = re.compile(r"\s*https?:", re.IGNORECASE)
OWN = (b"same-origin", b"none")
SEALED = b"default-src 'none'; style-src 'unsafe-inline'; sandbox"
"""The policy of visitors' files: one that is opened as a page runs nothing, and is of no origin."""


class Guard:
    """Around the server: refuses what no page of ours asks for."""

    def __init__(self, app: Application) -> None:
        self.app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        if foreign(headers):
            await refuse(send, 403, b"Only pages of this server may ask.")
            return
        if scope["method"] == "POST" and not headers.get(b"content-type", b"").startswith(b"multipart/"):
            body = await whole(receive)
            if body is None:
                await refuse(send, 413, b"The request is too large.")
                return
            if names_an_address(body):
                await refuse(send, 403, b"Files are uploaded here, not fetched: send the file itself.")
                return
            receive = once(body, receive)

        async def sealed(message: Message) -> None:
            if message["type"] == "http.response.start":
                kept = [(k, v) for k, v in message["headers"] if k.lower() != b"content-security-policy"]
                message["headers"] = [*kept, (b"content-security-policy", SEALED)]
            await send(message)

        await self.app(scope, receive, sealed if re.search("/file[=/]", scope["path"]) else send)


def foreign(headers: dict[bytes, bytes]) -> bool:
    """Whether a page of another host asks.

    A browser says so itself, in headers that no page can set. Where it does not, an origin must be the host that
    was asked. Programs have no origin.
    """
    origin = headers.get(b"origin")
    if origin is None or headers.get(b"sec-fetch-site") in OWN:
        return False
    try:
        return urlsplit(origin).netloc.lower() != headers.get(b"host", b"").lower()
    except ValueError:
        return True


async def whole(receive: Receive) -> bytes | None:
    """A request's body; None where it is too large."""
    body = bytearray()
    while True:
        message = await receive()
        body.extend(message.get("body", b""))
        if len(body) > LARGEST_REQUEST:
            return None
        if not message.get("more_body"):
            return bytes(body)


def once(body: bytes, receive: Receive) -> Receive:
    """The body as if it came now; then whatever else comes."""
    waiting = [body]

    async def again() -> Message:
        if waiting:
            return {"type": "http.request", "body": waiting.pop(), "more_body": False}
        return await receive()

    return again


def names_an_address(body: bytes) -> bool:
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


async def refuse(send: Send, status: int, why: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": why})
