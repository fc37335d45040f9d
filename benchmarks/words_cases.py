"""Cases of the benchmark of edit by words: ten kinds of edits of scenes of the pocket world, at any size of picture.

A case is drawn from (seed, kind, number, side of the picture). It knows the scene, the words, the scene in which the edit
has succeeded, and the region and the words that somebody who knows that scene would give: the oracle's.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from intarsia.imaging.geometry import Box, Size
from intarsia.imaging.lab import lab_of
from intarsia.imaging.masks import box_mask, dilate
from training import world

Mask = npt.NDArray[np.bool_]
Rng = np.random.Generator

OWN_SIDE = 64  # pixels of the pictures that the world and the pocket models are made for
SMALL = (0.10, 0.30)  # sides of the objects of larger pictures, as fractions of the picture's
SMALLISH = {True: (0.24, 0.31), False: (0.10, 0.15)}  # sides of objects to enlarge, by whether the side is the own one
GROWTH = (1.55, 1.85)  # of the side of an object that is enlarged
TRIES = 40  # to find a place before the scene is begun again
ANIMALS = ("cat", "dog", "rabbit", "bird", "cow")
COLOURED = ("cat", "dog", "bird", "tree", "plant", "pot", "house", "car", "cake")  # those that have a hue to change
ODD_HUE = 0.5  # radians from its usual hue: so odd is what shall get another colour
SYNONYMS = {
    "cat": ("kitten", "kitty"),
    "dog": ("puppy", "hound"),
    "rabbit": ("bunny", "hare"),
    "bird": ("sparrow", "chick"),
    "cow": ("calf", "cattle"),
    "tree": ("sapling", "oak"),
    "plant": ("shrub", "herb"),
    "pot": ("vase", "amphora"),
    "house": ("home", "cottage"),
    "car": ("automobile", "vehicle"),
    "ball": ("football", "sphere"),
    "cake": ("pastry", "dessert"),
}


class Place(NamedTuple):
    """Centre and side of the square that holds an object, as fractions of the picture."""

    x: float
    y: float
    side: float

    def clear_of(self, other: Place, gap: float = 0.0) -> bool:
        """The world's own rule of two objects that do not overlap, with a gap between them."""
        return max(abs(self.x - other.x), abs(self.y - other.y)) > 0.46 * (self.side + other.side) + gap

    def inside(self) -> bool:
        return all(self.side / 2 - 0.01 <= v <= 1 - self.side / 2 + 0.01 for v in (self.x, self.y))

    def box(self, side: int) -> Box:
        """In pixels of a picture of that side, as far as it lies in the picture."""
        x0, y0 = (self.x - self.side / 2) * side, (self.y - self.side / 2) * side
        return Box(x0, y0, x0 + self.side * side, y0 + self.side * side).clipped(Size(side, side))


class Thing(NamedTuple):
    name: str
    place: Place


@dataclass(frozen=True, kw_only=True)
class Case:
    """One scene and the edit that is asked of it.

    Attributes:
        stay: the objects that the edit must leave alone.
        old: the objects that the source words mean.
        new: what shall be there in place of `old`, where the scene of the goal shows it.
        ground: the background, and what it shall become; mostly the same.
        source, prompt: the words of the edit.
        where: "" or, of an object that is added or enlarged, "center", "beside", "left" or "right".
        painter: the words for the oracle's region alone, where it has one.
        drawing: seed of the scene's drawing.
        noise: seed of the edit.
        schedule: denoising steps of every picture, instead of the presets' own.
    """

    kind: str
    number: int
    side: int
    stay: tuple[Thing, ...]
    old: tuple[Thing, ...]
    new: tuple[Thing, ...]
    ground: tuple[str, str]
    source: str
    prompt: str
    where: str
    painter: str
    drawing: int
    noise: int
    schedule: int | None = None

    def drawn(self, things: tuple[Thing, ...], ground: str) -> world.Scene:
        """A scene of this case; what stays comes first, so that it looks the same in all that share a background."""
        return world.render(
            np.random.default_rng(self.drawing),
            names=tuple(t.name for t in things),
            kind=ground,
            places=[(t.place.x, t.place.y, t.place.side) for t in things],
            size=(self.side, self.side),
        )

    @functools.cached_property
    def scene(self) -> world.Scene:
        return self.drawn(self.stay + self.old, self.ground[0])

    @functools.cached_property
    def goal(self) -> Image.Image:
        """A picture in which the edit has succeeded."""
        if self.kind == "attribute":
            return recoloured(self.scene)
        return self.drawn(self.stay + self.new, self.ground[1]).image

    @property
    def old_objects(self) -> tuple[world.SceneObject, ...]:
        return self.scene.objects[len(self.stay) :]

    @property
    def kept_objects(self) -> tuple[world.SceneObject, ...]:
        return self.scene.objects[: len(self.stay)]

    @functools.cached_property
    def steps(self) -> tuple[tuple[Box | Mask, str], ...]:
        """What the oracle repaints, a box or a mask (side, side), and with which words: one object after another.

        In one region around two objects the painter mostly draws the same thing twice, and in a large picture both
        too small.
        """
        size = Size(self.side, self.side)
        old = [Box(*map(float, thing.box)) for thing in self.old_objects]
        region: Box | Mask
        if self.kind in ("two", "vague"):
            return tuple((box, world.with_article(t.name)) for box, t in zip(old, self.new, strict=True))
        if self.kind == "background":
            covered = np.any([thing.mask for thing in self.scene.objects], axis=0)
            region = ~dilate(covered, max(2, round(self.side / 32)))
        elif self.kind == "enlarge":
            region = box_mask(old[0], size) | box_mask(self.new[0].place.box(self.side), size)
        elif self.kind in ("add", "add_beside", "keep_and_add"):
            region = self.new[-1].place.box(self.side)
        else:
            region = old[0]
        return ((region, self.painter),)


