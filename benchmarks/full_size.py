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
made to those of the whole, which the report says.
"""

from __future__ import annotations

import argparse
import datetime
import gc
import importlib.metadata
import json
import platform
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from rich.table import Table

from benchmarks.full_size_runs import (
    BY_DEFAULT,
    COLUMNS,
    SPECS,
    Spec,
    Subject,
    draw_picture,
    plain_call,
    subject_of,
)
from benchmarks.part_clock import PARTS, REST, PartClock, flops_of, matmul_peak, peak_mb, reset_peak
from benchmarks.random_checkpoints import KINDS, save_checkpoint
from benchmarks.tables import print_whole
from intarsia.backbones import load_backbones
from intarsia.backbones.placement import choose_device, choose_dtype, quiet_loading
from intarsia.errors import Cancelled
from intarsia.progress import OnProgress, Progress

LIMIT, TINY_LIMIT = 540.0, 150.0
WARMING = 0.2
"""Share of a run's time that warming up may take."""

TINY_MATMUL = 1024
"""Side of the largest matrices that are multiplied by a tiny run."""

GOALS = {
    "words_speedup": ("released / words", ">= 25"),
    "words_all_speedup": ("released / words, no region good", ">= 10"),
    "first_layout_speedup": ("layout paper / layout, first edit", ">= 10"),
    "next_layout_speedup": ("layout paper / layout, next edit", ">= 5"),
    "cost_over_plain": ("words / plain call, an evaluation", "<= 1.3 (XL)"),
    "denoiser_share": ("denoiser's share of the matmul peak, at the largest batch", ">= 0.5"),
    "low_memory_mb": ("peak of words with low memory, MB", "< 8192"),
}
"""Figures that matter: what they are, and what they should be at real size on an accelerator."""

Row = dict[str, Any]


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
        self.left.remove(row)
        return max(self.until - time.monotonic(), 0.0) * SPECS[row].weight / whole


def stopping(seconds: float) -> OnProgress:
    """A callback that stops the work after so many seconds."""
    until = time.monotonic() + seconds

    def on_progress(_progress: Progress) -> None:
        if time.monotonic() > until:
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
    scale = None if whole is None or forward == 0 else sum(whole) / (forward + backward)
    return {
        "complete": complete,
        "seconds": None if scale is None else scale * clock.total,
        "evaluations": None if whole is None else whole[0],
        "backward": None if whole is None else whole[1],
        "measured_seconds": clock.total,
        "measured_evaluations": forward,
        "measured_backward": backward,
        "counted_evaluations": clock.evaluations,
        "largest_batch": clock.batch,
        "seconds_per_evaluation": clock.total / forward if forward else None,
        "parts": dict(clock.seconds),
        **peak,
    }


def measure_plain(folder: Path, device: str, dtype: torch.dtype, seconds: float) -> Row:
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
            warms=True,
        )


def measure_run(spec: Spec, subject: Subject, seconds: float, planned: Callable[[], tuple[int, int] | None]) -> Row:
    """An edit by this package."""
    assert spec.run is not None
    run, backbones = spec.run, subject.backbones
    inpainter: Any = backbones.inpainter
    clock, counter = PartClock(backbones.device), backbones.painter.counter
    return measured(
        lambda short, on_progress: run(subject, short, on_progress),
        clock=clock,
        running=clock.running(inpainter.pipeline, backbones),
        counts=lambda: (counter.evaluations, counter.backward),
        planned=planned,
        seconds=seconds,
        warms=spec.warms,
    )


