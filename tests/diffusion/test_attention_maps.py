"""Recording attention: nothing changes, everything is put back, the maps are what the layers compute."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from diffusers import UNet2DConditionModel
from PIL import Image
from torch import Tensor

from intarsia.backbones.protocols import Backbones
from intarsia.diffusion.attention_maps import AttentionRecorder, level_of, sharpen
from intarsia.imaging.geometry import Size
from intarsia.imaging.read import read_photo
from intarsia.imaging.tensors import to_tensor
from tests import tiny
from tests.paths import SCENES


@pytest.fixture(scope="module")
def unet() -> UNet2DConditionModel:
    torch.manual_seed(1)
    return tiny.denoiser(4).eval().requires_grad_(False)


def inputs(rows: int = 8, columns: int = 8) -> tuple[Tensor, Tensor]:
    torch.manual_seed(2)
    return torch.randn(2, 4, rows, columns), torch.randn(2, 5, tiny.WIDTH)


def test_an_attached_recorder_changes_no_output(pocket: Backbones) -> None:
    torch.manual_seed(3)
    diffusion = pocket.in_parts
    noisy = torch.randn(2, 4, 16, 16)
    text = diffusion.encode_text(["a cat", "a house on the sand"])
    plain = diffusion.predict(noisy, 500, text)
    with AttentionRecorder().attached(diffusion.unet) as recorder:
        recorded = diffusion.predict(noisy, 500, text)
        assert recorder.mean().shape == (2, 16, 16, text.shape[1])
    assert torch.equal(plain.noise, recorded.noise) and torch.equal(plain.clean, recorded.clean)


def test_the_networks_own_processors_come_back_even_after_an_error(unet: UNet2DConditionModel) -> None:
    before = dict(unet.attn_processors)
    hooks = len(unet._forward_pre_hooks)
    recorder = AttentionRecorder()
    with pytest.raises(RuntimeError, match="stop"), recorder.attached(unet):
        assert {type(p).__name__ for n, p in unet.attn_processors.items() if "attn2" in n} == {"Recording"}
        raise RuntimeError("stop")
    assert unet.attn_processors == before
    assert len(unet._forward_pre_hooks) == hooks and not recorder.maps


def test_maps_are_the_probabilities_of_the_layers(unet: UNet2DConditionModel) -> None:
    noisy, text = inputs()
    seen: list[Tensor] = []
    layers = [m for n, m in unet.named_modules() if n.endswith("attn2") and "mid_block" in n]
    hook = layers[0].register_forward_pre_hook(lambda _m, states: seen.append(states[0]))
    recorder = AttentionRecorder(side=4)  # the lower level has three such layers, in the order of the network
    with recorder.attached(unet):
        unet(noisy, 10, encoder_hidden_states=text)
        maps = recorder.maps
        mean = recorder.mean()
    hook.remove()
    assert (recorder.rows, recorder.columns) == (4, 4)
    (layer,) = layers
    query = layer.head_to_batch_dim(layer.to_q(seen[0]))
    key = layer.head_to_batch_dim(layer.to_k(text))
    wanted = layer.get_attention_scores(query, key).unflatten(0, (2, layer.heads))
    assert any(torch.allclose(found, wanted, atol=1e-6) for found in maps)
    assert mean.shape == (2, 4, 4, 5)
    assert torch.allclose(mean.sum(-1), torch.ones(2, 4, 4), atol=1e-5)


def test_maps_are_differentiable_in_latents_and_text(unet: UNet2DConditionModel) -> None:
    noisy, text = inputs()
    noisy.requires_grad_(True)
    text.requires_grad_(True)
    recorder = AttentionRecorder()
    with recorder.attached(unet):
        unet(noisy, 10, encoder_hidden_states=text)
        loss = recorder.mean()[..., 2].square().sum()
    slopes = torch.autograd.grad(loss, [noisy, text])
    assert all(bool(slope.abs().sum() > 0) for slope in slopes)


def test_each_evaluation_replaces_the_maps(unet: UNet2DConditionModel) -> None:
    noisy, text = inputs()
    recorder = AttentionRecorder()
    with torch.no_grad(), recorder.attached(unet):
        unet(noisy, 10, encoder_hidden_states=text)
        first = len(recorder.maps)
        unet(noisy[:1], 10, encoder_hidden_states=text[:1])
        assert len(recorder.maps) == first and len(recorder.maps[0]) == 1


@pytest.mark.parametrize(
    ("side", "latents", "shape"),
    [
        (16, (16, 16), (16, 16)),
        (16, (16, 40), (16, 40)),  # a panorama keeps the short side's cells
        (16, (24, 24), (24, 24)),  # 12 cells are too coarse, so 24 it is
        (16, (28, 28), (14, 14)),
        (8, (16, 16), (8, 8)),
        (64, (16, 16), (16, 16)),  # as fine as there is
    ],
)
def test_the_coarsest_resolution_that_will_do_is_recorded_with_the_aspect_ratio_kept(
    pocket: Backbones, side: int, latents: tuple[int, int], shape: tuple[int, int]
) -> None:
    recorder = AttentionRecorder(side)
    text = pocket.in_parts.encode_text(["a cat"])
    with torch.no_grad(), recorder.attached(pocket.in_parts.unet):
        pocket.in_parts.predict(torch.zeros(1, 4, *latents), 100, text)
        assert recorder.mean().shape[1:3] == shape == (recorder.rows, recorder.columns)


def test_layers_of_stable_diffusion_are_known_by_their_names() -> None:
    # Its four levels at 512 pixels: 64, 32, 16 and 8 cells wide.
    assert level_of("down_blocks.2.attentions.0.transformer_blocks.0.attn2.processor", 4) == 2
    assert level_of("up_blocks.1.attentions.2.transformer_blocks.0.attn2.processor", 4) == 2
    assert level_of("mid_block.attentions.0.transformer_blocks.0.attn2.processor", 4) == 3


def test_a_token_looks_at_its_object(pocket: Backbones) -> None:
    """In a scene whose masks are known, the word looks at the object far more than beside it."""
    scene = json.loads((SCENES / "scenes.json").read_text())[0]
    thing = scene["objects"][0]
    colours = np.asarray(Image.open(SCENES / "0000.mask.png").convert("RGB"))
    mask = torch.from_numpy((colours == thing["colour"]).all(2)).float()[None, None]
    diffusion = pocket.in_parts
    clean = diffusion.encode_image(to_tensor(read_photo(SCENES / scene["image"]), Size(64, 64)))
    prompt = f"a {thing['name']} on the {scene['background']}"
    recorder = AttentionRecorder()
    with torch.no_grad(), recorder.attached(diffusion.unet):
        diffusion.predict(clean, 50, diffusion.encode_text([prompt]))
        seen = recorder.mean()[0, ..., 2]
    cover = torch.nn.functional.adaptive_avg_pool2d(mask, (16, 16))[0, 0]
    inside = (seen * cover).sum() / cover.sum()
    outside = (seen * (1 - cover)).sum() / (1 - cover).sum()
    assert inside > 2 * outside


def test_the_published_variant_leaves_out_the_begin_token_and_makes_tokens_compete() -> None:
    maps = torch.tensor([[[[0.90, 0.02, 0.08]]], [[[0.90, 0.05, 0.05]]]])
    sharp = sharpen(maps)
    assert sharp.shape == (2, 1, 1, 2)
    assert torch.allclose(sharp[0, 0, 0], torch.softmax(torch.tensor([2.0, 8.0]), 0))
    assert torch.allclose(sharp[1, 0, 0], torch.tensor([0.5, 0.5]))


@pytest.mark.parametrize("side", [4, 8])
def test_an_evaluation_for_maps_alone_ends_at_the_last_recorded_layer(unet: UNet2DConditionModel, side: int) -> None:
    noisy, text = inputs()
    recorder = AttentionRecorder(side)
    with recorder.attached(unet):
        unet(noisy, 10, encoder_hidden_states=text)
        wanted = recorder.mean()
    processors, hooks, finished = dict(unet.attn_processors), len(unet._forward_pre_hooks), list[str]()
    watches = [
        module.register_forward_hook(lambda *_, name=name: finished.append(name))
        for name, module in unet.named_modules()
        if name.endswith("attn2") or name in ("conv_out", "up_blocks.0", "up_blocks.1")
    ]
    maps = recorder.mean_of(unet, lambda: unet(noisy, 10, encoder_hidden_states=text))
    for watch in watches:
        watch.remove()
    assert torch.equal(maps, wanted)
    assert "conv_out" not in finished and "up_blocks.1" not in finished
    assert len([name for name in finished if name.endswith("attn2")]) == len(processors) // 2 - 1  # all but the last
    assert dict(unet.attn_processors) == processors and len(unet._forward_pre_hooks) == hooks


def test_the_gradient_of_maps_alone_is_that_of_the_whole_evaluation(pocket: Backbones) -> None:
    diffusion, recorder = pocket.in_parts, AttentionRecorder()
    text = diffusion.encode_text(["a cat"]).detach()
    latents = torch.randn((1, 4, 16, 16), generator=torch.Generator().manual_seed(4)).requires_grad_(True)
    with recorder.attached(diffusion.unet):
        diffusion.predict(latents, 500, text)
        (whole,) = torch.autograd.grad(recorder.mean()[..., 2].square().sum(), latents)
    maps = recorder.mean_of(diffusion.unet, lambda: diffusion.predict(latents, 500, text))
    (part,) = torch.autograd.grad(maps[..., 2].square().sum(), latents)
    assert torch.equal(part, whole)


def test_maps_alone_have_their_gradient_where_activations_are_computed_twice(pocket: Backbones) -> None:
    diffusion, recorder = pocket.in_parts, AttentionRecorder()
    text = diffusion.encode_text(["a cat"]).detach()
    latents = torch.randn((1, 4, 16, 16), generator=torch.Generator().manual_seed(4)).requires_grad_(True)

    def gradient() -> torch.Tensor:
        with recorder.attached(diffusion.unet):
            maps = recorder.mean_alone(lambda: diffusion.predict(latents, 500, text))
            return torch.autograd.grad(maps[..., 2].square().sum(), latents)[0]

    wanted = gradient()
    diffusion.unet.enable_gradient_checkpointing()
    try:
        assert torch.equal(gradient(), wanted) and torch.equal(gradient(), wanted)
    finally:
        diffusion.unet.disable_gradient_checkpointing()
    assert torch.equal(gradient(), wanted)


def test_an_error_on_the_way_to_the_maps_is_the_callers(unet: UNet2DConditionModel) -> None:
    def fail() -> None:
        raise RuntimeError("stop")

    processors, recorder = dict(unet.attn_processors), AttentionRecorder()
    with pytest.raises(RuntimeError, match="stop"):
        recorder.mean_of(unet, fail)
    assert dict(unet.attn_processors) == processors
    noisy, text = inputs()
    with recorder.attached(unet):
        assert unet(noisy, 10, encoder_hidden_states=text).sample.shape == noisy.shape  # it ends early no more
