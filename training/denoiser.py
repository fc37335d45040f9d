"""Train the pocket denoisers: one 9-channel network learns to paint and to repaint, then each gets a network.

Text to image is inpainting with everything masked, so both tasks share one long run. At the end the
4-channel network is folded out of it (the extra five channels are then constant) and tuned a little alone.

    python -m training.denoiser --minutes 100            # the shared run
    python -m training.denoiser --task paint --minutes 6 # fold, tune and save the 4-channel network
"""

from __future__ import annotations

import argparse
import random
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from torch import Tensor
from transformers import CLIPTextModel, CLIPTokenizer

from training import data, loop, world

BATCH = 32
SCENES = 60_000
SCHEDULER = {
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "clip_sample": False,
    "set_alpha_to_one": False,
    "steps_offset": 1,
    "prediction_type": "v_prediction",
    "rescale_betas_zero_snr": True,
    "timestep_spacing": "trailing",
}
# Of the training examples: everything masked, one object's box masked, any box masked.
TASKS = {"whole": 0.45, "object": 0.35, "any": 0.20}
DROPPED_CAPTIONS = 0.1


def build(channels: int, width: int) -> UNet2DConditionModel:
    return UNet2DConditionModel(
        sample_size=data.SIDE // 4,
        in_channels=channels,
        out_channels=4,
        block_out_channels=(64, 128, 192),
        layers_per_block=1,
        cross_attention_dim=width,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        attention_head_dim=(2, 4, 4),
        norm_num_groups=16,
    )


def fold(painter: UNet2DConditionModel, repainter: UNet2DConditionModel, hidden: Tensor) -> None:
    """Give the 4-channel network the 9-channel one's weights, with everything masked.

    The mask is 1 and the masked picture's latents are `hidden` (4,) everywhere, so their share of
    the first convolution is a constant (but at the very border, which the tuning mends).
    """
    weights = dict(repainter.state_dict())
    first = weights["conv_in.weight"]
    constant = torch.cat([torch.ones(1, device=first.device), hidden.to(first.device)])
    weights["conv_in.bias"] = weights["conv_in.bias"] + (first[:, 4:].sum((2, 3)) * constant).sum(1)
    weights["conv_in.weight"] = first[:, :4].contiguous()
    painter.load_state_dict(weights)


@dataclass(frozen=True, kw_only=True)
class Examples:
    """Latents of the pool's scenes, whole and with a box hidden; all scaled to unit deviation."""

    whole: Tensor  # (N, 4, 16, 16) half
    hidden_object: Tensor  # (N, 4, 16, 16) half
    hidden_any: Tensor  # (N, 4, 16, 16) half
    nothing: Tensor  # (4, 16, 16): a picture with everything hidden
    object_boxes: list[tuple[int, int, int, int]]
    any_boxes: list[tuple[int, int, int, int]]
    object_chosen: list[int]  # which object the box was drawn around, -1 for none


