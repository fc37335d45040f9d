"""Edit by words: find where, repaint there, rank, give back the best. The whole flow on one page."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from intarsia.backbones.protocols import Backbones
from intarsia.backbones.samplers import stepping_by
from intarsia.backbones.tokens import without_warnings_of_cuts
from intarsia.errors import RegionError
from intarsia.imaging.cells import touched_cells
from intarsia.imaging.changed_shape import changed_blend
from intarsia.imaging.crop import crop_around
from intarsia.imaging.geometry import Box, Point, Size, working_size
from intarsia.imaging.masks import bounding_box, box_mask, feather
from intarsia.imaging.photo import Photo
from intarsia.imaging.protected import read_protected
from intarsia.imaging.tensors import levels_to_tensor, paste_back, paste_crop, to_tensor
from intarsia.imaging.tint import without_tint
from intarsia.notes import collecting
from intarsia.progress import Cost, OnProgress, peak_memory_mb
from intarsia.records.edit import EditRecord
from intarsia.regions.adaptive import spend_as_needed
from intarsia.regions.analysis import ImageAnalysis, analyze
from intarsia.regions.appraisal import Appraiser
from intarsia.regions.events import Observer, analysis_event, round_listener
from intarsia.regions.families import Job, Proposer, jobs_of
from intarsia.regions.ground import over_new_ground
from intarsia.regions.instruct import chosen_editor, crops_of, instructed, one_job, with_edit
from intarsia.regions.intent import read_intent
from intarsia.regions.network import RegionNetwork
from intarsia.regions.proposals import coverage, proposals_for, shortlist
from intarsia.regions.protected import beside_protected, faded, families_beside, given_mask, jobs_beside
from intarsia.regions.published import PUBLISHED, published_anchors
from intarsia.regions.refine import refined
from intarsia.regions.region import Region
from intarsia.regions.result_notes import result_notes
from intarsia.regions.scoring import Ranker, Scores
from intarsia.regions.screen_colours import in_screen_colours
from intarsia.regions.search import AnyRanking, Evaluation, EvaluationCache, Evaluator, best_first
from intarsia.regions.showing import completed
from intarsia.regions.sight import Sight
from intarsia.regions.word_notes import note_unseen

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
        photo: the edited picture, of the input's size and profile.
        original: the picture before.
        blend: (H, W) in [0, 1]; the output equals the input bit for bit where it is 0.
        candidates: best first; `chosen` is the index of the one in `photo`.
        anchors: in pixels of the user's picture.
        saliency: (rows, columns), sums to 1.
        relevance: (h, w) in [0, 1] over the whole picture; None where no source words were found.
        record: replays the edit.
        versions: of the models.
        notes: what its user should know, a sentence each.
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
    notes: tuple[str, ...] = ()


@collecting
@in_screen_colours
@without_warnings_of_cuts()  # the notes say what was cut
def edit(
    photo: Photo,
    record: EditRecord,
    backbones: Backbones,
    *,
    network: RegionNetwork | None = None,
    mask: np.ndarray | None = None,
    protected: np.ndarray | None = None,
    cache: EvaluationCache | None = None,
    on_progress: OnProgress | None = None,
    observer: Observer | None = None,
) -> EditResult:
    """Edit a picture by words.

    Args:
        photo: the picture.
        record: what to do.
        backbones: the pretrained networks, loaded once for many edits.
        network: a fitted region network; by default the one that the record names, or pocket's own.
        mask: (H, W) bool at the photo's size, where to repaint, instead of searching; read from the
            record's mask file when None.
        protected: (H, W) bool at the photo's size, what stays as it is; read from the record's file when None.
        cache: repainted candidates of earlier edits, to be used again and added to.
        on_progress: called after every denoising step; may raise `Cancelled`.
        observer: told of the analysis, and of the candidates after every round.

    Raises:
        RegionError: the record's box lies outside the picture, or is too small to repaint; or all is protected.
        ModelError: the region network does not fit the models.
    """
    started, counter = time.monotonic(), backbones.inpainter.counter
    evaluations_before = counter.evaluations
    protected = read_protected(record.protect, photo) if protected is None else protected
    mask = given_mask(record, photo, mask, protected)
    inpainter = stepping_by(backbones.inpainter, record.sampler, own=record.scheduler == "own")
    side = record.size or inpainter.native_side
    size = working_size(photo.size, side, inpainter.stride)
    image = to_tensor(photo, size).to(backbones.device)
    given = record.box is not None or mask is not None
    searched = record.preset == "default" and not given
    network = None if given else network or fitted_network(record, backbones)
    editor = chosen_editor(record, backbones, given=given)

    # What is in the image, and where the source words are; the search of the default looks closer itself.
    looks_itself = searched and network is None
    analysis = analyze(image, "" if looks_itself else record.source, record.sentence, backbones)
    analysis = analysis if given else beside_protected(analysis, protected)
    sight = Sight(photo=photo, backbones=backbones, side=side, stride=inpainter.stride)
    on_round = None if observer is None else round_listener(observer, analysis, photo.size)

    def painter(ranking: AnyRanking, *, paste: bool = True) -> Evaluator[AnyRanking]:
        return Evaluator(
            inpainter, ranking, prompt=record.sentence, negative_prompt=record.negative_prompt,
            guidance=record.guidance, cache=cache, paste=paste, protected=protected,
            on_progress=on_progress, on_round=on_round,
        )  # fmt: skip

    anchors: tuple[Point, ...] = ()
    parts: list[list[Evaluation]] = []
    ground = False
    if record.preset != "default" and not given:
        # On the whole picture: boxes around anchors, as published, or all that are promising.
        ranker = Ranker(analysis, backbones.scorer, record.score)
        evaluator = painter(ranker, paste=record.preset != "released-exact")
        if record.preset == "exhaustive":
            places, regions = propose_regions(analysis, record, network)
        else:
            places = published_anchors(analysis, record)
        anchors = tuple(a.scaled(size, photo.size) for a in places)
        tell(observer, analysis, anchors)
        if record.preset == "exhaustive":
            parts = [best_first(evaluate_all(regions, evaluator, record, "candidates"))]
        else:
            parts = [PUBLISHED[record.preset](analysis, places, evaluator, record)]
    else:
        # On crops: what the words ask for, and the regions that may give it, the likeliest first.
        intent = read_intent(record.source, record.prompt)
        jobs = jobs_beside(jobs_of(intent, sight), protected) if searched else [Job(intent=intent, things=())]
        jobs = jobs if editor is None else [one_job(intent, jobs)]
        anchors = tuple(thing.box.center for job in jobs for thing in job.things)
        ground = searched and jobs[0].intent.change == "background"
        alone = searched and len(jobs) == 1
        advised = advised_box(analysis, record, network, photo.size) if alone and network is not None else None
        analysis = with_sight(analysis, record, jobs, sight) if searched else analysis
        tell(observer, analysis, anchors)
        for job in jobs:
            appraiser = Appraiser(sight, job, backbones.scorer, record.score)
            crop_evaluator = instructed(painter(appraiser), editor, job.intent, record, given=given)
            if searched:
                families = families_beside(Proposer(sight, record, protected).families(job, advised), protected)
                families = families if editor is None else crops_of(families, sight)
                parts.append(spend_as_needed(families, crop_evaluator, record))
            else:
                regions = given_regions(record, sight, mask)
                parts.append(best_first(evaluate_all(regions, crop_evaluator, record, "pictures")))

    # Back to the user's pixels; every pixel outside the blend stays the input's.
    refines = record.refine and editor is None
    finest = [[refined(p[0], sight, inpainter, record, on_progress), *p[1:]] for p in parts] if refines else parts
    candidates = tuple(
        shown(candidate, photo, record) for candidate in finished(finest, anchors, photo, size, record, mask, protected)
    )
    best = candidates[0]
    assert best.photo is not None and best.blend is not None
    return EditResult(
        photo=best.photo,
        original=photo,
        blend=best.blend,
        candidates=candidates,
        chosen=0,
        anchors=anchors,
        saliency=analysis.saliency.float().cpu().numpy(),
        relevance=analysis.relevance.float().cpu().numpy() if analysis.has_text_relevance else None,
        cost=Cost(
            evaluations=counter.evaluations - evaluations_before,
            seconds=time.monotonic() - started,
            peak_memory_mb=peak_memory_mb(backbones.device),
        ),
        record=dataclasses.replace(record, models=backbones.name),
        versions=dict(backbones.versions),
        notes=result_notes(
            photo, record, backbones, parts[0][0].region, best.blend, analysis, ground=ground, given=given
        ),
    )


def given_regions(record: EditRecord, sight: Sight, mask: np.ndarray | None) -> list[Region]:
    """The user's box or mask, `keep` times with other noise."""
    full = sight.photo.size
    box = bounding_box(mask) if mask is not None else usable_box(Box(*(record.box or ())), full)
    crop = crop_around(box, full, sight.side, sight.stride, context=record.context)
    inside = crop.to_canvas(box).clipped(crop.size)
    small: Tensor | None = None
    if mask is not None:
        small = touched_cells(crop.piece(mask), crop.size.height, crop.size.width).bool()
        inside = bounding_box(small.numpy())
    exact = box if mask is None else None
    return [Region(box=inside, mask=small, seed=record.seed + k, crop=crop, exact=exact) for k in range(record.keep)]


