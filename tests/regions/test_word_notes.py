"""Words that name nothing known or seen are told of, in whatever way they come; words that do are not."""

from __future__ import annotations

import pytest

from intarsia.backbones.confidence import spelled_alike
from intarsia.backbones.protocols import Backbones
from intarsia.imaging.photo import Photo
from intarsia.records.edit import EditRecord, SearchSettings
from intarsia.regions.edit import edit
from tests.regions.test_edit import scene

ONCE = SearchSettings(preview_steps=(1,), survivors=(1,))
NOUNS = ("cat", "dog", "tree", "house", "ball", "cake")


@pytest.fixture(scope="module")
def photo() -> Photo:
    """A tree on snow."""
    return scene(0)[0]


def said(pocket: Backbones, photo: Photo, source: str, prompt: str) -> tuple[str, ...]:
    return edit(photo, EditRecord(photo="p.png", source=source, prompt=prompt, steps=1, search=ONCE), pocket).notes


@pytest.mark.parametrize(
    ("source", "prompt", "told"),
    [
        (
            "tree and a giraffe",
            "a house",
            ("'a giraffe' is none of", "only the rest of 'tree and a giraffe' was looked"),
        ),
        ("a tree, a ball", "a house", ("Nothing in the photo looks like 'a ball'", "only the rest of")),
        ("the hose", "a house", ("'the hose' is none of", "write 'house' if that is meant")),
        ("树", "a house", ("'树' is none of",)),
        ("()", "a house", ("'()' holds no word to look for",)),
        ("", "a cat next to the giraffe", ("'the giraffe' is none of", "the place beside it was guessed")),
        ("", "a cat next to the ball", ("Nothing in the photo looks like 'the ball'",)),
        ("tree", "a dragon", ("never learned 'dragon'",)),
    ],
)
def test_what_is_not_found_is_told_of_once(
    pocket: Backbones, photo: Photo, source: str, prompt: str, told: tuple[str, ...]
) -> None:
    (note,) = said(pocket, photo, source, prompt)
    assert all(part in note for part in told)


@pytest.mark.parametrize(
    ("source", "prompt"),
    [
        ("TREES", "A HOUSE"),
        ("the background", "snow"),
        ("snow", "sand"),
        ("", "a cat next to the tree"),
        ("", "a ball"),
    ],
)
def test_what_is_known_and_seen_is_not(pocket: Backbones, photo: Photo, source: str, prompt: str) -> None:
    assert said(pocket, photo, source, prompt) == ()


@pytest.mark.parametrize(
    ("words", "noun"),
    [
        ("the hose", "house"),
        ("Tres", "tree"),
        ("a dogg", "dog"),
        ("giraffe", None),
        ("", None),
        ("unicorn", None),
        ("bal", "ball"),
    ],
)
def test_a_noun_that_is_spelled_nearly_so(words: str, noun: str | None) -> None:
    assert spelled_alike(words, NOUNS) == noun
