"""Calls of the pages' events: those that no page and no program of ours sends are refused in a sentence.

The framework behind the pages takes a malformed call for a fault of its own: it answers with an error of the server,
writes a traceback for each to the log, or breaks off a stream that has begun.
"""

from __future__ import annotations

import errno
import json
import logging
import re
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs, unquote

import gradio as gr
from fastapi.exceptions import RequestValidationError
from gradio.block_function import BlockFunction
from gradio.state_holder import SessionState
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from intarsia.web.error_messages import FOLDERS, OPERATOR
from intarsia.web.patience import TooSlowError
from intarsia.web.security import TooLargeError, read_body, replay_body

logger = logging.getLogger("intarsia")

CALL = re.compile(r"/gradio_api/(?P<way>run|api|call/v2|call|queue/join|cancel|reset)(?:/(?P<name>[^/]*))?/?")
STREAM = re.compile(r"/gradio_api/(?:queue/data|call/(?:v2/)?[^/]*/(?P<event>[^/]*))/?")
OTHERS = re.compile(r"/(?:v1|mcp)(?:/|$)")
"""Paths of the doors for programs, which have errors of their own shape."""
UPLOAD = "/gradio_api/upload"
NAME = re.compile(r"[\w.-]{1,64}", re.ASCII)
"""What a page calls itself; a longer one, or one with other characters, breaks addresses that are made from it."""
NO_NAME = "session_hash must be a text of at most 64 letters and digits."
HEARTBEAT = re.compile(r"/gradio_api/heartbeat/(?P<name>.*)", re.DOTALL)
KINDS = {
    "session_hash": str,
    "event_id": str,
    "oauth_token": str,
    "fn_index": int,
    "trigger_id": int,
    "simple_format": bool,
}
"""Fields of a call beside its values, each of which may be left out."""
SAID = {str: "a text", int: "a whole number", bool: "true or false"}
MOST_DEPTH = 64
"""Lists and objects within each other, in what a page sends."""
MOST_KEPT = 1 << 20
"""Bytes of the answer of a failed call that are read, to put a sentence in their place."""

NO_CALL = "There is no such call here: gradio_api/info lists those that there are."
WRONG_VALUES = "A value is missing, or of another kind than is taken here: reload the page, or see gradio_api/info."
NO_UPLOAD = "No files came: send them as multipart/form-data, each as files."
UNFORESEEN = f"It failed for a reason that nobody has foreseen: {OPERATOR}."
NO_PAGE = "There is nothing at this address: look for a slip in it."
LONGEST_SAID = 300
"""Characters of a refusal: the framework repeats values of any length."""
GONE = "Nothing is waited for under that name: ask again."


