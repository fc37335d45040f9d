"""The web server: all tabs on one page, the same networks for everybody, and a door that closes behind."""

from __future__ import annotations

import logging
import re
import signal
import threading
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from starlette.middleware import Middleware

from intarsia.app.flags import Answer
from intarsia.app.ui.batch_tab import batch_tab
from intarsia.app.ui.door import free_port
from intarsia.app.ui.guard import Guard
from intarsia.app.ui.layout_tab import layout_tab
from intarsia.app.ui.room import Room
from intarsia.app.ui.words_tab import words_tab
from intarsia.app.ui_flags import Ui

logger = logging.getLogger("intarsia")

LARGEST_UPLOAD = "100mb"
SWEEP = 5.0
"""Seconds between two looks for visitors who left."""
HERE = Path(__file__).parent

SECURITY = (
    # Nothing of a page comes from another host, whatever a library would like to fetch.
    (
        b"content-security-policy",
        b"default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
        b"img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; "
        b"object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'self'",
    ),
    (b"x-content-type-options", b"nosniff"),
    # The addresses of a visitor's files are his secret.
    (b"referrer-policy", b"no-referrer"),
)

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]


@dataclass(frozen=True, kw_only=True)
class Address:
    """Where the pages are."""

    local: str
    shared: str | None


def serve(command: Ui, known: tuple[str, str] | None, results: Path) -> Answer:
    """Open the pages, and keep them open until Ctrl-C; then remove what visitors left.

    Args:
        command: where, and with which networks.
        known: user and password, asked of everybody; None asks nobody.
        results: folder for the visitors' folders.

    Raises:
        ModelError: the networks cannot be loaded.
    """
    room = Room(results, models=command.models, machine=command.machine, forget=60 * command.forget)
    _ = room.backbones  # what is wrong with them is said now, not to the first visitor
    demo = build(room)
    try:
        with interruptible():
            address = launch(
                demo,
                room,
                host=command.host,
                port=command.port or free_port(command.host),
                share=command.share,
                known=known,
            )
            logger.info("The pages are at %s. Ctrl-C ends this.", address.local)
            if address.shared:
                logger.info("Whoever knows user and password may come in at %s", address.shared)
            wait(room)
    finally:
        demo.close(verbose=False)
        room.close()
    summary = {"address": address.local, "visits_removed": True}
    return summary, ["Closed; the visitors' folders are removed."]


@contextmanager
def interruptible() -> Iterator[None]:
    """Ctrl-C, and the signal that a system sends to end a program, both leave the block in peace."""
    here = threading.current_thread() is threading.main_thread()
    former = signal.signal(signal.SIGTERM, signal.default_int_handler) if here else None
    try:
        yield
    except KeyboardInterrupt:
        pass
    finally:
        if here:
            signal.signal(signal.SIGTERM, former)


def wait(room: Room) -> None:
    """Until Ctrl-C; from time to time, the folders of those who left are removed."""
    forever = threading.Event()
    while not forever.wait(SWEEP):
        room.sweep()


def build(room: Room) -> gr.Blocks:
    """All tabs on one page."""
    sessions: dict[str, str] = {}
    page = gr.Blocks(
        title="Intarsia", analytics_enabled=False, fill_width=True, delete_cache=(60, max(60, int(room.forget)))
    )
    with page:
        token = gr.State("")
        # In the browser, under one name for all versions of the page, and not encrypted: it opens nothing but
        # this browser's own history.
        kept = gr.BrowserState("", storage_key="intarsia-visit", secret="intarsia")
        gr.HTML(HEADING, elem_id="heading", apply_default_css=False)
        with gr.Tab("Edit by words", id="words"):
            words_tab(room, token)
        with gr.Tab("Edit by layout", id="layout"):
            layout_tab(room, token)
        with gr.Tab("Many pictures", id="batch"):
            batch_tab(room, token)

        def enter(former: Any, request: gr.Request) -> tuple[str, str]:
            visit = room.enter(former if isinstance(former, str) else None)
            sessions[str(request.session_hash)] = visit.token
            return visit.token, visit.token

        def leave(request: gr.Request) -> None:
            left = sessions.pop(str(request.session_hash), None)
            if left is not None:
                room.leave(left)

        # Through the queue, without waiting in it: only then do listeners hear that the token has changed.
        page.load(enter, kept, [token, kept], concurrency_limit=None, show_progress="hidden", api_visibility="private")
        page.unload(leave)
    return page


HEADING = """
<header><span class="mark" aria-hidden="true"></span><h1>Intarsia</h1>
<p>Edit a picture by words, or move what is in it. Every other pixel stays as it was.</p></header>
""".strip()


