"""Measure whole edits with checkpoints of random weights at real size: seconds, evaluations, memory, and where time goes.

    python -m benchmarks.full_size --tiny
    python -m benchmarks.full_size --device cuda --json benchmarks/results/full-size-cuda.json
    python -m benchmarks.full_size --family sd15 --columns plain,words --limit-s 240

Columns:
    plain         the plain call of diffusers' inpainting pipeline, loaded by diffusers: the yardstick
    words         edit by words by default, where the first region is good enough
    words_all     the same where no region is good enough, so that all are tried
    released      the preset released: what the published code does
    paper         the preset paper (left out unless asked for)
    compose       edit by layout by default: the first edit of a picture, and the next
    layout_paper  the published method: learning and the first edit, and the next
    low           `words`, with networks that take turns on the accelerator (vram low)

A run has a share of --limit-s. One that takes longer is stopped, and its seconds are extrapolated from the evaluations that it
made to those of the whole, which the report says; what comes before the first evaluation is not repeated.
"""

from __future__ import annotations

import argparse
import datetime
import gc
import importlib.metadata
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks.full_size_report import Row, device_name, figures_of, print_report, share_of_peak
from benchmarks.full_size_runs import (
    BY_DEFAULT,
    COLUMNS,
    SPECS,
    Subject,
    draw_picture,
    picture_of,
    plain_call,
    subject_of,
)
from benchmarks.part_clock import PartClock, flops_of, matmul_peak, peak_mb, reset_peak
from benchmarks.random_checkpoints import KINDS, save_checkpoint, settings_of
from intarsia.backbones import load_backbones
from intarsia.backbones.placement import choose_device, choose_dtype, quiet_loading
from intarsia.errors import Cancelled
from intarsia.progress import OnProgress, Progress

LIMIT, TINY_LIMIT = 540.0, 150.0
WARMING = 0.2
"""Share of a run's time that warming up may take."""

TINY_MATMUL = 1024
"""Side of the largest matrices that are multiplied by a tiny run."""


class Budget:
    """Divides what is left of a time limit among the runs to come, by their weights.

    Args:
        seconds: for all.
        rows: of all families, one after another.
    """

    def __init__(self, seconds: float, rows: Sequence[str]) -> None:
        self.until, self.left = time.monotonic() + seconds, list(rows)

    def share(self, row: str) -> float:
        """Seconds for the next run, which is this row's."""
        whole = sum(SPECS[name].weight for name in self.left)
        self.drop(row)
        return max(self.until - time.monotonic(), 0.0) * SPECS[row].weight / whole

    def drop(self, row: str) -> None:
        """Keep no time for a row."""
        self.left.remove(row)


def stopping(seconds: float) -> OnProgress:
    """A callback that stops the work after so many seconds, within what the networks do: the whole is estimated from that."""
    until = time.monotonic() + seconds

    def on_progress(progress: Progress) -> None:
        if progress.whole is None and time.monotonic() > until:
            raise Cancelled("The time for this run is over.")

    return on_progress


def attempted(work: Callable[[OnProgress], Any], seconds: float) -> tuple[Any, bool]:
    """What work gives, and whether it came to its end in so many seconds."""
    try:
        return work(stopping(seconds)), True
    except Cancelled:
        return None, False


def measured(
    work: Callable[[bool, OnProgress], Any],
    *,
    clock: PartClock,
    running: Any,
    counts: Callable[[], tuple[int, int]],
    planned: Callable[[], tuple[int, int] | None],
    seconds: float,
    warms: bool,
) -> Row:
    """Warm up, then run and measure.

    Args:
        work: given whether it is to be short, and what is told of each step.
        running: the clock's context.
        counts: evaluations so far, forward and backward, as the package counts them.
        planned: evaluations of the whole, for a run that is stopped; None where they are not known.
        seconds: for both.
    """
    started = time.monotonic()
    if warms:
        attempted(lambda on_progress: work(True, on_progress), WARMING * seconds)
    reset_peak(clock.device)
    before = counts()
    with running:
        _, complete = attempted(lambda on_progress: work(False, on_progress), seconds - (time.monotonic() - started))
    peak = peak_mb(clock.device)
    forward, backward = (after - earlier for after, earlier in zip(counts(), before, strict=True))
    whole = (forward, backward) if complete else planned()
    seconds_of_all = None
    if whole is not None and forward:
        # What comes before the first evaluation is done once, all else again and again.
        seconds_of_all = clock.starting + (clock.total - clock.starting) * sum(whole) / (forward + backward)
    return {
        "complete": complete,
        "seconds": seconds_of_all,
        "evaluations": None if whole is None else whole[0],
        "backward": None if whole is None else whole[1],
        "seconds_per_evaluation": seconds_of_all / whole[0] if seconds_of_all is not None and whole else None,
        "measured_seconds": clock.total,
        "measured_evaluations": forward,
        "measured_backward": backward,
        "counted_evaluations": clock.evaluations,
        "largest_batch": clock.batch,
        "images_encoded": clock.images["encode"],
        "images_decoded": clock.images["decode"],
        "parts": dict(clock.seconds),
        **peak,
    }


