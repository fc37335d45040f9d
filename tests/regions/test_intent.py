"""What the words of an edit are read as."""

from __future__ import annotations

import json
from typing import Any

import pytest

from intarsia.regions.intent import head, is_plural, phrases, read_intent
from tests.paths import SAMPLES

READINGS: list[tuple[str, str, dict[str, Any]]] = [
    # the published examples
    ("trees", "a big tree with many flowers in the center", {"change": "resize", "size": "larger", "place": "center", "several": True, "sources": ("trees",), "targets": ("a big tree with many flowers",)}),
    ("coffee", "soft drink", {"change": "replace", "sources": ("coffee",), "targets": ("soft drink",)}),
    ("bird", "a rabbit with white fur", {"change": "replace", "sources": ("bird",), "targets": ("a rabbit with white fur",)}),
    # one thing becomes another
    ("cat", "a dog", {"change": "replace", "sources": ("cat",), "targets": ("a dog",), "several": False, "painted": "a dog"}),
    ("a cat", "a dog on the grass", {"change": "replace", "targets": ("a dog",), "painted": "a dog on the grass"}),
    ("The Cat", "A DOG", {"change": "replace", "sources": ("the cat",), "targets": ("a dog",), "painted": "A DOG"}),
    ("cats", "dogs", {"change": "replace", "several": True}),
    ("two cats", "two dogs", {"change": "replace", "several": True, "sources": ("two cats",)}),
    ("kitten", "a puppy", {"change": "replace", "sources": ("kitten",), "targets": ("a puppy",)}),
    ("glass", "a cup", {"change": "replace", "several": False}),
    ("bus", "a car", {"change": "replace", "several": False}),
    ("cat, dog", "a cow, a ball", {"change": "replace", "sources": ("cat", "dog"), "targets": ("a cow", "a ball")}),
    ("a cat and a dog", "a cow and a ball", {"change": "replace", "sources": ("a cat", "a dog"), "targets": ("a cow", "a ball")}),
    ("cat", "a photo of a dog", {"change": "replace", "targets": ("a dog",)}),
    ("cat", "a big dog", {"change": "replace", "size": "larger", "targets": ("a big dog",)}),
    ("animal", "a house.", {"change": "replace", "targets": ("a house",)}),
    # another of its kind
    ("cat", "a black cat", {"change": "vary", "targets": ("a black cat",)}),
    ("a red car", "a blue car", {"change": "vary", "targets": ("a blue car",), "sources": ("a red car",)}),
    ("Trees", "a tree with flowers", {"change": "vary", "several": True}),
    ("tree", "trees with snow", {"change": "vary"}),
    # larger, smaller, elsewhere
    ("tree", "a big tree", {"change": "resize", "size": "larger", "place": ""}),
    ("ball", "a tiny ball", {"change": "resize", "size": "smaller"}),
    ("ball", "a huge ball in the middle", {"change": "resize", "size": "larger", "place": "center"}),
    ("cat", "a cat on the left", {"change": "resize", "size": "", "place": "left"}),
    ("cat", "a cat in the top right corner", {"change": "resize", "place": "right"}),
    ("cat", "a cat in the lower left corner", {"change": "resize", "place": "left"}),
    ("cat", "a cat at the top", {"change": "resize", "place": "top"}),
    # something more
    ("", "a dog", {"change": "add", "sources": (), "targets": ("a dog",), "beside": None, "painted": "a dog"}),
    ("", "a dog on the grass", {"change": "add", "targets": ("a dog",)}),
    ("  ", "a cat and a dog", {"change": "add", "sources": (), "targets": ("a cat", "a dog")}),
    ("", "a dog in the center", {"change": "add", "place": "center", "targets": ("a dog",)}),
    ("", "a dog next to the tree", {"change": "add", "beside": ("beside", "the tree"), "targets": ("a dog",), "painted": "a dog"}),
    ("", "a ball to the left of the cat", {"change": "add", "beside": ("left", "the cat"), "place": "", "targets": ("a ball",)}),
    ("tree", "a dog next to the tree", {"change": "add", "beside": ("beside", "the tree"), "targets": ("a dog",), "kept": ("the tree",)}),
    ("trees", "a dog under the trees", {"change": "add", "beside": ("below", "the trees"), "targets": ("a dog",)}),
    ("cat", "a ball on the right of the cat", {"change": "add", "beside": ("right", "the cat"), "targets": ("a ball",)}),
    ("cat", "a bird above the cat", {"change": "add", "beside": ("above", "the cat"), "targets": ("a bird",)}),
    ("cat", "a cat and a dog", {"change": "add", "kept": ("a cat",), "targets": ("a dog",), "painted": "a dog"}),
    ("cat", "a cat, a dog, and a bird", {"change": "add", "kept": ("a cat",), "targets": ("a dog", "a bird")}),
    ("cats", "the cats and a ball", {"change": "add", "kept": ("the cats",), "targets": ("a ball",)}),
    # what is behind, and the whole
    ("background", "snow", {"change": "background", "targets": ("snow",)}),
    ("the background", "a beach", {"change": "background", "targets": ("beach",)}),
    ("scenery", "in the snow", {"change": "background", "targets": ("snow",)}),
    ("", "in the snow", {"change": "background", "sources": (), "targets": ("snow",)}),
    ("", "on the sand", {"change": "background", "targets": ("sand",)}),
    ("", "a watercolour painting", {"change": "whole", "targets": ()}),
    ("", "the street at night", {"change": "whole"}),
]  # fmt: skip


