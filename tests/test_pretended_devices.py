"""The pretended devices themselves: they refuse what theirs refuse, allow what theirs allow, and leave torch as it was."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.pretended_cuda import CUDA
from tests.pretended_device import CardTensor, Kind, pretended
from tests.pretended_mps import LACKED, MPS, lacking, pretended_mps

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


@pytest.fixture(params=[CUDA, MPS], ids=["cuda", "mps"])
def kind(request: pytest.FixtureRequest) -> Kind:
    chosen: Kind = request.param
    return chosen


@pytest.fixture
def device(kind: Kind) -> str:
    return kind.card.type


@pytest.fixture
def here() -> Tensor:
    return torch.arange(6, dtype=torch.float32).reshape(2, 3)


@pytest.mark.parametrize("name", REFUSED)
def test_devices_do_not_mix(name: str, kind: Kind, device: str, here: Tensor) -> None:
    with pretended(kind), pytest.raises(RuntimeError, match=f"{MIXED}.*{device}:0"):
        REFUSED[name](here, here.to(device))


@pytest.mark.parametrize("name", ALLOWED)
def test_what_devices_allow_gives_what_the_cpu_gives(name: str, kind: Kind, device: str, here: Tensor) -> None:
    with pretended(kind):
        result = ALLOWED[name](here, here.to(device))
        assert result.device == torch.device(f"{device}:0")
        assert (result.is_cuda, result.is_mps) == (device == "cuda", device == "mps")
    assert torch.equal(result.cpu(), ALLOWED[name](here, here.clone()))


def test_the_way_back_gives_a_plain_tensor(kind: Kind, device: str, here: Tensor) -> None:
    with pretended(kind):
        card = here.cuda() if device == "cuda" else here.to(device)
        for back in (
            card.cpu(),
            card.to("cpu"),
            card.to(torch.device("cpu"), torch.float64 if device == "cuda" else torch.float16),
            torch.empty(2, 3).copy_(card),
        ):
            assert type(back) is Tensor and back.device.type == "cpu" and torch.equal(back.float(), here)
        assert float(card[1, 2]) == 5.0 and card.tolist() == here.tolist() and bool(card.any())


def test_numpy_refuses_what_lies_on_the_card(kind: Kind, device: str, here: Tensor) -> None:
    with pretended(kind):
        card = here.to(device)
        for ask in (card.numpy, lambda: np.asarray(card)):
            with pytest.raises(TypeError, match=f"can't convert {device}:0 device type tensor to numpy"):
                ask()


def test_a_generator_of_the_cpu_draws_nothing_on_the_card(kind: Kind, device: str) -> None:
    with pretended(kind):
        generator = torch.Generator().manual_seed(0)
        torch.randn(3, generator=generator)
        with pytest.raises(RuntimeError, match=f"Expected a '{device}' device type for generator"):
            torch.randn(3, device=device, generator=generator)


def test_gradients_are_those_of_the_cpu(kind: Kind, device: str, here: Tensor) -> None:
    def gradient(device: str) -> Tensor:
        torch.manual_seed(0)
        network = nn.Sequential(nn.Linear(3, 4), nn.GELU(), nn.Linear(4, 2)).to(device)
        source = here.to(device).requires_grad_(True)
        attended = F.scaled_dot_product_attention(*[network[0](source)[None, None]] * 3)
        (attended.sum() + network(source).square().mean()).backward()
        assert source.grad is not None
        return source.grad

    with pretended(kind):
        card = gradient(device)
        assert card.device.type == device
    assert torch.equal(card.cpu(), gradient("cpu"))


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("mask", [None, torch.bool, torch.float32])
def test_attention_is_that_of_the_cpu(causal: bool, mask: torch.dtype | None, kind: Kind, device: str) -> None:
    if causal and mask is not None:
        pytest.skip("torch takes one of them")
    queries, keys, values = torch.randn(3, 2, 4, 40, 8, generator=torch.Generator().manual_seed(0))
    hidden = None if mask is None else (torch.arange(40) < 30).to(mask).expand(40, 40)
    plain = F.scaled_dot_product_attention(queries, keys, values, hidden, is_causal=causal)
    with pretended(kind):
        card: list[Any] = [None if t is None else t.to(device) for t in (queries, keys, values, hidden)]
        assert torch.equal(
            F.scaled_dot_product_attention(card[0], card[1], card[2], card[3], is_causal=causal).cpu(), plain
        )
        with pytest.raises(RuntimeError, match=MIXED):
            F.scaled_dot_product_attention(card[0], keys, values)


def test_modules_move_there_and_back_and_change_their_precision(kind: Kind, device: str) -> None:
    network = nn.Conv2d(3, 4, 3)
    weight = network.weight.detach().clone()
    with pretended(kind):
        network.to(device, torch.float16)
        assert network.weight.device.type == device and network.weight.dtype == torch.float16
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        assert network.weight.is_contiguous(memory_format=torch.channels_last)
        network.to(torch.float32).to("cpu")
    assert not isinstance(network.weight, CardTensor)
    assert torch.allclose(network.weight, weight, atol=1e-3)


def test_the_device_meta_stays_what_it_is(kind: Kind, device: str) -> None:
    with pretended(kind):
        for tensor in (
            torch.empty(2, device="meta"),
            torch.ones(2).to("meta"),
            torch.ones(2, device=device).to("meta"),
        ):
            assert tensor.is_meta and not isinstance(tensor, CardTensor)
        with torch.device("meta"):
            assert nn.Linear(2, 2).weight.is_meta


def test_torch_is_afterwards_what_it_was(kind: Kind, device: str, here: Tensor) -> None:
    before = [(module, name, getattr(module, name)) for module, names in kind.standins.items() for name in names]
    swapping = torch.__future__.get_swap_module_params_on_conversion()
    with pytest.raises(KeyError), pretended(kind):
        assert torch.cuda.is_available() == (device == "cuda")
        assert device == "cuda" or (torch.mps.is_available() and torch.backends.mps.is_available())
        raise KeyError
    assert all(getattr(module, name) is value for module, name, value in before)
    assert torch.__future__.get_swap_module_params_on_conversion() == swapping
    if not (torch.cuda.is_available() if device == "cuda" else torch.backends.mps.is_available()):
        with pytest.raises((RuntimeError, AssertionError)):
            here.to(device)
    assert type(here * 2) is Tensor and here.to("meta").is_meta


# MPS alone


NO_FLOAT64: dict[str, Callable[[Tensor], object]] = {
    "copied there": lambda card: torch.ones(2, dtype=torch.float64).to("mps"),
    "of numpy": lambda card: torch.from_numpy(np.ones(2)).to("mps"),
    "made there": lambda card: torch.zeros(2, dtype=torch.float64, device="mps"),
    "made of numbers": lambda card: torch.tensor(np.float64(2.0), device="mps"),
    "converted": lambda card: card.double(),
    "converted on its way back": lambda card: card.to("cpu", torch.float64),
    "copied into the CPU's": lambda card: torch.zeros(2, 3, dtype=torch.float64).copy_(card),
    "added up": lambda card: card.sum(dtype=torch.float64),
    "computed with a scalar": lambda card: torch.mul(
        torch.arange(3, device="mps"), torch.tensor(0.5, dtype=torch.float64)
    ),
}

FLOAT32: dict[str, Callable[[Tensor], Tensor]] = {
    "copied there as float32": lambda card: torch.ones(3, dtype=torch.float64).to("mps", torch.float32),
    "copied into what lies there": lambda card: card.clone().copy_(torch.ones(3, dtype=torch.float64)),
    "a number": lambda card: card * 2.5,
    "numpy's number": lambda card: card * np.float64(2.5),
    "a tensor without dimensions": lambda card: card * torch.tensor(2.5, dtype=torch.float64),
    "an index": lambda card: card[torch.tensor([True, False])],
}


@pytest.mark.parametrize("name", NO_FLOAT64)
def test_mps_has_no_float64(name: str, here: Tensor) -> None:
    with pretended_mps(), pytest.raises(TypeError, match="MPS framework doesn't support float64"):
        NO_FLOAT64[name](here.to("mps"))


@pytest.mark.parametrize("name", FLOAT32)
def test_mps_takes_float64_where_it_is_converted_first(name: str, here: Tensor) -> None:
    with pretended_mps():
        made = FLOAT32[name](here.to("mps"))
        assert made.is_mps and made.dtype == torch.float32


def test_mps_has_no_complex128(here: Tensor) -> None:
    with pretended_mps():
        assert torch.fft.rfft(here.to("mps")).dtype == torch.complex64
        with pytest.raises(TypeError, match="ComplexDouble"):
            here.to("mps").to(torch.complex128)


LACKING: dict[str, Callable[[Tensor], object]] = {
    "_linalg_eigh": lambda card: torch.linalg.eigvalsh(card @ card.T),
    "linalg_qr": lambda card: torch.linalg.qr(card),
    "adaptive_max_pool3d": lambda card: F.adaptive_max_pool3d(card[None, None, None], 1),
    "_cdist_backward": lambda card: torch.cdist(card.requires_grad_(True), card.detach()).sum().backward(),
}


@pytest.mark.parametrize("without_gradients", [False, True])
@pytest.mark.parametrize("name", LACKING)
def test_operations_that_mps_lacks_are_refused(name: str, without_gradients: bool, here: Tensor) -> None:
    if without_gradients and name == "_cdist_backward":
        pytest.skip("it is the gradient")
    with (
        pretended_mps(),
        torch.inference_mode(without_gradients),
        pytest.raises(
            NotImplementedError, match=f"'aten::{name}(.out)?' is not currently implemented for the MPS device"
        ),
    ):
        LACKING[name](here.to("mps"))


def test_operations_that_were_found_to_be_lacking_have_names_of_torch() -> None:
    for full in LACKED:
        name, _, overload = full.partition(".")
        assert hasattr(getattr(torch.ops.aten, name), overload or "default")
    assert {"add.Tensor", "convolution", "native_group_norm", "_upsample_bicubic2d_aa"}.isdisjoint(lacking())


def test_mps_refuses_averages_over_grids_that_do_not_divide(here: Tensor) -> None:
    with pretended_mps():
        card = here.repeat(2, 2)[None, None].to("mps")  # 4 x 6
        for mode in (F.adaptive_avg_pool2d, F.adaptive_max_pool2d):
            for grid in ((3, 3), (4, 4)):
                with pytest.raises(NotImplementedError, match="must be divisible"):
                    mode(card, grid)
            with pytest.raises(NotImplementedError, match="must both be"):
                mode(card, (2, 12))
            assert torch.equal(mode(card, (2, 3)).cpu(), mode(card.cpu(), (2, 3)))
