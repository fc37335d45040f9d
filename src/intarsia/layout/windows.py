"""Windows: the parts of a photo that a layout changes, as crops that a checkpoint works on one after another."""

from __future__ import annotations

import cv2
import numpy as np

from intarsia.backbones.protocols import Inpainter, LatentDiffusion
from intarsia.imaging.crop import Crop, crop_around
from intarsia.imaging.geometry import Box, Size
from intarsia.imaging.masks import Mask, bounds_of
from intarsia.progress import OnProgress, Progress
from intarsia.records.arrange import ArrangeRecord

NOT_ENLARGED = 1.0
"""What is repainted keeps the sharpness of what it is laid on: a larger image of it would add nothing."""


def windows_of(changing: Mask, record: ArrangeRecord, painter: LatentDiffusion | Inpainter) -> list[Crop]:
    """The windows around what changes in a photo; none of them overlap, and each connected part lies in one.

    Args:
        changing: (H, W).
        record: `size` and `compose.context`.
        painter: whose size the windows are worked on at.

    Returns:
        The crops, in no particular order but always the same; the whole photo's where it is no larger than the models.
    """
    photo = Size(width=changing.shape[1], height=changing.shape[0])
    side, stride, context = record.size or painter.native_side, painter.stride, record.compose.context

    def around(box: Box) -> Crop:
        return crop_around(box, photo, side, stride, context=context, enlarged=NOT_ENLARGED)

    found: list[tuple[Box, Crop]] = []
    for box in _boxes_of(changing):
        crop = around(box)
        while over := [pair for pair in found if _overlap(pair[1], crop, photo)]:
            found = [pair for pair in found if pair not in over]
            box = Box.hull([box, *(pair[0] for pair in over)])
            crop = around(box)
        found.append((box, crop))
    return [crop for _, crop in found]


def _boxes_of(mask: Mask) -> list[Box]:
    """Boxes around the connected parts of a mask, and a pixel more to each side, on which nothing changes."""
    part = bounds_of(mask)
    if part is None:
        return []
    # Labelling goes by blocks of two pixels: from an even row and column the order is that of the whole mask.
    top, left = (side.start - side.start % 2 for side in part)
    levels = np.ascontiguousarray(mask[top : part[0].stop, left : part[1].stop]).view(np.uint8)
    _, _, stats, _ = cv2.connectedComponentsWithStats(levels, connectivity=8)
    return [
        Box(left + x - 1, top + y - 1, left + x + width + 1, top + y + height + 1)
        for x, y, width, height, _ in stats[1:].tolist()
    ]


def _overlap(first: Crop, second: Crop, photo: Size) -> bool:
    return first.window.rounded().clipped(photo).intersection(second.window.rounded().clipped(photo)) > 0


def one_of_many(on_progress: OnProgress | None, number: int, count: int) -> OnProgress | None:
    """Reports the steps of one window as some of the steps of all."""
    if on_progress is None:
        return None
    report = on_progress

    def told(progress: Progress) -> None:
        done, total = number * progress.total + progress.done, count * progress.total
        report(Progress(stage=progress.stage, done=done, total=total))

    return told
