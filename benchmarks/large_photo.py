"""Measure edit by layout on a photograph as cameras take them, of 12 megapixels: seconds of one thread, by stage.

    python -m benchmarks.large_photo --json out.json
    python -m benchmarks.large_photo --photo mine.jpg --profile compose
    python -m benchmarks.large_photo --objects small --only compose

The photograph is scikit-learn's "china.jpg" (pip install scikit-learn), enlarged and with a camera's noise; another one
is taken with --photo. On it lie three objects of irregular outlines: the "left" one stays and touches the border, the
"middle" one goes by whole pixels behind it, and the "right" one is scaled and turned. They cover 19 % of the photo;
with --objects small 1.7 %.

Stages:
    read          the scene folder: the photo, and the map of its objects in their colours, as PNG
    masks         a scene from one black and white picture an object
    tidy          masks without specks and small holes, apart, and the part under a click, as finding ends
    stage         the cut-outs as the browser gets them
    cut           every object cut out at the photo's size, as they are for the stage
    layout        moves as placements
    compose       the edit; `networks` is what the pocket models took of it, which are not asked about such a photo, and
                  `parts` what its steps took: cutting out, filling what is vacated, laying the objects on it
    write scene   the scene folder
    write result  the picture, its record, mask and drawing

Seconds are of the processor, which other programs on the machine disturb less than the clock's. A digest is of the pixels and masks that a stage made, not of the bytes of files. `peak_mb`
is by how much the process grew at most in a stage, where the system tells (Linux).
"""

from __future__ import annotations

import argparse
import cProfile
import hashlib
import json
import math
import os
import pstats
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

# Read when numpy and torch are loaded.
os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import torch
from PIL import Image

from intarsia.backbones import load_backbones
from intarsia.backbones.protocols import Backbones
from intarsia.imaging.geometry import Point, Size
from intarsia.imaging.masks import Mask
from intarsia.imaging.matting import Layer
from intarsia.imaging.parts import tidy_mask
from intarsia.imaging.photo import Photo
from intarsia.imaging.read import photo_from_image, read_photo
from intarsia.imaging.slices import whole
from intarsia.layout import compose as compose_page
from intarsia.layout.detect import split_touching
from intarsia.layout.detect_at_point import component_at
from intarsia.layout.edit import arrange
from intarsia.layout.layout_files import read_layout
from intarsia.layout.scene import Scene, scene_of
from intarsia.layout.scene_files import read_masks, read_scene_folder
from intarsia.records.arrange import ArrangeRecord, ComposeSettings
from intarsia.results.write_arrange import plan_arrangement, write_arrangement
from intarsia.results.write_scene import write_scene
from intarsia.web.studio_cutouts import canvas_layers, cutout, split_layers

SIZE = Size(4000, 3000)

BLOBS = {
    "large": {"left": (0.06, 0.55, 0.135), "middle": (0.33, 0.62, 0.135), "right": (0.72, 0.45, 0.11)},
    "small": {"left": (0.06, 0.55, 0.04), "middle": (0.33, 0.62, 0.035), "right": (0.72, 0.45, 0.035)},
}
"""Middle and mean radius of each object, in widths and heights of the photo, and in widths."""

NOISE = 3.0
"""Deviation of the noise, in levels."""

NETWORKS = ("encode_image", "decode_latents", "encode_text", "predict")

PARTS = ("what_changes", "background_without", "stack_layers")
"""Steps of compose that are timed each."""

Stage = Callable[[], Any]


@dataclass(frozen=True, kw_only=True)
class Workplace:
    """What the stages work on.

    Attributes:
        folder: holds the scene folder "scene", and a mask an object, "left.png".
        record: of the edit.
    """

    folder: Path
    scene: Scene
    record: ArrangeRecord
    backbones: Backbones


def photograph(size: Size, path: Path | None = None) -> Photo:
    """A photograph of this size: its middle, enlarged, with noise in place of the details that it lacks.

    Raises:
        SystemExit: no path is given, and scikit-learn, which ships a photograph, is not installed.
    """
    if path is None:
        try:
            from sklearn.datasets import load_sample_image
        except ImportError:
            raise SystemExit(
                "scikit-learn, whose photograph is measured on, is not installed: pip install scikit-learn, or pass "
                "another photograph with --photo."
            ) from None
        image = Image.fromarray(load_sample_image("china.jpg"))
    else:
        image = read_photo(path).as_image().convert("RGB")
    scale = min(image.width / size.width, image.height / size.height)
    wide, high = scale * size.width, scale * size.height
    left, top = (image.width - wide) / 2, (image.height - high) / 2
    box = (left, top, left + wide, top + high)
    large = np.asarray(image.resize((size.width, size.height), Image.Resampling.BICUBIC, box=box), np.float32)
    noise = np.random.default_rng(0).normal(0, NOISE, large.shape).astype(np.float32)
    return photo_from_image((large + noise).round().clip(0, 255).astype(np.uint8))


