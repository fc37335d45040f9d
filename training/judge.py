"""Train the judge, an independent segmenter of the world's objects that only evaluation may ask.

    python -m training.judge --minutes 10

Besides clean scenes it sees noise, blur, colour shifts and scenes joined along a box, as generated
pictures have them; and ruins (smeared, scrambled or melted objects, blotches), which it learns to call background.
"""

from __future__ import annotations

import json
import random

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional
from torch.optim.swa_utils import update_bn

from intarsia.evaluate.judge import FRAME_SHARE, WEIGHTS, Judge, UNet
from training import data, loop, world

BATCH = 32
SCENES = 30_000
RUINED = 0.3  # of the examples: smeared or scrambled, wholly or in part
BLOTCHED = 0.2
JOINED = 0.3


def class_labels(scenes: data.Pool, index: np.ndarray) -> Tensor:
    """(B, 64, 64) long: 0 for background, else 1 + index in `world.NAMES`."""
    labels = np.zeros((len(index), data.SIDE, data.SIDE), np.int64)
    for row, i in enumerate(index):
        key = np.array([0] + [1 + world.NAMES.index(n) for n in scenes.facts[i]["names"]])
        labels[row] = key[scenes.labels[i]]
    return torch.from_numpy(labels)


def chance(count: int, odds: float) -> Tensor:
    return torch.rand(count) < odds


