"""A store, a session and a batch of another program."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.web.batch.batch_uploads import fake, ignore, picture, text

pytest.importorskip("gradio")
from intarsia.batch.executor import do_job
from intarsia.batch.jobs import read_jobs
from intarsia.batch.ledger import Ledger
from intarsia.web.sessions import Session, SessionStore


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