def blob(size: Size, x: float, y: float, radius: float, rng: np.random.Generator) -> Mask:
    """A mask (H, W) with a wavy outline."""
    ys, xs = np.ogrid[: size.height, : size.width]
    across, down = xs + 0.5 - x * size.width, ys + 0.5 - y * size.height
    angle, away = np.arctan2(down, across), np.hypot(across, down)
    outline = np.full(angle.shape, radius * size.width)
    for waves in range(2, 24):
        outline *= 1 + 0.25 / waves * math.sin(waves) * np.sin(waves * angle + rng.uniform(0, 2 * math.pi))
    return np.asarray(away <= outline)


def scene_on(photo: Photo, objects: str) -> Scene:
    """The photo with its three objects, large or small; where they overlap, the later one is in front."""
    rng, taken, masks = np.random.default_rng(1), np.zeros(photo.pixels.shape[:2], np.bool_), {}
    for name, place in reversed(BLOBS[objects].items()):
        shape = blob(photo.size, *place, rng)
        masks[name], taken = shape & ~taken, taken | shape
    return scene_of(photo, dict(reversed(masks.items())))


def noisy(mask: Mask) -> Mask:
    """A mask with specks around it and holes in it, as networks give them."""
    height, width = mask.shape
    coarse = np.random.default_rng(2).random((height // 8 + 1, width // 8 + 1)) < 0.02
    flipped: Mask = mask ^ coarse.repeat(8, 0).repeat(8, 1)[:height, :width]
    return flipped


def prepared(folder: Path, photo: Photo, backbones: Backbones, objects: str = "large") -> Workplace:
    scene = scene_on(photo, objects)
    write_scene(scene, folder / "scene")
    for thing in scene.objects:
        Image.fromarray(thing.mask).save(folder / f"{thing.name}.png")
    wide, high = photo.size.width, photo.size.height
    record = ArrangeRecord(
        photo=str(folder / "scene"),
        models="pocket",
        mode="compose",
        move=(f"middle=-{wide // 9},-{high // 20}", f"right=-{wide // 18 + 0.4},{high // 15 + 0.7}"),
        scale=("right=1.15",),
        rotate=("right=12",),
        front=("left",),
        compose=ComposeSettings(plates=1, plate_steps=5, refine_steps=8),
    )
    return Workplace(folder=folder, scene=scene, record=record, backbones=backbones)


def stages_of(work: Workplace) -> dict[str, Stage]:
    """The stages by name; each gives what its digest is of."""
    scene, folder = work.scene, work.folder
    size = scene.photo.size
    layout = read_layout(work.record, scene)
    made = arrange(scene, layout, work.record, work.backbones)
    masks = {thing.name: thing.mask for thing in scene.objects}
    rough = noisy(masks["middle"] | masks["right"])
    odds = np.where(rough, np.float32(1), np.float32(0))
    point = Point(0.72 * size.width, 0.45 * size.height)

    def tidied() -> list[Mask]:
        whole = tidy_mask(rough)
        part = component_at(rough, point, 20)
        assert part is not None, "the point lies on the right object"
        return [whole, part, *split_touching(whole, odds, ("thing 1", "thing 2"))]

    def spread(layer: Layer) -> Layer:
        return layer.seen_in(whole((size.height, size.width)))

    def cut_out() -> list[np.ndarray]:
        ground, layers = split_layers(scene.photo.pixels.astype(np.float32), masks)
        return [
            ground,
            *(
                plane
                for layer in map(spread, layers.values())
                for plane in (layer.colour, layer.transmittance, layer.alpha)
            ),
        ]

    def staged() -> list[np.ndarray]:
        small, ground, layers = canvas_layers(scene)
        return [ground, *(np.asarray(cutout(layer, small, size)[0]) for layer in layers.values())]

    def placed() -> list[Any]:
        found = read_layout(work.record, scene)
        return [[(p.name, p.matrix, p.fit) for p in found.placements], *(p.mask for p in found.placements)]

    def composed() -> list[np.ndarray]:
        result = arrange(scene, layout, work.record, work.backbones)
        return [result.photo.pixels, result.blend]

    def scene_written() -> list[np.ndarray]:
        write_scene(scene, folder / "written", overwrite=True)
        return [np.asarray(Image.open(file)) for file in sorted((folder / "written").glob("*.png"))]

    def result_written() -> list[np.ndarray]:
        targets = plan_arrangement(replace(work.record, photo="large.png"), folder / "out", overwrite=True)
        write_arrangement(made, targets, overwrite=True)
        return [np.asarray(Image.open(file)) for file in sorted((folder / "out").glob("*.png"))]

    return {
        "read": lambda: parts_of(read_scene_folder(folder / "scene")),
        "masks": lambda: parts_of(read_masks(scene.photo, [f"{name}={folder / name}.png" for name in masks])),
        "tidy": tidied,
        "stage": staged,
        "cut": cut_out,
        "layout": placed,
        "compose": composed,
        "write scene": scene_written,
        "write result": result_written,
    }


def parts_of(scene: Scene) -> list[Any]:
    return [scene.names, scene.photo.pixels, *(thing.mask for thing in scene.objects)]


def digest_of(value: Any) -> str:
    """Of arrays their type, shape and content, of anything else what it looks like."""
    digest = hashlib.sha256()
    for part in value if isinstance(value, list) else [value]:
        if isinstance(part, np.ndarray):
            digest.update(f"{part.dtype}{part.shape}".encode())
            digest.update(np.ascontiguousarray(part).tobytes())
        else:
            digest.update(repr(part).encode())
    return digest.hexdigest()


@dataclass
class Stopwatch:
    """How long the networks have worked, in seconds."""

    seconds: float = 0.0

    def over(self, owner: Any, names: tuple[str, ...]) -> None:
        """Time these methods of an object from now on."""
        for name in names:
            setattr(owner, name, self.timed(getattr(owner, name)))

    def timed(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any, **named: Any) -> Any:
            began = time.process_time()
            try:
                return method(*given, **named)
            finally:
                self.seconds += time.process_time() - began

        return call


def memory_mb(field: str, *, forget: bool = False) -> float:
    """What the system says of this process's memory, VmRSS (now) or VmHWM (at most); 0 where it says nothing.

    Args:
        forget: what was used at most before now.
    """
    try:
        if forget:
            Path("/proc/self/clear_refs").write_text("5")
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return 0.0
    return float(next((line.split()[1] for line in lines if line.startswith(field)), 0)) / 1024


def measured(work: Workplace, *, rounds: int, only: str | None = None, profile: bool = False) -> dict[str, Any]:
    """Seconds, memory and digests by stage: the best of some rounds."""
    watch, parts = Stopwatch(), {name: Stopwatch() for name in PARTS}
    watch.over(work.backbones.in_parts, NETWORKS)
    for name, part in parts.items():
        part.over(compose_page, (name,))
    report: dict[str, Any] = {}
    for name, stage in stages_of(work).items():
        if only is not None and name != only:
            continue
        best, spent, value, grown = math.inf, {"networks": 0.0}, None, 0.0
        for _ in range(rounds):
            for each in (watch, *parts.values()):
                each.seconds = 0.0
            value, before = None, memory_mb("VmRSS", forget=True)
            began = time.process_time()
            value = stage()
            seconds = time.process_time() - began
            grown = max(grown, memory_mb("VmHWM") - before)
            if seconds < best:
                best = seconds
                spent = {"networks": watch.seconds, **{name: part.seconds for name, part in parts.items()}}
        report[name] = {"seconds": round(best, 3), "peak_mb": round(grown), "sha256": digest_of(value)}
        if name == "compose":
            report[name]["networks"] = round(spent.pop("networks"), 3)
            report[name]["parts"] = {name: round(seconds, 3) for name, seconds in spent.items()}
        print(f"{name:12} {best:7.3f} s", flush=True)
        if profile:
            profiler = cProfile.Profile()
            profiler.runcall(stage)
            pstats.Stats(profiler).sort_stats("tottime").print_stats(30)
    return report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photo", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--objects", choices=list(BLOBS), default="large")
    parser.add_argument("--only", metavar="STAGE", help="measure this stage alone")
    parser.add_argument("--profile", metavar="STAGE", help="measure this stage alone, and say where its time goes")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        backbones = load_backbones("pocket", device="cpu")
        work = prepared(Path(folder), photograph(SIZE, asked.photo), backbones, asked.objects)
        only = asked.profile or asked.only
        stages = measured(work, rounds=asked.rounds, only=only, profile=asked.profile is not None)
    shares = {thing.name: round(float(thing.mask.mean()), 4) for thing in work.scene.objects}
    total = round(sum(stage["seconds"] for stage in stages.values()), 3)
    report = {"size": [SIZE.width, SIZE.height], "objects": shares, "stages": stages, "seconds": total}
    text = json.dumps(report, indent=1)
    if asked.json is not None:
        asked.json.write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
