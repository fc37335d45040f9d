"""Presets: what they set, what the user's own words overrule, and that a record holds what takes effect."""

from __future__ import annotations

import copy
import dataclasses
import json
import pickle
from pathlib import Path
from typing import Any, get_args

import pytest

from intarsia.cli.main import main
from intarsia.errors import RecordError
from intarsia.records.arrange import ArrangeRecord
from intarsia.records.choices import Preset
from intarsia.records.edit import EditRecord, FitSettings, SearchSettings
from intarsia.records.presets import PRESETS, TEMPLATE, Unsaid, plain
from intarsia.records.remove import RemoveRecord
from intarsia.records.serialize import from_json, to_json

ASKED: dict[str, Any] = {"photo": "p.png", "prompt": "a house"}


def value_of(record: EditRecord, name: str) -> Any:
    group, _, setting = name.rpartition(".")
    return getattr(getattr(record, group) if group else record, setting)


@pytest.mark.parametrize("preset", get_args(Preset))
def test_a_record_holds_the_values_of_its_preset(preset: Preset) -> None:
    record = EditRecord(**ASKED, preset=preset)
    assert PRESETS.keys() == set(get_args(Preset))
    for name, value in PRESETS[preset].items():
        assert value_of(record, name) == value and not isinstance(value_of(record, name), Unsaid)
    assert dataclasses.replace(EditRecord(**ASKED), preset=preset) == record


def test_the_published_command_is_50_steps_of_the_checkpoints_own_scheduler() -> None:
    for preset in ("paper", "released", "released-exact"):
        record = EditRecord(**ASKED, preset=preset)
        assert (record.steps, record.guidance, record.scheduler) == (50, 7.5, "own")
        assert record.sentence == "a high quality image of a house."
        assert (record.search.anchors, record.search.largest_window, record.fit.rounds) == (9, 0.875, 10)
    fit = EditRecord(**ASKED, preset="paper").fit
    assert (fit.rate, fit.schedule, fit.structure) == (5e-3, "cosine", "published")
    ours = EditRecord(**ASKED)
    assert (ours.steps, ours.guidance, ours.scheduler, ours.sentence) == (30, 5.0, "solver", "a house")


def test_samplers_are_a_setting_of_edits_by_words_alone() -> None:
    for preset in get_args(Preset):
        assert EditRecord(**ASKED, preset=preset).sampler == "checkpoint"
    assert not any(hasattr(kind, "sampler") for kind in (ArrangeRecord, RemoveRecord))
    with pytest.raises(
        RecordError, match=r"lcm takes 50 steps at most, and steps is 51: give --steps 6, or another --s"
    ):
        EditRecord(**ASKED, sampler="lcm", steps=51)
    with pytest.raises(RecordError, match="gives 'sampler' as 'plms', but one of checkpoint, dpmpp-2m-karras"):
        from_json(EditRecord, {**ASKED, "sampler": "plms"})


def test_what_the_user_says_wins_even_where_it_is_the_default() -> None:
    said = EditRecord(
        **ASKED, preset="paper", steps=30, search=SearchSettings(anchors=6), fit=FitSettings(rounds=2, rate=2e-3)
    )
    assert (said.steps, said.search.anchors, said.fit.rounds, said.fit.rate) == (30, 6, 2, 2e-3)
    assert (said.guidance, said.search.largest_window, said.fit.schedule) == (7.5, 0.875, "cosine")


def test_a_saved_record_is_read_back_as_it_was() -> None:
    for record in (EditRecord(**ASKED, preset="paper"), EditRecord(**ASKED), EditRecord(**ASKED, template="a {}")):
        saved = json.dumps(to_json(record))
        again = from_json(EditRecord, json.loads(saved))
        assert again == record and json.dumps(to_json(again)) == saved
    values = {**ASKED, "preset": "paper", "steps": 30, "search": {"anchors": 3}}
    read = from_json(EditRecord, values)
    assert (read.steps, read.guidance, read.search.anchors, read.search.largest_window) == (30, 7.5, 3, 0.875)


def test_marked_defaults_are_the_plain_values_and_outlive_copies() -> None:
    record = EditRecord(**ASKED)
    for same in (record, copy.deepcopy(record), pickle.loads(pickle.dumps(record)), dataclasses.replace(record)):
        assert same == record and repr(same.steps) == "30" and isinstance(same.steps, Unsaid)
        assert dataclasses.replace(same, preset="paper").steps == 50
    assert type(plain(record.steps)) is int and type(plain(record.guidance)) is float
    assert type(plain(record.template)) is str and plain(None) is None


@pytest.mark.parametrize("template", ["an image", "{} and {}", ""])
def test_a_template_has_one_place_for_the_prompt(template: str) -> None:
    with pytest.raises(RecordError, match=r"must hold \{\} once"):
        EditRecord(**ASKED, template=template)
    assert EditRecord(photo="p.png", prompt="a {} in braces", template=TEMPLATE).sentence.count("{}") == 1


def test_flags_overrule_a_preset_and_the_rest_is_its_own(asked_edits: list[EditRecord], tmp_path: Path) -> None:
    seen, edit = asked_edits, ["edit", str(tmp_path / "p.png"), "--prompt", "a house", "--preset", "paper"]
    assert main(edit) == main([*edit, "--steps", "30", "--search.anchors", "3", "--fit.rounds", "10"]) == 0
    assert seen[0] == EditRecord(photo=str(tmp_path / "p.png"), prompt="a house", preset="paper")
    assert (seen[1].steps, seen[1].search.anchors, seen[1].fit.rounds, seen[1].guidance) == (30, 3, 10, 7.5)
