"""Fit the region network over many pictures, once; afterwards it proposes boxes in one forward pass.

For a categorical choice of box the gradient of the expected loss is exact once every box of a
picture was painted and scored: nothing has to be differentiated through the denoiser, and each
painted box serves every epoch.

Several processes (`intarsia.distributed`) share the painting and the gradients: picture i belongs to
process i modulo their number, and every update adds up what all of them found.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from intarsia.backbones.protocols import Backbones
from intarsia.distributed import ALONE, World, from_main, in_step, sum_over
from intarsia.errors import RecordError
from intarsia.imaging.geometry import Box, working_size
from intarsia.imaging.read import read_photo
from intarsia.imaging.tensors import to_tensor
from intarsia.progress import OnProgress, Progress
from intarsia.records.checks import run_checks
from intarsia.records.edit import EditRecord, FitSettings
from intarsia.regions.analysis import ImageAnalysis, analyze
from intarsia.regions.losses import expected_loss
from intarsia.regions.network import RegionNetwork
from intarsia.regions.proposals import coverage, proposals_for, shortlist
from intarsia.regions.published import paper_losses
from intarsia.regions.region import Region
from intarsia.regions.scoring import Ranker
from intarsia.regions.search import Evaluator

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Example:
    """One picture with its boxes, each painted and scored.

    Attributes:
        losses: (N,) weighed loss of each box, lower is better.
    """

    analysis: ImageAnalysis
    boxes: tuple[Box, ...]
    losses: Tensor


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """A fitted network and how it came about.

    Attributes:
        first_loss, last_loss: expected loss before and after, mean over pictures.
        best_loss: of always choosing the best box, which no network can beat.
        evaluations: denoiser sample-evaluations.
    """

    network: RegionNetwork
    first_loss: float
    last_loss: float
    best_loss: float
    evaluations: int


def paint_example(
    record: EditRecord, backbones: Backbones, settings: FitSettings, on_progress: OnProgress | None
) -> Example:
    """Paint and score a spread of boxes on one picture: the promising and some of the others."""
    photo = read_photo(Path(record.photo))
    inpainter = backbones.inpainter
    size = working_size(photo.size, record.size or inpainter.native_side, inpainter.stride)
    analysis = analyze(to_tensor(photo, size).to(backbones.device), record.source, record.prompt, backbones)
    _, proposals = proposals_for(analysis, record.search)
    best = shortlist(proposals, coverage(analysis.relevance, [p.box for p in proposals]), settings.boxes // 2)
    others = [p for p in proposals if p not in best]
    dice = random.Random(f"{record.photo} {record.prompt} {record.seed}")
    chosen = best + dice.sample(others, min(len(others), settings.boxes - len(best)))
    evaluator = Evaluator(
        inpainter,
        Ranker(analysis, backbones.scorer, record.score),
        prompt=record.prompt,
        negative_prompt=record.negative_prompt,
        guidance=record.guidance,
        on_progress=on_progress,
    )
    regions = [Region(box=p.box, seed=record.seed) for p in chosen]
    evaluations = evaluator.evaluate(
        regions, settings.steps, f"painting {len(regions)} boxes of {Path(record.photo).name}"
    )
    losses = paper_losses(evaluations, analysis, evaluator.ranker, settings).cpu()
    if analysis.has_text_relevance:
        losses = losses + settings.loss_relevance * (1 - coverage(analysis.relevance, [p.box for p in chosen]))
    return Example(analysis=analysis, boxes=tuple(p.box for p in chosen), losses=losses)


def fit_network(
    network: RegionNetwork,
    examples: Sequence[Example],
    settings: FitSettings,
    *,
    seed: int = 0,
    world: World = ALONE,
    on_progress: OnProgress | None = None,
) -> tuple[float, float]:
    """Lower the expected loss of the network's choice; returns it before and after.

    Every process takes the same steps: those of one process alone whose `accumulate` is as many
    times larger as there are processes, up to the order in which numbers are added.

    Args:
        network: changed in place; the same in every process.
        examples: pictures with painted boxes; of several processes, `world.share` of all pictures.
        settings: epochs, rate, accumulate (for each process).
        seed: of the order of the pictures.
    """
    parameters = list(network.parameters())
    count = total(world, len(examples))

    def loss(example: Example) -> Tensor:
        logits = network(example.analysis, example.boxes)
        return expected_loss(logits, example.losses, torch.ones_like(example.losses, dtype=torch.bool))

    def mean_loss() -> float:
        with torch.no_grad():
            return mean_over(world, [loss(e) for e in examples])

    def gradients(group: Sequence[int]) -> Sequence[Tensor]:
        """Of the group's mean loss, as far as it comes from this process's own pictures."""
        own = [examples[i // world.size] for i in group if i % world.size == world.rank]
        if not own:
            return [torch.zeros_like(p) for p in parameters]
        return torch.autograd.grad(torch.stack([loss(e) for e in own]).sum() / len(group), parameters)

    first = mean_loss()
    optimiser = torch.optim.Adam(parameters, settings.rate)
    size = settings.accumulate * world.size
    updates = settings.epochs * -(-count // size)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, max(1, updates))
    dice = random.Random(seed)
    network.train()
    for epoch in range(settings.epochs):
        order = list(range(count))
        dice.shuffle(order)
        for start in range(0, count, size):
            summed = sum_over(world, gradients(order[start : start + size]))
            for parameter, gradient in zip(parameters, summed, strict=True):
                parameter.grad = gradient
            optimiser.step()
            schedule.step()
        with in_step(world):
            if on_progress is not None:
                on_progress(Progress(stage="fitting the region network", done=epoch + 1, total=settings.epochs))
    network.eval()
    return first, mean_loss()


def total(world: World, count: int) -> int:
    """The sum of a count over all processes."""
    return int(sum_over(world, [torch.tensor(count)])[0])


def mean_over(world: World, losses: Sequence[Tensor]) -> float:
    """Mean over all processes' pictures, of which this one may have none.

    Args:
        losses: () loss of each of this process's own pictures.
    """
    own = torch.tensor([float(loss) for loss in losses])
    summed, count = sum_over(world, [own.sum(), torch.tensor(len(losses))])
    return float(summed / count)


def fit(
    jobs: Sequence[EditRecord],
    backbones: Backbones,
    settings: FitSettings,
    out: Path,
    *,
    start: Path | None = None,
    seed: int = 0,
    overwrite: bool = False,
    world: World = ALONE,
    on_progress: OnProgress | None = None,
) -> Fitted:
    """Fit a region network over many edits and write it to `out`.

    Args:
        jobs: the edits to learn from, the same in every process; their pictures are read.
        backbones: the frozen networks.
        settings: epochs, rate, boxes and loss weights.
        out: a .safetensors file; the network alone, some hundred kilobytes.
        start: go on from this network.
        seed: of the network's first weights and of the order of the pictures.
        world: the processes that share the work; the main one writes.

    Raises:
        RecordError: there are no jobs.
        OutputError: `out` exists and `overwrite` is not set.
        IntarsiaError: whatever ended another of the processes.
    """
    run_checks(settings.checks())
    if not jobs:
        raise RecordError("There are no jobs to fit on: the list is empty. Give at least one picture with its words.")
    before = backbones.inpainter.counter.evaluations
    examples: list[Example] = []
    for begin in range(0, len(jobs), world.size):
        # After every picture, so that all stop soon when one cannot be painted.
        with in_step(world):
            for job in world.share(jobs[begin : begin + world.size]):
                examples.append(paint_example(job, backbones, settings, on_progress))
    network: RegionNetwork | None = None
    with in_step(world):
        if world.is_main:
            network = first_network(examples[0].analysis, start, seed)
    network = from_main(world, network)
    assert network is not None
    first, last = fit_network(network, examples, settings, seed=seed, world=world, on_progress=on_progress)
    best = mean_over(world, [e.losses.min() for e in examples])
    evaluations = total(world, backbones.inpainter.counter.evaluations - before)
    with in_step(world):
        if world.is_main:
            log.info("expected loss %.4f -> %.4f (best box always: %.4f)", first, last, best)
            network.save(out, overwrite=overwrite)
    return Fitted(network=network, first_loss=first, last_loss=last, best_loss=best, evaluations=evaluations)


def first_network(analysis: ImageAnalysis, start: Path | None, seed: int) -> RegionNetwork:
    """The network that fitting begins with: one to go on from, or a new one of the analysis's widths."""
    if start is not None:
        network = RegionNetwork.load(start)
        network.check(analysis)
        return network
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return RegionNetwork(analysis.features.shape[0], analysis.prompt.shape[0])
