"""CLIPSeg: segmentation by words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from intarsia.backbones.confidence import SURE_FROM, Calibration
from intarsia.backbones.memory import Memory
from intarsia.backbones.preprocessing import Preprocessing
from intarsia.backbones.tokens import tokenize

TEXTS_AT_ONCE = 32
"""Texts that are looked for together: memory grows with them."""


class ClipSegSegmenter:
    """A `Segmenter` over CLIPSeg (Lueddecke & Ecker 2022, arXiv:2112.10003)."""

    sure_from = SURE_FROM

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        preparation: Preprocessing,
        nouns: Sequence[str] = (),
        *,
        calibration: Calibration | None = None,
        memory: Memory | None = None,
    ) -> None:
        """Take a loaded model; `nouns` are all that it knows, where they are few, and `memory` took the model in."""
        self.calibration = calibration
        self.memory = memory or Memory()
        self.nouns = tuple(nouns)
        self.model = model
        self.tokenizer = tokenizer
        self.preparation = preparation
        # The processor's size counts: CLIPSeg reads larger pictures than its CLIP was trained on.
        self.side: int = preparation.side or model.config.vision_config.image_size
        self.text_limit: int = model.config.text_config.max_position_embeddings

    @torch.no_grad()
    def predict_masks(self, picture: Tensor, texts: Sequence[str]) -> Tensor:
        """(1, 3, H, W) in [-1, 1], T texts -> (T, H, W) probability that a pixel shows the text, on the CPU."""
        height, width = picture.shape[-2:]
        prepared = self.preparation(picture.to(self.memory.device), (self.side, self.side)).to(self.model.dtype)
        tokens = tokenize(self.tokenizer, texts, self.text_limit)
        tokens = {name: ids.to(self.memory.device) for name, ids in tokens.items()}
        logits = self.memory.attempt(lambda: self._logits(prepared, tokens))
        heat = torch.sigmoid(logits.float()).reshape(len(texts), 1, *logits.shape[-2:])
        resized = functional.interpolate(heat, size=(height, width), mode="bilinear", align_corners=False)
        return resized[:, 0].clamp(0, 1).cpu()

    def _logits(self, prepared: Tensor, tokens: dict[str, Tensor]) -> Tensor:
        """(1, 3, h, w) and T texts -> (T, rows, columns)."""
        # The picture is looked at once, whatever the number of texts; the model itself would look for each.
        seen = self.model.clip.get_image_features(prepared, interpolate_pos_encoding=True, output_hidden_states=True)
        layers = [seen.hidden_states[layer + 1] for layer in self.model.extract_layers]
        asked = self.model.get_conditional_embeddings(len(tokens["input_ids"]), **tokens)
        return torch.cat(
            [
                self.model.decoder([layer.expand(len(part), -1, -1) for layer in layers], part).logits
                for part in asked.split(TEXTS_AT_ONCE)
            ]
        )
