"""Checkpoints of random weights at real size, made on the fly: same classes, configurations and files as a user's folder.

Time and memory do not depend on what a network has learned, so that these tell what the real ones cost. What they paint is
noise. Tiny ones have the same structure with few channels.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import diffusers
import torch
import transformers

from intarsia.backbones.shipped_configs import PIPELINES, Family, clip_tokenizer, family_settings, write_configuration

TINY_SIDE = 32
"""Of a tiny checkpoint's pictures, in pixels."""

CLIP_MEAN, CLIP_DEVIATION = (0.481, 0.458, 0.408), (0.269, 0.261, 0.276)
IMAGENET_MEAN, IMAGENET_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of checkpoint.

    Attributes:
        family: whose configurations ship with the package.
        channels: that its denoiser reads: 9 where it was trained to inpaint, else 4.
    """

    family: Family
    channels: int


KINDS = {
    "sd15": Kind(family="sd1", channels=9),
    "sd15-base": Kind(family="sd1", channels=4),
    "sdxl": Kind(family="sdxl", channels=9),
    "sdxl-base": Kind(family="sdxl", channels=4),
}

TINY_UNET: dict[str, Any] = {
    "sample_size": TINY_SIDE // 4,
    "block_out_channels": [8, 16],
    "layers_per_block": 1,
    "cross_attention_dim": 16,
    "attention_head_dim": 2,
    "norm_num_groups": 4,
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D"],
    "up_block_types": ["CrossAttnUpBlock2D", "UpBlock2D"],
}
TINY_UNET_XL: dict[str, Any] = {
    "cross_attention_dim": 32,
    "transformer_layers_per_block": [1, 2],
    "addition_time_embed_dim": 8,
    "projection_class_embeddings_input_dim": 6 * 8 + 16,
}
TINY_VAE: dict[str, Any] = {
    "sample_size": TINY_SIDE,
    "block_out_channels": [8, 8, 16],
    "layers_per_block": 1,
    "norm_num_groups": 4,
    "down_block_types": ["DownEncoderBlock2D"] * 3,
    "up_block_types": ["UpDecoderBlock2D"] * 3,
}
TINY_LAYERS: dict[str, Any] = {
    "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
}  # fmt: skip
TINY_TEXT: dict[str, Any] = {**TINY_LAYERS, "projection_dim": 16}
TINY_VISION: dict[str, Any] = {**TINY_LAYERS, "image_size": TINY_SIDE, "patch_size": 8}

# The helpers of the catalogue: openai/clip-vit-base-patch16, facebook/dino-vitb8, CIDAS/clipseg-rd64-refined.
BASE: dict[str, Any] = {
    "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12,
}  # fmt: skip
CLIP_TEXT: dict[str, Any] = {
    "hidden_size": 512, "intermediate_size": 2048, "num_hidden_layers": 12, "num_attention_heads": 8,
    "projection_dim": 512,
}  # fmt: skip
CLIP_VISION: dict[str, Any] = {**BASE, "image_size": 224, "patch_size": 16, "projection_dim": 512}
DINO: dict[str, Any] = {**BASE, "image_size": 256, "patch_size": 8}  # beside real checkpoints it looks at 256 px
CLIPSEG: dict[str, Any] = {
    "projection_dim": 512, "extract_layers": (3, 6, 9), "reduce_dim": 64, "use_complex_transposed_convolution": True,
}  # fmt: skip
TINY_CLIPSEG: dict[str, Any] = {
    "projection_dim": 16, "extract_layers": (0, 1), "reduce_dim": 8, "decoder_num_attention_heads": 2,
    "decoder_intermediate_size": 16,
}  # fmt: skip
CLIPSEG_SIDE = 352


def save_checkpoint(name: str, folder: Path, *, tiny: bool, dtype: torch.dtype = torch.float32) -> Path:
    """Write a checkpoint of random weights, with the networks that it is used with, one after another.

    Args:
        name: one of `KINDS`.
        folder: to write into, in diffusers layout.
        tiny: few channels, pictures of `TINY_SIDE` pixels.
        dtype: of the painting networks' weights; the helpers' are float32, as on the hub.

    Returns:
        The folder.
    """
    kind = KINDS[name]
    settings = settings_of(kind, tiny=tiny)
    write_configuration(folder, settings, pipeline=PIPELINES[kind.family])
    index = folder / "model_index.json"  # diffusers' own loading asks for the version that wrote it
    index.write_text(json.dumps({**json.loads(index.read_text()), "_diffusers_version": diffusers.__version__}))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for part, values in settings.items():
            if part.startswith("tokenizer"):
                clip_tokenizer(**values).save_pretrained(folder / part)
            elif part != "scheduler":
                network(values).to(dtype).save_pretrained(folder / part)
        save_helpers(folder, tiny=tiny)
    return folder


def settings_of(kind: Kind, *, tiny: bool) -> dict[str, Any]:
    """The configurations of a checkpoint's parts, by part."""
    settings = family_settings(kind.family, channels=kind.channels)
    if tiny:
        settings["unet"] |= TINY_UNET | (TINY_UNET_XL if kind.family == "sdxl" else {})
        settings["vae"] |= TINY_VAE
        for part in ("text_encoder", "text_encoder_2"):
            if part in settings:
                settings[part] |= TINY_TEXT
    return settings


