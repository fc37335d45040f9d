"""What the command line does with objects that are found without confidence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from intarsia.cli import load_models
from intarsia.cli.main import main
from intarsia.layout.scene_files import read_scene_folder
from tests.paths import PACKAGE_SCENES

BIRD = str(PACKAGE_SCENES / "bird-and-car.png")
POCKET = ("--models", "pocket", "--device", "cpu")
FACT = "Not sure that 'zebra' is in the picture (confidence 0."
CAUSE = "it is none of the 12 nouns that the models know. Keep it all the same with --unsure keep, "
FILLED = ("--fill", "patch", "--mode", "compose")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("INTARSIA_CACHE", str(tmp_path / "cache"))
    return tmp_path


@pytest.mark.parametrize(
    ("command", "by_hand"),
    [
        (["arrange", BIRD, "--find", "zebra", "--move", "zebra=+9,0"], "--object 'zebra=x0,y0,x1,y1' or --masks"),
        (["learn", BIRD, "--find", "zebra"], "--object 'zebra=x0,y0,x1,y1' or --masks"),
        (["remove", BIRD, "--find", "zebra"], "mark it with --box, --object or --mask"),
    ],
    ids=["arrange", "learn", "remove"],
)
def test_a_zebra_in_a_picture_of_a_bird_is_refused_and_nothing_is_written(
    command: list[str], by_hand: str, here: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.setattr(load_models, "load", lambda models, machine: pytest.fail("painting networks were loaded"))
    assert main([*command, *POCKET]) == 2
    told = capsys.readouterr()
    assert told.out == "" and told.err.startswith(f"intarsia: {FACT}") and told.err.count("\n") == 1
    assert CAUSE in told.err and by_hand in told.err and told.err.endswith("or use other words.\n")
    assert len(told.err) < 400
    assert [file.name for file in here.iterdir() if file.name != "cache"] == []


def test_remove_keeps_it_where_it_is_told_to_and_says_so(capsys) -> None:
    assert main(["remove", BIRD, "--find", "zebra", "--unsure", "keep", *POCKET, "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["record"]["unsure"] == "keep"
    (zebra,) = facts["objects"]
    assert zebra["sure"] is False and zebra["confidence"] < zebra["sure_from"] and zebra["doubt"]
    assert facts["notes"][0].startswith("'zebra' was kept, though it is not sure that")
    assert main(["replay", "out/bird-and-car.json", "--out", "again"]) == 0
    assert "The same pixels came out." in capsys.readouterr().out


def test_arrange_keeps_it_where_it_is_told_to_and_says_so(capsys) -> None:
    words = ["arrange", BIRD, "--find", "zebra", "--move", "zebra=+9,0", *FILLED, "--unsure", "keep"]
    assert main([*words, *POCKET, "--json", "--compose.strength", "0.01"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["objects"][0]["sure"] is False and "zebra" in facts["notes"][0]


def test_objects_writes_what_it_found_and_says_that_it_is_not_sure(capsys) -> None:
    assert main(["objects", BIRD, "--find", "zebra", *POCKET]) == 0
    told = capsys.readouterr().out
    assert "not sure: 0." in told and f"note: {FACT}" in told and "--unsure" not in told
    assert "outline it yourself with --object 'zebra=x0,y0,x1,y1' or --masks 'zebra=FILE', or use other words." in told
    (zebra,) = read_scene_folder(Path("out/bird-and-car.scene")).objects
    assert not zebra.sure and zebra.doubt
    assert main(["objects", BIRD, "--find", "bird", *POCKET, "--overwrite", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    (bird,) = facts["objects"]
    assert bird["sure"] is True and bird["confidence"] > 0.9 and "doubt" not in bird and facts["notes"] == []


def test_what_a_scene_folder_holds_was_looked_at(capsys) -> None:
    assert main(["objects", BIRD, "--find", "zebra", *POCKET, "--quiet"]) == 0
    moved = ["--move", "zebra=+9,0", *FILLED, "--compose.strength", "0.01"]
    assert main(["arrange", "out/bird-and-car.scene", *moved, *POCKET, "--quiet"]) == 0


def test_another_word_for_unsure_is_refused(capsys) -> None:
    assert main(["remove", BIRD, "--find", "bird", "--unsure", "maybe", *POCKET]) == 2
    assert "--unsure" in capsys.readouterr().err
