"""Proposals: the boxes that may be repainted, and how well each covers what the source words name."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from intarsia.imaging.geometry import Box, Point, Size
from intarsia.imaging.masks import bounding_box
from intarsia.records.edit import SearchSettings
from intarsia.regions.analysis import ImageAnalysis
from intarsia.regions.anchors import choose_anchors

ASPECTS = (1.0, 0.62, 1.6)  # width over height
LEVELS = (0.35, 0.6)  # relevance at which an object is outlined
MARGINS = (0.06, 0.14, 0.25)  # let out around an outline, as a fraction of its longer side
MISSED, EXCESS = 2.0, 0.6  # weights of relevant pixels left out, and of others covered
SAME = 0.88  # boxes that overlap more than this are one


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """A box to try, in pixels of the working size, and the anchor that it belongs to."""

    box: Box
    anchor: int


def concentric(anchor: Point, size: Size, *, smallest: float, largest: float, count: int) -> list[Box]:
    """The published proposals: `count` concentric squares, cut where they leave the picture.

    Args:
        smallest, largest: sides as fractions of the picture's short side.

    Source: arXiv:2311.16432, sec. 3.2; half-sides of 4, 6, ... 14 cells of 32 are sides of 0.25 ... 0.875.
    """
    steps = [smallest + (largest - smallest) * i / max(1, count - 1) for i in range(count)]
    return [Box.around(anchor, side * size.short, side * size.short).clipped(size) for side in steps]


def rectangles(anchor: Point, size: Size, *, smallest: float, largest: float, sizes: int = 4) -> list[Box]:
    """Boxes of several areas and aspect ratios around an anchor; they may touch the border."""
    boxes = []
    for i in range(sizes):
        side = smallest * (largest / smallest) ** (i / max(1, sizes - 1)) * size.short
        for aspect in ASPECTS:
            width, height = side * math.sqrt(aspect), side / math.sqrt(aspect)
            boxes.append(Box.around(anchor, width, height).clipped(size))
    return boxes


def outline(relevance: Tensor, anchor: Point, level: float) -> Box | None:
    """The box of the connected patch of relevance above `level` that holds the anchor; None if it is not in one."""
    above = (relevance >= level).float()[None, None]
    height, width = relevance.shape
    x, y = min(int(anchor.x), width - 1), min(int(anchor.y), height - 1)
    if above[0, 0, y, x] == 0:
        return None
    patch = torch.zeros_like(above)
    patch[0, 0, y, x] = 1
    while True:
        grown = F.max_pool2d(patch, 3, 1, 1) * above
        if torch.equal(grown, patch):
            break
        patch = grown
    return bounding_box(patch[0, 0].bool().cpu().numpy())


def outlines(relevance: Tensor, anchor: Point, size: Size) -> list[Box]:
    """Boxes fitted to the object under the anchor, tight and generous."""
    peak = float(relevance.max())
    boxes = []
    for level in LEVELS:
        found = outline(relevance, anchor, level * peak)
        if found is None or max(found.width, found.height) < 3:
            continue
        for margin in MARGINS:
            boxes.append(found.expanded(margin * max(found.width, found.height)).clipped(size))
    return boxes


def coverage(relevance: Tensor, boxes: Sequence[Box]) -> Tensor:
    """How well each box covers the relevant pixels: a soft, lopsided intersection over union.

    What a box leaves out stays in the picture as a remnant and weighs twice; what it covers beside the
    object is merely repainted and weighs little more than half. A box counts as if it were as full as a box
    drawn around an object is, three fifths (Tversky 1977, features of similarity).

    Args:
        relevance: (H, W) in [0, 1].
        boxes: N boxes in the same pixels.

    Returns:
        (N,) in [0, 1].
    """
    height, width = relevance.shape
    total = F.pad(relevance.cumsum(0).cumsum(1), (1, 0, 1, 0))
    everything = float(total[-1, -1])
    values = []
    for box in boxes:
        x0, x1 = (round(min(max(v, 0), width)) for v in (box.x0, box.x1))
        y0, y1 = (round(min(max(v, 0), height)) for v in (box.y0, box.y1))
        inside = float(total[y1, x1] - total[y0, x1] - total[y1, x0] + total[y0, x0])
        area = 0.6 * max(1.0, (x1 - x0) * (y1 - y0))
        values.append(inside / max(1e-6, inside + MISSED * (everything - inside) + EXCESS * max(0.0, area - inside)))
    return torch.tensor(values)


def propose(
    anchors: Sequence[Point],
    relevance: Tensor,
    size: Size,
    *,
    has_text_relevance: bool,
    smallest: float,
    largest: float,
) -> list[Proposal]:
    """All boxes worth a thought, anchors in order, near-duplicates left out."""
    proposals: list[Proposal] = []
    for number, anchor in enumerate(anchors):
        boxes = outlines(relevance, anchor, size) if has_text_relevance else []
        boxes += rectangles(anchor, size, smallest=smallest, largest=largest)
        for box in boxes:
            if min(box.width, box.height) < 0.4 * smallest * size.short:
                continue
            if all(box.iou(other.box) < SAME for other in proposals):
                proposals.append(Proposal(box=box, anchor=number))
    return proposals


def proposals_for(analysis: ImageAnalysis, settings: SearchSettings) -> tuple[tuple[Point, ...], list[Proposal]]:
    """Anchors from saliency x relevance, and every box around them that is worth a thought."""
    anchors = choose_anchors(analysis.anchor_map, analysis.grid, settings.anchors)
    proposals = propose(
        anchors,
        analysis.relevance,
        analysis.size,
        has_text_relevance=analysis.has_text_relevance,
        smallest=settings.smallest_window,
        largest=settings.largest_window,
    )
    return anchors, proposals


def shortlist(proposals: Sequence[Proposal], merit: Tensor, count: int) -> list[Proposal]:
    """The `count` proposals of highest merit, the best of every anchor among them.

    Args:
        proposals: N proposals.
        merit: (N,), larger is better.
    """
    order = merit.argsort(descending=True).tolist()
    firsts: dict[int, int] = {}
    for i in order:
        firsts.setdefault(proposals[i].anchor, i)
    chosen = list(firsts.values())[:count]
    chosen += [i for i in order if i not in firsts.values()][: count - len(chosen)]
    rank = {i: place for place, i in enumerate(order)}
    return [proposals[i] for i in sorted(chosen, key=rank.__getitem__)]
