"""Measure edit by words: replace one object of a scene by another, on scenes nobody tuned to.

    python -m benchmarks.regions --seed 9 --count 100 --columns default,oracle,whole --json out.json

Columns:
    default     successive halving over proposed boxes
    fitted      the fitted region network's first choice, one picture
    released    what the released code amounts to (saliency anchors, random sizes)
    released-exact  the same with its faults of place, its ranking, and nothing pasted back
    paper       the published method, with a gradient that exists
    exhaustive  every proposed box with the full schedule: the ceiling of search
    oracle      the true box of the object
    segment     the mask that the source words find, same inpainter
    whole       the whole picture repainted, no region

An edit succeeds when an independent judge finds the new object where the old one was, no longer finds the
old one there, and still finds every other object in its place.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import Progress as Bar
from rich.table import Table

from benchmarks.tables import print_whole
from intarsia.backbones import load_backbones
from intarsia.backbones.protocols import Backbones
from intarsia.errors import RegionError
from intarsia.evaluate.judge import Judge, load_judge
from intarsia.imaging.geometry import Box, working_size
from intarsia.imaging.masks import box_mask, dilate
from intarsia.imaging.read import photo_from_image
from intarsia.imaging.tensors import to_tensor
from intarsia.records.choices import Preset
from intarsia.records.edit import EditRecord
from intarsia.regions.analysis import analyze
from intarsia.regions.edit import EditResult, edit, fitted_network
from intarsia.regions.proposals import proposals_for
from training import world


@dataclass(frozen=True, kw_only=True)
class Case:
    """One scene and the edit asked of it: the object `source` in `box` shall become `target`."""

    scene: world.Scene
    source: str
    target: str
    box: Box
    seed: int
    steps: int | None = None  # of every picture, instead of the presets' own

    @property
    def record(self) -> EditRecord:
        record = EditRecord(
            photo="scene.png",
            source=self.source,
            prompt=world.with_article(self.target),
            models="pocket",
            seed=self.seed,
        )
        return record if self.steps is None else dataclasses.replace(record, steps=self.steps)


def draw_case(seed: int, number: int, steps: int | None = None) -> Case:
    """Case `number` of a seed: 1-3 objects, one of them to be replaced by one that is not there."""
    rng = np.random.default_rng((seed, number))
    scene = world.render(rng)
    while not scene.objects:
        scene = world.render(rng)
    thing = scene.objects[int(rng.integers(len(scene.objects)))]
    others = [n for n in world.NAMES if n not in {o.name for o in scene.objects}]
    return Case(
        scene=scene,
        source=thing.name,
        target=str(rng.choice(others)),
        box=Box(*map(float, thing.box)),
        seed=int(rng.integers(2**31)),
        steps=steps,
    )


Column = Callable[[Case, Backbones], EditResult]


def preset(name: Preset) -> Column:
    def run(case: Case, backbones: Backbones) -> EditResult:
        record = dataclasses.replace(case.record, preset=name)
        return edit(photo_from_image(case.scene.image), record, backbones)

    return run


def oracle(case: Case, backbones: Backbones) -> EditResult:
    return edit(
        photo_from_image(case.scene.image), dataclasses.replace(case.record, box=case.box.as_tuple()), backbones
    )


def whole(case: Case, backbones: Backbones) -> EditResult:
    width, height = case.scene.image.size
    record = dataclasses.replace(case.record, box=(0.0, 0.0, float(width), float(height)))
    return edit(photo_from_image(case.scene.image), record, backbones)


def fitted(case: Case, backbones: Backbones) -> EditResult:
    photo, record = photo_from_image(case.scene.image), case.record
    network = fitted_network(dataclasses.replace(record, preset="exhaustive"), backbones)
    if network is None:
        raise RegionError("No fitted network ships with these models: leave the column fitted out.")
    inpainter = backbones.inpainter
    size = working_size(photo.size, inpainter.native_side, inpainter.stride)
    analysis = analyze(to_tensor(photo, size).to(backbones.device), record.source, record.prompt, backbones)
    boxes = [p.box for p in proposals_for(analysis, record.search)[1]]
    with torch.no_grad():
        first = boxes[int(network(analysis, boxes).argmax())].scaled(size, photo.size)
    return edit(photo, dataclasses.replace(record, box=first.as_tuple()), backbones)


def segment(case: Case, backbones: Backbones) -> EditResult:
    photo = photo_from_image(case.scene.image)
    size = working_size(photo.size, backbones.inpainter.native_side, backbones.inpainter.stride)
    with torch.no_grad():
        heat = backbones.segmenter.predict_masks(to_tensor(photo, size).to(backbones.device), [case.source])[0].cpu()
    mask = dilate((heat >= 0.5).numpy(), 2)
    if not mask.any():  # the words found nothing: an honest failure, at the cost of one picture
        mask[:4, :4] = True
    return edit(photo, case.record, backbones, mask=mask)


COLUMNS: dict[str, Column] = {
    "default": preset("default"),
    "fitted": fitted,
    "released": preset("released"),
    "released-exact": preset("released-exact"),
    "paper": preset("paper"),
    "exhaustive": preset("exhaustive"),
    "oracle": oracle,
    "segment": segment,
    "whole": whole,
}


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one case.

    Attributes:
        found: the judge sees the new object where the old one was: a tenth of the old box at least, and
            more of it than of any other object.
        gone: of the old object's pixels, at most a tenth still look like it.
        kept: every other object looks like itself on at least half of the pixels where it did before.
    """

    found: bool
    gone: bool
    kept: bool
    iou: float
    outside_exact: bool
    prompt_score: float
    evaluations: int
    seconds: float

    @property
    def success(self) -> bool:
        """The new object stands where the old one stood, and nothing else was lost."""
        return self.found and self.gone and self.kept


