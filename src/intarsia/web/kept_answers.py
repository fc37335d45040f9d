"""Answers that are the same for every visitor, kept: the pages themselves, and what they are made of.

The framework copies a page's whole configuration for each request, which takes ten milliseconds of Python: a crowd that asks
for it again and again would keep everybody else waiting.
"""

from __future__ import annotations

from collections import OrderedDict
from urllib.parse import unquote_to_bytes

from starlette.types import ASGIApp, Message, Receive, Scope, Send

PATHS = frozenset(
    {"/", "/batch", "/config", "/config/", "/gradio_api/info", "/gradio_api/info/", "/gradio_api/openapi.json"}
)
MOST_ANSWERS = 32
LONGEST_ANSWER = 2 << 20
"""Bytes of an answer that is kept."""
LONGEST_KEY = 4096
"""Bytes of an address and its headers, for which an answer is kept."""

UNHEARD = frozenset(
    {
        b"accept",
        b"cache-control",
        b"connection",
        b"dnt",
        b"pragma",
        b"priority",
        b"referer",
        b"upgrade-insecure-requests",
        b"user-agent",
    }
)
"""Headers that change no answer; each other one may, such as those by which a proxy tells the address of the pages."""

Key = tuple[object, ...]


class KeptAnswersMiddleware:
    """Answer once, and the same to whoever asks the same again. For pages that are open to all: nobody's login is asked."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._answers: OrderedDict[Key, tuple[Message, bytes]] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        key = key_of(scope)
        if key is None:
            await self.app(scope, receive, send)
            return
        if key in self._answers:
            self._answers.move_to_end(key)
            start, body = self._answers[key]
            await send(dict(start))
            await send({"type": "http.response.body", "body": body})
            return
        starts: list[Message] = []
        body_so_far = bytearray()

        async def send_and_keep(message: Message) -> None:
            if message["type"] == "http.response.start":
                starts.append({**message, "headers": list(message["headers"])})
            else:
                body_so_far.extend(message.get("body", b""))
                if not message.get("more_body") and starts[0]["status"] == 200:
                    self._keep(key, starts[0], bytes(body_so_far))
            await send(message)

        await self.app(scope, receive, send_and_keep)

    def _keep(self, key: Key, start: Message, body: bytes) -> None:
        if len(body) > LONGEST_ANSWER:
            return
        self._answers[key] = (start, body)
        while len(self._answers) > MOST_ANSWERS:
            self._answers.popitem(last=False)


def key_of(scope: Scope) -> Key | None:
    """All of a request that its answer may depend on; None for one whose answer is not kept."""
    if scope["type"] != "http" or scope["method"] != "GET" or scope["path"] not in PATHS:
        return None
    if b"deep_link" in unquote_to_bytes(scope["query_string"]):  # a state of the page, read from a file
        return None
    heard = [(k, v) for k, v in scope["headers"] if k not in UNHEARD and not k.startswith(b"sec-")]
    length = len(scope["query_string"]) + sum(len(name) + len(value) for name, value in heard)
    if length > LONGEST_KEY:
        return None
    asked = (scope["scheme"], scope.get("server"), scope.get("root_path", ""), scope["path"], scope["query_string"])
    return (*asked, *heard)
