"""Measure edit by words on ten kinds of edits of the pocket world, and on small objects of larger pictures.

    python -m benchmarks.words --kinds all --seed 9 --count 100 --sizes 64,256,512 --columns default,segment --json out.json

Kinds:
    replace       one object becomes another
    enlarge       a small object becomes a big one, in the centre or where it is
    add           an object more, without source words
    add_beside    an object more, next to a named one or on the asked side of it
    keep_and_add  "a cat" becomes "a cat and a house"
    attribute     an object of another hue
    two           two objects become two others
    vague         the source words say little: "thing", "animal", or a plural
    synonym       the source word is one that the segmenter does not know
    background    another background

Columns: the presets (default, exhaustive, released, released-exact, paper), and
    segment   the mask that the source words find, same inpainter; without source words it repaints nothing
    whole     the whole picture repainted, no region
    oracle    the region and the words that somebody who knows the goal would give, an edit an object

Success is the truth of the kind alone, judged by an independent segmenter; `preserved` says whether all other objects are
still there. The oracle runs first, also when it is not among the columns: a case on which it fails is one that the
painter cannot do, is left out of all figures and counted, and another is drawn, up to three times the count.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from PIL import Image
from rich.console import Console
from rich.progress import Progress as Bar
from rich.table import Table

from benchmarks.tables import print_whole
from benchmarks.words_cases import KINDS, OWN_SIDE, Case, Mask, draw_case
from benchmarks.words_truth import Pixels, judged
from intarsia.backbones import load_backbones
from intarsia.backbones.protocols import Backbones
from intarsia.evaluate.judge import Judge, load_judge
from intarsia.imaging.geometry import Box, working_size
from intarsia.imaging.masks import dilate
from intarsia.imaging.read import photo_from_image
from intarsia.imaging.tensors import to_tensor
from intarsia.records.choices import Preset
from intarsia.records.edit import EditRecord
from intarsia.regions.edit import edit

SIZES = (OWN_SIDE, 256, 512)
DRAWN = 3  # cases that are drawn at most, in usable ones that are asked for
PUBLISHED = ("paper", "released", "released-exact")
PRESETS: tuple[str, ...] = get_args(Preset)
Z = 1.959964  # of a normal distribution, 95 % within


@dataclass(frozen=True, kw_only=True)
class Edited:
    """What a column made of a case.

    Attributes:
        pixels: (side, side, 3) uint8.
        outside_exact: every pixel outside the blend is the input's.
    """

    pixels: Pixels
    outside_exact: bool
    evaluations: int
    seconds: float


Column = Callable[[Case, Backbones], Edited]


def edited(
    case: Case, backbones: Backbones, *, image: Image.Image | None = None, mask: Mask | None = None, **settings: Any
) -> Edited:
    """The case's edit, of another picture if one is given, and with some settings of the record other than its own."""
    image = image or case.scene.image
    words = {"photo": "scene.png", "source": case.source, "prompt": case.prompt, "models": "pocket", "seed": case.noise}
    schedule = {} if case.schedule is None else {"steps": case.schedule}
    record = EditRecord(**{**words, **schedule, **settings})
    result = edit(photo_from_image(image), record, backbones, mask=mask)
    before, after, untouched = np.asarray(image), result.photo.pixels, result.blend == 0
    return Edited(
        pixels=after,
        outside_exact=bool((before[untouched] == after[untouched]).all()),
        evaluations=result.cost.evaluations,
        seconds=result.cost.seconds,
    )


def preset(name: str) -> Column:
    return lambda case, backbones: edited(case, backbones, preset=name)


def oracle(case: Case, backbones: Backbones) -> Edited:
    image, parts = case.scene.image, []
    for region, words in case.steps:
        where: dict[str, Any] = {"box": region.as_tuple()} if isinstance(region, Box) else {"mask": region}
        parts.append(edited(case, backbones, image=image, prompt=words, **where))
        image = Image.fromarray(parts[-1].pixels)
    return Edited(
        pixels=parts[-1].pixels,
        outside_exact=all(p.outside_exact for p in parts),
        evaluations=sum(p.evaluations for p in parts),
        seconds=sum(p.seconds for p in parts),
    )


def whole(case: Case, backbones: Backbones) -> Edited:
    return edited(case, backbones, box=(0.0, 0.0, float(case.side), float(case.side)))


def segment(case: Case, backbones: Backbones) -> Edited:
    mask = source_mask(case, backbones) if case.source else None
    if mask is None or not mask.any():  # nothing is named, or found: nothing is repainted, an honest failure
        return Edited(pixels=np.asarray(case.scene.image), outside_exact=True, evaluations=0, seconds=0.0)
    return edited(case, backbones, mask=mask)


def source_mask(case: Case, backbones: Backbones) -> Mask:
    """(side, side): where the segmenter sees the source words, and a little around."""
    photo, inpainter = photo_from_image(case.scene.image), backbones.inpainter
    size = working_size(photo.size, inpainter.native_side, inpainter.stride)
    with torch.no_grad():
        heat = backbones.segmenter.predict_masks(to_tensor(photo, size).to(backbones.device), [case.source])[0]
    levels = Image.fromarray(heat.float().cpu().numpy()).resize((case.side, case.side), Image.Resampling.BILINEAR)
    return dilate(np.asarray(levels) >= 0.5, round(2 * case.side / inpainter.native_side))


