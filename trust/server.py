"""Servers under attack: every route by chance, slow and vanishing clients, and many visitors for a while."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from trust.figures import Figure, Part
from trust.server_closed import open_to_strangers
from trust.server_fuzz import Report, fuzz
from trust.server_process import Server, served
from trust.server_slow import (
    LEAVERS,
    Gather,
    break_off_uploads,
    cancel_seconds,
    crowd,
    idle,
    networks_free,
    opened,
    round_trip,
    slow_bodies,
    slow_headers,
    unheard_stream,
    unread,
)
from trust.server_visitors import Stay, stay

PASSWORD = "anna:a long password"
SERVED_MORE = 5.0
"""Seconds by which slow clients may delay another visitor's first steps."""
CANCEL_SECONDS = 2.0
LEFT_SECONDS = 45.0
"""Seconds after which nothing of a caller who left goes on: the grace of 20, a sweep of 5, and the next visitor's edit."""
ENDED_SECONDS = 75.0
"""Seconds after which slow clients have lost their connections."""
GROWTH_MB, GROWTH_SHARE = 50.0, 0.05
MORE_FILES, MORE_THREADS, MORE_DISK_MB = 10, 10, 1.0


@dataclass(frozen=True, kw_only=True)
class Size:
    """How much is done.

    Attributes:
        weight: of the attacks: examples of what weighs 1.
        crowd: idle connections; of the slow ones, a part of it.
        patience: whether it is waited for the end of slow clients, and for callers who are given some time.
        cancels: measured.
        visitors, seconds, warm: see `stay`.
    """

    weight: int
    crowd: int
    patience: bool
    cancels: int
    visitors: int
    seconds: float
    warm: float


QUICK = Size(weight=1, crowd=60, patience=False, cancels=2, visitors=4, seconds=20, warm=10)
FULL = Size(weight=20, crowd=500, patience=True, cancels=20, visitors=20, seconds=600, warm=180)


def run(*, seed: int, quick: bool) -> Part:
    """Measure all of it."""
    return measured(QUICK if quick else FULL, seed, "python -m trust server" + (" --quick" if quick else ""))


def measured(size: Size, seed: int, command: str) -> Part:
    figures: list[Figure] = []
    left: list[str] = []
    for part in (attacked, strangers, slowed, visited):
        with tempfile.TemporaryDirectory(prefix="intarsia-trust-", ignore_cleanup_errors=True) as made:
            for figure in part(Path(made), size, seed, left):
                figures.append(figure)
    return Part(name="server", command=command, figures=figures, left=left)


def open_server(folder: Path, *more: str) -> Sequence[str]:
    return ("--api", "--mcp", "--mcp-folder", str(folder / "pictures"), *more)


# Attacks


def attacked(folder: Path, size: Size, seed: int, left: list[str]) -> Iterator[Figure]:
    with served(folder, *open_server(folder)) as server:
        before = server.taken()
        report = fuzz(server, seed=seed, weight=size.weight)
        after = server.taken()
    left += report.wrong.values()
    yield from attack_figures(server, report)
    grown = after.memory - before.memory
    yield Figure(name="memory after the attacks", value=f"{grown:+.0f} MB", bound="< 500 MB", holds=grown < 500)


def attack_figures(server: Server, report: Report) -> Iterator[Figure]:
    sent = sum(report.sent.values())
    yield Figure(name="routes, by the running server", value=f"{len(server.routes)}")
    yield Figure(name="requests by chance", value=f"{sent:,} of {len(report.sent)} kinds")
    for name, found in report.kinds().items():
        yield Figure(name=name, value=f"{found}", bound="0", holds=not found)
    seconds, what = report.slowest
    yield Figure(name="slowest answer", value=f"{seconds:.1f} s ({what})", bound="< 10 s", holds=seconds < 10)
    seconds, what = report.slowest_picture
    if what:
        yield Figure(
            name="slowest picture that was painted", value=f"{seconds:.1f} s", bound="< 60 s", holds=seconds < 60
        )


def strangers(folder: Path, size: Size, seed: int, left: list[str]) -> Iterator[Figure]:
    with served(folder, *open_server(folder), environment={"INTARSIA_UI_AUTH": PASSWORD}) as server:
        asked, answered = open_to_strangers(server)
    left += [f"open without the password: {each}" for each in answered]
    yield Figure(name="requests without the password", value=f"{asked:,}")
    yield Figure(name="answered beside the login", value=f"{len(answered)}", bound="0", holds=not answered)


# Slow clients


