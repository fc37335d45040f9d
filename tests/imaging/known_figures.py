"""Small pictures through each function of `imaging`, and a few figures of what comes out.

Written anew with `python -m tests.imaging.known_figures`. That a figure changed says that pictures do: look at them first.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from intarsia.diffusion import tiles
from intarsia.imaging import (
    affine,
    alpha,
    changed_region,
    changed_shape,
    colour_drift,
    crop,
    features,
    guided,
    infill,
    known_ground,
    matting,
    outline,
    outline_vote,
    patch_infill,
    poisson,
    protected,
    registered_edit,
    settling,
    shadows,
    shift_map,
    slices,
    tensors,
    tint,
    undo_drift,
    watermark,
)
from intarsia.imaging.geometry import Box, Point, Size
from intarsia.imaging.photo import Photo
from tests.known import Cases, write

FILE = Path(__file__).with_name("known_figures.json")

HEIGHT, WIDTH = 72, 96
SIZE = Size(WIDTH, HEIGHT)
TOWARDS = (0.9, 0.2, 8.0, -0.15, 1.1, -3.0)
"""A map that turns, stretches and moves."""

CASES = Cases()
case = CASES.add


def picture(phase: float = 0.0) -> np.ndarray:
    """(72, 96, 3) bytes: waves, a red disc, grain."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    waves = [110 + 50 * np.sin(x / (7 + k) + phase) * np.cos(y / (9 - k)) for k in range(3)]
    levels = np.stack(waves, -1) + np.random.default_rng(3).normal(0, 3, (HEIGHT, WIDTH, 3))
    levels[disc()] = (200, 60, 50) + 12 * np.sin(x + 2 * y)[disc()][:, None]
    return levels.clip(0, 255).astype(np.uint8)


def disc(x: float = 40, y: float = 34, radius: float = 17) -> np.ndarray:
    """(72, 96) of a mask: a disc."""
    down, across = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    return (across - x) ** 2 + (down - y) ** 2 < radius**2


def resized(values: np.ndarray, width: int, height: int) -> Any:
    """A picture or mask of other sides, with its type of numbers kept."""
    how = cv2.INTER_CUBIC if values.ndim == 3 else cv2.INTER_LINEAR
    return cv2.resize(values, (width, height), interpolation=how)


def blurred(values: np.ndarray, side: int) -> Any:
    """Means over squares."""
    return cv2.blur(values, (side, side))


@case
def outline_of_a_box() -> Any:
    return outline.outline_box(picture(), Box(18, 12, 62, 56))


@case
def outline_of_a_box_beside_another_thing() -> Any:
    return outline.outline_box(picture(), Box(10, 6, 70, 64), taken=disc(58, 34, 6))


@case
def outline_of_points() -> Any:
    pixels = picture()
    return (
        outline.outline_points(pixels, [Point(40, 34)]),
        outline.outline_points(pixels, [Point(40, 34), Point(46, 40)], off=[Point(80, 60)]),
        outline.take_away(pixels, disc(44, 36, 22), [Point(40, 34)], [Point(62, 36)]),
        [box.as_tuple() for box in outline.boxes_about(pixels, [Point(40, 34)])],
        outline.near_points([Point(5, 6), Point(50, 50)], (HEIGHT, WIDTH)),
        outline.keep_touched(disc() | disc(85, 60, 6), [Point(84, 60)], np.ones((HEIGHT, WIDTH), np.bool_)),
    )


@case
def outline_of_a_large_picture() -> Any:
    large = resized(picture(), WIDTH * 6, HEIGHT * 6)
    view = outline.view_of(large, np.ones(large.shape[:2], np.bool_), 96)
    mask = cv2.resize(disc().astype(np.uint8), view.pixels.shape[1::-1]) > 0
    near = resized(disc(41, 35, 18).astype(np.uint8), WIDTH * 6, HEIGHT * 6) > 0
    return outline.enlarge(large, view, mask), outline.refine_part(large, near, np.ones_like(near), 12.0)


