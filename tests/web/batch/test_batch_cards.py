"""What the page shows of a batch."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from tests.web.batch.batch_uploads import PROMPT, fake, ignore, picture, text

pytest.importorskip("gradio")
from intarsia.errors import RecordError
from intarsia.progress import Progress
from intarsia.web import batch_cards, batch_service
from intarsia.web.batch_cards import batch_status_html, results_html, results_link
from intarsia.web.batch_service import (
    create_batch,
    list_batches,
    pictures_per_minute,
    read_rows,
    results_zip,
    run_slice,
    session_batch,
)
from intarsia.web.sessions import Session, SessionStore
from intarsia.web.work import Step

HOSTILE = '<img src=x onerror="alert(1)">\'"&'


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
