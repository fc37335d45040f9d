"""The published method, and what its released code really does, for comparison (paper, released, released-exact)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch

from intarsia.imaging.geometry import Box, Point
from intarsia.records.choices import Preset
from intarsia.records.edit import EditRecord, FitSettings, SearchSettings
from intarsia.regions.analysis import ImageAnalysis
from intarsia.regions.anchors import choose_anchors
from intarsia.regions.losses import (
    direction_loss,
    guidance_loss,
    published_structure_loss,
    sampled_loss,
    structure_loss,
)
from intarsia.regions.network import PublishedNetwork, choose
from intarsia.regions.proposals import concentric
from intarsia.regions.region import Region
from intarsia.regions.released import exact_anchors, random_boxes, rank, released_exact
from intarsia.regions.scoring import Ranker
from intarsia.regions.search import Evaluation, Evaluator

STRIDE = 4 / 32  # from one side to the next: half-sides grow by 2 cells of 32


def window_count(settings: SearchSettings) -> int:
    """M: how many boxes an anchor has, of sides from the smallest window on, none beyond the largest."""
    return 1 + math.floor((settings.largest_window - settings.smallest_window) / STRIDE + 1e-9)


def boxes_of(anchors: Sequence[Point], analysis: ImageAnalysis, settings: SearchSettings) -> list[list[Box]]:
    """M concentric squares an anchor: half-sides of 4, 6 ... 14 cells of 32 with the published windows."""
    count, smallest = window_count(settings), settings.smallest_window
    largest = smallest + STRIDE * (count - 1)
    return [concentric(a, analysis.size, smallest=smallest, largest=largest, count=count) for a in anchors]


def paper_losses(
    evaluations: Sequence[Evaluation], analysis: ImageAnalysis, ranker: Ranker, settings: FitSettings
) -> torch.Tensor:
    """(B,) weighed sum of the three published losses."""
    scorer = ranker.scorer
    pictures = torch.stack([e.picture for e in evaluations]).to(analysis.picture.device)
    with torch.no_grad():
        edited = scorer.embed_images(pictures)
        original = scorer.embed_images(analysis.picture)[0]
        if settings.structure == "published":
            structure = published_structure_loss(
                scorer.inner_tokens(pictures), scorer.inner_tokens(analysis.picture)[0]
            )
        else:
            structure = structure_loss(scorer.patch_tokens(pictures), ranker.tokens)
        return (
            settings.loss_text * guidance_loss(edited, analysis.prompt)
            + settings.loss_direction * direction_loss(edited, original, analysis.prompt, analysis.source)
            + settings.loss_structure * structure
        )


def published_anchors(analysis: ImageAnalysis, record: EditRecord) -> tuple[Point, ...]:
    """The cells of highest saliency, without suppression: neighbours of each other as often as not."""
    if record.preset == "released-exact":
        return exact_anchors(analysis, record.search)
    return choose_anchors(analysis.saliency, analysis.grid, record.search.anchors, suppression=0.0)


def rate_of(round_: int, settings: FitSettings) -> float:
    """The learning rate of a round, counted from 0: all of it, or a cosine's part.

    Source: Loshchilov & Hutter 2017, arXiv:1608.03983, eq. 5, without restarts.
    """
    if settings.schedule == "constant":
        return settings.rate
    return settings.rate * (1 + math.cos(math.pi * round_ / settings.rounds)) / 2


def paper(
    analysis: ImageAnalysis, anchors: Sequence[Point], evaluator: Evaluator[Ranker], record: EditRecord
) -> list[Evaluation]:
    """The method as published, with a gradient that exists.

    In every round each of K anchors draws one of its M boxes by Gumbel-softmax, the K pictures are
    made with the full schedule, and the network learns from their losses; a last draw is ranked.
    """
    boxes, settings = boxes_of(anchors, analysis, record.search), record.fit
    torch_seed = torch.Generator().manual_seed(record.seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(record.seed)
        network = PublishedNetwork(analysis.features.shape[0], window_count(record.search))
    optimiser = torch.optim.Adam(network.parameters(), settings.rate)
    evaluations: list[Evaluation] = []
    for round_ in range(settings.rounds + 1):
        logits = network(analysis, boxes)
        choices, _ = choose(logits, torch_seed)
        regions = [Region(box=boxes[k][int(c)], seed=record.seed, anchor=k) for k, c in enumerate(choices)]
        evaluations = evaluator.evaluate(regions, record.steps, f"round {round_ + 1} of {settings.rounds + 1}")
        if round_ < settings.rounds:
            loss = sampled_loss(logits, choices, paper_losses(evaluations, analysis, evaluator.ranker, settings))
            optimiser.param_groups[0]["lr"] = rate_of(round_, settings)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
    return rank(evaluations, evaluator.ranker)


def released(
    analysis: ImageAnalysis, anchors: Sequence[Point], evaluator: Evaluator[Ranker], record: EditRecord
) -> list[Evaluation]:
    """What the released code amounts to: saliency anchors, random box sizes, other noise for every picture."""
    return rank(random_boxes(boxes_of(anchors, analysis, record.search), evaluator, record), evaluator.ranker)


PublishedMethod = Callable[[ImageAnalysis, Sequence[Point], Evaluator[Ranker], EditRecord], list[Evaluation]]

PUBLISHED: dict[Preset, PublishedMethod] = {"paper": paper, "released": released, "released-exact": released_exact}
"""The presets that work on the whole picture as the published method does."""
