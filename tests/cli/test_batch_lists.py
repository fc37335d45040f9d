"""intarsia batch over folders and tables: never its own output, and nothing left out in silence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from intarsia.batch.executor import RESULTS
from intarsia.cli import batch_run, main
from tests.fake_work import FakeWork

SNOW = ("--set", "prompt=snow")


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three photos in the working folder; workers without networks, which leave pictures."""
    folder = tmp_path / "photos"
    (folder / "deeper").mkdir(parents=True)
    for k, name in enumerate(("0.png", "1.jpg", "deeper/2.png")):
        Image.fromarray(np.full((20, 24, 3), 9 * k, np.uint8)).save(folder / name)
    monkeypatch.setattr(batch_run, "BatchExecutor", lambda machine, threads: FakeWork(pictures=True))
    monkeypatch.chdir(folder)
    return folder


def batch(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any], str]:
    code = main.main(["batch", *arguments, "--json"])
    told = capsys.readouterr()
    return code, json.loads(told.out) if told.out else {}, told.err


def test_a_batch_never_takes_its_own_output(
    photos: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, first, _ = batch(capsys, ".", *SNOW)
    assert code == 0 and (first["done"], first["list_notes"]) == (3, [])
    assert len(list(photos.glob("out/results/*/made.png"))) == 3
    link = photos.parent / "link"
    link.symlink_to(photos)
    with monkeypatch.context() as during:
        during.setattr(batch_run, "run_local", lambda *a, **k: pytest.fail("there was something to do"))
        for place, out in (
            (".", "out"),
            (".", str(photos / "out")),
            (str(photos), "./../photos/out"),
            (str(link), "out"),
        ):
            code, again, _ = batch(capsys, place, "--out", out, *SNOW)
            assert code == 0 and (again["done"], again["left"]) == (3, 0)
    for out in (".", "other", str(photos.parent)):
        code, elsewhere, said = batch(capsys, ".", "--out", out, *SNOW)
        assert code == 0 and elsewhere["done"] == 3
        assert "results of Intarsia were left out" in said
    (photos / "out" / "ledger.sqlite").unlink()
    (photos / "out" / RESULTS).rename(photos / "kept results")
    assert batch(capsys, ".", "--out", str(photos.parent / "fresh"), *SNOW)[1]["done"] == 3


def test_what_is_left_out_is_said_once(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (photos / "film.mp4").write_bytes(b"\0\0\0\x18ftypisom")
    (photos / "notes.txt").write_text("words")
    (photos / "._0.png").write_bytes(b"\0\x05\x16\x07")
    (photos / "__MACOSX").mkdir()
    code, summary, told = batch(capsys, ".", *SNOW)
    assert code == 0 and summary["done"] == 3
    assert summary["list_notes"] == [
        "1 file of a kind that is not edited was left out (film.mp4: a film (MP4)): convert to PNG or JPEG what is to be "
        "edited.",
        "1 file left out as no pictures: notes.txt.",
        "2 hidden or system files were left out.",
    ]
    assert all(told.count(note) == 1 for note in summary["list_notes"])
    assert main.main(["batch", ".", *SNOW, "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["empty", *SNOW], "There is no picture to edit in empty (1 no picture, such as x.txt)"),
        ([".", "--set", "prompt=snow", "stepz=3"], "Was 'steps' meant?"),
        ([".", "--set", "prompt=snow", "steps=many"], "gives 'steps' as 'many', but a whole number is expected"),
        (["table.csv"], "has no column 'photo'"),
        (["table.xlsx"], "save the sheet as CSV"),
    ],
)
def test_lists_that_cannot_be_done_end_in_2(
    photos: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    (photos / "empty").mkdir()
    (photos / "empty" / "x.txt").write_text("x")
    (photos / "table.csv").write_text("picture,prompt\n0.png,a\n")
    (photos / "table.xlsx").write_bytes(b"PK\x03\x04")
    assert main.main(["batch", *arguments]) == 2
    told = capsys.readouterr().err
    assert message in told and told.count("\n") == 1


def test_a_table_of_a_spreadsheet_is_done_row_by_row(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = "sep=;\r\nPhoto;Prompt;Steps;Guidance;Refine;Notes\r\n0.png;a dog;4,0;7,5;FALSCH;blue\r\n;;;;;\r\n1.jpg;a cat;x;;;\r\n"
    (photos / "jobs.csv").write_bytes(table.encode("utf-16"))
    code, summary, _ = batch(capsys, "jobs.csv")
    assert code == 3 and (summary["done"], summary["failed"]) == (1, 1)
    assert summary["failures"][0]["photo"] == "1.jpg"
    assert "gives 'steps' as 'x', but a whole number is expected, such as 30." in summary["failures"][0]["error"]
    assert summary["list_notes"] == ["The column 'Notes' of jobs.csv is no setting and was left out."]