def measure_plain(folder: Path, device: str, dtype: torch.dtype, seconds: float, warms: bool) -> Row:
    """The pipeline as diffusers loads and calls it."""
    import diffusers

    with quiet_loading():
        kind: Any = diffusers.AutoPipelineForInpainting
        pipeline = kind.from_pretrained(folder, dtype=dtype, local_files_only=True).to(device)
        pipeline.set_progress_bar_config(disable=True)
        picture, clock = draw_picture(pipeline.unet.config.sample_size * pipeline.vae_scale_factor), PartClock(device)
        return measured(
            lambda short, on_progress: plain_call(pipeline, picture, short, on_progress),
            clock=clock,
            running=clock.running(pipeline),
            counts=lambda: (clock.evaluations, 0),
            planned=lambda: (clock.batch * pipeline.num_timesteps, 0),
            seconds=seconds,
            warms=warms,
        )


def measure_run(
    row: str, subject: Subject, seconds: float, planned: Callable[[], tuple[int, int] | None], *, warms: bool
) -> Row:
    """An edit by this package."""
    run, backbones = SPECS[row].run, subject.backbones
    assert run is not None
    inpainter: Any = backbones.inpainter
    clock, counter = PartClock(backbones.device), backbones.painter.counter
    return measured(
        lambda short, on_progress: run(subject, picture_of(row, short=short), short=short, on_progress=on_progress),
        clock=clock,
        running=clock.running(inpainter.pipeline, backbones),
        counts=lambda: (counter.evaluations, counter.backward),
        planned=planned,
        seconds=seconds,
        warms=warms,
    )


class FamilyRun:
    """The runs of one family of checkpoints.

    Args:
        name: one of `KINDS`.
        tiny: whether its checkpoint is tiny.
        device: of torch.
        folder: for the checkpoint.
        on_row: called with the report so far after each run.
    """

    def __init__(
        self, name: str, *, tiny: bool, device: str, folder: Path, on_row: Callable[[Row], None] = lambda _report: None
    ) -> None:
        self.name, self.tiny, self.device, self.on_row = name, tiny, device, on_row
        self.dtype = choose_dtype("auto", device)
        self.place = folder / name
        self.rows: dict[str, Row] = {}
        self.skipped: dict[str, str] = {}
        self.report: Row = {"family": name, "dtype": str(self.dtype).removeprefix("torch.")}

    def measure(self, wanted: Sequence[str], budget: Budget) -> Row:
        """Run these rows, and report."""
        if "words_low" in wanted and self.device == "cpu":
            self._skip("words_low", "on a CPU the setting changes nothing", budget)
        # On a CPU the first run of large networks is no slower than the next.
        self.report["warmed_up"] = self.warms = self.tiny or self.device != "cpu"
        self.report["flops_per_evaluation"] = flops_of(settings_of(KINDS[self.name], tiny=self.tiny)["unet"])
        started = time.monotonic()
        with quiet_loading():
            save_checkpoint(self.name, self.place, tiny=self.tiny, dtype=self.dtype)
        self.report["seconds_making"] = time.monotonic() - started
        largest = TINY_MATMUL if self.tiny else 8192
        self.report["matmul_peak"] = matmul_peak(self.device, self.dtype, largest=largest)
        if "plain" in wanted:
            self._keep("plain", measure_plain(self.place, self.device, self.dtype, budget.share("plain"), self.warms))
            self._clean()
        rows = [row for row in wanted if row not in ("plain", "words_low")]
        if rows:
            self._measure_ours(rows, budget)
            self._clean()
        if "words_low" in wanted and "words_low" not in self.skipped:
            self._measure_low(budget)
        return self._so_far()

    def _so_far(self) -> Row:
        return {**self.report, "runs": self.rows, "skipped": self.skipped, "figures": figures_of(self.rows)}

    def _keep(self, name: str, row: Row) -> None:
        row["denoiser_share"] = share_of_peak(row, self.report)
        self.rows[name] = row
        self.on_row(self._so_far())

    def _measure_ours(self, rows: Sequence[str], budget: Budget) -> None:
        started = time.monotonic()
        backbones = load_backbones(str(self.place), device=self.device, patches=str(self.place / "dino"))
        self.report["seconds_loading"] = time.monotonic() - started
        self.report["native_side"] = backbones.inpainter.native_side
        subject = subject_of(backbones, self.place / "prior")
        if not backbones.in_parts.learns:
            for row in [row for row in rows if SPECS[row].learns]:
                self._skip(row, "this family learns no words for objects", budget)
        for row in [row for row in rows if row not in self.skipped]:
            first = row.replace("_next", "_first")
            if first != row and not self.rows[first]["complete"]:
                self._skip(row, "the first edit did not come to its end", budget)
                continue
            self._keep(row, self._run(row, subject, budget))

    def _measure_low(self, budget: Budget) -> None:
        backbones = load_backbones(str(self.place), device=self.device, vram="low", patches=str(self.place / "dino"))
        subject = subject_of(backbones, self.place / "prior")
        self._keep("words_low", self._run("words_low", subject, budget))
        del subject, backbones
        self._clean()

    def _run(self, row: str, subject: Subject, budget: Budget) -> Row:
        """Measure a row; one that is stopped would have made as many evaluations as with tiny networks."""
        warms = self.warms and SPECS[row].warms
        planned = (lambda: None) if self.tiny else partial(counted_on_tiny, self.name, row)
        return measure_run(row, subject, budget.share(row), planned, warms=warms)

    def _skip(self, row: str, why: str, budget: Budget) -> None:
        self.skipped[row] = why
        budget.drop(row)

    def _clean(self) -> None:
        gc.collect()
        if self.device.startswith("cuda"):
            torch.cuda.empty_cache()