def hue(pixels: npt.NDArray[np.uint8], mask: Mask) -> tuple[float, float]:
    """Hue in radians, each pixel weighing as its chroma, and the chroma of the mean colour, of (H, W, 3) in a mask."""
    lab = lab_of(pixels)[mask]
    a, b = float(lab[:, 1].mean()), float(lab[:, 2].mean())
    return float(np.arctan2(b, a)), float(np.hypot(a, b))


def apart(one: float, other: float) -> float:
    """Between two angles, in [0, pi]."""
    return abs((one - other + np.pi) % (2 * np.pi) - np.pi)


@functools.cache
def usual_hue(name: str) -> float:
    drawn = np.asarray(world.glyph(name))
    return hue(drawn[..., :3], drawn[..., 3] > 127)[0]


def recoloured(scene: world.Scene) -> Image.Image:
    """The scene with its last object, which has an odd hue, turned back past its usual one, as far as the world turns."""
    thing = scene.objects[-1]
    pixels, mask = np.asarray(scene.image), thing.mask
    turned = []
    for angle in (-0.9, 0.9):
        whole = np.asarray(world.turn_hue(scene.image.convert("RGBA"), angle, 1.0))[..., :3]
        turned.append(np.where(mask[..., None], whole, pixels))
    return Image.fromarray(min(turned, key=lambda picture: apart(hue(picture, mask)[0], usual_hue(thing.name))))


class Draw:
    """What the kinds draw their cases with."""

    def __init__(self, rng: Rng, side: int, ground: tuple[str, str]) -> None:
        self.rng = rng
        self.own = side == OWN_SIDE
        self.ground = ground

    def one_of(self, values: tuple[str, ...]) -> str:
        return str(self.rng.choice(values))

    def names(self, count: int, among: tuple[str, ...] = world.NAMES, but: tuple[str, ...] = ()) -> tuple[str, ...]:
        """So many names, none twice."""
        free = [n for n in among if n not in but]
        return tuple(str(n) for n in self.rng.choice(free, count, replace=False))

    def span(self, count: int) -> tuple[float, float]:
        """Least and largest side of an object, where so many are to find room."""
        return world.SIDES[min(count, 3)] if self.own else SMALL

    def place(self, span: tuple[float, float], taken: list[Place]) -> Place | None:
        """A place clear of those that are taken, or None where chance finds none."""
        for _ in range(TRIES):
            side = self.rng.uniform(*span)
            x, y = self.rng.uniform(side / 2 - 0.01, 1 - side / 2 + 0.01, 2)
            found = Place(float(x), float(y), float(side))
            if all(found.clear_of(other, 0.0 if self.own else 0.02) for other in taken):
                return found
        return None

    def places(self, count: int, span: tuple[float, float], taken: list[Place] | None = None) -> list[Place] | None:
        """So many places clear of each other and of those that are taken, or None where chance finds none."""
        found: list[Place] = []
        for _ in range(count):
            place = self.place(span, found + (taken or []))
            if place is None:
                return None
            found.append(place)
        return found

    def scene_of(self, names: tuple[str, ...], *, alike: bool = False) -> list[Thing]:
        """Objects of these names at places of their own; alike in size if so asked, as the world's own are."""
        while True:
            span = self.span(len(names))
            if alike and not self.own:
                middle = self.rng.uniform(1.25 * SMALL[0], SMALL[1] / 1.25)
                span = middle / 1.25, middle * 1.25
            places = self.places(len(names), span)
            if places is not None:
                return [Thing(n, p) for n, p in zip(names, places, strict=True)]


