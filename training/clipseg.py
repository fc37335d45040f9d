"""Train the pocket segmenter, which finds by words: a decoder on the pocket scorer, its text part frozen.

python -m training.clipseg --minutes 10
"""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import CLIPModel, CLIPSegConfig, CLIPSegForImageSegmentation, CLIPTokenizer, ViTImageProcessorPil

from training import data, loop, world

BATCH = 32
PHRASES = 4  # asked about each picture
# What a phrase is about: an object of the scene, its place, two objects, something absent, a background.
SUBJECTS = {"object": 0.42, "place": 0.1, "pair": 0.08, "absent": 0.28, "background": 0.12}
SIDES = ("left", "right")
READING = 2.0  # weight of reading names off the patches


def build(scorer: CLIPModel) -> CLIPSegForImageSegmentation:
    """A segmenter that begins with the scorer's weights; only its vision part and its decoder learn."""
    told: Any = scorer.config
    config = CLIPSegConfig(
        text_config=told.text_config.to_dict(),
        vision_config=told.vision_config.to_dict(),
        projection_dim=scorer.config.projection_dim,
        extract_layers=[0, 1, 3],
        reduce_dim=128,
        decoder_num_attention_heads=4,
        decoder_intermediate_size=384,
    )
    model = CLIPSegForImageSegmentation(config)
    model.clip.load_state_dict(scorer.state_dict())
    model.clip.requires_grad_(False)
    model.clip.vision_model.requires_grad_(True)
    # The decoder is built with weights of deviation one: its answers would drown what the patches say.
    decoder: Any = model.decoder
    with torch.no_grad():
        for reduce in decoder.reduces:
            reduce.weight *= 0.08
        decoder.transposed_convolution.weight *= 0.04
        decoder.film_mul.weight *= 0.04  # embedded phrases are some twenty long
        decoder.film_mul.bias.fill_(1)
        decoder.film_add.weight *= 0.01
    return model


class Taught(nn.Module):
    """The segmenter, and a reader of its patches that teaches which name each patch shows and is not shipped.

    Phrases alone tell the patches apart slowly: at first it is cheapest to answer "some object" to any of them.
    """

    def __init__(self, segmenter: CLIPSegForImageSegmentation) -> None:
        super().__init__()
        self.segmenter = segmenter
        config: Any = segmenter.config
        self.reader = nn.Linear(config.vision_config.hidden_size, config.projection_dim)
        self.bias = nn.Parameter(torch.tensor(-3.0))

    def forward(self, pictures: Tensor, meanings: Tensor, names: Tensor) -> tuple[Tensor, Tensor]:
        """Answers to P phrases for each picture, and what each patch shows of N names.

        Args:
            pictures: (B, 3, 64, 64).
            meanings: (B * P, D) embedded phrases.
            names: (N, D) embedded names.

        Returns:
            (B * P, 64, 64) and (B, patches, N) logits.
        """
        states = patch_states(self.segmenter, pictures)
        read = functional.normalize(self.reader(states[-1][:, 1:]), dim=2)
        return decoded(self.segmenter, states, meanings), 12 * read @ functional.normalize(names, dim=1).T + self.bias


def noun_phrase(name: str, rng: random.Random) -> str:
    article = world.with_article(name)
    return rng.choice(
        (name, article, article, article, f"the {name}", f"{name}s", f"the {name}s", f"a photo of {article}")
    )


def ask(scenes: data.Pool, i: int, rng: random.Random) -> tuple[str, np.ndarray]:
    """A phrase about scene i, and the (64, 64) bool mask of what it means there."""
    fact, labels = scenes.facts[i], scenes.labels[i]
    names = fact["names"]
    subject = rng.choices(list(SUBJECTS), list(SUBJECTS.values()))[0]
    if subject == "background":
        kind = rng.choice((fact["background"], rng.choice(world.BACKGROUNDS)))
        return rng.choice((kind, f"the {kind}")), (labels == 0) & (kind == fact["background"])
    if subject == "absent" or not names:
        absent = rng.choice([n for n in world.NAMES if n not in names])
        return noun_phrase(absent, rng), np.zeros_like(labels, bool)
    which = rng.randrange(len(names))
    if subject == "place":
        box, side = fact["boxes"][which], rng.choice(SIDES)
        x = (box[0] + box[2]) / 2 / data.SIDE
        there = x < 0.45 if side == "left" else x > 0.55
        return f"{noun_phrase(names[which], rng)} on the {side}", (labels == which + 1) & there
    if subject == "pair" and len(names) > 1:
        other = rng.choice([n for n in range(len(names)) if n != which])
        words = f"{noun_phrase(names[which], rng)} and {noun_phrase(names[other], rng)}"
        return words, (labels == which + 1) | (labels == other + 1)
    return noun_phrase(names[which], rng), labels == which + 1


def embed(model: CLIPSegForImageSegmentation, words: CLIPTokenizer, phrases: list[str], device: str) -> Tensor:
    """(N, D) what the decoder is told of each phrase."""
    tokens = words(phrases, padding=True, truncation=True, return_tensors="pt").to(device)
    return model.get_conditional_embeddings(len(phrases), **tokens)


