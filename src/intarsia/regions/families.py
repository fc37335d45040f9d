"""Families of regions: where an edit may be made, by what its words ask for, the likeliest family first."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy import ndimage

from intarsia.imaging.crop import Crop, crop_around
from intarsia.imaging.geometry import Box, Point, Size
from intarsia.imaging.masks import Mask, bounding_box, box_mask, dilate
from intarsia.imaging.protected import on_canvas
from intarsia.records.edit import EditRecord
from intarsia.records.weighted_prompt import with_weights_of
from intarsia.regions.intent import Intent, Side, head, is_plural, unarticled
from intarsia.regions.region import Region
from intarsia.regions.sight import Sight, Thing

MARGIN, WIDE = 0.08, 0.25
"""Let out around what was found, in its longer sides: first, and where that was not enough."""

GROWTH = {"larger": (1.7, 2.2, 1.4), "smaller": (0.55, 0.7), "": (1.0, 1.3)}
"""Sides of a thing that is painted larger or smaller, in its own."""

ROOM = 1.15
"""Side of the place for something new, in sides of the things around."""

USUAL = 0.4
"""Its side where there is nothing around, in short sides of the photo."""

FREE = 0.4
"""A place is free where it shows things less than this."""

GROUND = 0.45
"""Share of the picture that shows what the words name, where they name what things stand on."""

PLACES = 3
"""Free places that are tried."""

GAP = 0.04
"""Left free between two things that stand beside each other, in their sides."""

MOST_GUESSED = 0.7
"""Share of the photo that is painted over at a guess, at most."""

GUESSES = 4
"""Things that are tried where the words do not tell which is meant."""


@dataclass(frozen=True, kw_only=True)
class Family:
    """Regions of one kind, the likeliest first.

    Attributes:
        name: what they have in common, in plain words.
    """

    name: str
    regions: tuple[Region, ...]


@dataclass(frozen=True, kw_only=True)
class Job:
    """A part of an edit that is made in a region of its own; most edits have one.

    Attributes:
        intent: of this part.
        things: what the source words mean there.
        asked: the phrases by which they, or the ground that the words name, were found.
    """

    intent: Intent
    things: tuple[Thing, ...]
    asked: tuple[str, ...] = ()


def jobs_of(intent: Intent, sight: Sight) -> list[Job]:
    """The parts of an edit: one for each of several things that become others, else one."""
    if intent.change in ("replace", "vary") and len(intent.sources) == 1 and is_ground(intent.sources[0], sight):
        ground = dataclasses.replace(intent, change="background", several=False)
        return [Job(intent=ground, things=(), asked=intent.sources)]
    known = [phrases for s in intent.sources if (phrases := sight.known(s, head(s)))]
    found = [sight.find(phrases) for phrases in known]
    asked = tuple(p for phrases, things in zip(known, found, strict=True) for p in phrases if things)
    if intent.change != "replace":
        return [Job(intent=intent, things=tuple(things[0] for things in found if things), asked=asked)]
    if len(intent.sources) == 1 and intent.several and found and len(found[0]) > 1:
        one = _one_of(intent, intent.sources[0], intent.targets)
        return [Job(intent=one, things=(t,), asked=asked) for t in found[0]]
    chosen = _distinct(found)
    if len(chosen) > 1 and len(intent.targets) == len(intent.sources) == len(chosen):
        return [
            Job(intent=_one_of(intent, source, (target,)), things=(thing,), asked=asked)
            for source, target, thing in zip(intent.sources, intent.targets, chosen, strict=True)
        ]
    return [Job(intent=intent, things=tuple(chosen), asked=asked)]


def is_ground(phrase: str, sight: Sight) -> bool:
    """Whether words name what most of the picture shows, as "the grass" may, and no thing on it."""
    return bool((sight.relevance((phrase,)) >= FREE).mean() >= GROUND)


def _one_of(intent: Intent, source: str, targets: tuple[str, ...]) -> Intent:
    """A part of an intent, for one thing: "houses" become "a house" at each place."""
    targets = tuple(f"a {head(t)}" if is_plural(t) else t for t in targets)
    painted = intent.painted if targets == intent.targets else targets[0] if len(targets) == 1 else intent.painted
    return dataclasses.replace(intent, sources=(source,), targets=targets, painted=painted, several=False)


def _distinct(found: Sequence[Sequence[Thing]]) -> list[Thing]:
    """The surest thing for each of several words, none for two of them."""
    chosen: list[Thing] = []
    for things in found:
        free = [t for t in things if all(t.box.iou(o.box) < 0.5 for o in chosen)]
        chosen += free[:1]
    return chosen


class Proposer:
    """Proposes regions for a part of an edit.

    Args:
        sight: of the photo.
        record: the seed of the noise, the context of windows, and the template of words.
        protected: (H, W) what stays as it is: no free place lies there.
    """

    def __init__(self, sight: Sight, record: EditRecord, protected: Mask | None = None) -> None:
        self.sight, self.record, self.protected = sight, record, protected
        self.size = sight.photo.size
        self.cell = sight.backbones.inpainter.cell

    def families(self, job: Job, advised: Box | None = None) -> list[Family]:
        """All families worth trying for a part of an edit, the likeliest first.

        Args:
            advised: what a region network proposes, in pixels of the photo: it comes before all others.
        """
        own = [] if advised is None else [self.region([advised], job.intent, ())]
        return [*families(("what the region network proposes", own)), *self.asked_for(job)]

    def asked_for(self, job: Job) -> list[Family]:
        """The families that the words ask for."""
        intent, things = job.intent, job.things
        if intent.change == "whole":
            return families(("the whole picture", [self.everything(intent)]))
        if intent.change == "background":
            return self.backgrounds(intent, things)
        if intent.change == "add":
            return self.additions(intent, things)
        if not things:
            return self.guesses(intent)
        if intent.change == "resize":
            return self.resized(intent, things[0])
        others = self.others(things)
        close = [self.around(things, intent, MARGIN, others)]
        wide = [self.around(things, intent, WIDE, others), self.around(things, intent, MARGIN, (), shape=True)]
        return families(("what the words name", close), other_noise(close), ("more around it", wide))

    def resized(self, intent: Intent, thing: Thing) -> list[Family]:
        """The thing and the place of its larger, smaller or moved likeness."""
        others = self.others([thing])
        regions = []
        for factor in GROWTH[intent.size]:
            side = factor * max(thing.box.width, thing.box.height) * (1 + MARGIN)
            place = self.inside(self.placed(thing.box.center, intent), side)
            regions.append(
                self.region([thing.box.expanded(MARGIN * thing.box.width), place], intent, others, own=[thing])
            )
        return families(
            ("the thing and its new place", regions[:1]),
            other_noise(regions[:1]),
            ("other sizes", regions[1:]),
            ("the whole picture", [self.everything(intent)]),
        )

    def additions(self, intent: Intent, things: Sequence[Thing]) -> list[Family]:
        """Free places: beside what the words name, else the largest."""
        around = self.sight.things()
        hosts = list(things)
        if intent.beside is not None and not hosts:
            words = self.sight.known(intent.beside[1], head(intent.beside[1]))
            hosts = self.sight.find(words)[:1]
        beside = self.beside(hosts[0], intent, around) if intent.beside is not None and hosts else []
        sides = [max(t.box.width, t.box.height) for t in (hosts or around)]
        free = self.free_places(intent, ROOM * float(np.median(sides)) if sides else USUAL * self.size.short, around)
        return families(
            ("beside what the words name", beside[:1]),
            other_noise(beside[:1]),
            ("other places beside it", beside[1:]),
            ("the largest free place", free[:1]),
            ("other free places", free[1:]),
            other_noise(free[:1]),
        )

    def beside(self, host: Thing, intent: Intent, around: Sequence[Thing]) -> list[Region]:
        """Places on the asked sides of a thing, those first that cover least of others."""
        assert intent.beside is not None
        box, side = host.box, max(host.box.width, host.box.height)
        asked: Side = intent.beside[0]
        steps = {"left": (-1, 0), "right": (1, 0), "above": (0, -1), "below": (0, 1)}
        sides = ("left", "right", "below", "above") if asked == "beside" else (asked,)
        found = []
        for number, name in enumerate(sides):
            dx, dy = steps[name]
            for factor in (1.0, 0.8):
                width = side * factor * (1 + MARGIN)
                x = box.center.x + dx * (box.width / 2 + width / 2 + GAP * side)
                y = (box.y1 - width / 2 if dx else box.center.y) + dy * (box.height / 2 + width / 2 + GAP * side)
                place = Box.around(Point(x, y), width, width)
                outside = 1 - place.clipped(self.size).area / place.area
                hidden = sum(place.intersection(o.box) for o in around if o.box.iou(box) < 0.5) / place.area
                loss = 3 * outside + 2 * hidden + 0.3 * (factor < 1) + 0.4 * (number > 1)
                found.append((loss, place))
        found.sort(key=lambda pair: pair[0])
        return [
            self.region([p.clipped(self.size)], intent, [host, *around])
            for loss, p in found[: 1 + PLACES]
            if p.clipped(self.size).area > 0.4 * p.area
        ]

    def free_places(self, intent: Intent, side: float, around: Sequence[Thing]) -> list[Region]:
        """The largest free squares, none larger than asked; those first that lie where the words say."""
        covered = self.sight.covered() >= FREE
        if self.protected is not None:
            covered |= on_canvas(self.protected, None, Size(covered.shape[1], covered.shape[0]))
        scale = self.size.width / covered.shape[1]
        free = np.pad(~covered, 1)
        found: list[Region] = []
        for _ in range(PLACES):
            depth = ndimage.distance_transform_cdt(free, metric="chessboard")[1:-1, 1:-1] * scale
            merit = np.minimum(2 * depth, side) / side
            merit = (
                merit + 0.05 * np.minimum(depth / self.size.short, 1) + 0.5 * self.nearness(intent, merit.shape, scale)
            )
            row, column = np.unravel_index(int(np.argmax(np.where(depth > 0, merit, -1))), merit.shape)
            reach = float(depth[row, column])
            if reach <= 0:
                break
            place = self.inside(Point((column + 0.5) * scale, (row + 0.5) * scale), min(2 * reach, side) * 1.05)
            found.append(self.region([place], intent, around))
            half = max(min(reach, side / 2), scale)
            rows = slice(max(int(row + 1 - half / scale), 0), int(row + 2 + half / scale))
            columns = slice(max(int(column + 1 - half / scale), 0), int(column + 2 + half / scale))
            free[rows, columns] = False
        return found

    def nearness(self, intent: Intent, shape: tuple[int, ...], scale: float) -> np.ndarray:
        """(rows, columns) in [0, 1], how near a place is to where the words want it; 0 where they say nothing."""
        if not intent.place:
            return np.zeros(shape)
        goal = self.placed(Point(self.size.width / 2, self.size.height / 2), intent)
        rows, columns = np.mgrid[: shape[0], : shape[1]]
        far = np.hypot((columns + 0.5) * scale - goal.x, (rows + 0.5) * scale - goal.y) / self.size.short
        near: np.ndarray = np.clip(1 - far, 0, 1)
        return near

    def backgrounds(self, intent: Intent, things: Sequence[Thing]) -> list[Family]:
        """The ground behind all things, painted without them or around them."""
        canvas, around = self.sight.whole, tuple(self.sight.things())
        behind = [dataclasses.replace(self.everything(intent), spares=around)] if around else []
        free = ~np.any([t.on(canvas) for t in around], axis=0) if around else np.ones(canvas_shape(canvas), bool)
        beside = [dataclasses.replace(self.masked(canvas, free, intent), spares=around)] if free.any() else []
        return families(
            ("the ground behind all things", behind or beside),
            other_noise(behind),
            ("all that shows no thing", beside if behind else ()),
            ("the whole picture", [self.everything(intent)]),
        )

    def guesses(self, intent: Intent) -> list[Family]:
        """Things of any kind, where the words name none that is seen."""
        size = self.size
        things = [t for t in self.sight.things() if t.box.area < MOST_GUESSED * size.area]
        each = [self.around([t], intent, MARGIN, self.others([t])) for t in things[:GUESSES]]
        share = sum(t.box.area for t in things) / size.area
        together = [self.around(things, intent, MARGIN, ())] if len(things) > 1 and share < MOST_GUESSED else []
        middle = self.inside(Point(size.width / 2, size.height / 2), 0.6 * size.short)
        return families(
            ("things that stand out", each),
            ("all of them", together),
            ("the middle", [self.region([middle], intent, ())]),
        )

    def everything(self, intent: Intent) -> Region:
        size = self.size
        return self.region([Box(0, 0, size.width, size.height)], intent, ())

    def around(
        self, things: Sequence[Thing], intent: Intent, margin: float, others: Sequence[Thing], *, shape: bool = False
    ) -> Region:
        """The boxes of things, let out, or their shapes, without what belongs to others."""
        boxes = [t.box.expanded(margin * max(t.box.width, t.box.height)).clipped(self.size) for t in things]
        if not shape:
            return self.region(boxes, intent, others, own=things)
        canvas = self.crop(boxes)
        mask = np.any([t.on(canvas) for t in things], axis=0)
        mask = dilate(mask, max(2, round(margin * max(canvas.to_canvas(b).width for b in boxes))))
        return self.masked(canvas, mask, intent)

    def region(
        self, boxes: Sequence[Box], intent: Intent, others: Sequence[Thing], *, own: Sequence[Thing] = ()
    ) -> Region:
        """Boxes in pixels of the photo, as a region of their crop, without what others cover beside what is its own."""
        canvas = self.crop(boxes)
        inside = [canvas.to_canvas(b).clipped(canvas.size) for b in boxes]
        mine: Mask = np.any([t.on(canvas) for t in own], axis=0) if own else np.zeros(canvas_shape(canvas), bool)
        hidden = [o.on(canvas) & ~mine for o in others]
        if len(inside) == 1 and not any((h & box_mask(inside[0], canvas.size)).any() for h in hidden):
            near = box_mask(inside[0].expanded(2 * self.cell), canvas.size)
            soft = self.cell if not any((h & near).any() for h in hidden) else 0
            return Region(
                box=inside[0],
                seed=self.record.seed,
                crop=canvas,
                words=self.record.told(with_weights_of(self.record.prompt, intent.painted)),
                exact=boxes[0],
                soft=soft,
            )
        mask: Mask = np.any([box_mask(b, canvas.size) for b in inside], axis=0)
        left = mask & ~(np.any([dilate(h, 1) for h in hidden], axis=0) & ~mine) if hidden else mask
        return self.masked(canvas, left if left.sum() > 0.3 * mask.sum() else mask, intent)

    def masked(self, canvas: Crop, mask: Mask, intent: Intent) -> Region:
        return Region(
            box=bounding_box(mask),
            seed=self.record.seed,
            crop=canvas,
            words=self.record.told(with_weights_of(self.record.prompt, intent.painted)),
            mask=torch.from_numpy(mask),
        )

    def crop(self, boxes: Sequence[Box]) -> Crop:
        """The window around boxes in pixels of the photo."""
        return crop_around(Box.hull(boxes), self.size, self.sight.side, self.sight.stride, context=self.record.context)

    def others(self, things: Sequence[Thing]) -> list[Thing]:
        """Things of any kind that are none of these."""
        return [o for o in self.sight.things() if all(o.box.iou(t.box) < 0.3 for t in things)]

    def placed(self, center: Point, intent: Intent) -> Point:
        """Where the words want a thing whose centre this is."""
        width, height = self.size.width, self.size.height
        goals = {
            "center": Point(width / 2, height / 2),
            "left": Point(width / 4, center.y),
            "right": Point(3 * width / 4, center.y),
            "top": Point(center.x, height / 4),
            "bottom": Point(center.x, 3 * height / 4),
            "": center,
        }
        return goals[intent.place]

    def inside(self, center: Point, side: float) -> Box:
        """A square moved into the photo, cut off where it is larger."""
        width, height = self.size.width, self.size.height
        x = min(max(center.x, side / 2), max(width - side / 2, side / 2))
        y = min(max(center.y, side / 2), max(height - side / 2, side / 2))
        return Box.around(Point(x, y), side, side).clipped(self.size)


def families(*named_regions: tuple[str, Sequence[Region]]) -> list[Family]:
    """Families of these names, without those that have no region."""
    return [Family(name=name, regions=tuple(regions)) for name, regions in named_regions if regions]


def other_noise(regions: Sequence[Region]) -> tuple[str, list[Region]]:
    """Regions once more, with the next seed."""
    return "the same with other noise", [dataclasses.replace(r, seed=r.seed + 1) for r in regions]


def canvas_shape(crop: Crop) -> tuple[int, int]:
    return crop.size.height, crop.size.width


def named(phrases: Sequence[str]) -> tuple[str, ...]:
    """What to look for in an edited picture: the nouns alone, since few segmenters mind adjectives."""
    return tuple(unarticled(p) for p in phrases)
