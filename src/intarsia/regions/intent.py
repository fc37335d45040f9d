"""What an edit's words ask for: what stays, what is painted, where and how large.

A few rules on noun phrases, no parser: what they miss is made up for by the search, which tries the families of regions
that another reading would ask for too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from typing import Literal

from intarsia.records.weighted_prompt import without_weights

Change = Literal["replace", "vary", "resize", "add", "background", "whole"]
"""One thing becomes another; another of its kind; a larger or smaller one, or elsewhere; something more comes; what is
behind all things changes; the whole picture does."""

Place = Literal["", "center", "left", "right", "top", "bottom"]
Side = Literal["beside", "left", "right", "above", "below"]

OPENING = re.compile(
    r"^\s*(?:an?\s+|the\s+)?(?:[\w-]+\s+)?(?:high[- ]quality\s+)?(?:photo|photograph|picture|image)\s+of\s+"
)
ARTICLES = re.compile(
    r"^(?:a|an|the|some|many|few|several|two|three|four|one|another|all|both|my|his|her|our|their|this|that|these|those)"
    r"(?:\s+of)?(?:\s+the)?\s+"
)
LARGE = {"big", "bigger", "large", "larger", "huge", "giant", "enormous", "gigantic", "tall", "taller", "great"}
SMALL = {"small", "smaller", "little", "tiny", "miniature"}
BEHIND = {"background", "backdrop", "scenery", "surroundings", "setting", "landscape", "scene"}
STYLES = re.compile(
    r"\b(?:style|painting|sketch|drawing|cartoon|watercolou?r|oil on canvas|comic|anime|black and white|sepia"
    r"|at night|at dusk|at dawn|at sunset|in winter|in summer|in autumn|in spring|in the rain|in fog|weather)\b"
)
PLACES: tuple[tuple[Place, str], ...] = (
    ("center", r"in the (?:very )?(?:center|centre|middle)(?! of)"),
    ("left", r"(?:on|at|to|in) the (?:(?:far|top|upper|bottom|lower) )?left(?: side| half| corner)?(?! of)"),
    ("right", r"(?:on|at|to|in) the (?:(?:far|top|upper|bottom|lower) )?right(?: side| half| corner)?(?! of)"),
    ("top", r"(?:at|in|on) the (?:very )?top(?! of)"),
    ("bottom", r"(?:at|in) the (?:very )?bottom(?! of)|in the foreground"),
)
SIDES: tuple[tuple[Side, str], ...] = (
    ("left", r"(?:to|on|at)? ?(?:the )?left(?: side)? of"),
    ("right", r"(?:to|on|at)? ?(?:the )?right(?: side)? of"),
    ("above", r"above|over|on top of|on"),
    ("below", r"below|under|underneath|beneath|in front of"),
    ("beside", r"next to|beside|besides|near|close to|alongside|behind|by"),
)
SCENERY = re.compile(r"^(?:in|on|at|under|among|by)\s")
AND = re.compile(r"\s*(?:,\s*and|,|\band\b|\bplus\b|&)\s*")
AFTER_NOUN = re.compile(r"\s+(?:with|of|in|on|at|from|that|which|who|without|wearing|holding|covered|made|behind)\b.*$")


@dataclass(frozen=True, kw_only=True)
class Intent:
    """An edit's words, read.

    Attributes:
        change: what kind of edit they ask for.
        sources: phrases of what may change; several where the words name several things.
        targets: phrases of what the picture shall show and does not yet, each of which can be looked for.
        kept: phrases of what it shall go on showing.
        painted: what the painter is told for a region that holds the change alone; its weights are the prompt's.
        size: whether what is painted is larger or smaller than what was there.
        place: where in the picture it stands.
        beside: on which side of what else it stands.
        several: whether the words mean all things of that name.
    """

    change: Change
    sources: tuple[str, ...]
    targets: tuple[str, ...]
    kept: tuple[str, ...] = ()
    painted: str
    size: Literal["", "larger", "smaller"] = ""
    place: Place = ""
    beside: tuple[Side, str] | None = None
    several: bool = False


def read_intent(source: str, prompt: str) -> Intent:
    """Read the words of an edit, without their weights.

    Args:
        source: what is there and may change; may be empty.
        prompt: what the picture, or that place of it, shall show.
    """
    source, prompt = without_weights(source), without_weights(prompt)
    sources = phrases(source)
    several = any(is_plural(s) for s in sources)
    words = OPENING.sub("", prompt.lower().strip().rstrip("."))
    place, words = taken_out(words, PLACES)
    beside, subject = relation(words)
    named = phrases(subject)
    heads = {head(s) for s in sources}
    shared = tuple(p for p in named if head(p) in heads)
    fresh = tuple(p for p in named if head(p) not in heads)
    size = size_of(shared or named)
    told = prompt.strip()
    read = partial(Intent, sources=sources, several=several, place=place, size=size)
    if not sources and STYLES.search(prompt.lower()):
        return read(change="whole", painted=told, targets=())
    if heads & BEHIND or (not sources and SCENERY.match(words)):
        return read(change="background", painted=told, targets=tuple(unarticled(p) for p in named))
    if shared and fresh and not beside:
        return read(change="add", kept=shared, targets=fresh, painted=" and ".join(fresh))
    if beside is not None and (not sources or head(beside[1]) in heads):
        return read(change="add", kept=(beside[1],), targets=fresh or named, painted=subject, beside=beside)
    if not sources:
        return read(change="add", targets=named, painted=subject or told, beside=beside)
    if shared:
        change: Change = "resize" if size or place else "vary"
        return read(change=change, targets=shared, painted=told)
    return read(change="replace", targets=fresh or named, painted=told)


def phrases(words: str) -> tuple[str, ...]:
    """The noun phrases of a list of things, in lower case: "a cat, the dogs and grass" are three."""
    parts = (part.strip(" .") for part in AND.split(words.lower()))
    return tuple(part for part in parts if part)


def head(phrase: str) -> str:
    """The noun of a phrase, in the singular: "tree" of "the big trees in the garden"."""
    words = AFTER_NOUN.sub("", unarticled(phrase)).split()
    return singular(words[-1]) if words else ""


def unarticled(phrase: str) -> str:
    """A phrase without its article or number."""
    return ARTICLES.sub("", SCENERY.sub("", phrase.strip()))


def singular(noun: str) -> str:
    """A noun's singular, by its ending."""
    if len(noun) > 3 and noun.endswith("ies"):
        return noun[:-3] + "y"
    if re.search(r"(?:ss|x|z|ch|sh)es$|^(?:bus|gas|lens|iris)es$", noun):
        return noun[:-2]
    if noun.endswith("s") and not noun.endswith(("ss", "us", "is")):
        return noun[:-1]
    return {"people": "person", "men": "man", "women": "woman", "children": "child", "leaves": "leaf"}.get(noun, noun)


def is_plural(phrase: str) -> bool:
    """Whether a phrase means several things."""
    words = AFTER_NOUN.sub("", unarticled(phrase)).split()
    return bool(words) and singular(words[-1]) != words[-1]


def size_of(named: tuple[str, ...]) -> Literal["", "larger", "smaller"]:
    """What the adjectives of the first phrase say of its size."""
    words = set(named[0].split()) if named else set()
    return "larger" if words & LARGE else "smaller" if words & SMALL else ""


def taken_out(words: str, patterns: tuple[tuple[Place, str], ...]) -> tuple[Place, str]:
    """The place that words name, and the words without it."""
    for place, pattern in patterns:
        found = re.search(rf"\s*\b(?:{pattern})\b", words)
        if found:
            return place, (words[: found.start()] + words[found.end() :]).strip(" ,")
    return "", words


def relation(words: str) -> tuple[tuple[Side, str] | None, str]:
    """The side of another thing that words name, and the words before it."""
    for side, pattern in SIDES:
        found = re.search(rf"\s+(?:{pattern})\s+(?P<other>\S.*)$", words)
        if found and words[: found.start()].strip():
            return (side, found["other"].strip(" .,")), words[: found.start()].strip(" ,")
    return None, words
