"""Weights of words: the explicit form alone has a meaning, and all else stays text."""

from __future__ import annotations

from typing import Any

import pytest

from intarsia.errors import RecordError
from intarsia.records.arrange import ArrangeRecord
from intarsia.records.edit import EditRecord
from intarsia.records.remove import RemoveRecord
from intarsia.records.weighted_prompt import Span, WeightedPrompt, parse_weights, with_weights_of, without_weights


@pytest.mark.parametrize(
    ("prompt", "parts"),
    [
        ("a (red tree:1.3) on grass", [("a ", 1.0), ("red tree", 1.3), (" on grass", 1.0)]),
        ("(a:0.5)(b:1.5)", [("a", 0.5), ("b", 1.5)]),
        ("(a (red:1.2) tree:1.5)", [("a ", 1.5), ("red", pytest.approx(1.8)), (" tree", 1.5)]),
        ("(a (plain) tree : .5 )", [("a (plain) tree ", 0.5)]),
        ("(at 10:30:1.2)", [("at 10:30", 1.2)]),
        ("((tree:1.3)", [("(", 1.0), ("tree", 1.3)]),
        (r"(a \) sign:1.3)", [("a ) sign", 1.3)]),
        ("(tree:1)", [("tree", 1.0)]),
        ("", [("", 1.0)]),
    ],
)
def test_weighted_words(prompt: str, parts: list[tuple[str, float]]) -> None:
    assert list(parse_weights(prompt).parts) == parts


@pytest.mark.parametrize(
    "prompt",
    ["(tree:x)", "(tree:1.3", "tree:1.3)", "(:1.3)", "( :1.3)", "(tree)", "((tree))", "[tree:1.3]", "(a:1.2.3)",
     "(tree:nan)", "(tree:1e3)", "a: b (c)", "a\\b", ")(", "{}"],
)  # fmt: skip
def test_whatever_is_no_weight_stays_text(prompt: str) -> None:
    assert parse_weights(prompt) == WeightedPrompt(prompt)
    assert with_weights_of(prompt, "some words") == "some words"


def test_a_backslash_makes_a_parenthesis_of_text() -> None:
    assert parse_weights(r"a \(tree:1.3\)") == WeightedPrompt("a (tree:1.3)")
    assert parse_weights(r"\((tree:1.3)\)") == WeightedPrompt("(tree)", (Span(1, 5, 1.3),))


@pytest.mark.parametrize(
    ("prompt", "words", "wanted"),
    [
        ("a (big red:1.3) House", "a big red house", "a (big red:1.3) house"),
        ("a photo of a (cat and a dog:1.5)", "a dog", "(a dog:1.5)"),
        ("a tree and (a cat:0.5) and (a dog:1.2)", "a cat and a dog", "(a cat:0.5) and (a dog:1.2)"),
        (r"a \(x:1.3\) and (cat:2)", "a (x:1.3) and cat", r"a \(x:1.3\) and (cat:2)"),
        ("a (cat:1.3)", "a house", "a house"),
        ("a (cat, dog:1.3)", "a cat, dog", "a (cat, dog:1.3)"),
    ],
)
def test_words_of_a_prompt_keep_their_weights(prompt: str, words: str, wanted: str) -> None:
    assert with_weights_of(prompt, words) == wanted
    assert without_weights(wanted) == words


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        ("a (tree:3)", "prompt gives 'tree' the weight 3, but it must lie between 0 and 2; a parenthesis that begins "),
        ("a (tree:-1)", "prompt gives 'tree' the weight -1, but"),
        ("((a:1.5) b:1.5)", "prompt gives 'a' the weight 2.25, but"),
    ],
)
def test_a_weight_out_of_range_is_one_sentence(prompt: str, said: str) -> None:
    for make in (
        lambda: EditRecord(photo="p.png", prompt=prompt),
        lambda: ArrangeRecord(photo="p.png", prompt=prompt),
        lambda: RemoveRecord(photo="p.png", prompt=prompt),
    ):
        with pytest.raises(RecordError) as caught:
            make()
        assert str(caught.value).startswith(said) and "\n" not in str(caught.value)
    for name in ("negative_prompt", "source"):
        settings: dict[str, Any] = {name: prompt}
        with pytest.raises(RecordError, match=f"^{name} gives"):
            EditRecord(photo="p.png", prompt="a cat", **settings)
    with pytest.raises(RecordError, match=r"the weight 2\.25"):
        EditRecord(photo="p.png", prompt="(a cat:1.5)", template="({}:1.5)")