def counted_on_tiny(name: str, row: str) -> tuple[int, int]:
    """Evaluations, forward and backward, of a run with tiny networks of the same family, on the CPU."""
    with tempfile.TemporaryDirectory() as folder, quiet_loading():
        place = save_checkpoint(name, Path(folder) / name, tiny=True)
        subject = subject_of(load_backbones(str(place), device="cpu"), place / "prior")
        for each in dict.fromkeys((row.replace("_next", "_first"), row)):
            run = SPECS[each].run
            assert run is not None
            cost = run(subject, picture_of(each), short=False, on_progress=lambda _progress: None)
    return cost.evaluations, cost.backward


def rows_of(columns: str) -> list[str]:
    """The rows of columns, parted by commas, in the order in which they are run."""
    asked = [row for column in columns.split(",") for row in COLUMNS[column]]
    return [row for row in SPECS if row in asked]


def one_of_each(known: Sequence[str]) -> Callable[[str], str]:
    """A reader of lists parted by commas, for the command line."""

    def read(text: str) -> str:
        unknown = [name for name in text.split(",") if name not in known]
        if unknown:
            raise argparse.ArgumentTypeError(f"{unknown[0]!r} is none of {', '.join(known)}")
        return text

    return read


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tiny", action="store_true", help="networks of few channels: to try the benchmark itself")
    parser.add_argument("--family", type=one_of_each(list(KINDS)), default="sd15,sdxl", help=f"of {', '.join(KINDS)}")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps")
    parser.add_argument("--columns", type=one_of_each(list(COLUMNS)), default=",".join(BY_DEFAULT))
    parser.add_argument("--limit-s", type=float, help=f"seconds for all ({LIMIT:.0f}; tiny {TINY_LIMIT:.0f})")
    parser.add_argument("--folder", type=Path, help="for the checkpoints, up to 16 GB, which are deleted again")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    options = parser.parse_args()
    device, families, wanted = choose_device(options.device), options.family.split(","), rows_of(options.columns)
    limit = options.limit_s or (TINY_LIMIT if options.tiny else LIMIT)
    budget = Budget(limit, wanted * len(families))
    report: Row = {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "device": {"kind": device, "name": device_name(device), "threads": torch.get_num_threads()},
        "versions": {name: importlib.metadata.version(name) for name in ("intarsia", "torch", "diffusers")},
        "tiny": options.tiny,
        "limit_s": limit,
        "families": {},
    }

    def keep(family: Row) -> None:
        """Write what is there, so that a run that is killed has measured something."""
        report["families"][family["family"]] = family
        if options.json:
            options.json.parent.mkdir(parents=True, exist_ok=True)
            options.json.write_text(json.dumps(report, indent=1) + "\n")

    for family in families:
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            runs = FamilyRun(family, tiny=options.tiny, device=device, folder=Path(folder), on_row=keep)
            keep(runs.measure(wanted, budget))
    print_report(report)


if __name__ == "__main__":
    main()
