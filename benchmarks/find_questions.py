"""Questions for a segmenter of which the answer is known: scenes of the pocket world, and photographs.

Scenes hold the objects that they are drawn with, and nothing else. A photograph shows none of the pocket world's
nouns, but for those that are listed with it: they are left out, since a segmenter that has seen drawings alone may
find them or not.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from intarsia.imaging.masks import Mask
from intarsia.imaging.photo import Photo
from intarsia.imaging.read import photo_from_image
from training import world

SYNONYMS = {
    "cat": "kitten",
    "dog": "puppy",
    "rabbit": "bunny",
    "bird": "sparrow",
    "cow": "cattle",
    "tree": "oak",
    "plant": "shrub",
    "pot": "vase",
    "house": "cottage",
    "car": "automobile",
    "ball": "football",
    "cake": "pie",
}
UNKNOWN = (
    *("zebra", "xylophone", "person", "bicycle", "guitar", "lion", "unicorn", "truck", "umbrella", "fish", "chair"),
    *("rocket", "cup", "lamp", "violin", "elephant", "tractor", "window", "shoe", "banana"),
)
"""Words of things that the pocket world does not have."""

KINDS = ("plain", "wide", "large", "tiny", "crowd", "twins")
"""Scenes: as the networks were trained on them; of another shape; of more pixels; with small objects; with four or
five, which overlap; with two of one name."""

PER_SHORT = (0.5, 0.9)
"""Sides of parts that are cut out of photographs, in the photograph's short side."""

SMALL = 128
"""Short side in pixels to which some parts are reduced, as pictures for the pocket models are."""

PICTURES = (
    *("astronaut.png", "brick.png", "camera.png", "cell.png", "chelsea.png", "coffee.png", "coins.png", "grass.png"),
    *("gravel.png", "hubble_deep_field.jpg", "ihc.png", "moon.png", "motorcycle_left.png", "page.png", "retina.jpg"),
    "rocket.jpg",
)

LARGEST = 512
"""Longer side in pixels to which the others are reduced: the segmenter sees 64."""

SHOWN = {
    "camera": ("house", "tree", "person", "rabbit"),
    "chelsea": ("cat",),
    "china": ("house", "tree", "plant", "pot"),
    "coffee": ("pot", "cup", "cake"),
    "flower": ("plant", "tree"),
    "grass": ("plant",),
    "motorcycle_left": ("car", "bicycle", "house"),
    "coins": ("ball",),
    "moon": ("ball",),
    "image": ("cat", "plant", "pot"),
}
"""Nouns that photographs show, or may be said to, by their files' names."""


