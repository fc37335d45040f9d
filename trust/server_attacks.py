"""Attacks by chance: strategies for every route, every event of the pages, every endpoint and every tool."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from hypothesis import strategies as st

from trust.server_values import NAMES, PHOTOS, Event, Ground, Value, junk, numbers, pictures, texts
from trust.server_wire import PartOf, Request, form_request, json_request

Requests = st.SearchStrategy[Request]

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "FOO")
EVIL = "https://evil.example"
KINDS = (
    *(b"application/json", b"text/plain", b"application/x-www-form-urlencoded", b"multipart/form-data"),
    *(b"multipart/form-data; boundary=x", b"application/octet-stream", b"application/xml", b"", b"\xff\xfe"),
)


# Requests


@st.composite
def headers(draw: st.DrawFn, ground: Ground) -> tuple[tuple[bytes, bytes], ...]:
    """Headers that pages of others send, or that lie: none in most cases."""
    if draw(st.integers(0, 2)):
        return ()
    host = st.sampled_from((b"evil.example", b"localhost.evil.example", b"", b"127.0.0.1:1", b"[::2]", b"a\xff", b"@"))
    origin = st.sampled_from((EVIL.encode(), b"null", b"http://127.0.0.1", b"", b"://", b"http://[", b"\xff"))
    site = st.sampled_from((b"cross-site", b"same-site", b"none", b"same-origin", b"?"))
    drawn = {
        b"Host": host,
        b"Origin": origin,
        b"Sec-Fetch-Site": site,
        b"Cookie": st.sampled_from((b"access-token=1", b"access-token-x=" + b"a" * 3000, b"=;=;", b"\xff")),
        b"Range": st.sampled_from((b"bytes=0-", b"bytes=5-2", b"bytes=-999999999999", b"bytes=0-1,2-3,4-5", b"x")),
        b"X-Forwarded-Host": st.sampled_from((b"evil.example", b"a, b", b"\xff", b"[")),
        b"X-Forwarded-Proto": st.sampled_from((b"gopher", b"https", b"\xff")),
        b"Authorization": st.sampled_from((b"Bearer x", b"Basic !!", b"\xff", b"Bearer ")),
        b"Accept": st.sampled_from((b"application/json, text/event-stream", b"*/*", b"x", b"")),
        b"Content-Type": st.sampled_from(KINDS),
        b"Content-Encoding": st.sampled_from((b"gzip", b"br")),
        b"If-None-Match": st.just(b'W/"x"'),
        b"If-Modified-Since": st.just(b"Sat, 29 Oct 1994 19:43:31 GMT"),
        b"Upgrade": st.sampled_from((b"websocket", b"h2c")),
        b"X-Gradio-User": st.just(b"app"),
        b"X-HTTP-Method-Override": st.just(b"DELETE"),
        b"Mcp-Session-Id": st.sampled_from((b"0" * 32, b"\xff", b"../x")),
        b"Mcp-Protocol-Version": st.sampled_from((b"2025-06-18", b"2026-07-28", b"1", b"\xff")),
        b"Last-Event-Id": st.just(b"1"),
    }
    names = draw(st.lists(st.sampled_from(sorted(drawn)), min_size=1, max_size=3, unique=True))
    chosen = [(name, draw(drawn[name])) for name in names]
    return tuple((name, value) for name, value in chosen if b"\n" not in value)


@st.composite
def route_requests(draw: st.DrawFn, ground: Ground, path: str, methods: Sequence[str]) -> Request:
    """A request of a route, with anything in the place of its parameters, its query and its body."""
    filled = path
    while "{" in filled:
        before, _, rest = filled.partition("{")
        _, _, after = rest.partition("}")
        filled = before + segment(draw(texts(ground))) + after
    if draw(st.booleans()):
        query = draw(st.dictionaries(st.sampled_from(QUERIES), texts(ground), max_size=3))
        filled += "?" + "&".join(f"{name}={segment(value)}" for name, value in query.items())
    method = draw(st.sampled_from((*methods, *methods, *METHODS)))
    body = b""
    if method in ("POST", "PUT", "PATCH", "DELETE") and draw(st.integers(0, 5)):
        body = draw(bodies(ground))
    given = draw(headers(ground))
    if body and not any(name == b"Content-Type" for name, _ in given):
        given = (*given, (b"Content-Type", b"application/json" if body[:1] in b"{[" else draw(st.sampled_from(KINDS))))
    return Request(method=method, path=filled.encode("utf-8", "replace")[:8000], headers=given, body=body, about=path)


QUERIES = ("session_hash", "upload_id", "run", "id", "page", "deep_link", "__theme", "view", "file", "path", "key")


def segment(text: str) -> str:
    """A text as a part of a path, with what would end the line as an escape; slashes and dots as they are."""
    return quote(text.encode("utf-8", "replace"), safe="/=:.\\;,@&+$!*'()~-_%")


@st.composite
def bodies(draw: st.DrawFn, ground: Ground) -> bytes:
    kind = draw(st.integers(0, 4))
    if kind == 0:
        return draw(st.binary(max_size=200))
    if kind == 1:
        return draw(
            st.sampled_from(
                (b"{", b"[" * 20_000, b'{"data":', b"null", b"[]", b'"', b"\xff\xfe{}", b"a=1&b=2", b"--x\r\n")
            )
        )
    fields = st.sampled_from(
        (
            "data",
            "fn_index",
            "session_hash",
            "event_id",
            "event_data",
            "trigger_id",
            "simple_format",
            "batched",
            "username",
        )
    )
    value = draw(st.one_of(junk(ground), st.dictionaries(fields, junk(ground), max_size=5)))
    return json.dumps(value).encode()


@st.composite
def event_requests(draw: st.DrawFn, ground: Ground, event: Event, data: Value) -> Request:
    """An event of the pages with values that fit more or less, by one of the ways in which it can be triggered."""
    values = draw(data)
    body: dict[str, Any] = {"data": values, "fn_index": event.number, "session_hash": ground.page}
    if draw(st.booleans()) or event.name in CANVAS:
        body["event_data"] = draw(canvas_data(ground)) if event.name in CANVAS else draw(junk(ground))
    if not draw(st.integers(0, 5)):
        body[draw(st.sampled_from(("fn_index", "session_hash", "trigger_id", "data", "event_id")))] = draw(junk(ground))
    ways = ["queue/join", "run/predict", f"call/{event.name}", f"run/{event.name}", f"call/v2/{event.name}"]
    usual = "queue/join" if event.queue else "run/predict"
    way = usual if draw(st.integers(0, 3)) else draw(st.sampled_from(ways))
    return json_request(f"/gradio_api/{way}", body, about=f"{event.name} by {way.split('/')[0]}")


ENDPOINTS = ("edit", "find_objects", "arrange", "remove")
"""For programs."""
CANVAS = (
    *("opened", "tried", "dropped", "saved", "stopped", "chosen", "pointed", "lifted", "gone_on", "scene_again"),
    *("exported", "arrived", "reopened", "changed", "removed", "arranged", "named", "replayed", "fetched"),
)


def canvas_data(ground: Ground) -> Value:
    """What the canvas sends with its events: fields that are right, or anything."""
    anything = junk(ground)
    move = st.fixed_dictionaries(
        {"name": st.sampled_from(("object 1", "cat"))},
        optional={
            **{name: st.one_of(numbers(), anything) for name in ("x", "y", "wide", "high", "turn")},
            **{name: st.one_of(st.booleans(), anything) for name in ("flip", "gone", "copy_of")},
        },
    )
    settings = st.one_of(
        st.just({"steps": 1, "keep": 1}),
        st.dictionaries(
            st.sampled_from(
                ("steps", "seed", "size", "keep", "feather", "guidance", "preset", "mode", "grow", "lora", "fill")
            ),
            anything,
            max_size=3,
        ).map(lambda drawn: {"steps": 1, "keep": 1, **drawn}),
        anything,
    )
    point = st.tuples(*(st.floats(-10, 200),) * 2, st.sampled_from((1, -1))).map(list)
    right = {
        "draft": st.just(ground.draft),
        "path": st.sampled_from((ground.upload, ground.selection)),
        "name": texts(ground),
        "index": st.integers(-2, 5),
        "ticket": st.sampled_from(("t1", 2)),
        "base": st.sampled_from(("", *ground.own)),
        "candidate": st.integers(-1, 3),
        "step": st.sampled_from(ground.own),
        "scene": st.sampled_from(ground.own),
        "format": st.sampled_from(("keep", "jpeg", "png", "webp", "exe")),
        "models": st.sampled_from(("pocket", "auto", None)),
        "settings": settings,
        "prompt": st.sampled_from(("a house", "")),
        "source": st.just(""),
        "words": st.sampled_from(("bird", "bird, car", ",,,")),
        "moves": st.lists(move, max_size=3),
        "points": st.lists(point, max_size=4),
        "box": st.lists(st.floats(-20, 200), min_size=4, max_size=4),
        "keep": st.just(ground.selection),
        "layout": st.one_of(st.none(), st.just(ground.selection)),
        "saved": anything,
        "anyway": st.booleans(),
    }
    mostly = {name: st.one_of(value, value, value, anything) for name, value in right.items() if name != "draft"}
    fields = st.fixed_dictionaries({"draft": st.one_of(*(right["draft"],) * 9, anything)}, optional=mostly)
    return st.one_of(*(fields,) * 9, anything)


def event_values(ground: Ground, event: Event) -> Value:
    """The values of an event, in their number; now and then too many or too few."""
    each = st.one_of(st.none(), texts(ground), junk(ground), file_values(ground))
    right = st.lists(each, min_size=event.inputs, max_size=event.inputs)
    return st.one_of(right, right, right, st.lists(each, max_size=9), junk(ground))


def file_values(ground: Ground) -> Value:
    """A file as the pages send one: the attacker's own, one of the server, or elsewhere."""
    path = st.one_of(st.just(ground.upload), st.just(ground.selection), texts(ground))
    return st.builds(
        lambda path, more: {"path": path, "meta": {"_type": "gradio.FileData"}, **more},
        path,
        st.dictionaries(
            st.sampled_from(("url", "orig_name", "size", "mime_type", "is_stream", "path")), junk(ground), max_size=2
        ),
    )


