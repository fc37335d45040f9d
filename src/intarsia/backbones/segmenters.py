"""Segmentation by words, alone or followed by exact outlines."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from transformers import CLIPSegForImageSegmentation, CLIPTokenizer

from intarsia.backbones import sam
from intarsia.backbones.catalog import segmenter_kind
from intarsia.backbones.clip import tokenize
from intarsia.backbones.loading import load_network
from intarsia.backbones.preparation import Preparation, read_preparation
from intarsia.backbones.protocols import Outliner, Outlines
from intarsia.geometry import Box, Point

TEXTS_AT_ONCE = 32
"""Texts that are looked for together: memory grows with them."""


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
        # The picture is looked at once, whatever the number of texts; the model itself would look for each.
        seen = self.model.clip.get_image_features(prepared, interpolate_pos_encoding=True, output_hidden_states=True)
        layers = [seen.hidden_states[layer + 1] for layer in self.model.extract_layers]
        asked = self.model.get_conditional_embeddings(
            len(texts), **{name: ids.to(self.model.device) for name, ids in tokens.items()}
        )
        logits = torch.cat(
            [
                self.model.decoder([layer.expand(len(part), -1, -1) for layer in layers], part).logits
                for part in asked.split(TEXTS_AT_ONCE)
            ]
        )
        heat = torch.sigmoid(logits.float()).reshape(len(texts), 1, *logits.shape[-2:])
        resized = functional.interpolate(heat, size=(height, width), mode="bilinear", align_corners=False)
        return resized[:, 0].clamp(0, 1).cpu()


class OutlinedSegmenter:
    """A `Segmenter` that is an `Outliner`, too: one network knows words, the other where things end."""

    def __init__(self, words: ClipSegSegmenter | sam.Sam3Segmenter, outliner: Outliner) -> None:
        self.words = words
        self.outliner = outliner
        self.side: int = words.side

    def heat(self, picture: Tensor, texts: Sequence[str]) -> Tensor:
        """As the network that knows words says it."""
        return self.words.heat(picture, texts)

    def outline(self, picture: Tensor, boxes: Sequence[Box], points: Sequence[Point]) -> Outlines:
        """As the network that knows outlines says it."""
        return self.outliner.outline(picture, boxes, points)


LoadedSegmenter = ClipSegSegmenter | sam.Sam3Segmenter | OutlinedSegmenter


def load_segmenter(words: Path, outliner: Path | None = None, *, device: str) -> LoadedSegmenter:
    """Load a segmenter in float32.

    Args:
        words: folder of a checkpoint that finds by words: CLIPSeg or SAM 3.
        outliner: folder of one that outlines what was found: SAM or SAM 2.
        device: where it works.

    Raises:
        ModelError: a checkpoint is of another kind, or damaged.
    """
    by_words = load_words(words, device=device)
    if outliner is None:
        return by_words
    kind = segmenter_kind(outliner)
    assert kind in ("sam", "sam2"), f"{outliner} outlines nothing"
    return OutlinedSegmenter(by_words, sam.load_outliner(outliner, kind, device=device))


def load_words(folder: Path, *, device: str) -> ClipSegSegmenter | sam.Sam3Segmenter:
    """Load a CLIPSeg or SAM 3 checkpoint from a folder, in float32."""
    if segmenter_kind(folder) == "sam3":
        return sam.load_sam3(folder, device=device)
    model = load_network(CLIPSegForImageSegmentation, folder)
    tokenizer = CLIPTokenizer.from_pretrained(folder, local_files_only=True)
    return ClipSegSegmenter(model.to(device), tokenizer, read_preparation(folder))
