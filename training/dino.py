"""Train the pocket patch encoder without labels, by self-distillation (DINO).

    python -m training.dino --minutes 3

A student sees crops of a picture and predicts what its own average, the teacher, says of other crops
(Caron et al. 2021, arXiv:2104.14294). Left alone on such plain pictures it settles for the background,
whose colour alone tells them apart. So each view has a light of its own, as strong as it takes to make
colour say little. Even so its attention swings between the objects and the background's faint texture;
the moment kept is the one at which it best found the objects of held-out scenes.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional
from transformers import ViTConfig, ViTImageProcessorPil, ViTModel

from training import data, loop

WIDTH = 128
PATCH = 8
SHIPPED_SIDE = 2 * data.SIDE  # pixels at which the shipped network sees a whole picture: 16x16 patches
BATCH = 40
PROTOTYPES = 512
GLOBAL_SIDES = (0.7, 1.0)  # of a crop, as a fraction of the frame
LOCAL_SIDES = (0.35, 0.6)
LOCAL_CROPS = 2
LOCAL_PIXELS = 32
STUDENT_TEMPERATURE, TEACHER_TEMPERATURE = 0.1, 0.04
CENTRE_MOMENTUM = 0.95


class Distilled(nn.Module):
    """The ViT and the head on its [CLS] token; the head is not shipped."""

    centre: Tensor

    def __init__(self) -> None:
        super().__init__()
        configured: Any = ViTConfig  # its signature leaves out what all configurations take
        config = configured(
            hidden_size=WIDTH,
            num_hidden_layers=4,
            num_attention_heads=4,
            intermediate_size=3 * WIDTH,
            image_size=data.SIDE,
            patch_size=PATCH,
            attn_implementation="eager",  # the one that can show its attention
        )
        self.vit = ViTModel(config, add_pooling_layer=False)
        self.head = nn.Sequential(nn.Linear(WIDTH, 384), nn.GELU(), nn.Linear(384, 96))
        self.prototypes = nn.Parameter(torch.randn(96, PROTOTYPES))
        self.register_buffer("centre", torch.zeros(PROTOTYPES))

    def forward(self, pictures: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, PROTOTYPES) cosines."""
        seen = self.vit(pictures, interpolate_pos_encoding=True).last_hidden_state[:, 0]
        return (functional.normalize(self.head(seen), dim=1) @ functional.normalize(self.prototypes, dim=0)).float()


def crops(pictures: Tensor, sides: tuple[float, float], pixels: int) -> Tensor:
    """One square crop of each picture, half of them mirrored, at `pixels` a side."""
    count = len(pictures)
    side = sides[0] + (sides[1] - sides[0]) * torch.rand(count)
    x, y = ((1 - side) * (2 * torch.rand(count) - 1) for _ in range(2))
    mirror = torch.where(torch.rand(count) < 0.5, -1.0, 1.0)
    zero = torch.zeros(count)
    moves = torch.stack([torch.stack([side * mirror, zero, x], 1), torch.stack([zero, side, y], 1)], 1)
    grid = functional.affine_grid(moves, [count, 3, pixels, pixels], align_corners=False)
    return functional.grid_sample(pictures, grid, padding_mode="reflection", align_corners=False)


def tinted(views: Tensor) -> Tensor:
    """Each view in a light of its own: colours mixed or inverted, tinted, shaded, a little noisy.

    Nothing is clipped, so that an object keeps its contrast in any light.
    """
    count, _, height, width = views.shape
    mixing = torch.eye(3) + 0.35 * torch.randn(count, 3, 3)
    sign = torch.where(torch.rand(count, 1, 1) < 0.3, -1.0, 1.0)
    views = torch.einsum("bij,bjhw->bihw", sign * mixing, views)
    shade = functional.interpolate(torch.randn(count, 3, 3, 3), size=(height, width), mode="bilinear")
    views = views + 0.5 * torch.randn(count, 3, 1, 1) + 0.3 * torch.randn(count, 1, 1, 1) + 0.35 * shade
    return views + 0.05 * torch.randn_like(views)


def saliency(vit: ViTModel, pictures: Tensor) -> Tensor:
    """(B, 3, H, W) -> (B, rows, columns) attention of the last layer's [CLS] token, mean over heads."""
    with torch.no_grad():
        attention = vit(pictures, interpolate_pos_encoding=True, output_attentions=True).attentions[-1]
    rows, columns = pictures.shape[-2] // PATCH, pictures.shape[-1] // PATCH
    maps: Tensor = attention[:, :, 0, 1:].mean(1).unflatten(1, (rows, columns))
    return maps


