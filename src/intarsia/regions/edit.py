"""Edit by words: find where, repaint there, rank, give back the best. The whole flow on one page."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from intarsia.backbones.protocols import Backbones
from intarsia.errors import RegionError
from intarsia.imaging.geometry import Box, Point, Size, working_size
from intarsia.imaging.masks import box_mask, feather, read_mask
from intarsia.imaging.photo import Photo, paste_back, to_tensor
from intarsia.progress import Cost, OnProgress, peak_memory_mb
from intarsia.records.edit import EditRecord
from intarsia.regions.analysis import ImageAnalysis, analyze
from intarsia.regions.anchors import choose_anchors
from intarsia.regions.network import RegionNetwork
from intarsia.regions.proposals import Proposal, coverage, proposals_for, shortlist
from intarsia.regions.published import ANCHORS, paper, released
from intarsia.regions.scoring import Ranker, Scores
from intarsia.regions.search import Evaluation, EvaluationCache, Evaluator, Region, best_first, successive_halving

POCKET_NETWORK = Path(__file__).parent / "pocket.safetensors"


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One region that was tried; boxes and points are in pixels of the user's picture.

    Attributes:
        photo: the finished picture at full size; None for a candidate that only had a preview.
        blend: (H, W) in [0, 1], 0 where the picture is untouched; None as `photo`.
        steps: denoising steps that it had.
        seed: of its noise.
    """

    box: Box
    anchor: Point | None
    scores: Scores
    steps: int
    seed: int
    photo: Photo | None = None
    blend: np.ndarray | None = None


@dataclass(frozen=True, kw_only=True)
class EditResult:
    """An edited picture and how it came about.

    Attributes:
        photo: the edited picture, of the input's size, profile and alpha.
        original: the picture before.
        blend: (H, W) in [0, 1]; the output equals the input bit for bit where it is 0.
        candidates: best first; `chosen` is the index of the one in `photo`.
        anchors: in pixels of the user's picture.
        saliency: (rows, columns), sums to 1.
        relevance: (h, w) in [0, 1] at working size; None without source words.
        record: replays the edit.
        versions: of the models.
    """

    photo: Photo
    original: Photo
    blend: np.ndarray
    candidates: tuple[Candidate, ...]
    chosen: int
    anchors: tuple[Point, ...]
    saliency: np.ndarray
    relevance: np.ndarray | None
    cost: Cost
    record: EditRecord
    versions: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class AnalysisEvent:
    """What an edit saw before it painted anything.

    Attributes:
        saliency: (rows, columns), sums to 1.
        relevance: (h, w) in [0, 1] at working size; None without source words.
        anchors: in pixels of the user's picture; none where the user said where to repaint.
    """

    saliency: np.ndarray
    relevance: np.ndarray | None
    anchors: tuple[Point, ...]


@dataclass(frozen=True, kw_only=True)
class Preview:
    """A candidate as one round painted it.

    Attributes:
        box: in pixels of the user's picture.
        picture: (3, h, w) in [-1, 1] at working size.
        score: the higher the better; compares within a round alone.
        steps: denoising steps that it had.
    """

    box: Box
    picture: Tensor
    score: float
    steps: int


class Observer(Protocol):
    """Somebody who is shown an edit while it is made; what they do with it changes no pixel."""

    def looked(self, seen: AnalysisEvent) -> None:
        """The picture was looked at, and nothing painted yet."""

    def tried(self, previews: Sequence[Preview]) -> None:
        """A round is over; its candidates, best first."""


def observed(watch: Observer | None, full: Size) -> type[Evaluator]:
    """What evaluates candidates; where somebody watches, one that shows them every round.

    Args:
        full: size of the user's picture, in whose pixels boxes are shown.
    """
    if watch is None:
        return Evaluator
    tell = watch.tried

    class Shown(Evaluator):
        def evaluate(self, regions: Sequence[Region], steps: int, stage: str) -> list[Evaluation]:
            evaluated = super().evaluate(regions, steps, stage)
            size = self.ranker.view.size
            previews = tuple(
                Preview(
                    box=e.region.box.scaled(size, full).clipped(full),
                    picture=e.picture.clone(),  # whatever a watcher does to it, the edit has its own
                    score=e.scores.total,
                    steps=e.steps,
                )
                for e in best_first(evaluated)
            )
            tell(previews)
            return evaluated

    return Shown


