"""The pages as a hosted demo on the pocket models, for hosts that run Gradio apps: they start this file.

Nobody is asked for a password, so little may be used up: uploads are small, few may wait, results go soon, and there
are no doors for programs. The host's own address must be named, since the pages answer to no other:

    INTARSIA_DEMO_HOSTS   names under which the pages are reached, with commas between; SPACE_HOST is one, where it is set
    INTARSIA_DEMO_FRAMES  addresses of sites that show the pages in a frame, with commas between: https://example.org
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

SOURCES = Path(__file__).parent / "src"
if SOURCES.is_dir():  # a checkout, where the package need not be installed
    sys.path.insert(0, str(SOURCES))

from intarsia.errors import IntarsiaError, UsageError  # noqa: E402
from intarsia.web.startup import check_hosts, folders, require_gradio  # noqa: E402

MODELS = "pocket"
MAX_UPLOAD = "20mb"
MAX_WAITING = 20
"""Calls that may wait in the queue."""
FORGET_SECONDS = 600.0
"""Seconds after which the results of a visitor who has left are removed."""
THREADS = 2
FRAME = re.compile(r"https://[A-Za-z0-9.-]+(:\d+)?")


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where the demo is.

    Attributes:
        host, port: to listen at.
        hosts: names under which it answers, beside those of this machine.
        frames: sites that may show it in a frame.
    """

    host: str
    port: int
    hosts: tuple[str, ...]
    frames: tuple[str, ...]


def place(environment: Mapping[str, str]) -> Place:
    """Where the demo is, as the host's variables say; without any, at this machine alone.

    Raises:
        UsageError: a name or an address is none.
    """
    hosts = (*listed(environment.get("INTARSIA_DEMO_HOSTS")), *listed(environment.get("SPACE_HOST")))
    check_hosts(hosts)
    frames = listed(environment.get("INTARSIA_DEMO_FRAMES"))
    for frame in frames:
        if not FRAME.fullmatch(frame):
            raise UsageError(f"INTARSIA_DEMO_FRAMES has {frame!r}, but takes addresses such as https://example.org.")
    port = environment.get("GRADIO_SERVER_PORT", "7860")
    if not port.isdecimal():
        raise UsageError(f"GRADIO_SERVER_PORT is {port!r}, but must be a number.")
    return Place(host=environment.get("GRADIO_SERVER_NAME", "127.0.0.1"), port=int(port), hosts=hosts, frames=frames)


def listed(text: str | None) -> tuple[str, ...]:
    return tuple(part.strip() for part in (text or "").split(",") if part.strip())


def main() -> None:
    """Serve the pages until the host ends the program."""
    where = place(os.environ)
    require_gradio()
    with folders(None) as results:
        import torch

        from intarsia.tasks.options import Machine
        from intarsia.web.log_privacy import private_logging
        from intarsia.web.memory import few_arenas
        from intarsia.web.server import build, interruptible, launch, sweep_until_interrupted
        from intarsia.web.sessions import SessionStore

        few_arenas()
        torch.set_num_threads(THREADS)
        store = SessionStore(results, models=MODELS, machine=Machine(device="cpu"), forget=FORGET_SECONDS)
        _ = store.backbones  # loaded before the first visitor comes
        demo = build(store)
        demo.queue(api_open=False, max_size=MAX_WAITING)
        try:
            with interruptible(), private_logging():
                address = launch(
                    demo,
                    store,
                    host=where.host,
                    port=where.port,
                    hosts=where.hosts,
                    frames=where.frames,
                    max_file_size=MAX_UPLOAD,
                )
                print(f"The pages are at {address.local}", flush=True)
                sweep_until_interrupted(store, demo)
        finally:
            demo.close(verbose=False)
            store.close()


if __name__ == "__main__":
    try:
        main()
    except IntarsiaError as problem:
        sys.exit(str(problem))
