"""What a batch says on the terminal: the arithmetic, the plain lines, and texts that must not steer a terminal."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from rich.console import Console

from intarsia.batch.jobs import Job
from intarsia.batch.ledger import Counts
from intarsia.batch.local import JobEvent
from intarsia.cli import batch_progress
from intarsia.cli.batch_progress import Display, LiveDisplay, PlainDisplay, batch_display, shown, widths
from intarsia.cli.options import OutputOptions
from intarsia.progress import Progress, format_duration


class Clock:
    """A clock that stands until it is set."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def news(
    what: Any, number: int = 1, worker: str = "worker 1", *, photo: str = "", error: str = "", stage: str = "painting"
) -> JobEvent:
    job = Job(
        id=f"id{number}",
        number=number,
        kind="edit",
        photo=photo or f"{number}.jpg",
        words="cat",
        folder="f",
        record=None,
    )
    progress = Progress(stage=stage, done=12, total=30) if what == "step" else None
    return JobEvent(what=what, job=job, worker=worker, progress=progress, error=error)


def run(display: Display, clock: Clock, seconds: float, *numbers: int, what: str = "done") -> None:
    """One worker does jobs that take `seconds` each."""
    for number in numbers:
        display.on_event(news("began", number))
        clock.now += seconds
        display.on_event(news(what, number, error="no" if what == "failed" else ""))


# rate and time left


def test_no_rate_before_two_have_ended(clock: Clock) -> None:
    display = Display(10, Counts(waiting=10), clock=clock)
    assert (display.rate, display.eta) == (None, None)
    run(display, clock, 6, 1)
    assert (display.rate, display.eta) == (None, None)
    run(display, clock, 6, 2)
    assert display.rate == pytest.approx(10)
    assert display.eta == pytest.approx(48)


def test_no_rate_where_all_failed(clock: Clock) -> None:
    display = Display(10, Counts(waiting=10), clock=clock)
    run(display, clock, 0.001, 1, 2, 3, what="failed")
    assert display.line == "0 of 10 done, 3 failed"


def test_loading_does_not_count_and_neither_does_a_pause_after_the_last_end(clock: Clock) -> None:
    display = Display(10, Counts(waiting=10), clock=clock)
    clock.now += 500
    run(display, clock, 6, 1, 2)
    clock.now += 18
    assert display.rate == pytest.approx(10)
    assert display.eta == pytest.approx(48 - 18)
    clock.now += 500
    assert display.eta == 0


def test_workers_side_by_side_add_up(clock: Clock) -> None:
    display = Display(12, Counts(waiting=12), clock=clock)
    for worker in range(1, 5):
        display.on_event(news("began", worker, f"worker {worker}"))
    clock.now += 60
    for worker in range(1, 5):
        display.on_event(news("done", worker, f"worker {worker}"))
    assert display.rate == pytest.approx(4)
    assert display.eta == pytest.approx(120)


@pytest.mark.parametrize("total", [80, 200])
def test_a_run_that_goes_on_counts_its_own_jobs_and_shows_all(clock: Clock, total: int) -> None:
    """The total may be that of the list or of what is left of it."""
    display = Display(total, Counts(waiting=80, done=117, failed=3), clock=clock)
    assert display.line == "117 of 200 done, 3 failed"
    run(display, clock, 3, 1, 2)
    run(display, clock, 3, 3, what="failed")
    assert display.rate == pytest.approx(20)
    assert display.left == 77
    assert display.line == "119 of 200 done, 4 failed, 20.0 a minute, about 4 min left"


def test_jobs_that_were_stopped_have_not_ended(clock: Clock) -> None:
    display = Display(3, Counts(waiting=3), clock=clock)
    run(display, clock, 5, 1, 2, 3, what="stopped")
    assert (display.left, display.rate, display.current) == (3, None, [])


