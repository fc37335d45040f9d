"""Self-attention that is given a source picture, or kept from what shall go."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from diffusers.models.attention_processor import Attention
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from intarsia.backbones.protocols import Backbones, LatentDiffusion
from intarsia.diffusion.attention_control import (
    FIRMNESS,
    NEVER,
    Correspondence,
    SourceInjection,
    grid_of,
    mask_self_attention,
)
from intarsia.errors import Cancelled

ROWS = COLUMNS = 16


@pytest.fixture(scope="module")
def diffusion(pocket: Backbones) -> LatentDiffusion:
    return pocket.in_parts


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
    with SourceInjection(diffusion.unet, ROWS, COLUMNS, itself).attached():
        inside = answer(diffusion, latents)
    with mask_self_attention(diffusion.unet, torch.eye(ROWS)):
        answer(diffusion, latents)
    assert not torch.allclose(inside[1], before[1], atol=1e-3)
    assert torch.equal(answer(diffusion, latents), before)
    assert dict(diffusion.unet.attn_processors) == processors


def test_the_processors_come_back_when_the_work_is_cancelled(diffusion: LatentDiffusion) -> None:
    processors = dict(diffusion.unet.attn_processors)
    for attached in (
        SourceInjection(diffusion.unet, ROWS, COLUMNS, itself).attached(),
        mask_self_attention(diffusion.unet, torch.eye(ROWS)),
    ):
        with pytest.raises(Cancelled), attached:
            raise Cancelled("stop")
        assert dict(diffusion.unet.attn_processors) == processors


def test_a_picture_that_is_given_itself_stays_as_it_is(diffusion: LatentDiffusion) -> None:
    latents = torch.cat([noisy(0), noisy(0)])
    plain = answer(diffusion, latents)
    with SourceInjection(diffusion.unet, ROWS, COLUMNS, itself).attached():
        given = answer(diffusion, latents)
    assert torch.allclose(given, plain, atol=1e-4)


def test_the_source_itself_and_a_picture_without_known_cells_answer_as_always(diffusion: LatentDiffusion) -> None:
    latents = torch.cat([noisy(0), noisy(1), noisy(2)])
    plain = answer(diffusion, latents)
    with SourceInjection(diffusion.unet, ROWS, COLUMNS, itself).attached():
        given = answer(diffusion, latents)
    with SourceInjection(diffusion.unet, ROWS, COLUMNS, nowhere).attached():
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
        with SourceInjection(diffusion.unet, ROWS, COLUMNS, correspondence).attached():
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


def attention_layer(heads: int, width: int) -> Attention:
    """A layer of random weights; Stable Diffusion 1's first level has 8 heads of 40 channels."""
    torch.manual_seed(5)
    return Attention(query_dim=heads * width, heads=heads, dim_head=width).eval().requires_grad_(False)


class OneLayer:
    """A network of one layer of self-attention, as what attaches to a network takes it."""

    def __init__(self, layer: Attention) -> None:
        self.layer = layer

    @property
    def attn_processors(self) -> dict[str, Any]:
        return {"attn1.processor": self.layer.processor}

    def set_attn_processor(self, processors: dict[str, Any]) -> None:
        self.layer.set_processor(processors["attn1.processor"])


def moved_halves(rows: int, columns: int) -> Correspondence:
    """Two objects that have changed places, of soft borders; the last row comes from nowhere."""
    cells = torch.arange(rows * columns)
    column, row = cells % columns, cells // columns
    left = (1 - (column - columns / 2 + 1) / 2).clamp(0, 1)
    index = row * columns + (column + columns // 2) % columns
    labels = torch.stack([left, 1 - left], 1)
    source_labels = labels.flip(1)[index]
    return Correspondence(index=index, known=row < rows - 1, labels=labels, source_labels=source_labels)


def matrix_of_scores(layer: Attention, states: Tensor, match: Correspondence) -> Tensor:
    """The same attention written down plainly, with every cell's score for every other."""
    query, key, value = (
        part(states).unflatten(-1, (layer.heads, -1)).transpose(1, 2) for part in (layer.to_q, layer.to_k, layer.to_v)
    )
    bias = FIRMNESS * (match.labels @ match.source_labels.T - 1)
    bias[:, ~match.known] = FIRMNESS * (match.labels @ match.source_labels.T)[:, ~match.known] + NEVER
    own = query[1:] @ key[1:].transpose(-1, -2) * layer.scale
    source = query[1:] @ key[:1, :, match.index].transpose(-1, -2) * layer.scale + bias
    values = torch.cat([value[1:], value[:1, :, match.index].expand_as(value[1:])], 2)
    answer = torch.cat([own, source], -1).softmax(-1) @ values
    first = (query[:1] @ key[:1].transpose(-1, -2) * layer.scale).softmax(-1) @ value[:1]
    whole = torch.cat([first, answer]).transpose(1, 2).flatten(2)
    projected: Tensor = layer.to_out[0](whole)
    return projected


@pytest.mark.parametrize(("heads", "width"), [(8, 40), (2, 16), (1, 13), (5, 64)])
def test_padding_for_the_kernels_changes_nothing(heads: int, width: int) -> None:
    layer = attention_layer(heads, width)
    states = torch.randn((3, 64, heads * width), generator=torch.Generator().manual_seed(6))
    with SourceInjection(OneLayer(layer), 8, 8, moved_halves).attached():
        given = layer(states)
    wanted = matrix_of_scores(layer, states, moved_halves(8, 8))
    assert float((given - wanted).abs().max()) <= 1e-5
    assert not torch.allclose(given[1:], layer(states)[1:], atol=1e-3)


@pytest.mark.parametrize("width", [40, 80, 160, 64])
def test_no_matrix_of_all_scores_is_made(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernels that need none take what is injected and what is hidden, at every width of real denoisers."""
    layer = attention_layer(2, width)
    states = torch.randn((3, 64, 2 * width), generator=torch.Generator().manual_seed(6))
    fused = [SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION]
    unet, attention, widths = OneLayer(layer), F.scaled_dot_product_attention, set[int]()

    def watched(query: Tensor, key: Tensor, value: Tensor, **settings: Any) -> Tensor:
        widths.update(operand.shape[-1] for operand in (query, key, value))
        return attention(query, key, value, **settings)

    monkeypatch.setattr(F, "scaled_dot_product_attention", watched)
    with SourceInjection(unet, 8, 8, moved_halves).attached(), sdpa_kernel(fused):
        assert layer(states).isfinite().all()
    with mask_self_attention(unet, torch.eye(8)), sdpa_kernel(fused):
        assert layer(states).isfinite().all()
    assert width in widths and not any(width % 8 for width in widths)  # what those of accelerators want


def test_an_injection_is_built_once_however_often_it_is_attached(diffusion: LatentDiffusion) -> None:
    asked: list[tuple[int, int]] = []

    def counted(rows: int, columns: int) -> Correspondence:
        asked.append((rows, columns))
        return itself(rows, columns)

    injection = SourceInjection(diffusion.unet, ROWS, COLUMNS, counted)
    latents = torch.cat([noisy(0), noisy(1)])
    answers = []
    for _ in range(3):
        with injection.attached():
            answers.append(answer(diffusion, latents))
    assert len(asked) == len(set(asked)) >= 2
    assert torch.equal(answers[0], answers[1]) and torch.equal(answers[0], answers[2])
