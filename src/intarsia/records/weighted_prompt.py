r"""Weights of words in a prompt, written as "a (red tree:1.3) on grass".

Only this form has a meaning: parentheses around words that end with a colon and a number. All other parentheses are
text, as is "(tree:x)", and so is one behind a backslash: "\(tree:1.3\)". Weights within weights multiply.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from itertools import groupby

LEAST, MOST = 0.0, 2.0
"""Bounds of a weight: 0 leaves a word as empty as no prompt, 1 is as without a weight."""

PARENTHESES = re.compile(r"\\[()]|[()]")
NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)")
WORD = re.compile(r"\w+(?:[-']\w+)*")


@dataclass(frozen=True)
class Span:
    """Characters [start, end) of a text, and their weight, which is not 1."""

    start: int
    end: int
    weight: float


@dataclass(frozen=True)
class WeightedPrompt:
    """A prompt as it is read.

    Attributes:
        text: without weights and backslashes.
        spans: those of its characters that are weighted, from left to right, none twice.
    """

    text: str
    spans: tuple[Span, ...] = ()

    @property
    def parts(self) -> tuple[tuple[str, float], ...]:
        """The text in pieces, each with its weight; one after another they are the whole."""
        pieces, place = [], 0
        for span in self.spans:
            pieces += [(self.text[place : span.start], 1.0), (self.text[span.start : span.end], span.weight)]
            place = span.end
        pieces.append((self.text[place:], 1.0))
        return tuple(piece for piece in pieces if piece[0]) or (("", 1.0),)


def parse_weights(prompt: str) -> WeightedPrompt:
    """Read the weights of a prompt; whatever is no weight stays text. Numbers are not bounded here."""
    weights = [1.0] * len(prompt)
    left_out: set[int] = set()
    opened: list[int] = []
    for found in PARENTHESES.finditer(prompt):
        place = found.start()
        if found[0].startswith("\\"):
            left_out.add(place)
        elif found[0] == "(":
            opened.append(place)
        elif opened:
            begin = opened.pop()
            words, colon, number = prompt[begin + 1 : place].rpartition(":")
            if colon and words.strip() and NUMBER.fullmatch(number.strip()):
                end = begin + 1 + len(words)
                left_out |= {begin, *range(end, place + 1)}
                for inside in range(begin + 1, end):
                    weights[inside] *= float(number)
    kept = [i for i in range(len(prompt)) if i not in left_out]
    return WeightedPrompt("".join(prompt[i] for i in kept), _runs([weights[i] for i in kept]))


def without_weights(prompt: str) -> str:
    """The words of a prompt, for all that heeds no weights."""
    return parse_weights(prompt).text


def with_weights_of(prompt: str, words: str) -> str:
    """Words that were taken from a prompt, with the weights that they have in it.

    Args:
        prompt: with weights.
        words: some of its words without them, in their order, perhaps in other case and with others between them.

    Returns:
        A prompt that is read as those words; the words themselves where the prompt has neither weights nor backslashes.
    """
    read = parse_weights(prompt)
    if read.text == prompt:
        return words
    theirs, mine = ([(m[0].lower(), m.start(), m.end()) for m in WORD.finditer(t)] for t in (read.text, words))
    matcher = difflib.SequenceMatcher(None, [w for w, *_ in theirs], [w for w, *_ in mine], autojunk=False)
    weights = [1.0] * len(words)
    latest = 1.0
    end_of_latest = 0
    for block in matcher.get_matching_blocks():
        for k in range(block.size):
            (_, place, _), (_, start, end) = theirs[block.a + k], mine[block.b + k]
            weight = next((s.weight for s in read.spans if s.start <= place < s.end), 1.0)
            joined = k > 0 and weight == latest  # what stands between two words of a weight has it, too
            weights[end_of_latest if joined else start : end] = [weight] * (end - (end_of_latest if joined else start))
            latest, end_of_latest = weight, end
    return "".join(
        _escaped(piece) if weight == 1 else f"({_escaped(piece)}:{weight:g})"
        for piece, weight in WeightedPrompt(words, _runs(weights)).parts
    )


def out_of_range(prompt: str) -> str:
    """What is wrong with the weights of a prompt, as a clause; empty where nothing is."""
    read = parse_weights(prompt)
    wrong = next((span for span in read.spans if not LEAST <= span.weight <= MOST), None)
    if wrong is None:
        return ""
    return f"gives {read.text[wrong.start : wrong.end].strip()!r} the weight {wrong.weight:g}"


def _runs(weights: list[float]) -> tuple[Span, ...]:
    """The characters whose weight is not 1, neighbours of one weight together."""
    spans, place = [], 0
    for weight, run in groupby(weights):
        length = len(list(run))
        if weight != 1:
            spans.append(Span(place, place + length, weight))
        place += length
    return tuple(spans)


def _escaped(text: str) -> str:
    return re.sub(r"[()]", r"\\\g<0>", text)