def propose_regions(
    analysis: ImageAnalysis, record: EditRecord, network: RegionNetwork | None
) -> tuple[tuple[Point, ...], list[Region]]:
    """Anchors from saliency x relevance, boxes around them, the most promising shortlisted; all with the same noise."""
    settings = record.search
    anchors, proposals = proposals_for(analysis, settings)
    boxes = [p.box for p in proposals]
    prior_score = coverage(analysis.relevance, boxes)
    if network is not None:
        network.check(analysis)
        with torch.no_grad():
            chances = network(analysis, boxes).softmax(0).cpu()
        prior_score = prior_score + settings.network_weight * chances / chances.max()
    chosen = shortlist(proposals, prior_score, settings.proposals)
    return anchors, [Region(box=p.box, seed=record.seed, anchor=p.anchor) for p in chosen]


def evaluate_all(
    regions: Sequence[Region], evaluator: Evaluator[AnyRanking], record: EditRecord, noun: str
) -> list[Evaluation]:
    """Every region with the full schedule."""
    return evaluator.evaluate(regions, record.steps, f"{len(regions)} {noun} in {record.steps} steps")


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
    """The network that the record names, or for the preset exhaustive the one that ships with the pocket models."""
    if record.preset in PUBLISHED:  # they have their own
        return None
    if record.regions is not None:
        return RegionNetwork.load(Path(record.regions))
    if record.preset == "exhaustive" and backbones.name == "pocket" and POCKET_NETWORK.exists():
        return RegionNetwork.load(POCKET_NETWORK)
    return None


