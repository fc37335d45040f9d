"""The benchmark of ten kinds of edits by words: its truths say yes to the goal and no to what falls short of it."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import words
from benchmarks.words_cases import KINDS, Case, draw_case
from benchmarks.words_truth import Sight, View, box_of, judged
from intarsia.backbones.protocols import Backbones
from intarsia.evaluate.judge import load_judge
from intarsia.imaging.geometry import Box, Size
from intarsia.imaging.masks import box_mask
from training import world

pytestmark = pytest.mark.skipif(not any(f.exists() for f in world.FONT_FILES), reason="the emoji font is not installed")

SEED = 31
FEW = 2


def few(kind: str, side: int) -> list[Case]:
    return [draw_case(SEED, kind, number, side) for number in range(FEW)]


def test_the_kinds_are_the_announced_ones() -> None:
    assert tuple(KINDS) == (
        "replace",
        "enlarge",
        "add",
        "add_beside",
        "keep_and_add",
        "attribute",
        "two",
        "vague",
        "synonym",
        "background",
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_case_is_its_seed_s_own(kind: str) -> None:
    case, again = draw_case(SEED, kind, 4, 64), draw_case(SEED, kind, 4, 64)
    assert (case.source, case.prompt, case.noise) == (again.source, again.prompt, again.noise)
    assert case.scene.image.tobytes() == again.scene.image.tobytes()
    assert case.goal.tobytes() == again.goal.tobytes() != case.scene.image.tobytes()
    assert draw_case(SEED + 1, kind, 4, 64).scene.image.tobytes() != case.scene.image.tobytes()


@pytest.mark.parametrize("side", [64, 256])
@pytest.mark.parametrize("kind", KINDS)
def test_the_goal_succeeds_and_the_untouched_picture_does_not(kind: str, side: int) -> None:
    judge = load_judge()
    for case in few(kind, side):
        assert judged(case, np.asarray(case.goal), judge) == (True, True), case
        assert judged(case, np.asarray(case.scene.image), judge) == (False, True), case


@pytest.mark.parametrize("side", [64, 128, 512])
def test_the_judge_finds_the_objects_of_untouched_scenes(side: int) -> None:
    judge, found = load_judge(), []
    for kind in KINDS:
        scene = draw_case(SEED, kind, 9, side).scene
        view = View(np.asarray(scene.image), judge)
        found += [view.shows(thing.name, box_of(thing)) for thing in scene.objects]
    assert len(found) >= 12
    assert np.mean(found) >= 0.97


@pytest.mark.parametrize("kind", ["replace", "enlarge", "add", "keep_and_add", "two", "vague", "synonym"])
def test_another_object_than_the_asked_one_is_no_success(kind: str) -> None:
    judge = load_judge()
    for case in few(kind, 64):
        present = {t.name for t in (*case.stay, *case.old, *case.new)}
        wrong = next(n for n in world.NAMES if n not in present)
        new = tuple(t._replace(name=wrong) for t in case.new)
        success, _ = judged(case, np.asarray(case.drawn(case.stay + new, case.ground[0]).image), judge)
        assert not success, case


@pytest.mark.parametrize("side", [64, 256])
def test_a_lost_neighbour_is_no_failure_but_is_not_preserved(side: int) -> None:
    judge = load_judge()
    case = next(c for c in (draw_case(SEED, "replace", i, side) for i in range(20)) if len(c.stay) == 1)
    lone = np.asarray(case.drawn(case.new, case.ground[0]).image)
    assert judged(case, lone, judge) == (True, False)


def test_an_object_on_the_wrong_side_is_not_beside() -> None:
    judge = load_judge()
    case = next(c for c in (draw_case(SEED, "add_beside", i, 256) for i in range(40)) if c.where in ("left", "right"))
    (new,), host = case.new, case.stay[-1].place
    mirrored = new._replace(place=new.place._replace(x=2 * host.x - new.place.x))
    if not mirrored.place.inside():
        pytest.fail("choose a case with room on both sides")
    assert not judged(case, np.asarray(case.drawn((*case.stay, mirrored), case.ground[0]).image), judge)[0]


def test_a_second_and_larger_object_does_not_enlarge_the_first() -> None:
    judge = load_judge()
    cases = (draw_case(SEED, "enlarge", i, 256) for i in range(40))
    case = next(c for c in cases if c.where == "center" and c.new[0].place.clear_of(c.old[0].place, 0.03))
    both = case.drawn((*case.stay, *case.old, *case.new), case.ground[0])
    assert not judged(case, np.asarray(both.image), judge)[0]


def test_the_judge_finds_small_objects_anywhere_and_as_large_as_they_are() -> None:
    case = draw_case(SEED, "replace", 2, 512)
    view = View(np.asarray(case.scene.image), load_judge())
    for thing in case.scene.objects:
        (found,) = view.find(thing.name)
        assert found.box.iou(box_of(thing)) > 0.6
        assert found.mask.sum() == pytest.approx(thing.mask.sum(), rel=0.3)


def test_what_did_not_change_was_not_added() -> None:
    case = draw_case(SEED, "replace", 2, 64)
    view = View(np.asarray(case.scene.image), load_judge())
    sight = Sight(case=case, before=view, after=view)
    assert sight.after.find(case.scene.objects[0].name)
    assert not sight.added(case.scene.objects[0].name)


@pytest.mark.parametrize("kind", KINDS)
def test_the_oracle_covers_what_shall_change_and_leaves_the_rest(kind: str) -> None:
    for case in few(kind, 256):
        mask = np.zeros((256, 256), bool)
        for region, _ in case.steps:
            mask |= box_mask(region, Size(256, 256)) if isinstance(region, Box) else region
        assert 0 < mask.mean() < 1
        for thing in case.old_objects if kind != "keep_and_add" else ():
            assert mask[thing.mask].all()
        for thing in case.kept_objects:
            assert mask[thing.mask].mean() < 0.3


def test_the_intervals_are_wilson_s() -> None:
    low, high = words.interval(8, 10)
    assert (round(low, 4), round(high, 4)) == (0.4902, 0.9433)
    assert words.interval(0, 5)[0] == pytest.approx(0) and words.interval(5, 5)[1] == pytest.approx(1)


def test_nothing_is_repainted_where_the_words_name_nothing(pocket: Backbones) -> None:
    case = draw_case(SEED, "add", 0, 64)
    done = words.segment(case, pocket)
    assert (done.evaluations, done.outside_exact) == (0, True)
    assert (done.pixels == np.asarray(case.scene.image)).all()


FIGURES = {
    "success",
    "preserved",
    "both",
    "outside_exact",
    "evaluations",
    "evaluations_95",
    "seconds",
    "low",
    "high",
}


def test_the_report_has_the_announced_shape_and_its_parts_join(
    pocket: Backbones, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(words, "load_backbones", lambda *_, **__: pocket)

    def run(*arguments: str) -> None:
        monkeypatch.setattr(sys, "argv", ["words", *arguments])
        words.main()

    files = [tmp_path / f"{part}.json" for part in (1, 2)]
    asked = ("--kinds", "replace", "--seed", "31", "--count", "2", "--sizes", "64", "--columns", "segment,oracle")
    for part, file in enumerate(files, 1):
        run(*asked, "--part", f"{part}/2", "--json", str(file))
    run("--merge", *map(str, files), "--json", str(tmp_path / "joined.json"))
    report = json.loads((tmp_path / "joined.json").read_text())
    assert (report["seed"], report["count"]) == (31, 2)
    kind = report["kinds"]["replace"]
    assert kind["drawn"] - kind["oracle_failed"] == 2
    assert list(kind["columns"]) == ["segment", "oracle"]
    assert all(set(row) == FIGURES for row in kind["columns"].values())
    assert kind["columns"]["oracle"]["both"] == 1.0 and kind["columns"]["oracle"]["outside_exact"] is True
    assert report["sizes"]["64"]["kinds"] == report["kinds"]
    assert "64 x 64 pixels" in capsys.readouterr().out
    with pytest.raises(ValueError, match="share a case"):
        words.merged([report, report])


def test_a_preset_that_this_version_lacks_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(words, "PRESETS", ("default", "paper"))
    with pytest.raises(argparse.ArgumentTypeError, match="no preset 'released-exact'"):
        words.columns_in("default,released-exact")
