"""The examples of the empty canvas: photos, and what may be tried with each."""

from __future__ import annotations

import base64
import importlib.util
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from intarsia.errors import RecordError
from intarsia.imaging.read import read_photo
from intarsia.web.uploads import Facts

SCENES = Path(__file__).parents[1] / "demo" / "scenes"
CARD = 256
"""Longer side of an example's picture on its card, in pixels: twice its place, for fine screens."""


@dataclass(frozen=True, kw_only=True)
class Example:
    """A photo that ships with a package, and a suggestion.

    Attributes:
        title, said: on its card: what is in it, and what may be done.
        verb: "remove", "change" or "arrange".
        box: around what is selected at once, x0, y0, x1, y1 in pixels of the photo; None without.
        source, prompt: of a change.
        words: names of objects that are found first.
    """

    title: str
    said: str
    photo: Path
    verb: str
    box: tuple[float, float, float, float] | None = None
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


def changed(scene: str, source: str, prompt: str) -> Example:
    """A change by words in a scene that ships with this package."""
    return Example(
        title=f"A {source}, and what it may become",
        said=f"Change it to {prompt}",
        photo=SCENES / scene,
        verb="change",
        source=source,
        prompt=prompt,
    )


def removed(title: str, photo: Path, *box: float) -> Example:
    x0, y0, x1, y1 = box
    return Example(title=title, said="Remove it", photo=photo, verb="remove", box=(x0, y0, x1, y1))


CHANGES = (
    changed("bird-and-car.png", "car", "a house"),
    changed("dog-and-plant.png", "plant", "a cake"),
)
"""Each comes out well on the pocket models with the page's default settings."""
ARRANGEMENT = Example(
    title="A cat and a plant",
    said="Find them by words, and move them",
    photo=SCENES / "cat-and-plant.png",
    verb="arrange",
    words="cat, potted plant",
)


def removals() -> tuple[Example, ...]:
    """Photographs where scikit-image is installed, which brings some (public domain or CC0); else drawn scenes."""
    found = importlib.util.find_spec("skimage")
    folder = Path(found.origin).parent / "data" if found is not None and found.origin else Path()
    photographs = (
        removed("A rocket in the evening", folder / "rocket.jpg", 305, 90, 352, 365),
        removed("Coins, one too many", folder / "coins.png", 130, 26, 182, 76),
        removed("A cup, and the bowl of its spoon", folder / "coffee.png", 315, 235, 405, 330),
    )
    shown = tuple(example for example in photographs if example.photo.is_file())
    return shown or (
        removed("A bird and a car", SCENES / "bird-and-car.png", 1, 30, 37, 54),
        removed("A cat and a plant", SCENES / "cat-and-plant.png", 2, 26, 34, 58),
    )


def examples() -> tuple[Example, ...]:
    """All of them: photographs first, where they are installed."""
    return (*removals(), *CHANGES, ARRANGEMENT)


def example_cards() -> list[Facts]:
    """The examples as JSON values: a small picture as a data URL, and words."""
    cards = []
    for example in examples():
        small = read_photo(example.photo).as_image().convert("RGB")
        small.thumbnail((CARD, CARD))
        words = {"title": example.title, "said": example.said, "verb": example.verb}
        cards.append({"url": data_url(small), **words})
    return cards


def data_url(image: Image.Image) -> str:
    """A picture as a data URL, which needs no file."""
    stream = io.BytesIO()
    image.save(stream, "WEBP", quality=90)
    return f"data:image/webp;base64,{base64.b64encode(stream.getvalue()).decode()}"


def get_example(index: Any) -> Example:
    """The example of a number, counted from 0.

    Raises:
        RecordError: there is none.
    """
    shown = examples()
    if type(index) is not int or not 0 <= index < len(shown):
        raise RecordError("That example is not here any more: reload the page.")
    return shown[index]
