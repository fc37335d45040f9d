"""Cases of the benchmark of edit by layout: scenes of the pocket world, their target layouts, and the true pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from intarsia.imaging.affine import IDENTITY, Matrix, warp_mask
from intarsia.imaging.read import photo_from_image
from intarsia.layout.layout import Layout, Placement
from intarsia.layout.scene import Scene, SceneObject
from training import world

SIDE = 64
EDITS = 3
SCALES = (0.8, 1.25)
LEAST_MOVE = 4  # pixels, of at least one object of every layout
BORDER = 5  # pixels around an object that its shadow may reach
PRIOR = 24  # pictures a class, in the place of those that the published method retrieves


@dataclass(frozen=True)
class Square:
    """Where the world draws an object: the left upper corner and the side, in whole pixels."""

    x: int
    y: int
    side: int

    @property
    def place(self) -> tuple[float, float, float]:
        """As `world.render` wants it."""
        return (self.x + self.side / 2) / SIDE, (self.y + self.side / 2) / SIDE, self.side / SIDE

    def apart_from(self, other: Square) -> bool:
        """The world's own rule of two objects that do not overlap."""
        gaps = (2 * (a - b) + self.side - other.side for a, b in ((self.x, other.x), (self.y, other.y)))
        return max(abs(gap) for gap in gaps) > 0.92 * (self.side + other.side)

    def to(self, other: Square) -> Matrix:
        scale = other.side / self.side
        return scale, 0.0, other.x - scale * self.x, 0.0, scale, other.y - scale * self.y


@dataclass(frozen=True, kw_only=True)
class Target:
    """One asked layout, and the true picture of it; `given` is how it was given, where that is not just what was meant."""

    layout: Layout
    truth: np.ndarray
    given: Layout | None = None


@dataclass(frozen=True, kw_only=True)
class Case:
    """One scene and the layouts that are asked of it, one after another; `background` is a word for what it shows.

    `given` is the scene with the masks that the methods get, where those are not the true ones.
    """

    scene: Scene
    background: str
    targets: tuple[Target, ...]
    seed: int
    given: Scene | None = None


def draw_case(seed: int, number: int) -> Case:
    """Case `number` of a seed: 2-3 objects of distinct names; three layouts inside the frame, without overlaps."""
    rng = np.random.default_rng((seed, number))
    kind = str(rng.choice(world.BACKGROUNDS))
    count = int(rng.integers(2, 4))
    names = tuple(str(n) for n in rng.choice(world.NAMES, count, replace=False))
    squares = []
    for x, y, part in world.places_for(rng, count):
        side = round(part * SIDE)
        squares.append(Square(round(x * SIDE - side / 2), round(y * SIDE - side / 2), side))
    paint = int(rng.integers(2**31))

    def render(names: Sequence[str], places: Sequence[Square]) -> world.Scene:
        # The same paint for every layout: backgrounds and looks are drawn from it before and apart from places.
        return world.render(
            np.random.default_rng(paint), names=tuple(names), kind=kind, places=[p.place for p in places]
        )

    drawn = render(names, squares)
    scene = Scene(
        photo=photo_from_image(drawn.image),
        objects=tuple(SceneObject(name=o.name, words=o.name, mask=o.mask) for o in drawn.objects),
    )
    targets: list[Target] = []
    while len(targets) < EDITS:
        # Only the last object's look is drawn after all others, so that the truth without it is known.
        stay = count - 1 if rng.random() < 0.25 else count
        places = draw_places(rng, squares[:stay])
        placements = tuple(place(scene, i, squares[i].to(new)) for i, new in enumerate(places))
        if whole(scene, placements):
            targets.append(
                Target(
                    layout=Layout(placements=placements, removed=names[stay:]),
                    truth=np.asarray(render(names[:stay], places).image),
                )
            )
    return Case(scene=scene, background=kind, targets=tuple(targets), seed=int(rng.integers(2**31)))


def render_ground(seed: int, number: int) -> np.ndarray:
    """(H, W, 3) what lies behind the objects of case `number`."""
    rng = np.random.default_rng((seed, number))
    kind = str(rng.choice(world.BACKGROUNDS))
    count = int(rng.integers(2, 4))
    rng.choice(world.NAMES, count, replace=False)
    world.places_for(rng, count)
    paint = int(rng.integers(2**31))
    return np.asarray(world.render(np.random.default_rng(paint), names=(), kind=kind, places=[]).image)


def draw_places(rng: np.random.Generator, squares: Sequence[Square]) -> list[Square]:
    """New places of objects: some stay, some move a little, some anywhere; half of the movers change their size."""
    while True:
        places = []
        for old in squares:
            if rng.random() < 0.3:
                places.append(old)
                continue
            scale = rng.uniform(*SCALES) if rng.random() < 0.5 else 1.0
            side = int(np.clip(round(scale * old.side), np.ceil(SCALES[0] * old.side), np.floor(SCALES[1] * old.side)))
            room = SIDE - side
            if rng.random() < 0.5:
                x, y = (int(v) for v in rng.integers(0, room + 1, 2))
            else:
                shift = rng.normal(0, 8, 2) + (old.side - side) / 2
                x, y = round(old.x + shift[0]), round(old.y + shift[1])
            places.append(Square(x, y, side))
        inside = all(-1 <= v <= SIDE - p.side + 1 for p in places for v in (p.x, p.y))
        free = all(a.apart_from(b) for i, a in enumerate(places) for b in places[:i])
        far = max(max(abs(a.x - b.x), abs(a.y - b.y)) for a, b in zip(places, squares, strict=True))
        if inside and free and far >= LEAST_MOVE:
            return places


def place(scene: Scene, index: int, matrix: Matrix) -> Placement:
    thing = scene.objects[index]
    if matrix == IDENTITY:
        return Placement(name=thing.name, matrix=IDENTITY, mask=thing.mask)
    return Placement(name=thing.name, matrix=matrix, mask=warp_mask(thing.mask, matrix, scene.photo.size))


def whole(scene: Scene, placements: Sequence[Placement]) -> bool:
    """Whether all objects are inside the frame and clear of each other."""
    cover = np.sum([p.mask for p in placements], axis=0)
    for placement in placements:
        area = next(t.mask.sum() for t in scene.objects if t.name == placement.name)
        if placement.mask.sum() < 0.97 * area * placement.matrix[0] ** 2:
            return False
    return bool(cover.max() <= 1)
