"""Measure what the score of a finished edit by words is worth: how often edits of a score succeed.

    python -m benchmarks.words_reliability --seed 9 --count 4 --sizes 64,256 --json out.json

Cases are those of `benchmarks.words`, of the kinds that are edited in one region. The search is told that nothing is
good enough, so that it finishes regions of several families, and each finished picture is judged: it succeeds where
what was asked for is there and all else is kept, since the score counts both. Bins are of the score,
a chance of success; the threshold at which the search stops is `--search.enough`.
"""

from __future__ import annotations

import argparse
import itertools
import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress as Bar
from rich.table import Table

from benchmarks.tables import print_whole
from benchmarks.words import interval, sizes_in
from benchmarks.words_cases import draw_case
from benchmarks.words_truth import judged
from intarsia.backbones import load_backbones
from intarsia.backbones.protocols import Backbones
from intarsia.evaluate.judge import Judge, load_judge
from intarsia.imaging.read import photo_from_image
from intarsia.records.edit import EditRecord, SearchSettings
from intarsia.regions.edit import edit

KINDS = ("replace", "enlarge", "add", "add_beside", "keep_and_add", "attribute", "synonym", "background")
BINS = (0.0, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 1.0)

Scored = tuple[float, bool]


def scored(kind: str, seed: int, number: int, size: int, backbones: Backbones, judge: Judge) -> list[Scored]:
    """Score of each picture that is finished for a case, and whether it shows what was asked for and keeps the rest."""
    case = draw_case(seed, kind, number, size)
    record = EditRecord(
        photo="scene.png",
        source=case.source,
        prompt=case.prompt,
        models="pocket",
        seed=case.noise,
        search=SearchSettings(enough=1.0),
    )
    result = edit(photo_from_image(case.scene.image), record, backbones)
    return [
        (c.scores.total, all(judged(case, c.photo.pixels, judge))) for c in result.candidates if c.photo is not None
    ]


def binned(pictures: list[Scored]) -> list[dict[str, Any]]:
    """How many pictures have a score of each bin, how many of them succeeded, and the 95 % interval."""
    rows = []
    for low, high in itertools.pairwise(BINS):
        truths = [good for score, good in pictures if low <= score < high or score == high == BINS[-1]]
        least, most = interval(sum(truths), len(truths)) if truths else (0.0, 1.0)
        row = {"from": low, "to": high, "pictures": len(truths), "succeeded": sum(truths)}
        rows.append(row | {"low": round(least, 3), "high": round(most, 3)})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, required=True, help="any whole number; use one that nothing was tuned on")
    parser.add_argument("--count", type=int, default=4, help="cases of each kind and size")
    parser.add_argument("--sizes", type=sizes_in, default=[64, 256], help="sides of the pictures; default: 64,256")
    parser.add_argument("--json", type=Path, help="write the figures to this file, after each case")
    options = parser.parse_args()
    backbones, judge = load_backbones("pocket"), load_judge()
    cases = [(kind, number, size) for number in range(options.count) for size in options.sizes for kind in KINDS]
    pictures: list[Scored] = []
    with Bar(console=Console(stderr=True)) as bar:
        for kind, number, size in bar.track(cases, description="cases"):
            pictures += scored(kind, options.seed, number, size, backbones, judge)
            if options.json:
                report = {"seed": options.seed, "count": options.count, "bins": binned(pictures)}
                options.json.write_text(json.dumps(report, indent=1) + "\n")
    table = Table(title=f"score and success of {len(pictures)} finished pictures, seed {options.seed}")
    for heading in ("score", "pictures", "succeeded", "95 % interval"):
        table.add_column(heading, justify="left" if heading == "score" else "right")
    for row in binned(pictures):
        share = f"{row['succeeded'] / row['pictures']:.0%}" if row["pictures"] else ""
        within = f"{row['low']:.0%} to {row['high']:.0%}" if row["pictures"] else ""
        table.add_row(f"{row['from']:g} to {row['to']:g}", str(row["pictures"]), share, within)
    print_whole(table)


if __name__ == "__main__":
    main()
