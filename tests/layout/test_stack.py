"""What is laid in the part of a photo that changes is, bit for bit, what is laid in the whole photo."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import cv2
import numpy as np
import pytest

from intarsia.backbones.protocols import Backbones
from intarsia.imaging.affine import IDENTITY, Matrix, warp_mask
from intarsia.imaging.cells import cell_coverage
from intarsia.imaging.geometry import Box, Size
from intarsia.imaging.masks import Mask, dilate
from intarsia.imaging.matting import WHOLE, adapted, cut, warp
from intarsia.imaging.photo import levels_to_bytes
from intarsia.imaging.read import photo_from_image
from intarsia.imaging.slices import shape_of, whole
from intarsia.imaging.tensors import image_to_canvas
from intarsia.layout.cache import MemoryCache
from intarsia.layout.compose import background_without, choose_fill, compose, what_changes
from intarsia.layout.correspondence import correspondence
from intarsia.layout.layout import Layout, Placement
from intarsia.layout.scene import Scene, scene_of
from intarsia.layout.stack import Change, Stack, stack_layers
from intarsia.layout.windows import _boxes_of, windows_of
from intarsia.records.arrange import ArrangeRecord, ComposeSettings

RECORD = ArrangeRecord(photo="scene.png", fill="membrane", compose=ComposeSettings(border=0.05))
SIZE = Size(340, 230)

EDITS: dict[str, tuple[Mapping[str, Matrix], tuple[str, ...]]] = {
    "by whole pixels": ({"ball": (1.0, 0.0, 31.0, 0.0, 1.0, -12.0)}, ()),
    "behind what stays": ({"ball": (1.0, 0.0, 118.0, 0.0, 1.0, 61.0)}, ()),
    "turned, and partly out": (
        {"box": (0.9, -0.3, 180.5, 0.3, 0.9, -90.2), "ball": (1.0, 0.0, -70.3, 0.0, 1.0, 0.0)},
        (),
    ),
    "removed": ({}, ("cake",)),
}


@pytest.fixture(scope="module")
def scene() -> Scene:
    """A ball and a box on a sloping ground, and a cake in between, with shadows below them."""
    ys, xs = np.mgrid[: SIZE.height, : SIZE.width] + 0.5
    masks = {
        "ball": np.hypot(xs - 70, ys - 80) < 30,
        "box": (abs(xs - 250) < 34) & (abs(ys - 150) < 22),
        "cake": np.hypot(xs - 170, (ys - 150) * 1.4) < 36,
    }
    ground = np.stack([110 + xs / 4, 160 - ys / 3, 90 + 0 * xs], -1)
    for mask in masks.values():
        ground *= (1 - 0.3 * dilate(np.roll(mask, 8, 0), 3))[..., None]
    colours = {"ball": (200, 40, 30), "box": (40, 60, 190), "cake": (230, 220, 190)}
    pixels = ground + np.random.default_rng(0).normal(0, 4, ground.shape)
    for name, mask in masks.items():
        pixels[mask] = np.array(colours[name]) + np.random.default_rng(1).normal(0, 4, (int(mask.sum()), 3))
    return scene_of(photo_from_image(pixels.clip(0, 255).astype(np.uint8)), masks)


def layout_of(scene: Scene, moves: Mapping[str, Matrix], removed: tuple[str, ...]) -> Layout:
    return Layout(
        placements=tuple(
            Placement(name=name, matrix=matrix, mask=warp_mask(mask, matrix, SIZE))
            for name, mask in scene.masks.items()
            if name not in removed
            for matrix in [moves.get(name, IDENTITY)]
        ),
        removed=removed,
    )


def laid_on_the_whole(scene: Scene, layout: Layout, change: Change, background: np.ndarray, adapt: bool) -> Stack:
    """The definition, with arrays of the whole photo."""
    image, shape = scene.photo.pixels, change.vacated.shape
    picture, region, alpha = background.astype(np.float32), change.vacated.copy(), np.zeros(shape, np.float32)
    for placement in layout.placements:
        mask, around = scene.masks[placement.name], round(RECORD.compose.border * SIZE.short)
        if placement.moved:
            layer = warp(change.layers[placement.name].seen_in(whole(shape)), placement.matrix, SIZE)
            layer = layer.seen_in(whole(shape))
            if adapt:
                layer = adapted(layer, image[dilate(mask, around) & ~change.objects], picture, reach=around)
            picture = layer.colour + layer.transmittance[..., None] * picture
            region |= layer.transmittance < WHOLE
            alpha = layer.alpha + (1 - layer.alpha) * alpha
            continue
        beneath, inside = region & dilate(mask, 2), mask
        if beneath.any():
            kept = change.layers.get(placement.name) or cut(image, mask, change.objects)
            layer = kept.seen_in(whole(shape))
            beneath |= dilate(mask, 2) & (layer.alpha > 0) & (layer.alpha < 1) & region
            picture = np.where(beneath[..., None], layer.over(picture), picture)
            alpha = np.where(beneath, layer.alpha + (1 - layer.alpha) * alpha, alpha)
            inside = (mask & ~beneath) | (layer.alpha == 1)
        picture = np.where(inside[..., None], image, picture)
        region &= ~inside
        alpha = np.where(inside, np.float32(0), alpha)
    return Stack(part=whole(shape), picture=picture, region=region, alpha=alpha)


@pytest.mark.parametrize("adapt", [False, True])
@pytest.mark.parametrize("edit", list(EDITS))
def test_the_part_that_changes_is_laid_as_in_the_whole_photo(scene: Scene, edit: str, adapt: bool) -> None:
    record = replace(RECORD, compose=replace(RECORD.compose, adapt=adapt))
    layout = layout_of(scene, *EDITS[edit])
    change, fill = what_changes(scene, layout, record), choose_fill(scene, record, None, None)
    background = background_without(scene, change, record, fill, seed=0, cache=MemoryCache())
    stack = stack_layers(scene, layout, change, background, record)
    wanted = laid_on_the_whole(scene, layout, change, background, adapt)
    seen = stack.seen_in(whole(change.vacated.shape), scene.photo.pixels)
    assert np.array_equal(seen.picture, wanted.picture)
    assert np.array_equal(seen.region, wanted.region) and np.array_equal(seen.alpha, wanted.alpha)
    rows, columns = shape_of(stack.part)
    assert rows * columns < 0.8 * SIZE.area
    made = compose(scene, layout, record, None, seed=0, cache=MemoryCache())
    pixels = np.where(wanted.region[..., None], levels_to_bytes(wanted.picture), scene.photo.pixels)
    assert np.array_equal(made.photo.pixels, pixels) and np.array_equal(made.blend, wanted.region.astype(np.float32))


def test_a_background_from_the_cache_is_the_one_that_was_made(scene: Scene) -> None:
    layout, cache = layout_of(scene, *EDITS["removed"]), MemoryCache()
    change, fill = what_changes(scene, layout, RECORD), choose_fill(scene, RECORD, None, None)
    made, again = (background_without(scene, change, RECORD, fill, seed=0, cache=cache) for _ in range(2))
    assert np.array_equal(made, again)
    assert np.array_equal(made, fill.fill(scene.photo.pixels, change.vacated, change.objects & ~change.vacated, seed=0))
    (kept,) = cache.kept.values()
    assert kept["plate"].shape[0] < SIZE.height and kept["plate"].shape[1] < SIZE.width


def test_a_window_sees_of_its_part_what_it_sees_of_the_whole(scene: Scene, pocket: Backbones) -> None:
    """Bit for bit: the canvas, and what belongs where."""
    layout = layout_of(scene, *EDITS["turned, and partly out"])
    changing = np.logical_or.reduce([p.mask for p in layout.placements])
    image = scene.photo.pixels.astype(np.float32) + 0.25
    for crop in windows_of(changing, RECORD, pocket.painter):
        part = crop.part(SIZE)
        assert (image_to_canvas(image[part], crop, part) == image_to_canvas(image, crop)).all()
        found = correspondence(scene, layout, 16, 16, crop=crop)
        visible = layout.visible_masks()
        for k, mask in enumerate([~np.logical_or.reduce(list(visible.values())), *visible.values()]):
            assert (found.labels[:, k] == cell_coverage(mask, 16, 16, crop=crop).flatten()).all()


@pytest.mark.parametrize("corner", [(0, 0), (3, 6), (10, 31)])
def test_the_order_of_windows_is_that_of_the_whole_mask(corner: tuple[int, int], pocket: Backbones) -> None:
    mask: Mask = np.zeros((900, 1200), np.bool_)
    rng = np.random.default_rng(4)
    mask[corner[0] : corner[0] + 800, corner[1] : corner[1] + 1100] = (
        rng.random((8, 11)).repeat(100, 0).repeat(100, 1) > 0.9
    )
    _, _, stats, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8), connectivity=8)
    assert _boxes_of(mask) == [Box(x - 1, y - 1, x + w + 1, y + h + 1) for x, y, w, h, _ in stats[1:].tolist()]
