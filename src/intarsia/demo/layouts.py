"""The demo's second half: one scene, rearranged several times in a row."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from intarsia.backbones.protocols import Backbones
from intarsia.demo.page import LayoutRow
from intarsia.files import check_absent, write_bytes_atomically
from intarsia.imaging.affine import IDENTITY
from intarsia.imaging.photo import Photo
from intarsia.imaging.read import read_photo
from intarsia.layout.cache import MemoryCache
from intarsia.layout.edit import ArrangeResult, arrange
from intarsia.layout.layout import Layout, Placement
from intarsia.layout.layout_files import read_layout
from intarsia.layout.scene import Scene
from intarsia.layout.scene_files import read_scene
from intarsia.progress import OnProgress
from intarsia.records.arrange import ArrangeRecord
from intarsia.records.scene_folder import scene_stem
from intarsia.records.serialize import from_json
from intarsia.results.drawing import drawing_on
from intarsia.results.overlay_arrange import colours_of, draw_scene, draw_wish, notes_between
from intarsia.results.staging import png
from intarsia.results.write_arrange import ArrangeFiles, plan_arrangement, write_arrangement

LAYOUTS = Path(__file__).parent / "scenes" / "layouts.json"
WISHES = ("move", "to", "scale", "rotate", "flip", "copy", "remove", "front", "back")
PANEL = 300
"""Longer side of a picture on the sheet, pixels."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """One rearrangement of the chain, and the files that it writes."""

    title: str
    record: ArrangeRecord
    targets: ArrangeFiles
    wish: Path


@dataclass(frozen=True, kw_only=True)
class LayoutPlan:
    """All steps, and the picture of the scene as it was."""

    steps: tuple[Step, ...]
    before: Path
    overwrite: bool


@dataclass(frozen=True, kw_only=True)
class Shown:
    """One step as the sheet and the page show it.

    Attributes:
        panels: before, the wish, after.
        facts: a few lines on how.
    """

    title: str
    facts: tuple[str, ...]
    panels: tuple[Image.Image, ...]
    row: LayoutRow
    evaluations: int


def plan_layouts(out: Path, *, overwrite: bool = False, models: str = "pocket") -> LayoutPlan:
    """Choose the files of the second half.

    Raises:
        OutputError: one of them is there already.
    """
    steps = []
    for number, entry in enumerate(json.loads(LAYOUTS.read_text(encoding="utf-8")), 1):
        record: ArrangeRecord = from_json(ArrangeRecord, entry["record"], str(LAYOUTS))
        files: dict[str, Any] = {
            name: str(LAYOUTS.parent / getattr(record, name)) for name in ("photo", "mask", "colours")
        }
        record = dataclasses.replace(record, models=models, **files)
        name = f"{scene_stem(Path(record.photo))}-{number}"
        targets = plan_arrangement(record, out, name=name, overwrite=overwrite)
        wish = out / f"{name}.wish.png"
        check_absent(wish, overwrite)
        steps.append(Step(title=entry["title"], record=record, targets=targets, wish=wish))
    before = out / f"{scene_stem(Path(steps[0].record.photo))}.before.png"
    check_absent(before, overwrite)
    return LayoutPlan(steps=tuple(steps), before=before, overwrite=overwrite)


def run_layouts(plan: LayoutPlan, backbones: Backbones, *, watch: Callable[[str], OnProgress | None]) -> list[Shown]:
    """Make every step from the original picture, each wish drawn over what the step before it gave.

    Args:
        watch: gives what is told of the progress of a named step.
    """
    cache = MemoryCache()
    shown: list[Shown] = []
    now: tuple[Photo, Layout] | None = None
    for step in plan.steps:
        scene = read_scene(step.record, read_photo(step.record.photo))
        layout = read_layout(step.record, scene)
        on_progress = watch(step.targets.picture.stem)
        result = arrange(scene, layout, step.record, backbones, cache=cache, on_progress=on_progress)
        write_arrangement(result, step.targets, overwrite=plan.overwrite)
        photo, former = now or (scene.photo, as_it_is(scene))
        panels = drawn(scene, photo, former, result, first=now is None)
        write_bytes_atomically(step.wish, png(panels[1]), plan.overwrite)
        if now is None:
            write_bytes_atomically(plan.before, png(panels[0]), plan.overwrite)
        facts = facts_of(result, first=now is None)
        row = LayoutRow(
            title=step.title,
            facts=facts,
            before=shown[-1].row.after if shown else plan.before.name,
            wish=step.wish.name,
            after=step.targets.picture.name,
            record=step.targets.record.name,
        )
        shown.append(Shown(title=step.title, facts=facts, panels=panels, row=row, evaluations=result.cost.evaluations))
        now = (result.photo, layout)
    return shown


def as_it_is(scene: Scene) -> Layout:
    """The layout that leaves everything where it is."""
    return Layout(placements=tuple(Placement(name=o.name, matrix=IDENTITY, mask=o.mask) for o in scene.objects))


def drawn(scene: Scene, photo: Photo, former: Layout, result: ArrangeResult, *, first: bool) -> tuple[Image.Image, ...]:
    """Before (with names, the first time), the wish, after."""
    colours = colours_of(scene.names, result.record.colours)
    side = round(2 * PANEL * photo.size.short / photo.size.long)
    before, after = former.visible_masks(), result.layout.visible_masks()
    return (
        draw_scene(photo, before, colours, side=side) if first else drawing_on(photo, side).finished(),
        draw_wish(photo, before, after, colours, notes_between(former, result.layout), side),
        drawing_on(result.photo, side).finished(),
    )


def facts_of(result: ArrangeResult, *, first: bool) -> tuple[str, ...]:
    """The flags that ask for it, and the few numbers that are worth a line each."""
    cost, record = result.cost, result.record
    asked = (f"--{name} {' '.join(getattr(record, name))}" for name in WISHES if getattr(record, name))
    return (
        " ".join(asked),
        f"{result.mode}, {cost.seconds:.1f} s",
        f"{cost.evaluations:,} denoiser evaluations",
        "the first edit of the picture" if first else "made from the original again",
    )
