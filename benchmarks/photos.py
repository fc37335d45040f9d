"""Measure removing and moving objects on photographs of which every pixel's truth is known.

    python -m benchmarks.photos --seed 1 --count 24 --columns patch,diffusion,membrane,telea --json out.json --save folder

A foreign object is laid on a photograph, with a soft edge and sometimes a shadow. A tool is given the picture and a
mask of the object, takes the object away, and puts it to another place. What an object hides of a face or a cup,
nobody could guess: `--places ground` lays objects beside what a photograph is of, where the truth can be told from
what is around.

Columns:
    patch      edit by layout with a background of pieces of the picture, as photographs get it without a checkpoint
    diffusion  the same with a background that the pocket models paint
    membrane   the same with a smooth background
    library    the library PatchMatch alone, in the mask grown by 4 px; the object is pasted as its mask cuts it out
    telea      the inpainting of Telea 2004, in the same way
    hard       the object cut out by its mask, on the true photograph: what a mask's own edge costs
    ideal      the true pictures: the best
    untouched  the picture as it is: the worst

Figures, of removing unless they say otherwise:
    colour          difference of low-passed colours to the truth in the hole, in levels; the mean and the median
    texture         gradient energy in the hole over the truth's, the median
    texture_fair    share of composites in which it is 0.6 to 1.4
    shadow          difference of low-passed colours where the shadow lay beside the hole, in levels
    features        distance of a DINO checkpoint's features in the hole, with --dino
    matte           sum of |alpha - truth| for each 1000 pixels of the object's border; matte_fine is of masks that
                    follow the object, matte_coarse of those in cells as coarse as published ones
    moved_edge      difference to the object truly moved, along its edge, in levels
    moved_shadow    the same in its shadow, beside it
    seconds         of removing on one thread, the mean; seconds_most is the slowest
    changed         pixels changed outside the mask, the mean
    farthest        the largest distance of one from the mask, in pixels
    needless        pixels changed more than 6 px from mask, object and shadow, the mean; needless_in counts composites
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any, get_args

# Read when numpy, torch and PatchMatch are loaded.
os.environ["OMP_NUM_THREADS"] = "1"

import cv2
import numpy as np
import torch
from PIL import Image, ImageDraw
from rich.console import Console
from rich.progress import Progress as Bar
from rich.table import Table

from benchmarks import photo_metrics as metrics
from benchmarks.photo_composites import Composite, Places, composites, shifted
from benchmarks.tables import print_whole
from intarsia.backbones import load_backbones
from intarsia.backbones.protocols import Backbones, PatchEncoder
from intarsia.imaging.affine import translation, warp_mask
from intarsia.imaging.masks import Blend, Mask, dilate
from intarsia.imaging.photo import Bytes
from intarsia.imaging.read import photo_from_image
from intarsia.imaging.slices import whole
from intarsia.layout.cache import MemoryCache
from intarsia.layout.compose import what_changes
from intarsia.layout.edit import arrange
from intarsia.layout.layout import Layout, Placement
from intarsia.layout.scene import scene_of
from intarsia.records.arrange import ArrangeRecord
from intarsia.records.choices import Fill

FAIR = (0.6, 1.4)
"""Texture ratios that look alike."""

GROWTH = 4
"""Pixels by which a mask is grown before it is filled as it is."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Made:
    """What a tool made of a composite.

    Attributes:
        removed, moved: (H, W, 3) the pictures without the object, and with it at the other place.
        matte: (H, W) how far the object covers a pixel where it was, as the tool took it; None where nothing moved.
        seconds: that removing took.
    """

    removed: Bytes
    moved: Bytes
    matte: Blend | None
    seconds: float


Column = Callable[[Composite], Made]
Paint = Callable[[Bytes, Mask, int], Bytes]
"""(H, W, 3) image, (H, W) hole, seed -> (H, W, 3) with the hole filled."""


@cache
def pocket() -> Backbones:
    return load_backbones("pocket", device="cpu")


def composed(fill: Fill) -> Column:
    """A column of edit by layout on a photograph, with a background of one kind."""

    def run(composite: Composite) -> Made:
        backbones, photo = pocket() if fill == "diffusion" else None, photo_from_image(composite.image)
        scene = scene_of(photo, {"object": composite.mask})
        record = ArrangeRecord(photo="photo.png", models="pocket", mode="compose", fill=fill, seed=composite.seed)
        kept, started = MemoryCache(), time.monotonic()
        removed = arrange(scene, Layout(placements=(), removed=("object",)), record, backbones, cache=kept).photo.pixels
        seconds = time.monotonic() - started
        matrix = translation(*composite.move)
        place = Placement(name="object", matrix=matrix, mask=warp_mask(composite.mask, matrix, photo.size))
        layout = Layout(placements=(place,))
        moved = arrange(scene, layout, record, backbones, cache=kept).photo.pixels
        layer = what_changes(scene, layout, record).layers.get("object")  # none in pictures of under 192 pixels
        matte = None if layer is None else layer.seen_in(whole(composite.mask.shape)).alpha
        return Made(removed=removed, moved=moved, matte=matte, seconds=seconds)

    return run


