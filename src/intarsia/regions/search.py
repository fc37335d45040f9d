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

from intarsia.backbones.protocols import Inpainter, InpaintingStage, OnStep, PaintsInStages
from intarsia.errors import RegionError, Remedy, Setting
from intarsia.imaging.crop import Crop
from intarsia.imaging.geometry import Size
from intarsia.imaging.masks import Mask, softened
from intarsia.imaging.protected import on_canvas
from intarsia.progress import OnProgress, Progress
from intarsia.regions.region import Region
from intarsia.regions.scoring import Scores


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """A region, repainted and scored.

    Attributes:
        picture: (3, H, W) in [-1, 1]; outside the region it is the original, where the evaluator pastes.
        steps: denoising steps that it had, of a schedule of so many steps or of a longer one.
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
        cache: repainted pictures by (model, guidance, pasted or not, picture, words, region, seed, steps); of an
            unfinished one the steps are "done/all".
        paste: give unedited pixels back their originals; else a picture is all that the model decoded.
        protected: (H, W) at the photo's size, what is not painted.
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
        protected: Mask | None = None,
        on_progress: OnProgress | None = None,
        on_round: Callable[[list[Evaluation]], None] | None = None,
    ) -> None:
        self.inpainter, self.ranker = inpainter, ranker
        self.prompt, self.negative_prompt, self.guidance = prompt, negative_prompt, guidance
        self.cache: EvaluationCache = {} if cache is None else cache
        self.paste, self.protected, self.on_progress, self.on_round = paste, protected, on_progress, on_round
        self.identity = (inpainter.name, negative_prompt, str(guidance), "pasted" if paste else "whole")
        self.pictures: dict[Crop | None, str] = {}
        self.underway: dict[tuple[str, ...], InpaintingStage] = {}

    def mask_of(self, region: Region) -> Tensor:
        """(1, H, W) float, 1 where the region is, less in its soft edge, 0 in what is protected."""
        height, width = self.ranker.picture_of(region).shape[-2:]
        hard = region.shape(Size(width, height))
        mask = torch.from_numpy(softened(hard, region.soft) if region.soft else hard)[None].float()
        if self.protected is None:
            return mask
        mask = mask * torch.from_numpy(~on_canvas(self.protected, region.crop, Size(width, height)))
        if not mask.any():
            raise RegionError(
                "A region that the preset paints lies wholly in what is protected",
                Remedy("protect less"),
                Remedy("take the ", Setting("preset", "default")),
            )
        return mask

    def key(self, region: Region, mask: Tensor, steps: int, whole: int | None = None) -> tuple[str, ...]:
        if region.crop not in self.pictures:
            seen = self.ranker.picture_of(region).cpu().numpy()
            self.pictures[region.crop] = hashlib.sha256(seen.tobytes()).hexdigest()
        shape = hashlib.sha256((mask * 255).to(torch.uint8).numpy().tobytes()).hexdigest()
        words = region.words or self.prompt
        done = str(steps) if whole is None or whole == steps else f"{steps}/{whole}"
        return (*self.identity, self.pictures[region.crop], words, shape, str(region.seed), done)

    def evaluate(
        self, regions: Sequence[Region], steps: int, stage: str, *, whole: int | None = None
    ) -> list[Evaluation]:
        """Repaint each region with `steps` steps and score the pictures, in the order given.

        Args:
            whole: the steps are the first of a schedule of so many, and are begun or continued; what is unfinished
                is kept, to go on from, until `let_go`. By default they are a schedule of their own.
        """
        masks = [self.mask_of(r) for r in regions]
        keys = [self.key(r, m, steps, whole) for r, m in zip(regions, masks, strict=True)]
        fresh = {k: i for i, k in reversed(list(enumerate(keys))) if k not in self.cache}
        alike: dict[tuple[torch.Size, int], list[tuple[str, ...]]] = {}
        for k, i in fresh.items():  # canvases of one size that are equally far are painted in one batch
            done = 0 if whole is None else self.steps_done(self.key(regions[i], masks[i], whole), steps)
            alike.setdefault((masks[i].shape, done), []).append(k)
        for number, ((_, done), together) in enumerate(alike.items()):
            chosen = [fresh[k] for k in together]
            on_step = partial(self.report, stage, number, len(alike))
            some, hidden = [regions[i] for i in chosen], torch.stack([masks[i] for i in chosen])
            if whole is None:
                painted = self.paint(some, hidden, steps, on_step)
            else:
                painted = self.paint_on(some, hidden, steps, whole, done, on_step)
            self.keep(some, hidden, together, painted)
        pictures = [self.cache[k] for k in keys]
        scores = self.ranker.score_regions(pictures, regions)
        evaluations = [
            Evaluation(region=r, steps=steps, picture=p, scores=s)
            for r, p, s in zip(regions, pictures, scores, strict=True)
        ]
        if self.on_round is not None:
            self.on_round(evaluations)
        return evaluations

    def originals(self, regions: Sequence[Region]) -> Tensor:
        """(1 or B, 3, h, w) the images of regions of one size, one where it is the same of all."""
        shown = regions[:1] if len({r.crop for r in regions}) == 1 else regions
        return torch.cat([self.ranker.picture_of(r) for r in shown])

    def paint(self, regions: Sequence[Region], masks: Tensor, steps: int, on_step: OnStep) -> Tensor:
        """(B, 3, h, w) regions whose canvases have one size, repainted on a schedule of their own."""
        return self.inpainter.inpaint(
            self.originals(regions),
            masks,
            [r.words or self.prompt for r in regions],
            negative_prompt=self.negative_prompt,
            seeds=[r.seed for r in regions],
            steps=steps,
            guidance=self.guidance,
            on_step=on_step,
        )

    def paint_on(
        self, regions: Sequence[Region], masks: Tensor, steps: int, whole: int, done: int, on_step: OnStep
    ) -> Tensor:
        """(B, 3, h, w) regions as their schedules' first `steps` steps show them, of which `done` are done."""
        assert isinstance(self.inpainter, PaintsInStages), "an inpainter that pauses"
        finals = [self.key(r, m, whole) for r, m in zip(regions, masks, strict=True)]
        if done:
            stages = self.inpainter.continue_inpainting(
                [self.underway[k] for k in finals], until=steps, on_step=on_step
            )
        else:
            stages = self.inpainter.begin_inpainting(
                self.originals(regions),
                masks,
                [r.words or self.prompt for r in regions],
                negative_prompt=self.negative_prompt,
                seeds=[r.seed for r in regions],
                steps=whole,
                guidance=self.guidance,
                until=steps,
                on_step=on_step,
            )
        self.underway.update({k: s for k, s in zip(finals, stages, strict=True) if s.done < whole})
        return torch.stack([s.picture for s in stages])

    def steps_done(self, final: tuple[str, ...], steps: int) -> int:
        """How far on the way to `steps` steps the picture with the key `final` is already."""
        stage = self.underway.get(final)
        return stage.done if stage is not None and stage.done < steps else 0

    def let_go(self, regions: Sequence[Region], whole: int) -> None:
        """Go on with none but these regions on the way to `whole` steps: free what the others would go on from."""
        wanted = {self.key(r, self.mask_of(r), whole) for r in regions}
        self.underway = {k: s for k, s in self.underway.items() if k in wanted}

    def keep(self, regions: Sequence[Region], masks: Tensor, keys: Sequence[tuple[str, ...]], painted: Tensor) -> None:
        """Keep pictures under their keys."""
        pasted = torch.where(masks > 0, painted, self.originals(regions).cpu()) if self.paste else painted
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
    continued: bool = False,
) -> list[Evaluation]:
    """Preview all regions with few steps, keep the better part, and so on; the last get the full schedule.

    A preview is a schedule of few steps, or the beginning of the full one: then it shows the clean image that the
    denoiser predicts there, and those that go on do so from their latents, and pay the remaining steps alone.

    Args:
        regions: the candidates.
        preview_steps: denoising steps of each preview round.
        survivors: how many outlive each round.
        steps: of the full schedule.
        enough: the score at which no further survivor gets it.
        continued: previews are the beginning of the full schedule, where the inpainter can pause.

    Returns:
        One evaluation a region, the one with most steps; best first.

    Source: Jamieson & Talwalkar 2016, arXiv:1502.07943; judged by predicted clean latents: Kim et al. 2025, "Early
    timestep zero-shot candidate selection for instruction-guided image editing", arXiv:2504.13490.
    """
    whole = steps if continued and isinstance(evaluator.inpainter, PaintsInStages) else None
    latest: dict[int, Evaluation] = {}
    alive = list(range(len(regions)))
    for few, keep in zip(preview_steps, survivors, strict=True):
        if few >= steps or (len(alive) <= keep and enough == math.inf):
            continue
        stage = f"{len(alive)} previews of {few} steps"
        if whole is not None:
            stage = f"{len(alive)} previews after {few} of {whole} steps"
        previews = evaluator.evaluate([regions[i] for i in alive], few, stage, whole=whole)
        latest.update(zip(alive, previews, strict=True))
        alive = sorted(alive, key=lambda i: latest[i].scores.total, reverse=True)[:keep]
        evaluator.let_go([regions[i] for i in alive], steps)
    groups = [alive] if enough == math.inf else [[i] for i in alive]
    for group in groups:
        stage = f"{len(alive)} candidates in {steps} steps"
        finished = evaluator.evaluate([regions[i] for i in group], steps, stage, whole=whole)
        latest.update(zip(group, finished, strict=True))
        if latest[group[-1]].scores.total >= enough:
            break
    evaluator.let_go([], steps)
    return best_first(list(latest.values()))
