"""Many visitors for a while: each comes, edits, takes a picture home and goes, or just vanishes; is anything left?"""

from __future__ import annotations

import math
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import httpx

from trust.server_fuzz import SCENE
from trust.server_page import Page, PageError
from trust.server_process import Server, Taken
from trust.server_wire import PartOf, form_request, json_request, send

CALM_SECONDS = 60.0
"""Seconds within which nothing goes on any more, once all have left."""
UPLOADS_SECONDS = 150.0
"""Seconds within which what was uploaded goes: once a minute, what is a minute old."""
SMALL = {"steps": 2, "keep": 1}


@dataclass
class Stay:
    """What visitors did, and what the server had in use.

    Attributes:
        done: how often each thing was done.
        problems: what went wrong, each once with its count.
        before, after: taken when nobody was there: after a first round, and at the end.
        most: resident memory at its highest, in MB.
        slowest: seconds of the longest visit.
    """

    done: Counter[str] = field(default_factory=Counter)
    problems: Counter[str] = field(default_factory=Counter)
    before: Taken | None = None
    after: Taken | None = None
    most: float = 0.0
    slowest: float = 0.0


def stay(server: Server, *, visitors: int, seconds: float, warm: float, seed: int, patient: bool) -> Stay:
    """Let visitors come and go.

    Args:
        seconds: for which they do.
        warm: the same of a first round, after which memory is measured.
        patient: whether to wait until what they uploaded is gone.
    """
    told, idle = Stay(), server.taken().disk + 0.1 if patient else math.inf
    crowd_for(server, told, visitors, warm, seed)
    told.before = calm(server, idle)
    told.done.clear()
    crowd_for(server, told, visitors, seconds, seed + 1)
    told.after = calm(server, idle)
    return told


def crowd_for(server: Server, told: Stay, visitors: int, seconds: float, seed: int) -> None:
    until = time.monotonic() + seconds
    threads = [
        threading.Thread(target=come_and_go, args=(server, told, random.Random(seed * 1000 + k), until))
        for k in range(visitors)
    ]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        told.most = max(told.most, server.taken().memory)
        time.sleep(0.5)


def come_and_go(server: Server, told: Stay, chance: random.Random, until: float) -> None:
    """One visit after the other."""
    while time.monotonic() < until:
        began = time.monotonic()
        visit = chance.choices((edits, vanishes, reloads, asks_as_program), (6, 2, 1, 1))[0]
        try:
            visit(server, told, chance)
        except (PageError, httpx.HTTPError, OSError, KeyError) as problem:
            told.problems[f"{visit.__name__}: {type(problem).__name__}: {problem}"[:200]] += 1
        told.slowest = max(told.slowest, time.monotonic() - began)


# Visits

Visit = Callable[[Server, Stay, random.Random], None]


def begun(server: Server, told: Stay, chance: random.Random) -> tuple[Page, str]:
    """A page with a photo and a selection."""
    page = Page(server.address)
    page.do("opened", path=page.upload(SCENE.read_bytes() + bytes([chance.randrange(256)]), "a.png"), name="a.png")
    outline = page.fetch(page.ask("pointed", points=[[20, 44, 1]])["url"])
    told.done["photos"] += 1
    return page, page.upload(outline, "selection.png")


def edits(server: Server, told: Stay, chance: random.Random) -> None:
    """Change something, take something out, fetch the result, and close the page."""
    page, selection = begun(server, told, chance)
    try:
        settings = {**SMALL, "seed": chance.randrange(10**6)}
        page.wait("changed", path=selection, prompt="a house", settings=settings)
        step = page.wait("removed", path=selection, base=page.steps[-1]["id"])
        told.done["edits"] += 2
        file = page.ask("exported", step=step["id"], format="jpeg")
        if not page.fetch(file["url"]).startswith(b"\xff\xd8"):
            raise PageError("what was fetched is no JPEG")
        told.done["downloads"] += 1
    finally:
        page.close()


def vanishes(server: Server, told: Stay, chance: random.Random) -> None:
    """Begin something long, and be gone."""
    page, selection = begun(server, told, chance)
    page.do("changed", path=selection, prompt="a house", settings={"steps": 200, "keep": 1})
    time.sleep(chance.random())
    page.do("stopped") if chance.random() < 0.5 else None
    page.close()
    told.done["abandoned"] += 1


def reloads(server: Server, told: Stay, chance: random.Random) -> None:
    """Load the page again, and find the photo there."""
    page, _ = begun(server, told, chance)
    page.close()
    again = Page(server.address, page.token)
    try:
        again.do("arrived", draft=page.draft)
        if again.token != page.token or again.draft != page.draft:
            raise PageError("the photo is not there after a reload")
        again.do("dropped")
        told.done["reloads"] += 1
    finally:
        again.close()


def asks_as_program(server: Server, told: Stay, chance: random.Random) -> None:
    """Ask through the images API, and through the endpoint."""
    parts = [PartOf(name=b"image", content=SCENE.read_bytes(), file=b"a.png", kind=b"image/png")]
    parts += [PartOf(name=b"prompt", content=b"a house"), PartOf(name=b"record", content=b'{"steps": 1}')]
    answer = send(server.address, form_request("/v1/images/edits", parts))
    if answer.status != 200:
        raise PageError(f"{answer.status}: {answer.body[:100]!r}")
    send(server.address, json_request("/gradio_api/call/edit", {"data": [None, "", "a house", {}]}))
    told.done["programs"] += 1


# Nobody is there


def calm(server: Server, idle: float) -> Taken:
    """What the server has in use once all have left and are forgotten.

    Args:
        idle: MB on the disk at which nothing of theirs is left.
    """
    settled(lambda: not [each for each in server.results.iterdir() if len(each.name) == 32], CALM_SECONDS)
    before = server.taken()

    def steady() -> bool:
        nonlocal before
        time.sleep(2)
        last, before = before, server.taken()
        return abs(before.memory - last.memory) < 1 and before.files == last.files

    settled(steady, CALM_SECONDS)
    settled(lambda: server.taken().disk <= idle, UPLOADS_SECONDS)
    return server.taken()


def settled(is_so: Callable[[], bool], seconds: float) -> None:
    until = time.monotonic() + seconds
    while not is_so() and time.monotonic() < until:
        time.sleep(0.25)
