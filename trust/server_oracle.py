"""What must be true of every answer, whatever was asked."""

from __future__ import annotations

import base64
import json
import re
import socket
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from trust.server_wire import Answer, Request

FULL = (503, 507)
"""Statuses by which a server says that it is full."""
LONGEST_SENTENCE = 600
"""Characters of a message."""
CODE = (b"Traceback (most recent call last)", b"site-packages", b"/intarsia/web/", b"root:x:0:0", b'File "/')
"""What no answer holds: of the program's inside, and of the machine's."""
MARKUP = re.compile(r"<[a-z!/][^>]*>", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Secrets:
    """What belongs to others, and must be in no answer.

    Attributes:
        texts: names, tokens and contents.
        folders: of the server; in errors they are a leak.
    """

    texts: Sequence[bytes]
    folders: Sequence[bytes]

    def in_any_form(self) -> list[bytes]:
        """The texts as they are, and in base64 at each of its three places."""
        forms = list(self.texts)
        for text in self.texts:
            for shift in range(3):
                coded = base64.b64encode(b"\0" * shift + text)
                forms.append(coded[4 if shift else 0 : -4])
        return [form for form in forms if len(form) >= 8]


@dataclass
class Listener:
    """A service of the neighbourhood that the server must not be made to ask; it counts who comes."""

    came: int = 0
    _socket: socket.socket = field(default_factory=socket.socket)

    def __post_init__(self) -> None:
        self._socket.bind(("127.0.0.1", 0))
        self._socket.listen(16)
        threading.Thread(target=self._count, daemon=True).start()

    @property
    def port(self) -> int:
        return int(self._socket.getsockname()[1])

    def _count(self) -> None:
        while True:
            try:
                visitor, _ = self._socket.accept()
            except OSError:
                return
            self.came += 1
            visitor.close()

    def close(self) -> None:
        self._socket.close()


def wrong_with(answer: Answer, request: Request, secrets: Secrets) -> str | None:
    """What is wrong with an answer; None where nothing is."""
    said = answer.headers, answer.body
    if answer.status == 0:
        return "no answer"
    if answer.status >= 500 and answer.status not in FULL:
        return f"status {answer.status}: {answer.body[:160]!r}"
    whole = b"\n".join((*(b"%s: %s" % each for each in said[0].items()), said[1]))
    for found in (*CODE, *secrets.in_any_form()):
        if found in whole and found not in request.path + request.body:
            return f"it tells {found[:60]!r}"
    refused = answer.status >= 400
    problem = next(problems(answer), None) if answer.is_stream or not refused else None
    if refused and request.method != "HEAD":
        problem = message_of(answer.body)
        if problem is None:
            return f"status {answer.status} without a sentence: {answer.body[:160]!r}"
    if problem is not None:
        return wrong_with_sentence(problem, request, secrets)
    return None


def wrong_with_sentence(text: str, request: Request, secrets: Secrets) -> str | None:
    """What is wrong with the message of a refusal."""
    asked = unquote(unquote(request.path.decode("latin-1"))) + request.body.decode("latin-1")
    if not text.strip() or len(text) > LONGEST_SENTENCE + len(request.path):  # some name the path that was asked for
        return f"a message of {len(text)} characters: {text[:100]!r}"
    if "unforeseen" in text or "nobody has foreseen" in text:
        return f"unforeseen: {text}"
    for folder in secrets.folders:
        if folder.decode() in text and folder.decode() not in asked:
            return f"a folder of the server in a message: {text[:160]!r}"
    return None


def message_of(body: bytes) -> str | None:
    """The message of a refusal: plain text, or a field of JSON; None where it is neither."""
    text = body.decode("utf-8", "replace")
    try:
        value = json.loads(text)
    except ValueError:
        return None if MARKUP.match(text.strip()) else text
    for name in ("detail", "error", "message"):
        if isinstance(value, dict) and name in value:
            value = value[name]
    return value if isinstance(value, str) else None


def problems(answer: Answer) -> Iterator[str]:
    """The messages of what failed in a stream of events."""
    event = ""
    for line in answer.body.decode("utf-8", "replace").splitlines():
        if line.startswith("event: "):
            event = line[7:]
        if not line.startswith("data: "):
            continue
        try:
            value = json.loads(line[6:])
        except ValueError:
            continue
        if event == "error":
            yield str(value.get("error", value) if isinstance(value, dict) else value)
        elif isinstance(value, dict) and value.get("success") is False:
            output = value.get("output") or {}
            yield str(output.get("error") or value.get("message") or value)


def strangers(folder: Path, known: Iterable[str]) -> list[str]:
    """Files below a folder that are none of the known kinds, by patterns of their paths from it."""
    patterns = [re.compile(each) for each in known]
    found = []
    for file in sorted(folder.rglob("*")):
        path = file.relative_to(folder).as_posix()
        if file.is_file() and not any(pattern.fullmatch(path) for pattern in patterns):
            found.append(path)
    return found
