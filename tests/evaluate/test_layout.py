"""The figures of edit by layout: each reacts as it should, and the benchmark writes what it announces."""

from __future__ import annotations

import dataclasses
import functools
import json
import sys
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from PIL import Image

from benchmarks import layout as benchmark
from benchmarks.layout_cases import Case, draw_case
from intarsia.backbones.protocols import Backbones
from intarsia.evaluate import layout as metrics
from intarsia.evaluate.baselines import paste_inpaint
from intarsia.evaluate.judge import load_judge
from intarsia.imaging.affine import IDENTITY, Matrix, warp_mask, warp_picture
from intarsia.imaging.masks import Mask, dilate
from intarsia.imaging.read import photo_from_image
from intarsia.layout.layout import Layout, Placement
from intarsia.layout.scene import Scene, SceneObject
from tests.emoji_font import needs_font
from training import world

SHAPE = (64, 64)
COLOURS = {"one": (200, 40, 30), "two": (20, 60, 220)}


def block(x: int, y: int, wide: int = 12, high: int = 12) -> Mask:
    mask = np.zeros(SHAPE, dtype=np.bool_)
    mask[y : y + high, x : x + wide] = True
    return mask


def ground() -> np.ndarray:
    """A background that brightens to the right, a level a pixel."""
    return np.repeat((80 + np.arange(64, dtype=np.uint8))[None, :, None], 64, axis=0).repeat(3, axis=2)


def painted(masks: dict[str, Mask]) -> np.ndarray:
    picture = ground()
    for name, mask in masks.items():
        picture[mask] = COLOURS[name]
    return picture


OLD = {"one": block(6, 6), "two": block(6, 40)}


def scene() -> Scene:
    things = tuple(SceneObject(name=name, words=name, mask=mask) for name, mask in OLD.items())
    return Scene(photo=photo_from_image(painted(OLD)), objects=things)


def move(x: int, y: int) -> Matrix:
    return 1.0, 0.0, float(x), 0.0, 1.0, float(y)


def one_moved(x: int = 34, y: int = 0) -> Layout:
    there = Placement(name="one", matrix=move(x, y), mask=warp_mask(OLD["one"], move(x, y), scene().photo.size))
    return Layout(placements=(there, Placement(name="two", matrix=IDENTITY, mask=OLD["two"])))


LABELS = {"one": 1, "two": 2}


def labelled(masks: dict[str, Mask]) -> np.ndarray:
    labels = np.zeros(SHAPE, dtype=np.int64)
    for name, mask in masks.items():
        labels[mask] = LABELS[name]
    return labels


def test_layout_iou_is_one_in_place_and_falls_with_distance() -> None:
    layout = one_moved()
    ious = [metrics.layout_iou(labelled(OLD | {"one": block(40 - off, 6)}), LABELS, layout) for off in (0, 3, 6, 30)]
    assert ious[0] == 1.0
    assert ious == sorted(ious, reverse=True) and len(set(ious)) == 4
    assert ious[-1] == 0.5  # the one that stays is still in its place


def test_layout_iou_asks_only_for_what_is_seen_behind_others() -> None:
    behind = Placement(name="one", matrix=move(6, 34), mask=block(12, 40))
    front = Placement(name="two", matrix=IDENTITY, mask=OLD["two"])
    layout = Layout(placements=(behind, front))
    assert layout.visible_masks()["one"].sum() == 12 * 12 - 6 * 12
    assert metrics.layout_iou(labelled({"one": block(12, 40), "two": OLD["two"]}), LABELS, layout) == 1.0
    hidden = Layout(placements=(dataclasses.replace(behind, mask=OLD["two"]), front))
    assert metrics.layout_iou(labelled({"two": OLD["two"]}), LABELS, hidden) == 1.0


