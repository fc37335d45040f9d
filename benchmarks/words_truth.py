"""Whether an edit by words did what its kind asks, and left the rest alone: the truths of the benchmark's ten kinds.

The judge is an independent segmenter that was trained on pictures of 64 pixels. It looks at crops of the edited picture
in which an object has about the size that it has there, so that it sees a small object of a large picture as well.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from scipy import ndimage

from benchmarks.words_cases import Case, Mask, apart, hue
from intarsia.evaluate.judge import BOX_SHARE, FRAME_SHARE, SIDE, Judge
from intarsia.imaging.geometry import Box
from intarsia.imaging.masks import dilate
from training import world

Pixels = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]

CONTEXT = 2.0  # side of the crop that the judge looks at, in longer sides of the object
LEFT = 0.10  # of an object that is gone, at most this share still looks like it
KEPT = 0.50  # of an object that is kept, at least this share does where it did before
WINDOWS = (1.0, 0.5, 0.25)  # sides of the windows of a search, as fractions of the picture; each half over the next
CHANGED = 8  # levels by which a pixel has to differ to count as changed
NEW = 0.4  # of a new object's box, at least this share has changed
FAIR = 0.5  # an added object's longer side, at least, in mean longer sides of the objects of the scene
LARGER = 1.6  # of an enlarged object's area, in areas of the old one
CENTRAL = (0.3, 0.7)  # where the middle of an object in the centre may lie, as fractions of the picture
NEAR = 1.5  # between the middles of neighbours, at most, in their mean longer sides
ASIDE = 0.35  # on the asked side, at least, in the same unit
RECOLOURED = 0.35  # radians of hue
SHADOW = 5 / 64  # of the side of the picture, around objects, that does not count as background


@dataclass(frozen=True, kw_only=True)
class Found:
    """An object that the judge sees in a picture.

    Attributes:
        box: in pixels of the picture.
        mask: (H, W) bool; as fine as the judge saw it.
        middle: (x, y), the centre of its mass, in pixels.
    """

    box: Box
    mask: Mask
    middle: tuple[float, float]

    @property
    def longer(self) -> float:
        return max(self.box.width, self.box.height)


class View:
    """A square picture, through the judge's eyes."""

    def __init__(self, pixels: Pixels, judge: Judge) -> None:
        self.pixels = pixels
        self.image = Image.fromarray(pixels)
        self.side = self.image.width
        self.judge = judge
        self.looks: dict[Box, Labels] = {}

    def labels(self, windows: Sequence[tuple[int, int, int]]) -> Labels:
        """What the judge sees in square windows (x, y, side): (N, 64, 64), 0 for background, else 1 + index of a name."""
        crops = [
            np.asarray(self.image.crop((x, y, x + s, y + s)).resize((SIDE, SIDE), Image.Resampling.LANCZOS))
            for x, y, s in windows
        ]
        batch = torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).float() / 127.5 - 1
        seen: Labels = self.judge.segment(batch).numpy()
        return seen

    def window(self, box: Box) -> tuple[int, int, int]:
        """The window around a box, moved into the picture."""
        side = min(self.side, max(round(CONTEXT * max(box.width, box.height)), SIDE // 2))
        x, y = (
            min(max(round(middle - side / 2), 0), self.side - side)
            for middle in ((box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2)
        )
        return x, y, side

    def around(self, box: Box) -> Labels:
        """(side, side) labels of the window around a box, at the picture's own size; -1 outside the window."""
        if box not in self.looks:
            x, y, side = self.window(box)
            labels = Image.fromarray(self.labels([(x, y, side)])[0].astype(np.uint8))
            whole = np.full((self.side, self.side), -1, np.int64)
            whole[y : y + side, x : x + side] = np.asarray(labels.resize((side, side), Image.Resampling.NEAREST))
            self.looks[box] = whole
        return self.looks[box]

    def label(self, name: str) -> int:
        return 1 + self.judge.names.index(name)

    def shows(self, name: str, box: Box) -> bool:
        """Whether it covers a tenth of the box at least, and more of it than any other object."""
        inside = self.around(box)[box.rounded().slices()]
        areas = np.bincount(inside[inside > 0], minlength=1 + len(self.judge.names))
        return bool(areas[self.label(name)] >= BOX_SHARE * inside.size and areas.argmax() == self.label(name))

    def mask(self, name: str, box: Box) -> Mask:
        """(side, side): where it is seen around a box."""
        seen: Mask = self.around(box) == self.label(name)
        return seen

    def find(self, name: str) -> list[Found]:
        """Every object of a name, wherever it is, largest first: seen whole in a window, and once more around itself."""
        windows = []
        for share in WINDOWS:
            side = round(share * self.side)
            if side < SIDE // 2:
                break
            starts = np.linspace(0, self.side - side, 2 * round(1 / share) - 1).round().astype(int).tolist()
            windows += [(x, y, side) for y in starts for x in starts]
        pieces = []
        for window, labels in zip(windows, self.labels(windows), strict=True):
            pieces += self.pieces(labels == self.label(name), window)
        found: list[Found] = []
        for piece in sorted(pieces, key=lambda p: -p.area):
            if any(f.box.contains(piece.center) or piece.contains(f.box.center) for f in found):
                continue
            if self.shows(name, piece):
                found.append(self.seen_at(name, piece))
        return sorted(found, key=lambda f: -int(f.mask.sum()))

    def pieces(self, mask: Mask, window: tuple[int, int, int]) -> list[Box]:
        """Boxes, in pixels of the picture, of the connected parts of a window's mask that lie wholly in the window."""
        x, y, side = window
        boxes = []
        labels, _ = ndimage.label(mask, np.ones((3, 3)))
        for number, part in enumerate(ndimage.find_objects(labels), 1):
            (top, bottom), (left, right) = ((p.start, p.stop) for p in part)
            cut = (
                (left == 0 and x > 0)
                or (top == 0 and y > 0)
                or (right == SIDE and x + side < self.side)
                or (bottom == SIDE and y + side < self.side)
            )
            if not cut and (labels[part] == number).sum() >= FRAME_SHARE * SIDE * SIDE:
                scale = side / SIDE
                boxes.append(Box(x + left * scale, y + top * scale, x + right * scale, y + bottom * scale))
        return boxes

    def seen_at(self, name: str, box: Box) -> Found:
        """The largest connected part of an object around a box where it is shown."""
        labels, _ = ndimage.label(self.mask(name, box), np.ones((3, 3)))
        mask = labels == 1 + int(np.bincount(labels[labels > 0] - 1).argmax())
        rows, columns = np.nonzero(mask)
        return Found(
            box=Box(float(columns.min()), float(rows.min()), float(columns.max() + 1), float(rows.max() + 1)),
            mask=mask,
            middle=(float(columns.mean()) + 0.5, float(rows.mean()) + 0.5),
        )


def box_of(thing: world.SceneObject) -> Box:
    return Box(*map(float, thing.box))


@dataclass(frozen=True, kw_only=True)
class Sight:
    """A case's picture before and after the edit."""

    case: Case
    before: View
    after: View

    @functools.cached_property
    def changed(self) -> Mask:
        change = np.abs(self.before.pixels.astype(np.int16) - self.after.pixels).max(-1)
        mask: Mask = change >= CHANGED
        return mask

    @functools.cached_property
    def scale(self) -> float:
        """Mean longer side of the objects of the scene, in pixels."""
        boxes = [box_of(thing) for thing in self.case.scene.objects]
        return float(np.mean([max(box.width, box.height) for box in boxes]))

    def gone(self, thing: world.SceneObject) -> bool:
        """Of its pixels, at most a tenth still look like it."""
        now = self.after.mask(thing.name, box_of(thing))
        return bool((now & thing.mask).sum() <= LEFT * thing.mask.sum())

    def kept(self, thing: world.SceneObject) -> bool:
        """It looks like itself on at least half of the pixels where it did before."""
        was, now = (view.mask(thing.name, box_of(thing)) & thing.mask for view in (self.before, self.after))
        if not was.any():
            was = thing.mask
        return bool((was & now).sum() >= KEPT * was.sum())

    def added(self, name: str) -> list[Found]:
        """Objects of a name that the edit made, of a fair size beside those of the scene."""
        return [
            found
            for found in self.after.find(name)
            if found.longer >= FAIR * self.scale and self.changed[found.box.rounded().slices()].mean() >= NEW
        ]


def replaced(sight: Sight) -> bool:
    """The new object stands where the old one stood, and that one is gone."""
    (old,), (new,) = sight.case.old_objects, sight.case.new
    return sight.after.shows(new.name, box_of(old)) and sight.gone(old)


def both_replaced(sight: Sight) -> bool:
    """Both new objects stand in the two old places, either way round, and the old ones are gone."""
    one, other = (box_of(thing) for thing in sight.case.old_objects)
    first, second = (thing.name for thing in sight.case.new)
    shows = sight.after.shows
    there = (shows(first, one) and shows(second, other)) or (shows(first, other) and shows(second, one))
    return there and all(map(sight.gone, sight.case.old_objects))


def meant_replaced(sight: Sight) -> bool:
    """All that the words mean is gone, and the new object stands in one of its places at least."""
    old = sight.case.old_objects
    name = sight.case.new[0].name
    return any(sight.after.shows(name, box_of(thing)) for thing in old) and all(map(sight.gone, old))


def enlarged(sight: Sight) -> bool:
    """A larger one is there, in the centre where that was asked; the old one does not stand beside it."""
    (old,) = sight.case.old_objects
    found = sight.after.find(old.name)
    if not found or found[0].mask.sum() < LARGER * old.mask.sum():
        return False
    if sight.case.where == "center":
        low, high = (share * sight.case.side for share in CENTRAL)
        if not all(low <= v <= high for v in found[0].middle):
            return False
    rest = sight.after.mask(old.name, box_of(old)) & old.mask & ~dilate(found[0].mask, 1)
    return bool(rest.sum() <= 2 * LEFT * old.mask.sum())


def added(sight: Sight) -> bool:
    return bool(sight.added(sight.case.new[0].name))


def added_beside(sight: Sight) -> bool:
    """The new object is near its neighbour, and on its left or right where that was asked."""
    host = box_of(sight.case.kept_objects[-1])
    for found in sight.added(sight.case.new[0].name):
        unit = (found.longer + max(host.width, host.height)) / 2
        across, down = found.box.center.x - host.center.x, found.box.center.y - host.center.y
        aside = {"left": -across, "right": across}.get(sight.case.where)
        there = aside is None or aside >= max(ASIDE * unit, 0.7 * abs(down))
        if there and np.hypot(across, down) <= NEAR * unit:
            return True
    return False


def kept_and_added(sight: Sight) -> bool:
    """The new object is there, and so is one of the old name, where it was or elsewhere."""
    (old,) = sight.case.old_objects
    there = sight.kept(old) or bool(sight.after.find(old.name))
    return there and bool(sight.added(sight.case.new[-1].name))


def recoloured(sight: Sight) -> bool:
    """It is still there, of a hue that is clearly another."""
    (old,) = sight.case.old_objects
    box = box_of(old)
    if not sight.after.shows(old.name, box):
        return False
    now = sight.after.mask(old.name, box)
    return apart(hue(sight.before.pixels, old.mask)[0], hue(sight.after.pixels, now)[0]) >= RECOLOURED


@functools.cache
def usual_grounds() -> npt.NDArray[np.float64]:
    """(4, 3) mean colour of each of `world.BACKGROUNDS`."""
    drawn = [
        [world.background(np.random.default_rng(i), kind, (32, 32)).mean((0, 1)) for i in range(16)]
        for kind in world.BACKGROUNDS
    ]
    means: npt.NDArray[np.float64] = np.array(drawn, np.float64).mean(axis=1)
    return means


def background_changed(sight: Sight) -> bool:
    """The mean colour beside the objects is nearer to the new kind's than to any other's."""
    covered = np.any([thing.mask for thing in sight.case.scene.objects], axis=0)
    beside = ~dilate(covered, round(SHADOW * sight.case.side))
    if not beside.any():
        beside = ~covered
    colour = sight.after.pixels[beside].mean(0)
    nearest = int(np.linalg.norm(usual_grounds() - colour, axis=1).argmin())
    return world.BACKGROUNDS[nearest] == sight.case.ground[1]


TRUTHS: dict[str, Callable[[Sight], bool]] = {
    "replace": replaced,
    "enlarge": enlarged,
    "add": added,
    "add_beside": added_beside,
    "keep_and_add": kept_and_added,
    "attribute": recoloured,
    "two": both_replaced,
    "vague": meant_replaced,
    "synonym": replaced,
    "background": background_changed,
}


def judged(case: Case, after: Pixels, judge: Judge) -> tuple[bool, bool]:
    """Whether the edit did what was asked, and whether all the rest is still there."""
    sight = Sight(case=case, before=View(np.asarray(case.scene.image), judge), after=View(after, judge))
    return TRUTHS[case.kind](sight), all(map(sight.kept, case.kept_objects))
