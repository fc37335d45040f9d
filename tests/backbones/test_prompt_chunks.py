"""Prompts of any length and with weights: what fits into one chunk is read as ever, and nothing is cut."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import diffusers
import pytest
import torch
from torch import Tensor

from intarsia.backbones.batches import seeded
from intarsia.backbones.pipeline_inpainter import PipelineInpainter
from intarsia.backbones.placement import quiet_loading
from intarsia.backbones.prompt_chunks import read_prompts
from intarsia.backbones.protocols import Backbones, LatentDiffusion
from intarsia.backbones.sd_inpainting import StableDiffusionInpainter
from intarsia.backbones.sdxl_prompts import encode_prompts
from intarsia.errors import Cancelled
from intarsia.layout.concepts import tokens_added
from tests import tiny
from tests.backbones.network_checks import HEIGHT, WIDTH
from tests.tiny import TEXT_LIMIT

Load = Callable[[str], Backbones]
ROOM = TEXT_LIMIT - 2  # letters of a chunk, each of which is a token
LONG = "abcdefghijklmn opqrst"
SETTINGS: dict[str, Any] = {"steps": 3, "guidance": 2.0}


def states_of(diffusion: LatentDiffusion, text: str) -> Tensor:
    """(L, D) of the text encoder alone, told what its tokenizer makes of a text."""
    tokens = diffusion.tokenizer(
        text, padding="max_length", truncation=True, max_length=TEXT_LIMIT, return_tensors="pt"
    )
    states: Tensor = diffusion.text_encoder(tokens.input_ids)[0][0]
    return states


@torch.no_grad()
@pytest.mark.parametrize("text", ["", "a", "a cat", "abcdefghijklmn", "a (plain) cat"])
def test_a_prompt_of_one_chunk_without_weights_is_read_as_ever(tiny_backbones: Backbones, text: str) -> None:
    diffusion = tiny_backbones.in_parts
    assert torch.equal(diffusion.encode_text([text])[0], states_of(diffusion, text))


@torch.no_grad()
def test_pocket_prompts_are_read_as_ever(pocket: Backbones) -> None:
    diffusion = pocket.in_parts
    tokens = diffusion.tokenizer(
        ["a red cat on the grass", ""], padding="max_length", truncation=True, max_length=32, return_tensors="pt"
    )
    assert torch.equal(
        diffusion.encode_text(["a red cat on the grass", ""]), diffusion.text_encoder(tokens.input_ids)[0]
    )


@torch.no_grad()
def test_a_longer_one_is_read_in_chunks_and_others_come_out_as_long(tiny_backbones: Backbones) -> None:
    diffusion = tiny_backbones.in_parts
    long, short = diffusion.encode_text([LONG, "a cat"])
    for states, first, second in ((long, LONG[:ROOM], LONG[ROOM:].strip()), (short, "a cat", "")):
        wanted = torch.cat([states_of(diffusion, first), states_of(diffusion, second)])
        assert torch.allclose(states, wanted, atol=1e-6)
    beside = diffusion.encode_text(["a cat"], beside=[LONG, ""])[0]
    assert torch.allclose(beside, short, atol=1e-6)


@torch.no_grad()
def test_a_word_goes_so_many_times_the_way_from_the_empty_prompt_to_its_own_state(tiny_backbones: Backbones) -> None:
    diffusion = tiny_backbones.in_parts
    plain, empty = states_of(diffusion, "a bc d"), states_of(diffusion, "")
    for weight in (0.0, 0.5, 1.5, 2.0):
        (read,) = diffusion.encode_text([f"a (bc:{weight}) d"])
        wanted = plain.clone()
        wanted[2:4] = empty[2:4] + weight * (plain - empty)[2:4]
        assert torch.allclose(read, wanted, atol=1e-6)
    assert torch.equal(diffusion.encode_text(["a (bc:1) d"]), diffusion.encode_text(["a bc d"]))


def test_weights_in_a_second_chunk_and_beside_a_prompt_without(tiny_backbones: Backbones) -> None:
    diffusion = tiny_backbones.in_parts
    read = read_prompts(diffusion.tokenizer, ["abcdefghijklmn (op:0.5) q", "a cat"], TEXT_LIMIT)
    assert read.chunks == 2 and read.weights is not None
    assert (read.weights[0] != 1).nonzero().flatten().tolist() == [TEXT_LIMIT + 1, TEXT_LIMIT + 2]
    assert (read.weights[1] == 1).all()
    weighted, plain = diffusion.encode_text(["a (cat:1.5)", "a cat"])
    assert torch.allclose(plain, states_of(diffusion, "a cat"), atol=1e-6)
    assert not torch.allclose(weighted, plain, atol=1e-3)


def test_a_weighted_word_can_be_learned(tiny_backbones: Backbones) -> None:
    diffusion, embeddings = tiny_backbones.in_parts, torch.full((1, tiny.WIDTH), 0.1, requires_grad=True)
    with tokens_added(diffusion, embeddings) as (word,):
        diffusion.encode_text([f"abcdefghijklmn a ({word}:0.5)"])[0, TEXT_LIMIT:].square().sum().backward()
    assert embeddings.grad is not None and embeddings.grad.any()


@pytest.mark.parametrize("kind", ["painter", "blender"])
def test_the_end_of_a_long_prompt_is_painted_whatever_the_batch(
    kind: str, picture: Tensor, masks: Tensor, request: pytest.FixtureRequest
) -> None:
    network: StableDiffusionInpainter = request.getfixturevalue(kind)
    prompts, told = [LONG, "a cat", LONG + "z"], []
    together = network.inpaint(
        picture, masks, prompts, seeds=[4, 5, 6], on_step=lambda done, steps: told.append((done, steps)), **SETTINGS
    )
    assert told == [(k, 6) for k in range(1, 7)], "two batches of three steps"
    for row, prompt in enumerate(prompts):
        (alone,) = network.inpaint(picture, masks[row : row + 1], [prompt], seeds=[4 + row], **SETTINGS)
        assert torch.allclose(together[row], alone, atol=1e-5)
    (cut,) = network.inpaint(picture, masks[:1], [LONG[:ROOM]], seeds=[4], **SETTINGS)
    assert not torch.allclose(together[0], cut, atol=1e-4)


def test_what_pauses_goes_on_beside_prompts_of_other_lengths(
    painter: StableDiffusionInpainter, picture: Tensor, masks: Tensor
) -> None:
    prompts = [LONG, "a cat", LONG]
    whole = painter.inpaint(picture, masks, prompts, seeds=[4, 5, 6], **SETTINGS)
    stages = painter.begin_inpainting(picture, masks, prompts, seeds=[4, 5, 6], until=1, **SETTINGS)
    done = painter.continue_inpainting(stages[::-1], until=3)
    assert torch.allclose(torch.stack([s.picture for s in done[::-1]]), whole, atol=1e-5)


@pytest.mark.parametrize(
    ("prompt", "negative"), [(LONG, "blurred"), ("a cat", LONG), ("a (cat:1.5)", "(blurred:0.5)"), (LONG, "")]
)
def test_it_paints_what_the_pipeline_paints_when_told_the_states(
    prompt: str, negative: str, painter: StableDiffusionInpainter, picture: Tensor, masks: Tensor
) -> None:
    painted = painter.inpaint(picture, masks[:1], [prompt], negative_prompt=negative, seeds=[4], **SETTINGS)
    vae, noise = painter.pipeline.vae, torch.randn(1, 4, HEIGHT // 4, WIDTH // 4, generator=seeded([4])[0])
    with quiet_loading(), torch.no_grad():
        wanted, unwanted = painter.parts.encode_text([prompt, negative]).split(1)
        hidden = vae.encode(picture * (masks[:1] < 0.5)).latent_dist.mode() * vae.config.scaling_factor
        direct = painter.pipeline(
            prompt_embeds=wanted, negative_prompt_embeds=unwanted, image=(picture + 1) / 2, mask_image=masks[:1],
            masked_image_latents=hidden, latents=noise, height=HEIGHT, width=WIDTH, num_inference_steps=3,
            guidance_scale=2.0, output_type="pt",
        ).images  # fmt: skip
    assert (painted - (direct * 2 - 1)).abs().max() < 1e-4


# Stable Diffusion XL


def sdxl_of(families: Load, name: str = "sdxl") -> PipelineInpainter:
    inpainter = families(name).inpainter
    assert isinstance(inpainter, PipelineInpainter)
    return inpainter


@torch.no_grad()
def test_two_text_encoders_read_in_chunks_and_pool_the_first(families: Load) -> None:
    pipeline = sdxl_of(families).pipeline

    def usual(text: str) -> tuple[Tensor, Tensor]:
        states, _, pooled, _ = pipeline.encode_prompt(prompt=[text], do_classifier_free_guidance=False)
        return states, pooled

    for text in ("", "a cat", LONG[:ROOM]):
        assert all(map(torch.equal, encode_prompts(pipeline, [text]), usual(text)))
    states, pooled = encode_prompts(pipeline, [LONG])
    (first, first_pooled), (second, _) = usual(LONG[:ROOM]), usual(LONG[ROOM:].strip())
    assert torch.allclose(states, torch.cat([first, second], 1), atol=1e-6)
    assert torch.allclose(pooled, first_pooled, atol=1e-6)
    weighted, _ = encode_prompts(pipeline, ["a (cat:1.5)"])
    plain, empty = encode_prompts(pipeline, ["a cat", ""])[0]
    assert torch.allclose(weighted[0, 2:5], (empty + 1.5 * (plain - empty))[2:5], atol=1e-5)
    assert torch.allclose(weighted[0, 5:], plain[5:], atol=1e-6)


@pytest.mark.parametrize("name", ["sdxl", "sdxl_inpainting"])
@pytest.mark.parametrize("negative", ["", "blurred", LONG])
def test_sdxl_paints_the_end_of_a_long_prompt_whatever_the_batch(
    name: str, negative: str, families: Load, picture: Tensor, masks: Tensor
) -> None:
    painter = sdxl_of(families, name)
    prompts = [LONG, "a cat", "a (cat:1.6)"]
    settings = {**SETTINGS, "negative_prompt": negative}
    together = painter.inpaint(picture, masks, prompts, seeds=[4, 5, 5], **settings)
    for row, prompt in enumerate(prompts):
        (alone,) = painter.inpaint(picture, masks[row : row + 1], [prompt], seeds=[(4, 5, 5)[row]], **settings)
        assert torch.allclose(together[row], alone, atol=1e-4)
    (cut,) = painter.inpaint(picture, masks[:1], [LONG[:ROOM]], seeds=[4], **settings)
    assert not torch.allclose(together[0], cut, atol=1e-3)
    (plain,) = painter.inpaint(picture, masks[2:], ["a cat"], seeds=[5], **settings)
    assert not torch.allclose(together[2], plain, atol=1e-3)
    assert torch.equal(painter.inpaint(picture, masks[2:], ["a (cat:1)"], seeds=[5], **settings)[0], plain)


def test_sdxl_is_told_as_much_of_an_empty_text_as_by_its_pipeline(
    families: Load, picture: Tensor, masks: Tensor
) -> None:
    """A prompt of two chunks, the second without any word, and one of weight 1, so that states are given."""
    painter = sdxl_of(families)
    kind: Any = diffusers.StableDiffusionXLInpaintPipeline
    with quiet_loading():
        pipeline = kind.from_pretrained(families("sdxl").name, dtype=torch.float32)
        pipeline.set_progress_bar_config(disable=True)
        states, pooled = (part.detach() for part in encode_prompts(pipeline, [LONG]))
        direct = pipeline(
            prompt_embeds=states, pooled_prompt_embeds=pooled,
            negative_prompt_embeds=torch.zeros_like(states), negative_pooled_prompt_embeds=torch.zeros_like(pooled),
            image=(picture + 1) / 2, mask_image=masks[:1], height=picture.shape[-2], width=picture.shape[-1],
            num_inference_steps=3, guidance_scale=2.0, strength=1.0, generator=seeded([4]), output_type="pt",
        ).images  # fmt: skip
    painted = painter.inpaint(picture, masks[:1], [LONG], seeds=[4], **SETTINGS)
    assert (painted - (direct * 2 - 1)).abs().max() < 1e-4


@torch.no_grad()
def test_sdxl_in_parts_reads_in_chunks_too(families: Load) -> None:
    diffusion = families("sdxl").in_parts
    both = diffusion.encode_text(["", LONG])
    assert both.shape[1] == 2 * TEXT_LIMIT + 1 and not both[0].any()
    assert torch.allclose(
        diffusion.encode_text(["a cat"], beside=[LONG])[:, :5], diffusion.encode_text(["a cat"])[:, :5]
    )


# Others


@pytest.mark.parametrize("name", ["sd3", "flux"])
def test_other_families_are_told_the_words_without_weights(
    name: str, families: Load, picture: Tensor, masks: Tensor
) -> None:
    painter = sdxl_of(families, name)
    assert not painter.reads_weights
    settings: dict[str, Any] = {"seeds": [4], **SETTINGS}
    weighted = painter.inpaint(picture, masks[:1], ["a (cat:1.5)"], negative_prompt="(b:0.5)", **settings)
    assert torch.equal(weighted, painter.inpaint(picture, masks[:1], ["a cat"], negative_prompt="b", **settings))


def test_a_cancel_stops_within_a_step_of_a_group(
    painter: StableDiffusionInpainter, picture: Tensor, masks: Tensor
) -> None:
    def stop(done: int, _steps: int) -> None:
        if done == 4:
            raise Cancelled

    painter.counter.evaluations = 0
    with pytest.raises(Cancelled):
        painter.inpaint(picture, masks[:2], [LONG, "a"], seeds=[1, 2], steps=3, guidance=1.0, on_step=stop)
    assert painter.counter.evaluations == 4
