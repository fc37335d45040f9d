"""Jobs: work that takes longer than a moment, in a thread of its own, which goes on when the page is loaded again."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from intarsia.errors import Cancelled
from intarsia.progress import Progress
from intarsia.web.lines import Line
from intarsia.web.uploads import Facts
from intarsia.web.work import EtaEstimator

STOPPED = "Stopped. Nothing was changed."
WAITING = "Waiting for a turn"


@dataclass
class Job:
    """One job of a draft.

    It waits in its line, works, and ends by a call of one of the two functions it was made with; one that was stopped
    is taken from its visitor at once, and ends unheard when its thread has come to a step.

    Attributes:
        verb: "change", "arrange", "remove", "find" or "replay".
        draft: its id.
        base: step whose picture it works on.
        line: in which it waits.
        stop: set to end it within one step.
        shown: what it lets the page see: "look", "round", "preview".
        quick: id of the step that shows a quick view of what is made; None while there is none.
        page, ticket: who asked, and for which answer; None where nobody waits for one.
    """

    verb: str
    draft: str
    base: str
    line: Line
    stop: threading.Event = field(default_factory=threading.Event)
    on_change: Callable[[], None] = lambda: None
    stage: str = WAITING
    done: int = 0
    total: int = 0
    eta: float | None = None
    ahead: int = 0
    begun: bool = False
    show_quick: Callable[[Any], None] = lambda step: None
    shown: dict[str, Any] = field(default_factory=dict)
    quick: str | None = None
    thread: threading.Thread | None = None
    page: Any = None
    ticket: Any = None
    _eta: EtaEstimator = field(default_factory=EtaEstimator)

    @property
    def phase(self) -> str:
        return "working" if self.begun else "waiting"

    def facts(self) -> Facts:
        return {
            "verb": self.verb,
            "base": self.base,
            "stage": self.stage,
            "done": self.done,
            "total": self.total,
            "eta": self.eta,
            "ahead": self.ahead,
            **{name: self.shown.get(name) for name in ("look", "round", "preview")},
        }

    def on_progress(self, progress: Progress) -> None:
        """What work calls after each step; raises `Cancelled` to stop it."""
        self.check()
        self.eta = self._eta.estimate(progress)
        self.stage = progress.stage[:1].upper() + progress.stage[1:]
        self.done, self.total = progress.done, progress.total
        self.on_change()

    def on_intermediate(self, value: Any) -> None:
        """What work calls to have something shown."""
        self.shown.update(value)
        self.on_change()

    def on_quick(self, step: Facts) -> None:
        """What work calls with a step that shows a quick view of what it makes."""
        self.check()
        self.show_quick(step)
        self.on_change()

    def check(self) -> None:
        """Raise `Cancelled` where it was stopped."""
        if self.stop.is_set():
            raise Cancelled("stopped; nothing was changed.")

    def start(self, work: Callable[[Job], Any], *, on_end: Callable[[Any, BaseException | None], None]) -> None:
        """Take the last place in the line, and work when the turn has come.

        Args:
            work: gives the result; called with this job.
            on_end: told of the result, or of what went wrong.
        """
        place = self.line.join()
        self.ahead = self.line.ahead(place)

        def run() -> None:
            result, problem = None, None
            try:
                self.line.wait(place, self.stop, self._on_ahead)
                self.begun, self.stage = True, "Starting"
                self.on_change()
                result = work(self)
                self.check()
            except BaseException as error:
                problem = error
            finally:
                self.line.leave(place)
            on_end(result, problem)

        self.thread = threading.Thread(target=run, daemon=True, name=f"{self.verb} of {self.draft}")
        self.thread.start()

    def _on_ahead(self, ahead: int) -> None:
        self.ahead = ahead
        self.on_change()
