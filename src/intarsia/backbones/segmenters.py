"""Segmentation by words."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from transformers import CLIPSegForImageSegmentation, CLIPTokenizer

from intarsia.backbones.clip import tokenize
from intarsia.backbones.loading import load_network
from intarsia.backbones.preparation import Preparation, read_preparation


class ClipSegSegmenter:
    """A `Segmenter` over CLIPSeg (Lueddecke & Ecker 2022, arXiv:2112.10003)."""

    def __init__(self, model: Any, tokenizer: Any, preparation: Preparation) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.preparation = preparation
        # The processor's size counts: CLIPSeg reads larger pictures than its CLIP was trained on.
        self.side: int = preparation.side or model.config.vision_config.image_size
        self.text_limit: int = model.config.text_config.max_position_embeddings

    @torch.no_grad()
    def heat(self, picture: Tensor, texts: Sequence[str]) -> Tensor:
        """(1, 3, H, W) in [-1, 1], T texts -> (T, H, W) probability that a pixel shows the text, on the CPU."""
        height, width = picture.shape[-2:]
        prepared = self.preparation(picture.to(self.model.device, self.model.dtype), (self.side, self.side))
        tokens = tokenize(self.tokenizer, texts, self.text_limit)
        logits = self.model(
            pixel_values=prepared.expand(len(texts), -1, -1, -1),
            **{name: ids.to(self.model.device) for name, ids in tokens.items()},
        ).logits
        heat = torch.sigmoid(logits.float()).reshape(len(texts), 1, *logits.shape[-2:])
        resized = functional.interpolate(heat, size=(height, width), mode="bilinear", align_corners=False)
        return resized[:, 0].clamp(0, 1).cpu()


def load_segmenter(folder: Path, *, device: str) -> ClipSegSegmenter:
    """Load a CLIPSeg checkpoint from a folder, in float32."""
    model = load_network(CLIPSegForImageSegmentation, folder)
    tokenizer = CLIPTokenizer.from_pretrained(folder, local_files_only=True)
    return ClipSegSegmenter(model.to(device), tokenizer, read_preparation(folder))
