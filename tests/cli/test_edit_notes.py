"""Notes of an edit by words on the command line: before the work, in the result's lines, as JSON, and of a batch."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from intarsia.backbones.protocols import Backbones
from intarsia.batch.ledger import Ledger
from intarsia.cli import load_models
from intarsia.cli.batch_run import run_summary
from intarsia.cli.main import main
from intarsia.notes import note
from intarsia.regions.notes import BLUR
from intarsia.tasks.batch_worker import BatchWorker
from intarsia.tasks.model_pool import ModelPool
from intarsia.tasks.options import Machine
from tests.batch.test_report import job, outcome
from tests.cli.edit_files import QUICK
from tests.paths import SCENES

FAST = (*QUICK, "--search.preview-steps", "1", "--search.survivors", "1")


@pytest.fixture
def photograph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """As noisy as one, in a folder of its own, which is also the current one."""
    monkeypatch.chdir(tmp_path)
    noise = np.random.default_rng(0).integers(0, 256, (200, 240, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


@pytest.fixture
def on_pocket(monkeypatch: pytest.MonkeyPatch, pocket: Backbones) -> Callable[..., int]:
    """The command line on the pocket models, loaded once; `auto` means them, too."""

    def load(models: str, machine: Machine) -> Backbones:
        if models == "auto":
            note("auto means the pocket models.")
        return pocket

    monkeypatch.setattr(load_models, "load", load)
    monkeypatch.setattr("intarsia.backbones.resolve.best_cached", lambda quiet: "pocket")
    return lambda *arguments: main([str(a) for a in arguments])


@pytest.mark.parametrize("models", ["auto", "pocket"])
def test_a_photograph_on_the_pocket_models_is_told_of_before_and_after(
    on_pocket: Callable[..., int], photograph: Path, models: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert on_pocket("edit", photograph, "--prompt", "a cake", *FAST, "--models", models) == 0
    told = capsys.readouterr()
    assert told.err.count(BLUR) == 1 and told.err.count("intarsia models download sd15") == 1
    assert "auto means" not in told.err + told.out, "the note says so already"
    assert told.out.count("note: The pocket models know a toy world of a dozen drawn things, and this looks") == 1
    assert told.out.count(BLUR) == 1
    record = json.loads((photograph.parent / "out" / "photo.json").read_text())
    assert len(record["notes"]) == 1 and BLUR in record["notes"][0]

    assert on_pocket("replay", "out/photo.json", "--quiet") == 0
    assert capsys.readouterr() == ("", "")


def test_a_drawn_scene_is_told_of_nothing(
    on_pocket: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    large = tmp_path / "scene.png"
    with Image.open(SCENES / "0000.png") as small:
        small.resize((256, 256), Image.Resampling.BICUBIC).save(large)
    words = ("--source", "tree", "--prompt", "a house")
    assert on_pocket("edit", large, *words, *FAST, "--models", "pocket", "--out", tmp_path / "out") == 0
    told = capsys.readouterr()
    assert told.err == "" and "note" not in told.out


def test_notes_are_in_the_json(tiny: Callable[..., int], photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--source", "cat", "--prompt", "a house with many flowers")  # of which 16 letters are read
    assert tiny("edit", photo, *words, *FAST, "--json") == 0
    told = capsys.readouterr()
    (note,) = json.loads(told.out)["notes"]
    assert "judged by its first 16 tokens, without 'flowers'" in note
    assert told.err == ""


# Batches


def test_a_job_keeps_its_notes(tiny_backbones: Backbones, photo: Path, tmp_path: Path) -> None:
    from intarsia.records.edit import EditRecord, SearchSettings

    quick = SearchSettings(preview_steps=(1,), survivors=(1,))
    record = EditRecord(photo=str(photo), prompt="a house with many flowers", models="tiny", steps=1, search=quick)
    pool = ModelPool(Machine(device="cpu"), load=lambda *_, **__: tiny_backbones)
    done = BatchWorker(pool, cached=False).edit(record, tmp_path / "job", lambda progress: None)
    notes: Any = done.facts["notes"]
    assert len(notes) == 1 and "judged by its first" in notes[0]


def test_a_run_says_each_note_once_and_on_how_many_jobs(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "run") as ledger:
        ledger.enter([job(number) for number in range(1, 5)])
        for number, notes in enumerate((["Small."], ["Small.", "Cut."], []), 1):
            ledger.begin(f"id{number}", "worker 1")
            ledger.done(f"id{number}", outcome(notes=notes))
        summary, lines = run_summary(ledger, tmp_path / "run")
    assert [line for line in lines if line.startswith("  note")] == [
        "  note on 2 jobs: Small.",
        "  note on 1 job: Cut.",
    ]
    assert [entry["notes"] for entry in summary["notes"]] == [["Small."], ["Small.", "Cut."]]
