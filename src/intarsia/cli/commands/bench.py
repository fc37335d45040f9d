"""intarsia bench: measure edits on public sets from a local folder."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from intarsia.cli.load_models import loader
from intarsia.cli.options import CommandResult, OutputOptions, counted
from intarsia.cli.progress import progress_bar
from intarsia.errors import UsageError
from intarsia.records.choices import Preset
from intarsia.tasks.options import Machine

REPORT = "bench.json"

COLUMNS: tuple[tuple[str, str, float, int], ...] = (
    ("structure_distance", "structure x1000", 1000, 2),
    ("psnr", "PSNR outside", 1, 2),
    ("ssim", "SSIM outside x100", 100, 2),
    ("lpips", "LPIPS outside x1000", 1000, 2),
    ("mse", "MSE outside x10^4", 10_000, 2),
    ("changed_outside", "changed outside %", 100, 2),
    ("clip_whole", "CLIP whole", 1, 2),
    ("clip_edited", "CLIP edited", 1, 2),
    ("clip_image", "CLIP picture", 1, 2),
    ("psnr_reference", "PSNR to reference", 1, 2),
    ("psnr_object", "PSNR object", 1, 2),
    ("psnr_vacated", "PSNR vacated", 1, 2),
    ("outside_exact", "exact %", 100, 0),
    ("evaluations", "evaluations", 1, 0),
    ("seconds", "seconds", 1, 1),
)
"""Of a table: the figure, its heading, what it is multiplied by, and its decimals."""


@dataclass(frozen=True, kw_only=True)
class Bench:
    """Measure edits on public sets that you have in a folder: PIE-Bench, PIE-Bench++, DLEBench, ReS, COCOEE. What was measured is kept, and the same command goes on."""

    pie: Path | None = None
    """Folder of PIE-Bench (with mapping_file.json) or of PIE-Bench++ (Parquet files)."""
    dle: Path | None = None
    """Folder of DLEBench (with data.jsonl)."""
    res: Path | None = None
    """Folder of ReS, of COCOEE, or of both, as in PixelMan's repository."""
    models: str = "auto"
    """Checkpoints, as for intarsia edit."""
    preset: Preset = "default"
    """How every item is edited, as for intarsia edit; moves have default and paper."""
    seed: int = 0
    """Seed of the noise, the same for every item."""
    limit: int | None = None
    """How many items of each set, from its first on; by default all."""
    use_masks: bool = False
    """Repaint in the set's own masks, instead of searching."""
    out: Path = Path("bench-out")
    """Folder to write to."""
    json: Path | None = None
    """File of the figures; by default bench.json in --out."""
    save: Path | None = None
    """Also write every edited picture to this folder."""
    quiet: bool = False
    """No progress bar and no notes; errors are still printed."""
    debug: bool = False
    """Show the traceback of an error."""
    machine: tyro.conf.OmitArgPrefixes[Machine] = Machine()

    @property
    def output(self) -> OutputOptions:
        """Of every command; here --json names a file, as in the other benchmarks."""
        return OutputOptions(quiet=self.quiet, debug=self.debug)


def bench_command(command: Bench) -> CommandResult:
    if command.pie is None and command.dle is None and command.res is None:
        raise UsageError("No set was named: pass its folder with --pie, --dle or --res.")
    if command.limit is not None and command.limit < 1:
        raise UsageError(f"--limit is {command.limit}, but must be at least 1.")
    if not 0 <= command.seed < 2**63 - 100:
        raise UsageError(f"--seed is {command.seed}, but must be a whole number from 0 to 2^63 - 101.")
    from intarsia.backbones.resolve import resolve
    from intarsia.evaluate.public_sets.measure import BenchSettings, check_layout_preset
    from intarsia.evaluate.public_sets.report import Report
    from intarsia.evaluate.public_sets.run import SetFolders, read_sets, run_sets
    from intarsia.results.staging import check_folder

    if command.res is not None:
        check_layout_preset(command.preset)
    sets = read_sets(SetFolders(pie=command.pie, dle=command.dle, res=command.res), command.limit)
    settings = BenchSettings(seed=command.seed, preset=command.preset, given_masks=command.use_masks)
    file = command.json or command.out / REPORT
    check_folder(file.parent)
    report = Report(file, settings, resolve(command.models).name)
    if command.save is not None:
        check_folder(command.save)
    if any(not report.has(part.key, item.name) for part in sets for item in part.items):
        backbones = loader(command.machine)(command.models)
        with progress_bar(command.output) as on_progress:
            run_sets(sets, settings, backbones, report, save=command.save, on_progress=on_progress)
    lines = [line for part in sets for line in set_lines(report.facts["sets"][part.key])]
    return report.facts, [*lines, *(f"note: {note}" for note in report.facts["notes"]), str(file)]


def set_lines(facts: Mapping[str, Any]) -> list[str]:
    """A set's heading, and a table of its means: a row for each kind of edit, the last for all."""
    summary = facts["summary"]
    failed = f", {summary['failed']} failed" if summary["failed"] else ""
    heading = f"{facts['title']}  {counted(summary['items'], 'item')}{failed}  (licence: {facts['licence']})"
    if not summary["items"]:
        return [heading]
    shown = [column for column in COLUMNS if column[0] in summary]
    rows = [["", "items", *(title for _, title, _, _ in shown)]]
    rows += [row_of(kind, means, shown) for kind, means in (*facts["kinds"].items(), ("all", summary))]
    return [heading, *aligned(rows)]


def row_of(name: str, means: Mapping[str, Any], columns: Iterable[tuple[str, str, float, int]]) -> list[str]:
    figures = [f"{means[key] * factor:.{decimals}f}" if key in means else "" for key, _, factor, decimals in columns]
    return [name, str(means["items"]), *figures]


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """The cells of each row below each other: names to the left, figures to the right."""
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    return [
        "  " + "  ".join((str.rjust if place else str.ljust)(cell, widths[place]) for place, cell in enumerate(row))
        for row in rows
    ]