@dataclass(frozen=True, kw_only=True)
class Ask:
    """What a kind decides of a case; the fields are those of `Case`."""

    stay: list[Thing]
    old: list[Thing]
    new: list[Thing]
    source: str
    prompt: str
    painter: str
    where: str = ""


def swapped(draw: Draw, things: list[Thing], source: str, count: int = 1) -> Ask:
    """The last objects of a scene, to become as many others."""
    stay, old = things[:-count], things[-count:]
    names = draw.names(count, but=tuple(t.name for t in things))
    words = " and ".join(world.with_article(n) for n in names)
    new = [Thing(n, t.place) for n, t in zip(names, old, strict=True)]
    return Ask(stay=stay, old=old, new=new, source=source, prompt=words, painter=words)


def replace(draw: Draw) -> Ask:
    things = draw.scene_of(draw.names(int(draw.rng.integers(1, 4))))
    return swapped(draw, things, things[-1].name)


def enlarge(draw: Draw) -> Ask:
    """A small object to grow, in the centre or where it is, with or without another that leaves room for it."""
    name, *others = draw.names(1 + int(draw.rng.integers(2)))
    words = draw.one_of(("a big {} in the center", "a big {}", "a large {}")).format(name)
    central = "center" in words
    span = SMALLISH[draw.own]
    while True:
        old = draw.place(span, [])
        assert old is not None
        side = old.side * draw.rng.uniform(*GROWTH)
        reach = side / 2
        x, y = (0.5, 0.5) if central else (min(max(v, reach), 1 - reach) for v in (old.x, old.y))
        new = Place(x, y, side)
        places = draw.places(len(others), span if draw.own else SMALL, [old, new])
        if places is not None:
            break
    return Ask(
        stay=[Thing(n, p) for n, p in zip(others, places, strict=True)],
        old=[Thing(name, old)],
        new=[Thing(name, new)],
        source=name,
        prompt=words,
        painter=words.removesuffix(" in the center"),
        where="center" if central else "",
    )


def add(draw: Draw) -> Ask:
    *stay, new = draw.scene_of(draw.names(2 + int(draw.rng.integers(2))), alike=True)
    words = world.with_article(new.name)
    return Ask(stay=stay, old=[], new=[new], source="", prompt=words, painter=words)


def add_beside(draw: Draw) -> Ask:
    """An object on the left or right of the last one that stays, where there is room for it."""
    count = 1 + int(draw.rng.integers(2))
    *names, new_name = draw.names(count + 1)
    where = draw.one_of(("beside", "left", "right"))
    phrases = {"beside": ("next to the", "beside the"), "left": ("left of the",), "right": ("to the right of the",)}
    while True:
        places = draw.places(count, draw.span(count + 1))
        if places is None:
            continue
        host = places[-1]
        side = host.side * draw.rng.uniform(0.9, 1.1)
        sign = {"left": -1, "right": 1}.get(where, -1 if draw.rng.random() < 0.5 else 1)
        distance = 0.5 * (host.side + side) * draw.rng.uniform(0.98, 1.1)
        new = Place(host.x + sign * distance, host.y + host.side * draw.rng.uniform(-0.15, 0.15), side)
        if new.inside() and all(new.clear_of(other) for other in places[:-1]):
            break
    a_new, host_name = world.with_article(new_name), names[-1]
    return Ask(
        stay=[Thing(n, p) for n, p in zip(names, places, strict=True)],
        old=[],
        new=[Thing(new_name, new)],
        source=host_name if draw.rng.random() < 0.5 else "",
        prompt=f"{a_new} {draw.one_of(phrases[where])} {host_name}",
        painter=a_new,
        where=where,
    )


