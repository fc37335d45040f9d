"""Fit how sure it is that what the pocket segmenter finds is there, and measure it on what it was not fitted to.

    python -m benchmarks.find_confidence --seed 1 --scenes 30 --json out.json
    python -m benchmarks.find_confidence --seed 1 --scenes 30 --write     # also writes the coefficients

Objects are asked for that are there, in several words, and that are not; see `find_questions`. What is found is right
where a thing of that name is there and the masks overlap by 0.3 (IoU): that the outline is good is another question.
A logistic regression is fitted to scenes of one seed and half of the photographs; all figures are of scenes of another
seed and of the other photographs. Words that the segmenter does not know have one confidence, the share of them that
was right: by accident, since the words mean nothing to it. The figures with the scorer add a feature to the others: how
much likelier than the other nouns CLIP takes the words for the crop.

Tables:
    calibration  confidences in ranges, their mean, and how often such an answer was right
    thresholds   precision and recall of what counts as sure, and how many wrong answers do
    varieties    by kind of words: asked, found at all, sure, and sure of those that were right
"""

from __future__ import annotations

import argparse
import itertools
import json
import logging
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from rich.table import Table
from torch.nn import functional

from benchmarks.find_questions import Question, of_photograph, scenes, shipped_files
from benchmarks.tables import print_whole
from intarsia.backbones import POCKET, load_backbones
from intarsia.backbones.clipseg import ClipSegSegmenter
from intarsia.backbones.confidence import CALIBRATION_FILE, FEATURES, Calibration, features_of, known_noun
from intarsia.backbones.protocols import Backbones
from intarsia.errors import LayoutError
from intarsia.imaging.masks import Mask, bounding_box
from intarsia.layout.detect import coarse, iou, locate
from intarsia.layout.names import words_of
from training import world

Values = npt.NDArray[np.float64]

THERE = 0.3
"""Overlap (IoU) with a thing from which what was found is that thing, however rough its outline."""

HELD_OUT = 1000
"""Added to the seed of the scenes that are fitted to."""

RIDGE = 0.3
"""Pull of the weights towards 0, in answers: it keeps the chances of what never went wrong from being 1."""

PRECISION = 0.9
"""Of what counts as sure; the least confidence that has it is the threshold, on what is fitted to."""

