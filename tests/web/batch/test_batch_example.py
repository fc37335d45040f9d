"""The example of many pictures: begun as if its files had been sent, and offered only before there is anything else."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from tests.web.batch.batch_uploads import PROMPT, picture

pytest.importorskip("gradio")
from intarsia.batch.jobs import read_jobs
from intarsia.web.batch_example import CHANGES, example_uploads
from intarsia.web.batch_handlers import BatchControls, BatchHandlers
from intarsia.web.batch_service import DEFAULT_STEPS, create_batch, list_batches, read_rows
from intarsia.web.sessions import Session, SessionStore


@pytest.fixture
def handlers(store: SessionStore) -> BatchHandlers:
    """On components that are their names."""
    names: dict[str, Any] = {each.name: each.name for each in fields(BatchControls)}
    return BatchHandlers(store, BatchControls(**names))


def test_the_example_is_a_batch_that_begins(handlers: BatchHandlers, session: Session) -> None:
    update = handlers.create_example(session.token, DEFAULT_STEPS, 0, None)
    (folder,) = list_batches(session)
    rows = read_rows(folder)
    assert [(row.photo, row.words) for row in rows] == [(photo, f"{old} → {new}") for photo, old, new in CHANGES]
    assert [row.state for row in rows] == ["waiting"] * len(CHANGES)
    assert update["slice_timer"]["active"] and update["current"] == folder.name
    assert update["empty"]["visible"] is False
    assert update["earlier"]["choices"] == [("1: bird-and-car.png and 3 more", "batch-0001")]
    assert "files" not in update  # what the visitor had dropped stays


def test_steps_and_seed_are_those_of_the_form(handlers: BatchHandlers, session: Session) -> None:
    handlers.create_example(session.token, 7, 3, None)
    (folder,) = list_batches(session)
    jobs = read_jobs(folder / "in/jobs.json", image_dir=folder / "in", settings={"steps": 7}, seed=3)
    assert {row.id for row in read_rows(folder)} == {job.id for job in jobs}


@pytest.mark.parametrize(
    ("choices", "named"), [(("sd15", "pocket"), "pocket"), (("sd15",), "auto"), (("sd15", "sdxl"), "auto")]
)
def test_the_models_of_the_scenes_are_taken_where_they_are_served(
    tmp_path: Path, choices: tuple[str, ...], named: str
) -> None:
    listed, *pictures = example_uploads(tmp_path, choices)
    jobs = read_jobs(listed, image_dir=pictures[0].parent)
    assert [job.record.models for job in jobs if job.record] == [named] * len(CHANGES)


def test_it_is_offered_only_before_there_is_anything(handlers: BatchHandlers, session: Session, sent: Path) -> None:
    fresh = handlers.restore(session.token)
    assert "empty" not in fresh and fresh["example"]["interactive"]
    create_batch(session, [picture(sent, "a.png")], PROMPT, 0)
    assert handlers.restore(session.token)["empty"]["visible"] is False
