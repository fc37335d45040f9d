"""Pictures that are worked on at reduced sizes and in parts, and a few figures of what comes out.

Written anew with `python -m tests.imaging.known_parts`. That a figure changed says that pictures do: look at them first.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest.mock import patch

import cv2
import numpy as np
import torch

from intarsia.imaging import alpha, crop, geometry, infill, patch_infill, poisson, shadows, tensors
from intarsia.imaging.geometry import Box, Grid, Point, Size
from intarsia.imaging.photo import Photo
from tests.imaging.known_figures import HEIGHT, SIZE, WIDTH, blurred, disc, picture, resized
from tests.known import Cases, raised, write

FILE = Path(__file__).with_name("known_parts.json")

CASES = Cases()
case = CASES.add

NOTHING = np.zeros((HEIGHT, WIDTH), np.bool_)


@case
def filled_from_level_to_level() -> Any:
    """On so small a picture there are several levels where little is searched for at once."""
    pixels, hole = picture(), disc(50, 40, 12)
    odd = pixels[:71, :95], hole[:71, :95] | disc(94, 70, 6)[:71, :95]
    told: dict[str, Any] = {}
    for most, large, near in ((120, 60_000, 12), (60, 100, 2), (120, 100, 1), (200, 100, 30)):
        with patch.multiple(patch_infill, MOST_PIXELS=most, LARGE=large, NEAR_SEAM=near):
            told[f"{most} {large} {near}"] = patch_infill.fill_by_copying(pixels, hole, ~hole, ~hole, seed=2)
    with patch.multiple(patch_infill, MOST_PIXELS=150, MOST_SIDE=70):
        told["odd"] = patch_infill.fill_by_copying(odd[0].astype(np.float32), odd[1], ~odd[1], ~odd[1], seed=4)
        source = ~odd[1] & (np.arange(95) < 48)
        told["some of it"] = patch_infill.fill_by_copying(odd[0], odd[1], source, ~odd[1] & ~disc()[:71, :95], seed=1)
    with patch.multiple(patch_infill, LARGE_PHOTO=100, MOST_PIXELS=300):
        holes = hole | disc(10, 10, 4) | disc(12, 60, 5)
        told["shared"] = patch_infill.fill_by_copying(pixels, holes, ~holes, ~holes)
    with patch.multiple(patch_infill, MOST_PIXELS=100, MOST_SEARCHED=120):
        scarce = disc(50, 40, 16) & ~hole
        told["scarce"] = patch_infill.fill_by_copying(pixels, hole, scarce, ~hole)
    guide = lambda image, gone, _: np.where(gone[..., None], image[::-1], image).astype(np.float32)  # noqa: E731
    with patch.multiple(patch_infill, MOST_PIXELS=150):
        told["guided"] = patch_infill.fill_by_copying(pixels, hole, ~hole, ~hole, guide=guide)
    return told


@case
def steps_of_levels() -> Any:
    pixels, hole = picture(), disc(50, 40, 12)
    odd = disc(94, 70, 9)[:71, :95] | hole[:71, :95]
    level = patch_infill._Level(picture=pixels, hole=hole, source=~hole & ~disc(20, 20, 8), known=~hole)
    rough = patch_infill._Level(picture=pixels[:71, :95].astype(np.float32), hole=odd, source=~odd, known=~odd)
    whole = patch_infill._Level(picture=pixels, hole=NOTHING, source=~NOTHING, known=~NOTHING)
    count = int(hole.sum())
    label = (np.arange(count) * 3 // count).astype(np.int32)
    offsets = np.array([[-25, 3], [26, -2], [2, 27]])
    far = np.array([[-25, 3], [60, -2], [2, 27]])
    boxes = np.array(
        [[[0, 9], [0, 9]], [[0, 9], [12, 30]], [[40, 50], [2, 9]], [[60, 66], [3, 20]], [[30, 31], [60, 70]]]
    )
    small = patch_infill._halved(level)
    change = np.stack([np.linspace(-9, 20, int(small.hole.sum())) ** power for power in (0, 1, 2)], 1).astype(
        np.float32
    )
    apart = disc(10, 10, 3) | disc(19, 10, 3) | disc(60, 50, 8) | disc(80, 20, 2)
    contexts = [
        patch_infill.context_of(part, hole[part], source)
        for part in ((slice(28, 52), slice(38, 62)), (slice(30, 34), slice(40, 44)))
        for source in (~hole, NOTHING, disc(90, 60, 9), disc(50, 40, 50) & ~hole)
    ]
    with patch.object(patch_infill, "NEAR_SEAM", 3):
        near = patch_infill._near_seams(hole, label), patch_infill._near_seams(hole, 0 * label)
    return {
        "halved": [vars(patch_infill._halved(each)) for each in (level, rough, whole)],
        "seams": [patch_infill._seams_of(some, level) for some in (label, 0 * label)],
        "refined": (patch_infill._refined(offsets, label, level), patch_infill._refined(far, label, level)),
        "led": (patch_infill._led_inside(offsets, label, level), patch_infill._led_inside(far, label, level)),
        "parents": patch_infill._parents(small.hole, hole),
        "enlarged": patch_infill._enlarged(change, small.hole, hole),
        "near": near,
        "merged": [patch_infill._merged(some) for some in (boxes, boxes[::-1], boxes[:1])],
        "separate": (patch_infill.separate(apart), patch_infill.separate(NOTHING)),
        "contexts": contexts,
        "wide": patch_infill.context_of(
            (slice(60, 90), slice(10, 95)), np.ones((30, 85), np.bool_), np.ones((900, 900), np.bool_)
        ),
        "inside": [
            patch_infill._inside(np.array(rows), np.array(columns), ~hole)
            for rows, columns in (([0, 71], [0, 95]), ([-1], [3]), ([3], [-1]), ([72], [3]), ([3], [96]), ([40], [50]))
        ],
    }


@case
def membranes() -> Any:
    levels, hole = picture().astype(np.float32), disc(50, 40, 14) | disc(2, 3, 9)
    large = resized(levels, 300, 210)
    gone = resized((disc() | disc(90, 60, 12)).astype(np.uint8), 300, 210) > 0
    return {
        "small": infill.membrane_fill(levels, ~hole),
        "large": infill.membrane_fill(large, ~gone),
        "one": infill.membrane_fill(levels[..., :1], ~hole),
        "all": infill.membrane_fill(levels, ~NOTHING),
        "nothing": infill.membrane_fill(levels, NOTHING),
        "halved": infill.halve(levels[:71, :95], ~hole[:71, :95]),
        "crops": [infill.crop_around(each, margin) for each in (hole, disc(90, 70, 4)) for margin in (0, 3, 50)],
    }


@case
def seams() -> Any:
    hole = disc(50, 40, 8) | disc(93, 54, 5)
    count = int(hole.sum())
    known = ~hole & ~disc(60, 40, 5)
    offsets = np.tile([-25, 12], (count, 1)).astype(np.int64)
    offsets[: count // 2] = (-30, -20)
    told = []
    for weight in (0.0, 0.3):
        blend = poisson.CopyBlend.of(picture().astype(np.float32), hole, known, offsets, weight or poisson.SCREEN)
        told += [blend, blend.solved(), blend.improved(blend.copied + 3, 1), blend.improved(blend.copied, 12)]
    return told


@case
def mattes() -> Any:
    pixels = picture()
    blocks = np.kron(cv2.resize(disc().astype(np.uint8), (16, 12), interpolation=cv2.INTER_NEAREST), np.ones((6, 6)))
    coarse, other, thin = blocks > 0, disc(60, 40, 9), disc(radius=2) | NOTHING
    thin[34:36, 10:80] = True
    told: dict[str, Any] = {
        "usual": alpha.matte_of(pixels, disc(), NOTHING),
        "beside": alpha.matte_of(pixels, disc(), other, edge=2.0),
        "coarse": alpha.matte_of(pixels, coarse, other),
        "grain": alpha.matte_of(pixels, disc(41, 35, 18), other, edge=1.5, grain=4.0),
        "thin": alpha.matte_of(pixels, thin, NOTHING, edge=4.0),
        "at the border": alpha.matte_of(pixels, disc(3, 60, 16), NOTHING, edge=3.0),
        "quick": alpha.matte_of(pixels, disc(), other, edge=3.0, effort=0.005),
        "grains": [alpha.grain_of(each) for each in (coarse, coarse.T, disc(), NOTHING, thin, coarse[::2], coarse[:, ::3])],
        "like": [alpha.like_ground(pixels, each, grain) for each in (disc(radius=20), coarse) for grain in (1.0, 3.0)],
        "unlike": alpha.like_ground(pixels, disc(radius=3), 1.0),
        "between": [alpha._between(np.array([0, 1, 7, 40, 95]), *sides) for sides in ((12, 96), (1, 96), (2, 96))],
        "at": alpha._at(
            pixels[::9, ::9].astype(np.float32),
            (np.array([0, 3, 7]), np.array([0.2, 0.5, 0.9], np.float32)),
            (np.array([1, 10, 4]), np.array([0.1, 0.6, 1.0], np.float32)),
        ),
        "own": [alpha.own_colours(pixels, blurred(disc().astype(np.float32), side), edge) for side, edge in ((3, 0.5), (9, 2))],
    }  # fmt: skip
    sure, never = disc(radius=12), ~disc(radius=23)
    image, wanted = (pixels / np.float32(255)).astype(np.float32), disc().astype(np.float32)
    told["held"] = alpha.closed_form(image, sure, never, wanted, pull=0.3, smooth=1e-3)
    told["known"] = alpha.closed_form(image, disc(), ~disc(), wanted, pull=0.3, smooth=1e-3)
    with patch.multiple(alpha, AT_ONCE=100, TILE=16):
        told["reduced"] = [
            alpha._at_reduced_size(pixels, sure, never, wanted, factor, pull=0.1, smooth=1e-5) for factor in (2, 3)
        ]
        told["tiles"] = list(alpha._tiles(disc() | disc(90, 66, 5))), list(alpha._tiles(NOTHING))
        told["in tiles"] = alpha.own_colours(pixels, blurred(disc().astype(np.float32), 7), 2.0)
    return told


@case
def shaded() -> Any:
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    ground = np.stack([150 + 4 * np.sin(x / 9), 140 + x / 9, 120 + y / 9], -1)
    fall = 1 - 0.45 * cv2.blur((((x - 48) / 26) ** 2 + ((y - 50) / 7) ** 2 < 1).astype(np.float32), (5, 5))
    pixels = (ground * fall[..., None]).astype(np.uint8)
    thing = disc(48, 34, 14)
    pixels[thing] = (40, 90, 160)
    tinted = pixels.copy()
    tinted[..., 0] = (tinted[..., 0] * np.where(fall < 0.9, 0.7, 1)).astype(np.uint8)
    large = resized(pixels, WIDTH * 7, HEIGHT * 7), resized(thing.astype(np.uint8), WIDTH * 7, HEIGHT * 7) > 0
    return {
        "usual": shadows.measure_shadow(pixels, thing, NOTHING, 16),
        "short": shadows.measure_shadow(pixels, thing, NOTHING, 16, 400),
        "upside down": shadows.measure_shadow(pixels[::-1].copy(), thing[::-1].copy(), NOTHING, 16),
        "beside another": shadows.measure_shadow(pixels, thing, disc(80, 50, 12), 14),
        "tinted": shadows.measure_shadow(tinted, thing, NOTHING, 16),
        "far": [shadows.measure_shadow(pixels, thing, NOTHING, reach) for reach in (1, 2, 6, 60)],
        "nothing": shadows.measure_shadow(pixels, NOTHING, NOTHING, 9),
        "large": shadows.measure_shadow(*large, np.zeros_like(large[1]), 110),
    }


@case
def windows() -> Any:
    photo = Size(300, 200)
    regions = (
        Box(30, 20, 60, 50),
        Box(250.5, 150.25, 299, 199),
        Box(0, 90, 300, 110),
        Box(10, 10, 290, 190),
        Box(5, 5, 5, 5),
    )
    crops = [
        crop.crop_around(region, photo, side, 8, **ways)
        for region in regions
        for side, ways in ((64, {}), (32, {"context": 3.0}), (96, {"enlarged": 1.0}))
    ]
    crops += [
        crop.whole_crop(Size(*size), 64, 16) for size in ((300, 200), (200, 301), (1000, 90), (33, 700), (64, 64))
    ]
    cut = crop.Crop(Box(10.4, 8.3, 74.9, 60.2), Size(80, 64))
    over = crop.Crop(Box(60, 40, 124, 104), Size(64, 64))
    canvas = cut.cut(picture())
    return {
        "crops": [
            (each.window.as_tuple(), each.size, each.scale, each.inset, each.frame, each.holds(photo), each.part(photo))
            for each in crops
        ],
        "short": [each.short_side(photo) for each in crops],
        "cut": [each.cut(picture()) for each in (cut, over)],
        "put": [cut.put(canvas, SIZE), over.put(over.cut(picture()), SIZE)],
        "piece": [each.piece(layer) for each in (cut, over) for layer in (picture(), disc())],
        "piece of a part": over.piece(picture()[40:, 60:], (slice(40, 72), slice(60, 96))),
        "snapped": [crop._snapped(length) for length in (3.0000001, 3.01, 2.9999999)],
    }


@case
def pasted() -> Any:
    change = torch.linspace(-1, 1, 3 * 64 * 64).reshape(3, 64, 64).sin()
    photo, blend = Photo(pixels=picture()), blurred(disc().astype(np.float32), 9)
    narrow = crop.Crop(Box(10.5, 8, 74.5, 72), Size(64, 64))
    over = crop.Crop(Box(60, 40, 124, 104), Size(64, 64))
    enlarged = crop.Crop(Box(20, 10, 52, 42), Size(64, 64))
    small = crop.Crop(Box(0, 0, 96, 96), Size(64, 64))
    windows_ = (narrow, over, enlarged, small)
    return {
        "to part": [tensors.change_to_part(change, each, SIZE) for each in windows_],
        "to canvas": [tensors.image_to_canvas(picture(), each) for each in windows_],
        "pasted": [tensors.paste_crop(photo, each, change, blend).pixels for each in windows_],
        "back": [tensors.paste_back(photo, some, blend).pixels for some in (change, change[:, :48])],
        "photo": [tensors.resize_to_photo(change, Size(*size)) for size in ((96, 72), (64, 64), (30, 20), (64, 20))],
        "image": [tensors.change_to_image(change, Size(*size)) for size in ((96, 72), (64, 64), (30, 20))],
        "tensor": [tensors.to_tensor(photo, Size(*size)) for size in ((96, 72), (40, 32), (100, 80))],
        "levels": (tensors.levels_of(change * 1.5), tensors.levels_to_tensor(picture())),
        "whole": tensors.image_to_tensor(picture(), SIZE),
    }


@case
def places() -> Any:
    size, box, other = Size(96, 72), Box(3.5, 4, 20, 30.25), Box(10, 12, 50, 28)
    grid = Grid(size, 9, 16)
    points = [Point(0, 0), Point(95.9, 71.9), Point(-3, 200), Point(20, 30.25), Point(3.5, 4)]
    asked = [(300, 200), (200, 300), (1000, 90), (90, 1000), (64, 64), (37, 5000)]
    return {
        "sizes": (str(size), size.short, size.long, size.area, Size(3, 9).short),
        "errors": [raised(Size, 0, 4), raised(Size, 4, 0), raised(Box, 5, 0, 4, 9), raised(Box, 0, 5, 4, 4),
                   raised(Box, 0, 0, float("inf"), 3), raised(Grid, size, 0, 3), raised(Grid, size, 3, 0),
                   raised(geometry.working_size, size, 0, 8), raised(geometry.working_size, size, 8, 0)],
        "box": (str(box), box.width, box.height, box.area, box.center, box.as_tuple(), box.rounded(), box.rounded().slices()),
        "shared": [(a.intersection(b), a.iou(b)) for a in (box, other) for b in (box, other, Box(80, 60, 90, 70), Box(1, 1, 1, 1))],
        "empty": Box(1, 1, 1, 1).iou(Box(2, 2, 2, 2)),
        "contains": [box.contains(point) for point in (*points, Point(3.5, 30), Point(19.9, 4), Point(20, 10), Point(3, 10))],
        "clipped": [each.clipped(size) for each in (box, Box(-5, -6, 3, 4), Box(90, 60, 120, 99), Box(100, 80, 120, 99))],
        "scaled": (box.scaled(size, Size(50, 200)), Point(3, 4).scaled(size, Size(50, 200))),
        "expanded": [box.expanded(pixels) for pixels in (3, 0, -2, -9, -100)],
        "around": (Box.around(Point(4, 5), 6, 9), Box.hull([box, other, Box(0, 50, 1, 51)])),
        "rounded": [Box(*edges).rounded() for edges in ((0.9999999, 1.0000001, 5.0000001, 6.9999999), (0.9, 1.1, 5.1, 6.9))],
        "grid": (grid.cell_width, grid.cell_height, grid.center(2, 5), [grid.cell(p) for p in points], grid.box_to_cells(box)),
        "one cell": Grid(size, 1, 1).cell(Point(5, 5)),
        "working": [geometry.working_size(Size(*s), short, stride, longest) for s in asked for short, stride, longest in
                    ((64, 8, None), (100, 16, 150), (1, 1, 3), (20, 64, 70))],
        "stride": [geometry.to_stride(side, 8) for side in (0, 3, 4, 11.9, 12, 12.1, 100)],
    }  # fmt: skip


if __name__ == "__main__":
    write(FILE, CASES)
