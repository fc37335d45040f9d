"""A preview of an edit by layout: the arrangement of a small copy of the photo, in seconds, with objects at their very
places."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import cv2
import numpy as np

from intarsia.backbones.fills import MembraneFill, PatchFill
from intarsia.imaging.affine import Matrix
from intarsia.imaging.geometry import Size
from intarsia.imaging.masks import Mask
from intarsia.imaging.photo import Bytes, Photo
from intarsia.imaging.read import read_photo
from intarsia.layout.cache import Cache, MemoryCache
from intarsia.layout.compose import compose
from intarsia.layout.edit import check
from intarsia.layout.layout import Layout
from intarsia.layout.layout_files import read_layout
from intarsia.layout.scene import Scene
from intarsia.progress import OnProgress, Stages, part_of
from intarsia.records.arrange import ArrangeRecord
from intarsia.records.scene_folder import photo_of
from intarsia.tasks.arrange import READING, SEEING
from intarsia.tasks.scene import LoadSegmenter, load_scene

SIDE = 1280
"""Longer side of a preview, in pixels: finer than most windows show it."""

EFFORT = 0.2
"""Share of what is usually searched for to fill the gaps, and solved for at the borders of objects."""

OPENED = 0.3
"""Share of a preview at which its scene is read."""


@dataclass(frozen=True, kw_only=True, eq=False)
class PreviewScene:
    """What one preview leaves for the next of the same photo and objects.

    Attributes:
        scene: at the photo's own size; of 12 megapixels it takes 36 MB, and 12 MB an object.
        small: the same at the preview's size.
        cache: backgrounds that were filled, at the preview's size.
    """

    scene: Scene
    small: Scene
    cache: Cache


def open_preview(
    record: ArrangeRecord, load_segmenter: LoadSegmenter, *, side: int = SIDE, on_progress: OnProgress | None = None
) -> PreviewScene:
    """Read a record's photo and objects, for any number of previews that move them.

    Args:
        record: its photo, and where its objects come from; what it does with them is not looked at.
        load_segmenter: called for objects that must be found by their names.
        side: longer side of the previews, in pixels; a smaller photo keeps its size.
        on_progress: called all along; may raise `Cancelled`.

    Raises:
        IntarsiaError: a setting or a file is wrong.
    """
    assert side > 0, f"a preview of {side} pixels"
    stages = Stages(on_progress, {READING: 1.0, SEEING: 3.0})
    with stages.stage(READING, 1):
        photo = read_photo(photo_of(record))
    with stages.stage(SEEING):
        scene = load_scene(record, photo, load_segmenter)
    return PreviewScene(scene=scene, small=_reduced(scene, side), cache=MemoryCache())


def preview_arrange(
    record: ArrangeRecord,
    load_segmenter: LoadSegmenter,
    *,
    side: int = SIDE,
    opened: PreviewScene | None = None,
    on_progress: OnProgress | None = None,
) -> Photo:
    """Arrange a small copy of a record's photo, always by moving objects as they are and without networks.

    Objects lie where the full result has them, to a fraction of a pixel of the preview. What fills the gaps is looked
    for less thoroughly, and may differ.

    Args:
        record: as for `run_arrange`.
        load_segmenter: called for objects that must be found by their names, where nothing is opened.
        side: longer side of the preview, in pixels; a smaller photo keeps its size.
        opened: what `open_preview` gave for the same photo and objects; its side counts.
        on_progress: called all along; may raise `Cancelled`.

    Returns:
        The small photo; nothing is written.

    Raises:
        IntarsiaError: as `run_arrange` would.
    """
    if opened is None:
        opened = open_preview(record, load_segmenter, side=side, on_progress=part_of(on_progress, 0.0, OPENED))
        on_progress = part_of(on_progress, OPENED, 1.0)
    layout = read_layout(record, opened.scene)
    check(opened.scene, layout)
    return compose(
        opened.small,
        _reduced_layout(layout, opened.scene.photo.size, opened.small.photo.size),
        record,
        None,
        seed=record.seed,
        cache=opened.cache,
        fill=MembraneFill() if record.fill == "membrane" else PatchFill(effort=EFFORT),
        effort=EFFORT,
        on_progress=on_progress,
    ).photo


def _reduced(scene: Scene, side: int) -> Scene:
    """A scene whose photo's longer side has so many pixels at most; no object is lost."""
    photo = scene.photo
    share = side / photo.size.long
    if share >= 1:
        return scene
    size = Size(max(1, round(photo.size.width * share)), max(1, round(photo.size.height * share)))
    taken = np.zeros((size.height, size.width), np.bool_)
    objects = []
    for thing in scene.objects:
        mask = _reduced_mask(thing.mask, size, taken)
        taken |= mask
        objects.append(dataclasses.replace(thing, mask=mask, grain=max(1.0, thing.grain * share)))
    alpha = None if photo.alpha is None else _reduced_levels(photo.alpha, size)
    small = dataclasses.replace(photo, pixels=_reduced_levels(photo.pixels, size), alpha=alpha)
    return Scene(photo=small, objects=tuple(objects))


def _reduced_levels(levels: Bytes, size: Size) -> Bytes:
    return np.ascontiguousarray(cv2.resize(levels, (size.width, size.height), interpolation=cv2.INTER_AREA))


def _reduced_mask(mask: Mask, size: Size, taken: Mask) -> Mask:
    """(h, w) where a mask covers at least half of a pixel that is not taken; an object that is too small keeps one."""
    shares = _reduced_levels(mask.astype(np.uint8) * np.uint8(255), size)
    smaller: Mask = (shares >= 128) & ~taken
    if not smaller.any():
        smaller = np.zeros_like(taken)
        smaller.ravel()[np.where(taken, 0, shares).argmax()] = True
    return smaller


def _reduced_layout(layout: Layout, size: Size, small: Size) -> Layout:
    """A layout in the pixels of a smaller photo."""
    if size == small:
        return layout
    across, down = small.width / size.width, small.height / size.height
    nothing = np.zeros((small.height, small.width), np.bool_)
    return dataclasses.replace(
        layout,
        placements=tuple(
            dataclasses.replace(
                placement,
                matrix=_scaled(placement.matrix, across, down),
                mask=_reduced_mask(placement.mask, small, nothing),
            )
            for placement in layout.placements
        ),
    )


def _scaled(matrix: Matrix, across: float, down: float) -> Matrix:
    """A map of positions, in pixels that are so many times smaller; one that leaves them where they are, exactly."""
    a, b, c, d, e, f = matrix
    return a, b * across / down, c * across, d * down / across, e, f * down
