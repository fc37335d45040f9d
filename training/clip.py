"""Train the pocket scorer, a CLIP of pictures and captions; its text encoder also serves the denoisers.

python -m training.clip --minutes 10
"""

from __future__ import annotations

import random

import numpy as np
import torch
from transformers import (
    CLIPConfig,
    CLIPImageProcessorPil,
    CLIPModel,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTokenizer,
    CLIPVisionConfig,
)

from training import data, loop, tokenizer

WIDTH = 160
BATCH = 128


def build(words: CLIPTokenizer) -> CLIPModel:
    text = CLIPTextConfig(
        vocab_size=len(words),
        hidden_size=WIDTH,
        intermediate_size=3 * WIDTH,
        num_hidden_layers=4,
        num_attention_heads=4,
        max_position_embeddings=tokenizer.MAX_LENGTH,
        projection_dim=WIDTH,
        bos_token_id=words.bos_token_id,
        eos_token_id=words.eos_token_id,
        pad_token_id=words.pad_token_id,
    )
    vision = CLIPVisionConfig(
        hidden_size=WIDTH,
        intermediate_size=3 * WIDTH,
        num_hidden_layers=4,
        num_attention_heads=4,
        image_size=data.SIDE,
        patch_size=8,
        projection_dim=WIDTH,
    )
    return CLIPModel(CLIPConfig(text_config=text.to_dict(), vision_config=vision.to_dict(), projection_dim=WIDTH))


def processor() -> CLIPImageProcessorPil:
    side = {"height": data.SIDE, "width": data.SIDE}
    half = [0.5, 0.5, 0.5]
    return CLIPImageProcessorPil(
        size=side, crop_size=side, do_center_crop=False, do_resize=True, image_mean=half, image_std=half
    )


def ranked_first(model: CLIPModel, words: CLIPTokenizer, scenes: data.Pool, *, groups: int, device: str) -> float:
    """How often the right caption of ten comes first."""
    rng, right = random.Random(0), 0
    for g in range(groups):
        index = np.arange(10 * g, 10 * g + 10)
        captions = [scenes.caption(int(i), rng) for i in index]
        tokens = words(captions, padding="max_length", truncation=True, return_tensors="pt").to(device)
        with torch.no_grad():
            logits = model(**tokens, pixel_values=scenes.batch(index).to(device)).logits_per_image
        right += int((logits.argmax(1).cpu() == torch.arange(10)).sum())
    return right / (10 * groups)


def main() -> None:
    chosen = loop.options(__doc__ or "", minutes=10)
    torch.manual_seed(2)
    rng, captioner = np.random.default_rng(2), random.Random(2)
    scenes, held_out = data.pool("train", 60_000), data.pool("held_out", 2000)
    words = tokenizer.build(loop.POCKET / "tokenizer")
    model = build(words).to(chosen.device)
    run = loop.Run("clip", model, peak=1e-3, decay=0.995, chosen=chosen, weight_decay=0.05)
    for _ in run.clock():
        index = np.sort(rng.integers(0, len(scenes), BATCH))
        tokens = words(
            [scenes.caption(i, captioner) for i in index], padding=True, truncation=True, return_tensors="pt"
        ).to(chosen.device)
        with torch.autocast(chosen.device, dtype=torch.bfloat16):
            value = model(**tokens, pixel_values=scenes.batch(index).to(chosen.device), return_loss=True).loss
        run.step(value)

    run.average.swap()
    model.eval()
    first = ranked_first(model, words, held_out, groups=40, device=chosen.device)
    print(f"clip: the right caption of ten comes first in {first:.1%} of 400 held-out scenes")
    model.half().save_pretrained(loop.POCKET / "clip")
    words.save_pretrained(loop.POCKET / "clip")
    processor().save_pretrained(loop.POCKET / "clip")
    text = CLIPTextModel(model.config.text_config)
    missing, _ = text.load_state_dict(model.text_model.state_dict(), strict=False)
    if missing:
        missing, _ = text.load_state_dict({f"text_model.{k}": v for k, v in model.text_model.state_dict().items()})
    assert not missing, missing
    text.half().save_pretrained(loop.POCKET / "text_encoder")


if __name__ == "__main__":
    main()
