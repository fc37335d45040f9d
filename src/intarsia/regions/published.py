"""The published method and what the released code really does, for comparison (presets paper and released)."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Sequence

import torch

from intarsia.imaging.geometry import Box, Point
from intarsia.records.edit import EditRecord, FitSettings
from intarsia.regions.analysis import ImageAnalysis
from intarsia.regions.anchors import choose_anchors
from intarsia.regions.losses import direction_loss, guidance_loss, sampled_loss, structure_loss
from intarsia.regions.network import PublishedNetwork, choose
from intarsia.regions.proposals import concentric
from intarsia.regions.scoring import Ranker
from intarsia.regions.search import Evaluation, Evaluator, Region, best_first

ANCHORS = 9
BOXES = 6
SMALLEST, LARGEST = 8 / 32, 28 / 32  # half-sides of 4 ... 14 cells of 32
FINALISTS = 3


def rank(evaluations: Sequence[Evaluation], ranker: Ranker) -> list[Evaluation]:
    """The published ranking: of the three best by text, the best of 2 cos(edited, prompt) + cos(edited, original)."""
    with torch.no_grad():
        edited = ranker.scorer.embed_images(
            torch.stack([e.picture for e in evaluations]).to(ranker.analysis.picture.device)
        )
        original = ranker.scorer.embed_images(ranker.analysis.picture)[0]
    text, image = edited @ ranker.analysis.prompt, edited @ original
    total = [float(t) for t in 2 * text + image]
    scored = [
        dataclasses.replace(e, scores=dataclasses.replace(e.scores, total=t))
        for e, t in zip(evaluations, total, strict=True)
    ]
    order = text.argsort(descending=True, stable=True).tolist()
    finalists, rest = [scored[i] for i in order[:FINALISTS]], [scored[i] for i in order[FINALISTS:]]
    return best_first(finalists) + rest


def boxes_of(anchors: Sequence[Point], analysis: ImageAnalysis) -> list[list[Box]]:
    """M concentric squares an anchor."""
    return [concentric(a, analysis.size, smallest=SMALLEST, largest=LARGEST, count=BOXES) for a in anchors]


def paper_losses(
    evaluations: Sequence[Evaluation], analysis: ImageAnalysis, ranker: Ranker, settings: FitSettings
) -> torch.Tensor:
    """(B,) weighed sum of the three published losses."""
    scorer = ranker.scorer
    pictures = torch.stack([e.picture for e in evaluations]).to(analysis.picture.device)
    with torch.no_grad():
        edited = scorer.embed_images(pictures)
        original = scorer.embed_images(analysis.picture)[0]
        return (
            settings.loss_text * guidance_loss(edited, analysis.prompt)
            + settings.loss_direction * direction_loss(edited, original, analysis.prompt, analysis.source)
            + settings.loss_structure * structure_loss(scorer.patch_tokens(pictures), ranker.tokens)
        )


def published_anchors(analysis: ImageAnalysis) -> tuple[Point, ...]:
    """The cells of highest saliency, without suppression: neighbours of each other as often as not."""
    return choose_anchors(analysis.saliency, analysis.grid, ANCHORS, suppression=0.0)


def paper(
    analysis: ImageAnalysis, anchors: Sequence[Point], evaluator: Evaluator, record: EditRecord
) -> list[Evaluation]:
    """The method as published, with a gradient that exists.

    In every round each of K anchors draws one of its M boxes by Gumbel-softmax, the K pictures are
    made with the full schedule, and the network learns from their losses; a last draw is ranked.
    """
    boxes = boxes_of(anchors, analysis)
    torch_seed = torch.Generator().manual_seed(record.seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(record.seed)
        network = PublishedNetwork(analysis.features.shape[0], BOXES)
    optimiser = torch.optim.Adam(network.parameters(), record.fit.rate)
    evaluations: list[Evaluation] = []
    for round_ in range(record.fit.rounds + 1):
        logits = network(analysis, boxes)
        choices, _ = choose(logits, torch_seed)
        regions = [Region(box=boxes[k][int(c)], seed=record.seed, anchor=k) for k, c in enumerate(choices)]
        evaluations = evaluator.evaluate(regions, record.steps, f"round {round_ + 1} of {record.fit.rounds + 1}")
        if round_ < record.fit.rounds:
            loss = sampled_loss(logits, choices, paper_losses(evaluations, analysis, evaluator.ranker, record.fit))
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
    return rank(evaluations, evaluator.ranker)


def released(
    analysis: ImageAnalysis, anchors: Sequence[Point], evaluator: Evaluator, record: EditRecord
) -> list[Evaluation]:
    """What the released code amounts to: saliency anchors, random box sizes, other noise for every picture.

    Its network never learns, so its rounds are draws that the result doesn't use; they are made all
    the same, since this preset is the baseline of a comparison at equal cost.
    """
    boxes = boxes_of(anchors, analysis)
    dice = random.Random(record.seed)
    evaluations: list[Evaluation] = []
    for round_ in range(record.fit.rounds + 1):
        regions = [
            Region(box=dice.choice(row), seed=record.seed + 1000 * round_ + k + 1, anchor=k)
            for k, row in enumerate(boxes)
        ]
        evaluations = evaluator.evaluate(regions, record.steps, f"round {round_ + 1} of {record.fit.rounds + 1}")
    return rank(evaluations, evaluator.ranker)
