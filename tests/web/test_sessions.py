"""What visitors share: one set of networks at a time, and a fair guess of how long things take."""

from __future__ import annotations

import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("gradio")

from intarsia.progress import Progress
from intarsia.web.sessions import SILENT, Session, SessionStore
from intarsia.web.work import EtaEstimator, Step, progress_line, run_watched


class Loader:
    """Stands for what loads networks; remembers what it was asked for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[str] = []
        monkeypatch.setattr("intarsia.tasks.model_pool.with_caches", lambda found: found)

    def __call__(self, models: str, **_: Any) -> Any:
        self.asked.append(models)
        return SimpleNamespace(name=models)


def test_one_set_of_networks_is_in_memory_and_only_the_operators_choices_are_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loader = Loader(monkeypatch)
    room = SessionStore(tmp_path / "rooms", models=("pocket", "sd15", "pocket"), load=loader)
    assert (room.models, room.choices) == ("pocket", ("pocket", "sd15"))
    assert room.load("/etc/models").name == "pocket"
    assert room.load("pocket") is room.backbones
    assert room.load("sd15").name == "sd15"
    assert room.load("auto").name == "pocket"
    assert loader.asked == ["pocket", "sd15", "pocket"]


def test_a_set_that_cannot_be_loaded_leaves_none_half_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loader = Loader(monkeypatch)

    def load(models: str, **given: Any) -> Any:
        if models == "broken":
            raise OSError("no such folder")
        return loader(models, **given)

    room = SessionStore(tmp_path / "rooms", models=("pocket", "broken"), load=load)
    assert room.backbones.name == "pocket"
    with pytest.raises(OSError, match="no such folder"):
        room.load("broken")
    assert room.backbones.name == "pocket"
    assert loader.asked == ["pocket", "pocket"]


def test_the_time_left_is_that_of_the_stage_at_its_own_pace() -> None:
    moments = iter([0.0, 2.0, 4.0, 5.0, 5.5, 8.0])
    pace = EtaEstimator(clock=lambda: next(moments))
    told = [
        pace.left(Progress(stage=stage, done=done, total=10))
        for stage, done in (("a", 1), ("a", 2), ("a", 3), ("b", 1), ("b", 2), ("b", 6))
    ]
    # Nothing at a stage's first step, nor before a second of it is over.
    assert told == [None, pytest.approx(16.0), pytest.approx(14.0), None, None, pytest.approx(2.4)]


def test_a_stage_that_begins_again_is_timed_again() -> None:
    moments = iter([0.0, 10.0, 11.0, 13.0])
    pace = EtaEstimator(clock=lambda: next(moments))
    pace.left(Progress(stage="painting", done=1, total=4))
    pace.left(Progress(stage="painting", done=4, total=4))
    assert pace.left(Progress(stage="painting", done=1, total=4)) is None
    assert pace.left(Progress(stage="painting", done=2, total=4)) == pytest.approx(4.0)


def test_a_line_says_how_far_and_how_long() -> None:
    progress = Progress(stage="painting pocket's cats", done=12, total=50)
    assert progress_line(Step(progress=progress)) == "Painting pocket's cats: 12 of 50"
    assert progress_line(Step(progress=progress, left=8.4)) == "Painting pocket's cats: 12 of 50, about 8 s left"


def test_steps_that_are_watched_say_how_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("intarsia.web.work.SETTLED", 0.0)
    visit, seen = Session(token="t", folder=tmp_path), threading.Event()

    def work(on_progress: Any, show: Any) -> str:
        for done in (1, 2):
            on_progress(Progress(stage="painting", done=done, total=3))
            seen.wait(0.2)  # the second step takes a while, and is told apart from the first
        return "done"

    steps = [step for step in run_watched(visit, work) if isinstance(step, Step)]
    assert steps[-1].progress.done == 2
    assert steps[-1].left is not None and 0.1 < steps[-1].left < 2


def test_a_page_that_was_silent_for_a_day_is_forgotten_and_one_that_asks_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr("intarsia.web.sessions.time.monotonic", lambda: now)
    room = SessionStore(tmp_path / "rooms")
    silent, asking = room.enter(None), room.enter(None)
    now += SILENT - 1
    room.visit(asking.token)
    room.sweep()
    assert set(room.visits) == {silent.token, asking.token}
    now += 1
    room.sweep()
    assert set(room.visits) == {asking.token}
    assert not silent.folder.exists() and asking.folder.exists()
