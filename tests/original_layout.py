"""Stable Diffusion in one file as its first releases named their tensors, made from networks of the libraries.

Of levels with two blocks each, four as Stable Diffusion 1 and 2 have or three as XL has, at any width.
"""

from __future__ import annotations

import re
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from tests.tiny import RES_NAMES, original_vae_name

VAE_LEVELS, BLOCKS = 4, 2

PLACES = {
    "conv_in.": "input_blocks.0.0.",
    "time_embedding.linear_1.": "time_embed.0.",
    "time_embedding.linear_2.": "time_embed.2.",
    "mid_block.resnets.0.": "middle_block.0.",
    "mid_block.attentions.0.": "middle_block.1.",
    "mid_block.resnets.1.": "middle_block.2.",
    "conv_norm_out.": "out.0.",
    "conv_out.": "out.2.",
    "add_embedding.linear_1.": "label_emb.0.0.",
    "add_embedding.linear_2.": "label_emb.0.2.",
}
VAE_ATTENTION = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}
OPEN_CLIP = {
    "embeddings.token_embedding.weight": "token_embedding.weight",
    "embeddings.position_embedding.weight": "positional_embedding",
    "final_layer_norm.": "ln_final.",
    "layer_norm1.": "ln_1.",
    "layer_norm2.": "ln_2.",
    "self_attn.out_proj.": "attn.out_proj.",
    "mlp.fc1.": "mlp.c_fc.",
    "mlp.fc2.": "mlp.c_proj.",
}


def unet_places(weights: dict[str, Tensor]) -> dict[str, str]:
    """Beginnings of names in diffusers, and what they are in the first layout."""
    places = dict(PLACES)
    for level in range(len({name.split(".")[1] for name in weights if name.startswith("up_blocks.")})):
        for block in range(BLOCKS):
            number = (BLOCKS + 1) * level + block + 1
            places[f"down_blocks.{level}.resnets.{block}."] = f"input_blocks.{number}.0."
            places[f"down_blocks.{level}.attentions.{block}."] = f"input_blocks.{number}.1."
        places[f"down_blocks.{level}.downsamplers.0.conv."] = f"input_blocks.{(BLOCKS + 1) * (level + 1)}.0.op."
        for block in range(BLOCKS + 1):
            number = (BLOCKS + 1) * level + block
            places[f"up_blocks.{level}.resnets.{block}."] = f"output_blocks.{number}.0."
            places[f"up_blocks.{level}.attentions.{block}."] = f"output_blocks.{number}.1."
        place = 2 if any(name.startswith(f"up_blocks.{level}.attentions.") for name in weights) else 1
        places[f"up_blocks.{level}.upsamplers.0.conv."] = f"output_blocks.{(BLOCKS + 1) * level + 2}.{place}.conv."
    return places


def original_unet(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    places, named = unet_places(weights), {}
    for name, weight in weights.items():
        place = next(p for p in places if name.startswith(p))
        rest = name.removeprefix(place)
        if ".resnets." in place:
            part, _, kind = rest.partition(".")
            rest = f"{RES_NAMES[part]}.{kind}"
        named[f"model.diffusion_model.{places[place]}{rest}"] = weight
    return named


def original_vae(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    named = {}
    for name, weight in weights.items():
        new = original_vae_name(name, levels=VAE_LEVELS)
        match = re.search(r"mid_block\.attentions\.0\.(.+)\.(weight|bias)$", new)
        if match:
            new = new.replace(match[0], f"mid.attn_1.{VAE_ATTENTION[match[1]]}.{match[2]}")
            weight = weight[:, :, None, None] if weight.ndim == 2 else weight
        named[new] = weight
    return named


def original_text(
    weights: dict[str, Tensor], *, open_clip: bool, place: str = "cond_stage_model."
) -> dict[str, Tensor]:
    """A text encoder as transformers names it (that of Stable Diffusion 1, the first of XL) or as OpenCLIP does."""
    plain = {name.removeprefix("text_model."): weight for name, weight in weights.items()}
    if not open_clip:
        return {f"{place}transformer.text_model.{name}": weight for name, weight in plain.items()}
    named: dict[str, Tensor] = {}
    projection = plain.pop("text_projection.weight", None)
    for name, weight in plain.items():
        new = re.sub(r"^encoder\.layers\.(\d+)\.", r"transformer.resblocks.\1.", name)
        if match := re.search(r"self_attn\.([qkv])_proj\.(weight|bias)", new):
            if match[1] == "q":
                parts = [plain[name.replace("q_proj", f"{letter}_proj")] for letter in "qkv"]
                named[new.replace(match[0], f"attn.in_proj_{match[2]}")] = torch.cat(parts)
            continue
        for old, short in OPEN_CLIP.items():
            new = new.replace(old, short)
        named[new] = weight
    width = len(named["ln_final.bias"])
    named["text_projection"] = torch.zeros(width, width) if projection is None else projection.T
    return {f"{place}model.{name}": weight for name, weight in named.items()}


def save_original(
    file: Path,
    *,
    unet: torch.nn.Module,
    vae: torch.nn.Module,
    text_encoder: torch.nn.Module,
    text_encoder_2: torch.nn.Module | None = None,
    open_clip: bool = False,
) -> None:
    """One file of the networks: three, or the four of XL."""
    weights = original_unet(dict(unet.state_dict()))
    weights |= original_vae(dict(vae.state_dict()))
    first = dict(text_encoder.state_dict())
    if text_encoder_2 is None:
        weights |= original_text(first, open_clip=open_clip)
    else:
        second = dict(text_encoder_2.state_dict())
        weights |= original_text(first, open_clip=False, place="conditioner.embedders.0.")
        weights |= original_text(second, open_clip=True, place="conditioner.embedders.1.")
    save_file({name: weight.contiguous() for name, weight in weights.items()}, file)
