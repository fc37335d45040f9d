"""A layout's objects laid on the background, from back to front, in the part of the photo that changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from intarsia.imaging.infill import crop_around, membrane_fill
from intarsia.imaging.known_ground import cut_from_ground
from intarsia.imaging.masks import Blend, Mask, bounds_of, dilate
from intarsia.imaging.matting import SMALL, WHOLE, Layer, adapted, cut, warp
from intarsia.imaging.photo import Bytes, Picture
from intarsia.imaging.slices import NOWHERE, Part, grown, hull, overlap, shape_of, within
from intarsia.layout.layout import Layout
from intarsia.layout.scene import Scene
from intarsia.progress import tick
from intarsia.records.arrange import ArrangeRecord


@dataclass(frozen=True, kw_only=True)
class Change:
    """What a layout changes in an image, all masks (H, W) at the photo's size.

    Attributes:
        changed: the pixels of the objects that move or are removed.
        vacated: the region that they leave, with their soft borders and the shadows that were measured around them.
        objects: all objects, with their soft borders and shadows as far as they are known.
        layers: where they stand, of the objects that change, of those that are copied and of those that stay beside them; in a small image none,
            since there they are cut out by the ground behind them.
    """

    changed: Mask
    vacated: Mask
    objects: Mask
    layers: Mapping[str, Layer]


@dataclass(frozen=True, kw_only=True, eq=False)
class Stack:
    """The background with the objects on it, in one part of a photo.

    Attributes:
        part: rows and columns of the photo.
        picture: (h, w, 3) in levels.
        region: (h, w) what changes in the photo.
        alpha: (h, w) how far moved objects cover a pixel, in [0, 1].
    """

    part: Part
    picture: Picture
    region: Mask
    alpha: Blend

    @classmethod
    def unchanged(cls, pixels: Bytes, part: Part) -> Stack:
        """A part of a photo (H, W, 3) as it is."""
        shape = shape_of(part)
        return cls(
            part=part,
            picture=pixels[part].astype(np.float32),
            region=np.zeros(shape, np.bool_),
            alpha=np.zeros(shape, np.float32),
        )

    def seen_in(self, part: Part, pixels: Bytes) -> Stack:
        """A copy in another part of the photo (H, W, 3), which is as it was beyond this one."""
        seen = Stack.unchanged(pixels, part)
        seen.put(self)
        return seen

    def put(self, other: Stack) -> None:
        """Take over what another stack has in this one's part."""
        shared = overlap(self.part, other.part)
        here, there = within(shared, self.part), within(shared, other.part)
        for own, given in ((self.picture, other.picture), (self.region, other.region), (self.alpha, other.alpha)):
            own[here] = given[there]


def stack_layers(scene: Scene, layout: Layout, change: Change, background: Bytes, record: ArrangeRecord) -> Stack:
    """The background, (H, W, 3), and the objects on it, in the part of the photo that anything leaves or comes to."""
    image, size = scene.photo.pixels, scene.photo.size
    shape, vacating = change.vacated.shape, layout.vacating

    def cut_out(name: str) -> Layer:
        if size.short >= SMALL:
            return change.layers[name]
        # Behind an object that stays beside its copies, nothing was filled yet.
        ground = background.astype(np.float32) if name in vacating else _ground(scene, change)
        return _cut_from(scene, scene.masks[name], ground, record)

    moving = [p for p in layout.placements if p.moved]
    moved = {}
    for number, p in enumerate(moving):
        tick(0.4 * number / len(moving))
        moved[p.name] = warp(cut_out(p.source), p.matrix, size)
    around = round(record.compose.border * size.short) if record.compose.adapt else 0
    frame = hull(
        [bounds_of(change.vacated) or NOWHERE, *(grown(layer.part, around, shape) for layer in moved.values())]
    )
    stack = Stack.unchanged(background, frame)
    stack.region[...] = change.vacated[frame]
    for number, placement in enumerate(layout.placements):
        tick(0.4 + 0.6 * number / len(layout.placements))
        if placement.moved:
            layer = moved[placement.name]
            if record.compose.adapt:
                near = crop_around(scene.masks[placement.source], around)
                beside = dilate(scene.masks[placement.source][near], around) & ~change.objects[near]
                layer = adapted(layer, image[near][beside], stack.picture, at=frame, reach=around)
            _lay(stack, layer)
        else:
            _keep(stack, scene, placement.source, change, record)
    return stack


def _lay(stack: Stack, layer: Layer) -> None:
    """Lay a moved object on the stack."""
    part = within(layer.part, stack.part)
    stack.picture[part] = layer.over(stack.picture[part], layer.part)
    stack.region[part] |= layer.transmittance < WHOLE
    stack.alpha[part] = layer.alpha + (1 - layer.alpha) * stack.alpha[part]


def _keep(stack: Stack, scene: Scene, name: str, change: Change, record: ArrangeRecord) -> None:
    """Put an object that stays in front of what was laid so far: its very pixels, and its soft border on what is new."""
    image, mask, small = scene.photo.pixels, scene.masks[name], scene.photo.size.short < SMALL
    around = crop_around(mask, 2)
    shared = overlap(around, stack.part)
    near, inside = within(shared, stack.part), mask[shared]
    picture, region, alpha = stack.picture[near], stack.region[near], stack.alpha[near]
    # Where something changed beneath its soft border, the new ground shows through.
    beneath = (alpha > 0 if small else region) & dilate(mask[around], 2)[within(shared, around)]
    if beneath.any():
        layer = _layer_of_kept(scene, name, change, record).seen_in(shared)
        own = layer.alpha
        beneath |= (own > 0) & (own < 1) & region
        picture[...] = np.where(beneath[..., None], layer.over(picture, shared), picture)
        alpha[...] = np.where(beneath, own + (1 - own) * alpha, alpha)
        inside = (inside & ~beneath) | (own == 1)
    picture[...] = np.where(inside[..., None], image[shared], picture)
    region &= ~inside
    alpha[...] = np.where(inside, np.float32(0), alpha)


def _layer_of_kept(scene: Scene, name: str, change: Change, record: ArrangeRecord) -> Layer:
    """An object that stays, as a layer where it stands."""
    if scene.photo.size.short >= SMALL:
        return change.layers.get(name) or cut(scene.photo.pixels, scene.masks[name], change.objects)
    return _cut_from(scene, scene.masks[name], _ground(scene, change), record)


def _ground(scene: Scene, change: Change) -> Picture:
    """What lies behind all objects of a small image, (H, W, 3) in levels."""
    return membrane_fill(scene.photo.pixels.astype(np.float32), ~change.objects)


def _cut_from(scene: Scene, mask: Mask, ground: Picture, record: ArrangeRecord) -> Layer:
    """An object of a small image as a layer, where it stands."""
    settings, short = record.compose, scene.photo.size.short
    others = np.logical_or.reduce(list(scene.masks.values())) & ~mask
    return cut_from_ground(
        scene.photo.pixels,
        mask,
        ground,
        others,
        edge=max(1.5, settings.edge * short),
        reach=round(settings.border * short) if settings.shadows else 0,
    )
