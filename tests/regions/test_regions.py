"""The parts of edit by words: anchors, proposals, losses, networks, search."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from intarsia.backbones.protocols import EvalCounter, OnStep
from intarsia.errors import ModelError
from intarsia.imaging.geometry import Box, Grid, Point, Size
from intarsia.records.edit import FitSettings, ScoreSettings
from intarsia.regions.analysis import ImageAnalysis
from intarsia.regions.anchors import choose_anchors
from intarsia.regions.losses import direction_loss, expected_loss, guidance_loss, sampled_loss, structure_loss
from intarsia.regions.network import PublishedNetwork, RegionNetwork, choose, roi_align
from intarsia.regions.proposals import concentric, coverage, outline, outlines, propose, rectangles, shortlist
from intarsia.regions.region import Region
from intarsia.regions.released import rank
from intarsia.regions.scoring import Ranker
from intarsia.regions.search import Evaluator, successive_halving
from intarsia.regions.train import Example, fit_network

SIZE = Size(64, 64)
THING = Box(36.0, 8.0, 56.0, 24.0)  # right of and above the diagonal


def view_with(thing: Box = THING, *, seed: int = 0) -> ImageAnalysis:
    """A analysis of a picture with one relevant thing; features show it in their first channel."""
    relevance = torch.zeros(64, 64)
    relevance[int(thing.y0) : int(thing.y1), int(thing.x0) : int(thing.x1)] = 1
    cells = torch.nn.functional.adaptive_avg_pool2d(relevance[None, None], (16, 16))[0, 0]
    noise = torch.randn(8, 16, 16, generator=torch.Generator().manual_seed(seed)) * 0.1
    noise[0] += cells
    words = torch.nn.functional.normalize(torch.randn(2, 12, generator=torch.Generator().manual_seed(7)), dim=1)
    return ImageAnalysis(
        picture=relevance[None, None].expand(1, 3, 64, 64) * 2 - 1,
        size=SIZE,
        features=noise,
        saliency=(cells + 1e-3) / (cells + 1e-3).sum(),
        relevance=relevance,
        has_text_relevance=True,
        source=words[0],
        prompt=words[1],
    )


class FakeInpainter:
    """Paints the hole with its seed's value, and counts."""

    name, native_side, stride = "fake", 64, 8
    cell, tokenizer, text_limit, dtype = 4, None, 16, torch.float32

    def __init__(self) -> None:
        self.counter = EvalCounter()
        self.calls: list[tuple[int, int]] = []

    def with_own_scheduler(self) -> FakeInpainter:
        return self

    def inpaint(
        self,
        picture: Tensor,
        masks: Tensor,
        prompts: Sequence[str],
        *,
        negative_prompt: str = "",
        seeds: Sequence[int],
        steps: int,
        guidance: float,
        strength: float = 1.0,
        tile: int | None = None,
        on_step: OnStep | None = None,
    ) -> Tensor:
        self.counter.evaluations += len(masks) * steps * (2 if guidance > 1 else 1)
        self.calls.append((len(masks), steps))
        if on_step is not None:
            on_step(steps, steps)
        return torch.full((len(masks), 3, *picture.shape[-2:]), 0.25)


class FakeScorer:
    """Embeds a picture as its coarse pixels."""

    def embed_images(self, pictures: Tensor) -> Tensor:
        small = torch.nn.functional.adaptive_avg_pool2d(pictures, (2, 2)).flatten(1)
        return torch.nn.functional.normalize(small + 1e-3, dim=-1)

    def embed_texts(self, texts: Sequence[str]) -> Tensor:
        return torch.nn.functional.normalize(torch.ones(len(texts), 12), dim=-1)

    def patch_tokens(self, pictures: Tensor) -> Tensor:
        return torch.nn.functional.adaptive_avg_pool2d(pictures, (8, 8)).flatten(2).transpose(1, 2)

    def inner_tokens(self, pictures: Tensor) -> Tensor:
        patches = self.patch_tokens(pictures)
        return torch.cat([patches.mean(1, keepdim=True), patches], 1)


def evaluator() -> Evaluator:
    return Evaluator(
        FakeInpainter(),
        Ranker(view_with(), FakeScorer(), ScoreSettings()),
        prompt="a house",
        negative_prompt="",
        guidance=5.0,
    )


# anchors and proposals


def test_an_off_diagonal_object_is_anchored_where_it_is() -> None:
    analysis = view_with()
    first = choose_anchors(analysis.anchor_map, analysis.grid, 5)[0]
    assert THING.contains(first)
    assert not THING.contains(Point(first.y, first.x))


