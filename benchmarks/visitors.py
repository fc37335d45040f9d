"""Let many visitors edit at once, and see that each gets his own picture, knows his place, and leaves nothing behind.

    python -m benchmarks.visitors --visitors 20 --json out.json

A server is started as a process of its own, with the pocket models. Every visitor sends a scene of his own with
words of his own, all at the same moment, and asks again and again which place he has in the queue. Each result is
compared with the same record done alone in this process, pixel by pixel. Memory is the server's, before all came
(after one edit that warms it up), at most, and after. In the end all have left, and their folders must be gone.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import torch

import intarsia as ia
from intarsia.backbones.protocols import Backbones
from intarsia.imaging.read import read_photo
from intarsia.records.edit import EditRecord
from intarsia.records.serialize import from_json
from intarsia.results.document import pixel_digest
from training import world

SMALL: dict[str, Any] = {
    "steps": 2,
    "search": {"proposals": 2, "preview_steps": [1], "survivors": [1], "anchors": 2},
}
FORGET = 0.1
"""Minutes after which the server forgets those who left."""


@dataclass
class Told:
    """What one visitor saw."""

    photo: Path
    prompt: str
    seed: int
    places: list[int] = field(default_factory=list)
    seconds: float = 0.0
    error: str = ""
    picture: Path | None = None
    record: dict[str, Any] = field(default_factory=dict)


def write_scenes(folder: Path, count: int, seed: int) -> list[Told]:
    rng, visitors = np.random.default_rng(seed), []
    for k in range(count):
        names = tuple(str(n) for n in rng.choice(world.NAMES, 2, replace=False))
        file = folder / f"{k}.png"
        world.render(rng, names=names, places=world.places_for(rng, 2)).image.save(file)
        visitors.append(Told(photo=file, prompt=f"a {rng.choice(world.NAMES)}", seed=k))
    return visitors


def start(folder: Path) -> tuple[subprocess.Popen[str], str]:
    """The server, and its address once it answers."""
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    flags = ["--models", "pocket", "--port", str(port), "--forget", str(FORGET), "--out", str(folder)]
    server = subprocess.Popen([sys.executable, "-m", "intarsia", "ui", *flags], text=True)
    address = f"http://127.0.0.1:{port}/"
    for _ in range(1200):
        if server.poll() is not None:
            raise SystemExit(f"The server ended with {server.returncode}.")
        try:
            httpx.get(address, timeout=1, trust_env=False)
            return server, address
        except httpx.HTTPError:
            time.sleep(0.1)
    raise SystemExit("The server did not answer within two minutes.")


def memory_mb(process: int) -> float:
    said = Path(f"/proc/{process}/status").read_text()
    return int(said.partition("VmRSS:")[2].split()[0]) / 1024


def visit(address: str, told: Told, together: threading.Barrier, downloads: Path) -> None:
    """One visitor: come, wait for the others, send, ask for one's place, take the picture home."""
    from gradio_client import Client, handle_file

    try:
        client = Client(address, verbose=False, download_files=str(downloads))
        together.wait()
        began = time.monotonic()
        job = client.submit(handle_file(told.photo), "", told.prompt, {**SMALL, "seed": told.seed}, api_name="/edit")
        while not job.done():
            rank = job.status().rank
            if rank is not None and (not told.places or told.places[-1] != rank):
                told.places.append(rank)
            time.sleep(0.05)
        picture, record = job.result()
        told.seconds = time.monotonic() - began
        told.picture = Path(picture)
        told.record = record if isinstance(record, dict) else json.loads(Path(record).read_text())
    except Exception as problem:
        told.error = f"{type(problem).__name__}: {problem}"


def alone(told: Told, backbones: Backbones) -> str:
    """Digest of the same record done alone."""
    fields = {**SMALL, "seed": told.seed, "prompt": told.prompt, "photo": str(told.photo), "models": "pocket"}
    photo = read_photo(told.photo)
    return pixel_digest(ia.edit(photo, from_json(EditRecord, fields, "a visitor"), backbones).photo)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--visitors", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="intarsia-") as made:
        report = measure(Path(made), options.visitors, options.seed)
    print(json.dumps(report, indent=1))
    if options.json is not None:
        options.json.write_text(json.dumps(report, indent=1) + "\n")
    return 0 if report["right"] else 1


def measure(folder: Path, count: int, seed: int) -> dict[str, Any]:
    scenes, downloads, results = folder / "scenes", folder / "downloads", folder / "results"
    scenes.mkdir()
    first, *visitors = write_scenes(scenes, count + 1, seed)
    server, address = start(results)
    try:
        visit(address, first, threading.Barrier(1), downloads)
        before = most = memory_mb(server.pid)
        together = threading.Barrier(count)
        threads = [threading.Thread(target=visit, args=(address, told, together, downloads)) for told in visitors]
        began = time.monotonic()
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            most = max(most, memory_mb(server.pid))
            time.sleep(0.1)
        took = time.monotonic() - began
        after = memory_mb(server.pid)
        there = len(list(results.iterdir()))
        left = time.monotonic()
        while (stay := len(list(results.iterdir()))) and time.monotonic() - left < 60 * FORGET + 20:
            time.sleep(0.25)
        forgotten_after = time.monotonic() - left
    finally:
        server.send_signal(signal.SIGINT)
        try:
            code = server.wait(30)
        except subprocess.TimeoutExpired:
            server.kill()
            code = server.wait()

    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", torch.get_num_threads())))
    backbones = ia.load_backbones("pocket", device="cpu")
    got = {id(told): pixel_digest(read_photo(told.picture)) for told in visitors if told.picture is not None}
    own = {id(told): alone(told, backbones) for told in visitors}
    errors = [told.error for told in visitors if told.error]
    equal = sum(got.get(id(told)) == own[id(told)] for told in visitors)
    foreign = sum(got.get(id(told)) in {own[id(other)] for other in visitors if other is not told} for told in visitors)
    placed = sum(bool(told.places) for told in visitors)
    waits = sorted(told.seconds for told in visitors)
    return {
        "visitors": count,
        "errors": errors,
        "own_picture": equal,
        "somebody_elses_picture": foreign,
        "different_pictures": len(set(own.values())),
        "told_a_place": placed,
        "worst_place": max((place for told in visitors for place in told.places), default=None),
        "seconds": round(took, 1),
        "seconds_median": round(waits[len(waits) // 2], 1),
        "seconds_longest": round(waits[-1], 1),
        "memory_mb": {"before": round(before), "most": round(most), "after": round(after)},
        "folders": {"when_all_had_left": there, "in_the_end": stay, "gone_after_seconds": round(forgotten_after, 1)},
        "exit_code": code,
        "right": not errors and equal == count and foreign == 0 and placed == count and stay == 0 and code == 0,
    }


if __name__ == "__main__":
    raise SystemExit(main())
