"""Click objects of fresh scenes, and the ground between them; see whether what was meant is found.

    python -m benchmarks.clicks --seed 5150 --scenes 150 --json out.json

On each object a pixel is drawn at random, edges and thin parts included, and on the ground one that is some pixels
away from all objects. A click that names another object, or finds nothing, is counted; so is one on the ground that
finds something. Overlap is that of the mask that was found with the true one, whatever the name.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from intarsia.backbones.resolve import resolve
from intarsia.errors import LayoutError
from intarsia.imaging.geometry import Point
from intarsia.imaging.masks import Mask, dilate
from intarsia.imaging.read import photo_from_image
from intarsia.layout.detect import iou
from intarsia.layout.detect_at_point import detect_at_point, names_for
from intarsia.tasks.scene import load_segmenter
from training import world

AWAY = 6
"""Pixels between a click on the ground and the nearest object."""


def drawn(mask: Mask, rng: np.random.Generator) -> Point:
    """The middle of a pixel of a mask, each as likely as the others."""
    rows, columns = np.nonzero(mask)
    chosen = rng.integers(len(rows))
    return Point(columns[chosen] + 0.5, rows[chosen] + 0.5)


def measured(seed: int, scenes: int) -> dict[str, Any]:
    source = resolve("pocket")
    segmenter, names = load_segmenter(source, "cpu"), names_for(source)
    rng = np.random.default_rng(seed)
    clicks = right = missed = ground = imagined = 0
    overlaps: list[float] = []
    seconds: list[float] = []
    for _ in range(scenes):
        scene = world.render(rng)
        photo = photo_from_image(scene.image)
        things = np.zeros(scene.image.size[::-1], np.bool_)
        for thing in scene.objects:
            things |= thing.mask
            clicks += 1
            began = time.monotonic()
            try:
                seen = detect_at_point(photo, drawn(thing.mask, rng), names, segmenter, side=segmenter.side)
                name, mask = seen.name, seen.mask
            except LayoutError:
                missed += 1
                continue
            seconds.append(time.monotonic() - began)
            right += name == thing.name
            overlaps.append(iou(mask, thing.mask))
        if (free := ~dilate(things, AWAY)).any():
            ground += 1
            try:
                detect_at_point(photo, drawn(free, rng), names, segmenter, side=segmenter.side)
                imagined += 1
            except LayoutError:
                pass
    return {
        "seed": seed,
        "clicks": clicks,
        "right_name": round(right / clicks, 3),
        "nothing_found": round(missed / clicks, 3),
        "overlap": round(float(np.mean(overlaps)), 3),
        "overlap_above_half": round(float(np.mean(np.array(overlaps) > 0.5)), 3),
        "on_the_ground": ground,
        "found_on_the_ground": imagined,
        "seconds_median": round(float(np.median(seconds)), 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scenes", type=int, default=150)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    report = json.dumps(measured(asked.seed, asked.scenes), indent=1)
    if asked.json is not None:
        asked.json.write_text(report + "\n", encoding="utf-8")
    print(report)


if __name__ == "__main__":
    main()
