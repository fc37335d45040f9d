"""Startup of the web pages: checks of the options, and the folders that are removed at the end.

Light: Gradio is imported once everything else is right.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import socket
import stat
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from intarsia.errors import MissingExtraError, OutputError, Remedy, Setting, UsageError
from intarsia.records.added_files import embedding_checks, lora_checks
from intarsia.records.checks import run_checks
from intarsia.results.unfinished import held, is_left
from intarsia.web.address import OWN_MACHINE
from intarsia.web.options import ServeOptions

AUTH_VARIABLE = "INTARSIA_UI_AUTH"
KEY_VARIABLE = "INTARSIA_API_KEY"
NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|[0-9a-fA-F:]+")
"""A host's name, or its IPv4 or IPv6 address."""
MAX_FORGET_MINUTES = 1e6
"""Largest value of --forget, in minutes: two years."""


def open_pages(command: ServeOptions) -> tuple[dict[str, Any], list[str]]:
    """Open the pages, and keep them open until Ctrl-C.

    Raises:
        UsageError: others could come in without a password, the port is taken, or a flag is out of range.
        RecordError: a LoRA's weight or the word of a textual inversion cannot be used.
        MissingExtraError: Gradio is not installed, or what the doors need.
        OutputError: the folder for results cannot be made.
        ModelError: the networks cannot be loaded.
    """
    known = credentials(command.auth)
    check_auth(command, known)
    check_hosts(command.hosts)
    if not command.models:
        raise UsageError(Setting("models"), " names no checkpoint: name one, such as sd15, or leave it out.")
    if not 0 < command.forget <= MAX_FORGET_MINUTES:
        raise UsageError(
            Setting("forget"), f" is {command.forget:g}, but must lie above 0 and up to {MAX_FORGET_MINUTES:g} minutes."
        )
    run_checks((*lora_checks(command.lora), *embedding_checks(command.embedding)))
    require_gradio()
    check_doors(command)
    check_port(command.host, command.port)
    with folders(command.out) as results:
        from intarsia.web.server import serve

        return serve(command, known, results)


def credentials(auth: str | None) -> tuple[str, str] | None:
    """User and password, from the flag or else the environment; None without either.

    Raises:
        UsageError: it is not user:password.
    """
    given = auth if auth is not None else os.environ.get(AUTH_VARIABLE)
    if not given:
        return None
    user, colon, password = given.partition(":")
    if not (user and colon and password):
        raise UsageError(
            Setting("auth"), f" and {AUTH_VARIABLE} take user:password, with a colon and neither part empty."
        )
    return user, password


def check_auth(command: ServeOptions, known: tuple[str, str] | None) -> None:
    """Raise `UsageError` where other machines could come in without a password."""
    if known is None and (command.share or command.host not in OWN_MACHINE):
        raise UsageError(
            Setting("share", True) if command.share else Setting("host", command.host),
            " makes a public link" if command.share else " lets other machines in",
            ", and nobody would be asked who they are",
            Remedy(Setting("auth", "user:password", verb="pass"), " too"),
        )


def check_hosts(hosts: Sequence[str]) -> None:
    """Raise `UsageError` where a name of this server is a URL, or has a port."""
    for host in hosts:
        if not NAME.fullmatch(host):
            raise UsageError(
                Setting("hosts"),
                f" has {host!r}, but takes names alone, without scheme and port: pictures.example.org.",
            )


def check_port(host: str, port: int) -> None:
    """Raise `UsageError` where nothing can listen at a port."""
    if not 0 <= port <= 65535:
        raise UsageError(Setting("port"), f" is {port}, but must lie between 0 (any that is free) and 65535.")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError as error:
        raise UsageError(
            f"Nothing can listen at {host} port {port} ({error.strerror or error}): another program may use it.",
            Remedy("pass another with ", Setting("port")),
            Remedy(Setting("port", 0), " for any that is free"),
        ) from error


def require_gradio() -> None:
    """Raise `MissingExtraError` where Gradio is not installed."""
    if importlib.util.find_spec("gradio") is None:
        raise MissingExtraError("The web pages need Gradio. Install it with: pip install 'intarsia[ui]'")


def key_from_environment() -> str | None:
    """The key that programs give, from the environment; None without one."""
    return os.environ.get(KEY_VARIABLE) or None


def check_doors(command: ServeOptions) -> None:
    """Raise an error where a door for programs cannot be opened.

    Raises:
        UsageError: the folder for its pictures is none, or is given without it.
        MissingExtraError: its package is not installed.
    """
    if command.mcp_folder is not None:
        if not command.mcp:
            raise UsageError(
                Setting("mcp_folder"),
                " is for the tools, which are not offered",
                Remedy(Setting("mcp", True, verb="pass"), " too"),
            )
        if not command.mcp_folder.is_dir():
            raise UsageError(
                Setting("mcp_folder"), f" names {command.mcp_folder}, which is no folder", Remedy("make it first")
            )
    if command.mcp and importlib.util.find_spec("mcp") is None:
        raise MissingExtraError("The tools need the package mcp. Install it with: pip install 'intarsia[mcp]'")


ROOT = "intarsia-ui-"
"""How the names of servers' temporary folders begin."""

USER: int | None = getattr(os, "getuid", lambda: None)()
"""Number of the user; Windows has none."""


def remove_left_roots(place: Path) -> None:
    """Remove what killed servers of this user have left: their visitors' photos were to go with them."""
    for root in place.glob(f"{ROOT}*"):
        # Whose folder it is, is looked at as well: a name in a folder that all may write into says nothing.
        with suppress(OSError):
            facts = root.lstat()
            mine = stat.S_ISDIR(facts.st_mode) and USER in (None, facts.st_uid)
            if mine and is_left(root):
                shutil.rmtree(root, ignore_errors=True)


@contextmanager
def folders(out: Path | None) -> Iterator[Path]:
    """Folders for results, uploads and cached computations; all are removed at the end, but not one that the user named."""
    remove_left_roots(Path(tempfile.gettempdir()))
    root = Path(tempfile.mkdtemp(prefix=ROOT))
    results = root / "results" if out is None else out.resolve()
    uploads = root / "uploads"
    # Gradio reads its variable at its first import, and keeps uploads there.
    variables = {"GRADIO_TEMP_DIR": str(uploads), "INTARSIA_CACHE": str(root / "cache")}
    former = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        try:
            results.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(
                f"The folder {results} cannot be made ({error.strerror})",
                Remedy("name another with ", Setting("out")),
            ) from error
        uploads.mkdir()
        with held(root):
            yield results
    finally:
        for name, value in former.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        shutil.rmtree(root, ignore_errors=True)
