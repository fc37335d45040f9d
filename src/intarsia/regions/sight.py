"""What is where in a photo: looked at as a whole, then in overlapping tiles, then close up around what was found.

A segmenter reads small images. What is small in a large photo shows in the tiles alone, and its outline in a close-up.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from PIL import Image
from scipy import ndimage
from torch import Tensor

from intarsia.backbones.protocols import Backbones, KnowsNouns, Segmenter
from intarsia.imaging.crop import Crop, crop_around, whole_crop
from intarsia.imaging.geometry import Box, Size, to_stride
from intarsia.imaging.masks import Mask
from intarsia.imaging.photo import Bytes, Photo
from intarsia.imaging.tensors import levels_to_tensor

Levels = npt.NDArray[np.float32]

TILED = 1.5
"""A photo is looked at in tiles where its short side is so many times the models'."""

FINEST = 3.0
"""Tiles of a quarter of its short side are looked at where it is so many times the models', and nothing was found."""

SEEN, LIKELY = 0.4, 0.5
"""Relevance at which a place is looked at closely, and at which a pixel belongs to what is found there."""

REDUCED = 8
"""Tiles are cut from the photo reduced to a short side of about so many times the models'."""

CLOSE = 1.7
"""Sides of a close-up, in longer sides of what it shows."""

SURE = 0.6
"""Mean relevance of what is found at least."""

HELD, SPECK = 0.6, 0.1
"""A thing is a part of another if so much of its box lies in the other's, and noise if it has less of the largest's area."""

MOST = 6
"""Places that are looked at closely."""

LOOKS, WIDER = 4, 0.35
"""Looks at one place at most, and how far the next goes beyond a thing that a look cuts off, in its longer sides."""

THINGS = ("an object", "a thing", "a person", "an animal", "a vehicle", "a building", "furniture", "food", "a plant")
"""What is asked for to find things of any kind, of a segmenter that reads any words."""

