"""The published presets: their boxes, losses and rates, and what the released code does instead."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from intarsia.backbones.protocols import Backbones
from intarsia.imaging.geometry import Point, Size
from intarsia.imaging.masks import box_mask
from intarsia.imaging.read import read_photo
from intarsia.records.edit import EditRecord, FitSettings, SearchSettings
from intarsia.regions.analysis import ImageAnalysis
from intarsia.regions.edit import EditResult, edit
from intarsia.regions.losses import published_structure_loss, structure_loss
from intarsia.regions.published import boxes_of, rate_of, window_count
from intarsia.regions.region import Region
from intarsia.regions.released import exact_anchors, exact_box, exact_cells, half_sides, rank
from tests.paths import SCENES
from tests.regions.test_regions import evaluator, view_with

PUBLISHED_SEARCH = EditRecord(photo="p.png", prompt="x", preset="paper").search
SHORT: dict[str, Any] = {"steps": 1, "fit": FitSettings(rounds=2)}


def edited(backbones: Backbones, **changes: Any) -> EditResult:
    fact = json.loads((SCENES / "scenes.json").read_text())[0]
    values: dict[str, Any] = {"source": fact["objects"][0]["name"], "prompt": "a house", "models": "pocket"}
    record = EditRecord(photo=str(SCENES / fact["image"]), **{**values, **changes})
    return edit(read_photo(record.photo), record, backbones)


# boxes


def test_the_published_windows_are_six_sides_and_a_smaller_largest_leaves_fewer() -> None:
    (row,) = boxes_of([Point(32, 32)], view_with(), PUBLISHED_SEARCH)
    assert [box.width / 64 for box in row] == [0.25, 0.375, 0.5, 0.625, 0.75, 0.875]
    assert window_count(SearchSettings(smallest_window=0.25, largest_window=0.5)) == 3
    assert window_count(SearchSettings(smallest_window=0.25, largest_window=0.499)) == 2
    assert window_count(SearchSettings(smallest_window=0.5, largest_window=0.5)) == 1
    assert half_sides(PUBLISHED_SEARCH) == [4, 6, 8, 10, 12, 14]
    assert half_sides(dataclasses.replace(PUBLISHED_SEARCH, largest_window=0.5)) == [4, 6, 8]


def view_of(saliency: torch.Tensor) -> ImageAnalysis:
    return dataclasses.replace(view_with(), saliency=saliency / saliency.sum())


def test_the_released_code_takes_the_four_middle_cells_and_five_top_ones() -> None:
    saliency = torch.rand(32, 32, generator=torch.Generator().manual_seed(2))
    saliency[3, 20:25] = 5 + torch.arange(5).float()
    cells = exact_cells(view_of(saliency), PUBLISHED_SEARCH)
    assert set(cells[:4]) == {(15, 15), (15, 16), (16, 15), (16, 16)}
    middle = [float(saliency[cell]) for cell in cells[:4]]
    assert middle == sorted(middle, reverse=True)
    assert cells[4:] == [(3, 24), (3, 23), (3, 22), (3, 21), (3, 20)]
    two = dataclasses.replace(PUBLISHED_SEARCH, anchors=2)
    assert exact_cells(view_of(saliency), two) == cells[:2]


def test_a_salient_middle_is_taken_twice() -> None:
    saliency = torch.full((32, 32), 0.1)
    saliency[15, 15] = 1
    cells = exact_cells(view_of(saliency), PUBLISHED_SEARCH)
    assert cells[0] == cells[4] == (15, 15) and len(cells) == 9


def test_the_released_boxes_lie_mirrored_across_the_diagonal() -> None:
    size = Size(width=256, height=256)
    box = exact_box((4, 24), 4, size)  # of a cell near the top, on the right
    assert (box.x0, box.y0) == (0, math.ceil(20 * 255 / 31))
    assert (box.x1, box.y1) == (math.ceil(8 * 255 / 31), math.ceil(28 * 255 / 31))
    saliency = torch.full((32, 32), 0.1)
    saliency[3, 24] = 1
    (first,) = exact_anchors(view_of(saliency), SearchSettings(anchors=1, smallest_window=1.5, largest_window=1.5))
    assert (first.x, first.y) == (3.5 * 2, 24.5 * 2)


@given(st.integers(0, 31), st.integers(0, 31), st.sampled_from([4, 6, 8, 10, 12, 14]))
@settings(max_examples=60)
def test_the_released_code_never_repaints_the_last_row_and_column(row: int, column: int, half: int) -> None:
    mask = box_mask(exact_box((row, column), half, Size(256, 256)), Size(256, 256))
    assert mask.any() and not mask[255].any() and not mask[:, 255].any()
    there = exact_box((column, row), half, Size(256, 256))
    assert np.array_equal(box_mask(there, Size(256, 256)), mask.T)


# losses and rates


def test_the_published_structure_loss_is_the_mean_of_squares() -> None:
    edited, original = torch.randn(3, 5, 8), torch.randn(5, 8)

    def similar(a: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.cosine_similarity(a[:, None], a[None], dim=-1)

    expected = [float((similar(one) - similar(original)).square().mean()) for one in edited]
    assert published_structure_loss(edited, original).tolist() == pytest.approx(expected, abs=1e-6)
    assert structure_loss(edited, original).square().tolist() == pytest.approx(expected, abs=1e-5)
    assert float(published_structure_loss(original[None], original)) == pytest.approx(0, abs=1e-6)


def test_inner_tokens_are_what_the_last_block_is_given(tiny_backbones: Backbones) -> None:
    scorer: Any = tiny_backbones.scorer
    pictures = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    seen: list[torch.Tensor] = []
    block = scorer.model.vision_model.encoder.layers[-1]
    with (
        torch.no_grad(),
        block.register_forward_pre_hook(
            lambda _, inputs, named: seen.append((*inputs, *named.values())[0]), with_kwargs=True
        ),
    ):
        tokens = scorer.inner_tokens(pictures)
    assert tokens.shape[1] == 1 + scorer.patch_tokens(pictures).shape[1]
    torch.testing.assert_close(tokens, seen[0])


def test_the_rate_falls_along_half_a_cosine() -> None:
    fit = EditRecord(photo="p.png", prompt="x", preset="paper").fit
    rates = [rate_of(round_, fit) for round_ in range(fit.rounds)]
    assert rates[0] == 5e-3 and rates[5] == pytest.approx(2.5e-3) and rates == sorted(rates, reverse=True)
    assert [rate_of(round_, FitSettings()) for round_ in (0, 9)] == [2e-3, 2e-3]


def test_shares_of_the_candidates_rank_as_raw_cosines_nearly_do() -> None:
    search = evaluator()
    rows = boxes_of([Point(40, 16), Point(20, 40)], view_with(), PUBLISHED_SEARCH)
    evaluations = search.evaluate([Region(box=b, seed=0) for row in rows for b in row], 4, "some")
    shares = rank(evaluations, search.ranker, shares=True)
    assert sum(e.scores.total for e in shares) == pytest.approx(3, abs=1e-4)
    assert {e.region for e in shares[:3]} == {e.region for e in rank(evaluations, search.ranker)[:3]}


# whole edits


@pytest.mark.parametrize("preset", ["paper", "released", "released-exact"])
def test_the_published_presets_heed_anchors_windows_and_rounds(pocket: Backbones, preset: str) -> None:
    search = SearchSettings(anchors=3, largest_window=0.5)
    result = edited(pocket, preset=preset, search=search, **SHORT)
    assert len(result.anchors) == len(result.candidates) == 3
    assert all(max(c.box.width, c.box.height) <= 0.5 * 64 + 2 for c in result.candidates)
    most = 2 * 3 * 3
    assert result.cost.evaluations <= most if preset == "paper" else result.cost.evaluations == most
    assert result.record.guidance == 7.5 and result.record.template.startswith("a high quality")


@pytest.mark.slow
def test_a_whole_published_command_costs_what_is_documented(pocket: Backbones) -> None:
    """99 pictures, guidance doubling each of the steps."""
    assert edited(pocket, preset="released", steps=1).cost.evaluations == 99 * 2
    assert EditRecord(photo="p", prompt="p", preset="released").steps * 99 * 2 == 9900


def test_the_released_code_pastes_nothing_back_and_a_given_box_is_kept_to_all_the_same(pocket: Backbones) -> None:
    result = edited(pocket, preset="released-exact", **SHORT)
    assert (result.blend == 1).all() and all(c.blend is not None and (c.blend == 1).all() for c in result.candidates)
    mask = box_mask(result.candidates[0].box, result.photo.size)
    assert (result.photo.pixels[~mask] != result.original.pixels[~mask]).any()
    assert len({c.seed for c in result.candidates}) == 9

    given = edited(pocket, preset="released-exact", box=(8.0, 16.0, 40.0, 60.0), **SHORT)
    untouched = given.blend == 0
    assert untouched.any() and (given.photo.pixels[untouched] == given.original.pixels[untouched]).all()


@pytest.mark.parametrize(
    "where", [{"box": (8.0, 16.0, 40.0, 60.0)}, {"search": SearchSettings(enough=0.0)}, {"preset": "released"}]
)
def test_the_template_reaches_the_models(pocket: Backbones, where: dict[str, Any]) -> None:
    settings: dict[str, Any] = {**SHORT, "search": SearchSettings(anchors=1), "seed": 3, **where}
    plain = edited(pocket, prompt="a house", template="{}", **settings)
    wrapped = edited(pocket, prompt="house", template="a {}", **settings)
    assert np.array_equal(plain.photo.pixels, wrapped.photo.pixels)
    if "preset" in where:  # on crops the words are scored as they are said
        assert plain.candidates[0].scores == wrapped.candidates[0].scores


def test_a_preset_replays_from_its_record(pocket: Backbones) -> None:
    first = edited(pocket, preset="released-exact", search=SearchSettings(anchors=2), **SHORT)
    again = edit(first.original, first.record, pocket)
    assert np.array_equal(first.photo.pixels, again.photo.pixels) and again.record == first.record