def box_around(rng: random.Random, box: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    """The object's box let out by a random margin on each side, tight or generous."""
    most = rng.choice((3, 6, 12))
    x0, y0, x1, y1 = box
    side = data.SIDE
    return (
        max(0, x0 - rng.randint(0, most)),
        max(0, y0 - rng.randint(0, most)),
        min(side, x1 + rng.randint(0, most)),
        min(side, y1 + rng.randint(0, most)),
    )


def any_box(rng: random.Random) -> tuple[int, int, int, int]:
    width, height = rng.randint(14, 52), rng.randint(14, 52)
    x0, y0 = rng.randint(0, data.SIDE - width), rng.randint(0, data.SIDE - height)
    return x0, y0, x0 + width, y0 + height


def prepare(autoencoder: AutoencoderKL, scenes: data.Pool, device: str) -> Examples:
    """Encode the pool once and keep it beside the pool."""
    file = data.RUNS / f"latents-{len(scenes)}.pt"
    if file.exists():
        return Examples(**torch.load(file, weights_only=True))
    rng = random.Random(5)
    scale = autoencoder.config.scaling_factor

    def encode(pictures: Tensor) -> Tensor:
        with torch.no_grad(), torch.autocast(device, dtype=torch.bfloat16):
            latents: Tensor = autoencoder.encode(pictures.to(device)).latent_dist.mean
            scaled: Tensor = latents.float() * scale
            return scaled.half().cpu()

    chosen, object_boxes, any_boxes = [], [], []
    for fact in scenes.facts:
        which = rng.randrange(len(fact["boxes"])) if fact["boxes"] else -1
        chosen.append(which)
        object_boxes.append(box_around(rng, fact["boxes"][which]) if which >= 0 else any_box(rng))
        any_boxes.append(any_box(rng))
    parts: dict[str, list[Tensor]] = {"whole": [], "hidden_object": [], "hidden_any": []}
    for start in range(0, len(scenes), 100):
        index = np.arange(start, min(start + 100, len(scenes)))
        pictures = scenes.batch(index)
        parts["whole"].append(encode(pictures))
        for key, boxes in (("hidden_object", object_boxes), ("hidden_any", any_boxes)):
            hidden = pictures.clone()
            for row, i in enumerate(index):
                x0, y0, x1, y1 = boxes[i]
                hidden[row, :, y0:y1, x0:x1] = 0
            parts[key].append(encode(hidden))
    nothing = encode(torch.zeros(1, 3, data.SIDE, data.SIDE))[0]
    fields: dict[str, Any] = {key: torch.cat(value) for key, value in parts.items()}
    fields |= {"nothing": nothing, "object_boxes": object_boxes, "any_boxes": any_boxes, "object_chosen": chosen}
    torch.save(fields, file)
    return Examples(**fields)


def inside(box: tuple[int, int, int, int], hole: tuple[int, int, int, int]) -> bool:
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    return hole[0] <= x <= hole[2] and hole[1] <= y <= hole[3]


def caption_for(fact: dict[str, Any], names: list[int], rng: random.Random) -> str:
    """What the hole shows: its objects, sometimes the bare noun, or the background."""
    if len(names) == 1 and rng.random() < 0.4:
        return world.with_article(fact["names"][names[0]])
    chosen_names, boxes = [fact["names"][i] for i in names], [fact["boxes"][i] for i in names]
    return world.caption(chosen_names, boxes, fact["background"], rng, (data.SIDE, data.SIDE))


def draw_batch(
    examples: Examples, scenes: data.Pool, index: np.ndarray, rng: random.Random, *, paint_only: bool
) -> tuple[Tensor, Tensor, Tensor, list[str]]:
    """Latents, conditions (mask and hidden picture), loss weights and captions of a batch.

    Returns:
        (B, 4, 16, 16) latents; (B, 5, 16, 16) conditions; (B, 1, 16, 16) weights of mean 1; B captions.
    """
    rows = torch.from_numpy(index)
    latents = examples.whole[rows].float()
    conditions = torch.empty(len(index), 5, 16, 16)
    covered = torch.from_numpy(scenes.labels[index] > 0)[:, None].float()
    weights = 1 + 2 * F.max_pool2d(covered, 4)
    captions = []
    for row, i in enumerate(index):
        fact = scenes.facts[i]
        task = "whole" if paint_only else rng.choices(list(TASKS), list(TASKS.values()))[0]
        if task == "whole":
            conditions[row, 0], conditions[row, 1:] = 1, examples.nothing.float()
            words = scenes.caption(i, rng)
        else:
            hole = (examples.object_boxes if task == "object" else examples.any_boxes)[i]
            hidden = examples.hidden_object if task == "object" else examples.hidden_any
            mask = torch.zeros(1, 1, data.SIDE, data.SIDE)
            mask[..., hole[1] : hole[3], hole[0] : hole[2]] = 1
            small = F.interpolate(mask, size=(16, 16))[0, 0]
            conditions[row, 0], conditions[row, 1:] = small, hidden[i].float()
            weights[row, 0] *= 0.2 + 0.8 * small
            names = [n for n, box in enumerate(fact["boxes"]) if inside(box, hole)]
            if task == "object" and rng.random() < 0.8 and examples.object_chosen[i] >= 0:
                names = [examples.object_chosen[i]]
            words = caption_for(fact, names, rng)
        captions.append("" if rng.random() < DROPPED_CAPTIONS else words)
    return latents, conditions, weights / weights.mean((1, 2, 3), keepdim=True), captions


def velocity_loss(
    network: Any, latents: Tensor, extra: Tensor | None, text: Tensor, weights: Tensor, alphas: Tensor
) -> Tensor:
    """Weighted error of the predicted velocity (Salimans & Ho 2022, arXiv:2202.00512, app. D)."""
    steps = torch.randint(0, len(alphas), (len(latents),), device=latents.device)
    alpha = alphas[steps].view(-1, 1, 1, 1)
    noise = torch.randn_like(latents)
    noisy = alpha.sqrt() * latents + (1 - alpha).sqrt() * noise
    target = alpha.sqrt() * noise - (1 - alpha).sqrt() * latents
    seen = noisy if extra is None else torch.cat([noisy, extra], 1)
    predicted: Tensor = network(seen.contiguous(memory_format=torch.channels_last), steps, text).sample
    return ((predicted.float() - target).square() * weights).mean()


def main() -> None:
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--task", choices=("both", "paint", "save"), default="both")
    parser.add_argument("--no-compile", action="store_true")
    mine, rest = parser.parse_known_args()
    sys.argv[1:] = rest
    chosen = loop.options(__doc__ or "", minutes=100)
    device = chosen.device
    torch.manual_seed(3)
    rng, captioner = np.random.default_rng(3), random.Random(3)
    autoencoder = AutoencoderKL.from_pretrained(loop.POCKET / "vae").float().eval().to(device)
    words = CLIPTokenizer.from_pretrained(loop.POCKET / "tokenizer")
    encoder = CLIPTextModel.from_pretrained(loop.POCKET / "text_encoder").float().eval().to(device)
    scenes = data.pool("train", SCENES)
    examples = prepare(autoencoder, scenes, device)
    width = encoder.config.hidden_size
    repainter = build(9, width).to(device, memory_format=torch.channels_last)
    if mine.task == "both":
        network = repainter
        if chosen.resume and not (data.RUNS / "repainter.pt").exists():
            shipped = UNet2DConditionModel.from_pretrained(loop.POCKET / "inpainting_unet")
            network.load_state_dict(shipped.float().state_dict())
            chosen.resume = False  # the clock and the optimiser start anew
        run = loop.Run("repainter", network, peak=6e-4, decay=0.9993, chosen=chosen)
    else:
        shared = loop.Run(
            "repainter",
            repainter,
            peak=6e-4,
            decay=0.9993,
            chosen=argparse.Namespace(**vars(chosen) | {"resume": True}),
        )
        shared.average.swap()
        repainter.half().save_pretrained(loop.POCKET / "inpainting_unet")
        repainter.float()
        network = build(4, width).to(device, memory_format=torch.channels_last)
        fold(network, repainter, examples.nothing.float().mean((1, 2)))
        run = loop.Run("painter", network, peak=2e-4, decay=0.998, chosen=chosen)
    network.set_attn_processor(AttnProcessor())
    compiled = network if mine.no_compile else torch.compile(network)
    alphas = DDIMScheduler(**SCHEDULER).alphas_cumprod.to(device)
    paint_only = mine.task == "paint"
    if mine.task != "save":
        for _ in run.clock():
            index = rng.integers(0, len(scenes), BATCH)
            latents, conditions, weights, captions = draw_batch(
                examples, scenes, index, captioner, paint_only=paint_only
            )
            tokens = words(captions, padding="max_length", truncation=True, return_tensors="pt").input_ids
            with torch.autocast(device, dtype=torch.bfloat16):
                with torch.no_grad():
                    text = encoder(tokens.to(device))[0]
                extra = None if paint_only else conditions.to(device)
                value = velocity_loss(compiled, latents.to(device), extra, text, weights.to(device), alphas)
            run.step(value)
    run.average.swap()
    network.half().save_pretrained(loop.POCKET / ("inpainting_unet" if mine.task == "both" else "unet"))
    DDIMScheduler(**SCHEDULER).save_pretrained(loop.POCKET / "scheduler")


if __name__ == "__main__":
    main()
