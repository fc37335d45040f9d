"""What the released code of the published method does: its ranking, its random boxes, its faults of place.

Its region network never learns, so that the box of an anchor is drawn at random, and its rounds of learning are
draws that the result does not use; they are made all the same, since these presets are the baseline of a
comparison at equal cost.
"""

from __future__ import annotations

import dataclasses
import math
import random
from collections.abc import Sequence

import torch
import torch.nn.functional as F

from intarsia.imaging.geometry import Box, Grid, Point, Size
from intarsia.records.edit import EditRecord, SearchSettings
from intarsia.regions.analysis import ImageAnalysis
from intarsia.regions.region import Region
from intarsia.regions.scoring import Ranker
from intarsia.regions.search import Evaluation, Evaluator, best_first

FINALISTS = 3
CELLS = 32
SIDE = 256  # pixels of the square that the released code's encoder sees
LARGER_HALF = 1  # its max_window_size is 15, while its largest half-side is 14

Cell = tuple[int, int]
"""Row and column."""


def rank(evaluations: Sequence[Evaluation], ranker: Ranker, *, shares: bool = False) -> list[Evaluation]:
    """The published ranking: of the three best by text, the best of 2 cos(edited, prompt) + cos(edited, original).

    Args:
        shares: let either cosine be a softmax over the candidates first, as in the released code.
    """
    with torch.no_grad():
        edited = ranker.scorer.embed_images(
            torch.stack([e.picture for e in evaluations]).to(ranker.analysis.picture.device)
        )
        original = ranker.scorer.embed_images(ranker.analysis.picture)[0]
    text, image = edited @ ranker.analysis.prompt, edited @ original
    if shares:
        text, image = text.softmax(0), image.softmax(0)
    total = [float(t) for t in 2 * text + image]
    scored = [
        dataclasses.replace(e, scores=dataclasses.replace(e.scores, total=t))
        for e, t in zip(evaluations, total, strict=True)
    ]
    order = text.argsort(descending=True, stable=True).tolist()
    finalists, rest = [scored[i] for i in order[:FINALISTS]], [scored[i] for i in order[FINALISTS:]]
    return best_first(finalists) + rest


def random_boxes(boxes: Sequence[Sequence[Box]], evaluator: Evaluator[Ranker], record: EditRecord) -> list[Evaluation]:
    """The last of the record's rounds and one more: in each, a box at random for each anchor, all with other noise.

    Args:
        boxes: a row an anchor.
    """
    dice = random.Random(record.seed)
    evaluations: list[Evaluation] = []
    for round_ in range(record.fit.rounds + 1):
        regions = [
            Region(box=dice.choice(row), seed=record.seed + 1000 * round_ + k + 1, anchor=k)
            for k, row in enumerate(boxes)
        ]
        evaluations = evaluator.evaluate(regions, record.steps, f"round {round_ + 1} of {record.fit.rounds + 1}")
    return evaluations


def half_sides(settings: SearchSettings) -> list[int]:
    """Half-sides of an anchor's boxes in cells of 32: 4, 6 ... 14 with the published windows."""
    smallest, largest = (round(side * CELLS / 2) for side in (settings.smallest_window, settings.largest_window))
    return list(range(max(1, smallest), max(1, largest) + 1, 2))


def exact_cells(analysis: ImageAnalysis, settings: SearchSettings) -> list[Cell]:
    """The anchors of the released code, by rank of saliency in a square of 32 x 32 cells.

    First come cells so far from every border that the largest box fits, which leaves the four in the middle
    where the largest half-side is 14; those that are missing are the most salient of all, so that a cell may
    be taken twice.
    """
    square = F.interpolate(
        analysis.saliency[None, None].float().cpu(), size=(CELLS, CELLS), mode="bilinear", align_corners=False
    )
    order = square.flatten().argsort(descending=True, stable=True).tolist()
    cells = [divmod(i, CELLS) for i in order]
    reach = half_sides(settings)[-1] + LARGER_HALF
    inner = [cell for cell in cells if all(reach <= place <= CELLS - 1 - reach for place in cell)]
    return inner[: settings.anchors] + cells[: max(0, settings.anchors - len(inner))]


def exact_anchors(analysis: ImageAnalysis, settings: SearchSettings) -> tuple[Point, ...]:
    """Where those cells are taken to be: a row for an x, a column for a y."""
    grid = Grid(size=analysis.size, rows=CELLS, columns=CELLS)
    return tuple(grid.center(row=column, column=row) for row, column in exact_cells(analysis, settings))


def exact_box(cell: Cell, half: int, size: Size) -> Box:
    """The box about a cell, mirrored across the diagonal, in pixels of the picture.

    Cells 0 ... 31 are spread over pixels 0 ... 255 of 256 and rounded up; the last row and column of
    pixels are never repainted.
    """
    row, column = cell

    def edge(place: int, pixels: int) -> float:
        inside = min(max(place, 0), CELLS - 1)
        return math.ceil(inside * (SIDE - 1) / (CELLS - 1)) / SIDE * pixels

    return Box(
        edge(row - half, size.width),
        edge(column - half, size.height),
        edge(row + half, size.width),
        edge(column + half, size.height),
    )


def released_exact(
    analysis: ImageAnalysis, anchors: Sequence[Point], evaluator: Evaluator[Ranker], record: EditRecord
) -> list[Evaluation]:
    """The released code's anchors, mirrored boxes and ranking; the evaluator is one that pastes nothing back.

    Args:
        anchors: those of `exact_anchors`.
    """
    halves = half_sides(record.search)
    cells = exact_cells(analysis, record.search)
    boxes = [[exact_box(cell, half, analysis.size) for half in halves] for cell in cells]
    assert len(boxes) == len(anchors)
    return rank(random_boxes(boxes, evaluator, record), evaluator.ranker, shares=True)
