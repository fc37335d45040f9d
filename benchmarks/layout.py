"""Measure edit by layout: objects of a scene are moved, scaled and removed, three times, on scenes nobody tuned to.

    python -m benchmarks.layout --seed 9 --count 30 --columns compose,paste_inpaint --json out.json --sheet out.png
    python -m benchmarks.layout --seed 9 --count 10 --columns compose --targets rotation,scale,occlusion

Columns:
    compose        objects are moved as they are, and the picture is healed around them
    regenerate     objects are learned and painted anew at their places
    paper          the same as published, with prior pictures of the world's own
    paste_inpaint  what a maker does by hand: cut out, inpaint the hole, paste
    compose_named, paste_inpaint_named
                   the same, told what lies behind the objects, e.g. "grass"
    ideal          the world's own picture of the new layout: the best that the judges can say
    untouched      the source as it is: the worst

No other column is told anything but the objects' names. Every edit starts from the original picture.
Learning is counted apart from the edits.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw
from rich.console import Console
from rich.progress import Progress as Bar
from rich.table import Table

from benchmarks.layout_cases import (
    BORDER,
    EDITS,
    PRIOR,
    SIDE,
    Case,
    Target,
    draw_case,
)
from benchmarks.layout_targets import DRAWS, draw_hard_case
from benchmarks.tables import print_whole
from intarsia.backbones import load_backbones
from intarsia.backbones.protocols import Backbones
from intarsia.evaluate import layout as metrics
from intarsia.evaluate.baselines import paste_inpaint
from intarsia.evaluate.judge import Judge, load_judge
from intarsia.imaging.affine import warp_picture
from intarsia.imaging.masks import dilate
from intarsia.imaging.read import photo_from_image
from intarsia.imaging.tensors import to_tensor
from intarsia.layout.cache import MemoryCache
from intarsia.layout.concepts import Concepts
from intarsia.layout.edit import arrange
from intarsia.layout.train import learn
from intarsia.progress import Cost
from intarsia.records.arrange import ArrangeRecord
from intarsia.records.choices import LayoutPreset, Mode
from training import world

FREE = Cost(evaluations=0, seconds=0.0, peak_memory_mb=0)


@dataclass(frozen=True, kw_only=True)
class Edit:
    """One made picture and what it took; where `blend` is 0 it must equal the source."""

    pixels: np.ndarray
    blend: np.ndarray
    cost: Cost = FREE


@dataclass(frozen=True, kw_only=True)
class Run:
    """The edits of one scene, and what learning it took before them."""

    edits: tuple[Edit, ...]
    learning: Cost = FREE


Column = Callable[[Case, Backbones], Run]


def arranged(mode: Mode, preset: LayoutPreset = "default", *, named: bool = False) -> Column:
    """A column of ours: learning where the mode needs it, then the edits, with what they share kept between them."""

    def run(case: Case, backbones: Backbones) -> Run:
        background = case.background if named else ""
        record = ArrangeRecord(
            photo="scene.png", models="pocket", mode=mode, preset=preset, background=background, seed=case.seed
        )
        meter = backbones.in_parts.counter
        evaluations, backward, started = meter.evaluations, meter.backward, time.monotonic()
        concepts = learned(case, record, backbones) if mode == "regenerate" else None
        learning = Cost(
            evaluations=meter.evaluations - evaluations,
            backward=meter.backward - backward,
            seconds=time.monotonic() - started,
            peak_memory_mb=0,
        )
        edits, cache = [], MemoryCache()
        for target in case.targets:
            result = arrange(
                case.given or case.scene,
                target.given or target.layout,
                record,
                backbones,
                concepts=concepts,
                cache=cache,
            )
            edits.append(Edit(pixels=result.photo.pixels, blend=result.blend, cost=result.cost))
        return Run(edits=tuple(edits), learning=learning)

    return run


def learned(case: Case, record: ArrangeRecord, backbones: Backbones) -> Concepts:
    """The looks of a scene's objects; the published method also sees other pictures of their classes."""
    if record.preset != "paper":
        return learn(case.given or case.scene, record, backbones, seed=record.seed)
    rng = np.random.default_rng(case.seed)
    with tempfile.TemporaryDirectory() as folder:
        for name in case.scene.names:
            Path(folder, name).mkdir()
            for number in range(PRIOR):
                picture = world.render(rng, names=(name,), places=world.places_for(rng, 1)).image
                picture.save(Path(folder, name, f"{number}.png"))
        record = replace(record, learn=replace(record.learn, prior=folder))
        return learn(case.given or case.scene, record, backbones, seed=record.seed)