def tell(observer: Observer | None, analysis: ImageAnalysis, anchors: Sequence[Point]) -> None:
    """Tell an observer what was seen before anything is repainted."""
    if observer is not None:
        observer.on_analysis(analysis_event(analysis, anchors))


def with_sight(analysis: ImageAnalysis, record: EditRecord, jobs: Sequence[Job], sight: Sight) -> ImageAnalysis:
    """An analysis with what the closer look has found of the source words; what it has not is noted."""
    note_unseen(record, jobs, sight)
    phrases = [p for job in jobs for p in job.asked]
    seen = torch.from_numpy(sight.relevance(phrases)) if phrases else analysis.relevance
    return dataclasses.replace(analysis, relevance=seen, has_text_relevance=bool(phrases))


def advised_box(analysis: ImageAnalysis, record: EditRecord, network: RegionNetwork, full: Size) -> Box:
    """The first choice of a region network, in pixels of the photo."""
    _, regions = propose_regions(analysis, record, network)
    return regions[0].box.scaled(analysis.size, full).clipped(full)


def finished(
    parts: Sequence[Sequence[Evaluation]],
    anchors: Sequence[Point],
    photo: Photo,
    size: Size,
    record: EditRecord,
    mask: np.ndarray | None,
    protected: np.ndarray | None,
) -> tuple[Candidate, ...]:
    """The candidates in the user's pixels, best first; of an edit in several parts, their best ones together first."""
    if len(parts) == 1:
        return tuple(to_candidate(e, anchors, photo, size, record, mask, protected) for e in parts[0])
    done = [[e for e in evaluations if e.steps == record.steps] for evaluations in parts]
    together = [
        joined([row[min(k, len(row) - 1)] for row in done], anchors, photo, size, record, protected)
        for k in range(max(len(row) for row in done))
    ]
    previews = [e for evaluations in parts for e in evaluations if e.steps < record.steps]
    rest = (to_candidate(e, anchors, photo, size, record, mask, protected) for e in best_first(previews))
    return (*together, *rest)


