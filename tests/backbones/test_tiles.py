"""Painting on from a middle step, and in tiles: parity with diffusers, exact counts, and one tile is the whole."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from diffusers import StableDiffusionInpaintPipeline
from torch import Tensor

from intarsia.backbones import load_backbones
from intarsia.backbones.sd_inpainting import StableDiffusionInpainter
from intarsia.diffusion.tiles import TiledDenoiser, tent, tile_starts
from tests.backbones.network_checks import HEIGHT, WIDTH, watch_decoded

PROMPTS = ["a cat", "a dog", "a house"]


def by_diffusers(network: Any, picture: Tensor, mask: Tensor, prompt: str, *, seed: int, **settings: Any) -> Tensor:
    """What diffusers' own pipeline paints from a middle step, (1, 3, H, W) in [-1, 1]."""
    source = network.pipeline
    kind: Any = StableDiffusionInpaintPipeline
    direct = kind(
        vae=source.vae,
        text_encoder=source.text_encoder,
        tokenizer=source.tokenizer,
        unet=source.unet,
        scheduler=type(source.scheduler).from_config(source.scheduler.config),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    direct.set_progress_bar_config(disable=True)
    with torch.no_grad():
        clean, hidden = (
            source.vae.encode(shown).latent_dist.mode() * source.vae.config.scaling_factor
            for shown in (picture, picture * (mask < 0.5))
        )
    painted: Tensor = direct(
        prompt=[prompt],
        negative_prompt=[""],
        image=clean,
        mask_image=mask,
        masked_image_latents=hidden,
        height=picture.shape[2],
        width=picture.shape[3],
        generator=torch.Generator().manual_seed(seed),
        output_type="pt",
        **settings,
    ).images
    return painted * 2 - 1


@pytest.mark.parametrize("kind", ["painter", "blender"])
@pytest.mark.parametrize("strength", [0.5, 0.3])
def test_from_a_middle_step_it_paints_what_diffusers_paints(
    kind: str, strength: float, picture: Tensor, masks: Tensor, request: pytest.FixtureRequest
) -> None:
    network: StableDiffusionInpainter = request.getfixturevalue(kind)
    settings = {"strength": strength, "guidance_scale": 5.0, "num_inference_steps": 10}
    ours = network.inpaint(picture, masks[:1], ["a cat"], seeds=[4], steps=10, guidance=5.0, strength=strength)
    evaluations = network.counter.evaluations
    assert evaluations == 2 * 10 * strength
    theirs = by_diffusers(network, picture, masks[:1], "a cat", seed=4, **settings)
    assert torch.allclose(ours, theirs, atol=1e-4)
    whole = network.inpaint(picture, masks[:1], ["a cat"], seeds=[4], steps=10, guidance=5.0)
    assert not torch.allclose(ours, whole, atol=1e-2)


def test_from_a_middle_step_pocket_paints_what_diffusers_paints() -> None:
    network: Any = load_backbones("pocket").inpainter
    picture = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(2)) * 2 - 1
    mask = torch.zeros(1, 1, 64, 64)
    mask[..., 16:48, 12:56] = 1
    ours = network.inpaint(picture, mask, ["a cat"], seeds=[4], steps=8, guidance=5.0, strength=0.5)
    settings = {"strength": 0.5, "guidance_scale": 5.0, "num_inference_steps": 8}
    theirs = by_diffusers(network, picture, mask, "a cat", seed=4, **settings)
    assert torch.allclose(ours, theirs, atol=1e-3)


@pytest.mark.parametrize(("strength", "done"), [(0.7, 7), (0.29, 2), (0.01, 1), (1.0, 10)])
def test_a_strength_does_whole_steps(
    strength: float, done: int, painter: StableDiffusionInpainter, picture: Tensor, masks: Tensor
) -> None:
    seen: list[tuple[int, int]] = []
    painter.inpaint(
        picture, masks[:1], ["a cat"], seeds=[1], steps=10, guidance=1.0, strength=strength,
        on_step=lambda *step: seen.append(step),
    )  # fmt: skip
    assert seen == [(n, done) for n in range(1, done + 1)] and painter.counter.evaluations == done


@pytest.mark.parametrize("kind", ["painter", "blender"])
def test_a_candidate_from_a_middle_step_does_not_depend_on_its_batch(
    kind: str, picture: Tensor, masks: Tensor, request: pytest.FixtureRequest
) -> None:
    network: StableDiffusionInpainter = request.getfixturevalue(kind)

    def paint(rows: list[int]) -> Tensor:
        prompts, seeds = [PROMPTS[r] for r in rows], [[7, 8, 7][r] for r in rows]
        return network.inpaint(picture, masks[rows], prompts, seeds=seeds, steps=4, guidance=3.0, strength=0.5)

    together = paint([0, 1, 2])
    assert torch.allclose(paint([2, 0]), together[[2, 0]], atol=1e-4)
    assert torch.allclose(paint([1]), together[[1]], atol=1e-4)


@pytest.mark.parametrize("kind", ["painter", "blender"])
def test_what_a_soft_mask_holds_is_the_original_from_a_middle_step_too(
    kind: str, picture: Tensor, request: pytest.FixtureRequest
) -> None:
    network: StableDiffusionInpainter = request.getfixturevalue(kind)
    decoded = watch_decoded(network)
    mask = torch.linspace(-0.2, 1.2, WIDTH).clamp(0, 1).expand(1, 1, HEIGHT, -1).clone()
    network.inpaint(picture, mask, ["a cat"], seeds=[5], steps=6, guidance=1.0, strength=0.5)
    held = torch.nn.functional.interpolate(mask, decoded[0].shape[-2:])[0, 0] == 0
    clean = network.parts.encode_image(picture)
    assert held.any() and torch.equal(decoded[0][..., held], clean[..., held])


