"""The pretended CUDA device itself: it refuses what CUDA refuses, allows what CUDA allows, and leaves torch as it was."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.pretended_cuda import STANDINS, CardTensor, pretended_cuda

MIXED = "Expected all tensors to be on the same device"

REFUSED: dict[str, Callable[[Tensor, Tensor], object]] = {
    "elements": lambda here, card: here * card,
    "products": lambda here, card: card @ here,
    "choice": lambda here, card: torch.where(here > 0, card, card),
    "joined": lambda here, card: torch.cat([card, here]),
    "filled": lambda here, card: card.masked_fill(here > 0, 0.0),
    "in place": lambda here, card: here.add_(card),
    "convolved": lambda here, card: F.conv2d(card[None, None], here[None, None]),
    "looked up": lambda here, card: F.embedding(torch.tensor([0, 1]), card),
    "compared": lambda here, card: torch.equal(here, card),
    "indexed by the card": lambda here, card: here[card > 0],
    "0-dim of the card": lambda here, card: here + card[0, 0],
    "0-dim of the CPU, stacked": lambda here, card: torch.stack([card[0, 0], here[0, 0]]),
    "assigned by index": lambda here, card: card.index_put_((torch.tensor([0]),), here[:1]),
    "linear": lambda here, card: nn.Linear(3, 2)(card),
}

ALLOWED: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "0-dim of the CPU": lambda here, other: other * here[0, 1] + torch.tensor(2.0),
    "indices of the CPU": lambda here, other: other[torch.tensor([1, 0])],
    "a mask of the CPU": lambda here, other: other[here > 2],
    "a list": lambda here, other: other[[1, 0]],
    "a list beside a slice": lambda here, other: other[:, [0, 2]],
    "assigned with a mask of the CPU": lambda here, other: other.clone().index_put_((here > 2,), torch.tensor(7.0)),
    "assigned a slice": lambda here, other: assigned(other.clone(), here[0]),
    "copied": lambda here, other: other.clone().copy_(here),
    "new from it": lambda here, other: other.new_zeros(2, 3) + torch.zeros_like(other) + other,
    "made there": lambda here, other: torch.ones(2, 3, device=other.device) * other,
    "made of numbers": lambda here, other: torch.tensor([1.0, 2.0, 3.0], device=other.device) * other,
    "made of a tensor": lambda here, other: torch.as_tensor(here, device=other.device) * other,
}


def assigned(tensor: Tensor, row: Tensor) -> Tensor:
    tensor[0] = row
    tensor[1, 1] = 5
    return tensor


@pytest.fixture
def here() -> Tensor:
    return torch.arange(6, dtype=torch.float32).reshape(2, 3)


@pytest.mark.parametrize("name", REFUSED)
def test_devices_do_not_mix(name: str, here: Tensor) -> None:
    with pretended_cuda(), pytest.raises(RuntimeError, match=MIXED):
        REFUSED[name](here, here.to("cuda"))


@pytest.mark.parametrize("name", ALLOWED)
def test_what_cuda_allows_gives_what_the_cpu_gives(name: str, here: Tensor) -> None:
    with pretended_cuda():
        result = ALLOWED[name](here, here.to("cuda"))
        assert result.device == torch.device("cuda:0") and result.is_cuda
    assert torch.equal(result.cpu(), ALLOWED[name](here, here.clone()))


def test_the_way_back_gives_a_plain_tensor(here: Tensor) -> None:
    with pretended_cuda():
        card = here.cuda()
        for back in (
            card.cpu(),
            card.to("cpu"),
            card.to(torch.device("cpu"), torch.float64),
            torch.empty(2, 3).copy_(card),
        ):
            assert type(back) is Tensor and back.device.type == "cpu" and torch.equal(back.float(), here)
        assert float(card[1, 2]) == 5.0 and card.tolist() == here.tolist() and bool(card.any())


def test_numpy_refuses_what_lies_on_the_card(here: Tensor) -> None:
    with pretended_cuda():
        card = here.to("cuda")
        for ask in (card.numpy, lambda: np.asarray(card)):
            with pytest.raises(TypeError, match="can't convert cuda:0 device type tensor to numpy"):
                ask()


def test_a_generator_of_the_cpu_draws_nothing_on_the_card() -> None:
    with pretended_cuda():
        generator = torch.Generator().manual_seed(0)
        torch.randn(3, generator=generator)
        with pytest.raises(RuntimeError, match="Expected a 'cuda' device type for generator"):
            torch.randn(3, device="cuda", generator=generator)


def test_gradients_are_those_of_the_cpu(here: Tensor) -> None:
    def gradient(device: str) -> Tensor:
        torch.manual_seed(0)
        network = nn.Sequential(nn.Linear(3, 4), nn.GELU(), nn.Linear(4, 2)).to(device)
        source = here.to(device).requires_grad_(True)
        attended = F.scaled_dot_product_attention(*[network[0](source)[None, None]] * 3)
        (attended.sum() + network(source).square().mean()).backward()
        assert source.grad is not None
        return source.grad

    with pretended_cuda():
        card = gradient("cuda")
        assert card.is_cuda
    assert torch.equal(card.cpu(), gradient("cpu"))


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("mask", [None, torch.bool, torch.float32])
def test_attention_is_that_of_the_cpu(causal: bool, mask: torch.dtype | None) -> None:
    if causal and mask is not None:
        pytest.skip("torch takes one of them")
    queries, keys, values = torch.randn(3, 2, 4, 40, 8, generator=torch.Generator().manual_seed(0))
    hidden = None if mask is None else (torch.arange(40) < 30).to(mask).expand(40, 40)
    plain = F.scaled_dot_product_attention(queries, keys, values, hidden, is_causal=causal)
    with pretended_cuda():
        card: list[Any] = [None if t is None else t.to("cuda") for t in (queries, keys, values, hidden)]
        assert torch.equal(
            F.scaled_dot_product_attention(card[0], card[1], card[2], card[3], is_causal=causal).cpu(), plain
        )
        with pytest.raises(RuntimeError, match=MIXED):
            F.scaled_dot_product_attention(card[0], keys, values)


def test_modules_move_there_and_back_and_change_their_precision() -> None:
    network = nn.Conv2d(3, 4, 3)
    weight = network.weight.detach().clone()
    with pretended_cuda():
        network.to("cuda", torch.float16)
        assert network.weight.is_cuda and network.weight.dtype == torch.float16
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        assert network.weight.is_contiguous(memory_format=torch.channels_last)
        network.to(torch.float32).to("cpu")
    assert not isinstance(network.weight, CardTensor)
    assert torch.allclose(network.weight, weight, atol=1e-3)


def test_the_device_meta_stays_what_it_is() -> None:
    with pretended_cuda():
        for tensor in (
            torch.empty(2, device="meta"),
            torch.ones(2).to("meta"),
            torch.ones(2, device="cuda").to("meta"),
        ):
            assert tensor.is_meta and not isinstance(tensor, CardTensor)
        with torch.device("meta"):
            assert nn.Linear(2, 2).weight.is_meta


def test_torch_is_afterwards_what_it_was(here: Tensor) -> None:
    before = {name: getattr(torch.cuda, name) for name in STANDINS}
    swapping = torch.__future__.get_swap_module_params_on_conversion()
    with pytest.raises(KeyError), pretended_cuda():
        assert torch.cuda.is_available()
        raise KeyError
    assert all(getattr(torch.cuda, name) is value for name, value in before.items())
    assert torch.__future__.get_swap_module_params_on_conversion() == swapping
    if not torch.cuda.is_available():
        with pytest.raises((RuntimeError, AssertionError)):
            here.to("cuda")
    assert type(here * 2) is Tensor and here.to("meta").is_meta