@pytest.mark.parametrize(("source", "prompt", "read"), READINGS)
def test_words_are_read_as_they_are_meant(source: str, prompt: str, read: dict[str, Any]) -> None:
    intent = read_intent(source, prompt)
    assert {name: getattr(intent, name) for name in read} == read
    assert intent.painted


@pytest.mark.parametrize(("source", "prompt", "read"), READINGS)
def test_upper_case_full_stops_and_spaces_change_nothing(source: str, prompt: str, read: dict[str, Any]) -> None:
    shouted = read_intent(f" {source.upper()} ", f" {prompt.upper().rstrip('.')}. ")
    # What is painted may be the user's own words.
    assert {name: getattr(shouted, name) for name in {*read} - {"painted"}} == {
        name: value for name, value in read.items() if name != "painted"
    }


@pytest.mark.skipif(not SAMPLES.exists(), reason="the published sample pictures are not on this machine")
def test_the_published_samples_are_in_the_table() -> None:
    listing = json.loads((SAMPLES / "learnable_regions" / "images.json").read_text())
    assert {tuple(pair) for pair in listing.values()} <= {(source, prompt) for source, prompt, _ in READINGS}


@pytest.mark.parametrize(
    ("phrase", "noun", "plural"),
    [
        ("trees", "tree", True),
        ("the big trees in the garden", "tree", True),
        ("a big tree with many flowers", "tree", False),
        ("two puppies", "puppy", True),
        ("boxes", "box", True),
        ("glasses", "glass", True),
        ("a glass", "glass", False),
        ("bus", "bus", False),
        ("the people", "person", True),
        ("women wearing hats", "woman", True),
        ("my cat", "cat", False),
        ("grass", "grass", False),
        ("houses", "house", True),
        ("soft drink", "drink", False),
        ("a cat on the grass", "cat", False),
        ("some of the birds", "bird", True),
        ("", "", False),
    ],
)
def test_the_noun_of_a_phrase(phrase: str, noun: str, plural: bool) -> None:
    assert (head(phrase), is_plural(phrase)) == (noun, plural)


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        ("", ()),
        (" , ", ()),
        ("a cat", ("a cat",)),
        ("a cat, the dogs and grass", ("a cat", "the dogs", "grass")),
        ("Cats & Dogs", ("cats", "dogs")),
        ("a cat, and a dog.", ("a cat", "a dog")),
        ("sand", ("sand",)),
        ("a candy and handles", ("a candy", "handles")),
    ],
)
def test_lists_are_taken_apart(words: str, parts: tuple[str, ...]) -> None:
    assert phrases(words) == parts