@case
def votes() -> Any:
    inside = np.zeros((HEIGHT, WIDTH), np.bool_)
    inside[12:58, 16:66] = True
    view = outline_vote.View(pixels=picture(), inside=inside, sure=disc(40, 34, 4))
    lab = np.asarray(cv2.cvtColor(view.pixels, cv2.COLOR_RGB2LAB), np.float32)
    around = outline_vote.surroundings_of(view)
    start, end, step = outline_vote.steps_of(lab)
    length = outline_vote.fenced(lab, view, around, 4.0, None)
    mask = disc(41, 35, 15)
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    colours = outline_vote.Colours(lab, y, x)
    weights = around.ravel()[colours.samples, None].astype(np.float32)
    return {
        "found": outline_vote.vote(view),
        "places": view.places(),
        "frame": view.frame,
        "around": around,
        "steps": (start.astype(float), end.astype(float), step),
        "shortest": outline_vote.shortest(start, end, step, around),
        "length": length,
        "mean": outline_vote.mean_over(lab[..., 0], around, 3.0),
        "middle": outline_vote.middle_length(length, view),
        "enclosure": outline_vote.enclosure(length, view),
        "fence": outline_vote.with_fence(lab, length, view),
        "cut": outline_vote.cut(view.pixels, view, mask, 2),
        "near": colours.near(weights),
        "usual": colours.usual(weights),
        "strange": colours.strange(around),
        "settled": colours.settle([mask.astype(np.float32), inside * np.float32(0.6)], view),
        "plausible": outline_vote.plausibility(mask, [disc(40, 34, 16), disc(43, 34, 12)], lab, view),
        "standing out": outline_vote.standing_out(mask, lab, view),
        "edge": outline_vote.outline_of(mask, view),
        "contrast": outline_vote.contrast_along(mask, lab),
        "tidy": outline_vote.tidy(mask & (picture()[..., 1] % 3 > 0)),
    }


def edited() -> np.ndarray:
    """The picture as an editor gives it back: moved, tinted, with another thing in it."""
    moved = cv2.warpAffine(picture(), np.array([[1.01, 0, 1.4], [0, 1.01, -0.8]]), (WIDTH, HEIGHT), borderMode=1)
    tinted = moved.astype(np.float32) * (1.06, 0.98, 0.95) + (3, -2, 4)
    tinted[disc(70, 50, 9)] = (30, 200, 60)
    return tinted.clip(0, 255).astype(np.uint8)


@case
def registration() -> Any:
    found = registered_edit.register_edit(picture(), edited())
    grey = registered_edit.scaled_grey(picture(), SIZE)
    other = registered_edit.scaled_grey(edited(), SIZE)
    start = registered_edit.Drift(size=SIZE, right=1.0, down=-0.5)
    return {
        "found": found,
        "matrix": found.to_source(SIZE),
        "moments": registered_edit.local_moments(grey),
        "structure": registered_edit.structure(grey),
        "halved": registered_edit.scaled(grey, Size(40, 30)),
        "enlarged": registered_edit.scaled(grey, Size(120, 90)),
        "voted": registered_edit.voted_drift(grey, other),
        "fitted": registered_edit.fitted_drift(grey, other, start),
        "trusted": registered_edit.fitted_drift(grey, other, start, ~disc(70, 50, 12)),
        "warped": registered_edit.warped_by(other, start),
        "weights": registered_edit.tukey_weights(other - grey, np.ones((HEIGHT, WIDTH), np.bool_)),
        "shared": registered_edit.shared_structure(picture(), edited(), start),
        "refitted": registered_edit.refitted(grey, other, found, ~disc(70, 50, 12)),
        "at": start.at(Size(48, 36)),
        "farthest": start.farthest,
    }


