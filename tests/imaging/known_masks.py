"""Masks of all kinds, transparency and profiles of colour, and a few figures of what is made of them.

Written anew with `python -m tests.imaging.known_masks`. That a figure changed says that pictures do: look at them first.
"""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path
from typing import Any
from unittest.mock import patch

import cv2
import numpy as np
from PIL import Image, ImageCms

from intarsia import notes
from intarsia.errors import IntarsiaError
from intarsia.imaging import mask_levels, masks, painted_alpha, screen_colours, unused_alpha
from intarsia.imaging.geometry import Box, Size
from intarsia.imaging.mask_files import StoredMask
from intarsia.imaging.photo import Photo
from tests.imaging.known_figures import HEIGHT, SIZE, WIDTH, blurred, disc, edited, picture
from tests.known import Cases, raised, write

FILE = Path(__file__).with_name("known_masks.json")

CASES = Cases()
case = CASES.add


def soft(radius: float = 17, side: int = 9) -> np.ndarray:
    """Levels of a disc with a soft edge."""
    return np.asarray(cv2.blur(disc(radius=radius).astype(np.uint8) * 255, (side, side)))


def labels_of(*levels: int) -> np.ndarray:
    """A map of labels: the first one, and discs of the others."""
    labels = np.full((HEIGHT, WIDTH), levels[0], np.uint16 if max(levels) > 255 else np.uint8)
    for number, level in enumerate(levels[1:]):
        labels[disc(10 + 13 * (number % 7), 12 + 18 * (number // 7), 7)] = level
    return labels


def stored(levels: np.ndarray, **changed: Any) -> StoredMask:
    """A mask as a file may hold it."""
    eight = levels if levels.dtype == np.uint8 else (levels / 257).round().astype(np.uint8)
    plain: dict[str, Any] = {"levels": eight, "colours": None, "labels": levels, "paletted": False, "alpha": None}
    return StoredMask(**plain | {"exact": True} | changed)


def coloured(share: float) -> np.ndarray:
    """Grey pixels of which a share is red."""
    pixels = np.repeat(soft()[..., None], 3, 2)
    pixels.reshape(-1, 3)[: round(share * HEIGHT * WIDTH)] = (250, 60, 40)
    return pixels


def outcome(function: Any, *arguments: Any, **named: Any) -> Any:
    """What a call gives and notes, or the error that it ends with."""
    try:
        with notes.collected() as told:
            value = function(*arguments, **named)
    except (IntarsiaError, AssertionError) as error:
        return error
    return value, [str(note) for note in told]


@case
def levels_of_masks() -> Any:
    grain = np.random.default_rng(2).integers(0, 256, (HEIGHT, WIDTH)).astype(np.uint8)
    ramp = np.tile(np.linspace(0, 255, WIDTH).astype(np.uint8), (HEIGHT, 1))
    border = labels_of(0, 3, 9)
    border[disc(50, 50, 12) & ~disc(50, 50, 11)] = 255
    solid = labels_of(0, 3, 9, 255)
    clear = np.where(disc(radius=22), 255, 0).astype(np.uint8)
    white, half = np.full_like(clear, 255), np.where(disc(), 150, 0).astype(np.uint8)
    deep = np.where(disc(), 40000, 0).astype(np.uint16)
    kinds = {
        "white": stored(labels_of(0, 255)),
        "soft": stored(soft()),
        "soft but lossy": stored(soft(), exact=False),
        "softer": stored(soft(20, 31)),
        "grain": stored(grain),
        "ramp": stored(ramp),
        "grey": stored(labels_of(0, 128)),
        "grey area": stored(np.where(disc(radius=33), 128, 0).astype(np.uint8)),
        "grey with white": stored(labels_of(0, 128, 255)),
        "ones": stored(labels_of(0, 1)),
        "sevens": stored(labels_of(0, 7)),
        "everywhere": stored(labels_of(5)),
        "everywhere one": stored(labels_of(1), paletted=True),
        "labels": stored(labels_of(0, 1, 2)),
        "many labels": stored(labels_of(0, *range(3, 18))),
        "greys": stored(labels_of(0, 60, 120, 180)),
        "greys and white": stored(labels_of(0, 60, 120, 255)),
        "ten greys": stored(labels_of(0, *range(40, 220, 18))),
        "palette": stored(labels_of(0, 4), paletted=True),
        "palette of two": stored(labels_of(0, 4, 6), paletted=True),
        "palette of grain": stored(grain // 8, paletted=True),
        "void": stored(border),
        "no void": stored(solid),
        "void of one": stored(np.where(border == 9, 3, border)),
        "deep": stored(deep),
        "deep labels": stored(labels_of(0, 700, 1500)),
        "deep greys": stored(labels_of(0, 20000, 40000)),
        "ten bits": stored(labels_of(0, 1023)),
        "black": stored(labels_of(0)),
        "layer": stored(white, labels=None, alpha=clear),
        "soft layer": stored(white, alpha=soft()),
        "weak layer": stored(white, alpha=half),
        "white on clear": stored(clear, labels=None, alpha=clear),
        "soft on clear": stored(np.where(soft() > 0, 255, 0).astype(np.uint8), alpha=soft()),
        "weak on clear": stored(half // 150 * 255, alpha=half),
        "hidden grey": stored(np.where(disc(), 255, 100).astype(np.uint8), alpha=half),
        "deep grain": stored(grain.astype(np.uint16) * 300),
        "three labels in grain": stored((grain % 3).astype(np.uint8)),
        "two deep ones in grain": stored((grain % 2).astype(np.uint16) * 700),
        "up to 32": stored(labels_of(0, 31, 32)),
        "black layer": stored(np.zeros_like(clear), alpha=clear),
        "nothing seen": stored(white, alpha=np.zeros_like(clear)),
        "hidden white": stored(np.where(disc(20, 20, 9), 255, 0).astype(np.uint8), alpha=clear),
        "white under": stored(white - 20, alpha=np.where(disc(radius=30), 255, 0).astype(np.uint8)),
        "painted layer": stored(np.where(disc(), 255, 0).astype(np.uint8), alpha=clear),
        "red": stored(soft(), labels=None, colours=coloured(0.4)),
        "hardly red": stored(soft(), labels=None, colours=coloured(0.008)),
        "red, hidden": stored(soft(), labels=None, colours=coloured(0.2), alpha=clear),
        "photo": stored(picture()[..., 0], labels=None, colours=picture()),
        "flowers": stored(grain, labels=None, colours=np.random.default_rng(1).integers(0, 256, (HEIGHT, WIDTH, 3)).astype(np.uint8)),
    }  # fmt: skip
    told: dict[str, Any] = {}
    for name, kind in kinds.items():
        with patch.object(mask_levels, "read_stored", return_value=kind):
            told[name] = outcome(mask_levels.read_levels, "m.png", False)
            told[f"{name}, inverted"] = outcome(mask_levels.read_levels, "m.png", True, choosable=True)
            told[f"{name}, one"] = outcome(mask_levels.read_levels, "m.png", False, 3)
    return told


@case
def parts_of_levels() -> Any:
    grain = np.random.default_rng(2).integers(0, 256, (HEIGHT, WIDTH)).astype(np.uint8)
    spots = np.where(np.indices((HEIGHT, WIDTH)).sum(0) % 4 < 1, 255, 0).astype(np.uint8)
    void = [labels_of(0, 3, 9, 255), labels_of(3), np.full((40, 200), 255, np.uint8)]
    thin = labels_of(0, 3, 9)
    thin[30:33] = 255
    thick = labels_of(0, 3, 9)
    thick[30:34] = 255
    return {
        "listed": [mask_levels.listed(range(count)) for count in (1, 2, 3, 12, 13, 20)],
        "flat": [mask_levels._flat_share(each) for each in (grain, spots, labels_of(0, 1, 2))],
        "rough": [mask_levels._roughness(each) for each in (grain, soft(), spots, labels_of(0, 33), labels_of(0, 32))],
        "coloured": [mask_levels._colourful_share(coloured(0.3), alpha) for alpha in (None, soft())],
        "void": [mask_levels._is_void(each) for each in (*void, thin, thick)],
        "soft": [mask_levels.is_soft(each) for each in (grain, soft(), soft(6, 13), soft(30, 25), spots, soft() // 2)],
        "present": mask_levels._present(labels_of(3, 8, 300)),
        "greys": [
            mask_levels._is_flat_greys(labels_of(*levels), sorted(set(levels)), unit)
            for levels, unit in (
                ((0, 60, 120), 1), ((0, 32, 255), 1), ((0, 33, 255), 1), ((0, 222, 255), 1), ((0, 223, 224), 1),
                ((90, 60, 255), 1), ((0, 60), 1), ((0, 9000, 30000), 257), ((0, *range(40, 130, 10)), 1),
            )
        ],
    }  # fmt: skip


@case
def masks_of_files() -> Any:
    told: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, levels in {
            "disc": soft(17, 3),
            "on its side": soft(17, 3).T.copy(),
            "smaller": soft(17, 3)[::2, ::2].copy(),
            "other shape": soft()[:, :60].copy(),
            "in 128": np.where(disc(), 128, 0).astype(np.uint8) | labels_of(0, *[255] * 21),
            "black": labels_of(0),
            "nearly black": labels_of(0, 20, 25) // 1,
            "white": labels_of(255),
        }.items():
            path = Path(folder) / f"{name}.png"
            Image.fromarray(levels).save(path)
            for orientation in (1, 5, 6, 8) if "side" in name else (1,):
                for invert in (False, True):
                    seen = outcome(masks.read_mask, path, SIZE, invert, orientation, choosable=True)
                    if isinstance(seen, Exception):
                        told[f"{name} {invert} {orientation}"] = str(seen).replace(str(path), path.name)
                    else:
                        told[f"{name} {invert} {orientation}"] = (
                            seen[0],
                            [n.replace(str(path), path.name) for n in seen[1]],
                        )
        Image.fromarray(labels_of(0, 1, 2)).save(Path(folder) / "labels.png")
        told["label"] = masks.read_mask(Path(folder) / "labels.png", SIZE, label=2)
    return told


@case
def shapes_of_masks() -> Any:
    mask, nothing, everything = disc(), np.zeros((HEIGHT, WIDTH), np.bool_), np.ones((HEIGHT, WIDTH), np.bool_)
    corner, thin = disc(2, 70, 12), np.zeros_like(nothing)
    thin[20:23, 5:60] = True
    some = {"disc": mask, "corner": corner, "thin": thin, "nothing": nothing, "everything": everything}
    return {
        "fits": [masks.fits(Size(*each), Size(400, 300)) for each in ((404, 300), (405, 300), (200, 150), (300, 400))],
        "boxes": [
            outcome(masks.box_mask, Box(*edges), SIZE)
            for edges in ((3, 4, 20.4, 30.6), (-5, 60, 200, 90), (5, 5, 5, 9), (100, 3, 120, 20))
        ],
        "bounds": [masks.bounds_of(each, margin) for each in some.values() for margin in (0, 3)],
        "box": [outcome(masks.bounding_box, each) for each in some.values()],
        "middle": [outcome(masks.centroid, each) for each in some.values()],
        "grown": [masks.dilate(each, by) for each in some.values() for by in (0, 1, 6)],
        "shrunk": raised(masks.dilate, mask, -1),
        "feather": [masks.feather(each, width) for each in some.values() for width in (0, 2.5, 9)],
        "negative": raised(masks.feather, mask, -0.5),
        "softened": [masks.softened(each, width) for each in some.values() for width in (0, 2.5, 9)],
        "depth": [masks.depth_inside(each, limit) for each in some.values() for limit in (1, 5, 40)],
    }


@case
def painted_where_it_was_clear() -> Any:
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    alpha = np.clip(255 - 4 * np.hypot(x - 30, y - 30), 0, 255).astype(np.uint8)
    blend = blurred(disc(48, 36, 20).astype(np.float32), 7)
    before = Photo(pixels=picture(), alpha=alpha)
    mixed = (picture() * (1 - blend[..., None]) + edited() * blend[..., None]).round().astype(np.uint8)
    after = Photo(pixels=mixed, alpha=alpha.copy())
    shown = painted_alpha.with_painted_alpha(before, after, blend)
    full = painted_alpha.with_painted_alpha(before, after, np.full_like(blend, 0.6))
    nothing = np.zeros_like(blend)
    opaque = Photo(pixels=picture())
    odd = np.where(disc(70, 20, 15), 140, alpha).astype(np.uint8)
    moved = painted_alpha.with_painted_alpha(
        Photo(pixels=picture(), alpha=odd), Photo(pixels=mixed, alpha=odd.copy()), blend
    )
    return {
        "odd": (moved.pixels, moved.alpha),
        "share": [painted_alpha.shown_share(photo, share) for photo in (before, opaque) for share in (blend, nothing)],
        "shown": (shown.pixels, shown.alpha),
        "everything": (full.pixels, full.alpha),
        "same": [
            painted_alpha.with_painted_alpha(photo, made, share) is made
            for photo, made, share in ((opaque, after, blend), (before, opaque, blend), (before, after, nothing))
        ],
        "nearest": [painted_alpha._nearest_outside(each) for each in (disc(), disc(3, 3, 200))],
    }


def profile(primaries: int) -> bytes:
    """A profile of RGB whose colours lie elsewhere: sRGB's own, its colourants exchanged or moved."""
    own = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    count = int.from_bytes(own[128:132], "big")
    for number in range(count):
        entry = 132 + 12 * number
        if own[entry : entry + 4] == b"rXYZ":
            place = int.from_bytes(own[entry + 4 : entry + 8], "big") + 8
            red = int.from_bytes(own[place : place + 4], "big", signed=True)
            own[place : place + 4] = (red + primaries).to_bytes(4, "big", signed=True)
    return bytes(own)


@case
def colours_of_screens() -> Any:
    told: dict[str, Any] = {}
    blend = blurred(disc(50, 40, 18).astype(np.float32), 9)
    alpha = soft()
    for name, icc in {"none": None, "sRGB": profile(0), "other": profile(9000), "broken": b"no profile"}.items():
        photo = Photo(pixels=picture(), icc=icc)
        seen = screen_colours.in_srgb(photo)
        told[name] = seen is photo, seen.pixels, seen.icc is None
        for made in (dataclasses.replace(seen, pixels=edited(), alpha=alpha), dataclasses.replace(seen, alpha=alpha)):
            with patch.object(screen_colours, "BAND", 20):
                back = screen_colours.in_own_colours(photo, seen, made, blend)
            told[f"{name} back {made.pixels is seen.pixels}"] = back.pixels, back.alpha, back.icc == icc
    return told


@case
def clear_or_unset() -> Any:
    told = []
    for mode, clear in (("RGBA", 0), ("RGBA", 9), ("LA", 0), ("RGB", 0)):
        for kind in ("BMP", "PNG", ""):
            image = Image.new(mode, (4, 3), (7, 8, 9)[: len(mode) - 1] if mode != "RGB" else (7, 8, 9))
            if mode != "RGB":
                image.putalpha(clear)
            unused_alpha.fill_unused_alpha(image, kind)
            told.append(np.array(image))
    with tempfile.TemporaryDirectory() as folder:
        for number, samples in enumerate((None, 0, 1, 2)):
            path = Path(folder) / f"{number}.tif"
            image = Image.new("RGBA", (4, 3), (7, 8, 9, 0))
            image.save(path, tiffinfo={} if samples is None else {338: samples})
            with Image.open(path) as opened:
                opened.load()
                unused_alpha.fill_unused_alpha(opened, "TIFF")
                told.append(np.array(opened))
    return told


if __name__ == "__main__":
    write(FILE, CASES)
