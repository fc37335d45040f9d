"""Every flow with networks that take turns on a graphics card, as wholes or layer by layer: the pixels stay the CPU's.

The devices are pretended ones (tests/pretended_cuda.py, tests/pretended_mps.py), which refuse what CUDA and MPS refuse.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Container, Iterator
from typing import Any

import numpy as np
import pytest
import torch

from intarsia.backbones import load_backbones
from intarsia.backbones.protocols import Backbones
from intarsia.layout.edit import arrange
from intarsia.layout.layout_files import read_layout
from intarsia.layout.prior import prior
from intarsia.layout.scene import Scene
from intarsia.layout.train import learn
from intarsia.records.remove import RemoveRecord
from intarsia.regions.edit import edit
from intarsia.tasks.remove import paint
from tests.pretended_cuda import pretended_cuda
from tests.test_devices import ARRANGE, EDIT, PHOTO, PRETENDED
from tests.test_devices import scene as scene  # a fixture


def edited(scene: Scene, models: Backbones) -> np.ndarray:
    return edit(scene.photo, dataclasses.replace(EDIT, steps=1), models).photo.pixels


def composed(scene: Scene, models: Backbones) -> np.ndarray:
    record = dataclasses.replace(ARRANGE, mode="compose", fill="diffusion")
    return arrange(scene, read_layout(record, scene), record, models).photo.pixels


def regenerated(scene: Scene, models: Backbones) -> np.ndarray:
    record = dataclasses.replace(ARRANGE, mode="regenerate")
    return arrange(scene, read_layout(record, scene), record, models).photo.pixels


def learned(scene: Scene, models: Backbones) -> np.ndarray:
    concepts = learn(scene, ARRANGE, models, seed=0)
    assert all(type(update) is torch.Tensor for update in concepts.updates.values())
    return concepts.embeddings.numpy()


def removed(scene: Scene, models: Backbones) -> np.ndarray:
    record = RemoveRecord(photo=str(PHOTO), box=("30,30,60,60",), fill="diffusion", models="pocket")
    return paint(scene, record, models, None, None).photo.pixels


def prior_picture(scene: Scene, models: Backbones) -> np.ndarray:
    return next(prior("cat", 1, models, seed=3, steps=2)).pixels


FLOWS: dict[str, Callable[[Scene, Backbones], np.ndarray]] = {
    "edit": edited,
    "compose": composed,
    "regenerate": regenerated,
    "learn": learned,
    "remove": removed,
    "prior": prior_picture,
}


@pytest.fixture(scope="module")
def on_cpu(pocket: Backbones, scene: Scene) -> dict[str, np.ndarray]:
    return {name: flow(scene, pocket) for name, flow in FLOWS.items()}


@pytest.fixture
def card() -> Iterator[None]:
    with pretended_cuda():
        yield


def cases(quick: Container[tuple[str, str, str]]) -> pytest.MarkDecorator:
    """Each kind of device with each flow and way to save memory; slow but for those that are quick enough."""
    return pytest.mark.parametrize(
        ("device", "flow", "vram"),
        [
            pytest.param(*case, marks=() if case in quick else pytest.mark.slow)
            for case in itertools.product(PRETENDED, FLOWS, ("low", "min"))
        ],
    )


@cases({("cuda", "edit", "min"), ("cuda", "compose", "low"), ("cuda", "learn", "min"), ("mps", "compose", "min")})
def test_networks_that_take_turns_give_the_pixels_of_the_cpu(
    device: str, flow: str, vram: Any, on_cpu: dict[str, np.ndarray], scene: Scene
) -> None:
    with PRETENDED[device]():
        # Just loaded, so that no flow finds networks where another one has left them.
        models = load_backbones("pocket", device=device, dtype="float32", vram=vram)
        made = FLOWS[flow](scene, models)
    # Gradients are added up in another order, so that last bits differ.
    levels = 1 if flow == "regenerate" else 0
    assert np.allclose(made.astype(float), on_cpu[flow], rtol=0, atol=1e-4 if flow == "learn" else levels)


@cases({("cuda", "learn", "low")})
def test_networks_that_take_turns_work_in_half_precision(device: str, flow: str, vram: Any, scene: Scene) -> None:
    with PRETENDED[device]():
        models = load_backbones("pocket", device=device, dtype="float16", vram=vram)
        helpers: list[Any] = [models.scorer, models.patches, models.segmenter]
        assert all(helper.model.dtype == torch.float16 for helper in helpers)
        made = FLOWS[flow](scene, models)
    assert np.isfinite(made).all() and made.std() > 0


def test_helpers_keep_their_digits_unless_another_precision_is_asked_for(card: None) -> None:
    models = load_backbones("pocket", device="cuda")
    assert models.in_parts.unet.dtype == torch.float16
    assert models.scorer.model.dtype == torch.float32  # type: ignore[attr-defined]


# When memory is short


def test_work_goes_on_from_its_step_when_memory_is_short(
    card: None, pocket: Backbones, caplog: pytest.LogCaptureFixture
) -> None:
    models = load_backbones("pocket", device="cuda", dtype="float32")
    unet, calls = models.in_parts.unet, 0
    forward = unet.forward

    def short(*args: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls in (3, 4):
            raise torch.OutOfMemoryError
        return forward(*args, **named)

    unet.forward = short
    there, here = (next(prior("cat", 1, m, seed=3, steps=6)).pixels for m in (models, pocket))
    assert np.array_equal(there, here)
    assert models.in_parts.memory.offloader.level == "min"
    assert models.in_parts.counter.evaluations == 6 * 2, "no step was done twice"
    assert [r.message.rpartition("on, ")[2] for r in caplog.records if "is short" in r.message] == [
        "networks take turns on it.",
        "layers take turns on it.",
    ]


def test_learning_computes_activations_twice_when_memory_is_short(
    pocket: Backbones, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    unet = pocket.in_parts.unet
    whole = learn(scene, ARRANGE, pocket, seed=0)
    forward = unet.forward

    def short(*args: Any, **named: Any) -> Any:
        if torch.is_grad_enabled() and not unet.is_gradient_checkpointing:
            raise torch.OutOfMemoryError
        return forward(*args, **named)

    monkeypatch.setattr(unet, "forward", short)
    concepts = learn(scene, ARRANGE, pocket, seed=0)
    assert torch.allclose(concepts.embeddings, whole.embeddings, atol=1e-5)
    assert not unet.is_gradient_checkpointing


def test_guidance_computes_activations_twice_when_memory_is_short(
    pocket: Backbones, scene: Scene, on_cpu: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    unet, refused = pocket.in_parts.unet, 0
    forward = unet.forward

    def short(*args: Any, **named: Any) -> Any:
        nonlocal refused
        noisy = args[0] if args else named["sample"]
        if noisy.requires_grad and not unet.is_gradient_checkpointing:
            refused += 1
            raise torch.OutOfMemoryError
        return forward(*args, **named)

    monkeypatch.setattr(unet, "forward", short)
    made = regenerated(scene, pocket)
    assert refused and not unet.is_gradient_checkpointing
    assert np.allclose(made.astype(float), on_cpu["regenerate"], rtol=0, atol=1)


# Evaluation alone


def test_nothing_is_kept_for_gradients_where_none_is_taken(pocket: Backbones, scene: Scene) -> None:
    def refuse(tensor: torch.Tensor) -> Any:
        raise AssertionError(f"a tensor of {tuple(tensor.shape)} is kept")

    with torch.autograd.graph.saved_tensors_hooks(refuse, lambda kept: kept):
        for flow in ("edit", "compose", "remove", "prior"):
            FLOWS[flow](scene, pocket)
