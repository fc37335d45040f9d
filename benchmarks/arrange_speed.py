"""Measure how long edit by layout takes on a large photograph, part by part, and how soon it can be cancelled.

    python -m benchmarks.arrange_speed --json out.json
    python -m benchmarks.arrange_speed --photo mine.jpg --size 4000x3000 --objects box

The photograph is one that scikit-image ships (--name), or another one (--photo), enlarged to --size with a camera's noise.
Three objects are given by masks of irregular outlines, or by boxes (--objects): one is moved, one is scaled and one is
removed, without a network. All is done by one thread but for PatchMatch, which is waited for.

Parts:
    arrange    from the file to the files, by the stages that are told to a user; what lies between them is "beside"
    preview    reading the scene, the first preview of 1280 pixels, and the next one of the same scene
    remove     one object by its mask, from file to files
    outline    an object by a point in the middle of the photo, and by a box
    page       what a page makes besides: its canvas, and a small picture of the result

Seconds are of the processor, which other programs disturb less than the clock's; `yardstick` is writing and reading the
photo as PNG in the same run, and figures are compared between machines by their ratio to it. `longest` is the longest
time by the clock between two calls of `on_progress`, in which a cancelled edit goes on, and the stage that it was in.
`peak_mb` is the most memory that the process held.
"""

from __future__ import annotations

import argparse
import dataclasses
import io
import json
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when numpy and torch are loaded

import cv2
import numpy as np
from PIL import Image

from benchmarks.large_photo import blob, photograph
from intarsia.errors import IntarsiaError
from intarsia.imaging.geometry import Box, Point, Size
from intarsia.imaging.outline import outline_box, outline_points
from intarsia.imaging.photo import Photo
from intarsia.imaging.read import read_photo
from intarsia.imaging.write import write_photo
from intarsia.layout.scene_files import read_masks
from intarsia.progress import OnProgress, Progress, listening, peak_memory_mb
from intarsia.records.arrange import ArrangeRecord
from intarsia.records.remove import RemoveRecord
from intarsia.tasks.arrange import run_arrange
from intarsia.tasks.arrange_preview import open_preview, preview_arrange
from intarsia.tasks.remove import run_remove
from intarsia.web.studio_cutouts import canvas_layers
from intarsia.web.studio_drafts import write_thumb

OBJECTS = {"left": (0.16, 0.55, 0.1), "middle": (0.43, 0.62, 0.1), "right": (0.72, 0.45, 0.08)}
"""Middle and mean radius of each object, in widths and heights of the photo, and in widths."""

NAMES = ("astronaut", "chelsea", "coffee")
"""Photographs of scikit-image."""