def endpoint_values(ground: Ground, name: str) -> Value:
    """The values of an endpoint for programs, each right or anything."""
    settings = st.one_of(
        st.just({"steps": 1, "search": {"preview_steps": [1], "survivors": [1]}}),
        st.dictionaries(st.sampled_from(SETTINGS), junk(ground), max_size=4),
        junk(ground),
    )
    moves = st.fixed_dictionaries({}, optional={"scene": texts(ground), "moves": junk(ground), "record": settings})
    removal = st.fixed_dictionaries(
        {},
        optional={
            "box": st.one_of(st.just([[2, 3, 30, 30]]), junk(ground)),
            "find": junk(ground),
            "object": junk(ground),
            "grow": numbers(),
        },
    )
    kinds = {
        "edit": (file_values(ground), texts(ground), texts(ground), settings),
        "find_objects": (file_values(ground), st.one_of(st.just("bird"), texts(ground))),
        "arrange": (file_values(ground), st.one_of(moves, junk(ground))),
        "remove": (file_values(ground), st.one_of(removal, junk(ground)), st.one_of(st.none(), file_values(ground))),
    }
    return st.tuples(*(st.one_of(kind, kind, kind, junk(ground)) for kind in kinds[name])).map(list)


SETTINGS = (
    *(
        "steps",
        "seed",
        "size",
        "guidance",
        "models",
        "lora",
        "embedding",
        "mask",
        "protect",
        "regions",
        "fill_model",
        "photo",
    ),
    *(
        "box",
        "search",
        "losses",
        "sampler",
        "preset",
        "learn",
        "find",
        "move",
        "layout",
        "colours",
        "concepts",
        "record",
        "keep",
        "format",
    ),
)