KINDS = {
    "animal": ("cat", "dog", "rabbit", "bird", "cow", "horse", "sheep"),
    "pet": ("cat", "dog", "rabbit", "bird"),
    "vehicle": ("car", "bus", "truck", "bicycle"),
    "building": ("house", "church", "tower"),
    "toy": ("ball", "car"),
    "food": ("cake", "bread", "fruit"),
}
"""Nouns of some kinds of things, for a segmenter that knows them and not the kind."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Thing:
    """What was found at one place.

    Attributes:
        crop: the close-up.
        mask: (h, w) of its canvas, what belongs to the thing.
        seen: (h, w) relevance, in [0, 1], of what was asked for.
        box: its bounds in pixels of the photo.
        sureness: mean relevance of the mask, in [0, 1].
        phrase: of what was asked for, what it shows best.
    """

    crop: Crop
    mask: Mask
    seen: Levels
    box: Box
    sureness: float
    phrase: str = ""

    def weight(self) -> float:
        """How much it counts among others: a sure thing more, and a large one."""
        return self.sureness**2 * math.sqrt(math.sqrt(self.box.area))

    def on(self, canvas: Crop) -> Mask:
        """(h, w) the thing on another canvas; a pixel belongs to it if its centre does."""
        height, width = self.mask.shape
        scale = self.crop.scale / canvas.scale
        x0 = (canvas.window.x0 - self.crop.window.x0) * self.crop.scale
        y0 = (canvas.window.y0 - self.crop.window.y0) * self.crop.scale
        columns = np.floor(x0 + (np.arange(canvas.size.width) + 0.5) * scale).astype(int)
        rows = np.floor(y0 + (np.arange(canvas.size.height) + 0.5) * scale).astype(int)
        inside = ((rows >= 0) & (rows < height))[:, None] & ((columns >= 0) & (columns < width))[None]
        found: Mask = self.mask[np.clip(rows, 0, height - 1)[:, None], np.clip(columns, 0, width - 1)[None]] & inside
        return found


@dataclass(kw_only=True, eq=False)
class Sight:
    """A photo as the segmenter sees it.

    Attributes:
        photo: the photo.
        side: short side of the canvases, in pixels.
        stride: of the models.
        whole: the crop of the whole photo.
    """

    photo: Photo
    backbones: Backbones
    side: int
    stride: int
    whole: Crop = field(init=False)
    maps: dict[str, Levels] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.whole = whole_crop(self.photo.size, self.side, self.stride)
        self._canvases: dict[Crop, Tensor] = {}
        self._reduced: Bytes | None = None
        self._found: dict[tuple[str, ...], list[Thing]] = {}

    @property
    def segmenter(self) -> Segmenter:
        return self.backbones.segmenter

    def canvas(self, crop: Crop) -> Tensor:
        """(1, 3, h, w) in [-1, 1], on the models' device."""
        if crop not in self._canvases:
            self._canvases[crop] = levels_to_tensor(crop.cut(self.photo.pixels)).to(self.backbones.device)
        return self._canvases[crop]

    def known(self, phrase: str, noun: str) -> tuple[str, ...]:
        """What to ask the segmenter for, where a phrase says something of that noun; nothing if it knows no word for it."""
        nouns = self.segmenter.nouns if isinstance(self.segmenter, KnowsNouns) else ()
        if not nouns or noun in nouns:
            return (phrase,)
        return tuple(f"a {n}" for n in KINDS.get(noun, ()) if n in nouns)

    def look(self, phrases: Sequence[str]) -> None:
        """Look for several phrases at once, as a whole and in tiles."""
        fresh = [p for p in dict.fromkeys(phrases) if p not in self.maps]
        if not fresh:
            return
        seen = self._over([self.whole], fresh, self.whole.scale)
        short = self.photo.size.short
        if short >= TILED * self.side:
            closer = self._over(self._tiles(2), fresh, 2 * self.whole.scale)
            larger = F.interpolate(torch.from_numpy(seen)[None], closer.shape[-2:], mode="bilinear")[0].numpy()
            seen = np.maximum(larger, closer)
        self.maps.update(zip(fresh, seen, strict=True))

    def relevance(self, phrases: Sequence[str]) -> Levels:
        """(rows, columns) over the whole photo, in [0, 1]: how much a place shows any of the phrases."""
        self.look(phrases)
        shape = max((self.maps[p].shape for p in phrases), default=(1, 1))
        maps = [self.maps[p] for p in phrases]
        same = [m if m.shape == shape else _resized(m, shape) for m in maps]
        return np.max(same, axis=0) if same else np.zeros(shape, np.float32)

    def find(self, phrases: Sequence[str]) -> list[Thing]:
        """The things that any of the phrases mean, the largest and surest first; none twice."""
        if not phrases:
            return []
        key = tuple(phrases)
        if key not in self._found:
            found = self._closely(self.relevance(phrases), phrases)
            if not found and self.photo.size.short >= FINEST * self.side and key != self._any():
                finest = self._over(self._tiles(4), phrases, 4 * self.whole.scale).max(0)
                found = self._closely(finest, phrases)
            self._found[key] = found
        return self._found[key]

    def things(self) -> list[Thing]:
        """Things of any kind that stand out."""
        return self.find(self._any())

    def _closely(self, relevance: Levels, phrases: Sequence[str]) -> list[Thing]:
        found = [thing for box in self._places(relevance) for thing in self._close_up(box, phrases)]
        left = self._without(relevance, found)  # of things that touch, a close-up is about one
        found += [thing for box in self._places(left) for thing in self._close_up(box, phrases)] if found else []
        # A part of a thing is often taken for another thing.
        found.sort(key=Thing.weight, reverse=True)
        things: list[Thing] = []
        for thing in found:
            inside = [thing.box.intersection(o.box) / thing.box.area for o in things]
            if max(inside, default=0) < HELD and thing.box.area >= SPECK * found[0].box.area:
                things.append(thing)
        return things

    def _without(self, relevance: Levels, things: Sequence[Thing]) -> Levels:
        """A map of relevance of the whole photo, 0 where it shows things that are found."""
        left = relevance.copy()
        scale = relevance.shape[1] / self.photo.size.width
        for thing in things:
            edges = (v * scale for v in thing.box.expanded(0.5 / scale).as_tuple())
            left[Box(*edges).rounded().clipped(Size(relevance.shape[1], relevance.shape[0])).slices()] = 0
        return left

    def covered(self) -> Levels:
        """(rows, columns) over the whole photo: how much a place shows a thing of any kind."""
        return self.relevance(self._any())

    def _any(self) -> tuple[str, ...]:
        nouns = self.segmenter.nouns if isinstance(self.segmenter, KnowsNouns) else ()
        return tuple(f"a {n}" for n in nouns) or THINGS

    def _places(self, relevance: Levels) -> list[Box]:
        """Where to look closely, in pixels of the photo, the most promising first."""
        numbered, _ = ndimage.label(relevance >= SEEN, np.ones((3, 3)))
        scale = self.photo.size.width / relevance.shape[1]
        found = []
        for number, part in enumerate(ndimage.find_objects(numbered), 1):
            weight = float(relevance[part][numbered[part] == number].sum())
            rows, columns = part
            box = Box(columns.start * scale, rows.start * scale, columns.stop * scale, rows.stop * scale)
            found.append((weight, box.clipped(self.photo.size)))
        return [box for _, box in sorted(found, key=lambda pair: -pair[0])[:MOST] if box.area > 0]

    def _close_up(self, box: Box, phrases: Sequence[str]) -> list[Thing]:
        """What is seen in a window around a box: the thing there, and others that lie in the window as a whole."""
        things: list[Thing] = []
        for look in range(LOOKS):  # the first shows where its borders are, the second is centred on it
            crop = crop_around(box, self.photo.size, self.side, self.stride, context=CLOSE)
            with torch.no_grad():
                each = self.segmenter.predict_masks(self.canvas(crop), list(phrases)).float().cpu().numpy()
            things = self._separate(crop, each, phrases)
            if not things:
                return []
            there = max(things, key=lambda thing: thing.box.iou(box))
            box, cut_off = there.box, self._cut_off(there)
            if look and not cut_off:
                break
            if cut_off:
                box = box.expanded(WIDER * max(box.width, box.height)).clipped(self.photo.size)
        return [thing for thing in things if thing is there or not self._cut_off(thing)]

    def _separate(self, crop: Crop, each: Levels, phrases: Sequence[str]) -> list[Thing]:
        """The connected parts of what is relevant on a canvas.

        Args:
            each: (P, h, w) relevance of each phrase.
        """
        seen = each.max(0)
        numbered, count = ndimage.label(seen >= LIKELY)
        weights = ndimage.sum(seen, numbered, range(1, count + 1))
        things = []
        for number, part in enumerate(ndimage.find_objects(numbered), 1):
            if weights[number - 1] < SPECK * weights.max():
                continue
            mask = numbered == number
            rows, columns = part
            bounds = crop.to_photo(Box(columns.start, rows.start, columns.stop, rows.stop)).clipped(self.photo.size)
            phrase = phrases[int(np.argmax(each[:, mask].mean(1)))]
            thing = Thing(crop=crop, mask=mask, seen=seen, box=bounds, sureness=float(seen[mask].mean()), phrase=phrase)
            if thing.sureness >= SURE and bounds.area > 0:
                things.append(thing)
        return things

    def _cut_off(self, thing: Thing) -> bool:
        """Whether a thing goes on where its close-up ends, and the photo does not."""
        window, size = thing.crop.window, self.photo.size
        height, width = thing.mask.shape
        rows, columns = np.flatnonzero(thing.mask.any(1)), np.flatnonzero(thing.mask.any(0))
        return bool(
            (rows[0] == 0 and window.y0 > 0)
            or (columns[0] == 0 and window.x0 > 0)
            or (rows[-1] == height - 1 and window.y1 < size.height)
            or (columns[-1] == width - 1 and window.x1 < size.width)
        )

    def _tiles(self, parts: int) -> list[Crop]:
        """Overlapping squares whose side is a part of the photo's short side."""
        size = self.photo.size
        side = -(-size.short // parts)
        starts = [
            np.unique(np.linspace(0, length - side, 1 + 2 * max(round(length / side) - 1, 0)).round().astype(int))
            for length in (size.width, size.height)
        ]
        canvas = Size(to_stride(self.side, self.stride), to_stride(self.side, self.stride))
        return [
            Crop(Box(x, y, x + side, y + side), canvas) for y in map(float, starts[1]) for x in map(float, starts[0])
        ]

    def _over(self, crops: Sequence[Crop], phrases: Sequence[str], scale: float) -> Levels:
        """(P, rows, columns) relevance of phrases over the photo, from several crops; in a tile, its middle counts most."""
        size = self.photo.size
        rows, columns = max(round(size.height * scale), 1), max(round(size.width * scale), 1)
        total, weight = np.zeros((len(phrases), rows, columns), np.float32), np.full((rows, columns), 1e-6, np.float32)
        for crop in crops:
            with torch.no_grad():
                seen = self.segmenter.predict_masks(self._once(crop), list(phrases)).float().cpu()
            part = crop.window.clipped(size)
            inside = crop.to_canvas(part).rounded().clipped(crop.size).slices()
            top, left = round(part.y0 * rows / size.height), round(part.x0 * columns / size.width)
            bottom, right = round(part.y1 * rows / size.height), round(part.x1 * columns / size.width)
            shape = (max(bottom - top, 1), max(right - left, 1))
            piece = F.interpolate(seen[None, :, *inside], shape, mode="bilinear", align_corners=False)[0].numpy()
            tent = np.ones(shape, np.float32)
            if len(crops) > 1:
                down, across = (1.02 - np.abs(np.linspace(-1, 1, n, dtype=np.float32)) for n in shape)
                tent = np.minimum(down[:, None], across[None])
            place = (slice(top, top + shape[0]), slice(left, left + shape[1]))
            total[(slice(None), *place)] += piece * tent
            weight[place] += tent
        return total / weight

    def _once(self, crop: Crop) -> Tensor:
        """The canvas of a crop that nobody will want again, tiles, or of the whole photo."""
        if crop == self.whole:
            return self.canvas(crop)
        factor = max(1, int(self.photo.size.short / (REDUCED * self.side)))
        if factor == 1:
            return levels_to_tensor(crop.cut(self.photo.pixels)).to(self.backbones.device)
        if self._reduced is None:
            self._reduced = np.asarray(Image.fromarray(self.photo.pixels).reduce(factor))
        small = Box(*(edge / factor for edge in crop.window.as_tuple()))
        return levels_to_tensor(Crop(small, crop.size).cut(self._reduced)).to(self.backbones.device)


def _resized(levels: Levels, shape: tuple[int, ...]) -> Levels:
    return F.interpolate(torch.from_numpy(levels)[None, None], shape, mode="bilinear", align_corners=False)[
        0, 0
    ].numpy()