RANGES = (0.0, 0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.98, 1.0)
THRESHOLDS = (0.1, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came of one name of a question.

    Attributes:
        found: whether the segmenter showed it anywhere.
        right: whether it was found where it is.
        features: by their names; empty where it was not found.
        known: whether the segmenter knows its noun.
    """

    kind: str
    source: str
    variety: str
    found: bool
    right: bool
    features: dict[str, float] = field(default_factory=dict)
    known: bool = True


def answers_to(questions: Iterable[Question], backbones: Backbones) -> list[Answer]:
    return [answer for question in questions for answer in answers_of(question, backbones)]


def answers_of(question: Question, backbones: Backbones) -> Iterator[Answer]:
    segmenter = backbones.segmenter
    assert isinstance(segmenter, ClipSegSegmenter)
    try:
        located = locate(question.photo, question.names, segmenter, side=segmenter.side)
    except LayoutError:
        located = None
    for name, variety, truths in zip(question.names, question.varieties, question.truths, strict=True):
        plain = Answer(kind=question.kind, source=question.source, variety=variety, found=False, right=False)
        if located is None:
            if len(question.names) == 1:  # of several, nobody knows which was missed
                yield plain
            continue
        mask = located.masks[name]
        features = features_of(located.answers, words_of(name), coarse(mask, located.answers.maps))
        yield replace(
            plain,
            found=True,
            right=any(iou(mask, truth) >= THERE for truth in truths),
            features={**features, "scorer": likelier(backbones, question, words_of(name), mask)},
            known=known_noun(words_of(name), segmenter.nouns) is not None,
        )


@torch.no_grad()
def likelier(backbones: Backbones, question: Question, words: str, mask: Mask) -> float:
    """How much likelier the scorer takes words than the best noun that is none of them, for a mask's surroundings."""
    box = bounding_box(mask)
    rows, columns = box.expanded(0.15 * max(box.width, box.height)).clipped(question.photo.size).rounded().slices()
    crop = torch.from_numpy(question.photo.pixels[rows, columns].astype(np.float32)).permute(2, 0, 1)[None]
    seen = backbones.scorer.embed_images(functional.interpolate(crop / 127.5 - 1, (64, 64), mode="area"))[0]
    others = [noun for noun in world.NAMES if noun not in (words.split()[-1], words.split()[-1].removesuffix("s"))]
    told = backbones.scorer.embed_texts([f"a {text}" for text in (words, *others)]) @ seen
    return float(told[0] - told[1:].max())


def matrix(answers: Sequence[Answer], names: Sequence[str]) -> Values:
    """(N, 1 + F) features, 1 first."""
    return np.array([[1.0, *(answer.features[name] for name in names)] for answer in answers])


def fit(answers: Sequence[Answer], names: Sequence[str]) -> Values:
    """(1 + F,) weights of a logistic regression, by Newton's method on scaled features."""
    given, right = matrix(answers, names), np.array([answer.right for answer in answers], np.float64)
    middle, spread = given[:, 1:].mean(0), given[:, 1:].std(0) + 1e-9
    given[:, 1:] = (given[:, 1:] - middle) / spread
    pull = RIDGE * np.diag([0.0, *[1.0] * len(names)])
    weights = np.zeros(given.shape[1])
    for _ in range(50):
        chances = 1 / (1 + np.exp(-given @ weights))
        slope = given.T @ (right - chances) - pull @ weights
        curve = (given * (chances * (1 - chances))[:, None]).T @ given + pull
        weights += np.linalg.solve(curve, slope)
    weights[1:] /= spread
    weights[0] -= weights[1:] @ middle
    return weights


def chances_of(answers: Sequence[Answer], names: Sequence[str], weights: Values) -> Values:
    return np.asarray(1 / (1 + np.exp(-matrix(answers, names) @ weights)))


def threshold_for(chances: Values, right: npt.NDArray[np.bool_]) -> float:
    """The lowest of some confidences from which `PRECISION` of the answers are right."""
    for step in range(50, 100, 5):
        sure = chances >= step / 100
        if sure.any() and right[sure].mean() >= PRECISION:
            return step / 100
    return 0.95


def log_loss(chances: Values, right: npt.NDArray[np.bool_]) -> float:
    held = np.clip(chances, 1e-6, 1 - 1e-6)
    return float(-np.mean(np.where(right, np.log(held), np.log(1 - held))))


def ranking(chances: Values, right: npt.NDArray[np.bool_]) -> float:
    """The chance that a right answer has the higher confidence than a wrong one (area under the ROC curve)."""
    order = chances.argsort(kind="stable").argsort(kind="stable") + 1
    count = right.sum()
    return float((order[right].sum() - count * (count + 1) / 2) / max(count * (~right).sum(), 1))


def calibration_rows(chances: Values, right: npt.NDArray[np.bool_]) -> list[dict[str, Any]]:
    rows = []
    for low, high in itertools.pairwise(RANGES):
        inside = (chances >= low) & (chances < high if high < 1 else chances <= 1)
        if inside.any():
            rows.append(
                {
                    "from": low,
                    "to": high,
                    "answers": int(inside.sum()),
                    "confidence": round(float(chances[inside].mean()), 3),
                    "right": round(float(right[inside].mean()), 3),
                }
            )
    return rows


def threshold_rows(chances: Values, right: npt.NDArray[np.bool_], chosen: float) -> list[dict[str, Any]]:
    rows = []
    for threshold in sorted({*THRESHOLDS, chosen}):
        sure = chances >= threshold
        rows.append(
            {
                "threshold": threshold,
                "precision": round(float(right[sure].mean()), 3) if sure.any() else math.nan,
                "recall": round(float(sure[right].mean()), 3),
                "wrong_and_sure": int((sure & ~right).sum()),
            }
        )
    return rows


def variety_rows(answers: Sequence[Answer], chance_of: dict[int, float], threshold: float) -> list[dict[str, Any]]:
    groups: dict[str, list[Answer]] = {}
    for answer in answers:
        place = "" if answer.kind == "plain" else f", {answer.kind}"
        groups.setdefault(f"{answer.variety}{place}", []).append(answer)
    rows = []
    for name, group in sorted(groups.items()):
        found = [a for a in group if a.found]
        sure = [a for a in found if chance_of[id(a)] >= threshold]
        right = [a for a in found if a.right]
        rows.append(
            {
                "words": name,
                "asked": len(group),
                "found": len(found),
                "right": len(right),
                "sure": len(sure),
                "sure_and_right": sum(a.right for a in sure),
            }
        )
    return rows


def show(title: str, rows: Sequence[dict[str, Any]]) -> None:
    table = Table(*rows[0], title=title)
    for row in rows:
        table.add_row(*(str(value) for value in row.values()))
    print_whole(table)


def measured(seed: int, count: int, parts: int, files: Sequence[Path]) -> tuple[dict[str, Any], Calibration]:
    backbones = load_backbones("pocket", device="cpu")
    segmenter = backbones.segmenter
    assert isinstance(segmenter, ClipSegSegmenter)
    segmenter.calibration = Calibration(grounds=world.BACKGROUNDS, weights={}, bias=0.0, unknown=0.0, sure_from=0.5)
    answers: list[list[Answer]] = []
    for half, scene_seed in enumerate((seed, seed + HELD_OUT)):
        made = answers_to(scenes(scene_seed, count), backbones)
        for file in sorted(files)[half::2]:
            made += answers_to(of_photograph(file, parts), backbones)
        answers.append(made)
    found = [[answer for answer in made if answer.found] for made in answers]
    known = [[answer for answer in made if answer.known] for made in found]
    right = [np.array([answer.right for answer in made]) for made in known]
    weights = fit(known[0], FEATURES)
    chances = [chances_of(made, FEATURES, weights) for made in known]
    threshold = threshold_for(chances[0], right[0])
    more = (*FEATURES, "scorer")
    with_scorer = chances_of(known[1], more, fit(known[0], more))
    by_accident = [np.mean([answer.right for answer in made if not answer.known]) for made in found]
    calibration = Calibration(
        grounds=world.BACKGROUNDS,
        weights={name: round(float(weight), 4) for name, weight in zip(FEATURES, weights[1:], strict=True)},
        bias=round(float(weights[0]), 4),
        unknown=round(float(by_accident[0]), 3),
        sure_from=threshold,
    )
    chance_of = {id(answer): calibration.unknown for answer in found[1]}
    chance_of |= {id(answer): float(chance) for answer, chance in zip(known[1], chances[1], strict=True)}
    facts = {
        "seed": seed,
        "fitted_to": len(known[0]),
        "measured_on": len(known[1]),
        "right_among_them": round(float(right[1].mean()), 3),
        "log_loss": round(log_loss(chances[1], right[1]), 4),
        "log_loss_with_scorer": round(log_loss(with_scorer, right[1]), 4),
        "log_loss_of_their_share": round(log_loss(np.full(len(right[1]), right[1].mean()), right[1]), 4),
        "ranking": round(ranking(chances[1], right[1]), 4),
        "ranking_with_scorer": round(ranking(with_scorer, right[1]), 4),
        "right_of_unknown_words": round(float(by_accident[1]), 3),
        "threshold": threshold,
        "calibration": calibration_rows(chances[1], right[1]),
        "thresholds": threshold_rows(chances[1], right[1], threshold),
        "varieties": variety_rows(answers[1], chance_of, threshold),
    }
    return facts, calibration


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--scenes", type=int, default=30, help="of each kind, to fit to and to measure on")
    parser.add_argument("--parts", type=int, default=4, help="of each photograph, itself among them")
    parser.add_argument("--photos", type=Path, help="folder of more photographs that show none of the nouns")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--write", action="store_true", help="write the coefficients beside the pocket segmenter")
    asked = parser.parse_args()
    logging.getLogger("intarsia").setLevel(logging.ERROR)
    files = [*shipped_files(), *(sorted(asked.photos.iterdir()) if asked.photos else ())]
    facts, calibration = measured(asked.seed, asked.scenes, asked.parts, files)
    for name in ("calibration", "thresholds", "varieties"):
        show(name, facts[name])
    print(json.dumps({k: v for k, v in facts.items() if not isinstance(v, list)}, indent=1))
    written = json.dumps(asdict(calibration), indent=1) + "\n"
    print(written)
    if asked.json is not None:
        asked.json.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    if asked.write:
        (POCKET / "clipseg" / CALIBRATION_FILE).write_text(written, encoding="utf-8")


if __name__ == "__main__":
    main()
