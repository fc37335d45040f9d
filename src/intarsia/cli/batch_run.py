"""A run of many jobs from the command line. It imports no network: a run over finished work is over at once."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import os
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from intarsia.batch.jobs import Job, read_jobs
from intarsia.batch.ledger import Ledger
from intarsia.batch.local import JobEvent, run_local
from intarsia.batch.report import Page, texts
from intarsia.batch.runner import one_run, share, so_far, stop_signals, to_do
from intarsia.cli.batch_flags import Batch
from intarsia.cli.batch_progress import Display, batch_display
from intarsia.cli.options import CommandResult, counted
from intarsia.distributed import World, from_main, in_step, world
from intarsia.errors import Cancelled, UsageError
from intarsia.notes import collected
from intarsia.tasks.batch_executor import BatchExecutor

log = logging.getLogger(__name__)

PAGE_EVERY = 5.0
"""Seconds between two writings of the page."""

SOME_FAILED = 3
"""Exit code of a run that did all it could, and could not do all."""

SHOWN_FAILURES = 20
SHOWN_NOTES = 5


def run_batch(command: Batch) -> tuple[CommandResult, int]:
    """Do the jobs; returns the exit code, too: 0 all done, 3 some failed."""
    if command.status is not None:
        with Ledger.open(command.status, create=False) as ledger:
            return run_summary(ledger, command.status), exit_code(ledger)
    if command.jobs is None:
        raise UsageError(
            "No list of jobs was given: intarsia batch JOBS --out DIR, or --status DIR to see how a run stands."
        )
    for flag, value in (("workers", command.workers), ("threads", command.threads)):
        if not 1 <= value <= 1024:
            raise UsageError(f"{flag} is {value}, but must lie between 1 and 1024.")
    together = world()
    if together.size > 1 and (command.ray is not None or command.workers > 1):
        raise UsageError("A launcher has started several processes already: leave out --workers and --ray.")
    out = command.out
    with contextlib.ExitStack() as stack:
        with in_step(together):
            if together.is_main:
                stack.enter_context(one_run(out))
        ledger = stack.enter_context(Ledger.open(out))
        page, pending = Page(out), []
        with in_step(together), collected() as notes:
            if together.is_main:
                pending = to_do(enter_jobs(command, ledger), ledger, out)
                for said in notes:  # before work of hours, not after it
                    log.warning("%s", said)
                page.notes = tuple(notes)
        pending = from_main(together, pending)
        with in_step(together):
            if pending:
                do_jobs(command, share(pending, together), ledger, page, together)
        if together.is_main:
            page.write(ledger, over=True)
        result: CommandResult = run_summary(ledger, out, notes) if together.is_main else ({}, [])
        # A launcher takes every other code for a crash; --status tells.
        return result, exit_code(ledger) if together.size == 1 else 0


def exit_code(ledger: Ledger) -> int:
    return SOME_FAILED if ledger.counts().failed else 0


def enter_jobs(command: Batch, ledger: Ledger) -> tuple[Job, ...]:
    """Read the list and enter it into the ledger."""
    assert command.jobs is not None
    known = ledger.digests()
    before = dict(known)
    settings: dict[str, str] = {}
    for pair in command.set:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise UsageError(f"--set {pair!r} has no value: give NAME=VALUE, e.g. --set steps=20.")
        settings[name] = value
    jobs = read_jobs(command.jobs, image_dir=command.image_dir, settings=settings, seed=command.seed, known=known)
    ledger.enter(jobs, retry_failed=command.retry_failed)
    ledger.keep_digests({path: facts for path, facts in known.items() if before.get(path) != facts})
    return jobs


def do_jobs(command: Batch, pending: list[Job], ledger: Ledger, page: Page, together: World) -> None:
    """Do the jobs that are left, tell how far they are, and stop when asked to.

    Raises:
        Cancelled: by Ctrl-C or SIGTERM; says how to go on.
    """
    executor = BatchExecutor(machine=command.machine, threads=command.threads)
    # Read by the workers' libraries when they are loaded.
    os.environ["OMP_NUM_THREADS"] = str(command.threads)
    output = command.output if together.is_main else dataclasses.replace(command.output, quiet=True)
    with contextlib.ExitStack() as stack:
        display = stack.enter_context(batch_display(output, len(pending), ledger.counts()))
        stopping = stack.enter_context(stop_signals())
        on_event = (
            stack.enter_context(page_kept_current(display, ledger, page)) if together.is_main else display.on_event
        )
        if command.ray is not None:
            from intarsia.batch.ray_driver import run_on_ray

            run_on_ray(
                pending,
                executor,
                ledger,
                address=command.ray,
                workers=command.workers,
                files=command.ray_files,
                gpus=command.ray_gpus,
                stopping=stopping,
                on_event=on_event,
            )
        else:
            first = together.local_rank
            run_local(
                pending, executor, ledger, workers=command.workers, first=first, stopping=stopping, on_event=on_event
            )
        stopped = stopping()
    if stopped:
        if together.is_main:
            page.write(ledger, over=True)
        raise Cancelled(f"stopped; {so_far(ledger.counts())}. The same command goes on from there.")


@contextlib.contextmanager
def page_kept_current(display: Display, ledger: Ledger, page: Page) -> Iterator[Callable[[JobEvent], None]]:
    """Pass events on to the display, and write the page every few seconds, events or not."""
    ended = threading.Event()

    def keep_writing() -> None:
        # SQLite wants a connection for each thread.
        with Ledger.open(ledger.folder) as own:
            while not ended.is_set():
                try:
                    page.write(own, current=display.current, rate=display.rate, eta=display.eta)
                except (OSError, sqlite3.Error) as problem:  # the jobs are worth more than the page
                    log.warning("The page could not be written (%s); the jobs go on.", problem)
                ended.wait(PAGE_EVERY)

    writer = threading.Thread(target=keep_writing, daemon=True)
    writer.start()
    try:
        yield display.on_event
    finally:
        ended.set()
        writer.join()


def run_summary(ledger: Ledger, out: Path, notes: Sequence[str] = ()) -> CommandResult:
    """State of a run, for machines and for people.

    Args:
        notes: on the list of jobs.
    """
    counts = ledger.counts()
    failures = ledger.rows(state="failed")
    done = [row for row in ledger.rows(state="done") if row.seconds is not None]
    evaluations = sum(row.evaluations or 0 for row in done)
    seconds = sum(row.seconds or 0 for row in done)
    lines = [f"{out}  {so_far(counts)}; {evaluations:,} denoiser evaluations, {seconds:,.0f} s of work"]
    lines += [f"  {row.number:>5}  {row.photo or '(no picture)'}: {row.error}" for row in failures[:SHOWN_FAILURES]]
    if len(failures) > SHOWN_FAILURES:
        lines.append(f"  and {len(failures) - SHOWN_FAILURES:,} more that failed")
    noted = [(row, texts(row.facts.get("notes"))) for row in done]
    for note, count in Counter(note for _, notes in noted for note in notes).most_common(SHOWN_NOTES):
        lines.append(f"  note on {counted(count, 'job')}: {note}")
    lines.append(f"  look at {out / 'index.html'}")
    if failures:
        lines.append("  what failed is tried again with --retry-failed")
    summary = {
        "folder": str(out),
        "done": counts.done,
        "failed": counts.failed,
        "left": counts.left,
        "evaluations": evaluations,
        "seconds": round(seconds, 1),
        "page": str(out / "index.html"),
        "notes": [{"number": r.number, "id": r.id, "notes": notes} for r, notes in noted if notes],
        "list_notes": list(notes),
        "failures": [{"number": r.number, "id": r.id, "photo": r.photo, "error": r.error} for r in failures],
    }
    return summary, lines
