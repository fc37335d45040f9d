"""intarsia bench, from folders to a report that goes on, on the pocket models."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from intarsia.backbones.protocols import Backbones
from intarsia.cli.commands import bench
from intarsia.cli.main import main
from intarsia.evaluate.public_sets import run
from tests.evaluate.public_folders import NAMES, changed, make_dle, make_moves, make_pie, make_pie_plus

WORDS = {
    "structure_distance",
    "psnr",
    "ssim",
    "mse",
    "changed_outside",
    "clip_whole",
    "clip_edited",
    "outside_exact",
    "evaluations",
    "seconds",
}
MOVES = {"psnr_object", "psnr_vacated", "psnr", "ssim", "mse", "changed_outside", "clip_image"} | {
    "outside_exact",
    "evaluations",
    "seconds",
}


@pytest.fixture
def workshop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pocket: Backbones) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(bench, "loader", lambda machine: lambda models: pocket)
    return tmp_path


def report(path: str = "bench-out/bench.json") -> dict[str, Any]:
    facts: dict[str, Any] = json.loads(Path(path).read_text())
    return facts


SETS: list[tuple[str, Callable[[Path], Path], list[str], set[str]]] = [
    ("pie", make_pie, ["pie"], WORDS),
    ("pie", make_pie_plus, ["pie_plus"], WORDS),
    ("dle", make_dle, ["dle"], WORDS | {"psnr_reference"}),
    ("res", make_moves, ["res", "cocoee"], MOVES),
]


@pytest.mark.parametrize(("flag", "make", "keys", "figures"), SETS, ids=["pie", "pie++", "dle", "res"])
def test_every_set_is_measured(
    workshop: Path,
    capsys: pytest.CaptureFixture[str],
    flag: str,
    make: Callable[[Path], Path],
    keys: list[str],
    figures: set[str],
) -> None:
    make(workshop / "set")
    masks = [] if flag == "res" else ["--use-masks"]
    assert main(["bench", f"--{flag}", "set", "--models", "pocket", "--save", "pictures", *masks]) == 0
    facts = report()
    assert list(facts["sets"]) == keys
    assert facts["settings"] == {"models": "pocket", "seed": 0, "preset": "default", "given_masks": bool(masks)}
    assert facts["versions"]["patches"].startswith("dino#")
    items = [item for part in facts["sets"].values() for item in part["items"].values()]
    assert len(items) == 2
    for item in items:
        assert set(item) == figures | {"kind"}
        assert item["outside_exact"] is True
    for key, part in facts["sets"].items():
        assert part["licence"]
        assert part["summary"]["failed"] == 0
        assert part["summary"]["outside_exact"] == 1
        for name in part["items"]:
            with Image.open(workshop / "pictures" / key / f"{name}.png") as saved:
                assert saved.size == (64, 64)
    said = capsys.readouterr().out
    assert facts["notes"][0].startswith("LPIPS is left out")
    assert f"note: {facts['notes'][0]}" in said
    assert "exact %" in said and said.strip().endswith("bench.json")


@pytest.mark.slow
def test_regions_are_searched_by_the_words(workshop: Path) -> None:
    make_pie(workshop / "set")
    assert main(["bench", "--pie", "set", "--models", "pocket", "--quiet"]) == 0
    part = report()["sets"]["pie"]
    assert part["summary"]["items"] == 2
    assert part["summary"]["evaluations"] >= 60, "one region at least; how many more is up to how a machine rounds"
    assert list(part["kinds"]) == ["change object", "random"]


def test_a_run_goes_on_where_it_stopped(workshop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_pie(workshop / "set")
    command = ["bench", "--pie", "set", "--models", "pocket", "--use-masks", "--json", "figures.json"]
    assert main([*command, "--limit", "1"]) == 0
    first = report("figures.json")["sets"]["pie"]["items"]
    assert list(first) == [NAMES[0]]

    edited: list[str] = []
    edit_item = run.edit_item

    def watched(item: Any, *rest: Any) -> Any:
        edited.append(item.name)
        return edit_item(item, *rest)

    monkeypatch.setattr(run, "edit_item", watched)
    assert main(command) == 0
    assert edited == [NAMES[1]]
    assert report("figures.json")["sets"]["pie"]["items"][NAMES[0]] == first[NAMES[0]]

    def refuse(machine: object) -> Any:
        raise AssertionError("nothing is left to do")

    monkeypatch.setattr(bench, "loader", refuse)
    assert main(command) == 0


def test_an_item_that_fails_is_kept_apart_and_tried_again(workshop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_moves(workshop / "set")
    file = workshop / "set" / "ReS" / "ReS_dataset.json"
    right = json.loads(file.read_text())
    changed(file, selected_points=[[0, 0], [500, 0]])
    command = ["bench", "--res", "set", "--models", "pocket"]
    assert main(command) == 0
    part = report()["sets"]["res"]
    assert "outside the picture" in part["items"]["p1_1"]["error"]
    assert part["summary"] == {"items": 0, "failed": 1}
    assert "0 items, 1 failed" in capsys.readouterr().out
    assert report()["sets"]["cocoee"]["summary"]["failed"] == 0
    file.write_text(json.dumps(right))
    assert main(command) == 0
    assert report()["sets"]["res"]["summary"]["failed"] == 0


def test_a_report_of_other_settings_is_not_mixed_with(workshop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_pie(workshop / "set")
    command = ["bench", "--pie", "set", "--models", "pocket", "--use-masks", "--limit", "1"]
    assert main(command) == 0
    before = Path("bench-out/bench.json").read_bytes()
    assert main([*command, "--seed", "1"]) == 2
    assert "bench.json was measured with other seed: pass --json FILE to write another." in capsys.readouterr().err
    assert Path("bench-out/bench.json").read_bytes() == before
    Path("bench-out/bench.json").write_text("{}")
    assert main(command) == 2
    assert "is no report of public sets, and is not replaced" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ([], "No set was named: pass its folder with --pie, --dle or --res."),
        (["--pie", "gone"], "The folder gone of PIE-Bench does not exist"),
        (["--dle", "file"], "The folder file of DLEBench is a file"),
        (["--pie", "empty"], "empty has no mapping_file.json"),
        (["--pie", "set", "--limit", "0"], "--limit is 0"),
        (["--pie", "set", "--seed", "-1"], "--seed is -1"),
        (["--pie", "set", "--out", "file"], "file is a file"),
        (["--pie", "set", "--models", "gone/gone/gone"], "gone/gone/gone"),
        (["--res", "moves", "--preset", "released"], "Moves of objects have the presets default and paper"),
        (["--pie", "broken"], "mapping_file.json is not JSON"),
    ],
)
def test_bad_input_is_said_in_a_sentence(
    workshop: Path, capsys: pytest.CaptureFixture[str], flags: list[str], said: str
) -> None:
    make_pie(workshop / "set")
    make_moves(workshop / "moves")
    (workshop / "file").touch()
    (workshop / "empty").mkdir()
    (workshop / "broken").mkdir()
    (workshop / "broken" / "mapping_file.json").write_text("{")
    assert main(["bench", *flags]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error
    assert not (workshop / "bench-out").exists()


def test_the_table_multiplies_as_its_headings_say() -> None:
    means = {"items": 2, "mse": 0.00123, "outside_exact": 1.0, "seconds": 2.345, "failed": 0}
    facts = {"title": "A set", "licence": "none", "summary": means, "kinds": {"odd": {**means, "items": 1}}}
    heading, *rows = bench.set_lines(facts)
    assert heading == "A set  2 items  (licence: none)"
    assert [row.split() for row in rows[1:]] == [
        ["odd", "1", "12.30", "100", "2.3"],
        ["all", "2", "12.30", "100", "2.3"],
    ]
    assert len({len(row) for row in rows}) == 1


def test_pictures_are_the_edits(workshop: Path) -> None:
    make_pie(workshop / "set")
    command = ["bench", "--pie", "set", "--models", "pocket", "--use-masks", "--limit", "1", "--save", "pictures"]
    assert main(command) == 0
    with (
        Image.open(workshop / "pictures" / "pie" / f"{NAMES[0]}.png") as saved,
        Image.open(next((workshop / "set").rglob(f"{NAMES[0]}.jpg"))) as source,
    ):
        different = (np.asarray(saved) != np.asarray(source)).any(-1)
    assert 0 < different.mean() < 1
