"""The demo's photographs come first, need no model, and change only where their masks are white."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from intarsia.demo import photographs
from intarsia.demo.page import POCKET, LayoutRow, PhotographRow, Row, demo_page
from intarsia.demo.photographs import CREDITS, MISSING, PHOTOGRAPHS, plan_photographs, run_photographs
from intarsia.demo.run import plan_demo

ENTRIES = json.loads(PHOTOGRAPHS.read_text())
QUICK = ("coffee-mirrored", "rocket-removed")
ALL = [
    pytest.param([entry["name"]], marks=() if entry["name"] in QUICK else pytest.mark.slow, id=entry["name"])
    for entry in ENTRIES
]


@pytest.mark.parametrize("names", ALL)
def test_a_photograph_changes_only_inside_its_mask(
    names: Sequence[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("skimage")
    only(names, tmp_path, monkeypatch)
    edits = plan_photographs(tmp_path / "out")
    (shown,) = run_photographs(edits, tmp_path / "out", overwrite=False, watch=lambda name: None)
    before, after, mask = (
        np.asarray(Image.open(tmp_path / "out" / name))
        for name in (shown.row.before, shown.row.after, f"{edits[0].name}.mask.png")
    )
    changed = (before != after).any(axis=-1)
    assert changed.any() and not changed[mask == 0].any()
    assert (np.asarray(shown.panels[1]) == after).all()
    assert "no model was used" in shown.row.facts and shown.row.credit
    record = json.loads((tmp_path / "out" / shown.row.record).read_text())
    assert record["cost"]["evaluations"] == 0


def only(names: Sequence[str], folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the demo have these edits of photographs alone."""
    (folder / "photographs.json").write_text(json.dumps([e for e in ENTRIES if e["name"] in names]))
    monkeypatch.setattr(photographs, "PHOTOGRAPHS", folder / "photographs.json")


def test_a_command_is_what_one_would_type(tmp_path: Path) -> None:
    pytest.importorskip("skimage")
    commands = {e.name: photographs.command_of(e.record) for e in plan_photographs(tmp_path)}
    assert commands["rocket-removed"] == "intarsia remove rocket.jpg --object rocket=285,120,360,408 --grow 0.015"
    assert commands["coffee-mirrored"] == "intarsia arrange coffee.png --object cup=74,14,484,394 --flip cup"


def test_all_that_one_can_do_by_hand_is_shown_and_each_photograph_has_its_licence() -> None:
    wishes = {name for entry in ENTRIES for name in entry.get("arrange", {})}
    assert {"move", "scale", "flip", "front"} <= wishes and any("remove" in entry for entry in ENTRIES)
    for entry in ENTRIES:
        credit = CREDITS[(entry.get("remove") or entry["arrange"])["photo"]]
        assert credit.endswith(("CC0.", "public domain."))


PHOTOGRAPH = PhotographRow(
    title="Gone", command="intarsia remove", facts=(), credit="CC0", before="b.png", after="a.png", record="r.json"
)
WORDS = Row(title="w", facts=(), before="wb.png", looked="l.png", candidates=(), after="wa.png", record="w.json")
LAYOUT = LayoutRow(title="l", facts=(), before="lb.png", wish="lw.png", after="la.png", record="l.json")


def test_photographs_come_first_and_the_rest_says_that_it_is_pocket() -> None:
    page = demo_page([WORDS], "2 edits", [LAYOUT], [PHOTOGRAPH])
    pictures = [name.split('"')[0] for name in page.split('src="')[1:]]
    assert pictures == ["b.png", "a.png", "wb.png", "l.png", "wa.png", "lb.png", "lw.png", "la.png"]
    assert page.index("No model was used") < page.index("b.png")
    assert page.count(POCKET) == 2 and page.index(POCKET) < page.index("wb.png")


def test_without_photographs_the_rest_is_shown_with_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "skimage" else find(name))
    plan = plan_demo(tmp_path / "out")
    assert plan.photographs == () and len(plan.jobs) == 5
    page = demo_page([WORDS], "1 edit", note=MISSING)
    assert "pip install scikit-image" in page and "No model was used" not in page
    assert MISSING.count(".") == 1
