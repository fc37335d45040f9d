"""The web server: the canvas and the page for many pictures, their middleware, and the clean-up meanwhile and after."""

from __future__ import annotations

import contextlib
import logging
import re
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Navbar
from gradio.utils import get_upload_folder
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from intarsia.backbones.resolve import resolve
from intarsia.web.address import OWN_MACHINE, free_port
from intarsia.web.api import add_arrange_endpoints, add_edit_endpoint, add_remove_endpoint
from intarsia.web.arrange_service import ArrangeService
from intarsia.web.batch_page import batch_page
from intarsia.web.broken_uploads import forget_progress, tidy_uploads
from intarsia.web.calls import CallsMiddleware, Pages
from intarsia.web.doors import Doors, door_routes
from intarsia.web.kept_answers import KeptAnswersMiddleware
from intarsia.web.log_privacy import private_logging
from intarsia.web.memory import few_arenas
from intarsia.web.options import ServeOptions
from intarsia.web.patience import MOST_CONNECTIONS, limit_connections
from intarsia.web.remove_service import RemoveService
from intarsia.web.scripts import STATIC, scripts_route, styles
from intarsia.web.security import LoginThrottle, SecurityMiddleware, send_refusal
from intarsia.web.sessions import SessionStore
from intarsia.web.startup import key_from_environment
from intarsia.web.studio import studio
from intarsia.web.theme import HEADING, colour_variables, strip_external_urls, theme
from intarsia.web.turns import Turns
from intarsia.web.visits import Visits

logger = logging.getLogger("intarsia")

MAX_FILE_SIZE = "100mb"
MAX_QUEUED = 256
"""Calls that may wait in the queue."""
STALE_UPLOAD_SECONDS = 3600.0
"""Seconds after which an upload that broke off is removed."""
SWEEP_INTERVAL = 5.0
"""Seconds between two removals of sessions that were left."""

BATCH_PATH = "batch"
"""Path of the page for many pictures, below that of the canvas."""

SECURITY_HEADERS = (
    # Nothing of a page comes from another host, even where a library would fetch it.
    (
        b"content-security-policy",
        b"default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
        b"img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; "
        b"object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'self'",
    ),
    (b"x-content-type-options", b"nosniff"),
    # The URLs of a session's files are secret.
    (b"referrer-policy", b"no-referrer"),
)


CLOSED = Doors()


def security_headers(frames: Sequence[str]) -> tuple[tuple[bytes, bytes], ...]:
    """The headers of every answer, where other sites may show the pages in a frame."""
    ours = b"frame-ancestors 'self'"
    others = b"".join(b" " + site.encode("ascii") for site in frames)
    return tuple((name, value.replace(ours, ours + others)) for name, value in SECURITY_HEADERS)


@dataclass(frozen=True, kw_only=True)
class Address:
    """The URLs of the pages: on this machine, and of a public link."""

    local: str
    shared: str | None


def serve(command: ServeOptions, known: tuple[str, str] | None, results: Path) -> tuple[dict[str, Any], list[str]]:
    """Open the pages, and keep them open until Ctrl-C; then remove the sessions.

    Args:
        command: where, and with which networks.
        known: user and password that visitors must give; None for open pages.
        results: folder for the sessions' folders.

    Raises:
        ModelError: the networks cannot be loaded.
    """
    few_arenas()
    for name in command.models:
        resolve(name)
    store = SessionStore(
        results,
        models=command.models,
        lora=command.lora,
        embedding=command.embedding,
        machine=command.machine,
        forget=60 * command.forget,
    )
    _ = store.backbones  # errors are raised now, not for the first visitor
    local = known is None and not command.share and not command.hosts and command.host in OWN_MACHINE
    turns = Turns()
    demo = build(store, ledgers=command.out is not None, local=local, turns=turns)
    doors = Doors(images=command.api, mcp=command.mcp, pictures=command.mcp_folder, key=key_from_environment())
    try:
        with interruptible(), private_logging():
            address = launch(
                demo,
                store,
                host=command.host,
                port=command.port or free_port(command.host),
                share=command.share,
                known=known,
                hosts=command.hosts,
                doors=doors,
                turns=turns,
            )
            logger.info("The pages are at %s. Ctrl-C ends this.", address.local)
            if address.shared:
                logger.info("Whoever knows user and password may come in at %s", address.shared)
            sweep_until_interrupted(store, demo)
    finally:
        demo.close(verbose=False)
        store.close()
    summary = {"address": address.local, "visits_removed": True}
    return summary, ["Closed; the visitors' folders are removed."]


@contextmanager
def interruptible() -> Iterator[None]:
    """Ctrl-C and SIGTERM both end the block without an error."""
    main = threading.current_thread() is threading.main_thread()
    former = signal.signal(signal.SIGTERM, signal.default_int_handler) if main else None
    try:
        yield
    except KeyboardInterrupt:
        pass
    finally:
        if main:
            signal.signal(signal.SIGTERM, former)


def sweep_until_interrupted(store: SessionStore, page: Pages) -> None:
    """Wait for Ctrl-C; remove sessions that were left and uploads that broke off meanwhile."""
    forever = threading.Event()
    while not forever.wait(SWEEP_INTERVAL):
        page.on_sweep()
        store.sweep()
        remove_stale_uploads(Path(get_upload_folder()))
        forget_progress()