def filled(fill: Paint) -> Column:
    """A column of a plain fill: the mask, a little grown, is filled, and the object is pasted as the mask cuts it."""

    def run(composite: Composite) -> Made:
        started = time.monotonic()
        removed = fill(composite.image, dilate(composite.mask, GROWTH), composite.seed)
        seconds = time.monotonic() - started
        return Made(
            removed=removed,
            moved=pasted(composite, removed),
            matte=composite.mask.astype(np.float32),
            seconds=seconds,
        )

    return run


def pasted(composite: Composite, ground: Bytes) -> Bytes:
    """The object on a ground at its other place, as its mask cuts it out."""
    there = shifted(composite.mask.astype(np.float32), *composite.move) > 0
    pixels = shifted(composite.image.astype(np.float32), *composite.move).astype(np.uint8)
    return np.where(there[..., None], pixels, ground)


def library(image: Bytes, hole: Mask, seed: int) -> Bytes:
    try:
        import patchmatch
    except ImportError:
        raise SystemExit(
            "pypatchmatch is not installed, nor is it built for every machine: leave out library."
        ) from None
    patchmatch.set_random_seed(seed)
    return np.asarray(patchmatch.inpaint(image, hole, patch_size=5))


def telea(image: Bytes, hole: Mask, seed: int) -> Bytes:
    return np.asarray(cv2.inpaint(image, hole.astype(np.uint8), 3, cv2.INPAINT_TELEA))


def hard(composite: Composite) -> Made:
    matte = composite.mask.astype(np.float32)
    return Made(removed=composite.truth, moved=pasted(composite, composite.truth), matte=matte, seconds=0)


def ideal(composite: Composite) -> Made:
    return Made(removed=composite.truth, moved=composite.moved, matte=composite.alpha, seconds=0)


def untouched(composite: Composite) -> Made:
    image = composite.image
    return Made(removed=image, moved=image, matte=None, seconds=0)