def test_jobs_that_end_the_moment_they_begin_have_no_rate(clock: Clock) -> None:
    display = Display(3, Counts(waiting=3), clock=clock)
    run(display, clock, 0, 1, 2, 3)
    assert (display.rate, display.eta, display.line) == (None, None, "3 of 3 done")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "1 s"),
        (40.4, "40 s"),
        (89, "89 s"),
        (90, "2 min"),
        (125, "2 min"),
        (5400, "1 h 30 min"),
        (7500, "2 h 5 min"),
        (11400, "3 h 10 min"),
        (200000, "2 days"),
    ],
)
def test_times_in_words(seconds: float, words: str) -> None:
    assert format_duration(seconds) == words


# what is being done


def test_a_line_a_worker_with_its_job_and_step(clock: Clock) -> None:
    display = Display(20, Counts(waiting=20), clock=clock)
    for number in (10, 2, 1):
        display.on_event(news("began", number, f"worker {number}"))
    display.on_event(news("step", 2, "worker 2", stage="painting 8 candidates"))
    assert display.current == [
        "worker 1  1.jpg",
        "worker 2  2.jpg  painting 8 candidates 12/30",
        "worker 10  10.jpg",
    ]
    display.on_event(news("done", 2, "worker 2"))
    display.on_event(news("failed", 1, "worker 1", error="no"))
    assert display.current == ["worker 10  10.jpg"]


def test_a_job_whose_worker_died_is_the_others(clock: Clock) -> None:
    display = Display(20, Counts(waiting=20), clock=clock)
    display.on_event(news("began", 1, "worker 1"))
    display.on_event(news("began", 1, "worker 2"))
    assert display.current == ["worker 2  1.jpg"]


# plain lines


def test_plain_lines_come_every_half_a_minute(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    display = PlainDisplay(200, Counts(waiting=200), clock=clock)
    run(display, clock, 10, 1, 2)
    display.on_event(news("began", 3))
    assert capsys.readouterr().err == ""
    clock.now += 10
    display.on_event(news("step", 3))
    assert capsys.readouterr().err == "intarsia: 2 of 200 done, 6.0 a minute, about 33 min left\n"
    clock.now += 29
    display.on_event(news("step", 3))
    assert capsys.readouterr().err == ""


def test_a_failure_is_printed_at_once(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    display = PlainDisplay(200, Counts(waiting=200), clock=clock)
    display.on_event(news("began", 7, photo="trees.jpg"))
    display.on_event(news("failed", 7, photo="trees.jpg", error="There is no photo: check the name."))
    said = "intarsia: 0 of 200 done, 1 failed; trees.jpg (job 7) failed: There is no photo: check the name.\n"
    assert capsys.readouterr().err == said


def test_where_nobody_watches_the_end_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with batch_display(OutputOptions(), 2, Counts(waiting=2)) as display:
        display.on_event(news("began"))
        display.on_event(news("done"))
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "intarsia: 1 of 2 done\n")


def test_quiet_says_nothing_and_still_counts(capsys: pytest.CaptureFixture[str]) -> None:
    with batch_display(OutputOptions(quiet=True), 2, Counts(waiting=2)) as display:
        display.on_event(news("began"))
        display.on_event(news("failed", error="no"))
        assert display.failed == 1
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "")


# the terminal


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[..., io.StringIO]:
    """A terminal in memory on stderr."""

    class Terminal(io.StringIO):
        encoding = "utf-8"

        def isatty(self) -> bool:
            return True

    def make(term: str = "xterm-256color") -> io.StringIO:
        screen = Terminal()
        monkeypatch.setenv("TERM", term)
        monkeypatch.setenv("COLUMNS", "120")
        monkeypatch.setattr("sys.stderr", screen)
        return screen

    return make


