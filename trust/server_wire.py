"""Requests as bytes, so that nothing of them is put right on the way; and their answers."""

from __future__ import annotations

import contextlib
import json
import secrets
import socket
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

STREAM_SECONDS = 0.4
"""Seconds for which a stream that does not end by itself is read."""
ANSWER_SECONDS = 60.0
"""Seconds within which an answer must begin."""
MOST_READ = 4 << 20
"""Bytes of an answer that are kept."""
STREAM = b"text/event-stream"


@dataclass(frozen=True, kw_only=True)
class Request:
    """A request, whose parts may be anything.

    Attributes:
        path: with its query, as it is sent.
        headers: beside Host, Connection and the length, which are added where they are not given.
        about: what it attacks, for a report.
    """

    method: str = "GET"
    path: bytes = b"/"
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = b""
    about: str = field(default="", compare=False)

    def as_bytes(self, host: bytes) -> bytes:
        given = {name.lower() for name, _ in self.headers}
        added = [(b"Host", host), (b"Connection", b"close")]
        if self.body or self.method in ("POST", "PUT", "PATCH"):
            added.append((b"Content-Length", str(len(self.body)).encode()))
        lines = [b"%s %s HTTP/1.1" % (self.method.encode("latin-1"), self.path)]
        lines += [b"%s: %s" % each for each in (*(a for a in added if a[0].lower() not in given), *self.headers)]
        return b"\r\n".join(lines) + b"\r\n\r\n" + self.body


@dataclass(frozen=True, kw_only=True)
class Answer:
    """An answer; status 0 where the server hung up without one."""

    status: int
    headers: dict[bytes, bytes]
    body: bytes
    seconds: float

    @property
    def is_stream(self) -> bool:
        return self.headers.get(b"content-type", b"").startswith(STREAM)


def send(address: str, request: Request, *, stream_seconds: float = STREAM_SECONDS) -> Answer:
    """Send a request over a connection of its own, and read its answer to the end; of a stream, for a while."""
    parts = urlsplit(address)
    began = time.monotonic()
    with socket.create_connection((parts.hostname or "", parts.port or 80), timeout=ANSWER_SECONDS) as wire:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # a refusal may come before all was sent
            wire.sendall(request.as_bytes(parts.netloc.encode()))
        got = bytearray()
        with contextlib.suppress(ConnectionResetError, TimeoutError):
            while len(got) < MOST_READ:
                if STREAM in got[:4000]:
                    wire.settimeout(max(stream_seconds, 0.01))
                part = wire.recv(1 << 16)
                if not part:
                    break
                got += part
                if b"close_stream" in got[-200:]:
                    break
    return parsed(bytes(got), time.monotonic() - began)


def parsed(got: bytes, seconds: float) -> Answer:
    head, _, body = got.partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    words = first.split(b" ", 2)
    status = int(words[1]) if len(words) > 1 and words[1].isdigit() else 0
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines)}
    if headers.get(b"transfer-encoding", b"").lower() == b"chunked":
        body = b"".join(chunks(body))
    return Answer(status=status, headers=headers, body=body, seconds=seconds)


def chunks(body: bytes) -> Iterable[bytes]:
    """The content of a body that was sent in chunks; the last may be cut off."""
    while body:
        size, _, rest = body.partition(b"\r\n")
        try:
            length = int(size.split(b";")[0], 16)
        except ValueError:
            return
        yield rest[:length]
        body = rest[length + 2 :]


def json_request(path: str, value: Any, *, method: str = "POST", about: str = "", **headers: str) -> Request:
    """A request whose body is JSON; half characters go as escapes."""
    named = {"content-type": "application/json", **{name.replace("_", "-"): text for name, text in headers.items()}}
    return Request(
        method=method,
        path=path.encode(),
        headers=tuple((name.encode(), text.encode("latin-1")) for name, text in named.items()),
        body=json.dumps(value).encode(),
        about=about,
    )


@dataclass(frozen=True, kw_only=True)
class PartOf:
    """A part of a form.

    Attributes:
        file: name of its file; None for a field.
    """

    name: bytes
    content: bytes
    file: bytes | None = None
    kind: bytes | None = None


def form_request(path: str, parts: Iterable[PartOf], *, about: str = "", boundary: bytes | None = None) -> Request:
    """A request whose body is a form with files."""
    line = boundary if boundary is not None else secrets.token_hex(12).encode()
    body = bytearray()
    for part in parts:
        body += b"--" + line + b'\r\nContent-Disposition: form-data; name="' + part.name + b'"'
        if part.file is not None:
            body += b'; filename="' + part.file + b'"'
        if part.kind is not None:
            body += b"\r\nContent-Type: " + part.kind
        body += b"\r\n\r\n" + part.content + b"\r\n"
    body += b"--" + line + b"--\r\n"
    headers = ((b"content-type", b"multipart/form-data; boundary=" + line),)
    return Request(method="POST", path=path.encode(), headers=headers, body=bytes(body), about=about)