def launch(
    demo: gr.Blocks,
    room: Room,
    *,
    host: str = "127.0.0.1",
    port: int | None = None,
    share: bool = False,
    known: tuple[str, str] | None = None,
) -> Address:
    """Start to serve, in threads of its own.

    Args:
        demo: what `build` made.
        known: user and password, asked of everybody; None asks nobody.
    """
    _, local, shared = demo.launch(
        inbrowser=False,
        share=share,
        prevent_thread_lock=True,
        show_error=False,
        server_name=host,
        server_port=port,
        auth=[known] if known else None,
        max_file_size=LARGEST_UPLOAD,
        allowed_paths=[str(room.root.resolve())],
        blocked_paths=[],
        strict_cors=True,
        enable_monitoring=False,
        mcp_server=False,
        ssr_mode=False,
        pwa=False,
        run_history=False,
        quiet=True,
        footer_links=[],
        favicon_path=HERE / "favicon.svg",
        theme=theme(),
        css="\n".join(file.read_text(encoding="utf-8") for file in sorted(HERE.glob("*.css"))),
        app_kwargs={"middleware": [Middleware(Guard), Middleware(OnlyFromHere)], "docs_url": None, "redoc_url": None},
    )
    return Address(local=local, shared=shared)


def theme() -> gr.themes.Base:
    """The demo page's paper and ink, in the system's own letters."""
    paper, ink, quiet, rule = "#fcfcfa", "#1c1f24", "#5f666f", "#e2e4e0"
    dark_paper, dark_ink, dark_quiet, dark_rule = "#14171a", "#e8eaed", "#9aa3ad", "#2b3036"
    return gr.themes.Base(
        primary_hue=gr.themes.colors.teal,
        neutral_hue=gr.themes.colors.stone,
        radius_size=gr.themes.sizes.radius_md,
        font=("system-ui", "sans-serif"),
        font_mono=("ui-monospace", "monospace"),
    ).set(
        body_background_fill=paper,
        body_background_fill_dark=dark_paper,
        body_text_color=ink,
        body_text_color_dark=dark_ink,
        body_text_color_subdued=quiet,
        body_text_color_subdued_dark=dark_quiet,
        background_fill_primary="#ffffff",
        background_fill_primary_dark="#1b1f23",
        background_fill_secondary="#f5f5f2",
        background_fill_secondary_dark="#181c1f",
        border_color_primary=rule,
        border_color_primary_dark=dark_rule,
        block_background_fill="transparent",
        block_background_fill_dark="transparent",
        block_border_width="0px",
        block_shadow="none",
        block_label_text_color=quiet,
        block_title_text_color=ink,
        block_title_text_color_dark=dark_ink,
        block_info_text_color=quiet,
        block_info_text_color_dark=dark_quiet,
        input_background_fill="#ffffff",
        input_background_fill_dark="#1b1f23",
        input_border_color=rule,
        input_border_color_dark="#3a4047",
        input_border_width="1px",
        input_shadow="none",
        button_primary_background_fill="#0f766e",
        button_primary_background_fill_hover="#0d655e",
        button_primary_background_fill_dark="#0f766e",
        button_primary_background_fill_hover_dark="#12877e",
        button_primary_text_color="#ffffff",
        button_secondary_background_fill="#ffffff",
        button_secondary_background_fill_dark="#20252a",
        button_secondary_border_color=rule,
        button_secondary_border_color_dark="#3a4047",
        button_secondary_text_color=ink,
        button_secondary_text_color_dark=dark_ink,
        button_border_width="1px",
        color_accent="#0f766e",
        color_accent_soft="#d9efec",
    )


OUTSIDE = re.compile(rb"<(?:meta|link)\b[^>]*\bhttps?://[^>]*>", re.IGNORECASE)
"""Tags of a page's head that name another host: Gradio's, for previews in social networks."""


SAMPLE = re.compile(rb"https://(?:github|raw\.githubusercontent)\.com/gradio-app/[^\"\\\\]*")
"""Gradio's example files, in its description of the endpoints."""


def without_outside(page: bytes) -> bytes:
    """A page that names no other host, in its head or as an example."""
    return SAMPLE.sub(b"file", OUTSIDE.sub(b"", page))


class OnlyFromHere:
    """Around the server: pages name no other host, and nobody has other hosts fetched through this one."""

    def __init__(self, app: Application) -> None:
        self.app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if re.search(r"/(?:file=https?:|proxy=)", scope["path"], re.IGNORECASE):
            await send({"type": "http.response.start", "status": 403, "headers": [(b"content-type", b"text/plain")]})
            await send({"type": "http.response.body", "body": b"Only files of this machine are served."})
            return
        held: list[Message] = []
        body = bytearray()

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = [(k, v) for k, v in message["headers"] if k.lower() not in dict(SECURITY)]
                message["headers"] = [*headers, *SECURITY]
                kind = {k.lower(): v for k, v in headers}.get(b"content-type", b"")
                if kind.startswith(b"text/html"):
                    held.append(message)  # its length changes with its content
                    return
            elif held:
                body.extend(message.get("body", b""))
                if message.get("more_body"):
                    return
                start, page = held.pop(), without_outside(bytes(body))
                headers = [(k, v) for k, v in start["headers"] if k.lower() != b"content-length"]
                start["headers"] = [*headers, (b"content-length", str(len(page)).encode())]
                await send(start)
                message["body"] = page
            await send(message)

        await self.app(scope, receive, guarded)
