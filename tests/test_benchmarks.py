"""The benchmark of edit by words writes the figures that it announces."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import clicks, regions
from intarsia.backbones import load_backbones
from intarsia.backbones.protocols import Backbones
from intarsia.evaluate.judge import load_judge
from intarsia.imaging.read import photo_from_image
from tests.emoji_font import needs_font
from training import world


@needs_font
def test_cases_are_the_seeds_own_and_ask_for_what_is_not_there() -> None:
    case, again = regions.draw_case(31, 4), regions.draw_case(31, 4)
    assert case.scene.image.tobytes() == again.scene.image.tobytes()
    assert (case.source, case.target, case.box, case.seed) == (again.source, again.target, again.box, again.seed)
    names = {o.name for o in case.scene.objects}
    assert case.source in names and case.target not in names
    assert regions.draw_case(32, 4).scene.image.tobytes() != case.scene.image.tobytes()


@needs_font
def test_the_report_has_the_announced_shape(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "report.json"
    monkeypatch.setattr(
        sys, "argv", ["regions", "--seed", "31", "--count", "2", "--columns", "oracle,fitted", "--json", str(file)]
    )
    regions.main()
    report = json.loads(file.read_text())
    assert (report["seed"], report["count"]) == (31, 2)
    assert list(report["columns"]) == ["oracle", "fitted"]
    for row in report["columns"].values():
        figures = {
            "scenes",
            "success",
            "found",
            "gone",
            "kept",
            "iou",
            "outside_exact",
            "prompt_score",
            "evaluations",
            "seconds",
        }
        assert set(row) == figures
        assert row["outside_exact"] is True
        assert row["evaluations"] == 60
    assert report["columns"]["oracle"]["iou"] == 1.0


@needs_font
def test_success_asks_that_the_new_is_there_the_old_is_gone_and_the_rest_is_kept(pocket: Backbones) -> None:
    judge, case = (
        load_judge(),
        next(case for case in (regions.draw_case(31, i) for i in range(50)) if len(case.scene.objects) == 2),
    )
    result = regions.oracle(case, pocket)

    untouched = dataclasses.replace(result, photo=photo_from_image(case.scene.image))
    outcome = regions.judge_case(case, untouched, judge, pocket)
    assert (outcome.found, outcome.gone, outcome.kept, outcome.success) == (False, False, True, False)

    other = next(n for n in world.NAMES if n not in {case.source, *(o.name for o in case.scene.objects)})
    lone = world.render(np.random.default_rng(1), names=(other,), places=[(0.5, 0.5, 0.7)])
    wiped = dataclasses.replace(result, photo=photo_from_image(lone.image))
    outcome = regions.judge_case(case, wiped, judge, pocket)
    assert (outcome.gone, outcome.kept, outcome.success) == (True, False, False)

    places = [
        ((b[0] + b[2]) / 128, (b[1] + b[3]) / 128, (b[2] - b[0]) / 64) for b in (o.box for o in case.scene.objects)
    ]
    names = tuple(case.target if o.name == case.source else o.name for o in case.scene.objects)
    ideal = world.render(np.random.default_rng(2), names=names, kind=case.scene.background, places=places)
    done = dataclasses.replace(result, photo=photo_from_image(ideal.image))
    assert regions.judge_case(case, done, judge, pocket).success


@needs_font
@pytest.mark.slow
def test_the_default_finds_the_region_within_its_budget() -> None:
    backbones, judge = load_backbones("pocket", device="cpu"), load_judge()
    cases = [regions.draw_case(77, i) for i in range(12)]
    figures = {
        name: regions.summary(
            [regions.judge_case(c, regions.COLUMNS[name](c, backbones), judge, backbones) for c in cases]
        )
        for name in ("default", "oracle")
    }
    assert figures["default"]["iou"] >= 0.5
    assert figures["default"]["evaluations"] <= 990
    assert figures["default"]["outside_exact"]
    assert figures["default"]["success"] >= 0.7 * figures["oracle"]["success"]


@needs_font
def test_clicks_find_most_objects_and_nothing_on_the_ground() -> None:
    found = clicks.measured(seed=31, scenes=8)
    assert found == {**clicks.measured(seed=31, scenes=8), "seconds_median": found["seconds_median"]}
    assert found["clicks"] >= 8 and found["right_name"] > 0.5 and found["overlap"] > 0.5
    assert (found["on_the_ground"], found["found_on_the_ground"]) == (8, 0)
