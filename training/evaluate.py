"""Measure the pocket models on fresh scenes and captions of a seed that no training used.

    python -m training.evaluate                        # the table, floors and goals beside it
    python -m training.evaluate --only judge scorer    # some of its rows
    python -m training.evaluate --markdown --json quality.json

The judge says what generated pictures show; its own accuracy is the first row.
"""

from __future__ import annotations

import argparse
import functools
import json
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    StableDiffusionInpaintPipeline,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)
from diffusers.models.attention_processor import Attention
from PIL import Image
from torch import Tensor
from torch.nn import functional
from transformers import (
    CLIPModel,
    CLIPSegForImageSegmentation,
    CLIPTextModel,
    CLIPTokenizer,
    ViTImageProcessorPil,
    ViTModel,
)

from intarsia.evaluate.judge import WEIGHTS, load_judge
from intarsia.imaging.geometry import Box
from training import autoencoder, clip, clipseg, data, dino, judge, loop, world

SEED = 90_210
BATCH = 20  # pictures painted at once
STEPS, GUIDANCE = 30, 5.0
MIDDLE = 500  # the timestep, of 1000, at which attention is looked at
LATENT_SIDE = 16


@dataclass(frozen=True, kw_only=True, eq=False)  # cached by identity
class Fresh:
    """What is drawn for one evaluation.

    Attributes:
        seed: of everything that is drawn.
        count: scenes or captions for each row.
        device: where the networks run.
        scenes: `count` scenes as the world draws them.
    """

    seed: int
    count: int
    device: str
    scenes: data.Pool


@dataclass(frozen=True, kw_only=True)
class Measure:
    """One row of the table.

    Attributes:
        label: what is measured, in words.
        needs: files or folders without which it is not trained yet.
        measured: draws from the `Fresh` and returns the figure.
        floor: must be reached; None where the row only informs.
        goal: should be reached.
        form: how the figure is written.
    """

    label: str
    needs: tuple[Path, ...]
    measured: Callable[[Fresh], float]
    floor: float | None = None
    goal: float | None = None
    form: str = "{:.1%}"


def draw_scenes(seed: int, count: int, objects: int | None = None) -> data.Pool:
    """`count` scenes; with `objects` objects each when given."""
    pictures = np.empty((count, data.SIDE, data.SIDE, 3), np.uint8)
    labels = np.zeros((count, data.SIDE, data.SIDE), np.uint8)
    facts = []
    for i in range(count):
        rng = np.random.default_rng((seed, 0 if objects is None else 1 + objects, i))
        names = None if objects is None else tuple(str(n) for n in rng.choice(world.NAMES, objects, replace=False))
        scene = world.render(rng, names=names, size=(data.SIDE, data.SIDE))
        pictures[i] = np.asarray(scene.image)
        for number, thing in enumerate(scene.objects, 1):
            labels[i][thing.mask] = number
        named, boxes = [o.name for o in scene.objects], [o.box for o in scene.objects]
        facts.append({"background": scene.background, "names": named, "boxes": boxes})
    return data.Pool(pictures=pictures, labels=labels, facts=facts)


# The small networks.


def judge_accuracy(fresh: Fresh) -> float:
    return judge.right_sets(load_judge(), fresh.scenes, fresh.count)


def judge_deceived(fresh: Fresh) -> float:
    """How often the judge sees an object in a scene whose objects were smeared to blobs."""
    torch.manual_seed(fresh.seed)
    blobs = torch.cat([judge.smeared(fresh.scenes.batch(np.array([i]))) for i in range(fresh.count)])
    seen = [load_judge().present(blobs, name, [None] * fresh.count) for name in world.NAMES]
    return float(torch.stack(seen).any(0).float().mean())


@functools.cache
def pocket_autoencoder(device: str) -> AutoencoderKL:
    return AutoencoderKL.from_pretrained(loop.POCKET / "vae").float().eval().to(device)


@torch.no_grad()
def decoded(fresh: Fresh) -> Tensor:
    """(count, 3, 64, 64) the scenes after the autoencoder, on the CPU."""
    model = pocket_autoencoder(fresh.device)
    parts = fresh.scenes.batch(np.arange(fresh.count)).split(50)
    return torch.cat([model(part.to(fresh.device)).sample.clamp(-1, 1).cpu() for part in parts])


def autoencoder_psnr(fresh: Fresh) -> float:
    return float(autoencoder.psnr(decoded(fresh), fresh.scenes.batch(np.arange(fresh.count))).mean())


