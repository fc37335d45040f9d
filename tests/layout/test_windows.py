"""Windows: compose works on what changes at the models' own size, and on the whole of a small photo as ever."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from intarsia.backbones.protocols import Backbones
from intarsia.imaging.affine import IDENTITY, Matrix, warp_mask
from intarsia.imaging.cells import cell_coverage
from intarsia.imaging.crop import Crop, whole_crop
from intarsia.imaging.geometry import Box, Size
from intarsia.imaging.masks import Mask
from intarsia.imaging.read import photo_from_image
from intarsia.imaging.tensors import change_to_image, change_to_part, image_to_canvas, image_to_tensor
from intarsia.layout.cache import MemoryCache
from intarsia.layout.compose import compose
from intarsia.layout.correspondence import correspondence
from intarsia.layout.layout import Layout, Placement
from intarsia.layout.scene import Scene, SceneObject
from intarsia.layout.windows import windows_of
from intarsia.progress import Progress
from intarsia.records.arrange import ArrangeRecord, ComposeSettings

RECORD = ArrangeRecord(
    photo="scene.png", fill="diffusion", compose=ComposeSettings(plates=1, plate_steps=5, refine_steps=8)
)
WHOLE = replace(RECORD, compose=replace(RECORD.compose, context=1000.0))
FAR: Matrix = (1.0, 0.0, 110.0, 0.0, 1.0, 6.0)


def disc(width: int, height: int, x: float, y: float, radius: float) -> Mask:
    ys, xs = np.mgrid[:height, :width] + 0.5
    return np.asarray((xs - x) ** 2 + (ys - y) ** 2 < radius**2)


def scene_of(width: int, height: int) -> Scene:
    """A ball of 14 pixels at the left of a sloping, noisy ground."""
    ys, xs = np.mgrid[:height, :width].astype(np.float32)
    ball = disc(width, height, 20, 24, 7)
    ground = np.stack([90 + xs / 2, 150 - ys / 3, 70 + 0 * xs], -1)
    pixels = np.where(ball[..., None], (200, 40, 30), ground) + np.random.default_rng(0).normal(
        0, 3, (height, width, 3)
    )
    photo = photo_from_image(pixels.clip(0, 255).astype(np.uint8))
    return Scene(photo=photo, objects=(SceneObject(name="ball", words="ball", mask=ball),))


def layout_of(scene: Scene, matrix: Matrix) -> Layout:
    mask = scene.masks["ball"]
    mask = mask if matrix == IDENTITY else warp_mask(mask, matrix, scene.photo.size)
    return Layout(placements=(Placement(name="ball", matrix=matrix, mask=mask),))


def test_each_part_that_changes_has_a_window_of_the_models_size_and_those_that_overlap_are_one(
    pocket: Backbones,
) -> None:
    changing = disc(400, 300, 40, 40, 9) | disc(400, 300, 350, 250, 50) | disc(400, 300, 56, 50, 4)
    crops = windows_of(changing, RECORD, pocket.in_parts)
    assert len(crops) == 2
    small, large = sorted(crops, key=lambda crop: crop.window.width)
    assert small.scale == 1 and small.size == Size(64, 64)
    assert large.window.width == pytest.approx(1.6 * 102, abs=1) and large.size == Size(64, 64)
    covered = np.zeros_like(changing, dtype=int)
    for crop in crops:
        covered[crop.part(Size(400, 300))] += 1
    assert covered.max() == 1 and covered[changing].min() == 1


@pytest.mark.parametrize(("size", "record"), [((64, 64), RECORD), ((67, 64), RECORD), ((400, 300), WHOLE)])
def test_a_photo_of_the_models_size_is_one_window_and_so_is_any_with_enough_context(
    size: tuple[int, int], record: ArrangeRecord, pocket: Backbones
) -> None:
    crops = windows_of(disc(*size, 20, 20, 8), record, pocket.in_parts)
    assert crops == [whole_crop(Size(*size), 64, pocket.in_parts.stride)]


def test_nothing_that_changes_has_no_window(pocket: Backbones) -> None:
    assert windows_of(np.zeros((300, 400), np.bool_), RECORD, pocket.in_parts) == []


@pytest.mark.parametrize("side", [64, 100, 150])
def test_a_window_of_the_whole_photo_sees_and_changes_what_the_whole_photo_did(side: int) -> None:
    """Bit for bit: the canvas, the way back, cells and correspondence."""
    size, work = Size(side, side), Size(64, 64)
    crop = whole_crop(size, 64, 8)
    rng = np.random.default_rng(1)
    image = rng.uniform(0, 255, (side, side, 3)).astype(np.float32)
    assert torch.equal(image_to_canvas(image, crop), image_to_tensor(image, work))
    change = torch.from_numpy(rng.normal(0, 0.2, (3, 64, 64)).astype(np.float32))
    assert np.array_equal(change_to_part(change, crop, size), change_to_image(change, size))
    mask = disc(side, side, 30, 40, 20)
    assert torch.equal(cell_coverage(mask, 8, 8, crop=crop), cell_coverage(mask, 8, 8))
    scene = scene_of(side, side)
    layout = layout_of(scene, (1.0, 0.0, 20.0, 0.0, 1.0, 6.0))
    ours, whole = (correspondence(scene, layout, 16, 16, crop=which) for which in (crop, None))
    for name in ("index", "known", "labels", "source_labels"):
        assert torch.equal(getattr(ours, name), getattr(whole, name))


def test_cells_of_a_window_between_pixels_count_by_area_and_go_on_over_the_border() -> None:
    mask = np.zeros((10, 20), np.bool_)
    mask[:, 15:] = True
    crop = Crop(Box(12.5, 0, 22.5, 10), Size(8, 8))
    cells = cell_coverage(mask, 2, 4, crop=crop)  # of 5 x 2.5 pixels
    assert cells[0].tolist() == pytest.approx([0, 1, 1, 1])
    change = torch.arange(8.0).expand(3, 8, 8) / 127.5
    part = change_to_part(change, crop, Size(20, 10))
    assert part.shape == (10, 8, 3)
    assert part[5, 3:7, 0] == pytest.approx((np.arange(15, 19) + 0.5 - 12.5) * 0.8 - 0.5, abs=0.01)


def test_a_far_move_is_worked_on_in_two_windows_and_nothing_else_changes(pocket: Backbones) -> None:
    scene = scene_of(160, 160)
    layout, seen = layout_of(scene, FAR), list[Progress]()
    meter = pocket.in_parts.counter
    before = meter.evaluations
    made = compose(scene, layout, RECORD, pocket, seed=0, cache=MemoryCache(), on_progress=seen.append)
    assert meter.evaluations - before == 1 * 2 * 2 + 2 * (2 * 3)  # the gap once, the joining in both windows
    kept = made.blend == 0
    assert np.array_equal(made.photo.pixels[kept], scene.photo.pixels[kept])
    joining = [p for p in seen if p.stage.startswith("joining")]
    assert [p.done for p in joining] == list(range(1, joining[0].total + 1))


def test_a_window_keeps_the_grain_of_the_ground_that_the_whole_photo_loses(pocket: Backbones) -> None:
    """What the checkpoint adds to a gap is as fine as the photo is, not an enlargement."""
    scene = scene_of(160, 160)
    crop = windows_of(scene.masks["ball"], RECORD, pocket.in_parts)[0]
    assert crop.scale == 1
    seen = image_to_canvas(scene.photo.pixels, crop)[0].permute(1, 2, 0).numpy() * 127.5 + 127.5
    assert np.abs(seen - scene.photo.pixels[crop.part(scene.photo.size)]).max() < 1e-3