def test_leftover_is_what_is_still_seen_where_the_object_was() -> None:
    layout = one_moved()
    assert metrics.leftover_shares(labelled(OLD), LABELS, scene(), layout) == {"one": 1.0}
    half = labelled({"one": block(6, 6, 6, 12)})
    assert metrics.leftover_shares(half, LABELS, scene(), layout) == {"one": 0.5}
    done = labelled({"one": block(40, 6), "two": OLD["two"]})
    assert metrics.leftover_shares(done, LABELS, scene(), layout) == {"one": 0.0}
    assert metrics.invented_shares(done, LABELS, scene(), layout) == {"one": 0.0}
    other = labelled({"two": block(6, 6, 6, 12)})
    assert metrics.leftover_shares(other, LABELS, scene(), layout) == {"one": 0.0}
    assert metrics.invented_shares(other, LABELS, scene(), layout) == {"one": 0.5}


def test_an_object_that_hardly_moves_vacates_nothing_and_a_removed_one_all() -> None:
    assert metrics.vacated(scene(), one_moved(2, 0)) == {}
    close = metrics.vacated(scene(), one_moved(6, 0))["one"]
    assert close.sum() == 4 * 12 and close[:, 6:10].sum() == 4 * 12  # two pixels beside the new place don't count
    removed = Layout(placements=one_moved().placements[1:], removed=("one",))
    assert np.array_equal(metrics.vacated(scene(), removed)["one"], OLD["one"])


def test_parts_of_the_background_are_apart() -> None:
    layout = one_moved()
    common = metrics.common_background(scene(), layout, 3)
    bared, around = metrics.bared(scene(), layout, 3), metrics.surroundings(layout, 3)
    assert not (common & (bared | around)).any() and not (bared & around).any()
    assert bared[3:21, 3:21].all() and bared.sum() == 18 * 18
    assert around.sum() == 18 * 18 - 12 * 12
    assert common[30, 60] and not common[40, 6]


def test_psnr() -> None:
    first = ground()
    second = first + np.uint8(3)
    everything, nothing = np.ones(SHAPE, dtype=np.bool_), np.zeros(SHAPE, dtype=np.bool_)
    assert metrics.psnr(first, first, everything) == 100.0
    assert metrics.psnr(first, second, everything) == pytest.approx(10 * np.log10(255**2 / 9))
    assert metrics.psnr(first, second, nothing) is None
    second[~block(0, 0)] = 0
    assert metrics.psnr(first, second, block(0, 0)) == pytest.approx(10 * np.log10(255**2 / 9))


def test_step_across_is_the_mean_step_over_the_line() -> None:
    picture, place = ground(), np.tile(np.arange(64, dtype=np.float32), (64, 1))
    everywhere = np.ones(SHAPE, dtype=np.bool_)
    assert metrics.step_across(picture, place, 10, everywhere) == 1.0
    picture[:, 11:] += 5
    assert metrics.step_across(picture, place, 10, everywhere) == 6.0
    assert metrics.step_across(picture, place, 11, everywhere) == 1.0
    assert metrics.step_across(picture, place, 10, block(0, 0, 64, 11)) is None


def test_seam_is_one_on_the_true_background_and_grows_with_the_step() -> None:
    layout, true = one_moved(), painted(OLD | {"one": block(40, 6)})
    assert metrics.seam(true, scene(), layout, 4) == pytest.approx(1.0, abs=0.1)
    scores = []
    for step in (2, 5, 20):
        picture = true.copy()
        picture[4:20, 4:20] += np.uint8(step)  # a filled hole, two pixels larger than the object, too bright
        scores.append(metrics.seam(picture, scene(), layout, 4) or 0)
    assert scores == sorted(scores) and scores[0] > 1.3 and scores[-1] > 5
    still = Layout(placements=tuple(Placement(name=n, matrix=IDENTITY, mask=m) for n, m in OLD.items()))
    assert metrics.seam(true, scene(), still, 4) is None


def test_copied_pixels_differ_by_a_level_or_two_at_most() -> None:
    first = ground()
    second = first.copy()
    second[0, :4, 1] += np.array([1, 2, 3, 50], dtype=np.uint8)
    assert metrics.copied(second, first)[0, :5].tolist() == [True, True, False, False, True]


