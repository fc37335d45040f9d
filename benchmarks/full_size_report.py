"""What the full-size benchmark reports: the figures that matter, and tables of all."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any

import torch
from rich.table import Table

from benchmarks.full_size_runs import SPECS
from benchmarks.part_clock import PARTS, REST
from benchmarks.tables import print_whole

Row = dict[str, Any]

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
