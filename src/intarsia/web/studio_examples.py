"""The examples of the empty canvas: photos, and what may be tried with each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from intarsia.errors import RecordError
from intarsia.imaging.read import read_photo
from intarsia.web import arrange_examples, edit_service, remove_service
from intarsia.web.canvas import data_url
from intarsia.web.result_store import THUMBNAIL
from intarsia.web.uploads import Facts

MOST_WORDS = 2
"""Examples of a change by words that are shown."""


@dataclass(frozen=True, kw_only=True)
class Example:
    """A photo that ships with a package, and a suggestion.

    Attributes:
        title, said: on its card: what is in it, and what may be done.
        verb: "remove", "change" or "arrange".
        box: around what is selected at once; None without.
        source, prompt: of a change.
        words: names of objects that are found first.
    """

    title: str
    said: str
    photo: Path
    verb: str
    box: Sequence[float] | None = None
    source: str = ""
    prompt: str = ""
    words: str = ""

    def suggest(self) -> Facts:
        return {
            "points": [],
            "box": None if self.box is None else list(self.box),
            "verb": self.verb,
            "source": self.source,
            "prompt": self.prompt,
            "words": self.words,
        }


def examples() -> tuple[Example, ...]:
    """All of them: photographs first, where they are installed."""
    removed = [
        Example(title=each.title, said="Remove it", photo=each.photo, verb="remove", box=each.box)
        for each in remove_service.examples()
    ]
    changed = [
        Example(
            title=f"A {each.source}, and what it may become",
            said=f"Change it to {each.prompt}",
            photo=each.photo,
            verb="change",
            source=each.source,
            prompt=each.prompt,
        )
        for each in edit_service.EXAMPLES[:MOST_WORDS]
    ]
    found = next(each for each in arrange_examples.EXAMPLES if each.find)
    arranged = Example(
        title="A cat and a plant",
        said="Find them by words, and move them",
        photo=found.photo,
        verb="arrange",
        words=", ".join(found.find),
    )
    return (*removed, *changed, arranged)


def example_cards() -> list[Facts]:
    """The examples as JSON values: a small picture as a data URL, and words."""
    cards = []
    for example in examples():
        small = read_photo(example.photo).as_image().convert("RGB")
        small.thumbnail((2 * THUMBNAIL, 2 * THUMBNAIL))
        words = {"title": example.title, "said": example.said, "verb": example.verb}
        cards.append({"url": data_url(small, "WEBP"), **words})
    return cards


def get_example(index: Any) -> Example:
    """The example of a number, counted from 0.

    Raises:
        RecordError: there is none.
    """
    shown = examples()
    if type(index) is not int or not 0 <= index < len(shown):
        raise RecordError("That example is not here any more: reload the page.")
    return shown[index]