def by_hand(*, named: bool = False) -> Column:
    """The column of paste + inpaint."""

    def run(case: Case, backbones: Backbones) -> Run:
        edits, meter = [], backbones.inpainter.counter
        for target in case.targets:
            before, started = meter.evaluations, time.monotonic()
            prompt = case.background if named else ""
            made = paste_inpaint(
                case.given or case.scene, target.given or target.layout, backbones, seed=case.seed, prompt=prompt
            )
            cost = Cost(evaluations=meter.evaluations - before, seconds=time.monotonic() - started, peak_memory_mb=0)
            edits.append(Edit(pixels=made.photo.pixels, blend=made.blend, cost=cost))
        return Run(edits=tuple(edits))

    return run


def ideal(case: Case, backbones: Backbones) -> Run:
    return Run(edits=tuple(Edit(pixels=t.truth, blend=np.ones(t.truth.shape[:2])) for t in case.targets))


def untouched(case: Case, backbones: Backbones) -> Run:
    pixels = case.scene.photo.pixels
    return Run(edits=(Edit(pixels=pixels, blend=np.zeros(pixels.shape[:2])),) * len(case.targets))


COLUMNS: dict[str, Column] = {
    "compose": arranged("compose"),
    "regenerate": arranged("regenerate"),
    "paper": arranged("regenerate", "paper"),
    "paste_inpaint": by_hand(),
    "compose_named": arranged("compose", named=True),
    "paste_inpaint_named": by_hand(named=True),
    "ideal": ideal,
    "untouched": untouched,
}
BY_DEFAULT = ("compose", "regenerate", "paper", "paste_inpaint")


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one edit; lists have one entry for each object that counts, None is what does not apply.

    Attributes:
        miou, background_psnr, seam: see `intarsia.evaluate.layout`.
        identities: of all objects in the picture.
        identities_true: of all of them, against the true picture in the place of the source.
        identities_new: of those of which enough pixels are not the source's own, on these pixels alone.
        leftovers: share of what each moved object vacated on which it is still seen.
        invented: share of it on which another object is seen.
        vacated_psnr: of what was vacated, shadows included, against the true background.
        around_psnr: of the ring around moved objects at their new places, against the true picture.
        outside_exact: nothing changed where the method says so.
    """

    miou: float
    identities: list[float]
    identities_true: list[float]
    identities_new: list[float]
    background_psnr: float | None
    leftovers: list[float]
    invented: list[float]
    seam: float | None
    vacated_psnr: float | None
    around_psnr: float | None
    outside_exact: bool


def judge_edit(case: Case, target: Target, edit: Edit, judge: Judge, backbones: Backbones) -> Outcome:
    scene, layout, before = case.scene, target.layout, case.scene.photo.pixels
    labels = judge.segment(to_tensor(photo_from_image(edit.pixels), scene.photo.size))[0].numpy()
    label_of = {t.name: 1 + judge.names.index(t.words) for t in scene.objects}
    seen, untouched = layout.visible_masks(), edit.blend == 0
    identities: list[float] = []
    true: list[float] = []
    new: list[float] = []
    for placement in layout.placements:
        source = scene.masks[placement.name]
        colours, _ = warp_picture(before, placement.matrix, scene.photo.size, source)
        copy = metrics.copied(edit.pixels, np.floor(colours + 0.5).astype(np.uint8))
        for likes, left_out in ((identities, None), (new, copy)):
            like = metrics.identity(
                backbones.patches,
                before,
                edit.pixels,
                source=source,
                target=seen[placement.name],
                matrix=placement.matrix,
                left_out=left_out,
            )
            if like is not None:
                likes.append(like)
        shown = seen[placement.name]
        like = metrics.identity(backbones.patches, target.truth, edit.pixels, source=shown, target=shown)
        if like is not None:
            true.append(like)
    return Outcome(
        miou=metrics.layout_iou(labels, label_of, layout),
        identities=identities,
        identities_true=true,
        identities_new=new,
        background_psnr=metrics.psnr(before, edit.pixels, metrics.common_background(scene, layout, BORDER)),
        leftovers=list(metrics.leftover_shares(labels, label_of, scene, layout).values()),
        invented=list(metrics.invented_shares(labels, label_of, scene, layout).values()),
        seam=metrics.seam(edit.pixels, scene, layout, BORDER),
        vacated_psnr=metrics.psnr(target.truth, edit.pixels, metrics.bared(scene, layout, BORDER)),
        around_psnr=metrics.psnr(target.truth, edit.pixels, metrics.surroundings(layout, BORDER)),
        outside_exact=bool((before[untouched] == edit.pixels[untouched]).all()),
    )


Figure = float | int | bool | None


def summary(runs: Sequence[Run], outcomes: Sequence[Outcome]) -> dict[str, Figure]:
    """Means over what applies; None where nothing does."""

    def mean(values: Iterable[float | None]) -> float | None:
        known = [v for v in values if v is not None]
        return round(sum(known) / len(known), 4) if known else None

    identities_new = [v for o in outcomes for v in o.identities_new]
    leftovers = [v for o in outcomes for v in o.leftovers]
    first, following = [r.edits[0].cost for r in runs], [e.cost for r in runs for e in r.edits[1:]]
    return {
        "miou": mean(o.miou for o in outcomes),
        "identity": mean(v for o in outcomes for v in o.identities),
        "identity_true": mean(v for o in outcomes for v in o.identities_true),
        "identity_new": mean(identities_new),
        "identity_new_objects": len(identities_new),
        "background_psnr": mean(o.background_psnr for o in outcomes),
        "leftover": mean(share > metrics.LEFT for share in leftovers),
        "leftover_share": mean(leftovers),
        "invented": mean(share > metrics.LEFT for o in outcomes for share in o.invented),
        "seam": mean(o.seam for o in outcomes),
        "vacated_psnr": mean(o.vacated_psnr for o in outcomes),
        "around_psnr": mean(o.around_psnr for o in outcomes),
        "learn_evaluations": mean(r.learning.evaluations for r in runs),
        "learn_backward": mean(r.learning.backward for r in runs),
        "seconds_learn": mean(r.learning.seconds for r in runs),
        "first_evaluations": mean(c.evaluations for c in first),
        "next_evaluations": mean(c.evaluations for c in following),
        "edit_backward": mean(c.backward for c in (*first, *following)),
        "seconds_first": mean(c.seconds for c in first),
        "seconds_next": mean(c.seconds for c in following),
        "outside_exact": all(o.outside_exact for o in outcomes),
    }


FORMS = {
    "miou": ".3f",
    "identity": ".4f",
    "identity_true": ".4f",
    "identity_new": ".3f",
    "identity_new_objects": "d",
    "background_psnr": ".1f",
    "leftover": ".1%",
    "leftover_share": ".1%",
    "invented": ".1%",
    "seam": ".2f",
    "vacated_psnr": ".1f",
    "around_psnr": ".1f",
    "learn_evaluations": ".0f",
    "learn_backward": ".0f",
    "seconds_learn": ".1f",
    "first_evaluations": ".0f",
    "next_evaluations": ".0f",
    "edit_backward": ".0f",
    "seconds_first": ".2f",
    "seconds_next": ".2f",
}


def print_table(report: dict[str, Any]) -> None:
    """Figures down, columns across."""
    table = Table(title=f"edit by layout, {report['count']} scenes of seed {report['seed']}, {report['device']}")
    table.add_column("", no_wrap=True)
    for name in report["columns"]:
        table.add_column(name, justify="right", overflow="fold")
    rows = report["columns"].values()
    for figure, form in FORMS.items():
        table.add_row(figure, *("-" if row[figure] is None else format(row[figure], form) for row in rows))
    table.add_row("outside_exact", *("yes" if row["outside_exact"] else "NO" for row in rows))
    print_whole(table)


SHOWN = 6  # scenes on the sheet
ZOOM = 3
GAP = 6
LINES = ((230, 50, 40), (40, 110, 240), (250, 180, 0))  # of the objects' outlines


def outlined(picture: Image.Image, masks: Sequence[np.ndarray]) -> Image.Image:
    """A picture with the borders of masks drawn in."""
    pixels = np.array(picture)
    for mask, colour in zip(masks, LINES, strict=False):
        large = np.kron(mask, np.ones((ZOOM, ZOOM), dtype=np.bool_))
        pixels[dilate(large, 1) & ~large] = colour
    return Image.fromarray(pixels)


def draw_sheet(cases: Sequence[Case], edits: Mapping[str, Sequence[Sequence[np.ndarray]]]) -> Image.Image:
    """A contact sheet: for each scene the source and its layouts, and below them what each column made of them.

    Args:
        edits: for each column, the pictures of each case.
    """
    rows, columns, step, head = 1 + len(edits), 1 + EDITS, SIDE * ZOOM + GAP, 14
    block = (columns * step + 2 * GAP, rows * (step + head) + 2 * GAP)
    across = 2
    sheet = Image.new("RGB", (across * block[0], -(-len(cases) // across) * block[1]), "white")
    draw = ImageDraw.Draw(sheet)

    def put(pixels: np.ndarray, case: int, row: int, column: int, masks: Sequence[np.ndarray] = ()) -> None:
        picture = Image.fromarray(pixels).resize((SIDE * ZOOM, SIDE * ZOOM), Image.Resampling.LANCZOS)
        corner = (
            case % across * block[0] + GAP + column * step,
            case // across * block[1] + GAP + row * (step + head) + head,
        )
        sheet.paste(outlined(picture, masks), corner)

    for number, case in enumerate(cases):
        source, masks = case.scene.photo.pixels, case.scene.masks
        put(source, number, 0, 0)
        pale = (255 - (255 - source) * 0.3).astype(np.uint8)
        for k, target in enumerate(case.targets):
            seen = target.layout.visible_masks()
            put(pale, number, 0, 1 + k, [seen.get(name, np.zeros_like(masks[name])) for name in masks])
        for row, (name, pictures) in enumerate(edits.items(), 1):
            for k, pixels in enumerate(pictures[number]):
                put(pixels, number, row, 1 + k)
            left, top = number % across * block[0] + GAP, number // across * block[1] + GAP + row * (step + head)
            draw.text((left, top + head), name, fill="black")
    return sheet


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, required=True, help="any whole number; use one that nothing was tuned on")
    parser.add_argument("--count", type=int, default=30, help="how many scenes, of three edits each")
    parser.add_argument(
        "--columns", default=",".join(BY_DEFAULT), help=f"comma-separated; default: {','.join(BY_DEFAULT)}"
    )
    parser.add_argument(
        "--targets", help=f"comma-separated kinds of harder targets, instead of plain ones: {','.join(DRAWS)}"
    )
    parser.add_argument("--json", type=Path, help="write the figures to this file, after each column")
    parser.add_argument("--sheet", type=Path, help="write pictures of the first scenes to this PNG")
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    names = options.columns.split(",")
    unknown = [n for n in names if n not in COLUMNS]
    if unknown:
        parser.error(f"there is no column {unknown[0]!r}; choose from {', '.join(COLUMNS)}")
    backbones, judge = load_backbones("pocket", device=options.device), load_judge()
    kinds = options.targets.split(",") if options.targets else [""]
    unknown = [k for k in kinds if k and k not in DRAWS]
    if unknown:
        parser.error(f"there are no targets {unknown[0]!r}; choose from {', '.join(DRAWS)}")
    if options.sheet and len(kinds) > 1:
        parser.error("a sheet shows one kind of targets: name one")
    drawn = {
        kind: [
            draw_hard_case(kind, options.seed, i) if kind else draw_case(options.seed, i) for i in range(options.count)
        ]
        for kind in kinds
    }
    report: dict[str, Any] = {
        "seed": options.seed,
        "count": options.count,
        "device": str(backbones.device),
        "columns": {},
    }
    pictures: dict[str, list[list[np.ndarray]]] = {}
    with Bar(console=Console(stderr=True)) as bar:
        for kind, name in ((kind, name) for kind in kinds for name in names):
            cases, label = drawn[kind], f"{kind} {name}".strip()
            task = bar.add_task(label, total=len(cases))
            runs, outcomes, started = [], [], time.monotonic()
            for case in cases:
                runs.append(COLUMNS[name](case, backbones))
                for target, edit in zip(case.targets, runs[-1].edits, strict=True):
                    outcomes.append(judge_edit(case, target, edit, judge, backbones))
                bar.advance(task)
            report["columns"][label] = summary(runs, outcomes)
            pictures[label] = [[edit.pixels for edit in run.edits] for run in runs[:SHOWN]]
            bar.update(task, description=f"{label} ({time.monotonic() - started:.0f} s)")
            if options.json:
                options.json.write_text(json.dumps(report, indent=1) + "\n")
            if options.sheet:
                draw_sheet(cases[:SHOWN], pictures).save(options.sheet)
    print_table(report)


if __name__ == "__main__":
    main()
