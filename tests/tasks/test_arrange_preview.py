"""Previews of arrangements, and how long edits of photographs go on without a word."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

import intarsia.imaging.alpha
import intarsia.imaging.poisson
import intarsia.imaging.shift_map
from intarsia.errors import Cancelled, LayoutError
from intarsia.imaging.geometry import Point
from intarsia.imaging.masks import bounding_box, centroid
from intarsia.imaging.outline import outline_points
from intarsia.imaging.read import photo_from_image
from intarsia.layout.compose import CUTTING, FILLING, LAYING
from intarsia.progress import OnProgress, Progress, listening
from intarsia.records.arrange import ArrangeRecord
from intarsia.records.remove import RemoveRecord
from intarsia.tasks.arrange import READING, SEEING, WRITING, run_arrange
from intarsia.tasks.arrange_preview import open_preview, preview_arrange
from intarsia.tasks.remove import run_remove
from tests.slow import mostly_slow

WIDTH, HEIGHT = 480, 360

DISCS = {"red": (100, 110, 36), "green": (250, 200, 38), "blue": (390, 240, 32)}
"""Middle and radius of each object."""

COLOURS = {"red": (210, 30, 20), "green": (20, 190, 30), "blue": (30, 40, 220)}

MOST_UNITS = 6
"""Units of work between two words: solvers, cuts, transforms and filters, none of which takes a second on 12 megapixels."""


def no_networks(*_: Any, **__: Any) -> Any:
    raise AssertionError("networks are asked for an edit that needs none")


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> ArrangeRecord:
    """A textured grey ground with three discs: one is moved, one scaled, one removed."""
    folder = tmp_path_factory.mktemp("discs")
    rng = np.random.default_rng(0)
    ground = cv2.GaussianBlur(rng.normal(0, 60, (HEIGHT, WIDTH)).astype(np.float32), (0, 0), 2)
    pixels = np.repeat((120 + ground).clip(0, 255).astype(np.uint8)[..., None], 3, 2)
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    masks = []
    for name, (across, down, radius) in DISCS.items():
        mask = np.hypot(x + 0.5 - across, y + 0.5 - down) <= radius
        pixels[mask] = COLOURS[name]
        Image.fromarray(mask).save(folder / f"{name}.png")
        masks.append(f"{name}={folder / name}.png")
    Image.fromarray(pixels).save(folder / "discs.png")
    return ArrangeRecord(
        photo=str(folder / "discs.png"), masks=tuple(masks), models="pocket", move=("red=97,-29",),
        scale=("green=1.5",), remove=("blue",),
    )  # fmt: skip


def places(pixels: np.ndarray) -> dict[str, tuple[float, ...]]:
    """Middle and box of what has each object's colour, in widths and heights of the picture."""
    found = {}
    for name, colour in COLOURS.items():
        mask = np.abs(pixels.astype(int) - colour).max(-1) < 60
        if mask.any():
            middle, box = centroid(mask), bounding_box(mask)
            found[name] = tuple(
                float(edge / side)
                for edge, side in zip((middle.x, middle.y, *box.as_tuple()), pixels.shape[1::-1] * 3, strict=True)
            )
    return found


@pytest.mark.slow
@pytest.mark.parametrize("side", [320, 237])
def test_a_preview_shows_objects_where_the_result_has_them(record: ArrangeRecord, side: int, tmp_path: Path) -> None:
    full = run_arrange(record, tmp_path, no_networks, no_networks, cached=False)
    preview = preview_arrange(record, no_networks, side=side)
    assert preview.size.long == side and preview.size.short == round(side * HEIGHT / WIDTH)
    shown, wanted = places(preview.pixels), places(full.photo.pixels)
    assert shown.keys() == wanted.keys() == {"red", "green"}
    for name in shown:
        assert shown[name] == pytest.approx(wanted[name], abs=1 / min(preview.size.width, preview.size.height))


def test_what_is_opened_serves_other_moves(record: ArrangeRecord) -> None:
    opened = open_preview(record, no_networks, side=320)
    other = dataclasses.replace(record, move=("red=20,90",), scale=())
    again = preview_arrange(other, no_networks, opened=opened)
    assert np.array_equal(again.pixels, preview_arrange(other, no_networks, side=320).pixels)
    assert not np.array_equal(again.pixels, preview_arrange(record, no_networks, opened=opened).pixels)
    with pytest.raises(LayoutError):
        preview_arrange(dataclasses.replace(record, move=("cat=1,1",)), no_networks, opened=opened)