def judge_through_autoencoder(fresh: Fresh) -> float:
    pictures = ((decoded(fresh) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()
    scenes = data.Pool(pictures=pictures, labels=fresh.scenes.labels, facts=fresh.scenes.facts)
    return judge.right_sets(load_judge(), scenes, fresh.count)


def scorer_first(fresh: Fresh) -> float:
    model = CLIPModel.from_pretrained(loop.POCKET / "clip", dtype=torch.float32).eval().to(fresh.device)
    words = CLIPTokenizer.from_pretrained(loop.POCKET / "clip")
    return clip.ranked_first(model, words, fresh.scenes, groups=fresh.count // 10, device=fresh.device)


def saliency_on_object(fresh: Fresh) -> float:
    folder = loop.POCKET / "dino"
    vit = ViTModel.from_pretrained(
        folder, add_pooling_layer=False, attn_implementation="eager", dtype=torch.float32
    ).eval()
    pixels = ViTImageProcessorPil.from_pretrained(folder).size["height"]
    scenes = draw_scenes(fresh.seed + 1, 2 * fresh.count)  # some have no object
    return dino.top_on_object(vit, scenes, count=fresh.count, pixels=pixels)[0]


@functools.cache
def segmentation(fresh: Fresh) -> tuple[float, float]:
    folder = loop.POCKET / "clipseg"
    model = CLIPSegForImageSegmentation.from_pretrained(folder, dtype=torch.float32).eval().to(fresh.device)
    words = CLIPTokenizer.from_pretrained(folder)
    return clipseg.measured(model, words, fresh.scenes, count=fresh.count, device=fresh.device)


# The denoisers.


def parts(unet: str, device: str) -> dict[str, Any]:
    """What both of diffusers' pipelines are made of, `unet` being its folder's name."""
    encoder: Any = CLIPTextModel.from_pretrained(loop.POCKET / "text_encoder", dtype=torch.float32)
    return {
        "vae": pocket_autoencoder(device),
        "text_encoder": encoder.to(device),
        "tokenizer": CLIPTokenizer.from_pretrained(loop.POCKET / "tokenizer"),
        "unet": UNet2DConditionModel.from_pretrained(loop.POCKET / unet).float().eval().to(device),
        "scheduler": DDIMScheduler.from_pretrained(loop.POCKET / "scheduler", timestep_spacing="trailing"),
        "safety_checker": None,
        "feature_extractor": None,
        "requires_safety_checker": False,
    }


def painted(pipeline: Any, fresh: Fresh, prompts: list[str], **pictures: list[Image.Image]) -> Tensor:
    """(N, 3, 64, 64) in [-1, 1]: a picture for each prompt, picture i from noise of its own seed."""
    pipeline.set_progress_bar_config(disable=True)
    done = []
    for start in range(0, len(prompts), BATCH):
        rows = slice(start, start + BATCH)
        seeds = range(start, min(start + BATCH, len(prompts)))
        with torch.autocast(fresh.device, dtype=torch.bfloat16):
            done.append(
                pipeline(
                    prompts[rows],
                    height=data.SIDE,
                    width=data.SIDE,
                    num_inference_steps=STEPS,
                    guidance_scale=GUIDANCE,
                    generator=[torch.Generator().manual_seed(fresh.seed + i) for i in seeds],
                    output_type="pt",
                    **{key: value[rows] for key, value in pictures.items()},
                ).images.float()
            )
    return torch.cat(done).cpu() * 2 - 1


def named_present(fresh: Fresh, objects: int) -> float:
    """How often every named object is in the picture painted from a caption of so many objects."""
    scenes = draw_scenes(fresh.seed + 2, fresh.count, objects)
    rng = random.Random(fresh.seed)
    captions = [scenes.caption(i, rng) for i in range(fresh.count)]
    pictures = painted(StableDiffusionPipeline(**parts("unet", fresh.device)), fresh, captions)
    found = [
        all(bool(load_judge().present(picture[None], name, [None])) for name in fact["names"])
        for picture, fact in zip(pictures, scenes.facts, strict=True)
    ]
    return float(np.mean(found))


def inpainted(fresh: Fresh) -> float:
    """How often "a <name>" is in the box of a bare background into which it was painted."""
    scenes = draw_scenes(fresh.seed + 3, fresh.count, 0)
    rng = random.Random(fresh.seed)
    names, boxes, holes = [], [], []
    for i in range(fresh.count):
        width, height = rng.randint(24, 40), rng.randint(24, 40)
        x, y = rng.randint(0, data.SIDE - width), rng.randint(0, data.SIDE - height)
        hole = np.zeros((data.SIDE, data.SIDE), np.uint8)
        hole[y : y + height, x : x + width] = 255
        names.append(world.NAMES[i % len(world.NAMES)])
        boxes.append(Box(x, y, x + width, y + height))
        holes.append(Image.fromarray(hole))
    pictures = painted(
        StableDiffusionInpaintPipeline(**parts("inpainting_unet", fresh.device)),
        fresh,
        [world.with_article(name) for name in names],
        image=[Image.fromarray(picture) for picture in scenes.pictures],
        mask_image=holes,
    )
    found = [
        bool(load_judge().present(picture[None], name, [box]))
        for picture, name, box in zip(pictures, names, boxes, strict=True)
    ]
    return float(np.mean(found))


@contextmanager
def recorded(unet: UNet2DConditionModel) -> Iterator[list[tuple[Attention, dict[str, Tensor]]]]:
    """Within the block, queries and keys of each cross-attention are kept; afterwards nothing is left attached."""
    layers: list[tuple[Attention, dict[str, Tensor]]] = [
        (m, {}) for n, m in unet.named_modules() if n.endswith("attn2") and isinstance(m, Attention)
    ]
    hooks = []
    for layer, kept in layers:
        for part in ("to_q", "to_k"):
            keep = functools.partial(lambda kept, part, module, given, out: kept.__setitem__(part, out), kept, part)
            hooks.append(getattr(layer, part).register_forward_hook(keep))
    try:
        yield layers
    finally:
        for hook in hooks:
            hook.remove()


def word_maps(layers: list[tuple[Attention, dict[str, Tensor]]]) -> Tensor:
    """(B, 16, 16, T) attention over the prompt's T tokens, mean over the 16x16 layers and their heads."""
    found = []
    for layer, kept in layers:
        query, key = (kept[part].float().unflatten(-1, (layer.heads, -1)).transpose(1, 2) for part in ("to_q", "to_k"))
        if query.shape[2] == LATENT_SIDE**2:
            found.append((layer.scale * query @ key.transpose(2, 3)).softmax(-1).mean(1))
    maps: Tensor = torch.stack(found).mean(0).unflatten(1, (LATENT_SIDE, LATENT_SIDE))
    return maps


@torch.no_grad()
def attention_gain(fresh: Fresh) -> float:
    """Share of a word's attention that lies on its object, over the object's share of the picture."""
    made = parts("unet", fresh.device)
    vae, unet, words = made["vae"], made["unet"], made["tokenizer"]
    rng, generator = random.Random(fresh.seed), torch.Generator().manual_seed(fresh.seed)
    gains = []
    for start in range(0, fresh.count, BATCH):
        index = np.arange(start, min(start + BATCH, fresh.count))
        tokens = words(
            [fresh.scenes.caption(int(i), rng) for i in index],
            padding="max_length",
            truncation=True,
            return_tensors="pt",
        ).input_ids
        latents = vae.encode(fresh.scenes.batch(index).to(fresh.device)).latent_dist.mean * vae.config.scaling_factor
        noise = torch.randn(latents.shape, generator=generator).to(fresh.device)
        steps = torch.full((len(index),), MIDDLE, device=fresh.device)
        with recorded(unet) as layers:
            noisy = made["scheduler"].add_noise(latents, noise, steps)
            unet(noisy, steps, made["text_encoder"](tokens.to(fresh.device))[0])
        maps = word_maps(layers).cpu()
        for row, i in enumerate(index):
            for number, name in enumerate(fresh.scenes.facts[i]["names"], 1):
                spoken = tokens[row] == words(name).input_ids[1]
                mask = torch.from_numpy(fresh.scenes.labels[i] == number).float()[None]
                mask = functional.adaptive_avg_pool2d(mask, LATENT_SIDE)[0]
                seen = maps[row][..., spoken].mean(-1)
                gains.append(float((seen * mask).sum() / seen.sum() / mask.mean()))
    return float(np.mean(gains))


PAINTER = tuple(loop.POCKET / part for part in ("unet", "vae", "text_encoder", "scheduler"))
REPAINTER = (loop.POCKET / "inpainting_unet", *PAINTER[1:])
MEASURES = {
    "judge": Measure(
        label="judge: set of objects right, real scenes", needs=(WEIGHTS,), measured=judge_accuracy, floor=0.97
    ),
    "judge-decoded": Measure(
        label="judge: set of objects right, scenes after the autoencoder",
        needs=(WEIGHTS, loop.POCKET / "vae"),
        measured=judge_through_autoencoder,
    ),
    "judge-blobs": Measure(
        label="judge: sees an object in a scene smeared to blobs (fewer is better)",
        needs=(WEIGHTS,),
        measured=judge_deceived,
    ),
    "autoencoder": Measure(
        label="autoencoder: PSNR",
        needs=(loop.POCKET / "vae",),
        measured=autoencoder_psnr,
        floor=26,
        goal=28,
        form="{:.1f} dB",
    ),
    "scorer": Measure(
        label="scorer: right caption first of 10",
        needs=(loop.POCKET / "clip",),
        measured=scorer_first,
        floor=0.85,
        goal=0.95,
    ),
    "saliency": Measure(
        label="patch encoder: top saliency patch on an object",
        needs=(loop.POCKET / "dino",),
        measured=saliency_on_object,
        floor=0.8,
        goal=0.9,
    ),
    "segmentation": Measure(
        label='segmenter: mIoU of "a <name>"',
        needs=(loop.POCKET / "clipseg",),
        measured=lambda fresh: segmentation(fresh)[0],
        floor=0.6,
        goal=0.75,
        form="{:.3f}",
    ),
    "segmentation-absent": Measure(
        label="segmenter: finds a name that is not there (fewer is better)",
        needs=(loop.POCKET / "clipseg",),
        measured=lambda fresh: segmentation(fresh)[1],
    ),
    "single": Measure(
        label="denoiser: the object of a single-object prompt is there",
        needs=PAINTER,
        measured=lambda fresh: named_present(fresh, 1),
        floor=0.7,
        goal=0.9,
    ),
    "pair": Measure(
        label="denoiser: both objects of a two-object prompt are there",
        needs=PAINTER,
        measured=lambda fresh: named_present(fresh, 2),
        floor=0.4,
        goal=0.7,
    ),
    "inpainting": Measure(
        label="inpainting denoiser: the named object is in the box",
        needs=REPAINTER,
        measured=inpainted,
        floor=0.7,
        goal=0.85,
    ),
    "attention": Measure(
        label="denoiser: a word's attention on its object, over its area",
        needs=PAINTER,
        measured=attention_gain,
        floor=2,
        form="{:.2f} x",
    ),
}


def row_of(measure: Measure, value: float | None) -> tuple[str, ...]:
    """Label, figure, floor, goal and verdict, as the table shows them."""
    bars = tuple("" if bar is None else measure.form.format(bar) for bar in (measure.floor, measure.goal))
    if value is None:
        return measure.label, "not trained yet", *bars, ""
    verdict = ""
    if measure.floor is not None:
        verdict = "below the floor" if value < measure.floor else "floor met"
        if measure.goal is not None and value >= measure.goal:
            verdict = "goal met"
    return measure.label, measure.form.format(value), *bars, verdict


def table(rows: list[tuple[str, ...]], *, markdown: bool) -> str:
    head = ("what", "measured", "floor", "goal", "")
    if markdown:
        lines = [head, ("---",) * len(head), *rows]
        return "\n".join("| " + " | ".join(line) + " |" for line in lines)
    widths = [max(len(line[c]) for line in [head, *rows]) for c in range(len(head))]
    return "\n".join(
        "  ".join(f"{cell:<{w}}" for cell, w in zip(line, widths, strict=True)).rstrip() for line in [head, *rows]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--seed", type=int, default=SEED, help="of the scenes and captions; any that no training used")
    parser.add_argument("--count", type=int, default=200, help="scenes or captions for each row")
    parser.add_argument("--only", nargs="+", choices=list(MEASURES), metavar="NAME", help=", ".join(MEASURES))
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures here")
    parser.add_argument("--markdown", action="store_true", help="print the table as the model card has it")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    options = parser.parse_args()
    if options.seed in data.SPLITS.values():
        parser.error(f"seed {options.seed} is one that training used: choose another")
    try:
        scenes = draw_scenes(options.seed, options.count)
    except world.FontMissingError as error:
        raise SystemExit(f"evaluate: {error}") from None
    fresh = Fresh(seed=options.seed, count=options.count, device=options.device, scenes=scenes)
    rows, figures = [], {}
    for name in options.only or MEASURES:
        measure = MEASURES[name]
        value = measure.measured(fresh) if all(need.exists() for need in measure.needs) else None
        rows.append(row_of(measure, value))
        figures[name] = {"label": measure.label, "value": value, "floor": measure.floor, "goal": measure.goal}
    print(table(rows, markdown=options.markdown))
    if options.json:
        about = {"seed": options.seed, "count": options.count, "device": options.device}
        options.json.write_text(json.dumps({**about, "rows": figures}, indent=1) + "\n")


if __name__ == "__main__":
    main()