def keep_and_add(draw: Draw) -> Ask:
    *stay, old, new = draw.scene_of(draw.names(2 + int(draw.rng.integers(2))), alike=True)
    words = f"{world.with_article(old.name)} and {world.with_article(new.name)}"
    return Ask(
        stay=stay, old=[old], new=[old, new], source=old.name, prompt=words, painter=world.with_article(new.name)
    )


def attribute(draw: Draw) -> Ask:
    """Another hue for an object; its words are all that names it, since the pocket models know no colours."""
    (name,) = draw.names(1, among=COLOURED)
    *stay, old = draw.scene_of((*draw.names(int(draw.rng.integers(3)), but=(name,)), name))
    words = draw.one_of(("{} of another colour", "{} in another colour"))
    words = words.format(world.with_article(name)) if draw.rng.random() < 0.7 else f"a different {name}"
    return Ask(stay=stay, old=[old], new=[old], source=name, prompt=words, painter=world.with_article(name))


def two(draw: Draw) -> Ask:
    things = draw.scene_of(draw.names(2 + int(draw.rng.integers(2))))
    return swapped(draw, things, f"{things[-2].name} and {things[-1].name}", count=2)


def vague(draw: Draw) -> Ask:
    """One of three: a word for anything, with one object; a word for animals, with one of them; a plural, with two of a name."""
    turn = int(draw.rng.integers(3))
    if turn == 0:
        return swapped(draw, draw.scene_of(draw.names(1)), draw.one_of(("the object", "object", "thing", "the thing")))
    if turn == 1:
        (animal,) = draw.names(1, among=ANIMALS)
        others = draw.names(1 + int(draw.rng.integers(2)), but=ANIMALS)
        return swapped(draw, draw.scene_of((*others, animal)), draw.one_of(("animal", "the animal")))
    (name,) = draw.names(1)
    others = draw.names(int(draw.rng.integers(2)), but=(name,))
    *stay, one, other = draw.scene_of((*others, name, name))
    (target,) = draw.names(1, but=(name, *others))
    words = world.with_article(target) if draw.rng.random() < 0.5 else f"{target}s"
    new = [Thing(target, one.place), Thing(target, other.place)]
    return Ask(
        stay=stay, old=[one, other], new=new, source=f"{name}s", prompt=words, painter=world.with_article(target)
    )


def synonym(draw: Draw) -> Ask:
    """One object alone, since the word says nothing to the pocket models: with two, nothing could tell which is meant."""
    things = draw.scene_of(draw.names(1))
    return swapped(draw, things, draw.one_of(SYNONYMS[things[0].name]))


def background(draw: Draw) -> Ask:
    """Another background behind all that there is."""
    stay = draw.scene_of(draw.names(1 + int(draw.rng.integers(3))))
    old, new = draw.ground
    return Ask(
        stay=stay,
        old=[],
        new=[],
        source=draw.one_of(("background", "the background", old, f"the {old}")),
        prompt=draw.one_of((new, f"the {new}", *world.PLACES[new])),
        painter=f"the {new}",
    )


KINDS: dict[str, Callable[[Draw], Ask]] = {
    "replace": replace,
    "enlarge": enlarge,
    "add": add,
    "add_beside": add_beside,
    "keep_and_add": keep_and_add,
    "attribute": attribute,
    "two": two,
    "vague": vague,
    "synonym": synonym,
    "background": background,
}


def draw_case(seed: int, kind: str, number: int, side: int) -> Case:
    """Case `number` of a kind, in a picture of `side` x `side` pixels; the same arguments give the same case."""
    rng = np.random.default_rng((seed, list(KINDS).index(kind), number, side))
    old, new = (str(g) for g in rng.choice(world.BACKGROUNDS, 2, replace=False))
    ground = (old, new) if kind == "background" else (old, old)
    ask = KINDS[kind](Draw(rng, side, ground))
    while True:
        case = Case(
            kind=kind,
            number=number,
            side=side,
            stay=tuple(ask.stay),
            old=tuple(ask.old),
            new=tuple(ask.new),
            ground=ground,
            source=ask.source,
            prompt=ask.prompt,
            where=ask.where,
            painter=ask.painter,
            drawing=int(rng.integers(2**31)),
            noise=int(rng.integers(2**31)),
        )
        if kind != "attribute":
            return case
        # Of an odd hue: what is painted has the usual one as often as not, and is then of another colour.
        now, _ = hue(np.asarray(case.scene.image), case.old_objects[0].mask)
        if apart(now, usual_hue(ask.old[0].name)) >= ODD_HUE:
            return case
