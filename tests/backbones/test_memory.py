"""Memory of an accelerator: what is free, what networks need, what is done when it is short; what is computed once."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from intarsia.backbones.memory import Memory, free_memory
from intarsia.backbones.memory_needs import Needs, choose_vram, needs_of, weights_in
from intarsia.backbones.offload import Offloader, Vram, staying, to_precision, visitor_of
from intarsia.backbones.placement import advise_precision, choose_dtype
from intarsia.backbones.protocols import Backbones
from intarsia.backbones.sd_inpainting import load_inpainter
from intarsia.backbones.stable_diffusion import StableDiffusion
from intarsia.errors import ModelError
from intarsia.imaging.read import read_photo
from intarsia.progress import peak_memory_mb
from intarsia.regions.edit import edit
from tests.pretended_cuda import GIGABYTE, CardTensor, pretended_cuda
from tests.pretended_mps import pretended_mps
from tests.test_devices import EDIT, PHOTO

CHECKPOINT = Needs(networks=[2000, 400, 200], helpers=[800, 300], layer=100, work=500)


def test_what_torch_has_reserved_and_does_not_use_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    assert free_memory("cpu") is None
    with pretended_cuda():
        monkeypatch.setattr(torch.cuda, "memory_reserved", lambda *_: 3 * GIGABYTE)
        assert free_memory("cuda") == (8 + 3 - 1) * GIGABYTE
    with pretended_mps():  # 12 in all, 4 taken from the driver, of them 3 used
        assert free_memory("mps") == 9 * GIGABYTE


def test_the_most_memory_of_an_accelerator_is_told_rather_than_that_of_the_process() -> None:
    with pretended_mps():
        assert peak_memory_mb("mps") == 4096
    with pretended_cuda():
        assert peak_memory_mb("cuda") == 1


@pytest.mark.parametrize(
    "said",
    [
        "MPS backend out of memory (MPS allocated: 5.00 GiB, other allocations: 1.00 GiB, max allowed: 6.00 GiB).",
        "Invalid buffer size: 8.21 GiB",
        "Failed to allocate memory on MPS device",
    ],
)
def test_mps_says_in_its_own_words_that_memory_is_short(said: str) -> None:
    memory, tried = Memory(), []

    def work(rows: slice) -> Tensor:
        tried.append(rows.stop - rows.start)
        if tried[-1] > 1:
            raise RuntimeError(said)
        return torch.zeros(1)

    assert len(memory.in_parts(2, 1, "denoiser", work)) == 2
    assert tried == [2, 1, 1]


@pytest.mark.parametrize(
    ("asked", "free", "chosen"),
    [("auto", 4200, "auto"), ("auto", 4199, "low"), ("auto", 2499, "min"), ("low", 9999, "low"), ("min", 9999, "min")],
)
def test_vram_auto_saves_as_little_as_will_do(
    asked: Any, free: int, chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("intarsia.backbones.memory_needs.RESERVE", 0)
    monkeypatch.setattr("intarsia.backbones.memory_needs.free_memory", lambda device: free)
    assert choose_vram(asked, "cuda", CHECKPOINT, "sd15") == chosen


def test_a_checkpoint_that_cannot_fit_is_refused_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    needs = dataclasses.replace(CHECKPOINT, helpers=[3 * GIGABYTE])
    monkeypatch.setattr("intarsia.backbones.memory_needs.free_memory", lambda device: 2 * GIGABYTE)
    with pytest.raises(ModelError, match=r"sd15 needs about 3\.0 GB .* but 1\.5 GB are free: .*--device cpu"):
        choose_vram("auto", "cuda", needs, "sd15")


def test_weights_are_counted_from_the_headers_of_files(tiny_models: Path, tiny_backbones: Backbones) -> None:
    networks = tiny_backbones.inpainter.pipeline  # type: ignore[attr-defined]
    for part, network in (("inpainting_unet", networks.unet), ("vae", networks.vae)):
        file = tiny_models / part / "diffusion_pytorch_model.safetensors"
        assert sum(weights_in(file)) == sum(p.numel() for p in network.parameters())
    half, whole = (
        needs_of(tiny_models, [tiny_models / "clip"], dtype=dtype, helper_dtype=torch.float32)
        for dtype in (torch.float16, torch.float32)
    )
    assert [2 * n for n in half.networks] == whole.networks and len(whole.networks) == 4
    assert half.helpers == whole.helpers and half.work * 2 == whole.work
    assert whole.at("min") < whole.at("low") < whole.at("auto")


# Turns


def linear() -> nn.Module:
    return nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4)).eval().requires_grad_(False)


def test_one_network_leaves_for_another_and_gradients_go_through_both() -> None:
    with pretended_cuda():
        offloader = Offloader("cuda", "low")
        first, second = offloader.admit(linear()), offloader.admit(linear())
        weight = first[0].weight
        moving = torch.ones(2, 4, device="cuda").requires_grad_()
        between = first(moving)
        assert isinstance(first[0].weight, CardTensor) and second[0].weight.device.type == "cpu"
        answer = second(between)
        assert first[0].weight is weight and isinstance(second[1].running_mean, CardTensor)
        answer.sum().backward()
        assert moving.grad is not None and moving.grad.is_cuda
    alone = torch.ones(2, 4).requires_grad_()
    visitor_of(second).leave()  # type: ignore[union-attr]
    for network in (first, second):
        for hook in visitor_of(network).hooks:  # type: ignore[union-attr]
            hook.remove()
    second(first(alone)).sum().backward()
    assert torch.equal(moving.grad.cpu(), alone.grad)  # type: ignore[arg-type]


def test_networks_that_are_called_by_turns_may_stay() -> None:
    with pretended_cuda():
        offloader = Offloader("cuda", "low")
        first, second, third = (offloader.admit(linear()) for _ in range(3))
        states = torch.ones(2, 4, device="cuda")
        with staying(first, second):
            second(first(states))
            kept = first[0].weight
            first(second(states))
            assert first[0].weight is kept and isinstance(kept, CardTensor)
        third(states)
        assert first[0].weight.device.type == second[0].weight.device.type == "cpu"


def test_layers_leave_after_each_call_even_one_that_fails() -> None:
    with pretended_cuda():
        offloader = Offloader("cuda", "min")
        network = offloader.admit(linear())
        assert network(torch.ones(2, 4, device="cuda")).is_cuda
        with pytest.raises(RuntimeError):
            network(torch.ones(2, 5, device="cuda"))
    assert not any(isinstance(t, CardTensor) for t in (*network.parameters(), *network.buffers()))


def test_torchs_own_attention_moves_as_one() -> None:
    attention = nn.MultiheadAttention(8, 2, batch_first=True).eval().requires_grad_(False)
    states = torch.randn(1, 3, 8, generator=torch.Generator().manual_seed(0))
    wanted = attention(states, states, states)[0]
    with pretended_cuda():
        Offloader("cuda", "min").admit(attention)
        card = states.to("cuda")
        answer = attention(card, card, card)[0].cpu()
    assert torch.allclose(answer, wanted, atol=1e-6)


@pytest.mark.parametrize("level", ["auto", "low"])
def test_weights_that_move_within_an_evaluation_alone_take_gradients_later(level: Vram) -> None:
    with pretended_cuda():
        offloader = Offloader("cuda", level)
        network = offloader.admit(linear())
        with torch.inference_mode():
            network(torch.ones(2, 4, device="cuda"))
            assert offloader.tighten() is not None
            network(torch.ones(2, 4, device="cuda"))
            to_precision(network, torch.float64)
        moving = torch.ones(2, 4, device="cuda", dtype=torch.float64).requires_grad_()
        network(moving).square().sum().backward()
        assert moving.grad is not None and bool(moving.grad.isfinite().all())
    assert not any(tensor.is_inference() for tensor in (*network.parameters(), *network.buffers()))


def test_precision_changes_for_good_wherever_the_weights_lie() -> None:
    with pretended_cuda():
        network = Offloader("cuda", "low").admit(linear())
        network(torch.ones(2, 4, device="cuda"))
        to_precision(network, torch.float64)
        assert network(torch.ones(2, 4, device="cuda", dtype=torch.float64)).dtype == torch.float64
        visitor_of(network).leave()  # type: ignore[union-attr]
    assert network[0].weight.dtype == torch.float64


# When memory is short


def test_what_is_not_about_memory_is_raised_as_it_is() -> None:
    def wrong() -> None:
        raise RuntimeError("shapes")

    with pytest.raises(RuntimeError, match="shapes"):
        Memory("cpu").attempt(wrong)


@pytest.mark.parametrize("problem", [torch.OutOfMemoryError(), RuntimeError("CUBLAS_STATUS_ALLOC_FAILED")])
def test_the_outermost_work_begins_again(problem: Exception) -> None:
    memory, relief = Memory("cpu"), ["half", None]
    begun: list[int] = []

    def inner() -> int:
        if len(begun) < 2:
            raise problem
        return 1

    def outer() -> int:
        begun.append(1)
        return memory.attempt(inner, fewer=lambda: "never asked")

    assert memory.attempt(outer, fewer=lambda: relief.pop(0)) == 1
    assert len(begun) == 2 and relief == [None]


def test_a_batch_is_parted_and_the_size_remembered() -> None:
    memory, sizes = Memory("cpu"), []

    def work(rows: slice) -> Tensor:
        part = torch.arange(5)[rows]
        sizes.append(len(part))
        if len(part) > 2:
            raise torch.OutOfMemoryError
        return part

    for _ in range(2):
        assert torch.equal(memory.in_parts(5, 10, "denoiser", work), torch.arange(5))
    assert sizes == [5, 2, 2, 1, 2, 2, 1]
    assert memory.most == {"denoiser": 20}
    with pytest.raises(ModelError, match="too short even for one picture"):
        memory.in_parts(1, 10, "denoiser", lambda rows: work(slice(0, 3)))


def test_an_autoencoder_goes_on_in_float32_when_encoding_overflows(tiny_models: Path) -> None:
    painter = load_inpainter(tiny_models, name="tiny", unet="inpainting_unet", dtype=torch.float16)
    # Weights whose activations pass 65,504, the largest number of half precision.
    painter.pipeline.vae.encoder.conv_in.weight.mul_(3e4)
    assert painter.parts.encode_image(torch.full((1, 3, 32, 32), 30.0)).isfinite().all()
    assert painter.pipeline.vae.dtype == torch.float32
    painter.pipeline.vae.encoder.conv_in.weight.mul_(float("nan"))
    with pytest.raises(ModelError, match="Download the checkpoint again"):
        painter.parts.encode_image(torch.zeros(1, 3, 32, 32))


# What is computed once


WORDS: dict[str, dict[str, Any]] = {
    "search": {},
    "box": {"box": (8.0, 16.0, 40.0, 60.0), "keep": 2},
    "released": {"preset": "released"},
}
COUNTS = {
    "search": {"encode": 1, "decode": 1, "read": 2},
    "box": {"encode": 1, "decode": 2, "read": 2},
    "released": {"encode": 48, "decode": 99, "read": 2},
}
"""Of the same edits, 2, 4 and 110 pictures were encoded and 2, 2 and 22 texts read when nothing was remembered."""


@pytest.mark.parametrize("name", WORDS)
def test_each_picture_is_encoded_once_and_only_where_it_is_used(
    name: str, pocket: Backbones, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo, record = read_photo(PHOTO), dataclasses.replace(EDIT, steps=2, **WORDS[name])
    parts = pocket.inpainter.parts  # type: ignore[attr-defined]
    done: Counter[str] = Counter()

    def counted(what: str, method: Any) -> Any:
        def call(pictures: Tensor, *args: Any, **named: Any) -> Any:
            done[what] += len(pictures)
            return method(pictures, *args, **named)

        return call

    monkeypatch.setattr(parts.vae, "encode", counted("encode", parts.vae.encode))
    monkeypatch.setattr(parts.vae, "decode", counted("decode", parts.vae.decode))
    monkeypatch.setattr(parts, "_read", counted("read", parts._read))
    parts._images.values.clear()
    parts._texts.values.clear()
    made = edit(photo, record, pocket)
    assert all(done[what] <= most for what, most in COUNTS[name].items()), done

    def wasteful(parts: StableDiffusion, picture: Tensor, told: Tensor, *, blends: bool) -> Any:
        each = (picture, picture * (1 - told))
        return tuple(torch.cat([parts._encode(one[None]) for one in pictures]) for pictures in each)

    monkeypatch.setattr("intarsia.backbones.denoising.encoded", wasteful)
    monkeypatch.setattr(StableDiffusion, "encode_text", lambda self, texts, beside=(): self._read(list(texts), beside))
    whole = edit(photo, record, pocket)
    assert np.array_equal(made.photo.pixels, whole.photo.pixels)
    assert [c.scores for c in made.candidates] == [c.scores for c in whole.candidates]


@pytest.mark.parametrize(
    ("units", "asked", "said"),
    [
        ({"avx512_bf16": True}, "auto", "takes half the memory of float32.* Pass --dtype bfloat16"),
        ({"bf16": True}, "auto", "Pass --dtype bfloat16"),
        ({"avx2": True}, "bfloat16", "no units for bfloat16.* Pass --dtype float32"),
        ({"avx2": True}, "auto", None),
        ({"amx_bf16": True}, "bfloat16", None),
        ({"amx_bf16": True}, "float32", None),
        ({}, "bfloat16", None),
    ],
)
def test_a_precision_that_this_processor_computes_faster_is_told(
    units: dict[str, bool],
    asked: str,
    said: str | None,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: units)
    dtype = choose_dtype(asked, "cpu")
    advise_precision(asked, dtype, "cpu", 4 * 10**9)
    assert bool(caplog.messages) == (said is not None)
    assert said is None or re.search(said, caplog.messages[0])
    caplog.clear()
    advise_precision(asked, dtype, "cpu", 10**6)
    advise_precision(asked, dtype, "cuda", 4 * 10**9)
    assert not caplog.messages, "of small networks, and of other devices"
