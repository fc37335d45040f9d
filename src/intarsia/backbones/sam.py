"""Segment Anything: the exact outline of what a box and a point show (SAM, SAM 2), or of what words name (SAM 3)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional
from transformers import CLIPTokenizer, Sam2Model, Sam3Model, SamModel

from intarsia.backbones.confidence import SURE_FROM, Calibration
from intarsia.backbones.memory import Memory
from intarsia.backbones.network_files import load_network, load_tokenizer
from intarsia.backbones.preprocessing import Preprocessing, read_preprocessing
from intarsia.backbones.protocols import MaskProposals
from intarsia.backbones.tokens import tokenize
from intarsia.imaging.geometry import Box, Point


class SamMaskRefiner:
    """An `MaskRefiner` over SAM (Kirillov et al. 2023, arXiv:2304.02643) or SAM 2 (Ravi et al. 2024, arXiv:2408.00714).

    SAM sees the picture in its own shape, in the corner of a square; SAM 2 sees it stretched to the square.
    """

    def __init__(
        self, model: Any, preparation: Preprocessing, *, stretched: bool, memory: Memory | None = None
    ) -> None:
        self.model = model
        self.memory = memory or Memory()
        self.preparation = preparation
        self.stretched = stretched
        self.side: int = model.config.prompt_encoder_config.image_size

    @torch.no_grad()
    def refine_masks(self, picture: Tensor, boxes: Sequence[Box], points: Sequence[Point]) -> MaskProposals:
        """(1, 3, H, W) in [-1, 1], N boxes and points in its pixels -> three masks an object, on the CPU."""
        height, width = picture.shape[-2:]
        rows, columns = self.shape(height, width)
        prepared = prepare(picture.to(self.memory.device), (rows, columns), self.preparation).to(self.model.dtype)
        square = functional.pad(prepared, (0, self.side - columns, 0, self.side - rows))
        scale = torch.tensor([columns / width, rows / height])
        corners = torch.tensor([box.as_tuple() for box in boxes]).view(1, -1, 2, 2) * scale
        marks = torch.tensor([(point.x, point.y) for point in points]).view(1, -1, 1, 2) * scale
        # The picture is looked at once, and then asked about each object.
        output = self.memory.attempt(
            lambda: self.model(
                image_embeddings=self.model.get_image_embeddings(square),
                input_boxes=corners.flatten(2).to(square),
                input_points=marks.to(square),
                input_labels=torch.ones(marks.shape[:-1], dtype=torch.int32, device=square.device),
            )
        )
        masks = torch.empty(*output.pred_masks.shape[1:3], height, width, dtype=torch.bool)
        for place, logits in enumerate(output.pred_masks[0].float()):  # one by one: photos are large
            masks[place] = (self.at_size(logits, rows, columns, height, width) > 0).cpu()
        return MaskProposals(masks=masks, scores=output.iou_scores[0].float().cpu())

    def shape(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of the square that a picture takes."""
        if self.stretched:
            return self.side, self.side
        scale = self.side / max(height, width)
        return max(int(height * scale + 0.5), 1), max(int(width * scale + 0.5), 1)

    def at_size(self, logits: Tensor, rows: int, columns: int, height: int, width: int) -> Tensor:
        """(P, h, w) over the square -> (P, height, width) over the picture in it."""
        if not self.stretched:
            logits = resize(logits[None], (self.side, self.side))[0, :, :rows, :columns]
        return resize(logits[None], (height, width))[0]


class Sam3Segmenter:
    """A `Segmenter` over SAM 3 (Carion et al. 2025, arXiv:2511.16719), which finds every instance of a text."""

    calibration: Calibration | None = None
    sure_from = SURE_FROM

    def __init__(self, model: Any, tokenizer: Any, preparation: Preprocessing, *, memory: Memory | None = None) -> None:
        self.model = model
        self.memory = memory or Memory()
        self.tokenizer = tokenizer
        self.preparation = preparation
        # Its positions are laid out for this one size.
        self.side: int = model.config.vision_config.backbone_config.image_size
        self.text_limit: int = model.config.text_config.max_position_embeddings

    @torch.no_grad()
    def predict_masks(self, picture: Tensor, texts: Sequence[str]) -> Tensor:
        """(1, 3, H, W) in [-1, 1], T texts -> (T, H, W) probability that a pixel shows the text, on the CPU.

        It is that of the likeliest instance there: that the instance is one, times that the pixel is its.
        """
        height, width = picture.shape[-2:]
        prepared = prepare(picture.to(self.memory.device), (self.side, self.side), self.preparation)
        prepared = prepared.to(self.model.dtype)
        seen = self.memory.attempt(lambda: self.model.get_vision_features(prepared))
        tokens = tokenize(self.tokenizer, texts, self.text_limit, whole=True)
        heats = []
        for place in range(len(texts)):
            asked = {name: ids[place : place + 1].to(prepared.device) for name, ids in tokens.items()}
            output = self.memory.attempt(lambda: self.model(vision_embeds=seen, **asked))  # noqa: B023
            # Whether the picture has any such thing is said apart from which instances are one.
            scores = torch.sigmoid(output.pred_logits.float()) * torch.sigmoid(output.presence_logits.float())
            shown = scores[..., None, None] * torch.sigmoid(output.pred_masks.float())
            heats.append(shown.amax(1, keepdim=True))
        return resize(torch.cat(heats), (height, width))[:, 0].clamp(0, 1).cpu()


def prepare(picture: Tensor, size: tuple[int, int], preparation: Preprocessing) -> Tensor:
    """(1, 3, H, W) in [-1, 1] -> (1, 3, height, width) as these networks expect it: resized linearly, normalised."""
    if picture.shape[-2:] != size:
        picture = functional.interpolate(picture, size=size, mode="bilinear", antialias=True, align_corners=False)
    return preparation(picture, size)


def resize(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """(B, C, h, w) -> (B, C, height, width), linearly."""
    return functional.interpolate(maps, size=size, mode="bilinear", align_corners=False)


def load_mask_refiner(
    folder: Path,
    kind: Literal["sam", "sam2"],
    *,
    device: str = "cpu",
    memory: Memory | None = None,
    dtype: torch.dtype = torch.float32,
) -> SamMaskRefiner:
    """Load a SAM or SAM 2 checkpoint from a folder; `memory` is that of the device, where other networks share it."""
    memory = memory or Memory(device)
    model = memory.offloader.admit(
        load_network(SamModel if kind == "sam" else Sam2Model, folder, dtype=dtype), finest="low"
    )
    return SamMaskRefiner(model, read_preprocessing(folder), stretched=kind == "sam2", memory=memory)


def load_sam3(
    folder: Path, *, device: str = "cpu", memory: Memory | None = None, dtype: torch.dtype = torch.float32
) -> Sam3Segmenter:
    """Load a SAM 3 checkpoint from a folder; `memory` is that of the device, where other networks share it."""
    memory = memory or Memory(device)
    model = memory.offloader.admit(load_network(Sam3Model, folder, dtype=dtype), finest="low")
    tokenizer = load_tokenizer(CLIPTokenizer, folder)
    return Sam3Segmenter(model, tokenizer, read_preprocessing(folder), memory=memory)
