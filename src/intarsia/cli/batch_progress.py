"""Progress of a batch: on a terminal a bar and a line a worker, elsewhere a plain line now and then."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from intarsia.batch.ledger import Counts
from intarsia.batch.local import JobEvent
from intarsia.cli.console import say
from intarsia.cli.options import OutputOptions
from intarsia.progress import format_duration

if TYPE_CHECKING:
    from rich.console import Console, Group
    from rich.text import Text

LINE_INTERVAL = 30.0
"""Seconds between two plain lines."""

SHOWN_FAILURES = 20
"""So many failures are told on a terminal; the page shows all."""

LINES = 16
"""Workers with a line of their own on a terminal."""

NAME = 40
ERROR = 300
"""Most characters of a picture's name, and of an error."""


@dataclass(frozen=True, kw_only=True)
class CurrentJob:
    """The job that a worker does: its id, its picture, and the step it is in."""

    id: str
    photo: str
    step: str = ""


class Display:
    """State of a run, from its events; it shows nothing itself.

    Attributes:
        done, failed: jobs of the list in these states, those of earlier runs among them.
        total: all jobs of the list.
        ended: jobs that were done or failed in this run.
    """

    def __init__(self, total: int, counts: Counts, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.total = max(total, counts.total)
        self.done = counts.done
        self.failed = counts.failed
        self.clock = clock
        self.began: float | None = None
        self.ended = 0
        self.last_end = 0.0
        self.workers: dict[str, CurrentJob] = {}
        # A terminal is drawn by a thread of its own.
        self.lock = threading.Lock()

    def on_event(self, event: JobEvent) -> None:
        """Take in what happened to a job."""
        with self.lock:
            self.note(event)
        self.show(event)

    def note(self, event: JobEvent) -> None:
        job = event.job
        if event.what in ("began", "step"):
            # A job whose worker died has gone to another.
            self.workers = {name: current for name, current in self.workers.items() if current.id != job.id}
            current = CurrentJob(id=job.id, photo=shown(job.photo, NAME) or f"job {job.number}")
            if event.progress is not None:
                step = f"{event.progress.stage} {event.progress.done}/{event.progress.total}"
                current = replace(current, step=shown(step, NAME * 2))
            self.workers[event.worker] = current
            if self.began is None:
                self.began = self.clock()
            return
        self.workers.pop(event.worker, None)
        if event.what == "stopped":
            return
        self.done += event.what == "done"
        self.failed += event.what == "failed"
        self.ended += 1
        self.last_end = self.clock()

    def show(self, event: JobEvent) -> None:
        """Show it, where there is anything to show it on."""

    @property
    def left(self) -> int:
        return max(0, self.total - self.done - self.failed)

    @property
    def rate(self) -> float | None:
        """Pictures a minute, from this run's first beginning to its last end; None before two have ended or where all failed.

        Loading the networks does not count; nor does what has passed since the last end, so that it
        does not sink while long jobs are being done.
        """
        if self.ended < 2 or not self.done or self.began is None or self.last_end <= self.began:
            return None
        return 60 * self.ended / (self.last_end - self.began)

    @property
    def eta(self) -> float | None:
        """Seconds until all are done, at that rate, counted from the last end; None where the rate is."""
        if self.rate is None:
            return None
        return max(0.0, 60 * self.left / self.rate - (self.clock() - self.last_end))

    @property
    def current(self) -> list[str]:
        """The jobs being done, one line a worker."""
        with self.lock:
            workers = sorted(self.workers.items(), key=lambda item: (len(item[0]), item[0]))
        return [f"{name}  {current.photo}  {current.step}".rstrip() for name, current in workers]

    @property
    def line(self) -> str:
        """Counts, rate and time left, in one line."""
        parts = [f"{self.done} of {self.total} done"]
        if self.failed:
            parts.append(f"{self.failed} failed")
        if self.rate is not None:
            parts.append(f"{self.rate:.1f} a minute")
        if self.eta is not None and self.left:
            parts.append(f"about {format_duration(self.eta)} left")
        return ", ".join(parts)


class PlainDisplay(Display):
    """For files and other programs: one line every half a minute, at each failure, and at the end."""

    def __init__(self, total: int, counts: Counts, *, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(total, counts, clock=clock)
        self.printed_at = self.clock()

    def show(self, event: JobEvent) -> None:
        if event.what == "failed":
            self.print_line(f"; {failure(event)}")
        elif self.clock() - self.printed_at >= LINE_INTERVAL:
            self.print_line()

    def print_line(self, more: str = "") -> None:
        say(f"{self.line}{more}")
        self.printed_at = self.clock()


class LiveDisplay(Display):
    """For a terminal: a bar that stays below what else is printed; failures are told above it."""

    def __init__(
        self, console: Console, total: int, counts: Counts, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(total, counts, clock=clock)
        self.console = console
        self.failures_shown = 0

    def show(self, event: JobEvent) -> None:
        if event.what != "failed":
            return
        from rich.text import Text

        self.failures_shown += 1
        if self.failures_shown <= SHOWN_FAILURES:
            self.console.print(Text(failure(event), style="red"))
        elif self.failures_shown == SHOWN_FAILURES + 1:
            self.console.print(Text("Further failures stand on the page, and in the ledger.", style="red"))

    def drawn(self) -> Group:
        """The bar, what stands beside it, and a line a worker."""
        from rich.console import Group
        from rich.text import Text

        # Texts of jobs are Text, not str: rich reads no markup in them.
        lines = self.current
        workers = [Text(f"  {line}", style="dim", no_wrap=True, overflow="ellipsis") for line in lines[:LINES]]
        if len(lines) > LINES:
            workers.append(Text(f"  and {len(lines) - LINES} more", style="dim"))
        return Group(self.bar(), *workers)

    def bar(self) -> Text:
        from rich.text import Text

        said = self.line
        width = self.console.width - len(said) - 3
        if width < 10:
            return Text(said, no_wrap=True, overflow="ellipsis")
        done, failed, left = widths(self.done, self.failed, self.left, min(width, 40))
        # The parts differ in shape, too, for those who see no colours.
        shapes = "━x─" if "utf" in self.console.encoding.lower() else "#x-"
        return Text.assemble(
            (shapes[0] * done, "green"),
            (shapes[1] * failed, "red"),
            (shapes[2] * left, "dim"),
            f"  {said}",
            no_wrap=True,
        )


@contextlib.contextmanager
def batch_display(output: OutputOptions, total: int, counts: Counts) -> Iterator[Display]:
    """Show a run on stderr from its events: drawn on a terminal, plain lines elsewhere, nothing when quiet.

    Args:
        total: jobs that are to be done.
        counts: the states of all jobs of the list, as the run begins.
    """
    if output.quiet:
        yield Display(total, counts)
        return
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.live import Live

        console = Console(stderr=True, highlight=False)
        if not console.is_dumb_terminal:
            live = LiveDisplay(console, total, counts)
            with Live(get_renderable=live.drawn, console=console, transient=True, refresh_per_second=5):
                yield live
            return
    plain = PlainDisplay(total, counts)
    try:
        yield plain
    finally:
        plain.print_line()


def failure(event: JobEvent) -> str:
    photo = shown(event.job.photo, NAME) or "a job"
    return f"{photo} (job {event.job.number}) failed: {shown(event.error, ERROR)}"


def widths(done: int, failed: int, left: int, width: int) -> tuple[int, int, int]:
    """A bar's parts in characters; what is there at all has at least one, and only what has ended fills it."""
    parts = [done, failed, left]
    total = sum(parts)
    if total == 0:
        return 0, 0, width
    shares = [max(1, width * part // total) if part else 0 for part in parts]
    # What rounding leaves, or took too much, goes to the widest.
    shares[shares.index(max(shares))] += width - sum(shares)
    return shares[0], shares[1], shares[2]


def shown(text: str, longest: int) -> str:
    """Untrusted text made safe for a terminal: one line, no control or direction characters."""
    kept = "".join(" " if unprintable(letter) else letter for letter in text[: longest * 4])
    kept = " ".join(kept.split())
    return kept if len(kept) <= longest else f"{kept[: longest - 1]}…"


def unprintable(letter: str) -> bool:
    # Of format characters (Cf), the joiner makes single pictures of several emoji; the others hide or turn text.
    return unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") or (
        unicodedata.category(letter) == "Cf" and letter != "\u200d"
    )
