"""Undoing an editor's drift: of photographs and drawn scenes, edited by known amounts, shifted, zoomed and tinted besides."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from PIL import Image

from intarsia.imaging.crop import Crop, crop_around, whole_crop
from intarsia.imaging.geometry import Box, Size
from intarsia.imaging.masks import Mask, box_mask, feather
from intarsia.imaging.photo import Bytes
from intarsia.imaging.registered_edit import Registration, register_edit
from intarsia.imaging.undo_drift import put_back, undo_drift
from tests.fake_editor import EDITS, Fault, disc, replaced
from tests.paths import ROOT
from tests.slow import mostly_slow

FAULTS = {
    "none": Fault(),
    "shift": Fault(right=3.4, down=-2.7),
    "in": Fault(right=-1.3, down=4, zoom=1.02),
    "out": Fault(right=2.2, zoom=0.98),
    "turn": Fault(right=2, turn=0.7),
    "gains": Fault(right=1.6, zoom=1.01, gain=(1.08, 0.97, 0.92), offset=(4, -3, 6)),
    "gamma": Fault(right=-2.4, down=0.3, gamma=1.15, saturation=1.15, blur=0.7, noise=2),
    "shade": Fault(right=2, zoom=0.99, shade=8, blur=0.6, noise=1),
    "all": Fault(
        right=2.6, down=-1.4, zoom=1.012, gain=(1.05, 1.0, 0.95), offset=(2, 0, -3), gamma=1.08, saturation=1.12,
        blur=0.7, noise=2,
    ),
}  # fmt: skip


def photograph(name: str, side: int) -> Bytes:
    """A photograph of scikit-image with a short side of so many pixels."""
    data = pytest.importorskip("skimage.data")
    pixels = np.ascontiguousarray(getattr(data, name)()[..., :3])
    factor = side / min(pixels.shape[:2])
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(pixels, None, fx=factor, fy=factor, interpolation=how), np.uint8)


def scene(number: int, side: int) -> Bytes:
    """A drawn scene, enlarged."""
    with Image.open(ROOT / "tests" / "scenes" / f"{number:04d}.png") as picture:
        return np.asarray(picture.convert("RGB").resize((side, side), Image.Resampling.BICUBIC))


def misplaced(found: Registration, fault: Fault, picture: Bytes, where: Mask | None = None) -> float:
    """Pixels by which a registration misses the fault at most, anywhere in the picture or in a mask."""
    height, width = picture.shape[:2]
    grid: np.ndarray
    if where is None:
        grid = np.stack(np.meshgrid(np.linspace(0, width, 9), np.linspace(0, height, 9)), -1).reshape(-1, 2)
    else:
        grid = np.stack(np.nonzero(where)[::-1], -1) + 0.5
    a, b, c, d, e, f = found.drift.matrix
    there = grid @ np.array([[a, d], [b, e]]) + [c, f]
    return float(np.linalg.norm(there - fault.moved(grid, height, width), axis=1).max())


def tinted(undone: np.ndarray, truth: Bytes, where: Mask) -> float:
    """Mean levels by which a picture's colours differ from the truth's."""
    smooth = cv2.GaussianBlur((undone - truth) * where[..., None], (0, 0), 4.0)
    return float(np.abs(smooth[where]).mean())


def all_of(picture: Bytes) -> Crop:
    size = Size(picture.shape[1], picture.shape[0])
    return Crop(Box(0, 0, size.width, size.height), size)


def shared_part(region: Mask, truth: Mask) -> float:
    """Intersection over union."""
    return float((region & truth).sum() / (region | truth).sum())


TABLE = [
    (name, 512, edit, fault)
    for row, name in enumerate(("coffee", "astronaut", "chelsea"))
    for column, edit in enumerate(EDITS)
    for fault in (list(FAULTS)[(3 * row + column) % 9], "all")
]
LARGE = [("coffee", 1024, "removed", "gamma"), ("astronaut", 1024, "recoloured", "in")]


@pytest.mark.parametrize(("name", "side", "edit", "fault"), mostly_slow(TABLE + LARGE, pushed=TABLE[::5]))
def test_of_an_edited_photograph_only_the_edit_is_left(name: str, side: int, edit: str, fault: str) -> None:
    source = photograph(name, side)
    where = disc(source.shape, 0.5, 0.55, 0.25)
    truth = EDITS[edit](source, where)
    undone = undo_drift(source, FAULTS[fault](truth))
    assert misplaced(undone.registration, FAULTS[fault], source) < 0.1
    unchanged = undone.covered & ~disc(source.shape, 0.5, 0.55, 0.3)
    assert tinted(undone.picture, truth, unchanged) < 0.5
    changed = np.abs(truth.astype(int) - source).max(-1) > 4
    assert shared_part(undone.region, changed) > 0.82
    made, blend = put_back(source, all_of(source), undone)
    assert (made[blend == 0] == source[blend == 0]).all()
    assert (blend[~disc(source.shape, 0.5, 0.55, 0.33)] == 0).all()
    assert (blend[changed & where] > 0).mean() > 0.97


@pytest.mark.parametrize("fault", list(FAULTS))
@pytest.mark.parametrize("name", mostly_slow(["astronaut", "chelsea"], pushed=["astronaut"]))
def test_where_nothing_was_edited_nothing_changes(name: str, fault: str) -> None:
    source = photograph(name, 256)
    undone = undo_drift(source, FAULTS[fault](source))
    assert misplaced(undone.registration, FAULTS[fault], source) < 0.15
    assert not undone.region.any()
    made, blend = put_back(source, all_of(source), undone)
    assert not blend.any()
    assert (made == source).all()


@pytest.mark.parametrize("number", mostly_slow(range(6), pushed=(0, 3)))
@pytest.mark.parametrize("edit", ["replaced", "recoloured"])
def test_drawn_scenes_with_flat_grounds(number: int, edit: str) -> None:
    source = scene(number, 256)
    where = disc(source.shape, 0.5, 0.55, 0.2)
    truth = EDITS[edit](source, where)
    undone = undo_drift(source, FAULTS["gains"](truth))
    grey = cv2.cvtColor(source, cv2.COLOR_RGB2GRAY)
    seen = np.asarray(cv2.morphologyEx(grey, cv2.MORPH_GRADIENT, np.ones((5, 5), np.uint8))) > 12
    assert misplaced(undone.registration, FAULTS["gains"], source, seen) < 0.25
    assert tinted(undone.picture, truth, undone.covered & ~disc(source.shape, 0.5, 0.55, 0.3)) < 0.5
    changed = np.abs(truth.astype(int) - source).max(-1) > 4
    assert shared_part(undone.region, changed) > 0.78


@pytest.mark.parametrize("radius", [0.05, 0.4])
def test_small_and_large_edits_are_found_as_a_whole(radius: float) -> None:
    source = photograph("coffee", 512)
    where = disc(source.shape, 0.5, 0.5, radius)
    truth = replaced(source, where)
    undone = undo_drift(source, FAULTS["all"](truth))
    assert misplaced(undone.registration, FAULTS["all"], source) < 0.1
    assert undone.region[where].all()
    assert not undone.region[~disc(source.shape, 0.5, 0.5, radius + 0.03)].any()


def test_a_picture_of_another_size_is_resampled_once_and_to_the_same_places() -> None:
    source = photograph("coffee", 512)
    where = disc(source.shape, 0.5, 0.55, 0.2)
    fault = Fault(scale=0.7, right=2.3, zoom=1.01, blur=0.7)
    undone = undo_drift(source, fault(replaced(source, where)))
    assert misplaced(undone.registration, fault, source) < 0.1
    assert undone.region[where].all()


def test_the_crop_of_a_larger_photo_is_put_back_at_the_photos_resolution() -> None:
    photo = photograph("coffee", 900)
    size = Size(photo.shape[1], photo.shape[0])
    crop = crop_around(Box(500, 300, 840, 640), size, 256, 16)
    assert crop.scale < 0.75
    canvas = crop.cut(photo)
    where = disc(canvas.shape, 0.5, 0.5, 0.2)
    large = np.asarray(cv2.resize(replaced(canvas, where), None, fx=3, fy=3, interpolation=cv2.INTER_CUBIC), np.uint8)
    undone = undo_drift(canvas, FAULTS["gains"](large))
    made, blend = put_back(photo, crop, undone)
    assert (made[blend == 0] == photo[blend == 0]).all()
    size_of = (crop.size.width, crop.size.height)
    inside = crop.to_photo(Box(*(0.4 * s for s in size_of), *(0.6 * s for s in size_of))).rounded().slices()
    rows, columns = (slice(p.start - q.start, p.stop - q.start) for p, q in zip(inside, crop.part(size), strict=True))
    coarse = crop.put(replaced(canvas, where), size)
    there, off = coarse[rows, columns].astype(float), coarse[rows, slice(columns.start + 2, columns.stop + 2)]
    assert np.abs(made[inside] - there).mean() < 0.4 * np.abs(off - there).mean()


def test_nothing_changes_outside_a_given_region_and_its_edge_is_soft() -> None:
    source = photograph("chelsea", 300)
    where = disc(source.shape, 0.5, 0.5, 0.3)
    limit = box_mask(Box(0, 0, source.shape[1] // 2, source.shape[0]), Size(source.shape[1], source.shape[0]))
    undone = undo_drift(source, FAULTS["gains"](replaced(source, where)))
    made, blend = put_back(source, all_of(source), undone, feather(limit, 9))
    assert (made[~limit] == source[~limit]).all()
    assert ((blend > 0) & (blend < 1) & limit).any()
    assert (blend[:, source.shape[1] // 2 - 1] < 0.5).all()


def test_a_picture_that_was_painted_anew_is_not_registered_and_is_taken_whole() -> None:
    source = photograph("coffee", 256)
    other = photograph("astronaut", 256)[:, :, ::-1].repeat(2, 1)[:, : source.shape[1]].copy()
    assert not register_edit(source, other).found
    undone = undo_drift(source, other)
    assert undone.repainted
    assert undone.region.all()
    made, blend = put_back(source, all_of(source), undone)
    assert (blend == 1).all()
    assert (made == other).all()


def test_colours_that_were_asked_for_are_kept() -> None:
    """A picture by night is no fault: where it is known, and where the change is too large to be one."""
    source = photograph("coffee", 256)
    warm, night = Fault(right=2, gain=(1.1, 1.0, 0.85)), Fault(right=2, gain=(0.45, 0.5, 0.7))
    asked = undo_drift(source, warm(source), everything=True)
    assert misplaced(asked.registration, warm, source) < 0.1
    assert (asked.region == asked.covered).all()
    assert tinted(asked.picture, warm.tinted(source.astype(float)), asked.covered) < 0.5
    dark = undo_drift(source, night(source))
    assert misplaced(dark.registration, night, source) < 0.1
    assert dark.region.mean() > 0.9
    assert tinted(dark.picture, night.tinted(source.astype(float)), dark.covered) < 0.5


def test_a_crop_at_the_photos_border_has_soft_edges_where_the_photo_goes_on() -> None:
    photo = photograph("coffee", 512)
    size = Size(photo.shape[1], photo.shape[0])
    crop = crop_around(Box(0, 0, 120, 120), size, 256, 16)
    undone = undo_drift(crop.cut(photo), replaced(crop.cut(photo), np.ones((256, 256), bool)), everything=True)
    _, blend = put_back(photo, crop, undone)
    part = crop.part(size)
    assert (blend[: part[0].stop - 20, : part[1].stop - 20] == 1).all()
    assert (blend[part[0].stop - 1, : part[1].stop - 20] < 0.5).all()
    assert not blend[part[0].stop :].any()
    assert (put_back(photo, whole_crop(size, 256, 16), undone)[1] <= 1).all()