def slowed(folder: Path, size: Size, seed: int, left: list[str]) -> Iterator[Figure]:
    with served(folder, *open_server(folder)) as server:
        round_trip(server)
        alone = min(round_trip(server) for _ in range(3))
        yield Figure(name="a visitor's first steps alone", value=f"{alone:.1f} s")
        crowds: dict[str, Gather] = {
            "idle connections": idle(size.crowd),
            "slow heads": slow_headers(size.crowd // 2),
            "slow bodies": slow_bodies(size.crowd // 5),
            "clients who do not read": unread(size.crowd // 10, "/config"),
        }
        for name, gather in crowds.items():
            yield from crowded(server, name, gather, alone, wait=size.patience)
        with unheard_stream(server):
            took = round_trip(server)
        yield slowed_figure("a job's events that nobody reads", took, alone)
        yield from leavers(server, size)
        yield from cancels(server, size.cancels)
        faults = server.faults()
    left += [f"logged: {fault}" for fault in faults]
    yield Figure(name="tracebacks in the log", value=f"{len(faults)}", bound="0", holds=not faults)


def slowed_figure(name: str, took: float, alone: float) -> Figure:
    value = f"{took:.1f} s"
    return Figure(
        name=f"first steps beside {name}",
        value=value,
        bound=f"< {alone:.1f} + {SERVED_MORE:g} s",
        holds=took < alone + SERVED_MORE,
    )


def crowded(server: Server, name: str, gather: Gather, alone: float, *, wait: bool) -> Iterator[Figure]:
    with crowd(server.address, gather) as people:
        time.sleep(1)
        yield slowed_figure(f"{gather.count} {name}", round_trip(server), alone)
        if not wait or "read" in name:
            return
        until = time.monotonic() + ENDED_SECONDS
        while people.open() and time.monotonic() < until:
            time.sleep(1)
        still = people.open()
        bound = f"0 after {ENDED_SECONDS:g} s"
        yield Figure(name=f"{name} still open", value=f"{still}", bound=bound, holds=not still)


def leavers(server: Server, size: Size) -> Iterator[Figure]:
    """How long what a caller asked for goes on who has left."""
    before = server.taken().entries
    break_off_uploads(server, 20 if size.patience else 5)
    time.sleep(1)
    more = server.taken().entries - before
    yield Figure(name="files of uploads that broke off", value=f"{more}", bound="0", holds=more <= 0)
    page, photo = opened(server)
    for name, leave in LEAVERS.items():
        if name in ("an endpoint, unheard", "the canvas") and not size.patience:
            continue
        leave(server)
        took = networks_free(server, photo, page, within=2 * LEFT_SECONDS)
        yield Figure(
            name=f"networks free after {name} was left",
            value=f"{took:.1f} s",
            bound=f"< {LEFT_SECONDS:g} s",
            holds=took < LEFT_SECONDS,
        )
    page.close()


def cancels(server: Server, count: int) -> Iterator[Figure]:
    page, photo = opened(server)
    other, others = opened(server)
    took = sorted(cancel_seconds(page, photo, other, others) for _ in range(count))
    for each in (page, other):
        each.close()
    yield Figure(
        name="from a cancel to the next job's begin",
        value=f"{took[-1]:.2f} s at most, {took[len(took) // 2]:.2f} s in the middle, of {count}",
        bound=f"< {CANCEL_SECONDS:g} s",
        holds=took[-1] < CANCEL_SECONDS,
    )


# Visitors


def visited(folder: Path, size: Size, seed: int, left: list[str]) -> Iterator[Figure]:
    flags = (*open_server(folder), "--forget", "0.1")
    with served(folder, *flags) as server:
        told = stay(
            server, visitors=size.visitors, seconds=size.seconds, warm=size.warm, seed=seed, patient=size.patience
        )
        faults = server.faults()
    left += [f"{count} times {problem}" for problem, count in told.problems.items()]
    left += [f"logged: {fault}" for fault in faults]
    done = ", ".join(f"{count} {name}" for name, count in sorted(told.done.items()))
    yield Figure(name=f"{size.visitors} visitors for {size.seconds:g} s", value=done)
    wrong = sum(told.problems.values()) + len(faults)
    yield Figure(name="visits that failed, and tracebacks", value=f"{wrong}", bound="0", holds=not wrong)
    yield from grown_figures(told, judged=size.patience)


def grown_figures(told: Stay, *, judged: bool) -> Iterator[Figure]:
    """How much more is in use when all have left than after the first round; judged where that was long enough."""
    before, after = told.before, told.after
    assert before is not None and after is not None
    grown = after.memory - before.memory
    most = max(GROWTH_MB, GROWTH_SHARE * before.memory)
    yield Figure(
        name="memory when all have left",
        value=f"{before.memory:.0f} -> {after.memory:.0f} MB (at most {told.most:.0f})",
        bound=f"< +{most:.0f} MB" if judged else "",
        holds=grown < most or not judged,
    )
    for name, was, now, more in (
        ("open files", before.files, after.files, MORE_FILES),
        ("threads", before.threads, after.threads, MORE_THREADS),
    ):
        yield Figure(name=name, value=f"{was} -> {now}", bound=f"< +{more}", holds=now - was < more)
    disk = f"{before.disk:.2f} -> {after.disk:.2f} MB in {after.entries} files"
    holds = after.disk - before.disk < MORE_DISK_MB
    yield Figure(name="disk", value=disk, bound=f"< +{MORE_DISK_MB:g} MB" if judged else "", holds=holds or not judged)
    yield Figure(name="longest visit", value=f"{told.slowest:.0f} s")