COLUMNS: dict[str, Column] = {
    **{name: preset(name) for name in PRESETS},
    "segment": segment,
    "whole": whole,
    "oracle": oracle,
}


def interval(successes: int, count: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share, within [0, 1]."""
    share, spread = successes / count, Z * Z / count
    middle = (share + spread / 2) / (1 + spread)
    half = Z / (1 + spread) * math.sqrt(share * (1 - share) / count + spread / count / 4)
    return max(0.0, middle - half), min(1.0, middle + half)


Row = dict[str, Any]


def measured(case: Case, names: list[str], backbones: Backbones, judge: Judge, folder: Path | None = None) -> Row:
    """One case in all columns; of a case that the oracle fails, the oracle's alone."""
    row: Row = {"kind": case.kind, "number": case.number, "size": case.side, "columns": {}}
    for name in ("oracle", *(n for n in names if n != "oracle")):
        done = COLUMNS[name](case, backbones)
        success, preserved = judged(case, done.pixels, judge)
        row["columns"][name] = {
            "success": success,
            "preserved": preserved,
            "outside_exact": done.outside_exact,
            "evaluations": done.evaluations,
            "seconds": round(done.seconds, 3),
        }
        if folder is not None:
            both = "" if success and preserved else "-failed"
            file = f"{case.kind}-{case.side}-{case.number}-{name}{both}.png"
            Image.fromarray(np.hstack([np.asarray(case.scene.image), done.pixels])).save(folder / file)
        row["usable"] = all(row["columns"]["oracle"][part] for part in ("success", "preserved"))
        if not row["usable"]:
            break
    return row


def figures(outcomes: list[Row]) -> Row:
    """Of one column on usable cases."""
    count = len(outcomes)

    def mean(part: str) -> float:
        return round(float(np.mean([o[part] for o in outcomes])), 4)

    low, high = interval(sum(o["success"] for o in outcomes), count)
    return {
        "success": mean("success"),
        "preserved": mean("preserved"),
        "both": round(float(np.mean([o["success"] and o["preserved"] for o in outcomes])), 4),
        "outside_exact": all(o["outside_exact"] for o in outcomes),
        "evaluations": mean("evaluations"),
        "evaluations_95": float(np.percentile([o["evaluations"] for o in outcomes], 95)),
        "seconds": mean("seconds"),
        "low": round(low, 4),
        "high": round(high, 4),
    }


def kinds_of(rows: list[Row], names: list[str]) -> Row:
    """The figures of every kind and column."""
    found: Row = {}
    for kind in KINDS:
        drawn = [r for r in rows if r["kind"] == kind]
        usable = [r for r in drawn if r["usable"]]
        if drawn:
            columns = {n: figures([r["columns"][n] for r in usable]) for n in names} if usable else {}
            found[kind] = {"columns": columns, "oracle_failed": len(drawn) - len(usable), "drawn": len(drawn)}
    return found


def report_of(seed: int, count: int, names: list[str], rows: list[Row]) -> Row:
    """What is written: figures over all sizes, of each size, and every case."""
    sizes = sorted({r["size"] for r in rows})
    return {
        "seed": seed,
        "count": count,
        "columns": names,
        "kinds": kinds_of(rows, names),
        "sizes": {str(s): {"kinds": kinds_of([r for r in rows if r["size"] == s], names)} for s in sizes},
        "cases": rows,
    }


def merged(reports: list[Row]) -> Row:
    """The parts of one run as one report.

    Raises:
        ValueError: they are of other seeds, counts or columns, or share a case.
    """
    first = reports[0]
    if any(r[part] != first[part] for r in reports for part in ("seed", "count", "columns")):
        raise ValueError("The reports to merge must have the same seed, count and columns.")
    rows = [row for r in reports for row in r["cases"]]
    if len({(r["kind"], r["size"], r["number"]) for r in rows}) < len(rows):
        raise ValueError("The reports to merge share a case: merge only the parts of one run.")
    rows.sort(key=lambda r: (r["number"], r["size"], list(KINDS).index(r["kind"])))
    return report_of(first["seed"], first["count"], first["columns"], rows)


def print_tables(report: Row) -> None:
    """A table a size, and one of all sizes where there are several."""
    parts = [(f"{size} x {size} pixels", part["kinds"]) for size, part in report["sizes"].items()]
    if len(parts) > 1:
        parts.append(("all sizes", report["kinds"]))
    for title, kinds in parts:
        table = Table(title=f"edit by words, seed {report['seed']}, {title}")
        headings = ("success", "95 %", "preserved", "both", "outside exact", "evaluations", "95th", "seconds")
        for heading in ("kind", "usable / drawn", "column", *headings):
            table.add_column(heading, justify="left" if heading in ("kind", "column") else "right")
        for kind, found in kinds.items():
            cases = f"{found['drawn'] - found['oracle_failed']} / {found['drawn']}"
            for name, row in found["columns"].items() or [("none usable", None)]:
                cells = () if row is None else cells_of(row)
                table.add_row(kind, cases, name, *cells)
                kind = cases = ""
            table.add_section()
        print_whole(table)


def cells_of(row: Row) -> tuple[str, ...]:
    return (
        f"{row['success']:.1%}",
        f"{row['low']:.0%} to {row['high']:.0%}",
        f"{row['preserved']:.1%}",
        f"{row['both']:.1%}",
        "yes" if row["outside_exact"] else "NO",
        f"{row['evaluations']:.0f}",
        f"{row['evaluations_95']:.0f}",
        f"{row['seconds']:.2f}",
    )


def rounds(
    kinds: list[str], sizes: list[int], count: int, part: tuple[int, int]
) -> Iterator[list[tuple[str, int, int]]]:
    """(kind, size, number) of the cases to draw, a round a list: one of every kind and size, so that any beginning is fair."""
    for number in range(part[0] - 1, DRAWN * count, part[1]):
        yield [(kind, size, number) for size in sizes for kind in kinds]


def run(options: argparse.Namespace) -> Row:
    backbones, judge = load_backbones("pocket", device=options.device, dtype=options.dtype), load_judge()
    part, parts = options.part
    wanted = len(range(part - 1, options.count, parts))  # the parts' wanted ones add up to the count
    usable = {(kind, size): 0 for kind in options.kinds for size in options.sizes}
    rows: list[Row] = []
    report = report_of(options.seed, options.count, options.columns, rows)
    with Bar(console=Console(stderr=True)) as bar:
        task = bar.add_task("usable cases", total=wanted * len(usable))
        for cases in rounds(options.kinds, options.sizes, options.count, options.part):
            for kind, size, number in cases:
                if usable[kind, size] >= wanted:
                    continue
                case = dataclasses.replace(draw_case(options.seed, kind, number, size), schedule=options.steps)
                row = measured(case, options.columns, backbones, judge, options.save)
                rows.append(row)
                usable[kind, size] += row["usable"]
                bar.advance(task, row["usable"])
                # After every case: a run of hours that is stopped leaves what it has measured.
                report = report_of(options.seed, options.count, options.columns, rows)
                if options.json:
                    options.json.write_text(json.dumps(report, indent=1) + "\n")
            if all(done >= wanted for done in usable.values()):
                break
    return report


def names_in(words: str, known: tuple[str, ...]) -> list[str]:
    names = list(known) if words == "all" else words.split(",")
    unknown = [n for n in names if n not in known]
    if unknown:
        raise argparse.ArgumentTypeError(f"there is no {unknown[0]!r}; choose from {', '.join(known)}, or all")
    return names


def columns_in(words: str) -> list[str]:
    missing = [n for n in words.split(",") if n in PUBLISHED and n not in PRESETS]
    if missing:
        raise argparse.ArgumentTypeError(f"this version has no preset {missing[0]!r}: leave that column out")
    return names_in(words, tuple(COLUMNS))


def sizes_in(words: str) -> list[int]:
    sizes = [int(word) for word in words.split(",")]
    if min(sizes) < OWN_SIDE or any(s % 16 for s in sizes):
        raise argparse.ArgumentTypeError(f"the sizes must be multiples of 16, {OWN_SIDE} or more")
    return sizes


def part_in(words: str) -> tuple[int, int]:
    part, parts = (int(word) for word in words.split("/"))
    if not 1 <= part <= parts:
        raise argparse.ArgumentTypeError("give a part as 1/2, and 2/2 to another process")
    return part, parts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kinds", type=lambda w: names_in(w, tuple(KINDS)), default="all", help="default: all")
    parser.add_argument("--seed", type=int, help="any whole number; use one that nothing was tuned on")
    parser.add_argument("--count", type=int, default=100, help="usable cases of every kind at every size")
    parser.add_argument("--sizes", type=sizes_in, default=[*SIZES], help="sides of the pictures; default: 64,256,512")
    parser.add_argument("--columns", type=columns_in, default="default,segment,oracle", help="or all")
    parser.add_argument("--json", type=Path, help="write the figures to this file, after every case")
    parser.add_argument("--save", type=Path, help="save every picture, before and after, in this folder")
    parser.add_argument("--steps", type=int, help="denoising steps in all columns; by default those of each preset")
    parser.add_argument("--part", type=part_in, default=(1, 1), help="1/2 and 2/2 in two processes share the work")
    parser.add_argument("--merge", type=Path, nargs="+", help="join the files of the parts, instead of measuring")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--dtype", default="auto", help="precision of the painting networks, for all columns")
    options = parser.parse_args()
    if options.merge:
        try:
            report = merged([json.loads(file.read_text()) for file in options.merge])
        except ValueError as error:
            parser.error(str(error))
        if options.json:
            options.json.write_text(json.dumps(report, indent=1) + "\n")
    elif options.seed is None:
        parser.error("give a seed: any whole number")
    else:
        if options.save:
            options.save.mkdir(parents=True, exist_ok=True)
        report = run(options)
    print_tables(report)


if __name__ == "__main__":
    main()
