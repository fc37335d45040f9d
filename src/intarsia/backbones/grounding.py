"""Grounding DINO: boxes around what words name, outlined by SAM or SAM 2."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import AutoTokenizer, GroundingDinoForObjectDetection

from intarsia.backbones.confidence import Calibration
from intarsia.backbones.memory import Memory
from intarsia.backbones.network_files import load_network, load_tokenizer
from intarsia.backbones.preprocessing import Preprocessing, read_preprocessing
from intarsia.backbones.protocols import MaskProposals, MaskRefiner
from intarsia.backbones.sam import prepare
from intarsia.backbones.tokens import tokenize
from intarsia.imaging.geometry import Box, Point

LONGEST = 1333
"""Long side of the pictures that it sees, pixels at most."""
SHORTEST = 800
"""Short side where the checkpoint does not say it, pixels."""
SCORE = 0.25
"""Of a box that counts, as its makers advise."""
SURE_SCORE = 0.35
"""Of a box that counts as sure: where the examples of its makers cut."""
MOST = 20
"""Boxes of a text that are outlined, the likeliest."""


class GroundedSegmenter:
    """A `Segmenter` and `MaskRefiner` over Grounding DINO (Liu et al. 2023, arXiv:2303.05499) and an outliner.

    Args:
        memory: of the device on which it works, where the model was taken in; by default the CPU's.
    """

    nouns: tuple[str, ...] = ()
    calibration: Calibration | None = None
    sure_from = SURE_SCORE

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        preparation: Preprocessing,
        refiner: MaskRefiner,
        *,
        memory: Memory | None = None,
    ) -> None:
        self.model = model
        self.memory = memory or Memory()
        self.tokenizer = tokenizer
        self.preparation = preparation
        self.refiner = refiner
        self.side: int = preparation.side or SHORTEST
        self.text_limit: int = model.config.max_text_len

    @torch.no_grad()
    def predict_masks(self, picture: Tensor, texts: Sequence[str]) -> Tensor:
        """(1, 3, H, W) in [-1, 1], T texts -> (T, H, W) probability that a pixel shows the text, on the CPU.

        It is the score of the likeliest box whose outline holds the pixel, and 0 where none does.
        """
        height, width = picture.shape[-2:]
        heats = torch.zeros(len(texts), height, width)
        for place, text in enumerate(texts):
            boxes, scores = self.find_boxes(picture, text)
            if not boxes:
                continue
            centres = [Point((box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2) for box in boxes]
            proposed = self.refiner.refine_masks(picture, boxes, centres)
            for number, score in enumerate(scores):
                mask = proposed.masks[number, proposed.scores[number].argmax()]
                heats[place] = torch.maximum(heats[place], mask * score)
        return heats

    @torch.no_grad()
    def find_boxes(self, picture: Tensor, text: str) -> tuple[list[Box], list[float]]:
        """Boxes in the pixels of a (1, 3, H, W) picture around what a text names, and their scores, the likeliest first."""
        height, width = picture.shape[-2:]
        scale = min(self.side / min(height, width), LONGEST / max(height, width))
        size = max(round(height * scale), 1), max(round(width * scale), 1)
        prepared = prepare(picture.to(self.memory.device), size, self.preparation).to(self.model.dtype)
        # It reads phrases in lower case, each with a full stop.
        tokens = tokenize(self.tokenizer, [text.lower().strip(" .") + "."], self.text_limit)
        asked = {name: ids.to(self.memory.device) for name, ids in tokens.items()}
        output = self.memory.attempt(lambda: self.model(pixel_values=prepared, **asked))
        scores, order = output.logits[0].float().sigmoid().amax(-1).cpu().sort(descending=True, stable=True)
        x, y, wide, high = (output.pred_boxes[0].float().cpu()[order] * torch.tensor([width, height] * 2)).unbind(-1)
        corners = torch.stack([x - wide / 2, y - high / 2, x + wide / 2, y + high / 2], -1)
        corners = torch.minimum(corners.clamp(min=0), torch.tensor([width, height] * 2))
        count = min(int((scores > SCORE).sum()), MOST)
        return [Box(*edges) for edges in corners[:count].tolist()], scores[:count].tolist()

    def refine_masks(self, picture: Tensor, boxes: Sequence[Box], points: Sequence[Point]) -> MaskProposals:
        """As the outliner says it."""
        return self.refiner.refine_masks(picture, boxes, points)


def load_grounded_segmenter(
    folder: Path, refiner: MaskRefiner, *, memory: Memory, dtype: torch.dtype = torch.float32
) -> GroundedSegmenter:
    """Load a Grounding DINO checkpoint from a folder, beside what outlines its boxes."""
    model = memory.offloader.admit(load_network(GroundingDinoForObjectDetection, folder, dtype=dtype), finest="low")
    tokenizer = load_tokenizer(AutoTokenizer, folder)
    return GroundedSegmenter(model, tokenizer, read_preprocessing(folder), refiner, memory=memory)
