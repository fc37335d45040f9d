"""Self-attention that is given a source picture, or kept from what shall go."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from intarsia.backbones.protocols import Backbones, LatentDiffusion
from intarsia.diffusion.attention_control import Correspondence, grid_of, inject_self_attention, mask_self_attention
from intarsia.errors import Cancelled

ROWS = COLUMNS = 16


@pytest.fixture(scope="module")
def diffusion(pocket: Backbones) -> LatentDiffusion:
    return pocket.diffusion


@pytest.fixture(autouse=True)
def without_gradients() -> Iterator[None]:
    with torch.no_grad():
        yield


def noisy(seed: int) -> Tensor:
    return torch.randn((1, 4, ROWS, COLUMNS), generator=torch.Generator().manual_seed(seed))


def itself(rows: int, columns: int) -> Correspondence:
    """Nothing has moved, and everything belongs together."""
    cells = rows * columns
    return Correspondence(
        index=torch.arange(cells),
        known=torch.ones(cells, dtype=torch.bool),
        labels=torch.ones(cells, 1),
        source_labels=torch.ones(cells, 1),
    )


def nowhere(rows: int, columns: int) -> Correspondence:
    """No part of the source is to be seen."""
    cells = rows * columns
    return Correspondence(
        index=torch.zeros(cells, dtype=torch.long),
        known=torch.zeros(cells, dtype=torch.bool),
        labels=torch.ones(cells, 1),
        source_labels=torch.ones(cells, 1),
    )


def answer(diffusion: LatentDiffusion, latents: Tensor) -> Tensor:
    return diffusion.predict(latents, 500, diffusion.encode_text(["a cat"] * len(latents))).clean


def test_attached_and_detached_the_network_answers_as_before(diffusion: LatentDiffusion) -> None:
    latents, processors = torch.cat([noisy(0), noisy(1)]), dict(diffusion.unet.attn_processors)
    before = answer(diffusion, latents)
    with inject_self_attention(diffusion.unet, ROWS, COLUMNS, itself):
        inside = answer(diffusion, latents)
    with mask_self_attention(diffusion.unet, torch.eye(ROWS)):
        answer(diffusion, latents)
    assert not torch.allclose(inside[1], before[1], atol=1e-3)
    assert torch.equal(answer(diffusion, latents), before)
    assert dict(diffusion.unet.attn_processors) == processors


def test_the_processors_come_back_when_the_work_is_cancelled(diffusion: LatentDiffusion) -> None:
    processors = dict(diffusion.unet.attn_processors)
    for attached in (
        inject_self_attention(diffusion.unet, ROWS, COLUMNS, itself),
        mask_self_attention(diffusion.unet, torch.eye(ROWS)),
    ):
        with pytest.raises(Cancelled), attached:
            raise Cancelled("stop")
        assert dict(diffusion.unet.attn_processors) == processors


def test_a_picture_that_is_given_itself_stays_as_it_is(diffusion: LatentDiffusion) -> None:
    latents = torch.cat([noisy(0), noisy(0)])
    plain = answer(diffusion, latents)
    with inject_self_attention(diffusion.unet, ROWS, COLUMNS, itself):
        given = answer(diffusion, latents)
    assert torch.allclose(given, plain, atol=1e-4)


def test_the_source_itself_and_a_picture_without_known_cells_answer_as_always(diffusion: LatentDiffusion) -> None:
    latents = torch.cat([noisy(0), noisy(1), noisy(2)])
    plain = answer(diffusion, latents)
    with inject_self_attention(diffusion.unet, ROWS, COLUMNS, itself):
        given = answer(diffusion, latents)
    with inject_self_attention(diffusion.unet, ROWS, COLUMNS, nowhere):
        kept = answer(diffusion, latents)
    assert torch.allclose(given[0], plain[0], atol=1e-4)
    assert not torch.allclose(given[1], plain[1], atol=1e-3)
    assert torch.allclose(kept, plain, atol=1e-4)


def test_an_object_takes_from_the_source_of_its_own_label(diffusion: LatentDiffusion) -> None:
    """What one object's cells are given does not depend on the source's cells of the other, but for a rest."""

    def halves(rows: int, columns: int) -> Correspondence:
        left = (torch.arange(rows * columns) % columns < columns // 2).float()
        labels = torch.stack([left, 1 - left], 1)
        everything = itself(rows, columns)
        return Correspondence(index=everything.index, known=everything.known, labels=labels, source_labels=labels)

    layer = diffusion.unet.up_blocks[-1].attentions[0].transformer_blocks[0].attn1
    states = torch.randn((2, 256, layer.to_q.in_features), generator=torch.Generator().manual_seed(3))
    other = states.clone()
    other[0] = torch.where(torch.arange(256)[:, None] % 16 >= 8, -states[0], states[0])
    changes = {}
    for name, correspondence in (("labelled", halves), ("mixed", itself)):
        with inject_self_attention(diffusion.unet, ROWS, COLUMNS, correspondence):
            changes[name] = (layer(states) - layer(other))[1].reshape(16, 16, -1).abs().mean(-1)
    assert changes["labelled"][:, :8].mean() < 0.05 * changes["mixed"][:, :8].mean()
    assert changes["labelled"][:, 8:].mean() > 0.5 * changes["mixed"][:, 8:].mean()


def test_what_is_hidden_is_not_looked_at(diffusion: LatentDiffusion) -> None:
    layer = diffusion.unet.up_blocks[-1].attentions[0].transformer_blocks[0].attn1
    states = torch.randn((1, 256, layer.to_q.in_features), generator=torch.Generator().manual_seed(3))
    hidden = torch.zeros(ROWS, COLUMNS)
    hidden[4:8, 4:8] = 1
    changed = torch.where(hidden.flatten()[:, None] > 0, -states, states)
    with mask_self_attention(diffusion.unet, hidden):
        first, second = layer(states)[0], layer(changed)[0]
    seen = hidden.flatten() == 0
    assert torch.allclose(first[seen], second[seen], atol=1e-5)
    assert not torch.allclose(layer(states)[0][seen], layer(changed)[0][seen], atol=1e-3)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_hiding_nothing_or_everything_changes_nothing(diffusion: LatentDiffusion, share: float) -> None:
    plain = answer(diffusion, noisy(0))
    with mask_self_attention(diffusion.unet, torch.full((ROWS, COLUMNS), share)):
        assert torch.allclose(answer(diffusion, noisy(0)), plain, atol=1e-4)


@pytest.mark.parametrize(
    ("cells", "rows", "columns", "grid"),
    [(256, 16, 16, (16, 16)), (64, 16, 16, (8, 8)), (96, 16, 24, (8, 12)), (6, 9, 5, (3, 2))],
)
def test_a_layers_grid_follows_from_its_cells(cells: int, rows: int, columns: int, grid: tuple[int, int]) -> None:
    assert grid_of(cells, rows, columns) == grid