@given(st.integers(2, 20), st.integers(2, 20), st.integers(1, 12), st.integers(0, 100))
@settings(max_examples=40)
def test_anchors_are_inside_and_apart(rows: int, columns: int, count: int, seed: int) -> None:
    strength = torch.rand(rows, columns, generator=torch.Generator().manual_seed(seed))
    grid = Grid(Size(columns * 4, rows * 4), rows, columns)
    anchors = choose_anchors(strength, grid, count, suppression=0.2)
    assert 1 <= len(anchors) <= count
    cells = [grid.cell(a) for a in anchors]
    assert len(set(cells)) == len(cells)
    assert strength[cells[0]] == strength.max()
    radius = 0.2 * min(rows, columns)
    for i, (r, c) in enumerate(cells):
        assert all((r - a) ** 2 + (c - b) ** 2 > radius**2 for a, b in cells[:i])


def test_without_suppression_anchors_are_the_top_cells() -> None:
    strength = torch.arange(16.0).reshape(4, 4)
    anchors = choose_anchors(strength, Grid(Size(4, 4), 4, 4), 3, suppression=0.0)
    assert anchors == (Point(3.5, 3.5), Point(2.5, 3.5), Point(1.5, 3.5))


def test_concentric_boxes_grow_and_stay_inside() -> None:
    boxes = concentric(Point(2, 60), SIZE, smallest=0.25, largest=0.875, count=6)
    assert len(boxes) == 6
    assert all(b.clipped(SIZE) == b for b in boxes)
    assert all(a.area < b.area for a, b in itertools.pairwise(boxes))
    assert boxes[0] == Box(0, 52, 10, 64)


def test_rectangles_have_several_aspects_and_touch_the_border() -> None:
    boxes = rectangles(Point(32, 32), SIZE, smallest=0.25, largest=0.9)
    ratios = {round(b.width / b.height, 1) for b in boxes}
    assert {1.0, 0.6, 1.6} <= ratios
    assert any(b.x0 == 0 for b in rectangles(Point(1, 30), SIZE, smallest=0.25, largest=0.9))


def test_outline_is_the_connected_thing_alone() -> None:
    relevance = view_with().relevance.clone()
    relevance[40:50, 5:15] = 1  # another thing
    assert outline(relevance, Point(40, 10), 0.5) == THING
    assert outline(relevance, Point(10, 45), 0.5) == Box(5, 40, 15, 50)
    assert outline(relevance, Point(30, 30), 0.5) is None
    assert all(b.intersection(THING) == THING.area for b in outlines(relevance, Point(40, 10), SIZE))


def test_coverage_prefers_the_box_that_fits() -> None:
    relevance = view_with().relevance
    tight, half, all_of_it, elsewhere = coverage(
        relevance, [THING, Box(36, 8, 46, 24), Box(0, 0, 64, 64), Box(8, 36, 24, 56)]
    )
    assert tight == pytest.approx(1.0)
    assert tight > half > all_of_it > elsewhere == 0


def test_shortlist_keeps_the_best_of_every_anchor() -> None:
    analysis = view_with()
    anchors = choose_anchors(analysis.anchor_map, analysis.grid, 4, suppression=0.1)
    proposals = propose(anchors, analysis.relevance, SIZE, has_text_relevance=True, smallest=0.25, largest=0.9)
    merit = coverage(analysis.relevance, [p.box for p in proposals])
    chosen = shortlist(proposals, merit, 8)
    assert len(chosen) == 8
    assert {p.anchor for p in chosen} == {p.anchor for p in proposals}
    assert float(coverage(analysis.relevance, [chosen[0].box])) == float(merit.max())


# losses


def test_losses_of_an_unchanged_picture() -> None:
    tokens, image, words = torch.randn(5, 8), torch.randn(6), torch.randn(2, 6)
    assert float(structure_loss(tokens[None], tokens)) == pytest.approx(0, abs=1e-6)
    assert float(direction_loss(image[None], image, words[0], words[1])) == pytest.approx(1.0)
    assert float(guidance_loss(words[:1], words[0])) == pytest.approx(0, abs=1e-6)


def test_direction_loss_is_zero_when_the_picture_changes_as_the_words_do() -> None:
    image, prompt, source = torch.randn(6), torch.randn(6), torch.randn(6)
    assert float(direction_loss((image + 2 * (prompt - source))[None], image, prompt, source)) == pytest.approx(
        0, abs=1e-5
    )


def test_expected_loss_has_the_exact_gradient() -> None:
    logits = torch.randn(3, 5, requires_grad=True)
    losses = torch.rand(3, 5)
    expected_loss(logits, losses, torch.ones(3, 5, dtype=torch.bool)).backward()
    p = logits.detach().softmax(-1)
    by_hand = p * (losses - (p * losses).sum(-1, keepdim=True)) / 3
    torch.testing.assert_close(logits.grad, by_hand)