class FamilyRun:
    """The runs of one family of checkpoints.

    Args:
        name: one of `KINDS`.
        tiny: whether its checkpoint is tiny.
        device: of torch.
        folder: for the checkpoint.
    """

    def __init__(self, name: str, *, tiny: bool, device: str, folder: Path) -> None:
        self.name, self.tiny, self.device = name, tiny, device
        self.dtype = choose_dtype("auto", device)
        self.place = folder / name
        self.rows: dict[str, Row] = {}
        self.skipped: dict[str, str] = {}
        self.report: Row = {"family": name, "dtype": str(self.dtype).removeprefix("torch.")}

    def measure(self, wanted: Sequence[str], budget: Budget) -> Row:
        """Run these rows, and report."""
        started = time.monotonic()
        with quiet_loading():
            save_checkpoint(self.name, self.place, tiny=self.tiny, dtype=self.dtype)
        self.report["seconds_making"] = time.monotonic() - started
        largest = TINY_MATMUL if self.tiny else 8192
        self.report["matmul_peak"] = matmul_peak(self.device, self.dtype, largest=largest)
        if "plain" in wanted:
            self.rows["plain"] = measure_plain(self.place, self.device, self.dtype, budget.share("plain"))
            self._clean()
        rows = [row for row in wanted if row not in ("plain", "words_low")]
        if rows:
            self._measure_ours(rows, budget)
            self._clean()
        if "words_low" in wanted:
            self._measure_low(budget)
        for row in self.rows.values():
            row["denoiser_share"] = share_of_peak(row, self.report)
        return {
            **self.report,
            "runs": self.rows,
            "skipped": self.skipped,
            "figures": figures_of(self.rows),
        }

    def _measure_ours(self, rows: Sequence[str], budget: Budget) -> None:
        started = time.monotonic()
        backbones = load_backbones(str(self.place), device=self.device, patches=str(self.place / "dino"))
        self.report["seconds_loading"] = time.monotonic() - started
        self.report["native_side"] = backbones.inpainter.native_side
        self.report["flops_per_evaluation"] = flops_of(backbones.in_parts.unet)
        subject = subject_of(backbones, self.place / "prior")
        for row in rows:
            spec, seconds = SPECS[row], budget.share(row)
            first = row.replace("_next", "_first")
            if spec.learns and not backbones.in_parts.learns:
                self.skipped[row] = "this family learns no words for objects"
            elif first != row and not self.rows.get(first, {"complete": False})["complete"]:
                self.skipped[row] = "the first edit did not come to its end"
            else:
                self.rows[row] = measure_run(spec, subject, seconds, self._planned(row))

    def _measure_low(self, budget: Budget) -> None:
        if self.device == "cpu":
            budget.share("words_low")
            self.skipped["words_low"] = "on a CPU the setting changes nothing"
            return
        backbones = load_backbones(str(self.place), device=self.device, vram="low", patches=str(self.place / "dino"))
        subject = subject_of(backbones, self.place / "prior")
        self.rows["words_low"] = measure_run(
            SPECS["words_low"], subject, budget.share("words_low"), self._planned("words_low")
        )
        del subject, backbones
        self._clean()

    def _planned(self, row: str) -> Callable[[], tuple[int, int] | None]:
        """How many evaluations a stopped run would have made: as many as with tiny networks."""
        return lambda: None if self.tiny else counted_on_tiny(self.name, row)

    def _clean(self) -> None:
        gc.collect()
        if self.device.startswith("cuda"):
            torch.cuda.empty_cache()


def counted_on_tiny(name: str, row: str) -> tuple[int, int]:
    """Evaluations, forward and backward, of a run with tiny networks of the same family, on the CPU."""
    spec = SPECS[row]
    assert spec.run is not None
    with tempfile.TemporaryDirectory() as folder, quiet_loading():
        place = save_checkpoint(name, Path(folder) / name, tiny=True)
        subject = subject_of(load_backbones(str(place), device="cpu"), place / "prior")
        if row.endswith("_next"):
            first = SPECS[row.replace("_next", "_first")].run
            assert first is not None
            first(subject, False, lambda _progress: None)
        cost = spec.run(subject, False, lambda _progress: None)
    return cost.evaluations, cost.backward


def share_of_peak(row: Row, report: Row) -> float | None:
    """FLOP/s of the denoiser over those of a matrix multiplication; None where gradients were taken or nothing ran."""
    seconds, flops = row["parts"]["denoiser"], report.get("flops_per_evaluation")
    if row["measured_backward"] or not seconds or flops is None:
        return None
    return float(flops * row["counted_evaluations"] / seconds / report["matmul_peak"])