def show_analysis(watch: Observer | None, view: ImageAnalysis, anchors: Sequence[Point], full: Size) -> None:
    if watch is not None:
        watch.looked(
            AnalysisEvent(
                saliency=view.saliency.float().cpu().numpy().copy(),
                relevance=view.relevance.float().cpu().numpy().copy() if view.grounded else None,
                anchors=tuple(to_image_coords(a, view.size, full) for a in anchors),
            )
        )


def edit(
    photo: Photo,
    record: EditRecord,
    backbones: Backbones,
    *,
    network: RegionNetwork | None = None,
    mask: np.ndarray | None = None,
    memory: EvaluationCache | None = None,
    on_progress: OnProgress | None = None,
    watch: Observer | None = None,
) -> EditResult:
    """Edit a picture by words.

    Args:
        photo: the picture.
        record: what to do.
        backbones: the pretrained networks, loaded once for many edits.
        network: a fitted region network; by default the one that the record names, or pocket's own.
        mask: (H, W) bool at the photo's size, where to repaint, instead of searching; read from the
            record's mask file when None.
        memory: repainted candidates of earlier edits, to be used again and added to.
        on_progress: called after every denoising step; may raise `Cancelled`.
        watch: shown what was seen, and the candidates after every round.

    Raises:
        RegionError: the record's box lies outside the picture, or is too small to repaint.
        ModelError: the region network does not fit the models.
    """
    started, evaluations_before = time.monotonic(), backbones.inpainter.meter.evaluations
    if mask is None and record.mask is not None:
        mask = read_mask(record.mask, photo.size, record.invert_mask, photo.orientation)
    inpainter = backbones.inpainter
    size = working_size(photo.size, record.size or inpainter.native_side, inpainter.stride)
    picture = to_tensor(photo, size).to(backbones.device)

    view = analyze(picture, record.source, record.prompt, backbones)
    evaluator = observed(watch, photo.size)(
        inpainter,
        Ranker(view, backbones.scorer, record.score),
        prompt=record.prompt,
        negative_prompt=record.negative_prompt,
        guidance=record.guidance,
        memory=memory,
        on_progress=on_progress,
    )
    if record.box is not None or mask is not None:
        anchors: tuple[Point, ...] = ()
        show_analysis(watch, view, anchors, photo.size)
        evaluated = repaint_given(record, photo.size, size, mask, evaluator)
    elif record.preset == "paper":
        show_analysis(watch, view, choose_anchors(view.saliency, view.grid, ANCHORS, suppression=0.0), photo.size)
        anchors, evaluated = paper(view, evaluator, record)
    elif record.preset == "released":
        show_analysis(watch, view, choose_anchors(view.saliency, view.grid, ANCHORS, suppression=0.0), photo.size)
        anchors, evaluated = released(view, evaluator, record)
    else:
        network = network or fitted_network(record, backbones)
        anchors, proposals = candidate_boxes(view, record, network)
        show_analysis(watch, view, anchors, photo.size)
        evaluated = search(proposals, evaluator, record)

    candidates = tuple(to_candidate(e, anchors, photo, size, record, mask) for e in evaluated)
    best = candidates[0]
    assert best.photo is not None and best.blend is not None
    return EditResult(
        photo=best.photo,
        original=photo,
        blend=best.blend,
        candidates=candidates,
        chosen=0,
        anchors=tuple(to_image_coords(a, size, photo.size) for a in anchors),
        saliency=view.saliency.float().cpu().numpy(),
        relevance=view.relevance.float().cpu().numpy() if view.grounded else None,
        cost=Cost(
            evaluations=inpainter.meter.evaluations - evaluations_before,
            seconds=time.monotonic() - started,
            peak_memory_mb=peak_memory_mb(backbones.device),
        ),
        record=dataclasses.replace(record, models=backbones.name),
        versions=dict(backbones.versions),
    )


def candidate_boxes(
    view: ImageAnalysis, record: EditRecord, network: RegionNetwork | None
) -> tuple[tuple[Point, ...], list[Proposal]]:
    """Anchors from saliency x relevance, boxes around them, the most promising shortlisted."""
    settings = record.search
    anchors, proposals = proposals_for(view, settings)
    boxes = [p.box for p in proposals]
    merit = coverage(view.relevance, boxes)
    if network is not None:
        network.check(view)
        with torch.no_grad():
            chances = network(view, boxes).softmax(0).cpu()
        merit = merit + settings.network_weight * chances / chances.max()
    return anchors, shortlist(proposals, merit, settings.proposals)


