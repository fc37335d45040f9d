"""What visitors share: one set of networks at a time, and a fair guess of how long things take."""

from __future__ import annotations

import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("gradio")

from intarsia.progress import Progress
from intarsia.web.sessions import MAX_IDLE_SECONDS, Session, SessionStore
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
    store = SessionStore(tmp_path / "sessions", models=("pocket", "sd15", "pocket"), load=loader)
    assert (store.models, store.choices) == ("pocket", ("pocket", "sd15"))
    assert store.load("/etc/models").name == "pocket"
    assert store.load("pocket") is store.backbones
    assert store.load("sd15").name == "sd15"
    assert store.load("auto").name == "pocket"
    assert loader.asked == ["pocket", "sd15", "pocket"]


def test_a_set_that_cannot_be_loaded_leaves_none_half_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loader = Loader(monkeypatch)

    def load(models: str, **given: Any) -> Any:
        if models == "broken":
            raise OSError("no such folder")
        return loader(models, **given)

    store = SessionStore(tmp_path / "sessions", models=("pocket", "broken"), load=load)
    assert store.backbones.name == "pocket"
    with pytest.raises(OSError, match="no such folder"):
        store.load("broken")
    assert store.backbones.name == "pocket"
    assert loader.asked == ["pocket", "pocket"]


def test_the_time_left_is_that_of_the_stage_at_its_own_pace() -> None:
    moments = iter([0.0, 2.0, 4.0, 5.0, 5.5, 8.0])
    eta = EtaEstimator(clock=lambda: next(moments))
    estimates = [
        eta.estimate(Progress(stage=stage, done=done, total=10))
        for stage, done in (("a", 1), ("a", 2), ("a", 3), ("b", 1), ("b", 2), ("b", 6))
    ]
    # Nothing at a stage's first step, nor before a second of it is over.
    assert estimates == [None, pytest.approx(16.0), pytest.approx(14.0), None, None, pytest.approx(2.4)]


def test_where_a_whole_is_known_its_end_is_estimated_not_that_of_a_stage() -> None:
    moments = iter([0.0, 1.0, 2.0, 4.0])
    eta = EtaEstimator(clock=lambda: next(moments))
    told = [("reading", 1, 0.0), ("cutting", 3, 0.2), ("cutting", 4, 0.4), ("filling", 0, 0.5)]
    found = [eta.estimate(Progress(stage=stage, done=done, total=4, whole=whole)) for stage, done, whole in told]
    assert found == [None, pytest.approx(4.0), pytest.approx(3.0), pytest.approx(4.0)]


def test_a_stage_that_begins_again_is_timed_again() -> None:
    moments = iter([0.0, 10.0, 11.0, 13.0])
    eta = EtaEstimator(clock=lambda: next(moments))
    eta.estimate(Progress(stage="painting", done=1, total=4))
    eta.estimate(Progress(stage="painting", done=4, total=4))
    assert eta.estimate(Progress(stage="painting", done=1, total=4)) is None
    assert eta.estimate(Progress(stage="painting", done=2, total=4)) == pytest.approx(4.0)


def test_a_line_says_how_far_and_how_long() -> None:
    progress = Progress(stage="painting pocket's cats", done=12, total=50)
    assert progress_line(Step(progress=progress)) == "Painting pocket's cats: 12 of 50"
    assert progress_line(Step(progress=progress, eta=8.4)) == "Painting pocket's cats: 12 of 50, about 8 s left"


def test_steps_that_are_watched_say_how_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("intarsia.web.work.MIN_ETA_SECONDS", 0.0)
    session, pause = Session(token="t", folder=tmp_path), threading.Event()

    def work(on_progress: Any, on_intermediate: Any) -> str:
        for done in (1, 2):
            on_progress(Progress(stage="painting", done=done, total=3))
            pause.wait(0.2)  # the second step takes a while, and is told apart from the first
        return "done"

    steps = [step for step in run_watched(session, work) if isinstance(step, Step)]
    assert steps[-1].progress.done == 2
    assert steps[-1].eta is not None and 0.1 < steps[-1].eta < 2


def test_a_page_that_was_silent_for_a_day_is_forgotten_and_one_that_asks_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr("intarsia.web.sessions.time.monotonic", lambda: now)
    store = SessionStore(tmp_path / "sessions")
    silent, asking = store.join(None), store.join(None)
    now += MAX_IDLE_SECONDS - 1
    store.session(asking.token)
    store.sweep()
    assert set(store.sessions) == {silent.token, asking.token}
    now += 1
    store.sweep()
    assert set(store.sessions) == {asking.token}
    assert not silent.folder.exists() and asking.folder.exists()
