"""Ids of jobs: the same for the same inputs, whatever is around them, and the same as in ledgers that are there."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from intarsia.batch import identity
from intarsia.batch.executor import MARK, RESULTS, do_job
from intarsia.batch.jobs import Job, read_jobs
from intarsia.batch.ledger import Ledger
from intarsia.batch.runner import to_do
from intarsia.errors import PictureError
from intarsia.imaging.read import read_photo
from tests.fake_work import FakeWork

ENTRIES: list[dict[str, object]] = [
    {"photo": "1.png", "prompt": "a house", "source": "tree"},
    {
        "photo": "1.png",
        "prompt": "a house",
        "mask": "2.png",
        "seed": 7,
        "steps": 40,
        "search": {"anchors": 3},
        "lora": ["style.safetensors:0.5"],
    },
    {"photo": "1.png", "prompt": "a house", "preset": "paper"},
    {"kind": "arrange", "photo": "1.png", "move": ["cat=+3,0"], "masks": ["cat=2.png"]},
    {"kind": "learn", "photo": "2.png", "find": ["cat"], "learn": {"rank": 2}},
    {"kind": "remove", "photo": "1.png", "box": ["1,2,3,4"], "avoid": "2.png"},
]
IDS = [
    ("e0a4a1b56bf89c61", 3832946841),
    ("d1b106de82a1f9c4", 7),
    ("3dd8b28174393184", 2771877352),
    ("f1d77b7f9299d21b", 1848168171),
    ("76a2b8e7c94bcb3c", 4098691645),
    ("7f8542dbdd111dfb", 704765965),
]
"""Ids and seeds of these as the first version gave them, which stand in ledgers."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    photos = tmp_path / "photos"
    (photos / "deeper").mkdir(parents=True)
    for name in ("1.png", "2.png"):
        (photos / name).write_bytes(f"picture {name}".encode())
    (photos / "style.safetensors").write_bytes(b"one")
    return photos


def read(folder: Path, *entries: dict[str, object], **asked: object) -> tuple[Job, ...]:
    file = folder / "jobs.jsonl"
    file.write_text("\n".join(json.dumps(entry) for entry in entries))
    return read_jobs(file, **asked)  # type: ignore[arg-type]


def test_ids_are_those_of_ledgers_that_are_there(folder: Path) -> None:
    """Where this fails since a setting has a new default: jobs in ledgers would be done again, with other seeds."""
    jobs = read(folder, *ENTRIES)
    assert [(job.id, job.record and job.record.seed) for job in jobs] == IDS


def test_a_setting_that_comes_later_changes_no_id_where_it_is_not_used(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = {kind: names.replace(" sharpen ", " ") for kind, names in identity.FIRST_SETTINGS.items()}
    monkeypatch.setattr(identity, "FIRST_SETTINGS", first)
    without, asked = (read(folder, {**ENTRIES[0], "sharpen": sharpen})[0] for sharpen in (False, True))
    assert without.record is not None and "sharpen" not in identity.identity(without.record)
    assert len({without.id, asked.id}) == 2


def test_ids_depend_on_nothing_around_a_job(folder: Path, tmp_path: Path) -> None:
    ids = {job.id for job in read(folder, *ENTRIES)}
    assert {job.id for job in read(folder, *reversed(ENTRIES))} == ids
    assert {read(folder, entry)[0].id for entry in ENTRIES} == ids
    (folder / "deeper" / "3.png").write_bytes(b"another")
    moved = folder.rename(tmp_path / "elsewhere")
    assert {job.id for job in read(moved, *ENTRIES)} == ids


@pytest.mark.parametrize("way", ["1.png", "./1.png", "deeper/../1.png", ".//1.png", "{folder}/1.png", "{link}/1.png"])
def test_ids_do_not_depend_on_how_a_list_names_a_picture(folder: Path, tmp_path: Path, way: str) -> None:
    (tmp_path / "link").symlink_to(folder)
    photo = way.format(folder=folder, link=tmp_path / "link")
    (job,) = read(folder, {**ENTRIES[0], "photo": photo})
    assert (job.id, job.record and job.record.seed, job.problem) == (*IDS[0], "")
    assert bool(job.former) == (photo != "1.png")


def test_absolute_paths_of_another_mount_are_the_same_jobs(folder: Path, tmp_path: Path) -> None:
    def ids(photos: Path) -> list[str]:
        return [read(photos, {**entry, "photo": f"{photos}/{entry['photo']}"})[0].id for entry in ENTRIES]

    here = ids(folder)
    assert ids(folder.rename(tmp_path / "mounted here")) == here == [id for id, _ in IDS]


def test_a_ledger_with_a_former_id_goes_on(folder: Path, tmp_path: Path) -> None:
    """What an earlier version has done under another id of the same job is not done again."""
    out = tmp_path / "out"
    (job,) = read(folder, {"photo": f"{folder}/1.png", "prompt": "a house"})
    (former,) = job.former
    with Ledger.open(out) as ledger:
        old = dataclasses.replace(job, id=former, folder=f"1-{former[:10]}", former=())
        ledger.enter([old])
        (out / RESULTS).mkdir()
        ledger.done(old.id, do_job(old, FakeWork().open(0), out, lambda progress: None))
        ledger.enter([job])
        assert to_do((job,), ledger, out) == []
        (row,) = ledger.rows()
        assert (row.id, row.folder, row.state) == (job.id, old.folder, "done")
        ledger.connection.execute("UPDATE jobs SET state = 'running'")  # it was killed before it was entered
        ledger.enter([job])
        assert to_do((job,), ledger, out) == [] and ledger.rows()[0].state == "done"
        (out / RESULTS / old.folder / MARK).unlink()
        ledger.connection.execute("UPDATE jobs SET state = 'waiting'")
        (left,) = to_do((job,), ledger, out)
        assert left.folder == old.folder and left.id == job.id


def test_a_wrong_row_keeps_its_id_wherever_it_stands(folder: Path) -> None:
    wrong: dict[str, object] = {"photo": "1.png", "prompt": "a", "steps": "many"}
    alone, *_ = read(folder, wrong)
    _, after, again = read(folder, ENTRIES[0], wrong, wrong)
    assert alone.id == after.id != again.id
    assert "'steps' as 'many'" in after.problem and "'steps' as 'many'" in again.problem


@pytest.mark.parametrize(
    "photo", ["circle.png", "circle.png/1.png", "x" * 300 + ".png", "1.png/2.png", "a/" * 2500 + "b"]
)
def test_paths_that_lead_nowhere_end_no_list(folder: Path, photo: str) -> None:
    """Who does the job says what is wrong with its picture; the others are done."""
    (folder / "circle.png").symlink_to("circle.png")
    wrong, right = read(folder, {**ENTRIES[0], "photo": photo}, ENTRIES[0])
    assert (wrong.problem, right.problem) == ("", "") and wrong.id != right.id == IDS[0][0]
    with pytest.raises(PictureError):
        read_photo(str(wrong.record and wrong.record.photo))
