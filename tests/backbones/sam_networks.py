"""Small SAM, SAM 2 and SAM 3 checkpoints with random weights."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image
from transformers import (
    Sam2Config,
    Sam3Config,
    SamConfig,
)

from intarsia.imaging.masks import Mask
from intarsia.imaging.photo import Photo
from intarsia.imaging.read import photo_from_image

SIDE, WIDTH = 64, 16


SIDE3 = 56


ATTENTION = {"hidden_size": WIDTH, "num_attention_heads": 2}


MEAN, DEVIATION = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def sam_config() -> SamConfig:
    return SamConfig(
        vision_config={
            **ATTENTION,
            "output_channels": WIDTH,
            "num_hidden_layers": 1,
            "image_size": SIDE,
            "patch_size": 8,
            "window_size": 4,
            "global_attn_indexes": [0],
            "num_pos_feats": WIDTH // 2,
            "mlp_dim": WIDTH,
            "initializer_range": 0.02,
        },
        prompt_encoder_config={
            "hidden_size": WIDTH,
            "image_size": SIDE,
            "patch_size": 8,
            "mask_input_channels": 4,
        },
        mask_decoder_config=decoder(),
    )


def sam2_config() -> Sam2Config:
    backbone = {
        "model_type": "sam2_hiera_det_model",
        "hidden_size": 8,
        "image_size": [SIDE, SIDE],
        "embed_dim_per_stage": [8, 16, 24, 32],
        "num_attention_heads_per_stage": [1, 1, 1, 1],
        "blocks_per_stage": [1, 1, 2, 1],
        "window_size_per_stage": [4, 4, 4, 2],
        "global_attention_blocks": [3],
    }
    return Sam2Config(
        vision_config={
            "model_type": "sam2_vision_model",
            "backbone_config": backbone,
            "backbone_channel_list": [32, 24, 16, 8],
            "backbone_feature_sizes": [[16, 16], [8, 8], [4, 4]],
            "fpn_hidden_size": WIDTH,
        },
        prompt_encoder_config={
            "hidden_size": WIDTH,
            "image_size": SIDE,
            "patch_size": 16,
            "mask_input_channels": 4,
        },
        mask_decoder_config=decoder(),
    )


def decoder() -> dict[str, int]:
    return {**ATTENTION, "mlp_dim": WIDTH, "iou_head_hidden_dim": WIDTH, "num_hidden_layers": 1}


def sam3_config(text: dict[str, object]) -> Sam3Config:
    layers = {**ATTENTION, "num_layers": 1, "intermediate_size": WIDTH}
    backbone = {
        **ATTENTION,
        "model_type": "sam3_vit_model",
        "intermediate_size": WIDTH,
        "num_hidden_layers": 1,
        "image_size": SIDE3,
        "patch_size": 14,
        "window_size": 4,
        "global_attn_indexes": [0],
        "pretrain_image_size": SIDE3,
    }
    return Sam3Config(
        vision_config={
            "model_type": "sam3_vision_model",
            "backbone_config": backbone,
            "fpn_hidden_size": WIDTH,
            "backbone_feature_sizes": [[16, 16], [8, 8], [4, 4]],
        },
        text_config={"model_type": "clip_text_model", **text},
        geometry_encoder_config=layers,
        detr_encoder_config=layers,
        detr_decoder_config={**layers, "num_queries": 5},
        mask_decoder_config=ATTENTION,
    )


def save_preparation(folder: Path, **size: object) -> None:
    settings = {"image_mean": MEAN, "image_std": DEVIATION, **size}
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))


def noise(height: int, width: int) -> Photo:
    pixels = np.random.default_rng(height).integers(0, 256, (height // 4, width // 4, 3), dtype=np.uint8)
    return photo_from_image(Image.fromarray(pixels).resize((width, height), Image.Resampling.BICUBIC))


def box(rows: slice, columns: slice, size: tuple[int, int] = (64, 64)) -> Mask:
    mask = np.zeros(size, np.bool_)
    mask[rows, columns] = True
    return mask
