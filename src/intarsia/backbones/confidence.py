"""How sure it is that what a segmenter shows is really there.

A segmenter's map says where a thing is likeliest, whether it is there or not. Where its answers were compared with
known pictures, a logistic regression over a few features of its maps says how often such an answer is right: how high
the map is, how other nouns compare at the same place, and whether the rest of the picture looks like what the
segmenter knows. Of others, the map's own probability counts.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from intarsia.backbones.downloads import AGAIN
from intarsia.backbones.protocols import KnowsNouns, Segmenter
from intarsia.backbones.text_files import read_json
from intarsia.errors import ModelError

CALIBRATION_FILE = "confidence.json"
"""Beside a segmenter's weights: how its maps become confidences, where that was measured."""

SURE_FROM = 0.5
"""Probability from which a segmenter that was not measured counts as sure: it is trained to pass one half on what is
there. Nothing more is known of it."""

LEAST_ODDS = 1e-3
"""Probabilities count as at least so far from 0 and 1."""

SUREST = 0.1
"""Share of an object's pixels by which a probability of the object is told, the highest."""

CLAIMED = 0.5
"""Probability from which a noun claims a pixel."""

USUAL_GROUND, USUAL_CROWD = 0.9, 0.25
"""Probability of known grounds around things, and share of a picture that nouns claim beside a thing, up to which
nothing is unusual."""

USUAL_AREA, USUAL_BORDER = 0.25, 0.1
"""Share of a picture, and of its border, that a thing covers, up to which nothing is unusual."""


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """How the maps of one segmenter become confidences.

    Attributes:
        grounds: phrases for all that things stand on in the pictures that it knows.
        weights: of each of `FEATURES`, in the logarithm of the odds.
        bias: the logarithm of the odds where all of them are 0.
        unknown: chance that what is found by words that the segmenter does not know is right: by accident.
        sure_from: confidence from which what is found counts as sure.
    """

    grounds: tuple[str, ...]
    weights: dict[str, float]
    bias: float
    unknown: float
    sure_from: float

    def confidence(self, features: dict[str, float]) -> float:
        """The chance, in [0, 1], that what has these features is there."""
        odds = self.bias + sum(weight * features[name] for name, weight in self.weights.items())
        return 1 / (1 + math.exp(-max(min(odds, 30.0), -30.0)))


@runtime_checkable
class Calibrated(Protocol):
    """A segmenter whose sureness can be told.

    Attributes:
        calibration: measured; None where nobody has.
        sure_from: confidence from which what it finds counts as sure.
    """

    calibration: Calibration | None
    sure_from: float


@dataclass(frozen=True, kw_only=True)
class Confidence:
    """How sure it is that a named thing is where it was found.

    Attributes:
        chance: in [0, 1].
        sure_from: from where it counts as sure.
        doubt: the likeliest cause of a low one, as a clause; empty where it is sure.
    """

    chance: float
    sure_from: float
    doubt: str = ""

    @property
    def sure(self) -> bool:
        return not self.doubt


ALIKE = 0.7
"""Likeness, in [0, 1], of two spellings from which one may be meant by the other."""


def calibration_of(segmenter: Segmenter) -> Calibration | None:
    """What was measured of a segmenter; None where nothing was."""
    return segmenter.calibration if isinstance(segmenter, Calibrated) else None


def read_calibration(folder: Path) -> Calibration | None:
    """What was measured of the segmenter in a folder; None where nothing was."""
    file = folder / CALIBRATION_FILE
    if not file.is_file():
        return None
    facts = read_json(file)
    try:
        return Calibration(
            grounds=tuple(facts["grounds"]),
            weights={name: float(weight) for name, weight in facts["weights"].items()},
            bias=float(facts["bias"]),
            unknown=float(facts["unknown"]),
            sure_from=float(facts["sure_from"]),
        )
    except (LookupError, TypeError, ValueError, AttributeError) as fault:
        raise ModelError(f"{file} is damaged, since it holds no calibration", AGAIN) from fault


def known_noun(words: str, nouns: Sequence[str]) -> str | None:
    """The noun of a phrase, if it is one of these: "tree" of "the big trees"; else None."""
    last = words.lower().split()[-1:]
    return next((noun for word in last for noun in (word, word.removesuffix("s")) if noun in nouns), None)


def spelled_alike(words: str, nouns: Sequence[str]) -> str | None:
    """The noun of these that is spelled nearly like the last word of a phrase; None where none is."""
    alike = difflib.get_close_matches((words.lower().split() or [""])[-1], nouns, 1, ALIKE)
    return alike[0] if alike else None


@dataclass(frozen=True, kw_only=True, eq=False)
class Answers:
    """A segmenter's maps of one picture, of what was asked for and of all that it takes to judge them.

    Attributes:
        maps: (T, h, w) probability of each text.
        places: of each text in the maps.
        nouns: all that the segmenter knows; empty where they are not counted.
        calibration: of the segmenter.
        sure_from: where it has none.
    """

    maps: Tensor
    places: dict[str, int]
    nouns: tuple[str, ...]
    calibration: Calibration | None
    sure_from: float

    def of(self, texts: Sequence[str]) -> Tensor:
        """(T, h, w) the maps of some texts."""
        return self.maps[[self.places[text] for text in texts]]