def search(proposals: list[Proposal], evaluator: Evaluator, record: EditRecord) -> list[Evaluation]:
    """Evaluate the proposals, all with the same noise; best first."""
    regions = [Region(box=p.box, seed=record.seed, anchor=p.anchor) for p in proposals]
    if record.preset == "exhaustive":
        return best_first(
            evaluator.evaluate(regions, record.steps, f"{len(regions)} candidates in {record.steps} steps")
        )
    finalists = max(record.keep, record.search.survivors[-1]) if record.search.survivors else record.keep
    return successive_halving(
        evaluator,
        regions,
        preview_steps=record.search.preview_steps,
        survivors=[max(s, finalists) for s in record.search.survivors],
        steps=record.steps,
    )


def repaint_given(
    record: EditRecord, full: Size, size: Size, mask: np.ndarray | None, evaluator: Evaluator
) -> list[Evaluation]:
    """Repaint where the user said; `keep` pictures that differ in their noise, best first."""
    if mask is not None:
        small = torch.nn.functional.adaptive_max_pool2d(
            torch.from_numpy(mask).float()[None, None], (size.height, size.width)
        )[0, 0].bool()
        ys, xs = small.nonzero(as_tuple=True)
        box = Box(x0=float(xs.min()), y0=float(ys.min()), x1=float(xs.max()) + 1, y1=float(ys.max()) + 1)
        regions = [Region(box=box, mask=small, seed=record.seed + k) for k in range(record.keep)]
    else:
        assert record.box is not None
        box = usable_box(Box(*record.box), full).scaled(full, size)
        regions = [Region(box=box, seed=record.seed + k) for k in range(record.keep)]
    return best_first(evaluator.evaluate(regions, record.steps, f"{len(regions)} pictures in {record.steps} steps"))


def usable_box(box: Box, size: Size) -> Box:
    """The part of the user's box that lies in the picture.

    Raises:
        RegionError: it has no area, or less than 4 pixels of it, either way, lie in the picture.
    """
    x0, y0, x1, y1 = (f"{v:g}" for v in box.as_tuple())
    if box.x1 <= box.x0 or box.y1 <= box.y0:
        raise RegionError(f"The box {x0},{y0},{x1},{y1} has no area: give x0,y0,x1,y1 with x1 > x0 and y1 > y0.")
    inside = box.clipped(size)
    if inside.width < 4 or inside.height < 4:
        raise RegionError(
            f"Of the box {x0},{y0},{x1},{y1} less than 4 pixels lie in the picture, which is {size.width} x {size.height}: "
            "give it in pixels of the picture, x to the right and y down."
        )
    return inside


def fitted_network(record: EditRecord, backbones: Backbones) -> RegionNetwork | None:
    """The network that the record names, or the one that ships with the pocket models."""
    if record.regions is not None:
        return RegionNetwork.load(Path(record.regions))
    if backbones.name == "pocket" and POCKET_NETWORK.exists():
        return RegionNetwork.load(POCKET_NETWORK)
    return None


def to_candidate(
    evaluation: Evaluation,
    anchors: tuple[Point, ...],
    photo: Photo,
    size: Size,
    record: EditRecord,
    mask: np.ndarray | None,
) -> Candidate:
    """Bring a candidate to the user's pixels; one with the full schedule is pasted back into the picture."""
    region = evaluation.region
    box = region.box.scaled(size, photo.size).clipped(photo.size)
    done, blend = None, None
    if evaluation.steps == record.steps:
        where = box_mask(box, photo.size) if mask is None else mask
        blend = feather(where, record.feather * photo.size.short)
        done = paste_back(photo, evaluation.picture, blend)
    return Candidate(
        box=box,
        anchor=to_image_coords(anchors[region.anchor], size, photo.size) if region.anchor >= 0 else None,
        scores=evaluation.scores,
        steps=evaluation.steps,
        seed=region.seed,
        photo=done,
        blend=blend,
    )


def to_image_coords(point: Point, size: Size, full: Size) -> Point:
    return Point(x=point.x * full.width / size.width, y=point.y * full.height / size.height)
