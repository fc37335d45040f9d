"""The page "Many pictures": what comes in, turns that others may take between, what is shown and downloaded."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.web.batch.batch_uploads import PROMPT, fake, ignore, picture, text

pytest.importorskip("gradio")
from intarsia.backbones.protocols import Backbones
from intarsia.batch.jobs import Job, read_jobs
from intarsia.batch.ledger import Ledger, Outcome
from intarsia.errors import Cancelled, RecordError
from intarsia.imaging.read import read_photo
from intarsia.progress import OnProgress
from intarsia.web import batch_page, batch_service
from intarsia.web.batch_cards import batch_status_html, results_html
from intarsia.web.batch_service import (
    SessionWorker,
    create_batch,
    read_rows,
    results_zip,
    run_slice,
)
from intarsia.web.sessions import Session, SessionStore
from intarsia.web.work import run_watched

QUICK: dict[str, Any] = {
    "steps": 2,
    "search": {"preview_steps": [1], "survivors": [1]},
}


def states(folder: Path) -> list[str]:
    return [row.state for row in read_rows(folder)]


def test_the_list_that_the_page_shows_is_a_list(session: Session, sent: Path) -> None:
    shown = re.search(r"<pre>(.*)</pre>", batch_page.HELP, re.DOTALL)
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
        ([f"{k}.png" for k in range(201)], "201 files came, but 200 are taken at once"),
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
        {"kind": "remove", "photo": "1.png", "box": ["1,1,9,9"], "avoid": str(secret)},
        {"kind": "learn", "photo": "1.png", "find": ["cat"], "learn": {"prior": str(sent)}},
        {"kind": "remove", "photo": "1.png", "box": ["1,1,9,9"], "fill": "lama", "fill_model": "1.png"},
        {"kind": "arrange", "photo": "1.png", "find": ["cat"], "fill": "migan", "fill_model": "1.png"},
    ]
    folder = create_batch(session, [text(sent, "jobs.json", jobs), picture(sent, "1.png")], {}, 0)
    rows = read_rows(folder)
    assert [row.state for row in rows] == ["failed"] * len(jobs)
    assert all("outside the files that came" in row.error for row in rows[:-3])
    assert "visitors cannot choose" in rows[-3].error
    assert all("visitors cannot bring" in row.error for row in rows[-2:])
    assert not any(str(session.folder) in row.error for row in rows)


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


def test_a_job_cannot_add_files_of_its_own_to_the_networks(tmp_path: Path, sent: Path) -> None:
    store = SessionStore(tmp_path / "sessions", models="pocket", lora=("style.safetensors",))
    jobs = [{"photo": "1.png", "prompt": "x", **more} for more in ({}, {"lora": ["own.safetensors"]})]
    folder = create_batch(store.join(None), [text(sent, "jobs.json", jobs), picture(sent, "1.png")], {}, 0)
    used: list[tuple[str, ...]] = []

    def perform(job: Job, folder: Path, on_progress: OnProgress) -> Outcome:
        assert job.record is not None
        used.append(job.record.lora)
        return fake()(job, folder, on_progress)

    run_slice(store, folder, perform, ignore, ignore)
    assert used == [("style.safetensors",)]
    assert states(folder) == ["done", "failed"]
    assert "leave it out" in read_rows(folder)[1].error


def test_settings_for_all_choose_the_networks(tmp_path: Path, sent: Path) -> None:
    store = SessionStore(tmp_path / "sessions", models=("pocket", "sd15"))
    shared = {**PROMPT, "models": "sd15"}
    folder = create_batch(store.join(None), [picture(sent, "a.png")], shared, 0)
    with Ledger.open(folder) as ledger:
        (job,) = batch_service.enter_jobs(folder, ledger)
    assert job.record is not None and batch_service.job_models(store, job.record) == "sd15"


def test_what_is_left_out_is_said_on_the_page(
    store: SessionStore, session: Session, sent: Path, caplog: pytest.LogCaptureFixture
) -> None:
    moving, still = (Image.new("RGB", (20, 20), colour) for colour in ("red", "blue"))
    sent_gif = picture(sent, "moves.gif")
    moving.save(sent_gif, "GIF", save_all=True, append_images=[still], loop=0)
    uploads = [picture(sent, "a.jfif"), sent_gif, picture(sent, "._a.png"), text(sent, "Thumbs.db", "x")]
    folder = create_batch(session, uploads, PROMPT, 0)
    assert [row.photo for row in read_rows(folder)] == ["a.jfif"]
    run_slice(store, folder, fake(), ignore, ignore)
    shown = batch_status_html(folder, text="Done.")
    assert "moves.gif: animated" in shown and "2 hidden or system files were left out." in shown
    assert not caplog.records


def test_a_table_is_read_as_on_the_command_line(session: Session, sent: Path) -> None:
    listed = text(sent, "jobs.csv", "Photo;Prompt;Steps;Notes\n1.png;a dog;4,0;blue\n1.png;a dog;x;\n;;;\n")
    folder = create_batch(session, [listed, picture(sent, "1.png")], {}, 0)
    right, wrong = read_rows(folder)
    assert (right.state, wrong.state) == ("waiting", "failed") and "a whole number is expected" in wrong.error
    assert "The column &#x27;Notes&#x27; of jobs.csv is no setting" in batch_status_html(folder)


def test_a_spreadsheets_own_file_and_pictures_that_are_none_are_refused(session: Session, sent: Path) -> None:
    with pytest.raises(RecordError, match="save the sheet as CSV"):
        create_batch(session, [text(sent, "jobs.xlsx", "PK")], PROMPT, 0)
    gif = picture(sent, "moves.gif")
    Image.new("RGB", (20, 20)).save(
        gif, "GIF", save_all=True, append_images=[Image.new("RGB", (20, 20), "red")], loop=0
    )
    with pytest.raises(RecordError, match="There is no picture to edit in the files that came"):
        create_batch(session, [gif], PROMPT, 0)
