"""Random networks of the real classes, small enough to be made for every test run.

Pictures of 32 px, an autoencoder of factor 4, two levels in the denoiser: a stride of 8.
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, DDIMScheduler, PNDMScheduler, UNet2DConditionModel
from safetensors.torch import load_file, save_file
from transformers import (
    CLIPConfig,
    CLIPModel,
    CLIPSegConfig,
    CLIPSegForImageSegmentation,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTokenizer,
    Dinov2WithRegistersConfig,
    Dinov2WithRegistersModel,
    ViTConfig,
    ViTModel,
)

SIDE = 32
WIDTH = 16
TEXT_LIMIT = 16
BEGIN, END = "<|startoftext|>", "<|endoftext|>"
TRAILING = {"prediction_type": "v_prediction", "rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
SCHEDULE = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "steps_offset": 1}


def save_tokenizer(folder: Path) -> CLIPTokenizer:
    """Letters as tokens, no merges: enough to read any text, one token a letter."""
    letters = [chr(c) for c in range(33, 127)]
    tokens = [*letters, *(c + "</w>" for c in letters), BEGIN, END]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps({t: i for i, t in enumerate(tokens)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    special = {"bos_token": BEGIN, "eos_token": END, "unk_token": END, "pad_token": END}
    settings = {"tokenizer_class": "CLIPTokenizer", "model_max_length": TEXT_LIMIT, **special}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return CLIPTokenizer.from_pretrained(folder)


def text_settings(tokenizer: CLIPTokenizer) -> dict[str, Any]:
    return {
        "vocab_size": len(tokenizer),
        "hidden_size": WIDTH,
        "intermediate_size": 2 * WIDTH,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "max_position_embeddings": TEXT_LIMIT,
        "projection_dim": WIDTH,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }


VISION: dict[str, Any] = {
    "hidden_size": WIDTH,
    "intermediate_size": 2 * WIDTH,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": SIDE,
    "patch_size": 8,
}


def autoencoder() -> AutoencoderKL:
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        block_out_channels=(8, 8, 16),
        layers_per_block=1,
        norm_num_groups=4,
        sample_size=SIDE,
        mid_block_add_attention=False,
        scaling_factor=0.9,
    )


def denoiser(channels: int, **changed: Any) -> UNet2DConditionModel:
    settings: dict[str, Any] = {
        "sample_size": SIDE // 4,
        "in_channels": channels,
        "block_out_channels": (8, 16),
        "layers_per_block": 1,
        "cross_attention_dim": WIDTH,
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
        "attention_head_dim": 2,
        "norm_num_groups": 4,
    }
    return UNet2DConditionModel(**settings | changed)


def save_preparation(folder: Path, mean: float, deviation: float) -> None:
    settings = {
        "image_mean": [mean] * 3,
        "image_std": [deviation] * 3,
        "size": {"height": SIDE, "width": SIDE},
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))


def save_scheduler(folder: Path, kind: str) -> None:
    scheduler = DDIMScheduler(**SCHEDULE, **TRAILING) if kind == "ddim" else PNDMScheduler(**SCHEDULE)
    scheduler.save_pretrained(folder)


def save_dino(folder: Path, *, registers: int = 0) -> None:
    if registers:
        Dinov2WithRegistersModel(Dinov2WithRegistersConfig(**VISION, num_register_tokens=registers)).save_pretrained(
            folder
        )
    else:
        ViTModel(ViTConfig(**VISION), add_pooling_layer=False).save_pretrained(folder)
    save_preparation(folder, 0.4, 0.25)


def save_checkpoint(folder: Path, *, scheduler: str = "ddim") -> None:
    """Both denoisers, what they need, and the three helpers."""
    torch.manual_seed(0)
    tokenizer = save_tokenizer(folder / "tokenizer")
    text = text_settings(tokenizer)
    CLIPTextModel(CLIPTextConfig(**text)).save_pretrained(folder / "text_encoder")
    autoencoder().save_pretrained(folder / "vae")
    denoiser(4).save_pretrained(folder / "unet")
    denoiser(9).save_pretrained(folder / "inpainting_unet")
    save_scheduler(folder / "scheduler", scheduler)
    CLIPModel(
        CLIPConfig(text_config=text, vision_config={**VISION, "projection_dim": WIDTH}, projection_dim=WIDTH)
    ).save_pretrained(folder / "clip")
    save_tokenizer(folder / "clip")
    save_preparation(folder / "clip", 0.5, 0.5)
    save_dino(folder / "dino")
    CLIPSegForImageSegmentation(
        CLIPSegConfig(
            text_config=text,
            vision_config=VISION,
            projection_dim=WIDTH,
            extract_layers=(0, 1),
            reduce_dim=8,
            decoder_num_attention_heads=2,
            decoder_intermediate_size=16,
        )
    ).save_pretrained(folder / "clipseg")
    save_tokenizer(folder / "clipseg")
    save_preparation(folder / "clipseg", 0.4, 0.25)


RES_NAMES = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
# Where the two-level denoiser above keeps its blocks in the original layout.
UNET_PLACES = {
    "conv_in.": "input_blocks.0.0.",
    "down_blocks.0.resnets.0.": "input_blocks.1.0.",
    "down_blocks.0.downsamplers.0.conv.": "input_blocks.2.0.op.",
    "down_blocks.1.resnets.0.": "input_blocks.3.0.",
    "down_blocks.1.attentions.0.": "input_blocks.3.1.",
    "mid_block.resnets.0.": "middle_block.0.",
    "mid_block.attentions.0.": "middle_block.1.",
    "mid_block.resnets.1.": "middle_block.2.",
    "up_blocks.0.resnets.0.": "output_blocks.0.0.",
    "up_blocks.0.attentions.0.": "output_blocks.0.1.",
    "up_blocks.0.resnets.1.": "output_blocks.1.0.",
    "up_blocks.0.attentions.1.": "output_blocks.1.1.",
    "up_blocks.0.upsamplers.0.conv.": "output_blocks.1.2.conv.",
    "up_blocks.1.resnets.0.": "output_blocks.2.0.",
    "up_blocks.1.resnets.1.": "output_blocks.3.0.",
    "time_embedding.linear_1.": "time_embed.0.",
    "time_embedding.linear_2.": "time_embed.2.",
    "conv_norm_out.": "out.0.",
    "conv_out.": "out.2.",
}


def original_unet_name(name: str) -> str:
    place = next(p for p in UNET_PLACES if name.startswith(p))
    rest = name.removeprefix(place)
    if ".resnets." in place:
        part, _, kind = rest.partition(".")
        rest = f"{RES_NAMES[part]}.{kind}"
    return f"model.diffusion_model.{UNET_PLACES[place]}{rest}"


def original_vae_name(name: str, levels: int = 3) -> str:
    name = name.replace("conv_norm_out", "norm_out").replace("conv_shortcut", "nin_shortcut")
    name = re.sub(r"down_blocks\.(\d)\.resnets\.", r"down.\1.block.", name)
    name = re.sub(r"down_blocks\.(\d)\.downsamplers\.0\.", r"down.\1.downsample.", name)
    name = re.sub(r"up_blocks\.(\d)\.resnets\.", lambda m: f"up.{levels - 1 - int(m[1])}.block.", name)
    name = re.sub(r"up_blocks\.(\d)\.upsamplers\.0\.", lambda m: f"up.{levels - 1 - int(m[1])}.upsample.", name)
    name = re.sub(r"mid_block\.resnets\.(\d)", lambda m: f"mid.block_{int(m[1]) + 1}", name)
    return f"first_stage_model.{name}"


def save_single_file(checkpoint: Path, file: Path) -> None:
    """The inpainting networks of a checkpoint in one file, named as Stable Diffusion's first release did."""
    text_prefix = "cond_stage_model.transformer.text_model."
    weights = {
        original_unet_name(n): w
        for n, w in load_file(checkpoint / "inpainting_unet" / "diffusion_pytorch_model.safetensors").items()
    }
    weights |= {
        original_vae_name(n): w
        for n, w in load_file(checkpoint / "vae" / "diffusion_pytorch_model.safetensors").items()
    }
    weights |= {
        text_prefix + n.removeprefix("text_model."): w
        for n, w in load_file(checkpoint / "text_encoder" / "model.safetensors").items()
    }
    save_file(weights, file)


def save_file_configuration(checkpoint: Path, folder: Path) -> None:
    """What lies beside a single-file checkpoint: configurations and tokenizer, no weights."""
    weights = shutil.ignore_patterns("*.safetensors")
    for part in ("vae", "text_encoder", "tokenizer", "scheduler"):
        shutil.copytree(checkpoint / part, folder / part, ignore=weights)
    shutil.copytree(checkpoint / "inpainting_unet", folder / "unet", ignore=weights)
    index = {
        "_class_name": "StableDiffusionInpaintPipeline",
        "vae": ["diffusers", "AutoencoderKL"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "scheduler": ["diffusers", "DDIMScheduler"],
        "safety_checker": [None, None],
        "feature_extractor": [None, None],
    }
    (folder / "model_index.json").write_text(json.dumps(index))