@needs_font
def test_identity_tells_the_same_object_from_others(pocket: Backbones) -> None:
    def draw(name: str, place: tuple[float, float, float], seed: int = 3) -> world.Scene:
        return world.render(np.random.default_rng(seed), names=(name,), kind="grass", places=[place])

    def like(after: world.Scene, matrix: Matrix = IDENTITY) -> float:
        found = metrics.identity(
            pocket.patches,
            np.asarray(before.image),
            np.asarray(after.image),
            source=before.objects[0].mask,
            target=after.objects[0].mask,
            matrix=matrix,
        )
        assert found is not None
        return found

    before = draw("cat", (0.3, 0.3, 0.5))
    assert like(before) == pytest.approx(1.0, abs=1e-5)
    assert like(draw("cat", (0.3 + 20 / 64, 0.3, 0.5)), move(20, 0)) == pytest.approx(1.0, abs=1e-3)
    scaled = draw("cat", (0.5, 0.5, 0.625))
    assert like(scaled, (1.25, 0, 32 - 1.25 * 19, 0, 1.25, 32 - 1.25 * 19)) > 0.85
    others = [like(draw(name, (0.3, 0.3, 0.5))) for name in ("cake", "car", "house", "ball")]
    assert max(others) < 0.8 and sum(others) / 4 < 0.65


@needs_font
def test_identity_of_new_pixels_looks_at_no_others(pocket: Backbones) -> None:
    before = world.render(np.random.default_rng(3), names=("cat",), kind="grass", places=[(0.5, 0.5, 0.6)])
    pixels, mask = np.asarray(before.image), before.objects[0].mask
    upper = mask & (np.arange(64)[:, None] < 32)
    damaged = pixels.copy()
    damaged[upper] = np.random.default_rng(0).integers(0, 256, (int(upper.sum()), 3))
    compare = functools.partial(metrics.identity, pocket.patches, pixels, source=mask, target=mask)
    assert compare(pixels, left_out=metrics.copied(pixels, pixels)) is None
    assert compare(damaged, left_out=upper) == pytest.approx(1.0, abs=1e-5)
    new = compare(damaged, left_out=metrics.copied(damaged, pixels))
    whole = compare(damaged)
    assert new is not None and whole is not None and new < whole < 0.95


def test_paste_inpaint_moves_the_pixels_and_leaves_the_rest(pocket: Backbones) -> None:
    before, layout = scene(), one_moved()
    spent = pocket.inpainter.counter.evaluations
    made = paste_inpaint(before, layout, pocket, seed=1, steps=2)
    assert pocket.inpainter.counter.evaluations - spent == 4
    assert (made.photo.pixels[block(40, 6)] == COLOURS["one"]).all()
    assert (made.photo.pixels[made.blend == 0] == before.photo.pixels[made.blend == 0]).all()
    assert np.array_equal(made.blend > 0, block(40, 6) | block(4, 4, 16, 16))
    assert (made.photo.pixels[OLD["one"]] != before.photo.pixels[OLD["one"]]).any()
    again = paste_inpaint(before, layout, pocket, seed=1, steps=2)
    assert np.array_equal(again.photo.pixels, made.photo.pixels)


def test_paste_inpaint_keeps_the_order_and_what_stays(pocket: Backbones) -> None:
    before = scene()
    behind = Placement(name="one", matrix=move(6, 34), mask=block(12, 40))
    front = Placement(name="two", matrix=IDENTITY, mask=OLD["two"])
    made = paste_inpaint(before, Layout(placements=(behind, front)), pocket, seed=1, steps=1)
    assert (made.photo.pixels[OLD["two"]] == COLOURS["two"]).all()
    assert (made.photo.pixels[block(12, 40) & ~OLD["two"]] == COLOURS["one"]).all()
    made = paste_inpaint(before, Layout(placements=(front, behind)), pocket, seed=1, steps=1)
    assert (made.photo.pixels[block(12, 40)] == COLOURS["one"]).all()


def test_paste_inpaint_of_nothing_costs_nothing(pocket: Backbones) -> None:
    before, spent = scene(), pocket.inpainter.counter.evaluations
    still = Layout(placements=tuple(Placement(name=n, matrix=IDENTITY, mask=m) for n, m in OLD.items()))
    made = paste_inpaint(before, still, pocket, seed=1)
    assert np.array_equal(made.photo.pixels, before.photo.pixels) and not made.blend.any()
    assert pocket.inpainter.counter.evaluations == spent