@case
def drift_undone() -> Any:
    undone = undo_drift.undo_drift(picture(), edited())
    whole = crop.Crop(Box(0, 0, WIDTH, HEIGHT), SIZE)
    part = crop.Crop(Box(10, 8, 82, 62), SIZE)
    laid, covered = undo_drift.laid_over(edited(), found_matrix(), SIZE)
    return {
        "picture": (undone.picture, undone.region, undone.covered, undone.shade),
        "put back": undo_drift.put_back(picture(), whole, undone),
        "in part": undo_drift.put_back(picture(), part, undone, disc(60, 40, 25).astype(np.float32), border=3.0),
        "everything": undo_drift.undo_drift(picture(), edited(), everything=True).region,
        "laid": (laid, covered),
        "cut off": undo_drift.beyond_cut_off(picture(), laid, undone.picture),
        "not cut off": undo_drift.without_cut_off(picture(), laid, undone.picture),
        "rising": undo_drift.rising_inside(disc(), 5.0),
        "channels": undo_drift.whole_channels(edited()),
    }


def found_matrix() -> Any:
    return registered_edit.Drift(size=SIZE, zoom=0.01, turn=0.004, right=1.4, down=-0.8).matrix


@case
def colours_of_an_edit() -> Any:
    levels, unchanged = edited().astype(np.float32), ~disc(70, 50, 12)
    drift = colour_drift.colour_drift(picture(), levels, unchanged)
    return {
        "undone": drift.undone(levels),
        "shade": drift.shade(30, 40),
        "ramps": colour_drift.ramps(12, 20),
        "terms": colour_drift.terms((levels / 255).reshape(-1, 3), 1),
        "uneven": colour_drift.unevenness(picture(), levels, unchanged),
        "rare": colour_drift.rarity((levels / 255).reshape(-1, 3)),
        "range": colour_drift.within_range(edited()),
        "cells": colour_drift.as_cells(levels[..., 0], 12, 9),
    }


@case
def what_changed() -> Any:
    levels = edited().astype(np.float32)
    difference = changed_region.differences(picture(), levels)
    region = disc(66, 46, 20).astype(np.float32)
    return {
        "region": changed_region.changed_region(picture(), levels, np.ones((HEIGHT, WIDTH), np.bool_)),
        "differences": difference,
        "outside": changed_region.outside(levels, picture().astype(np.float32)),
        "contrast": changed_region.contrast(levels[..., 0]),
        "blend": changed_shape.changed_blend(picture(), edited(), region),
        "finer": changed_shape.changed_blend(picture(), edited(), region * np.float32(0.7), grain=2.0),
        "tint": changed_shape.tint_of((levels - picture())[region > 0]),
        "pixels": changed_shape.changed_pixels(levels - picture(), region > 0, 1.0),
        "distance": changed_shape.distance_to(disc()),
    }


@case
def fill() -> Any:
    hole = disc(50, 40, 11)
    pixels, everything = picture(), np.ones((HEIGHT, WIDTH), np.bool_)
    source = ~hole & ~disc(40, 34, 20)
    both = hole | disc(12, 12, 5)
    return {
        "copied": patch_infill.fill_by_copying(pixels, hole, source, ~hole, seed=2),
        "guided": patch_infill.fill_by_copying(pixels, both, ~both, ~both, seed=5, effort=0.5),
        "apart": patch_infill.separate(both),
        "context": patch_infill.context_of((slice(29, 51), slice(39, 61)), hole[29:51, 39:61], source),
        "membrane": infill.membrane_fill(pixels.astype(np.float32), ~hole),
        "halved": infill.halve(pixels.astype(np.float32), ~hole),
        "relaxed": infill.relaxed(pixels[..., 0].astype(np.float32), hole),
        "twice": infill.twice(pixels[..., 1].astype(np.float32)[:20, :30], (slice(3, 33), slice(5, 51))),
        "crop": infill.crop_around(hole, 4),
        "features": features.features_of(pixels.astype(np.float32)),
        "features at": features.Features.of(pixels).at(np.array([3, 40, 71]), np.array([5, 60, 95])),
        "everything": everything.sum(),
    }