LEFT = 0.10
KEPT = 0.50


def judge_case(case: Case, result: EditResult, judge: Judge, backbones: Backbones) -> Outcome:
    before = np.asarray(case.scene.image)
    after = result.photo.pixels
    picture = to_tensor(result.photo, result.photo.size)
    # What is painted over beside the box, where nothing is pasted back, is not untouched.
    outside = (result.blend == 0) | ~box_mask(result.candidates[result.chosen].box, result.photo.size)
    prompt = backbones.scorer.embed_texts([case.record.prompt])
    labels = judge.segment(torch.cat([to_tensor(photo_from_image(case.scene.image), result.photo.size), picture]))
    seen = [[label_map == 1 + judge.names.index(o.name) for label_map in labels.numpy()] for o in case.scene.objects]
    with torch.no_grad():
        likeness = float((backbones.scorer.embed_images(picture.to(backbones.device)) * prompt).sum())
    return Outcome(
        found=bool(judge.present(picture, case.target, [case.box])[0]),
        gone=all(
            (now & thing.mask).sum() <= LEFT * thing.mask.sum()
            for thing, (_, now) in zip(case.scene.objects, seen, strict=True)
            if thing.name == case.source
        ),
        kept=all(
            (was & now).sum() >= KEPT * was.sum()
            for thing, (was, now) in zip(case.scene.objects, seen, strict=True)
            if thing.name != case.source
        ),
        iou=result.candidates[result.chosen].box.iou(case.box),
        outside_exact=bool((before[outside] == after[outside]).all()),
        prompt_score=likeness,
        evaluations=result.cost.evaluations,
        seconds=result.cost.seconds,
    )


def summary(outcomes: list[Outcome]) -> dict[str, float | int | bool]:
    def mean(values: list[float]) -> float:
        return round(sum(values) / len(values), 4)

    return {
        "scenes": len(outcomes),
        "success": mean([o.success for o in outcomes]),
        "found": mean([o.found for o in outcomes]),
        "gone": mean([o.gone for o in outcomes]),
        "kept": mean([o.kept for o in outcomes]),
        "iou": mean([o.iou for o in outcomes]),
        "outside_exact": all(o.outside_exact for o in outcomes),
        "prompt_score": mean([o.prompt_score for o in outcomes]),
        "evaluations": mean([o.evaluations for o in outcomes]),
        "seconds": mean([o.seconds for o in outcomes]),
    }


def print_table(report: dict[str, Any]) -> None:
    table = Table(title=f"edit by words, {report['count']} scenes of seed {report['seed']}, {report['device']}")
    for heading in (
        "column",
        "success",
        "found",
        "gone",
        "kept",
        "IoU",
        "outside exact",
        "prompt score",
        "evaluations",
        "seconds",
    ):
        table.add_column(heading, justify="left" if heading == "column" else "right")
    for name, row in report["columns"].items():
        table.add_row(
            name,
            *(f"{row[part]:.1%}" for part in ("success", "found", "gone", "kept")),
            f"{row['iou']:.2f}",
            "yes" if row["outside_exact"] else "NO",
            f"{row['prompt_score']:.3f}",
            f"{row['evaluations']:.0f}",
            f"{row['seconds']:.2f}",
        )
    print_whole(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, required=True, help="any whole number; use one that nothing was tuned on")
    parser.add_argument("--count", type=int, default=100, help="how many scenes")
    parser.add_argument("--columns", default=",".join(COLUMNS), help="comma-separated; default: all")
    parser.add_argument("--steps", type=int, help="denoising steps in all columns; by default those of each preset")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--dtype", default="auto", help="precision of the painting networks, for all columns")
    options = parser.parse_args()
    names = options.columns.split(",")
    unknown = [n for n in names if n not in COLUMNS]
    if unknown:
        parser.error(f"there is no column {unknown[0]!r}; choose from {', '.join(COLUMNS)}")
    backbones, judge = load_backbones("pocket", device=options.device, dtype=options.dtype), load_judge()
    cases = [draw_case(options.seed, i, options.steps) for i in range(options.count)]
    report: dict[str, Any] = {
        "seed": options.seed,
        "count": options.count,
        "steps": options.steps,
        "device": str(backbones.device),
        "dtype": options.dtype,
        "columns": {},
    }
    with Bar(console=Console(stderr=True)) as bar:
        for name in names:
            task = bar.add_task(name, total=len(cases))
            outcomes, started = [], time.monotonic()
            for case in cases:
                outcomes.append(judge_case(case, COLUMNS[name](case, backbones), judge, backbones))
                bar.advance(task)
                # After every scene: a run of hours that is stopped leaves what it has measured.
                report["columns"][name] = summary(outcomes)
                if options.json:
                    options.json.write_text(json.dumps(report, indent=1) + "\n")
            bar.update(task, description=f"{name} ({time.monotonic() - started:.0f} s)")
    print_table(report)


if __name__ == "__main__":
    main()
