"""A page of a visitor, over HTTP and without a browser: it joins, uploads, asks, and reads what the server sends."""

from __future__ import annotations

import contextlib
import itertools
import json
import secrets
import threading
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx

PATIENCE = 120.0
"""Seconds within which anything that a page waits for must come."""


class PageError(RuntimeError):
    """The server said that something cannot be done, or answered with an error."""


class Page:
    """One open page of the canvas.

    Args:
        address: of the server.
        former: the token of an earlier page of the same visitor; None for a new visitor.
    """

    def __init__(self, address: str, former: str | None = None) -> None:
        self.address, self.name = address, secrets.token_hex(6)
        self.client = httpx.Client(base_url=address, timeout=PATIENCE, trust_env=False)
        self.events = event_numbers(self.client)
        self.tickets = itertools.count(1)
        self.state: dict[str, Any] = {}
        self._left = threading.Event()
        self._heart = threading.Thread(target=self._beat, daemon=True)
        self._heart.start()
        self.token = str(self.through_queue(self.events["load"], [former])[1])
        self.do("arrived", draft=None)

    def _beat(self) -> None:
        """Hold the stream open by which the server knows that a page is there."""
        try:
            with (
                httpx.Client(timeout=None, trust_env=False) as client,
                client.stream("GET", f"{self.address}/gradio_api/heartbeat/{self.name}") as stream,
            ):
                self._stream = stream
                for _ in stream.iter_raw():
                    if self._left.is_set():
                        return
        except (httpx.HTTPError, RuntimeError, OSError):
            return

    def close(self) -> None:
        """Leave, as a closed tab does."""
        self._left.set()
        stream = getattr(self, "_stream", None)
        if stream is not None:
            sock = stream.extensions["network_stream"].get_extra_info("socket")
            with contextlib.suppress(OSError):
                sock.shutdown(2)
        self.client.close()

    # What the browser's side of the framework does

    def through_queue(self, number: int, data: list[Any], **more: Any) -> list[Any]:
        """Trigger an event that waits in the queue; its last values.

        Raises:
            PageError: it failed.
        """
        body = {"data": data, "fn_index": number, "session_hash": self.name, **more}
        posted = self.client.post("/gradio_api/queue/join", json=body)
        if posted.status_code != 200:
            raise PageError(f"{posted.status_code}: {posted.text[:200]}")
        wanted = posted.json()["event_id"]
        for message in self.messages():
            if message.get("event_id") == wanted and message["msg"] == "process_completed":
                if not message["success"]:
                    raise PageError(str(message["output"].get("error")))
                return list(message["output"]["data"])
        raise PageError("The stream ended before the event did.")

    def messages(self) -> Iterator[dict[str, Any]]:
        """What the queue says to this page."""
        with self.client.stream("GET", f"/gradio_api/queue/data?session_hash={self.name}") as stream:
            for line in stream.iter_lines():
                if line.startswith("data: "):
                    yield json.loads(line[6:])

    def trigger(self, number: int, event_data: Any, *data: Any) -> list[Any]:
        """Trigger an event that does not wait in the queue; its values.

        Raises:
            PageError: it failed.
        """
        body = {"data": list(data) or [None], "event_data": event_data, "fn_index": number, "session_hash": self.name}
        answer = self.client.post("/gradio_api/run/predict", json=body)
        if answer.status_code != 200:
            raise PageError(f"{answer.status_code}: {answer.text[:200]}")
        return list(answer.json()["data"])

    def upload(self, content: bytes, name: str) -> str:
        answer = self.client.post("/gradio_api/upload", files={"files": (name, content)})
        if answer.status_code != 200:
            raise PageError(f"{answer.status_code}: {answer.text[:200]}")
        return str(answer.json()[0])

    def fetch(self, url: str) -> bytes:
        """A file of the server, by the address that a state gave."""
        answer = self.client.get("/" + quote(url, safe="/=%"))
        if answer.status_code != 200:
            raise PageError(f"{answer.status_code} for {url}")
        return answer.content

    # What the canvas does

    @property
    def draft(self) -> str | None:
        return (self.state.get("draft") or {}).get("id")

    @property
    def steps(self) -> list[dict[str, Any]]:
        return list((self.state.get("draft") or {}).get("steps") or ())

    def do(self, name: str, /, **data: Any) -> dict[str, Any]:
        """Trigger one of the canvas's events; the state that comes back."""
        sent = data if name == "arrived" else {"draft": self.draft, "base": "", **data}
        (self.state,) = self.trigger(self.events[name], sent)
        return self.state

    def ask(self, name: str, /, **data: Any) -> dict[str, Any]:
        """Ask a question; its answer.

        Raises:
            PageError: the answer is that it cannot be done.
        """
        ticket = f"ticket {next(self.tickets)}"
        answer: dict[str, Any] = self.do(name, ticket=ticket, **data)["answers"].get(ticket, {})
        if answer.get("kind") in (None, "problem"):
            raise PageError(str(answer.get("text")))
        return answer

    def wait(self, job: str, /, **data: Any) -> dict[str, Any]:
        """Trigger a job, and watch it to its end; the step that it made.

        Raises:
            PageError: it could not be done.
        """
        before = len(self.steps)
        state = self.do(job, **data)
        until = time.monotonic() + PATIENCE
        while state.get("job") is not None:
            if time.monotonic() > until:
                raise PageError(f"{job} took longer than {PATIENCE:g} s")
            self.through_queue(self.events[f"watch {job}"], [None])
            state = self.do("chosen", models=None)
        if len(self.steps) <= before:
            raise PageError(str(state["said"]["text"]))
        return self.steps[-1]


def event_numbers(client: httpx.Client) -> dict[str, int]:
    """The numbers of the canvas's events by their names; "watch NAME" is what follows one."""
    numbers: dict[str, int] = {}
    before = ""
    for each in client.get("/config").json()["dependencies"]:
        names = [name for _, name in each["targets"]]
        if names == ["then"]:
            numbers[f"watch {before}"] = each["id"]
        elif len(names) == 1 and names[0] not in numbers and names[0] != "click":
            before = names[0]
            numbers[before] = each["id"]
    return numbers