@case
def shifts() -> Any:
    levels = picture().astype(np.float32)
    hole = disc(50, 40, 9)
    source = ~disc(50, 40, 11)
    found = shift_map.find_shift_map(levels, hole, source, np.random.default_rng(1))
    offsets = shift_map.rim_offsets(levels, hole, source)
    assert found is not None
    rows, columns = np.nonzero(hole)
    return {
        "map": (np.array(found.offsets), found.labels),
        "copied": found.copied(levels, hole),
        "rim": np.array(offsets),
        "repetitions": np.array(shift_map.repetitions(levels, hole, source, np.random.default_rng(1))),
        "covering": np.array(shift_map.covering_offsets(hole, source, offsets[:3], np.random.default_rng(1))),
        "guide": np.array(
            shift_map.guided_offsets(levels, hole, source, levels[::-1].copy(), np.random.default_rng(1))
        ),
        "shifted": shift_map.shifted(levels, (5, -7)),
        "leading": shift_map.leading_to(source, rows, columns, (20, 15)),
        "labelled": shift_map.label(features.features_of(levels), hole, source, offsets[:4]).labels,
    }


@case
def joined() -> Any:
    hole = disc(50, 40, 8)
    count = int(hole.sum())
    offsets = np.tile([-25, 12], (count, 1)).astype(np.int64)
    offsets[: count // 3] = (20, -30)
    blend = poisson.CopyBlend.of(picture(), hole, ~hole, offsets)
    guess = np.tile(np.array([100, 110, 120], np.float32), (count, 1))
    some = np.arange(0, count, 2)
    part = poisson.CopyBlend.of(picture(), hole, ~hole, offsets, 0.02, free=some, guess=guess)
    return blend.matrix, blend.right, blend.copied, blend.solved(), part.right, part.solved(), blend.improved(guess, 3)


@case
def cut_out() -> Any:
    pixels, mask, nothing = picture(), disc(), np.zeros((HEIGHT, WIDTH), np.bool_)
    ground = cv2.blur(pixels, (31, 31)).astype(np.float32)
    layer = matting.cut(pixels, mask, mask, edge=3.0, reach=6)
    levels = pixels.astype(np.float32)
    known = known_ground.cut_from_ground(pixels, mask, ground, nothing, edge=3.0, reach=8)
    outer: Any = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 3)
    return {
        "layer": layer,
        "over": layer.over(ground),
        "seen": layer.seen_in((slice(20, 50), slice(30, 60))),
        "warped": matting.warp(layer, TOWARDS, SIZE),
        "adapted": matting.adapted(layer, pixels[~mask], ground, reach=5),
        "known": known,
        "lit": known_ground.shadow_transmittance(levels, ground, ~mask, outer, 8),
        "mean": known_ground.box_mean(levels[..., 0], ~mask, 3),
        "matte": alpha.matte_of(pixels, mask, nothing, edge=3.0),
        "grain": alpha.grain_of(mask),
        "like ground": alpha.like_ground(pixels, mask, 1.0),
        "own": alpha.own_colours(pixels, blurred(mask.astype(np.float32), 5), 3.0),
        "shadow": shadows.measure_shadow(pixels, mask, nothing, 8),
    }


@case
def maps() -> Any:
    levels = picture().astype(np.float32)
    return {
        "picture": affine.warp_picture(picture(), TOWARDS, SIZE),
        "masked": affine.warp_picture(levels, TOWARDS, SIZE, disc()),
        "mask": affine.warp_mask(disc(), TOWARDS, SIZE),
        "smaller": affine.warp_channels(levels, affine.scaling_map(Point(30, 20), 0.3, 0.25), SIZE),
        "part": affine.warped_part(levels, TOWARDS, SIZE, at=(slice(5, 40), slice(10, 60))),
        "gathered": affine.gather(levels, affine.translation(5, -3), SIZE),
        "reduced": affine.reduce_by(levels, TOWARDS, 2, 3),
        "stretched": affine.stretch(levels, affine.box_to_box(Box(0, 0, 96, 72), Box(10, 5, 60, 66)), SIZE),
        "sampled": affine.resample(levels, TOWARDS, SIZE),
        "turned": affine.warp_channels(levels, affine.rotation(Point(48, 36), 30), SIZE),
        "box": affine.map_box(Box(3, 4, 20, 30), TOWARDS).as_tuple(),
        "inverse": affine.compose_maps(affine.inverse_map(TOWARDS), affine.translation(2, 3)),
    }