def figures_of(rows: dict[str, Row]) -> dict[str, float | None]:
    """The figures of `GOALS`; None where a run that they need is missing."""

    def of(row: str, figure: str) -> float | None:
        return rows.get(row, {}).get(figure)

    def quotient(above: str, below: str, figure: str = "seconds") -> float | None:
        one, other = of(above, figure), of(below, figure)
        return one / other if one is not None and other else None

    shares = {row["largest_batch"]: row["denoiser_share"] for row in rows.values() if row["denoiser_share"] is not None}
    return {
        "words_speedup": quotient("released", "words"),
        "words_all_speedup": quotient("released", "words_all"),
        "first_layout_speedup": quotient("layout_paper_first", "compose_first"),
        "next_layout_speedup": quotient("layout_paper_next", "compose_next"),
        "cost_over_plain": quotient("words", "plain", "seconds_per_evaluation"),
        "denoiser_share": shares[max(shares)] if shares else None,
        "low_memory_mb": of("words_low", "peak_memory_mb"),
    }


def device_name(device: str) -> str:
    """The accelerator's name, or the processor's."""
    if device.startswith("cuda"):
        return torch.cuda.get_device_name(device)
    listing = Path("/proc/cpuinfo")
    lines = listing.read_text().splitlines() if listing.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def print_report(report: Row) -> None:
    """A table of runs and one of figures, for each family."""
    for family in report["families"].values():
        size = "tiny" if report["tiny"] else "real size"
        peak = family["matmul_peak"] / 1e9
        table = Table(
            title=f"{family['family']}, {size}, {family['dtype']}, {report['device']['name']}, "
            f"matrices {peak:,.0f} GFLOP/s"
        )
        for column in ("", "seconds", "evaluations", "ms an evaluation", "batch", "of peak", "memory, MB"):
            table.add_column(column, justify="left" if not column else "right", no_wrap=True)
        for part in (*PARTS, REST):
            table.add_column(part, justify="right", no_wrap=True)
        notes = []
        for name, row in family["runs"].items():
            table.add_row(SPECS[name].title, *cells_of(row))
            if not row["complete"]:
                whole = "an unknown number" if row["evaluations"] is None else f"{row['evaluations']}"
                notes.append(
                    f"{SPECS[name].title}: extrapolated from {row['measured_evaluations']} of {whole} evaluations"
                )
        print_whole(table)
        print("\n".join([*notes, *(f"{SPECS[n].title}: left out, {why}" for n, why in family["skipped"].items())]))
        table = Table(title=f"{family['family']}: figures that matter")
        for column in ("", "measured", "goal at real size on a GPU"):
            table.add_column(column, justify="right" if column == "measured" else "left")
        for figure, value in family["figures"].items():
            title, goal = GOALS[figure]
            table.add_row(title, "-" if value is None else f"{value:,.2f}", goal)
        print_whole(table)


def cells_of(row: Row) -> list[str]:
    """A run's figures as they are printed; parts as shares of its time."""

    def shown(value: float | None, form: str) -> str:
        return "-" if value is None else format(value, form)

    cost = row["seconds_per_evaluation"]
    return [
        ("" if row["complete"] else "~") + shown(row["seconds"], ",.2f"),
        shown(row["evaluations"], ",d"),
        shown(None if cost is None else 1000 * cost, ",.1f"),
        str(row["largest_batch"]),
        shown(row["denoiser_share"], ".0%"),
        shown(row["peak_memory_mb"], ",.0f"),
        *(shown(row["parts"][part] / row["measured_seconds"], ".0%") for part in (*PARTS, REST)),
    ]


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
    parser.add_argument("--folder", type=Path, help="for the checkpoints, up to 15 GB, which are deleted again")
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
    for family in families:
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            runs = FamilyRun(family, tiny=options.tiny, device=device, folder=Path(folder))
            report["families"][family] = runs.measure(wanted, budget)
    print_report(report)
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
