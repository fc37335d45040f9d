"""Search: evaluate boxes by repainting them, few steps first, more steps for the better part."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, MutableMapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from intarsia.backbones.protocols import Inpainter
from intarsia.imaging.geometry import Box
from intarsia.imaging.masks import box_mask
from intarsia.progress import OnProgress, Progress
from intarsia.regions.scoring import Ranker, Scores


@dataclass(frozen=True, kw_only=True)
class Region:
    """Where to repaint, in pixels of the working size: the whole photo's, or a crop's.

    Attributes:
        box: what is repainted, or the bounds of `mask`.
        mask: (H, W) bool for a region that is no box.
        seed: of the noise.
        anchor: number of the anchor that it belongs to, -1 for none.
        crop: on whose canvas it lies; None for the whole photo at the analysis's size.
        exact: the box in pixels of the photo, where it was given or found there.
        words: what the painter is told; the edit's prompt where empty.
        family: what kind of region it is, in plain words.
    """

    box: Box
    seed: int
    anchor: int = -1
    mask: Tensor | None = None
    crop: Crop | None = None
    exact: Box | None = None
    words: str = ""
    family: str = ""


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


class Evaluator:
    """Repaints and scores regions of one picture; what was repainted once is kept.

    Args:
        inpainter: the frozen inpainting model.
        ranker: scores the pictures.
        prompt, negative_prompt, guidance: of the edit.
        cache: repainted pictures by (picture, model, words, guidance, pasted or not, region, seed, steps).
        paste: give unedited pixels back their originals; else a picture is all that the model decoded.
        on_progress: called after every denoising step; may raise `Cancelled`.
        on_round: called with the evaluations of every round.
    """

    def __init__(
        self,
        inpainter: Inpainter,
        ranker: Ranker,
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
        picture = ranker.analysis.picture
        self.identity = (
            hashlib.sha256(picture.cpu().numpy().tobytes()).hexdigest(),
            inpainter.name,
            prompt,
            negative_prompt,
            str(guidance),
            "pasted" if paste else "whole",
        )

    def mask_of(self, region: Region) -> Tensor:
        """(1, H, W) float, 1 where the region is."""
        if region.mask is not None:
            return region.mask[None].float()
        return torch.from_numpy(box_mask(region.box, self.ranker.analysis.size))[None].float()

    def key(self, region: Region, mask: Tensor, steps: int) -> tuple[str, ...]:
        shape = hashlib.sha256(mask.to(torch.uint8).numpy().tobytes()).hexdigest()
        return (*self.identity, shape, str(region.seed), str(steps))

    def evaluate(self, regions: Sequence[Region], steps: int, stage: str) -> list[Evaluation]:
        """Repaint each region with `steps` steps and score the pictures, in the order given."""
        masks = [self.mask_of(r) for r in regions]
        keys = [self.key(r, m, steps) for r, m in zip(regions, masks, strict=True)]
        fresh = {k: i for i, k in reversed(list(enumerate(keys))) if k not in self.cache}
        if fresh:
            rows = list(fresh.values())
            chosen = torch.stack([masks[i] for i in rows])
            painted = self.inpainter.inpaint(
                self.ranker.analysis.picture,
                chosen,
                [self.prompt] * len(rows),
                negative_prompt=self.negative_prompt,
                seeds=[regions[i].seed for i in rows],
                steps=steps,
                guidance=self.guidance,
                on_step=lambda done, total: self.report(stage, done, total),
            )
            original = self.ranker.analysis.picture.cpu()
            pasted = torch.where(chosen > 0.5, painted, original) if self.paste else painted
            for k, picture in zip(fresh, pasted, strict=True):
                self.cache[k] = picture
        pictures = torch.stack([self.cache[k] for k in keys])
        scores = self.ranker.score(pictures.to(self.ranker.analysis.picture.device), [r.box for r in regions])
        evaluations = [
            Evaluation(region=r, steps=steps, picture=p, scores=s)
            for r, p, s in zip(regions, pictures, scores, strict=True)
        ]
        if self.on_round is not None:
            self.on_round(evaluations)
        return evaluations

    def report(self, stage: str, done: int, total: int) -> None:
        if self.on_progress is not None:
            self.on_progress(Progress(stage=stage, done=done, total=total))


def best_first(evaluations: Sequence[Evaluation]) -> list[Evaluation]:
    """Most steps first, then the highest score: a preview never outranks a finished picture."""
    return sorted(evaluations, key=lambda e: (e.steps, e.scores.total), reverse=True)


def successive_halving(
    evaluator: Evaluator,
    regions: Sequence[Region],
    *,
    preview_steps: Sequence[int],
    survivors: Sequence[int],
    steps: int,
) -> list[Evaluation]:
    """Preview all regions with few steps, keep the better part, and so on; the last get the full schedule.

    Args:
        regions: the candidates.
        preview_steps: denoising steps of each preview round.
        survivors: how many outlive each round.
        steps: of the full schedule.

    Returns:
        One evaluation a region, the one with most steps; best first.
        Source: Jamieson & Talwalkar 2016, arXiv:1502.07943.
    """
    latest: dict[int, Evaluation] = {}
    alive = list(range(len(regions)))
    for few, keep in zip(preview_steps, survivors, strict=True):
        if len(alive) <= keep or few >= steps:
            continue
        stage = f"{len(alive)} previews of {few} steps"
        for i, evaluation in zip(alive, evaluator.evaluate([regions[i] for i in alive], few, stage), strict=True):
            latest[i] = evaluation
        alive = sorted(alive, key=lambda i: latest[i].scores.total, reverse=True)[:keep]
    stage = f"{len(alive)} candidates in {steps} steps"
    for i, evaluation in zip(alive, evaluator.evaluate([regions[i] for i in alive], steps, stage), strict=True):
        latest[i] = evaluation
    return best_first(list(latest.values()))
