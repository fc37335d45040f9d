"""Servers that are ended at random moments while they do a page's job, and started again."""

from __future__ import annotations

import io
import os
import random
import threading
import time
from pathlib import Path

import httpx
from PIL import Image

from trust.kill_runs import HALF, LEFT, OTHER, SIGNALS, TOUCHED, UNTOLD, Tally, contents, write_inputs
from trust.server_page import Page, PageError
from trust.server_process import Server, served

WAYS = ("page", "program")
"""Who asks: a page that takes something out, and a program that edits by words."""


def kill_servers(place: Path, tally: Tally, dice: random.Random, *, count: int) -> None:
    """End a server again and again, each time within a job, and start it again in the same folders."""
    inputs = place / "inputs"
    write_inputs(inputs)
    before = contents(inputs)
    right: dict[str, bytes] = {}
    seconds: dict[str, float] = {}
    for number in range(-1, count + 1):
        (place / "server" / "routes.json").unlink(missing_ok=True)
        sent = SIGNALS[number % len(SIGNALS)]
        with served(place / "server", "--api") as server:
            remains = leftovers(server)
            if remains:
                tally.fault(LEFT, f"server, number {number}: {remains[:3]} of the one before")
            if number in (-1, count):
                for way in WAYS:
                    began = time.monotonic()
                    pixels = job(server, way, inputs)
                    seconds[way] = time.monotonic() - began
                    if right.setdefault(way, pixels) != pixels:
                        tally.fault(OTHER, f"server: {way}'s job after {count} kills")
                continue
            way = WAYS[number % len(WAYS)]
            asking = threading.Thread(target=tried_job, args=(server, way, inputs), daemon=True)
            asking.start()
            time.sleep(dice.uniform(0, seconds[way]))
            os.kill(server.process.pid, sent)
            try:
                code = server.process.wait(60)
            except Exception:
                tally.fault(UNTOLD, f"server, {sent.name}, number {number}: it does not end")
                server.process.kill()
                code = server.process.wait()
            tally.count(f"server: ended within a {way}'s job")
            if code not in (0, 130, -sent):
                tally.fault(UNTOLD, f"server, {sent.name}, number {number}: ended with {code}")
            if found := server.faults():
                tally.fault(UNTOLD, f"server, {sent.name}, number {number}: {found[0]}")
            asking.join(60)
        for file in (place / "server" / "results").rglob("*.[pj][ns][go]*"):
            if not any(part.startswith(".") for part in file.parts) and is_cut(file):
                tally.fault(HALF, f"server, {sent.name}, number {number}: {file.name}")
    if contents(inputs) != before:
        tally.fault(TOUCHED, "server")


def leftovers(server: Server) -> list[str]:
    """What former servers have left in the temporary folder: one folder is the running one's."""
    kept = sorted(file.name for file in (server.folder / "tmp").iterdir())
    return [name for name in kept if name.startswith("intarsia-")][1:] + [n for n in kept if n.startswith("tmp")]


def is_cut(file: Path) -> bool:
    try:
        if file.suffix == ".png":
            with Image.open(file) as image:
                image.load()
    except (OSError, ValueError):
        return True
    return False


def job(server: Server, way: str, inputs: Path) -> bytes:
    """Ask for an edit; the pixels that come back.

    Raises:
        PageError: it cannot be done.
    """
    photo = (inputs / "photo.png").read_bytes()
    if way == "program":
        mask = Image.new("RGBA", Image.open(io.BytesIO(photo)).size, (0, 0, 0, 255))
        mask.paste((0, 0, 0, 0), (20, 20, 60, 60))
        stream = io.BytesIO()
        mask.save(stream, "PNG")
        answer = httpx.post(
            f"{server.address}/v1/images/edits",
            data={"prompt": "a dog", "seed": "1", "response_format": "b64_json"},
            files={"image": ("photo.png", photo, "image/png"), "mask": ("mask.png", stream.getvalue(), "image/png")},
            timeout=120,
            trust_env=False,
        )
        if answer.status_code != 200:
            raise PageError(f"{answer.status_code}: {answer.text[:300]}")
        import base64

        content = base64.b64decode(answer.json()["data"][0]["b64_json"])
    else:
        page = Page(server.address)
        try:
            page.do("opened", path=page.upload(photo, "photo.png"), name="photo.png")
            outline = page.upload((inputs / "thing.png").read_bytes(), "selection.png")
            page.ask("lifted", path=outline)
            step = page.wait("removed", path=outline)
            content = page.fetch(step["picture"]["url"])
        finally:
            page.close()
    with Image.open(io.BytesIO(content)) as image:
        return image.convert("RGB").tobytes()


def tried_job(server: Server, way: str, inputs: Path) -> None:
    """Ask for an edit of a server that may end at any moment."""
    try:
        job(server, way, inputs)
    except Exception:  # the server is gone
        return