class Pages(gr.Blocks):
    """Pages that answer values of the wrong kind in a sentence, and without a traceback in the log.

    Attributes:
        heartbeats: streams by which open pages tell that they are there, by the pages' names.
        on_sweep: to be called now and then.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.heartbeats: Counter[str] = Counter()
        self.on_sweep: Callable[[], None] = lambda: None

    async def process_api(self, *arguments: Any, **named: Any) -> dict[str, Any]:
        try:
            output: dict[str, Any] = await super().process_api(*arguments, **named)
            return output
        except gr.Error as error:
            said = FOLDERS.sub("", str(error.message))
            said = said if len(said) <= LONGEST_SAID else f"{said[: LONGEST_SAID - 1]}…"
            raise gr.Error(said, print_exception=False) from error

    async def preprocess_data(
        self, block_fn: BlockFunction, inputs: list[Any], state: SessionState | None, explicit_call: bool = False
    ) -> list[Any]:
        try:
            values: list[Any] = await super().preprocess_data(block_fn, inputs, state, explicit_call)
            return values
        except gr.Error:
            raise
        except Exception as error:
            logger.info("values of the wrong kind came for %s: %s", block_fn.api_name, type(error).__name__)
            raise gr.Error(WRONG_VALUES) from error


class CallsMiddleware:
    """Refuse calls that are none, and answer those that fail in a sentence.

    Args:
        page: whose events are called.
    """

    def __init__(self, app: ASGIApp, *, page: Pages) -> None:
        self.app, self.page = app, page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path, method = scope["path"], scope["method"]
        if not self.is_let_in(scope):
            pass  # the framework says so, whatever is asked
        elif method == "POST" and (found := CALL.search(path)) and found.end() == len(path):
            body = await read_body(receive)
            refusal = None if body is None else self.refusal(body, found)
            if refusal is not None:
                await answer(400, refusal)(scope, receive, send)
                return
            receive = receive if body is None else replay_body(body, receive)
        elif method == "GET" and (found := STREAM.search(path)) and found.end() == len(path):
            lacking = self.lacking(scope, found["event"])
            if lacking is not None:
                await lacking(scope, receive, send)
                return
        elif found := HEARTBEAT.search(path):
            if NAME.fullmatch(found["name"]):
                await self.beat(found["name"], scope, receive, send)
            else:
                await answer(400, NO_NAME)(scope, receive, send)
            return
        if OTHERS.match(path):
            await self.app(scope, receive, send)
            return
        if method in ("GET", "HEAD") and not self.has_page(scope):
            await answer(404, NO_PAGE)(scope, receive, send)
            return
        await self.pass_on(scope, receive, send)

    async def pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the framework answer; where it fails, a sentence is the answer."""
        sentence = Sentence(send)
        try:
            await self.app(scope, receive, sentence)
        except (TooLargeError, TooSlowError):
            raise  # whoever limits the body answers
        except ClientDisconnect:
            return
        except Exception as error:
            if sentence.begun:
                raise
            said = self.cause(scope["path"], error)
            if said is None:
                logger.error("a request failed", exc_info=error)
            status = 500 if said is None else 404 if said is NO_PAGE else 400
            await answer(status, said or UNFORESEEN)(scope, receive, send)

    async def beat(self, name: str, scope: Scope, receive: Receive, send: Send) -> None:
        """The stream by which a page tells that it is there."""
        beats = self.page.heartbeats
        beats[name] += 1
        try:
            await self.app(scope, receive, send)
        finally:
            beats[name] -= 1
            if beats[name] <= 0:
                del beats[name]

    def cause(self, path: str, error: Exception) -> str | None:
        """What a request did wrong at which the framework raises errors of all kinds; None where it is not known."""
        if path.rstrip("/").endswith(UPLOAD):
            return NO_UPLOAD  # its parser met what is no form
        if "/call/v2/" in path and isinstance(error, TypeError):
            return WRONG_VALUES  # they are taken by their names
        if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
            return NO_PAGE  # it asked the disk for a file of that name
        if isinstance(error.__context__, RequestValidationError):
            return WRONG_VALUES  # it would have repeated a value that cannot be written
        return None

    def has_page(self, scope: Scope) -> bool:
        """Whether there is the page that an address names in its query, which the framework takes for granted."""
        asked = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True).get("page", [""])
        return set(asked) <= {path for path, *_ in self.page.pages}

    def is_let_in(self, scope: Scope) -> bool:
        """Whether a request comes from someone who has logged in, where the pages want that."""
        app = self.page.app
        if app.auth is None:
            return True
        cookies = Request(scope).cookies
        return any(
            cookies.get(f"{kind}-{app.cookie_id}") in app.tokens for kind in ("access-token", "access-token-unsecure")
        )

    def refusal(self, body: bytes, found: re.Match[str]) -> str | None:
        """Why a call cannot be one of a page or program; None where it may be."""
        try:
            call = json.loads(body, parse_constant=refuse_constant)
        except (ValueError, RecursionError):
            return "The call is no JSON."
        if not isinstance(call, dict):
            return "The call is no JSON object."
        if depth_of(call) > MOST_DEPTH:
            return f"The call has more than {MOST_DEPTH} lists and objects within each other."
        wrong = next((name for name, kind in KINDS.items() if type(call.get(name)) not in (kind, type(None))), None)
        if wrong is not None:
            return f"{wrong} must be {SAID[KINDS[wrong]]}."
        if call.get("session_hash") is not None and not NAME.fullmatch(call["session_hash"]):
            return NO_NAME
        if call.get("batched"):
            return "One call is made at a time: leave batched out."
        if found["way"] in ("cancel", "reset"):
            return None
        function = self.function(found["way"], unquote(found["name"] or ""), call.get("fn_index"))
        if function is None:
            return NO_CALL
        if found["way"] != "call/v2" and not isinstance(call.get("data"), list):
            return "data must be a list of the call's values."
        return None

    def function(self, way: str, name: str, number: Any) -> BlockFunction | None:
        """The event that is called; None without one, or where programs may not call it by its name."""
        if way.startswith("call"):
            named = (each for each in self.page.fns.values() if each.api_name == name)
            function = next(named, None)
            return function if function is not None and function.api_visibility == "public" else None
        if type(number) is int:
            return self.page.fns.get(number)
        if way == "queue/join":
            return None
        return next((each for each in self.page.fns.values() if each.api_name == name), None)

    def lacking(self, scope: Scope, event: str | None) -> Response | None:
        """The answer to who listens where nothing is said, as the page's script reads it; None for the others."""
        queue = self.page._queue
        if event is not None:
            waited = (
                *queue.event_ids_to_events,
                *(each for ids in queue.pending_event_ids_session.values() for each in ids),
            )
            return None if event in waited else stream(f"event: error\ndata: {json.dumps(GONE)}\n\n")
        names = parse_qs(scope["query_string"].decode("latin-1")).get("session_hash")
        if names is None:
            return answer(400, "The session_hash of the page is missing.")
        if names[-1] in queue.pending_messages_per_session:
            return None
        message = {"msg": "unexpected_error", "message": GONE, "success": False, "session_not_found": True}
        return stream(f"data: {json.dumps(message)}\n\n")