def joined(pictures: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Put a box of another scene into some scenes, as inpainting does."""
    side = data.SIDE
    for row in chance(len(pictures), JOINED).nonzero()[:, 0].tolist():
        other = int(torch.randint(len(pictures), ()))
        width, height = (int(v) for v in torch.randint(20, 52, (2,)))
        x, y = int(torch.randint(side - width, ())), int(torch.randint(side - height, ()))
        pictures[row, :, y : y + height, x : x + width] = pictures[other, :, y : y + height, x : x + width]
        labels[row, y : y + height, x : x + width] = labels[other, y : y + height, x : x + width]
    return pictures, labels


def smeared(pictures: Tensor) -> Tensor:
    """Objects as mere blobs of their colour: no longer objects."""
    cells = int(torch.randint(4, 8, ()))
    small = functional.interpolate(pictures, size=(cells, cells), mode="area")
    return functional.interpolate(small, size=pictures.shape[-2:], mode="bicubic")


def scrambled(pictures: Tensor, cell: int = 8) -> Tensor:
    """The 8 px tiles of each picture in any order: an object's texture without its shape."""
    tiles = functional.unfold(pictures, cell, stride=cell)
    return functional.fold(tiles[..., torch.randperm(tiles.shape[-1])], pictures.shape[-2:], cell, stride=cell)


def melted(pictures: Tensor) -> Tensor:
    """Pictures bent in short waves: each part in about its place and colour, no shape of its own.

    So look the objects of a generator that has not learned them yet.
    """
    count, _, height, width = pictures.shape
    cells = int(torch.randint(7, 12, ()))
    waves = functional.interpolate(torch.randn(count, 2, cells, cells), size=(height, width), mode="bicubic")
    still = functional.affine_grid(torch.eye(2, 3).expand(count, 2, 3), list(pictures.shape), align_corners=False)
    bent = still + (0.13 + 0.08 * torch.rand(count, 1, 1, 1)) * waves.permute(0, 2, 3, 1)
    return functional.grid_sample(pictures, bent, padding_mode="reflection", align_corners=False)


def patches(count: int, cells: int, level: float) -> Tensor:
    """(count, 1, 64, 64) soft-edged patches in [0, 1]; a lower level covers more."""
    shape = functional.interpolate(torch.randn(count, 1, cells, cells), size=(data.SIDE, data.SIDE), mode="bicubic")
    return (4 * (shape - level)).clamp(0, 1)


def blotched(pictures: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Soft-edged patches of one colour over some scenes."""
    count = len(pictures)
    cover = patches(count, 6, 1.0) * chance(count, BLOTCHED)[:, None, None, None]
    colour = torch.rand(count, 3, 1, 1) * 2 - 1
    return pictures * (1 - cover) + colour * cover, torch.where(cover[:, 0] > 0.5, 0, labels)


def blurred(pictures: Tensor) -> Tensor:
    """Half the pictures at up to half their resolution, as a small autoencoder leaves them."""
    side = int(torch.randint(30, 60, ()))
    small = functional.interpolate(pictures, size=(side, side), mode="bilinear", antialias=True)
    soft = functional.interpolate(small, size=pictures.shape[-2:], mode="bilinear")
    return torch.where(chance(len(pictures), 0.5)[:, None, None, None], soft, pictures)


def examples(pictures: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Clean scenes -> what the judge is shown, and what it should say."""
    count = len(pictures)
    pictures, labels = joined(pictures, labels)
    pictures, labels = blotched(pictures, labels)
    ruin = random.choice((smeared, scrambled, melted, melted))(pictures)
    cover = torch.where(chance(count, 0.5)[:, None, None, None], 1.0, patches(count, 3, 0.0))
    cover = cover * chance(count, RUINED)[:, None, None, None]
    pictures = blurred(pictures) * (1 - cover) + ruin * cover
    labels = torch.where(cover[:, 0] > 0.5, 0, labels)
    gain, shift = 1 + 0.12 * torch.randn(count, 3, 1, 1), 0.08 * torch.randn(count, 3, 1, 1)
    noise = 0.16 * torch.rand(count, 1, 1, 1) * chance(count, 0.5)[:, None, None, None]
    pictures = pictures * gain + shift + noise * torch.randn_like(pictures)
    return pictures.clamp(-1, 1).contiguous(memory_format=torch.channels_last), labels


def right_sets(judge: Judge, scenes: data.Pool, count: int) -> float:
    """How often the judged set of objects is the scene's own: all found, none other."""
    right = 0
    for start in range(0, count, 100):
        index = np.arange(start, min(start + 100, count))
        for i, labels in zip(index, judge.segment(scenes.batch(index)), strict=True):
            areas = torch.bincount(labels.flatten(), minlength=1 + len(judge.names))[1:] / labels.numel()
            found = {name for name, area in zip(judge.names, areas, strict=True) if area >= FRAME_SHARE}
            right += found == set(scenes.facts[i]["names"])
    return right / count


def main() -> None:
    chosen = loop.options(__doc__ or "", minutes=10)
    torch.manual_seed(40)
    random.seed(40)
    rng = np.random.default_rng(40)
    scenes, held_out = data.pool("judge", SCENES), data.pool("held_out", 2000)
    network = UNet(1 + len(world.NAMES))
    network.to(chosen.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    run = loop.Run("judge", network, peak=3e-3, decay=0.995, chosen=chosen)

    def draw() -> tuple[Tensor, Tensor]:
        index = np.sort(rng.integers(0, len(scenes), BATCH))
        pictures, labels = examples(scenes.batch(index), class_labels(scenes, index))
        return pictures.to(chosen.device), labels.to(chosen.device)

    for _ in run.clock():
        pictures, labels = draw()
        with torch.autocast(chosen.device, dtype=torch.bfloat16):
            logits = network(pictures)
        run.step(functional.cross_entropy(logits.float(), labels))

    run.average.swap()
    update_bn((draw()[0] for _ in range(60)), network)  # the averaged weights want statistics of their own
    network.half().float().cpu().eval()
    judge = Judge(network, world.NAMES)
    print(f"judge: the set of objects is right in {right_sets(judge, held_out, 2000):.1%} of 2000 held-out scenes")
    weights = {
        k: v.half().contiguous() for k, v in network.state_dict().items() if not k.endswith("num_batches_tracked")
    }
    save_file(weights, WEIGHTS, metadata={"names": json.dumps(world.NAMES)})


if __name__ == "__main__":
    main()