def top_on_object(vit: ViTModel, scenes: data.Pool, *, count: int, pixels: int) -> tuple[float, float]:
    """Of the scenes with objects: how often the top patch lies on one, and how often chance would.

    A patch lies on an object when objects cover at least half of it.

    Args:
        pixels: side at which the encoder sees the pictures.
    """
    index = np.array([i for i, fact in enumerate(scenes.facts) if fact["names"]][:count])
    pictures = functional.interpolate(scenes.batch(index), size=(pixels, pixels), mode="bicubic", antialias=True)
    maps = torch.cat([saliency(vit, part) for part in pictures.split(50)])
    covered = torch.from_numpy(scenes.labels[index] > 0)[:, None].float()
    on_object = functional.adaptive_avg_pool2d(covered, (maps.shape[-2], maps.shape[-1]))[:, 0] >= 0.5
    top = maps.flatten(1).argmax(1)
    return float(on_object.flatten(1)[torch.arange(len(top)), top].float().mean()), float(on_object.float().mean())


def enlarged(vit: ViTModel, pixels: int) -> ViTModel:
    """The same network for pictures of another side: its positions are interpolated once and for all.

    Trained on crops, it knows objects at twice the scale of a whole picture at 64 px, so it sees whole pictures at
    twice the size better than at their own, and on a finer grid.
    """
    weights, positions = vit.state_dict(), vit.embeddings.position_embeddings.detach()
    cells = math.isqrt(positions.shape[1] - 1)
    grid = positions[:, 1:].unflatten(1, (cells, cells)).permute(0, 3, 1, 2)
    grid = functional.interpolate(grid, size=(pixels // PATCH,) * 2, mode="bicubic")
    weights["embeddings.position_embeddings"] = torch.cat([positions[:, :1], grid.flatten(2).mT], 1)
    larger = ViTModel(ViTConfig.from_dict({**vit.config.to_dict(), "image_size": pixels}), add_pooling_layer=False)
    larger.set_attn_implementation("eager")
    larger.load_state_dict(weights)
    larger.eval()
    return larger


def processor(pixels: int) -> ViTImageProcessorPil:
    half = [0.5, 0.5, 0.5]
    return ViTImageProcessorPil(size={"height": pixels, "width": pixels}, image_mean=half, image_std=half)


def main() -> None:
    chosen = loop.options(__doc__ or "", minutes=3)
    torch.manual_seed(50)
    rng = np.random.default_rng(50)
    scenes, held_out = data.pool("train", 60_000), data.pool("held_out", 2000)
    model = Distilled().to(chosen.device)
    run = loop.Run("dino", model, peak=5e-4, decay=0.994, chosen=chosen, weight_decay=0.04)
    names = [name for name, _ in model.named_parameters()]
    best, kept = 0.0, model.vit.state_dict()
    for _ in run.clock():
        pictures = scenes.batch(np.sort(rng.integers(0, len(scenes), BATCH)))
        whole = [crops(pictures, GLOBAL_SIDES, data.SIDE) for _ in range(2)]
        part = [crops(pictures, LOCAL_SIDES, LOCAL_PIXELS) for _ in range(LOCAL_CROPS)]
        wide, narrow = (tinted(torch.cat(views)).to(chosen.device) for views in (whole, part))
        with torch.autocast(chosen.device, dtype=torch.bfloat16):
            with torch.no_grad():
                averages = dict(zip(names, run.average.values, strict=True))
                said: Tensor = functional_call(model, averages, (wide,))
            guesses = [*model(wide).chunk(2), *model(narrow).chunk(LOCAL_CROPS)]
        targets = ((said - model.centre) / TEACHER_TEMPERATURE).softmax(1).chunk(2)
        model.centre.lerp_(said.mean(0), 1 - CENTRE_MOMENTUM)
        terms = [
            -(target * (guess / STUDENT_TEMPERATURE).log_softmax(1)).sum(1).mean()
            for t, target in enumerate(targets)
            for g, guess in enumerate(guesses)
            if g != t  # a view does not teach itself
        ]
        run.step(torch.stack(terms).mean())
        if run.steps % 50 == 0:
            on, chance = top_on_object(model.vit, held_out, count=400, pixels=SHIPPED_SIDE)
            print(f"dino: step {run.steps}, top patch on an object {on:.1%} (chance {chance:.0%})", flush=True)
            if on > best:
                best, kept = on, {k: v.clone() for k, v in model.vit.state_dict().items()}

    model.vit.load_state_dict(kept)
    model.eval()
    shipped = enlarged(model.vit.cpu(), SHIPPED_SIDE).half()
    on, chance = top_on_object(shipped.float(), held_out, count=1000, pixels=SHIPPED_SIDE)
    print(f"dino: top patch on an object in {on:.1%} of 1000 held-out scenes with objects (chance {chance:.1%})")
    shipped.half().save_pretrained(loop.POCKET / "dino")
    processor(SHIPPED_SIDE).save_pretrained(loop.POCKET / "dino")


if __name__ == "__main__":
    main()
