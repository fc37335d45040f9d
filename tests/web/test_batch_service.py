"""The tab "Many pictures": what comes in, turns that others may take between, what is shown and downloaded."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
import sqlite3
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("gradio")

from intarsia.backbones.protocols import Backbones
from intarsia.batch.executor import do_job
from intarsia.batch.jobs import Job, read_jobs
from intarsia.batch.ledger import Ledger, Outcome
from intarsia.errors import Cancelled, OutputError, RecordError
from intarsia.imaging.read import read_photo
from intarsia.progress import OnProgress, Progress
from intarsia.web import batch_cards, batch_service, watched_batches
from intarsia.web.batch_cards import batch_status_html, results_html, results_link
from intarsia.web.batch_service import (
    SessionWorker,
    create_batch,
    list_batches,
    pictures_per_minute,
    read_rows,
    results_zip,
    run_slice,
    session_batch,
)
from intarsia.web.sessions import Session, SessionStore
from intarsia.web.tabs import batch
from intarsia.web.work import Step, run_watched
from tests.fake_work import FakeWork, FakeWorker

PROMPT = {"prompt": "a red house"}
HOSTILE = '<img src=x onerror="alert(1)">\'"&'
QUICK: dict[str, Any] = {
    "steps": 2,
    "search": {"proposals": 2, "preview_steps": [1], "survivors": [1], "anchors": 2},
}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SessionStore]:
    store = SessionStore(tmp_path / "sessions", models="auto")
    yield store
    store.close()


@pytest.fixture
def session(store: SessionStore) -> Session:
    return store.join(None)


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


def fake(**settings: Any) -> FakeWorker:
    return FakeWorker(FakeWork(**settings))


def states(folder: Path) -> list[str]:
    return [row.state for row in read_rows(folder)]


# What comes in


def test_the_list_that_the_page_shows_is_a_list(session: Session, sent: Path) -> None:
    shown = re.search(r"<pre>(.*)</pre>", batch.HELP, re.DOTALL)
    assert shown
    folder = create_batch(
        session, [text(sent, "images.json", shown[1]), picture(sent, "garden.jpg"), picture(sent, "yard.png", 1)], {}, 0
    )
    jobs = read_jobs(folder / "in/images.json", image_dir=folder / "in")
    assert [(job.photo, job.problem) for job in jobs] == [("garden.jpg", ""), ("yard.png", "")]
    assert states(folder) == ["waiting", "waiting"]


def test_pictures_alone_take_the_words_for_all(session: Session, sent: Path) -> None:
    folder = create_batch(session, [picture(sent, "b.png", 1), picture(sent, "a (1) & b.png", 2)], PROMPT, 0)
    assert [(row.photo, row.words, row.state) for row in read_rows(folder)] == [
        ("a (1) & b.png", "a red house", "waiting"),
        ("b.png", "a red house", "waiting"),
    ]
    assert folder.parent == session.folder


def test_the_published_list_names_its_pictures(session: Session, sent: Path) -> None:
    listed = text(sent, "images.json", {"2.png": ["trees", "a house"], "1.png": ["sky", "a moon"]})
    folder = create_batch(session, [picture(sent, "1.png", 1), listed, picture(sent, "2.png", 2)], {}, 0)
    assert [(row.photo, row.words) for row in read_rows(folder)] == [
        ("2.png", "trees → a house"),
        ("1.png", "sky → a moon"),
    ]


def test_a_json_beside_a_list_is_no_second_list(session: Session, sent: Path) -> None:
    lines = text(sent, "jobs.jsonl", {"photo": "1.png", "prompt": "x"})
    folder = create_batch(session, [lines, text(sent, "boxes.json", {}), picture(sent, "1.png")], {}, 0)
    assert len(read_rows(folder)) == 1


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
def test_what_is_no_batch_is_refused_and_leaves_nothing(
    session: Session, sent: Path, names: list[str], said: str
) -> None:
    with pytest.raises(RecordError, match=said):
        create_batch(session, [text(sent, name, "") for name in names], PROMPT, 0)
    assert list(session.folder.iterdir()) == []


def test_too_many_bytes_are_refused(session: Session, sent: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_service, "MAX_BYTES", 1000)
    with pytest.raises(RecordError, match="together"):
        create_batch(session, [picture(sent, "a.png")], PROMPT, 0)


def test_pictures_without_any_words_are_refused(session: Session, sent: Path) -> None:
    with pytest.raises(RecordError, match="what the pictures should become"):
        create_batch(session, [picture(sent, "a.png")], {}, 0)


def test_a_broken_list_says_so_without_paths_of_the_server(session: Session, sent: Path) -> None:
    with pytest.raises(RecordError, match=r"images\.json") as raised:
        create_batch(session, [text(sent, "images.json", "{"), picture(sent, "a.png")], {}, 0)
    assert str(session.folder) not in str(raised.value)
    assert list(session.folder.iterdir()) == []


def test_jobs_reach_no_file_of_the_server(session: Session, sent: Path) -> None:
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
    folder = create_batch(session, [text(sent, "jobs.json", jobs), picture(sent, "1.png")], {}, 0)
    rows = read_rows(folder)
    assert [row.state for row in rows] == ["failed"] * len(jobs)
    assert all("outside the files that came" in row.error for row in rows[:-1])
    assert "visitors cannot choose" in rows[-1].error
    assert not any(str(session.folder) in row.error for row in rows)


# Turns


def test_a_turn_ends_between_two_jobs_and_the_next_goes_on(
    store: SessionStore, session: Session, sent: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = create_batch(session, [picture(sent, f"{k}.png", k) for k in range(3)], PROMPT, 0)
    monkeypatch.setattr(batch_service, "SLICE_SECONDS", 0.0)
    for done in (1, 2, 3, 3):
        run_slice(store, folder, fake(), ignore, ignore)
        assert states(folder).count("done") == done


def test_a_failed_job_is_a_row_and_not_the_end(store: SessionStore, session: Session, sent: Path) -> None:
    listed = text(sent, "images.json", {"a.png": ["", "fail"], "b.png": ["", "a house"], "c.png": 7})
    folder = create_batch(session, [listed, picture(sent, "a.png", 1), picture(sent, "b.png", 2)], {}, 0)
    run_slice(store, folder, fake(), ignore, ignore)
    assert states(folder) == ["failed", "done", "failed"]


def test_a_stop_ends_within_a_step_and_the_job_waits_again(store: SessionStore, session: Session, sent: Path) -> None:
    folder = create_batch(session, [picture(sent, f"{k}.png", k) for k in range(2)], PROMPT, 0)
    begun: list[Any] = []
    work = run_watched(
        session, lambda on_progress, show: run_slice(store, folder, fake(steps=1000, pause=0.01), on_progress, show)
    )
    with pytest.raises(Cancelled):
        for news in work:
            begun.append(news)
            session.stop.set()
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

    store = SessionStore(tmp_path / "sessions", models=str(tiny_models), load=load)
    session = store.join(None)
    jobs = [{"photo": "1.png", "prompt": "x", "models": "somebody/else", **QUICK, "seed": k} for k in range(2)]
    folder = create_batch(session, [text(sent, "jobs.json", jobs), picture(sent, "1.png")], {}, 0)
    run_slice(store, folder, SessionWorker(store), ignore, ignore)
    rows = read_rows(folder)
    assert [row.state for row in rows] == ["done", "done"], [row.error for row in rows]
    assert loaded == [str(tiny_models)]
    assert "gradio_api/file=" in results_html(folder) and "before.jpg" in results_html(folder)
    made = folder / "results" / rows[0].folder / str(rows[0].facts["picture"])
    file = results_zip(folder)
    assert file is not None
    with zipfile.ZipFile(file) as archive:
        names = archive.namelist()
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}
        assert archive.read(f"{rows[0].folder}/{made.name}") == made.read_bytes()
    assert not any(name.endswith(("before.jpg", "after.jpg", "job.json")) for name in names)
    assert read_photo(made).size.width == 48


def test_a_job_s_own_networks_hold_where_they_are_a_choice(tmp_path: Path, sent: Path) -> None:
    store = SessionStore(tmp_path / "sessions", models=("pocket", "sd15"))
    session = store.join(None)
    jobs = [{"photo": "1.png", "prompt": "x", "models": models} for models in ("sd15", "somebody/else", "auto")]
    folder = create_batch(session, [text(sent, "jobs.json", jobs), picture(sent, "1.png")], {"models": "pocket"}, 0)
    used: list[str] = []

    def perform(job: Job, folder: Path, on_progress: OnProgress) -> Outcome:
        assert job.record is not None
        used.append(job.record.models)
        return fake()(job, folder, on_progress)

    run_slice(store, folder, perform, ignore, ignore)
    assert used == ["sd15", "pocket"]
    assert states(folder) == ["done", "failed", "done"]
    assert "these pages have pocket, sd15" in read_rows(folder)[1].error


def test_settings_for_all_choose_the_networks(tmp_path: Path, sent: Path) -> None:
    store = SessionStore(tmp_path / "sessions", models=("pocket", "sd15"))
    shared = {**PROMPT, "models": "sd15"}
    folder = create_batch(store.join(None), [picture(sent, "a.png")], shared, 0)
    with Ledger.open(folder) as ledger:
        (job,) = batch_service.enter_jobs(folder, ledger)
    assert job.record is not None and batch_service.job_models(store, job.record) == "sd15"


# Batches of other programs


@pytest.fixture
def trees(store: SessionStore, sent: Path) -> Path:
    """A batch that the command line does below the output folder; a job of it is done, one failed, one waits."""
    folder = store.root / "runs" / "trees"
    listed = text(sent, "images.json", {"0.png": ["", "a"], "1.png": ["", "fail"], "2.png": ["", "b"]})
    place = sent / "in"
    place.mkdir()
    for k in range(3):
        picture(sent, f"{k}.png", k).rename(place / f"{k}.png")
    jobs = read_jobs(listed, image_dir=place)
    (folder / "results").mkdir(parents=True)
    with Ledger.open(folder) as ledger:
        ledger.enter(jobs)
        ledger.begin(jobs[0].id, "worker 1")
        ledger.done(jobs[0].id, do_job(jobs[0], fake(), folder, ignore))
        ledger.failed(jobs[1].id, f"The picture {place}/1.png is no picture: pass --size 512.")
    return folder


def everything_below(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_a_batch_of_another_program_is_read_and_not_touched(store: SessionStore, session: Session, trees: Path) -> None:
    before = everything_below(trees)
    folder = watched_batches.find_batch(store.root, " runs/trees ")
    rows = batch_cards.without_server_paths(watched_batches.read_rows(folder))
    assert [row.state for row in rows] == ["done", "failed", "waiting"]
    assert "1 of 3 jobs done, 1 failed, 1 left" in batch_cards.status_html(rows)
    assert rows[1].error == "The picture 1.png is no picture: set “Size” to 512."
    file = batch_service.write_zip(
        rows,
        lambda row: watched_batches.files_of(folder, row),
        watched_batches.copies_folder(session, folder) / "results.zip",
    )
    assert file is not None and file.is_relative_to(session.folder)
    with zipfile.ZipFile(file) as archive:
        assert archive.read(f"{rows[0].folder}/picture.txt") == before[f"results/{rows[0].folder}/picture.txt"]
        assert set(archive.namelist()) == {
            *(f"{rows[0].folder}/{name}.txt" for name in ("half", "picture")),
            "failed.txt",
        }
    assert everything_below(trees) == before


def test_who_writes_a_ledger_need_not_wait_for_who_reads_it(store: SessionStore, trees: Path) -> None:
    with Ledger.open(trees) as writer:
        waiting = writer.rows(state="waiting")[0]
        with watched_batches.open_read_only(watched_batches.find_batch(store.root, "runs/trees")) as reader:
            assert reader.counts().running == 0
            began = time.monotonic()
            with writer.at_once():
                writer.begin(waiting.id, "worker 1")
                assert reader.counts().running == 0, "seen before it was said"
            assert time.monotonic() - began < 1
            assert reader.counts().running == 1
            with pytest.raises(sqlite3.OperationalError, match="readonly"):
                reader.begin(waiting.id, "a visitor")
    assert watched_batches.read_rows(trees)[2].worker == "worker 1"


def test_only_batches_below_the_output_folder_are_found(
    store: SessionStore, session: Session, trees: Path, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(trees, elsewhere)
    shutil.copytree(trees, store.root / ".hidden")
    shutil.copytree(trees, session.folder / "batch-0001")
    (store.root / "out").symlink_to(elsewhere)
    (store.root / "in").symlink_to(trees)
    (store.root / "theirs").symlink_to(session.folder)
    half = store.root / "half"
    (half / "results").mkdir(parents=True)
    (half / "ledger.sqlite").symlink_to(elsewhere / "ledger.sqlite")
    (store.root / "empty").mkdir()
    said = set()
    for name in (
        *("", ".", "..", "runs", "empty", "nothing", "../elsewhere", "runs/../../elsewhere", str(trees), "/runs/trees"),
        *(
            "out",
            ".hidden",
            "./.hidden",
            "half",
            "theirs/batch-0001",
            f"{session.folder.name}/batch-0001",
            "runs\\trees",
        ),
        *("runs/trees\0", "a" * 5000, "~", None, 7, ["runs/trees"]),
    ):
        with pytest.raises(RecordError) as raised:
            watched_batches.find_batch(store.root, name)
        said.add(str(raised.value))
    assert len(said) == 1, "what is there and what is not are told apart"
    assert (
        watched_batches.find_batch(store.root, "in")
        == watched_batches.find_batch(store.root, "runs/./trees")
        == trees.resolve()
    )


def test_results_that_lead_elsewhere_are_left_out(
    store: SessionStore, session: Session, trees: Path, tmp_path: Path
) -> None:
    (tmp_path / "secret.txt").write_text("the secret")
    (row,) = (row for row in watched_batches.read_rows(trees) if row.state == "done")
    (trees / "results" / row.folder / "link.txt").symlink_to(tmp_path / "secret.txt")
    assert [file.name for file in watched_batches.files_of(trees, row)] == ["half.txt", "job.json", "picture.txt"]
    for folder in ("../..", "..", ".", "", "a/b"):
        assert watched_batches.files_of(trees, dataclasses.replace(row, folder=folder)) == []


def test_thumbs_are_copied_into_the_visitor_s_folder(store: SessionStore, session: Session, trees: Path) -> None:
    (row,) = (row for row in watched_batches.read_rows(trees) if row.state == "done")
    (trees / "results" / row.folder / "after.jpg").write_bytes(b"after")
    place = watched_batches.copy_thumbs(session, trees, row)
    assert place.is_relative_to(session.folder) and (place / "after.jpg").read_bytes() == b"after"
    assert [file.name for file in place.iterdir()] == ["after.jpg"]


def test_an_archive_that_is_too_large_is_refused(trees: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_service, "MAX_ZIP_BYTES", 10)
    rows = watched_batches.read_rows(trees)
    with pytest.raises(OutputError, match="packed at most"):
        batch_service.write_zip(rows, lambda row: watched_batches.files_of(trees, row), tmp_path / "results.zip")
    assert not (tmp_path / "results.zip").exists()


# What is shown


def test_of_very_many_results_the_last_are_shown(
    store: SessionStore, session: Session, sent: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_cards, "MAX_CARDS", 2)
    folder = create_batch(session, [picture(sent, f"{k}.png", k) for k in range(5)], PROMPT, 0)
    run_slice(store, folder, fake(), ignore, ignore)
    page = results_html(folder)
    assert page.count("<article") == 2 and "3.png" in page and "4.png" in page
    assert "The last 2 are shown; 3 more" in page


def test_texts_of_visitors_are_text(store: SessionStore, session: Session, sent: Path) -> None:
    listed = text(sent, "images.json", {f"{HOSTILE}.png": [HOSTILE, HOSTILE], "2.png": ["", "fail" + HOSTILE]})
    folder = create_batch(session, [listed, picture(sent, f"{HOSTILE}.png"), picture(sent, "2.png", 2)], {}, 0)
    run_slice(store, folder, fake(), ignore, ignore)
    for shown in (
        results_html(folder),
        batch_status_html(folder, current=batch_service.CurrentJob(photo=HOSTILE), text=HOSTILE),
    ):
        assert "<img src=x" not in shown
        assert 'onerror="' not in shown
        assert "&lt;img src=x" in shown


def test_the_status_counts_and_tells_speed_and_time_left(session: Session, store: SessionStore, sent: Path) -> None:
    folder = create_batch(session, [picture(sent, f"{k}.png", k) for k in range(2)], PROMPT, 0)
    assert "0 of 2 jobs done, 2 left" in batch_status_html(folder)
    assert pictures_per_minute(read_rows(folder)) is None
    current = batch_service.CurrentJob(
        photo="0.png", step=Step(progress=Progress(stage="painting", done=1, total=4), eta=8.2)
    )
    assert "0.png, painting: 1 of 4, about 8 s left" in batch_status_html(folder, current=current)
    assert "width:12.5%" in batch_status_html(folder, current=current)
    run_slice(store, folder, fake(pause=0.01), ignore, ignore)
    assert "2 of 2 jobs done" in batch_status_html(folder)
    assert "pictures a minute" in batch_status_html(folder)


def test_the_archive_is_made_once_and_anew_when_more_is_done(
    store: SessionStore, session: Session, sent: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = text(sent, "images.json", {"0.png": ["", "fail"], "1.png": ["", "a"], "2.png": ["", "b"]})
    folder = create_batch(session, [listed, *(picture(sent, f"{k}.png", k) for k in range(3))], {}, 0)
    assert results_zip(folder) is None and results_link(folder) == ""
    monkeypatch.setattr(batch_service, "SLICE_SECONDS", 0.0)
    sizes = []
    for _ in range(3):
        run_slice(store, folder, fake(), ignore, ignore)
        file = results_zip(folder)
        if file is not None:
            with zipfile.ZipFile(file) as archive:
                sizes.append(len([name for name in archive.namelist() if name != "failed.txt"]))
                assert b"0.png" in archive.read("failed.txt")
    assert sizes[-1] == 2 * sizes[0] > 0
    first = file.stat().st_mtime_ns if file else 0
    again = results_zip(folder)
    assert again is not None and again.stat().st_mtime_ns == first
    assert f'download="{folder.name}.zip"' in results_link(folder)


def test_only_own_batches_are_found(store: SessionStore, session: Session, sent: Path) -> None:
    folder = create_batch(session, [picture(sent, "a.png")], PROMPT, 0)
    other = store.join(None)
    assert list_batches(session) == [folder] and list_batches(other) == []
    assert session_batch(session, folder.name) == folder
    for name in (folder.name, f"../{session.token}/{folder.name}", "..", None, 7, "batch-0001/in"):
        with pytest.raises(RecordError, match="not here any more"):
            session_batch(other, name)