def shipped_files() -> list[Path]:
    """The photographs, and other pictures that are none of the pocket world, of scikit-image and scikit-learn."""
    import skimage.data
    import sklearn.datasets

    drawn = Path(str(skimage.data.__file__)).parent
    learned = Path(str(sklearn.datasets.__file__)).parent / "images"
    return [*(drawn / name for name in PICTURES), learned / "china.jpg", learned / "flower.jpg"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Question:
    """One call for objects in a picture.

    Attributes:
        kind: of the picture: one of `KINDS`, or "photo".
        source: the scene's number, or the photograph's name.
        photo: the picture.
        names: asked for together.
        varieties: what kind of words each name is: present, plural, phrase, twin, absent, synonym, unknown.
        truths: (H, W) of each name, all masks that would be right; none where it is not there.
    """

    kind: str
    source: str
    photo: Photo
    names: tuple[str, ...]
    varieties: tuple[str, ...]
    truths: tuple[tuple[Mask, ...], ...]


def scene(kind: str, rng: np.random.Generator) -> world.Scene:
    """A scene of one of `KINDS`."""
    if kind == "wide":
        return world.render(rng, size=((96, 64), (64, 96), (112, 64))[int(rng.integers(3))])
    if kind == "large":
        side = int(rng.integers(100, 400))
        return world.render(rng, size=(side, side))
    if kind == "plain":
        return world.render(rng)
    if kind == "twins":
        name = str(rng.choice(world.NAMES))
        return world.render(rng, names=(name, name), places=world.places_for(rng, 2))
    count = int(rng.integers(1, 4)) if kind == "tiny" else int(rng.integers(4, 6))
    low, high = (0.12, 0.28) if kind == "tiny" else (0.26, 0.38)
    names = tuple(str(n) for n in rng.choice(world.NAMES, count, replace=False))
    sides = rng.uniform(low, high, count)
    places = [(*rng.uniform(side / 2, 1 - side / 2, 2), float(side)) for side in sides]
    return world.render(rng, names=names, places=[(float(x), float(y), s) for x, y, s in places])


def worded(name: str, rng: random.Random) -> tuple[str, str]:
    """A noun in the words of somebody, and their variety."""
    said = rng.choice(("present", "present", "present", "plural", "phrase"))
    if said == "plural":
        return f"{name}s", said
    if said == "phrase":
        return f"{rng.choice(('small', 'big', 'the', 'red', 'potted'))} {name}", said
    return name, said


def of_scene(kind: str, seed: int, number: int) -> Iterator[Question]:
    """Questions about one scene: about half of what they name is there."""
    made = scene(kind, np.random.default_rng((seed, KINDS.index(kind), number)))
    rng = random.Random(f"{seed}/{kind}/{number}")
    photo, masks = photo_from_image(made.image), {o.name: o.mask for o in made.objects if o.mask.sum() >= 8}
    absent = [name for name in world.NAMES if name not in {o.name for o in made.objects}]

    def asked(*named: tuple[str, str, tuple[Mask, ...]]) -> Question:
        return Question(
            kind=kind, source=str(number), photo=photo, names=tuple(n for n, _, _ in named),
            varieties=tuple(v for _, v, _ in named), truths=tuple(t for _, _, t in named),
        )  # fmt: skip

    if kind == "twins":
        name, each = made.objects[0].name, tuple(o.mask for o in made.objects)
        yield asked(*((f"{name} {k}", "twin", each) for k in (1, 2)))
        yield asked(*((f"{absent[0]} {k}", "absent", ()) for k in (1, 2)))
    else:
        present = [(*worded(name, rng), (mask,)) for name, mask in masks.items()]
        for one in present:
            yield asked(one)
        if len(present) > 1:
            more = rng.choice(absent)
            yield asked(*present, (more, "absent", ()))
        for name in rng.sample(list(masks), min(len(masks), 1)):
            yield asked((SYNONYMS[name], "synonym", (masks[name],)))
    for name in rng.sample(absent, 3):
        words, _ = worded(name, rng)
        yield asked((words, "absent", ()))
    yield asked((rng.choice(UNKNOWN), "unknown", ()))


def scenes(seed: int, count: int) -> Iterator[Question]:
    """Questions about `count` scenes of each of `KINDS`."""
    for kind in KINDS:
        for number in range(count):
            yield from of_scene(kind, seed, number)


def of_photograph(file: Path, parts: int) -> Iterator[Question]:
    """Questions about a photograph and parts of it, every other one small: nothing that they name is there."""
    with Image.open(file) as opened:
        whole = opened.convert("RGB")
    rng = np.random.default_rng(7)
    short = min(whole.size)
    for number in range(parts):
        part = whole
        if number:
            side = int(short * rng.uniform(*PER_SHORT))
            x, y = (int(rng.integers(0, length - side + 1)) for length in whole.size)
            part = whole.crop((x, y, x + side, y + side))
        part = part.copy()
        part.thumbnail((LARGEST, LARGEST))
        if small := number % 2 == 1:
            part = part.resize((SMALL, SMALL), Image.Resampling.LANCZOS)
        photo = photo_from_image(part)
        unknown = tuple(UNKNOWN[k] for k in rng.choice(len(UNKNOWN), 3, replace=False)) if small else ()
        for name in (*world.NAMES, *unknown):
            if name not in SHOWN.get(file.stem, ()):
                variety = "absent" if name in world.NAMES else "unknown"
                yield Question(
                    kind="photo", source=file.stem, photo=photo, names=(name,), varieties=(variety,), truths=((),)
                )
