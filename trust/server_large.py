"""Requests that are too large in one way or another: each is refused, and soon."""

from __future__ import annotations

from collections.abc import Iterator

from trust.server_values import PHOTOS
from trust.server_wire import PartOf, Request, form_request

MEGABYTE = 1 << 20
JSON = ((b"content-type", b"application/json"),)


def large_requests() -> Iterator[Request]:
    """One of each kind, the largest of 110 MB."""
    calls = ("/gradio_api/queue/join", "/gradio_api/run/predict", "/mcp", "/login")
    for path in calls:
        yield Request(
            method="POST", path=path.encode(), headers=JSON, body=b" " * (40 * MEGABYTE), about="40 MB of JSON"
        )
        yield Request(method="POST", path=path.encode(), headers=JSON, body=b"[" * (8 * MEGABYTE), about="deep JSON")
        long = b'{"data": [' + b"1," * (10 * MEGABYTE) + b'1], "fn_index": 2, "session_hash": "a"}'
        yield Request(method="POST", path=path.encode(), headers=JSON, body=long, about="long JSON")
        digits = b'{"data": [' + b"9" * MEGABYTE + b'], "fn_index": 2}'
        yield Request(method="POST", path=path.encode(), headers=JSON, body=digits, about="a long number")
    for path, name in (("/gradio_api/upload", b"files"), ("/v1/images/edits", b"image")):
        whole = PartOf(name=name, content=bytes(110 * MEGABYTE), file=b"a.png")
        yield form_request(path, [whole], about="a file of 110 MB")
        yield form_request(path, [PartOf(name=name, content=PHOTOS[0], file=b"a.png")] * 1200, about="1200 files")
        yield form_request(path, [PartOf(name=b"prompt", content=b"x")] * 3000, about="3000 fields")
        yield form_request(path, [PartOf(name=b"prompt", content=b"x" * 3 * MEGABYTE)], about="a field of 3 MB")
        yield form_request(path, [PartOf(name=b"n" * MEGABYTE, content=b"x")], about="a name of 1 MB")
    yield Request(path=b"/config?" + b"a" * 200_000, about="a long address")
    yield Request(headers=((b"X-Long", b"a" * 200_000),), about="a long header")
    yield Request(headers=((b"X-Many", b"a"),) * 5000, about="many headers")
    yield Request(headers=((b"Cookie", b"a=b; " * 5000),), about="many cookies")
    yield Request(path=b"/gradio_api/file=" + b"../" * 5000, about="a long path")
