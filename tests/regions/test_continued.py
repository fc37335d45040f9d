"""Previews that are the beginning of the full schedule: the search goes on with the survivors' own latents."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from typing import Any, get_args

import numpy as np
import pytest
import torch
from torch import Tensor

from intarsia.backbones.protocols import Backbones, EvalCounter, InpaintingStage, OnStep
from intarsia.errors import Cancelled
from intarsia.imaging.geometry import Box
from intarsia.imaging.read import read_photo
from intarsia.progress import OnProgress, Progress
from intarsia.records.choices import Sampler
from intarsia.records.edit import EditRecord, SearchSettings
from intarsia.records.serialize import from_json, to_json
from intarsia.regions.edit import edit
from intarsia.regions.region import Region
from intarsia.regions.scoring import Scores
from intarsia.regions.search import EvaluationCache, Evaluator, successive_halving
from tests.paths import SCENES
from tests.slow import mostly_slow

BOX = Box(8.0, 8.0, 40.0, 40.0)
STEPS = 30


class PausingInpainter:
    """Paints a canvas with (seed + 1) / 100, and counts; what it begins it can go on with."""

    name, native_side, stride = "pausing", 64, 8
    cell, tokenizer, text_limit, dtype = 4, None, 16, torch.float32

    def __init__(self) -> None:
        self.counter = EvalCounter()
        self.calls: list[tuple[str, int, int]] = []

    def with_own_scheduler(self) -> PausingInpainter:
        return self

    def inpaint(self, picture: Tensor, masks: Tensor, prompts: Sequence[str], **settings: Any) -> Tensor:
        self.calls.append(("whole", len(masks), settings["steps"]))
        self.counter.evaluations += len(masks) * settings["steps"]
        settings["on_step"](settings["steps"], settings["steps"])
        return torch.stack([torch.full((3, 64, 64), (seed + 1) / 100) for seed in settings["seeds"]])

    def begin_inpainting(
        self, picture: Tensor, masks: Tensor, prompts: Sequence[str], *, until: int, **settings: Any
    ) -> list[InpaintingStage]:
        self.calls.append(("begin", len(masks), until))
        return self.painted(settings["seeds"], 0, until, settings["steps"], settings["on_step"])

    def continue_inpainting(
        self, stages: Sequence[InpaintingStage], *, until: int, on_step: OnStep | None = None
    ) -> list[InpaintingStage]:
        self.calls.append(("continue", len(stages), until))
        (done,) = {s.done for s in stages}
        return self.painted([s.state for s in stages], done, until, stages[0].steps, on_step)

    def painted(
        self, seeds: Sequence[int], done: int, until: int, steps: int, on_step: OnStep | None
    ) -> list[InpaintingStage]:
        assert done < until <= steps
        self.counter.evaluations += len(seeds) * (until - done)
        if on_step is not None:
            on_step(until - done, until - done)
        return [
            InpaintingStage(picture=torch.full((3, 64, 64), (seed + 1) / 100), done=until, steps=steps, state=seed)
            for seed in seeds
        ]


class Brightest:
    """Ranks a region by how bright it was painted."""

    def picture_of(self, region: Region) -> Tensor:
        return torch.zeros(1, 3, 64, 64)

    def score_regions(self, pictures: Sequence[Tensor], regions: Sequence[Region]) -> list[Scores]:
        return [Scores(total=float(p.max()), text=0, crop=0, image=0, direction=0, relevance=0) for p in pictures]


def evaluator(cache: EvaluationCache | None = None, on_progress: OnProgress | None = None) -> Evaluator[Brightest]:
    return Evaluator(
        PausingInpainter(),
        Brightest(),
        prompt="a house",
        negative_prompt="",
        guidance=1.0,
        cache=cache,
        on_progress=on_progress,
    )


def halved(search: Evaluator[Brightest], count: int = 6, **changes: Any) -> list[int]:
    """The seeds of a search among as many regions, in its order."""
    settings: dict[str, Any] = {"preview_steps": (4, 10), "survivors": (4, 2), "steps": STEPS, "continued": True}
    regions = [Region(box=BOX, seed=seed) for seed in range(count)]
    return [e.region.seed for e in successive_halving(search, regions, **settings | changes)]


def calls(search: Evaluator[Brightest]) -> list[tuple[str, int, int]]:
    made: list[tuple[str, int, int]] = search.inpainter.calls  # type: ignore[attr-defined]
    return made


def test_survivors_pay_the_remaining_steps_alone() -> None:
    search = evaluator()
    assert halved(search) == [5, 4, 3, 2, 1, 0]
    assert calls(search) == [("begin", 6, 4), ("continue", 4, 10), ("continue", 2, STEPS)]
    assert search.inpainter.counter.evaluations == 6 * 4 + 4 * 6 + 2 * 20


def test_what_goes_on_is_what_the_round_left_and_nothing_is_kept_after_it() -> None:
    search, kept = evaluator(), list[list[int]]()
    forget = search.let_go

    def watched(regions: Sequence[Region], whole: int) -> None:
        forget(regions, whole)
        kept.append(sorted(s.state for s in search.underway.values()))

    search.let_go = watched  # type: ignore[method-assign]
    halved(search)
    assert kept == [[2, 3, 4, 5], [4, 5], []]


def test_the_next_survivor_is_finished_only_where_the_first_is_not_good_enough() -> None:
    search = evaluator()
    halved(search, enough=0.055)
    assert calls(search)[2:] == [("continue", 1, STEPS)]
    search = evaluator()
    halved(search, enough=1.0)
    assert calls(search)[2:] == [("continue", 1, STEPS)] * 2


def test_other_previews_are_schedules_of_their_own() -> None:
    search = evaluator()
    assert halved(search, continued=False) == [5, 4, 3, 2, 1, 0]
    assert calls(search) == [("whole", 6, 4), ("whole", 4, 10), ("whole", 2, STEPS)]


def test_an_inpainter_that_cannot_pause_previews_with_schedules_of_their_own() -> None:
    search = evaluator()
    inner = PausingInpainter()

    class Plain:
        name, native_side, stride, counter = "plain", 64, 8, inner.counter
        cell, tokenizer, text_limit, dtype = inner.cell, inner.tokenizer, inner.text_limit, inner.dtype
        inpaint, with_own_scheduler = inner.inpaint, inner.with_own_scheduler

    search.inpainter = Plain()
    halved(search)
    assert inner.calls == [("whole", 6, 4), ("whole", 4, 10), ("whole", 2, STEPS)]


def test_previews_of_both_sorts_are_remembered_apart_and_finished_pictures_together() -> None:
    cache: EvaluationCache = {}
    halved(evaluator(cache))
    again = evaluator(cache)
    halved(again)
    assert calls(again) == []
    other = evaluator(cache)
    halved(other, continued=False)
    assert calls(other) == [("whole", 6, 4), ("whole", 4, 10)]
    # Their previews are known, but not what they would go on from: they begin, and still end as one batch each.
    more = evaluator(cache)
    assert halved(more, survivors=(4, 4)) == [5, 4, 3, 2, 1, 0]
    assert calls(more) == [("begin", 2, STEPS)]


def test_those_that_are_not_equally_far_are_not_painted_in_one_batch() -> None:
    search = evaluator()
    regions = [Region(box=BOX, seed=seed) for seed in range(3)]
    search.evaluate(regions[:1], 4, "first", whole=STEPS)
    search.evaluate(regions, 10, "all", whole=STEPS)
    assert calls(search) == [("begin", 1, 4), ("begin", 2, 10), ("continue", 1, 10)]
    assert search.inpainter.counter.evaluations == 3 * 10


def test_progress_of_a_stage_ends_at_its_whole() -> None:
    seen: list[Progress] = []
    halved(evaluator(on_progress=seen.append))
    assert [(p.done, p.total) for p in seen] == [(4, 4), (6, 6), (20, 20)]
    assert seen[0].stage == "6 previews after 4 of 30 steps"


# on the pocket models

QUICK = SearchSettings(preview_steps=(2,), survivors=(2,), enough=1.0, continued=True)


def record(**changes: Any) -> EditRecord:
    first = json.loads((SCENES / "scenes.json").read_text())[0]
    return EditRecord(
        photo=str(SCENES / first["image"]),
        source=first["objects"][0]["name"],
        prompt="a house",
        models="pocket",
        steps=5,
        **{"search": QUICK, **changes},
    )


@pytest.mark.parametrize("scheduler", ["solver", "own"])
def test_an_edit_ends_as_it_would_without_pausing_and_costs_what_its_steps_cost(
    scheduler: Any, pocket: Backbones
) -> None:
    ends_as_without_pausing(pocket, scheduler=scheduler)


@pytest.mark.parametrize("sampler", mostly_slow(get_args(Sampler)[1:], pushed=("euler-a",)))
def test_so_does_an_edit_by_any_sampler(sampler: Sampler, pocket: Backbones) -> None:
    ends_as_without_pausing(pocket, rounding=1e-4, sampler=sampler)


def ends_as_without_pausing(pocket: Backbones, *, rounding: float = 1e-5, **changes: Any) -> None:
    photo = read_photo(record().photo)
    cache: EvaluationCache = {}
    result = edit(photo, record(**changes), pocket, cache=cache)
    finished = [c for c in result.candidates if c.steps == 5]
    previews = [c for c in result.candidates if c.steps == 2]
    # The likeliest region whole; the first two steps of each other; the remaining three of two of them.
    assert len(finished) == 3
    assert result.cost.evaluations == 2 * (5 + (len(previews) + 2) * 2 + 2 * 3)
    # Without it the same regions are finished from their noise: every picture that both finish is the same.
    whole: EvaluationCache = {}
    plain = dataclasses.replace(QUICK, continued=False, survivors=(100,))
    edit(photo, record(**changes, search=plain), pocket, cache=whole)
    common = [k for k in cache if k[-1] == "5"]
    assert len(common) == 3
    for key in common:
        assert torch.allclose(cache[key], whole[key], atol=rounding)
    same = result.blend == 0
    assert same.any() and np.array_equal(photo.pixels[same], result.photo.pixels[same])


def test_an_edit_that_goes_on_can_be_cancelled(pocket: Backbones) -> None:
    def stop(progress: Progress) -> None:
        if progress.stage.startswith("2 candidates") and progress.done == 2:
            raise Cancelled("stopped")

    before = pocket.inpainter.counter.evaluations
    cache: EvaluationCache = {}
    with pytest.raises(Cancelled):
        edit(read_photo(record().photo), record(), pocket, cache=cache, on_progress=stop)
    previews = sum(k[-1] == "2/5" for k in cache)
    assert previews and pocket.inpainter.counter.evaluations - before == 2 * (5 + previews * 2 + 2)


def test_the_setting_is_in_the_record() -> None:
    asked = record()
    again = from_json(EditRecord, json.loads(json.dumps(to_json(asked))))
    assert again == asked and again.search.continued
    assert not from_json(EditRecord, {"photo": "p.png", "prompt": "a house", "search": {}}).search.continued
