"""The benchmark on photographs: its composites keep the truth that they are made of, and its figures tell right from wrong."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks import photo_metrics as metrics
from benchmarks import photos
from benchmarks.photo_composites import Composite, coarsened, compose, composites, shifted
from intarsia.backbones.protocols import Backbones
from intarsia.imaging.masks import dilate


@pytest.fixture(scope="module")
def drawn() -> list[Composite]:
    return list(composites(5, 6, side=96))


def test_composites_are_the_seeds_own(drawn: list[Composite]) -> None:
    again, other = list(composites(5, 2, side=96)), next(composites(6, 1, side=96))
    for one, same in zip(drawn, again, strict=False):
        assert one.name == same.name and (one.image == same.image).all() and (one.mask == same.mask).all()
    assert other.image.shape != drawn[0].image.shape or (other.image != drawn[0].image).any()


def test_a_composite_is_the_sum_of_its_truth_object_and_shadow(drawn: list[Composite]) -> None:
    for one in drawn:
        assert min(one.image.shape[:2]) == 96
        assert (one.image == compose(one.truth, one.alpha, one.foreground, one.shadow)).all()
        bare = (one.alpha == 0) & (one.shadow == 0)
        assert bare.any() and (one.image[bare] == one.truth[bare]).all()
        assert one.mask.any() and 0.005 < (one.alpha > 0.5).mean() < 0.2
        assert one.coarse or (one.mask == (one.alpha > 0.5)).all()
        there = shifted(one.alpha, *one.move)
        assert one.move != (0, 0) and there.sum() == pytest.approx(one.alpha.sum(), rel=1e-4)
        opaque = there == 1
        assert (one.moved[opaque] == shifted(one.image.astype(np.float32), *one.move)[opaque]).all()


def test_objects_come_from_other_photographs_and_the_folder_is_drawn_on(tmp_path: Path) -> None:
    Image.fromarray(np.full((80, 90, 3), 77, np.uint8)).save(tmp_path / "grey.png")
    (tmp_path / "notes.txt").write_text("no picture")
    grounds = set()
    for one in composites(1, 8, tmp_path, side=64):
        thing, ground = one.name.split(" ", 1)[1].rsplit(" on ", 1)
        assert ground not in thing
        grounds.add(ground)
        if ground == "grey":
            assert (one.truth == 77).all()
    assert grounds == {"astronaut", "cat", "coffee", "rocket", "motorcycle", "china", "flower", "grey"}


def test_objects_on_the_ground_are_the_same_and_hide_little(drawn: list[Composite]) -> None:
    laid = list(composites(5, 6, side=96, places="ground"))
    for one, other in zip(drawn, laid, strict=True):
        assert one.name == other.name and (one.truth == other.truth).all()
        assert one.alpha.sum() == pytest.approx(other.alpha.sum(), rel=1e-4)
    assert sum(one.hides for one in laid) < 0.5 * sum(one.hides for one in drawn)


def test_a_coarse_mask_is_made_of_whole_cells() -> None:
    y, x = np.indices((128, 192))
    mask = np.hypot(y - 60, x - 90) < 31.5
    coarse = coarsened(mask)
    assert (coarse == coarse[::2, ::2].repeat(2, 0).repeat(2, 1)).all()
    assert (coarse != mask).any() and (coarse & mask).sum() > 0.95 * mask.sum()


def test_the_truth_is_without_error_and_the_composite_is_not(drawn: list[Composite]) -> None:
    for one in drawn:
        right, wrong = (photos.judge(one, photos.COLUMNS[name](one)) for name in ("ideal", "untouched"))
        assert (right.colour, right.texture, right.matte, right.moved_edge, right.needless) == (0, 1, 0, 0, 0)
        assert right.moved_shadow in (0, None) and right.shadow in (0, None)
        assert wrong.colour > 3
        assert wrong.moved_edge > 3 and wrong.matte is None
        assert (wrong.changed, wrong.farthest) == (0, 0)
        cut = photos.judge(one, photos.COLUMNS["hard"](one))
        assert cut.colour == 0 and cut.matte is not None and cut.matte > 0


def test_a_smear_has_too_little_texture_and_clutter_too_much(drawn: list[Composite]) -> None:
    one, rng = drawn[0], np.random.default_rng(0)
    smear = np.broadcast_to(one.truth[one.hole].mean(0), one.truth.shape).astype(np.uint8)
    clutter = rng.integers(0, 256, one.truth.shape, np.uint8)
    assert metrics.texture_ratio(smear, one.truth, one.hole) < 0.6
    assert metrics.texture_ratio(clutter, one.truth, one.hole) > 1.4


def test_what_changes_far_from_the_object_is_counted(drawn: list[Composite]) -> None:
    one = next(c for c in drawn if not c.shadow.any())
    spoilt, away = one.image.copy(), ~dilate(one.hole, metrics.GROWN)
    y, x = np.argwhere(away)[0]
    spoilt[y, x] ^= 1
    changed = metrics.changed_outside(spoilt, one)
    distance = np.hypot(*(np.argwhere(one.mask) - (y, x)).T).min()
    assert (changed.pixels, changed.needless) == (1, 1) and changed.farthest == pytest.approx(distance)


def test_features_differ_where_the_hole_does(drawn: list[Composite], pocket: Backbones) -> None:
    one = drawn[0]
    assert metrics.feature_distance(pocket.patches, one.truth, one.truth, one.hole) == pytest.approx(0, abs=1e-5)
    spoilt = metrics.feature_distance(pocket.patches, one.image, one.truth, one.hole)
    assert spoilt > 0.01


def test_the_report_has_a_row_for_each_column(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("patchmatch")
    file, folder = tmp_path / "report.json", tmp_path / "pictures"
    asked = ["--seed", "5", "--count", "1", "--side", "64", "--columns", "patch,library,telea,membrane"]
    monkeypatch.setattr(sys, "argv", ["photos", *asked, "--json", str(file), "--save", str(folder)])
    photos.main()
    report = json.loads(file.read_text())
    assert (report["seed"], report["count"], report["side"]) == (5, 1, 64)
    assert list(report["columns"]) == ["patch", "library", "telea", "membrane"]
    for name, row in report["columns"].items():
        assert set(row) == set(photos.FORMS)
        assert row["colour"] > 0 and row["features"] is None and row["seconds"] > 0
        assert row["farthest"] <= 1.5 * photos.GROWTH
        (outcome,) = report["composites"][name]
        assert set(outcome) == {f.name for f in dataclasses.fields(photos.Outcome)}
    assert len(list(folder.glob("*.png"))) == 1


@pytest.mark.slow
def test_edit_by_layout_is_a_column(pocket: Backbones, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(photos, "pocket", lambda: pocket)
    one = next(composites(5, 1, side=200))
    made = photos.COLUMNS["diffusion"](one)
    assert made.removed.shape == made.moved.shape == one.image.shape
    assert made.matte is not None and made.matte.shape == one.mask.shape
    assert photos.judge(one, made).seconds > 0
    assert (made.removed != made.moved).any()
