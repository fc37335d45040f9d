"""The tab "Many pictures": what comes in, turns that others may take between, what is shown and downloaded."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("gradio")

from intarsia.app.ui import batch_tab
from intarsia.app.ui.batch_tab import (
    RoomPerformer,
    batch_of,
    batches,
    download,
    packed,
    rate,
    results_page,
    rows_of,
    status_of,
    take_in,
    turn,
)
from intarsia.app.ui.room import Room, Visit, watched
from intarsia.backbones.protocols import Backbones
from intarsia.errors import Cancelled, RecordError
from intarsia.images import read_photo
from intarsia.progress import Progress
from tests.fake_work import FakePerformer, FakeWork

PROMPT = {"prompt": "a red house"}
HOSTILE = '<img src=x onerror="alert(1)">\'"&'
QUICK: dict[str, Any] = {
    "steps": 2,
    "search": {"proposals": 2, "preview_steps": [1], "survivors": [1], "anchors": 2},
}


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    room = Room(tmp_path / "room", models="auto")
    yield room
    room.close()


@pytest.fixture
def visit(room: Room) -> Visit:
    return room.enter(None)


@pytest.fixture
def sent(tmp_path: Path) -> Path:
    folder = tmp_path / "sent"
    folder.mkdir()
    return folder


def picture(folder: Path, name: str, seed: int = 0) -> Path:
    """A picture as it was uploaded: in a folder of its own."""
    file = folder / str(len(list(folder.iterdir()))) / name
    file.parent.mkdir()
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (40, 48, 3), np.uint8)).save(file, "PNG")
    return file


def text(folder: Path, name: str, content: object) -> Path:
    file = folder / str(len(list(folder.iterdir()))) / name
    file.parent.mkdir()
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    return file


def ignore(what: object) -> None:
    pass


def fake(**settings: Any) -> FakePerformer:
    return FakePerformer(FakeWork(**settings))


def states(folder: Path) -> list[str]:
    return [row.state for row in rows_of(folder)]


# What comes in


def test_pictures_alone_take_the_words_for_all(visit: Visit, sent: Path) -> None:
    folder = take_in(visit, [picture(sent, "b.png", 1), picture(sent, "a (1) & b.png", 2)], PROMPT, 0)
    assert [(row.photo, row.words, row.state) for row in rows_of(folder)] == [
        ("a (1) & b.png", "a red house", "waiting"),
        ("b.png", "a red house", "waiting"),
    ]
    assert folder.parent == visit.folder


def test_the_published_list_names_its_pictures(visit: Visit, sent: Path) -> None:
    listed = text(sent, "images.json", {"2.png": ["trees", "a house"], "1.png": ["sky", "a moon"]})
    folder = take_in(visit, [picture(sent, "1.png", 1), listed, picture(sent, "2.png", 2)], {}, 0)
    assert [(row.photo, row.words) for row in rows_of(folder)] == [
        ("2.png", "trees → a house"),
        ("1.png", "sky → a moon"),
    ]


def test_a_json_beside_a_list_is_no_second_list(visit: Visit, sent: Path) -> None:
    lines = text(sent, "jobs.jsonl", {"photo": "1.png", "prompt": "x"})
    folder = take_in(visit, [lines, text(sent, "boxes.json", {}), picture(sent, "1.png")], {}, 0)
    assert len(rows_of(folder)) == 1


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ([], "no picture yet"),
        (["a.png", "a.png"], "Two files are called a.png"),
        (["a.png", "model.safetensors"], "model.safetensors is neither"),
        (["a.png", "delta.bin"], "delta.bin is neither"),
        (["a.png", "page.html"], "page.html is neither"),
        (["a.jsonl", "b.csv"], "could both be the list"),
        ([f"{k}.png" for k in range(201)], "takes 200"),
    ],
)
def test_what_is_no_batch_is_refused_and_leaves_nothing(visit: Visit, sent: Path, names: list[str], said: str) -> None:
    with pytest.raises(RecordError, match=said):
        take_in(visit, [text(sent, name, "") for name in names], PROMPT, 0)
    assert list(visit.folder.iterdir()) == []


def test_too_many_bytes_are_refused(visit: Visit, sent: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_tab, "MOST_BYTES", 1000)
    with pytest.raises(RecordError, match="together"):
        take_in(visit, [picture(sent, "a.png")], PROMPT, 0)


def test_pictures_without_any_words_are_refused(visit: Visit, sent: Path) -> None:
    with pytest.raises(RecordError, match="what the pictures should become"):
        take_in(visit, [picture(sent, "a.png")], {}, 0)


def test_a_broken_list_says_so_without_paths_of_the_server(visit: Visit, sent: Path) -> None:
    with pytest.raises(RecordError, match=r"images\.json") as raised:
        take_in(visit, [text(sent, "images.json", "{"), picture(sent, "a.png")], {}, 0)
    assert str(visit.folder) not in str(raised.value)
    assert list(visit.folder.iterdir()) == []


def test_jobs_reach_no_file_of_the_server(visit: Visit, sent: Path) -> None:
    secret = sent / "secret.png"
    Image.new("RGB", (32, 32)).save(secret)
    jobs = [
        {"photo": str(secret), "prompt": "x"},
        {"photo": "../../../sent/secret.png", "prompt": "x"},
        {"photo": "1.png", "prompt": "x", "mask": str(secret)},
        {"photo": "1.png", "prompt": "x", "regions": "/etc/passwd"},
        {"kind": "arrange", "photo": "1.png", "find": ["cat"], "concepts": "/etc/passwd"},
        {"kind": "learn", "photo": "1.png", "find": ["cat"], "learn": {"prior": str(sent)}},
    ]
    folder = take_in(visit, [text(sent, "jobs.json", jobs), picture(sent, "1.png")], {}, 0)
    rows = rows_of(folder)
    assert [row.state for row in rows] == ["failed"] * len(jobs)
    assert all("outside the files that came" in row.error for row in rows[:-1])
    assert "visitors cannot choose" in rows[-1].error
    assert not any(str(visit.folder) in row.error for row in rows)


# Turns


def test_a_turn_ends_between_two_jobs_and_the_next_goes_on(
    room: Room, visit: Visit, sent: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = take_in(visit, [picture(sent, f"{k}.png", k) for k in range(3)], PROMPT, 0)
    monkeypatch.setattr(batch_tab, "TURN", 0.0)
    for done in (1, 2, 3, 3):
        turn(room, folder, fake(), ignore, ignore)
        assert states(folder).count("done") == done


def test_a_failed_job_is_a_row_and_not_the_end(room: Room, visit: Visit, sent: Path) -> None:
    listed = text(sent, "images.json", {"a.png": ["", "fail"], "b.png": ["", "a house"], "c.png": 7})
    folder = take_in(visit, [listed, picture(sent, "a.png", 1), picture(sent, "b.png", 2)], {}, 0)
    turn(room, folder, fake(), ignore, ignore)
    assert states(folder) == ["failed", "done", "failed"]


def test_a_stop_ends_within_a_step_and_the_job_waits_again(room: Room, visit: Visit, sent: Path) -> None:
    folder = take_in(visit, [picture(sent, f"{k}.png", k) for k in range(2)], PROMPT, 0)
    begun: list[Any] = []
    work = watched(visit, lambda on_progress, show: turn(room, folder, fake(steps=1000, pause=0.01), on_progress, show))
    with pytest.raises(Cancelled):
        for news in work:
            begun.append(news)
            visit.stop.set()
    assert begun
    assert states(folder) == ["waiting", "waiting"]
    assert list((folder / "results").iterdir()) == []


def test_a_batch_is_made_with_the_networks_of_the_room(
    tmp_path: Path, sent: Path, tiny_models: Path, tiny_backbones: Backbones
) -> None:
    loaded: list[str] = []

    def load(models: str, **machine: Any) -> Backbones:
        loaded.append(models)
        return tiny_backbones

    room = Room(tmp_path / "room", models=str(tiny_models), load=load)
    visit = room.enter(None)
    jobs = [{"photo": "1.png", "prompt": "x", "models": "somebody/else", **QUICK, "seed": k} for k in range(2)]
    folder = take_in(visit, [text(sent, "jobs.json", jobs), picture(sent, "1.png")], {}, 0)
    turn(room, folder, RoomPerformer(room), ignore, ignore)
    rows = rows_of(folder)
    assert [row.state for row in rows] == ["done", "done"], [row.error for row in rows]
    assert loaded == [str(tiny_models)]
    assert "gradio_api/file=" in results_page(folder) and "before.jpg" in results_page(folder)
    made = folder / "results" / rows[0].folder / str(rows[0].facts["picture"])
    file = packed(folder)
    assert file is not None
    with zipfile.ZipFile(file) as archive:
        names = archive.namelist()
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}
        assert archive.read(f"{rows[0].folder}/{made.name}") == made.read_bytes()
    assert not any(name.endswith(("before.jpg", "after.jpg", "job.json")) for name in names)
    assert read_photo(made).size.width == 48


# What is shown


def test_texts_of_visitors_are_text(room: Room, visit: Visit, sent: Path) -> None:
    listed = text(sent, "images.json", {f"{HOSTILE}.png": [HOSTILE, HOSTILE], "2.png": ["", "fail" + HOSTILE]})
    folder = take_in(visit, [listed, picture(sent, f"{HOSTILE}.png"), picture(sent, "2.png", 2)], {}, 0)
    turn(room, folder, fake(), ignore, ignore)
    for shown in (results_page(folder), status_of(folder, now=batch_tab.Now(photo=HOSTILE), text=HOSTILE)):
        assert "<img src=x" not in shown
        assert 'onerror="' not in shown
        assert "&lt;img src=x" in shown


def test_the_status_counts_and_tells_speed_and_time_left(visit: Visit, room: Room, sent: Path) -> None:
    folder = take_in(visit, [picture(sent, f"{k}.png", k) for k in range(2)], PROMPT, 0)
    assert "0 of 2 jobs done, 2 left" in status_of(folder)
    assert rate(rows_of(folder)) is None
    now = batch_tab.Now(photo="0.png", progress=Progress(stage="painting", done=1, total=4))
    assert "0.png: painting 1 of 4" in status_of(folder, now=now)
    assert "width:12.5%" in status_of(folder, now=now)
    turn(room, folder, fake(pause=0.01), ignore, ignore)
    assert "2 of 2 jobs done" in status_of(folder)
    assert "pictures a minute" in status_of(folder)


def test_the_archive_is_made_once_and_anew_when_more_is_done(
    room: Room, visit: Visit, sent: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = text(sent, "images.json", {"0.png": ["", "fail"], "1.png": ["", "a"], "2.png": ["", "b"]})
    folder = take_in(visit, [listed, *(picture(sent, f"{k}.png", k) for k in range(3))], {}, 0)
    assert packed(folder) is None and download(folder) == ""
    monkeypatch.setattr(batch_tab, "TURN", 0.0)
    sizes = []
    for _ in range(3):
        turn(room, folder, fake(), ignore, ignore)
        file = packed(folder)
        if file is not None:
            with zipfile.ZipFile(file) as archive:
                sizes.append(len([name for name in archive.namelist() if name != "failed.txt"]))
                assert b"0.png" in archive.read("failed.txt")
    assert sizes[-1] == 2 * sizes[0] > 0
    first = file.stat().st_mtime_ns if file else 0
    again = packed(folder)
    assert again is not None and again.stat().st_mtime_ns == first
    assert f'download="{folder.name}.zip"' in download(folder)


def test_only_own_batches_are_found(room: Room, visit: Visit, sent: Path) -> None:
    folder = take_in(visit, [picture(sent, "a.png")], PROMPT, 0)
    other = room.enter(None)
    assert batches(visit) == [folder] and batches(other) == []
    assert batch_of(visit, folder.name) == folder
    for name in (folder.name, f"../{visit.token}/{folder.name}", "..", None, 7, "batch-0001/in"):
        with pytest.raises(RecordError, match="not here any more"):
            batch_of(other, name)
