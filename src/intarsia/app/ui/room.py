"""What all visitors of the web pages share, and what each has alone: one set of networks, many folders."""

from __future__ import annotations

import contextlib
import queue
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from intarsia.app.flags import Machine
from intarsia.backbones import load_backbones
from intarsia.backbones.protocols import Backbones
from intarsia.backbones.remembered import remembering
from intarsia.errors import Cancelled, RecordError
from intarsia.progress import OnProgress, Progress

Result = TypeVar("Result")

NETWORKS: dict[str, Any] = {"concurrency_id": "networks", "concurrency_limit": 1}
"""Events of a page that need the networks: one at a time, of all tabs; the others wait in Gradio's queue."""

TOKEN = 32
"""Characters of a visitor's name, which nobody can guess."""

BREATH = 0.1
"""Seconds between two looks at how far the work is."""

SILENT = 86400.0
"""Seconds after which a page that asks for nothing counts as closed."""

SETTLED = 1.0
"""Seconds of a stage from which it is told how long it will go on: before, the figure would jump."""


@dataclass
class Visit:
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


@dataclass(frozen=True, kw_only=True)
class Step:
    """How far a piece of work is.

    Attributes:
        left: seconds that its stage will go on, as far as can be told from the steps done; None at its beginning.
    """

    progress: Progress
    left: float | None = None


def way_of(step: Step) -> str:
    """How far work is, as a line: "Painting: 12 of 50, about 8 s left"."""
    progress = step.progress
    line = f"{progress.stage[:1].upper()}{progress.stage[1:]}: {progress.done} of {progress.total}"
    return line if step.left is None else f"{line}, about {span(step.left)} left"


def span(seconds: float) -> str:
    """A time to wait in the unit that people would say it in."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


class Pace:
    """Tells from how fast a stage went so far how long it will go on."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.began: tuple[str, int, float] | None = None
        self.last = 0

    def left(self, progress: Progress) -> float | None:
        """Seconds that the stage of this progress will go on; None while too little of it is known."""
        now = self.clock()
        if self.began is None or self.began[0] != progress.stage or progress.done < self.last:
            # What the first step took is not known: work of another kind may have gone before it.
            self.began = (progress.stage, progress.done, now)
        self.last = progress.done
        _, done, then = self.began
        if progress.done == done or now - then < SETTLED:
            return None
        return (progress.total - progress.done) * (now - then) / (progress.done - done)


@dataclass(frozen=True, kw_only=True)
class Seen:
    """Something to show before the work is over; what it is, the work and the page agree on."""

    what: Any


Show = Callable[[Any], None]


class Room:
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
        self.machine = machine or Machine()
        self.forget = forget
        self.visits: dict[str, Visit] = {}
        self._load = load
        self._loaded: tuple[str, Backbones] | None = None
        self._loading = threading.Lock()
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
        name = models if models in self.choices else self.models
        with self._loading:
            if self._loaded is None or self._loaded[0] != name:
                self._loaded = None  # both at once may not fit
                machine = self.machine
                found = self._load(name, device=machine.device, dtype=machine.dtype, vram=machine.vram)
                self._loaded = (name, remembering(found))
            return self._loaded[1]

    def enter(self, token: str | None) -> Visit:
        """The visitor who comes, or comes back; an unknown token opens a new visit with a token of its own."""
        with self._doors:
            visit = self.visits.get(token or "")
            if visit is None:
                token = secrets.token_hex(TOKEN // 2)
                # Results name the folder, and are given away; the token lets in.
                visit = Visit(token=token, folder=self.root / secrets.token_hex(TOKEN // 2))
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

    def visit(self, token: str) -> Visit:
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


def watched(visit: Visit, work: Callable[[OnProgress, Show], Result]) -> Generator[Step | Seen, None, Result]:
    """Do a visitor's work in a thread, and tell how far it is; the generator's value is the work's.

        result = yield from watched(visit, lambda on_progress, show: ...)

    Args:
        visit: whose `stop` ends the work within one step.
        work: called with what it must call after every step, which raises `Cancelled` to stop it, and with
            what it may call to have something shown.

    Returns:
        What the work returned.

    Raises:
        Cancelled: it was stopped.
        Exception: what the work raised.
    """
    visit.stop.clear()
    told: queue.SimpleQueue[Step | Seen] = queue.SimpleQueue()
    pace = Pace()
    result: list[Result] = []
    problem: list[BaseException] = []

    def on_progress(progress: Progress) -> None:
        if visit.stop.is_set():
            raise Cancelled("stopped; nothing was written.")
        told.put(Step(progress=progress, left=pace.left(progress)))

    def run() -> None:
        try:
            result.append(work(on_progress, lambda what: told.put(Seen(what=what))))
        except BaseException as raised:
            problem.append(raised)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        while thread.is_alive() or not told.empty():
            latest: Step | None = None
            while not told.empty():
                news = told.get()
                if isinstance(news, Seen):
                    yield news
                else:
                    latest = news
            if latest is not None:
                yield latest
            thread.join(BREATH)
    finally:
        # The page was closed, or asked for something else: no work goes on for nobody.
        if thread.is_alive():
            visit.stop.set()
            thread.join()
    if problem:
        raise problem[0]
    return result[0]