def shown(candidate: Candidate, original: Photo, record: EditRecord) -> Candidate:
    """A candidate with its transparency and its watermark, if it is finished."""
    if candidate.photo is None or candidate.blend is None:
        return candidate
    return dataclasses.replace(candidate, photo=completed(original, candidate.photo, candidate.blend, record))


def joined(
    evaluations: Sequence[Evaluation],
    anchors: Sequence[Point],
    photo: Photo,
    size: Size,
    record: EditRecord,
    protected: np.ndarray | None,
) -> Candidate:
    """One candidate of finished pictures of several parts of a photo; as good as the worst of them."""
    blend = np.zeros((photo.size.height, photo.size.width), np.float32)
    boxes = []
    for evaluation in evaluations:
        part = to_candidate(evaluation, anchors, photo, size, record, None, protected)
        assert part.photo is not None and part.blend is not None
        photo, blend = part.photo, np.maximum(blend, part.blend)
        boxes.append(part.box)
    worst = min(evaluations, key=lambda e: e.scores.total)
    return Candidate(
        box=Box.hull(boxes), anchor=None, scores=worst.scores, steps=worst.steps, seed=worst.region.seed,
        photo=photo, blend=blend,
    )  # fmt: skip


def to_candidate(
    evaluation: Evaluation,
    anchors: Sequence[Point],
    photo: Photo,
    size: Size,
    record: EditRecord,
    mask: np.ndarray | None,
    protected: np.ndarray | None = None,
) -> Candidate:
    """Bring a candidate to the user's pixels; one with the full schedule is pasted back into the picture.

    Args:
        anchors: in pixels of the photo.
        size: at which regions of the whole picture lie.
        mask: (H, W) the user's, which regions are painted in.
        protected: (H, W) what stays the photo's.
    """
    region, full, crop = evaluation.region, photo.size, evaluation.region.crop
    if region.exact is not None:
        box = region.exact.expanded(region.soft / crop.scale if crop is not None else 0).clipped(full)
    elif crop is not None:
        box = crop.to_photo(region.box).clipped(full)
    else:
        box = region.box.scaled(size, full).clipped(full)
    done, blend = None, None
    if evaluation.steps == record.steps and region.undone is not None:
        limited = mask is not None or record.box is not None
        done, blend = with_edit(photo, region, record, mask, limited=limited, protected=protected)
        box = bounding_box(blend > 0) if blend.any() else box
    elif evaluation.steps == record.steps and region.spares and crop is not None:
        done, blend = over_new_ground(photo, crop, evaluation.picture, region.spares)
        if protected is not None:
            done, blend = faded(photo, done, blend, protected, record.feather * crop.short_side(full))
    elif evaluation.steps == record.steps:
        if record.preset == "released-exact" and crop is None:  # nothing is pasted back there
            mask = np.ones((full.height, full.width), bool)
        where = mask if mask is not None else box_mask(box, full) if region.mask is None else region.on_photo(full)
        where = where if protected is None else where & ~protected
        if crop is None:
            short, grain = float(full.short), full.short / size.short
            paste = partial(paste_back, photo, evaluation.picture)
        else:
            short, grain = crop.short_side(full), 1 / crop.scale
            paste = partial(paste_crop, photo, crop, untinted(evaluation, photo))
        blend = feather(where, max(record.feather * short, region.soft * grain))
        if record.sharpen and record.preset != "released-exact":
            painted = paste(where.astype(np.float32)).pixels
            sharpened = changed_blend(photo.pixels, painted, blend, grain=max(grain, 1.0))
            blend = sharpened if sharpened.any() else blend  # a candidate has an extent, even where it shows nothing
        done = paste(blend)
    return Candidate(
        box=box,
        anchor=anchors[region.anchor] if region.anchor >= 0 else None,
        scores=evaluation.scores,
        steps=evaluation.steps,
        seed=region.seed,
        photo=done,
        blend=blend,
    )


def untinted(evaluation: Evaluation, photo: Photo) -> Tensor:
    """(3, h, w) the canvas of a crop without the painter's tint; of the whole photo, as it was painted."""
    region = evaluation.region
    assert region.crop is not None
    if region.crop.holds(photo.size):
        return evaluation.picture
    before = levels_to_tensor(region.crop.cut(photo.pixels))[0]
    return without_tint(before, evaluation.picture, region.shape(region.crop.size))
