"""The examples of the tab "Edit by layout": pictures whose objects are cut out after one click."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from intarsia.errors import RecordError
from intarsia.imaging.read import read_photo
from intarsia.records.arrange import ArrangeRecord
from intarsia.records.scene_folder import SCENE_FILES
from intarsia.web.canvas import data_url

SCENES = Path(__file__).parents[1] / "demo" / "scenes"

CARD = 220
"""Longer side of an example's picture on its card, in pixels."""


@dataclass(frozen=True, kw_only=True)
class Example:
    """A photo, and how its objects become cut-outs.

    Attributes:
        photo: below `SCENES`; in a scene folder, the scene's own masks are taken.
        find: names of its objects, where it lies in no scene folder.
    """

    title: str
    photo: Path
    find: tuple[str, ...] = ()

    def record(self, photo: Path, models: str) -> ArrangeRecord:
        """The record that cuts the objects out of a copy of the photo."""
        if self.find:
            return ArrangeRecord(photo=str(photo), find=self.find, models=models)
        mask, colours = (str(self.photo.with_name(SCENE_FILES[kind])) for kind in ("mask", "colours"))
        return ArrangeRecord(photo=str(photo), mask=mask, colours=colours, models=models)


EXAMPLES = (
    Example(
        title="A cat and a plant, found by their names",
        photo=SCENES / "cat-and-plant.png",
        find=("cat", "potted plant"),
    ),
    Example(title="A yard with house, tree and dog, from masks", photo=SCENES / "yard.scene" / SCENE_FILES["photo"]),
)


def get_example(index: Any) -> Example:
    """The example of a number, counted from 0.

    Raises:
        RecordError: there is none.
    """
    if type(index) is not int or not 0 <= index < len(EXAMPLES):
        raise RecordError("That example is not here any more: reload the page.")
    return EXAMPLES[index]


def example_cards() -> list[dict[str, Any]]:
    """The examples as JSON values, for the empty canvas."""
    cards = []
    for example in EXAMPLES:
        image = read_photo(example.photo).as_image().convert("RGB")
        image.thumbnail((CARD, CARD))
        cards.append({"title": example.title, "picture": data_url(image, "JPEG")})
    return cards