@case
def crops() -> Any:
    around = crop.crop_around(Box(30, 20, 60, 50), SIZE, 64, 8)
    edge = crop.crop_around(Box(70, 50, 96, 72), SIZE, 32, 8, context=0.4, enlarged=2.0)
    whole = crop.whole_crop(SIZE, 64, 8)
    canvas = around.cut(picture())
    change = torch.linspace(-1, 1, 3 * 64 * 64).reshape(3, 64, 64).sin()
    return {
        "crops": [
            (each.window.as_tuple(), each.size, each.scale, each.inset, each.frame) for each in (around, edge, whole)
        ],
        "cut": canvas,
        "put": around.put(canvas, SIZE),
        "piece": edge.piece(disc()),
        "boxes": (around.to_canvas(Box(31, 22, 50, 40)).as_tuple(), edge.to_photo(Box(3, 4, 20, 30)).as_tuple()),
        "canvas": tensors.image_to_canvas(picture(), around),
        "change": tensors.change_to_part(change, crop.Crop(Box(10, 8, 74, 72), Size(64, 64)), SIZE),
        "change beyond": tensors.change_to_part(change, around, SIZE),
        "changed": tensors.change_to_image(change, SIZE),
        "levels": tensors.levels_of(change),
        "photo": tensors.resize_to_photo(change, SIZE),
        "tensor": tensors.image_to_tensor(picture(), Size(40, 32), (3.5, 2.0, 80.5, 66.0)),
        "pasted": tensors.paste_back(Photo(pixels=picture()), change, disc().astype(np.float32) * 0.6).pixels,
        "pasted crop": tensors.paste_crop(Photo(pixels=picture()), around, change, disc() * np.float32(0.8)).pixels,
    }


@case
def parts_of_pictures() -> Any:
    first, second = (slice(3, 40), slice(5, 60)), (slice(20, 70), slice(1, 30))
    return {
        "grown": (slices.grown(first, 10, (45, 64)), slices.grown(second, 3, (72, 96))),
        "hull": slices.hull([first, second]),
        "overlap": slices.overlap(first, second),
        "within": slices.within(slices.overlap(first, second), first),
        "beyond": slices.beyond((slice(2, 9), slice(1, 4)), first),
        "whole": (slices.whole((7, 9)), slices.shape_of(first)),
    }


@case
def marked() -> Any:
    large = Photo(pixels=resized(picture(), 384, 288))
    blend = resized(disc().astype(np.float32), 384, 288)
    return {
        "photo": watermark.watermarked(large, blend, "toy preview").pixels,
        "text": watermark.text_over("toy preview", 160, 90),
        "narrow": watermark.text_over("toy", 60, 200),
        "letters": watermark.letter_size("toy preview", 160, 90, 8.0),
        "parts": watermark.parts_of(blend > 0.5),
    }


@case
def settled() -> Any:
    image = torch.from_numpy(picture().astype(np.float32) / 255).movedim(-1, 0)
    heats = [cv2.blur(disc(*where).astype(np.float32), (9, 9)) for where in ((40, 34, 16), (80, 60, 9))]
    heat = torch.stack([torch.from_numpy(each / each.max()) for each in heats])
    sure = heat > 0.9
    return {
        "odds": settling.settle_masks(image, heat),
        "near": [settling.neighbourhood(each) for each in sure],
        "usual": settling.density(image.flatten(1).T, image[:, torch.from_numpy(disc())].T),
        "without tint": tint.without_tint(image * 2 - 1, image * 2 - 1.05, disc()),
        "smooth": guided.GuidedFilter(picture().astype(np.float32) / 255, 3, 1e-3).smooth(disc().astype(np.float32)),
    }


@case
def in_tiles() -> Any:
    return [tiles.tile_starts(length, 64, 16) for length in (50, 64, 100, 200)], tiles.tent(8, 5), tiles.tent(13, 16)


@case
def kept() -> Any:
    outer = crop.crop_around(Box(30, 20, 60, 50), SIZE, 64, 8)
    return protected.on_canvas(disc(), outer, Size(48, 40)), protected.on_canvas(disc(), None, Size(40, 30))


if __name__ == "__main__":
    write(FILE, CASES)