@st.composite
def upload_requests(draw: st.DrawFn) -> Request:
    """Files to the uploads: any names, contents, counts and boundaries."""
    count = draw(st.integers(0, 4))
    parts = [
        PartOf(
            name=draw(st.sampled_from((b"files", b"files", b"file", b"", b"files[]"))),
            content=draw(pictures()),
            file=draw(st.one_of(st.none(), st.sampled_from(NAMES))),
            kind=draw(st.sampled_from((None, b"image/png", b"text/html", b"x", b"image/png; charset=\xff"))),
        )
        for _ in range(count)
    ]
    boundary = draw(st.sampled_from((None, None, None, b"x", b"", b"a" * 300, b'"x"')))
    path = draw(
        st.sampled_from(("/gradio_api/upload", "/gradio_api/upload?upload_id=x", "/gradio_api/upload?upload_id=..%2f"))
    )
    return form_request(path, parts, about="upload", boundary=boundary)


@st.composite
def image_requests(draw: st.DrawFn, ground: Ground) -> Request:
    """Edits of the images API, each field right or anything; of every few, all but a field or two are right."""
    parts = []
    right = draw(st.integers(0, 3)) == 0
    if right:
        parts.append(PartOf(name=b"image", content=draw(st.sampled_from(PHOTOS)), file=b"a.png", kind=b"image/png"))
    for name in draw(st.lists(st.sampled_from(("image", "image", "image[]", "mask")), max_size=1 if right else 3)):
        file = draw(st.one_of(st.just(b"a.png"), st.sampled_from(NAMES), st.none()))
        parts.append(PartOf(name=name.encode(), content=draw(pictures()), file=file, kind=b"image/png"))
    fields = {
        "prompt": st.one_of(st.just("a house"), texts(ground)),
        "n": st.one_of(st.just("1"), texts(ground)),
        "size": st.one_of(st.just("auto"), texts(ground)),
        "model": st.one_of(st.just("pocket"), texts(ground)),
        "record": st.one_of(st.just('{"steps": 1}'), junk(ground).map(json.dumps), texts(ground)),
        "output_format": st.one_of(st.sampled_from(("png", "jpeg", "webp")), texts(ground)),
        "response_format": texts(ground),
        "source": texts(ground),
        "stream": texts(ground),
    }
    given = {"prompt": "a house", "record": '{"steps": 1}'} if right else {}
    named = draw(st.lists(st.sampled_from((*fields, "prompt", "record")), max_size=2 if right else 5))
    values = [(name, value) for name, value in given.items() if name not in named]
    values += [(name, draw(fields[name])) for name in named]
    parts += [PartOf(name=name.encode(), content=value.encode("utf-8", "replace")) for name, value in values]
    return form_request("/v1/images/edits", parts, about="images API")