@needs_font
def test_cases_are_the_seeds_own_and_their_layouts_can_be_had() -> None:
    case, again = draw_case(31, 4), draw_case(31, 4)
    assert np.array_equal(case.scene.photo.pixels, again.scene.photo.pixels) and case.seed == again.seed
    assert all(np.array_equal(a.truth, b.truth) for a, b in zip(case.targets, again.targets, strict=True))
    other = draw_case(32, 4)
    assert not np.array_equal(case.scene.photo.pixels, other.scene.photo.pixels)
    removed = scaled = stayed = 0
    for case in (draw_case(31, i) for i in range(20)):
        assert len(case.scene.objects) in (2, 3) and len(set(case.scene.names)) == len(case.scene.names)
        for target in case.targets:
            placements = target.layout.placements
            assert sorted([p.name for p in placements] + list(target.layout.removed)) == sorted(case.scene.names)
            assert any(p.moved for p in placements)
            assert np.sum([p.mask for p in placements], axis=0).max() == 1
            assert all(0.8 <= p.matrix[0] <= 1.25 for p in placements)
            removed += len(target.layout.removed)
            scaled += sum(p.matrix[0] != 1 for p in placements)
            stayed += sum(not p.moved for p in placements)
    assert removed and scaled and stayed


@needs_font
def test_the_true_picture_shows_the_scenes_own_objects_and_background() -> None:
    moves = 0
    for case in (draw_case(31, i) for i in range(8)):
        before = case.scene.photo.pixels
        for target in case.targets:
            common = metrics.common_background(case.scene, target.layout, 7)
            assert (before[common] == target.truth[common]).all()
            for placement in target.layout.placements:
                if placement.matrix[0] == 1.0:  # whole pixels: its middle, which is opaque, is the same
                    source = case.scene.masks[placement.name]
                    rows, columns = np.nonzero(~dilate(~source, 2))
                    right, down = round(placement.matrix[2]), round(placement.matrix[5])
                    moves += placement.moved
                    there = target.truth[rows + down, columns + right].astype(int)
                    assert np.abs(there - before[rows, columns].astype(int)).max() <= 12
                    assert np.abs(there - before[rows, columns].astype(int)).mean() < 0.5
    assert moves > 3


@pytest.mark.slow
@needs_font
def test_a_perfect_edit_is_praised_and_none_is_not(pocket: Backbones) -> None:
    judge = load_judge()
    cases = [draw_case(31, i) for i in range(3)]
    columns = {"pasted on the true background": pasted_on_truth, "none": benchmark.COLUMNS["untouched"]}
    figures = {}
    for name, column in columns.items():
        runs = [column(case, pocket) for case in cases]
        outcomes = [
            benchmark.judge_edit(case, target, edit, judge, pocket)
            for case, run in zip(cases, runs, strict=True)
            for target, edit in zip(case.targets, run.edits, strict=True)
        ]
        figures[name] = benchmark.summary(runs, outcomes)
    good, none = (cast(dict[str, float], told) for told in figures.values())
    assert good["miou"] > 0.85 and none["miou"] < 0.7
    assert good["identity"] > 0.98 and none["identity"] < 0.9
    assert good["identity_new_objects"] == 0 and none["identity_new_objects"] > 0
    assert good["leftover"] == 0.0 and none["leftover"] > 0.9
    assert good["seam"] < 1.3 and none["seam"] > 5
    assert good["vacated_psnr"] == 100.0 and none["vacated_psnr"] < 40
    assert good["background_psnr"] > 60 and none["background_psnr"] == 100.0
    assert good["outside_exact"] and none["outside_exact"]


