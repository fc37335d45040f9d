"""What all visitors of the web pages share, and what each has alone: one set of networks, many folders."""

from __future__ import annotations

import contextlib
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from intarsia.backbones import load_backbones
from intarsia.backbones.protocols import Backbones
from intarsia.errors import RecordError
from intarsia.tasks.model_pool import ModelPool
from intarsia.tasks.options import Machine

TOKEN = 32
"""Characters of a visitor's name, which nobody can guess."""

SILENT = 86400.0
"""Seconds after which a page that asks for nothing counts as closed."""


@dataclass
class Session:
    """One visitor: a folder of results, and a word to stop.

    Attributes:
        token: unguessable; the browser keeps it, so that the page finds its history again after a reload.
        folder: everything of this visitor, uploads and results; goes with the visit. Its name is unguessable, too.
        stop: set to end the work of this visitor that is going on, within one step.
        tabs: open pages of this visitor.
        left_at: when the last of them was closed, monotonic seconds; None while one is open.
        asked_at: when one of them last asked for something, monotonic seconds.
    """

    token: str
    folder: Path
    stop: threading.Event = field(default_factory=threading.Event)
    tabs: int = 0
    left_at: float | None = None
    asked_at: float = field(default_factory=time.monotonic)
    made: int = 0

    def new_folder(self, kind: str) -> Path:
        """A folder of its own for the next result: edit-0001, arrange-0002, ... in the order they were made."""
        self.made += 1
        folder = self.folder / f"{kind}-{self.made:04d}"
        folder.mkdir(parents=True)
        return folder


class SessionStore:
    """The networks, loaded once, and the visitors.

    Args:
        root: folder for the visitors' folders.
        models: names of the checkpoints among which visitors choose; the first is the default.
        machine: where the networks run.
        forget: seconds after which the folder of a visitor who has left is removed.
        load: what loads the networks.
    """

    def __init__(
        self,
        root: Path,
        *,
        models: str | Sequence[str] = "auto",
        machine: Machine | None = None,
        forget: float = 1800.0,
        load: Callable[..., Backbones] = load_backbones,
    ) -> None:
        self.root = root
        self.choices = (models,) if isinstance(models, str) else tuple(dict.fromkeys(models))
        self.models = self.choices[0]
        self.pool = ModelPool(machine or Machine(), choices=self.choices, load=load)
        self.forget = forget
        self.visits: dict[str, Session] = {}
        self._doors = threading.Lock()
        root.mkdir(parents=True, exist_ok=True)

    @property
    def backbones(self) -> Backbones:
        """The networks that are the default; loaded when first asked for."""
        return self.load(self.models)

    def load(self, models: str) -> Backbones:
        """The networks of that name if they are a choice, else those that are the default, whatever a record says.

        One set of networks is in memory at a time: another is loaded in its place.

        Raises:
            ModelError: they cannot be loaded.
        """
        return self.pool.backbones(models)

    def enter(self, token: str | None) -> Session:
        """The visitor who comes, or comes back; an unknown token opens a new visit with a token of its own."""
        with self._doors:
            visit = self.visits.get(token or "")
            if visit is None:
                token = secrets.token_hex(TOKEN // 2)
                # Results name the folder, and are given away; the token lets in.
                visit = Session(token=token, folder=self.root / secrets.token_hex(TOKEN // 2))
                visit.folder.mkdir(parents=True)
                self.visits[token] = visit
            visit.tabs += 1
            visit.left_at, visit.asked_at = None, time.monotonic()
            return visit

    def leave(self, token: str) -> None:
        """A page of a visitor was closed; the last one to close stops the work."""
        with self._doors:
            visit = self.visits.get(token)
            if visit is None:
                return
            visit.tabs = max(0, visit.tabs - 1)
            if visit.tabs == 0:
                visit.left_at = time.monotonic()
                visit.stop.set()

    def visit(self, token: str) -> Session:
        """A visitor who is in.

        Raises:
            RecordError: nobody is here by that token.
        """
        visit = self.visits.get(token)
        if visit is None:
            raise RecordError("This page was left for so long that it was forgotten: reload it.")
        visit.asked_at = time.monotonic()
        return visit

    def sweep(self) -> None:
        """Remove the folders of those who left long enough ago, or whose pages were silent for a day.

        A program that asks as a page does, and goes without a word, leaves a page open forever.
        """
        with self._doors:
            gone = [
                visit
                for visit in self.visits.values()
                if (visit.left_at is not None and self._long_ago(visit.left_at))
                or time.monotonic() - visit.asked_at >= max(SILENT, self.forget)
            ]
            for visit in gone:
                del self.visits[visit.token]
        for visit in gone:
            shutil.rmtree(visit.folder, ignore_errors=True)

    def _long_ago(self, moment: float) -> bool:
        return time.monotonic() - moment >= self.forget

    def close(self) -> None:
        """Everybody leaves, and nothing stays."""
        for visit in list(self.visits.values()):
            visit.stop.set()
            shutil.rmtree(visit.folder, ignore_errors=True)
        self.visits.clear()
        with contextlib.suppress(OSError):  # somebody else's files are in it
            self.root.rmdir()
