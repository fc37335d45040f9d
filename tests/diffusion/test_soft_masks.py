"""Soft masks: which cells are held at the original, and for how long."""

from __future__ import annotations

import pytest
import torch

from intarsia.diffusion.soft_masks import cell_freedom, held_cells, told_masks


@pytest.mark.parametrize("count", [1, 3, 7, 10, 30, 50])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_cell_takes_part_in_the_share_of_the_steps_that_it_is_white(count: int, dtype: torch.dtype) -> None:
    shares = torch.arange(count + 1, dtype=dtype) / count
    free = sum((~held_cells(shares, index, count)).long() for index in range(count))
    assert torch.equal(torch.as_tensor(free), torch.arange(count + 1))
    between = (torch.arange(count, dtype=dtype) + 0.5) / count
    free = sum((~held_cells(between, index, count)).long() for index in range(count))
    assert torch.equal(torch.as_tensor(free), torch.arange(count))


def test_a_cell_once_free_stays_free() -> None:
    shares = torch.rand(200, generator=torch.Generator().manual_seed(1))
    held = torch.stack([held_cells(shares, index, 13) for index in range(13)])
    assert (held[1:] <= held[:-1]).all()


def test_a_binary_mask_is_left_to_the_denoiser() -> None:
    masks = torch.zeros(3, 1, 8, 8)
    masks[0, :, :4] = 1
    masks[1, :, :, 4:] = 0.5
    freedom = cell_freedom(masks, 4, 4)
    assert (freedom[0] == 1).all()
    assert torch.equal(freedom[1], masks[1, :, ::2, ::2])
    assert (freedom[2] == 1).all()


def test_a_denoiser_is_told_of_the_whiter_half() -> None:
    masks = torch.tensor([[0.0, 0.3, 0.5, 1.0], [0.0, 0.1, 0.2, 0.4], [0.0, 0.0, 0.0, 0.0], [0.0, 1.0, 1.0, 0.0]])
    expected = torch.tensor([[0, 0, 1, 1], [0, 0, 1, 1], [0, 0, 0, 0], [0, 1, 1, 0]]).float()
    assert torch.equal(told_masks(masks[:, None, None])[:, 0, 0], expected)