def test_expected_loss_ignores_what_was_not_evaluated() -> None:
    logits = torch.tensor([0.0, 0.0, 9.0], requires_grad=True)
    value = expected_loss(logits, torch.tensor([1.0, 3.0, float("nan")]), torch.tensor([True, True, False]))
    assert float(value.detach()) == pytest.approx(2.0)
    value.backward()
    assert logits.grad is not None and logits.grad[2] == 0


def test_sampled_gradient_points_where_the_exact_one_does() -> None:
    losses, generator = torch.tensor([0.9, 0.1, 0.5, 0.6]), torch.Generator().manual_seed(0)
    logits = torch.zeros(4, requires_grad=True)
    expected_loss(logits, losses, torch.ones(4, dtype=torch.bool)).backward()
    assert logits.grad is not None
    exact = logits.grad.clone()
    total = torch.zeros(4)
    for _ in range(400):
        rows = torch.zeros(6, 4, requires_grad=True)
        choices, _ = choose(rows, generator)
        sampled_loss(rows, choices, losses[choices]).backward()
        assert rows.grad is not None
        total += rows.grad.sum(0)
    assert torch.nn.functional.cosine_similarity(total, exact, dim=0) > 0.98


# networks


def test_roi_align_reads_x_from_x() -> None:
    ramp = torch.stack([torch.arange(16.0).repeat(16, 1), torch.arange(16.0)[:, None].repeat(1, 16)])
    bins = roi_align(ramp, [Box(32, 8, 48, 24)], SIZE, out=2)[0]
    # A cell is 4 pixels and its value sits in its middle: x pixel 36 lies at cell 8.5.
    torch.testing.assert_close(bins[0], torch.tensor([[8.5, 10.5], [8.5, 10.5]]))
    torch.testing.assert_close(bins[1], torch.tensor([[2.5, 2.5], [4.5, 4.5]]))


def test_fitting_finds_the_only_right_box() -> None:
    torch.manual_seed(0)
    network = RegionNetwork(8, 12)
    before = {k: v.clone() for k, v in network.state_dict().items()}
    examples = []
    for seed in range(6):
        rng = torch.Generator().manual_seed(seed)
        x, y = (float(v) for v in torch.randint(4, 40, (2,), generator=rng))
        thing = Box(x, y, x + 18, y + 18)
        boxes = (thing, Box(2, 2, 20, 20), Box(40, 40, 62, 62), Box(4, 40, 24, 60), Box(0, 0, 64, 64))
        losses = torch.tensor([0.0, 1.0, 1.0, 1.0, 1.0])
        examples.append(Example(analysis=view_with(thing, seed=seed), boxes=boxes, losses=losses))
    first, last = fit_network(network, examples, FitSettings(epochs=30, rate=3e-3, accumulate=2))
    assert last < 0.3 < first
    assert all(not torch.equal(v, before[k]) for k, v in network.state_dict().items() if k.endswith("weight"))
    chosen = [int(network(e.analysis, e.boxes).argmax()) for e in examples]
    assert chosen == [0] * 6


def test_the_published_network_learns_from_sampled_choices() -> None:
    torch.manual_seed(0)
    analysis = view_with()
    anchors = choose_anchors(analysis.saliency, analysis.grid, 3, suppression=0.0)
    boxes = [concentric(a, SIZE, smallest=0.25, largest=0.875, count=6) for a in anchors]
    network, dice = PublishedNetwork(8, 6), torch.Generator().manual_seed(1)
    optimiser = torch.optim.Adam(network.parameters(), 5e-3)
    right = 1 - torch.eye(6)[2]
    before = float((network(analysis, boxes).detach().softmax(-1) * right).sum(-1).mean())
    for _ in range(60):
        logits = network(analysis, boxes)
        choices, _ = choose(logits, dice)
        optimiser.zero_grad()
        sampled_loss(logits, choices, right[choices]).backward()
        optimiser.step()
    assert float((network(analysis, boxes).detach().softmax(-1) * right).sum(-1).mean()) < 0.6 * before


def test_choose_is_one_hot_with_a_gradient() -> None:
    logits = torch.randn(4, 5, requires_grad=True)
    choices, picked = choose(logits, torch.Generator().manual_seed(0))
    torch.testing.assert_close(picked.detach(), torch.nn.functional.one_hot(choices, 5).float(), atol=1e-6, rtol=0)
    (picked * torch.rand(4, 5)).sum().backward()
    assert logits.grad is not None and logits.grad.abs().sum() > 0


