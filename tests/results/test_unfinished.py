"""What killed processes leave behind: undone by whoever writes into the folder next, and nothing else is touched."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from intarsia.files import FORMER, STAGE, stage_prefix, write_bytes_atomically
from intarsia.notes import collected
from intarsia.records.edit import EditRecord
from intarsia.results.document import input_facts
from intarsia.results.history import moment_of
from intarsia.results.inputs_seen import inputs_noted, say_what_changed
from intarsia.results.staging import staging
from intarsia.results.unfinished import LOCK, PLACING, files_in, held, settle
from intarsia.web.startup import ROOT, remove_left_roots


def gone_process() -> int:
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def left_behind(folder: Path, waiting: dict[str, str], placed: dict[str, str], former: dict[str, str]) -> Path:
    """A folder as a process leaves it that was killed while its files got their names."""
    stage = folder / f"{STAGE}{gone_process()}-abc"
    stage.mkdir(parents=True)
    (stage / LOCK).touch()
    numbers = {}
    for place, files in ((stage, waiting), (folder, placed)):
        for name, content in files.items():
            (place / name).write_text(content)
            numbers[name] = (place / name).stat().st_ino
    for name, content in former.items():
        (stage / f"{FORMER}{name}").write_text(content)
    (stage / PLACING).write_text(json.dumps(numbers))
    return stage


def shown(folder: Path) -> dict[str, str]:
    return {file.name: file.read_text() for file in sorted(folder.iterdir()) if file.is_file()}


@pytest.mark.parametrize(
    ("waiting", "placed", "former", "there"),
    [
        ({"a.png": "new", "a.json": "new"}, {}, {}, {}),
        ({"a.json": "new"}, {"a.png": "new"}, {}, {}),
        ({"a.json": "new"}, {"a.png": "new"}, {"a.png": "old"}, {"a.png": "old"}),
        ({"a.json": "new", "a.png": "new"}, {}, {"a.png": "old"}, {"a.png": "old"}),
        ({"a.json": "new"}, {"a.png": "new"}, {"a.png": "old", "a.json": "old"}, {"a.json": "old", "a.png": "old"}),
        ({}, {"a.png": "new", "a.json": "new"}, {"a.png": "old"}, {"a.json": "new", "a.png": "new"}),
    ],
)
def test_what_a_killed_process_placed_is_taken_back_and_what_it_replaced_is_given_back(
    waiting: dict[str, str], placed: dict[str, str], former: dict[str, str], there: dict[str, str], tmp_path: Path
) -> None:
    left_behind(tmp_path, waiting, placed, former)
    (tmp_path / "b.png").write_text("another's")
    settle(tmp_path)
    assert shown(tmp_path) == {**there, "b.png": "another's"}
    assert not list(tmp_path.glob(f"{STAGE}*"))


def test_a_file_that_others_put_there_meanwhile_is_not_taken_away(tmp_path: Path) -> None:
    left_behind(tmp_path, {"a.json": "new"}, {"a.png": "new"}, {})
    (tmp_path / "other").write_text("theirs")
    (tmp_path / "other").replace(tmp_path / "a.png")
    settle(tmp_path)
    assert shown(tmp_path) == {"a.png": "theirs"}


def test_who_is_at_work_is_left_alone(tmp_path: Path) -> None:
    with staging(tmp_path, overwrite=False) as stage:
        (stage / "a.png").write_text("new")
        settle(tmp_path)
        assert files_in(stage) == [stage / "a.png"]
    assert shown(tmp_path) == {"a.png": "new"}
    # Without a lock: made a moment ago by a process that runs, or long ago, or by one that is gone.
    for name, age, stays in (
        (stage_prefix(), 0, True),
        (stage_prefix(), 1000, False),
        (f"{STAGE}{gone_process()}-", 0, False),
    ):
        stage = tmp_path / f"{name}xyz"
        stage.mkdir()
        os.utime(stage, (stage.stat().st_mtime - age,) * 2)
        settle(tmp_path)
        assert stage.exists() == stays
        if stays:
            stage.rmdir()


def test_an_interrupt_between_any_two_steps_leaves_the_former_result(tmp_path: Path) -> None:
    """Found by kills before each step: a file that was moved away and not yet noted was lost."""
    for name in ("a.png", "a.json"):
        (tmp_path / name).write_text("old")
    taken = 0

    def interrupt(step: int) -> None:
        real = Path.replace
        seen = 0

        def replace(self: Path, target: Path) -> Path:
            nonlocal seen
            seen += 1
            done = real(self, target)
            if seen == step:
                raise KeyboardInterrupt
            return done

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Path, "replace", replace)
            with staging(tmp_path, overwrite=True) as stage:
                for name in ("a.png", "a.json"):
                    (stage / name).write_text("new")

    for step in range(1, 6):
        with pytest.raises(KeyboardInterrupt):
            interrupt(step)
        taken += 1
        assert shown(tmp_path) == {"a.json": "old", "a.png": "old"} and not list(tmp_path.glob(f"{STAGE}*"))
    assert taken == 5
    interrupt(99)
    assert shown(tmp_path) == {"a.json": "new", "a.png": "new"}


def test_a_lock_that_cannot_be_had_is_no_reason_to_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "intarsia.results.unfinished.FileLock.acquire", lambda *_, **__: (_ for _ in ()).throw(OSError())
    )
    with held(tmp_path):
        pass


def test_parts_of_files_that_killed_processes_left_are_removed_and_those_of_others_stay(tmp_path: Path) -> None:
    dead, own = tmp_path / f".a.json.{gone_process()}-12345678.part", tmp_path / f".a.json.{os.getpid()}-12345678.part"
    for part in (dead, own, tmp_path / ".b.json.1-12345678.part"):
        part.write_text("half")
    write_bytes_atomically(tmp_path / "a.json", b"{}")
    assert not dead.exists() and own.exists() and (tmp_path / ".b.json.1-12345678.part").exists()


@pytest.mark.parametrize(("way", "said"), [("replaced", "was changed since"), ("removed", "is gone since")])
def test_a_record_names_the_input_as_it_was_read(way: str, said: str, tmp_path: Path) -> None:
    photo = tmp_path / "photo.png"
    photo.write_bytes(b"first")
    record = EditRecord(photo=str(photo), prompt="a dog")
    first = input_facts(record)
    with collected() as notes, inputs_noted(record):
        photo.unlink() if way == "removed" else photo.write_bytes(b"second")
        assert input_facts(record) == first
        say_what_changed()
    assert len(notes) == 1 and f"photo.png {said} it was read" in notes[0]
    assert input_facts(record) != first


def test_times_of_a_history_are_those_of_the_clock_and_not_of_its_zone() -> None:
    summer, winter = "2026-10-25T02:50:00.000+02:00", "2026-10-25T02:10:00.000+01:00"
    assert moment_of(summer) < moment_of(winter) and summer > winter
    assert moment_of("") == moment_of("yesterday") == moment_of("9999-99-99") == 0


def test_what_a_killed_server_left_goes_and_a_running_ones_stays(tmp_path: Path) -> None:
    left, running, foreign = (tmp_path / f"{ROOT}{name}" for name in ("left", "running", "foreign"))
    for root in (left, running, foreign):
        (root / "uploads").mkdir(parents=True)
    (left / LOCK).touch()
    (tmp_path / f"{ROOT}link").symlink_to(left)
    with held(running):
        remove_left_roots(tmp_path)
        assert not left.exists() and running.exists() and foreign.exists()