def tool_requests(ground: Ground, name: str, properties: dict[str, Any]) -> Requests:
    """Calls of a tool over MCP."""
    content = pictures().map(lambda data: base64.b64encode(data).decode())
    photo = st.one_of(st.just(base64.b64encode(PHOTOS[0]).decode()), content, texts(ground))
    right: dict[str, Value] = {
        "photo": photo,
        "mask": photo,
        "prompt": st.just("a house"),
        "settings": st.one_of(
            st.just({"steps": 1}), st.dictionaries(st.sampled_from(SETTINGS), junk(ground), max_size=3)
        ),
        "box": st.one_of(st.just([2, 3, 30, 30]), st.just([[2, 3, 30, 30]]), junk(ground)),
        "names": st.one_of(st.just(["bird"]), junk(ground)),
        "moves": junk(ground),
    }
    fields = {each: st.one_of(*(right.get(each, texts(ground)),) * 3, junk(ground)) for each in properties}
    arguments = st.one_of(st.fixed_dictionaries({}, optional=fields), junk(ground))

    def call(arguments: Any, meta: Any) -> Request:
        params = {"name": name, "arguments": arguments, "_meta": MCP_META if meta else None}
        return mcp_request({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}, f"tool {name}")

    return st.builds(call, arguments, st.sampled_from((1, 1, 1, 1, 0)))


MCP_VERSION = "2026-07-28"
MCP_META = {
    "io.modelcontextprotocol/protocolVersion": MCP_VERSION,
    "io.modelcontextprotocol/clientInfo": {"name": "trust", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}


def mcp_request(message: Any, about: str) -> Request:
    params = message.get("params") if isinstance(message, dict) else None
    named = {"mcp_method": str(message.get("method", ""))} if isinstance(message, dict) else {}
    if isinstance(params, dict) and isinstance(params.get("name"), str) and params["name"].isascii():
        named["mcp_name"] = params["name"]
    named = {name: text for name, text in named.items() if text.isascii() and text.isprintable()}
    accept = {"accept": "application/json, text/event-stream", "mcp_protocol_version": MCP_VERSION}
    return json_request("/mcp", message, about=about, **accept, **named)


def protocol_requests(ground: Ground) -> Requests:
    """Messages of the protocol that may be none."""
    methods = st.sampled_from(
        ("initialize", "tools/list", "tools/call", "ping", "resources/read", "notifications/cancelled", "")
    )
    message = st.fixed_dictionaries(
        {},
        optional={
            "jsonrpc": st.one_of(st.just("2.0"), junk(ground)),
            "id": junk(ground),
            "method": st.one_of(methods, junk(ground)),
            "params": st.one_of(st.just({"_meta": MCP_META}), junk(ground)),
        },
    )
    return st.one_of(message, junk(ground)).map(lambda each: mcp_request(each, "protocol"))


def file_requests(ground: Ground) -> Requests:
    """Files of the server, by all ways to write a path."""

    def ask(route: str, path: str, times: int) -> Request:
        for _ in range(times):
            path = quote(path.encode("utf-8", "replace"), safe="")
        text = path if times else segment(path)
        return Request(path=f"{route}{text}".encode(), about="file")

    routes = st.sampled_from(
        ("/gradio_api/file=", "/gradio_api/file/", "/file=", "/static/", "/assets/", "/svelte/", "/gradio_api//file=")
    )
    up = st.sampled_from(("", "../" * 12, "..%2f" * 12, "....//" * 6, "./", "//", "/proc/self/root"))
    path = st.builds(lambda up, text: up + text, up, st.one_of(st.sampled_from(ground.files), texts(ground)))
    return st.builds(ask, routes, path, st.integers(0, 2))
