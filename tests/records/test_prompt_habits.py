"""Spellings of other programs in prompts are told of, and plain text is not."""

from __future__ import annotations

import pytest

from intarsia.errors import TERMINAL
from intarsia.records.prompt_habits import habit_messages

HABITS = [
    ("a dog <lora:film:0.8>", "<lora:film:0.8>", "--lora FILE:0.8"),
    (
        "<lora:add_detail-xl:1>, a dog, <LyCORIS:thing:0.5:0.7>",
        "<lora:add_detail-xl:1>', '<LyCORIS:thing:0.5:0.7>",
        "--lora",
    ),
    ("<hypernet:anime:1.0> a dog", "<hypernet:anime:1.0>", "--lora"),
    ("a dog, embedding:easynegative", "embedding:easynegative", "--embedding FILE"),
    ("a dog by <my-style>", "<my-style>", "--embedding FILE"),
    ("a dog BREAK a cat", "BREAK", "one sentence"),
    ("a dog, BREAK, red fur", "BREAK", "one sentence"),
    ("a dog AND a cat", "AND", "one edit after another"),
    ("a [red|blue] ball", "[red|blue]", "name one"),
    ("a [dog:cat:0.5]", "[dog:cat:0.5]", "name one"),
    ("a dog [in a hat:10]", "[in a hat:10]", "name one"),
    ("a dog, [blurry]", "[blurry]", "(word:0.8)"),
    ("a dog, [[grass]]", "[[grass]]", "(word:0.8)"),
    ("a {red|blue|green} ball", "{red|blue|green}", "an edit for each choice"),
    ("a {2$$red|blue} ball", "{2$$red|blue}", "an edit for each choice"),
    ("a __colour__ ball", "__colour__", "an edit for each choice"),
    ("a __animals/pets__", "__animals/pets__", "an edit for each choice"),
    ("a {{{fluffy}}} dog", "{{{fluffy}}}", "(word:1.3)"),
    ("a {fluffy} dog", "{fluffy}", "(word:1.3)"),
    ("a ((fluffy)) dog", "((fluffy))", "(word:1.3)"),
    ("a (((fluffy, red))) dog", "(((fluffy, red)))", "(word:1.3)"),
    ("a (fluffy:1,3) dog", "(fluffy:1,3)", "write weights as in (word:1.3)"),
    ("a \uff08fluffy\uff1a1.3\uff09 dog", "\uff08fluffy\uff1a1.3\uff09", "write weights as in (word:1.3)"),
    ("a (fluffy\uff1a1.3) dog", "(fluffy\uff1a1.3)", "write weights as in (word:1.3)"),
    ("a (fluffy:1.3", "(fluffy:1.3", "write weights as in (word:1.3)"),
    ("a (fluffy)1.3 dog", "(fluffy)1.3", "(word:1.3)"),
    ("a (fluffy)++ dog", "(fluffy)++", "(word:1.3)"),
    ("a (fluffy)- dog", "(fluffy)-", "(word:1.3)"),
    ("a fluffy++ dog", "fluffy++", "(word:1.3)"),
    ('("a dog", "a cat").blend(1, 0.5)', ".blend(1, 0.5)", "one sentence"),
    ("a dog::2 grass::-1", "dog::2', 'grass::-1", "(word:1.3)"),
    ("a dog:: grass", "dog::", "(word:1.3)"),
    ("a dog --ar 16:9", "--ar 16:9", "use the settings"),
    ("a dog --ar 16:9 --v 6.1 --style raw", "--ar 16:9', '--v 6.1', '--style raw", "use the settings"),
    ("a dog —ar 3:2", "—ar 3:2", "use the settings"),
    ("a dog --tile", "--tile", "use the settings"),
    ("a dog --no collar, leash", "--no collar, leash", "--negative-prompt"),
    ("a dog\nNegative prompt: blurry", "Negative prompt:", "--negative-prompt"),
    ("a dog\nSteps: 20, Sampler: Euler a, CFG scale: 7", "Steps: 20, Sampler: Euler a", "use the settings"),
]
PLAIN = [
    "",
    "a dog",
    "a dog (brown) and a cat",
    "a dog (brown, with a collar), in the grass (tall)",
    "a (red tree:1.3) on grass",
    "a ((red:1.2) tree:1.1) on grass",
    "a ((fluffy:1.2)) dog",
    "a (fluffy:1) dog",
    r"a dog \(brown\)",
    "a sign that reads [sic]",
    "a quote [...] that goes on [1]",
    "R&B AND soul",
    "DOG AND CAT",
    "COFFEE BREAK SIGN",
    "a poster that says BREAK",
    "a dog and a cat",
    "A+ report, a C++ book, notepad++, an 18+ sign, Disney+ logo",
    "a dog -- brown -- on grass",
    "a dog--the brown one--on grass",
    "a pre-war house, well-lit",
    "a clock at 12:30, noon",
    "a ratio of 16:9",
    "a train (departs at 12:30)",
    "std::vector on a screen",
    "a heart <3 and a > b < c",
    "a curly brace { on paper",
    "{} [] () <>",
    "a file named __init__.py",
    "one | two",
    "a cat's tail; the dog's: brown",
    'a sign with the words "no dogs"',
    "a man (1.5 m) beside a tree (2)",
    "一只狗\uff08棕色\uff09",
    "50% off",
    "steps: a staircase",
    "e-mail: a@b.example",
]


@pytest.mark.parametrize(("prompt", "quoted", "remedy"), HABITS, ids=[row[0] for row in HABITS])
def test_a_habit_is_quoted_with_what_to_do_instead(prompt: str, quoted: str, remedy: str) -> None:
    (message,) = habit_messages(prompt, "prompt", heeded=True, triggers=True)
    said = TERMINAL.sentence(message)
    assert f"'{quoted}" in said and remedy in said and "read as plain words" in said
    assert len(said) < 200 and "\n" not in said


@pytest.mark.parametrize("prompt", PLAIN)
def test_plain_text_is_told_of_nothing(prompt: str) -> None:
    assert habit_messages(prompt, "prompt", heeded=True, triggers=True) == []


def test_weights_are_advised_where_they_are_heeded_alone() -> None:
    (message,) = habit_messages("a [blurry] dog", "prompt", heeded=False)
    assert TERMINAL.sentence(message) == "'[blurry]' in the prompt was read as plain words."


def test_several_habits_are_told_each_once() -> None:
    said = [
        TERMINAL.sentence(m)
        for m in habit_messages("[[a]] {b|c} {d|e} {f|g} {h|i} [j] --ar 1:1", "negative prompt", heeded=True)
    ]
    assert len(said) == 3
    assert said[0].startswith("'[[a]]', '[j]' in the negative prompt were read as plain words")
    assert "'{b|c}', '{d|e}', '{f|g}' and 1 more" in said[1]