@dataclass
class Watch:
    """How long each stage took, and the longest time without a word.

    Attributes:
        seconds: of the processor, by stage.
        longest: by the clock, and the stage in which it was.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    longest: tuple[float, str] = (0.0, "")

    def measured(self, work: Callable[[OnProgress], Any]) -> Any:
        """What work gives that is handed a callback."""
        stage, began, spoke = "beside", time.process_time(), time.perf_counter()

        def told(progress: Progress | None) -> None:
            nonlocal stage, began, spoke
            now, clock = time.process_time(), time.perf_counter()
            self.seconds[stage] = self.seconds.get(stage, 0.0) + now - began
            if clock - spoke > self.longest[0]:
                self.longest = clock - spoke, stage
            began, spoke = now, clock
            stage = "beside" if progress is None or progress.done == progress.total else progress.stage

        result = work(told)
        told(None)
        return result

    def facts(self) -> dict[str, Any]:
        return {
            "seconds": round(sum(self.seconds.values()), 2),
            "stages": {stage: round(seconds, 2) for stage, seconds in self.seconds.items()},
            "longest": [round(self.longest[0], 2), self.longest[1]],
        }


def no_networks(*_: Any, **__: Any) -> Any:
    raise AssertionError("networks are asked for an edit that needs none")


def prepared(folder: Path, path: Path, size: Size) -> tuple[Path, tuple[str, ...], tuple[str, ...]]:
    """The photo as a JPEG; its objects as masks, and as boxes, as settings have them."""
    file = folder / "photo.jpg"
    write_photo(photograph(size, path), file)
    rng, masks, boxes = np.random.default_rng(1), [], []
    for name, (x, y, radius) in OBJECTS.items():
        Image.fromarray(blob(size, x, y, radius, rng)).save(folder / f"{name}.png")
        masks.append(f"{name}={folder / name}.png")
        reach = 1.1 * radius * size.width
        around = Box.around(Point(x * size.width, y * size.height), 2 * reach, 2 * reach).clipped(size)
        boxes.append(f"{name}=" + ",".join(f"{edge:.0f}" for edge in around.as_tuple()))
    return file, tuple(masks), tuple(boxes)


def shipped(name: str, folder: Path) -> Path:
    """A photograph of scikit-image as a file.

    Raises:
        SystemExit: scikit-image is not installed.
    """
    try:
        import skimage.data
    except ImportError:
        raise SystemExit(
            "scikit-image, whose photograph is measured on, is not installed: pip install scikit-image, or pass another "
            "photograph with --photo."
        ) from None
    file = folder / "small.png"
    Image.fromarray(getattr(skimage.data, name)()).save(file)
    return file


def yardstick(photo: Photo) -> float:
    """Seconds that it takes to write a photo as PNG and to read it again."""
    began, stream = time.process_time(), io.BytesIO()
    photo.as_image().save(stream, "PNG", compress_level=1)
    Image.open(stream).load()
    return time.process_time() - began


def timed(work: Callable[[], Any]) -> float:
    began = time.process_time()
    work()
    return round(time.process_time() - began, 2)


def outlines(pixels: np.ndarray, size: Size) -> dict[str, Any]:
    """An outline by a point, and one by a box; a picture in which nothing stands out there takes as long."""
    found: dict[str, Any] = {}
    middle = Point(size.width / 2, size.height / 2)
    box = Box.around(middle, size.width / 2, size.height / 2)
    for name, work in (
        ("point", lambda: outline_points(pixels, [middle])),
        ("box", lambda: outline_box(pixels, box)),
    ):
        watch = Watch()

        def heard(told: OnProgress, work: Callable[[], Any] = work, name: str = name) -> None:
            with listening(lambda share: told(Progress(stage=name, done=int(99 * share), total=100))):
                try:
                    work()
                except IntarsiaError as problem:
                    print(f"outline by a {name}: {problem}")

        watch.measured(heard)
        found[name] = watch.facts()
    return found


def measured(folder: Path, path: Path, size: Size, objects: str) -> dict[str, Any]:
    file, masks, boxes = prepared(folder, path, size)
    photo = read_photo(file)
    given: dict[str, Any] = {"masks": masks} if objects == "mask" else {"object": boxes}
    x, y = 0.075 * size.width, -0.07 * size.height
    record = ArrangeRecord(
        photo=str(file), models="pocket", mode="compose", move=(f"left={x:.0f},{y:.0f}",), scale=("middle=1.2",),
        remove=("right",), **given,
    )  # fmt: skip
    report: dict[str, Any] = {"yardstick": round(yardstick(photo), 2)}

    watch, out = Watch(), folder / "out"
    made = watch.measured(
        lambda told: run_arrange(record, out, no_networks, no_networks, cached=False, on_progress=told)
    )
    report["arrange"] = watch.facts()
    report["peak_mb"] = round(peak_memory_mb("cpu"))

    watch = Watch()
    opened = watch.measured(lambda told: open_preview(record, no_networks, on_progress=told))
    first = watch.facts()["seconds"]
    watch.measured(lambda told: preview_arrange(record, no_networks, opened=opened, on_progress=told))
    other = dataclasses.replace(record, move=(f"left={x + 9:.0f},{y:.0f}",))
    again = timed(lambda: preview_arrange(other, no_networks, opened=opened))
    report["preview"] = {**watch.facts(), "opening": first, "again": again}

    watch = Watch()
    name, _, mask = masks[-1].partition("=")
    removal = RemoveRecord(photo=str(file), mask=mask)
    watch.measured(lambda told: run_remove(removal, folder / name, no_networks, no_networks, on_progress=told))
    report["remove"] = watch.facts()
    report["outline"] = outlines(photo.pixels, size)
    scene = read_masks(photo, masks)
    report["page"] = {
        "canvas": timed(lambda: canvas_layers(scene)),
        "thumb": timed(lambda: write_thumb(read_photo(made.saved.files.picture), folder / "thumb.jpg")),
    }
    return report


def table(report: dict[str, Any]) -> str:
    """Seconds, and how many yardsticks they are."""
    unit = max(report["yardstick"], 1e-3)
    rows = []

    def row(name: str, seconds: float, note: str = "") -> None:
        rows.append(f"{name:44} {seconds:7.2f} s {seconds / unit:7.1f}  {note}".rstrip())

    row("yardstick: the photo as PNG, and back", report["yardstick"])
    outlined = report["outline"]
    parts = {**{part: report[part] for part in ("arrange", "preview", "remove")},
             "outline by a point": outlined["point"], "outline by a box": outlined["box"]}  # fmt: skip
    for part, facts in parts.items():
        longest, stage = facts["longest"]
        row(part, facts["seconds"], f"longest without a word {longest:.2f} s, {stage}")
        for stage, seconds in facts["stages"].items():
            if part in ("arrange", "preview", "remove"):
                row(f"    {stage}", seconds)
    row("preview of the same scene, again", report["preview"]["again"])
    for part, seconds in report["page"].items():
        row(f"page: {part}", seconds)
    return "\n".join([*rows, f"peak memory of the edit: {report['peak_mb']} MB"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photo", type=Path)
    parser.add_argument("--name", choices=NAMES, default="coffee", help="of scikit-image's photograph")
    parser.add_argument("--size", default="4000x3000", metavar="WIDTHxHEIGHT")
    parser.add_argument("--objects", choices=("mask", "box"), default="mask")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    width, _, height = asked.size.partition("x")
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        path = asked.photo or shipped(asked.name, Path(folder))
        size = Size(int(width), int(height))
        report = {"size": asked.size, "objects": asked.objects, **measured(Path(folder), path, size, asked.objects)}
    print(table(report))
    if asked.json is not None:
        asked.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
