"""The benchmark of confidences: its questions, its fit and its tables."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from benchmarks import find_confidence
from benchmarks.find_questions import KINDS, SYNONYMS, UNKNOWN, of_photograph, of_scene, shipped_files
from intarsia.backbones import POCKET
from intarsia.backbones.confidence import read_calibration
from intarsia.backbones.protocols import Backbones
from tests.emoji_font import needs_font
from training import world


@needs_font
@pytest.mark.parametrize("kind", KINDS)
def test_questions_about_scenes_know_their_answers(kind: str) -> None:
    asked, again = list(of_scene(kind, 3, 0)), list(of_scene(kind, 3, 0))
    assert [question.names for question in asked] == [question.names for question in again]
    for question in asked:
        for name, variety, truths in zip(question.names, question.varieties, question.truths, strict=True):
            assert bool(truths) is (variety in ("present", "plural", "phrase", "twin", "synonym")), name
    assert {variety for question in asked for variety in question.varieties} >= {"absent", "unknown"}


def test_words_that_are_not_known_are_none_of_the_worlds() -> None:
    assert set(SYNONYMS) == set(world.NAMES) and not {*SYNONYMS.values(), *UNKNOWN} & set(world.NAMES)


def test_photographs_are_asked_for_what_they_do_not_show() -> None:
    pytest.importorskip("skimage")
    pytest.importorskip("sklearn")
    cat = next(file for file in shipped_files() if file.stem == "chelsea")
    questions = list(of_photograph(cat, 2))
    assert len(questions) == 2 * 11 + 3 and all(question.truths == ((),) for question in questions)
    assert ("cat",) not in {question.names for question in questions}


def made(rng: np.random.Generator, count: int) -> list[find_confidence.Answer]:
    """Answers that are right with the chance that their only feature says."""
    values = rng.normal(0, 2, count)
    right = rng.random(count) < 1 / (1 + np.exp(-(1.5 * values - 1)))
    return [
        find_confidence.Answer(
            kind="plain", source="", variety="present", found=True, right=bool(good), features={"x": float(value)}
        )
        for value, good in zip(values, right, strict=True)
    ]


def test_the_fit_finds_the_weights_that_made_the_answers() -> None:
    answers = made(np.random.default_rng(0), 20_000)
    weights = find_confidence.fit(answers, ["x"])
    assert weights == pytest.approx([-1, 1.5], abs=0.1)
    chances = find_confidence.chances_of(answers, ["x"], weights)
    right = np.array([answer.right for answer in answers])
    for row in find_confidence.calibration_rows(chances, right):
        assert row["confidence"] == pytest.approx(row["right"], abs=0.03)
    rows = find_confidence.threshold_rows(chances, right, 0.7)
    assert [row["recall"] for row in rows] == sorted((row["recall"] for row in rows), reverse=True)
    chosen = find_confidence.threshold_for(chances, right)
    assert right[chances >= chosen].mean() >= find_confidence.PRECISION


def test_a_ranking_is_the_share_of_pairs_in_order() -> None:
    chances, right = np.array([0.1, 0.4, 0.35, 0.8]), np.array([False, False, True, True])
    assert find_confidence.ranking(chances, right) == pytest.approx(0.75)


@needs_font
def test_what_ships_is_right_about_fresh_scenes(pocket: Backbones, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    calibration = read_calibration(POCKET / "clipseg")
    assert calibration is not None
    questions = [question for number in range(12) for question in of_scene("plain", 4711, number)]
    answers = [answer for answer in find_confidence.answers_to(questions, pocket) if answer.found and answer.known]
    sure = [answer for answer in answers if calibration.confidence(answer.features) >= calibration.sure_from]
    assert len(sure) > 15 and np.mean([answer.right for answer in sure]) > 0.85
    wrong = [answer for answer in answers if not answer.right]
    assert np.mean([calibration.confidence(answer.features) for answer in wrong]) < 0.5
