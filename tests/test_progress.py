"""Ticks within long computation, and stages that are told as one whole."""

from __future__ import annotations

import threading

import pytest

from intarsia.errors import Cancelled
from intarsia.progress import Progress, Stages, listening, part_of, span, tick, waited


def test_ticks_of_spans_are_shares_of_what_is_around_them() -> None:
    heard: list[float] = []
    tick(0.5)  # nobody listens
    with listening(heard.append):
        tick(0.1)
        with span(0.5, 1.0):
            tick(0.0)
            with span(0.5, 1.0):
                tick(0.5)
        with listening(None):
            tick(0.2)
    tick(0.5)
    assert heard == pytest.approx([0.1, 0.5, 0.875, 1.0, 1.0])


def test_stages_are_a_whole_that_only_grows() -> None:
    told: list[Progress] = []
    stages = Stages(told.append, {"one": 1.0, "two": 3.0})
    with stages.stage("one", 4):
        for share in (0.5, 0.25, 0.75):  # two computations in a row begin each at its own beginning
            tick(share)
    with stages.stage("two", 4):
        tick(0.5)
    assert [(step.stage, step.done) for step in told] == [
        ("one", 0), ("one", 2), ("one", 2), ("one", 3), ("one", 4), ("two", 0), ("two", 2), ("two", 4),
    ]  # fmt: skip
    wholes = [step.whole for step in told if step.whole is not None]
    assert (
        len(wholes) == len(told)
        and wholes == sorted(wholes)
        and wholes[0] == 0
        and wholes[-1] == 1
        and wholes[-2] == 0.625
    )


def test_a_stage_that_is_skipped_does_not_hold_the_others_back() -> None:
    told: list[Progress] = []
    stages = Stages(told.append, {"one": 1.0, "two": 3.0})
    with stages.stage("two", 1):
        pass
    assert [step.whole for step in told] == [0.25, 1.0]


def test_a_whole_may_be_a_part_of_another_one() -> None:
    told: list[Progress] = []
    report = part_of(told.append, 0.5, 0.7)
    assert report is not None and part_of(None, 0, 1) is None
    report(Progress(stage="one", done=1, total=2, whole=0.5))
    report(Progress(stage="painting", done=1, total=2))
    assert [step.whole for step in told] == [pytest.approx(0.6), None]


def test_what_cannot_tick_is_waited_for_and_can_be_cancelled() -> None:
    go_on = threading.Event()

    def refuse(_: float) -> None:
        raise Cancelled("stop")

    assert waited(lambda: 3) == 3
    with listening(refuse):
        assert waited(lambda: 4) == 4  # done before the first tick
        with pytest.raises(Cancelled):
            waited(lambda: go_on.wait(10))
    go_on.set()


def test_what_a_computation_raises_comes_out() -> None:
    def fail() -> None:
        raise TimeoutError("of its own")

    with listening(lambda _: None), pytest.raises(TimeoutError, match="of its own"):
        waited(fail)