def remove_stale_uploads(uploads: Path) -> None:
    """Remove parts of uploads that broke off; complete uploads lie in folders of their own."""
    for file in uploads.glob("tmp*"):
        with contextlib.suppress(OSError):
            if file.is_file() and time.time() - file.stat().st_mtime > STALE_UPLOAD_SECONDS:
                file.unlink()


def build(store: SessionStore, *, ledgers: bool = False, local: bool = False, turns: Turns | None = None) -> Pages:
    """The pages: the canvas, and many pictures.

    Args:
        ledgers: whether visitors may watch batches that other programs do below the folder of results.
        local: whether visitors sit at this machine, so that they may download models to it.
        turns: at the networks, which programs take through the doors; None without doors.
    """
    visits = Visits(store)
    page = Pages(
        title="Intarsia", analytics_enabled=False, fill_width=True, delete_cache=(60, max(60, int(store.forget)))
    )
    page.on_sweep = lambda: visits.sweep(page)
    with page:
        Navbar(visible=False)  # the canvas fills the window, and has a link of its own
        canvas = studio(store, visits.connect(), local=local)
        visits.on_leave = canvas.leave
        page.unload(visits.leave)
        add_edit_endpoint(store)
        add_arrange_endpoints(ArrangeService(store))
        add_remove_endpoint(RemoveService(store))
        if turns is not None:
            turns.connect(page, store.lines.networks)
    with page.route("Many pictures", BATCH_PATH):
        Navbar(main_page_name="One photo")
        gr.HTML(HEADING, elem_id="heading", apply_default_css=False)
        batch_page(store, visits.connect(), ledgers=ledgers)
    # Otherwise a program could bypass the queue, and run the networks twice at once.
    page.queue(api_open=False, max_size=MAX_QUEUED)
    return page


def launch(
    demo: Pages,
    store: SessionStore,
    *,
    host: str = "127.0.0.1",
    port: int | None = None,
    share: bool = False,
    known: tuple[str, str] | None = None,
    hosts: Sequence[str] = (),
    doors: Doors = CLOSED,
    turns: Turns | None = None,
    frames: Sequence[str] = (),
    max_file_size: str = MAX_FILE_SIZE,
) -> Address:
    """Start to serve, in threads of its own.

    Args:
        demo: what `build` made.
        known: user and password that visitors must give; None for open pages.
        hosts: names of this server beside those of this machine, for open pages.
        doors: for programs.
        turns: what `build` was given; needed where a door is open.
        frames: addresses of other sites that may show the pages in a frame.
        max_file_size: of one upload, as Gradio reads it.
    """
    allowed_hosts = None if known else frozenset(name.lower() for name in (*OWN_MACHINE, *hosts))
    uploads = Path(get_upload_folder())
    logins = LoginThrottle()
    tidy_uploads()
    routes, lifespan = door_routes(doors, store, turns or Turns(), known, logins)
    _, local, shared = demo.launch(
        inbrowser=False,
        share=share,
        prevent_thread_lock=True,
        show_error=False,
        server_name=host,
        server_port=port,
        auth=[known] if known else None,
        max_file_size=max_file_size,
        allowed_paths=[str(store.root.resolve())],
        blocked_paths=[],
        strict_cors=True,
        enable_monitoring=False,
        mcp_server=False,
        ssr_mode=False,
        pwa=False,
        run_history=False,
        quiet=True,
        footer_links=[],
        state_session_capacity=MOST_CONNECTIONS,  # a page has one open for as long as it is there
        favicon_path=STATIC / "favicon.svg",
        theme=theme(),
        css=styles(),
        head=colour_variables(),
        app_kwargs={
            "routes": [scripts_route(), *routes],
            "lifespan": lifespan,
            "middleware": [
                Middleware(SecurityMiddleware, hosts=allowed_hosts, root=store.root, uploads=uploads, logins=logins),
                # A login, or a public link, may change what somebody is shown.
                *([] if known or share else [Middleware(KeptAnswersMiddleware)]),
                Middleware(LocalContentMiddleware, frames=frames),
                Middleware(CallsMiddleware, page=demo),
            ],
            "docs_url": None,
            "redoc_url": None,
            "openapi_url": None,
        },
    )
    limit_connections(demo.server.config)
    return Address(local=local, shared=shared)


class LocalContentMiddleware:
    """Keep other hosts out: pages name none, and none is fetched through this server."""

    def __init__(self, app: ASGIApp, *, frames: Sequence[str] = ()) -> None:
        self.app = app
        self.headers = security_headers(frames)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if re.search(r"/(?:file=https?:|proxy=)", scope["path"], re.IGNORECASE):
            await send_refusal(send, 403, b"Only files of this machine are served.")
            return
        delayed: list[Message] = []
        body = bytearray()

        async def send_local(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = [(k, v) for k, v in message["headers"] if k.lower() not in dict(self.headers)]
                message["headers"] = [*headers, *self.headers]
                kind = {k.lower(): v for k, v in headers}.get(b"content-type", b"")
                if kind.startswith(b"text/html"):
                    delayed.append(message)  # its length changes with its content
                    return
            elif delayed:
                body.extend(message.get("body", b""))
                if message.get("more_body"):
                    return
                start, page = delayed.pop(), strip_external_urls(bytes(body))
                headers = [(k, v) for k, v in start["headers"] if k.lower() != b"content-length"]
                start["headers"] = [*headers, (b"content-length", str(len(page)).encode())]
                await send(start)
                message["body"] = page
            await send(message)

        await self.app(scope, receive, send_local)