def ask(segmenter: Segmenter, picture: Tensor, texts: Sequence[str]) -> Answers:
    """Ask a segmenter for texts, and, where its sureness was measured, for all that they compete with.

    Args:
        picture: (1, 3, h, w) in [-1, 1].
        texts: unique.
    """
    nouns = segmenter.nouns if isinstance(segmenter, KnowsNouns) else ()
    calibration = calibration_of(segmenter)
    more = () if calibration is None else (*nouns, *calibration.grounds)
    asked = list(dict.fromkeys((*texts, *more)))
    return Answers(
        maps=segmenter.predict_masks(picture, asked).float().cpu(),
        places={text: place for place, text in enumerate(asked)},
        nouns=nouns,
        calibration=calibration,
        sure_from=segmenter.sure_from if isinstance(segmenter, Calibrated) else SURE_FROM,
    )


def judge(answers: Answers, words: str, mask: Tensor) -> Confidence:
    """How sure it is that a thing is where it was found.

    Args:
        words: that were asked for.
        mask: (h, w) bool, where it was found, on the grid of the maps; not empty.
    """
    calibration = answers.calibration
    if calibration is None:
        chance, sure_from = surest(answers.maps[answers.places[words]][mask]), answers.sure_from
    else:
        known = known_noun(words, answers.nouns) is not None
        chance = calibration.confidence(features_of(answers, words, mask)) if known else calibration.unknown
        sure_from = calibration.sure_from
    doubt = "" if chance >= sure_from else doubt_of(answers, words, mask)
    return Confidence(chance=chance, sure_from=sure_from, doubt=doubt)


def surest(values: Tensor) -> float:
    """The mean of the highest tenth of some probabilities."""
    count = max(1, round(SUREST * values.numel()))
    return float(values.flatten().topk(count).values.mean())


def log_odds(chance: float) -> float:
    chance = min(max(chance, LEAST_ODDS), 1 - LEAST_ODDS)
    return math.log(chance / (1 - chance))


ODD = ("strange", "crowded", "large", "border")
"""Those that say how unlike the picture is to those that the segmenter knows."""

UNLIKE = -2.0
"""Logarithm of the odds that the rest of the picture takes off a confidence, from which that is the cause of a low one."""

FAINT = "it is seen only faintly there"

FEATURES = ("inside", "surest", "over_rival", "strange", "crowded", "large", "border")
"""What a confidence is told from: see `features_of`."""


def features_of(answers: Answers, words: str, mask: Tensor) -> dict[str, float]:
    """What tells a right answer from a wrong one, by its name in `FEATURES`.

    inside: log odds of the mean probability where the thing was found.
    surest: log odds of the mean of the highest tenth of them.
    over_rival: how much `inside` is above that of the best other noun at the same place.
    strange: how much of the rest, where no noun claims it, shows no known ground; 0 up to what is usual.
    crowded: how much of the rest is claimed by nouns; 0 up to what is usual.
    large: how much of the picture the thing covers; 0 up to what is usual.
    border: how much of the picture's border it covers; 0 up to what is usual.
    """
    assert answers.calibration is not None, "features are of segmenters that were measured"
    own, rest = answers.maps[answers.places[words]], ~mask
    claimed = answers.of(answers.nouns).amax(0) >= CLAIMED
    free = rest & ~claimed
    grounds = answers.of(answers.calibration.grounds).amax(0)
    ground = float(grounds[free].mean()) if free.any() else 0.0
    crowd = float(claimed[rest].float().mean()) if rest.any() else 1.0
    inside = log_odds(float(own[mask].mean()))
    edge = torch.cat([mask[0], mask[-1], mask[:, 0], mask[:, -1]])
    return {
        "inside": inside,
        "surest": log_odds(surest(own[mask])),
        "over_rival": inside - log_odds(rival_of(answers, known_noun(words, answers.nouns), mask)[1]),
        "strange": max(USUAL_GROUND - ground, 0.0),
        "crowded": max(crowd - USUAL_CROWD, 0.0),
        "large": max(float(mask.float().mean()) - USUAL_AREA, 0.0),
        "border": max(float(edge.float().mean()) - USUAL_BORDER, 0.0),
    }


def rival_of(answers: Answers, own: str | None, mask: Tensor) -> tuple[str, float]:
    """The noun, other than a thing's own, that is likeliest where the thing was found, and its mean probability there."""
    others = [noun for noun in answers.nouns if noun != own and noun in answers.places]
    if not others:
        return "", 0.0
    means = answers.of(others)[:, mask].mean(1)
    best = int(means.argmax())
    return others[best], float(means[best])


def doubt_of(answers: Answers, words: str, mask: Tensor) -> str:
    """The likeliest cause of a low confidence, as a clause."""
    if not answers.nouns:
        return FAINT
    known = known_noun(words, answers.nouns)
    if known is None:
        alike = spelled_alike(words, answers.nouns)
        perhaps = f", but {alike!r} is, which is spelled nearly so" if alike else ""
        return f"it is none of the {len(answers.nouns)} nouns that the models know{perhaps}"
    if answers.calibration is not None:
        features = features_of(answers, words, mask)
        against = sum(answers.calibration.weights[name] * features[name] for name in ODD)
        if against <= UNLIKE:
            return "the picture is unlike those that the models know"
    rival, chance = rival_of(answers, known, mask)
    if chance >= max(float(answers.maps[answers.places[words]][mask].mean()), CLAIMED):
        return f"that place looks more like {rival!r}"
    return FAINT