@pytest.mark.parametrize(
    ("length", "side", "expected"),
    [(16, 16, [0]), (8, 16, [0]), (24, 16, [0, 8]), (32, 16, [0, 8, 16]), (33, 16, [0, 6, 11, 17])],
)
def test_tiles_cover_a_line_with_half_of_each_in_common(length: int, side: int, expected: list[int]) -> None:
    assert tile_starts(length, side, 0.5) == expected


def test_a_tent_is_highest_in_its_middle_and_nowhere_zero() -> None:
    weights = tent(7, 9)
    assert weights.shape == (7, 9) and weights.min() > 0 and weights.max() == weights[3, 4] == 1
    assert torch.equal(weights, weights.flip(0)) and torch.equal(weights, weights.flip(1))


class Pointwise(torch.nn.Module):
    """A denoiser that looks at each cell alone, and at the text."""

    def __init__(self) -> None:
        super().__init__()
        self.config, self.dtype = None, torch.float32
        self.batches: list[int] = []

    def forward(self, sample: Tensor, _step: Any, *, encoder_hidden_states: Tensor, return_dict: bool) -> tuple[Tensor]:
        assert not return_dict
        self.batches.append(len(sample))
        return (sample[:, :4] * 2 + encoder_hidden_states.mean((1, 2))[:, None, None, None],)


def test_tiles_of_a_pointwise_denoiser_add_up_to_the_whole() -> None:
    network = Pointwise()
    sample, text = torch.randn(2, 9, 20, 33), torch.randn(2, 5, 3)
    tiled = TiledDenoiser(network, 16, torch.ones(1, 1, 20, 33), 6)
    (answer,) = tiled(sample, 3, encoder_hidden_states=text)
    assert torch.allclose(answer, network(sample, 3, encoder_hidden_states=text, return_dict=False)[0], atol=1e-5)
    assert sum(network.batches[:-1]) == 2 * len(tiled.tiles) and max(network.batches) == 6
    assert tiled.answered.all()


def test_tiles_where_nothing_is_wanted_are_left_out() -> None:
    wanted = torch.zeros(1, 1, 16, 64)
    wanted[..., 3] = 1
    tiled = TiledDenoiser(Pointwise(), 16, wanted, 6)
    assert len(tiled.tiles) == 1 and tiled.answered[:, :16].all() and not tiled.answered[:, 16:].any()


def test_a_picture_of_one_tile_is_painted_as_a_whole(
    painter: StableDiffusionInpainter, picture: Tensor, masks: Tensor
) -> None:
    settings: Any = {"seeds": [1], "steps": 4, "guidance": 3.0}
    whole = painter.inpaint(picture, masks[:1], ["a cat"], **settings)
    assert torch.equal(painter.inpaint(picture, masks[:1], ["a cat"], tile=max(HEIGHT, WIDTH), **settings), whole)


@pytest.mark.parametrize("kind", ["painter", "blender"])
def test_a_large_picture_is_painted_tile_by_tile_and_every_tile_is_counted(
    kind: str, request: pytest.FixtureRequest
) -> None:
    network: StableDiffusionInpainter = request.getfixturevalue(kind)
    unet = network.pipeline.unet
    picture = torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(2)) * 2 - 1
    mask = torch.zeros(1, 1, 64, 96)
    mask[..., :20, :20] = 1
    decoded = watch_decoded(network)

    def paint() -> Tensor:
        return network.inpaint(picture, mask, ["a cat"], seeds=[1], steps=4, guidance=3.0, strength=0.5, tile=32)

    painted = paint()
    assert network.pipeline.unet is unet
    assert network.counter.evaluations == 4 * 2 * 2  # tiles that begin at 0 and 16, both ways; steps; guidance
    assert painted.isfinite().all() and torch.equal(paint(), painted)
    clean = network.parts.encode_image(picture)
    right = clean.shape[-1] // 2  # beyond the last tile
    assert torch.equal(decoded[0][..., right:], clean[..., right:])
    assert not torch.isclose(decoded[0][..., :right], clean[..., :right]).all()
    mask[:] = 1
    network.counter.evaluations = 0
    paint()
    assert network.counter.evaluations == 3 * 5 * 2 * 2


def test_the_autoencoder_too_works_in_pieces_on_a_large_picture(
    painter: StableDiffusionInpainter, monkeypatch: pytest.MonkeyPatch
) -> None:
    vae, seen = painter.pipeline.vae, list[bool]()
    decode = vae.decode

    def watched(*latents: Any, **settings: Any) -> Any:
        seen.append(vae.use_tiling)
        return decode(*latents, **settings)

    monkeypatch.setattr(vae, "decode", watched)
    picture, mask = torch.zeros(1, 3, 64, 64), torch.ones(1, 1, 64, 64)

    def paint(tile: int | None) -> None:
        painter.inpaint(picture, mask, ["a cat"], seeds=[1], steps=1, guidance=1.0, tile=tile)

    paint(32)
    monkeypatch.setattr("intarsia.backbones.sd_inpainting.WHOLE_PIXELS", 64 * 64 - 1)
    paint(32)
    paint(None)
    assert seen == [False, True, False] and not vae.use_tiling