class Sentence:
    """Sends an answer on; one of a call that failed without a sentence gets one."""

    def __init__(self, send: Send) -> None:
        self.send = send
        self.begun = False
        self._start: Message | None = None
        self._body = bytearray()

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] in (422, 500):
            self._start = message
            return
        self.begun = True
        if self._start is None:
            await self.send(message)
            return
        self._body += message.get("body", b"")[: MOST_KEPT - len(self._body)]
        if message.get("more_body"):
            return
        status, said = in_a_sentence(self._start["status"], bytes(self._body))
        response = answer(status, said)
        await self.send({"type": "http.response.start", "status": status, "headers": response.raw_headers})
        await self.send({"type": "http.response.body", "body": response.body})
        self._start = None


def in_a_sentence(status: int, body: bytes) -> tuple[int, str]:
    """Status and sentence of a call that failed."""
    try:
        told = json.loads(body)
    except ValueError:
        told = None
    if isinstance(told, Mapping):
        if isinstance(error := told.get("error"), str) and error:
            return 400, error  # it was raised for whoever called
        if status == 422:
            return 400, WRONG_VALUES
    return status, UNFORESEEN


def answer(status: int, sentence: str) -> JSONResponse:
    """In both fields in which clients look for a message."""
    return JSONResponse({"detail": sentence, "error": sentence}, status_code=status)


def stream(text: str) -> Response:
    return Response(text, media_type="text/event-stream")


def refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def depth_of(value: Any) -> int:
    """How many lists and objects are within each other."""
    depth, inner = 0, [value]
    while inner and depth <= MOST_DEPTH:
        inner = [
            each
            for outer in inner
            if isinstance(outer, dict | list)
            for each in (outer.values() if isinstance(outer, dict) else outer)
        ]
        depth += 1
    return depth
