"""Batches of other programs."""

from __future__ import annotations

import dataclasses
import shutil
import sqlite3
import time
import zipfile
from pathlib import Path

import pytest

pytest.importorskip("gradio")
from intarsia.batch.ledger import Ledger
from intarsia.errors import OutputError, RecordError
from intarsia.web import batch_cards, batch_service, watched_batches
from intarsia.web.sessions import Session, SessionStore


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