def pasted_on_truth(case: Case, backbones: Backbones) -> benchmark.Run:
    """The source's own pixels, warped, on the background of the true picture."""
    edits = []
    for target in case.targets:
        pixels = target.truth.copy()
        for placement in target.layout.placements:
            source = case.scene.masks[placement.name]
            colours, _ = warp_picture(case.scene.photo.pixels, placement.matrix, case.scene.photo.size, source)
            pixels[placement.mask] = np.floor(colours[placement.mask] + 0.5).astype(np.uint8)
        edits.append(benchmark.Edit(pixels=pixels, blend=np.ones(SHAPE)))
    return benchmark.Run(edits=tuple(edits))


@needs_font
def test_a_change_where_none_is_admitted_is_found(pocket: Backbones) -> None:
    case = draw_case(31, 0)
    edit = benchmark.COLUMNS["untouched"](case, pocket).edits[0]
    pixels = edit.pixels.copy()
    pixels[0, 0, 0] ^= 1
    changed = dataclasses.replace(edit, pixels=pixels)
    assert not benchmark.judge_edit(case, case.targets[0], changed, load_judge(), pocket).outside_exact


FIGURES = {
    "miou", "identity", "identity_true", "identity_new", "identity_new_objects", "background_psnr", "leftover", "leftover_share",
    "invented", "seam", "vacated_psnr", "around_psnr", "learn_evaluations", "learn_backward", "seconds_learn",
    "first_evaluations", "next_evaluations", "edit_backward", "seconds_first", "seconds_next", "outside_exact",
}  # fmt: skip


def run_benchmark(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(benchmark, "paste_inpaint", functools.partial(paste_inpaint, steps=2))
    monkeypatch.setattr(sys, "argv", ["layout", "--seed", "31", "--device", "cpu", *arguments])
    benchmark.main()


@needs_font
def test_the_report_has_the_announced_shape(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, sheet = tmp_path / "report.json", tmp_path / "sheet.png"
    columns = "paste_inpaint,ideal"
    run_benchmark(monkeypatch, "--count", "1", "--columns", columns, "--json", str(file), "--sheet", str(sheet))
    report = json.loads(file.read_text())
    assert (report["seed"], report["count"], report["device"]) == (31, 1, "cpu")
    assert list(report["columns"]) == ["paste_inpaint", "ideal"]
    for row in report["columns"].values():
        assert set(row) == FIGURES == {*benchmark.FORMS, "outside_exact"}
        assert row["outside_exact"] is True and row["learn_evaluations"] == 0
    assert report["columns"]["paste_inpaint"]["first_evaluations"] == 4
    assert report["columns"]["paste_inpaint"]["next_evaluations"] == 4
    assert report["columns"]["paste_inpaint"]["background_psnr"] == 100.0
    with Image.open(sheet) as picture:
        assert min(picture.size) > 3 * 3 * 64


@needs_font
def test_a_killed_run_leaves_what_was_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(case: Case, backbones: Backbones) -> benchmark.Run:
        raise KeyboardInterrupt

    file = tmp_path / "report.json"
    monkeypatch.setitem(benchmark.COLUMNS, "compose", killed)
    with pytest.raises(KeyboardInterrupt):
        run_benchmark(monkeypatch, "--count", "1", "--columns", "untouched,compose", "--json", str(file))
    assert list(json.loads(file.read_text())["columns"]) == ["untouched"]


@needs_font
@pytest.mark.slow
def test_compose_beats_paste_and_inpaint_within_its_budget(pocket: Backbones) -> None:
    judge, cases = load_judge(), [draw_case(77, i) for i in range(5)]
    figures = {}
    for name in ("compose", "paste_inpaint"):
        runs = [benchmark.COLUMNS[name](case, pocket) for case in cases]
        outcomes = [
            benchmark.judge_edit(case, target, edit, judge, pocket)
            for case, run in zip(cases, runs, strict=True)
            for target, edit in zip(case.targets, run.edits, strict=True)
        ]
        figures[name] = benchmark.summary(runs, outcomes)
    ours, theirs = (cast(dict[str, float], figures[name]) for name in ("compose", "paste_inpaint"))
    assert ours["outside_exact"] and theirs["outside_exact"]
    assert ours["seam"] < theirs["seam"]
    assert ours["leftover"] <= theirs["leftover"]
    assert ours["first_evaluations"] <= 200 and ours["next_evaluations"] <= 120
