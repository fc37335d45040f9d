"""Records refuse settings out of range with one clear sentence, wherever they come from."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Any

import pytest

from intarsia.errors import RecordError
from intarsia.records.arrange import ArrangeRecord, ComposeSettings, GuideSettings, LearnSettings
from intarsia.records.edit import EditRecord, FitSettings, ScoreSettings, SearchSettings
from intarsia.records.remove import RemoveRecord
from intarsia.records.serialize import from_json, to_json

GROUPS = {
    "search": SearchSettings,
    "score": ScoreSettings,
    "fit": FitSettings,
    "compose": ComposeSettings,
    "guide": GuideSettings,
    "learn": LearnSettings,
}
NEEDED: dict[type, dict[str, str]] = {
    RemoveRecord: {"photo": "p.png"},
    EditRecord: {"photo": "p.png", "prompt": "a house"},
    ArrangeRecord: {"photo": "p.png"},
}


def read(name: str, value: object) -> Any:
    """A record from JSON with one setting, "guide.start" or "seeds", changed."""
    group, dot, setting = name.rpartition(".")
    kinds = [kind for kind in NEEDED if (group or setting) in {f.name for f in dataclasses.fields(kind)}]
    values = {**NEEDED[kinds[-1]], **({group: {setting: value}} if dot else {setting: value})}
    return from_json(kinds[-1], json.loads(json.dumps(values)))


def settings_of_type(*types: str) -> list[str]:
    """Names of all settings of all records that are so annotated."""
    found = [f.name for kind in NEEDED for f in dataclasses.fields(kind) if f.type in types]
    found += [
        f"{group}.{f.name}" for group, kind in GROUPS.items() for f in dataclasses.fields(kind) if f.type in types
    ]
    return sorted(set(found))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 10**400], ids=["nan", "inf", "-inf", "huge"])
@pytest.mark.parametrize("name", settings_of_type("float", "float | None"))
def test_what_json_reads_of_nan_and_infinity_is_refused(name: str, value: float) -> None:
    with pytest.raises(RecordError) as caught:
        read(name, value)
    said, setting = str(caught.value), name.rpartition(".")[2]
    assert ("windows" if setting.endswith("_window") else f"{setting} ") in said and "\n" not in said


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("box", [0, 0, math.nan, 9]),
        ("box", [0, 0, math.inf, 9]),
        ("box", [0, 0, 9]),
        ("guide.refine_to", [0.4, math.nan, 0.2]),
        ("guide.refine_to", [0.4, math.inf, 0.2]),
        ("guide.refine_to", [0.4, 0.3, -0.1]),
        ("guide.refine_at", [0, math.inf, 20]),
        ("guide.refine_at", [0, 1.5, 20]),
        ("guide.refine_at", [-1, 10, 20]),
        ("search.preview_steps", [4, math.inf]),
        ("search.survivors", [8, 2.5]),
        ("search.survivors", [8, 0]),
    ],
)
def test_lists_of_numbers_are_looked_through(name: str, value: list[float]) -> None:
    with pytest.raises(RecordError, match=name.rpartition(".")[2]):
        read(name, value)


@pytest.mark.parametrize("name", settings_of_type("int", "int | None"))
def test_no_count_is_below_nothing(name: str) -> None:
    with pytest.raises(RecordError, match=rf"{name.rpartition('.')[2]} is -1\b"):
        read(name, -1)


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("compose.strength", 1.0, 0.0),
        ("compose.plate_strength", 0.01, 1.01),
        ("compose.plate_steps", 1, 0),
        ("compose.refine_steps", 1, 0),
        ("compose.guidance", 1.0, 0.99),
        ("compose.plate_guidance", 1.0, 0.0),
        ("compose.context", 1.0, 0.9),
        ("compose.context", 1000.0, 1000.1),
        ("compose.injection", 0.0, -0.1),
        ("compose.injection", 1.0, 1.1),
        ("compose.plates", 1, 0),
        ("guide.scale", 0.0, -1.0),
        ("guide.until", 0.0, -0.1),
        ("guide.until", 1.0, 1.1),
        ("guide.refine_most", 0, -1),
        ("guide.blend_until", 0.0, -0.1),
        ("guide.blend_until", 1.0, 1.5),
        ("guide.start", 1.0, 0.0),
        ("guide.start", 0.01, 1.01),
        ("learn.token_steps", 0, -1),
        ("learn.token_rate", 1e-9, 0.0),
        ("learn.attention_weight", 0.0, -0.1),
        ("learn.weight_steps", 0, -1),
        ("learn.weight_rate", 1e-9, -1e-3),
        ("learn.rank", 1, 0),
        ("learn.batch", 1, 0),
        ("learn.accumulate", 1, 0),
        ("learn.prior_weight", 0.0, -1.0),
        ("search.anchors", 1, 0),
        ("search.proposals", 1, 0),
        ("fit.rounds", 1, 0),
        ("fit.epochs", 1, 0),
        ("fit.rate", 1e-9, 0.0),
        ("fit.accumulate", 1, 0),
        ("fit.boxes", 1, 0),
        ("fit.steps", 1, 0),
    ],
)
def test_ranges_end_where_they_are_said_to(name: str, good: float, bad: float) -> None:
    group, setting = name.split(".")
    assert getattr(getattr(read(name, good), group), setting) == good
    with pytest.raises(RecordError) as caught:
        read(name, bad)
    said = str(caught.value)
    assert f"{setting} is {bad}" in said and "must" in said and said.endswith(".") and "\n" not in said


@pytest.mark.parametrize("kind", NEEDED)
def test_defaults_are_in_range_and_come_back_from_json(kind: type) -> None:
    record = kind(**NEEDED[kind])
    assert from_json(kind, json.loads(json.dumps(to_json(record)))) == record


@pytest.mark.parametrize(("name", "value"), [("guidance", 5), ("feather", 0), ("guide.scale", 20), ("compose.edge", 0)])
def test_a_whole_number_in_json_is_written_as_the_command_line_writes_it(name: str, value: int) -> None:
    group, _, setting = name.rpartition(".")
    record = read(name, value)
    assert json.dumps(getattr(getattr(record, group) if group else record, setting)) == f"{value}.0"


def test_edges_in_whole_numbers_are_written_as_the_command_line_writes_them() -> None:
    assert json.dumps(read("box", [1, 2, 30, 40.5]).box) == "[1.0, 2.0, 30.0, 40.5]"


def test_a_layout_needs_its_key_where_no_scene_folder_can_have_one() -> None:
    assert ArrangeRecord(photo="my.scene", layout="layout.png").colours is None
    for objects in ({"mask": "mask.png"}, {"masks": ("cat=cat.png",)}, {"find": ("cat",)}, {"object": ("cat@1,2",)}):
        with pytest.raises(RecordError, match="without its key: pass --colours FILE"):
            ArrangeRecord(photo="my.scene", layout="layout.png", **objects)
