"""Every route, event, endpoint and tool of a running server under attack by chance, and what is wrong with its answers."""

from __future__ import annotations

import contextlib
import io
import json
import secrets
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import hypothesis
from hypothesis import HealthCheck, Phase
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from trust import server_attacks as attacks
from trust.server_large import large_requests
from trust.server_oracle import Listener, Secrets, strangers, wrong_with
from trust.server_page import Page
from trust.server_process import Server
from trust.server_values import Event, Ground
from trust.server_wire import Answer, Request, json_request, send

SCENE = Path(__file__).parent.parent / "src" / "intarsia" / "demo" / "scenes" / "bird-and-car.png"
QUEUE_SECONDS = 20.0
"""Seconds for which an event in the queue is waited for."""
STREAMED = ("heartbeat", "queue/data", "startup-events", "upload_progress", "queue/join")
KNOWN_FILES = (
    r"[0-9a-f]{32}/(photo|mask|draft|edit|remove|arrange|scene|layout|export|upload|keep)-\d{4,}/.*",
    r"[0-9a-f]{32}/batch-.*",
    r"[0-9a-f]{32}/watched/.*",
    r"operator/notes.txt",
)
"""Files that may lie in the folder of results."""


KINDS = {
    "status 5": "faults of the server (500)",
    "no answer": "requests without an answer",
    "no connection": "requests without an answer",
    "logged": "tracebacks in the log",
    "it tells": "secrets, code or files told",
    "a folder": "secrets, code or files told",
    "status 4": "refusals without a sentence",
    "a message": "refusals without a sentence",
}
"""Kinds of faults by how their problem begins."""
OTHERS = "other faults (neighbours asked, files left, server gone)"


@dataclass
class Report:
    """What attacks met.

    Attributes:
        sent: requests, by what they attacked.
        statuses: how often each came.
        wrong: what was wrong, and the first request that showed it; each fault once.
        slowest: seconds of the slowest answer that was neither a stream nor a picture, and to what.
        slowest_picture: the same of the pictures that were painted and sent.
    """

    sent: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    wrong: dict[str, str] = field(default_factory=dict)
    slowest: tuple[float, str] = (0.0, "")
    slowest_picture: tuple[float, str] = (0.0, "")

    def found(self, problem: str, request: Request) -> None:
        key = f"{request.about}: {problem[:90]}"
        if key not in self.wrong:
            head = request.as_bytes(b"HOST").split(b"\r\n\r\n")[0].decode("latin-1").replace("\r\n", " | ")
            self.wrong[key] = f"{request.about}: {problem} <- {head[:300]} {request.body[:600]!r}"

    def kinds(self) -> dict[str, int]:
        """How many faults of each kind there are."""
        found = dict.fromkeys((*KINDS.values(), OTHERS), 0)
        for key in self.wrong:
            problem = key.partition(": ")[2]
            found[next((kind for word, kind in KINDS.items() if problem.startswith(word)), OTHERS)] += 1
        return found


class Attacker:
    """One who attacks a server, knows what visitors know, and checks every answer."""

    def __init__(self, server: Server, report: Report) -> None:
        self.server, self.report = server, report
        self.listener = Listener()
        self.canary = secrets.token_hex(12)
        self.files = self._plant()
        self.victim = Page(server.address)
        self._fill(self.victim, f"{self.canary}.png", note=self.canary)
        folders = [path.name for path in server.results.iterdir() if len(path.name) == 32]
        upload = Path(self.victim_upload).parent.name
        self.secrets = Secrets(
            texts=[text.encode() for text in (self.canary, self.victim.token, self.victim.name, upload, *folders)],
            folders=[str(server.folder).encode(), str(Path(__file__).parents[1]).encode()],
        )
        self.page = Page(server.address)
        self._fill(self.page, "own.png", note="")
        self.logged = server.log.stat().st_size

    def _plant(self) -> list[str]:
        """Write files that nobody may read; their paths."""
        mine = self.server.results / "operator" / "notes.txt"
        beside = self.server.folder / "secret.txt"
        mine.parent.mkdir(exist_ok=True)
        for file in (mine, beside):
            file.write_text(self.canary)
        with contextlib.suppress(FileExistsError):
            (self.server.pictures / "link.png").symlink_to(beside)
        return [str(mine), str(beside), str(self.server.log), "/etc/passwd"]

    def _fill(self, page: Page, name: str, *, note: str) -> None:
        """Open a photo, select something, and take it out."""
        info = PngInfo()
        info.add_text("Comment", note)
        stream = io.BytesIO()
        Image.open(SCENE).save(stream, "PNG", pnginfo=info)
        self.victim_upload = page.upload(stream.getvalue(), name)
        page.do("opened", path=self.victim_upload, name=name)
        outline = page.fetch(page.ask("pointed", points=[[20, 44, 1]])["url"])
        self.selection = page.upload(outline, "selection.png")
        page.ask("lifted", path=self.selection)
        page.wait("removed", path=self.selection)

    def ground(self) -> Ground:
        """What the attacker knows at this moment."""
        draft = self.page.state.get("draft") or {}
        scenes = [f"scene-{number:04d}" for number in (3, 4, 5)]
        return Ground(
            events=tuple(events_of(self.server.address)),
            page=self.page.name,
            upload=self.victim_upload,
            selection=self.selection,
            draft=str(draft.get("id") or "draft-0002"),
            neighbour=f"http://127.0.0.1:{self.listener.port}",
            files=self.files,
            own=(*(step["id"] for step in self.page.steps), *scenes, "edit-0001", "draft-0002", "../operator"),
        )

    # One attack

    def attack(self, request: Request) -> Answer:
        """Send a request and what belongs to it, and check the answers."""
        answer = self._send(request)
        if answer.status == 200 and (b'"event_id"' in answer.body) and request.method == "POST":
            self._listen(request, answer)
        return answer

    def _send(self, request: Request, seconds: float = 0.3) -> Answer:
        report = self.report
        try:
            answer = send(self.server.address, request, stream_seconds=seconds)
        except OSError as error:
            report.found(f"no connection ({type(error).__name__})", request)
            return Answer(status=0, headers={}, body=b"", seconds=0.0)
        report.sent[request.about] += 1
        report.statuses[answer.status] += 1
        took = (answer.seconds, request.about)
        if request.about == "images API" and answer.status == 200:
            report.slowest_picture = max(report.slowest_picture, took)
        elif not answer.is_stream:
            report.slowest = max(report.slowest, took)
        problem = wrong_with(answer, request, self.secrets)
        if problem is not None:
            report.found(problem, request)
        self._read_log(request)
        return answer

    def _listen(self, request: Request, answer: Answer) -> None:
        """Read what comes of an event that waits in the queue."""
        event = json.loads(answer.body).get("event_id")
        path = f"/gradio_api/queue/data?session_hash={self.page.name}"
        if b"/call/" in request.path:
            path = f"/gradio_api/call/x/{event}"
        elif self.page.name.encode() not in request.body:
            return
        self._send(Request(path=path.encode(), about=request.about), QUEUE_SECONDS)

    def _read_log(self, request: Request) -> None:
        size = self.server.log.stat().st_size
        if size > self.logged:
            for fault in self.server.faults(self.logged):
                self.report.found(f"logged {fault}", request)
            self.logged = size

    def renew(self) -> None:
        """Have a photo open again, and nothing going on."""
        try:
            self.page.do("stopped")
            if self.page.draft is None:
                self._fill(self.page, "own.png", note="")
        except (RuntimeError, httpx.HTTPError, KeyError):
            self.page.close()
            self.page = Page(self.server.address)
            self._fill(self.page, "own.png", note="")

    def close(self) -> None:
        self.page.close()
        self.victim.close()
        self.listener.close()