def test_a_photo_that_is_small_is_previewed_as_it_is(record: ArrangeRecord) -> None:
    opened = open_preview(record, no_networks)
    assert opened.small is opened.scene
    assert preview_arrange(record, no_networks, opened=opened).size == opened.scene.photo.size


def test_a_tiny_object_is_not_lost(record: ArrangeRecord, tmp_path: Path) -> None:
    mask = np.zeros((HEIGHT, WIDTH), np.bool_)
    mask[30, 450] = True
    Image.fromarray(mask).save(tmp_path / "speck.png")
    speck = dataclasses.replace(record, masks=(*record.masks, f"speck={tmp_path / 'speck.png'}"))
    small = open_preview(speck, no_networks, side=160).small
    assert small.masks["speck"].sum() == 1
    assert np.stack(list(small.masks.values())).sum(0).max() == 1


def arranging(record: ArrangeRecord, folder: Path, told: OnProgress) -> None:
    run_arrange(record, folder, no_networks, no_networks, cached=False, on_progress=told)


def removing(record: ArrangeRecord, folder: Path, told: OnProgress) -> None:
    mask = record.masks[0].partition("=")[2]
    run_remove(RemoveRecord(photo=record.photo, mask=mask), folder, no_networks, no_networks, on_progress=told)


def previewing(record: ArrangeRecord, folder: Path, told: OnProgress) -> None:
    preview_arrange(record, no_networks, side=400, on_progress=told)


def outlining(record: ArrangeRecord, folder: Path, told: OnProgress) -> None:
    photo = photo_from_image(Image.open(record.photo))
    with listening(lambda share: told(Progress(stage="outlining", done=0, total=1, whole=share))):
        outline_points(photo.pixels, [Point(100, 110)])


EDITS = [arranging, removing, previewing, outlining]


@pytest.mark.parametrize("edit", mostly_slow(EDITS, pushed=[previewing, outlining]))
def test_little_is_worked_between_two_words(
    record: ArrangeRecord, edit: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    units, most = 0, (0, "")

    def counted(owner: Any, name: str) -> None:
        done = getattr(owner, name)

        def count(*given: Any, **named: Any) -> Any:
            nonlocal units
            units += 1
            return done(*given, **named)

        monkeypatch.setattr(owner, name, count)

    for owner, names in (
        (cv2, ("grabCut", "distanceTransform")),
        (intarsia.imaging.alpha, ("splu",)),
        (intarsia.imaging.poisson, ("splu",)),
        (intarsia.imaging.shift_map, ("maximum_flow", "KDTree")),
        (Image.Image, ("save", "resize")),
    ):
        for name in names:
            counted(owner, name)

    def told(progress: Progress) -> None:
        nonlocal units, most
        most, units = max(most, (units, progress.stage)), 0

    edit(record, tmp_path, told)
    told(Progress(stage="after the last word", done=1, total=1))
    assert 0 < most[0] <= MOST_UNITS, most


@pytest.mark.slow
def test_arranging_tells_of_every_stage_as_one_whole(record: ArrangeRecord, tmp_path: Path) -> None:
    told: list[Progress] = []
    arranging(record, tmp_path, told.append)
    stages = list(dict.fromkeys(step.stage for step in told))
    assert stages == [READING, SEEING, CUTTING, FILLING, LAYING, WRITING]
    wholes = [step.whole for step in told if step.whole is not None]
    assert len(wholes) == len(told) and wholes == sorted(wholes) and wholes[-1] == 1


@pytest.mark.parametrize("share", mostly_slow([0.0, 0.3, 0.7], pushed=[0.0, 0.3]))
def test_an_edit_that_is_cancelled_writes_nothing(record: ArrangeRecord, share: float, tmp_path: Path) -> None:
    def stop(progress: Progress) -> None:
        if progress.whole is not None and progress.whole >= share:
            raise Cancelled("stop")

    for edit in (arranging, removing):
        with pytest.raises(Cancelled):
            edit(record, tmp_path / "out", stop)
        assert not (tmp_path / "out").exists()