def network(settings: dict[str, Any]) -> Any:
    """A painting network of a configuration, its weights drawn as its class draws them."""
    if "_class_name" in settings:
        return getattr(diffusers, settings["_class_name"]).from_config(settings)
    kind = getattr(transformers, settings["architectures"][0])
    return kind(transformers.CLIPTextConfig(**settings))


def save_helpers(folder: Path, *, tiny: bool) -> None:
    """Write CLIP, DINO and CLIPSeg into subfolders of these names."""
    tokenizer = clip_tokenizer()
    ends = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    text = {**(TINY_TEXT if tiny else CLIP_TEXT), **ends, "pad_token_id": tokenizer.pad_token_id}
    vision = {**TINY_VISION, "projection_dim": 16} if tiny else CLIP_VISION
    clip = transformers.CLIPConfig(
        text_config=text, vision_config=vision, projection_dim=cast("int", text["projection_dim"])
    )
    save_helper(transformers.CLIPModel(clip), folder / "clip", vision["image_size"], CLIP_MEAN, CLIP_DEVIATION)
    tokenizer.save_pretrained(folder / "clip")
    sight = TINY_VISION if tiny else DINO
    dino = transformers.ViTModel(transformers.ViTConfig(**sight), add_pooling_layer=False)
    save_helper(dino, folder / "dino", sight["image_size"], IMAGENET_MEAN, IMAGENET_DEVIATION)
    clipseg = transformers.CLIPSegConfig(text_config=text, vision_config=vision, **(TINY_CLIPSEG if tiny else CLIPSEG))
    side = TINY_SIDE if tiny else CLIPSEG_SIDE
    segmenter = transformers.CLIPSegForImageSegmentation(clipseg)
    save_helper(segmenter, folder / "clipseg", side, IMAGENET_MEAN, IMAGENET_DEVIATION)
    tokenizer.save_pretrained(folder / "clipseg")


def save_helper(
    model: Any, folder: Path, side: int, mean: tuple[float, float, float], deviation: tuple[float, float, float]
) -> None:
    """Write a network, and how it wants its pictures.

    Args:
        side: of the square that it reads, in pixels.
        mean, deviation: of each channel, of pictures in [0, 1].
    """
    model.save_pretrained(folder)
    wanted = {"image_mean": mean, "image_std": deviation, "size": {"height": side, "width": side}}
    (folder / "preprocessor_config.json").write_text(json.dumps(wanted))