def events_of(address: str) -> Iterator[Event]:
    """The events of the pages, as their configuration lists them."""
    for each in httpx.get(f"{address}/config", timeout=30, trust_env=False).json()["dependencies"]:
        targets = [name for _, name in each["targets"]]
        name = targets[0] if targets and targets[0] in attacks.CANVAS else str(each["api_name"])
        yield Event(number=each["id"], name=name, inputs=len(each["inputs"]), queue=bool(each["queue"]))


def by_chance(strategy: attacks.Requests, count: int, seed: int, do: Callable[[Request], Any]) -> None:
    """Do something with so many examples of a strategy."""

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=count,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
        report_multiple_bugs=False,
    )
    @hypothesis.given(strategy)
    def each(request: Request) -> None:
        do(request)

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Generating overly large repr")  # of values that are long on purpose
        each()


def units(attacker: Attacker, tools: Sequence[dict[str, Any]]) -> Iterator[tuple[str, int, attacks.Requests]]:
    """What is attacked: its name, its weight, and the strategy."""
    ground = attacker.ground()
    for route in attacker.server.routes:
        yield route["path"], 2, attacks.route_requests(ground, route["path"], route["methods"])
    for event in ground.events:
        if event.name in attacks.ENDPOINTS:
            yield event.name, 4, attacks.event_requests(ground, event, attacks.endpoint_values(ground, event.name))
        else:
            weight = 6 if event.name in attacks.CANVAS else 2
            yield event.name, weight, attacks.event_requests(ground, event, attacks.event_values(ground, event))
    yield "uploads", 30, attacks.upload_requests()
    yield "images API", 30, attacks.image_requests(ground)
    yield "files", 40, attacks.file_requests(ground)
    yield "protocol", 15, attacks.protocol_requests(ground)
    for tool in tools:
        yield f"tool {tool['name']}", 8, attacks.tool_requests(ground, tool["name"], tool["inputSchema"]["properties"])


def listed_tools(address: str) -> list[dict[str, Any]]:
    """The tools that are offered over MCP."""
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": attacks.MCP_META}}
    answer = send(address, attacks.mcp_request(message, "tools"))
    text = answer.body.decode()
    lines = [line[6:] for line in text.splitlines() if line.startswith("data: ")]
    tools: list[dict[str, Any]] = json.loads(lines[-1] if lines else text)["result"]["tools"]
    return tools


def fuzz(server: Server, *, seed: int, weight: int) -> Report:
    """Attack all of a server.

    Args:
        weight: examples of what weighs 1.
    """
    report = Report()
    attacker = Attacker(server, report)
    try:
        for at, (_, heavy, strategy) in enumerate(units(attacker, listed_tools(server.address))):
            attacker.renew()
            by_chance(strategy, heavy * weight, seed + at, attacker.attack)
        for request in large_requests():
            attacker.attack(request)
        attacker.renew()
        ask = json_request("/gradio_api/reset", {}, about="at the end")
        if attacker.listener.came:
            report.found(f"{attacker.listener.came} connections to a neighbour", ask)
        for stranger in strangers(server.results, KNOWN_FILES):
            report.found(f"a file of no known kind: {stranger}", ask)
        if not server.is_alive():
            report.found("the server does not answer any more", ask)
        check_victim(attacker, ask)
    finally:
        attacker.close()
    return report


def check_victim(attacker: Attacker, ask: Request) -> None:
    """See that the neighbour's page has all that it had."""
    state = attacker.victim.do("chosen", models=None)
    steps = (state.get("draft") or {}).get("steps") or []
    if len(steps) != 1:
        attacker.report.found("the other visitor's result is gone", ask)
        return
    attacker.victim.fetch(steps[0]["picture"]["url"])
