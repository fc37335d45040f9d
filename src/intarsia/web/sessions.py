"""The sessions of the web pages: each visitor has a folder and a stop signal; all share one set of networks."""

from __future__ import annotations

import contextlib
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from intarsia.backbones import load_backbones
from intarsia.backbones.protocols import Backbones
from intarsia.errors import RecordError
from intarsia.tasks.model_pool import ModelPool
from intarsia.tasks.options import Machine
from intarsia.web.lines import Lines

TOKEN_LENGTH = 32
"""Hexadecimal digits of a token, and of a folder's name: neither can be guessed."""

MAX_IDLE_SECONDS = 86400.0
"""Seconds after which a page without requests counts as closed."""

GRACE_SECONDS = 20.0
"""Seconds after which a session without pages stops its work: one that is only reloaded has its page again by then."""


@dataclass
class Session:
    """One visitor's session: a folder of results, and a stop signal.

    Attributes:
        token: unguessable; the browser keeps it, so that the page finds its history again after a reload.
        folder: uploads and results; removed with the session. Its name is unguessable, too.
        stop: set to end the session's work that a request waits for, within one step.
        stops: the same of each piece of work that goes on whether or not a request waits for it.
        pages: how many are open.
        left_at: when the last of them was closed, monotonic seconds; None while one is open.
        active_at: when one of them last sent a request, monotonic seconds.
        folders_made: folders of results so far.
    """

    token: str
    folder: Path
    stop: threading.Event = field(default_factory=threading.Event)
    stops: set[threading.Event] = field(default_factory=set)
    pages: int = 0
    left_at: float | None = None
    active_at: float = field(default_factory=time.monotonic)
    folders_made: int = 0
    _making: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def stop_all(self) -> None:
        """End all of the session's work."""
        self.stop.set()
        for stop in tuple(self.stops):
            stop.set()

    def new_folder(self, kind: str) -> Path:
        """Make the folder of the next result: edit-0001, arrange-0002, ... in their order."""
        with self._making:
            self.folders_made += 1
            folder = self.folder / f"{kind}-{self.folders_made:04d}"
        folder.mkdir(parents=True)
        return folder


class SessionStore:
    """All sessions, and the networks that they share.

    Args:
        root: folder for the sessions' folders.
        models: names of the checkpoints among which visitors choose; the first is the default.
        lora, embedding: files that are added to each of them, as records have them.
        machine: where the networks run.
        forget: seconds after which a session without open pages is removed.
        load: loads the networks.
    """

    def __init__(
        self,
        root: Path,
        *,
        models: str | Sequence[str] = "auto",
        lora: Sequence[str] = (),
        embedding: Sequence[str] = (),
        machine: Machine | None = None,
        forget: float = 1800.0,
        load: Callable[..., Backbones] = load_backbones,
    ) -> None:
        self.root = root
        self.choices = (models,) if isinstance(models, str) else tuple(dict.fromkeys(models))
        self.models = self.choices[0]
        self.added: dict[str, Any] = {"lora": tuple(lora), "embedding": tuple(embedding)}
        self.pool = ModelPool(machine or Machine(), choices=self.choices, load=load)
        self.lines = Lines()
        self.forget = forget
        self.sessions: dict[str, Session] = {}
        self._lock = threading.Lock()
        root.mkdir(parents=True, exist_ok=True)

    @property
    def backbones(self) -> Backbones:
        """The networks that are the default; loaded when first asked for."""
        return self.load(self.models)

    def load(self, models: str, **_added: object) -> Backbones:
        """The networks of that name if they are a choice, else those that are the default, with what these pages add
        to them, whatever a record says.

        One set of networks is in memory at a time: another is loaded in its place.

        Raises:
            ModelError: they cannot be loaded.
        """
        return self.pool.backbones(models, **self.added)

    def join(self, token: str | None) -> Session:
        """The session that a page joins; an unknown token starts a new one with a token of its own."""
        with self._lock:
            session = self.sessions.get(token or "")
            if session is None:
                token = secrets.token_hex(TOKEN_LENGTH // 2)
                # Results name the folder, and are given away; the token lets in.
                session = Session(token=token, folder=self.root / secrets.token_hex(TOKEN_LENGTH // 2))
                session.folder.mkdir(parents=True)
                self.sessions[token] = session
            session.pages += 1
            session.left_at, session.active_at = None, time.monotonic()
            return session

    def leave(self, token: str) -> None:
        """A page of a session was closed; after the last one, its work goes on for `GRACE_SECONDS`: see `sweep`."""
        with self._lock:
            session = self.sessions.get(token)
            if session is None:
                return
            session.pages = max(0, session.pages - 1)
            if session.pages == 0:
                session.left_at = time.monotonic()

    def offer(self, models: str) -> None:
        """Let visitors choose a checkpoint that has come to this machine."""
        with self._lock:
            self.choices = tuple(dict.fromkeys((*self.choices, models)))
            self.pool.choices = self.choices

    def discard(self, token: str) -> None:
        """End a session that no page has, and remove its folder at once."""
        with self._lock:
            session = self.sessions.pop(token, None)
        if session is not None:
            session.stop_all()
            shutil.rmtree(session.folder, ignore_errors=True)

    def session(self, token: str) -> Session:
        """The session of a token.

        Raises:
            RecordError: there is none.
        """
        session = self.sessions.get(token)
        if session is None:
            raise RecordError("This page was left for so long that it was forgotten: reload it.")
        session.active_at = time.monotonic()
        return session

    def sweep(self) -> None:
        """Stop the work of sessions that were left, and remove those that were left long enough ago, or whose pages sent
        no request for a day.

        A program that joins as a page does, and never says that it leaves, would keep a page open forever.
        """
        with self._lock:
            gone = [
                session
                for session in self.sessions.values()
                if (session.left_at is not None and self._long_ago(session.left_at))
                or time.monotonic() - session.active_at >= max(MAX_IDLE_SECONDS, self.forget)
            ]
            for session in gone:
                del self.sessions[session.token]
            left = [each for each in self.sessions.values() if each.left_at is not None]
            idle = [each for each in left if time.monotonic() - (each.left_at or 0.0) >= GRACE_SECONDS]
            for session in (*gone, *idle):
                session.stop_all()
        for session in gone:
            shutil.rmtree(session.folder, ignore_errors=True)

    def _long_ago(self, moment: float) -> bool:
        return time.monotonic() - moment >= self.forget

    def close(self) -> None:
        """Stop all work and remove all folders."""
        for session in list(self.sessions.values()):
            session.stop_all()
            shutil.rmtree(session.folder, ignore_errors=True)
        self.sessions.clear()
        with contextlib.suppress(OSError):  # other files are in it
            self.root.rmdir()