COLUMNS: dict[str, Column] = {
    "patch": composed("patch"),
    "diffusion": composed("diffusion"),
    "membrane": composed("membrane"),
    "library": filled(library),
    "telea": filled(telea),
    "hard": hard,
    "ideal": ideal,
    "untouched": untouched,
}
BY_DEFAULT = ("patch", "diffusion", "membrane", "telea")


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one composite; None is what does not apply. The figures are those of the module."""

    name: str
    edge: str
    coarse: bool
    hides: float
    colour: float
    texture: float
    shadow: float | None
    features: float | None
    matte: float | None
    moved_edge: float
    moved_shadow: float | None
    seconds: float
    changed: int
    farthest: float
    needless: int


def judge(composite: Composite, made: Made, encoder: PatchEncoder | None = None) -> Outcome:
    hole, truth = composite.hole, composite.truth
    changed = metrics.changed_outside(made.removed, composite)
    moved_edge, moved_shadow = metrics.moved_errors(made.moved, composite)
    return Outcome(
        name=composite.name,
        edge=composite.edge,
        coarse=composite.coarse,
        hides=composite.hides,
        colour=metrics.colour_error(made.removed, truth, hole),
        texture=metrics.texture_ratio(made.removed, truth, hole),
        shadow=metrics.colour_error(made.removed, truth, composite.shaded) if composite.shaded.any() else None,
        features=None if encoder is None else metrics.feature_distance(encoder, made.removed, truth, hole),
        matte=None if made.matte is None else metrics.matte_error(made.matte, composite.alpha),
        moved_edge=moved_edge,
        moved_shadow=moved_shadow,
        seconds=made.seconds,
        changed=changed.pixels,
        farthest=changed.farthest,
        needless=changed.needless,
    )


Figure = float | None


def summary(outcomes: Sequence[Outcome]) -> dict[str, Figure]:
    """Figures over all composites, means where nothing else is said; None where nothing applies."""

    def mean(values: Iterable[float | None]) -> Figure:
        known = [v for v in values if v is not None]
        return round(sum(known) / len(known), 4) if known else None

    return {
        "colour": mean(o.colour for o in outcomes),
        "colour_median": round(median(o.colour for o in outcomes), 4),
        "texture": round(median(o.texture for o in outcomes), 4),
        "texture_fair": mean(FAIR[0] <= o.texture <= FAIR[1] for o in outcomes),
        "shadow": mean(o.shadow for o in outcomes),
        "features": mean(o.features for o in outcomes),
        "matte": mean(o.matte for o in outcomes),
        "matte_fine": mean(o.matte for o in outcomes if not o.coarse),
        "matte_coarse": mean(o.matte for o in outcomes if o.coarse),
        "moved_edge": mean(o.moved_edge for o in outcomes),
        "moved_shadow": mean(o.moved_shadow for o in outcomes),
        "seconds": mean(o.seconds for o in outcomes),
        "seconds_most": round(max(o.seconds for o in outcomes), 4),
        "changed": mean(o.changed for o in outcomes),
        "farthest": round(max(o.farthest for o in outcomes), 1),
        "needless": mean(o.needless for o in outcomes),
        "needless_in": sum(o.needless > 0 for o in outcomes),
    }


FORMS = {
    "colour": ".2f",
    "colour_median": ".2f",
    "texture": ".2f",
    "texture_fair": ".0%",
    "shadow": ".2f",
    "features": ".3f",
    "matte": ".0f",
    "matte_fine": ".0f",
    "matte_coarse": ".0f",
    "moved_edge": ".1f",
    "moved_shadow": ".1f",
    "seconds": ".2f",
    "seconds_most": ".2f",
    "changed": ".0f",
    "farthest": ".1f",
    "needless": ".0f",
    "needless_in": "d",
}


def print_table(report: dict[str, Any]) -> None:
    """Figures down, columns across; a figure that no column has is left out."""
    table = Table(title=f"photographs, {report['count']} composites of seed {report['seed']}, {report['places']}")
    table.add_column("", no_wrap=True)
    for name in report["columns"]:
        table.add_column(name, justify="right", overflow="fold")
    rows = report["columns"].values()
    for figure, form in FORMS.items():
        if any(row[figure] is not None for row in rows):
            table.add_row(figure, *("-" if row[figure] is None else format(row[figure], form) for row in rows))
    print_whole(table)


HEAD = 14
"""Rows above a picture for its name."""

ACROSS = 2
"""Pairs of pictures side by side."""


def draw_sheet(composite: Composite, made: dict[str, Made]) -> Image.Image:
    """The composite and the truth, and what each column made of it, in pairs: removed and moved."""
    pairs = {"given": (composite.image, outlined(composite)), "truth": (composite.truth, composite.moved)}
    pairs |= {name: (one.removed, one.moved) for name, one in made.items()}
    height, width = composite.mask.shape
    wide, high = 2 * (width + 4), height + HEAD
    sheet = Image.new("RGB", (ACROSS * wide, -(-len(pairs) // ACROSS) * high), "white")
    draw = ImageDraw.Draw(sheet)
    for number, (name, pictures) in enumerate(pairs.items()):
        left, top = number % ACROSS * wide, number // ACROSS * high
        draw.text((left, top), name, fill="black")
        for k, pixels in enumerate(pictures):
            sheet.paste(Image.fromarray(pixels), (left + k * (width + 4), top + HEAD))
    return sheet


def outlined(composite: Composite) -> Bytes:
    """The composite with the border of the mask that goes with it drawn in."""
    pixels = composite.image.copy()
    pixels[dilate(composite.mask, 1) & ~composite.mask] = (230, 50, 40)
    return pixels


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, required=True, help="any whole number; use one that nothing was tuned on")
    parser.add_argument("--count", type=int, default=24, help="how many composites")
    parser.add_argument(
        "--columns", default=",".join(BY_DEFAULT), help=f"comma-separated; default: {','.join(BY_DEFAULT)}"
    )
    parser.add_argument("--folder", type=Path, help="of further photographs")
    parser.add_argument("--places", choices=get_args(Places), default="anywhere", help="where the objects are laid")
    parser.add_argument("--side", type=int, default=512, help="short side that larger photographs are scaled to")
    parser.add_argument("--dino", type=Path, help="folder of a DINO checkpoint, not pocket's, for `features`")
    parser.add_argument("--json", type=Path, help="write the figures to this file, after each composite")
    parser.add_argument("--save", type=Path, help="write pictures of each composite and its edits to this folder")
    options = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    names = options.columns.split(",")
    unknown = [n for n in names if n not in COLUMNS]
    if unknown:
        parser.error(f"there is no column {unknown[0]!r}; choose from {', '.join(COLUMNS)}")
    encoder = load_dino(options.dino) if options.dino is not None else None
    if options.save is not None:
        options.save.mkdir(parents=True, exist_ok=True)
    report: dict[str, Any] = {
        "seed": options.seed,
        "count": options.count,
        "side": options.side,
        "places": options.places,
    }
    outcomes: dict[str, list[Outcome]] = {name: [] for name in names}
    with Bar(console=Console(stderr=True)) as bar:
        task = bar.add_task("composites", total=options.count)
        for composite in composites(options.seed, options.count, options.folder, options.side, options.places):
            made = {name: COLUMNS[name](composite) for name in names}
            for name, one in made.items():
                outcomes[name].append(judge(composite, one, encoder))
            if options.save is not None:
                draw_sheet(composite, made).save(options.save / f"{composite.name}.png")
            report["columns"] = {name: summary(rows) for name, rows in outcomes.items()}
            report["composites"] = {name: [asdict(row) for row in rows] for name, rows in outcomes.items()}
            if options.json is not None:
                options.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
            bar.advance(task)
    print_table(report)


def load_dino(folder: Path) -> PatchEncoder:
    from intarsia.backbones.dino import load_patch_encoder

    return load_patch_encoder(folder, device="cpu")


if __name__ == "__main__":
    main()
