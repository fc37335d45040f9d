"""A server as a process of its own, and what it takes of its machine."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from intarsia.web.address import free_port

START_SECONDS = 120.0
STOP_SECONDS = 30.0
UNFORESEEN = ("Traceback (most recent call last)", "a visitor's request failed", "a program's request failed")
"""What the log says where a request met a fault that nobody has foreseen."""


@dataclass(frozen=True, kw_only=True)
class Taken:
    """What a server has in use at a moment.

    Attributes:
        memory: resident, in MB.
        files: open file descriptors.
        threads: of the process.
        disk: in its temporary folder and its folder of results, in MB.
        entries: files there.
    """

    memory: float
    files: int
    threads: int
    disk: float
    entries: int


@dataclass(frozen=True, kw_only=True)
class Server:
    """A running server.

    Attributes:
        address: without a slash at its end.
        folder: holds all that it writes: "tmp", "results", "log.txt".
        routes: path and methods of each.
    """

    process: subprocess.Popen[bytes]
    address: str
    folder: Path
    routes: Sequence[dict[str, Any]]

    @property
    def log(self) -> Path:
        return self.folder / "log.txt"

    @property
    def results(self) -> Path:
        return self.folder / "results"

    @property
    def pictures(self) -> Path:
        """The folder whose pictures the tools may read."""
        return self.folder / "pictures"

    def is_alive(self) -> bool:
        """Whether it runs, and gives its page."""
        if self.process.poll() is not None:
            return False
        try:
            return httpx.get(f"{self.address}/config", timeout=20, trust_env=False).status_code in (200, 401)
        except httpx.HTTPError:
            return False

    def taken(self) -> Taken:
        told = Path(f"/proc/{self.process.pid}/status").read_text()
        sizes = [size for name in ("tmp", "results") for size in sizes_below(self.folder / name)]
        return Taken(
            memory=number_after(told, "VmRSS:") / 1024,
            files=sum(1 for _ in Path(f"/proc/{self.process.pid}/fd").iterdir()),
            threads=int(number_after(told, "Threads:")),
            disk=sum(sizes) / 1e6,
            entries=len(sizes),
        )

    def faults(self, since: int = 0) -> list[str]:
        """The last line of each traceback in the log, from a place in it on; and its other faults."""
        lines = self.log.read_text("utf-8", "replace")[since:].splitlines()
        found = []
        for at, line in enumerate(lines):
            if any(word in line for word in UNFORESEEN[:1]):
                ends = (k for k in range(at + 1, len(lines)) if lines[k] and not lines[k].startswith((" ", "\t")))
                end = next(ends, at)
                where = next((x.strip() for x in reversed(lines[at:end]) if x.strip().startswith("File ")), "")
                found.append(f"{lines[end][:120]} in {where}")
        return found


def number_after(text: str, word: str) -> float:
    return float(text.partition(word)[2].split()[0])


def sizes_below(folder: Path) -> Iterator[int]:
    """Bytes of each file below a folder, from which files vanish meanwhile."""
    for root, _, files in os.walk(folder):
        for name in files:
            with contextlib.suppress(OSError):
                yield (Path(root) / name).lstat().st_size


@contextmanager
def served(folder: Path, *flags: str, environment: dict[str, str] | None = None) -> Iterator[Server]:
    """A server on the pocket models, with all that it writes below a folder; it ends with the block.

    Raises:
        RuntimeError: it does not start.
    """
    port = free_port("127.0.0.1")
    for name in ("tmp", "results", "pictures"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    routes = folder / "routes.json"
    command = [sys.executable, "-m", "trust.server_child", str(routes), "ui", "--models", "pocket"]
    command += ["--port", str(port), "--out", str(folder / "results"), *flags]
    known = {**os.environ, "TMPDIR": str(folder / "tmp"), "PYTHONUNBUFFERED": "1", **(environment or {})}
    with (folder / "log.txt").open("wb") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, env=known, cwd=Path(__file__).parent.parent, stdin=subprocess.DEVNULL
        )
        try:
            until = time.monotonic() + START_SECONDS
            while not routes.exists():
                if process.poll() is not None or time.monotonic() > until:
                    raise RuntimeError("The server did not start: " + (folder / "log.txt").read_text()[-2000:])
                time.sleep(0.05)
            yield Server(
                process=process,
                address=f"http://127.0.0.1:{port}",
                folder=folder,
                routes=json.loads(routes.read_text()),
            )
        finally:
            end(process)


def end(process: subprocess.Popen[bytes]) -> int:
    """End a server as Ctrl-C does, by force where it takes too long; its exit code."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
    return process.wait()