def patch_states(model: CLIPSegForImageSegmentation, pictures: Tensor) -> list[Tensor]:
    """(B, 3, 64, 64) -> (B, 1 + patches, D) at each layer that the decoder reads.

    The model's own forward holds its vision part fixed and sees a picture once for each phrase; here it
    learns, and sees a picture once.
    """
    states = model.clip.vision_model(pictures, output_hidden_states=True).hidden_states
    return [states[layer + 1] for layer in model.extract_layers]


def decoded(model: CLIPSegForImageSegmentation, states: list[Tensor], meanings: Tensor) -> Tensor:
    """States of B pictures and (B * P, D) meanings, P for each picture -> (B * P, 64, 64) logits."""
    each = len(meanings) // len(states[0])
    logits: Tensor = model.decoder([state.repeat_interleave(each, 0) for state in states], meanings).logits
    return logits


def shown(scenes: data.Pool, index: np.ndarray, patch: int) -> Tensor:
    """(B, patches, names) share of each patch that each name covers."""
    covers = torch.zeros(len(index), len(world.NAMES), data.SIDE, data.SIDE)
    for row, i in enumerate(index):
        for number, name in enumerate(scenes.facts[i]["names"], 1):
            covers[row, world.NAMES.index(name)] = torch.from_numpy(scenes.labels[i] == number)
    return functional.avg_pool2d(covers, patch).flatten(2).mT


def loss(logits: Tensor, masks: Tensor) -> Tensor:
    """Binary cross-entropy, and a Dice term for the phrases that mean something in the picture."""
    plain = functional.binary_cross_entropy_with_logits(logits, masks)
    guess = logits.sigmoid()
    shared, total = (guess * masks).sum((1, 2)), (guess + masks).sum((1, 2))
    dice = 1 - (2 * shared + 1) / (total + 1)
    meant = (masks.sum((1, 2)) > 0).float()
    return plain + 0.3 * (dice * meant).sum() / meant.sum().clamp(min=1)


@torch.no_grad()
def measured(
    model: CLIPSegForImageSegmentation, words: CLIPTokenizer, scenes: data.Pool, *, count: int, device: str
) -> tuple[float, float]:
    """Mean IoU of "a <name>" over all objects of the scenes, and how often an absent name gets a region.

    A region counts from 1 % of the frame.
    """
    meanings = embed(model, words, [world.with_article(n) for n in world.NAMES], device)
    overlaps, alarms = [], []
    for i in range(count):
        picture = scenes.batch(np.array([i])).to(device)
        found = (decoded(model, patch_states(model, picture), meanings) > 0).cpu()
        names = scenes.facts[i]["names"]
        for region, name in zip(found, world.NAMES, strict=True):
            if name in names:
                truth = torch.from_numpy(scenes.labels[i] == names.index(name) + 1)
                overlaps.append(float((region & truth).sum() / (region | truth).sum()))
            else:
                alarms.append(float(region.float().mean() >= 0.01))
    return float(np.mean(overlaps)), float(np.mean(alarms))


def processor() -> ViTImageProcessorPil:
    half = [0.5, 0.5, 0.5]
    return ViTImageProcessorPil(size={"height": data.SIDE, "width": data.SIDE}, image_mean=half, image_std=half)


def main() -> None:
    chosen = loop.options(__doc__ or "", minutes=10)
    device = chosen.device
    torch.manual_seed(60)
    rng, asker = np.random.default_rng(60), random.Random(60)
    scenes, held_out = data.pool("train", 60_000), data.pool("held_out", 2000)
    words = CLIPTokenizer.from_pretrained(loop.POCKET / "clip")
    model = build(CLIPModel.from_pretrained(loop.POCKET / "clip", dtype=torch.float32)).to(device)
    taught = Taught(model).to(device)
    run = loop.Run("clipseg", taught, peak=1e-3, decay=0.995, chosen=chosen)
    names = embed(model, words, [world.with_article(name) for name in world.NAMES], device)
    patch = model.config.vision_config.patch_size
    for _ in run.clock():
        index = np.sort(rng.integers(0, len(scenes), BATCH))
        asked = [ask(scenes, i, asker) for i in index for _ in range(PHRASES)]
        masks = torch.from_numpy(np.stack([mask for _, mask in asked])).float().to(device)
        with torch.autocast(device, dtype=torch.bfloat16):
            meanings = embed(model, words, [phrase for phrase, _ in asked], device)
            answers, read = taught(scenes.batch(index).to(device), meanings, names)
        reading = functional.binary_cross_entropy_with_logits(read.float(), shown(scenes, index, patch).to(device))
        run.step(loss(answers.float(), masks) + READING * reading)
        if run.steps % 200 == 0:
            overlap, alarms = measured(model, words, held_out, count=40, device=device)
            print(f"clipseg: mIoU {overlap:.3f}, absent names found {alarms:.1%}, reading {reading:.4f}", flush=True)

    run.average.swap()
    model.eval().half().float()
    overlap, alarms = measured(model, words, held_out, count=400, device=device)
    print(f"clipseg: mIoU {overlap:.3f}; an absent name gets a region in {alarms:.1%}; 400 held-out scenes")
    model.half().save_pretrained(loop.POCKET / "clipseg")
    words.save_pretrained(loop.POCKET / "clipseg")
    processor().save_pretrained(loop.POCKET / "clipseg")


if __name__ == "__main__":
    main()