def test_network_saves_and_loads(tmp_path) -> None:
    network, analysis = RegionNetwork(8, 12).eval(), view_with()
    network.save(tmp_path / "regions.safetensors")
    again = RegionNetwork.load(tmp_path / "regions.safetensors")
    torch.testing.assert_close(again(analysis, [THING]), network(analysis, [THING]))
    with pytest.raises(ModelError, match="fitted on features of widths"):
        again.check(dataclasses.replace(analysis, prompt=torch.zeros(5)))
    (tmp_path / "other.safetensors").write_bytes(b"no weights")
    with pytest.raises(ModelError, match="no readable safetensors"):
        RegionNetwork.load(tmp_path / "other.safetensors")


# search


def test_what_was_painted_once_is_remembered() -> None:
    search = evaluator()
    regions = [Region(box=THING, seed=1), Region(box=THING, seed=1), Region(box=THING, seed=2)]
    search.evaluate(regions, 4, "first")
    assert search.inpainter.calls == [(2, 4)]  # type: ignore[attr-defined]
    search.evaluate(regions, 4, "again")
    search.evaluate(regions[:1], 8, "more steps")
    assert search.inpainter.calls == [(2, 4), (1, 8)]  # type: ignore[attr-defined]
    assert search.inpainter.counter.evaluations == 2 * (2 * 4 + 8)


def test_pixels_outside_a_region_are_the_originals() -> None:
    search = evaluator()
    (done,) = search.evaluate([Region(box=THING, seed=1)], 4, "one")
    original = search.ranker.analysis.picture[0]
    hole = torch.zeros(64, 64, dtype=torch.bool)
    hole[8:24, 36:56] = True
    assert torch.equal(done.picture[:, ~hole], original[:, ~hole])
    assert (done.picture[:, hole] == 0.25).all()


def test_halving_spends_the_announced_budget_and_ranks_finished_pictures_first() -> None:
    search = evaluator()
    boxes = rectangles(Point(40, 16), SIZE, smallest=0.25, largest=0.9)
    regions = [Region(box=b, seed=0) for b in boxes]
    ranked = successive_halving(search, regions, preview_steps=(4, 10), survivors=(5, 2), steps=30)
    assert search.inpainter.counter.evaluations == 2 * (len(boxes) * 4 + 5 * 10 + 2 * 30)
    assert [e.steps for e in ranked] == [30] * 2 + [10] * 3 + [4] * (len(boxes) - 5)
    finished = [e.scores.total for e in ranked[:2]]
    assert finished == sorted(finished, reverse=True)
    assert len({e.region.box for e in ranked}) == len(boxes)


def test_a_neighbour_that_the_box_swallows_costs_more_than_the_object_itself() -> None:
    ranker = Ranker(view_with(), FakeScorer(), ScoreSettings())
    neighbour = Box(8.0, 40.0, 24.0, 56.0)
    picture = ranker.analysis.picture.clone()
    picture[..., 40:56, 8:24] = 1  # the analysis's second thing, which no word names
    ranker = Ranker(dataclasses.replace(ranker.analysis, picture=picture), FakeScorer(), ScoreSettings())
    painted = []
    for box in (THING, neighbour):
        changed = picture[0].clone()
        changed[:, int(box.y0) : int(box.y1), int(box.x0) : int(box.x1)] = -1
        painted.append(changed)
    object_gone, neighbour_gone = ranker.score(torch.stack(painted), [THING, neighbour])
    everything = Box(0.0, 0.0, 64.0, 64.0)
    swallowed = ranker.score(painted[1][None], [everything])[0]
    assert object_gone.image == pytest.approx(1.0, abs=1e-5)
    assert neighbour_gone.image < 0.95
    assert swallowed.image < 0.95


def test_the_published_ranking_looks_at_whole_pictures_alone() -> None:
    search = evaluator()
    regions = [Region(box=b, seed=0) for b in rectangles(Point(40, 16), SIZE, smallest=0.25, largest=0.9)[:8]]
    evaluations = search.evaluate(regions, 4, "some")
    ranked = rank(evaluations, search.ranker)
    scorer, analysis = search.ranker.scorer, search.ranker.analysis
    for evaluation in ranked:
        edited = scorer.embed_images(evaluation.picture[None])[0]
        expected = 2 * edited @ analysis.prompt + edited @ scorer.embed_images(analysis.picture)[0]
        assert evaluation.scores.total == pytest.approx(float(expected), abs=1e-5)
    text = [float(scorer.embed_images(e.picture[None])[0] @ analysis.prompt) for e in ranked]
    assert min(text[:3]) >= max(text[3:]) - 1e-6
    finalists = [e.scores.total for e in ranked[:3]]
    assert finalists == sorted(finalists, reverse=True)
