"""Search: evaluate boxes by repainting them, few steps first, more steps for the better part."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, MutableMapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Generic, Protocol, TypeVar

import torch
from torch import Tensor

from intarsia.backbones.protocols import Inpainter, OnStep
from intarsia.imaging.crop import Crop
from intarsia.imaging.geometry import Size
from intarsia.imaging.masks import softened
from intarsia.progress import OnProgress, Progress
from intarsia.regions.region import Region
from intarsia.regions.scoring import Scores


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """A region, repainted and scored.

    Attributes:
        picture: (3, H, W) in [-1, 1]; outside the region it is the original, where the evaluator pastes.
        steps: denoising steps that it had.
    """

    region: Region
    steps: int
    picture: Tensor
    scores: Scores


EvaluationCache = MutableMapping[tuple[str, ...], Tensor]


class Ranking(Protocol):
    """What shows the evaluator the image of a region, and scores what was made of it."""

    def picture_of(self, region: Region) -> Tensor:
        """(1, 3, h, w) in [-1, 1], on the models' device."""
        ...

    def score_regions(self, pictures: Sequence[Tensor], regions: Sequence[Region]) -> list[Scores]:
        """Score edited images (3, h, w), one a region."""
        ...


AnyRanking = TypeVar("AnyRanking", bound=Ranking)


class Evaluator(Generic[AnyRanking]):
    """Repaints and scores regions of one picture; what was repainted once is kept.

    Args:
        inpainter: the frozen inpainting model.
        ranker: scores the pictures.
        prompt, negative_prompt, guidance: of the edit.
        cache: repainted pictures by (model, guidance, pasted or not, picture, words, region, seed, steps).
        paste: give unedited pixels back their originals; else a picture is all that the model decoded.
        on_progress: called after every denoising step; may raise `Cancelled`.
        on_round: called with the evaluations of every round.
    """

    def __init__(
        self,
        inpainter: Inpainter,
        ranker: AnyRanking,
        *,
        prompt: str,
        negative_prompt: str,
        guidance: float,
        cache: EvaluationCache | None = None,
        paste: bool = True,
        on_progress: OnProgress | None = None,
        on_round: Callable[[list[Evaluation]], None] | None = None,
    ) -> None:
        self.inpainter, self.ranker = inpainter, ranker
        self.prompt, self.negative_prompt, self.guidance = prompt, negative_prompt, guidance
        self.cache: EvaluationCache = {} if cache is None else cache
        self.paste, self.on_progress, self.on_round = paste, on_progress, on_round
        self.identity = (inpainter.name, negative_prompt, str(guidance), "pasted" if paste else "whole")
        self.pictures: dict[Crop | None, str] = {}

    def mask_of(self, region: Region) -> Tensor:
        """(1, H, W) float, 1 where the region is, less in its soft edge."""
        height, width = self.ranker.picture_of(region).shape[-2:]
        hard = region.shape(Size(width, height))
        return torch.from_numpy(softened(hard, region.soft) if region.soft else hard)[None].float()

    def key(self, region: Region, mask: Tensor, steps: int) -> tuple[str, ...]:
        if region.crop not in self.pictures:
            seen = self.ranker.picture_of(region).cpu().numpy()
            self.pictures[region.crop] = hashlib.sha256(seen.tobytes()).hexdigest()
        shape = hashlib.sha256((mask * 255).to(torch.uint8).numpy().tobytes()).hexdigest()
        words = region.words or self.prompt
        return (*self.identity, self.pictures[region.crop], words, shape, str(region.seed), str(steps))

    def evaluate(self, regions: Sequence[Region], steps: int, stage: str) -> list[Evaluation]:
        """Repaint each region with `steps` steps and score the pictures, in the order given."""
        masks = [self.mask_of(r) for r in regions]
        keys = [self.key(r, m, steps) for r, m in zip(regions, masks, strict=True)]
        fresh = {k: i for i, k in reversed(list(enumerate(keys))) if k not in self.cache}
        alike: dict[torch.Size, list[tuple[str, ...]]] = {}  # canvases of one size are painted in one batch
        for k, i in fresh.items():
            alike.setdefault(masks[i].shape, []).append(k)
        for number, together in enumerate(alike.values()):
            chosen = [fresh[k] for k in together]
            on_step = partial(self.report, stage, number, len(alike))
            self.paint([regions[i] for i in chosen], [masks[i] for i in chosen], together, steps, on_step)
        pictures = [self.cache[k] for k in keys]
        scores = self.ranker.score_regions(pictures, regions)
        evaluations = [
            Evaluation(region=r, steps=steps, picture=p, scores=s)
            for r, p, s in zip(regions, pictures, scores, strict=True)
        ]
        if self.on_round is not None:
            self.on_round(evaluations)
        return evaluations

    def paint(
        self,
        regions: Sequence[Region],
        masks: Sequence[Tensor],
        keys: Sequence[tuple[str, ...]],
        steps: int,
        on_step: OnStep,
    ) -> None:
        """Repaint regions whose canvases have one size, and keep the pictures under their keys."""
        chosen = torch.stack(list(masks))
        same = len({r.crop for r in regions}) == 1
        originals = (
            self.ranker.picture_of(regions[0]) if same else torch.cat([self.ranker.picture_of(r) for r in regions])
        )
        painted = self.inpainter.inpaint(
            originals,
            chosen,
            [r.words or self.prompt for r in regions],
            negative_prompt=self.negative_prompt,
            seeds=[r.seed for r in regions],
            steps=steps,
            guidance=self.guidance,
            on_step=on_step,
        )
        pasted = torch.where(chosen > 0, painted, originals.cpu()) if self.paste else painted
        for k, picture in zip(keys, pasted, strict=True):
            self.cache[k] = picture

    def report(self, stage: str, batch: int, batches: int, done: int, total: int) -> None:
        """Tell of `done` of the `total` steps of one of several batches."""
        if self.on_progress is not None:
            self.on_progress(Progress(stage=stage, done=batch * total + done, total=batches * total))