def test_a_terminal_shows_a_bar_and_the_workers(terminal: Callable[..., io.StringIO]) -> None:
    screen = terminal()
    with batch_display(OutputOptions(), 4, Counts(waiting=2, done=2)) as display:
        display.on_event(news("began", 3, photo="trees.jpg"))
        display.on_event(news("step", 3, photo="trees.jpg", stage="painting 8 candidates"))
        display.on_event(news("began", 4, "worker 2"))
        display.on_event(news("failed", 4, "worker 2", error="no"))
    said = screen.getvalue()
    assert "━" * 10 in said and "x" * 10 in said and "─" * 10 in said
    assert "2 of 4 done, 1 failed" in said
    assert "worker 1  trees.jpg  painting 8 candidates 12/30" in said
    assert "4.jpg (job 4) failed: no" in said


def test_a_terminal_that_cannot_draw_gets_plain_lines(terminal: Callable[..., io.StringIO]) -> None:
    screen = terminal("dumb")
    with batch_display(OutputOptions(), 4, Counts(waiting=4)):
        pass
    assert screen.getvalue() == "intarsia: 0 of 4 done\n"


def test_of_many_failures_a_terminal_shows_some(clock: Clock) -> None:
    screen = io.StringIO()
    display = LiveDisplay(Console(file=screen, width=120), 100, Counts(waiting=100), clock=clock)
    for number in range(1, 51):
        display.on_event(news("failed", number, error="no"))
    lines = screen.getvalue().splitlines()
    assert len(lines) == batch_progress.SHOWN_FAILURES + 1
    assert "Further failures" in lines[-1]


def test_of_many_workers_a_terminal_shows_some(clock: Clock) -> None:
    screen = io.StringIO()
    console = Console(file=screen, width=120)
    display = LiveDisplay(console, 100, Counts(waiting=100), clock=clock)
    for number in range(1, 31):
        display.on_event(news("began", number, f"worker {number}"))
    console.print(display.drawn())
    assert len(screen.getvalue().splitlines()) == 1 + batch_progress.LINES + 1
    assert "and 14 more" in screen.getvalue()


def test_texts_of_jobs_are_shown_and_never_obeyed(clock: Clock) -> None:
    screen = io.StringIO()
    console = Console(file=screen, width=160, force_terminal=True, color_system=None)
    display = LiveDisplay(console, 3, Counts(waiting=3), clock=clock)
    photo = "[bold red]x[/]\x1b[2J\x07\u202e[/nothing].jpg"
    display.on_event(news("began", 1, photo=photo, stage="[link=https://example.org]painting[/link]"))
    display.on_event(news("step", 1, photo=photo, stage="[link=https://example.org]painting[/link]"))
    console.print(display.drawn())
    display.on_event(news("failed", 1, photo=photo, error="[blink]no[/blink]\x9b31m\r\nmore"))
    said = screen.getvalue()
    assert "[bold red]x[/] [2J [/nothing].jpg  [link=https://example.org]painting[/link] 12/30" in said
    assert "failed: [blink]no[/blink] 31m more" in said
    assert not set(said) & set("\x1b\x07\x9b\r\u202e")


@pytest.mark.parametrize(
    ("text", "out"),
    [
        ("plain", "plain"),
        ("two\nlines\tand\u2028more", "two lines and more"),
        ("\x1b]0;title\x07", "]0;title"),
        ("family 👩‍🚀", "family 👩‍🚀"),
        ("half \ud800 a character", "half a character"),
        ("x" * 50, "x" * 39 + "…"),
    ],
)
def test_shown_texts_fit_on_a_line(text: str, out: str) -> None:
    assert shown(text, 40) == out


@pytest.mark.parametrize(
    ("parts", "bar"),
    [
        ((0, 0, 10), (0, 0, 40)),
        ((5, 0, 5), (20, 0, 20)),
        ((1, 1, 9998), (1, 1, 38)),
        ((9999, 0, 1), (39, 0, 1)),
        ((10, 0, 0), (40, 0, 0)),
        ((0, 0, 0), (0, 0, 40)),
    ],
)
def test_a_bars_parts_fill_it(parts: tuple[int, int, int], bar: tuple[int, int, int]) -> None:
    assert widths(*parts, 40) == bar