def best_first(evaluations: Sequence[Evaluation]) -> list[Evaluation]:
    """Most steps first, then the highest score: a preview never outranks a finished picture."""
    return sorted(evaluations, key=lambda e: (e.steps, e.scores.total), reverse=True)


def successive_halving(
    evaluator: Evaluator[AnyRanking],
    regions: Sequence[Region],
    *,
    preview_steps: Sequence[int],
    survivors: Sequence[int],
    steps: int,
    enough: float = math.inf,
) -> list[Evaluation]:
    """Preview all regions with few steps, keep the better part, and so on; the last get the full schedule.

    Args:
        regions: the candidates.
        preview_steps: denoising steps of each preview round.
        survivors: how many outlive each round.
        steps: of the full schedule.
        enough: the score at which no further survivor gets it.

    Returns:
        One evaluation a region, the one with most steps; best first.
        Source: Jamieson & Talwalkar 2016, arXiv:1502.07943.
    """
    latest: dict[int, Evaluation] = {}
    alive = list(range(len(regions)))
    for few, keep in zip(preview_steps, survivors, strict=True):
        if few >= steps or (len(alive) <= keep and enough == math.inf):
            continue
        stage = f"{len(alive)} previews of {few} steps"
        for i, evaluation in zip(alive, evaluator.evaluate([regions[i] for i in alive], few, stage), strict=True):
            latest[i] = evaluation
        alive = sorted(alive, key=lambda i: latest[i].scores.total, reverse=True)[:keep]
    groups = [alive] if enough == math.inf else [[i] for i in alive]
    for group in groups:
        stage = f"{len(alive)} candidates in {steps} steps"
        for i, evaluation in zip(group, evaluator.evaluate([regions[i] for i in group], steps, stage), strict=True):
            latest[i] = evaluation
        if latest[group[-1]].scores.total >= enough:
            break
    return best_first(list(latest.values()))
